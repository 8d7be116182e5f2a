package outbox

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/notify"
)

// A sink that fails for long is tried now and then, which costs others nothing and
// the log a line; when it is back all that waited for it goes out, in order.
func TestDownSink(t *testing.T) {
	var works atomic.Bool
	s := newSender(func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
		if works.Load() {
			return takes(ctx, d)
		}
		return notify.Answer{Status: 503}, &notify.SendError{Err: errServer}
	})
	alive := newSender(takes)
	r := openWith(t, statePath(t), func(o *Outbox) {
		o.holdEvery, o.downAfter, o.firstProbe = 5*time.Millisecond, 0, 200*time.Millisecond
	}, sinkOf("a", s), sinkOf("b", alive))
	var ids []string
	const events = 40
	for i := range 2 * events {
		ids = append(ids, r.plan("a", about(fmt.Sprint("e", i%events)))...)
	}
	r.start()
	if line := r.log.until(t, "the sink is down"); !strings.Contains(line, "sink=a") {
		t.Error(line)
	}
	before := len(s.calls)
	other := r.plan("b", about("e1"))[0]
	r.becomes(other, Delivered)
	// What is being tried when it goes down ends; then it is probes alone.
	for n := 0; n < 2; n++ {
		await(t, s.calls, "a probe")
	}
	if n := before + len(s.calls); n > events/2 {
		t.Errorf("%d attempts at a sink that is down", n)
	}
	works.Store(true)
	if line := r.log.until(t, "the sink is back"); !strings.Contains(line, "sink=a") {
		t.Error(line)
	}
	for _, id := range ids {
		r.becomes(id, Delivered)
	}
	finished := make(map[string]time.Time)
	for i, id := range ids {
		rec := r.show(id)
		e := fmt.Sprint("e", i%events)
		if rec.Finished.Before(finished[e]) {
			t.Errorf("%s overtook the one before it", id)
		}
		finished[e] = rec.Finished
	}
	if text := r.log.String(); strings.Count(text, "the sink is down") != 1 || strings.Count(text, "the sink is back") != 1 {
		t.Errorf("the log:\n%s", text)
	}
}

// A sink that refuses messages for good works, and one that fails now and then is
// not down.
func TestNotDown(t *testing.T) {
	for name, answer := range map[string]func(context.Context, notify.Delivery) (notify.Answer, error){
		"refuses": func(context.Context, notify.Delivery) (notify.Answer, error) {
			return notify.Answer{Status: 400}, &notify.SendError{Permanent: true, Err: errServer}
		},
		"fails at first": says(&notify.SendError{Err: errServer}, &notify.SendError{Err: errServer}, &notify.SendError{Err: errServer}, &notify.SendError{Err: errServer}),
	} {
		r := openWith(t, statePath(t), func(o *Outbox) { o.downAfter = 0 }, sinkOf("a", newSender(answer)))
		var ids []string
		for i := range 20 {
			ids = append(ids, r.plan("a", about(fmt.Sprint("e", i)))...)
		}
		r.start()
		for _, id := range ids {
			for rec := r.show(id); rec.State == Waiting; rec = r.show(id) {
				r.log.until(t, id)
			}
		}
		if text := r.log.String(); strings.Contains(text, "the sink is down") {
			t.Errorf("%s:\n%s", name, text)
		}
		r.quit()
	}
}
