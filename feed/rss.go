package feed

import (
	"encoding/xml"
	"strings"
	"time"

	"github.com/gorilla/feeds"
)

// rssRoot is the library's RSS 2.0 with the namespaces that it lacks.
type rssRoot struct {
	XMLName   xml.Name   `xml:"rss"`
	Version   string     `xml:"version,attr"`
	NSContent string     `xml:"xmlns:content,attr"`
	NSAtom    string     `xml:"xmlns:atom,attr"`
	NSDC      string     `xml:"xmlns:dc,attr"`
	NSEvent   string     `xml:"xmlns:ev,attr"`
	NSHistory string     `xml:"xmlns:fh,attr,omitempty"`
	Channel   rssChannel `xml:"channel"`
}

type rssChannel struct {
	*feeds.RssFeed
	XMLName xml.Name   `xml:"channel"`
	Links   []atomLink `xml:"atom:link"`
	Archive *struct{}  `xml:"fh:archive"`
}

type rssItem struct {
	*feeds.RssItem
	XMLName    xml.Name      `xml:"item"`
	Categories []rssCategory `xml:"category"`
	Creator    string        `xml:"dc:creator,omitempty"`
	Updated    string        `xml:"atom:updated"`
	Start      string        `xml:"ev:startdate,omitempty"`
}

type rssCategory struct {
	Domain string `xml:"domain,attr"`
	Name   string `xml:",chardata"`
}

// asHTML makes HTML of plain text and leaves quotes alone, which mean nothing
// between tags and which some readers show as they stand.
var asHTML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (n *Entry) rss() ([]byte, error) {
	x, err := n.rssItem()
	if err != nil {
		return nil, err
	}
	return x.xml(), nil
}

// rssItem is the entry for RSS 2.0. Its author element takes e-mail addresses only; the
// name goes into dc:creator.
func (n *Entry) rssItem() (*rssItem, error) {
	s := n.style
	item, _, err := n.item()
	if err != nil {
		return nil, err
	}
	converted := (&feeds.Rss{Feed: &feeds.Feed{Items: []*feeds.Item{item}}}).RssFeed().Items[0]
	converted.Description = asHTML.Replace(item.Description) // readers take it for HTML
	converted.PubDate = n.Published.UTC().Format(time.RFC1123Z)
	x := &rssItem{RssItem: converted, Creator: s.Author.Name, Updated: stamp(n.Updated), Start: n.start()}
	for _, c := range n.categories() {
		name := c.label
		if c.scheme == s.scheme("importance") {
			name = c.term // readers show it beside the others
		}
		x.Categories = append(x.Categories, rssCategory{Domain: c.scheme, Name: name})
	}
	return x, nil
}

// xml is the item as encoding/xml writes it, two levels deep.
func (x *rssItem) xml() []byte {
	const indent = "      "
	size := 900 + 150*len(x.Categories)
	if x.Content != nil {
		size += len(x.Content.Content)
	}
	b := append(make([]byte, 0, size), "    <item>"...)
	b = element(b, indent, "title", x.Title)
	b = element(b, indent, "link", x.Link)
	b = element(b, indent, "description", x.Description)
	if c := x.Content; c != nil {
		b = shut(cdata(open(b, indent, "content:encoded"), c.Content), "content:encoded")
	}
	b = element(b, indent, "guid", x.Guid.Id, "isPermaLink", x.Guid.IsPermaLink)
	b = optional(b, indent, "pubDate", x.PubDate)
	for _, c := range x.Categories {
		b = element(b, indent, "category", c.Name, "domain", c.Domain)
	}
	b = optional(b, indent, "dc:creator", x.Creator)
	b = element(b, indent, "atom:updated", x.Updated)
	b = optional(b, indent, "ev:startdate", x.Start)
	return append(b, "\n    </item>"...)
}

func (f *Feed) rss() ([]byte, error) {
	return f.around(RSS, f.rssRoot().head(), "\n", "", []byte("\n  \n  </channel>\n</rss>\n"))
}

// rssRoot is the feed without its items.
func (f *Feed) rssRoot() *rssRoot {
	converted := (&feeds.Rss{Feed: f.library()}).RssFeed()
	converted.ManagingEditor = ""
	converted.PubDate = ""
	converted.LastBuildDate = f.Updated.UTC().Format(time.RFC1123Z)
	converted.Language = f.style.Language
	converted.Generator = "tocsin " + f.style.Version
	converted.Docs = "https://www.rssboard.org/rss-specification"
	x := &rssRoot{
		Version:   "2.0",
		NSContent: "http://purl.org/rss/1.0/modules/content/",
		NSAtom:    "http://www.w3.org/2005/Atom",
		NSDC:      "http://purl.org/dc/elements/1.1/",
		NSEvent:   nsEvent,
		Channel: rssChannel{
			RssFeed: converted,
			Links:   f.links(RSS),
			Archive: f.archived(),
		},
	}
	if f.archive != "" {
		x.NSHistory = nsHistory
	}
	return x
}

// head is the feed as encoding/xml writes it, but for its end.
func (x *rssRoot) head() []byte {
	const indent = "    "
	attrs := []string{
		"version", x.Version, "xmlns:content", x.NSContent, "xmlns:atom", x.NSAtom, "xmlns:dc", x.NSDC,
		"xmlns:ev", x.NSEvent, "xmlns:fh", x.NSHistory,
	}
	if x.NSHistory == "" {
		attrs = attrs[:10]
	}
	b := start([]byte(declaration), "rss", attrs...)
	c := x.Channel
	b = open(b, "  ", "channel")
	b = element(b, indent, "title", c.Title)
	b = element(b, indent, "link", c.Link)
	b = element(b, indent, "description", c.Description)
	b = optional(b, indent, "language", c.Language)
	b = optional(b, indent, "lastBuildDate", c.LastBuildDate)
	b = optional(b, indent, "generator", c.Generator)
	b = optional(b, indent, "docs", c.Docs)
	b = links(b, indent, "atom:link", c.Links)
	if c.Archive != nil {
		b = element(b, indent, "fh:archive", "")
	}
	return b
}
