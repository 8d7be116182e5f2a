package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/config"
	"tocsin/ledger"
	"tocsin/watch"
	"tocsin/web"
)

// serve is the daemon. It acquires everything, then runs until ctx ends.
func serve(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "serve", "[-config FILE]", "Watches the events, publishes their feeds, serves them and notifies, until it is interrupted.")
	verbose := f.Bool("v", false, "log what is looked at, too")
	if err := f.parseFlags(args); err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	log := t.logger(level)
	system := newSupervisor(log)
	sockets, err := inherited()
	if err != nil {
		return err
	}

	store, err := ledger.Open(ctx, c.Store)
	if err != nil {
		return err
	}
	defer store.Close()
	steady := newClock(log)
	measured := newMetrics()
	live := newGate()
	queue, err := newOutbox(c, store, live, steady.now, log, measured)
	if err != nil {
		return err
	}
	if err := queue.Open(ctx); err != nil {
		return err
	}
	defer queue.Close()
	// Once there is something to serve, a folder that is away is waited for; at
	// the first start it is a mistake.
	known, err := store.Looked(ctx)
	if err != nil {
		return err
	}
	watcher := watch.New(watch.Options{
		Dir: c.Events.Dir, Settle: c.Watch.Settle, MaxDelay: c.Watch.MaxDelay,
		Rescan: c.Watch.Rescan, Poll: c.Watch.Poll, Await: known, Logger: log, Noticed: measured.notice,
	})
	if err := watcher.Open(); err != nil {
		return fmt.Errorf("events.dir: %w", err)
	}
	defer watcher.Close()
	listeners, err := listen(sockets[webSocket], c.Web.Listen)
	if err != nil {
		return fmt.Errorf("web.listen: %w", err)
	}
	defer closeAll(listeners)
	admin, err := listen(sockets[adminSocket], c.Web.Admin)
	if err != nil {
		return fmt.Errorf("web.admin: %w", err)
	}
	defer closeAll(admin)

	queuePages, err := queue.UI(queuePath)
	if err != nil {
		return err
	}
	w := newWheel(c, store, queue, live, steady.now, log, measured)
	if t.dates != nil {
		w.now = t.dates
	}
	if c.Feeds.Dir != "" {
		w.style.Keep = keepForFolder
		w.folder = &web.Folder{Dir: c.Feeds.Dir, Site: w.site, Progress: func(int, int) { system.alive() }}
	}
	bar := t.progress("reading events")
	w.progress = bar.at
	w.alive, w.beat = system.alive, min(w.beat, system.every())
	w.status = func(ctx context.Context) {
		if !system.wantsStatus() {
			return
		}
		waiting, err := queue.Waiting(ctx)
		if err != nil {
			return // the turns say that the store is at fault
		}
		system.status(w.summary(watcher.State(), waiting))
	}

	g, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, system.stopping)
	g.Go(func() error { return watcher.Run(ctx) })
	g.Go(func() error { return queue.Run(ctx) })
	g.Go(func() error { steady.run(ctx, queue.Shift); return nil })
	ready := func() error { return w.ready(watcher.State()) }
	measured.follow(running{ready: ready, state: watcher.State, jumped: steady.off, queue: queue, store: store})
	if len(admin) > 0 {
		operator := web.Admin{Ready: ready, Pages: []web.AdminPage{
			{Path: "/metrics", About: "what it measures, for Prometheus", Handler: measured.handler()},
			{Path: queuePath + "/", About: "the queue of messages, by River", Handler: queuePages},
		}}
		g.Go(func() error { return serveHTTP(ctx, admin, operator.Handler(), log) })
	}
	g.Go(func() error {
		return w.run(ctx, watcher.Hints(), watcher.State() == watch.RootLost, func() {
			bar.end()
			msg := "ready"
			if !w.turned.Load() {
				msg = "serving what an earlier run left"
			}
			log.Info(msg, "events", w.catalog.Len(), "feeds", w.site.Feeds(),
				"address", c.Site.URL+"/", "listen", addresses(listeners), "version", version)
			// Connections that came before wait in the listener's queue.
			g.Go(func() error {
				return serveHTTP(ctx, listeners, measured.measure(c.Site.URL, w.site.Handler()), log)
			})
			system.ready()
			w.status(ctx)
		})
	})
	err = g.Wait()
	log.Info("stopped")
	if corrupt := (*ledger.CorruptError)(nil); errors.As(err, &corrupt) {
		return store.SetAside(corrupt)
	}
	return err
}

// queuePath is where the admin listener has the queue's pages.
const queuePath = "/queue"

// listen returns the sockets that systemd gave, or else opens host:port or
// unix:/path; none where the address is empty.
func listen(given []net.Listener, address string) ([]net.Listener, error) {
	if len(given) > 0 || address == "" {
		return given, nil
	}
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return one(net.Listen("tcp", address))
	}
	// A socket that a killed process left refuses connections.
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s is in use", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return one(net.Listen("unix", path))
}

func one(l net.Listener, err error) ([]net.Listener, error) {
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// addresses names sockets for the log.
func addresses(listeners []net.Listener) string {
	var all []string
	for _, l := range listeners {
		all = append(all, l.Addr().String())
	}
	return strings.Join(all, " ")
}

// serveHTTP serves until ctx ends; then requests under way have ten seconds.
func serveHTTP(ctx context.Context, listeners []net.Listener, h http.Handler, logger *slog.Logger) error {
	s := &http.Server{
		Handler:           h,
		ErrorLog:          log.New(&httpLog{log: logger}, "", 0),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
	}
	g.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return s.Shutdown(stop)
	})
	return g.Wait()
}

// openForBuild opens the store for a build: the daemon's own, or a copy of it
// where the daemon runs. remove takes the copy away.
func openForBuild(ctx context.Context, c *config.Config) (s *ledger.Store, copied bool, remove func(), err error) {
	s, err = ledger.Open(ctx, c.Store)
	if !errors.Is(err, ledger.ErrLocked) {
		return s, false, func() {}, err
	}
	shared, err := ledger.OpenShared(ctx, c.Store)
	if err != nil {
		return nil, false, nil, err
	}
	defer shared.Close()
	dir, err := os.MkdirTemp("", "tocsin-build-*")
	if err != nil {
		return nil, false, nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	path := dir + "/copy.db"
	if err := shared.Copy(ctx, path); err != nil {
		remove()
		return nil, false, nil, err
	}
	s, err = ledger.Open(ctx, path)
	if err != nil {
		remove()
	}
	return s, true, remove, err
}
