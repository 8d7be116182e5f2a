package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/notify"
)

// held plans messages about events, held for an hour.
func (r *rig) held(together bool, burst int, events ...string) {
	r.Helper()
	until := r.clock.now().Add(time.Hour)
	must(r, r.store.Write(context.Background(), func(tx *sql.Tx) error {
		for _, e := range events {
			p := notify.Planned{Sink: "a", Message: about(e), Held: until, Together: together, Burst: burst}
			p.Message.Items[0].Change.Fields = []event.Field{event.Status}
			p.Message.Items[0].Change.Before = map[string]any{"status": "before"}
			p.Message.Items[0].Event.Status = "now"
			if _, err := r.Plan(context.Background(), tx, []notify.Planned{p}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// tells is what a message tells of, in a word.
func tells(m notify.Message) string {
	var ids []string
	for _, i := range m.Items {
		ids = append(ids, i.Event.ID)
	}
	return fmt.Sprint(m.Type, " ", strings.Join(ids, " "))
}

// What is held says until when and for what, and what waits for another for which.
func TestWaitsFor(t *testing.T) {
	r := open(t, statePath(t), sinkOf("a", newSender(hangs)))
	waits := func() Record {
		t.Helper()
		list, err := List(t.Context(), r.store, Filter{Limit: 1})
		must(t, err)
		return list[0]
	}
	for together, what := range map[bool]string{true: Digest, false: Quiet} {
		from := r.clock.now()
		r.held(together, 0, "e1")
		d := waits()
		if left := d.Held.Sub(from); d.HeldFor != what || left < 59*time.Minute || left > 61*time.Minute || d.Behind != "" {
			t.Errorf("%+v, want it held for %s", d, what)
		}
		must(t, Cancel(t.Context(), r.store, d.ID))
		if d := r.show(d.ID); !d.Held.IsZero() || d.HeldFor != "" {
			t.Errorf("cancelled, it is still held: %+v", d)
		}
		// Who asks for it does not want to wait.
		must(t, Retry(t.Context(), r.store, d.ID))
		if d := r.show(d.ID); !d.Held.IsZero() {
			t.Errorf("asked for, it is still held: %+v", d)
		}
		must(t, Cancel(t.Context(), r.store, d.ID))
	}
	ids := r.plan("a", about("e2"), about("e3"), about("e2"), about("e2", "e3"))
	for i, want := range []string{"", "", ids[0], ids[2]} {
		if d := r.show(ids[i]); d.Behind != want || !d.Held.IsZero() {
			t.Errorf("%d: %+v, want it behind %q", i, d, want)
		}
	}
}

func TestHeld(t *testing.T) {
	for _, tt := range []struct {
		name     string
		together bool
		burst    int
		events   []string
		want     []string
	}{
		{"a digest", true, 10, []string{"e1", "e2", "e3"}, []string{"event.batch e1 e2 e3"}},
		{"a digest of one", true, 10, []string{"e1"}, []string{"event.updated e1"}},
		{"a digest of one event", true, 0, []string{"e1", "e1"}, []string{"event.updated e1"}},
		{"quiet hours", false, 2, []string{"e1", "e2"}, []string{"event.updated e1", "event.updated e2"}},
		{"quiet hours with a storm", false, 2, []string{"e1", "e2", "e3"}, []string{"event.batch e1 e2 e3"}},
		{"quiet hours without bursts", false, 0, []string{"e1", "e2", "e3"}, []string{"event.updated e1", "event.updated e2", "event.updated e3"}},
	} {
		for _, restart := range []bool{false, true} {
			s := newSender(takes)
			r := openWith(t, statePath(t), func(o *Outbox) { o.holdEvery = time.Millisecond }, sinkOf("a", s))
			r.held(tt.together, tt.burst, tt.events...)
			r.start()
			if restart { // it came due while nothing ran
				r.halt()
				path := r.path
				r.quit()
				r = openWith(t, path, func(o *Outbox) { o.holdEvery = time.Millisecond }, sinkOf("a", s))
				r.clock.advance(61 * time.Minute)
				r.start()
			} else {
				// Something else goes through meanwhile.
				other := r.plan("a", about("other"))[0]
				r.becomes(other, Delivered)
				if got := tells(await(t, s.calls, "the other message").Message); got != "event.updated other" {
					t.Errorf("%s: before its time: %s", tt.name, got)
				}
				r.clock.advance(61 * time.Minute)
			}
			got := make(map[string]bool)
			for range tt.want {
				got[tells(await(t, s.calls, tt.name).Message)] = true
			}
			for _, w := range tt.want {
				if !got[w] {
					t.Errorf("%s: no %s in %v", tt.name, w, got)
				}
			}
			for r.waiting() > 0 {
				r.log.until(t, "msg=delivered")
			}
			r.quit()
			if n := len(s.calls); n > 0 {
				t.Errorf("%s: %d messages more", tt.name, n)
			}
		}
	}
}

// What was undone before it was told is told to nobody.
func TestHeldForNothing(t *testing.T) {
	s := newSender(takes)
	r := openWith(t, statePath(t), func(o *Outbox) { o.holdEvery = time.Millisecond }, sinkOf("a", s))
	until := r.clock.now().Add(time.Hour)
	must(t, r.store.Write(t.Context(), func(tx *sql.Tx) error {
		for _, kind := range []notify.Kind{notify.New, notify.Withdrawn} {
			m := about("e1")
			m.Type, m.Items[0].Change.Kind = kind.Type(), kind
			if _, err := r.Plan(t.Context(), tx, []notify.Planned{{Sink: "a", Message: m, Held: until, Together: true}}); err != nil {
				return err
			}
		}
		return nil
	}))
	r.start()
	r.clock.advance(2 * time.Hour)
	id := r.plan("a", about("e1"))[0] // it waits for what is held of the same event, or takes it along
	r.becomes(id, Delivered)
	for n := r.waiting(); n > 0; n = r.waiting() {
		r.log.until(t, "msg=delivered")
	}
}

// A message that goes out at once takes along what is held of its event, in order.
func TestUrgentTakesAlong(t *testing.T) {
	s := newSender(takes)
	r := openWith(t, statePath(t), func(o *Outbox) { o.holdEvery = time.Millisecond }, sinkOf("a", s))
	r.held(false, 0, "e1", "e2")
	id := r.plan("a", about("e1"))[0]
	r.start()
	r.becomes(id, Delivered)
	for i := range 2 {
		if d := await(t, s.calls, "a message of e1"); tells(d.Message) != "event.updated e1" || (i == 1) != (d.ID == id) {
			t.Errorf("message %d is %s, %s", i+1, d.ID, tells(d.Message))
		}
	}
	if n := r.waiting(); n != 1 {
		t.Errorf("%d wait", n)
	}
}
