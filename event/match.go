package event

import (
	"slices"
	"time"
)

// Match selects events. The zero Match selects all. Every condition given must
// hold; names compare by Key.
type Match struct {
	Tags, Actors       []string // any of
	AllTags, AllActors []string // all of
	NotTags, NotActors []string // none of
	Status, Location   []string // any of
	// MinImportance and MaxImportance are inclusive; 0 is no bound.
	MinImportance, MaxImportance int
	// From and To bound the event's date, both inclusive by day; zero is no
	// bound.
	From, To time.Time
}

// Matcher is a Match made ready for many events. It is safe for concurrent use.
type Matcher struct {
	m                            Match
	tags, actors, status, places map[string]bool
	allTags, allActors           map[string]bool
	notTags, notActors           map[string]bool
}

// NewMatcher prepares m; aliases of d apply to its names.
func NewMatcher(m Match, d Dialect) *Matcher {
	tags, actors := aliasTable(d.TagAliases), aliasTable(d.ActorAliases)
	keys := func(names []string, aliases map[string]string) map[string]bool {
		set := make(map[string]bool, len(names))
		for _, n := range names {
			k := Key(n)
			if to, ok := aliases[k]; ok {
				k = Key(to)
			}
			set[k] = true
		}
		return set
	}
	return &Matcher{
		m:         m,
		tags:      keys(m.Tags, tags),
		actors:    keys(m.Actors, actors),
		status:    keys(m.Status, nil),
		places:    keys(m.Location, nil),
		allTags:   keys(m.AllTags, tags),
		allActors: keys(m.AllActors, actors),
		notTags:   keys(m.NotTags, tags),
		notActors: keys(m.NotActors, actors),
	}
}

// MinImportance returns the lower bound of importance; 0 is none.
func (m *Matcher) MinImportance() int { return m.m.MinImportance }

// Match says whether m selects e.
func (m *Matcher) Match(e *Event) bool { return m.MatchKeys(e, Keys(e.Tags), Keys(e.Actors)) }

// MatchKeys is Match for a caller that has the keys of e's tags and actors.
func (m *Matcher) MatchKeys(e *Event, tags, actors []string) bool {
	day := e.Date.Day()
	switch {
	case m.m.MinImportance > 0 && e.Importance < m.m.MinImportance:
	case m.m.MaxImportance > 0 && e.Importance > m.m.MaxImportance:
	case !m.m.From.IsZero() && day.Before(m.m.From):
	case !m.m.To.IsZero() && day.After(m.m.To):
	case len(m.tags) > 0 && !anyOf(m.tags, tags):
	case len(m.actors) > 0 && !anyOf(m.actors, actors):
	case len(m.status) > 0 && !m.status[Key(e.Status)]:
	case len(m.places) > 0 && !m.places[Key(e.Location)]:
	case !allOf(m.allTags, tags):
	case !allOf(m.allActors, actors):
	case anyOf(m.notTags, tags):
	case anyOf(m.notActors, actors):
	default:
		return true
	}
	return false
}

// Keys returns the Key of each name.
func Keys(names []string) []string {
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = Key(n)
	}
	return keys
}

func anyOf(set map[string]bool, keys []string) bool {
	return len(set) > 0 && slices.ContainsFunc(keys, func(k string) bool { return set[k] })
}

// allOf counts: no key stands twice among those of an event.
func allOf(set map[string]bool, keys []string) bool {
	found := 0
	for _, k := range keys {
		if set[k] {
			found++
		}
	}
	return found == len(set)
}
