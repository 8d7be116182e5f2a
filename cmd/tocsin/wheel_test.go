package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/bench/generate"
	"tocsin/shelf"
	"tocsin/timeline"
)

// Half of a checkout that began during a look is not told.
func TestCheckoutDuringLook(t *testing.T) {
	w := generated(t, 3)
	lock := filepath.Join(w.dir, ".git", "index.lock")
	write := func(i int, title string) string {
		e := generate.New(i)
		e.Title = title
		if err := os.WriteFile(filepath.Join(w.dir, filepath.FromSlash(e.Path)), e.Markdown(), 0o644); err != nil {
			t.Fatal(err)
		}
		return e.Path
	}
	if err := os.Mkdir(filepath.Dir(lock), 0o755); err != nil {
		t.Fatal(err)
	}
	one := write(0, "One")
	w.progress = func(int, int) {
		w.progress = func(int, int) {}
		if err := os.WriteFile(lock, nil, 0o644); err != nil {
			t.Error(err)
		}
		write(1, "Two")
	}
	titles := func() map[string]bool {
		all := make(map[string]bool)
		for r := range w.ledger.Public() {
			all[r.Event.Title] = true
		}
		return all
	}
	where := timeline.Where{All: true, Sure: true}
	again, err := w.turn(t.Context(), where)
	if again == nil || err != nil || titles()["One"] {
		t.Fatalf("during the checkout: to be looked at again %q, %v, told %v", again, err, titles())
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	again, err = w.turn(t.Context(), where)
	if again != nil || err != nil || !titles()["One"] || !titles()["Two"] {
		t.Errorf("after it: to be looked at again %q, %v, told %v; %s was changed first", again, err, titles(), one)
	}
}

// A restart reads the files that changed meanwhile, and no others; one that reads
// them in another way reads all.
func TestRestartReadsWhatChanged(t *testing.T) {
	w := generated(t, 50)
	restart := func(reader string) (read int64) {
		t.Helper()
		next := newWheel(&w.config, w.store, nil, shelf.New(t.TempDir(), slog.New(slog.DiscardHandler)), newGate(0), time.Now, slog.New(slog.DiscardHandler), nil)
		if reader != "" {
			next.dates.Reader = reader
		}
		var files atomic.Int64
		next.progress = func(int, int) { files.Add(1) }
		if err := next.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again, err := next.turn(t.Context(), timeline.Where{All: true, Sure: true}); again != nil || err != nil {
			t.Fatal(again, err)
		}
		if n := next.catalog.Len(); n != 50 {
			t.Errorf("%d events", n)
		}
		return files.Load()
	}
	if n := restart(""); n != 0 {
		t.Errorf("%d files were read, and none has changed", n)
	}
	e := generate.New(7)
	e.Title = "Another title"
	if err := os.WriteFile(filepath.Join(w.dir, filepath.FromSlash(e.Path)), e.Markdown(), 0o644); err != nil {
		t.Fatal(err)
	}
	if n := restart(""); n != 1 {
		t.Errorf("%d files were read, and one has changed", n)
	}
	if n := restart("another"); n != 50 {
		t.Errorf("%d files were read in another way", n)
	}
}

// A file that a start misses and that comes back broken keeps its event.
func TestMissedThenBroken(t *testing.T) {
	w := generated(t, 3)
	next := newWheel(&w.config, w.store, nil, shelf.New(t.TempDir(), slog.New(slog.DiscardHandler)), newGate(0), time.Now, slog.New(slog.DiscardHandler), nil)
	e := generate.New(1)
	file := filepath.Join(w.dir, filepath.FromSlash(e.Path))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := next.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := []string{"."}
	for next.missed == nil { // the looks find it gone, and what is public has to be gone twice
		var err error
		if again, err = next.turn(t.Context(), timeline.Where{Paths: again}); again == nil || err != nil {
			t.Fatalf("missing once: %q, %v", again, err)
		}
	}
	if err := os.WriteFile(file, []byte("---\ntitle: [\n---\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again, err := next.turn(t.Context(), timeline.Where{Paths: again}); again != nil || err != nil {
		t.Fatalf("it is back: %q, %v", again, err)
	}
	if n := next.catalog.Len(); n != 3 || len(next.timeline.Faults()) != 1 {
		t.Errorf("%d events, faults %v", n, next.timeline.Faults())
	}
}
