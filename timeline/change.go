package timeline

import (
	"cmp"
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
	// Copied: not known before, but of the title and date of another that moved
	// in the same turn. It is an event of its own; the world is not told, as it
	// knows what it says.
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
// knows it; nil is none. A withdrawn and a new event with one title and date
// are one event that moved; where several qualify, they pair in the order of
// their ids, and a new one that is left over is a copy.
func Compare(ids []string, now, told func(id string) *event.Event) []Change {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	gone := make(map[what][]*event.Event)
	var changes []Change
	for _, id := range ids {
		if e := told(id); e != nil && now(id) == nil {
			gone[whatOf(e)] = append(gone[whatOf(e)], e)
		}
	}
	moved := make(map[string]bool) // ids that are another event's past
	known := make(map[what]bool)   // what gone events were
	for k := range gone {
		known[k] = true
	}
	for _, id := range ids {
		e, before := now(id), told(id)
		if e == nil {
			continue
		}
		if before == nil {
			if olds := gone[whatOf(e)]; len(olds) > 0 {
				before = olds[0]
				gone[whatOf(e)] = olds[1:]
				moved[before.ID] = true
			}
		}
		switch {
		case before == nil && known[whatOf(e)]:
			changes = append(changes, Change{Kind: Copied, Event: e})
		case before == nil:
			changes = append(changes, Change{Kind: New, Event: e})
		case before.Revision != e.Revision:
			changes = append(changes, Change{Kind: Updated, Event: e, Before: before, Fields: before.Diff(e)})
		case before.Path != e.Path || before.ID != e.ID:
			changes = append(changes, Change{Kind: Moved, Event: e, Before: before})
		}
	}
	for _, id := range ids {
		if e := told(id); e != nil && now(id) == nil && !moved[id] {
			changes = append(changes, Change{Kind: Withdrawn, Event: e, Before: e})
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Event.ID, b.Event.ID) })
	return changes
}
