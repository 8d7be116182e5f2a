package outbox

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"tocsin/ledger"
	"tocsin/ledger/ledgertest"
	"tocsin/notify"
)

// join is open for one of several processes that share a state. The first of them plans.
func join(t testing.TB, path string, sinks ...Sink) *rig {
	t.Helper()
	return openOn(t, path, ledger.Join, func(*Outbox) {}, sinks...)
}

// Two processes send at once, while one of them plans: each delivery is sent once, each
// event's in their order.
func TestSharedOrder(t *testing.T) {
	ledgertest.OfPostgres(t)
	path := statePath(t)
	const events, rounds = 20, 15
	calls := make(chan notify.Delivery, 2*events*rounds)
	by := make(chan string, 2*events*rounds)
	sender := func(name string) notify.Sender {
		return &quiet{func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
			calls <- d
			by <- name
			return takes(ctx, d)
		}}
	}
	a := join(t, path, sinkOf("a", sender("first"))).start()
	b := join(t, path, sinkOf("a", sender("second"))).start()
	for range rounds {
		var batch []notify.Message
		for e := range events {
			batch = append(batch, about(fmt.Sprint("e", e)))
		}
		// One waits for all events, and all of the next round for it.
		a.plan("a", append(batch, about("e0", "e1", "e2"))...)
	}
	sent, last := make(map[string]bool), make(map[string]string)
	for range rounds * (events + 1) {
		d := await(t, calls, "a message")
		if sent[d.ID] {
			t.Errorf("%s is sent twice", d.ID)
		}
		sent[d.ID] = true
		for _, i := range d.Message.Items {
			if before := last[i.Event.ID]; d.ID < before {
				t.Errorf("%s of %s is sent behind %s", d.ID, i.Event.ID, before)
			}
			last[i.Event.ID] = d.ID
		}
	}
	share := make(map[string]int)
	for range rounds * (events + 1) {
		share[<-by]++
	}
	if len(share) != 2 {
		t.Errorf("one process sent everything: %v", share)
	}
	for id := range sent {
		// Whichever sent it: both write what became of it into one table.
		for deadline := time.Now().Add(patience); b.show(id).State != Delivered; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v", id, b.show(id))
			}
		}
	}
}

// What a process was sending when it died is sent by another, under the same id.
func TestSharedDeath(t *testing.T) {
	ledgertest.OfPostgres(t)
	path := statePath(t)
	dies := newSender(hangs)
	b := join(t, path, sinkOf("a", dies)).start()
	b.plan("a", about("e"))
	d := await(t, dies.calls, "the call")

	lives := newSender(takes)
	a := join(t, path, sinkOf("a", lives)).start()
	if n, err := a.store.Processes(t.Context()); n != 2 || err != nil {
		t.Fatalf("%d processes, %v", n, err)
	}
	if limit := a.sinks["a"].limiter; limit != nil {
		t.Error("a sink without a rate has a limit")
	}
	// The connection that says that it lives ends.
	_, err := a.store.DB().Exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
		AND objid::bigint = hashtext($1)::bigint & 4294967295`, b.store.Process())
	must(t, err)
	if again := await(t, lives.calls, "the call of the one that lives"); again.ID != d.ID {
		t.Errorf("sent as %s, and again as %s", d.ID, again.ID)
	}
	a.becomes(d.ID, Delivered)
}

// Processes share the rate of a sink, and a clock that jumps on one machine is not that
// of the others.
func TestSharedRate(t *testing.T) {
	ledgertest.OfPostgres(t)
	path := statePath(t)
	slow := sinkOf("slow", newSender(takes))
	slow.Rate = 6
	a := join(t, path, slow)
	limited := func(want rate.Limit) {
		t.Helper()
		must(t, a.attend(t.Context()))
		if got := a.sinks["slow"].limiter.Limit(); got != want {
			t.Errorf("a rate of %v, want %v", got, want)
		}
	}
	limited(6)
	id := a.plan("slow", about("e"))[0]
	before := a.show(id).Created
	b := join(t, path, slow)
	limited(3)
	must(t, b.Shift(t.Context(), time.Hour))
	since := func() (us int64) {
		must(t, a.store.DB().QueryRow(`SELECT since FROM deliveries WHERE id = $1`, id).Scan(&us))
		return us
	}
	if since() != before.UnixMicro() {
		t.Error("the clock of one moved what both send")
	}
	b.quit()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); { // PostgreSQL takes a moment to see it
		if n, err := a.store.Processes(t.Context()); n == 1 || err != nil {
			break
		}
	}
	limited(6)
	must(t, a.Shift(t.Context(), time.Hour))
	if since() != before.Add(time.Hour).UnixMicro() {
		t.Error("the clock of the only one moved nothing")
	}
}

// What is for one process to send is left by the others.
func TestSharedElsewhere(t *testing.T) {
	ledgertest.OfPostgres(t)
	path := statePath(t)
	here, there := newSender(takes), newSender(takes)
	mine, others := sinkOf("hub", here), sinkOf("hub", there)
	mine.Here, others.Here = func() bool { return true }, func() bool { return false }
	a := join(t, path, mine)
	join(t, path, others).start()
	ids := a.plan("hub", about("e0"), about("e1"), about("e2"), about("e3"))
	a.start()
	for range ids {
		await(t, here.calls, "the call of the one that it is for")
	}
	if len(there.calls) > 0 {
		t.Error("another sent it")
	}
}

// BenchmarkDrainShared sends a thousand messages to each of four sinks, which take 2 ms
// for each, by one, two and three processes that share a PostgreSQL.
func BenchmarkDrainShared(b *testing.B) {
	ledgertest.OfPostgres(b)
	const sinks, each = 4, 1000
	for processes := 1; processes <= 3; processes++ {
		b.Run(fmt.Sprint(processes), func(b *testing.B) {
			for b.Loop() {
				path := statePath(b)
				taken := make(chan struct{}, sinks*each)
				var all []*rig
				for range processes {
					var to []Sink
					for i := range sinks {
						to = append(to, sinkOf(fmt.Sprint("s", i), &quiet{func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
							time.Sleep(2 * time.Millisecond)
							taken <- struct{}{}
							return takes(ctx, d)
						}}))
					}
					all = append(all, join(b, path, to...))
				}
				for i := range sinks {
					var batch []notify.Message
					for j := range each {
						batch = append(batch, about(fmt.Sprint("e", j)))
					}
					all[0].plan(fmt.Sprint("s", i), batch...)
				}
				began := time.Now()
				for _, r := range all {
					r.start()
				}
				for range sinks * each {
					<-taken
				}
				b.ReportMetric(sinks*each/time.Since(began).Seconds(), "sent/s")
				for _, r := range all {
					r.quit()
				}
			}
		})
	}
}
