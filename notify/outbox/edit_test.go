package outbox

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tocsin/notify"
)

// editor is a sink that can change what it was sent, but for what it calls "old".
type editor struct {
	*sender
	name  string
	edits chan string
}

func (e *editor) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	a, err := e.sender.Send(ctx, d)
	a.RemoteID = e.name
	return a, err
}

func (e *editor) Edit(_ context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	e.edits <- fmt.Sprint(tells(d.Message), " in ", remoteID)
	if remoteID == "old" {
		return notify.Answer{Status: 404}, &notify.SendError{Permanent: true, Err: errServer}
	}
	return notify.Answer{Status: 200}, nil
}

// threader is a sink whose messages can be answered, but for what it calls "old".
type threader struct{ *editor }

func (e *threader) Reply(ctx context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	return e.Edit(ctx, d, remoteID)
}

// All that is sent of an event goes into the thread of the first message, and where
// that is gone into the one of the message that is sent instead.
func TestThread(t *testing.T) {
	e := &threader{&editor{sender: newSender(takes), name: "first", edits: make(chan string, 100)}}
	sink := sinkOf("a", e)
	sink.Updates = Thread
	r := open(t, statePath(t), sink).start()
	of := func(id string, typ notify.Type, kind notify.Kind) notify.Message {
		m := about(id)
		m.Type, m.Items[0].Change.Kind = typ, kind
		return m
	}
	var last string
	deliver := func(m notify.Message) {
		t.Helper()
		last = r.plan("a", m)[0]
		r.becomes(last, Delivered)
	}
	deliver(of("e1", notify.TypeNew, notify.New))
	e.name = "second"
	deliver(of("e1", notify.TypeUpdated, notify.Updated))
	deliver(of("e1", notify.TypeWithdrawn, notify.Withdrawn))
	deliver(of("e1", notify.TypeNew, notify.New))
	deliver(about("e1", "e2")) // a batch is in no thread
	for _, want := range []string{"event.updated e1 in first", "event.withdrawn e1 in first", "event.new e1 in first"} {
		if got := await(t, e.edits, "an answer"); got != want {
			t.Errorf("answered: %s, want %s", got, want)
		}
	}
	if n := len(e.calls); n != 2 || len(e.edits) > 0 {
		t.Errorf("%d messages and %d more answers", n, len(e.edits))
	}

	e.name = "old"
	deliver(of("e3", notify.TypeNew, notify.New))
	e.name = "new"
	deliver(of("e3", notify.TypeUpdated, notify.Updated))
	const words = "the thread about the event cannot be continued; another is begun"
	if d := r.show(last); !strings.HasPrefix(d.Attempts[0].Answer, words) || !strings.Contains(r.log.String(), words) {
		t.Errorf("neither the log nor %+v says that there is another message", d.Attempts)
	}
	deliver(of("e3", notify.TypeUpdated, notify.Updated))
	if got, want := await(t, e.edits, "an answer")+", "+await(t, e.edits, "an answer"), "event.updated e3 in old, event.updated e3 in new"; got != want {
		t.Errorf("answered: %s, want %s", got, want)
	}
}

func TestEdit(t *testing.T) {
	e := &editor{sender: newSender(takes), name: "first", edits: make(chan string, 100)}
	sink := sinkOf("a", e)
	sink.Updates = Edit
	other := &editor{sender: newSender(takes), name: "other", edits: make(chan string, 100)}
	r := open(t, statePath(t), sink, sinkOf("b", other)).start()
	fresh := func(id string) notify.Message {
		m := about(id)
		m.Type, m.Items[0].Change.Kind = notify.TypeNew, notify.New
		return m
	}
	deliver := func(to string, m notify.Message) {
		t.Helper()
		r.becomes(r.plan(to, m)[0], Delivered)
	}
	deliver("a", fresh("e1"))
	deliver("a", about("e1", "e2")) // a batch, which is nobody's message
	for range 2 {
		deliver("a", about("e1"))
		if got := await(t, e.edits, "an edit"); got != "event.updated e1 in first" {
			t.Errorf("edited: %s", got)
		}
	}
	if n := len(e.calls); n != 2 {
		t.Errorf("%d messages", n)
	}
	deliver("a", about("e2")) // of which only the batch told
	gone := about("e1")
	gone.Type, gone.Items[0].Change.Kind = notify.TypeWithdrawn, notify.Withdrawn
	deliver("a", gone)
	deliver("b", fresh("e1"))
	deliver("b", about("e1")) // it does not want edits
	if n, m := len(e.calls), len(other.calls); n != 4 || m != 2 || len(e.edits)+len(other.edits) > 0 {
		t.Errorf("%d and %d messages, %d edits", n, m, len(e.edits)+len(other.edits))
	}

	// What cannot be changed is sent anew, and that can be changed.
	e.name = "old"
	deliver("a", fresh("e3"))
	e.name = "new"
	deliver("a", about("e3"))
	deliver("a", about("e3"))
	if got, want := await(t, e.edits, "an edit")+", "+await(t, e.edits, "an edit"), "event.updated e3 in old, event.updated e3 in new"; got != want {
		t.Errorf("edited: %s, want %s", got, want)
	}
	if !strings.Contains(r.log.String(), "cannot be changed; another is sent") {
		t.Error("the log does not say so")
	}
}
