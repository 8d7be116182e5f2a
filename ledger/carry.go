package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
)

// carried are the tables of a state in the order in which they can be filled: one that
// refers to another stands behind it. River's are none of them, as the queue is made
// again from the deliveries; nor are the turns, which are those of processes that run.
var carried = []string{"meta", "events", "briefs", "moves", "slugs", "feeds", "history", "renames", "superseded", "deliveries", "delivery_events", "attempts"}

// metaCarried is the key of the table meta that says that a state was carried over and
// that no daemon has had it since.
const metaCarried = "carried"

// ErrInUse says that a state is not to be overwritten.
var ErrInUse = errors.New("there is a state that is in use")

// Carry writes all that the state at one place holds to another, in PostgreSQL: ids,
// dates and what waits to be sent. It can be done again, until a daemon has opened the other: the error
// is then ErrInUse. Both are locked meanwhile, as by [Open]. Where it fails, the other
// is as it was. It returns how many rows it wrote; progress is called behind each.
func Carry(ctx context.Context, from, to string, progress func(done, all int)) (rows int, err error) {
	if _, err := os.Stat(from); err != nil && !IsURL(from) {
		return 0, fmt.Errorf("store: %w", err)
	}
	source, err := Open(ctx, from)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	target, err := openPostgres(ctx, to, carrying)
	if err != nil {
		return 0, err
	}
	defer target.Close()
	return source.carry(ctx, target, progress)
}

func (s *Store) carry(ctx context.Context, to *Store, progress func(done, all int)) (rows int, err error) {
	was, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return 0, s.fault(err)
	}
	defer func() { _ = was.Rollback() }()
	all := 0
	for _, table := range carried {
		var n int
		if err := was.QueryRowContext(ctx, `SELECT count(*) FROM `+table).Scan(&n); err != nil {
			return 0, s.fault(err)
		}
		all += n
	}
	err = to.Write(ctx, func(is *sql.Tx) error {
		if err := to.clear(ctx, is); err != nil {
			return err
		}
		for _, table := range carried {
			err := carryTable(ctx, was, is, table, func() { rows++; progress(rows, all) })
			if err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		// The marks of files are those of a machine.
		if _, err := is.ExecContext(ctx, `DELETE FROM meta WHERE key = $1`, metaReader); err != nil {
			return err
		}
		// Their jobs are made by the daemon, in the queue that it has.
		if _, err := is.ExecContext(ctx, `UPDATE deliveries SET job = NULL`); err != nil {
			return err
		}
		return to.arrive(ctx, is)
	})
	if err != nil {
		return 0, fmt.Errorf("carrying the state over: %w", err)
	}
	return rows, nil
}

// clear empties a state that holds nothing, or what was carried over before.
func (s *Store) clear(ctx context.Context, tx *sql.Tx) error {
	var used bool
	err := tx.QueryRowContext(ctx, `SELECT (EXISTS (SELECT 1 FROM meta WHERE key = $1) OR EXISTS (SELECT 1 FROM deliveries))
		AND NOT EXISTS (SELECT 1 FROM meta WHERE key = $2)`, metaFirstLook, metaCarried).Scan(&used)
	if err != nil {
		return err
	}
	if used {
		return fmt.Errorf("store %s: %w; give another place, or remove it there", s.name, ErrInUse)
	}
	for i := len(carried) - 1; i >= 0; i-- {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+carried[i]); err != nil {
			return err
		}
	}
	return nil
}

// carryTable writes the rows of a table of one state to that of another, which is in
// PostgreSQL; each is called behind each.
func carryTable(ctx context.Context, from, to *sql.Tx, table string, each func()) (err error) {
	rows, err := from.QueryContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range columns {
		places[i] = &values[i]
	}
	put := newInserter(to, true, table, columns)
	defer func() { err = cmp.Or(err, put.flush(ctx)) }()
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		if err := put.add(ctx, values...); err != nil {
			return err
		}
		each()
	}
	return rows.Err()
}

// arrive has what is numbered be counted on from what was carried over, and notes that
// no daemon has had it yet: a state in a file is only carried to where there is none.
func (s *Store) arrive(ctx context.Context, tx *sql.Tx) error {
	if s.postgres == nil {
		return nil // SQLite does so by itself
	}
	if _, err := tx.ExecContext(ctx, putMeta, metaCarried, "yes"); err != nil {
		return err
	}
	// Who has read the empty state reads it again.
	if _, err := tx.ExecContext(ctx, `UPDATE tocsin SET turn = turn + 1`); err != nil {
		return err
	}
	for _, table := range []string{"history", "deliveries"} {
		_, err := tx.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence($1, 'seq'), coalesce(max(seq), 0) + 1, false) FROM `+table, table)
		if err != nil {
			return err
		}
	}
	return nil
}
