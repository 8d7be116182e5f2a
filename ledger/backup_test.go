package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/ledger/ledgertest"
)

func put(t *testing.T, s *Store, key string) {
	t.Helper()
	if _, err := s.DB().Exec(`INSERT INTO meta VALUES (?, 'v')`, key); err != nil {
		t.Fatal(err)
	}
}

// only checks that a folder holds these files and nothing else.
func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func TestBackup(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	s := openStore(t, path)
	put(t, s, "one")
	dir := t.TempDir()
	to := filepath.Join(dir, "it's a copy?.db")
	// Beside one who is writing: what is not committed is not in it.
	tx, err := s.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`INSERT INTO meta VALUES ('two', 'v')`); err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), path, to); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	only(t, dir, "it's a copy?.db")
	if fi, err := os.Stat(to); err != nil || fi.Mode() != 0o600 {
		t.Errorf("the copy: %v, %v", fi.Mode(), err)
	}
	if err := Backup(t.Context(), path, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second one: %v", err)
	}
	if got := tables(t, openStore(t, to)); got != "onev\n" {
		t.Errorf("the copy holds %q", got)
	}
	// Without a daemon, and of another schema.
	if _, err := s.DB().Exec(`PRAGMA user_version = 1000`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(dir, "again.db")
	if err := Backup(t.Context(), path, again); err != nil {
		t.Fatal(err)
	}
	only(t, filepath.Dir(path), "tocsin.db", "tocsin.db.lock")
	if _, err := Open(t.Context(), again); !errors.Is(err, ErrNewer) {
		t.Errorf("the copy of a newer state: %v", err)
	}
}

// TestBackupRace has another take the name while the copy is made.
func TestBackupRace(t *testing.T) {
	ledgertest.OfFiles(t)
	s := openStore(t, filepath.Join(t.TempDir(), "tocsin.db"))
	dir := t.TempDir()
	to := filepath.Join(dir, "copy.db")
	err := s.copyWhole(t.Context(), to, func(copied string) error {
		if err := os.WriteFile(to, []byte("another's"), 0o600); err != nil {
			t.Error(err)
		}
		return linkOrRename(copied, to)
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("the copy: %v", err)
	}
	if text, err := os.ReadFile(to); string(text) != "another's" || err != nil {
		t.Errorf("the other's file holds %q, %v", text, err)
	}
	only(t, dir, "copy.db")
}

func TestBackupCannot(t *testing.T) {
	ledgertest.OfFiles(t)
	dir := t.TempDir()
	to := filepath.Join(dir, "copy.db")
	path := filepath.Join(t.TempDir(), "tocsin.db")
	if err := Backup(t.Context(), path, to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), path, to); err == nil || !strings.Contains(err.Error(), "no state yet") {
		t.Errorf("of an empty file: %v", err)
	}
	other, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "other.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Exec(`CREATE TABLE songs (name TEXT)`); err != nil {
		t.Fatal(err)
	}
	var file string
	if err := other.QueryRow(`SELECT file FROM pragma_database_list`).Scan(&file); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), file, to); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("of another program's database: %v", err)
	}
	if after, err := os.ReadFile(file); string(after) != string(before) || err != nil {
		t.Errorf("another program's database was changed, %v", err)
	}

	// A damaged state is not passed off as a backup.
	s := openStore(t, path)
	for i := range 2000 {
		put(t, s, fmt.Sprint("key ", i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := len(whole) / 4; at < len(whole)/2; at++ {
		whole[at] = 0x55
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), path, to); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("of a damaged state: %v", err)
	}
	only(t, dir)
}

// TestCheckCopy has an index that lacks what its table has, which SQLite copies as it
// is.
func TestCheckCopy(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	s := openStore(t, path)
	if err := checkCopy(t.Context(), path); err != nil {
		t.Error(err)
	}
	for _, statement := range []string{
		`INSERT INTO events VALUES ('e', 'a', 'r', 1, 1, NULL, '{}')`,
		`PRAGMA writable_schema = 1`,
		`UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'deliveries_state') WHERE name = 'events_public'`,
	} {
		if _, err := s.DB().Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkCopy(t.Context(), path); err == nil {
		t.Error("an index that lacks a row is taken for whole")
	}
}
