package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tocsin/event"
	"tocsin/ledger"
	"tocsin/timeline"
)

// hold says how much may be withdrawn at once: a withdrawal of more than events
// events, and of more than percent per cent of all, is held until they are back
// or an operator accepts it.
type hold struct{ events, percent int }

// over reports whether a withdrawal of so many events is to be held.
func (h hold) over(gone, of int) bool { return gone > h.events && gone*100 > of*h.percent }

// withdrawn returns the events that changes withdraw, as they were.
func withdrawn(changes []timeline.Change) (gone []*event.Event) {
	for _, c := range changes {
		if c.Kind == timeline.Withdrawn {
			gone = append(gone, c.Event)
		}
	}
	return gone
}

// holds reports whether changes withdraw so many events at once that nothing is
// done before they are back or the operator accepts it: whether the folder was
// emptied or unmounted nobody but the operator knows. All of them are always too
// many where the folder is on another device than it was: that is an empty mount
// point.
func (w *wheel) holds(ctx context.Context, changes []timeline.Change) (bool, error) {
	last := withdrawn(changes)
	gone := make([]string, len(last))
	for i, e := range last {
		gone[i] = e.ID
	}
	unmounted := len(gone) > 0 && len(gone) == w.ledger.Len() && w.device != "" && w.device != w.timeline.Device()
	if !unmounted && !w.hold.over(len(gone), w.ledger.Len()) {
		if w.held.Swap(nil) != nil {
			w.log.Info("most of the events are back; what was held is forgotten")
		}
		return false, nil
	}
	now := ledger.NewHeld(gone, w.ledger.Len(), w.now())
	accepted, err := w.store.Accepted(ctx, now)
	if err != nil {
		return false, err
	}
	if accepted {
		w.held.Store(nil)
		w.log.Warn("an operator has accepted the withdrawal", "gone", now.Gone, "of", now.Of)
		return false, nil
	}
	before := w.held.Load()
	if before != nil {
		now.Since = before.Since
	}
	w.held.Store(now)
	w.timeline.Keep(slices.Values(last)) // for files that come back broken
	if before == nil || before.Digest != now.Digest {
		w.noted, w.unnoted = true, true
		w.note(ctx, now)
	}
	if before != nil && time.Since(w.cried) < cryAgain {
		return true, nil
	}
	w.cried = time.Now()
	w.log.Error("MOST EVENTS ARE GONE: nothing is withdrawn and nothing is updated until they are back, or until: tocsin accept",
		"gone", now.Gone, "of", now.Of, "some", fmt.Sprint(now.Some[:min(len(now.Some), 3)]))
	return true, nil
}

// misses says that changes withdraw something that the last comparison had not
// missed: what went while nobody watched must be missing twice, too, as a
// program may be saving it just now.
func (w *wheel) misses(changes []timeline.Change) bool {
	before, gone := w.missed, withdrawn(changes)
	w.missed = make(map[string]bool, len(gone))
	fresh := false
	for _, e := range gone {
		w.missed[e.ID] = true
		fresh = fresh || !before[e.ID]
	}
	if fresh {
		w.timeline.Keep(slices.Values(gone)) // for files that come back broken
	}
	return fresh
}

// note writes into the store what is held. Where that cannot be written it is held
// all the same, and written later.
func (w *wheel) note(ctx context.Context, held *ledger.Held) {
	err := w.store.Hold(ctx, held)
	if w.unnoted = err != nil; w.unnoted {
		w.complain("what is held cannot be noted; until it can, tocsin accept does not find it", err)
	}
}

// accepted reports whether what is held has been accepted since.
func (w *wheel) accepted(ctx context.Context) bool {
	held := w.held.Load()
	if held == nil {
		return false
	}
	if w.unnoted {
		w.note(ctx, held)
	}
	ok, err := w.store.Accepted(ctx, held)
	if err != nil {
		w.complain("cannot read whether the withdrawal is accepted", err)
	}
	return ok
}

// errHeld is what a command says that meets a withdrawal which is held.
func errHeld(h *ledger.Held) error {
	return fmt.Errorf("%d of %d events are gone, such as %s; nothing was done: bring them back, or accept it with: tocsin accept",
		h.Gone, h.Of, h.Some[0])
}
