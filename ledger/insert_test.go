package ledger

import (
	"fmt"
	"testing"

	"tocsin/event"
)

// As many events as several statements take are written as one is, whether they are new,
// other ones or gone.
func TestWriteMany(t *testing.T) {
	for _, n := range []int{groupRows - 1, groupRows, 2*groupRows + 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := start(t)
			var events []*event.Event
			for i := range n {
				events = append(events, an(fmt.Sprintf("event-%03d", i), "A title", tags(fmt.Sprintf("tag %d", i))))
			}
			r.turn(events...)
			for i, e := range events {
				events[i] = an(e.ID, "Another title", tags(e.Tags...))
			}
			told := r.turn(events...)
			if len(told) != n {
				t.Errorf("%d of %d are told", len(told), n)
			}
			r.turn(events[:1]...)
		})
	}
}
