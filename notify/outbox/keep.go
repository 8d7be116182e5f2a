package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"tocsin/ledger"
)

// keepFor is how long delivered and cancelled deliveries are kept.
const keepFor = 30 * 24 * time.Hour

// recover makes good what killed processes left behind: River itself would take an hour
// for the jobs and seconds for the leader, who wakes jobs that are due later. No other
// outbox of this process runs, so that what it seems to work on is left behind, too.
func (o *Outbox) recover(ctx context.Context) error {
	alone, err := o.alone(ctx)
	if err != nil {
		return err
	}
	return o.store.Share(ctx, "", func(tx *sql.Tx) error {
		// The table of a file is emptied whatever it holds: a state that cannot be written
		// is better noticed here than by all that River begins.
		jobs, leaders, args := `true`, ``, []any(nil)
		if o.store.Shared() {
			jobs, leaders = lastBy+` = $1 OR `+o.store.Dead(lastBy), ` WHERE leader_id = $1 OR `+o.store.Dead("leader_id")
			args = []any{o.client.ID()}
		}
		if _, err := revive(ctx, tx, jobs, args...); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM river_leader`+leaders, args...); err != nil {
			return err
		}
		// The others are only touched later: now is the time to miss them.
		if _, err := tx.ExecContext(ctx, `SELECT 1 FROM river_queue, river_notification LIMIT 0`); err != nil {
			return err
		}
		if !alone {
			return nil
		}
		// What is from the future was made by a clock that has been put right.
		now := o.now()
		return o.reschedule(ctx, tx, `since > $1`, []any{now.Add(time.Hour).UnixMicro()}, `since = $2, next = NULL`, now.UnixMicro())
	})
}

// lastBy is the process that works on a job, in PostgreSQL.
const lastBy = `attempted_by[array_upper(attempted_by, 1)]`

// revive puts the jobs back that are worked on and of which which is true, and returns
// how many.
func revive(ctx context.Context, tx *sql.Tx, which string, args ...any) (int64, error) {
	r, err := tx.ExecContext(ctx, `UPDATE river_job SET state = 'available', attempt = CASE WHEN attempt > 0 THEN attempt - 1 ELSE 0 END
		WHERE state = 'running' AND (`+which+`)`, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// alone reports whether no other process shares the queue.
func (o *Outbox) alone(ctx context.Context) (bool, error) {
	n, err := o.store.Processes(ctx)
	return n == 1, err
}

// attend makes good what other processes left behind that have died, and shares the
// rates of the sinks with those that live. A process counts as dead where it did at the
// call before, too: one may be about to connect to PostgreSQL again, and what it sends
// would be sent by another as well.
func (o *Outbox) attend(ctx context.Context) error {
	if !o.store.Shared() {
		return nil
	}
	n, err := o.store.Processes(ctx)
	if err != nil {
		return err
	}
	o.others.Store(n > 1)
	for _, s := range o.sinks {
		s.share(n)
	}
	dead := make(map[string]bool)
	err = ledger.Each(ctx, o.store.DB(), `SELECT who FROM (
			SELECT DISTINCT `+lastBy+` AS who FROM river_job WHERE state = 'running' UNION SELECT leader_id FROM river_leader
		) working WHERE who != $1 AND `+o.store.Dead("who"), []any{o.client.ID()}, func(scan func(...any) error) error {
		var who string
		err := scan(&who)
		dead[who] = true
		return err
	})
	if err != nil {
		return err
	}
	before := o.dead
	o.dead = dead
	for who := range dead {
		if !before[who] {
			continue
		}
		var jobs int64
		err := o.store.Share(ctx, "", func(tx *sql.Tx) (err error) {
			if _, err := tx.ExecContext(ctx, `DELETE FROM river_leader WHERE leader_id = $1 AND `+o.store.Dead("leader_id"), who); err != nil {
				return err
			}
			jobs, err = revive(ctx, tx, lastBy+` = $1 AND `+o.store.Dead(lastBy), who)
			return err
		})
		if err != nil {
			return err
		}
		if jobs == 0 {
			continue
		}
		o.log.InfoContext(ctx, "what a process that ended was sending is sent by another", "messages", jobs)
		for _, s := range o.given {
			o.Wake(s.Name)
		}
	}
	return nil
}

// Shift moves all that waits by a jump of the clock, so that it is tried and given
// up when it would have been without. Where other processes share the queue nothing is
// moved, as their clocks have not jumped.
func (o *Outbox) Shift(ctx context.Context, by time.Duration) error {
	alone, err := o.alone(ctx)
	if err == nil && alone {
		err = o.store.Share(ctx, "", func(tx *sql.Tx) error {
			return o.reschedule(ctx, tx, `true`, nil, `since = since + $1, next = next + $1`, by.Microseconds())
		})
	}
	if err != nil {
		return fmt.Errorf("outbox: moving what waits by %v: %w", by, err)
	}
	return nil
}

// reschedule sets the times of those waiting deliveries of which which is true of
// args, and gives them other jobs, but for those that are being tried just now. The
// parameters of set are values; they are counted on from those of which.
func (o *Outbox) reschedule(ctx context.Context, tx *sql.Tx, which string, args []any, set string, values ...any) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM river_job WHERE state IN ('available', 'scheduled', 'retryable')
		AND id IN (SELECT job FROM deliveries WHERE state = 'waiting' AND `+which+`)`, args...)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE deliveries SET `+set+` WHERE state = 'waiting' AND `+which, slices.Concat(args, values)...); err != nil {
		return err
	}
	return o.mend(ctx, tx)
}

// maxLate is how much later than its delivery a job may be due: as long as a sink
// may ask for a pause, and a bit.
const maxLate = longestPause + time.Hour

// mend gives a job to every waiting delivery that should have one and has not,
// for whatever reason, or has one that is due too late.
func (o *Outbox) mend(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE deliveries SET job = NULL WHERE state = 'waiting' AND job IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM river_job j WHERE j.id = job AND j.finalized_at IS NULL
			AND (j.state = 'running' OR `+o.store.Epoch("j.scheduled_at")+` <= CASE WHEN next > $1 THEN next ELSE $1 END / 1000000 + 60))`,
		o.now().Add(maxLate).UnixMicro())
	if err != nil {
		return err
	}
	_, err = enqueue(ctx, tx, o.client, o.now(), "true")
	return err
}

// tidy mends and prunes, at once and then every hour until ctx ends.
func (o *Outbox) tidy(ctx context.Context) {
	t := time.NewTicker(o.tidyEvery)
	defer t.Stop()
	for {
		err := o.store.Share(ctx, "", func(tx *sql.Tx) error { return o.mend(ctx, tx) })
		if err == nil {
			err = o.prune(ctx)
		}
		if err != nil && ctx.Err() == nil {
			o.log.ErrorContext(ctx, "tidying up the deliveries failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// prune removes what was delivered or cancelled long ago, a little at a time so
// that nobody waits long for the write lock.
func (o *Outbox) prune(ctx context.Context) error {
	horizon := o.now().Add(-keepFor).UnixMicro()
	for {
		var removed int64
		err := o.store.Share(ctx, "", func(tx *sql.Tx) error {
			r, err := tx.ExecContext(ctx, `DELETE FROM deliveries WHERE seq IN (
				SELECT seq FROM deliveries WHERE state IN ('delivered', 'cancelled') AND finished < $1 LIMIT 500)`, horizon)
			if err != nil {
				return err
			}
			removed, err = r.RowsAffected()
			return err
		})
		if err != nil {
			return fmt.Errorf("removing old deliveries: %w", err)
		}
		if removed == 0 {
			return nil
		}
	}
}
