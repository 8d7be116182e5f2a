package timeline

import (
	"cmp"
	"maps"
	"slices"

	"tocsin/event"
)

// TopicKind is what a topic is: a tag or an actor.
type TopicKind string

// The kinds of topics.
const (
	Tag   TopicKind = "tags"
	Actor TopicKind = "actors"
)

// Known says that k is one of the kinds; paths of other things begin with other
// words.
func (k TopicKind) Known() bool { return k == Tag || k == Actor }

// Topic is a tag or an actor by its event.Key.
type Topic struct {
	Kind TopicKind
	Key  string
}

// Slugs gives each topic its part of the URL and keeps it for good: event.Slug
// of the key, and where another topic has that already, with a suffix that
// depends on the key alone. It is used by one goroutine.
type Slugs struct {
	slugs map[Topic]string
	taken map[Topic]Topic // Key is a slug here
}

// NewSlugs returns the slugs that were given before.
func NewSlugs(given map[Topic]string) *Slugs {
	s := &Slugs{slugs: make(map[Topic]string, len(given)), taken: make(map[Topic]Topic, len(given))}
	for t, slug := range given {
		s.Take(t, slug)
	}
	return s
}

// Take takes over a slug that was given elsewhere.
func (s *Slugs) Take(t Topic, slug string) {
	s.slugs[t] = slug
	s.taken[Topic{t.Kind, slug}] = t
}

// Slug returns a topic's slug; empty where it was given none.
func (s *Slugs) Slug(t Topic) string { return s.slugs[t] }

// All returns all slugs that were given.
func (s *Slugs) All() map[Topic]string { return maps.Clone(s.slugs) }

// Give gives slugs to those of topics that have none, and returns them. The
// order of topics does not matter: among new ones a key that is its slug comes
// first.
func (s *Slugs) Give(topics []Topic) map[Topic]string {
	seen := make(map[Topic]bool) // of a first look's topics most stand in many events
	for _, t := range topics {
		if _, ok := s.slugs[t]; !ok {
			seen[t] = true
		}
	}
	fresh := slices.Collect(maps.Keys(seen))
	plain := func(t Topic) int {
		if event.Slug(t.Key) == t.Key {
			return 0
		}
		return 1
	}
	slices.SortFunc(fresh, func(a, b Topic) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(plain(a), plain(b)), cmp.Compare(a.Key, b.Key))
	})
	given := make(map[Topic]string)
	for _, t := range fresh {
		slug := event.Slug(t.Key)
		// More than once only where somebody names a tag like another's suffix.
		for s.taken[Topic{t.Kind, slug}] != (Topic{}) {
			slug += "-" + event.Suffix(t.Key)
		}
		s.Take(t, slug)
		given[t] = slug
	}
	return given
}

// Topics returns the topics of an event, tags first.
func Topics(e *event.Event) []Topic {
	topics := make([]Topic, 0, len(e.Tags)+len(e.Actors))
	for _, n := range e.Tags {
		topics = append(topics, Topic{Tag, event.Key(n)})
	}
	for _, n := range e.Actors {
		topics = append(topics, Topic{Actor, event.Key(n)})
	}
	return topics
}
