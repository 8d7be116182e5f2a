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

// FeedXml lets the library write an rssRoot.
func (r *rssRoot) FeedXml() any { return r }

type rssChannel struct {
	*feeds.RssFeed
	XMLName xml.Name   `xml:"channel"`
	Links   []atomLink `xml:"atom:link"`
	Archive *struct{}  `xml:"fh:archive"`
	Items   string     `xml:",innerxml"`
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

// rss encodes the entry for RSS 2.0. Its author element takes e-mail addresses
// only; the name goes into dc:creator.
func (n *Entry) rss() ([]byte, error) {
	s := n.style
	item, _, err := n.item()
	if err != nil {
		return nil, err
	}
	converted := (&feeds.Rss{Feed: &feeds.Feed{Items: []*feeds.Item{item}}}).RssFeed().Items[0]
	converted.Description = asHTML.Replace(item.Description) // readers take it for HTML
	converted.PubDate = n.Published.UTC().Format(time.RFC1123Z)
	x := rssItem{RssItem: converted, Creator: s.Author.Name, Updated: stamp(n.Updated), Start: n.start()}
	for _, c := range n.categories() {
		name := c.label
		if c.scheme == s.scheme("importance") {
			name = c.term // readers show it beside the others
		}
		x.Categories = append(x.Categories, rssCategory{Domain: c.scheme, Name: name})
	}
	return xml.MarshalIndent(x, "    ", "  ")
}

func (f *Feed) rss() ([]byte, error) {
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
			Items:   marked + "\n  ",
		},
	}
	if f.archive != "" {
		x.NSHistory = nsHistory
	}
	return f.xml(RSS, x)
}
