package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/config"
	"tocsin/event"
	"tocsin/feed"
	"tocsin/ledger"
	"tocsin/notify"
	"tocsin/notify/outbox"
	"tocsin/shelf"
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
	tellAll bool          // also what the first look finds
	formats []feed.Format // of the feeds, the preferred one first
	hub     bool          // there is one, to be told of changed feeds
	hold    hold

	store    *ledger.Store
	outbox   *outbox.Outbox // nil: nobody is told
	live     *gate          // shut while something committed is not published yet
	timeline *timeline.Timeline
	git      *watch.Git // of the events folder
	site     *web.Site
	publish  func(ctx context.Context, e *web.Edition) error // as files; nil: nowhere
	keeper   *keeper                                         // who does that behind the wheel; nil: nobody
	progress func(done, all int)
	metrics  *metrics // nil: nobody measures
	alive    func()   // called while the work goes on, also from other goroutines
	beat     time.Duration
	status   func(context.Context) // called once a beat between turns

	// What load makes from the store; nil where it has to be made again.
	ledger  *ledger.Ledger
	catalog *feed.Catalog
	unread  chan func(context.Context) error // what fetches the texts that load has left

	percent int                         // what load made another: SetGCPercent's; 0: nothing
	looks   bool                        // the timeline has looked, or is about to
	turned  atomic.Bool                 // the first turn is done
	serving atomic.Bool                 // there is something to serve, and it is served
	held    atomic.Pointer[ledger.Held] // a withdrawal that is not done; nil: none
	noted   bool                        // the store may hold one, or had one accepted
	cried   time.Time                   // when that was last logged
	unnoted bool                        // what is held is not in the store yet
	device  string                      // of the events folder, as the store has it
	failing atomic.Pointer[string]      // why the last turn failed; nil: it did not
	failed  time.Time                   // when that was last logged
	unsaved map[string]bool             // ids of changes that no transaction holds yet
	owed    bool                        // everything has to be compared and published, not only what changed
	missed  map[string]bool             // ids that the last comparison of everything missed
	faults  map[string]bool             // as reported
	said    said                        // what could not be done

	replica
}

// newWheel makes a wheel of a configuration, measured by m if that is not nil. texts has
// the texts of events; nil keeps them in memory. It does no I/O.
func newWheel(c *config.Config, s *ledger.Store, o *outbox.Outbox, texts *shelf.Shelf, live *gate, now func() time.Time, log *slog.Logger, m *metrics) *wheel {
	var shelve func(*event.Event) *event.Event
	if texts != nil {
		shelve = texts.Put
	}
	d := dialect(c)
	style := &feed.Style{
		Title: c.Site.Title, URL: c.Site.URL, Authority: c.Site.Authority, Language: c.Site.Language,
		Author:   feed.Author{Name: c.Site.Author.Name, Email: c.Site.Author.Email, URL: c.Site.Author.URL},
		EventURL: c.Site.EventURL, Content: feed.Content(c.Feeds.Content),
		MaxEntries: c.Feeds.Entries, Window: c.Feeds.Window, NoArchives: c.Feeds.Archives == "none", Hub: c.Feeds.Hub, Version: version,
	}
	published := web.Options{Style: style, Formats: formats(c), Dialect: d, Now: now, Logger: log}
	if m != nil {
		published.Rendered, published.Kept = m.render, m.kept.Inc
	}
	w := &wheel{
		log: log, metrics: m, now: now, settle: c.Watch.Settle,
		dates: ledger.Options{
			Authority: c.Site.Authority, Significant: fields(c.Feeds.Significant),
			Corrections: fields(c.Feeds.Corrections), CorrectWithdrawn: slices.Contains(c.Feeds.Corrections, "withdrawn"),
			Reader: readerOf(c), Shelve: shelve,
		},
		style:   style,
		least:   c.Feeds.MinEvents,
		rules:   rules(c, d),
		tellAll: c.Notify.FirstRun == "send",
		hold:    hold{events: c.Watch.Hold.Events, percent: c.Watch.Hold.Percent},
		store:   s, outbox: o, live: live,
		timeline: newTimeline(c, shelve),
		git:      watch.NewGit(c.Events.Dir),
		site:     web.New(published),
		unsaved:  make(map[string]bool),
		faults:   make(map[string]bool),
		unread:   make(chan func(context.Context) error, 1),
		progress: func(int, int) {}, alive: func() {}, status: func(context.Context) {},
		beat: time.Second,
	}
	w.dates.Progress = func() { w.alive() }
	if w.replica = newReplica(s, c.Events.Dir, c.Watch.Lag); w.checkout != "" {
		w.dates.Reader += " " + w.checkout // the others' files are none of this process's
	}
	w.formats, w.hub = formats(c), c.Feeds.Hub != ""
	for _, f := range c.Feeds.Custom {
		w.custom = append(w.custom, feed.Custom{Name: f.Name, Title: f.Title, Match: matcher(f.Match, d)})
	}
	return w
}

// follow takes over from the wheel before what it knows of the files, where both look
// at the same ones and read them alike: then only what differs is read again.
func (w *wheel) follow(before *wheel) {
	w.timeline, w.faults = before.timeline, before.faults
	w.lag, w.compared = before.lag, before.compared
}

// run turns a wheel that is loaded at each hint until ctx ends; the first hint is
// the watcher's own, at its start. What fails is tried again, with everything. served
// is called once, as soon as there is something to serve: after the first turn,
// or before it where that fails, or the folder is lost, and an earlier run has left
// what to serve.
func (w *wheel) run(ctx context.Context, hints <-chan watch.Hint, lost func() bool, served func()) {
	known := !w.ledger.First()
	serve := sync.OnceFunc(func() {
		w.serving.Store(true)
		served()
	})
	if known && (lost() || !w.store.Leads()) {
		serve() // no hint comes before the folder is back, and who follows needs none
	}
	beat := time.NewTicker(w.beat)
	defer beat.Stop()
	failed := time.Duration(0) // how long to wait after a failed turn
	retry := time.NewTimer(0)  // for a turn that was given up
	if !retry.Stop() {
		<-retry.C
	}
	defer retry.Stop()
	var attend <-chan time.Time
	if w.store.Shared() {
		if _, err := w.attend(ctx); err != nil {
			w.fail(err, followEvery)
		}
		if !w.leads {
			w.log.Info("this process follows", "store", w.store.Name())
		}
		t := time.NewTicker(min(followEvery, w.beat))
		defer t.Stop()
		attend = t.C
	}
	for {
		var where timeline.Where
		select {
		case h := <-hints:
			where = w.widen(where, h)
		case <-attend:
			w.alive()
			w.store.Withhold(lost())
			turn, err := w.attend(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				w.unfollowed = true
				w.fail(err, followEvery)
				w.metrics.failing(true)
			case w.unfollowed:
				w.unfollowed = false
				w.recovered()
				w.metrics.failing(false)
			}
			if err == nil && !w.leads {
				if known = known || !w.ledger.First(); known {
					serve()
				}
			}
			if !turn {
				continue
			}
			where.All, w.again = w.again, false
		case <-retry.C:
			where.All = true
		case <-beat.C:
			w.alive()
			w.relax()
			w.status(ctx)
			if known && lost() {
				serve()
			}
			switch {
			case w.accepted(ctx):
				where.All = true
			case !w.timeline.Due(w.now()):
				continue
			}
		case <-ctx.Done():
			return
		}
		postponed := false
		for {
			if w.leads && w.deposed() {
				postponed, w.again = true, true // attend goes on
				break
			}
			began := time.Now()
			again, err := w.turn(ctx, where)
			if ctx.Err() != nil {
				return
			}
			w.metrics.turned(time.Since(began), again != nil, err)
			if w.unfollowed {
				w.metrics.failing(true)
			}
			w.count()
			wait := w.settle
			switch {
			case errors.Is(err, ledger.ErrLocked):
				wait, postponed, w.again = 0, true, true // attend goes on
			case err != nil:
				failed = min(max(2*failed, time.Second), 30*time.Second)
				wait = failed
				w.fail(err, wait)
				where = timeline.Where{All: true}
				if known {
					serve()
				}
				if attend != nil { // what another process writes is followed meanwhile
					wait, postponed = 0, true
					retry.Reset(failed)
				}
			case again == nil:
				if !w.unfollowed { // else it is the rest of its work that fails
					w.recovered()
				}
				wait, failed = 0, 0
			default:
				// Something was missing or in motion: only what is still
				// missing after a settle time is gone.
				where = timeline.Where{Paths: again}
			}
			if wait == 0 {
				break
			}
			if !w.pause(ctx, wait, beat.C) {
				return
			}
			// What came meanwhile is looked at in the same turn.
			select {
			case h := <-hints:
				where = w.widen(where, h)
			default:
			}
		}
		if postponed {
			continue
		}
		first := !w.turned.Load()
		if w.held.Load() == nil {
			w.turned.Store(true)
		}
		// Who follows has nothing to serve before the one that leads has looked.
		if known = known || w.leads; known {
			serve()
		}
		if first {
			debug.FreeOSMemory() // what reading everything took is not needed again
		}
		w.relax()
	}
}

// pause waits in the middle of a turn; false: ctx has ended.
func (w *wheel) pause(ctx context.Context, d time.Duration, beat <-chan time.Time) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		select {
		case <-over.C:
			return true
		case <-beat:
			w.alive()
			w.status(ctx)
		case <-ctx.Done():
			return false
		}
	}
}

// widen adds a hint to where to look.
func (w *wheel) widen(where timeline.Where, h watch.Hint) timeline.Where {
	w.log.Debug("looking again", "why", h.Why, "all", h.Full, "paths", len(h.Paths), "overdue", h.Overdue)
	where.All, where.Overdue = where.All || h.Full, h.Overdue
	where.Paths = append(slices.Clip(where.Paths), h.Paths...)
	if w.keeper != nil && w.leads && h.Why == "rescan" {
		w.keeper.compare(w.site.Edition(web.Update{}, true))
	}
	return where
}

// cryAgain is how often a state that lasts and should not is logged.
const cryAgain = 10 * time.Minute

// fail notes that a turn failed, and says so where it is news.
func (w *wheel) fail(err error, wait time.Duration) {
	text := err.Error()
	if before := w.failing.Swap(&text); before != nil && *before == text && time.Since(w.failed) < cryAgain {
		return
	}
	w.failed = time.Now()
	w.log.Error("the turn failed and is tried again; what is published stays", "in", wait, "err", err)
}

// complain logs what cannot be done and is tried again and again.
func (w *wheel) complain(what string, err error) {
	if w.said.news(what + err.Error()) {
		w.log.Error(what, "err", err)
	}
}

// recovered notes that a turn succeeded.
func (w *wheel) recovered() {
	if before := w.failing.Swap(nil); before != nil {
		w.log.Info("the turn succeeds again", "after", *before)
	}
}

// turn is one turn of the wheel: look, compare with what the world was told,
// commit the ledger and the deliveries together, publish. again is where to look
// again after a settle time; nil where the turn is done. An error leaves what is
// published as it was.
func (w *wheel) turn(ctx context.Context, where timeline.Where) (again []string, err error) {
	// 1. The ledger, where the last turn failed.
	if w.ledger == nil {
		if err := w.reload(ctx); err != nil {
			return nil, err
		}
	}
	where.All = where.All || w.owed
	w.looks = true

	// 2. The snapshot.
	where.At = w.now()
	where.Progress = func(done, all int) {
		w.alive()
		w.progress(done, all)
	}
	var found timeline.Found
	rests, err := w.git.Rests(func() (err error) {
		found, err = w.timeline.Look(ctx, where)
		return err
	})
	if err != nil {
		return nil, err
	}
	w.report()
	if w.leads {
		for _, id := range found.IDs {
			w.unsaved[id] = true
		}
	}
	if !rests {
		if again := slices.Concat(found.Again, where.Places()); again != nil {
			return again, nil
		}
	}
	first := w.ledger.First()
	if found.Held || first && found.Again != nil {
		return found.Again, nil // a first look knows all there is, or its rest would be told as new
	}
	if err := w.looked(ctx, found.IDs); err != nil {
		return nil, err
	}
	if !w.leads {
		return found.Again, nil
	}
	if w.owed {
		w.compareAll()
	}

	// 3. The difference.
	ids, err := w.ahead(ctx)
	if err != nil {
		return nil, err
	}
	changes := timeline.Compare(ids, w.timeline.Event, w.ledger.Told)
	if len(changes) == 0 && !w.owed && w.held.Load() == nil && w.timeline.Unmarked() < manyMarks && !w.settled() {
		w.unsaved = make(map[string]bool)
		return found.Again, nil
	}
	if w.owed && !where.Sure && w.misses(changes) {
		return []string{"."}, nil
	}
	if held, err := w.holds(ctx, changes); held || err != nil {
		return nil, err
	}
	now := w.now()
	before := len(w.ledger.Corrections())
	told := w.ledger.Apply(changes, now)
	update, changed := w.enter(told, w.ledger.Corrections()[before:], now)

	// 4. One transaction for what the world is told and for the telling.
	var planned []notify.Planned
	if !first || w.tellAll {
		noted, err := w.describe(told)
		if err != nil {
			w.ledger = nil
			return nil, err
		}
		planned = notify.Plan(w.rules, noted, notify.Site{Title: w.style.Title, URL: w.style.URL}, now)
	}
	ping := notify.Planned{}
	if !first { // whose feeds nobody can have subscribed to
		ping = w.ping(changed, now)
	}
	w.alive()
	defer w.style.Hold(len(update.Feeds))()
	stop := w.meanwhile(update.Events)
	err = w.commit(ctx, planned, ping)
	stop()
	if err != nil {
		w.ledger = nil // it is ahead of the store now
		return nil, err
	}
	w.alive()
	w.unsaved = make(map[string]bool)
	w.metrics.committed(told)

	// 5. The new bytes go live, then to the static folder, then the hub is told.
	w.site.Update(update)
	if err := w.put(ctx, update); err != nil {
		return nil, err
	}
	if w.keeper == nil {
		w.live.lift(w.live.mark())
	}
	w.tell(told, first, len(update.Feeds), len(planned))
	return found.Again, nil
}

// compareAll finds what the world knows otherwise than the timeline, both ways.
func (w *wheel) compareAll() {
	met := 0 // of what the world knows
	for id, e := range w.timeline.All() {
		told := w.ledger.Told(id)
		if told != nil {
			met++
		}
		if e != told {
			w.unsaved[id] = true
		}
	}
	if met == w.ledger.Len() {
		return
	}
	for r := range w.ledger.Public() {
		if w.timeline.Event(r.Event.ID) == nil {
			w.unsaved[r.Event.ID] = true
		}
	}
}

// enter puts changes, and the corrections that they made, into the catalog and
// returns what they publish, and the feeds among it whose bytes are others.
func (w *wheel) enter(told []ledger.Told, corrections []*ledger.Correction, now time.Time) (u web.Update, changed []*feed.Feed) {
	var old, fresh []*timeline.Record
	elsewhere := make(map[string]bool) // entry ids of events that moved, are gone or are back
	for _, t := range told {
		if t.Before != nil && (t.Before.Event.ID != t.Event.ID || t.Before.Withdrawn.IsZero() != t.After.Withdrawn.IsZero()) {
			elsewhere[t.After.ID] = true
		}
		if t.Before != nil && t.Before.Withdrawn.IsZero() {
			old = append(old, t.Before)
		}
		if !t.After.Withdrawn.IsZero() {
			u.Withdrawn = append(u.Withdrawn, t.Event.ID)
			continue
		}
		fresh = append(fresh, t.After)
	}
	u.Events = w.makeEntries(w.ledger, fresh)
	entries := slices.Clone(u.Events)
	for _, c := range corrections {
		entries = append(entries, w.correction(w.ledger, c))
	}
	w.catalog.Replace(w.makeEntries(w.ledger, old), entries) // the old ones as it has them
	u.Renamed = w.ledger.Renames()
	u.Moved = w.ledger.Moves(elsewhere) // from all ids that they ever had
	known := func(path string) bool {
		w.alive()
		return !w.ledger.Feed(path).Modified.IsZero()
	}
	for _, f := range w.catalog.Touched(known) {
		w.alive()
		before, shown := w.ledger.Feed(f.Path), w.site.Feed(f.Path)
		v := w.validate(f, now)
		f.Updated, f.Modified, f.Emptied = v.Updated, v.Modified, v.Emptied
		if v != before {
			changed = append(changed, f)
		}
		// Behind a turn that failed, what is shown may be of an earlier reading of the
		// ledger, which no longer finds the texts of what changes from now on.
		if v != before || shown == nil || shown.Total != f.Total || shown.Digest != f.Digest ||
			shown.Modified != f.Modified || shown.Updated != f.Updated || shown.Emptied != f.Emptied || w.owed {
			u.Feeds = append(u.Feeds, f)
		}
	}
	return u, changed
}

// commit writes the ledger, the planned deliveries and the ping of the hub, all or
// none. The ping does not go out before the bytes are live.
func (w *wheel) commit(ctx context.Context, planned []notify.Planned, ping notify.Planned) error {
	device := w.timeline.Device()
	settled, noted := w.settled(), w.last
	switch {
	case settled:
		noted = w.checkout
	case w.ledger.Pending() && w.last != w.checkout:
		noted = "" // it is no longer that of the process before, and not this one's yet
	}
	if !w.ledger.Pending() && len(planned) == 0 && !w.noted && device == w.device && w.timeline.Unmarked() < manyMarks && !settled {
		return nil
	}
	if len(ping.Message.Feeds) > 0 {
		w.live.shut()
	}
	err := w.store.Write(ctx, func(tx *sql.Tx) error {
		if device != w.device {
			if err := ledger.NoteDevice(ctx, tx, device); err != nil {
				return err
			}
		}
		if noted != w.last {
			if err := ledger.NoteCheckout(ctx, tx, noted); err != nil {
				return err
			}
		}
		if w.noted {
			if err := ledger.Release(ctx, tx); err != nil {
				return err
			}
		}
		w.ledger.Mark(w.timeline.Marks(w.ledger.Told))
		if err := w.ledger.Write(ctx, tx); err != nil {
			return err
		}
		if w.outbox == nil {
			return nil
		}
		if len(planned) > 0 {
			if _, err := w.outbox.Plan(ctx, tx, planned); err != nil {
				return err
			}
		}
		if len(ping.Message.Feeds) == 0 {
			return nil
		}
		return w.outbox.Announce(ctx, tx, ping)
	})
	if err == nil {
		w.ledger.Written()
		w.timeline.Marked()
		if w.outbox != nil {
			for _, p := range planned {
				w.outbox.Wake(p.Sink)
			}
			if len(ping.Message.Feeds) > 0 {
				w.outbox.Wake(ping.Sink)
			}
		}
		w.noted, w.device = false, device
		w.last = noted
	}
	return err
}

// describe adds what messages say beside a change.
func (w *wheel) describe(told []ledger.Told) ([]notify.Noted, error) {
	all := make([]notify.Noted, len(told))
	for i, t := range told {
		change, err := t.Full()
		if err != nil {
			return nil, err
		}
		all[i] = notify.Noted{
			Change: change, URL: w.style.EventPage(t.Event.ID), Feed: w.feedOf(t.Event), EntryID: t.After.ID,
			Published: t.After.Published, Updated: t.After.Updated,
		}
	}
	return all, nil
}

// feedOf returns the address of the feed that a message of an event offers: that of
// its first tag which has one, or else of everything, in the first format.
func (w *wheel) feedOf(e *event.Event) string {
	path := feed.AllPath
	for _, t := range timeline.Topics(e) {
		p := string(t.Kind) + "/" + w.ledger.Slug(t)
		if t.Kind == timeline.Tag && !w.ledger.Feed(p).Modified.IsZero() {
			path = p
			break
		}
	}
	return w.style.FeedURL(path, w.formats[0])
}

// report logs the faults that have come and gone since the last look.
func (w *wheel) report() {
	present := make(map[string]bool)
	var come, gone []string
	for _, err := range w.timeline.Faults() {
		present[err.Error()] = true
		if !w.faults[err.Error()] {
			come = append(come, err.Error())
		}
	}
	for fault := range w.faults {
		if !present[fault] {
			gone = append(gone, fault)
		}
	}
	slices.Sort(gone)
	say := func(level slog.Level, what string, faults []string) {
		for _, fault := range faults[:min(len(faults), loggedChanges)] {
			w.log.Log(context.Background(), level, what, "fault", fault)
		}
		if more := len(faults) - loggedChanges; more > 0 {
			w.log.Log(context.Background(), level, what+", and so are others; see: tocsin check", "others", more)
		}
	}
	say(slog.LevelWarn, "a file is left as it was known", come)
	say(slog.LevelInfo, "a fault is gone", gone)
	w.faults = present
}

// count tells the metrics what there is.
func (w *wheel) count() {
	held := 0
	if h := w.held.Load(); h != nil {
		held = h.Gone
	}
	if w.catalog != nil { // the ledger could be read
		w.metrics.published(w.catalog.Len(), w.site.Feeds(), len(w.faults), held, w.behind())
	}
}

// loggedChanges bounds the lines of one kind that a turn writes.
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
	held, failing := w.held.Load(), w.failing.Load()
	switch {
	case s == watch.RootLost:
		return errors.New("the events folder is away; what was known of it is served")
	case s == watch.Closed:
		return errors.New("the events folder is not watched; what was known of it is served")
	case held != nil:
		return errHeld(held)
	case failing != nil:
		return fmt.Errorf("the last turn failed: %s; what was published is served", *failing)
	case w.turned.Load() && !w.serving.Load():
		return errors.New("the process that leads has not looked at the events folder yet")
	case !w.turned.Load():
		return errors.New("the first look at the events folder is not done yet")
	case w.keeper != nil:
		return w.keeper.ready()
	}
	return nil
}
