package main

import (
	"os"
	"path/filepath"
	"testing"

	"tocsin/bench/generate"
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
