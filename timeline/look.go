package timeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tocsin/event"
)

// Where says where to look.
type Where struct {
	// All looks at everything.
	All bool
	// Paths are files or folders below the events folder, with slashes.
	Paths []string
	// Sure takes what is missing for gone at once, and files as they are.
	// Without it a look that misses something which the look before did not
	// miss, or that finds a file which has not rested, is held.
	Sure bool
	// Overdue says that the folder does not rest, and that all of this place will
	// be named again: files that have rested are taken over, the others are
	// left for later, and nothing is gone yet.
	Overdue bool
	// At is the moment by which events are published and expire. Where it is never
	// given, all but drafts are public.
	At time.Time
	// Progress, if not nil, is called from several goroutines with the number
	// of files read so far and to be read.
	Progress func(done, all int)
}

// Places are the paths to look at, "." for everything.
func (w Where) Places() []string {
	if w.All {
		return []string{"."}
	}
	return w.Paths
}

// Found is what a look found.
type Found struct {
	// IDs are the events that may differ now.
	IDs []string
	// Again is where to look again, a settle time later: something was missing
	// or in motion. Nil: nowhere.
	Again []string
	// Held says that the look has changed nothing, for the same reason.
	Held bool
	// Read is how many files were read, Files how many there are.
	Read, Files int
}

// stat is all that tells one state of a file from another without reading it;
// each part alone has a blind spot.
type stat struct {
	size         int64
	mtime, ctime int64 // nanoseconds since 1970
	ino, dev     uint64
}

func statOf(fi fs.FileInfo) stat {
	s := stat{size: fi.Size(), mtime: fi.ModTime().UnixNano()}
	if sys, ok := fi.Sys().(*syscall.Stat_t); ok {
		s.ctime = sys.Ctim.Nano()
		s.ino, s.dev = sys.Ino, sys.Dev
	}
	return s
}

// survey is what a walk found, before anything is read.
type survey struct {
	present  map[string]stat  // files that are not as they were known; of the others, file.same says it
	faults   map[string]error // files that are there and cannot be looked at
	blind    map[string]error // folders that cannot be read
	restless []string         // files of present that are left for later
	failed   map[string]error // what could not be looked at for an error that may pass
}

// Look brings the timeline up to date. An error means that nothing changed;
// it is ErrRoot where the folder itself is away.
func (t *Timeline) Look(ctx context.Context, w Where) (Found, error) {
	root, err := os.Stat(t.o.Dir)
	if err == nil && !root.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return Found{}, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	t.device = strconv.FormatUint(statOf(root).dev, 16)
	w.Paths = w.Places()
	w.All = slices.Contains(w.Paths, ".")
	s := survey{
		present: make(map[string]stat), faults: make(map[string]error), blind: make(map[string]error), failed: make(map[string]error),
	}
	t.looks++
	for _, p := range w.Paths {
		if err := t.walk(ctx, path.Clean(p), &s); err != nil {
			return Found{}, err
		}
	}
	if err := s.blind["."]; err != nil {
		return Found{}, fmt.Errorf("%w: %w", ErrRoot, err)
	}
	for dir, err := range s.blind {
		for q := range t.known(dir) {
			s.faults[q] = &event.Error{Path: q, Line: 1, Msg: reason(err)}
		}
	}
	var gone []string
	for _, p := range w.Paths {
		for q, f := range t.known(path.Clean(p)) {
			if f != nil && f.same == t.looks {
				continue
			}
			if _, ok := s.present[q]; !ok && s.faults[q] == nil {
				gone = append(gone, q)
			}
		}
	}
	if w.Sure {
		return t.take(ctx, w, s, gone)
	}
	now := t.o.Now()
	gone, missing := t.judge(gone, w.Overdue, now)
	if t.rest(&s, w.Overdue, now) && !missing {
		return t.take(ctx, w, s, gone)
	}
	return Found{Again: w.Paths, Held: true, Files: len(t.files)}, nil
}

// patience is how long something must be missing from a folder that never rests
// until it is gone.
const patience = 10 * time.Minute

// judge returns what is gone for good of what a look missed: what the look before
// missed, too. hold asks for that second look. In a folder that does not rest
// nothing is gone before patience is over: what is missing may be on its way to
// another place.
func (t *Timeline) judge(gone []string, overdue bool, now time.Time) (sure []string, hold bool) {
	before := t.missing
	t.missing = make(map[string]time.Time, len(gone))
	for _, q := range gone {
		since, ok := before[q]
		if !ok {
			since = now
		}
		t.missing[q] = since
		if overdue && now.Sub(since) >= patience {
			sure = append(sure, q)
		}
		hold = hold || !ok
	}
	if overdue {
		return sure, false
	}
	return gone, hold
}

// rest reports whether a survey can be taken over: no file of it may be so young
// that a program may still be writing it. After Options.MaxDelay, or where the
// folder does not rest, those files alone are left out, each for MaxDelay at
// most.
func (t *Timeline) rest(s *survey, overdue bool, now time.Time) bool {
	before := t.young
	t.young = make(map[string]time.Time)
	for p, st := range s.present {
		if !t.isYoung(st, now) {
			continue
		}
		since, ok := before[p]
		if !ok {
			since = now
		}
		t.young[p] = since
	}
	if len(t.young) == 0 {
		t.held = time.Time{}
		return true
	}
	if t.held.IsZero() {
		t.held = now
	}
	if !overdue && now.Sub(t.held) < t.o.MaxDelay {
		return false
	}
	t.held = time.Time{}
	for p, since := range t.young {
		if now.Sub(since) < t.o.MaxDelay {
			s.restless = append(s.restless, p)
		}
	}
	return true
}

// maxSkew is how far the clock of a file system may be ahead. A file from
// further in the future tells nothing: the clock was put back.
const maxSkew = time.Minute

// isYoung says that a file changed less than a settle time ago.
func (t *Timeline) isYoung(st stat, now time.Time) bool {
	age := now.Sub(time.Unix(0, st.ctime))
	return age < t.o.Settle && age > -maxSkew
}

// walk surveys p and all below it.
func (t *Timeline) walk(ctx context.Context, p string, s *survey) error {
	top := t.name(p)
	switch {
	case p == ".":
		top += string(filepath.Separator) // follows a link, which the folder itself may be
	case !filepath.IsLocal(p):
		return nil
	}
	// Below a file or a link to a folder there is nothing: a walk from the top
	// would not come there either.
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if fi, err := os.Lstat(t.name(dir)); err == nil && !fi.IsDir() {
			return nil
		}
	}
	fi, err := os.Lstat(top)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		s.blind[p] = err
		s.fail(p, err)
		return nil
	case hidden(p):
		return nil
	}
	g := gathering{survey: s}
	if fi.IsDir() {
		g.walking.SetLimit(runtime.GOMAXPROCS(0) - 1) // beside this one
		return errors.Join(t.walkDir(ctx, p, &g), g.walking.Wait())
	}
	if t.belongs(p) {
		t.stat(unix.AT_FDCWD, top, p, &g)
	}
	return nil
}

// gathering is a survey to which several goroutines add.
type gathering struct {
	walking errgroup.Group
	mu      sync.Mutex
	*survey
}

// walkDir surveys a folder, those below it in goroutines of their own while there are
// cores for them. That each file is asked for by its name in the open folder spares the
// system the way there.
func (t *Timeline) walkDir(ctx context.Context, dir string, g *gathering) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f, err := os.Open(t.name(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var entries []fs.DirEntry
	if err == nil {
		defer f.Close()
		entries, err = f.ReadDir(-1)
	}
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.blind[dir] = err
		g.fail(dir, err)
		return nil
	}
	for _, d := range entries {
		p := d.Name()
		if dir != "." {
			p = dir + "/" + p
		}
		switch {
		case strings.HasPrefix(d.Name(), "."):
		case !d.IsDir():
			if t.belongs(p) {
				t.stat(int(f.Fd()), d.Name(), p, g)
			}
		case g.walking.TryGo(func() error { return t.walkDir(ctx, p, g) }):
		default:
			if err := t.walkDir(ctx, p, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// stat surveys a file by its name in an open folder. It follows links: released folders
// are made of them.
func (t *Timeline) stat(dir int, name, p string, g *gathering) {
	var sys unix.Stat_t
	err := unix.Fstatat(dir, name, &sys, 0)
	for errors.Is(err, unix.EINTR) {
		err = unix.Fstatat(dir, name, &sys, 0)
	}
	st := stat{size: sys.Size, mtime: sys.Mtim.Nano(), ctime: sys.Ctim.Nano(), ino: sys.Ino, dev: sys.Dev}
	if f := t.files[p]; err == nil && f != nil && f.stat == st && sys.Mode&unix.S_IFMT == unix.S_IFREG {
		f.same = t.looks
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		g.faults[p] = &event.Error{Path: p, Line: 1, Msg: reason(err)}
		g.fail(p, err)
	case sys.Mode&unix.S_IFMT != unix.S_IFREG:
	default:
		g.present[p] = st
	}
}

// name is where the operating system finds a path.
func (t *Timeline) name(p string) string { return filepath.Join(t.o.Dir, filepath.FromSlash(p)) }

// hidden says that a path has an element that begins with a dot.
func hidden(rel string) bool {
	return rel != "." && (strings.HasPrefix(rel, ".") || strings.Contains(rel, "/."))
}

func (t *Timeline) belongs(rel string) bool {
	matches := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return doublestar.MatchUnvalidated(p, rel) })
	}
	return matches(t.o.Include) && !matches(t.o.Exclude)
}

// reason is an error without the path, which stands before it already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return "cannot be read: " + pe.Err.Error()
	}
	return "cannot be read: " + err.Error()
}

// take reads what differs and replaces what is known.
func (t *Timeline) take(ctx context.Context, w Where, s survey, gone []string) (Found, error) {
	var differ []string
	left := make(map[string]bool, len(s.restless))
	for _, p := range s.restless {
		left[p] = true
	}
	for p := range s.present {
		if !left[p] {
			differ = append(differ, p)
		}
	}
	slices.Sort(differ)
	slices.Sort(gone)

	read := make([]reading, len(differ))
	var next, done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(len(differ), runtime.GOMAXPROCS(0)) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(differ) {
					return nil
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
				p := differ[i]
				read[i] = t.read(p, s.present[p])
				if n := done.Add(1); w.Progress != nil {
					w.Progress(int(n), len(differ))
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return Found{}, err
	}
	for i, p := range differ {
		s.fail(p, read[i].unread)
	}
	if err := t.bear(w, s.failed, t.o.Now()); err != nil {
		return Found{}, err
	}

	found := Found{Read: len(differ)}
	if w.Overdue {
		for p := range t.missing {
			left[p] = true
		}
		for _, p := range gone {
			delete(left, p)
		}
	}
	waits := t.arrivals(left)
	for i, p := range differ {
		if read[i].moving {
			found.Again = append(found.Again, p)
			left[p] = true
		} else if t.last(p) == nil && waits(read[i].file.event) {
			left[p] = true
		} else {
			found.IDs = append(found.IDs, t.set(p, read[i].file, read[i].fault)...)
		}
	}
	for p := range left {
		if e := t.kept[p]; e != nil && t.files[p] == nil {
			found.IDs = append(found.IDs, t.set(p, &file{event: e}, nil)...)
		}
	}
	for p, err := range s.faults {
		found.IDs = append(found.IDs, t.set(p, &file{event: t.last(p)}, err)...)
	}
	for _, p := range gone {
		found.IDs = append(found.IDs, t.set(p, nil, nil)...)
		delete(t.kept, p)
	}
	if w.All && len(left) == 0 {
		t.kept = make(map[string]*event.Event)
	}
	found.IDs = append(found.IDs, t.advance(w.At)...)
	found.Files = len(t.files)
	slices.Sort(found.IDs)
	found.IDs = slices.Compact(found.IDs)
	return found, nil
}

// last returns the last good version of a file; nil where there was none.
func (t *Timeline) last(p string) *event.Event {
	if f := t.files[p]; f != nil {
		return f.event
	}
	return t.kept[p]
}

// arrivals returns what says of an event at a new path whether it has to wait: in a
// folder that does not rest it may be one whose old file is missing and left for
// later, and would be taken for another.
func (t *Timeline) arrivals(left map[string]bool) func(*event.Event) bool {
	coming := make(map[what]bool)
	for p := range t.missing {
		if e := t.last(p); e != nil && left[p] {
			coming[whatOf(e)] = true
		}
	}
	return func(e *event.Event) bool { return e != nil && coming[whatOf(e)] }
}

// bear returns an error where a look is to fail for what it could not read: for
// want of something that the machine is short of, or for an error of the disk that
// may be gone when the look is made again. Were such a file just left out, an event
// that has moved there would be taken for gone. But nothing is waited for longer
// than MaxDelay.
func (t *Timeline) bear(w Where, failed map[string]error, now time.Time) error {
	before := t.failed
	t.failed = make(map[string]time.Time, len(failed))
	for p, since := range before {
		if !w.All && !slices.ContainsFunc(w.Paths, func(q string) bool { return p == q || strings.HasPrefix(p, q+"/") }) {
			t.failed[p] = since // not looked at
		}
	}
	var first error
	for _, p := range slices.Sorted(maps.Keys(failed)) {
		since, ok := before[p]
		if !ok {
			since = now
		}
		t.failed[p] = since
		if first == nil && (is(failed[p], short) || !w.Sure && now.Sub(since) < t.o.MaxDelay) {
			first = fmt.Errorf("%s %s", p, reason(failed[p]))
		}
	}
	return first
}

// Errors that tell nothing of the file at which they are met, and those that may
// be gone when it is met again.
var (
	short   = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM}
	passing = []error{syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT}
)

func is(err error, one []error) bool {
	return slices.ContainsFunc(one, func(e error) bool { return errors.Is(err, e) })
}

// fail notes an error that may be gone at the next look.
func (s *survey) fail(p string, err error) {
	if is(err, short) || is(err, passing) {
		s.failed[p] = err
	}
}

// reading is what came of reading a file.
type reading struct {
	file   *file
	fault  error // why its content is not the file's event
	unread error // the system's, where it could not be read
	moving bool  // it changed since the survey, which judged whether it rests
}

// read reads one file. It is called from several goroutines and changes nothing.
func (t *Timeline) read(p string, surveyed stat) reading {
	last := t.last(p)
	data, before, after, err := readFile(t.name(p), t.o.MaxBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && (before != surveyed || after != surveyed):
		return reading{moving: true}
	case err != nil:
		return reading{file: &file{event: last}, fault: &event.Error{Path: p, Line: 1, Msg: reason(err)}, unread: err}
	}
	f := &file{stat: after, sum: sumOf(data), event: last}
	// A file that changed just now may change again within the clock's tick
	// and look the same: read it again the next time.
	if t.isYoung(after, t.o.Now()) {
		f.stat = stat{}
	}
	if old := t.files[p]; old != nil && f.sum == old.sum {
		return reading{file: f, fault: t.faults[p]}
	}
	e, err := t.o.Reader.Read(p, data)
	if err != nil {
		return reading{file: f, fault: err}
	}
	if last == nil || !last.Same(e) { // else one copy will do
		f.event = t.o.Shelve(e)
	}
	return reading{file: f}
}

// readFile reads at most one byte more than limit, enough for the reader to
// refuse the file, and stats it on both sides.
func readFile(name string, limit int) (data []byte, before, after stat, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, stat{}, stat{}, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, stat{}, stat{}, err
	}
	before = statOf(fi)
	size := min(fi.Size(), int64(limit)) + 1
	data = make([]byte, size)
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, stat{}, stat{}, err
	}
	fi, err = f.Stat()
	if err != nil {
		return nil, stat{}, stat{}, err
	}
	return data[:n], before, statOf(fi), nil
}
