package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"tocsin/timeline"
	"tocsin/web"
)

// built is what build prints.
type built struct {
	Out    string   `json:"out"`
	Events int      `json:"events"`
	Feeds  int      `json:"feeds"`
	Faults []string `json:"faults"`
	Millis int64    `json:"took_ms"`
}

// unusedRoom is how much memory a build seems to hold from its beginning. The garbage
// collector lets a small heap grow to twice its size, again and again; what a build of
// thousands of events holds is as small as that, and it would collect fifty times in a
// second. Nobody touches the room, so that the system never gives it.
const unusedRoom = 64 << 20

// build is one turn of the wheel into a folder. It sends nothing: what it finds
// out is entered with its deliveries, as the daemon would have, and these wait
// for the daemon; so no change is lost to a build.
func build(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "build", "[-config FILE] [-out DIR] [-feeds]",
		"Writes all feeds and pages into a folder, once. It notifies nobody; what is new\nwaits in the queue for the daemon.")
	f.withJSON()
	out := f.String("out", "", "write into the folder `DIR` (default feeds.dir, which may be a bucket)")
	alone := f.Bool("feeds", false, "write the feeds alone, and no pages (also: feeds.write)")
	if err := f.parseFlags(args); err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	var place web.Place
	switch {
	case strings.Contains(*out, "://"):
		return &usageError{msg: "-out takes a folder; a bucket is written as feeds.dir in the configuration"}
	case *out == "" && c.Feeds.Dir == "":
		return &usageError{msg: "where to? give -out DIR, or feeds.dir in the configuration"}
	case *out == "" && c.Feeds.Bucket != nil:
		if place, err = newBucket(c, nil); err != nil {
			return err
		}
		*out = c.Feeds.Bucket.String()
	default:
		*out = cmp.Or(*out, c.Feeds.Dir)
		place = &web.Folder{Dir: *out}
	}
	began := time.Now()
	room := make([]byte, unusedRoom)
	defer runtime.KeepAlive(room)
	log := t.logger(slog.LevelError)
	store, copied, remove, err := openForBuild(ctx, c)
	if err != nil {
		return err
	}
	defer remove()
	defer store.Close()
	live := newGate(0)
	queue, err := newOutbox(c, store, live, time.Now, log, nil)
	if err != nil {
		return err
	}
	if copied {
		fmt.Fprintln(t.err, "tocsin build: the daemon runs on this state; building beside it, from a copy")
		queue = nil
	} else {
		if err := queue.Open(ctx); err != nil {
			return err
		}
		defer queue.Close()
	}

	w := newWheel(c, store, queue, newShelf(store, log), live, time.Now, log, nil)
	reading, writing := t.progress("reading events"), t.progress("writing pages and feeds")
	w.progress = reading.at
	w.style.Spill = newShelf(store, log).Append
	p := &web.Publisher{Site: w.site, Place: place, FeedsAlone: *alone || c.Feeds.Write == "feeds", Progress: func(done, all int) {
		reading.end()
		writing.at(done, all)
	}}
	w.publish = p.Write
	if err := w.load(ctx); err != nil {
		return err
	}
	w.relax() // what follows leaves more garbage than a look of the daemon
	if store.Shared() {
		if _, err := w.attend(ctx); err != nil {
			return err
		}
	}
	where := timeline.Where{All: true}
	for {
		again, err := w.turn(ctx, where)
		if err != nil {
			return err
		}
		if held := w.held.Load(); held != nil {
			return errHeld(held)
		}
		if again == nil {
			break
		}
		select {
		case <-time.After(w.settle):
		case <-ctx.Done():
			return ctx.Err()
		}
		where = timeline.Where{Paths: again}
	}
	reading.end()
	writing.end()
	b := built{
		Out: *out, Events: w.catalog.Len(), Feeds: w.site.Feeds(), Faults: []string{}, Millis: time.Since(began).Milliseconds(),
	}
	for _, err := range w.timeline.Faults() {
		b.Faults = append(b.Faults, located(c.Events.Dir, err))
	}
	err = f.print(b, func(o io.Writer) {
		fmt.Fprintf(o, "%s: %d events, %d feeds in %v\n", b.Out, b.Events, b.Feeds, time.Since(began).Round(time.Millisecond))
	})
	if err != nil {
		return err
	}
	if len(b.Faults) > 0 {
		for _, fault := range b.Faults {
			fmt.Fprintln(t.err, fault)
		}
		return errFaults
	}
	return nil
}
