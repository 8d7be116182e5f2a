package event

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// candidate is one place where a field's value may be found. Exactly one of its
// parts is set.
type candidate struct {
	keys      []string       // path of keys into the front matter
	path      *regexp.Regexp // of the file's path
	heading   int            // level of the heading, 1 to 6
	paragraph int            // number of the paragraph, from 1
	constant  string
}

// parseCandidate reads one of Dialect.Fields.
func parseCandidate(s string) (candidate, error) {
	if constant, ok := strings.CutPrefix(s, "="); ok {
		if line(constant) == "" {
			return candidate{}, errors.New("a constant without a value; write it like =7")
		}
		return candidate{constant: constant}, nil
	}
	if expr, ok := strings.CutPrefix(s, "path:"); ok {
		if expr == "" {
			return candidate{}, errors.New(`path: without a regular expression; write it like path:(\d{4})/(\d{2})/(\d{2})`)
		}
		re, err := regexp.Compile(expr)
		if err != nil {
			return candidate{}, fmt.Errorf("%w; write it in the syntax of RE2", err)
		}
		return candidate{path: re}, nil
	}
	if level, ok := strings.CutPrefix(s, "heading:"); ok {
		n, err := strconv.Atoi(level)
		if err != nil || n < 1 || n > 6 || len(level) != 1 {
			return candidate{}, errors.New("a heading has a level from 1 to 6; write it like heading:1")
		}
		return candidate{heading: n}, nil
	}
	if number, ok := strings.CutPrefix(s, "paragraph:"); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 9 || len(number) != 1 {
			return candidate{}, errors.New("a paragraph has a number from 1 to 9; write it like paragraph:1")
		}
		return candidate{paragraph: n}, nil
	}
	keys := strings.Split(s, ".")
	if slices.Contains(keys, "") {
		return candidate{}, errors.New("not the path of a key; write it like importance or meta.importance")
	}
	return candidate{keys: keys}, nil
}

// ofPath returns what the groups of the expression took from a path; nil where it
// does not match, or its groups took nothing. Without groups it is all that
// matched. Groups that are called year, month and day are one date, in whatever
// order they stand; one that is missing is 01.
func (c candidate) ofPath(path string) []string {
	m := c.path.FindStringSubmatch(path)
	if m == nil {
		return nil
	}
	if len(m) > 1 {
		m = m[1:]
	}
	var groups []string
	date := []string{"", "01", "01"}
	for i, s := range m {
		if s == "" {
			continue
		}
		groups = append(groups, s)
		if part := slices.Index([]string{"year", "month", "day"}, c.name(i+1)); part >= 0 {
			date[part] = s
		}
	}
	if date[0] != "" {
		return []string{joined(date)}
	}
	return groups
}

// name is what a group is called; empty where it has no name.
func (c candidate) name(group int) string {
	if names := c.path.SubexpNames(); group < len(names) {
		return names[group]
	}
	return ""
}

// joined makes one value of the groups of a path. Numbers of one digit get a 0
// before them, as dates have it.
func joined(groups []string) string {
	if len(groups) == 1 {
		return groups[0]
	}
	all := slices.Clone(groups)
	for i, s := range all {
		if len(s) == 1 && '0' <= s[0] && s[0] <= '9' {
			all[i] = "0" + s
		}
	}
	return strings.Join(all, "-")
}

// scalar is a value that does not stand in the front matter.
func scalar(value string, line int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: line}
}

// DialectError is what is wrong with one value of a Dialect.
type DialectError struct {
	// Field and Index say which candidate of Dialect.Fields it is.
	Field string
	Index int
	// Msg is what is wrong, and what to do.
	Msg string
}

// Error implements error.
func (e *DialectError) Error() string { return fmt.Sprintf("%s[%d]: %s", e.Field, e.Index, e.Msg) }

// Check returns what is wrong with d's Fields, in the order of their names: what
// is no candidate, cannot be reached, or is a constant that its field does not take.
func (d Dialect) Check() []*DialectError {
	var all []*DialectError
	// Constants are read as a file's values are.
	probe := d
	probe.Fields = nil
	r := NewReader(probe)
	for _, field := range slices.Sorted(maps.Keys(d.Fields)) {
		for i, s := range d.Fields[field] {
			c, err := parseCandidate(s)
			switch {
			case err != nil:
			case i > 0 && strings.HasPrefix(d.Fields[field][i-1], "="):
				err = errors.New("stands behind a constant, which is always there; put the constant last")
			case c.constant != "":
				err = r.takes(field, c.constant)
			}
			if err != nil {
				all = append(all, &DialectError{Field: field, Index: i, Msg: err.Error()})
			}
		}
	}
	return all
}

// takes says why a field does not take a constant.
func (r *Reader) takes(field, constant string) error {
	t, n := tree{r: r}, scalar(constant, 1)
	switch field {
	case "date", "last_updated", "expires":
		t.dateOf(field, n)
	case "published":
		t.published(n)
	case "importance":
		t.weigh(n)
	case "draft":
		t.boolOf(field, n)
	}
	if t.err != nil {
		return errors.New(t.err.Msg)
	}
	return nil
}
