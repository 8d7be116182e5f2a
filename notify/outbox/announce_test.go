package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"tocsin/notify"
)

// announce announces feeds to the sink "hub".
func (r *rig) announce(feeds ...string) {
	r.Helper()
	must(r, r.store.Write(context.Background(), func(tx *sql.Tx) error {
		return r.Announce(context.Background(), tx, notify.Planned{Sink: "hub", Message: notify.Message{Type: notify.TypeFeeds, Feeds: feeds}})
	}))
}

// announced are the feeds of the deliveries of a state, oldest first.
func (r *rig) announcedAs(state State) [][]string {
	r.Helper()
	list, err := List(context.Background(), r.store, Filter{Sink: "hub", State: string(state)})
	must(r, err)
	slices.Reverse(list)
	var all [][]string
	for _, d := range list {
		all = append(all, r.show(d.ID).Message.Feeds)
	}
	return all
}

func (r *rig) wantAnnounced(state State, want ...[]string) {
	r.Helper()
	got := r.announcedAs(state)
	if !slices.EqualFunc(got, want, slices.Equal) {
		r.Errorf("%s: %q, want %q", state, got, want)
	}
}

func numbered(from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint("f", i))
	}
	return all
}

// A feed waits once, however often it changes, and its delivery takes in others as
// long as there is room.
func TestAnnounceJoinsWhatWaits(t *testing.T) {
	r := open(t, statePath(t), sinkOf("hub", newSender(takes)))
	r.announce("a", "b", "a")
	r.wantAnnounced(Waiting, []string{"a", "b"})
	r.announce("b", "a")
	r.announce("c", "b")
	r.announce()
	r.wantAnnounced(Waiting, []string{"a", "b", "c"})
	if list, _ := List(t.Context(), r.store, Filter{}); list[0].Title != "a, and 2 more" || list[0].Type != notify.TypeFeeds {
		t.Errorf("listed as %q, %s", list[0].Title, list[0].Type)
	}
	for i := range 1000 {
		r.announce(fmt.Sprint("f", i%120), "a")
	}
	r.wantAnnounced(Waiting,
		append([]string{"a", "b", "c"}, numbered(0, 47)...), numbered(47, 97), numbered(97, 120))
}

func TestAnnounceMany(t *testing.T) {
	r := open(t, statePath(t), sinkOf("hub", newSender(takes)))
	r.announce("a")
	r.announce(numbered(0, 120)...)
	r.wantAnnounced(Waiting, append([]string{"a"}, numbered(0, 49)...), numbered(49, 99), numbered(99, 120))
}

// What is under way may have been fetched before the change: the feed waits again.
func TestAnnounceWhileUnderWay(t *testing.T) {
	answers := make(chan struct{})
	s := newSender(func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
		<-answers
		return takes(ctx, d)
	})
	hub := sinkOf("hub", s)
	hub.Workers = 1
	r := open(t, statePath(t), hub).start()
	r.announce("a")
	await(t, s.calls, "the first call")
	r.announce("a")
	r.announce("a", "b")
	r.wantAnnounced(Waiting, []string{"a"}, []string{"a", "b"})
	answers <- struct{}{}
	d := await(t, s.calls, "the second call")
	if !slices.Equal(d.Message.Feeds, []string{"a", "b"}) {
		t.Errorf("the second call tells of %q", d.Message.Feeds)
	}
	answers <- struct{}{}
	r.becomes(d.ID, Delivered)
	r.wantAnnounced(Waiting)
}

// While a hub is down what changes joins the deliveries that are tried again.
func TestAnnounceWhileDown(t *testing.T) {
	s := newSender(says(&notify.SendError{Err: errServer}))
	hub := sinkOf("hub", s)
	hub.Workers = 1
	r := openWith(t, statePath(t), func(o *Outbox) {
		o.backoff = func(int) time.Duration { return 24 * time.Hour }
	}, hub).start()
	r.announce("a")
	await(t, s.calls, "the call that fails")
	r.log.until(t, "delivery attempt failed")
	// River puts the job back a moment after its outcome was logged.
	for deadline := time.Now().Add(patience); ; {
		var running int
		must(t, r.store.DB().QueryRow(`SELECT count(*) FROM river_job WHERE state = 'running'`).Scan(&running))
		if running == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the job runs for ever")
		}
	}
	r.announce("b", "a")
	r.wantAnnounced(Waiting, []string{"a", "b"})
}

// What changes late in an outage is not given up together with what changed early.
func TestAnnounceAnew(t *testing.T) {
	r := open(t, statePath(t), sinkOf("hub", newSender(takes))) // with an hour for its retries
	r.announce("a")
	r.clock.advance(29 * time.Minute)
	r.announce("b")
	r.wantAnnounced(Waiting, []string{"a", "b"})
	r.clock.advance(2 * time.Minute)
	r.announce("a")
	r.announce("c")
	r.wantAnnounced(Waiting, []string{"a", "b"}, []string{"a", "c"})
}

func TestAnnounceBesideOthers(t *testing.T) {
	r := open(t, statePath(t), sinkOf("hub", newSender(takes)), sinkOf("other", newSender(takes)))
	r.plan("hub", about("e"))
	must(t, r.store.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE deliveries SET message = '{"feeds": ["a"]}'`)
		return err
	}))
	r.announce("a")
	list, err := List(t.Context(), r.store, Filter{Sink: "hub"})
	must(t, err)
	if len(list) != 2 {
		t.Errorf("a message of another type took in the feeds: %v", list)
	}
	// One that is damaged hinders nothing.
	must(t, r.store.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE deliveries SET message = 'x' WHERE type = $1`, notify.TypeFeeds)
		return err
	}))
	r.announce("a")
	var body string
	must(t, r.store.DB().QueryRow(`SELECT message FROM deliveries ORDER BY seq DESC LIMIT 1`).Scan(&body))
	var m notify.Message
	must(t, json.Unmarshal([]byte(body), &m))
	if !slices.Equal(m.Feeds, []string{"a"}) {
		t.Errorf("announced %q", m.Feeds)
	}
}

// Nothing is sent to a sink that is not ready, and the end does not wait for it.
func TestReady(t *testing.T) {
	path := statePath(t)
	s := newSender(takes)
	shut, asked := make(chan struct{}), make(chan struct{}, 100)
	hub := sinkOf("hub", s)
	hub.Ready = func() <-chan struct{} { asked <- struct{}{}; return shut }
	other := newSender(takes)
	r := open(t, path, hub, sinkOf("other", other)).start()
	r.announce("a")
	await(t, asked, "the question whether the hub is ready")
	r.becomes(r.plan("other", about("e"))[0], Delivered)
	r.quit()
	if len(s.calls) > 0 {
		t.Fatal("sent before the sink was ready")
	}

	r = open(t, path, hub, sinkOf("other", other)).start()
	await(t, asked, "the question whether the hub is ready")
	if n := r.waiting(); n != 1 || len(s.calls) > 0 {
		t.Fatalf("%d wait, %d calls", n, len(s.calls))
	}
	close(shut)
	d := await(t, s.calls, "the call")
	if rec := r.becomes(d.ID, Delivered); rec.Tries != 1 {
		t.Errorf("%d attempts", rec.Tries)
	}
}
