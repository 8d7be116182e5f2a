package event

import (
	"math"
	"strings"
	"unicode/utf8"
)

// Extent says how long the text of an event is and what its HTML may grow by, for
// those who plan with it before they make any.
type Extent struct {
	// Body and SourceBytes are in bytes, BodyMarkup and SourceMarkup how many of them
	// Markup counts.
	Body, BodyMarkup          int
	Sources                   int
	SourceBytes, SourceMarkup int
	// Links is how many links the body may have, References how many that name an
	// address which stands elsewhere in it, Cells how many cells of tables.
	Links, References, Cells int
}

// Extent returns that of an event, light or not.
func (e *Event) Extent() Extent {
	if e.IsLight() {
		return e.kept.extent.wide()
	}
	x := Extent{
		Body: len(e.Body), BodyMarkup: Markup(e.Body), Sources: len(e.Sources),
		Links: strings.Count(e.Body, "]("), Cells: Cells(e.Body),
	}
	if strings.Contains(e.Body, "]:") {
		x.References = strings.Count(e.Body, "]")
	}
	for _, s := range e.Sources {
		for _, text := range []string{s.Title, s.URL, s.Note} {
			x.SourceBytes += len(text)
			x.SourceMarkup += Markup(text)
		}
	}
	return x
}

// Markup returns how many bytes of a text may be markup: all but letters, digits and
// spaces.
func Markup(text string) int {
	n := 0
	for i := range len(text) {
		n += int(isMarkup[text[i]])
	}
	return n
}

// isMarkup is 1 for the bytes that may be markup.
var isMarkup = func() (is [256]uint8) {
	for c := range is {
		switch c := byte(c); {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == ' ', c >= utf8.RuneSelf:
		default:
			is[c] = 1
		}
	}
	return is
}()

// Cells returns how many cells the tables of a body may have at most.
func Cells(body string) int {
	lines, columns := 0, 0
	for l := range strings.Lines(body) {
		lines++
		columns = max(columns, strings.Count(l, "|"))
	}
	return min(lines*columns, math.MaxInt32)
}

// extent is an Extent in less memory.
type extent [8]int32

func (x Extent) narrow() extent {
	return extent{int32(x.Body), int32(x.BodyMarkup), int32(x.Sources), int32(x.SourceBytes), int32(x.SourceMarkup),
		int32(x.Links), int32(x.References), int32(x.Cells)}
}

func (x extent) wide() Extent {
	return Extent{
		Body: int(x[0]), BodyMarkup: int(x[1]), Sources: int(x[2]), SourceBytes: int(x[3]), SourceMarkup: int(x[4]),
		Links: int(x[5]), References: int(x[6]), Cells: int(x[7]),
	}
}
