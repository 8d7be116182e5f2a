package feed

import (
	"cmp"
	"io"
	"math"
	"net/url"
	"strings"
	"sync"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// Entry is what feeds show: one revision of one event or, with Correction, what
// changed of it. It is not changed once it is made, and each format of it is
// encoded at most once. It is safe for concurrent use.
type Entry struct {
	// Record is that of the event; of a correction, one that is made for it, whose ID is
	// the entry's. Its Event is nil only where Correction.Of is not; Title, URL, Summary
	// and HTML are for every entry. Feeds do not show its History.
	*timeline.Record
	// Topics are the event's tags and actors, tags first.
	Topics []*Topic
	// Correction is what the entry tells; nil for an event's own entry.
	Correction *Correction

	style  *Style
	likely int32 // what size is, about
	most   int32 // what size is at most
	mark   mark  // stands for its bytes
	closes bool  // an archive, where there are any
}

// Topic is a tag or an actor with its address. All entries that spell it alike share
// one; it is not changed.
type Topic struct {
	timeline.Topic
	// Name is the spelling to show; Slug the part of the URL.
	Name, Slug string

	n    int // of the Style's, from 0
	most int // bytes that it adds to an entry
}

// mark is the beginning of a SHA-256.
type mark [16]byte

// NewEntry returns the entry of an event. slug gives the slugs of the event's
// topics.
func (s *Style) NewEntry(r *timeline.Record, slug func(timeline.Topic) string) *Entry {
	return &s.NewEntries([]*timeline.Record{r}, slug)[0]
}

// NewEntries returns the entries of events in one piece of memory, which the garbage
// collector goes through in less time than through many. It is given back when none of
// them is in use.
func (s *Style) NewEntries(records []*timeline.Record, slug func(timeline.Topic) string) []Entry {
	size := 0
	for _, r := range records {
		size += len(r.Event.Tags) + len(r.Event.Actors)
	}
	entries, topics := make([]Entry, len(records)), make([]*Topic, size)
	for i, r := range records {
		n := len(r.Event.Tags) + len(r.Event.Actors)
		entries[i] = Entry{Record: r, Topics: topics[:n:n], style: s}
		topics = topics[n:]
		s.find(entries[i].Topics, r.Event, slug)
		entries[i].prepare()
	}
	return entries
}

// spellings are the topics of a kind by their names, as events spell them.
type spellings map[string]*Topic

// topics returns the topics of an event.
func (s *Style) topics(e *event.Event, slug func(timeline.Topic) string) []*Topic {
	all := make([]*Topic, len(e.Tags)+len(e.Actors))
	s.find(all, e, slug)
	return all
}

// find puts the topics of an event into all, which has room for just these.
func (s *Style) find(all []*Topic, e *event.Event, slug func(timeline.Topic) string) {
	known := true
	look := func(all []*Topic, of spellings, names []string) {
		for i, name := range names {
			all[i] = of[name]
			known = known && all[i] != nil
		}
	}
	s.spelt.RLock()
	look(all, s.tags, e.Tags)
	look(all[len(e.Tags):], s.actors, e.Actors)
	s.spelt.RUnlock()
	if known {
		return
	}
	s.spelt.Lock()
	defer s.spelt.Unlock()
	if s.tags == nil {
		s.tags, s.actors = make(spellings), make(spellings)
	}
	learn := func(all []*Topic, of spellings, kind timeline.TopicKind, names []string) {
		for i, name := range names {
			if of[name] == nil {
				t := timeline.Topic{Kind: kind, Key: event.Key(name)}
				text := slug(t)
				of[name] = &Topic{Topic: t, Name: name, Slug: text, n: len(s.tags) + len(s.actors), most: 200 + mostOf(name) + mostOf(text)}
			}
			all[i] = of[name]
		}
	}
	learn(all, s.tags, timeline.Tag, e.Tags)
	learn(all[len(e.Tags):], s.actors, timeline.Actor, e.Actors)
}

// matches says that an entry belongs to a feed of m's: its event does, or did
// before the change that it tells.
func (n *Entry) matches(m *event.Matcher) bool {
	return by(m, n.Event, n.Topics) || n.Correction != nil && n.Correction.before != nil && by(m, n.Correction.Before, n.Correction.before)
}

// by matches an event with its topics.
func by(m *event.Matcher, e *event.Event, topics []*Topic) bool {
	var keys [32]string // most events have fewer
	all := keys[:0]
	for _, t := range topics {
		all = append(all, t.Key)
	}
	return m.MatchKeys(e, all[:len(e.Tags)], all[len(e.Tags):])
}

// prepare computes what is needed of every entry, whether anybody reads it or not.
func (n *Entry) prepare() {
	var likely, most int
	if n.Correction == nil {
		likely, most = n.extent()
		n.mark = n.digest()
	} else {
		likely = n.correctionExtent()
		most = 2 * likely
		n.mark = n.correctionMark()
	}
	n.likely, n.most = clamp(likely), clamp(most)
	n.closes = !n.style.NoArchives && n.ends()
}

// correctionExtent is about how long a correction is: short, whatever it tells of.
func (n *Entry) correctionExtent() int {
	likely := framed
	if n.Correction.Of == nil {
		likely += 3*len(n.correctionHTML()) + 190*len(n.Topics)
	}
	for _, o := range n.Correction.Of[:min(named, len(n.Correction.Of))] {
		likely += int(o.likely) - framed
	}
	return likely
}

// framed is about how many bytes an entry for a correction takes without its content.
const framed = 1500

// clamp is n, or what is too much for any feed.
func clamp(n int) int32 { return int32(min(n, math.MaxInt32)) }

// URL is the address of the page for people.
func (n *Entry) URL() string {
	if n.Event == nil {
		return n.style.URL + "/"
	}
	return n.style.EventPage(n.Event.ID)
}

// HTML is the content: a line of facts, the body, the sources; sanitised, with
// absolute addresses only.
func (n *Entry) HTML() (string, error) {
	if n.Correction != nil {
		return n.correctionHTML(), nil
	}
	return n.content(n.Event.Full)
}

// Summary is the beginning as plain text; of an event without a body its facts,
// as JSON Feed and readers want some text in each entry.
func (n *Entry) Summary() (string, error) { return n.summary(n.Event.Full) }

func (n *Entry) summary(full func() (*event.Event, error)) (string, error) {
	return n.text(summaryPart, func() (string, error) {
		if n.Correction != nil {
			return n.correctionSummary(), nil
		}
		e, err := full()
		if err != nil {
			return "", err
		}
		return cmp.Or(e.Summary(summaryRunes), strings.Join(n.facts(), " · ")), nil
	})
}

const summaryRunes = 300

// size is how many bytes the entry takes in a feed: the length in Atom, which
// escapes twice and is the longest, or where an upper bound will do, that.
func (n *Entry) size(exactly bool) int {
	if exactly {
		if p, err := n.encoded(Atom); err == nil {
			return p.len()
		}
	}
	return int(n.most)
}

// extent is made from the parts alone, so that not all entries are encoded before
// anybody reads them. Real entries come within a third of what is likely. At most,
// letters take their own length, twice in a bare address; anything else may be markup,
// of which an escaped blockquote is the longest.
func (n *Entry) extent() (likely, most int) {
	e := n.Event
	x := e.Extent()

	likely = 1200 + x.Body*13/10 + 2*len(e.Title) + 190*len(n.Topics) + 150*x.Sources + 2*x.SourceBytes

	body, page := bound(x.Body, x.BodyMarkup), n.style.mostOfPage(e.ID)
	most = 2000 + body + mostOf(e.Title) + mostOf(e.Location) + 2*mostOf(e.Status) + 5*page
	for _, t := range n.Topics {
		most += t.most
	}
	most += 200*x.Sources + 3*bound(x.SourceBytes, x.SourceMarkup)
	most += x.References * body // each may stand for a long address
	return likely, most + 26*x.Cells + 2*x.Links*page
}

// bound is what a text of so many bytes takes at most, of which so many may be markup.
func bound(bytes, markup int) int { return 2*bytes + 48*markup }

func mostOf(text string) int { return bound(len(text), event.Markup(text)) }

// mostOfPage is mostOf(EventPage), which is not made for that.
func (s *Style) mostOfPage(id string) (most int) {
	for _, part := range s.eventPage(id) {
		most += mostOf(part)
	}
	return most
}

// Style is what all feeds of a site share.
type Style struct {
	// Title is the site's; URL its address without a final slash.
	Title, URL string
	// Authority is that of the tag: URIs.
	Authority string
	// Language is a BCP 47 tag.
	Language string
	Author   Author
	// EventURL is the address of an event's page with {id} for its id; empty:
	// tocsin's own page.
	EventURL string
	// Content is full or summary.
	Content Content
	// MaxEntries is how many entries a feed holds at least; Window keeps all
	// entries of that time before the newest one, beyond MaxEntries.
	MaxEntries int
	Window     time.Duration
	// NoArchives leaves out the archives of what feeds show no more.
	NoArchives bool
	// Hub is the address of the WebSub hub that feeds announce (Feed.Hub); empty:
	// none.
	Hub string
	// Version is the generator's.
	Version string
	// Spill puts what Hold keeps out of memory and returns where it can be read; nil:
	// nowhere.
	Spill func([]byte) (io.ReaderAt, int64, error)

	keep         int // bytes of rendered entries in memory, for tests; 0: keep
	rendered     rendered
	spelt        sync.RWMutex
	tags, actors spellings // all that there ever were
}

// Author is who publishes the site.
type Author struct{ Name, Email, URL string }

// Content says how much of an event an entry carries.
type Content string

// The kinds of content.
const (
	Full    Content = "full"
	Summary Content = "summary"
)

// EventPage returns the address of an event's page.
func (s *Style) EventPage(id string) string {
	parts := s.eventPage(id)
	return strings.Join(parts[:], "")
}

// eventPage returns the parts of EventPage, one behind the other.
func (s *Style) eventPage(id string) [4]string {
	path := escapePath(EventPath(id))
	if s.EventURL != "" {
		return [4]string{strings.ReplaceAll(s.EventURL, "{id}", path)}
	}
	return [4]string{s.URL, "/events/", path, "/"}
}

// TopicPage returns the address of a topic's page.
func (s *Style) TopicPage(kind timeline.TopicKind, slug string) string {
	return s.URL + "/" + string(kind) + "/" + url.PathEscape(slug) + "/"
}

// EventPath returns the path of an event's page below /events/, not escaped. An
// element that would lead to another folder, or be one of a page's files in a
// static one, is made one that does not.
func EventPath(id string) string {
	for rest, more := id, true; ; {
		var p string
		p, rest, more = strings.Cut(rest, "/")
		if oddElement(p) {
			break
		}
		if !more {
			return id
		}
	}
	parts := strings.Split(id, "/")
	for i, p := range parts {
		if oddElement(p) {
			parts[i] = p + "~"
		}
	}
	return strings.Join(parts, "/")
}

func oddElement(p string) bool {
	return p == "" || p == "." || p == ".." || p == "index.html" || p == "feeds.opml"
}

// escapePath escapes each element of a path.
func escapePath(p string) string {
	if !strings.ContainsFunc(p, func(c rune) bool { return c != '/' && !unreserved(c) }) {
		return p // as nearly every one
	}
	parts := strings.Split(p, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}

// unreserved says that a character needs no escape anywhere in a URL (RFC 3986, 2.3).
func unreserved(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// scheme returns the scheme of Atom's categories of a kind: a tag: URI, which
// names and leads nowhere.
func (s *Style) scheme(kind string) string {
	return "tag:" + s.Authority + ":scheme/" + kind
}
