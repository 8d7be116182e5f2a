package ledger

import (
	"testing"
	"time"

	"tocsin/ledger/ledgertest"
)

func TestFacts(t *testing.T) {
	s := openStore(t, ledgertest.Store(t))
	if f, err := s.Facts(t.Context()); f != (Facts{}) || err != nil {
		t.Errorf("of nothing: %+v, %v", f, err)
	}
	for _, statement := range []string{
		`INSERT INTO events VALUES ('tag:new@example.org,2026:a', 'a', 'r', 1700000000000001, 9900000000000000, NULL, '{}')`,
		`INSERT INTO events VALUES ('tag:example.org,2025:b', 'b', 'r', 1700000000000000, 1700000000000000, NULL, '{}')`,
		`INSERT INTO feeds (path, name, digest, modified, updated) VALUES ('all', '', 'd', 1700000003000000, 9900000000000000), ('a', '', 'd', 1700000002000000, 1)`,
	} {
		if _, err := s.DB().Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	want := Facts{Newest: time.Unix(1700000003, 0).UTC(), Authority: "new@example.org,2026"}
	if f, err := s.Facts(t.Context()); f != want || err != nil {
		t.Errorf("%+v, %v, want %+v", f, err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Facts(t.Context()); err == nil {
		t.Error("a closed store tells facts")
	}
}
