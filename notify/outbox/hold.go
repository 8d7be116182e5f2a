package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"tocsin/ledger"
	"tocsin/notify"
)

// A delivery that is held for a digest or for quiet hours waits without a job until
// its time has come. Then all that is held for its sink goes out: as one message,
// under the id of the first, where it is a digest or more than a burst; else one by
// one. Nothing of it is in memory: what came due while tocsin did not run goes out
// when it does.

// holdEvery is how often the clock is asked whether what is held is due: more often
// than people would notice, and cheap.
const holdEvery = time.Second

// release sends on what is held no longer, until ctx ends.
func (o *Outbox) release(ctx context.Context) {
	t := time.NewTicker(o.holdEvery)
	defer t.Stop()
	var said time.Time
	for {
		err := o.releaseDue(ctx)
		if err == nil {
			err = o.probeDown(ctx)
		}
		if err == nil {
			err = o.attend(ctx)
		}
		if err != nil && ctx.Err() == nil && time.Since(said) >= sayAgain {
			said = time.Now()
			o.log.ErrorContext(ctx, "what is due cannot be sent on; it is tried until it can", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (o *Outbox) releaseDue(ctx context.Context) error {
	now := o.now().UnixMicro()
	var sinks []string
	err := ledger.Each(ctx, o.store.DB(), `SELECT DISTINCT sink FROM deliveries WHERE held <= $1 AND state = 'waiting'`, []any{now}, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		sinks = append(sinks, name)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range sinks {
		err := o.write(ctx, name, func(tx *sql.Tx) error { return o.releaseSink(ctx, tx, name, now) })
		if err != nil {
			return fmt.Errorf("sink %s: %w", name, err)
		}
	}
	return nil
}

// releaseSink sends on what is held for a sink and due at now.
func (o *Outbox) releaseSink(ctx context.Context, tx *sql.Tx, name string, now int64) error {
	type due struct {
		seq      int64
		together bool
		burst    int
		message  notify.Message
	}
	var all []due
	together := false
	var items []notify.Item
	err := ledger.Each(ctx, tx, `SELECT seq, coalesce(together, 0), coalesce(burst, 0), message FROM deliveries
		WHERE held <= $1 AND state = 'waiting' AND sink = $2 ORDER BY seq`, []any{now, name}, func(scan func(...any) error) error {
		var d due
		var body []byte
		if err := scan(&d.seq, &d.together, &d.burst, &body); err != nil {
			return err
		}
		if json.Unmarshal(body, &d.message) == nil { // one that cannot be read fails by itself when it is tried
			items = append(items, d.message.Items...)
			all = append(all, d)
			together = together || d.together
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(all) > 1 {
		last := all[len(all)-1]
		together = together || last.burst > 0 && len(all) > last.burst
	}
	if together && len(all) > 1 {
		first, message := all[0], all[len(all)-1].message
		message.Items = notify.Together(items)
		switch len(message.Items) {
		case 0:
			// All that happened was undone; there is nothing to tell.
		case 1:
			message.Type = message.Items[0].Change.Kind.Type()
		default:
			message.Type = notify.TypeBatch
		}
		for _, d := range all[1:] {
			_, err := tx.ExecContext(ctx, `INSERT INTO delivery_events (entry_id, delivery)
				SELECT entry_id, $1 FROM delivery_events WHERE delivery = $2 ON CONFLICT DO NOTHING`, first.seq, d.seq)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM deliveries WHERE seq = $1`, d.seq); err != nil {
				return err
			}
		}
		if len(message.Items) == 0 {
			if _, err := tx.ExecContext(ctx, `DELETE FROM deliveries WHERE seq = $1`, first.seq); err != nil {
				return err
			}
		} else {
			body, err := json.Marshal(message)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE deliveries SET message = $1, type = $2, title = $3 WHERE seq = $4`,
				string(body), message.Type, title(message), first.seq)
			if err != nil {
				return err
			}
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE deliveries SET held = NULL, since = $1 WHERE held <= $1 AND state = 'waiting' AND sink = $2`, now, name)
	if err != nil {
		return err
	}
	_, err = enqueue(ctx, tx, o.client, o.now(), "d.sink = $1", name)
	return err
}
