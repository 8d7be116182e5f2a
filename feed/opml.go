package feed

import (
	"bytes"
	"encoding/xml"
	"strings"
)

type opml struct {
	XMLName xml.Name      `xml:"opml"`
	Version string        `xml:"version,attr"`
	Title   string        `xml:"head>title"`
	Body    []opmlOutline `xml:"body>outline"`
}

type opmlOutline struct {
	Text     string        `xml:"text,attr"`
	Title    string        `xml:"title,attr"`
	Type     string        `xml:"type,attr,omitempty"`
	XMLURL   string        `xml:"xmlUrl,attr,omitempty"`
	HTMLURL  string        `xml:"htmlUrl,attr,omitempty"`
	Outlines []opmlOutline `xml:"outline"`
}

// OPML lists feeds in the given format (OPML 2.0, subscription lists): those of
// tags and of actors in a group each, in the order given; of these only such that
// have events.
func OPML(s *Style, feeds []*Feed, format Format) ([]byte, error) {
	x := opml{Version: "2.0", Title: s.Title}
	groups := map[string]*opmlOutline{
		"tags":   {Text: "Tags", Title: "Tags"},
		"actors": {Text: "Actors", Title: "Actors"},
	}
	for _, f := range feeds {
		if f.Empty() {
			continue // it may be gone before long
		}
		o := opmlOutline{Text: f.Title, Title: f.Title, Type: "rss", XMLURL: f.URL(format), HTMLURL: f.Page}
		kind, _, _ := strings.Cut(f.Path, "/")
		if g := groups[kind]; g != nil {
			g.Outlines = append(g.Outlines, o)
		} else {
			x.Body = append(x.Body, o)
		}
	}
	for _, kind := range []string{"tags", "actors"} {
		if g := groups[kind]; len(g.Outlines) > 0 {
			x.Body = append(x.Body, *g)
		}
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(x); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
