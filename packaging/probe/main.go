// Probe is what scripts/check-service puts beside the service, static, since there is
// little else in the trees that are booted:
//
//	probe receive ADDRESS KEY FILE   takes webhooks and writes one line each: whether the
//	                                 signature is right, and the body
//	probe load URL N COMMAND...      sends N requests, each on a connection of its own,
//	                                 while it runs a command again and again
//	probe sandbox                    tries what the service must not be able to do
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
)

func main() {
	args := os.Args[1:]
	var err error
	switch {
	case len(args) == 4 && args[0] == "receive":
		err = receive(args[1], args[2], args[3])
	case len(args) > 3 && args[0] == "load":
		n, _ := strconv.Atoi(args[2])
		err = load(args[1], n, args[3:])
	case len(args) == 1 && args[0] == "sandbox":
		err = sandbox()
	default:
		err = errors.New("usage: probe receive ADDRESS KEY FILE | load URL N COMMAND... | sandbox")
	}
	if err != nil {
		fmt.Println("probe:", err)
		os.Exit(1)
	}
}
