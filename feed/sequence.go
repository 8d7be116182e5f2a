package feed

import (
	"cmp"
	"slices"
)

// order is that of a feed: by Updated, newest first, ties by the event's date,
// newest first, then by id. An entry for several corrections stands where the newest of
// them does.
func order(a, b *Entry) int {
	if a.Event == nil {
		a = a.Correction.Of[0]
	}
	if b.Event == nil {
		b = b.Correction.Of[0]
	}
	return cmp.Or(b.Updated.Compare(a.Updated), b.Event.Date.Compare(a.Event.Date.Time), cmp.Compare(a.ID, b.ID))
}

// sequence is entries in the order of feeds. What it gives away as shared it does not
// change any more.
type sequence struct {
	entries []*Entry
	shared  bool
}

// share returns the entries as they are now.
func (s *sequence) share() []*Entry {
	s.shared = true
	return s.entries
}

// own makes the entries the sequence's alone, with room for what comes in the place of
// what goes.
func (s *sequence) own(more int) {
	if s.shared {
		s.entries, s.shared = append(make([]*Entry, 0, len(s.entries)+max(more, many)), s.entries...), false
	}
}

// insert puts entries at their places, and them themselves into the order. Places are
// looked for from the last one on, so that what is behind each is moved once.
func (s *sequence) insert(entries []*Entry) {
	s.own(len(entries))
	slices.SortFunc(entries, order)
	rest := s.entries
	s.entries = slices.Grow(s.entries, len(entries))[:len(rest)+len(entries)]
	for i, n := range slices.Backward(entries) {
		at, _ := slices.BinarySearchFunc(rest, n, order)
		copy(s.entries[at+i+1:], rest[at:])
		s.entries[at+i] = n
		rest = rest[:at]
	}
}

// remove takes those of the entries out that are in it, and returns them in the order.
func (s *sequence) remove(entries []*Entry) []*Entry {
	var at []int
	for _, n := range entries {
		if i, ok := slices.BinarySearchFunc(s.entries, n, order); ok {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return nil
	}
	slices.Sort(at)
	s.own(0)
	removed := make([]*Entry, len(at))
	left := s.entries[:at[0]]
	for i, from := range at {
		removed[i] = s.entries[from]
		to := len(s.entries)
		if i+1 < len(at) {
			to = at[i+1]
		}
		left = append(left, s.entries[from+1:to]...)
	}
	clear(s.entries[len(left):])
	s.entries = left
	return removed
}
