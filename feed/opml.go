package feed

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// OPML lists feeds in the given format (OPML 2.0, subscription lists): those of
// tags and of actors in a group each, in the order given; of these only such that
// have events. Each page has such a list, so it is written element by element, which
// takes a tenth of the time of encoding/xml.
func OPML(s *Style, feeds []*Feed, format Format) []byte {
	var own, tags, actors []*Feed
	for _, f := range feeds {
		if f.Empty() {
			continue // it may be gone before long
		}
		switch kind, _, _ := strings.Cut(f.Path, "/"); kind {
		case "tags":
			tags = append(tags, f)
		case "actors":
			actors = append(actors, f)
		default:
			own = append(own, f)
		}
	}
	var b bytes.Buffer
	text := func(s string) { _ = xml.EscapeText(&b, []byte(s)) } // a Buffer takes everything
	outlines := func(indent string, feeds []*Feed) {
		for _, f := range feeds {
			b.WriteString(indent + `<outline text="`)
			begin := b.Len()
			text(f.Title)
			title := b.Bytes()[begin:]
			b.WriteString(`" title="`)
			b.Write(title)
			b.WriteString(`" type="rss" xmlUrl="`)
			text(f.URL(format))
			b.WriteString(`" htmlUrl="`)
			text(f.Page)
			b.WriteString(`"></outline>`)
		}
	}
	b.Grow(300 * (1 + len(own) + len(tags) + len(actors)))
	b.WriteString(xml.Header + "<opml version=\"2.0\">\n  <head>\n    <title>")
	text(s.Title)
	b.WriteString("</title>\n  </head>\n  <body>")
	outlines("\n    ", own)
	for _, g := range []struct {
		name  string
		feeds []*Feed
	}{{"Tags", tags}, {"Actors", actors}} {
		if len(g.feeds) > 0 {
			b.WriteString("\n    <outline text=\"" + g.name + `" title="` + g.name + `">`)
			outlines("\n      ", g.feeds)
			b.WriteString("\n    </outline>")
		}
	}
	if len(own)+len(tags)+len(actors) > 0 {
		b.WriteString("\n  ")
	}
	b.WriteString("</body>\n</opml>\n")
	return b.Bytes()
}
