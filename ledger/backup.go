package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the state at path to the new file to, also while
// a daemon runs on it, of whatever schema it is. What is at to afterwards is whole, on
// the disk and readable by its owner alone; where something fails, or is killed,
// there is nothing. The error is fs.ErrNotExist where there is no state, and
// fs.ErrExist where there is something at to.
func Backup(ctx context.Context, path, to string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := ofFile(path).peek(ctx); err != nil {
		return err
	}
	s, err := openBeside(ctx, path)
	if err != nil {
		return err
	}
	defer s.Close()
	switch v, err := s.version(ctx); {
	case err != nil:
		return err
	case v == 0:
		return fmt.Errorf("store %s: the file holds no state yet", path)
	}
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "backup", Path: to, Err: fs.ErrExist}
	}
	return s.copyWhole(ctx, to, func(copied string) error { return linkOrRename(copied, to) })
}

// linkOrRename gives a file a name that nothing has. A link fails where there is
// something; a rename would replace it.
func linkOrRename(file, name string) error {
	if err := os.Link(file, name); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(file, name) // on a file system without links
}

// Before the schema is brought forward a copy of the state is made beside it, so that
// an operator can go back to the version of tocsin that wrote it. It is called after
// its schema, and kept until the next time.

const keptMark = ".schema-"

func (s *Store) keptAs(version int) string { return fmt.Sprint(s.path, keptMark, version) }

// migrate brings the schema forward, in one transaction: where it fails, the state is
// as it was, for the tocsin that wrote it.
func (s *Store) migrate(ctx context.Context) error {
	from, err := s.version(ctx)
	if err != nil || from == len(migrations) {
		return err
	}
	if from > 0 { // there is something to keep
		kept := s.keptAs(from)
		err := s.copyWhole(ctx, kept, func(copied string) error { return os.Rename(copied, kept) })
		if err != nil {
			return fmt.Errorf("store %s: the schema is not brought from %d to %d, as the state before cannot be kept: %w; make room, or go on with the tocsin before",
				s.path, from, len(migrations), err)
		}
		s.kept = kept
	}
	err = s.Write(ctx, func(tx *sql.Tx) error {
		for _, step := range migrations[from:] {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
		return err
	})
	if err != nil {
		return fmt.Errorf("bringing the schema from %d to %d, which is left as it was: %w", from, len(migrations), err)
	}
	if s.kept == "" {
		s.fresh.Store(true)
		return nil
	}
	all, err := besides(s.path, keptMark)
	for _, path := range all {
		if path != s.kept {
			err = errors.Join(err, os.Remove(path))
		}
	}
	if err != nil {
		return fmt.Errorf("store %s: an older copy cannot be removed: %w", s.path, err)
	}
	return nil
}

// newer says what to do about a state of a newer tocsin.
func (s *Store) newer(v int) error {
	err := fmt.Errorf("store %s: schema %d, this tocsin knows %d: %w", s.name, v, len(migrations), ErrNewer)
	if s.postgres != nil {
		return err
	}
	kept := s.keptAs(len(migrations))
	if _, missing := os.Stat(kept); missing == nil {
		err = fmt.Errorf("%w, or put back %s, which was kept before the upgrade", err, kept)
	}
	return err
}

// copyWhole writes a copy beside to that is whole and on the disk, and has put give it
// its name.
func (s *Store) copyWhole(ctx context.Context, to string, put func(copied string) error) error {
	folder := filepath.Dir(to)
	dir, err := os.MkdirTemp(folder, "."+filepath.Base(to)+".*")
	if err != nil {
		return fmt.Errorf("copy of the store: %w", err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "copy")
	if err := s.Copy(ctx, copied); err != nil {
		return ofFile(copied).explain(s.fault(err))
	}
	if err := checkCopy(ctx, copied); err != nil {
		return fmt.Errorf("copy of the store: %w", err)
	}
	// SQLite leaves a copy of this kind to the system's leisure.
	if err := errors.Join(os.Chmod(copied, 0o600), syncFile(copied)); err != nil {
		return fmt.Errorf("copy of the store: %w", err)
	}
	if err := put(copied); err != nil {
		return fmt.Errorf("copy of the store: %w", err)
	}
	if err := syncFile(folder); err != nil {
		return fmt.Errorf("copy of the store: %w", err)
	}
	return nil
}

// checkCopy reads a copy as a whole, and compares its indexes with its tables.
func checkCopy(ctx context.Context, path string) error {
	db, err := openReadOnly(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var found string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return &CorruptError{Path: path, Cause: found}
	}
	return nil
}

// syncFile waits until a file or folder is on the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
