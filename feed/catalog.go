package feed

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

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
	topics    map[*Topic]*list
	touched   map[string]bool
}

// Custom is a feed of the configuration's own.
type Custom struct {
	Name, Title string
	Match       *event.Matcher
}

// list is the entries of one feed, in the feed's order.
type list struct {
	path    string
	topic   timeline.Topic // zero where the feed is of no topic
	custom  *Custom
	entries []*Entry
	bounds  bounds // where bounded
	bounded bool
	crowded int       // how many of entries are told with others of their turn
	events  int       // how many of entries are events' own
	names   Spellings // of the topic
	kept    string    // the name from before the last event left
	shared  bool      // entries are those of a Feed, too, and are not changed in place
}

// name returns the spelling that most entries use.
func (l *list) name() string { return l.names.Most(l.kept) }

// own makes the entries the list's alone.
func (l *list) own() {
	if l.shared {
		l.entries, l.shared = slices.Clone(l.entries), false
	}
}

// order is that of a feed: by Updated, newest first, ties by the event's date,
// newest first, then by id.
func order(a, b *Entry) int {
	return cmp.Or(b.Updated.Compare(a.Updated), b.Event.Date.Compare(a.Event.Date.Time), cmp.Compare(a.ID, b.ID))
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
		topics:    make(map[*Topic]*list),
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
	used := make(map[*Topic]int) // by how many events
	var lists []*list
	for _, n := range sorted(entries) {
		lists = c.home(lists[:0], n)
		for _, l := range lists {
			l.entries = append(l.entries, n)
			l.count(n, 1)
		}
		if n.Correction == nil {
			for _, t := range n.Topics {
				used[t]++
			}
		}
	}
	for t, times := range used {
		c.topics[t].names.Count(t.Name, times)
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
		l.insert(entries)
		c.touched[l.path] = true
	}
}

// many is from how many entries on a list is gone through once, instead of being
// moved for each of them.
const many = 16

// remove takes those entries out of a list that are in it, and says whether any is.
func (l *list) remove(entries []*Entry) bool {
	var at []int
	for _, n := range entries {
		if i, ok := slices.BinarySearchFunc(l.entries, n, order); ok {
			at = append(at, i)
			l.count(n, -1)
			l.spell(n, -1)
		}
	}
	if len(at) == 0 {
		return false
	}
	l.own()
	if len(at) >= many {
		for _, i := range at {
			l.entries[i] = nil
		}
		l.entries = slices.DeleteFunc(l.entries, func(n *Entry) bool { return n == nil })
		l.bounded = false
		return true
	}
	slices.Sort(at)
	for _, i := range slices.Backward(at) {
		n := l.entries[i]
		l.entries = slices.Delete(l.entries, i, i+1)
		if l.bounded {
			l.bounds.remove(n, l.entries)
		}
	}
	return true
}

// insert puts entries into a list.
func (l *list) insert(entries []*Entry) {
	l.own()
	for _, n := range entries {
		l.count(n, 1)
		l.spell(n, 1)
	}
	if len(entries) >= many {
		l.entries = append(l.entries, entries...)
		slices.SortFunc(l.entries, order)
		l.bounded = false
		return
	}
	for _, n := range entries {
		i, _ := slices.BinarySearchFunc(l.entries, n, order)
		l.entries = slices.Insert(l.entries, i, n)
		if l.bounded {
			l.bounds.insert(n)
		}
	}
}

// bound returns the bounds of a list.
func (l *list) bound() *bounds {
	if !l.bounded {
		l.bounds, l.bounded = newBounds(l.entries), true
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
			l := c.topics[t]
			if l == nil {
				l = c.listAt(string(t.Kind)+"/"+t.Slug, t.Topic)
				c.topics[t] = l
			}
			lists = append(lists, l)
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

// count counts an entry.
func (l *list) count(n *Entry, by int) {
	if n.crowded() {
		l.crowded += by
	}
	if n.Correction == nil {
		l.events += by
	}
}

// spell counts how an event spells the list's topic.
func (l *list) spell(n *Entry, by int) {
	if n.Correction != nil {
		return
	}
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
	var feeds []*Feed
	for _, path := range slices.Sorted(maps.Keys(c.touched)) {
		l := c.lists[path]
		if l.topic.Kind != "" && l.events < c.minEvents && !known(path) {
			continue
		}
		feeds = append(feeds, c.style.newFeed(l))
	}
	c.touched = make(map[string]bool)
	return feeds
}

// Len returns the number of public events.
func (c *Catalog) Len() int { return c.lists[AllPath].events }
