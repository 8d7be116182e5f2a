package outbox

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"tocsin/ledger"
	"tocsin/notify"
)

// Plan makes deliveries in the caller's transaction: all of them or, where it
// returns an error and the transaction is rolled back, none. They are sent once
// the transaction has committed (at once, if Wake says so), in the order of planned
// where they speak of the same event.
func (o *Outbox) Plan(ctx context.Context, tx *sql.Tx, planned []notify.Planned) ([]notify.Delivery, error) {
	if o.client == nil {
		return nil, errClosed
	}
	if len(planned) == 0 {
		return nil, nil
	}
	var sinks []string
	for _, p := range planned {
		sinks = append(sinks, p.Sink)
	}
	if err := o.store.Lock(ctx, tx, sinks...); err != nil {
		return nil, fmt.Errorf("outbox: planning: %w", err)
	}
	made, first, freed, err := o.insert(ctx, tx, planned)
	if err != nil {
		return nil, fmt.Errorf("outbox: planning: %w", err)
	}
	// Nobody else's rows are among these: deliveries are planned by one process alone.
	if _, err := enqueue(ctx, tx, o.client, o.now(), "d.seq >= $1", first); err != nil {
		return nil, fmt.Errorf("outbox: planning: %w", err)
	}
	for name := range freed {
		if _, err := enqueue(ctx, tx, o.client, o.now(), "d.sink = $1", name); err != nil {
			return nil, fmt.Errorf("outbox: planning: %w", err)
		}
	}
	return made, nil
}

// insert writes the rows and returns the deliveries, the first one's number, and the
// sinks of which something is held no more.
func (o *Outbox) insert(ctx context.Context, tx *sql.Tx, planned []notify.Planned) (_ []notify.Delivery, first int64, freed map[string]bool, err error) {
	row, err := tx.PrepareContext(ctx, `INSERT INTO deliveries (id, sink, type, title, message, state, created, since, held, together, burst)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $10 THEN 1 ELSE 0 END, $11) RETURNING seq`)
	if err != nil {
		return nil, 0, nil, err
	}
	defer func() { err = errors.Join(err, row.Close()) }()
	about, err := tx.PrepareContext(ctx, `INSERT INTO delivery_events (entry_id, delivery) VALUES ($1, $2) ON CONFLICT DO NOTHING`)
	if err != nil {
		return nil, 0, nil, err
	}
	defer func() { err = errors.Join(err, about.Close()) }()

	free, err := tx.PrepareContext(ctx, `UPDATE deliveries SET held = NULL WHERE held IS NOT NULL AND state = 'waiting' AND sink = $1
		AND seq IN (SELECT other.delivery FROM delivery_events mine JOIN delivery_events other ON other.entry_id = mine.entry_id
			WHERE mine.delivery = $2)`)
	if err != nil {
		return nil, 0, nil, err
	}
	defer func() { err = errors.Join(err, free.Close()) }()

	freed = make(map[string]bool)
	now := o.now().UnixMicro()
	made := make([]notify.Delivery, 0, len(planned))
	for _, p := range planned {
		id, err := mint()
		if err != nil {
			return nil, 0, nil, err
		}
		body, err := json.Marshal(p.Message)
		if err != nil {
			return nil, 0, nil, err
		}
		var seq int64
		var held any
		if !p.Held.IsZero() {
			held = p.Held.UnixMicro()
		}
		err = row.QueryRowContext(ctx, id, p.Sink, p.Message.Type, title(p.Message), string(body), Waiting, now, now,
			held, p.Together, p.Burst).Scan(&seq)
		if err != nil {
			return nil, 0, nil, err
		}
		if first == 0 {
			first = seq
		}
		for _, i := range p.Message.Items {
			if _, err := about.ExecContext(ctx, aboutID(i), seq); err != nil {
				return nil, 0, nil, err
			}
		}
		if held == nil {
			// It does not wait for what is held of the same events: that goes first.
			r, err := free.ExecContext(ctx, p.Sink, seq)
			if err != nil {
				return nil, 0, nil, err
			}
			if n, err := r.RowsAffected(); err != nil {
				return nil, 0, nil, err
			} else if n > 0 {
				freed[p.Sink] = true
			}
		}
		made = append(made, notify.Delivery{ID: id, Sink: p.Sink, Message: p.Message})
	}
	return made, first, freed, nil
}

// aboutID names the event of an item among all deliveries.
func aboutID(i notify.Item) string { return cmp.Or(i.Event.FeedID, i.Event.ID) }

// mint makes a delivery's id. The id of a later delivery is greater.
func mint() (string, error) {
	u, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("minting an id: %w", err)
	}
	return "msg_" + strings.ReplaceAll(u.String(), "-", ""), nil
}

// title is what lists and logs call a delivery.
func title(m notify.Message) string {
	if n := len(m.Feeds); n > 0 && len(m.Items) == 0 {
		if n == 1 {
			return m.Feeds[0]
		}
		return fmt.Sprintf("%s, and %d more", m.Feeds[0], n-1)
	}
	switch len(m.Items) {
	case 0:
		return string(m.Type)
	case 1:
		return m.Items[0].Event.Title
	}
	return fmt.Sprintf("%s, and %d more", m.Items[0].Event.Title, len(m.Items)-1)
}

// enqueue makes the jobs of those deliveries (d) of which which is true, that
// wait, have none and whose turn it is, and returns how many.
func enqueue(ctx context.Context, tx *sql.Tx, client *river.Client[*sql.Tx], now time.Time, which string, args ...any) (n int, err error) {
	var jobs []river.InsertManyParams
	err = ledger.Each(ctx, tx, `SELECT d.seq, d.id, d.sink, coalesce(d.next, 0) FROM deliveries d
		WHERE d.state = 'waiting' AND d.job IS NULL AND d.held IS NULL AND (`+which+`) AND NOT `+behind+` ORDER BY d.seq`, args, func(scan func(...any) error) error {
		var seq, next int64
		var id, name string
		if err := scan(&seq, &id, &name, &next); err != nil {
			return err
		}
		opts := &river.InsertOpts{Queue: queueOf(name)}
		if at := time.UnixMicro(next); at.After(now) {
			opts.ScheduledAt = at
		}
		jobs = append(jobs, river.InsertManyParams{Args: task{Delivery: seq, ID: id}, InsertOpts: opts})
		return nil
	})
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	made, err := client.InsertManyTx(ctx, tx, jobs)
	if err != nil {
		return 0, err
	}
	set, err := tx.PrepareContext(ctx, `UPDATE deliveries SET job = $1 WHERE seq = $2`)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	for _, m := range made {
		var t task
		if err := json.Unmarshal(m.Job.EncodedArgs, &t); err != nil {
			return 0, err
		}
		if _, err := set.ExecContext(ctx, m.Job.ID, t.Delivery); err != nil {
			return 0, err
		}
	}
	return len(made), nil
}

// earlier are the deliveries e that a delivery d has to wait for. The CROSS JOINs
// hold SQLite to the order that starts with the few events of d.
const earlier = `FROM delivery_events mine
	CROSS JOIN delivery_events other
	CROSS JOIN deliveries e
	WHERE mine.delivery = d.seq AND other.entry_id = mine.entry_id AND other.delivery < mine.delivery AND e.seq = other.delivery AND e.sink = d.sink AND e.state = 'waiting'`

// behind is true of a delivery d that has to wait for an earlier one.
const behind = `EXISTS (SELECT 1 ` + earlier + `)`

// follow makes the jobs of those whose turn it is now that delivery seq of the
// sink waits no more: at most the next one of each of its events.
func follow(ctx context.Context, tx *sql.Tx, client *river.Client[*sql.Tx], now time.Time, sink string, seq int64) (n int, err error) {
	return enqueue(ctx, tx, client, now, `d.seq IN (
		SELECT min(other.delivery) FROM delivery_events mine
		CROSS JOIN delivery_events other
		CROSS JOIN deliveries e
		WHERE mine.delivery = $1 AND other.entry_id = mine.entry_id AND other.delivery > mine.delivery AND e.seq = other.delivery AND e.sink = $2 AND e.state = 'waiting' GROUP BY mine.entry_id)`, seq, sink)
}
