package web

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/feed"
	"tocsin/timeline"
)

// opml lists feeds for a reader's import.
func (s *Site) opml(feeds []*feed.Feed) (*document, error) {
	return &document{status: http.StatusOK, mime: opmlType, body: feed.OPML(s.o.Style, feeds, s.o.Formats[0])}, nil
}

// topicOPML lists all feeds of a kind, or that of one topic and of those beside
// it. There is no list of none.
func (s *Site) topicOPML(kind timeline.TopicKind, slug string) (*document, error) {
	x := s.indexed()
	if slug == "" {
		feeds := x.tags
		if kind == timeline.Actor {
			feeds = x.actors
		}
		if len(feeds) == 0 {
			return s.missing(http.StatusNotFound, "")
		}
		return s.opml(feeds)
	}
	f := s.Feed(string(kind) + "/" + slug)
	if f == nil || f.Total == 0 {
		return s.missing(http.StatusNotFound, string(kind)+"/"+slug)
	}
	feeds := []*feed.Feed{f}
	tags, actors := s.beside(f)
	for _, l := range slices.Concat(tags, actors) {
		feeds = append(feeds, s.as(s.Feed(l.path), l.Name))
	}
	return s.opml(feeds)
}

// eventOPML lists the feeds of an event's tags and actors.
func (s *Site) eventOPML(n *feed.Entry) (*document, error) {
	feeds := s.topicsOf(n)
	if len(feeds) == 0 {
		return s.missing(http.StatusNotFound, "")
	}
	return s.opml(feeds)
}

// place is one page of the site map.
type place struct {
	Loc     string `xml:"loc"`
	LastMod string `xml:"lastmod,omitempty"`
}

// Bounds of one site map (sitemaps.org): its addresses, the bytes of all and the
// length of one.
const (
	maxPlaces  = 50_000
	maxSitemap = 48 << 20
	maxPlace   = 2048
)

// sitemapPart is the path of one of several site maps.
func sitemapPart(i int) string { return fmt.Sprintf("sitemap-%d.xml", i+1) }

// sitemaps returns the pages of the site in parts, where one site map cannot hold
// them; else none.
func (s *Site) sitemaps() [][]place {
	all := s.places()
	var parts [][]place
	for len(all) > 0 {
		n, size := 0, 0
		for n < len(all) && n < maxPlaces && size < maxSitemap {
			size += len(all[n].Loc)*6 + 100 // what XML makes of it at most, with its element
			n++
		}
		parts = append(parts, all[:n])
		all = all[n:]
	}
	if len(parts) < 2 {
		return nil
	}
	return parts
}

// places returns all pages that are worth finding. Those of events are only named
// where they are the site's own. Their times are those of what they show: when the
// bytes of a feed changed is known of this machine alone.
func (s *Site) places() []place {
	x := s.indexed()
	var all []place
	add := func(address string, t time.Time) {
		if len(address) > maxPlace {
			return
		}
		p := place{Loc: address}
		if !t.IsZero() {
			p.LastMod = t.UTC().Format(time.RFC3339)
		}
		all = append(all, p)
	}
	var changed time.Time
	if f := s.Feed(feed.AllPath); f != nil {
		changed = f.Updated
	}
	for _, path := range []string{"", "tags/", "actors/"} {
		add(s.o.Style.URL+"/"+path, changed)
	}
	for _, f := range slices.Concat(x.tags, x.actors) {
		add(f.Page, f.Updated)
	}
	if s.o.Style.EventURL == "" {
		events := s.allEvents()
		slices.SortFunc(events, func(a, b *feed.Entry) int { return cmp.Compare(a.Event.ID, b.Event.ID) })
		for _, n := range events {
			add(n.URL(), n.Updated)
		}
	}
	return all
}

const sitemapSpace = "http://www.sitemaps.org/schemas/sitemap/0.9"

// sitemapAt makes the site map, or where it is in parts their list or one of
// them.
func (s *Site) sitemapAt(path string) (*document, error) {
	parts := s.sitemaps()
	if path == "sitemap.xml" {
		if parts == nil {
			return sitemapXML("urlset", "url", s.places())
		}
		var list []place
		for i := range parts {
			list = append(list, place{Loc: s.o.Style.URL + "/" + sitemapPart(i)})
		}
		return sitemapXML("sitemapindex", "sitemap", list)
	}
	for i, p := range parts {
		if path == sitemapPart(i) {
			return sitemapXML("urlset", "url", p)
		}
	}
	return s.missing(http.StatusNotFound, path)
}

func sitemapXML(root, each string, places []place) (*document, error) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	b.WriteString("<" + root + " xmlns=" + strconv.Quote(sitemapSpace) + ">\n")
	enc := xml.NewEncoder(&b)
	for _, p := range places {
		if err := enc.EncodeElement(p, xml.StartElement{Name: xml.Name{Local: each}}); err != nil {
			return nil, err
		}
		b.WriteByte('\n')
	}
	b.WriteString("</" + root + ">\n")
	return &document{status: http.StatusOK, mime: "application/xml; charset=utf-8", body: b.Bytes()}, nil
}

// robots keeps crawlers from addresses of which there are as many as questions.
func (s *Site) robots() []byte {
	home := s.homePath()
	return []byte("User-agent: *\n" +
		"Disallow: " + home + "feeds/query\n" +
		"Disallow: " + home + "build/\n" +
		"Disallow: " + home + "find/\n" +
		"Allow: " + home + "\n" +
		"\n" +
		"Sitemap: " + s.o.Style.URL + "/sitemap.xml\n")
}

// sitemapNumber returns which part of a site map a file is, from 1.
func sitemapNumber(file string) (int, bool) {
	n, ok := strings.CutPrefix(file, "sitemap-")
	n, xml := strings.CutSuffix(n, ".xml")
	i, err := strconv.Atoi(n)
	return i, ok && xml && err == nil
}
