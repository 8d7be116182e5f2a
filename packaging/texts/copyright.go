package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/google/licensecheck"
)

// copyright returns what Debian calls the copyright file: the licences of all that
// is linked in, with their texts.
func (l *linked) copyright() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "tocsin %s is free software under the MIT licence:\n\n%s\n\n", l.version, indent(l.license))
	b.WriteString("Its program has the following linked in, each under the licence that follows its name.\n")
	for _, m := range l.modules {
		name := m.path
		if name == "std" {
			name = "the standard library of Go"
		}
		fmt.Fprintf(&b, "\n%s\n%s %s: %s\n", strings.Repeat("-", 78), name, m.version, strings.Join(m.ids, ", "))
		for _, text := range m.texts {
			if id := common(text); id != "" {
				text = "The text of this licence is in /usr/share/common-licenses/" + id + "."
			}
			fmt.Fprintf(&b, "\n%s\n", indent(text))
		}
	}
	return b.Bytes(), nil
}

// common returns what Debian calls a licence that is on all of its systems, if the
// text is one of these and nothing else.
func common(text string) string {
	c := licensecheck.Scan([]byte(text))
	if len(c.Match) == 1 && c.Percent > 99 && (c.Match[0].ID == "Apache-2.0" || c.Match[0].ID == "MPL-2.0") {
		return c.Match[0].ID
	}
	return ""
}

func indent(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("  "+line, " \t")
	}
	return strings.Join(lines, "\n")
}
