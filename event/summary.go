package event

import (
	"bufio"
	"bytes"
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	render "github.com/yuin/goldmark/renderer/html"
	gmtext "github.com/yuin/goldmark/text"
)

// commonMark reads Markdown without extensions. It is safe for concurrent use.
var commonMark = goldmark.New().Parser()

// Summary returns the first paragraph of the body as plain text on one line, at
// most limit runes: cut behind a sentence where one ends in the second half of
// them, else behind a word, with an ellipsis. It panics where e is light.
func (e *Event) Summary(limit int) string {
	if e.IsLight() {
		panic("event: a light event has no summary")
	}
	most := min(len(e.Body), 8*limit+1024)
	text, ok := plainParagraph(e.Body)
	if !ok || len(text) > most {
		text = parsedParagraph(e.Body, 2*limit, most)
	}
	return Cut(line(text), limit)
}

// parsedParagraph returns the text of the first block that has any, as Markdown. Only
// the beginning is parsed, the first size bytes and then more up to most: markup is
// rarely as long as its text.
func parsedParagraph(body string, size, most int) string {
	if strings.Contains(body, "]:") {
		size = most // the address of a link may stand at the end
	}
	for {
		size = min(size, most)
		text, whole := firstText([]byte(strings.ToValidUTF8(body[:size], "")))
		if whole || size == most {
			return text
		}
		size *= 4
	}
}

// plainParagraph returns the first paragraph of a body where that stands at its
// beginning and nothing in it is markup, as in most bodies: to parse it would take
// much longer.
func plainParagraph(body string) (text string, ok bool) {
	begins := true // a line
	for i := range len(body) {
		c := body[i]
		switch {
		case c == '\n' && begins && i > 0:
			text = body[:i-1]
			return text, strings.TrimSpace(text) != ""
		case begins && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf):
			return "", false
		case c == '\\', c == '&', c == '*', c == '_', c == '[', c == '<', c == '`':
			return "", false
		}
		begins = c == '\n'
	}
	return body, strings.TrimSpace(body) != ""
}

// firstText returns the text of the first block that has any. whole says that
// another block follows it, so that more of the source would not change it.
func firstText(source []byte) (text string, whole bool) {
	root := commonMark.Parse(gmtext.NewReader(source))
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		if n.Kind() == ast.KindHeading || n.Kind() == ast.KindHTMLBlock || n.Kind() == ast.KindThematicBreak {
			continue
		}
		var b strings.Builder
		plain(&b, n, source)
		if strings.TrimSpace(b.String()) != "" {
			return b.String(), n.NextSibling() != nil
		}
	}
	return "", false
}

// plain writes the text of a node and all below it.
func plain(b *strings.Builder, root ast.Node, source []byte) {
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			if v := n.Value(source); n.IsRaw() {
				b.Write(v)
			} else {
				b.WriteString(unescape(v))
			}
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.AutoLink:
			b.Write(n.Label(source))
		case *ast.RawHTML:
			return ast.WalkSkipChildren, nil
		case *ast.CodeBlock, *ast.FencedCodeBlock:
			for i := range n.Lines().Len() {
				seg := n.Lines().At(i)
				b.Write(seg.Value(source))
			}
		}
		return ast.WalkContinue, nil
	})
}

// unescape resolves Markdown's escapes (\*) and references (&amp;) as goldmark
// does: what it writes is escaped for HTML alone.
func unescape(text []byte) string {
	if !bytes.ContainsAny(text, `\&`) {
		return string(text)
	}
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	render.DefaultWriter.Write(w, text)
	_ = w.Flush() // a bytes.Buffer takes all
	return html.UnescapeString(b.String())
}

// Cut shortens one line of text to at most limit runes (limit at least 2):
// behind a sentence where one ends in the second half, else behind a word with
// an ellipsis.
func Cut(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	for i := limit - 1; i >= limit/2; i-- {
		if strings.ContainsRune(".!?。！？", runes[i]) && (unicode.IsSpace(runes[i+1]) || runes[i] > unicode.MaxASCII) {
			return string(runes[:i+1])
		}
	}
	for i := limit - 1; i >= limit/2; i-- {
		if unicode.IsSpace(runes[i]) {
			return strings.TrimRightFunc(string(runes[:i]), separates) + "…"
		}
	}
	return string(runes[:limit-1]) + "…"
}
