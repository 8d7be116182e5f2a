package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tocsin/feed"
	"tocsin/ledger"
	"tocsin/timeline"
	"tocsin/web"
)

// Where several processes share a state, the wheel of the one that leads turns as it does
// alone. The others' look at their checkouts, so that one can take over at once, and show
// what the ledger says and nothing else.

// followEvery is how often a wheel asks what the one that leads has written.
const followEvery = 250 * time.Millisecond

// followers is how long the others have, once what a turn published is live where it was
// turned, to show it, too.
const followers = time.Second

// followLimit bounds how long a wheel waits for what another process has written.
const followLimit = 30 * time.Second

// replica is what a wheel knows of its part among those that share a state.
type replica struct {
	checkout   string          // names this process's checkout of the folder; empty: nobody shares the state
	last       string          // the checkout that all events were last compared with
	leads      bool            // as the wheel has taken note of
	term       int64           // of the store, when it did
	lag        *ledger.Lag     // of the checkout
	compared   bool            // with the ledger, for the first time
	unlike     map[string]bool // paths of feeds that the one that leads makes otherwise
	warned     bool
	again      bool // the folder has to be looked at, as a turn was given up
	unfollowed bool // what another process writes could not be read at the last try
}

func newReplica(s *ledger.Store, dir string, patience time.Duration) replica {
	r := replica{leads: true}
	if s.Shared() {
		r = replica{checkout: checkoutOf(dir), lag: ledger.NewLag(patience), unlike: make(map[string]bool)}
	}
	return r
}

// checkoutOf names a folder on this machine.
func checkoutOf(dir string) string {
	h := sha256.New()
	for _, path := range []string{"/etc/machine-id", "/proc/sys/kernel/hostname"} {
		if id, err := os.ReadFile(path); err == nil {
			h.Write(append(id, 0))
		}
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	h.Write([]byte(dir))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// attend follows the process that leads, or takes over from it. It reports whether there
// is something to turn for.
func (w *wheel) attend(ctx context.Context) (turn bool, err error) {
	if w.leads && !w.deposed() {
		return w.lagged() || w.again, nil
	}
	if w.leads {
		w.cede()
	}
	leads, term := w.store.Leads(), w.store.Term()
	update, news, err := w.catchUp(ctx)
	if err != nil {
		return false, err
	}
	if !leads {
		if news || w.owed {
			err = w.put(ctx, update)
		}
		return w.again && err == nil, err
	}
	// Nothing has been written by another since.
	if err := w.resume(ctx); err != nil {
		return false, err
	}
	if w.last, err = w.store.Checkout(ctx); err != nil {
		return false, err
	}
	if w.last == w.checkout {
		w.lag.None() // the ledger was made from this checkout
	}
	w.lag.Lead(time.Now())
	w.live.shut() // until what the one before may have only committed is published
	w.live.own(true)
	w.leads, w.term, w.owed = true, term, true
	w.catalog.Touch(maps.Keys(w.unlike)) // what it made otherwise than another is new now
	w.log.Info("this process leads", "store", w.store.Name())
	return true, nil
}

// deposed reports whether another process leads, or may have led in between.
func (w *wheel) deposed() bool {
	return w.lag != nil && (!w.store.Leads() || w.store.Term() != w.term)
}

// cede notes that another process leads, or is about to.
func (w *wheel) cede() {
	w.leads = false
	w.unsaved, w.missed = make(map[string]bool), nil
	w.held.Store(nil)
	if w.keeper != nil {
		w.keeper.halt()
	}
	w.live.own(false)
	w.live.lift(w.live.mark()) // who waits for it finds that it is not for here
	w.log.Info("this process follows", "store", w.store.Name())
}

// catchUp loads the ledger, or reads what others have written since, and serves that.
func (w *wheel) catchUp(ctx context.Context) (update web.Update, news bool, err error) {
	if w.ledger == nil {
		return update, true, w.reload(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, followLimit)
	defer cancel()
	what, err := w.ledger.Follow(limited, w.store)
	switch {
	case errors.Is(err, ledger.ErrFar):
		return update, true, w.reload(ctx)
	case err != nil:
		if !errors.Is(err, ledger.ErrAway) {
			w.ledger = nil // it may be half of what it is to be
		}
		return update, false, err
	case what == nil:
		return update, false, nil
	}
	now := time.Now()
	for _, t := range what.Told {
		for _, r := range []*timeline.Record{t.Before, t.After} {
			if r != nil {
				w.lag.Followed(r.Event.ID, w.timeline.Event(r.Event.ID), w.ledger.Told(r.Event.ID), now)
			}
		}
	}
	w.catalog.Touch(slices.Values(what.Feeds)) // also those whose validators alone are others
	update, _ = w.enter(what.Told, what.Corrections, w.now())
	w.site.Update(update)
	w.log.Debug("followed", "events", len(what.Told), "feeds", len(update.Feeds))
	w.count()
	return update, true, nil
}

// reload is load where others may have written what this process has not followed.
func (w *wheel) reload(ctx context.Context) error {
	if err := w.load(ctx); err != nil {
		return err
	}
	if w.leads || !w.compared {
		return nil
	}
	return w.lag.Compare(ctx, w.store, w.ledger, w.timeline.All(), w.timeline.Event, time.Now())
}

// put publishes what an update holds. A bucket is for the process that leads to write.
func (w *wheel) put(ctx context.Context, update web.Update) error {
	if w.publish != nil && (w.leads || w.keeper == nil) {
		if err := w.publish(ctx, w.site.Edition(update, w.owed)); err != nil {
			w.owed = true
			return err
		}
	}
	w.owed = false
	return nil
}

// validate returns the validators of a feed that has been made: the process that leads
// gives it new ones where its bytes are others.
func (w *wheel) validate(f *feed.Feed, now time.Time) ledger.Validators {
	if w.leads {
		delete(w.unlike, f.Path)
		return w.ledger.SetFeed(f.Path, f.Name, f.Digest, f.Updated, f.Empty(), now)
	}
	v := w.ledger.Feed(f.Path)
	delete(w.unlike, f.Path)
	if v.Digest != f.Digest {
		w.unlike[f.Path] = true
		if !w.warned {
			w.warned = true
			w.log.Warn("this process makes other feeds than the one that leads; give both one configuration and one version", "feed", f.Path)
		}
	}
	return v
}

// looked takes note of what a look has found of which events.
func (w *wheel) looked(ctx context.Context, ids []string) error {
	if w.lag == nil {
		return nil
	}
	now := time.Now()
	if w.compared {
		for _, id := range ids {
			w.lag.Looked(id, w.timeline.Event(id), w.ledger.Told(id), now)
		}
		return nil
	}
	var err error
	if w.last, err = w.store.Checkout(ctx); err != nil {
		return err
	}
	if w.last != w.checkout && !w.ledger.First() {
		if err := w.lag.Compare(ctx, w.store, w.ledger, w.timeline.All(), w.timeline.Event, now); err != nil {
			return err
		}
	}
	w.compared = true
	return nil
}

// ahead returns those of the events to be compared of which the folder is not behind.
func (w *wheel) ahead(ctx context.Context) ([]string, error) {
	ids := slices.Collect(maps.Keys(w.unsaved))
	if w.lag == nil || w.lag.Len() == 0 {
		return ids, nil
	}
	now := time.Now()
	lag := 0
	var failed error
	ids = slices.DeleteFunc(ids, func(id string) bool {
		lags, err := w.lag.Lags(ctx, w.store, id, w.timeline.Event(id), w.ledger.Told(id), now)
		failed = errors.Join(failed, err)
		if lags {
			lag++
		}
		return lags
	})
	if lag > 0 {
		w.log.Info("this checkout of the events is behind the one of the process that led before; what it has as it was is not told", "events", lag,
			"until", w.lag.Due())
	}
	return ids, failed
}

// behind is how many events lag, or would if this process led.
func (w *wheel) behind() int {
	if w.lag == nil {
		return 0
	}
	return w.lag.Len()
}

// lagged has those events compared again that lag no longer.
func (w *wheel) lagged() bool {
	if w.lag == nil {
		return false
	}
	due := w.lag.Due()
	if due.IsZero() || time.Now().Before(due) {
		return false
	}
	for id := range w.lag.All() {
		w.unsaved[id] = true
	}
	return true
}

// settled reports whether all events are those of this checkout, and the ledger does not
// say so yet.
func (w *wheel) settled() bool {
	return w.lag != nil && w.compared && w.lag.Len() == 0 && w.last != w.checkout
}
