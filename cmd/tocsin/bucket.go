package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/config"
	"tocsin/web"
	"tocsin/web/bucket"
)

// newBucket makes the bucket of a configuration, measured by m if that is not nil. It
// does no I/O.
func newBucket(c *config.Config, m *metrics) (*bucket.Bucket, error) {
	o := bucket.Options{
		Name: c.Feeds.Bucket.Name, Prefix: c.Feeds.Bucket.Prefix, Endpoint: c.Feeds.Bucket.Endpoint, Region: c.Feeds.Bucket.Region,
		AccessKeyID: c.Feeds.S3.AccessKeyID.Reveal(), SecretAccessKey: c.Feeds.S3.SecretAccessKey.Reveal(),
	}
	if m != nil {
		o.Did = m.requested
	}
	b, err := bucket.New(o)
	if err != nil {
		return nil, fmt.Errorf("feeds.dir: %w", err)
	}
	return b, nil
}

// keeper keeps a bucket up to date behind the wheel, which hands it what each turn
// published and never waits for it: a store that is away holds up neither serving nor
// notifying. What could not be published is published with what came since. The hub,
// which fetches what it is told of, is told once it is in the bucket.
type keeper struct {
	bucket    *bucket.Bucket
	publisher *web.Publisher
	log       *slog.Logger
	live      *gate

	mu      sync.Mutex
	pending *web.Edition  // what is published and not in the bucket yet; nil: nothing
	whole   *web.Edition  // everything, where it is to be compared; nil: it is not
	mark    int           // of the gate, at the last of pending
	since   time.Time     // when pending began; zero: there is none
	wake    chan struct{} // has room for one
	stop    func()        // what is being published; nil: nothing is
	halts   int           // how often it was halted

	failing atomic.Pointer[string] // why the last try failed; nil: it did not
	cried   time.Time              // when that was last logged
}

// newKeeper makes one that keeps the bucket up to date by a publisher.
func newKeeper(b *bucket.Bucket, p *web.Publisher, live *gate, log *slog.Logger) *keeper {
	return &keeper{
		bucket: b, publisher: p, live: live, log: log,
		wake: make(chan struct{}, 1),
	}
}

// add hands over what a turn published.
func (k *keeper) add(_ context.Context, e *web.Edition) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pending == nil {
		k.pending, k.since = e, time.Now()
	} else {
		k.pending.Merge(e)
	}
	if k.whole != nil {
		k.whole.Merge(e)
	}
	k.mark = k.live.mark()
	k.nudge()
	return nil
}

// compare asks for a comparison of the bucket with everything that there is.
func (k *keeper) compare(whole *web.Edition) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.whole = whole
	k.nudge()
}

// halt forgets what is to be published: another process does that from now on.
func (k *keeper) halt() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending, k.whole, k.since = nil, nil, time.Time{}
	k.halts++
	if k.stop != nil {
		k.stop()
	}
}

func (k *keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run publishes until ctx ends.
func (k *keeper) run(ctx context.Context) {
	pause := time.Duration(0) // after a failed try
	for {
		select {
		case <-k.wake:
		case <-ctx.Done():
			return
		}
		for {
			err := k.turn(ctx)
			if ctx.Err() != nil {
				return
			}
			if errors.Is(err, web.ErrOvertaken) {
				break // what overtook it is about to be handed over
			}
			if k.note(err); err == nil {
				pause = 0
				break
			}
			pause = min(max(2*pause, time.Second), 30*time.Second)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}
}

// turn publishes what is pending.
func (k *keeper) turn(ctx context.Context) (err error) {
	k.mu.Lock()
	e, whole, mark, since := k.pending, k.whole, k.mark, k.since
	k.pending, k.whole = nil, nil
	halts := k.halts
	ctx, k.stop = context.WithCancel(ctx)
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.stop()
		k.stop = nil
		switch {
		case halts != k.halts:
			err = nil
		case err != nil:
			k.pending, k.whole, k.since = merged(e, k.pending), merged(whole, k.whole), since
		case k.pending == nil:
			k.since = time.Time{}
			k.live.lift(mark)
		}
	}()
	if whole != nil {
		same, err := k.bucket.Same(ctx)
		if err != nil {
			return err
		}
		if !same {
			k.log.Info("the bucket is not what was put there; all of it is compared", "bucket", k.bucket)
			e = whole // which has what was pending
		}
		whole = nil
	}
	if e == nil {
		return nil
	}
	began := time.Now()
	if err := k.publisher.Write(ctx, e); err != nil {
		return err
	}
	k.log.Debug("the bucket is up to date", "bucket", k.bucket, "took", time.Since(began))
	return nil
}

// merged returns an edition with a later one; either may be nil.
func merged(e, later *web.Edition) *web.Edition {
	switch {
	case e == nil:
		return later
	case later != nil:
		e.Merge(later)
	}
	return e
}

// note notes what came of a try, and says so where it is news.
func (k *keeper) note(err error) {
	if err == nil {
		if before := k.failing.Swap(nil); before != nil {
			k.log.Info("the bucket is up to date again", "bucket", k.bucket, "after", *before)
		}
		return
	}
	text := err.Error()
	if before := k.failing.Swap(&text); before != nil && time.Since(k.cried) < cryAgain {
		return
	}
	k.cried = time.Now()
	k.log.Error("the bucket cannot be brought up to date; it is tried again, and what is published is served and told all the same", "err", err)
}

// behind says since when something waits to be published; zero: nothing does.
func (k *keeper) behind() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.since
}

// ready says why the bucket is not brought up to date; nil where it is.
func (k *keeper) ready() error {
	if failing := k.failing.Load(); failing != nil {
		return fmt.Errorf("feeds.dir: %s; what is published is served and told all the same", *failing)
	}
	return nil
}
