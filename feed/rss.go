package feed

import (
	"bytes"
	"encoding/xml"
	"strconv"
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
	Channel   rssChannel `xml:"channel"`
}

// FeedXml lets the library write an rssRoot.
func (r *rssRoot) FeedXml() any { return r }

type rssChannel struct {
	*feeds.RssFeed
	XMLName xml.Name `xml:"channel"`
	Self    rssLink  `xml:"atom:link"`
	Items   string   `xml:",innerxml"`
}

type rssLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr,omitempty"`
	Href string `xml:"href,attr"`
}

type rssItem struct {
	*feeds.RssItem
	XMLName    xml.Name      `xml:"item"`
	Categories []rssCategory `xml:"category"`
	Creator    string        `xml:"dc:creator,omitempty"`
	Updated    string        `xml:"atom:updated"`
	Start      string        `xml:"ev:startdate"`
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
	converted := (&feeds.Rss{Feed: &feeds.Feed{Items: []*feeds.Item{n.item()}}}).RssFeed().Items[0]
	converted.Description = asHTML.Replace(n.Summary()) // readers take it for HTML
	converted.PubDate = n.Published.UTC().Format(time.RFC1123Z)
	x := rssItem{RssItem: converted, Creator: s.Author.Name, Updated: stamp(n.Updated), Start: n.Event.Date.String()}
	for _, t := range n.Topics {
		x.Categories = append(x.Categories, rssCategory{Domain: s.scheme(string(t.Kind)), Name: t.Name})
	}
	if i := n.Event.Importance; i > 0 {
		x.Categories = append(x.Categories, rssCategory{Domain: s.scheme("importance"), Name: strconv.Itoa(i)})
	}
	if st := n.Event.Status; st != "" {
		x.Categories = append(x.Categories, rssCategory{Domain: s.scheme("status"), Name: st})
	}
	return xml.MarshalIndent(x, "    ", "  ")
}

func (f *Feed) rss() ([]byte, error) {
	items, err := f.entries(RSS)
	if err != nil {
		return nil, err
	}
	converted := (&feeds.Rss{Feed: f.library()}).RssFeed()
	converted.ManagingEditor = ""
	converted.PubDate = ""
	converted.LastBuildDate = f.Updated.UTC().Format(time.RFC1123Z)
	converted.Language = f.style.Language
	converted.Generator = "tocsin " + f.style.Version
	converted.Docs = "https://www.rssboard.org/rss-specification"
	var all bytes.Buffer
	for _, i := range items {
		all.WriteByte('\n')
		all.Write(i)
	}
	all.WriteString("\n  ")
	return f.xml(&rssRoot{
		Version:   "2.0",
		NSContent: "http://purl.org/rss/1.0/modules/content/",
		NSAtom:    "http://www.w3.org/2005/Atom",
		NSDC:      "http://purl.org/dc/elements/1.1/",
		NSEvent:   nsEvent,
		Channel: rssChannel{
			RssFeed: converted,
			Self:    rssLink{Rel: "self", Type: "application/rss+xml", Href: f.URL(RSS)},
			Items:   all.String(),
		},
	})
}
