package main

import (
	"sync"
	"time"

	"tocsin/config"
	"tocsin/feed"
	"tocsin/notify"
)

// ping is what the hub is told of feeds that have changed: every address of each.
// It names none where there is no hub.
func (w *wheel) ping(changed []*feed.Feed, now time.Time) notify.Planned {
	m := notify.Message{Type: notify.TypeFeeds, Time: now.UTC(), Timeline: w.style.Title, Home: w.style.URL + "/"}
	if !w.hub {
		changed = nil
	}
	for _, f := range changed {
		for _, format := range w.formats {
			m.Feeds = append(m.Feeds, f.URL(format))
		}
	}
	return notify.Planned{Sink: config.HubSink, Message: m}
}

// gate keeps the hub from being told of feeds before it can fetch them: from their
// commit until they are served and published as files, and from the start until the first
// turn is done, which publishes what an earlier run may have only committed.
type gate struct {
	rest time.Duration // between the lifting of the gate and its being open

	mu   sync.Mutex
	open chan struct{} // closed where the gate is open
	now  int           // the mark
	mine bool          // the hub is for this process to tell
}

// newGate returns a gate that is shut, and that opens so long after it is lifted: over 0
// where other processes serve the same, and have to follow.
func newGate(rest time.Duration) *gate {
	return &gate{rest: rest, mine: rest == 0, open: make(chan struct{})}
}

// own says whether the hub is for this process to tell. Among several it is none's until
// then.
func (g *gate) own(mine bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mine = mine
}

// here reports whether the hub is for this process to tell.
func (g *gate) here() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mine
}

// shut shuts the gate, where it is open, and outdates all marks.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	select {
	case <-g.open:
		g.open = make(chan struct{})
	default:
	}
}

// mark returns what lifts the gate until it is shut again.
func (g *gate) mark() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

// lift opens the gate, where it is shut and has not been shut since the mark.
func (g *gate) lift(mark int) {
	if g.rest > 0 {
		time.AfterFunc(g.rest, func() { g.lifts(mark) })
		return
	}
	g.lifts(mark)
}

func (g *gate) lifts(mark int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if mark != g.now {
		return
	}
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// lifted returns a channel that is closed once the gate is open.
func (g *gate) lifted() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}
