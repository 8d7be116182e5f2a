package ledger

import (
	"database/sql"
	"testing"
	"time"

	"tocsin/bench/generate"
	"tocsin/event"
	"tocsin/ledger/ledgertest"
	"tocsin/timeline"
)

// BenchmarkFirstRun enters 10,000 events that nobody knew before, in one transaction.
func BenchmarkFirstRun(b *testing.B) {
	const events = 10_000
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	reader := event.NewReader(event.Dialect{})
	var changes []timeline.Change
	for i := range events {
		g := generate.New(i)
		e, err := reader.Read(g.Path, g.Markdown())
		if err != nil {
			b.Fatal(err)
		}
		changes = append(changes, timeline.Change{Kind: timeline.New, Event: e})
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s, err := Open(b.Context(), ledgertest.Store(b))
		if err != nil {
			b.Fatal(err)
		}
		l, err := Load(b.Context(), s, Options{Authority: "example.org,2026"})
		if err != nil {
			b.Fatal(err)
		}
		l.Apply(changes, now)
		b.StartTimer()
		if err := s.Write(b.Context(), func(tx *sql.Tx) error { return l.Write(b.Context(), tx) }); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
