package notify

import (
	"testing"
	"time"

	"tocsin/bench/generate"
	"tocsin/event"
	"tocsin/timeline"
)

// BenchmarkPlan plans what twenty sinks are told of the hundred updates of one turn.
func BenchmarkPlan(b *testing.B) {
	r := event.NewReader(event.Dialect{})
	var changes []Noted
	for i := range 100 {
		g := generate.New(i)
		e, err := r.Read(g.Path, g.Markdown())
		if err != nil {
			b.Fatal(err)
		}
		before := *e
		before.Importance--
		before.Seal()
		changes = append(changes, Noted{Change: timeline.Change{Kind: timeline.Updated, Event: e, Before: &before, Fields: before.Diff(e)}})
	}
	var rules []Rule
	for i := range 20 {
		rules = append(rules, Rule{
			Sink: "s", Match: event.NewMatcher(event.Match{MinImportance: i%10 + 1}, event.Dialect{}),
			On: []Kind{New, Updated, Raised, Withdrawn}, Fields: []event.Field{event.Title, event.Importance},
		})
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for b.Loop() {
		if planned := Plan(rules, changes, Site{Title: "Record", URL: "https://example.org"}, at); len(planned) < 100 {
			b.Fatalf("%d messages", len(planned))
		}
	}
}
