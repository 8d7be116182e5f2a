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

func TestEdit(t *testing.T) {
	e := &editor{sender: newSender(takes), name: "first", edits: make(chan string, 100)}
	sink := sinkOf("a", e)
	sink.Edit = true
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
