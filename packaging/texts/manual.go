package main

import (
	_ "embed"
	"strings"
	"time"
)

// prose is what tocsin(1) says beyond the usage. A section begins with a line in
// capitals. A line with indented ones below it is a term; what is indented by itself
// is shown as it is.
//
//go:embed tocsin.1.txt
var prose string

// manual makes tocsin(1): the commands and their flags, and behind the section that
// describes the program the rest of the prose.
func manual(u *usage, version string, when time.Time) ([]byte, error) {
	p := newPage("tocsin", "1", "feeds and notifications of a folder of Markdown events", version, when)
	p.section("Synopsis")
	for i, c := range u.commands {
		if i > 0 {
			p.WriteString(".br\n")
		}
		p.WriteString(bold("tocsin "+c.name) + strings.TrimRight(" "+roff(c.synopsis), " ") + "\n")
	}
	before, after, _ := strings.Cut(prose, "\nFILES\n")
	p.prose(before)
	p.section("Commands")
	for _, c := range u.commands {
		p.subsection(strings.TrimSpace(c.name + " " + c.synopsis))
		p.text(c.about)
		for _, f := range c.flags {
			tag := bold("-" + f.name)
			if f.arg != "" {
				tag += " " + italic(f.arg)
			}
			p.item(tag, f.text)
		}
	}
	p.section("Exit status")
	for _, e := range u.exits {
		p.item(bold(e.code), e.means)
	}
	p.prose("FILES\n" + after)
	return p.Bytes(), nil
}

// prose writes sections.
func (p *page) prose(text string) {
	first := false
	for part := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if title, rest, _ := strings.Cut(part, "\n"); title == strings.ToUpper(title) {
			p.section(title)
			part, first = rest, true
		}
		lines := strings.Split(part, "\n")
		if len(lines) < 2 || strings.HasPrefix(lines[0], " ") || !strings.HasPrefix(lines[1], "    ") {
			if !first {
				p.WriteString(".PP\n")
			}
			p.lines(part)
			first = false
			continue
		}
		for len(lines) > 0 {
			n := 1
			var about []string
			for ; n < len(lines) && strings.HasPrefix(lines[n], "    "); n++ {
				about = append(about, strings.TrimSpace(lines[n]))
			}
			p.item(bold(lines[0]), strings.Join(about, "\n"))
			lines, first = lines[n:], false
		}
	}
}
