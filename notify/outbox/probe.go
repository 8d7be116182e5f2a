package outbox

import (
	"context"
	"database/sql"
	"time"
)

// A sink that is down gets no attempts but one now and then, of the oldest delivery
// that waits for it: so its other deliveries cost nothing, and the log has one line
// when it goes down and one when it is back. Then all of them are due, in order.

// probeDown gives the down sinks that are to be tried a delivery to try, and wakes
// what waits for those that are back.
func (o *Outbox) probeDown(ctx context.Context) error {
	for name, s := range o.sinks {
		if s.wake() {
			err := o.write(ctx, name, func(tx *sql.Tx) error {
				return o.reschedule(ctx, tx, `sink = $1 AND held IS NULL`, []any{name}, `next = NULL`)
			})
			if err != nil {
				return err
			}
		}
		if !s.due() {
			continue
		}
		err := o.write(ctx, name, func(tx *sql.Tx) error {
			var seq sql.Null[int64]
			err := tx.QueryRowContext(ctx, `SELECT min(seq) FROM deliveries WHERE state = 'waiting' AND sink = $1 AND held IS NULL`, name).Scan(&seq)
			if err != nil || !seq.Valid {
				return err // with nothing to try, it stays as it is
			}
			s.try(seq.V, o.firstProbe)
			return o.reschedule(ctx, tx, `seq = $1`, []any{seq.V}, `next = NULL`)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// note tells the sink, and the log, what came of an attempt.
func (o *Outbox) note(ctx context.Context, d *taken, v verdict) {
	if v.interrupted {
		return
	}
	down, back := d.sink.outcome(v.works, o.downAfter, o.firstProbe)
	switch {
	case down:
		o.log.WarnContext(ctx, "the sink is down: it is tried now and then, and what is for it waits", "sink", d.Sink, "err", v.reason)
	case back:
		o.log.InfoContext(ctx, "the sink is back: what waited for it goes out", "sink", d.Sink)
	}
}

// downPause is how long a delivery for a down sink waits to ask again. It is woken
// when the sink is back.
const downPause = 30 * time.Minute
