package main

import (
	"fmt"
	"slices"
	"testing"
)

// A digest tells of everything since the last one, each event once; another sink is
// told at once.
func TestDigest(t *testing.T) {
	t.Parallel()
	r := newRig(t, "      on: [new]", "")
	r.addSinks(fmt.Sprintf(`
    - {name: daily, type: webhook, url: "%s/hook", rate: 0, digest: {schedule: "@every 10s"}}`, r.receiver.server.URL))
	r.event("a", "A", "x", "Text.")
	r.event("b", "B", "x", "Text.")
	r.start()
	var messages int
	told := func(sink string) (all []string) {
		messages = 0
		for _, h := range r.receiver.all() {
			if h.Data.Sink != sink {
				continue
			}
			messages++
			if h.Data.Events == nil {
				all = append(all, h.Data.Change.Kind+" "+h.Data.Event.ID)
			}
			for _, e := range h.Data.Events {
				all = append(all, e.Change.Kind+" "+e.Event.ID)
			}
		}
		slices.Sort(all)
		return all
	}
	r.event("c", "C", "x", "Text.")
	r.until("the first digest", func() bool { return slices.Equal(told("daily"), []string{"new c"}) })
	// A digest was sent just now: there is time before the next.
	r.event("c", "C, again", "x", "Text.")
	r.event("d", "D", "x", "Text.")
	r.until("the other sink", func() bool { return slices.Equal(told("hook"), []string{"new c", "new d"}) })
	r.event("d", "D, at last", "x", "Text.")
	r.event("b", "B, corrected", "x", "Text.")
	want := []string{"new c", "new d", "updated b", "updated c"}
	r.until("the second digest", func() bool { return slices.Equal(told("daily"), want) })
	if told("daily"); messages != 2 {
		t.Errorf("%d messages of digests", messages)
	}
}
