package web

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
)

// A query is a match in the address of a feed. Many addresses ask for the same:
// names in another spelling, in another order, twice. All of them are answered
// with one feed, whose own address is the canonical one.

// Bounds of queries.
const (
	keptQueries = 512 // answers that are kept
	maxValues   = 64  // of all parameters together
	maxValue    = 200 // bytes
)

// reply is the feed of a query, and the update of the site as of which it is.
type reply struct {
	feed *feed.Feed
	turn int
}

// queryParams are the parameters of a query, in the order in which errors list
// them.
var queryParams = []string{
	"tag", "actor", "any_tag", "any_actor", "not_tag", "not_actor", "status", "location",
	"min_importance", "max_importance", "from", "to",
}

// query returns the feed that the parameters of an address ask for. Empty values
// count for nothing. The error says what is wrong with them, for people.
func (s *Site) query(v url.Values) (*feed.Feed, error) {
	q, err := s.readQuery(v)
	if err != nil {
		return nil, err
	}
	canonical := q.canonical.Encode()
	s.mu.RLock()
	defer s.mu.RUnlock()
	before, _ := s.queries.Get(canonical)
	if before != nil && before.turn == s.turn {
		return before.feed, nil
	}
	if s.lookup == nil {
		return nil, fmt.Errorf("nothing is published yet")
	}
	ask := feed.Query{
		Canonical: canonical, Title: strings.Join(q.words, ", "), Page: s.o.Style.URL + "/build/?" + canonical, Match: q.match,
	}
	if before != nil {
		ask.Updated = before.feed.Updated
	}
	f := s.o.Style.NewQuery(ask, s.lookup)
	if f.Modified = s.changed; before != nil && before.feed.Digest == f.Digest {
		f.Modified = before.feed.Modified
	}
	s.queries.Add(canonical, &reply{feed: f, turn: s.turn})
	return f, nil
}

// asked is a query in its canonical form.
type asked struct {
	match     event.Match
	canonical url.Values
	words     []string
}

func (s *Site) readQuery(v url.Values) (*asked, error) {
	q := &asked{canonical: make(url.Values)}
	values, total := make(map[string][]string), 0
	for param, given := range v {
		if !slices.Contains(queryParams, param) {
			return nil, fmt.Errorf("there is no parameter %q; there are %s", clip(param), strings.Join(queryParams, ", "))
		}
		for _, value := range given {
			if value = strings.TrimSpace(value); value == "" {
				continue
			}
			if total++; total > maxValues {
				return nil, fmt.Errorf("more than %d values", maxValues)
			}
			if len(value) > maxValue {
				return nil, fmt.Errorf("%s: a value of more than %d bytes", param, maxValue)
			}
			values[param] = append(values[param], value)
		}
	}
	if total == 0 {
		return nil, fmt.Errorf("the query names nothing; there are %s", strings.Join(queryParams, ", "))
	}
	for _, p := range []struct {
		name  string
		kind  timeline.TopicKind
		names *[]string
		word  string
		all   bool
	}{
		{"tag", timeline.Tag, &q.match.AllTags, "", true},
		{"actor", timeline.Actor, &q.match.AllActors, "", true},
		{"any_tag", timeline.Tag, &q.match.Tags, "any of ", false},
		{"any_actor", timeline.Actor, &q.match.Actors, "any of ", false},
		{"not_tag", timeline.Tag, &q.match.NotTags, "not ", false},
		{"not_actor", timeline.Actor, &q.match.NotActors, "not ", false},
	} {
		topics, err := s.readTopics(p.kind, values[p.name])
		if err != nil {
			return nil, err
		}
		var spelt []string
		for _, t := range topics {
			*p.names = append(*p.names, t.Key)
			q.canonical.Add(p.name, t.Slug)
			spelt = append(spelt, t.Name)
		}
		switch {
		case len(spelt) > 0 && (p.all || len(spelt) == 1 && !strings.HasPrefix(p.word, "not")):
			q.words = append(q.words, strings.Join(spelt, " and "))
		case len(spelt) > 0:
			q.words = append(q.words, p.word+strings.Join(spelt, ", "))
		}
	}
	for _, p := range []struct {
		name  string
		names *[]string
	}{{"status", &q.match.Status}, {"location", &q.match.Location}} {
		keys := event.Keys(values[p.name])
		slices.Sort(keys)
		for _, k := range slices.Compact(keys) {
			*p.names = append(*p.names, k)
			q.canonical.Add(p.name, k)
			q.words = append(q.words, p.name+" "+k)
		}
	}
	if err := q.readBounds(values); err != nil {
		return nil, err
	}
	if len(q.canonical) == 0 {
		return nil, fmt.Errorf("the query asks for everything, which is the feed %q", feed.AllPath)
	}
	return q, nil
}

func (q *asked) readBounds(values map[string][]string) error {
	for _, p := range []struct {
		name string
		n    *int
		none int // says as much as nothing
		word string
	}{
		{"min_importance", &q.match.MinImportance, 0, "and up"},
		{"max_importance", &q.match.MaxImportance, 10, "and below"},
	} {
		value, err := single(p.name, values)
		if value == "" || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > 10 {
			return fmt.Errorf("%s: %q is not a number from 0 to 10", p.name, clip(value))
		}
		if n == p.none || n == 0 {
			continue
		}
		*p.n = n
		q.canonical.Set(p.name, strconv.Itoa(n))
		q.words = append(q.words, "importance "+strconv.Itoa(n)+" "+p.word)
	}
	if least, most := q.match.MinImportance, q.match.MaxImportance; most > 0 && least > most {
		return fmt.Errorf("min_importance %d is over max_importance %d", least, most)
	}
	for _, p := range []struct {
		name string
		day  *time.Time
		word string
	}{{"from", &q.match.From, "since"}, {"to", &q.match.To, "until"}} {
		value, err := single(p.name, values)
		if value == "" || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if *p.day, err = time.Parse(time.DateOnly, value); err != nil {
			return fmt.Errorf("%s: %q is not a date like 2025-01-28", p.name, clip(value))
		}
		q.canonical.Set(p.name, value)
		q.words = append(q.words, p.word+" "+value)
	}
	if from, to := q.match.From, q.match.To; !to.IsZero() && from.After(to) {
		return fmt.Errorf("from %s is after to %s", from.Format(time.DateOnly), to.Format(time.DateOnly))
	}
	return nil
}

func single(param string, values map[string][]string) (string, error) {
	given := slices.Clone(values[param])
	slices.Sort(given)
	switch given = slices.Compact(given); len(given) {
	case 0:
		return "", nil
	case 1:
		return given[0], nil
	}
	return "", fmt.Errorf("%s: one value, not %d", param, len(given))
}

func clip(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// readTopics finds tags or actors by their names, sorted by slug.
func (s *Site) readTopics(kind timeline.TopicKind, names []string) ([]feed.Topic, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []feed.Topic
	for _, name := range names {
		t, ok := s.find(kind, name)
		if !ok {
			return nil, fmt.Errorf("no event has the %s %q", strings.TrimSuffix(string(kind), "s"), clip(name))
		}
		topic := feed.Topic{Topic: t, Name: t.Key, Slug: s.given[t]}
		if f := s.feeds[s.path(t)]; f != nil {
			topic.Name = f.Name
		}
		all = append(all, topic)
	}
	slices.SortFunc(all, func(a, b feed.Topic) int { return strings.Compare(a.Slug, b.Slug) })
	return slices.CompactFunc(all, func(a, b feed.Topic) bool { return a.Topic == b.Topic }), nil
}

// find returns the tag or actor that a slug or a name means today, after aliases
// and new names. The caller holds the lock.
func (s *Site) find(kind timeline.TopicKind, name string) (timeline.Topic, bool) {
	t, known := s.slugs[timeline.Topic{Kind: kind, Key: name}]
	if !known {
		t = timeline.Topic{Kind: kind, Key: event.Key(name)}
	}
	for range 16 { // names that were changed this often lead nowhere
		if to, ok := s.aliases[t]; ok && to != t {
			t = to
			continue
		}
		to, ok := s.renamed[t]
		if !ok {
			break
		}
		t = to
	}
	_, known = s.given[t]
	return t, known
}

// path is the path of a topic's feed. The caller holds the lock.
func (s *Site) path(t timeline.Topic) string { return string(t.Kind) + "/" + s.given[t] }

// successor returns the path of the feed that has taken the place of one: of the
// same tag or actor in another spelling, or under the name that it has now.
func (s *Site) successor(path string) (to string, ok bool) {
	kind, name, ok := strings.Cut(path, "/")
	if !ok {
		return "", false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !timeline.TopicKind(kind).Known() {
		to = kind + "/" + event.Slug(event.Key(name))
		return to, to != path && s.feeds[to] != nil
	}
	t, known := s.find(timeline.TopicKind(kind), name)
	to = s.path(t)
	return to, known && to != path && s.feeds[to] != nil
}

// former returns the paths that lead on to others, by the one that they lead to:
// those of aliases, and of tags and actors that were given another name.
func (s *Site) former() map[string][]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	paths := make(map[string]map[string]bool)
	for _, topics := range []map[timeline.Topic]timeline.Topic{s.aliases, s.renamed} {
		for t := range topics {
			path := string(t.Kind) + "/" + cmp.Or(s.given[t], event.Slug(t.Key))
			if f := s.feeds[path]; f != nil && !f.Empty() {
				continue // it is in use
			}
			now, known := s.find(t.Kind, t.Key)
			if to := s.path(now); known && to != path && s.feeds[to] != nil {
				if paths[to] == nil {
					paths[to] = make(map[string]bool)
				}
				paths[to][path] = true
			}
		}
	}
	former := make(map[string][]string, len(paths))
	for to, of := range paths {
		former[to] = slices.Sorted(maps.Keys(of))
	}
	return former
}

// grace is how long the feed of a tag or actor that no event has any more is
// served, empty, before it is gone: readers get the withdrawals, and an event may
// come back.
const grace = 90 * 24 * time.Hour

// gone says that a feed is no more.
func (s *Site) gone(f *feed.Feed) bool {
	return !f.Emptied.IsZero() && s.o.Now().Sub(f.Emptied) > grace
}
