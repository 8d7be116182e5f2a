package event

import (
	"testing"

	"tocsin/bench/generate"
)

// generated returns n events of a generated folder.
func generated(b *testing.B, n int) []*Event {
	r := NewReader(Dialect{})
	all := make([]*Event, n)
	for i := range all {
		g := generate.New(i)
		e, err := r.Read(g.Path, g.Markdown())
		if err != nil {
			b.Fatal(err)
		}
		all[i] = e
	}
	return all
}

// The revision of an event that was read.
func BenchmarkRevision(b *testing.B) {
	all := generated(b, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		all[i%len(all)].Seal()
	}
}

// An event of which the fields are compared, one by one.
func BenchmarkDiff(b *testing.B) {
	all := generated(b, 101)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if len(all[i%100].Diff(all[i%100+1])) == 0 {
			b.Fatal("two events are one")
		}
	}
}

// A rule with a condition of each common kind, asked of events that have their keys.
func BenchmarkMatch(b *testing.B) {
	m := NewMatcher(Match{Tags: []string{"account-account", "advice-advices"}, NotActors: []string{"audit audits"}, MinImportance: 5, Status: []string{"confirmed", "pending"}}, Dialect{})
	all := generated(b, 1000)
	tags, actors := make([][]string, len(all)), make([][]string, len(all))
	matches := 0
	for i, e := range all {
		tags[i], actors[i] = Keys(e.Tags), Keys(e.Actors)
		if m.Match(e) {
			matches++
		}
	}
	if matches == 0 || matches == len(all) {
		b.Fatalf("%d of %d match", matches, len(all))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		i := i % len(all)
		m.MatchKeys(all[i], tags[i], actors[i])
	}
}
