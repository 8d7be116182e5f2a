package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Marks of files are a cache: what an earlier process knew of the files of the public
// events, so that the next one need not read those again that are as they were. reader
// names all that decides how a file is read; marks of another reader are none.

// EachMark calls f with the path and the mark of each file that a reader has left.
func (s *Store) EachMark(ctx context.Context, reader string, f func(path string, mark []byte)) error {
	last, err := s.meta(ctx, metaReader)
	if err != nil || last != reader {
		return err
	}
	err = Each(ctx, s.db, `SELECT path, mark FROM files`, nil, func(scan func(...any) error) error {
		var path string
		var mark []byte
		err := scan(&path, &mark)
		if err == nil {
			f(path, mark)
		}
		return err
	})
	if err != nil {
		return s.fault(err)
	}
	return nil
}

// NoteMarks keeps marks by the paths of their files, in the caller's transaction; nil
// forgets one. Those of another reader are forgotten.
func NoteMarks[M ~[]byte](ctx context.Context, tx *sql.Tx, reader string, marks map[string]M) error {
	var last string
	err := tx.QueryRowContext(ctx, `SELECT coalesce((SELECT value FROM meta WHERE key = $1), '')`, metaReader).Scan(&last)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if last != reader {
		if _, err := tx.ExecContext(ctx, `DELETE FROM files`); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		if _, err := tx.ExecContext(ctx, putMeta, metaReader, reader); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	put, err := tx.PrepareContext(ctx, `INSERT INTO files (path, mark) VALUES ($1, $2) ON CONFLICT (path) DO UPDATE SET mark = excluded.mark`)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer put.Close()
	forget, err := tx.PrepareContext(ctx, `DELETE FROM files WHERE path = $1`)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	defer forget.Close()
	for _, path := range slices.Sorted(maps.Keys(marks)) {
		mark := marks[path]
		if !utf8.ValidString(path) {
			continue // it is no text to PostgreSQL; the file is read at each start
		}
		if mark == nil {
			_, err = forget.ExecContext(ctx, path)
		} else {
			_, err = put.ExecContext(ctx, path, []byte(mark))
		}
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	return nil
}
