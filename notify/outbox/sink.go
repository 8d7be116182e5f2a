package outbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// longestPause bounds how long one answer can silence a whole sink.
const longestPause = time.Hour

// sink is a Sink with what was learned of it since Open. None of it outlives the
// process.
type sink struct {
	Sink
	limiter *rate.Limiter // nil where there is no limit
	// complaints bounds the lines about attempts that fail and are repeated.
	complaints *rate.Limiter

	mu     sync.Mutex
	gone   string    // how the sink said that its address is no more; empty: it is there
	paused time.Time // by time.Now, with its monotonic clock

	failures int       // in a row, of whichever deliveries
	failing  time.Time // since when; zero: it does not
	down     bool      // nothing is sent but probes
	probe    int64     // the delivery that tries whether it is back; 0: none
	probeAt  time.Time // when another does
	// pauseBetween is between two probes.
	pauseBetween time.Duration
	wakes        []time.Time // when what waits for the sink, which is back, is to be woken
}

// A sink that has failed so often in a row, and for so long, is down: one delivery at
// a time is tried, the oldest, ever more rarely, until one is taken.
const (
	downFailures = 5
	downAfter    = 5 * time.Minute
	firstProbe   = 30 * time.Second
	lastProbe    = 10 * time.Minute
)

// wakeAfter are the times after which what waits for a sink that is back is woken:
// more than once, as River may just be putting a job back when it is looked for.
var wakeAfter = [...]time.Duration{0, 2 * time.Second, 15 * time.Second}

// outcome notes what came of an attempt: whether the sink answered as one that
// works. It reports whether the sink went down by it, or is back.
func (s *sink) outcome(works bool, after, first time.Duration) (down, back bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if works {
		back = s.down
		s.failures, s.failing, s.down, s.probe, s.pauseBetween = 0, time.Time{}, false, 0, 0
		if back {
			for _, after := range wakeAfter {
				s.wakes = append(s.wakes, now.Add(after))
			}
		}
		return false, back
	}
	if s.failures++; s.failing.IsZero() {
		s.failing = now
	}
	if !s.down && s.failures >= downFailures && now.Sub(s.failing) >= after {
		s.down, down = true, true
	}
	if s.down {
		s.probe = 0
		s.pauseBetween = min(max(2*s.pauseBetween, first), lastProbe)
		s.probeAt = now.Add(s.pauseBetween)
	}
	return down, false
}

// wake says that what waits for the sink is to be woken now.
func (s *sink) wake() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.wakes)
	s.wakes = slices.DeleteFunc(s.wakes, func(at time.Time) bool { return !at.After(time.Now()) })
	return len(s.wakes) < n
}

// isDown says that the sink is down, and whether a delivery is the one that may be
// tried all the same.
func (s *sink) isDown(seq int64) (down, probe bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down, s.down && s.probe == seq
}

// due says that a down sink is to be tried now.
func (s *sink) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down && !time.Now().Before(s.probeAt)
}

// try lets a delivery be tried at a down sink. Where no attempt comes of it, as it
// was cancelled, or just put back, another is tried after a while.
func (s *sink) try(seq int64, again time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probe, s.probeAt = seq, time.Now().Add(again)
}

// share divides the sink's rate among so many processes.
func (s *sink) share(n int) {
	if s.limiter != nil {
		s.limiter.SetLimit(rate.Limit(s.Rate / float64(n)))
	}
}

func newSink(s Sink) *sink {
	if s.Workers == 0 {
		s.Workers = 4
	}
	k := &sink{Sink: s, complaints: rate.NewLimiter(rate.Every(10*time.Second), 20)}
	if s.Rate > 0 {
		k.limiter = rate.NewLimiter(rate.Limit(s.Rate), 1)
	}
	return k
}

// close notes that the sink's address is no more, by what it answered, and reports
// whether that is news.
func (s *sink) close(answer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.gone == ""
	if news {
		s.gone = answer
	}
	return news
}

// end is what the sink answered when its address was no more; empty where it is
// there.
func (s *sink) end() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

func (s *sink) closed() bool { return s.end() != "" }

// pause keeps the sink's other deliveries back as well where the sink asked to be
// left alone: they would meet the same answer.
func (s *sink) pause(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := time.Now().Add(min(d, longestPause)); until.After(s.paused) {
		s.paused = until
	}
}

// pausedFor is how much of a pause is left.
func (s *sink) pausedFor() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(time.Until(s.paused), 0)
}

// wait waits until the sink is ready, and keeps the rate. It reports whether time
// passed, in which the delivery may have changed; ok is false where the end came
// first.
func (s *sink) wait(ctx context.Context, stopping <-chan struct{}) (passed, ok bool) {
	if s.Ready != nil {
		ready := s.Ready()
		select {
		case <-ready:
		default:
			passed = true
			select {
			case <-ready:
			case <-stopping:
				return true, false
			case <-ctx.Done():
				return true, false
			}
		}
	}
	if s.limiter == nil {
		return passed, true
	}
	r := s.limiter.Reserve()
	d := r.Delay()
	if d == 0 {
		return passed, true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true, true
	case <-stopping:
	case <-ctx.Done():
	}
	r.Cancel()
	return true, false
}
