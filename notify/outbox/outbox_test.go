package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river/rivermigrate"

	"tocsin/ledger"
	"tocsin/notify"
)

func TestOpenChecksSinks(t *testing.T) {
	ok := newSender(takes)
	for _, c := range []struct {
		sinks []Sink
		want  string
	}{
		{[]Sink{{Name: "News", Sender: ok}}, `sink 1: bad name "News"`},
		{[]Sink{{Name: "", Sender: ok}}, `sink 1: bad name ""`},
		{[]Sink{{Name: "-a", Sender: ok}}, `bad name "-a"`},
		{[]Sink{{Name: strings.Repeat("a", 64), Sender: ok}}, "bad name"},
		{[]Sink{{Name: "a", Sender: ok}, {Name: "a", Sender: ok}}, `sink 2: the name "a" is taken`},
		{[]Sink{{Name: "a"}}, "sink a: no sender"},
		{[]Sink{{Name: "a", Sender: ok, Rate: -1}}, "sink a: rate"},
	} {
		store, err := ledger.Open(t.Context(), statePath(t))
		must(t, err)
		o := New(Options{Store: store, Sinks: c.sinks})
		if err := o.Open(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %s", c.sinks, err, c.want)
		}
		if err := o.Run(t.Context()); err == nil {
			t.Error("Run of an outbox that is not open returned nil")
		}
		must(t, o.Close())
		must(t, store.Close())
	}
}

// Every name that a sink may have works, though River takes fewer for queues.
func TestSinkNames(t *testing.T) {
	for _, name := range []string{"a", "0", "a-b", "a--b", "a-", strings.Repeat("a-", 31) + "a", strings.Repeat("z", 63)} {
		t.Run(name, func(t *testing.T) {
			s := newSender(takes)
			r := open(t, statePath(t), sinkOf(name, s)).start()
			id := r.plan(name, about("e"))[0]
			r.becomes(id, Delivered)
		})
	}
}

func TestRollbackLeavesNothing(t *testing.T) {
	s := newSender(takes)
	r := open(t, statePath(t), sinkOf("a", s)).start()
	errNo := errors.New("no")
	err := r.store.Write(t.Context(), func(tx *sql.Tx) error {
		made, err := r.Plan(t.Context(), tx, []notify.Planned{{Sink: "a", Message: about("e")}})
		if err != nil || len(made) != 1 {
			t.Errorf("Plan: %v, %v", made, err)
		}
		return errNo
	})
	if !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	// What is planned afterwards arrives, and alone.
	id := r.plan("a", about("f"))[0]
	if d := await(t, s.calls, "a call"); d.ID != id {
		t.Errorf("sent %s, want %s", d.ID, id)
	}
	r.becomes(id, Delivered)
	list, err := List(t.Context(), r.store, Filter{})
	must(t, err)
	if len(list) != 1 || len(s.calls) != 0 {
		t.Errorf("%d deliveries and %d more calls, want 1 and 0", len(list), len(s.calls))
	}
	var jobs int
	must(t, r.store.DB().QueryRow(`SELECT count(*) FROM river_job`).Scan(&jobs))
	if jobs != 1 {
		t.Errorf("%d jobs, want 1", jobs)
	}
}

func TestDeliveredOnce(t *testing.T) {
	s := newSender(takes)
	r := open(t, statePath(t), sinkOf("a", s))
	if ds, err := r.Plan(t.Context(), nil, nil); ds != nil || err != nil {
		t.Errorf("planning nothing: %v, %v", ds, err)
	}
	ids := r.plan("a", about("e"), about("f", "g", "h"))
	if n := r.waiting(); n != 2 {
		t.Errorf("%d waiting, want 2", n)
	}
	r.start()
	for range 2 {
		d := await(t, s.calls, "a call")
		if i := slices.Index(ids, d.ID); i < 0 || d.Sink != "a" || len(d.Message.Items) != 1+2*i {
			t.Errorf("sent %+v", d)
		}
	}
	r.becomes(ids[0], Delivered)
	rec := r.becomes(ids[1], Delivered)
	if rec.Title != "About f, and 2 more" || rec.Type != notify.TypeBatch || rec.Tries != 1 || rec.Error != "" ||
		rec.Finished.Before(rec.Created) || !rec.Next.IsZero() || len(rec.Message.Items) != 3 {
		t.Errorf("shown as %+v", rec)
	}
	if a := rec.Attempts; len(a) != 1 || a[0].N != 1 || a[0].Status != 200 || a[0].Answer != "ok" || a[0].Error != "" || a[0].At.Before(rec.Created) {
		t.Errorf("attempts %+v", a)
	}
	if n := r.waiting(); n != 0 {
		t.Errorf("%d waiting, want 0", n)
	}
	r.quit()
	// Another run finds nothing to do.
	r = open(t, r.path, sinkOf("a", s)).start()
	marker := r.plan("a", about("e"))[0]
	r.becomes(marker, Delivered)
	if await(t, s.calls, "a call").ID != marker || len(s.calls) != 0 {
		t.Error("something was sent again")
	}
	if log := r.log.String(); !strings.Contains(log, "level=INFO msg=delivered sink=a id="+marker) || strings.Contains(log, "river") {
		t.Errorf("the log: %s", log)
	}
}

func TestTriedUntilTaken(t *testing.T) {
	e := &notify.SendError{Err: errServer}
	s := newSender(says(e, e, e, &notify.SendError{RetryAfter: 100 * time.Millisecond, Err: errServer}))
	r := open(t, statePath(t), sinkOf("a", s)).start()
	id := r.plan("a", about("e"))[0]
	rec := r.becomes(id, Delivered)
	var statuses []int
	for i, a := range rec.Attempts {
		if a.N != i+1 {
			t.Errorf("attempt %d has the number %d", i+1, a.N)
		}
		statuses = append(statuses, a.Status)
	}
	if want := []int{500, 500, 500, 429, 200}; !slices.Equal(statuses, want) {
		t.Errorf("statuses %v, want %v", statuses, want)
	}
	for range 5 {
		if d := await(t, s.calls, "a call"); d.ID != id {
			t.Errorf("sent as %s, want %s", d.ID, id)
		}
	}
	if d := rec.Attempts[4].At.Sub(rec.Attempts[3].At); d < 100*time.Millisecond {
		t.Errorf("tried again after %v, was asked for 100ms", d)
	}
	if rec.Error != "" || rec.Attempts[0].Error != "server error" || rec.Attempts[3].Answer != "no" {
		t.Errorf("shown as %+v", rec)
	}
	var attempt int
	must(t, r.store.DB().QueryRow(`SELECT attempt FROM river_job`).Scan(&attempt))
	if attempt != 1 {
		t.Errorf("River counts %d attempts, want 1: retries must not use them up", attempt)
	}
	if n := strings.Count(r.log.String(), "level=WARN msg=\"delivery attempt failed\""); n != 4 {
		t.Errorf("%d warnings, want 4:\n%s", n, r.log)
	}
}

// The first retry comes after about a second, though River's scheduler looks only
// every five.
func TestBackoffInTime(t *testing.T) {
	s := newSender(says(&notify.SendError{Err: errServer}))
	r := open(t, statePath(t), sinkOf("a", s))
	r.backoff = backoff
	r.start()
	id := r.plan("a", about("e"))[0]
	await(t, s.calls, "the first attempt")
	rec := r.becomes(id, Delivered)
	d := rec.Attempts[1].At.Sub(rec.Attempts[0].At)
	t.Logf("tried again after %v", d)
	if d < 750*time.Millisecond || d > 4*time.Second {
		t.Errorf("tried again after %v, want about 1s", d)
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 12: 2048 * time.Second, 13: time.Hour, 64: time.Hour, 1000: time.Hour,
	} {
		for range 100 {
			if d := backoff(failures); d < want*8/10 || d > want*12/10 {
				t.Errorf("after %d failures: %v, want about %v", failures, d, want)
			}
		}
	}
}

func TestRefusedForGoodAndRetried(t *testing.T) {
	s := newSender(says(&notify.SendError{Permanent: true, Err: errors.New("bad payload")}))
	r := open(t, statePath(t), sinkOf("a", s)).start()
	id := r.plan("a", about("e"))[0]
	rec := r.becomes(id, Failed)
	if rec.Tries != 1 || rec.Error != "refused: bad payload" || rec.Finished.IsZero() || r.waiting() != 0 {
		t.Errorf("shown as %+v", rec)
	}
	if err := Cancel(t.Context(), r.store, id); err == nil {
		t.Error("a failed delivery was cancelled")
	}
	must(t, Retry(t.Context(), r.store, id))
	rec = r.becomes(id, Delivered)
	if rec.Tries != 2 || rec.Error != "" {
		t.Errorf("shown as %+v", rec)
	}
	if a, b := await(t, s.calls, "a call"), await(t, s.calls, "a call"); a.ID != id || b.ID != id {
		t.Errorf("sent as %s and %s, want %s", a.ID, b.ID, id)
	}
	if err := Retry(t.Context(), r.store, id); err == nil {
		t.Error("a delivered delivery was retried")
	}
	r.quit()
	if !strings.Contains(r.log.String(), `level=ERROR msg="delivery failed" sink=a id=`+id) {
		t.Errorf("the log: %s", r.log)
	}
}

func TestUnknownID(t *testing.T) {
	r := open(t, statePath(t))
	_, err := Show(t.Context(), r.store, "msg_x")
	for _, err := range []error{err, Retry(t.Context(), r.store, "msg_x"), Cancel(t.Context(), r.store, "msg_x")} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	}
}

func TestCancel(t *testing.T) {
	s := newSender(takes)
	r := open(t, statePath(t), sinkOf("a", s))
	ids := r.plan("a", about("e"), about("e"))
	must(t, Cancel(t.Context(), r.store, ids[0]))
	var jobs int
	must(t, r.store.DB().QueryRow(`SELECT count(*) FROM river_job JOIN deliveries d ON d.job = river_job.id WHERE d.id = $1`, ids[1]).Scan(&jobs))
	if jobs != 1 {
		t.Errorf("%d jobs for the delivery behind, want 1", jobs)
	}
	r.start()
	r.becomes(ids[1], Delivered)
	if d := await(t, s.calls, "a call"); d.ID != ids[1] || len(s.calls) != 0 {
		t.Errorf("sent %s, want %s alone", d.ID, ids[1])
	}
	if rec := r.show(ids[0]); rec.State != Cancelled || rec.Finished.IsZero() || rec.Tries != 0 {
		t.Errorf("shown as %+v", rec)
	}
	must(t, Retry(t.Context(), r.store, ids[0]))
	r.becomes(ids[0], Delivered)
}

// A message that the sink took is delivered, whatever was wished meanwhile; one
// that it did not take stays cancelled.
func TestCancelUnderWay(t *testing.T) {
	for _, c := range []struct {
		err  error
		want State
	}{{nil, Delivered}, {&notify.SendError{Err: errServer}, Cancelled}, {&notify.SendError{Permanent: true, Err: errServer}, Cancelled}} {
		goOn := make(chan struct{})
		s := newSender(func(context.Context, notify.Delivery) (notify.Answer, error) {
			<-goOn
			return notify.Answer{}, c.err
		})
		r := open(t, statePath(t), sinkOf("a", s)).start()
		id := r.plan("a", about("e"))[0]
		await(t, s.calls, "the call")
		must(t, Cancel(t.Context(), r.store, id))
		close(goOn)
		r.log.until(t, id)
		if rec := r.show(id); rec.State != c.want || rec.Tries != 1 {
			t.Errorf("after %v: %+v, want it %s", c.err, rec, c.want)
		}
		r.quit() // the job that lost its delivery ends as well
	}
}

// An event's deliveries keep their order while the first one fails; others
// overtake them, and nothing is attempted that has to wait.
func TestOrder(t *testing.T) {
	open1 := make(chan struct{})
	s := newSender(func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
		if d.Message.Items[0].Event.ID == "e1" {
			select {
			case <-open1:
			default:
				return notify.Answer{Status: 500}, &notify.SendError{Err: errServer}
			}
		}
		return takes(ctx, d)
	})
	r := open(t, statePath(t), sinkOf("a", s), sinkOf("b", newSender(takes)))
	jobs := func() (n int) {
		must(t, r.store.DB().QueryRow(`SELECT count(*) FROM river_job WHERE finalized_at IS NULL`).Scan(&n))
		return n
	}
	ids := r.plan("a", about("e1", "e2"), about("e2"), about("e3"), about("e2", "e3"), about("e3"), about("e4"))
	other := r.plan("b", about("e2"))[0]
	if n := jobs(); n != 4 {
		t.Errorf("%d jobs, want 4: those that wait for another have none", n)
	}
	r.start()
	r.becomes(ids[2], Delivered) // e3 before the batch
	r.becomes(ids[5], Delivered) // e4 has nothing to do with it
	r.becomes(other, Delivered)  // another sink neither
	for range 3 {                // the first one goes on failing
		r.log.until(t, "delivery attempt failed")
	}
	for _, i := range []int{1, 3, 4} {
		if rec := r.show(ids[i]); rec.State != Waiting || rec.Tries != 0 {
			t.Errorf("delivery %d: %s after %d tries, want it waiting and untried", i, rec.State, rec.Tries)
		}
	}
	if n := jobs(); n != 1 {
		t.Errorf("%d jobs, want 1: the others still wait for the first", n)
	}
	close(open1)
	r.becomes(ids[4], Delivered)
	var sent []string
	for len(s.calls) > 0 {
		if d := <-s.calls; len(sent) == 0 || sent[len(sent)-1] != d.ID {
			sent = append(sent, d.ID)
		}
	}
	for _, pair := range [][2]int{{0, 1}, {1, 3}, {2, 3}, {3, 4}} {
		last, first := -1, slices.Index(sent, ids[pair[1]])
		for i, id := range sent {
			if id == ids[pair[0]] {
				last = i
			}
		}
		if last > first {
			t.Errorf("delivery %d was sent before %d was done: %v of %v", pair[1], pair[0], sent, ids)
		}
	}
}

// A failed delivery does not hold up those behind it, but once it is retried it
// goes before those that still wait.
func TestOrderAfterRetry(t *testing.T) {
	results := make(chan error)
	s := newSender(func(context.Context, notify.Delivery) (notify.Answer, error) { return notify.Answer{}, <-results })
	r := open(t, statePath(t), sinkOf("a", s)).start()
	ids := r.plan("a", about("e"), about("e"))
	expect := func(i int, err error) {
		t.Helper()
		if d := await(t, s.calls, "a call"); d.ID != ids[i] {
			t.Fatalf("sent %s, want %s (of %v)", d.ID, ids[i], ids)
		}
		results <- err
	}
	expect(0, &notify.SendError{Permanent: true, Err: errServer})
	// The second one is under way when the first one waits again.
	if d := await(t, s.calls, "a call"); d.ID != ids[1] {
		t.Fatalf("sent %s, want %s", d.ID, ids[1])
	}
	must(t, Retry(t.Context(), r.store, ids[0]))
	results <- &notify.SendError{Err: errServer}
	expect(0, &notify.SendError{Err: errServer})
	expect(0, nil)
	expect(1, nil)
	if rec := r.becomes(ids[1], Delivered); rec.Tries != 2 {
		t.Errorf("%d tries, want 2", rec.Tries)
	}
}

func TestDeadSinkHoldsUpNobody(t *testing.T) {
	dead, living := newSender(hangs), newSender(takes)
	r := open(t, statePath(t), sinkOf("dead", dead), sinkOf("living", living)).start()
	for i := range 20 {
		r.plan("dead", about(fmt.Sprint(i)))
	}
	for range 4 {
		await(t, dead.calls, "a call")
	}
	start := time.Now()
	for i := range 20 {
		r.becomes(r.plan("living", about(fmt.Sprint(i)))[0], Delivered)
	}
	t.Logf("20 deliveries, one after the other, took %v", time.Since(start))
	if n := r.waiting(); n != 20 {
		t.Errorf("%d waiting, want 20", n)
	}
}

func TestRetryForOver(t *testing.T) {
	var r *rig
	s := newSender(func(context.Context, notify.Delivery) (notify.Answer, error) {
		r.clock.advance(25 * time.Minute)
		return notify.Answer{Status: 503}, &notify.SendError{Err: errServer}
	})
	r = open(t, statePath(t), sinkOf("a", s)).start()
	id := r.plan("a", about("e"))[0]
	rec := r.becomes(id, Failed)
	if rec.Tries != 3 || rec.Error != "given up after 1h0m0s: server error" {
		t.Errorf("%d tries, %q; want 3", rec.Tries, rec.Error)
	}
	// RetryFor counts anew, from the real time of Retry.
	r.clock.advance(-75 * time.Minute)
	_, err := r.store.DB().Exec(`UPDATE deliveries SET created = 1, since = 1`)
	must(t, err)
	must(t, Retry(t.Context(), r.store, id))
	if rec := r.becomes(id, Failed); rec.Tries != 6 {
		t.Errorf("%d tries after Retry, want 6", rec.Tries)
	}
}

// However long a delivery waited, it is tried.
func TestFirstAttemptIsAlwaysMade(t *testing.T) {
	s := newSender(says(&notify.SendError{Err: errServer}))
	r := open(t, statePath(t), Sink{Name: "a", Sender: s})
	ids := r.plan("a", about("e"), about("f"))
	r.clock.advance(24 * time.Hour)
	r.start()
	states := []State{}
	for range ids {
		r.log.until(t, "attempts=1")
	}
	for _, id := range ids {
		states = append(states, r.show(id).State)
	}
	slices.Sort(states)
	if !slices.Equal(states, []State{Delivered, Failed}) {
		t.Errorf("got %v, want one delivered and one failed", states)
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	o := New(Options{Now: func() time.Time { return now }})
	o.backoff = func(failures int) time.Duration { return time.Duration(failures) * time.Second }
	retryAfter := func(d time.Duration) error { return &notify.SendError{RetryAfter: d, Err: errServer} }
	temporary := &notify.SendError{Err: errServer}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name     string
		ctx      context.Context
		err      error
		failures int
		age      time.Duration // of the delivery, which is tried for an hour
		want     verdict
		paused   time.Duration // the sink
	}{
		{name: "taken", want: verdict{state: Delivered, works: true}},
		{name: "taken late", age: 2 * time.Hour, want: verdict{state: Delivered, works: true}},
		{name: "taken at the end", ctx: ended, want: verdict{state: Delivered, works: true}},
		{name: "temporary", err: temporary, want: verdict{state: Waiting, reason: "server error", pause: time.Second}},
		{name: "again", err: temporary, failures: 4, want: verdict{state: Waiting, reason: "server error", pause: 5 * time.Second}},
		{name: "wrapped", err: fmt.Errorf("slack: %w", temporary), want: verdict{state: Waiting, reason: "slack: server error", pause: time.Second}},
		{name: "the last", err: temporary, failures: 9, age: time.Hour - 3*time.Second,
			want: verdict{state: Waiting, reason: "server error", pause: 3 * time.Second}},
		{name: "over", err: temporary, age: time.Hour, want: verdict{state: Failed, reason: "given up after 1h0m0s: server error"}},
		{name: "permanent", err: &notify.SendError{Permanent: true, Err: errServer}, want: verdict{state: Failed, reason: "refused: server error", works: true}},
		{name: "gone", err: &notify.SendError{Gone: true, Err: errServer}, want: verdict{state: Failed, reason: "server error", gone: true}},
		{name: "asked for more", err: retryAfter(time.Minute), failures: 4, paused: time.Minute,
			want: verdict{state: Waiting, reason: "asked to wait 1m0s: server error", pause: time.Minute}},
		{name: "asked for less", err: retryAfter(time.Second), failures: 4, paused: time.Second,
			want: verdict{state: Waiting, reason: "asked to wait 1s: server error", pause: 5 * time.Second}},
		{name: "asked for too much", err: retryAfter(240 * time.Hour), age: 50 * time.Minute, paused: 10 * time.Minute,
			want: verdict{state: Waiting, reason: "asked to wait 240h0m0s: server error", pause: 10 * time.Minute}},
		{name: "asked and over", err: retryAfter(time.Minute), age: 2 * time.Hour,
			want: verdict{state: Failed, reason: "given up after 1h0m0s: asked to wait 1m0s: server error"}},
		{name: "interrupted", ctx: ended, err: temporary, age: 2 * time.Hour,
			want: verdict{state: Waiting, reason: "server error", interrupted: true}},
		{name: "refused at the end", ctx: ended, err: &notify.SendError{Permanent: true, Err: errServer},
			want: verdict{state: Failed, reason: "refused: server error", works: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			if c.want.state == Waiting {
				c.want.next = now.Add(c.want.pause)
			}
			s := newSink(sinkOf("a", newSender(takes)))
			d := &taken{sink: s, since: now.Add(-c.age), failures: c.failures}
			if got := o.judge(c.ctx, d, c.err); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			// The pause runs already.
			if got := s.pausedFor(); got > c.paused || got < c.paused-patience {
				t.Errorf("the sink is paused for %v, want %v", got, c.paused)
			}
		})
	}
}

// A sink that asked to be left alone is left alone by its other deliveries too.
func TestRetryAfterPausesTheSink(t *testing.T) {
	s := newSender(says(&notify.SendError{RetryAfter: 300 * time.Millisecond, Err: errServer}))
	r := open(t, statePath(t), sinkOf("a", s)).start()
	first := r.plan("a", about("e"))[0]
	r.log.until(t, "delivery attempt failed")
	second := r.plan("a", about("f"))[0]
	asked := r.show(first).Attempts[0].At
	if rec := r.becomes(second, Delivered); rec.Tries != 1 || rec.Attempts[0].At.Sub(asked) < 300*time.Millisecond {
		t.Errorf("%d tries, the first %v after the sink asked for 300ms", rec.Tries, rec.Attempts[0].At.Sub(asked))
	}
	r.becomes(first, Delivered)
}

func TestGone(t *testing.T) {
	s := newSender(says(&notify.SendError{Permanent: true, Gone: true, Err: errors.New("410 Gone")}))
	r := open(t, statePath(t), sinkOf("a", s), sinkOf("b", newSender(takes))).start()
	r.becomes(r.plan("a", about("e"))[0], Failed)
	id := r.plan("a", about("f"))[0]
	rec := r.becomes(id, Failed)
	if rec.Tries != 0 || !strings.HasPrefix(rec.Error, "the sink's url is no more (refused: 410 Gone), and gets nothing until: tocsin reload") || !strings.HasSuffix(rec.Error, "tocsin deliveries retry "+id) {
		t.Errorf("shown as %+v", rec)
	}
	if len(s.calls) != 1 {
		t.Errorf("%d calls, want 1", len(s.calls))
	}
	r.becomes(r.plan("b", about("e"))[0], Delivered)
	if n := strings.Count(r.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, r.log)
	}
	r.quit()
	r = open(t, r.path, sinkOf("a", s)).start()
	must(t, Retry(t.Context(), r.store, id))
	r.becomes(id, Delivered)
}

func TestSenderFaultsAreTemporary(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func() error
		want  string
	}{
		{"plain error", func() error { return errors.New("odd") }, "odd"},
		{"runtime panic", func() error { return any(1).(error) }, "panic: interface conversion: int is not error: missing method Error"},
		{"panic", func() error { panic("https://example.com/secret") }, "panic with a string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := true
			s := newSender(func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
				if first {
					first = false
					return notify.Answer{}, c.fault()
				}
				return takes(ctx, d)
			})
			r := open(t, statePath(t), sinkOf("a", s)).start()
			rec := r.becomes(r.plan("a", about("e"))[0], Delivered)
			if len(rec.Attempts) != 2 || rec.Attempts[0].Error != c.want {
				t.Errorf("attempts %+v, want the error %q", rec.Attempts, c.want)
			}
			log := r.log.String()
			if strings.Contains(c.name, "panic") != strings.Contains(log, "stack=") || strings.Contains(log, "secret") {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// A message that cannot be read ends its delivery and holds up nobody.
func TestBrokenMessage(t *testing.T) {
	s := newSender(takes)
	r := open(t, statePath(t), sinkOf("a", s))
	ids := r.plan("a", about("e"), about("e"))
	_, err := r.store.DB().Exec(`UPDATE deliveries SET message = '{"time":' WHERE id = $1`, ids[0])
	must(t, err)
	r.start()
	r.becomes(ids[1], Delivered)
	list, err := List(t.Context(), r.store, Filter{State: "failed"})
	must(t, err)
	if len(list) != 1 || !strings.HasPrefix(list[0].Error, "its message cannot be read") {
		t.Errorf("failed: %+v", list)
	}
}

// A Send that takes for ever is cut off and tried again.
func TestSendLimit(t *testing.T) {
	first := true
	s := newSender(func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
		if first {
			first = false
			return hangs(ctx, d)
		}
		return takes(ctx, d)
	})
	r := open(t, statePath(t), sinkOf("a", s))
	r.sendLimit = 20 * time.Millisecond
	r.start()
	if rec := r.becomes(r.plan("a", about("e"))[0], Delivered); rec.Tries != 2 {
		t.Errorf("%d tries, want 2", rec.Tries)
	}
}

func TestRate(t *testing.T) {
	s := newSender(takes)
	k := sinkOf("a", s)
	k.Rate = 20
	r := open(t, statePath(t), k).start()
	ids := r.plan("a", about("1"), about("2"), about("3"), about("4"), about("5"), about("6"))
	var at []time.Time
	for _, id := range ids {
		at = append(at, r.becomes(id, Delivered).Attempts[0].At)
	}
	slices.SortFunc(at, time.Time.Compare)
	if d := at[5].Sub(at[0]); d < 240*time.Millisecond {
		t.Errorf("6 messages within %v at 20 a second", d)
	}
}

// A delivery that was cancelled while it waited for the rate is not sent.
func TestCancelWhileHeldByRate(t *testing.T) {
	s := newSender(takes)
	k := sinkOf("a", s)
	k.Rate = 0.5
	r := open(t, statePath(t), k).start()
	ids := r.plan("a", about("1"), about("2"))
	first := await(t, s.calls, "the first call").ID
	r.becomes(first, Delivered)
	second := ids[0]
	if second == first {
		second = ids[1]
	}
	for running, deadline := 0, time.Now().Add(patience); running == 0; {
		must(t, r.store.DB().QueryRow(`SELECT count(*) FROM river_job JOIN deliveries d ON d.job = river_job.id
			WHERE d.id = $1 AND river_job.state = 'running'`, second).Scan(&running))
		if time.Now().After(deadline) {
			t.Fatal("the second delivery was not taken up")
		}
	}
	must(t, Cancel(t.Context(), r.store, second))
	r.becomes(r.plan("a", about("3"))[0], Delivered)
	<-s.calls
	if rec := r.show(second); rec.State != Cancelled || rec.Tries != 0 || len(s.calls) != 0 {
		t.Errorf("%s after %d tries", rec.State, rec.Tries)
	}
}

// A worker that waits for the rate gives up at once when Run ends.
func TestRateDoesNotHoldUpTheEnd(t *testing.T) {
	s := newSender(takes)
	k := sinkOf("a", s)
	k.Rate = 0.001
	r := openWith(t, statePath(t), func(o *Outbox) { o.softStop = time.Hour }, k).start()
	ids := r.plan("a", about("1"), about("2"), about("3"))
	await(t, s.calls, "the first call")
	r.log.until(t, "delivered")
	r.halt()
	if n := r.waiting(); n != 2 {
		t.Errorf("%d of %d waiting, want 2", n, len(ids))
	}
}

func TestUnknownSinkWaits(t *testing.T) {
	r := open(t, statePath(t), sinkOf("a", newSender(takes))).start()
	id := r.plan("b", about("e"))[0]
	r.becomes(r.plan("a", about("e"))[0], Delivered)
	if rec := r.show(id); rec.State != Waiting || rec.Tries != 0 {
		t.Errorf("shown as %+v", rec)
	}
	r.quit()
	if log := r.log.String(); strings.Contains(log, "WARN") || strings.Contains(log, "ERROR") {
		t.Errorf("the log: %s", log)
	}
	none := open(t, r.path).start() // no sinks at all
	if n := none.waiting(); n != 1 {
		t.Errorf("%d waiting, want 1", n)
	}
	none.quit()
	s := newSender(takes)
	r = open(t, r.path, sinkOf("b", s)).start()
	if d := await(t, s.calls, "a call"); d.ID != id {
		t.Errorf("sent %s, want %s", d.ID, id)
	}
	r.becomes(id, Delivered)
}

// A Send under way at the end is given time, then cancelled; its delivery waits
// and is sent by the next run. Nothing is left behind.
func TestEndOfRun(t *testing.T) {
	s := newSender(hangs)
	r := open(t, statePath(t), sinkOf("a", s)).start()
	id := r.plan("a", about("e"))[0]
	await(t, s.calls, "the call")
	r.halt()
	noGoroutines(t)
	rec := r.show(id)
	if rec.State != Waiting || rec.Tries != 1 || rec.Attempts[0].Error != "context canceled" {
		t.Errorf("shown as %+v", rec)
	}
	r.quit()
	if log := r.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log: %s", log)
	}
	s = newSender(takes)
	r = open(t, r.path, sinkOf("a", s)).start()
	if d := await(t, s.calls, "a call"); d.ID != id {
		t.Errorf("sent as %s, want %s", d.ID, id)
	}
	r.becomes(id, Delivered)
}

// A Send that ends in the time it is given counts.
func TestEndOfRunWaitsForSends(t *testing.T) {
	goOn := make(chan struct{})
	s := newSender(func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
		<-goOn
		if err := ctx.Err(); err != nil {
			return notify.Answer{}, &notify.SendError{Err: err}
		}
		return takes(ctx, d)
	})
	r := openWith(t, statePath(t), func(o *Outbox) { o.softStop = patience }, sinkOf("a", s)).start()
	ids := r.plan("a", about("e"), about("e"))
	await(t, s.calls, "the call")
	r.end()
	<-r.stopping
	close(goOn)
	r.halt()
	if a, b := r.show(ids[0]), r.show(ids[1]); a.State != Delivered || b.State != Waiting || b.Tries != 0 {
		t.Errorf("%s, and then %s with %d tries; want delivered, waiting, 0", a.State, b.State, b.Tries)
	}
}

func TestRunWithoutWork(t *testing.T) {
	r := open(t, statePath(t), sinkOf("a", newSender(takes)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, r.Run(ctx))
	noGoroutines(t)
}

// noGoroutines fails the test if any goroutine of the outbox or of River goes on.
// One that has just closed its last channel may need a moment to return.
func noGoroutines(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for deadline := time.Now().Add(2 * time.Second); ; {
		b.Reset()
		must(t, pprof.Lookup("goroutine").WriteTo(&b, 1))
		if !strings.Contains(b.String(), "riverqueue") && !strings.Contains(b.String(), "outbox.(*Outbox)") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines are left:\n%s", &b)
		}
	}
}

// Whatever happens to River's jobs, a waiting delivery gets one again.
func TestMend(t *testing.T) {
	s := newSender(takes)
	for _, damage := range []string{
		`DELETE FROM river_job`,
		`UPDATE river_job SET state = 'discarded', finalized_at = '2020-01-01 00:00:00.000'`,
		`UPDATE river_job SET state = 'running', attempt = 1`,
		`UPDATE deliveries SET job = NULL`,
	} {
		r := open(t, statePath(t), sinkOf("a", s))
		id := r.plan("a", about("e"))[0]
		_, err := r.store.DB().Exec(damage)
		must(t, err)
		r.quit()
		r = open(t, r.path, sinkOf("a", s)).start()
		if rec := r.becomes(id, Delivered); rec.Tries != 1 {
			t.Errorf("%s: %d tries, want 1", damage, rec.Tries)
		}
		r.quit()
	}
	// While it runs, too.
	r := open(t, statePath(t), sinkOf("a", s))
	id := r.plan("a", about("e"))[0]
	_, err := r.store.DB().Exec(`DELETE FROM river_job`)
	must(t, err)
	r.start()
	r.becomes(id, Delivered)
}

func TestPrune(t *testing.T) {
	s := newSender(says(&notify.SendError{Permanent: true, Err: errServer}))
	r := open(t, statePath(t), sinkOf("a", s)).start()
	failed := r.plan("a", about("e"))[0]
	r.becomes(failed, Failed)
	delivered := r.plan("a", about("e"))[0]
	r.becomes(delivered, Delivered)
	pending := r.plan("nobody", about("e"), about("f"))
	must(t, Cancel(t.Context(), r.store, pending[1]))
	r.quit()

	reopened := func(later time.Duration) []string {
		r := open(t, r.path, sinkOf("a", s))
		r.clock.advance(later)
		r.tidyEvery = time.Millisecond
		r.start()
		// The prune of the start is over when a second one has removed this.
		id := r.plan("a", about("marker"))[0]
		r.becomes(id, Delivered)
		_, err := r.store.DB().Exec(`UPDATE deliveries SET finished = 1 WHERE id = $1`, id)
		must(t, err)
		for deadline := time.Now().Add(patience); ; {
			if _, err := Show(t.Context(), r.store, id); errors.Is(err, ErrNotFound) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("nothing was removed")
			}
		}
		list, err := List(t.Context(), r.store, Filter{})
		must(t, err)
		r.quit()
		var ids []string
		for _, rec := range list {
			ids = append(ids, rec.ID)
		}
		return ids
	}
	if got, want := reopened(keepFor-time.Hour), []string{pending[1], pending[0], delivered, failed}; !slices.Equal(got, want) {
		t.Errorf("a little earlier: %v, want %v", got, want)
	}
	if got, want := reopened(keepFor+time.Hour), []string{pending[0], failed}; !slices.Equal(got, want) {
		t.Errorf("later: %v, want %v", got, want)
	}
	store, err := ledger.OpenShared(t.Context(), r.path)
	must(t, err)
	defer store.Close()
	var orphans int
	must(t, store.DB().QueryRow(`SELECT (SELECT count(*) FROM attempts WHERE delivery NOT IN (SELECT seq FROM deliveries)) +
		(SELECT count(*) FROM delivery_events WHERE delivery NOT IN (SELECT seq FROM deliveries))`).Scan(&orphans))
	if orphans != 0 {
		t.Errorf("%d rows are left of removed deliveries", orphans)
	}
}

// Commands work on the store of a running daemon, and it takes notice.
func TestCommandsBesideRun(t *testing.T) {
	refuse := &notify.SendError{Permanent: true, Err: errServer}
	s := newSender(says(refuse))
	r := open(t, statePath(t), sinkOf("a", s)).start()
	failed := r.plan("a", about("e"))[0]
	r.becomes(failed, Failed)
	waiting := r.plan("b", about("e"), about("f"), about("g"))
	ok := r.plan("a", about("f"))[0]
	r.becomes(ok, Delivered)

	beside, err := ledger.OpenShared(t.Context(), r.path)
	must(t, err)
	defer beside.Close()
	ids := func(f Filter) []string {
		t.Helper()
		list, err := List(t.Context(), beside, f)
		must(t, err)
		var ids []string
		for _, rec := range list {
			ids = append(ids, rec.ID)
		}
		return ids
	}
	for _, c := range []struct {
		f    Filter
		want []string
	}{
		{Filter{}, []string{ok, waiting[2], waiting[1], waiting[0], failed}},
		{Filter{Limit: 2}, []string{ok, waiting[2]}},
		{Filter{Sink: "a"}, []string{ok, failed}},
		{Filter{State: "waiting"}, []string{waiting[2], waiting[1], waiting[0]}},
		{Filter{Sink: "a", State: "failed"}, []string{failed}},
		{Filter{Sink: "c"}, nil},
	} {
		if got := ids(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.f, got, c.want)
		}
	}
	if _, err := List(t.Context(), beside, Filter{State: "lost"}); err == nil {
		t.Error("an unknown state was taken")
	}
	must(t, Retry(t.Context(), beside, failed))
	r.becomes(failed, Delivered)
	must(t, Cancel(t.Context(), beside, waiting[1]))
	if n := r.waiting(); n != 2 {
		t.Errorf("%d waiting, want 2", n)
	}
	rec, err := Show(t.Context(), beside, failed)
	must(t, err)
	b, err := json.Marshal(rec)
	must(t, err)
	for _, want := range []string{`"id":"` + failed, `"state":"delivered"`, `"tries":2`, `"attempts":[{"n":1,`, `"message":{"type":"event.updated"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
	list, err := List(t.Context(), beside, Filter{Limit: 1})
	must(t, err)
	if b, err = json.Marshal(list); err != nil || strings.Contains(string(b), `"message"`) || strings.Contains(string(b), `"next"`) {
		t.Errorf("%v: %s", err, b)
	}
}

// Ids sort by when they were made.
func TestMint(t *testing.T) {
	var ids []string
	for range 1000 {
		id, err := mint()
		must(t, err)
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != 1000 || len(ids[0]) != 36 {
		t.Errorf("ids: %v", ids[:3])
	}
}

// A jump of the clock makes nothing due years later, and gives nothing up.
func TestShift(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	for _, by := range []time.Duration{years, -years} {
		r := open(t, statePath(t), sinkOf("a", newSender(says(&notify.SendError{Err: errServer}, &notify.SendError{Err: errServer}))))
		r.backoff = func(int) time.Duration { return time.Minute }
		id := r.plan("a", about("e1"))[0]
		r.start()
		r.log.until(t, "attempt failed")
		r.scheduled(t)
		r.clock.advance(by)
		if err := r.Shift(t.Context(), by); err != nil {
			t.Fatal(err)
		}
		r.clock.advance(time.Minute) // the second attempt is due, and fails
		r.log.until(t, "attempt failed")
		r.scheduled(t)
		r.clock.advance(time.Minute)
		if line := r.log.until(t, "msg=delivered"); !strings.Contains(line, id) {
			t.Errorf("a jump of %v: %s", by, line)
		}
		r.quit()
	}
}

// scheduled waits until no job is under way: River puts a job back behind the log
// line that tells of it.
func (r *rig) scheduled(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for n := 1; n > 0; {
		must(t, r.store.DB().QueryRow(`SELECT count(*) FROM river_job WHERE state = 'running'`).Scan(&n))
		if time.Now().After(deadline) {
			t.Fatal("timed out waiting for the end of a job")
		}
	}
}

// A job that River put back just when the clock jumped is found when the outbox
// tidies up.
func TestMendAfterAJump(t *testing.T) {
	r := open(t, statePath(t), sinkOf("a", newSender(takes)))
	id := r.plan("a", about("e1"))[0]
	_, err := r.store.DB().Exec(`UPDATE river_job SET state = 'scheduled', scheduled_at = '2099-01-01 00:00:00.000'`)
	must(t, err)
	r.start() // tidies up first
	r.becomes(id, Delivered)
	r.quit()
}

// What waits is from the future: the clock was put right while nothing ran.
func TestOpenAfterTheClockWasPutRight(t *testing.T) {
	path := statePath(t)
	r := open(t, path, sinkOf("a", newSender(says(&notify.SendError{Err: errServer}))))
	r.backoff = func(int) time.Duration { return time.Minute }
	r.clock.advance(10 * 365 * 24 * time.Hour)
	ids := r.plan("a", about("e1"))
	r.start()
	r.log.until(t, "attempt failed")
	r.halt()
	ids = append(ids, r.plan("a", about("e2"))...)
	r.quit()

	r = open(t, path, sinkOf("a", newSender(takes)))
	r.start()
	for _, id := range ids {
		r.becomes(id, Delivered)
	}
	r.quit()
}

// River's tables are made anew where they are damaged, with what waits.
func TestDamagedQueue(t *testing.T) {
	for _, damage := range []string{`DROP TABLE river_job`, `DROP TABLE river_leader`, `DROP TABLE river_queue`, `DROP TABLE river_notification`, `DROP TABLE river_migration`} {
		path := statePath(t)
		r := open(t, path, sinkOf("a", newSender(takes)))
		id := r.plan("a", about("e1"))[0]
		_, err := r.store.DB().Exec(damage)
		must(t, err)
		r.quit()
		r = open(t, path, sinkOf("a", newSender(takes)))
		r.start()
		r.becomes(id, Delivered)
		r.quit()
	}
}

// Tables of another River are brought forward, or made anew, with what waits.
func TestQueueOfAnotherRiver(t *testing.T) {
	for what, change := range map[string]func(ctx context.Context, store *ledger.Store) error{
		"older": func(ctx context.Context, store *ledger.Store) error {
			m, err := rivermigrate.New(driverOf(store), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				return err
			}
			_, err = m.Migrate(ctx, rivermigrate.DirectionDown, &rivermigrate.MigrateOpts{TargetVersion: 6})
			return err
		},
		"newer": func(ctx context.Context, store *ledger.Store) error {
			_, err := store.DB().ExecContext(ctx, `INSERT INTO river_migration (line, version) VALUES ('main', 1000)`)
			return err
		},
	} {
		path := statePath(t)
		r := open(t, path, sinkOf("a", newSender(takes)))
		id := r.plan("a", about("e1"))[0]
		must(t, change(t.Context(), r.store))
		r.quit()
		r = open(t, path, sinkOf("a", newSender(takes)))
		if made := strings.Contains(r.log.String(), "made anew"); made != (what == "newer") {
			t.Errorf("%s: made anew: %t", what, made)
		}
		r.start()
		r.becomes(id, Delivered)
		r.quit()
		r = open(t, path, sinkOf("a", newSender(takes)))
		if log := r.log.String(); strings.Contains(log, "anew") {
			t.Errorf("%s: the next start says %s", what, log)
		}
		r.quit()
	}
}

// closing counts how often it is closed.
type closing struct {
	notify.Sender
	closed int
}

func (c *closing) Close() error { c.closed++; return nil }

func TestCloseClosesSenders(t *testing.T) {
	s := &closing{}
	o := New(Options{Sinks: []Sink{{Name: "a", Sender: s}}})
	if err := o.Close(); err != nil || s.closed != 1 {
		t.Errorf("closed %d times: %v", s.closed, err)
	}
}
