package ledger

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// Facts are what a state tells of the timeline without being loaded.
type Facts struct {
	// Newest is when the bytes of a feed last changed, by the clock of then; zero: there
	// are none. Times of events may be what their authors wrote.
	Newest time.Time
	// Authority is that of the tag: URI that was minted last; empty where there is
	// none.
	Authority string
}

// Facts reads the facts.
func (s *Store) Facts(ctx context.Context) (Facts, error) {
	var f Facts
	var newest sql.Null[int64]
	if err := s.db.QueryRowContext(ctx, `SELECT max(modified) FROM feeds`).Scan(&newest); err != nil {
		return f, s.engineFault(err)
	}
	if newest.Valid {
		f.Newest = time.UnixMicro(newest.V).UTC()
	}
	var entry string
	err := s.db.QueryRowContext(ctx, `SELECT entry_id FROM events ORDER BY published DESC LIMIT 1`).Scan(&entry)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return f, s.engineFault(err)
	}
	f.Authority, _, _ = strings.Cut(strings.TrimPrefix(entry, "tag:"), ":")
	return f, nil
}
