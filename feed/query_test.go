package feed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// A query has what its match selects, in the order of feeds, by whichever of its
// conditions it was found.
func TestQuerySelects(t *testing.T) {
	s := style()
	s.MaxEntries, s.Window = 1000, 0
	rnd := rand.New(rand.NewPCG(1, 2))
	some := func(prefix string, of, most int) []string {
		var all []string
		for range rnd.IntN(most + 1) {
			all = append(all, fmt.Sprint(prefix, rnd.IntN(of)))
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	random := func(id string) *event.Event {
		e := an(id, "E", tags(some("t", 8, 3)...), actors(some("a", 8, 3)...))
		e.Importance, e.Status, e.Location = rnd.IntN(11), fmt.Sprint("s", rnd.IntN(3)), fmt.Sprint("l", rnd.IntN(3))
		e.Date = event.Date{Time: time.Date(2025, 1, 1+rnd.IntN(30), 0, 0, 0, 0, time.UTC)}
		e.Seal()
		return e
	}
	c := NewCatalog(s, 2, nil)
	var entries []*Entry
	for i := range 300 {
		e := random(fmt.Sprint("e", i))
		entries = append(entries, s.entry(e, i))
		if i%10 == 0 {
			entries = append(entries, corrected(s, i, fmt.Sprint("c", i), false, e, random(e.ID)))
		}
	}
	c.Fill(entries, nil)
	feeds := make(map[string]*Feed)
	for _, f := range c.Touched(func(string) bool { return false }) {
		feeds[f.Path] = f
	}
	slices.SortFunc(entries, order)
	x := NewIndex(feeds["all"], func(t timeline.Topic) *Feed { return feeds[string(t.Kind)+"/"+t.Key] })
	found := 0
	for range 2000 {
		m := event.Match{
			AllTags: some("t", 9, 1), AllActors: some("a", 9, 1), Tags: some("t", 9, 2), Actors: some("a", 9, 2),
			NotTags: some("t", 9, 1), Status: some("s", 4, 1), Location: some("l", 4, 1),
		}
		for _, drop := range []*[]string{&m.AllTags, &m.AllActors, &m.Tags, &m.Actors, &m.NotTags, &m.Status, &m.Location} {
			if rnd.IntN(3) > 0 {
				*drop = nil
			}
		}
		if rnd.IntN(4) == 0 {
			m.MinImportance = rnd.IntN(11)
		}
		if rnd.IntN(4) == 0 {
			m.MaxImportance = m.MinImportance + rnd.IntN(11-m.MinImportance)
		}
		if rnd.IntN(4) == 0 {
			m.From = time.Date(2025, 1, rnd.IntN(31), 0, 0, 0, 0, time.UTC)
		}
		if rnd.IntN(4) == 0 {
			m.To = time.Date(2025, 1, rnd.IntN(32), 0, 0, 0, 0, time.UTC)
		}
		match := event.NewMatcher(m, event.Dialect{})
		var want []*Entry
		total := 0
		for _, n := range entries {
			before := n.Correction != nil && n.Correction.Before != nil && match.Match(n.Correction.Before)
			if match.Match(n.Event) || before {
				want = append(want, n)
				if n.Correction == nil {
					total++
				}
			}
		}
		f := s.NewQuery(Query{Canonical: "q", Match: m}, x)
		if !slices.Equal(f.Entries, want) || f.Total != total {
			t.Fatalf("%+v: %d entries, %d events; want %d, %d", m, len(f.Entries), f.Total, len(want), total)
		}
		if len(want) > 0 {
			found++
		}
	}
	if found < 300 {
		t.Errorf("only %d queries find anything", found)
	}
}
