package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// page is a manual page in the macros of man(7).
type page struct{ bytes.Buffer }

// newPage begins a page with its title and its name and purpose.
func newPage(name, section, about, version string, when time.Time) *page {
	p := new(page)
	fmt.Fprintf(p, ".\\\" Made from the program's usage and config.yaml.\n.TH %s %s %s \"tocsin %s\"\n",
		strings.ToUpper(name), section, when.Format(time.DateOnly), version)
	p.section("Name")
	fmt.Fprintf(p, "%s \\- %s\n", name, about)
	return p
}

func (p *page) section(title string)    { fmt.Fprintf(p, ".SH %s\n", strings.ToUpper(title)) }
func (p *page) subsection(title string) { fmt.Fprintf(p, ".SS %s\n", roff(title)) }

// text writes paragraphs, which blank lines separate. Lines that are indented are
// shown as they are.
func (p *page) text(s string) {
	for i, paragraph := range strings.Split(strings.Trim(s, "\n"), "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		p.lines(paragraph)
	}
}

// lines writes the lines of a paragraph. The others are filled anew, as short as the
// style of manual pages wants lines of their source.
func (p *page) lines(paragraph string) {
	var words []string
	var shown []string
	flush := func() {
		for line := ""; len(words) > 0; line = "" {
			for len(words) > 0 && (line == "" || len(line)+len(words[0]) < 70) {
				line, words = strings.TrimSpace(line+" "+words[0]), words[1:]
			}
			p.WriteString(roff(line) + "\n")
		}
		if len(shown) > 0 {
			indent := len(shown[0]) - len(strings.TrimLeft(shown[0], " "))
			p.WriteString(".RS 2\n.nf\n")
			for _, line := range shown {
				p.WriteString(roff(line[min(indent, len(line)-len(strings.TrimLeft(line, " "))):]) + "\n")
			}
			p.WriteString(".fi\n.RE\n")
		}
		words, shown = nil, nil
	}
	for line := range strings.SplitSeq(paragraph, "\n") {
		if strings.HasPrefix(line, "  ") {
			if len(words) > 0 {
				flush()
			}
			shown = append(shown, strings.TrimRight(line, " "))
			continue
		}
		if len(shown) > 0 {
			flush()
		}
		words = append(words, strings.Fields(line)...)
	}
	flush()
}

// item writes one of a list: what stands in front, in roff, and what it is about.
func (p *page) item(tag, about string) {
	fmt.Fprintf(p, ".TP\n%s\n", tag)
	p.text(about)
}

// bold and italic mark text in roff.
func bold(s string) string   { return `\fB` + roff(s) + `\fR` }
func italic(s string) string { return `\fI` + roff(s) + `\fR` }

// roff escapes text: hyphens, quotes and carets stay the characters of a keyboard,
// and no line is taken for a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
