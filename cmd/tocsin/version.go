package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
)

// printVersion prints the program's version.
func printVersion(_ context.Context, t *terminal, args []string) error {
	f := newFlags(t, "version", "", "Prints the version.")
	f.withJSON()
	if err := f.parseFlags(args); err != nil {
		return err
	}
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{version, runtime.Version()}
	return f.print(v, func(w io.Writer) { fmt.Fprintf(w, "tocsin %s (%s)\n", v.Version, v.Go) })
}
