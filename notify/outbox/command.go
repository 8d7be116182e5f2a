package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"tocsin/ledger"
)

// Retry makes a failed or cancelled delivery wait again, under the id that it
// has; RetryFor counts anew. A daemon that runs on the store sends it at once.
// Later deliveries of the same event that have been sent meanwhile stay sent.
func Retry(ctx context.Context, s *ledger.Store, id string) error {
	return change(ctx, s, id, func(tx *sql.Tx, client *river.Client[*sql.Tx], d target) error {
		if d.state != Failed && d.state != Cancelled {
			return fmt.Errorf("it is %s: only failed and cancelled deliveries can be sent again", d.state)
		}
		now := time.Now()
		_, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = $1, since = $2, next = NULL, held = NULL, finished = NULL, error = '', job = NULL
			WHERE seq = $3`, Waiting, now.UnixMicro(), d.seq)
		if err != nil {
			return err
		}
		_, err = enqueue(ctx, tx, client, now, "d.seq = $1", d.seq)
		return err
	})
}

// Cancel keeps a waiting delivery from being sent, and those that waited for it
// have their turn. An attempt that is under way is not interrupted: if the sink
// takes the message, the delivery is delivered after all. Those behind it do not
// wait for that.
func Cancel(ctx context.Context, s *ledger.Store, id string) error {
	return change(ctx, s, id, func(tx *sql.Tx, client *river.Client[*sql.Tx], d target) error {
		if d.state != Waiting {
			return fmt.Errorf("it is %s: only waiting deliveries can be cancelled", d.state)
		}
		now := time.Now()
		_, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = $1, next = NULL, finished = $2, job = NULL WHERE seq = $3`,
			Cancelled, now.UnixMicro(), d.seq)
		if err != nil {
			return err
		}
		if d.job.Valid {
			_, err := client.JobDeleteTx(ctx, tx, d.job.V)
			// A job that runs finds out by itself.
			if err != nil && !errors.Is(err, rivertype.ErrNotFound) && !errors.Is(err, rivertype.ErrJobRunning) {
				return err
			}
		}
		_, err = follow(ctx, tx, client, now, d.sink, d.seq)
		return err
	})
}

// target is the delivery that a command is about.
type target struct {
	seq   int64
	sink  string
	state State
	job   sql.Null[int64]
}

// change runs f on the delivery of that id, in one transaction.
func change(ctx context.Context, s *ledger.Store, id string, f func(*sql.Tx, *river.Client[*sql.Tx], target) error) error {
	client, err := river.NewClient(driverOf(s), &river.Config{Logger: slog.New(slog.DiscardHandler), MaxAttempts: maxAttempts})
	if err != nil {
		return err
	}
	var of string
	err = s.DB().QueryRowContext(ctx, `SELECT sink FROM deliveries WHERE id = $1`, id).Scan(&of)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delivery %s: %w", id, err)
	}
	err = s.Share(ctx, of, func(tx *sql.Tx) error {
		var d target
		err := tx.QueryRowContext(ctx, `SELECT seq, sink, state, job FROM deliveries WHERE id = $1`, id).
			Scan(&d.seq, &d.sink, &d.state, &d.job)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return f(tx, client, d)
	})
	if err != nil {
		return fmt.Errorf("delivery %s: %w", id, err)
	}
	return nil
}
