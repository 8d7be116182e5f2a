package event

import (
	"bytes"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// block is a heading or a paragraph at the top level of a body.
type block struct {
	level    int    // of a heading, 1 to 6; 0 of a paragraph
	text     string // plain, on one line, not empty
	from, to int    // its lines in the body, as bytes
	line     int    // the first of them in the file
}

// blocks returns the headings and paragraphs of a body that begins on a line of
// its file.
func blocks(p parser.Parser, body string, line1 int) []block {
	source := []byte(body)
	var all []block
	root := p.Parse(text.NewReader(source))
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		b := block{}
		switch n := n.(type) {
		case *ast.Heading:
			b.level = n.Level
		case *ast.Paragraph:
		default:
			continue
		}
		var words strings.Builder
		plain(&words, n, source)
		b.text = line(words.String())
		if b.text == "" || n.Lines().Len() == 0 {
			continue
		}
		b.from = bytes.LastIndexByte(source[:n.Lines().At(0).Start], '\n') + 1
		b.to = endOfLine(source, n.Lines().At(n.Lines().Len()-1).Start)
		if b.level > 0 && !heading.Match(bytes.TrimLeft(source[b.from:b.to], " ")) {
			b.to = endOfLine(source, b.to) // the line below a Setext heading
		}
		b.line = line1 + bytes.Count(source[:b.from], []byte("\n"))
		all = append(all, b)
	}
	return all
}

// endOfLine returns where the line behind that of a byte begins.
func endOfLine(source []byte, at int) int {
	if i := bytes.IndexByte(source[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(source)
}
