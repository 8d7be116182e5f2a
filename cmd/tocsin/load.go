package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/ledger"
	"tocsin/timeline"
	"tocsin/web"
)

// loadPercent is by how much memory grows between two collections of garbage while the
// ledger is read and the folder is compared with it.
const loadPercent = 400

// manyEvents is from how many on it is less, so that a million need no memory that they
// do not keep.
const manyEvents = 300_000

// load reads the ledger and fills the catalog from it. Everything has to be
// compared then, and relax is to be called behind that.
func (w *wheel) load(ctx context.Context) error {
	// Nearly all that is made here stays: to look for what does not is for nothing.
	if percent := debug.SetGCPercent(loadPercent); w.percent == 0 {
		w.percent = percent
	}
	soon := true
	defer func() {
		if soon {
			w.relax()
		}
	}()
	l, err := ledger.Load(ctx, w.store, w.dates)
	if err != nil {
		return err
	}
	if w.leads {
		if err := w.resume(ctx); err != nil {
			return err
		}
	}
	w.ledger, w.owed = l, true
	var recalling sync.WaitGroup // beside what is made for serving
	recalling.Go(w.recall)
	// What does not stay is some hundred bytes of an event: of many that is too much.
	debug.SetGCPercent(min(loadPercent, max(50, loadPercent*manyEvents/(l.Len()+1))))
	w.catalog = feed.NewCatalog(w.style, w.least, w.custom)
	entries := w.makeEntries(l, slices.Collect(l.Public()))
	update := web.Update{Events: slices.Clone(entries), Moved: l.Moves(nil), Withdrawn: l.WithdrawnIDs(), Topics: l.Slugs(), Renamed: l.Renames()}
	for _, c := range l.Corrections() {
		entries = append(entries, w.correction(l, c))
	}
	names := make(map[string]string)
	for path, v := range l.Feeds() {
		names[path] = v.Name
	}
	var filling sync.WaitGroup
	filling.Go(func() { w.catalog.Fill(entries, names) })
	w.site.Update(update)
	filling.Wait()
	if !l.First() {
		u, _ := w.enter(nil, nil, w.now())
		w.site.Update(u) // what there is can be served before the folder is read
	}
	if fetch := l.Fetch(w.store); fetch != nil {
		select {
		case <-w.unread: // of the reading before
		default:
		}
		w.unread <- fetch
	}
	w.count()
	recalling.Wait()
	soon = w.timeline.Len() == 0 // a look that has to read files leaves more
	return nil
}

// relax has garbage be collected again as it was before load.
func (w *wheel) relax() {
	if w.percent != 0 {
		debug.SetGCPercent(w.percent)
		w.percent = 0
	}
}

// resume reads what the process that led last had in hand.
func (w *wheel) resume(ctx context.Context) error {
	held, err := w.store.Held(ctx)
	if err != nil {
		return err
	}
	if w.device, err = w.store.Device(ctx); err != nil {
		return err
	}
	w.held.Store(held)
	w.noted = held != nil
	return nil
}

// fetchTexts fetches the texts that load has left where they may be out of reach some
// day, until ctx ends.
func (w *wheel) fetchTexts(ctx context.Context) {
	for {
		var fetch func(context.Context) error
		select {
		case fetch = <-w.unread:
		case <-ctx.Done():
			return
		}
		for fetch(ctx) != nil && len(w.unread) == 0 { // the turns say what is wrong
			select {
			case <-time.After(fetchAgain):
			case <-ctx.Done():
				return
			}
		}
	}
}

// fetchAgain is how long fetchTexts waits where texts are out of reach.
const fetchAgain = 10 * time.Second

// manyMarks is from how many on marks of files are worth a transaction of their own.
const manyMarks = 1000

// recall gives the timeline the events as the world knows them, and spares the first look
// the files that are as an earlier process knew them.
func (w *wheel) recall() {
	marks := w.ledger.Marks()
	if !w.looks && w.timeline.Recall(w.ledger.Len(), marks) == w.ledger.Len() { // else it knows better
		return
	}
	w.timeline.Keep(func(yield func(*event.Event) bool) {
		for r := range w.ledger.Public() {
			if !yield(r.Event) {
				return
			}
		}
	})
}

// makeEntries makes the entries of events, on all cores where they are many.
func (w *wheel) makeEntries(l *ledger.Ledger, records []*timeline.Record) []*feed.Entry {
	entries := make([]*feed.Entry, len(records))
	const together = 64
	var making errgroup.Group
	making.SetLimit(runtime.GOMAXPROCS(0))
	for begin := 0; begin < len(records); begin += together {
		making.Go(func() error {
			w.alive()
			some := w.style.NewEntries(records[begin:min(begin+together, len(records))], l.Slug)
			for i := range some {
				entries[begin+i] = &some[i]
			}
			return nil
		})
	}
	_ = making.Wait() // none fails
	return entries
}

// correction makes the entry of a correction.
func (w *wheel) correction(l *ledger.Ledger, c *ledger.Correction) *feed.Entry {
	return w.style.NewCorrection(c.EntryID, c.Event, feed.Correction{Past: c.Past, Before: c.Before, Crowd: c.Crowd}, c.Updated, l.Slug)
}
