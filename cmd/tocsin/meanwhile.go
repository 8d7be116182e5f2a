package main

import (
	"sync"
	"sync/atomic"

	"tocsin/feed"
)

// meanwhile encodes entries that are about to be published as files, which is most of the
// work of that, until stop is called, which waits for its end: the transaction in front
// of it uses one core. What it leaves is encoded when its feeds are made, so that it need
// not come far, and what fails fails there.
func (w *wheel) meanwhile(entries []*feed.Entry) (stop func()) {
	if w.publish == nil || len(entries) < manyEntries {
		return func() {}
	}
	var stopped atomic.Bool
	var working sync.WaitGroup
	working.Go(func() {
		for _, n := range entries {
			for _, format := range w.formats {
				if stopped.Load() {
					return
				}
				n.Encode(format)
			}
		}
	})
	return func() {
		stopped.Store(true)
		working.Wait()
	}
}

// manyEntries is how many are worth a goroutine.
const manyEntries = 16
