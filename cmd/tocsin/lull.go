package main

import (
	"runtime"
	runtimemetrics "runtime/metrics"
	"sync/atomic"
)

// lull collects garbage where that is in nobody's way: while what was noticed in the
// folder settles. Otherwise a turn is likely to begin a collection, as nothing takes as
// much memory at once, and that looks at all that the daemon holds, on all cores. Its
// zero value is ready; it is safe for concurrent use.
type lull struct{ busy atomic.Bool }

// begin begins a collection unless one is on or has nearly been. It does not wait.
func (l *lull) begin() {
	if l.busy.CompareAndSwap(false, true) {
		go func() {
			defer l.busy.Store(false)
			if half(heap()) {
				runtime.GC()
			}
		}()
	}
}

// heap returns how many bytes the last collection left, how many there are now, and at
// how many the next one has ended.
func heap() (left, now, goal uint64) {
	s := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/goal:bytes"}}
	runtimemetrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64()
}

// half says that half of what may come between two collections has come.
func half(left, now, goal uint64) bool { return 2*now >= left+goal }
