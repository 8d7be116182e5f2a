package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxStep is how far the machine's clock may be set and is still believed at
	// once.
	maxStep = time.Hour
	// believeAfter is how long a clock that jumped farther must stay there until
	// it is believed: a wrong one is mostly put right within minutes, and what
	// was dated by it would be at the top of every feed for years.
	believeAfter = 10 * time.Minute
	// clockCheck is how often the clock is looked at where nothing asks for it.
	clockCheck = time.Minute
)

// clock tells the time by which events are dated and deliveries tried. Where the
// machine's clock jumps, it goes on as before until the new time has lasted.
type clock struct {
	log     *slog.Logger
	wall    func() time.Time     // the machine's clock
	elapsed func() time.Duration // since some moment; never jumps, also counts sleep
	jumps   chan time.Duration   // those that are believed, for run

	mu     sync.Mutex
	base   time.Time     // a time that was believed,
	at     time.Duration // and when that was, by elapsed
	jumped bool
	since  time.Duration // when the jump was noticed, by elapsed
}

func newClock(log *slog.Logger) *clock {
	return &clock{log: log, wall: time.Now, elapsed: sinceBoot, jumps: make(chan time.Duration, 1)}
}

// sinceBoot is the time since the machine started.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // Linux has it since 2.6.39
	}
	return time.Duration(t.Nano())
}

// now returns the time. It may be called from any goroutine.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, at := c.wall().Round(0), c.elapsed() // without Go's own monotonic clock
	if c.base.IsZero() {
		c.base, c.at = wall, at
	}
	steady := c.base.Add(at - c.at)
	jump := wall.Sub(steady)
	switch {
	case jump.Abs() <= maxStep:
		if c.jumped {
			c.log.Info("the clock is right again", "now", wall)
		}
	case !c.jumped:
		c.jumped, c.since = true, at
		c.log.Error("THE CLOCK JUMPED: events are dated as if it had not, unless it stays there", "from", steady, "to", wall, "for", believeAfter)
		return steady
	case at-c.since < believeAfter:
		return steady
	default:
		c.log.Warn("the clock stayed where it jumped to and is believed", "now", wall, "jump", jump)
		select {
		case c.jumps <- jump:
		default: // run has not come round since the last; what waits is tried too early or late once
		}
	}
	c.base, c.at, c.jumped = wall, at, false
	return wall
}

// off says that the machine's clock jumped and is not believed yet.
func (c *clock) off() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jumped
}

// run looks at the clock until ctx ends, and hands over the jumps that are
// believed.
func (c *clock) run(ctx context.Context, jump func(ctx context.Context, by time.Duration) error) {
	t := time.NewTicker(clockCheck)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			c.now()
		case by := <-c.jumps:
			if err := jump(ctx, by); err != nil && ctx.Err() == nil {
				c.log.Error("what waits cannot be moved with the clock", "err", err)
			}
		}
	}
}
