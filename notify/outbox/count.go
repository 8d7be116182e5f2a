package outbox

import (
	"context"
	"fmt"
	"time"

	"tocsin/ledger"
)

// Count is how many deliveries of a sink are in a state.
type Count struct {
	Sink  string
	State State
	// Held says that they wait for a digest or for the end of quiet hours.
	Held bool
	N    int
	// Since is when the first of them was planned, released or last retried.
	Since time.Time
}

// Counts returns how many deliveries wait and how many have failed, by sink, also
// of sinks that are no more.
func (o *Outbox) Counts(ctx context.Context) ([]Count, error) {
	var all []Count
	err := ledger.Each(ctx, o.store.DB(), `SELECT sink, state, held IS NOT NULL, count(*), min(since) FROM deliveries
		WHERE state IN ($1, $2) GROUP BY 1, 2, 3`, []any{Waiting, Failed}, func(scan func(...any) error) error {
		var c Count
		var since int64
		err := scan(&c.Sink, &c.State, &c.Held, &c.N, &since)
		c.Since = fromMicro(since)
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	return all, nil
}

// Health is what is known of a sink.
type Health struct {
	Sink string
	// Down says that it failed for so long that it is tried now and then only; Gone
	// that it said it is no more, and is sent nothing.
	Down, Gone bool
}

// Sinks returns what is known of every sink, in the order of Options.
func (o *Outbox) Sinks() []Health {
	var all []Health
	for _, given := range o.given {
		if s := o.sinks[given.Name]; s != nil {
			down, _ := s.isDown(0)
			all = append(all, Health{Sink: s.Name, Down: down, Gone: s.closed()})
		}
	}
	return all
}
