package web

import (
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"tocsin/feed"
	"tocsin/timeline"
)

//go:embed page
var files embed.FS

// document is what stands at an address that is no feed's.
type document struct {
	status int // 200, 301, 404 or 410
	mime   string
	body   []byte
	to     string // where a 301 leads
	// fleeting says that time alone may change it.
	fleeting bool
}

// The media types of documents.
const (
	htmlType = "text/html; charset=utf-8"
	opmlType = "text/x-opml; charset=utf-8"
)

// fixed are the documents that are the same for every site.
func fixed(path string) (mime string, ok bool) {
	switch path {
	case "style.css":
		return "text/css; charset=utf-8", true
	case "find.js", "copy.js":
		return "text/javascript; charset=utf-8", true
	case "icon.svg":
		return "image/svg+xml", true
	}
	return "", false
}

// always are the documents that a static folder has whatever is published; those
// of many events say something of all of them.
func (s *Site) always() []string {
	all := []string{"", "tags/", "actors/", "find/", "build/", "404.html", "style.css", "find.js", "copy.js", "icon.svg",
		"names.json", "feeds.opml", "tags/feeds.opml", "actors/feeds.opml", "robots.txt", "sitemap.xml"}
	for i := range s.sitemaps() {
		all = append(all, sitemapPart(i))
	}
	return all
}

// isPage says that there is a page at a path that ends with a slash.
func (s *Site) isPage(path string) bool {
	switch kind, rest, _ := strings.Cut(strings.TrimSuffix(path, "/"), "/"); kind {
	case "find", "build":
		return rest == ""
	case string(timeline.Tag), string(timeline.Actor):
		return rest == "" || s.Feed(kind+"/"+rest) != nil
	case "events":
		return s.eventAt(rest) != nil
	}
	return false
}

// document makes what stands at a path: below the site's, without the first
// slash. It depends on what Update was told of that path, or is one of always,
// so that a static folder knows what to write.
func (s *Site) document(path string) (*document, error) {
	kind, rest, _ := strings.Cut(path, "/")
	isTopic := timeline.TopicKind(kind).Known()
	slug, list := strings.CutSuffix(rest, "feeds.opml")
	slug = strings.TrimSuffix(slug, "/")
	switch {
	case path == "":
		return s.home()
	case path == "feeds.opml":
		return s.opml(s.indexed().all)
	case path == "names.json":
		body, err := namesJSON(s.indexed().names())
		return &document{status: http.StatusOK, mime: "application/json", body: body}, err
	case path == "robots.txt":
		return &document{status: http.StatusOK, mime: "text/plain; charset=utf-8", body: s.robots()}, nil
	case strings.HasPrefix(path, "sitemap"):
		return s.sitemapAt(path)
	case path == "404.html":
		d, err := s.missing(http.StatusNotFound, "")
		d.status = http.StatusOK
		return d, err
	case path == "find/":
		return s.findPage("")
	case path == "build/":
		return s.buildPage(nil)
	case isTopic && list:
		return s.topicOPML(timeline.TopicKind(kind), slug)
	case isTopic && slug == "":
		return s.topics(timeline.TopicKind(kind))
	case isTopic:
		return s.topicPage(timeline.TopicKind(kind), slug)
	case kind == "events" && list && slug != "" && s.eventAt(slug) != nil:
		return s.eventOPML(s.eventAt(slug))
	case kind == "events" && slug != "" && !list:
		return s.event(slug)
	}
	if mime, ok := fixed(path); ok {
		body, err := files.ReadFile("page/" + path)
		return &document{status: http.StatusOK, mime: mime, body: body}, err
	}
	return s.missing(http.StatusNotFound, path)
}

// Bounds of the pages.
const (
	homeEntries = 12
	homeTopics  = 18
	related     = 12 // tags or actors beside another
	discovered  = 10 // topics whose feeds an event's page names to readers
	closeNames  = 8
)

// data begins a page at a path. f is the feed that it is about; nil is none.
func (s *Site) data(path, title string, f *feed.Feed) pageData {
	d := pageData{Site: s.o.Style, Home: s.homePath(), Here: path, Title: title, Feed: f, Formats: s.o.Formats, site: s}
	if f != nil {
		d.Follow = s.links(f)
		d.Alternates = d.Follow
	} else if all := s.Feed(feed.AllPath); all != nil {
		d.Alternates = s.links(all)
	}
	return d
}

// local makes an address of this site a path, so that whoever came by another
// name for this host stays there.
func (s *Site) local(address string) string {
	if rest, ok := strings.CutPrefix(address, s.o.Style.URL+"/"); ok {
		return s.homePath() + rest
	}
	return address
}

// homePath is the start page's path as it stands in addresses.
func (s *Site) homePath() string { return (&url.URL{Path: s.prefix + "/"}).EscapedPath() }

// links are a feed's addresses.
func (s *Site) links(f *feed.Feed) []feedLink {
	var links []feedLink
	for _, format := range s.o.Formats {
		mime, _, _ := strings.Cut(format.MediaType(), ";")
		links = append(links, feedLink{Name: format.Name(), Title: f.Title + " (" + format.Name() + ")", URL: f.URL(format), Type: mime})
	}
	return links
}

func (s *Site) home() (*document, error) {
	f := s.Feed(feed.AllPath)
	x := s.indexed()
	d := s.data("", s.o.Style.Title, f)
	d.Script, d.OPML = true, "feeds.opml"
	d.Tags, d.Actors, d.Custom = s.largest(timeline.Tag, x.tags), s.largest(timeline.Actor, x.actors), x.custom
	if c := s.Feed(feed.CorrectionsPath); c != nil {
		named := *c
		named.Title = "Corrections"
		d.Custom = append(slices.Clip(d.Custom), &named)
	}
	for _, c := range d.Custom {
		d.Alternates = append(d.Alternates, s.links(c)[0])
	}
	if f != nil {
		d.Entries, d.Total = f.Entries[:min(homeEntries, len(f.Entries))], f.Total
	}
	return s.render(http.StatusOK, "home", d)
}

// largest links to the topics with the most events.
func (s *Site) largest(kind timeline.TopicKind, feeds []*feed.Feed) []topicLink {
	l := slices.Clone(feeds)
	slices.SortStableFunc(l, func(a, b *feed.Feed) int { return cmp.Compare(b.Total, a.Total) })
	var links []topicLink
	for _, f := range l[:min(homeTopics, len(l))] {
		links = append(links, topicLink{Name: f.Name, Page: s.local(f.Page), Kind: kind, Count: f.Total})
	}
	return links
}

func (s *Site) topics(kind timeline.TopicKind) (*document, error) {
	title := "All tags"
	if kind == timeline.Actor {
		title = "All actors"
	}
	d := s.data(string(kind)+"/", title, nil)
	d.Script = true
	names := of(s.indexed().names(), kind)
	d.Groups, d.Total = groups(names), len(names)
	if d.Total > 0 {
		d.OPML = d.here() + "feeds.opml"
	}
	return s.render(http.StatusOK, "topics", d)
}

// of returns the names of one kind.
func of(names []name, kind timeline.TopicKind) []name {
	var l []name
	for _, n := range names {
		if n.Kind == kind {
			l = append(l, n)
		}
	}
	return l
}

func (s *Site) topicPage(kind timeline.TopicKind, slug string) (*document, error) {
	path := string(kind) + "/" + slug
	f := s.Feed(path)
	if f == nil || f.Empty() {
		if to, ok := s.successor(path); ok {
			return &document{status: http.StatusMovedPermanently, to: s.Feed(to).Page}, nil
		}
	}
	switch {
	case f == nil:
		return s.missing(http.StatusNotFound, path)
	case s.gone(f):
		return s.missing(http.StatusGone, path)
	}
	d := s.data(path+"/", f.Name, f)
	d.About = f.Description
	d.Entries, d.Total = f.Entries, f.Total
	d.Tags, d.Actors = s.beside(f)
	if f.Total > 0 {
		d.OPML = d.here() + "feeds.opml"
	}
	doc, err := s.render(http.StatusOK, "topic", d)
	if err == nil {
		doc.fleeting = f.Empty() // it will be gone
	}
	return doc, err
}

// beside links to the tags and to the actors that most often stand with a feed's own
// in its entries, under the name that these use. Only the feed itself is asked
// for names: a page changes with its feed and with nothing else.
func (s *Site) beside(f *feed.Feed) (tags, actors []topicLink) {
	type tally struct {
		kind  timeline.TopicKind
		slug  string
		count int
		names feed.Spellings
	}
	type slugOf struct {
		kind timeline.TopicKind
		slug string
	}
	kind, slug, _ := strings.Cut(f.Path, "/")
	own := slugOf{timeline.TopicKind(kind), slug}
	tallies := make(map[slugOf]*tally)
	var all []*tally
	for _, n := range f.Entries {
		if n.Correction != nil {
			continue // the event's own entry counts
		}
		for _, t := range n.Topics {
			key := slugOf{t.Kind, t.Slug}
			if key == own {
				continue
			}
			c := tallies[key]
			if c == nil {
				c = &tally{kind: t.Kind, slug: t.Slug}
				tallies[key] = c
				all = append(all, c)
			}
			c.count++
			c.names.Count(t.Name, 1)
		}
	}
	slices.SortFunc(all, func(a, b *tally) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.slug, b.slug)) })
	for _, c := range all {
		links := &tags
		if c.kind == timeline.Actor {
			links = &actors
		}
		if len(*links) == related {
			continue
		}
		g := s.Feed(string(c.kind) + "/" + c.slug)
		if g == nil {
			continue
		}
		*links = append(*links, topicLink{Name: c.names.Most(""), Page: s.local(g.Page), Kind: c.kind, path: g.Path})
	}
	return tags, actors
}

// eventAt returns the entry of the event whose page is at a path below events/.
func (s *Site) eventAt(path string) *feed.Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.events[path]
}

func (s *Site) event(path string) (*document, error) {
	s.mu.RLock()
	n := s.events[path]
	to, moved := s.moved[path]
	s.mu.RUnlock()
	switch {
	case n == nil && moved && to != "":
		return &document{status: http.StatusMovedPermanently, to: s.o.Style.EventPage(to)}, nil
	case n == nil && moved:
		return s.missing(http.StatusGone, "events/"+path)
	case n == nil:
		return s.missing(http.StatusNotFound, "events/"+path)
	}
	d := s.data("events/"+path+"/", n.Event.Title, nil)
	about, err := n.Summary()
	if err != nil {
		return nil, err
	}
	body, err := n.BodyHTML()
	if err != nil {
		return nil, err
	}
	d.Entry, d.About, d.HTML = n, about, prose(body)
	feeds := s.topicsOf(n)
	for i, f := range feeds {
		if i == discovered {
			break
		}
		d.Alternates = append(d.Alternates[:len(d.Alternates):len(d.Alternates)], s.links(f)[0])
	}
	if len(feeds) > 0 {
		d.OPML = d.here() + "feeds.opml"
	}
	for _, t := range n.Topics {
		l := topicLink{Name: t.Name, Kind: t.Kind}
		if f := s.Feed(string(t.Kind) + "/" + t.Slug); f != nil {
			l.Page = s.local(f.Page)
		}
		if t.Kind == timeline.Tag {
			d.Tags = append(d.Tags, l)
		} else {
			d.Actors = append(d.Actors, l)
		}
	}
	return s.render(http.StatusOK, "event", d)
}

// topicsOf returns the feeds of an event's topics, under the names that the
// event gives them: what is made of it changes with the event alone.
func (s *Site) topicsOf(n *feed.Entry) []*feed.Feed {
	var feeds []*feed.Feed
	for _, t := range n.Topics {
		if f := s.Feed(string(t.Kind) + "/" + t.Slug); f != nil {
			feeds = append(feeds, s.as(f, t.Name))
		}
	}
	return feeds
}

// as returns a topic's feed under another spelling of its name, for lists.
func (s *Site) as(f *feed.Feed, name string) *feed.Feed {
	g := *f
	g.Name, g.Title = name, name+" – "+s.o.Style.Title
	return &g
}

// missing is the page where there is none. It says nothing of the address, but
// names what may have been meant.
func (s *Site) missing(status int, path string) (*document, error) {
	d := s.data("404.html", "Not found", nil)
	d.Script, d.NoIndex = true, true
	if status == http.StatusGone {
		d.Title, d.Gone = "Gone", "No event has this tag or actor any more."
		if strings.HasPrefix(path, "events/") {
			d.Title, d.Gone = "Withdrawn", "This event was withdrawn from the timeline."
		}
	}
	for _, n := range closest(s.indexed().names(), path, closeNames) {
		l := topicLink{Name: n.Name, Page: s.local(n.Page), Kind: n.Kind, Count: n.Total}
		if n.Kind == timeline.Tag {
			d.Tags = append(d.Tags, l)
		} else {
			d.Actors = append(d.Actors, l)
		}
	}
	return s.render(status, "missing", d)
}

// maxFound bounds what the page of found names lists of each kind.
const maxFound = 100

// findPage lists the names that fit a question; without one it asks. A static
// folder has the latter, and find.js answers there.
func (s *Site) findPage(q string) (*document, error) {
	d := s.data("find/", "Find", nil)
	d.Script, d.NoIndex = true, true
	d.Question, d.Answered = q, q != ""
	names := s.indexed().names()
	for _, kind := range []timeline.TopicKind{timeline.Tag, timeline.Actor} {
		for _, n := range find(of(names, kind), q, maxFound) {
			l := topicLink{Name: n.Name, Page: s.local(n.Page), Kind: kind, Count: n.Total}
			if kind == timeline.Tag {
				d.Tags = append(d.Tags, l)
			} else {
				d.Actors = append(d.Actors, l)
			}
		}
	}
	return s.render(http.StatusOK, "find", d)
}

// redirectPage leads on from a folder, where no server answers with 301.
func redirectPage(to string) []byte {
	to = template.HTMLEscapeString(to)
	return []byte(`<!DOCTYPE html>
<meta charset="utf-8">
<title>Moved</title>
<link rel="canonical" href="` + to + `">
<meta http-equiv="refresh" content="0; url=` + to + `">
<p>This is now at <a href="` + to + `">` + to + `</a>.</p>
`)
}

// pageIndex is what pages need of all feeds at once, and the documents that were
// made of one state of the site; both go with the index that they hang on. Its
// zero value is ready.
type pageIndex struct {
	once   sync.Once
	listOf []name

	mu    sync.Mutex
	made  map[string]*variant // by path
	bytes int
}

// keptDocuments bounds the bytes that are kept; a site of 5,000 events has some
// 60 MB, nearly all of it asked for rarely.
const keptDocuments = 16 << 20

func (p *pageIndex) get(path string) *variant {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.made[path]
}

func (p *pageIndex) keep(path string, v *variant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := len(v.plain.body) + len(v.gzip.body)
	if p.bytes += size; p.bytes > keptDocuments || p.made == nil {
		p.made, p.bytes = make(map[string]*variant), size
	}
	if size <= keptDocuments {
		p.made[path] = v
	}
}

// names returns all tags, then all actors, each by name.
func (x *index) names() []name {
	x.pages.once.Do(func() {
		for _, f := range slices.Concat(x.tags, x.actors) {
			kind, slug, _ := strings.Cut(f.Path, "/")
			x.pages.listOf = append(x.pages.listOf, name{f, timeline.TopicKind(kind), slug, plain(f.Name)})
		}
	})
	return x.pages.listOf
}
