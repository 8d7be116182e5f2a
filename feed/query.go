package feed

import (
	"time"

	"tocsin/event"
)

// Query asks for a feed that is not kept.
type Query struct {
	// Canonical is the query of its address: the same for all ways to ask for the
	// same.
	Canonical string
	// Title is the feed's; Page the address of its page for people.
	Title, Page string
	Match       *event.Matcher
	// From is a feed that holds all that Match selects, the shorter the better.
	From *Feed
	// Updated is the least time of the feed: what it had when it was last asked for.
	Updated time.Time
}

// QueryPath is the path of feeds that are asked for.
const QueryPath = "query"

// NewQuery makes the feed that is asked for.
func (s *Style) NewQuery(q Query) *Feed {
	f := &Feed{
		Path: QueryPath, Title: q.Title + " – " + s.Title, Description: "Events of " + s.Title + ": " + q.Title,
		Page: q.Page, style: s, query: q.Canonical,
	}
	var all []*Entry
	for _, n := range q.From.all {
		if n.matches(q.Match) {
			all = append(all, n)
			if n.Correction == nil {
				f.Total++
			}
		}
	}
	f.fill(all)
	if f.Updated.Before(q.Updated) {
		f.Updated = q.Updated
	}
	return f
}

// Size is how many entries a feed is made from, those that it does not show
// included.
func (f *Feed) Size() int { return len(f.all) }
