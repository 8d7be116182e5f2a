package outbox

import (
	"testing"
	"time"

	"tocsin/ledger/ledgertest"
)

// Deliveries are sent when they are planned, and when their turn comes, though River
// neither looks for jobs nor reads of them in the database.
func TestWake(t *testing.T) {
	s := newSender(takes)
	r := openWith(t, statePath(t), func(o *Outbox) { o.poll = time.Hour }, sinkOf("a", s), sinkOf("b--b", newSender(takes)))
	if !ledgertest.OnPostgres() { // which has no table of them
		_, err := r.store.DB().Exec(`CREATE TRIGGER unread AFTER INSERT ON river_notification BEGIN DELETE FROM river_notification WHERE id = NEW.id; END`)
		must(t, err)
	}
	r.start()
	r.becomes(r.plan("b--b", about("e0"))[0], Delivered)
	// River would look every five seconds, by an accident of its own.
	for n, began := 0, time.Now(); n < 20; n++ {
		if time.Since(began) > time.Minute {
			t.Fatalf("%d rounds in a minute: it is not woken", n)
		}
		ids := r.plan("a", about("e1"), about("e1"), about("e1"), about("e2"))
		for _, id := range ids {
			r.becomes(id, Delivered)
		}
	}
	// A hold that is over, too.
	r.held(true, 0, "e1")
	list, err := List(t.Context(), r.store, Filter{Limit: 1})
	must(t, err)
	r.clock.advance(2 * time.Hour)
	r.becomes(list[0].ID, Delivered)
}
