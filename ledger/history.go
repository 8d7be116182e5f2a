package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// Correction is a change that readers are told of by an entry of its own: who has
// read an entry is not shown it again.
type Correction struct {
	// EntryID names the entry; minted once and kept.
	EntryID string
	timeline.Past
	// Updated is the time of the entry, like no other's.
	Updated time.Time
	// Event is the event then, of a withdrawn one its last public version; Before
	// is the event until then, nil for a withdrawn one. Both are without a body.
	Event, Before *event.Event
	// Crowd says that its turn had more than Crowd corrections.
	Crowd bool
}

// Crowd is how many corrections of one turn have an entry each. Of more, each
// feed has one entry for those that stand in it.
const Crowd = 10

// keptPast bounds what is kept of the history of one event, beside corrections.
const keptPast = 100

// correctionDelay is how long after its event's a correction's time is: it stands
// before the event in feeds.
const correctionDelay = time.Millisecond

// pastRow is a row of the table history.
type pastRow struct {
	entryID string
	timeline.Past
	correction *Correction // nil for none
}

// past returns what a change adds to an event's history; ok is false where it is
// nothing that happened to what readers know.
func past(t Told, now time.Time) (p timeline.Past, ok bool, err error) {
	p = timeline.Past{At: now, Kind: t.Kind}
	p.Edits, err = t.Edits()
	switch t.Kind {
	case timeline.Updated, timeline.Withdrawn:
		return p, true, err
	case timeline.New:
		return p, t.Before != nil, err
	}
	return p, false, err
}

// remember enters what changes mean for the history of their events, and makes
// the corrections.
func (l *Ledger) remember(told []Told, stamps []time.Time, now time.Time) {
	var corrections []*Correction
	for i := range told {
		t := &told[i]
		p, ok, err := past(*t, now)
		if err != nil {
			l.failed = err
		}
		if !ok {
			continue
		}
		row := pastRow{entryID: t.After.ID, Past: p}
		if l.corrects(t.Change) {
			row.correction = &Correction{Past: p, Event: l.bare(t.Event), Updated: stamps[i].Add(correctionDelay)}
			if t.Kind == timeline.Updated {
				row.correction.Before = l.bare(t.Change.Before)
			}
			corrections = append(corrections, row.correction)
		}
		t.After.History = append(slices.Clip(t.After.History), p)
		t.After.History = t.After.History[max(0, len(t.After.History)-keptPast):]
		l.past = append(l.past, row)
	}
	for _, c := range corrections {
		if c.Updated.After(l.last) {
			l.last = c.Updated
		}
		c.Crowd = len(corrections) > Crowd
		c.EntryID = l.mint("correction/" + c.Updated.Format("20060102T150405.000Z") + "/" + c.Event.ID)
	}
	l.corrections = append(l.corrections, corrections...)
}

// corrects says that a change has a correction entry.
func (l *Ledger) corrects(c timeline.Change) bool {
	switch c.Kind {
	case timeline.Withdrawn:
		return l.o.CorrectWithdrawn
	case timeline.Updated:
		return slices.ContainsFunc(c.Fields, func(f event.Field) bool { return slices.Contains(l.o.Corrections, f) })
	}
	return false
}

// bare is an event without its body.
func (l *Ledger) bare(e *event.Event) *event.Event {
	e, err := e.Full()
	if err != nil {
		l.failed = err
		return &event.Event{}
	}
	b := *e
	b.Body = ""
	b.Seal()
	return l.o.Shelve(&b)
}

// Corrections returns all corrections there ever were, the oldest first.
func (l *Ledger) Corrections() []*Correction { return l.corrections }

// loadHistory reads the history of all events.
func (l *Ledger) loadHistory(ctx context.Context, db Querier) error {
	return l.loadPast(ctx, db, "true")
}

// loadPast reads the history of the events that a condition selects, all of it, and
// those corrections among it that are not known yet.
func (l *Ledger) loadPast(ctx context.Context, db Querier, which string, args ...any) error {
	histories := make(map[string][]timeline.Past)
	err := Each(ctx, db, `SELECT entry_id, at, kind, edits, coalesce(correction, ''), coalesce(updated, 0), coalesce(crowd, 0),
		coalesce(event, ''), coalesce(before, '') FROM history WHERE `+which+` ORDER BY seq`, args, func(scan func(...any) error) error {
		var entryID, edits, correction, is, was string
		var p timeline.Past
		var at, updated int64
		var crowd bool
		if err := scan(&entryID, &at, &p.Kind, &edits, &correction, &updated, &crowd, &is, &was); err != nil {
			return err
		}
		corrupt := func(err error) error {
			return &CorruptError{Cause: fmt.Sprintf("the history of %s: %v", entryID, err)}
		}
		p.At = fromMicro(at)
		if err := json.Unmarshal([]byte(edits), &p.Edits); err != nil {
			return corrupt(err)
		}
		histories[entryID] = append(histories[entryID], p)
		if correction == "" || l.taken[correction] {
			return nil
		}
		c := &Correction{EntryID: correction, Past: p, Updated: fromMicro(updated), Crowd: crowd}
		var err error
		if c.Event, err = l.decode([]byte(is)); err != nil {
			return corrupt(err)
		}
		if was != "" {
			if c.Before, err = l.decode([]byte(was)); err != nil {
				return corrupt(err)
			}
		}
		l.taken[correction] = true
		l.corrections = append(l.corrections, c)
		if c.Updated.After(l.last) {
			l.last = c.Updated
		}
		return nil
	})
	for entryID, h := range histories {
		if r := l.entries[entryID]; r != nil {
			r.History = h[max(0, len(h)-keptPast):]
		}
	}
	return err
}

func (l *Ledger) writeHistory(ctx context.Context, tx *sql.Tx) error {
	if len(l.past) == 0 {
		return nil
	}
	put, err := tx.PrepareContext(ctx, `INSERT INTO history (entry_id, at, kind, edits, correction, updated, crowd, event, before)
		VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN 1 WHEN NOT $7 THEN 0 END, $8, $9)`)
	if err != nil {
		return err
	}
	defer put.Close()
	prune, err := tx.PrepareContext(ctx, `DELETE FROM history WHERE entry_id = $1 AND correction IS NULL AND seq <=
		(SELECT seq FROM history WHERE entry_id = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)`)
	if err != nil {
		return err
	}
	defer prune.Close()
	for _, p := range l.past {
		edits, err := json.Marshal(p.Edits)
		if err != nil {
			return err
		}
		args := []any{p.entryID, p.At.UnixMicro(), p.Kind, string(edits), nil, nil, nil, nil, nil}
		if c := p.correction; c != nil {
			is, err := encode(c.Event)
			if err != nil {
				return err
			}
			args = append(args[:4], c.EntryID, c.Updated.UnixMicro(), c.Crowd, string(is), nil)
			if c.Before != nil {
				was, err := encode(c.Before)
				if err != nil {
					return err
				}
				args[8] = string(was)
			}
		}
		if _, err := put.ExecContext(ctx, args...); err != nil {
			return err
		}
		if r := l.entries[p.entryID]; r != nil && len(r.History) == keptPast {
			if _, err := prune.ExecContext(ctx, p.entryID, keptPast); err != nil {
				return err
			}
		}
	}
	return nil
}
