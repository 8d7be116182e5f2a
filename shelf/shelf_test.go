package shelf

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"tocsin/event"
)

func written(i int) *event.Event {
	e := &event.Event{
		ID: fmt.Sprint(i), Title: fmt.Sprint("Event ", i), Body: strings.Repeat(fmt.Sprint(i, " "), i%997),
		Sources: []event.Source{{Title: fmt.Sprint("Source ", i), URL: "https://example.org/"}},
	}
	e.Seal()
	return e
}

// What is put is read back, by many at once, from the files and from what is not
// in them yet, and the folder stays empty.
func TestPut(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, slog.New(slog.DiscardHandler))
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			var kept []*event.Event
			for i := range 500 {
				kept = append(kept, s.Put(written(part*1000+i)))
				for _, j := range []int{i, i / 2, 0} {
					e, err := kept[j].Full()
					if err != nil || !kept[j].IsLight() || !reflect.DeepEqual(e, written(part*1000+j)) {
						t.Errorf("%d: %+v, %v", j, e, err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	l := s.Put(written(7))
	if s.Put(l) != l {
		t.Error("a light event is put again")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("in the folder: %v, %v", left, err)
	}
}

// Several files follow one another.
func TestFiles(t *testing.T) {
	s := New(t.TempDir(), slog.New(slog.DiscardHandler))
	first := s.Put(written(5))
	began := s.end
	big := &event.Event{ID: "big", Title: "Big", Body: strings.Repeat("x", maxFile)}
	big.Seal()
	last := s.Put(big)
	next := s.Put(written(6))
	if s.end == began {
		t.Error("one file has all")
	}
	for _, e := range []*event.Event{first, last, next} {
		if full, err := e.Full(); err != nil || full.Revision != e.Revision || full.Body == "" {
			t.Errorf("%s: %v", e.ID, err)
		}
	}
}

// Without room for it a text stays in memory, and that is said once.
func TestNoRoom(t *testing.T) {
	var said bytes.Buffer
	dir := filepath.Join(t.TempDir(), "none")
	s := New(dir, slog.New(slog.NewTextHandler(&said, nil)))
	for i := range 3 {
		if e := s.Put(written(i)); e.IsLight() {
			t.Error("a text is on a shelf that is not there")
		}
	}
	if strings.Count(said.String(), "\n") != 1 {
		t.Errorf("said: %s", &said)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	e := s.Put(written(1))
	if !e.IsLight() {
		t.Error("a shelf that is back takes nothing")
	}
	if err := s.end.f.Close(); err != nil { // the disk fails
		t.Fatal(err)
	}
	for i := range 2 * maxBuffer / 100 {
		s.Put(written(i))
	}
	if e := s.Put(written(3)); !e.IsLight() {
		t.Error("no file follows one that failed")
	}
}
