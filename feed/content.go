package feed

import (
	"errors"
	"html"
	"net/url"
	"strconv"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	gmhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"tocsin/event"
)

// markdown turns CommonMark with GitHub's tables, autolinks and strike-through
// into HTML; what HTML the events hold passes through and is sanitised behind.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.GFM),
	goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(absolute{}, 100))),
	goldmark.WithRendererOptions(gmhtml.WithUnsafe()),
)

var baseKey = parser.NewContextKey()

// absolute resolves the addresses of links and images against the event's page:
// readers ignore xml:base.
type absolute struct{}

func (absolute) Transform(doc *ast.Document, _ text.Reader, pc parser.Context) {
	base := pc.Get(baseKey).(*url.URL)
	resolve := func(dest []byte) []byte {
		ref, err := url.Parse(string(dest))
		if err != nil || ref.IsAbs() {
			return dest
		}
		return []byte(base.ResolveReference(ref).String())
	}
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			switch n := n.(type) {
			case *ast.Link:
				n.Destination = resolve(n.Destination)
			case *ast.Image:
				n.Destination = resolve(n.Destination)
			}
		}
		return ast.WalkContinue, nil
	})
}

// content makes the entry's HTML. full reads the event.
func (n *Entry) content(full func() (*event.Event, error)) (string, error) {
	e, err := full()
	if err != nil {
		return "", err
	}
	body, err := n.bodyHTML(full)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("<p><strong>" + html.EscapeString(strings.Join(n.facts(), " · ")) + "</strong></p>\n")
	b.WriteString(body)
	if len(e.Sources) > 0 {
		b.WriteString("<p>Sources:</p>\n<ol>\n")
		for _, s := range e.Sources {
			name := html.EscapeString(s.Name())
			if s.URL != "" {
				name = `<a href="` + html.EscapeString(s.URL) + `">` + name + "</a>"
			}
			if s.Note != "" {
				name += " (" + html.EscapeString(s.Note) + ")"
			}
			b.WriteString("<li>" + name + "</li>\n")
		}
		b.WriteString("</ol>\n")
	}
	return b.String(), nil
}

// facts are what the first line of the content says: the event's own date is
// neither of the feed's dates and has to be seen.
func (n *Entry) facts() []string {
	e := n.Event
	facts := []string{e.Date.String()}
	if e.Location != "" {
		facts = append(facts, e.Location)
	}
	if e.Importance > 0 {
		facts = append(facts, "importance "+strconv.Itoa(e.Importance)+"/10")
	}
	if e.Status != "" {
		facts = append(facts, e.Status)
	}
	return facts
}

// BodyHTML is the event's body alone, sanitised, with absolute addresses only.
func (n *Entry) BodyHTML() (string, error) { return n.bodyHTML(n.Event.Full) }

func (n *Entry) bodyHTML(full func() (*event.Event, error)) (string, error) {
	return n.text(bodyPart, func() (string, error) {
		e, err := full()
		if err != nil {
			return "", err
		}
		return n.body(e), nil
	})
}

// body makes the HTML of the body of an event that is not light.
func (n *Entry) body(e *event.Event) string {
	base, err := url.Parse(n.URL())
	if err != nil {
		base = &url.URL{}
	}
	plain := "<pre>" + html.EscapeString(e.Body) + "</pre>\n"
	if costly(e.Body) {
		return plain
	}
	pc := parser.NewContext()
	pc.Set(baseKey, base)
	out := limited{b: make([]byte, 0, 2*len(e.Body))}
	if err := markdown.Convert([]byte(e.Body), &out, parser.WithContext(pc)); err != nil {
		return plain
	}
	return clean(out.b)
}

// Bounds on what Markdown may make of one body; real events reach a hundredth of
// each. What passes them is shown as it stands.
const (
	maxHTML   = 2 << 20
	maxCells  = 100_000 // of tables: short rows are filled up, 12 KB can be 40 MB
	maxLinks  = 5_000   // [a]( without an end takes the square of their number
	maxMarker = 500     // so does nesting, as >>>> in one line
)

// costly says that a body would take out of proportion to its length to read.
func costly(body string) bool {
	for l := range strings.Lines(body) {
		if len(l) > maxMarker && len(l)-len(strings.TrimLeft(l, " \t>-+*.)0123456789")) > maxMarker {
			return true
		}
	}
	return event.Cells(body) > maxCells || strings.Count(body, "](") > maxLinks
}

// limited takes maxHTML bytes. It is goldmark's own kind of writer (util.BufWriter), so
// that nothing is copied on the way; that there was too much is said by Flush.
type limited struct {
	b    []byte
	over bool
}

// fits says that n more bytes may come.
func (l *limited) fits(n int) bool {
	l.over = l.over || len(l.b)+n > maxHTML
	return !l.over
}

func (l *limited) Write(p []byte) (int, error) {
	if l.fits(len(p)) {
		l.b = append(l.b, p...)
	}
	return len(p), nil
}

func (l *limited) WriteString(s string) (int, error) {
	if l.fits(len(s)) {
		l.b = append(l.b, s...)
	}
	return len(s), nil
}

func (l *limited) WriteByte(c byte) error {
	if l.fits(1) {
		l.b = append(l.b, c)
	}
	return nil
}

func (l *limited) WriteRune(r rune) (int, error) { return l.WriteString(string(r)) }

func (l *limited) Available() int { return 0 }

func (l *limited) Buffered() int { return 0 }

func (l *limited) Flush() error {
	if l.over {
		return errors.New("too much HTML")
	}
	return nil
}
