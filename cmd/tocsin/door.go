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
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// door is one address that the daemon listens at. It outlives a reload that leaves
// the address as it is.
type door struct {
	address   string
	given     bool // by systemd
	listeners []net.Listener
	stop      context.CancelFunc // nil: nothing is served there yet
}

// openDoor takes the sockets that systemd gave, or else opens host:port or
// unix:/path; where the address is empty, nothing.
func openDoor(given []net.Listener, address string) (*door, error) {
	d := &door{address: address, given: len(given) > 0, listeners: given}
	if d.given || address == "" {
		return d, nil
	}
	l, err := listen(address)
	if err != nil {
		return nil, err
	}
	d.listeners = []net.Listener{l}
	return d, nil
}

// listen opens host:port or unix:/path.
func listen(address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return net.Listen("tcp", address)
	}
	// A socket that a killed process left refuses connections.
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s is in use", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// serve serves there, where nothing does yet, until ctx ends or the door is shut.
// Connections that came before wait in the listener's queue.
func (d *door) serve(ctx context.Context, g *errgroup.Group, h http.Handler, log *slog.Logger) {
	if d.stop != nil || len(d.listeners) == 0 {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	d.stop = stop
	g.Go(func() error { return serveHTTP(ctx, d.listeners, h, log) })
}

// shut takes no more connections; requests under way are answered. It may be called
// twice.
func (d *door) shut() {
	if d.stop != nil {
		d.stop()
		return
	}
	closeAll(d.listeners)
}

// String names the sockets for the log.
func (d *door) String() string {
	var all []string
	for _, l := range d.listeners {
		all = append(all, l.Addr().String())
	}
	return strings.Join(all, " ")
}

// swap is a handler that can be replaced between two requests.
type swap struct{ h atomic.Pointer[http.Handler] }

func (s *swap) set(h http.Handler) { s.h.Store(&h) }

// ServeHTTP implements http.Handler.
func (s *swap) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*s.h.Load()).ServeHTTP(w, r) }

// serveHTTP serves until ctx ends. Then it takes no more connections, and answers the
// requests of those that it has, for ten seconds at most. [http.Server.Shutdown] would
// drop a request that is read only then, though its connection was taken before.
func serveHTTP(ctx context.Context, listeners []net.Listener, h http.Handler, logger *slog.Logger) error {
	var open sync.WaitGroup // connections
	s := &http.Server{
		Handler:           h,
		ErrorLog:          log.New(&httpLog{log: logger}, "", 0),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Done()
			}
		},
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error {
			if err := s.Serve(l); ctx.Err() == nil {
				return err
			}
			return nil // it was closed
		})
	}
	g.Go(func() error {
		<-ctx.Done()
		closeAll(listeners)
		return nil
	})
	err := g.Wait()
	s.SetKeepAlivesEnabled(false) // ends connections that rest, and the others behind an answer
	answered := make(chan struct{})
	go func() {
		open.Wait()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(10 * time.Second):
		logger.Warn("requests that took too long are cut off")
		_ = s.Close() // of connections that are given up
	}
	return err
}
