package feed

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// usual is an event of usual size.
func usual(rnd *rand.Rand, i int) *event.Event {
	e := an(fmt.Sprintf("2025/event-%d", i), fmt.Sprint("An event with a title of usual length, number ", i), body(prose(rnd, 2000)), importance(7),
		tags("courts", fmt.Sprint("tag ", i%500), fmt.Sprint("tag ", i%499)), actors("The Court", fmt.Sprint("Actor ", i%997)))
	e.Sources = []event.Source{{Title: "Report", URL: "https://example.com/report"}, {Title: "Order", URL: "https://example.com/order"}}
	e.Seal()
	return e
}

// A new entry for each round, as an update makes it.
func BenchmarkEntry(b *testing.B) {
	s := style()
	e := usual(rand.New(rand.NewPCG(1, 7)), 1)
	for _, format := range formats {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.entry(e, 1).encoded(format); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("none", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.entry(e, 1)
		}
	})
}

// A feed of 50 entries that other feeds have encoded before.
func BenchmarkRender(b *testing.B) {
	s := style()
	rnd := rand.New(rand.NewPCG(1, 8))
	var entries []*Entry
	for i := range 50 {
		entries = append(entries, s.entry(usual(rnd, i), i))
	}
	f := feedsOf(s, entries...)["all"]
	for _, format := range formats {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(render(b, f, format))))
			for b.Loop() {
				render(b, f, format)
			}
		})
	}
}

// One event of 100,000 is updated, and the feeds that it stands in are made.
func BenchmarkReplace(b *testing.B) {
	s := style()
	rnd := rand.New(rand.NewPCG(1, 9))
	template := an("e", "An event with a title of usual length", importance(7))
	entries := make([]*Entry, 100_000)
	for i := range entries {
		e := *template
		e.ID = fmt.Sprint("e", i)
		e.Tags, e.Actors = []string{"courts", fmt.Sprint("tag-", i%500)}, []string{fmt.Sprint("actor-", i%997)}
		e.Seal()
		entries[i] = s.NewEntry(&timeline.Record{ID: "tag:example.org,2025:" + e.ID, Event: &e, Published: day(0), Updated: day(0).Add(time.Duration(i) * time.Second)}, slugOf)
	}
	c := NewCatalog(s, 1, nil)
	c.Fill(entries, nil)
	c.Touched(unknown)
	last := entries[len(entries)-1].Updated
	b.ReportAllocs()
	for b.Loop() {
		i := rnd.IntN(len(entries))
		old := entries[i]
		last = last.Add(time.Second)
		entries[i] = s.NewEntry(&timeline.Record{ID: old.ID, Event: old.Event, Published: old.Published, Updated: last}, slugOf)
		c.Replace(one(old), one(entries[i]))
		if got := len(c.Touched(unknown)); got != 4 {
			b.Fatalf("%d feeds", got)
		}
	}
}
