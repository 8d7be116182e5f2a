package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tocsin/bench/generate"
	"tocsin/config"
	"tocsin/event"
	"tocsin/feed"
	"tocsin/ledger"
	"tocsin/shelf"
	"tocsin/timeline"
)

// BenchmarkTurn is one turn of the wheel for one edited event, and the feed of its
// first tag made anew, among few events and among many.
func BenchmarkTurn(b *testing.B) {
	for _, n := range []int{2_000, 100_000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			w := generated(b, n)
			edits := 0
			b.ReportAllocs()
			for b.Loop() {
				e := generate.New(edits * 7919 % n)
				edits++
				e.Title = fmt.Sprint("Edit ", edits)
				name := filepath.Join(w.dir, filepath.FromSlash(e.Path))
				if err := os.WriteFile(name, e.Markdown(), 0o644); err != nil {
					b.Fatal(err)
				}
				if again, err := w.turn(b.Context(), timeline.Where{Paths: []string{e.Path}, Sure: true}); again != nil || err != nil {
					b.Fatal(again, err)
				}
				f := w.site.Feed("tags/" + w.ledger.Slug(timeline.Topic{Kind: timeline.Tag, Key: event.Key(e.Tags[0])}))
				if _, err := f.Render(feed.Atom); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// generatedWheel is a wheel that has made its first turn.
type generatedWheel struct {
	*wheel
	dir    string // of the events
	config config.Config
}

// generated returns a wheel of n generated events.
func generated(b testing.TB, n int) generatedWheel {
	dir := filepath.Join(b.TempDir(), "events")
	if err := generate.Write(dir, n); err != nil {
		b.Fatal(err)
	}
	c := config.Default()
	c.Events.Dir = dir
	c.Feeds.Window = 0
	c.Watch.Settle = 0 // no file is too young to be vouched for
	store, err := ledger.Open(b.Context(), filepath.Join(b.TempDir(), "tocsin.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	w := newWheel(&c, store, nil, shelf.New(b.TempDir(), slog.New(slog.DiscardHandler)), newGate(0), time.Now, slog.New(slog.DiscardHandler), nil)
	if err := w.load(b.Context()); err != nil {
		b.Fatal(err)
	}
	if again, err := w.turn(b.Context(), timeline.Where{All: true, Sure: true}); again != nil || err != nil {
		b.Fatal(again, err)
	}
	return generatedWheel{w, dir, c}
}
