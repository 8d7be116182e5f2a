package outbox

import (
	"context"
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

	mu     sync.Mutex
	gone   bool
	paused time.Time // by time.Now, with its monotonic clock
}

func newSink(s Sink) *sink {
	if s.Workers == 0 {
		s.Workers = 4
	}
	k := &sink{Sink: s}
	if s.Rate > 0 {
		k.limiter = rate.NewLimiter(rate.Limit(s.Rate), 1)
	}
	return k
}

// close notes that the sink's address is no more and reports whether that is
// news.
func (s *sink) close() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := !s.gone
	s.gone = true
	return news
}

func (s *sink) closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

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
		select {
		case <-s.Ready():
		default:
			passed = true
			select {
			case <-s.Ready():
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
