package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"tocsin/config"
	"tocsin/event"
	"tocsin/feed"
	"tocsin/ledger"
	"tocsin/notify"
	"tocsin/notify/outbox"
	"tocsin/timeline"
	"tocsin/watch"
	"tocsin/web"
)

// wheel turns what changed in the folder into what the world is told. One
// goroutine turns it; turn is one turn, from top to bottom.
type wheel struct {
	log     *slog.Logger
	now     func() time.Time
	settle  time.Duration
	dates   ledger.Options
	style   *feed.Style
	least   int // events that a tag or actor must have for a feed
	custom  []feed.Custom
	rules   []notify.Rule
	tellAll bool // also what the first look finds

	store    *ledger.Store
	outbox   *outbox.Outbox // nil: nobody is told
	timeline *timeline.Timeline
	site     *web.Site
	folder   *web.Folder // nil: none
	progress func(done, all int)

	// What load makes from the store; nil where it has to be made again.
	ledger  *ledger.Ledger
	catalog *feed.Catalog
	entries map[string]*feed.Entry // by entry id

	turned  atomic.Bool     // the first turn is done
	unsaved map[string]bool // ids of changes that no transaction holds yet
	owed    bool            // everything has to be compared and published, not only what changed
	missed  map[string]bool // ids that the last comparison of everything missed
	faults  map[string]bool // as reported
}

// newWheel makes a wheel of a configuration. It does no I/O.
func newWheel(c *config.Config, s *ledger.Store, o *outbox.Outbox, log *slog.Logger) *wheel {
	d := dialect(c)
	style := &feed.Style{
		Title: c.Site.Title, URL: c.Site.URL, Authority: c.Site.Authority, Language: c.Site.Language,
		Author:   feed.Author{Name: c.Site.Author.Name, Email: c.Site.Author.Email, URL: c.Site.Author.URL},
		EventURL: c.Site.EventURL, Content: feed.Content(c.Feeds.Content),
		MaxEntries: c.Feeds.Entries, Window: c.Feeds.Window, Version: version,
	}
	w := &wheel{
		log: log, now: time.Now, settle: c.Watch.Settle,
		dates:   ledger.Options{Authority: c.Site.Authority, Significant: fields(c.Feeds.Significant)},
		style:   style,
		least:   c.Feeds.MinEvents,
		rules:   rules(c, d),
		tellAll: c.Notify.FirstRun == "send",
		store:   s, outbox: o,
		timeline: newTimeline(c),
		site:     web.New(web.Options{Style: style, Formats: formats(c), Logger: log}),
		unsaved:  make(map[string]bool),
		faults:   make(map[string]bool),
	}
	for _, f := range c.Feeds.Custom {
		w.custom = append(w.custom, feed.Custom{Name: f.Name, Title: f.Title, Match: matcher(f.Match, d)})
	}
	return w
}

// run turns the wheel at each hint until ctx ends; the first hint is the
// watcher's own, at its start. What fails is tried again, with everything.
func (w *wheel) run(ctx context.Context, hints <-chan watch.Hint, ready func()) error {
	var where timeline.Where
	take := func(h watch.Hint) {
		w.log.Debug("looking again", "why", h.Why, "all", h.Full, "paths", len(h.Paths))
		where.All = where.All || h.Full
		where.Paths = append(where.Paths, h.Paths...)
	}
	failed := time.Duration(0) // how long to wait after a failed turn
	for {
		select {
		case h := <-hints:
			where = timeline.Where{}
			take(h)
		case <-ctx.Done():
			return nil
		}
		for {
			wait := w.settle
			again, err := w.turn(ctx, where)
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				failed = min(max(2*failed, time.Second), 30*time.Second)
				wait = failed
				w.log.Error("the turn failed and is tried again; what is published stays", "in", wait, "err", err)
				where = timeline.Where{All: true}
			case again:
				// Something was missing or in motion: only what is still
				// missing after a settle time is gone.
			default:
				failed, wait = 0, 0
			}
			if wait == 0 {
				break
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil
			}
			// What came meanwhile is looked at in the same turn.
			select {
			case h := <-hints:
				take(h)
			default:
			}
		}
		if w.turned.CompareAndSwap(false, true) {
			ready()
		}
	}
}

// turn is one turn of the wheel: look, compare with what the world was told,
// commit the ledger and the deliveries together, publish. again asks for another
// look at the same place after a settle time. An error leaves what is published
// as it was.
func (w *wheel) turn(ctx context.Context, where timeline.Where) (again bool, err error) {
	// 1. The ledger, where this is the first turn or the last one failed.
	if w.ledger == nil {
		if err := w.load(ctx); err != nil {
			return false, err
		}
		w.owed = true
	}
	where.All = where.All || w.owed

	// 2. The snapshot.
	where.Progress = w.progress
	found, err := w.timeline.Look(ctx, where)
	if err != nil {
		return false, err
	}
	w.report()
	for _, id := range found.IDs {
		w.unsaved[id] = true
	}
	if w.owed {
		for id := range w.timeline.IDs() {
			w.unsaved[id] = true
		}
		for r := range w.ledger.Public() {
			w.unsaved[r.Event.ID] = true
		}
	}
	if found.Again && (found.Read == 0 || w.ledger.First()) {
		return true, nil // a first look knows all there is, or its rest would be told as new
	}

	// 3. The difference.
	changes := timeline.Compare(slices.Collect(maps.Keys(w.unsaved)), w.timeline.Event, w.ledger.Told)
	first := w.ledger.First()
	if len(changes) == 0 && !w.owed {
		clear(w.unsaved)
		return found.Again, nil
	}
	if w.owed && !where.Sure && w.misses(changes) {
		return true, nil
	}
	now := w.now()
	told := w.ledger.Apply(changes, now)
	update := w.enter(told, now)

	// 4. One transaction for what the world is told and for the telling.
	var planned []notify.Planned
	if !first || w.tellAll {
		planned = notify.Plan(w.rules, w.noted(told), notify.Site{Title: w.style.Title, URL: w.style.URL}, now)
	}
	if err := w.commit(ctx, planned); err != nil {
		w.ledger = nil // it is ahead of the store now
		return false, err
	}
	clear(w.unsaved)

	// 5. The new bytes go live, then to the static folder.
	w.site.Update(update)
	if w.folder != nil {
		if err := w.folder.Write(update, w.owed); err != nil {
			w.owed = true
			return false, err
		}
	}
	w.owed = false
	w.tell(told, first, len(update.Feeds), len(planned))
	return found.Again, nil
}

// misses says that changes withdraw something that the last comparison had not
// missed: what went while nobody watched must be missing twice, too, as a
// program may be saving it just now.
func (w *wheel) misses(changes []timeline.Change) bool {
	before := w.missed
	w.missed = make(map[string]bool)
	fresh := false
	for _, c := range changes {
		if c.Kind == timeline.Withdrawn {
			w.missed[c.Event.ID] = true
			fresh = fresh || !before[c.Event.ID]
		}
	}
	return fresh
}

// load reads the ledger and fills the catalog from it.
func (w *wheel) load(ctx context.Context) error {
	l, err := ledger.Load(ctx, w.store, w.dates)
	if err != nil {
		return err
	}
	w.catalog = feed.NewCatalog(w.style, w.least, w.custom)
	w.entries = make(map[string]*feed.Entry)
	var entries []*feed.Entry
	var events []*event.Event
	for r := range l.Public() {
		n := w.style.NewEntry(r.EntryID, r.Event, r.Published, r.Updated, l.Slug)
		w.entries[r.EntryID] = n
		entries = append(entries, n)
		events = append(events, r.Event)
	}
	names := make(map[string]string)
	for path, v := range l.Feeds() {
		names[path] = v.Name
	}
	w.catalog.Fill(entries, names)
	w.timeline.Keep(slices.Values(events))
	w.site.Update(web.Update{Events: entries, Moved: l.Moves(), Withdrawn: l.WithdrawnIDs()})
	w.ledger = l
	return nil
}

// enter puts changes into the catalog and returns what they publish.
func (w *wheel) enter(told []ledger.Told, now time.Time) web.Update {
	u := web.Update{Moved: make(map[string]string)}
	for _, t := range told {
		old := w.entries[t.After.EntryID]
		if !t.After.Withdrawn.IsZero() {
			w.catalog.Replace(old, nil)
			delete(w.entries, t.After.EntryID)
			u.Withdrawn = append(u.Withdrawn, t.Event.ID)
			continue
		}
		n := w.style.NewEntry(t.After.EntryID, t.Event, t.After.Published, t.After.Updated, w.ledger.Slug)
		w.catalog.Replace(old, n)
		w.entries[n.ID] = n
		u.Events = append(u.Events, n)
		if t.Change.Before != nil && t.Change.Before.ID != t.Event.ID {
			u.Moved[t.Change.Before.ID] = t.Event.ID
		}
	}
	known := func(path string) bool { return !w.ledger.Feed(path).Modified.IsZero() }
	for _, f := range w.catalog.Touched(known) {
		before, shown := w.ledger.Feed(f.Path), w.site.Feed(f.Path)
		v := w.ledger.SetFeed(f.Path, f.Name, f.Digest, f.Updated, now)
		f.Updated, f.Modified = v.Updated, v.Modified
		if v != before || shown == nil || shown.Total != f.Total {
			u.Feeds = append(u.Feeds, f)
		}
	}
	return u
}

// commit writes the ledger and the planned deliveries, both or neither.
func (w *wheel) commit(ctx context.Context, planned []notify.Planned) error {
	if !w.ledger.Pending() && len(planned) == 0 {
		return nil
	}
	err := w.store.Write(ctx, func(tx *sql.Tx) error {
		if err := w.ledger.Write(ctx, tx); err != nil {
			return err
		}
		if w.outbox == nil || len(planned) == 0 {
			return nil
		}
		_, err := w.outbox.Plan(ctx, tx, planned)
		return err
	})
	if err == nil {
		w.ledger.Written()
	}
	return err
}

// noted adds what messages say beside a change.
func (w *wheel) noted(told []ledger.Told) []notify.Noted {
	all := make([]notify.Noted, len(told))
	for i, t := range told {
		all[i] = notify.Noted{
			Change: t.Change, URL: w.style.EventPage(t.Event.ID), EntryID: t.After.EntryID,
			Published: t.After.Published, Updated: t.After.Updated,
		}
	}
	return all
}

// report logs the faults that have come and gone since the last look.
func (w *wheel) report() {
	present := make(map[string]bool)
	for _, err := range w.timeline.Faults() {
		present[err.Error()] = true
		if !w.faults[err.Error()] {
			w.log.Warn("a file is left as it was known", "fault", err.Error())
		}
	}
	for fault := range w.faults {
		if !present[fault] {
			w.log.Info("a fault is gone", "fault", fault)
		}
	}
	w.faults = present
}

// loggedChanges bounds the lines that one turn writes.
const loggedChanges = 20

// tell logs what a turn changed.
func (w *wheel) tell(told []ledger.Told, first bool, feeds, deliveries int) {
	counts := make(map[timeline.Kind]int)
	for _, t := range told {
		counts[t.Kind]++
		if first || len(told) > loggedChanges {
			continue
		}
		args := []any{"id", t.Event.ID, "title", t.Event.Title}
		if len(t.Fields) > 0 {
			args = append(args, "fields", fmt.Sprint(t.Fields))
		}
		w.log.Info(string(t.Kind), args...)
	}
	w.log.Info("turn", "events", w.catalog.Len(), "new", counts[timeline.New], "updated", counts[timeline.Updated],
		"withdrawn", counts[timeline.Withdrawn], "moved", counts[timeline.Moved],
		"feeds", feeds, "deliveries", deliveries, "first_look", first, "faults", len(w.faults))
}

// ready says why the wheel is not doing its work; nil where it is.
func (w *wheel) ready(s watch.State) error {
	switch {
	case !w.turned.Load():
		return errors.New("the first look at the events folder is not done yet")
	case s == watch.RootLost:
		return errors.New("the events folder is away; what was known of it is served")
	}
	return nil
}
