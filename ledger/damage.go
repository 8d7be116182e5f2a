package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// CorruptError says that a state is damaged or half-migrated: what it says of the
// past cannot be relied on.
type CorruptError struct {
	// Path is the state file's, Cause what is wrong with it.
	Path, Cause string
	// Aside is where the file was put; empty where it could not be, or was not.
	Aside string

	// bySQLite says that SQLite found it, which says the same of a disk that cannot
	// be read.
	bySQLite bool
}

// Error implements error.
func (e *CorruptError) Error() string {
	s := fmt.Sprintf("store %s: the state is damaged: %s", e.Path, e.Cause)
	if e.Aside == "" {
		return s
	}
	return s + "; it was set aside as " + e.Aside + "; " + wayOut(e.Path)
}

// ErrSetAside says that there is no state because a damaged one was set aside:
// none is begun anew before an operator says so.
var ErrSetAside = errors.New("the state was found damaged and set aside")

// wayOut says what to do about a state that was set aside.
func wayOut(path string) string {
	return fmt.Sprintf("put a backup at %s, or begin anew with: tocsin accept", path)
}

// fault describes an error of the database; a *CorruptError where it is one of
// those that only a damaged file gives.
func (s *Store) fault(err error) error {
	var corrupt *CorruptError
	var fault *sqlite.Error
	switch {
	case errors.As(err, &corrupt):
		s.checked.Store(0)
		e := *corrupt
		e.Path = s.name
		return &e
	case errors.As(err, &fault) && (fault.Code()&0xff == sqlite3.SQLITE_CORRUPT || fault.Code()&0xff == sqlite3.SQLITE_NOTADB):
		s.checked.Store(0)
		return &CorruptError{Path: s.path, Cause: fault.Error(), bySQLite: true}
	}
	return s.engineFault(err)
}

// SetAside closes the store and renames its files to names that say what they
// are, beside the old ones. It returns the error that it was called for, with the
// new name. What is set aside stays until an operator takes it away. A state that
// only cannot be read, or could not be just now, stays where it is.
func (s *Store) SetAside(why *CorruptError) error {
	e := &CorruptError{Path: s.name, Cause: why.Cause}
	if s.postgres != nil {
		return fmt.Errorf("%w; restore it from a dump (pg_restore --clean)", e)
	}
	_ = s.closeTexts()
	if s.db != nil {
		_ = s.db.Close() // of a damaged file it may fail
	}
	if why.bySQLite {
		if err := s.doubt(); err != nil {
			return fmt.Errorf("store %s: %s; it is left as it is: %w", s.path, why.Cause, err)
		}
	}
	aside := s.path + asideMark + time.Now().UTC().Format("20060102T150405.000Z")
	if err := os.Rename(s.path, aside); err != nil {
		return fmt.Errorf("%w; it cannot be set aside: %w", e, err)
	}
	e.Aside = aside
	for _, path := range s.files()[1:] {
		if err := os.Rename(path, aside+strings.TrimPrefix(path, s.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w; %w", e, err)
		}
	}
	return e
}

// doubt returns why what SQLite found is no damage of the file.
func (s *Store) doubt() error {
	for _, path := range s.files() {
		f, err := os.Open(path)
		if err == nil {
			_, err = io.Copy(io.Discard, io.NewSectionReader(f, 0, math.MaxInt64)) // as SQLite reads
			err = errors.Join(err, f.Close())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	again := ofFile(s.path)
	defer again.Close()
	ctx := context.Background()
	if again.connect(ctx) == nil && again.check(ctx) == nil {
		return errors.New("on a second look nothing is wrong with it; start again")
	}
	return nil
}

// asideMark stands in the names of states that were set aside.
const asideMark = ".corrupt-"

// besides returns the files beside a state whose names have a mark behind its own, in
// the order of these.
func besides(path, mark string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		name := e.Name()
		ends := func(end string) bool { return strings.HasSuffix(name, end) }
		if strings.HasPrefix(name, filepath.Base(path)+mark) && !slices.ContainsFunc(besideState, ends) {
			all = append(all, filepath.Join(filepath.Dir(path), name))
		}
	}
	return all, nil
}

// magic begins every SQLite database (https://www.sqlite.org/fileformat.html, 1.2).
const magic = "SQLite format 3\x00"

// look looks at the file before it is opened: an absent or empty one is to be
// made, unless there was a state. One that cannot be written is of no use, and
// SQLite would say so late.
func (s *Store) look(ctx context.Context, anew bool) error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if anew {
			return nil
		}
		aside, err := besides(s.path, asideMark) // the last one last
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if len(aside) > 0 {
			return fmt.Errorf("store %s: %w as %s; %s", s.path, ErrSetAside, aside[len(aside)-1], wayOut(s.path))
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer f.Close()
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	switch {
	case string(head[:n]) == magic && !s.ours():
		return s.peek(ctx)
	case string(head[:n]) == magic, n == 0 && errors.Is(err, io.EOF) && !s.ours():
		return nil
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("store: %w", err)
	case n == 0:
		return &CorruptError{Path: s.path, Cause: "the file is empty"}
	case s.ours():
		return &CorruptError{Path: s.path, Cause: "the file is no database any more"}
	}
	return fmt.Errorf("store %s: the file is not a state of tocsin; give another store", s.path)
}

// peek looks into a database of which nothing says yet that it is a state, and
// changes nothing of it: but for what any program does that opens one whose last
// transaction was cut off, which is taken back from its journal. A state may be such,
// where its first start was killed.
func (s *Store) peek(ctx context.Context) error {
	is, err := schemaAt(ctx, s.path, "ro")
	if fault := (*sqlite.Error)(nil); errors.As(err, &fault) && fault.Code() == sqlite3.SQLITE_READONLY_ROLLBACK {
		is, err = schemaAt(ctx, s.path, "rw")
	}
	if err != nil {
		return s.fault(err)
	}
	if len(is) > 0 && !isState(is) {
		return fmt.Errorf("store %s: the file is a database of another program; give another store", s.path)
	}
	return nil
}

// schemaAt returns the schema of a database that is opened in a mode of SQLite.
func schemaAt(ctx context.Context, path, mode string) (map[string]string, error) {
	db, err := openIn(mode, path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return schema(ctx, db)
}

// isState says of a schema that it is one of tocsin.
func isState(schema map[string]string) bool { return schema["table deliveries"] != "" }

// openReadOnly opens a database and changes nothing of it.
func openReadOnly(path string) (*sql.DB, error) { return openIn("ro", path) }

func openIn(mode, path string) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_pragma": {"busy_timeout(10000)", "cache_size(-1000)"}}
	return sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String())
}

// The lock's file tells a damaged state from a file that was never one: it says
// so from the moment on when the state was whole for the first time.
const mark = "the file beside this one is a state of tocsin\n"

func (s *Store) ours() bool {
	text, err := os.ReadFile(s.lock.Path())
	return err == nil && strings.HasPrefix(string(text), mark)
}

func (s *Store) own() error {
	if s.ours() {
		return nil
	}
	if err := os.WriteFile(s.lock.Path(), []byte(mark), 0o640); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// A state is read as a whole when it is opened, unless it is as it was when it was closed
// and that was not long ago. The lock's file says so behind the mark.

// checkAgain is how long a state that nobody changes is not read as a whole.
const checkAgain = 7 * 24 * time.Hour

// rested says of a state that is closed which file it is, and when it was last read as a
// whole. Where it cannot, the state is read again. The file's time is a second back, so
// that nobody changes it in the same tick of the clock.
func (s *Store) rested() {
	checked := s.checked.Swap(0)
	if !s.lock.Locked() {
		return // it was closed before
	}
	if checked == 0 || s.unfinished() {
		if s.ours() {
			_ = os.Truncate(s.lock.Path(), int64(len(mark)))
		}
		return // something is wrong with it, or somebody has it open
	}
	if err := os.Chtimes(s.path, time.Time{}, time.Now().Add(-time.Second)); err != nil {
		return
	}
	fi, err := os.Stat(s.path)
	if err != nil {
		return
	}
	f, err := os.OpenFile(s.lock.Path(), os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	text := rest(checked, fi)
	if _, err := f.WriteAt([]byte(text), int64(len(mark))); err == nil {
		_ = f.Truncate(int64(len(mark) + len(text))) // else it is no rest
	}
}

// rest is what rested writes of a file.
func rest(checked int64, fi fs.FileInfo) string {
	sys, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("checked %d size %d time %d inode %d device %d\n", checked, fi.Size(), fi.ModTime().UnixNano(), sys.Ino, sys.Dev)
}

// unfinished says that a log or a journal lies beside the file: what is in it is not all.
func (s *Store) unfinished() bool {
	for _, end := range []string{"-wal", "-journal"} {
		if _, err := os.Lstat(s.path + end); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// rests finds out whether the file that is to be opened is one that rested.
func (s *Store) rests() error {
	text, err := os.ReadFile(s.lock.Path())
	fi, missing := os.Stat(s.path)
	if err != nil || missing != nil || s.unfinished() {
		return nil
	}
	text, _ = bytes.CutPrefix(text, []byte(mark))
	var checked int64
	if _, err := fmt.Sscanf(string(text), "checked %d ", &checked); err != nil || rest(checked, fi) != string(text) {
		return nil
	}
	if age := time.Since(time.Unix(checked, 0)); age >= 0 && age < checkAgain {
		s.checked.Store(checked)
	}
	return nil
}

// examine reads the whole database, where it has to, and compares its schema with what its version
// is to have.
func (s *Store) examine(ctx context.Context) error {
	v, err := s.version(ctx)
	if err != nil {
		return err
	}
	if v > len(migrations) {
		return s.newer(v)
	}
	is, err := schema(ctx, s.db)
	if err != nil {
		return s.fault(err)
	}
	if v == 0 && len(is) == 0 {
		s.checked.Store(time.Now().Unix()) // there is nothing in it
		return nil
	}
	if s.checked.Load() == 0 {
		if err := s.check(ctx); err != nil {
			return err
		}
		s.checked.Store(time.Now().Unix())
	}
	want, err := schemaOf(ctx, v)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if is[name] == want[name] || name == "table events" && is[name] == want[name]+withoutRowids {
			continue
		}
		what := "differs from what it was made as"
		if is[name] == "" {
			what = "is missing"
		}
		return s.fault(&CorruptError{Cause: fmt.Sprintf("half-migrated: at version %d the %s %s", v, name, what)})
	}
	if v == 0 {
		return s.fault(&CorruptError{Cause: "half-migrated: it has tables and no version"})
	}
	return nil
}

// withoutRowids ends the table of events in states of before (schema1).
const withoutRowids = ", WITHOUT ROWID"

// check has SQLite read the whole database.
func (s *Store) check(ctx context.Context) error {
	var found string
	if err := s.db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return s.fault(err)
	}
	if found != "ok" {
		return &CorruptError{Path: s.path, Cause: strings.ReplaceAll(found, "\n", " "), bySQLite: true}
	}
	return nil
}

// schema returns the statements that made a database's tables and indexes, by
// kind and name, without the indexes that come with a table.
func schema(ctx context.Context, db *sql.DB) (map[string]string, error) {
	all := make(map[string]string)
	err := Each(ctx, db, `SELECT type || ' ' || name, sql FROM sqlite_schema WHERE sql IS NOT NULL`, nil, func(scan func(...any) error) error {
		var name, text string
		err := scan(&name, &text)
		all[name] = text
		return err
	})
	return all, err
}

// schemaOf returns the schema that the first v migrations make.
func schemaOf(ctx context.Context, v int) (map[string]string, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection would have a memory of its own
	for _, m := range migrations[:v] {
		if _, err := db.ExecContext(ctx, m); err != nil {
			return nil, err
		}
	}
	return schema(ctx, db)
}
