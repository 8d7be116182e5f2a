package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// maxStep is how far the clock may be set without a rescan.
const maxStep = time.Minute

// loop is the life of a Watcher: it notices, waits for quiet, offers.
func (w *Watcher) loop(ctx context.Context) {
	rescan := make(chan struct{})
	stop := startRescans(ctx, w.schedule, w.log, rescan)
	defer func() { stop() }()

	w.demand("start")
	timer := time.NewTimer(0)
	defer timer.Stop()
	var nextCheck, nextPoll time.Time
	last, lastWall := time.Now(), w.wall()
	for {
		now, wall := time.Now(), w.wall()
		if jump := wall.Sub(lastWall) - now.Sub(last); jump.Abs() > maxStep {
			// A schedule made by a clock that was put right since would wait for
			// the time that it took it for.
			stop()
			stop = startRescans(ctx, w.schedule, w.log, rescan)
			w.stale = true
			w.demand("clock")
		}
		last, lastWall = now, wall
		if !now.Before(nextCheck) {
			w.checkRoot(now)
			nextCheck = now.Add(rootCheck)
		}
		hint, at, ok := w.offer(now)
		var out chan Hint
		if ok {
			out = w.hints
		}

		wake := nextCheck
		if !at.IsZero() {
			wake = earlier(wake, at)
		}
		if every := w.pollEvery(w.State()); every == 0 {
			nextPoll = time.Time{}
		} else {
			if nextPoll.IsZero() {
				nextPoll = now.Add(every)
			}
			wake = earlier(wake, nextPoll)
		}
		timer.Reset(wake.Sub(now))
		var ready <-chan struct{}
		if w.tree != nil {
			ready = w.tree.src.ready
		}

		select {
		case <-ctx.Done():
			return
		case <-w.quit:
			return
		case out <- hint:
			w.pending.taken(hint, time.Now())
		case <-ready:
			w.notice(time.Now())
		case <-rescan:
			w.stale = true
			w.demand("rescan")
		case <-timer.C:
			if now := time.Now(); !nextPoll.IsZero() && !now.Before(nextPoll) {
				w.demand("poll")
				nextPoll = now.Add(w.pollEvery(w.State()))
			}
		}
	}
}

// offer returns the pending hint if it may be taken now, and otherwise when
// to ask again; the zero time means not before something happens.
func (w *Watcher) offer(now time.Time) (h Hint, at time.Time, ok bool) {
	at, ok = w.pending.due()
	if !ok {
		return Hint{}, time.Time{}, false
	}
	if w.stale && w.planted.Add(w.opts.Settle).After(at) {
		// A source that fails without end must not keep us planting trees.
		at = w.planted.Add(w.opts.Settle)
	}
	if now.Before(at) {
		return Hint{}, at, false
	}
	if l, locked := w.gitLock(w.resolved); locked && w.held.waits(now, l) {
		w.pending.hold(now)
		at, _ = w.pending.due()
		return Hint{}, at, false
	}
	// A folder removed as a whole is reported file by file. By now it can be
	// told whether the root went with them.
	if !w.checkRoot(now) {
		at, _ = w.pending.due()
		return Hint{}, at, false
	}
	if w.stale {
		if err := w.watchAll(now); err != nil {
			w.lose(err)
			return Hint{}, time.Time{}, false
		}
	}
	return w.pending.hint(now), time.Time{}, true
}

// notice takes what the source has drained.
func (w *Watcher) notice(now time.Time) {
	names, failed := w.tree.src.take()
	if failed != nil {
		why := "watch error"
		if errors.Is(failed, fsnotify.ErrEventOverflow) {
			why = "overflow"
		}
		if !w.stale {
			w.log.Info("watching everything anew", "dir", w.dir, "err", failed)
		}
		w.stale = true
		w.upheaval(now, why)
	}
	c, err := w.tree.update(names)
	if err != nil {
		w.degrade(err)
		w.upheaval(now, "degraded")
		return
	}
	if c.root && !w.checkRoot(now) {
		return
	}
	if c.full {
		w.upheaval(now, Notified)
	} else if len(c.paths) > 0 {
		w.opts.Noticed(Notified)
		w.pending.events(now, Notified, c.paths...)
	}
}

// checkRoot reports whether the root is the folder that is being watched. If
// not, it watches the one that is there now, or waits for one: what is
// pending is forgotten, as an absent root must not be taken for an empty one,
// and the folder that comes back is looked at as a whole.
func (w *Watcher) checkRoot(now time.Time) bool {
	if w.rootStands() {
		return true
	}
	w.pending.clear()
	lost := w.State() == RootLost
	if err := w.watchAll(now); err != nil {
		w.lose(err)
		return false
	}
	if lost {
		w.log.Info("root is back", "dir", w.dir)
	} else {
		w.log.Warn("root was replaced by another folder", "dir", w.dir)
	}
	w.upheaval(now, "root back")
	return false
}

// rootStands compares path, device, inode and watch: a symlink may lead to the
// same folder by another path, and a folder made anew often gets the inode of
// the one before.
func (w *Watcher) rootStands() bool {
	resolved, err := filepath.EvalSymlinks(w.dir)
	if err != nil || resolved != w.resolved {
		return false
	}
	fi, err := os.Stat(resolved)
	return err == nil && fi.IsDir() && idOf(fi) == w.root &&
		(w.tree == nil || w.tree.watchesRoot())
}

// lose waits for a root that cannot be had, and says so once.
func (w *Watcher) lose(err error) {
	if w.state.Swap(RootLost) != RootLost {
		w.log.Error("ROOT LOST: nothing is withdrawn and nothing is updated until the folder is back",
			"dir", w.dir, "err", err)
	}
}

// demand asks for a look at everything, once there is time.
func (w *Watcher) demand(why string) {
	w.opts.Noticed(why)
	w.pending.demand(why)
}

// upheaval asks for a look at everything, once it has rested.
func (w *Watcher) upheaval(now time.Time, why string) {
	w.opts.Noticed(why)
	w.pending.upheaval(now, why)
}
