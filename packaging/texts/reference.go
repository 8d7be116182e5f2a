package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// entry is one key of the configuration.
type entry struct {
	path  string // such as feeds.entries or notify.sinks[].name
	value string // the default as it is written; empty: the keys below it have
	about []string
}

// reference is config.yaml as its comments explain it.
type reference struct {
	about   string // the comments at its top
	entries []entry
}

var (
	// example is a line that would be configuration without its #, which stands where
	// the section's keys do; comments have one space behind theirs.
	example = regexp.MustCompile(`^(  )#((?:  +[^# ]|[a-z_]).*|  +# .*)$`)
	keyLine = regexp.MustCompile(`^( *)(- )?([a-z_][a-z0-9_]*):(?: +("[^"]*"|[^ #].*?))?(?: +# (.*))?$`)
	comment = regexp.MustCompile(`^ *#(?: (.*))?$`)
)

// parseReference reads the lines of config.yaml. A comment behind a key is about it,
// and so are the comments below that, up to a blank line; those behind it are about the
// next key. The keys that are commented out are those of an example, and the same
// holds for them.
func parseReference(text string) (*reference, error) {
	r := &reference{}
	type level struct {
		indent int
		path   string
	}
	var above []level
	var before []string // comments behind a blank line, which are about the next key
	ahead := true
	top, body, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(top) {
		m := comment.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			return nil, fmt.Errorf("no comment at the top: %q", line)
		}
		r.about += m[1] + "\n"
	}
	n := strings.Count(top, "\n") + 2
	for line := range strings.SplitSeq(body, "\n") {
		n++
		if m := example.FindStringSubmatch(line); m != nil {
			line = m[1] + m[2]
		}
		key := keyLine.FindStringSubmatch(line)
		said := comment.FindStringSubmatch(line)
		switch {
		case strings.TrimSpace(line) == "":
			ahead = true
		case said != nil && ahead:
			before = append(before, said[1])
		case said != nil:
			last := &r.entries[len(r.entries)-1]
			last.about = append(last.about, said[1])
		case key != nil:
			indent := len(key[1]) + len(key[2])
			for len(above) > 0 && above[len(above)-1].indent >= indent {
				above = above[:len(above)-1]
			}
			path := key[3]
			if len(above) > 0 {
				parent, dot := above[len(above)-1], "."
				if indent-parent.indent > 2 { // behind the hyphen of a list
					dot = "[]."
				}
				path = parent.path + dot + path
			}
			above = append(above, level{indent, path})
			e := entry{path: path, value: key[4], about: before}
			if key[5] != "" {
				e.about = append(e.about, key[5])
			}
			before, ahead = nil, false
			if n := len(r.entries); n > 0 && r.entries[n-1].path == path {
				continue // the example of a key that stands above it
			}
			r.entries = append(r.entries, e)
		default:
			return nil, fmt.Errorf("config.yaml:%d: neither a key nor a comment: %q", n, line)
		}
	}
	return r, nil
}

// referenceManual makes tocsin.yaml(5) of config.yaml.
func referenceManual(config []byte, version string, when time.Time) ([]byte, error) {
	r, err := parseReference(string(config))
	if err != nil {
		return nil, err
	}
	p := newPage("tocsin.yaml", "5", "the configuration of tocsin", version, when)
	p.section("Description")
	p.text(r.about)
	for _, e := range r.entries {
		if !strings.ContainsAny(e.path, ".[") {
			p.section(e.path)
			if e.value == "" {
				p.text(strings.Join(e.about, "\n"))
				continue
			}
		}
		tag := bold(e.path)
		if e.value != "" {
			tag += roff(": " + e.value)
		}
		p.item(tag, strings.Join(e.about, "\n"))
	}
	p.section("See also")
	p.WriteString("tocsin(1)\n")
	return p.Bytes(), nil
}
