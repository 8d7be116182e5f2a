package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"tocsin/config"
	"tocsin/event"
	"tocsin/lint"
	"tocsin/timeline"
)

// finding is one thing that check found.
type finding struct {
	// Path is a file's, as the user has it.
	Path string `json:"path"`
	// Line counts from 1; 0 where the finding is about the whole file.
	Line     int      `json:"line"`
	Severity severity `json:"severity"`
	// Rule is the name of one of checkRules.
	Rule string `json:"rule"`
	What string `json:"what"`
}

// severity is how much a finding weighs.
type severity string

// The severities. The first is a fault: check ends with 1.
const (
	severe  severity = "error"
	warning severity = "warning"
	off     severity = "off"
)

// The rules that are none of package lint: they are errors and cannot be switched.
const (
	configurationRule = "configuration"
	fileRule          = "file"
)

// surroundingsRule is about what the configuration meets on this machine (doctor.go).
const surroundingsRule = "surroundings"

// checkRules returns all rules by which there are findings.
func checkRules() []lint.Rule {
	return append([]lint.Rule{
		{Name: configurationRule, About: "The configuration is not valid."},
		{Name: fileRule, About: "A file cannot be read as an event, or another file has its id."},
		{Name: surroundingsRule, About: "On this machine something will make trouble, such as a limit, a permission or a clock."},
	}, lint.Rules()...)
}

// defaultSeverity is what findings of a rule weigh where nobody says otherwise.
func defaultSeverity(rule string) severity {
	if s, ok := config.Default().Check[rule]; ok {
		return severity(s)
	}
	return severe
}

// check reports the faults of the configuration and of the events, and what is
// probably not meant: all of it, or what is at the paths given.
func check(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "check", "[-config FILE] [PATH...]",
		"Reports what is wrong with the configuration and the events as path:line: what, and as\npath:line: warning: what, what is probably not meant. Also what will make\ntrouble on this machine. With paths: only what is in the event files there; what is\nusual is learned from the whole folder all the same.\nExits with 1 for errors, and with -strict for warnings too.")
	f.withJSON()
	format := f.String("format", "text", "`text|json|github|sarif`; json is as -json, github annotates a workflow")
	strict := f.Bool("strict", false, "exit with 1 for warnings, too")
	switched := make(map[string]string)
	f.Func("rule", "`NAME=LEVEL`: error, warning or off, as in the section check of the configuration; repeatable", func(s string) error {
		name, level, _ := strings.Cut(s, "=")
		if config.Default().Check[name] == "" {
			return fmt.Errorf("no rule %q", name)
		}
		if !slices.Contains([]severity{severe, warning, off}, severity(level)) {
			return fmt.Errorf("%q is not error, warning or off", level)
		}
		switched[name] = level
		return nil
	})
	paths, err := f.parse(args)
	if err != nil {
		return err
	}
	if *f.json {
		*format = "json"
	}
	write, ok := checkFormats[*format]
	if !ok {
		return &usageError{msg: fmt.Sprintf("no format %q; there are %s", *format, strings.Join(slices.Sorted(maps.Keys(checkFormats)), ", "))}
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
		maps.Copy(c.Check, switched)
		events, err := checkEvents(ctx, t, c, paths)
		if err != nil {
			return err
		}
		found = append(found, events...)
		if len(paths) == 0 {
			found = append(found, t.surroundings(ctx, c.Path, severity(c.Check[surroundingsRule]))...)
		}
	}
	if err := write(t.out, found); err != nil {
		return err
	}
	if *format == "text" {
		t.sumUp(found)
	}
	if slices.ContainsFunc(found, func(x finding) bool { return x.Severity == severe || *strict }) {
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
	return []finding{{fault.Path, fault.Line, severe, configurationRule, what}}
}

func checkEvents(ctx context.Context, t *terminal, c *config.Config, paths []string) ([]finding, error) {
	tl := newTimeline(c, nil)
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
	note := func(path string, line int, s severity, rule, what string) {
		if s != off && (len(only) == 0 || isBelow(path, only)) {
			found = append(found, finding{eventFile(c, path), line, s, rule, what})
		}
	}
	for _, err := range tl.Faults() {
		var fault *event.Error
		if !errors.As(err, &fault) {
			return nil, err
		}
		note(fault.Path, fault.Line, severe, fileRule, fault.Msg)
	}
	for _, x := range lint.Check(readPlaces(c, tl), lintOptions(c)) {
		note(x.Path, x.Line, severity(c.Check[x.Rule]), x.Rule, x.What)
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line))
	})
	return found, nil
}

// readPlaces returns all events of a timeline with their lines. A file that is gone
// or broken since it was looked at has none.
func readPlaces(c *config.Config, tl *timeline.Timeline) []lint.File {
	reader := event.NewReader(dialect(c))
	var files []lint.File
	for e := range tl.Events() {
		files = append(files, lint.File{Event: e})
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for part := range slices.Chunk(files, 64) {
		g.Go(func() error {
			for i := range part {
				if data, err := os.ReadFile(eventFile(c, part[i].Event.Path)); err == nil {
					part[i].Places = reader.Places(part[i].Event.Path, data)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // none of them fails
	return files
}

// eventFile is where the user has an event's file.
func eventFile(c *config.Config, path string) string {
	return filepath.Join(c.Events.Dir, filepath.FromSlash(path))
}

func lintOptions(c *config.Config) lint.Options {
	o := lint.Options{
		TagAliases: c.Events.Aliases.Tags, ActorAliases: c.Events.Aliases.Actors,
		Keys: make(map[string][]string),
	}
	for _, status := range c.Events.StatusWords {
		o.Statuses = append(o.Statuses, status)
	}
	for field, candidates := range c.Events.Fields {
		for _, key := range candidates {
			if !strings.ContainsAny(key, ".:=") { // a key at the top
				o.Keys[field] = append(o.Keys[field], key)
			}
		}
	}
	return o
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
