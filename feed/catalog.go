package feed

import (
	"cmp"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"tocsin/event"
	"tocsin/timeline"
)

// Catalog sorts the entries of all public events into feeds. It is used by one
// goroutine.
type Catalog struct {
	style     *Style
	minEvents int
	lists     map[string]*list // by path
	custom    []*list
	topics    []*list // by the numbers of topics
	touched   map[string]bool
}

// Custom is a feed of the configuration's own.
type Custom struct {
	Name, Title string
	Match       *event.Matcher
}

// list is the entries of one feed.
type list struct {
	path    string
	topic   timeline.Topic // zero where the feed is of no topic
	custom  *Custom
	all     sequence         // one by one
	told    *sequence        // as the feed tells them, those of a crowd as one; nil: one by one
	crowds  map[int64]*Entry // what stands in told for the corrections of a turn, by its time
	bounds  bounds           // where bounded
	bounded bool
	events  int       // how many of the entries are events' own
	names   Spellings // of the topic
	kept    string    // the name from before the last event left
}

// name returns the spelling that most entries use.
func (l *list) name() string { return l.names.Most(l.kept) }

// shown is what the feed tells.
func (l *list) shown() *sequence {
	if l.told != nil {
		return l.told
	}
	return &l.all
}

// AllPath is the path of the feed of all events, CorrectionsPath that of the feed
// of corrections alone.
const (
	AllPath         = "all"
	CorrectionsPath = "corrections"
)

// NewCatalog returns a catalog of no entries. A tag or actor gets a feed once it
// has minEvents events, and keeps it.
func NewCatalog(s *Style, minEvents int, custom []Custom) *Catalog {
	c := &Catalog{
		style:     s,
		minEvents: max(minEvents, 1),
		lists:     map[string]*list{AllPath: {path: AllPath}, CorrectionsPath: {path: CorrectionsPath}},
		touched:   map[string]bool{AllPath: true, CorrectionsPath: true},
	}
	for i := range custom {
		l := &list{path: "custom/" + custom[i].Name, custom: &custom[i]}
		c.custom = append(c.custom, l)
		c.lists[l.path] = l
		c.touched[l.path] = true
	}
	return c
}

// Fill enters all entries that the ledger knows, corrections included, once, and the feeds that there
// were with the names of their tags and actors: a feed whose last event was
// withdrawn stays.
func (c *Catalog) Fill(entries []*Entry, feeds map[string]string) {
	type use struct {
		of    *Topic
		times int // events
	}
	var used []use // by the numbers of topics
	crowded := make(map[*list]bool)
	var lists []*list
	for _, n := range sorted(entries) {
		lists = c.home(lists[:0], n)
		for _, l := range lists {
			l.all.entries = append(l.all.entries, n)
			if n.crowded() {
				crowded[l] = true
			}
			if n.Correction == nil {
				l.events++
			}
		}
		if n.Correction == nil {
			for _, t := range n.Topics {
				used = reaching(used, t.n)
				used[t.n] = use{t, used[t.n].times + 1}
			}
		}
	}
	for l := range crowded {
		l.told = &sequence{}
		l.told.entries, l.crowds = c.style.gather(l.path, l.all.entries)
	}
	for i, u := range used {
		if u.times > 0 {
			c.topics[i].names.Count(u.of.Name, u.times)
		}
	}
	for path, name := range feeds {
		if kind, _, ok := strings.Cut(path, "/"); ok && timeline.TopicKind(kind).Known() {
			c.listAt(path, timeline.Topic{Kind: timeline.TopicKind(kind)}).kept = name
		}
	}
	for path := range c.lists {
		c.touched[path] = true
	}
}

// sorted returns entries in the order of feeds.
func sorted(entries []*Entry) []*Entry {
	type keyed struct {
		updated int64
		entry   *Entry
	}
	all := make([]keyed, len(entries))
	for i, n := range entries {
		all[i] = keyed{n.Updated.UnixMicro(), n}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		if a.updated != b.updated {
			return cmp.Compare(b.updated, a.updated)
		}
		return order(a.entry, b.entry)
	})
	entries = make([]*Entry, len(all))
	for i, k := range all {
		entries[i] = k.entry
	}
	return entries
}

// Replace takes entries out of their feeds and puts others into theirs.
func (c *Catalog) Replace(old, fresh []*Entry) {
	gone, come := make(map[*list][]*Entry), make(map[*list][]*Entry)
	var lists []*list
	for _, n := range old {
		lists = c.home(lists[:0], n)
		for _, l := range lists {
			gone[l] = append(gone[l], n)
		}
	}
	for _, n := range fresh {
		lists = c.home(lists[:0], n)
		for _, l := range lists {
			come[l] = append(come[l], n)
		}
	}
	for l, entries := range gone {
		if l.remove(entries) {
			c.touched[l.path] = true
		}
	}
	for l, entries := range come {
		l.insert(c.style, entries)
		c.touched[l.path] = true
	}
}

// many is from how many entries on the bounds of a list are made anew, instead of being
// looked up for each of them.
const many = 16

// remove takes those entries of events out of a list that are in it, and says whether
// any is.
func (l *list) remove(entries []*Entry) bool {
	removed := l.all.remove(entries)
	for _, n := range removed {
		l.count(n, -1)
	}
	if l.told != nil {
		l.told.remove(removed)
	}
	l.bound(removed, nil)
	return len(removed) > 0
}

// insert puts entries into a list.
func (l *list) insert(s *Style, entries []*Entry) {
	for _, n := range entries {
		l.count(n, 1)
	}
	if l.told == nil && slices.ContainsFunc(entries, (*Entry).crowded) {
		l.told, l.crowds = &sequence{entries: slices.Clone(l.all.entries)}, make(map[int64]*Entry)
	}
	l.all.insert(entries)
	if l.told == nil {
		l.bound(nil, entries)
		return
	}
	var come, gone []*Entry
	crowds := make(map[int64][]*Entry)
	for _, n := range entries {
		if n.crowded() {
			crowds[n.turn()] = append(crowds[n.turn()], n)
		} else {
			come = append(come, n)
		}
	}
	for at, of := range crowds {
		if before := l.crowds[at]; before != nil {
			gone = append(gone, before)
			of = append(of, before.one()...)
			slices.SortFunc(of, order)
		}
		l.crowds[at] = s.crowd(l.path, of)
		come = append(come, l.crowds[at])
	}
	l.told.remove(gone)
	l.told.insert(come)
	l.bound(gone, come)
}

// bound brings the bounds up to date where the list has some.
func (l *list) bound(gone, come []*Entry) {
	if len(gone)+len(come) >= many {
		l.bounded = false
	}
	if !l.bounded {
		return
	}
	for _, n := range gone {
		l.bounds.remove(n, l.shown().entries)
	}
	for _, n := range come {
		l.bounds.insert(n)
	}
}

// ends returns the bounds of what the list tells.
func (l *list) ends() *bounds {
	if !l.bounded {
		l.bounds, l.bounded = newBounds(l.shown().entries), true
	}
	return &l.bounds
}

// home appends the lists that an entry belongs to.
func (c *Catalog) home(lists []*list, n *Entry) []*list {
	lists = append(lists, c.lists[AllPath])
	if n.Correction != nil {
		lists = append(lists, c.lists[CorrectionsPath])
	}
	about := func(topics []*Topic) {
		for _, t := range topics {
			c.topics = reaching(c.topics, t.n)
			if c.topics[t.n] == nil {
				c.topics[t.n] = c.listAt(string(t.Kind)+"/"+t.Slug, t.Topic)
			}
			lists = append(lists, c.topics[t.n])
		}
	}
	about(n.Topics)
	if n.Correction != nil {
		about(n.Correction.also)
	}
	for _, l := range c.custom {
		if n.matches(l.custom.Match) {
			lists = append(lists, l)
		}
	}
	return lists
}

// reaching returns a list that has an i-th element, as it is or with zeros behind it.
func reaching[E any](list []E, i int) []E {
	if i < len(list) {
		return list
	}
	return append(list, make([]E, i+1-len(list))...)
}

func (c *Catalog) listAt(path string, t timeline.Topic) *list {
	l := c.lists[path]
	if l == nil {
		l = &list{path: path}
		c.lists[path] = l
	}
	if l.topic.Key == "" {
		l.topic = t
	}
	return l
}

// count counts an event, and how it spells the list's topic.
func (l *list) count(n *Entry, by int) {
	if n.Correction != nil {
		return
	}
	l.events += by
	for _, t := range n.Topics {
		if t.Topic == l.topic {
			l.kept = t.Name
			l.names.Count(t.Name, by)
		}
	}
}

// Touch has feeds be among the touched, those of them that there are.
func (c *Catalog) Touch(paths iter.Seq[string]) {
	for path := range paths {
		if c.lists[path] != nil {
			c.touched[path] = true
		}
	}
}

// Touched returns the feeds that may have changed since the last call, in the
// order of their paths, as they stand now. known says that a feed is published:
// it stays, even with fewer events than it takes to begin one.
func (c *Catalog) Touched(known func(path string) bool) []*Feed {
	var lists []*list
	for _, path := range slices.Sorted(maps.Keys(c.touched)) {
		l := c.lists[path]
		if l.topic.Kind == "" || l.events >= c.minEvents || known(path) {
			lists = append(lists, l)
		}
	}
	c.touched = make(map[string]bool)
	feeds := make([]*Feed, len(lists))
	var making errgroup.Group
	workers := max(1, min(len(lists)/many, runtime.GOMAXPROCS(0)))
	for part := range workers {
		making.Go(func() error {
			for i := part; i < len(lists); i += workers {
				feeds[i] = c.style.newFeed(lists[i])
			}
			return nil
		})
	}
	_ = making.Wait() // none fails
	return feeds
}

// Len returns the number of public events.
func (c *Catalog) Len() int { return c.lists[AllPath].events }
