package timeline

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tocsin/bench/generate"
	"tocsin/event"
)

const benchEvents = 2000

// generated returns a folder of generated events and an empty timeline of it.
func generated(b *testing.B) (dir string, empty func() *Timeline) {
	dir = b.TempDir()
	if err := generate.Write(dir, benchEvents); err != nil {
		b.Fatal(err)
	}
	return dir, func() *Timeline {
		return Empty(Options{Dir: dir, Include: []string{"**/*.md"}, Reader: event.NewReader(event.Dialect{}), Settle: time.Second, Now: time.Now})
	}
}

// look is one look at everything, or at some places.
func look(b *testing.B, t *Timeline, paths ...string) Found {
	found, err := t.Look(b.Context(), Where{All: len(paths) == 0, Paths: paths, Sure: true})
	if err != nil {
		b.Fatal(err)
	}
	return found
}

// BenchmarkSnapshot looks at 2,000 files: for the first time, when nothing has changed,
// and at the one that has.
func BenchmarkSnapshot(b *testing.B) {
	dir, empty := generated(b)
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if found := look(b, empty()); found.Read != benchEvents {
				b.Fatalf("read %d", found.Read)
			}
		}
	})
	b.Run("same", func(b *testing.B) {
		t := empty()
		look(b, t)
		b.ReportAllocs()
		for b.Loop() {
			if found := look(b, t); found.Read != 0 {
				b.Fatalf("read %d", found.Read)
			}
		}
	})
	b.Run("edit", func(b *testing.B) {
		t := empty()
		look(b, t)
		e := generate.New(7)
		name := filepath.Join(dir, filepath.FromSlash(e.Path))
		texts := [2][]byte{e.Markdown(), nil}
		e.Title = "Another title"
		texts[1] = e.Markdown()
		b.ReportAllocs()
		for i := 1; b.Loop(); i++ {
			if err := os.WriteFile(name, texts[i%2], 0o644); err != nil {
				b.Fatal(err)
			}
			if found := look(b, t, e.Path); found.Read != 1 {
				b.Fatalf("read %d", found.Read)
			}
		}
	})
}

// BenchmarkCompare finds the one event of 2,000 that differs.
func BenchmarkCompare(b *testing.B) {
	_, empty := generated(b)
	t := empty()
	look(b, t)
	told := make(map[string]*event.Event)
	for e := range t.Events() {
		told[e.ID] = e
	}
	ids := slices.Sorted(maps.Keys(told))
	edited := *told[ids[7]]
	edited.Title = "Before"
	edited.Seal()
	told[ids[7]] = &edited
	b.ReportAllocs()
	for b.Loop() {
		if changes := Compare(ids, t.Event, func(id string) *event.Event { return told[id] }); len(changes) != 1 || changes[0].Kind != Updated {
			b.Fatalf("%d changes", len(changes))
		}
	}
}
