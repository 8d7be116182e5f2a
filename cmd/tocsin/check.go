package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tocsin/config"
	"tocsin/event"
	"tocsin/timeline"
)

// finding is one fault as check prints it.
type finding struct {
	Path string `json:"path"`
	Line int    `json:"line"`
	What string `json:"what"`
}

// check reports the faults of the configuration and of the events, all of them
// or those at the paths given.
func check(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "check", "[-config FILE] [PATH...]",
		"Reports what is wrong with the configuration and the events as path:line: what.\nWith paths: only with the event files there.")
	f.withJSON()
	paths, err := f.parse(args)
	if err != nil {
		return err
	}
	found := []finding{}
	c, err := f.load()
	if err != nil {
		faults := configFaults(err)
		if faults == nil {
			return err
		}
		found = append(found, faults...)
	} else {
		events, err := checkEvents(ctx, t, c, paths)
		if err != nil {
			return err
		}
		found = append(found, events...)
	}
	err = f.print(found, func(w io.Writer) {
		for _, x := range found {
			fmt.Fprintf(w, "%s:%d: %s\n", x.Path, x.Line, x.What)
		}
	})
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return errFaults
	}
	return nil
}

// configFaults returns the faults of a configuration that could be read; nil
// where it could not.
func configFaults(err error) []finding {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []finding
		for _, e := range joined.Unwrap() {
			all = append(all, configFaults(e)...)
		}
		return all
	}
	var fault *config.Error
	if !errors.As(err, &fault) || fault.Line == 0 {
		return nil
	}
	what := strings.TrimPrefix(fault.Error(), fmt.Sprintf("%s:%d: ", fault.Path, fault.Line))
	return []finding{{fault.Path, fault.Line, what}}
}

func checkEvents(ctx context.Context, t *terminal, c *config.Config, paths []string) ([]finding, error) {
	tl := newTimeline(c)
	bar := t.progress("reading events")
	defer bar.end()
	if _, err := tl.Look(ctx, timeline.Where{All: true, Sure: true, Progress: bar.at}); err != nil {
		return nil, fmt.Errorf("events.dir: %w", err)
	}
	var only []string
	for _, p := range paths {
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
			return nil, &usageError{msg: fmt.Sprintf("no file or folder %s", p)}
		}
		rel, err := below(c.Events.Dir, p)
		if err != nil {
			return nil, err
		}
		only = append(only, rel)
	}
	var found []finding
	for _, err := range tl.Faults() {
		var fault *event.Error
		if !errors.As(err, &fault) {
			return nil, err
		}
		if len(only) == 0 || isBelow(fault.Path, only) {
			found = append(found, finding{filepath.Join(c.Events.Dir, filepath.FromSlash(fault.Path)), fault.Line, fault.Msg})
		}
	}
	return found, nil
}

// below returns p as a path below dir, with slashes.
func below(dir, p string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	full, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(absolute, full)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", &usageError{msg: fmt.Sprintf("%s is not below the events folder %s", p, dir)}
	}
	return filepath.ToSlash(rel), nil
}

func isBelow(p string, dirs []string) bool {
	for _, d := range dirs {
		if d == "." || p == d || strings.HasPrefix(p, d+"/") {
			return true
		}
	}
	return false
}

// located is a fault of an event with the path as the user has it.
func located(dir string, err error) string {
	var fault *event.Error
	if !errors.As(err, &fault) {
		return err.Error()
	}
	return (&event.Error{Path: filepath.Join(dir, filepath.FromSlash(fault.Path)), Line: fault.Line, Msg: fault.Msg}).Error()
}
