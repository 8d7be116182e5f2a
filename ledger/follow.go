package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"tocsin/timeline"
)

// Where several processes share a state, one writes the ledger and the others follow.
// Each transaction that changes the ledger is a turn, and leaves a row that says what
// it changed: who knows the ledger of an earlier turn reads that, and nothing else.

// delta says what a turn changed.
type delta struct {
	// All says that it is too much to be named: everything is read again.
	All     bool             `json:"all,omitempty"`
	First   bool             `json:"first,omitempty"`  // and that it is the first look
	Events  []string         `json:"events,omitempty"` // entry ids
	Moves   []string         `json:"moves,omitempty"`  // old ids
	Feeds   []string         `json:"feeds,omitempty"`  // paths
	Slugs   []timeline.Topic `json:"slugs,omitempty"`
	Renames bool             `json:"renames,omitempty"`
}

const (
	// longDelta is from how many rows on it is no longer to name them than to read
	// everything.
	longDelta = 50_000
	// keptTurns is how far behind a process may be and still follow.
	keptTurns = 1000
)

// turn returns the number of the last turn.
func (s *Store) turn(ctx context.Context, db Querier) (turn int64, err error) {
	var schema int
	if err := db.QueryRowContext(ctx, `SELECT turn, schema FROM tocsin`).Scan(&turn, &schema); err != nil {
		return 0, err
	}
	if schema > len(migrations) {
		return 0, s.newer(schema)
	}
	return turn, nil
}

// writeTurn makes what the transaction writes a turn.
func (l *Ledger) writeTurn(ctx context.Context, tx *sql.Tx) error {
	if !l.shared || !l.Pending() {
		return nil
	}
	d := delta{
		Events: slices.Sorted(maps.Keys(l.changed)), Moves: slices.Sorted(maps.Keys(l.moved)),
		Feeds: slices.Sorted(maps.Keys(l.changedFeeds)), Slugs: slices.Collect(maps.Keys(l.given)), Renames: len(l.renamed) > 0,
	}
	if len(d.Events)+len(d.Moves)+len(d.Feeds)+len(d.Slugs) > longDelta || !l.looked.IsZero() {
		d = delta{All: true, First: !l.looked.IsZero()}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `UPDATE tocsin SET turn = turn + 1 RETURNING turn`).Scan(&l.written); err != nil {
		return err
	}
	if l.written != l.turn+1 {
		return errors.New("another process has changed it meanwhile")
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO turns (turn, delta) VALUES ($1, $2)`, l.written, string(text)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM turns WHERE turn <= $1`, l.written-keptTurns)
	return err
}

// eachTurn calls f for the turns behind one, in their order, of those that are kept.
func eachTurn(ctx context.Context, db Querier, behind int64, f func(turn int64, d delta)) error {
	return Each(ctx, db, `SELECT turn, delta FROM turns WHERE turn > $1 ORDER BY turn`, []any{behind}, func(scan func(...any) error) error {
		var turn int64
		var text string
		if err := scan(&turn, &text); err != nil {
			return err
		}
		var d delta
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			return fmt.Errorf("a turn: %w", err)
		}
		f(turn, d)
		return nil
	})
}

// ages tell in which turn each event became as it is.
type ages struct {
	named map[string]int64 // by entry id
	// Of the others it is known that it was not before least and not behind most.
	least, most int64
}

// readAges reads what the last turns say.
func readAges(ctx context.Context, db Querier) (ages, error) {
	a := ages{named: make(map[string]int64), most: math.MaxInt64}
	before := int64(0)
	err := eachTurn(ctx, db, 0, func(turn int64, d delta) {
		switch {
		case d.First:
			clear(a.named)
			a.least, a.most = turn, turn
		case d.All:
			clear(a.named)
			a.least, a.most = 0, turn
		case before == 0:
			a.most = turn - 1
		case before != turn-1: // something was written that is not known
			a.least, a.most = 0, turn-1
		}
		for _, entry := range d.Events {
			a.named[entry] = turn
		}
		before = turn
	})
	return a, err
}

func (a ages) of(r *timeline.Record) (least, most int64) {
	if turn, ok := a.named[r.ID]; ok {
		return turn, turn
	}
	return a.least, a.most
}

// News is what a ledger has learned of what another process wrote.
type News struct {
	// Told are the events that changed, without what kind of change it was.
	Told []Told
	// Corrections are those that were made.
	Corrections []*Correction
	// Feeds are the paths of those whose validators are others.
	Feeds []string
}

// ErrFar says that a ledger is too far behind to follow: it is to be loaded again.
var ErrFar = errors.New("the ledger is too far behind")

// Follow reads what other processes have written since the ledger was loaded or last
// followed; nil where they have written nothing. Where it fails, the ledger is to be
// loaded again; the error is ErrFar where that is all that is wrong.
func (l *Ledger) Follow(ctx context.Context, s *Store) (news *News, err error) {
	if !l.shared {
		return nil, nil
	}
	// Most often there is nothing, which takes no transaction to see.
	turn, err := s.turn(ctx, s.db)
	if err != nil {
		return nil, s.fault(err)
	}
	if turn == l.turn {
		return nil, nil
	}
	err = s.Snapshot(ctx, func(db Querier) error {
		news, err = l.follow(ctx, s, db)
		return err
	})
	if err != nil {
		l.turn = -1 // it may be half of what it is to be: from here everything is far
	}
	if err != nil && !errors.Is(err, ErrFar) {
		err = s.fault(err)
	}
	return news, err
}

func (l *Ledger) follow(ctx context.Context, s *Store, db Querier) (*News, error) {
	turn, err := s.turn(ctx, db)
	if err != nil {
		return nil, err
	}
	var all delta
	turns := int64(0)
	err = eachTurn(ctx, db, l.turn, func(_ int64, d delta) {
		turns++
		all.All = all.All || d.All
		all.Renames = all.Renames || d.Renames
		all.Events, all.Moves = append(all.Events, d.Events...), append(all.Moves, d.Moves...)
		all.Feeds, all.Slugs = append(all.Feeds, d.Feeds...), append(all.Slugs, d.Slugs...)
	})
	if err != nil {
		return nil, err
	}
	if all.All || turns != turn-l.turn {
		return nil, ErrFar
	}
	for _, list := range []*[]string{&all.Events, &all.Moves, &all.Feeds} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	news := &News{Feeds: all.Feeds}
	before := make(map[string]*timeline.Record, len(all.Events))
	for _, entry := range all.Events {
		before[entry] = l.entries[entry]
	}
	for _, old := range all.Moves {
		delete(l.moves, old)
	}
	for _, topic := range all.Slugs {
		var slug string
		err := db.QueryRowContext(ctx, `SELECT slug FROM slugs WHERE kind = $1 AND key = $2`, topic.Kind, topic.Key).Scan(&slug)
		if err != nil {
			return nil, err
		}
		l.slugs.Take(topic, slug)
	}
	if all.Renames {
		clear(l.renames)
		if err := l.loadRenames(ctx, db); err != nil {
			return nil, err
		}
	}
	if err := l.loadEvents(ctx, db, `entry_id = ANY ($1)`, all.Events); err != nil {
		return nil, err
	}
	corrections := len(l.corrections)
	if err := l.loadPast(ctx, db, `entry_id = ANY ($1)`, all.Events); err != nil {
		return nil, err
	}
	if err := l.loadMoves(ctx, db, `old_id = ANY ($1)`, all.Moves); err != nil {
		return nil, err
	}
	if err := l.loadFeeds(ctx, db, `path = ANY ($1)`, all.Feeds); err != nil {
		return nil, err
	}
	for _, entry := range all.Events {
		was, is := before[entry], l.entries[entry]
		t := Told{Before: was, After: is}
		t.Event = is.Event
		if was != nil && was.Withdrawn.IsZero() {
			t.Change.Before = was.Event
		}
		news.Told = append(news.Told, t)
	}
	news.Corrections = l.corrections[corrections:]
	l.turn = turn
	return news, nil
}
