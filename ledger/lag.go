package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"maps"
	"time"

	"tocsin/event"
)

// pastState is what an event was at one time.
type pastState struct{ id, revision string }

func stateOf(e *event.Event) pastState { return pastState{e.ID, e.Revision} }

// keptStates is for how long it is known that a state was left for another. A checkout
// that is behind by more is not known to be.
const keptStates = 30 * 24 * time.Hour

// writeSuperseded notes the states that the changes left for others.
func (l *Ledger) writeSuperseded(ctx context.Context, tx *sql.Tx) error {
	if len(l.superseded) == 0 {
		return nil
	}
	put, err := tx.PrepareContext(ctx, `INSERT INTO superseded (id, revision, at) VALUES ($1, $2, $3)
		ON CONFLICT (id, revision) DO UPDATE SET at = excluded.at`)
	if err != nil {
		return err
	}
	defer put.Close()
	for _, s := range l.superseded {
		if _, err := put.ExecContext(ctx, s.id, s.revision, l.now.UnixMicro()); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM superseded WHERE at < $1`, l.now.Add(-keptStates).UnixMicro())
	return err
}

// Superseded reports whether the world was told of an event as it is in e, and since
// then of another state of it.
func (s *Store) Superseded(ctx context.Context, e *event.Event) (bool, error) {
	var is bool
	err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM superseded WHERE id = $1 AND revision = $2)`, e.ID, e.Revision).Scan(&is)
	if err != nil {
		return false, s.fault(err)
	}
	return is, nil
}

// Lag tells what a process sees in its checkout of the folder, and the world has been
// told already that it is no more, from edits. It is used by one goroutine.
//
// The checkouts of several processes are brought up to date at different times. So a
// difference between the folder and the ledger is one of two: the folder is ahead, which
// is an edit, or it lags. It lags where
//
//   - the folder has not been, since the ledger has its present state of the event, as
//     that state says: what was there and went was edited; and
//   - what the folder has instead is a state that the ledger has left for another, or
//     nothing at all.
//
// Of a process that has just begun nobody knows where its folder has been. It has been
// wherever it is or was later: where it has what the ledger came to in one turn, what
// differs since an earlier turn is an edit. Not so what differs since the same turn, which
// may have held several steps of the folder.
//
// It no longer lags where it has stayed as it is for so long (patience), while the process
// leads, that it is meant: somebody has taken an edit back before this checkout had it, or has removed the file.
//
// The limits of that: a checkout that nobody brings up to date, patience after its process
// has come to lead, takes the others' edits back. An edit that puts
// a file back as it was is told later by patience where its process never saw the file in
// between, or has just begun and its folder has nothing that is newer. A folder that is
// brought up to date file by file, with pauses longer than watch.settle, may have what is
// new and lag with the rest when its process begins. What was left for another longer ago than 30 days is
// taken for an edit, and so is all that is left where a version of tocsin computes
// revisions in another way.
type Lag struct {
	patience time.Duration
	// since is when what the folder has of an event that lags, or may, became as it is.
	since map[string]lagging
}

type lagging struct {
	since time.Time
	seen  string // the revision that the folder has; empty: it has none
}

// NewLag returns one that knows of no lag.
func NewLag(patience time.Duration) *Lag {
	return &Lag{patience: patience, since: make(map[string]lagging)}
}

// Len returns how many events may lag.
func (g *Lag) Len() int { return len(g.since) }

// All returns the ids of the events that may lag.
func (g *Lag) All() iter.Seq[string] { return maps.Keys(g.since) }

// Lead says that this process leads from now on: what its folder has until then counts
// as seen now, however long it has been so.
func (g *Lag) Lead(now time.Time) {
	for id, l := range g.since {
		g.since[id] = lagging{now, l.seen}
	}
}

// None says that the folder is what the ledger was made from: nothing lags.
func (g *Lag) None() { clear(g.since) }

func revisionOf(e *event.Event) string {
	if e == nil {
		return ""
	}
	return e.Revision
}

// Compare compares the whole folder, which has all these events by their ids, some nil,
// with a ledger that was not followed.
func (g *Lag) Compare(ctx context.Context, s *Store, l *Ledger, all iter.Seq2[string, *event.Event], seen func(id string) *event.Event, now time.Time) error {
	ages, err := readAges(ctx, s.db)
	if err != nil {
		return s.fault(err)
	}
	reached := int64(0) // by the folder
	for id, r := range l.public {
		e := seen(id)
		if least, _ := ages.of(r); least > reached && e != nil && e.Path == r.Event.Path && e.Revision == r.Event.Revision {
			again, err := s.Superseded(ctx, e)
			if err != nil {
				return err
			}
			if !again { // else it may be there since before
				reached = least
			}
		}
	}
	compare := func(id string) {
		r := l.public[id]
		if of := l.withdrawn[id]; r == nil && len(of) > 0 {
			r = of[len(of)-1]
		}
		if r != nil {
			if _, most := ages.of(r); most >= reached {
				g.Followed(id, seen(id), l.Told(id), now)
				return
			}
		}
		delete(g.since, id)
	}
	for id := range all {
		compare(id)
	}
	for id := range l.public {
		compare(id)
	}
	return nil
}

// Followed says that the ledger has another state of an event: the folder may be behind.
// Seen is the event as the folder has it and told as the ledger
// has it; nil: it has none.
func (g *Lag) Followed(id string, seen, told *event.Event, now time.Time) {
	if revisionOf(seen) == revisionOf(told) {
		delete(g.since, id)
		return
	}
	if l, ok := g.since[id]; !ok || l.seen != revisionOf(seen) {
		g.since[id] = lagging{now, revisionOf(seen)}
	}
}

// Looked says that the folder may have another state of an event.
func (g *Lag) Looked(id string, seen, told *event.Event, now time.Time) {
	if _, ok := g.since[id]; ok {
		g.Followed(id, seen, told, now)
	}
}

// Lags reports whether what the folder has of an event is lag. What is found to be an
// edit is one from then on.
func (g *Lag) Lags(ctx context.Context, s *Store, id string, seen, told *event.Event, now time.Time) (bool, error) {
	l, ok := g.since[id]
	switch {
	case !ok:
		return false, nil
	case revisionOf(seen) == revisionOf(told):
		delete(g.since, id)
		return false, nil
	case l.seen != revisionOf(seen): // it was not looked at
		l = lagging{now, revisionOf(seen)}
		g.since[id] = l
	}
	if now.Sub(l.since) >= g.patience {
		delete(g.since, id)
		return false, nil
	}
	if seen == nil {
		return true, nil
	}
	old, err := s.Superseded(ctx, seen)
	if err != nil {
		return false, fmt.Errorf("ledger: %w", err)
	}
	if !old {
		delete(g.since, id)
	}
	return old, nil
}

// Due returns when the first of those that lag is no longer taken to; zero where none
// lags.
func (g *Lag) Due() (at time.Time) {
	for _, l := range g.since {
		if due := l.since.Add(g.patience); at.IsZero() || due.Before(at) {
			at = due
		}
	}
	return at
}
