package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"tocsin/ledger"
	"tocsin/notify"
)

// Announce makes the deliveries, in the caller's transaction, that tell p.Sink of
// p.Message.Feeds, any number of them. It is Plan for a hub, which fetches what it
// is told of: a feed that a waiting delivery names already is as it will be
// found, however often it changes before. So a hub that is down for a day has each
// feed waiting once, and not once for every change.
//
// What is being tried just now does not count, as the hub may have fetched the feed
// before; nor what has used up half of its time to be tried.
func (o *Outbox) Announce(ctx context.Context, tx *sql.Tx, p notify.Planned) error {
	if o.client == nil {
		return errClosed
	}
	if err := o.announce(ctx, tx, p); err != nil {
		return fmt.Errorf("outbox: announcing feeds: %w", err)
	}
	return nil
}

func (o *Outbox) announce(ctx context.Context, tx *sql.Tx, p notify.Planned) error {
	if err := o.store.Lock(ctx, tx, p.Sink); err != nil {
		return err
	}
	waiting, err := o.announced(ctx, tx, p.Sink)
	if err != nil {
		return err
	}
	known := make(map[string]bool)
	for _, a := range waiting {
		for _, f := range a.message.Feeds {
			known[f] = true
		}
	}
	var feeds []string
	for _, f := range p.Message.Feeds {
		if !known[f] {
			known[f] = true
			feeds = append(feeds, f)
		}
	}
	for _, a := range waiting {
		n := min(notify.MaxFeeds-len(a.message.Feeds), len(feeds))
		if n <= 0 {
			continue
		}
		a.message.Feeds = append(a.message.Feeds, feeds[:n]...)
		feeds = feeds[n:]
		body, err := json.Marshal(a.message)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE deliveries SET message = $1, title = $2 WHERE seq = $3`, string(body), title(a.message), a.seq)
		if err != nil {
			return err
		}
	}
	var planned []notify.Planned
	for part := range slices.Chunk(feeds, notify.MaxFeeds) {
		p.Message.Feeds = part
		planned = append(planned, p)
	}
	_, err = o.Plan(ctx, tx, planned)
	return err
}

// announcement is a delivery that names feeds.
type announcement struct {
	seq     int64
	message notify.Message
}

// announced returns the announcements to a sink that wait and are not under way.
// None of them begins before the transaction ends: SQLite has one that writes, and in
// PostgreSQL River passes over jobs that are locked.
func (o *Outbox) announced(ctx context.Context, tx *sql.Tx, name string) (all []announcement, err error) {
	since := o.now()
	if s := o.sinks[name]; s != nil {
		since = since.Add(-s.RetryFor / 2)
	}
	err = ledger.Each(ctx, tx, `SELECT d.seq, d.message FROM deliveries d
		WHERE d.state = 'waiting' AND d.sink = $1 AND d.type = $2 AND d.since > $3
		AND (d.job IS NULL OR EXISTS (SELECT 1 FROM river_job j WHERE j.id = d.job AND j.state != 'running' `+o.store.Claim()+`)) ORDER BY d.seq`,
		[]any{name, notify.TypeFeeds, since.UnixMicro()}, func(scan func(...any) error) error {
			var a announcement
			var body []byte
			if err := scan(&a.seq, &body); err != nil {
				return err
			}
			// One that cannot be read fails when it is tried.
			if json.Unmarshal(body, &a.message) == nil {
				all = append(all, a)
			}
			return nil
		})
	return all, err
}
