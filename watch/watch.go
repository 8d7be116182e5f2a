// Package watch says that a folder of event files changed, and where.
//
// It never reads an event file and never decides what changed: notifications
// are hints, and only a look at the files is the truth. A [Hint] says "look
// again", at some paths or at everything, and promises that the folder has
// been quiet for a while, or says that it has not.
//
//	              Open
//	                │
//	       ┌────────▼─────────┐  ENOSPC, EMFILE, network file system   ┌──────────┐
//	       │ watching         ├───────────────────────────────────────▶│ degraded │
//	       │ (Poll: polling)  │◀───────────────────────────────────────┤ (polls)  │
//	       └──┬────────────▲──┘         a rescan tried again           └──┬────▲──┘
//	absent, another device │                                              │    │
//	or inode, watch gone   │ a folder is there: Full                      │    │
//	       ┌──▼────────────┴──┐                                           │    │
//	       │ root lost        │◀──────────────────────────────────────────┘    │
//	       │ (no hints)       ├────────────────────────────────────────────────┘
//	       └──────────────────┘
//
// In every state but the last, what was noticed becomes a hint like this:
//
//	idle ─event─▶ settling ─quiet for Settle, or MaxDelay after the first─▶ due
//	due ─Settle since the last hint, no git lock, the root still stands─▶ offered
//	offered ─taken─▶ idle      offered ─event─▶ settling
//	idle ─start, rescan, poll─▶ due
//
// An overflow, a watcher error and a rescan end in a Full hint, and the whole
// tree is watched anew just before it is offered, so that the look comes after
// the watches. Whatever is noticed until the reader takes a hint is merged
// into it: Full wins, paths unite, a folder swallows what is below it.
//
// Names that begin with a dot are neither watched nor hinted at, with one
// exception: Kubernetes publishes by swapping a symlink called ..data, which
// gives a Full hint. Symlinks below the root are not followed. The root itself
// may be one: the folder behind it is watched, and a swap is noticed within a
// second, as is every other way to lose the root.
//
// # Why it is built so
//
// fsnotify holds a mutex while it sends an error, so one goroutine does
// nothing but drain its channels into memory, and another (Run's) calls Add
// and Remove. fsnotify also reports a renamed folder under its old name for as
// long as it is watched under that name, so a folder that is created, renamed
// or removed is always dropped with all below it and then watched anew from
// what is on disk. The order of events therefore does not matter, and none is
// kept: a name is enough.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	defaultSettle   = 500 * time.Millisecond
	defaultMaxDelay = 10 * time.Second
	// degradedPoll is the shortest interval of polling that nobody asked for.
	degradedPoll = 2 * time.Second
	// rootCheck is how often the root is looked at: most ways to lose it are
	// silent.
	rootCheck = time.Second
)

// Hint says where to look again. It does not say what is there: a path may
// name a file or a folder, changed, new, gone, or the same as before.
type Hint struct {
	// Full means everything below the root; Paths is then empty. A start, a
	// rescan, a poll, an overflow, a root that is back, a clock that was set,
	// and changes to more than 128 names in the root itself give it.
	Full bool
	// Paths are slash-separated, below the root, sorted, and none lies below
	// another one. A folder is to be looked at with all below it; so is what
	// was a folder and is gone. More than 128 names in one folder become the
	// folder.
	Paths []string
	// Overdue says that the folder has not rested for MaxDelay and still does
	// not. Another hint follows once it rests, or after another MaxDelay, and
	// covers all that this one does: what is missing or half-written now need not
	// be judged before.
	Overdue bool
	// Why is a word or two for the log: "start", [Notified], "rescan",
	// "poll", "overflow", "watch error", "root back", "degraded", "clock". Of several
	// merged reasons it is the first that asked for everything, else the
	// first.
	Why string
}

// Notified is the [Hint.Why] of what the operating system tells of.
const Notified = "notified"

// Options tell a [Watcher] what to watch, and how patiently.
type Options struct {
	// Dir is the root: a folder, or a symlink to one. Relative paths are
	// taken from the working directory at Open.
	Dir string
	// Settle is the quiet time before a burst is handed over, and the least
	// time between two hints. 0 or less: 500 ms.
	Settle time.Duration
	// MaxDelay is how long after its first event a burst that never rests is
	// handed over. 0 or less: 10 s.
	MaxDelay time.Duration
	// Rescan is a cron expression (five fields, or a descriptor such as
	// "@every 15m"), in local time unless it begins with CRON_TZ=. At these
	// times everything is watched anew and a Full hint is given. Empty: never.
	Rescan string
	// Poll over 0 means no notifications but a Full hint at this interval.
	Poll time.Duration
	// Await lets Open succeed where Dir cannot be had: the state is then
	// RootLost, until it can.
	Await bool
	// Logger hears about the root and about degraded watching. nil: nobody.
	Logger *slog.Logger
	// Noticed, if not nil, is called for all that makes a look necessary, with its
	// word of [Hint.Why], before any of it is merged. It must not wait.
	Noticed func(why string)
}

// State is the health of a [Watcher].
type State string

const (
	// Closed: not opened yet, or no longer.
	Closed State = "closed"
	// Watching: notifications are on for the whole tree.
	Watching State = "watching"
	// Polling: Options.Poll asked for it, there are no notifications.
	Polling State = "polling"
	// Degraded: notifications cannot be had, everything is looked at every
	// two seconds (or every Settle, if that is longer).
	Degraded State = "degraded"
	// RootLost: the root is not there. No hints until it is back.
	RootLost State = "root lost"
)

// ErrNotOpen is what Run returns for a Watcher that is not open, or was run
// before.
var ErrNotOpen = errors.New("watch: not open")

// Watcher watches one folder with all below it. Make it with [New]; then
// [Watcher.Open], [Watcher.Run] and [Watcher.Close], in this order. State,
// Hints and Close may be called from any goroutine.
type Watcher struct {
	opts  Options
	log   *slog.Logger
	hints chan Hint
	state atomic.Value // State

	// The operating system, for tests to stand in for.
	open    func() (*source, error)
	network func(path string) string
	gitLock func(root string) (lock, bool)
	wall    func() time.Time // without the monotonic clock

	mu      sync.Mutex // guards the four below
	opened  bool
	closed  bool
	quit    chan struct{} // closed by Close
	running chan struct{} // closed when Run has returned; nil before Run

	// Owned by Open, then by Run, then by Close.
	dir      string // Options.Dir, absolute
	schedule cron.Schedule
	root     id     // the root that is being watched or polled
	resolved string // its path without symlinks
	tree     *tree  // nil unless Watching
	pending  settler
	stale    bool      // watch everything anew before the next hint
	planted  time.Time // when everything was last watched anew
	held     gitHold
}

// New returns a Watcher that is not open yet. It does no I/O.
func New(o Options) *Watcher {
	if o.Settle <= 0 {
		o.Settle = defaultSettle
	}
	if o.MaxDelay <= 0 {
		o.MaxDelay = defaultMaxDelay
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Noticed == nil {
		o.Noticed = func(string) {}
	}
	w := &Watcher{
		opts:    o,
		log:     o.Logger,
		hints:   make(chan Hint),
		quit:    make(chan struct{}),
		open:    openSource,
		network: NetworkFS,
		gitLock: findGitLock,
		wall:    func() time.Time { return time.Now().Round(0) },
		pending: settler{settle: o.Settle, maxDelay: o.MaxDelay},
	}
	w.state.Store(Closed)
	return w
}

// Open watches the whole tree. It fails if Dir is not a folder that can be
// read, if Rescan cannot be understood or never comes, and on a Watcher that
// was opened or closed before. Too few inotify watches are no failure: the
// state is then [Degraded].
func (w *Watcher) Open() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.opened {
		return errors.New("watch: opened or closed before")
	}
	var err error
	if w.schedule, err = parseSchedule(w.opts.Rescan, time.Now()); err != nil {
		return err
	}
	if w.dir, err = filepath.Abs(w.opts.Dir); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	if err := w.watchAll(time.Now()); err != nil {
		if !w.opts.Await {
			return fmt.Errorf("watch: %w", err)
		}
		w.lose(err)
	}
	w.opened = true
	return nil
}

// Hints returns the channel of hints, always the same one. It is unbuffered
// and never closed. The first hint is a Full one, for the start; while the
// reader is busy, all that happens is merged into the next.
//
// The root is looked at before a hint is offered and once a second after, so
// a reader that finds the root missing has been faster than that and should
// conclude nothing from it.
func (w *Watcher) Hints() <-chan Hint { return w.hints }

// State returns the present health.
func (w *Watcher) State() State { return w.state.Load().(State) }

// Run gives hints until ctx ends or Close is called. It returns nil, once all
// that it and Open started has ended, or [ErrNotOpen].
func (w *Watcher) Run(ctx context.Context) error {
	w.mu.Lock()
	if !w.opened || w.closed || w.running != nil {
		w.mu.Unlock()
		return ErrNotOpen
	}
	w.running = make(chan struct{})
	w.mu.Unlock()
	defer close(w.running)

	w.loop(ctx)
	if err := w.unwatch(); err != nil {
		w.log.Warn("closing the watches", "err", err)
	}
	w.state.Store(Closed)
	return nil
}

// Close ends Run, waits for it, and gives back what Open took. It may be
// called more than once, and without Open.
func (w *Watcher) Close() error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.quit)
	}
	running := w.running
	w.mu.Unlock()
	if running != nil {
		<-running
		return nil
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Store(Closed)
	return w.unwatch()
}

// watchAll resolves the root and watches everything below it, in place of
// what was watched before. It fails only if the root cannot be had; if
// watching is impossible, the state is Degraded afterwards.
//
// The old watches go first. The look that follows a watchAll is a full one,
// so nothing is lost in between, and a tree that needs more than half of the
// allowed watches can still be watched anew.
func (w *Watcher) watchAll(now time.Time) error {
	if err := w.unwatch(); err != nil {
		w.log.Warn("closing the old watches", "err", err)
	}
	w.stale, w.planted = false, now
	w.root = id{}

	resolved, err := filepath.EvalSymlinks(w.dir)
	if err != nil {
		return err
	}
	fi, err := os.Stat(resolved)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return &fs.PathError{Op: "watch", Path: w.dir, Err: syscall.ENOTDIR}
	}
	if w.opts.Poll > 0 {
		w.root, w.resolved = idOf(fi), resolved
		w.state.Store(Polling)
		return nil
	}
	if name := w.network(resolved); name != "" {
		w.root, w.resolved = idOf(fi), resolved
		w.degrade(fmt.Errorf("%s reports no changes made elsewhere", name))
		return nil
	}

	src, err := w.open()
	if err != nil {
		w.root, w.resolved = idOf(fi), resolved
		w.degrade(err)
		return nil
	}
	src.start()
	t := newTree(resolved, src, w.log)
	if err := t.add("."); err != nil {
		src.stop()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return err
		}
		w.root, w.resolved = idOf(fi), resolved
		w.degrade(err)
		return nil
	}
	w.tree, w.root, w.resolved = t, t.ids["."], resolved
	if w.state.Swap(Watching) == Degraded {
		w.log.Info("watching again", "dir", w.dir)
	}
	return nil
}

// degrade gives up notifications, and says so when it is news.
func (w *Watcher) degrade(err error) {
	if e := w.unwatch(); e != nil {
		w.log.Warn("closing the watches", "err", e)
	}
	w.stale = false
	if w.state.Swap(Degraded) != Degraded {
		w.log.Warn("cannot watch for changes, polling instead; the next rescan tries again",
			"dir", w.dir, "every", w.pollEvery(Degraded), "err", err, "hint", remedy(err))
	}
}

// unwatch gives back all watches and waits for their goroutines.
func (w *Watcher) unwatch() error {
	if w.tree == nil {
		return nil
	}
	src := w.tree.src
	w.tree = nil
	return src.stop()
}

// pollEvery returns the interval of polling in a state, 0 for none.
func (w *Watcher) pollEvery(s State) time.Duration {
	switch s {
	case Polling:
		return w.opts.Poll
	case Degraded:
		return max(degradedPoll, w.opts.Settle)
	}
	return 0
}

// remedy says what to do about an error that makes watching impossible.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "raise the sysctl fs.inotify.max_user_watches above the number of folders, or set watch.poll"
	case errors.Is(err, syscall.EMFILE):
		return "raise the sysctl fs.inotify.max_user_instances or the limit of open files, or set watch.poll"
	}
	return "set watch.poll to choose the interval"
}
