package watch

import (
	"path"
	"slices"
	"time"
)

// maxNames is how many names in one folder are told one by one. Looking at a
// whole folder is cheap (0.3 s for 100,000 files), telling names is not.
const maxNames = 128

// settler merges what is noticed into one pending hint and says when that may
// be handed over. It does nothing by itself and has no clock: its owner tells
// it the time.
type settler struct {
	settle, maxDelay time.Duration

	found bool // something is pending
	full  bool
	why   string
	names map[string]map[string]struct{} // folder → names in it; unused when full

	burst       bool      // events are among what is pending
	first, last time.Time // event of the burst
	handed      time.Time // when the last hint was taken; zero: none yet
}

// events notes changes at the paths, at any number of them.
func (s *settler) events(now time.Time, why string, paths ...string) {
	s.note(why)
	s.touch(now)
	for _, p := range paths {
		s.add(p)
	}
}

// upheaval notes an event after which everything has to be looked at.
func (s *settler) upheaval(now time.Time, why string) {
	s.demand(why)
	s.touch(now)
}

// demand asks for a full hint without an event: nothing is known to be
// changing, so nothing has to settle unless a burst is already on.
func (s *settler) demand(why string) {
	if !s.full {
		s.why = why
	}
	s.note(why)
	s.setFull()
}

// hold begins the burst anew without forgetting what is pending.
func (s *settler) hold(now time.Time) {
	s.burst, s.first, s.last = true, now, now
}

// clear forgets what is pending.
func (s *settler) clear() {
	*s = settler{settle: s.settle, maxDelay: s.maxDelay, handed: s.handed}
}

// due returns when the pending hint may be handed over, and false if there is
// none.
func (s *settler) due() (time.Time, bool) {
	if !s.found {
		return time.Time{}, false
	}
	var at time.Time
	if s.burst {
		at = earlier(s.last.Add(s.settle), s.first.Add(s.maxDelay))
	}
	if !s.handed.IsZero() {
		at = later(at, s.handed.Add(s.settle))
	}
	return at, true
}

// hint returns the pending hint and leaves it pending.
func (s *settler) hint(now time.Time) Hint {
	h := Hint{Full: s.full, Why: s.why, Overdue: s.burst && now.Before(s.last.Add(s.settle))}
	for dir, set := range s.names {
		if dir != "." && s.covered(dir) {
			continue
		}
		for name := range set {
			h.Paths = append(h.Paths, path.Join(dir, name))
		}
	}
	slices.Sort(h.Paths)
	return h
}

// taken notes that the pending hint was handed over. An overdue one stays
// pending, as the beginning of what comes next.
func (s *settler) taken(h Hint, now time.Time) {
	s.handed = now
	if h.Overdue {
		s.first = now
		return
	}
	s.clear()
}

func (s *settler) note(why string) {
	if !s.found {
		s.found, s.why = true, why
	}
}

func (s *settler) touch(now time.Time) {
	if !s.burst {
		s.burst, s.first = true, now
	}
	s.last = now
}

func (s *settler) setFull() {
	s.full, s.names = true, nil
}

func (s *settler) add(p string) {
	switch {
	case s.full:
		return
	case p == ".":
		s.setFull()
		return
	case s.covered(p):
		return
	}
	dir, name := path.Dir(p), path.Base(p)
	set := s.names[dir]
	if set == nil {
		set = make(map[string]struct{})
		if s.names == nil {
			s.names = make(map[string]map[string]struct{})
		}
		s.names[dir] = set
	}
	set[name] = struct{}{}
	if len(set) > maxNames {
		delete(s.names, dir)
		s.add(dir)
	}
}

// covered reports whether p, or a folder that it is in, is pending.
func (s *settler) covered(p string) bool {
	return within(p, func(p string) bool {
		_, ok := s.names[path.Dir(p)][path.Base(p)]
		return ok
	})
}

// within reports whether has is true of the path p below a root or of a
// folder between the two, the root left out.
func within(p string, has func(string) bool) bool {
	for ; p != "."; p = path.Dir(p) {
		if has(p) {
			return true
		}
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
