package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/ledger/ledgertest"
)

// oldState makes a state as the tocsin of a schema wrote it, with something in every
// table that there was.
func oldState(t *testing.T, path string, version int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	statements := append([]string{}, migrations[:version]...)
	statements = append(statements,
		fmt.Sprintf(`PRAGMA user_version = %d`, version),
		`INSERT INTO meta VALUES ('first_look', '2025-01-02T03:04:05Z')`,
		`INSERT INTO events VALUES
			('tag:example.org,2025:a', 'a', 'r1', 1700000000000000, 1700000001000000, NULL, '{"id":"a","title":"A","date":"2020-01-01T00:00:00Z","importance":9,"tags":["Courts"]}'),
			('tag:example.org,2025:b', 'b', 'r2', 1700000000000000, 1700000000000000, 1700000009000000, '{"id":"b","title":"B","date":"2020-01-02T00:00:00Z"}')`,
		`INSERT INTO moves VALUES ('was-a', 'tag:example.org,2025:a')`,
		`INSERT INTO slugs VALUES ('tags', 'courts', 'courts')`,
		`INSERT INTO feeds (path, name, digest, modified, updated) VALUES ('tags/courts', 'Courts', 'd1', 1700000001000000, 1700000001000000)`,
		`INSERT INTO deliveries (id, sink, type, title, state, created, since, job, message) VALUES ('msg_1', 'hook', 'event.new', 'A', 'waiting', 1700000000000000, 1700000000000000, 1, '{}')`,
		`INSERT INTO delivery_events VALUES (1, 'tag:example.org,2025:a')`,
		`INSERT INTO attempts VALUES (1, 1, 1700000000000000, 5, 503, 'busy', 'status 503')`,
	)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// The table of events had no rowids once: such a state is whole, and does as well.
func TestEventsWithoutRowids(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	now := "record    TEXT NOT NULL\n) STRICT"
	if strings.Count(schema1, now+";") != 1 {
		t.Fatalf("%q is not how the table of events ends", now)
	}
	for _, m := range append([]string{strings.Replace(schema1, now, now+withoutRowids, 1)}, migrations[1:]...) {
		if _, err := db.Exec(m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, len(migrations))); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, store: openStore(t, path), now: moment("2026-01-01T10:00:00Z")}
	r.l = r.load()
	r.turn(an("a", "A"), an("b", "B"))
	r.turn(an("a", "A2"))
	if got, want := state(r.load()), state(r.l); got != want {
		t.Errorf("read back\n%s\nof\n%s", got, want)
	}
}

// TestUpgrade opens states of every schema that there was.
func TestUpgrade(t *testing.T) {
	ledgertest.OfFiles(t)
	for from := 1; from < len(migrations); from++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "tocsin.db")
		oldState(t, path, from)
		kept := filepath.Join(dir, fmt.Sprintf("tocsin.db.schema-%d", from))
		for _, older := range []string{"tocsin.db.schema-0", filepath.Base(kept), "tocsin.dbx.schema-1"} {
			if err := os.WriteFile(filepath.Join(dir, older), []byte("an older one"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := openStore(t, path)
		if s.Kept() != kept {
			t.Errorf("from %d: it kept %q, want %q", from, s.Kept(), kept)
		}
		if v, err := s.version(t.Context()); v != len(migrations) || err != nil {
			t.Errorf("from %d: version %d, %v", from, v, err)
		}
		is, err := schema(t.Context(), s.DB())
		want, wantErr := schemaOf(t.Context(), len(migrations))
		if err != nil || wantErr != nil || !maps.Equal(is, want) {
			t.Errorf("from %d: another schema than that of a new state: %v %v", from, err, wantErr)
		}
		l, err := Load(t.Context(), s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if l.First() || l.Len() != 1 {
			t.Errorf("from %d: first look %t, %d events", from, l.First(), l.Len())
		}
		a := l.Told("a")
		if a == nil || a.Title != "A" || a.Importance != 9 {
			t.Errorf("from %d: a is %+v", from, a)
		}
		if f := l.Feed("tags/courts"); f.Digest != "d1" || !f.Modified.Equal(time.UnixMicro(1700000001000000)) || !f.Emptied.IsZero() {
			t.Errorf("from %d: the feed is %+v", from, f)
		}
		var id string
		if err := s.DB().QueryRow(`SELECT id FROM deliveries WHERE state = 'waiting' AND held IS NULL`).Scan(&id); id != "msg_1" || err != nil {
			t.Errorf("from %d: delivery %q, %v", from, id, err)
		}
		now := tables(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		only(t, dir, "tocsin.db", "tocsin.db.lock", filepath.Base(kept), "tocsin.dbx.schema-1")

		// Another start changes nothing; the copy is the state as it was.
		again := openStore(t, path)
		if got := tables(t, again); got != now || again.Kept() != "" {
			t.Errorf("from %d: the next start kept %q and holds\n%s", from, again.Kept(), got)
		}
		if fi, err := os.Stat(kept); err != nil || fi.Mode() != 0o600 {
			t.Errorf("from %d: the copy: %v, %v", from, fi, err)
		}
		original := filepath.Join(t.TempDir(), "original.db")
		oldState(t, original, from)
		if got, want := dump(t, kept), dump(t, original); got != want {
			t.Errorf("from %d: the copy holds\n%s\nand not\n%s", from, got, want)
		}
	}
}

// dump writes schema, version and rows of a database.
func dump(t *testing.T, path string) string {
	t.Helper()
	db, err := openReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var version int
	if err := db.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintln("version", version)
	is, err := schema(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	all += fmt.Sprintln(is)
	for name := range is {
		table, ok := strings.CutPrefix(name, "table ")
		if !ok {
			continue
		}
		var rows int
		if err := db.QueryRow(`SELECT count(*) FROM ` + table).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		is[name] = fmt.Sprint(rows)
	}
	return all + fmt.Sprintln(is)
}

// TestUpgradeFails has the disk full in the middle of a migration: the state is as it
// was, for the tocsin that wrote it.
func TestUpgradeFails(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	oldState(t, path, 1)
	before := dump(t, path)
	all := migrations
	defer func() { migrations = all }()
	migrations = append(append([]string{}, all...), `
		CREATE TABLE large (b BLOB);
		PRAGMA max_page_count = 1;
		INSERT INTO large VALUES (zeroblob(1000000));`)
	_, err := Open(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), "left as it was") {
		t.Errorf("Open: %v", err)
	}
	if got := dump(t, path); got != before {
		t.Errorf("a migration that failed left\n%s\nof\n%s", got, before)
	}
	migrations = all[:1]
	old := openStore(t, path) // the tocsin before
	put(t, old, "went on")
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	// Once there is room, it is done, and the copy is of the state as it was last.
	migrations = all
	s := openStore(t, path)
	if s.Kept() == "" || !strings.Contains(tables(t, s), "went on") {
		t.Errorf("kept %q, the state holds\n%s", s.Kept(), tables(t, s))
	}
	if _, err := s.DB().Exec(`DELETE FROM meta`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// Going back: the tocsin before says what to do, and goes on with the copy.
	migrations = all[:1]
	_, err = Open(t.Context(), path)
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "put back "+path+".schema-1") {
		t.Errorf("the tocsin before: %v", err)
	}
	if err := os.Rename(path+".schema-1", path); err != nil {
		t.Fatal(err)
	}
	if got := tables(t, openStore(t, path)); !strings.Contains(got, "went on") {
		t.Errorf("the copy holds\n%s", got)
	}
}

// TestUpgradeWithoutCopy has no copy made: then nothing is migrated.
func TestUpgradeWithoutCopy(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	oldState(t, path, 1)
	before := dump(t, path)
	if err := os.MkdirAll(filepath.Join(path+".schema-1", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), "the state before cannot be kept") {
		t.Errorf("Open: %v", err)
	}
	only(t, filepath.Dir(path), "tocsin.db", "tocsin.db.lock", "tocsin.db.schema-1")
	if got := dump(t, path); got != before {
		t.Errorf("without a copy the state became\n%s", got)
	}
}
