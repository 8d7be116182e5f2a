// Tocsin follows a folder of events: it watches Markdown files, publishes feeds
// of them and tells chat tools what changed.
//
// Each command has a file of its own. Of the daemon, daemon.go is what lasts as long
// as the process, generation.go what is made from one reading of the configuration,
// wheel.go its work, door.go where it listens, control.go how commands reach it and
// systemd.go what systemd hears of it. wiring.go turns the configuration into the values
// of the packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // time zones on machines that have none

	"tocsin/config"
)

// version is the program's, and part of every feed.
const version = "0.1.0"

const usage = `Usage:
    tocsin init    [-o FILE] DIR               a configuration for a folder of Markdown
    tocsin serve   [-config FILE]              watch, publish, notify, serve
    tocsin build   [-config FILE] [-out DIR] [-feeds]
                                               feeds and pages into a folder, once
    tocsin check   [-config FILE] [PATH...]    faults in events and configuration
    tocsin send    [-config FILE] SINK         a test message to one sink
    tocsin deliveries [-config FILE] list|show ID|retry ID|cancel ID
                                               what was sent, what waits, what failed
    tocsin accept  [-config FILE]              yes to what tocsin holds and does not do by itself
    tocsin reload  [-config FILE]              the daemon reads its configuration again
    tocsin backup  [-config FILE] FILE         a copy of the state, also while the daemon runs
    tocsin migrate [-config FILE] -to ADDRESS  the state to PostgreSQL
    tocsin version

Without -config: config.yaml here, else /etc/tocsin/config.yaml. build, check,
send, deliveries, accept, backup, migrate and version take -json. "tocsin COMMAND -h" says more.
Exit codes: 0 done; 1 faults; 2 wrong usage; 78 bad configuration.
`

// Exit codes.
const (
	exitDone   = 0
	exitFaults = 1
	exitUsage  = 2
	exitConfig = 78 // EX_CONFIG of sysexits.h
)

// command runs one command with the arguments behind its name.
type command func(ctx context.Context, t *terminal, args []string) error

// terminal is what a command reads and writes.
type terminal struct {
	out, err io.Writer
	env      config.Env
	// dates is the clock by which events are dated; nil: the machine's. Tests
	// hold it still, to compare bytes.
	dates func() time.Time
}

func main() {
	limitMemory()
	os.Exit(run(untilSignal(), &terminal{out: os.Stdout, err: os.Stderr, env: config.OSEnv()}, os.Args[1:]))
}

// untilSignal returns a context that ends when the program is asked to end.
func untilSignal() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills
	return ctx
}

// run runs the command that args name and returns its exit code.
func run(ctx context.Context, t *terminal, args []string) int {
	commands := map[string]command{
		"init": initialize, "serve": serve, "build": build, "check": check, "send": send, "deliveries": deliveries,
		"accept": accept, "backup": backup, "migrate": migrate, "reload": reload, "version": printVersion,
	}
	if len(args) == 0 {
		fmt.Fprint(t.err, usage)
		return exitUsage
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		fmt.Fprint(t.out, usage)
		return exitDone
	}
	c, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(t.err, "tocsin: no command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	err := c(ctx, t, args[1:])
	var misused *usageError
	var misconfigured *config.Error
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errFaults):
		return exitFaults
	case errors.As(err, &misused):
		fmt.Fprintf(t.err, "tocsin %s: %v\n", args[0], err)
		return exitUsage
	case errors.As(err, &misconfigured):
		fmt.Fprintln(t.err, err)
		return exitConfig
	}
	fmt.Fprintf(t.err, "tocsin %s: %v\n", args[0], err)
	return exitFaults
}

// errFaults says that a command found faults and has reported them.
var errFaults = errors.New("faults")

// usageError is a command line that cannot be meant.
type usageError struct{ msg string }

// Error implements error.
func (e *usageError) Error() string { return e.msg }
