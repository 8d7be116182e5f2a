package feed

import (
	"encoding/xml"
	"testing"
)

// The list is what encoding/xml makes of the same elements, whatever is in a name.
func TestOPMLIsXML(t *testing.T) {
	type outline struct {
		Text     string    `xml:"text,attr"`
		Title    string    `xml:"title,attr"`
		Type     string    `xml:"type,attr,omitempty"`
		XMLURL   string    `xml:"xmlUrl,attr,omitempty"`
		HTMLURL  string    `xml:"htmlUrl,attr,omitempty"`
		Outlines []outline `xml:"outline"`
	}
	type document struct {
		XMLName xml.Name  `xml:"opml"`
		Version string    `xml:"version,attr"`
		Title   string    `xml:"head>title"`
		Body    []outline `xml:"body>outline"`
	}
	s := style()
	s.Title = "A \"record\" <of> 'all' &\t\r\n\x01\xff\uffff]]>"
	var tags, actors, own []*Feed
	for i, name := range []string{s.Title, "", "日本 \U0001f514", "&amp;", "<script>alert(1)</script>"} {
		make := func(path string) *Feed {
			return &Feed{Path: path + string(rune('a'+i)), Title: name, Page: s.URL + "/" + name, Total: 1, style: s}
		}
		own, tags, actors = append(own, make("custom/")), append(tags, make("tags/")), append(actors, make("actors/"))
	}
	for _, test := range [][3][]*Feed{{}, {own, nil, nil}, {nil, tags, nil}, {own, nil, actors}, {own, tags, actors}} {
		want := document{Version: "2.0", Title: s.Title}
		var all []*Feed
		for i, feeds := range test {
			var outlines []outline
			for _, f := range feeds {
				outlines = append(outlines, outline{Text: f.Title, Title: f.Title, Type: "rss", XMLURL: f.URL(Atom), HTMLURL: f.Page})
			}
			all = append(all, feeds...)
			switch {
			case i == 0:
				want.Body = outlines
			case feeds != nil:
				name := []string{"", "Tags", "Actors"}[i]
				want.Body = append(want.Body, outline{Text: name, Title: name, Outlines: outlines})
			}
		}
		text, err := xml.MarshalIndent(want, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if got := OPML(s, all, Atom); string(got) != xml.Header+string(text)+"\n" {
			t.Errorf("got\n%s\nwant\n%s", got, text)
		}
	}
}
