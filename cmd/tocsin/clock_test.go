package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hands are a machine's clock and the time that passes, set by the test.
type hands struct {
	wall    time.Time
	elapsed time.Duration
}

func (h *hands) pass(d time.Duration) { h.wall, h.elapsed = h.wall.Add(d), h.elapsed+d }

func TestClock(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	start := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, jump := range []time.Duration{years, -years} {
		var log bytes.Buffer
		h := &hands{wall: start}
		c := newClock(slog.New(slog.NewTextHandler(&log, nil)))
		c.wall, c.elapsed = func() time.Time { return h.wall }, func() time.Duration { return h.elapsed }
		is := func(what string, want time.Time) {
			t.Helper()
			if got := c.now(); !got.Equal(want) {
				t.Errorf("jump of %v, %s: %v, want %v", jump, what, got, want)
			}
		}
		is("the first", start)
		h.pass(time.Hour)
		is("an hour later", start.Add(time.Hour))
		h.wall = h.wall.Add(maxStep)
		is("put forward a little", start.Add(time.Hour+maxStep))
		h.wall = h.wall.Add(-maxStep)
		is("and back", start.Add(time.Hour))

		h.wall = h.wall.Add(jump)
		is("at the jump", start.Add(time.Hour))
		h.pass(believeAfter - 1)
		is("a little later", start.Add(time.Hour+believeAfter-1))
		h.wall = h.wall.Add(-jump)
		h.pass(1)
		is("put right", start.Add(time.Hour+believeAfter))
		if len(c.jumps) > 0 {
			t.Error("a jump that was put right is believed")
		}

		h.wall = h.wall.Add(jump)
		is("at the second jump", start.Add(time.Hour+believeAfter))
		h.pass(believeAfter)
		is("that stays", start.Add(time.Hour+2*believeAfter+jump))
		h.pass(time.Second)
		is("and later", start.Add(time.Hour+2*believeAfter+jump+time.Second))
		select {
		case by := <-c.jumps:
			if by != jump {
				t.Errorf("a jump of %v is handed over as %v", jump, by)
			}
		default:
			t.Errorf("a jump of %v that stays is not handed over", jump)
		}
		if n := strings.Count(log.String(), "THE CLOCK JUMPED"); n != 2 {
			t.Errorf("two jumps are told %d times:\n%s", n, &log)
		}
	}
}

// A jump is noticed and handed over while nothing asks for the time.
func TestClockRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var by atomic.Int64
		c := newClock(slog.New(slog.DiscardHandler))
		c.wall = func() time.Time { return time.Now().Add(time.Duration(by.Load())) }
		c.elapsed = func() time.Duration { return time.Since(began) }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		jumps := make(chan time.Duration, 1)
		go func() {
			defer close(done)
			c.run(ctx, func(_ context.Context, by time.Duration) error { jumps <- by; return nil })
		}()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		by.Store(int64(-24 * time.Hour))
		if got := <-jumps; got != -24*time.Hour || time.Since(began) < 3*time.Minute+believeAfter {
			t.Errorf("handed over %v after %v", got, time.Since(began))
		}
		cancel()
		<-done
	})
}

func TestSinceBoot(t *testing.T) {
	if a, b := sinceBoot(), sinceBoot(); a <= 0 || b < a {
		t.Errorf("%v, then %v", a, b)
	}
}
