package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/text/language"
	format "golang.org/x/text/message"

	"tocsin/config"
	"tocsin/notify/outbox"
	"tocsin/watch"
	"tocsin/web"
)

// generation is all that is made from one reading of the configuration: what
// watches, turns, keeps and sends. What outlives a reload, such as the store and
// the sockets, is the daemon's.
type generation struct {
	c          *config.Config
	queue      *outbox.Outbox
	watcher    *watch.Watcher
	wheel      *wheel
	web, admin *door
	pages      http.Handler // about the queue
	run        func(ctx context.Context, serve func()) error
}

// newGeneration makes a generation of a configuration. It does no I/O. await lets
// it begin where the events folder is away.
func (d *daemon) newGeneration(c *config.Config, await bool) (*generation, error) {
	live := newGate(0)
	if d.store.Shared() {
		live = newGate(followers)
	}
	queue, err := newOutbox(c, d.store, live, d.steady.now, d.log, d.metrics)
	if err != nil {
		return nil, err
	}
	g := &generation{c: c, queue: queue}
	noticed := func(why string) {
		d.metrics.notice(why)
		if why == watch.Notified && g.wheel.turned.Load() { // a start has no lull, nor a look that begins at once
			d.lull.begin()
		}
	}
	g.watcher = watch.New(watch.Options{
		Dir: c.Events.Dir, Settle: c.Watch.Settle, MaxDelay: c.Watch.MaxDelay,
		Rescan: c.Watch.Rescan, Poll: c.Watch.Poll, Await: await, Logger: d.log, Noticed: noticed,
	})
	w := newWheel(c, d.store, queue, d.texts, live, d.steady.now, d.log, d.metrics)
	if d.dates != nil {
		w.now = d.dates
	}
	if c.Feeds.Dir != "" {
		w.style.Spill = newShelf(d.store, d.log).Append
		p := &web.Publisher{Site: w.site, Place: &web.Folder{Dir: c.Feeds.Dir}, FeedsAlone: c.Feeds.Write == "feeds", Progress: func(int, int) { d.system.alive() }}
		w.publish = p.Write
		if c.Feeds.Bucket != nil {
			b, err := newBucket(c, d.metrics)
			if err != nil {
				return nil, err
			}
			p.Place, p.Progress = b, nil // which is not the wheel's work
			w.keeper = newKeeper(b, p, live, d.log)
			w.publish = w.keeper.add
		}
	}
	w.alive, w.beat = d.system.alive, min(w.beat, d.system.every())
	w.status = func(ctx context.Context) {
		if !d.system.wantsStatus() {
			return
		}
		ctx, cancel := context.WithTimeout(ctx, answerLimit)
		defer cancel()
		if text, err := g.summary(ctx); err == nil { // else the turns say that the store is at fault
			d.system.status(text)
		}
	}
	g.wheel = w
	g.run = func(ctx context.Context, serve func()) error {
		all, ctx := errgroup.WithContext(ctx)
		all.Go(func() error { return g.watcher.Run(ctx) })
		all.Go(func() error { return g.queue.Run(ctx) })
		all.Go(func() error { d.steady.run(ctx, g.queue.Shift); return nil })
		all.Go(func() error { w.run(ctx, g.watcher.Hints(), g.lost, serve); return nil })
		all.Go(func() error { w.fetchTexts(ctx); return nil })
		if w.keeper != nil {
			all.Go(func() error { w.keeper.run(ctx); return nil })
		}
		return errors.Join(all.Wait(), g.close())
	}
	return g, nil
}

// open acquires what run needs, on a store that no other generation runs on.
func (g *generation) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	if err := g.queue.Open(ctx); err != nil {
		return err
	}
	if g.pages, err = g.queue.UI(queuePath); err != nil {
		return err
	}
	var opening errgroup.Group // that the folder is away is found while the ledger is read
	opening.Go(func() error {
		if err := g.watcher.Open(); err != nil {
			return fmt.Errorf("events.dir: %w", err)
		}
		return nil
	})
	err = g.wheel.reload(ctx)
	if away := opening.Wait(); err == nil {
		err = away
	}
	return err
}

// close gives back what open acquired. It may be called twice.
func (g *generation) close() error { return errors.Join(g.watcher.Close(), g.queue.Close()) }

func (g *generation) lost() bool { return g.watcher.State() == watch.RootLost }

// ready says why the generation does not do its work; nil where it does.
func (g *generation) ready() error { return g.wheel.ready(g.watcher.State()) }

// summary says in a line how it does. It is called by the wheel's goroutine.
func (g *generation) summary(ctx context.Context) (string, error) {
	waiting, err := g.queue.Waiting(ctx)
	if err != nil {
		return "", err
	}
	text := counted(g.wheel.catalog.Len(), "event", "events") + ", " + counted(g.wheel.site.Feeds(), "feed", "feeds") + ", " +
		counted(waiting, "delivery", "deliveries") + " waiting"
	if !g.wheel.leads {
		text += "; follows"
	}
	if err := g.ready(); err != nil {
		text += "; " + err.Error()
	}
	return text, nil
}

// counted says how many there are, such as 1,919 events.
func counted(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return format.NewPrinter(language.English).Sprintf("%d ", n) + many
}

// readable reports whether the events folder can be looked at.
func readable(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.IsDir() {
		return err
	}
	return fmt.Errorf("%s is not a folder", dir)
}
