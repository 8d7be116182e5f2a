package ledger

import (
	"database/sql"
	"maps"
	"testing"

	"tocsin/ledger/ledgertest"
)

func TestMarks(t *testing.T) {
	s := openStore(t, ledgertest.Store(t))
	note := func(reader string, marks map[string][]byte) {
		t.Helper()
		if err := s.Write(t.Context(), func(tx *sql.Tx) error { return NoteMarks(t.Context(), tx, reader, marks) }); err != nil {
			t.Fatal(err)
		}
	}
	has := func(reader string, want map[string]string) {
		t.Helper()
		got := make(map[string]string)
		if err := s.EachMark(t.Context(), reader, func(path string, mark []byte) { got[path] = string(mark) }); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s left %v, want %v", reader, got, want)
		}
	}
	has("one", nil)
	note("one", map[string][]byte{"a.md": []byte("1"), "b.md": []byte("2\x00")})
	note("one", map[string][]byte{"a.md": []byte("3"), "c.md": nil, "d.md": []byte("4")})
	note("one", map[string][]byte{"d.md": nil, "no text \xff.md": []byte("6")})
	has("one", map[string]string{"a.md": "3", "b.md": "2\x00"})
	has("another", nil)
	note("another", map[string][]byte{"e.md": []byte("5")})
	has("one", nil)
	has("another", map[string]string{"e.md": "5"})
}
