package feed

import (
	"slices"
	"sort"
	"sync"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// Query asks for a feed that is not kept.
type Query struct {
	// Canonical is the query of its address: the same for all ways to ask for the
	// same.
	Canonical string
	// Title is the feed's; Page the address of its page for people.
	Title, Page string
	// Match says what it selects, by the Keys of names.
	Match event.Match
	// Updated is the least time of the feed: what it had when it was last asked for.
	Updated time.Time
}

// QueryPath is the path of feeds that are asked for.
const QueryPath = "query"

// NewQuery makes the feed that is asked for, in a time that grows with the number
// of entries that the narrowest of the conditions selects.
func (s *Style) NewQuery(q Query, x *Index) *Feed {
	f := &Feed{
		Path: QueryPath, Title: q.Title + " – " + s.Title, Description: "Events of " + s.Title + ": " + q.Title,
		Page: q.Page, style: s, query: q.Canonical,
	}
	match := event.NewMatcher(q.Match, event.Dialect{})
	var all []*Entry
	for _, n := range x.narrow(q.Match) {
		if n.matches(match) {
			all = append(all, n)
			if n.Correction == nil {
				f.Total++
			}
		}
	}
	told, _ := f.style.gather(f.Path, all)
	f.fill(all, told, func() *bounds {
		fresh := newBounds(told)
		return &fresh
	})
	if f.Updated.Before(q.Updated) {
		f.Updated = q.Updated
	}
	return f
}

// Index finds the entries that a query may select. What its feeds do not sort
// already it sorts when it is first asked. It is safe for concurrent use.
type Index struct {
	all   []*Entry
	topic func(timeline.Topic) *Feed

	sorted           sync.Once
	importance       [11][]*Entry
	status, location map[string][]*Entry
	dates            []dated // by date
}

type dated struct {
	date  time.Time
	entry *Entry
}

// NewIndex returns an index of the entries of the feed of all events. topic gives
// the feed of a tag or actor, nil where there is none.
func NewIndex(all *Feed, topic func(timeline.Topic) *Feed) *Index {
	return &Index{all: all.all, topic: topic}
}

// narrow returns the entries that the narrowest condition of a match selects, in
// the order of feeds.
func (x *Index) narrow(m event.Match) []*Entry {
	best, least := [][]*Entry{x.all}, len(x.all)
	try := func(lists ...[]*Entry) {
		size := 0
		for _, l := range lists {
			size += len(l)
		}
		if size < least {
			best, least = lists, size
		}
	}
	topics := func(kind timeline.TopicKind, keys []string, each bool) {
		var lists [][]*Entry
		for _, k := range keys {
			f := x.topic(timeline.Topic{Kind: kind, Key: k})
			switch {
			case f == nil && !each:
				return
			case f != nil && each:
				try(f.all)
			case f != nil:
				lists = append(lists, f.all)
			}
		}
		if len(lists) > 0 {
			try(lists...)
		}
	}
	topics(timeline.Tag, m.AllTags, true)
	topics(timeline.Actor, m.AllActors, true)
	topics(timeline.Tag, m.Tags, false)
	topics(timeline.Actor, m.Actors, false)
	if least > narrowEnough {
		x.sorted.Do(x.sort)
		if m.MinImportance > 0 || m.MaxImportance > 0 {
			most := m.MaxImportance
			if most == 0 {
				most = 10
			}
			try(x.importance[m.MinImportance : most+1]...)
		}
		by := func(lists map[string][]*Entry, keys []string) {
			var of [][]*Entry
			for _, k := range keys {
				of = append(of, lists[k])
			}
			if len(keys) > 0 {
				try(of...)
			}
		}
		by(x.status, m.Status)
		by(x.location, m.Location)
		if !m.From.IsZero() || !m.To.IsZero() {
			try(x.between(m.From, m.To))
		}
	}
	if len(best) == 1 {
		return inOrder(best[0])
	}
	return inOrder(slices.Concat(best...))
}

// narrowEnough is how many entries are looked at one by one without a thought.
const narrowEnough = 64

// inOrder sorts entries as feeds do, each once.
func inOrder(entries []*Entry) []*Entry {
	strictly := true
	for i := 1; i < len(entries) && strictly; i++ {
		strictly = order(entries[i-1], entries[i]) < 0
	}
	if strictly {
		return entries
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, order)
	return slices.Compact(entries)
}

func (x *Index) sort() {
	x.status, x.location = make(map[string][]*Entry), make(map[string][]*Entry)
	for _, n := range x.all {
		events := []*event.Event{n.Event}
		if n.Correction != nil && n.Correction.before != nil {
			events = append(events, n.Correction.Before)
		}
		for _, e := range events {
			x.importance[e.Importance] = append(x.importance[e.Importance], n)
			x.status[event.Key(e.Status)] = append(x.status[event.Key(e.Status)], n)
			x.location[event.Key(e.Location)] = append(x.location[event.Key(e.Location)], n)
			x.dates = append(x.dates, dated{e.Date.Day(), n})
		}
	}
	slices.SortStableFunc(x.dates, func(a, b dated) int { return a.date.Compare(b.date) })
}

// between returns the entries of events of these days, both included; zero is no
// bound.
func (x *Index) between(from, to time.Time) []*Entry {
	begin := sort.Search(len(x.dates), func(i int) bool { return !x.dates[i].date.Before(from) })
	end := len(x.dates)
	if !to.IsZero() {
		end = sort.Search(len(x.dates), func(i int) bool { return x.dates[i].date.After(to) })
	}
	var all []*Entry
	for _, d := range x.dates[begin:max(begin, end)] {
		all = append(all, d.entry)
	}
	return all
}
