package main

import (
	"runtime"
	"testing"
)

func TestHalf(t *testing.T) {
	for _, c := range []struct {
		left, now, goal uint64
		want            bool
	}{
		{100, 100, 200, false},
		{100, 149, 200, false},
		{100, 150, 200, true},
		{100, 210, 200, true}, // a collection is on
		{100, 90, 200, false},
	} {
		if got := half(c.left, c.now, c.goal); got != c.want {
			t.Errorf("left %d, now %d, goal %d: %v", c.left, c.now, c.goal, got)
		}
	}
}

// forced is how many collections there were that the program itself began.
func forced() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumForcedGC
}

// TestLull: a lull collects once half of what may come has come, and not before.
func TestLull(t *testing.T) {
	var l lull
	collected := func() bool {
		before := forced()
		l.begin()
		for l.busy.Load() {
			runtime.Gosched()
		}
		return forced() > before
	}
	runtime.GC()
	runtime.GC() // what the first has found is swept
	if collected() {
		t.Error("collected, with nothing to collect")
	}
	var held [][]byte
	for range 100_000 {
		if half(heap()) {
			break
		}
		held = append(held, make([]byte, 16<<10))
	}
	if !half(heap()) {
		t.Fatalf("%d pieces of memory are not half of what may come", len(held))
	}
	if !collected() {
		t.Error("not collected, with half of what may come")
	}
	runtime.KeepAlive(held)
}
