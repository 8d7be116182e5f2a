// Package timeline holds all events of a folder at one moment, and says what
// the difference of two moments means.
//
// Look goes where a hint points and brings the Timeline up to date: it compares
// what the file system says of each file (size, times, inode, device) with what
// it said before, reads and parses only what differs, and keeps the last good
// version of a file that does not parse. A file that seems to be gone holds the
// whole look, and so does one that changed less than a settle time ago: the
// caller comes back a settle time later, and only what is missing on both looks is
// gone. A file that changed while it was read stays as it was known until then.
// In a folder that does not rest, what has rested is taken over, and what is
// missing is gone only when the folder has rested. A folder that cannot be read
// removes nothing, and an error that may pass, such as too many open files, fails
// the look.
//
// Of several files that claim one id the first path in byte order stands; the
// others are faults. Drafts are known but not public, and neither is an event before
// it is published or once it is expired.
//
// Compare turns the difference between the events now and the events as the
// world knows them into Changes.
package timeline

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/event"
)

// Options say what belongs to a timeline.
type Options struct {
	// Dir is the events folder.
	Dir string
	// Include and Exclude are doublestar patterns for paths below Dir, with
	// slashes. What begins with a dot, or lies below a folder that does, never
	// belongs to the timeline.
	Include, Exclude []string
	// MaxBytes bounds what is read of one file; 0 means 1 MiB.
	MaxBytes int
	// Reader reads the files.
	Reader *event.Reader
	// Settle is how long a file must have rested for its stat to vouch for its
	// content.
	Settle time.Duration
	// MaxDelay is how long a look waits for files that do not rest.
	MaxDelay time.Duration
	// Now is the clock.
	Now func() time.Time
	// Shelve, if not nil, takes the texts of events out of memory. It is called from
	// several goroutines.
	Shelve func(*event.Event) *event.Event
}

// Timeline is all events of a folder at the moment of the last Look. It is used
// by one goroutine.
type Timeline struct {
	o       Options
	files   map[string]*file
	claims  map[string]*event.Event // by id, that of the first path in byte order which claims it
	rivals  map[string][]string     // the other paths that claim an id, sorted
	faults  map[string]error        // why the present content of a file is not its event
	below   map[string]int          // how many files lie below a folder
	timed   map[string]bool         // the paths of events that are public for a time alone
	touched map[string]struct{}     // the paths that were set since Marked
	at, due time.Time               // the moment of the last look; when the next event begins or ends
	kept    map[string]*event.Event // those of Keep, by path
	device  string                  // that of the folder at the last look
	missing map[string]time.Time    // files that the last look missed, and since when
	young   map[string]time.Time    // files that had not rested at the last look, and since when
	held    time.Time               // since when looks are held for such files; zero: they are not
	failed  map[string]time.Time    // what the last look could not read, and since when
	looks   uint32                  // how many there were
}

// file is what is known of one file.
type file struct {
	stat  stat
	sum   sum
	event *event.Event // the last good version; nil where there never was one
	same  uint32       // the last look, by its number, that found it as it was known
}

// sum stands for the bytes of a file: the beginning of their SHA-256.
type sum [16]byte

func sumOf(data []byte) sum {
	all := sha256.Sum256(data)
	return sum(all[:])
}

// Empty returns a timeline before its first Look. It does no I/O.
func Empty(o Options) *Timeline {
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 20
	}
	if o.Shelve == nil {
		o.Shelve = func(e *event.Event) *event.Event { return e }
	}
	return &Timeline{
		o:       o,
		files:   make(map[string]*file),
		claims:  make(map[string]*event.Event),
		rivals:  make(map[string][]string),
		faults:  make(map[string]error),
		below:   make(map[string]int),
		timed:   make(map[string]bool),
		touched: make(map[string]struct{}),
		kept:    make(map[string]*event.Event),
	}
}

// Keep gives the last good versions of events from before a restart: one stands
// in for its file where the file does not parse on the first look, and a file
// that is missing then is gone only where the look behind it misses it, too.
func (t *Timeline) Keep(events iter.Seq[*event.Event]) {
	for e := range events {
		if f := t.files[e.Path]; f == nil || f.event != e {
			t.kept[e.Path] = e
		}
	}
}

// Event returns the event with the given id that is public at the moment of the
// last Look; nil where there is none.
func (t *Timeline) Event(id string) *event.Event {
	if e := t.claims[id]; e != nil && public(e, t.at) {
		return e
	}
	return nil
}

// Device names the device that the folder was on at the last look; empty before.
func (t *Timeline) Device() string { return t.device }

// Len returns the number of files of the timeline, drafts and broken ones
// included.
func (t *Timeline) Len() int { return len(t.files) }

// Events returns the last good versions of all files in the order of their paths,
// also drafts and those whose id another file has.
func (t *Timeline) Events() iter.Seq[*event.Event] {
	return func(yield func(*event.Event) bool) {
		for _, p := range slices.Sorted(maps.Keys(t.files)) {
			if e := t.files[p].event; e != nil && !yield(e) {
				return
			}
		}
	}
}

// Faults returns what is wrong with the files at this moment, in the order of
// their paths: files that do not parse or cannot be read, and ids that two
// files claim.
func (t *Timeline) Faults() []error {
	type faulty struct {
		path string
		err  error
	}
	var all []faulty
	for p, err := range t.faults {
		all = append(all, faulty{p, err})
	}
	for id, paths := range t.rivals {
		for _, p := range paths {
			all = append(all, faulty{p, &event.Error{Path: p, Line: 1, Msg: fmt.Sprintf(
				"the id %q is taken by %s; give one of the two another id", id, t.claims[id].Path)}})
		}
	}
	slices.SortFunc(all, func(a, b faulty) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.err.Error(), b.err.Error()))
	})
	errs := make([]error, len(all))
	for i, f := range all {
		errs[i] = f.err
	}
	return errs
}

// set replaces what is known of a path, and what is wrong with its present content; a
// nil file forgets it. It returns the ids whose event may differ now.
func (t *Timeline) set(p string, f *file, fault error) []string {
	t.touched[p] = struct{}{}
	if fault != nil {
		t.faults[p] = fault
	} else {
		delete(t.faults, p)
	}
	return t.put(p, f)
}

// put is set of what needs no mark.
func (t *Timeline) put(p string, f *file) []string {
	old := t.files[p]
	if f == nil {
		delete(t.files, p)
	} else {
		t.files[p] = f
	}
	var was, is *event.Event
	if old != nil {
		was = old.event
	}
	if f != nil {
		is = f.event
	}
	switch {
	case old == nil && f != nil:
		t.count(p, 1)
	case old != nil && f == nil:
		t.count(p, -1)
	}
	if was == is {
		return nil
	}
	var touched []string
	if was != nil {
		t.disclaim(was)
		delete(t.timed, p)
		touched = append(touched, was.ID)
	}
	if is != nil {
		t.claim(is)
		if timed(is) {
			t.timed[p] = true
		}
		touched = append(touched, is.ID)
	}
	return touched
}

// claim enters that an event claims its id.
func (t *Timeline) claim(e *event.Event) {
	first := t.claims[e.ID]
	if first == nil || e.Path < first.Path {
		t.claims[e.ID] = e
		e = first
	}
	if e != nil {
		at, _ := slices.BinarySearch(t.rivals[e.ID], e.Path)
		t.rivals[e.ID] = slices.Insert(t.rivals[e.ID], at, e.Path)
	}
}

// disclaim takes back what claim entered.
func (t *Timeline) disclaim(e *event.Event) {
	rivals := t.rivals[e.ID]
	switch {
	case t.claims[e.ID].Path != e.Path:
		rivals = slices.DeleteFunc(rivals, func(q string) bool { return q == e.Path })
	case len(rivals) > 0:
		t.claims[e.ID], rivals = t.files[rivals[0]].event, rivals[1:]
	default:
		delete(t.claims, e.ID)
	}
	if t.rivals[e.ID] = rivals; len(rivals) == 0 {
		delete(t.rivals, e.ID)
	}
}

// count counts a file below all folders that it lies in.
func (t *Timeline) count(p string, n int) {
	for dir := p; dir != "."; {
		if i := strings.LastIndexByte(dir, '/'); i > 0 {
			dir = dir[:i]
		} else {
			dir = "."
		}
		if t.below[dir] += n; t.below[dir] == 0 {
			delete(t.below, dir)
		}
	}
}

// known returns the files at p or below it, also, as nil, those of Keep.
func (t *Timeline) known(p string) iter.Seq2[string, *file] {
	return func(yield func(string, *file) bool) {
		within := func(q string) bool { return p == "." || q == p || strings.HasPrefix(q, p+"/") }
		if f := t.files[p]; f != nil {
			if !yield(p, f) {
				return
			}
		} else if t.below[p] > 0 {
			for q, f := range t.files {
				if within(q) && !yield(q, f) {
					return
				}
			}
		}
		for q := range t.kept {
			if within(q) && t.files[q] == nil && t.belongs(q) && !yield(q, nil) {
				return
			}
		}
	}
}

// ErrRoot says that the events folder itself cannot be read: nothing is known
// to be gone.
var ErrRoot = errors.New("the events folder cannot be read")

// All returns the ids of all events, in no order, and the events as Event does: nil of
// those that are not public.
func (t *Timeline) All() iter.Seq2[string, *event.Event] {
	return func(yield func(string, *event.Event) bool) {
		for id, e := range t.claims {
			if !public(e, t.at) {
				e = nil
			}
			if !yield(id, e) {
				return
			}
		}
	}
}
