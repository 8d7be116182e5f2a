package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/config"
	"tocsin/ledger"
	"tocsin/shelf"
	"tocsin/web"
)

// daemon is what a process has for as long as it runs: the store, the clock, the
// sockets. It runs one generation at a time. A reload makes the next one while
// that runs, and refuses it where anything is wrong; then the old one ends, the
// next one takes over, and what the old one published is served until the next one
// has something to serve. To the store this is a restart, so that nothing is lost
// and nothing is told twice.
type daemon struct {
	log     *slog.Logger
	load    func(check func(c *config.Config, wrong func(key, fault string))) (*config.Config, error)
	store   *ledger.Store
	texts   *shelf.Shelf
	steady  *clock
	system  *supervisor
	metrics *metrics
	dates   func() time.Time // nil: those of steady
	given   map[string][]net.Listener
	lull    lull

	progress *progress // of the first look

	group    *errgroup.Group // of all that serves
	requests chan chan<- outcome
	now      atomic.Pointer[generation] // the one that is served
	between  atomic.Bool                // it has ended, and the next one is not served yet
	trouble  atomic.Pointer[error]      // why that cannot begin; nil: it can
	web      swap
	queue    swap // pages about it
}

// outcome is what came of a request to reload.
type outcome struct {
	text string
	err  error
}

// first opens the generation that a start begins with, and its sockets.
func (d *daemon) first(ctx context.Context, c *config.Config) (*generation, error) {
	// Once there is something to serve, a folder that is away is waited for; at
	// the first start it is a mistake.
	known, err := d.store.Looked(ctx)
	if err != nil {
		return nil, err
	}
	g, err := d.newGeneration(c, known)
	if err != nil {
		return nil, err
	}
	g.wheel.progress = d.progress.at
	if err := g.open(ctx); err != nil {
		return nil, err
	}
	if err := d.openDoors(g, nil); err != nil {
		return nil, errors.Join(err, g.close())
	}
	d.now.Store(g)
	d.show(g)
	return g, nil
}

// attended logs that PostgreSQL does not answer, and so does not let this process lead.
func (d *daemon) attended(leads bool, err error) {
	if err != nil {
		d.log.Warn("this process does not lead until PostgreSQL answers", "err", err)
	}
}

// openDoors opens the sockets of a generation, but for those that the one before
// has, where there is one.
func (d *daemon) openDoors(g, before *generation) error {
	take := func(name, address string, old *door) (*door, error) {
		if old != nil && (old.given || old.address == address) {
			return old, nil
		}
		return openDoor(d.given[name], address)
	}
	if before == nil {
		before = &generation{}
	}
	var err error
	if g.web, err = take(webSocket, g.c.Web.Listen, before.web); err != nil {
		return fmt.Errorf("web.listen: %w", err)
	}
	if g.admin, err = take(adminSocket, g.c.Web.Admin, before.admin); err != nil {
		if g.web != before.web {
			g.web.shut()
		}
		return fmt.Errorf("web.admin: %w", err)
	}
	return nil
}

// run runs one generation after the other, the first of which is open, until ctx
// ends.
func (d *daemon) run(ctx context.Context, g *generation) error {
	defer func() { g.web.shut(); g.admin.shut() }()
	g.admin.serve(ctx, d.group, d.adminHandler(), d.log)
	var asked []chan<- outcome // who waits for g
	for {
		next, by, err := d.runOne(ctx, g, asked)
		if next == nil {
			return err
		}
		asked = by
		if g, err = d.takeOver(ctx, next, g); err != nil {
			answer(asked, outcome{err: errors.Join(errEnds, err)})
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// runOne runs an open generation until ctx ends, or until there is a next one,
// which the requests by have asked for. It answers those that asked for this one
// once it is served.
func (d *daemon) runOne(ctx context.Context, g *generation, asked []chan<- outcome) (next *generation, by []chan<- outcome, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	serving, ended := make(chan string, 1), make(chan error, 1)
	if !g.wheel.ledger.First() {
		d.offer(ctx, g) // what an earlier run left, while the folder is looked at
	}
	d.group.Go(func() error {
		ended <- g.run(running, func() { serving <- d.publish(ctx, g) })
		return nil
	})
	select {
	case err := <-ended:
		answer(asked, outcome{err: errors.Join(errEnds, err)})
		return nil, nil, err
	case text := <-serving:
		answer(asked, outcome{text: "reloaded: " + text})
	}
	for next == nil {
		select {
		case err := <-ended:
			return nil, nil, err
		case first := <-d.requests:
			by = d.gather(first)
			if next, err = d.prepare(g); err != nil {
				d.log.Error("the new configuration is refused, and the one before stays", "err", err)
				d.metrics.reloaded(err)
				d.system.ready()
				answer(by, outcome{err: err})
			}
		}
	}
	d.between.Store(true)
	stop()
	if err := d.await(ended); err != nil || ctx.Err() != nil {
		d.shutNew(next, g)
		answer(by, outcome{err: errors.Join(errEnds, err)})
		return nil, nil, err
	}
	return next, by, nil
}

// shutNew shuts the sockets that a generation has and another has not.
func (d *daemon) shutNew(g, other *generation) {
	for new, old := range map[*door]*door{g.web: other.web, g.admin: other.admin} {
		if new != old {
			new.shut()
		}
	}
}

// errEnds is what a request to reload is told that the daemon cannot finish.
var errEnds = errors.New("the daemon ends")

// gather returns a request with all others that are made by now: one reading of
// the configuration does for them.
func (d *daemon) gather(first chan<- outcome) []chan<- outcome {
	all := []chan<- outcome{first}
	for {
		select {
		case another := <-d.requests:
			all = append(all, another)
		default:
			return all
		}
	}
}

func answer(asked []chan<- outcome, o outcome) {
	for _, a := range asked {
		a <- o // each has room for it
	}
}

// prepare reads the configuration again and does all that can be refused of what
// it takes to follow it. It leaves what runs as it is.
func (d *daemon) prepare(old *generation) (*generation, error) {
	d.system.reloading()
	c, err := d.load(func(c *config.Config, wrong func(key, fault string)) {
		if c.Store != old.c.Store {
			wrong("store", "cannot change while tocsin runs; restart it, or write what it was")
		}
		for key, of := range map[string]struct {
			door *door
			now  string
		}{"web.listen": {old.web, c.Web.Listen}, "web.admin": {old.admin, c.Web.Admin}} {
			if of.door.given && of.door.address != of.now {
				wrong(key, "cannot change while systemd holds the socket; change ListenStream= in its unit and restart that, and write here what it was")
			}
		}
		// A folder that is away is waited for, but not a mistyped one.
		if err := readable(c.Events.Dir); err != nil && !(old.lost() && c.Events.Dir == old.c.Events.Dir) {
			wrong("events.dir", err.Error())
		}
	})
	if err != nil {
		return nil, err
	}
	g, err := d.newGeneration(c, true)
	if err != nil {
		return nil, err
	}
	if err := d.openDoors(g, old); err != nil {
		return nil, err
	}
	return g, nil
}

// await waits for the end of a generation, and says meanwhile that the daemon
// lives: as long as its last deliveries may take, and no longer.
func (d *daemon) await(ended <-chan error) error {
	beat := time.NewTicker(d.system.every())
	defer beat.Stop()
	limit := time.After(time.Minute)
	alive := beat.C
	for {
		select {
		case err := <-ended:
			return err
		case <-alive:
			d.system.alive()
		case <-limit:
			alive = nil
		}
	}
}

// takeOver opens a generation behind one that has ended. There is no way back: it
// is tried until the store lets it.
func (d *daemon) takeOver(ctx context.Context, g, before *generation) (*generation, error) {
	var said said
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		if sameTimeline(g.c, before.c) {
			g.wheel.follow(before.wheel)
		}
		err := g.open(ctx)
		if err == nil {
			return g, nil
		}
		if corrupt := (*ledger.CorruptError)(nil); errors.As(err, &corrupt) || ctx.Err() != nil {
			return g, err
		}
		d.trouble.Store(&err)
		if said.news(err.Error()) {
			d.log.Error("the new configuration is valid and cannot be followed yet; it is tried again, and what is published stays", "err", err)
		}
		if !d.system.rest(ctx, pause) {
			return g, ctx.Err()
		}
		again, err := d.newGeneration(g.c, true) // nothing is opened twice
		if err != nil {
			return g, err
		}
		again.web, again.admin = g.web, g.admin
		g = again
	}
}

// offer serves the site of a generation instead of the one before.
func (d *daemon) offer(ctx context.Context, g *generation) {
	d.web.set(d.metrics.measure(g.c.Site.URL, g.wheel.site.Handler()))
	g.web.serve(ctx, d.group, &d.web, d.log)
}

// publish has a generation take the place of the one before, and says in a line what
// there is. It is called by its wheel.
func (d *daemon) publish(ctx context.Context, g *generation) string {
	d.offer(ctx, g)
	before := d.now.Swap(g)
	d.show(g)
	d.between.Store(false)
	d.trouble.Store(nil)
	if before != g {
		d.metrics.reloaded(nil)
	}
	g.admin.serve(ctx, d.group, d.adminHandler(), d.log)
	d.shutNew(before, g)
	d.progress.end()
	msg := "reloaded"
	switch {
	case before != g:
	case !g.wheel.turned.Load():
		msg = "serving what an earlier run left"
	default:
		msg = "ready"
	}
	d.log.Info(msg, "events", g.wheel.catalog.Len(), "feeds", g.wheel.site.Feeds(),
		"address", g.c.Site.URL+"/", "listen", g.web.String(), "version", version)
	d.system.ready()
	text, err := g.summary(ctx)
	if err != nil {
		return err.Error()
	}
	d.system.status(text)
	return text
}

// show shows the operator a generation.
func (d *daemon) show(g *generation) {
	d.queue.set(g.pages)
	d.metrics.follow(running{ready: d.ready, state: g.watcher.State, jumped: d.steady.off, queue: g.queue, store: d.store, keeper: g.wheel.keeper})
}

// ready says why the daemon does not do its work; nil where it does. While one
// generation takes over from another it does, unless it cannot.
func (d *daemon) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	if err := d.store.Answers(ctx); err != nil {
		return fmt.Errorf("%w; what was published is served", err)
	}
	if !d.between.Load() {
		return d.now.Load().ready()
	}
	if err := d.trouble.Load(); err != nil {
		return fmt.Errorf("the new configuration cannot be followed yet: %w; what was published is served", *err)
	}
	return nil
}

// queuePath is where the admin listener has the queue's pages.
const queuePath = "/queue"

// adminHandler serves the operator, whichever generation is served.
func (d *daemon) adminHandler() http.Handler {
	return web.Admin{Ready: d.ready, Pages: []web.AdminPage{
		{Path: "/metrics", About: "what it measures, for Prometheus", Handler: d.metrics.handler()},
		{Path: queuePath + "/", About: "the queue of messages, by River", Handler: &d.queue},
	}}.Handler()
}
