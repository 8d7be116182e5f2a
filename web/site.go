// Package web serves the feeds and the pages that go with them.
//
// A Site is what is published at this moment: feeds by their path, events by
// their page, ids that moved. The wheel puts what a turn made into it by Update
// and is never waited for; handlers read it concurrently. A feed's bytes are
// made, and compressed, when they are first asked for, by one request however
// many ask, and kept for a while (variant.go). Pages and lists are made by
// templates when they are asked for, and kept until the next Update (page.go,
// lists.go, build.go; html.go has what they are made of). Publisher puts all of it somewhere as files, at
// the same paths and with the same bytes (publish.go): into a Folder (folder.go), or
// another Place. Admin is the operator's own listener (admin.go).
//
// Absolute links come from the configuration, never from a request.
package web

import (
	"cmp"
	"html/template"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
)

// Options are what a Site is made from.
type Options struct {
	Style *feed.Style
	// Formats are those that are served, the preferred one first.
	Formats []feed.Format
	// Dialect has the aliases that names are spelt by.
	Dialect event.Dialect
	// Now is the clock; nil: time.Now.
	Now    func() time.Time
	Logger *slog.Logger
	// Rendered, if not nil, is called when the bytes of a feed have been made, with
	// their number, and Kept when they were there already. They must not wait.
	Rendered func(format feed.Format, bytes int)
	Kept     func()
}

// Site is what is published at this moment. It is safe for concurrent use.
type Site struct {
	o      Options
	prefix string // of the paths behind a reverse proxy; without a final slash

	mu     sync.RWMutex
	feeds  map[string]*feed.Feed  // by path
	events map[string]*feed.Entry // by feed.EventPath
	moved  map[string]string      // feed.EventPath to event id; "" is withdrawn

	aliases map[timeline.Topic]timeline.Topic // not changed
	renamed map[timeline.Topic]timeline.Topic
	given   map[timeline.Topic]string         // the slugs of all that there ever were
	slugs   map[timeline.Topic]timeline.Topic // Key is a slug here
	changed time.Time                         // when anything last changed
	turn    int                               // how many updates there were
	lookup  *feed.Index                       // of feeds as they are

	index    atomic.Pointer[index] // of the feeds; nil where they changed since
	variants *lru.Cache[variantKey, *variant]
	queries  *lru.Cache[string, *reply] // by canonical query
	making   singleflight.Group
	pages    func() (map[string]*template.Template, error)
	sames    sync.Map  // *same by the entry of the navigation
	buffers  sync.Pool // *bytes.Buffer, in which pages are made

	compressors sync.Pool // *compressor
}

// keptVariants is how many rendered feeds are kept; of usual ones that is some
// 20 MB.
const keptVariants = 256

// New returns a Site of nothing.
func New(o Options) *Site {
	cache, err := lru.New[variantKey, *variant](keptVariants)
	if err != nil {
		panic(err) // for a size that is not positive
	}
	queries, err := lru.New[string, *reply](keptQueries)
	if err != nil {
		panic(err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rendered == nil {
		o.Rendered = func(feed.Format, int) {}
	}
	if o.Kept == nil {
		o.Kept = func() {}
	}
	s := &Site{
		o:        o,
		queries:  queries,
		aliases:  make(map[timeline.Topic]timeline.Topic),
		renamed:  make(map[timeline.Topic]timeline.Topic),
		given:    make(map[timeline.Topic]string),
		slugs:    make(map[timeline.Topic]timeline.Topic),
		feeds:    make(map[string]*feed.Feed),
		events:   make(map[string]*feed.Entry),
		moved:    make(map[string]string),
		variants: cache,
		pages:    sync.OnceValues(templates),
	}
	for kind, aliases := range map[timeline.TopicKind]map[string]string{
		timeline.Tag: o.Dialect.TagAliases, timeline.Actor: o.Dialect.ActorAliases,
	} {
		for other, name := range aliases {
			s.aliases[timeline.Topic{Kind: kind, Key: event.Key(other)}] = timeline.Topic{Kind: kind, Key: event.Key(name)}
		}
	}
	if u, err := url.Parse(o.Style.URL); err == nil {
		s.prefix = strings.TrimRight(u.Path, "/")
	}
	return s
}

// Update is what a turn of the wheel publishes.
type Update struct {
	// Feeds replace those of their paths.
	Feeds []*feed.Feed
	// Events replace those of their ids.
	Events []*feed.Entry
	// Withdrawn are ids of events that are no more.
	Withdrawn []string
	// Moved gives the present ids of events for those that they had before; empty
	// where they are withdrawn.
	Moved map[string]string
	// Topics are slugs that were given to tags and actors, beside those of Events.
	Topics map[timeline.Topic]string
	// Renamed are all tags and actors that were given another name.
	Renamed map[timeline.Topic]timeline.Topic
}

// Update publishes all of u at once.
func (s *Site) Update(u Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range u.Withdrawn {
		delete(s.events, feed.EventPath(id))
		s.moved[feed.EventPath(id)] = ""
	}
	for old, id := range u.Moved {
		delete(s.events, feed.EventPath(old))
		s.moved[feed.EventPath(old)] = id
	}
	if len(s.events) == 0 {
		s.events = make(map[string]*feed.Entry, len(u.Events))
	}
	topics := make(map[*feed.Topic]bool)
	for _, e := range u.Events {
		path := feed.EventPath(e.Event.ID)
		s.events[path] = e
		delete(s.moved, path)
		for _, t := range e.Topics {
			topics[t] = true
		}
	}
	for t := range topics {
		s.topic(t.Topic, t.Slug)
	}
	for t, slug := range u.Topics {
		s.topic(t, slug)
	}
	s.renamed = u.Renamed
	s.turn++
	defer s.reindex()
	// Grows, by whole seconds, as HTTP has them.
	changed := s.o.Now().UTC().Truncate(time.Second)
	if least := s.changed.Add(time.Second); changed.Before(least) {
		changed = least
	}
	s.changed = changed
	for _, f := range u.Feeds {
		s.feeds[f.Path] = f
	}
	s.index.Store(nil)
}

// reindex makes queries find what is published. The caller holds the lock.
func (s *Site) reindex() {
	if all := s.feeds[feed.AllPath]; all != nil {
		s.lookup = feed.NewIndex(all, func(t timeline.Topic) *feed.Feed { return s.feeds[s.path(t)] })
	}
}

func (s *Site) topic(t timeline.Topic, slug string) {
	s.given[t] = slug
	s.slugs[timeline.Topic{Kind: t.Kind, Key: slug}] = t
}

// Feed returns the feed at a path; nil where there is none.
func (s *Site) Feed(path string) *feed.Feed {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.feeds[path]
}

// allEvents returns the entries of all public events, in no order.
func (s *Site) allEvents() []*feed.Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.events))
}

// Feeds returns how many feeds there are.
func (s *Site) Feeds() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.feeds)
}

// index is the feeds in the orders in which pages list them.
type index struct {
	all          []*feed.Feed // by path
	tags, actors []*feed.Feed // by name
	custom       []*feed.Feed // by title

	pages pageIndex // what pages need of them
}

func (s *Site) indexed() *index {
	if x := s.index.Load(); x != nil {
		return x
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	x := &index{}
	for path, f := range s.feeds {
		x.all = append(x.all, f)
		switch kind, _, _ := strings.Cut(path, "/"); {
		case f.Total == 0:
		case kind == string(timeline.Tag):
			x.tags = append(x.tags, f)
		case kind == string(timeline.Actor):
			x.actors = append(x.actors, f)
		case kind == "custom":
			x.custom = append(x.custom, f)
		}
	}
	slices.SortFunc(x.all, func(a, b *feed.Feed) int { return cmp.Compare(a.Path, b.Path) })
	for _, l := range [][]*feed.Feed{x.tags, x.actors, x.custom} {
		slices.SortFunc(l, func(a, b *feed.Feed) int {
			return cmp.Or(cmp.Compare(strings.ToLower(cmp.Or(a.Name, a.Title)), strings.ToLower(cmp.Or(b.Name, b.Title))), cmp.Compare(a.Path, b.Path))
		})
	}
	s.index.Store(x)
	return x
}
