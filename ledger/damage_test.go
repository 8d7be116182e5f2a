package ledger

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"tocsin/ledger/ledgertest"
)

// made makes a state with a row in it and returns its path and bytes.
func made(t *testing.T) (path string, data []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tocsin.db")
	s := openStore(t, path)
	for range 100 {
		if _, err := s.DB().Exec(`INSERT INTO deliveries (id, sink, type, title, state, created, since, message)
			VALUES (hex(randomblob(8)), 's', 't', 't', 'failed', 0, 0, hex(randomblob(500)))`); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, data
}

func TestDamaged(t *testing.T) {
	ledgertest.OfFiles(t)
	execute := func(query string) func(*testing.T, string, []byte) []byte {
		return func(t *testing.T, path string, data []byte) []byte {
			t.Helper()
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(query); err != nil {
				t.Fatal(err)
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, path string, data []byte) []byte // nil: done in the file
		cause  string
	}{
		{"emptied", func(*testing.T, string, []byte) []byte { return []byte{} }, "the file is empty"},
		{"text", func(*testing.T, string, []byte) []byte { return []byte("Not a database.\n") }, "no database any more"},
		{"cut off in its head", func(_ *testing.T, _ string, d []byte) []byte { return d[:10] }, "no database any more"},
		{"cut off", func(_ *testing.T, _ string, d []byte) []byte { return d[:len(d)/2] }, "malformed"},
		{"zeros in the middle", func(_ *testing.T, _ string, d []byte) []byte {
			clear(d[len(d)/2 : len(d)/2+8192])
			return d
		}, ""},
		{"noise in the schema", func(_ *testing.T, _ string, d []byte) []byte {
			copy(d[100:], bytes.Repeat([]byte("x"), 1000))
			return d
		}, ""},
		{"a table is missing", execute(`DROP TABLE slugs`), "half-migrated: at version 6 the table slugs is missing"},
		{"an index is missing", execute(`DROP INDEX events_public`), "half-migrated: at version 6 the index events_public is missing"},
		{"a table differs", execute(`ALTER TABLE feeds RENAME COLUMN name TO title`), "half-migrated: at version 6 the table feeds differs"},
		{"tables without a version", execute(`PRAGMA user_version = 0`), "half-migrated: it has tables and no version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, data := made(t)
			if changed := tt.damage(t, path, data); changed != nil {
				if err := os.WriteFile(path, changed, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			damaged, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Open(t.Context(), path)
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || !strings.Contains(corrupt.Cause, tt.cause) || !strings.Contains(err.Error(), "tocsin accept") {
				t.Fatalf("Open: %v", err)
			}
			if !strings.HasPrefix(corrupt.Aside, path+".corrupt-2") {
				t.Errorf("set aside as %q", corrupt.Aside)
			}
			if kept, err := os.ReadFile(corrupt.Aside); err != nil || !bytes.Equal(kept, damaged) {
				t.Errorf("what was set aside is not what was there: %v", err)
			}
			for range 2 {
				if _, err := Open(t.Context(), path); !errors.Is(err, ErrSetAside) || !strings.Contains(err.Error(), corrupt.Aside) {
					t.Fatalf("Open again: %v", err)
				}
			}
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("there is a new state: %v", err)
			}
			s, err := OpenAnew(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := tables(t, openStore(t, path)); got != "" {
				t.Errorf("the new state holds %q", got)
			}
		})
	}
}

// A state whose first start was killed in the middle of its first transaction is made
// again; a database of another program that was is still refused.
func TestKilledAtFirst(t *testing.T) {
	ledgertest.OfFiles(t)
	for what, statement := range map[string]string{
		"": `PRAGMA user_version = 1`, "database of another program": `CREATE TABLE theirs (x)`,
	} {
		made := filepath.Join(t.TempDir(), "made.db")
		db, err := sql.Open("sqlite", made)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		for _, q := range []string{
			statement, `PRAGMA user_version = 0`, `PRAGMA cache_size = 1`, // so that not all waits for the end
			`BEGIN`, `CREATE TABLE long (b)`, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO long SELECT zeroblob(3000) FROM n`,
		} {
			if _, err := db.Exec(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		path := filepath.Join(t.TempDir(), "state.db")
		for _, end := range []string{"", "-journal"} {
			b, err := os.ReadFile(made + end)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+end, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := schemaAt(t.Context(), path, "ro"); err == nil {
			t.Fatal("the transaction was not cut off")
		}
		s, err := Open(t.Context(), path)
		switch {
		case what == "" && err == nil:
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		case what == "" || err == nil || !strings.Contains(err.Error(), what):
			t.Errorf("%q: %v", what, err)
		}
	}
}

// What is not tocsin's is refused and left alone.
func TestForeignFiles(t *testing.T) {
	ledgertest.OfFiles(t)
	foreign := filepath.Join(t.TempDir(), "other.db")
	db, err := sql.Open("sqlite", foreign)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE theirs (x)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(text, []byte("site: {title: A title that is long enough}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{foreign, text} {
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err = Open(t.Context(), path)
			if err == nil || errors.Is(err, ErrSetAside) || !strings.Contains(err.Error(), "give another store") {
				t.Errorf("Open %s: %v", path, err)
			}
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s was touched: %v", path, err)
		}
	}
}

// A record that cannot be read is damage, too, found when the ledger is loaded.
func TestDamagedRecord(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	s := openStore(t, path)
	if _, err := s.DB().Exec(`INSERT INTO events VALUES ('tag:x', 'x', 'r', 0, 0, NULL, '{"id":')`); err != nil {
		t.Fatal(err)
	}
	_, err := Load(t.Context(), s, Options{})
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || !strings.Contains(corrupt.Cause, "tag:x") {
		t.Fatalf("Load: %v", err)
	}
	if err := s.SetAside(corrupt); !errors.As(err, &corrupt) || corrupt.Aside == "" {
		t.Errorf("SetAside: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), path); !errors.Is(err, ErrSetAside) {
		t.Errorf("Open: %v", err)
	}
}

// SQLite says that a state is damaged which only could not be read: it stays.
func TestUnreadableIsNotDamaged(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	malformed := &CorruptError{Path: path, Cause: "database disk image is malformed (11)", bySQLite: true}
	var corrupt *CorruptError
	err = s.SetAside(malformed)
	if errors.As(err, &corrupt) || !strings.Contains(err.Error(), "on a second look nothing is wrong") {
		t.Errorf("read later: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s, err = Open(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Close(); err != nil { // which takes the log away
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/mem", path+"-wal"); err != nil { // reading its begin is an I/O error
		t.Fatal(err)
	}
	err = s.SetAside(malformed)
	if errors.As(err, &corrupt) || !strings.Contains(err.Error(), "it is left as it is: read "+path+"-wal: input/output error") {
		t.Errorf("not read: %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	s.Close()
}

// A state that rested is not read as a whole, unless anything says that it is not as it
// was, or that was long ago.
func TestRest(t *testing.T) {
	ledgertest.OfFiles(t)
	for _, tt := range []struct {
		name string
		read bool
		do   func(t *testing.T, path string)
	}{
		{"as it was", false, func(*testing.T, string) {}},
		{"opened beside", false, func(t *testing.T, path string) {
			s, err := OpenShared(t.Context(), path)
			if err == nil {
				_, err = s.Looked(t.Context())
			}
			if err := errors.Join(err, s.Close()); err != nil {
				t.Fatal(err)
			}
		}},
		{"written", true, func(t *testing.T, path string) {
			if err := os.Chtimes(path, time.Time{}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}},
		{"another file", true, func(t *testing.T, path string) {
			fi, err := os.Stat(path)
			if err == nil {
				err = exec.Command("cp", "-p", path, path+".copy").Run()
			}
			if err == nil {
				err = os.Chtimes(path+".copy", time.Time{}, fi.ModTime())
			}
			if err := errors.Join(err, os.Rename(path+".copy", path)); err != nil {
				t.Fatal(err)
			}
		}},
		{"with a log", true, func(t *testing.T, path string) {
			if err := os.WriteFile(path+"-wal", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"long ago", true, func(t *testing.T, path string) {
			text, err := os.ReadFile(path + ".lock")
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(text), " size ")
			text = fmt.Appendf(nil, "%schecked %d size %s", mark, time.Now().Add(-checkAgain).Unix()-1, rest)
			if err := os.WriteFile(path+".lock", text, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"half of the line", true, func(t *testing.T, path string) {
			if err := os.Truncate(path+".lock", int64(len(mark))+30); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, data := made(t)
			// Something that only reading all of it finds, and that nothing tells of.
			clear(data[len(data)/2 : len(data)/2+8192])
			fi, err := os.Stat(path)
			if err == nil {
				err = os.WriteFile(path, data, 0o600)
			}
			if err := errors.Join(err, os.Chtimes(path, time.Time{}, fi.ModTime())); err != nil {
				t.Fatal(err)
			}
			tt.do(t, path)
			s, err := Open(t.Context(), path)
			if err == nil {
				err = s.Close()
			}
			if corrupt := (*CorruptError)(nil); errors.As(err, &corrupt) != tt.read || !tt.read && err != nil {
				t.Errorf("it was to be read as a whole: %v; Open: %v", tt.read, err)
			}
		})
	}
}

// A state that is found damaged is read as a whole the next time.
func TestNoRest(t *testing.T) {
	ledgertest.OfFiles(t)
	path, _ := made(t)
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.fault(&CorruptError{Cause: "a row says nothing"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = ofFile(path)
	s.lock = flock.New(path + ".lock")
	if err := s.rests(); err != nil || s.checked.Load() != 0 {
		t.Errorf("it rests: %d, %v", s.checked.Load(), err)
	}
}
