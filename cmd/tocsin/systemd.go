package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"
)

// supervisor is systemd, which wants to know how the daemon does
// (sd_notify(3)). Where systemd did not start the program nothing of it does
// anything.
type supervisor struct {
	send     func(state string) error // a datagram to systemd; nil: it is not there
	log      *slog.Logger
	watchdog time.Duration // how long it waits for a sign of life; 0: for ever

	last atomic.Pointer[time.Time] // when the last sign of life was given; nil: never

	mu     sync.Mutex
	busy   bool      // starting or reloading: systemd waits, but not for ever
	text   string    // the status that it has
	told   time.Time // when it was given
	failed bool      // the last datagram could not be sent
}

const (
	// lifeEvery is how often a sign of life is given where no watchdog asks for it:
	// while it is starting, or reloading.
	lifeEvery = 5 * time.Second
	// lifeFor is how much longer systemd is asked to wait for a start or a reload by
	// each sign of life.
	lifeFor = time.Minute
	// statusEvery is the least time between two status lines.
	statusEvery = 5 * time.Second
)

// newSupervisor returns the one that the environment names.
func newSupervisor(log *slog.Logger) *supervisor {
	s := &supervisor{log: log, busy: true}
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return s
	}
	s.send = func(state string) error {
		_, err := sd.SdNotify(false, state)
		return err
	}
	var err error
	if s.watchdog, err = sd.SdWatchdogEnabled(false); err != nil {
		log.Warn("the watchdog is not answered", "err", err)
	}
	return s
}

// every is how often alive is to be called at least.
func (s *supervisor) every() time.Duration {
	if s.watchdog > 0 {
		return min(s.watchdog/4, lifeEvery)
	}
	return lifeEvery
}

// alive says that the daemon's work goes on. It is called by the work itself, as
// often as it likes, so that nothing is said where that hangs; from any goroutine.
func (s *supervisor) alive() {
	last := s.last.Load()
	if last != nil && time.Since(*last) < s.every() {
		return
	}
	now := time.Now()
	if !s.last.CompareAndSwap(last, &now) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var states []string
	if s.watchdog > 0 {
		states = append(states, sd.SdNotifyWatchdog)
	}
	if s.busy {
		states = append(states, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", lifeFor.Microseconds()))
	}
	s.notify(states...)
}

// ready says that the daemon serves: that its start, or a reload, is done.
func (s *supervisor) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.notify(sd.SdNotifyReady)
}

// reloading says that the daemon reads its configuration again; ready ends it.
func (s *supervisor) reloading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = true
	s.notify(sd.SdNotifyReloading, strings.TrimSpace(sd.SdNotifyMonotonicUsec()))
}

// stopping says that the daemon ends.
func (s *supervisor) stopping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.told = "stopping", time.Now()
	s.notify(sd.SdNotifyStopping, "STATUS="+s.text)
}

// wantsStatus reports whether a status line may be given now.
func (s *supervisor) wantsStatus() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send != nil && time.Since(s.told) >= statusEvery
}

// status gives the line that systemctl status shows, where it is another one.
func (s *supervisor) status(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = time.Now()
	if text = strings.ReplaceAll(text, "\n", " "); text != s.text {
		s.text = text
		s.notify("STATUS=" + text)
	}
}

// rest waits, and says meanwhile that the daemon lives; false: ctx has ended.
func (s *supervisor) rest(ctx context.Context, pause time.Duration) bool {
	beat := time.NewTicker(s.every())
	defer beat.Stop()
	over := time.NewTimer(pause)
	defer over.Stop()
	for {
		select {
		case <-over.C:
			return true
		case <-beat.C:
			s.alive()
		case <-ctx.Done():
			return false
		}
	}
}

// notify sends states in one datagram. The caller holds the lock.
func (s *supervisor) notify(states ...string) {
	if len(states) == 0 || s.send == nil {
		return
	}
	err := s.send(strings.Join(states, "\n"))
	if err != nil && !s.failed {
		s.log.Warn("systemd cannot be told", "what", states, "err", err)
	}
	s.failed = err != nil
}

// The names of sockets that systemd opens (FileDescriptorName= in systemd.socket(5)).
const (
	webSocket   = "web"
	adminSocket = "admin"
)

// inherited returns the listening sockets that systemd opened, by their names.
func inherited() (map[string][]net.Listener, error) {
	all, err := activation.ListenersWithNames()
	if err != nil {
		return nil, err
	}
	for name, of := range all {
		if slices.Contains([]string{webSocket, adminSocket}, name) {
			continue
		}
		for _, of := range all {
			closeAll(of)
		}
		return nil, fmt.Errorf("systemd opened %s as a socket called %s; call it %s or %s by FileDescriptorName= in its unit",
			of[0].Addr(), name, webSocket, adminSocket)
	}
	return all, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // of no more use
	}
}
