package ledger

import (
	"database/sql"
	"maps"
	"testing"

	"tocsin/event"
	"tocsin/ledger/ledgertest"
	"tocsin/timeline"
)

func TestMarks(t *testing.T) {
	s := openStore(t, ledgertest.Store(t))
	by := func(reader string) *Ledger {
		t.Helper()
		o := rules
		o.Reader, o.Shelve = reader, func(e *event.Event) *event.Event { return e }
		l, err := Load(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	type marks = map[string]timeline.Mark
	// note enters changes, and what a reader knows of the files.
	note := func(reader string, m marks, changes ...timeline.Change) {
		t.Helper()
		l := by(reader)
		l.Apply(changes, moment("2025-02-01"))
		l.Mark(m)
		if err := s.Write(t.Context(), func(tx *sql.Tx) error { return l.Write(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		l.Written()
	}
	has := func(reader string, want map[string]string) {
		t.Helper()
		l, got := by(reader), make(map[string]string)
		for e, m := range l.Marks() {
			if got[e.ID] = string(m); l.Told(e.ID) != e {
				t.Errorf("%s is not as the world knows it", e.ID)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s left %v, want %v", reader, got, want)
		}
		for e := range l.Marks() {
			t.Errorf("%s has a mark twice", e.ID)
		}
	}
	fresh := func(id, title string) timeline.Change {
		return timeline.Change{Kind: timeline.New, Event: an(id, title)}
	}
	updated := func(id, was, is string) timeline.Change {
		c := timeline.Change{Kind: timeline.Updated, Event: an(id, is), Before: an(id, was)}
		c.Fields = c.Before.Diff(c.Event)
		return c
	}
	kept := func(reader string) {
		t.Helper()
		l := by(reader)
		l.Marks() // by one who knows better
		if l.read != nil {
			t.Errorf("%d marks that nobody can ask for are kept", len(l.read))
		}
	}
	has("one", nil)
	note("one", marks{"a": []byte("1"), "b": []byte("2\x00")}, fresh("a", "A"), fresh("b", "B"), fresh("c", "C"), fresh("d", "D"))
	note("one", nil)
	has("one", map[string]string{"a": "1", "b": "2\x00"})
	kept("one")
	note("one", marks{"a": []byte("3"), "c": nil, "d": []byte("4"), "nowhere": []byte("5")})
	has("one", map[string]string{"a": "3", "b": "2\x00", "d": "4"})
	// What is told anew has the mark that comes with it, or none.
	note("one", marks{"a": []byte("6")}, updated("a", "A", "A2"), updated("b", "B", "B2"))
	has("one", map[string]string{"a": "6", "d": "4"})
	note("one", marks{"d": nil})
	has("one", map[string]string{"a": "6"})
	note("one", nil, timeline.Change{Kind: timeline.Withdrawn, Event: an("a", "A2"), Before: an("a", "A2")})
	has("one", nil)
	note("one", marks{"c": []byte("7")})
	has("another", nil)
	note("another", marks{"d": []byte("8")})
	has("one", nil)
	has("another", map[string]string{"d": "8"})
}
