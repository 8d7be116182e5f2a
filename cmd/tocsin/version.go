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
	switch rest, err := f.parse(args); {
	case err != nil:
		return err
	case len(rest) > 0:
		return &usageError{msg: fmt.Sprintf("unexpected argument %q", rest[0])}
	}
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{version, runtime.Version()}
	return f.print(v, func(w io.Writer) { fmt.Fprintf(w, "tocsin %s (%s)\n", v.Version, v.Go) })
}
