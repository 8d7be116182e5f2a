package ledger

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tocsin/ledger/ledgertest"
)

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// tables writes the whole state but for what SQLite keeps for itself.
func tables(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	for _, query := range []string{
		`SELECT key || value FROM meta ORDER BY 1`,
		`SELECT entry_id || ' ' || id || ' ' || revision || ' ' || published || ' ' || updated || ' ' || coalesce(withdrawn, 0) || ' ' || record FROM events ORDER BY 1`,
		`SELECT old_id || ' ' || entry_id FROM moves ORDER BY 1`,
		`SELECT kind || ' ' || key || ' ' || slug FROM slugs ORDER BY 1`,
		`SELECT path || ' ' || name || ' ' || digest || ' ' || modified || ' ' || updated FROM feeds ORDER BY 1`,
	} {
		err := Each(t.Context(), s.DB(), query, nil, func(scan func(...any) error) error {
			var row string
			err := scan(&row)
			b.WriteString(row + "\n")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestOpenTwice(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "state", "deep", "tocsin.db")
	s := openStore(t, path)
	if s.Path() != path {
		t.Errorf("path: %s", s.Path())
	}
	_, err := Open(t.Context(), path)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second Open: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	openStore(t, path)
}

func TestOpenCannot(t *testing.T) {
	ledgertest.OfFiles(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database ", 500)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "tocsin.db"), dir} {
		if _, err := Open(t.Context(), path); err == nil || !strings.HasPrefix(err.Error(), "store") {
			t.Errorf("Open of %s: %v", path, err)
		}
	}
	// A failed Open gives the lock back.
	if err := os.Truncate(file, 0); err != nil {
		t.Fatal(err)
	}
	openStore(t, file)
}

func TestOpenPaths(t *testing.T) {
	ledgertest.OfFiles(t)
	t.Chdir(t.TempDir())
	for _, path := range []string{"plain.db", "sub/rel.db", "with space.db", "a?b=c#d%20e.db", "ümlaut&x.db", filepath.Join(t.TempDir(), "a?b#c %41.db")} {
		s := openStore(t, path)
		if err := s.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO meta VALUES ('k', 'v')`)
			return err
		}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if fi, err := os.Stat(path); err != nil || fi.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
		// The pragmas of the address took effect.
		var mode string
		var foreign int
		err := errors.Join(s.DB().QueryRow(`PRAGMA journal_mode`).Scan(&mode), s.DB().QueryRow(`PRAGMA foreign_keys`).Scan(&foreign))
		if mode != "wal" || foreign != 1 || err != nil {
			t.Errorf("%s: journal %s, foreign keys %d, %v", path, mode, foreign, err)
		}
	}
}

// The first transaction of a new state goes without a log, so that nothing is written
// twice, all others with one; cut off in its middle it leaves an empty state.
func TestFirstWrite(t *testing.T) {
	ledgertest.OfFiles(t)
	dir := t.TempDir()
	path, cut := filepath.Join(dir, "state.db"), filepath.Join(dir, "cut.db")
	s := openStore(t, path)
	rows := func(s *Store) (n int) {
		if err := s.DB().QueryRow(`SELECT count(*) FROM meta WHERE key LIKE 'many %'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const many = 2000
	enter := func(tx *sql.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO meta SELECT 'many ' || i, hex(zeroblob(1000)) FROM n`, many)
		return err
	}
	failed := errors.New("failed")
	err := s.Write(t.Context(), func(tx *sql.Tx) error {
		if err := enter(tx); err != nil {
			return err
		}
		for _, end := range []string{"", "-journal"} {
			b, err := os.ReadFile(path + end)
			if err != nil {
				return err
			}
			if err := os.WriteFile(cut+end, b, 0o600); err != nil {
				return err
			}
		}
		return failed
	})
	if !errors.Is(err, failed) || rows(s) != 0 {
		t.Errorf("a transaction that fails: %v, %d rows", err, rows(s))
	}
	if fi, err := os.Stat(cut); err != nil || fi.Size() < many*1000 {
		t.Errorf("in its middle nothing was written: %v, %v", fi, err)
	}
	if s := openStore(t, cut); rows(s) != 0 || s.Write(t.Context(), enter) != nil || rows(s) != many {
		t.Errorf("cut off: %d rows", rows(s))
	}
	for range 2 {
		if err := s.Write(t.Context(), enter); err != nil {
			t.Fatal(err)
		}
		if n := rows(s); n != many {
			t.Errorf("%d rows", n)
		}
		if _, err := os.Stat(path + "-wal"); err != nil {
			t.Errorf("no log behind the first transaction: %v", err)
		}
		if _, err := s.DB().Exec(`DELETE FROM meta`); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMigrate(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, path)
	if v, err := s.version(t.Context()); v != len(migrations) || err != nil {
		t.Errorf("an empty file: version %d, %v", v, err)
	}
	if got := tables(t, s); got != "" {
		t.Errorf("an empty file holds %q", got)
	}
	if _, err := s.DB().Exec(`INSERT INTO meta VALUES ('k', 'v')`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := tables(t, openStore(t, path)); got != "kv\n" {
		t.Errorf("opened again it holds %q", got)
	}
}

func TestNewerSchema(t *testing.T) {
	ledgertest.OfFiles(t)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	s := openStore(t, path)
	if _, err := s.DB().Exec(`PRAGMA user_version = 1000`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path); !errors.Is(err, ErrNewer) {
		t.Errorf("Open: %v", err)
	}
	if _, err := OpenShared(t.Context(), path); err == nil || !strings.Contains(err.Error(), "1000") {
		t.Errorf("OpenShared: %v", err)
	}
}

func TestOpenShared(t *testing.T) {
	ledgertest.OfFiles(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "tocsin.db")
	if _, err := OpenShared(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a state: %v", err)
	}
	if left, err := os.ReadDir(dir); len(left) != 0 || err != nil {
		t.Errorf("it left %v, %v", left, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenShared(t.Context(), path); err == nil {
		t.Error("OpenShared took an empty file for a state")
	}
	openStore(t, path)
	shared, err := OpenShared(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	// It sees what the daemon writes, and writes itself.
	if _, err := shared.DB().Exec(`INSERT INTO meta VALUES ('k', 'v')`); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := shared.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := Open(t.Context(), path); !errors.Is(err, ErrLocked) {
		t.Errorf("closing the shared store gave the daemon's lock away: %v", err)
	}
}

func TestWriteRollsBack(t *testing.T) {
	s := openStore(t, ledgertest.Store(t))
	no := errors.New("no")
	err := s.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta VALUES ('k', 'v')`)
		return errors.Join(err, no)
	})
	if !errors.Is(err, no) {
		t.Errorf("Write: %v", err)
	}
	if got := tables(t, s); got != "" {
		t.Errorf("the state holds %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = s.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta VALUES ('k', 'v')`)
		cancel()
		return err
	})
	if err == nil || tables(t, s) != "" {
		t.Errorf("a cancelled Write: %v, the state holds %q", err, tables(t, s))
	}
}

func TestCopy(t *testing.T) {
	ledgertest.OfFiles(t)
	dir := t.TempDir()
	s := openStore(t, filepath.Join(dir, "tocsin.db"))
	if _, err := s.DB().Exec(`INSERT INTO meta VALUES ('k', 'v')`); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "it's a copy.db")
	if err := s.Copy(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if got := tables(t, openStore(t, to)); got != "kv\n" {
		t.Errorf("the copy holds %q", got)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, there := range []string{to, empty} {
		if err := s.Copy(t.Context(), there); err == nil || !strings.Contains(err.Error(), "exists") {
			t.Errorf("Copy over %s: %v", there, err)
		}
	}
}

// What root makes in the folder of another user belongs to that user, who runs the
// daemon.
func TestRootsStateIsItsFoldersOwners(t *testing.T) {
	ledgertest.OfFiles(t)
	if os.Geteuid() != 0 {
		t.Skip("not root, who alone can make files for others")
	}
	dir := t.TempDir()
	const user, group = 54321, 54322
	if err := os.Chown(dir, user, group); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), filepath.Join(dir, "tocsin.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(t.Context(), func(*sql.Tx) error { return nil }); err != nil { // from now on it has a log
		t.Fatal(err)
	}
	if _, err := s.DB().ExecContext(t.Context(), "CREATE TABLE something (n)"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%q, %v: not the state, its lock and its log", files, err)
	}
	for _, name := range files {
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if owner := fi.Sys().(*syscall.Stat_t); owner.Uid != user || owner.Gid != group {
			t.Errorf("%s belongs to %d:%d", filepath.Base(name), owner.Uid, owner.Gid)
		}
	}
}
