package event

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	sourcesHeading = regexp.MustCompile(`(?i)^#{1,6}[ \t]+sources?[ \t]*:?[ \t]*#*[ \t]*$`)
	heading        = regexp.MustCompile(`^#{1,6}[ \t]`)
	listItem       = regexp.MustCompile(`^[ \t]*(?:\d{1,4}[.)]|[-*+])[ \t]+(.*)$`)
	trailerLine    = regexp.MustCompile(`^\*\*(?:Last Updated|Importance Score)\*\*[ \t]*:`)
	rule           = regexp.MustCompile(`^-{3,}[ \t]*$`)
	fenceLine      = regexp.MustCompile("^ {0,3}(```+|~~~+)(.*)")
)

// stripTrailer cuts off the lines **Last Updated** and **Importance Score**
// behind the last --- of a body; they repeat the front matter. Anything else
// behind the --- keeps all of it.
func stripTrailer(body string) string {
	found := false
	for end := len(body); end >= 0; {
		begin := strings.LastIndexByte(body[:end], '\n') + 1
		l := strings.TrimSpace(body[begin:end])
		switch {
		case l == "":
		case trailerLine.MatchString(l):
			found = true
		case found && rule.MatchString(l):
			return body[:begin]
		default:
			return body
		}
		end = begin - 1
	}
	return body
}

// splitBody takes the trailer and the section ## Sources off a body. A section
// that holds more than a list gives its sources and stays in the body. at are the
// sources' lines in the body, from 0.
func splitBody(body string) (rest string, sources []Source, at []int) {
	rest = stripTrailer(body)
	lines := strings.Split(rest, "\n")
	begin, fence := -1, ""
	for i, l := range lines {
		fence = nextFence(fence, l)
		if fence == "" && strings.HasPrefix(l, "#") && sourcesHeading.MatchString(l) {
			begin = i
			break
		}
	}
	if begin < 0 {
		return rest, nil, nil
	}
	end, pure := len(lines), true
	for i := begin + 1; i < len(lines); i++ {
		l := lines[i]
		if heading.MatchString(l) {
			end = i
			break
		}
		m := listItem.FindStringSubmatch(l)
		switch {
		case m != nil:
			if s := sourceLine(line(m[1])); s != (Source{}) {
				sources = append(sources, s)
				at = append(at, i)
			}
		case strings.TrimSpace(l) != "":
			pure = false
		}
	}
	if len(sources) == 0 || len(sources) > maxNames {
		return rest, nil, nil
	}
	if pure {
		rest = strings.Join(append(lines[:begin:begin], lines[end:]...), "\n")
	}
	return rest, sources, at
}

// sourceLine reads one source from text: [title](address) - note, an address,
// or words.
func sourceLine(s string) Source {
	if open := strings.IndexByte(s, '['); open >= 0 {
		if mid := strings.Index(s[open:], "]("); mid > 0 {
			mid += open
			if end := closing(s[mid+2:]); end >= 0 {
				address, _, _ := strings.Cut(s[mid+2:mid+2+end], ` "`) // a link's title
				address = strings.Trim(address, "<> ")
				after := strings.Trim(s[mid+2+end+1:], " -–—")
				before := strings.Trim(s[:open], " -–—:")
				note := strings.Trim(before+" "+after, " ")
				return newSource(strings.ReplaceAll(s[open+1:mid], `\`, ""), address, note)
			}
		}
	}
	if bare := strings.Trim(s, "<>"); absolute(bare) {
		return newSource("", bare, "")
	}
	return newSource(s, "", "")
}

// closing returns the index of the parenthesis that ends an address, which may
// hold balanced ones itself; -1 where there is none.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// nextFence returns the marker of the fenced code block that is open behind
// line l, given the one open before it; empty where none is.
func nextFence(open, l string) string {
	if text := strings.TrimLeft(l, " "); text == "" || text[0] != '`' && text[0] != '~' {
		return open // as nearly every line
	}
	m := fenceLine.FindStringSubmatch(l)
	switch {
	case m == nil:
		return open
	case open == "" && m[1][0] == '`' && strings.Contains(m[2], "`"):
		return "" // code within a line
	case open == "":
		return m[1]
	case m[1][0] == open[0] && len(m[1]) >= len(open) && strings.TrimSpace(m[2]) == "":
		return ""
	}
	return open
}

// isSpaced says that nothing but single spaces stands between the words of s, which
// neither begins nor ends with one.
func isSpaced(s string) bool {
	last := 'x'
	for _, r := range s {
		if r == ' ' && last == ' ' || r != ' ' && unicode.IsSpace(r) {
			return false
		}
		last = r
	}
	return true
}

// canonicalBody makes spaces regular where Markdown gives them no meaning: at
// the ends of lines, several between words, several blank lines. Code keeps
// its own.
func canonicalBody(body string) string {
	var b strings.Builder
	b.Grow(len(body))
	fence, blank := "", false
	for l := range strings.Lines(legal(body)) {
		inside := fence != ""
		fence = nextFence(fence, l)
		l = strings.TrimRight(l, " \t\r\n")
		switch {
		case inside || fence != "":
			// A line of a fenced block or a fence.
		case l == "":
			blank = b.Len() > 0
			continue
		case !strings.HasPrefix(l, "    ") && !strings.HasPrefix(l, "\t"):
			if text := strings.TrimLeft(l, " "); !isSpaced(text) {
				l = l[:len(l)-len(text)] + strings.Join(strings.Fields(text), " ")
			}
		}
		if blank {
			b.WriteByte('\n')
			blank = false
		}
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return strings.Trim(b.String(), "\n")
}
