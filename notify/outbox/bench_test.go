package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"tocsin/notify"
)

// BenchmarkDrain plans a thousand deliveries in batches of a hundred and sends
// them, to one sink.
func BenchmarkDrain(b *testing.B) {
	for b.Loop() {
		s := newSender(takes)
		r := open(b, statePath(b), sinkOf("a", s))
		start := time.Now()
		for i := range 10 {
			var batch []notify.Message
			for j := range 100 {
				batch = append(batch, about(fmt.Sprintf("e%d-%d", i, j)))
			}
			r.plan("a", batch...)
		}
		planned := time.Since(start)
		r.start()
		for range 1000 {
			r.log.until(b, "msg=delivered")
		}
		drained := time.Since(start) - planned
		r.quit()
		b.ReportMetric(1000/planned.Seconds(), "planned/s")
		b.ReportMetric(1000/drained.Seconds(), "drained/s")
	}
}

// BenchmarkLatency measures from the commit of a delivery to its Send, while
// nothing else is going on.
func BenchmarkLatency(b *testing.B) {
	s := newSender(takes)
	r := open(b, statePath(b), sinkOf("a", s)).start()
	r.becomes(r.plan("a", about("warm"))[0], Delivered)
	<-s.calls
	var all []time.Duration
	for i := 0; b.Loop(); i++ {
		id := r.plan("a", about(fmt.Sprint(i)))[0]
		committed := time.Now()
		await(b, s.calls, "the call")
		all = append(all, time.Since(committed))
		r.becomes(id, Delivered)
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkDeadSinks sends 500 messages to each of 15 sinks, alone and beside five
// that have as many waiting and refuse every connection, or never answer.
func BenchmarkDeadSinks(b *testing.B) {
	const living, dead, each = 15, 5, 500
	refuses := func(context.Context, notify.Delivery) (notify.Answer, error) {
		return notify.Answer{}, &notify.SendError{Err: errServer}
	}
	for _, bench := range []struct {
		name   string
		dead   int
		answer func(context.Context, notify.Delivery) (notify.Answer, error)
	}{{"none", 0, nil}, {"refusing", dead, refuses}, {"hanging", dead, hangs}} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				taken := make(chan struct{}, living*each)
				var sinks []Sink
				for i := range living + bench.dead {
					answer := bench.answer
					if i < living {
						answer = func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
							taken <- struct{}{}
							return takes(ctx, d)
						}
					}
					sinks = append(sinks, sinkOf(fmt.Sprintf("s%d", i), &quiet{answer}))
				}
				r := open(b, statePath(b), sinks...)
				for from := 0; from < each; from += 25 {
					var planned []notify.Planned
					for e := from; e < from+25; e++ {
						for _, s := range sinks {
							planned = append(planned, notify.Planned{Sink: s.Name, Message: about(fmt.Sprint("e", e))})
						}
					}
					must(b, r.store.Write(b.Context(), func(tx *sql.Tx) error {
						_, err := r.Plan(b.Context(), tx, planned)
						return err
					}))
				}
				began := time.Now()
				r.start()
				var first time.Duration
				for i := range living * each {
					select {
					case <-taken:
					case <-time.After(5 * time.Minute):
						b.Fatalf("%d messages arrived", i)
					}
					if i == 0 {
						first = time.Since(began)
					}
				}
				all := time.Since(began)
				r.quit()
				b.ReportMetric(living*each/all.Seconds(), "living/s")
				b.ReportMetric(float64(first.Milliseconds()), "first-ms")
			}
		})
	}
}

// quiet is a sender that keeps nothing of what it sent.
type quiet struct {
	answer func(context.Context, notify.Delivery) (notify.Answer, error)
}

func (q *quiet) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	return q.answer(ctx, d)
}
