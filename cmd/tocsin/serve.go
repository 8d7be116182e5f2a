package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/config"
	"tocsin/ledger"
)

// serve is the daemon. It acquires everything, then runs until ctx ends.
func serve(ctx context.Context, t *terminal, args []string) error {
	f := newFlags(t, "serve", "[-config FILE]", "Watches the events, publishes their feeds, serves them and notifies, until it is interrupted.")
	verbose := f.Bool("v", false, "log what is looked at, too")
	form := f.String("log", logAuto, "`auto|text|json|journal`: what the log is written as; auto is journal where systemd's\ntakes standard error, else text")
	if err := f.parseFlags(args); err != nil {
		return err
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	log, err := t.loggerOf(*form, level)
	if err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		// A daemon that mostly waits has time to collect garbage earlier.
		debug.SetGCPercent(50)
	}
	system := newSupervisor(log)
	sockets, err := inherited()
	if err != nil {
		return err
	}

	store, err := openStore(ctx, c.Store.Reveal(), system, log)
	if err != nil {
		return err
	}
	defer store.Close()
	if kept := store.Kept(); kept != "" {
		log.Info("the state was brought to a new schema", "before", kept)
	}
	d := &daemon{
		log: log, store: store, texts: newShelf(store, log), steady: newClock(log), system: system, metrics: newMetrics(), dates: t.dates, given: sockets,
		progress: t.progress("reading events"),
		requests: make(chan chan<- outcome),
		load: func(check func(c *config.Config, wrong func(key, fault string))) (*config.Config, error) {
			return t.load(c.Path, check)
		},
	}
	err = d.serve(ctx, c)
	if corrupt := (*ledger.CorruptError)(nil); errors.As(err, &corrupt) {
		return store.SetAside(corrupt)
	}
	return err
}

// openStore opens the daemon's store.
func openStore(ctx context.Context, store string, system *supervisor, log *slog.Logger) (s *ledger.Store, err error) {
	err = awaitStore(ctx, system, log, func() (away bool, err error) {
		s, err = ledger.Join(ctx, store)
		return errors.Is(err, ledger.ErrAway), err
	})
	return s, err
}

// awaitStore tries to begin. PostgreSQL that is away is waited for, and systemd and the
// log are told so.
func awaitStore(ctx context.Context, system *supervisor, log *slog.Logger, try func() (away bool, err error)) error {
	var said said
	for pause := time.Second; ; pause = min(2*pause, 10*time.Second) {
		away, err := try()
		if !away || ctx.Err() != nil {
			return err
		}
		if said.news(err.Error()) {
			log.Warn("the start waits for PostgreSQL", "err", err)
		}
		system.status("waiting for PostgreSQL: " + err.Error())
		if !system.rest(ctx, pause) {
			return ctx.Err()
		}
	}
}

// serve runs the daemon until ctx ends.
func (d *daemon) serve(ctx context.Context, c *config.Config) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var first *generation
	err := awaitStore(ctx, d.system, d.log, func() (away bool, err error) {
		first, err = d.first(ctx, c)
		return d.store.Away(err), err
	})
	if err != nil {
		return err
	}
	d.group, ctx = errgroup.WithContext(ctx)
	context.AfterFunc(ctx, d.system.stopping)
	d.group.Go(func() error { return d.run(ctx, first) })
	d.group.Go(func() error { d.hear(ctx, hangups); return nil })
	d.group.Go(func() error { d.store.Attend(ctx, d.attended); return nil })
	if control, err := listenControl(c.Path, os.LookupEnv); err != nil {
		d.log.Warn("tocsin reload will not find this daemon; SIGHUP does the same", "err", err)
	} else {
		d.group.Go(func() error { return serveHTTP(ctx, []net.Listener{control}, d.controlHandler(ctx), d.log) })
	}
	err = d.group.Wait()
	d.log.Info("stopped")
	return err
}

// openForBuild opens the store for a build: the daemon's own, or a copy of it
// where the daemon runs. remove takes the copy away.
func openForBuild(ctx context.Context, c *config.Config) (s *ledger.Store, copied bool, remove func(), err error) {
	s, err = ledger.Open(ctx, c.Store.Reveal())
	if !errors.Is(err, ledger.ErrLocked) {
		return s, false, func() {}, err
	}
	shared, err := ledger.OpenShared(ctx, c.Store.Reveal())
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
