package timeline

import (
	"slices"

	"tocsin/event"
)

// Kind says what happened to an event.
type Kind string

// The kinds of changes.
const (
	// New: not known before, or public again.
	New Kind = "new"
	// Updated: another revision.
	Updated Kind = "updated"
	// Withdrawn: the file is gone, a draft, or excluded.
	Withdrawn Kind = "withdrawn"
	// Moved: the same meaning at another path or under another id. The world is
	// not told.
	Moved Kind = "moved"
	// Copied: not known before, but says what another says that moved in the same
	// turn. It is an event of its own; the world is not told, as it knows what it
	// says.
	Copied Kind = "copied"
)

// Change is the difference that two moments make for one event.
type Change struct {
	Kind Kind
	// Event is the event now; of a withdrawn one, its last public version.
	Event *event.Event
	// Before is the event as the world knows it; nil for a new one. Its ID
	// differs from Event's where the event moved, also when it was updated in
	// the same turn.
	Before *event.Event
	// Fields are those in which an update differs, in the order of
	// event.Fields.
	Fields []event.Field
}

// what tells an event that moved from others.
type what struct{ title, date string }

func whatOf(e *event.Event) what { return what{e.Title, e.Date.String()} }

// Compare returns what changed of the events with the given ids, sorted by id:
// now gives an event as it is public at this moment, told gives it as the world
// knows it; nil is none. A withdrawn and a new event with one title and date are
// one event that moved. Where several qualify, those of one revision pair first,
// then the others, in the order of their ids; a new one that is left over and
// says what one of those that moved says is a copy.
func Compare(ids []string, now, told func(id string) *event.Event) []Change {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var gone, fresh []*event.Event
	for _, id := range ids {
		switch e, before := now(id), told(id); {
		case e == nil && before != nil:
			gone = append(gone, before)
		case e != nil && before == nil:
			fresh = append(fresh, e)
		}
	}
	past := make(map[string]*event.Event) // by the id that the event has now
	moved := make(map[string]bool)        // ids that are another event's past
	said := make(map[string]bool)         // revisions of those that moved
	pair := func(key func(*event.Event) any) {
		free := make(map[any][]*event.Event)
		for _, e := range gone {
			if !moved[e.ID] {
				free[key(e)] = append(free[key(e)], e)
			}
		}
		for _, e := range fresh {
			if olds := free[key(e)]; past[e.ID] == nil && len(olds) > 0 {
				past[e.ID], free[key(e)] = olds[0], olds[1:]
				moved[olds[0].ID] = true
				said[olds[0].Revision], said[e.Revision] = true, true
			}
		}
	}
	if len(gone) > 0 {
		pair(func(e *event.Event) any { return e.Revision })
		pair(func(e *event.Event) any { return whatOf(e) })
	}

	var changes []Change
	for _, id := range ids {
		e, before := now(id), told(id)
		if e != nil && before == nil {
			before = past[id]
		}
		switch {
		case e == nil && before != nil && !moved[id]:
			changes = append(changes, Change{Kind: Withdrawn, Event: before, Before: before})
		case e == nil:
		case before == nil && said[e.Revision]:
			changes = append(changes, Change{Kind: Copied, Event: e})
		case before == nil:
			changes = append(changes, Change{Kind: New, Event: e})
		case before.Revision != e.Revision:
			changes = append(changes, Change{Kind: Updated, Event: e, Before: before, Fields: before.Diff(e)})
		case before.Path != e.Path || before.ID != e.ID:
			changes = append(changes, Change{Kind: Moved, Event: e, Before: before})
		}
	}
	return changes
}
