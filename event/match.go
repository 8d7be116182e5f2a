package event

import (
	"fmt"
	"slices"
	"strings"
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
	return m.fails(e, tags, actors) == ""
}

// Why returns the first condition that keeps m from selecting e, as configurations
// spell it, and what it asks for; empty where m selects e.
func (m *Matcher) Why(e *Event) (condition, asked string) {
	condition = m.fails(e, Keys(e.Tags), Keys(e.Actors))
	switch condition {
	case "min_importance":
		asked = fmt.Sprintf("%d, and the event has %d", m.m.MinImportance, e.Importance)
	case "max_importance":
		asked = fmt.Sprintf("%d, and the event has %d", m.m.MaxImportance, e.Importance)
	case "from":
		asked = m.m.From.Format(time.DateOnly) + ", and the event is of " + e.Date.String()
	case "to":
		asked = m.m.To.Format(time.DateOnly) + ", and the event is of " + e.Date.String()
	case "status":
		asked = list(m.m.Status) + ", and the event has " + list([]string{e.Status})
	case "location":
		asked = list(m.m.Location) + ", and the event has " + list([]string{e.Location})
	case "tags":
		asked = "any of " + list(m.m.Tags) + ", and the event has " + list(e.Tags)
	case "actors":
		asked = "any of " + list(m.m.Actors) + ", and the event has " + list(e.Actors)
	case "all_tags":
		asked = list(m.m.AllTags) + ", and the event has " + list(e.Tags)
	case "all_actors":
		asked = list(m.m.AllActors) + ", and the event has " + list(e.Actors)
	case "not_tags":
		asked = list(m.m.NotTags) + ", and the event has " + list(e.Tags)
	case "not_actors":
		asked = list(m.m.NotActors) + ", and the event has " + list(e.Actors)
	}
	return condition, asked
}

// list is names for people to read.
func list(names []string) string {
	if strings.Join(names, "") == "" {
		return "none"
	}
	return strings.Join(names, ", ")
}

// fails returns the first condition that does not hold; empty where all do.
func (m *Matcher) fails(e *Event, tags, actors []string) string {
	day := e.Date.Day()
	switch {
	case m.m.MinImportance > 0 && e.Importance < m.m.MinImportance:
		return "min_importance"
	case m.m.MaxImportance > 0 && e.Importance > m.m.MaxImportance:
		return "max_importance"
	case !m.m.From.IsZero() && day.Before(m.m.From):
		return "from"
	case !m.m.To.IsZero() && day.After(m.m.To):
		return "to"
	case len(m.tags) > 0 && !anyOf(m.tags, tags):
		return "tags"
	case len(m.actors) > 0 && !anyOf(m.actors, actors):
		return "actors"
	case len(m.status) > 0 && !m.status[Key(e.Status)]:
		return "status"
	case len(m.places) > 0 && !m.places[Key(e.Location)]:
		return "location"
	case !allOf(m.allTags, tags):
		return "all_tags"
	case !allOf(m.allActors, actors):
		return "all_actors"
	case anyOf(m.notTags, tags):
		return "not_tags"
	case anyOf(m.notActors, actors):
		return "not_actors"
	}
	return ""
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

func allOf(set map[string]bool, keys []string) bool {
	for k := range set {
		if !slices.Contains(keys, k) {
			return false
		}
	}
	return true
}
