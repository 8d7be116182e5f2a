package outbox

import (
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
