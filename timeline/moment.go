package timeline

import (
	"time"

	"tocsin/event"
)

// timed says that an event is public for a part of time alone.
func timed(e *event.Event) bool {
	return !e.Draft && !(e.Published.IsZero() && e.Expires.IsZero())
}

// public says that an event is public at a moment. Before the first moment is known
// its times do not count.
func public(e *event.Event, at time.Time) bool {
	if e.Draft || at.IsZero() {
		return !e.Draft
	}
	return !e.Published.Time().After(at) && (e.Expires.IsZero() || e.Expires.Time().After(at))
}

// advance goes on to a moment and returns the ids of the events that are public by
// it and were not before, or the other way round. Time does not go back: what was
// published stays so where a clock is corrected.
func (t *Timeline) advance(at time.Time) []string {
	if !at.After(t.at) {
		at = t.at
	}
	var ids []string
	t.due = time.Time{}
	if at.IsZero() {
		return nil
	}
	for p := range t.timed {
		e := t.files[p].event
		if public(e, at) != public(e, t.at) {
			ids = append(ids, e.ID)
		}
		for _, next := range []time.Time{e.Published.Time(), e.Expires.Time()} {
			if next.After(at) && (t.due.IsZero() || next.Before(t.due)) {
				t.due = next
			}
		}
	}
	t.at = at
	return ids
}

// Due says that at this moment another event is public than at the last Look,
// though no file changed: there has to be another.
func (t *Timeline) Due(now time.Time) bool { return !t.due.IsZero() && !now.Before(t.due) }
