package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/timeline"
)

// Write writes all that Apply and SetFeed entered since Load or the last Write,
// in the caller's transaction. When that has been committed, the caller calls
// Written. Rows go in by their keys, so that many fill one page of the database after
// the other.
func (l *Ledger) Write(ctx context.Context, tx *sql.Tx) error {
	if l.failed != nil {
		return fmt.Errorf("ledger: %w", l.failed)
	}
	// A withdrawn or moved record gives its id free before another takes it.
	rows := slices.SortedFunc(maps.Values(l.changed), func(a, b *timeline.Record) int {
		return cmp.Compare(a.ID, b.ID)
	})
	if l.looked.IsZero() { // before a first look no id is taken
		for some := range slices.Chunk(rows, groupRows) {
			l.o.Progress()
			ids := make([]any, len(some))
			for i, r := range some {
				ids[i] = r.ID
			}
			query := `UPDATE events SET withdrawn = 1 WHERE withdrawn IS NULL AND entry_id IN (` + strings.Join(numbers(len(ids)), ", ") + `)`
			if _, err := tx.ExecContext(ctx, query, ids...); err != nil {
				return fmt.Errorf("ledger: %w", err)
			}
		}
	}
	put := newUpserter(tx, l.shared, "events", "entry_id", "id", "revision", "published", "updated", "withdrawn", "record")
	err := ahead(rows, func(r *timeline.Record) ([]byte, error) { return encode(r.Event) }, func(r *timeline.Record, body []byte) error {
		l.o.Progress()
		var withdrawn any
		if !r.Withdrawn.IsZero() {
			withdrawn = r.Withdrawn.UnixMicro()
		}
		return put.add(ctx, r.ID, r.Event.ID, r.Event.Revision, r.Published.UnixMicro(), r.Updated.UnixMicro(), withdrawn, string(body))
	})
	if err := cmp.Or(err, put.flush(ctx)); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := l.takeMarks(ctx, tx); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := l.writeBriefs(ctx, tx, rows); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	for old, entry := range l.moved {
		query, args := `INSERT INTO moves (old_id, entry_id) VALUES ($1, $2) ON CONFLICT (old_id) DO UPDATE SET entry_id = excluded.entry_id`, []any{old, entry}
		if entry == "" {
			query, args = `DELETE FROM moves WHERE old_id = $1`, []any{old}
		}
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	give := newInserter(tx, l.shared, "slugs", []string{"kind", "key", "slug"})
	topics := slices.SortedFunc(maps.Keys(l.given), func(a, b timeline.Topic) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	for _, t := range topics {
		if err := give.add(ctx, t.Kind, t.Key, l.given[t]); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	if err := give.flush(ctx); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	for _, write := range []func(context.Context, *sql.Tx) error{l.writeMarks, l.writeFeeds, l.writeHistory, l.writeRenames, l.writeSuperseded, l.writeTurn} {
		if err := write(ctx, tx); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	if !l.looked.IsZero() {
		if _, err := tx.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES ($1, $2)`, metaFirstLook, l.looked.UTC().Format(time.RFC3339)); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	return nil
}

// writeBriefs writes the briefs of what is written, with the marks of the files.
func (l *Ledger) writeBriefs(ctx context.Context, tx *sql.Tx, rows []*timeline.Record) error {
	if l.unbrief {
		rows = slices.SortedFunc(maps.Values(l.entries), func(a, b *timeline.Record) int { return cmp.Compare(a.ID, b.ID) })
	}
	put := newUpserter(tx, l.shared, "briefs", "entry_id", "brief", "mark")
	brief := func(r *timeline.Record) ([]byte, error) { return appendBrief(nil, r) }
	err := ahead(rows, brief, func(r *timeline.Record, b []byte) error {
		l.o.Progress()
		var mark []byte
		if l.public[r.Event.ID] == r {
			mark = l.marks[r.Event.ID]
		}
		return put.add(ctx, r.ID, b, mark)
	})
	return cmp.Or(err, put.flush(ctx))
}

// ahead calls use for the rows, one after the other, with what encode makes of them,
// which does that for the next ones meanwhile: the database works on one core.
func ahead(rows []*timeline.Record, encode func(*timeline.Record) ([]byte, error), use func(*timeline.Record, []byte) error) error {
	const together = 256
	var working errgroup.Group
	defer working.Wait()
	begin := func(rows []*timeline.Record) func() ([][]byte, error) {
		all, done := make([][]byte, len(rows)), make(chan error, 1)
		working.Go(func() error {
			var err error
			for i := 0; i < len(rows) && err == nil; i++ {
				all[i], err = encode(rows[i])
			}
			done <- err
			return nil
		})
		return func() ([][]byte, error) { return all, <-done }
	}
	await := begin(rows[:min(together, len(rows))])
	for len(rows) > 0 {
		all, err := await()
		if err != nil {
			return err
		}
		now := rows[:len(all)]
		rows = rows[len(all):]
		await = begin(rows[:min(together, len(rows))])
		for i, r := range now {
			if err := use(r, all[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Ledger) writeFeeds(ctx context.Context, tx *sql.Tx) error {
	put := newUpserter(tx, l.shared, "feeds", "path", "name", "digest", "modified", "updated", "emptied")
	for _, path := range slices.Sorted(maps.Keys(l.changedFeeds)) {
		l.o.Progress()
		v := l.changedFeeds[path]
		var emptied any
		if !v.Emptied.IsZero() {
			emptied = v.Emptied.UnixMicro()
		}
		if err := put.add(ctx, path, v.Name, v.Digest, v.Modified.UnixMicro(), v.Updated.UnixMicro(), emptied); err != nil {
			return err
		}
	}
	return put.flush(ctx)
}

// Pending says that there is something to write.
func (l *Ledger) Pending() bool {
	return len(l.changed)+len(l.moved)+len(l.given)+len(l.changedFeeds)+len(l.past)+len(l.renamed) > 0 || l.unbrief || !l.looked.IsZero()
}

// Written forgets what was written, and gives back the room that it took, which after
// a first look is much.
func (l *Ledger) Written() {
	if l.written != 0 {
		l.turn = l.written
	}
	l.begin()
}
