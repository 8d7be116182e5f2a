package web

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
)

// BenchmarkQuery asks a site of 5,000 events for feeds that are not kept. n is how
// many entries the answer has.
func BenchmarkQuery(b *testing.B) {
	style := &feed.Style{Title: "Record", URL: "https://example.org", Authority: "example.org,2025", Content: feed.Full, MaxEntries: 50}
	site := New(Options{Style: style, Formats: feed.Formats(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	catalog := feed.NewCatalog(style, 1, nil)
	var entries []*feed.Entry
	for i := range 5000 {
		e := &event.Event{
			ID: fmt.Sprint("e", i), Title: "Event", Importance: i%10 + 1, Status: "confirmed", Date: event.Date{Time: at},
			Tags:   []string{fmt.Sprint("a", i%2), fmt.Sprint("b", i%500), fmt.Sprint("c", i), "Some Tag", "other"},
			Actors: []string{fmt.Sprint("Person Number ", i%50), "Everybody Else"},
		}
		e.Seal()
		entries = append(entries, style.NewEntry(feed.Known{ID: "tag:example.org,2025:" + e.ID, Event: e, Published: at, Updated: at.Add(time.Duration(i) * time.Millisecond)},
			func(t timeline.Topic) string { return event.Slug(t.Key) }))
	}
	catalog.Fill(entries, nil)
	site.Update(Update{Events: entries, Feeds: catalog.Touched(func(string) bool { return true })})
	for _, query := range []string{
		"tag=c77&tag=some-tag", "tag=b7&actor=person-number-7", "tag=a1&tag=b6", "tag=a1&min_importance=10",
		"min_importance=10&status=confirmed", "not_tag=a1", "any_tag=b1&any_tag=b2", "tag=some-tag&tag=other&actor=everybody-else",
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(query, func(b *testing.B) {
			n := 0
			for b.Loop() {
				site.queries.Purge()
				f, err := site.query(v)
				if err != nil {
					b.Fatal(err)
				}
				n = f.Total
			}
			b.ReportMetric(float64(n), "n")
		})
	}
}
