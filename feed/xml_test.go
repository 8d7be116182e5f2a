package feed

import (
	"encoding/xml"
	"strings"
	"testing"

	"tocsin/event"
)

// What is written element by element is what encoding/xml writes, whatever the texts.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		"A title", `<b>"it's"</b> & ]]> so`, "tab\tline\nreturn\r", "\x00\x0b\x1f\x7f\u0085", "日本 ü \uffff\ufffe\ufffd\U0001f514", "\xff\xed\xa0\x80 cut \xe2\x82", "", " ]]]]>>",
	} {
		f.Add(s, "https://example.org/?a=1&b="+s, true)
		f.Add("a", s, false)
	}
	f.Fuzz(func(t *testing.T, text, other string, full bool) {
		s := style()
		s.Title, s.Author.Name, s.Hub = text, other, other
		if !full {
			s.Content, s.Author, s.Version = Summary, Author{Name: text}, ""
		}
		e := an("e/"+other, text, body("Words. "+other), tags(text), actors(other, "Jane Doe"), importance(len(text)%11))
		e.Status, e.Location = text, other
		e.Sources = []event.Source{{Title: text, URL: "https://example.org/"}, {URL: other}, {Title: other}}
		n := s.entry(e, 1)
		same := func(what string, wrote []byte, prefix string, v any, end string) {
			want, err := xml.MarshalIndent(v, prefix, "  ")
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimPrefix(string(wrote), declaration) + end; got != string(want) {
				t.Errorf("%s\n got %q\nwant %q", what, got, want)
			}
		}
		for _, n := range []*Entry{n, s.NewCorrection("tag:x", e, Correction{Before: an("e", other)}, day(2), slugOf)} {
			a, err := n.atomEntry()
			if err != nil {
				t.Fatal(err)
			}
			same("atom", a.xml(), "  ", a, "")
			r, err := n.rssItem()
			if err != nil {
				t.Fatal(err)
			}
			same("rss", r.xml(), "    ", r, "")
			if r.Content != nil {
				r.Content.Content = other // which no HTML is
				same("rss with any content", r.xml(), "    ", r, "")
			}
		}
		of := feedsOf(s, n)[AllPath]
		of.Title, of.Description, of.Page = text, other, text
		for _, archive := range []string{"", "first"} {
			of.archive, of.archives = archive, []string{"first", "second"}
			same("feed of atom", of.atomFeed().head(), "", of.atomFeed(), "\n</feed>")
			same("feed of rss", of.rssRoot().head(), "", of.rssRoot(), "\n  </channel>\n</rss>")
		}
	})
}
