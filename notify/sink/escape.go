package sink

import (
	"html"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// gap is a space of no width. Put into a word it stops tools from reading a
// mention, a link or an emoji in it, and nobody sees it.
const gap = "\u200b"

// escaper says how text is written in a tool's markup so that it says itself and
// nothing more: it does not ping, format, link or run a command. In every tool
// that takes a gap behind @, in :// and before the dot of what could be a domain;
// the fields are what one of them needs beside that.
type escaper struct {
	// backslash holds the characters that a backslash takes the meaning of.
	backslash string
	// gapped holds those that mean something together with what follows.
	gapped string
	// swapped maps those of which nothing takes the meaning to others that look
	// like them.
	swapped map[rune]rune
	// lines is set where a line can begin as a heading, quotation, list or table.
	lines bool
	// dot stands for the dot of a domain where a gap does not keep it from being
	// one; 0: a gap does.
	dot rune
	// entities is set where & < > are HTML's.
	entities bool
}

// text escapes s, which is legible already.
func (e escaper) text(s string) string {
	if !e.lines {
		return e.inline(s)
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		// Indentation makes code.
		line = strings.TrimLeftFunc(line, func(r rune) bool { return unicode.IsSpace(r) })
		if begins(line) {
			lines[i] = gap + e.inline(line)
			continue
		}
		lines[i] = e.inline(line)
	}
	return strings.Join(lines, "\n")
}

// begins says that a line begins with what can make it more than text.
func begins(line string) bool {
	if line == "" {
		return false
	}
	if strings.ContainsRune("-+*>#=|~:/", rune(line[0])) {
		return true
	}
	rest := strings.TrimLeft(line, "0123456789")
	return rest != line && rest != "" && (rest[0] == '.' || rest[0] == ')')
}

func (e escaper) inline(s string) string {
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	in := func(set string, r rune) bool { return r < utf8.RuneSelf && strings.IndexByte(set, byte(r)) >= 0 }
	last := ' '
	for rest := s; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
		next, _ := utf8.DecodeRuneInString(rest)
		to, swapped := e.swapped[r]
		switch {
		case swapped:
		case in(e.backslash, r):
			b.WriteByte('\\')
			to = r
		case r != '.' || !word(last) || !unicode.IsLetter(next):
			to = r
		case e.dot != 0:
			to = e.dot
		default: // of a domain
			b.WriteString(gap)
			to = r
		}
		if e.entities && in("&<>", r) {
			b.WriteString(html.EscapeString(string(r)))
		} else {
			b.WriteRune(to)
		}
		switch {
		case rest == "", unicode.IsSpace(next):
		case r == '@', r == ':' && next == '/':
			b.WriteString(gap)
		case r == '/' && word(last): // a command begins a word
		case in(e.gapped, r):
			b.WriteString(gap)
		}
		last = r
	}
	return b.String()
}

// linkAddress is webAddress in a form that is safe in every markup: what could
// end a link in Markdown, or mention somebody, is percent-encoded as well.
func linkAddress(s string, most int) (string, bool) {
	s, ok := webAddress(s, most)
	if !ok {
		return "", false
	}
	scheme, rest, _ := strings.Cut(s, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	var b strings.Builder
	b.WriteString(scheme + "://" + rest[:end])
	for _, r := range rest[end:] {
		if i := strings.IndexRune("@()[]*'~", r); i >= 0 {
			b.WriteString([]string{"%40", "%28", "%29", "%5B", "%5D", "%2A", "%27", "%7E"}[i])
			continue
		}
		b.WriteRune(r)
	}
	return b.String(), b.Len() <= most
}

// pen writes text for one tool: it cuts as the tool counts, and escapes.
type pen struct {
	escape func(string) string
	size   func(string) int // of escaped text
}

// text returns s escaped and cut so that it has at most limit of the tool's units.
func (p pen) text(s string, limit int) string {
	return p.escape(cut(legible(clip(s, limit)), limit, p.escaped))
}

// line is text on one line.
func (p pen) line(s string, limit int) string { return p.text(oneLine(clip(s, limit)), limit) }

// sentences is text that is cut behind a sentence, where one ends in the last
// two thirds of what fits.
func (p pen) sentences(s string, limit int) string {
	s = strings.TrimSpace(legible(clip(s, limit)))
	short := cut(s, limit, p.escaped)
	if short == s {
		return p.escape(s)
	}
	runes := []rune(short)
	for i := len(runes) - 2; i > len(runes)/3; i-- {
		if r := runes[i]; slices.Contains([]rune("。！？"), r) || slices.Contains([]rune(".!?"), r) && unicode.IsSpace(runes[i+1]) {
			if whole := string(runes[:i+1]) + " …"; p.escaped(whole) <= limit {
				return p.escape(whole)
			}
		}
	}
	return p.escape(short)
}

// clip returns the beginning of s, more than limit of any unit where it is
// longer: to look at 10,000 characters in order to show 200 takes long. Spaces
// and what is not seen do not count, as they may go.
func clip(s string, limit int) string {
	n := 0
	for i, r := range s {
		if n > limit+1 {
			return s[:i]
		}
		if !unicode.IsSpace(r) && !unicode.Is(unicode.C, r) {
			n++
		}
	}
	return s
}

func (p pen) escaped(s string) int { return p.size(p.escape(s)) }
