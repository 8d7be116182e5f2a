package feed

import (
	"encoding/xml"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/feeds"

	"tocsin/event"
)

// nsEvent is RSS 1.0's module for events, from which ev:startdate comes.
const nsEvent = "http://purl.org/rss/1.0/modules/event/"

// atomFeed is the library's feed with its narrow fields shadowed (encoding/xml
// shadows by name): xml:lang, several links, a generator (RFC 4287, section 4.1.1). Its
// entries were encoded before.
type atomFeed struct {
	*feeds.AtomFeed
	Lang      string        `xml:"xml:lang,attr"`
	NSEvent   string        `xml:"xmlns:ev,attr"`
	Links     []atomLink    `xml:"link"`
	Author    atomPerson    `xml:"author"`
	Generator atomGenerator `xml:"generator"`
	NSHistory string        `xml:"xmlns:fh,attr,omitempty"`
	Archive   *struct{}     `xml:"fh:archive"`
}

type atomEntry struct {
	*feeds.AtomEntry
	XMLName    xml.Name       `xml:"entry"`
	Published  string         `xml:"published"`
	Links      []atomLink     `xml:"link"`
	Categories []atomCategory `xml:"category"`
	Start      string         `xml:"ev:startdate,omitempty"`
	Summary    *atomText      `xml:"summary"`
}

type atomLink struct {
	Rel   string `xml:"rel,attr"`
	Type  string `xml:"type,attr,omitempty"`
	Href  string `xml:"href,attr"`
	Title string `xml:"title,attr,omitempty"`
}

type atomCategory struct {
	Term   string `xml:"term,attr"`
	Scheme string `xml:"scheme,attr"`
	Label  string `xml:"label,attr,omitempty"`
}

type atomPerson struct {
	Name  string `xml:"name"`
	URI   string `xml:"uri,omitempty"`
	Email string `xml:"email,omitempty"`
}

type atomGenerator struct {
	Version string `xml:"version,attr,omitempty"`
	Name    string `xml:",chardata"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// stamp writes a time as RFC 3339, with fractions only where there are any.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// item is the entry in the library's terms, and the sources, for which these have no
// place; a correction tells of the event, which has them.
func (n *Entry) item() (item *feeds.Item, sources []event.Source, err error) {
	item = &feeds.Item{
		Id: n.ID, IsPermaLink: "false", Title: n.Title(),
		Link: &feeds.Link{Href: n.URL()}, Created: n.Published, Updated: n.Updated,
	}
	full := sync.OnceValues(n.Event.Full) // all of it is made of one text
	if item.Description, err = n.summary(full); err != nil {
		return nil, nil, err
	}
	if n.Correction != nil {
		if n.style.Content == Full {
			item.Content = n.correctionHTML()
		}
		return item, nil, nil
	}
	if n.style.Content == Full {
		if item.Content, err = n.content(full); err != nil {
			return nil, nil, err
		}
	}
	e, err := full()
	if err != nil {
		return nil, nil, err
	}
	return item, e.Sources, nil
}

// start is the event's own date.
func (n *Entry) start() string {
	if n.Event == nil {
		return ""
	}
	return n.Event.Date.String()
}

type category struct{ scheme, term, label string }

// categories are the tags and actors, the importance and the status, each with a
// scheme of its own, and what kind of entry it is where it is not an event.
func (n *Entry) categories() []category {
	s := n.style
	var all []category
	for _, t := range n.Topics {
		all = append(all, category{s.scheme(string(t.Kind)), t.Slug, t.Name})
	}
	if n.Event != nil {
		if i := n.Event.Importance; i > 0 {
			all = append(all, category{s.scheme("importance"), strconv.Itoa(i), "importance " + strconv.Itoa(i)})
		}
		if st := n.Event.Status; st != "" {
			all = append(all, category{s.scheme("status"), st, st})
		}
	}
	if n.Correction != nil {
		all = append(all, category{s.scheme("entry"), "correction", "correction"})
	}
	return all
}

func (n *Entry) atom() ([]byte, error) {
	x, err := n.atomEntry()
	if err != nil {
		return nil, err
	}
	return x.xml(), nil
}

// atomEntry is the entry for Atom (RFC 4287, section 4.1.2).
func (n *Entry) atomEntry() (*atomEntry, error) {
	item, sources, err := n.item()
	if err != nil {
		return nil, err
	}
	converted := (&feeds.Atom{Feed: &feeds.Feed{Items: []*feeds.Item{item}}}).AtomFeed().Entries[0]
	converted.Links = nil // untagged, so nothing shadows it
	converted.Updated = stamp(n.Updated)
	converted.Summary = nil
	x := &atomEntry{
		AtomEntry: converted,
		Published: stamp(n.Published),
		Links:     []atomLink{{Rel: "alternate", Type: "text/html", Href: n.URL()}},
		Start:     n.start(),
		Summary:   &atomText{Type: "text", Text: item.Description},
	}
	rel := "via"
	for _, src := range sources {
		if src.URL != "" {
			x.Links = append(x.Links, atomLink{Rel: rel, Href: src.URL, Title: src.Title})
			rel = "related"
		}
	}
	for _, c := range n.categories() {
		x.Categories = append(x.Categories, atomCategory{Term: c.term, Scheme: c.scheme, Label: c.label})
	}
	return x, nil
}

// xml is the entry as encoding/xml writes it, a level deep.
func (x *atomEntry) xml() []byte {
	const indent = "    "
	size := 900 + 180*(len(x.Links)+len(x.Categories))
	if x.Content != nil {
		size += len(x.Content.Content) * 5 / 4 // with what is escaped
	}
	b := append(make([]byte, 0, size), "  <entry>"...)
	b = element(b, indent, "title", x.Title)
	b = element(b, indent, "updated", x.Updated)
	b = element(b, indent, "id", x.Id)
	if c := x.Content; c != nil {
		b = element(b, indent, "content", c.Content, "type", c.Type)
	}
	b = element(b, indent, "published", x.Published)
	b = links(b, indent, "link", x.Links)
	for _, c := range x.Categories {
		attrs := []string{"term", c.Term, "scheme", c.Scheme, "label", c.Label}
		if c.Label == "" {
			attrs = attrs[:4]
		}
		b = element(b, indent, "category", "", attrs...)
	}
	b = optional(b, indent, "ev:startdate", x.Start)
	b = element(b, indent, "summary", x.Summary.Text, "type", x.Summary.Type)
	return append(b, "\n  </entry>"...)
}

// links appends links as elements of a name.
func links(b []byte, indent, name string, links []atomLink) []byte {
	for _, l := range links {
		attrs := append(make([]string, 0, 8), "rel", l.Rel)
		if l.Type != "" {
			attrs = append(attrs, "type", l.Type)
		}
		attrs = append(attrs, "href", l.Href)
		if l.Title != "" {
			attrs = append(attrs, "title", l.Title)
		}
		b = element(b, indent, name, "", attrs...)
	}
	return b
}

func (f *Feed) atom() ([]byte, error) {
	return f.around(Atom, f.atomFeed().head(), "\n", "", []byte("\n\n</feed>\n"))
}

// atomFeed is the feed without its entries.
func (f *Feed) atomFeed() *atomFeed {
	s := f.style
	converted := (&feeds.Atom{Feed: f.library()}).AtomFeed()
	converted.Link, converted.Author = nil, nil
	converted.Id = f.ID()
	converted.Updated = stamp(f.Updated)
	x := &atomFeed{
		AtomFeed:  converted,
		Lang:      s.Language,
		NSEvent:   nsEvent,
		Links:     append(f.links(Atom), atomLink{Rel: "alternate", Type: "text/html", Href: f.Page}),
		Author:    atomPerson{Name: s.Author.Name, URI: s.Author.URL, Email: s.Author.Email},
		Generator: atomGenerator{Version: s.Version, Name: "tocsin"},
		Archive:   f.archived(),
	}
	if f.archive != "" {
		x.NSHistory = nsHistory
	}
	return x
}

// head is the feed as encoding/xml writes it, but for its end.
func (x *atomFeed) head() []byte {
	const indent = "  "
	attrs := []string{"xmlns", x.Xmlns, "xml:lang", x.Lang, "xmlns:ev", x.NSEvent, "xmlns:fh", x.NSHistory}
	if x.NSHistory == "" {
		attrs = attrs[:6]
	}
	b := start([]byte(declaration), "feed", attrs...)
	b = element(b, indent, "title", x.Title)
	b = element(b, indent, "id", x.Id)
	b = element(b, indent, "updated", x.Updated)
	b = optional(b, indent, "subtitle", x.Subtitle)
	b = links(b, indent, "link", x.Links)
	b = open(b, indent, "author")
	b = element(b, indent+"  ", "name", x.Author.Name)
	b = optional(b, indent+"  ", "uri", x.Author.URI)
	b = optional(b, indent+"  ", "email", x.Author.Email)
	b = shut(append(b, "\n  "...), "author")
	if g := x.Generator; g.Version != "" {
		b = element(b, indent, "generator", g.Name, "version", g.Version)
	} else {
		b = element(b, indent, "generator", g.Name)
	}
	if x.Archive != nil {
		b = element(b, indent, "fh:archive", "")
	}
	return b
}

// library is the feed in the library's terms, without its entries.
func (f *Feed) library() *feeds.Feed {
	return &feeds.Feed{
		Title: f.Title, Description: f.Description, Link: &feeds.Link{Href: f.Page},
		Author:  &feeds.Author{Name: f.style.Author.Name, Email: f.style.Author.Email},
		Updated: f.Updated,
	}
}
