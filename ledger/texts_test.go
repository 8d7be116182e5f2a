package ledger

import (
	"fmt"
	"testing"

	"tocsin/event"
	"tocsin/ledger/ledgertest"
)

// Texts that PostgreSQL has are fetched, and are there when it is not.
func TestFetch(t *testing.T) {
	ledgertest.OfPostgres(t)
	r := start(t)
	var events []*event.Event
	for i := range fetched + 3 {
		events = append(events, an(fmt.Sprintf("e%04d", i), fmt.Sprint("Event ", i)))
	}
	r.turn(events...)
	r.turn(events[1:]...)
	r.l = r.loadBrief()
	fetch := r.l.Fetch(r.store)
	// One is another before its text is fetched.
	held := r.l.Told("e0001")
	r.turn(append(events[2:], an("e0001", "Event 1", func(e *event.Event) { e.Body = "Another." }))...)
	if err := fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if full, err := held.Full(); err != nil || full.Body != events[1].Body {
		t.Errorf("the text before the change: %+v, %v", full, err)
	}
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range append(events[2:], events[0]) {
		e := r.l.Told(want.ID)
		if e == nil {
			e = r.l.withdrawn[want.ID][0].Event
		}
		if full, err := e.Full(); err != nil || full.Body != want.Body {
			t.Fatalf("%s: %+v, %v", want.ID, full, err)
		}
	}
	if err := fetch(t.Context()); err == nil {
		t.Error("fetched from a store that is closed")
	}
}
