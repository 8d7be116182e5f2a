package main

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/ledger"
)

// fakeSystemd is what the daemon tells systemd.
type fakeSystemd struct {
	mu  sync.Mutex
	all []string // datagrams
	at  []time.Time
}

// withSystemd lets the rig's daemon think that systemd has started it, and waits for a
// sign of life as long as watchdog; 0: it does not.
func (r *rig) withSystemd(watchdog time.Duration) *fakeSystemd {
	r.t.Helper()
	path := filepath.Join(r.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	r.env = append(r.env, "NOTIFY_SOCKET="+path)
	if watchdog > 0 {
		r.env = append(r.env, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds()))
	}
	f := &fakeSystemd{}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			f.mu.Lock()
			f.all, f.at = append(f.all, string(buf[:n])), append(f.at, time.Now())
			f.mu.Unlock()
		}
	}()
	return f
}

// told returns the datagrams so far, without signs of life.
func (f *fakeSystemd) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.all), func(s string) bool {
		return strings.HasPrefix(s, "WATCHDOG=1") || strings.HasPrefix(s, "EXTEND_TIMEOUT_USEC=")
	})
}

// life returns when signs of life came.
func (f *fakeSystemd) life() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []time.Time
	for i, s := range f.all {
		if strings.HasPrefix(s, "WATCHDOG=1") {
			all = append(all, f.at[i])
		}
	}
	return all
}

func (f *fakeSystemd) has(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.all, func(s string) bool { return strings.Contains(s, text) })
}

func TestSystemdIsTold(t *testing.T) {
	r := newRig(t, "", "").seeded()
	systemd := r.withSystemd(2 * time.Second)
	refuse := make(chan struct{})
	r.receiver.answer = func(w http.ResponseWriter, _ int) {
		select {
		case <-refuse:
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	r.start()
	r.until("READY", func() bool { return systemd.has("READY=1") })
	status := regexp.MustCompile(`^STATUS=21 events, \d+ feeds, 0 deliveries waiting$`)
	r.until("a status", func() bool { return len(systemd.told()) >= 2 })
	if told := systemd.told(); told[0] != "READY=1" || !status.MatchString(told[1]) {
		t.Errorf("systemd was told %q", told)
	}
	r.sentinel(0)
	r.until("the status of a delivery that waits", func() bool { return systemd.has("STATUS=22 events,") && systemd.has("1 delivery waiting") })
	close(refuse)
	r.until("signs of life", func() bool { return len(systemd.life()) >= 5 })

	// An idle daemon says nothing but that it lives.
	r.until("the status of an empty queue", func() bool {
		told := systemd.told()
		return strings.Contains(told[len(told)-1], "STATUS=22 events,") && strings.Contains(told[len(told)-1], " 0 deliveries waiting")
	})
	before := len(systemd.told())
	lives := len(systemd.life())
	r.until("signs of life", func() bool { return len(systemd.life()) >= lives+10 })
	if told := systemd.told(); len(told) != before {
		t.Errorf("an idle daemon says %q", told[before:])
	}

	// A turn that hangs says nothing: it waits ten seconds for a lock on the state.
	store, err := ledger.OpenShared(t.Context(), filepath.Join(r.dir, "state", "tocsin.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.Write(t.Context(), func(*sql.Tx) error {
		r.sentinel(1)
		r.until("silence", func() bool {
			life := systemd.life()
			return time.Since(life[len(life)-1]) > 4*time.Second
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.settled("Sentinel 1")
	lives = len(systemd.life())
	r.until("signs of life", func() bool { return len(systemd.life()) > lives })
	r.stop()
	if told := systemd.told(); told[len(told)-1] != "STOPPING=1\nSTATUS=stopping" {
		t.Errorf("the last thing that it said is %q", told[len(told)-1])
	}
}

// activated makes the rig's daemon one that systemd opened sockets for, by their
// names. They stay open when it ends.
func (r *rig) activated(names ...string) {
	r.t.Helper()
	var files []*os.File
	for _, name := range names {
		address := map[string]string{webSocket: r.site, adminSocket: r.admin}[name]
		if address == "" {
			address = "127.0.0.1:0"
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			r.t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			r.t.Fatal(err)
		}
		l.Close() // f is another handle
		r.t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	r.sockets = files
	// LISTEN_PID is the pid of the program that the shell becomes.
	r.wrap = []string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}
	r.env = append(r.env, "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
}

// A restart under load loses no request where systemd holds the socket.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.activated(webSocket, adminSocket)
	r.configure(`listen: "`+r.site, `listen: "127.0.0.1:1`) // which is not looked at
	r.start()
	failed := make(chan error, 1)
	asked, stop := 0, make(chan struct{})
	go func() {
		defer close(failed)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		for {
			select {
			case <-stop:
				return
			default:
			}
			res, err := client.Get("http://" + r.site + "/feeds/all.atom")
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			if err == nil && res.StatusCode != http.StatusOK {
				err = fmt.Errorf("%s", res.Status)
			}
			if err != nil {
				failed <- err
				return
			}
			asked++
		}
	}()
	for range 3 {
		r.stop()
		r.start()
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a request was lost after %d: %v", asked, err)
	}
	if asked == 0 {
		t.Error("nothing was asked: the test tests nothing")
	}
}

func TestUnknownSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.activated("tocsin.socket")
	r.launch()
	if err := <-r.exited; err == nil {
		t.Error("the daemon ended without an error")
	}
	r.cmd = nil
	if !r.log.has("call it web or admin by FileDescriptorName=") {
		t.Error("the error says nothing of what to do")
	}
}

// A second signal kills, and SIGQUIT leaves the goroutines.
func TestSignals(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.start()
	if err := r.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	err := <-r.exited
	if r.cmd = nil; err == nil || !r.log.has("goroutine ") {
		t.Errorf("after SIGQUIT: %v", err)
	}

	// A receiver that hangs keeps the daemon from ending for a while.
	hangs := make(chan struct{})
	defer close(hangs)
	r.receiver.answer = func(http.ResponseWriter, int) { <-hangs }
	r.start()
	r.sentinel(0)
	r.until("a delivery under way", func() bool { return len(r.receiver.all()) > 0 })
	var ended error
	r.until("its end", func() bool {
		select {
		case ended = <-r.exited:
			return true
		default:
			_ = r.cmd.Process.Signal(os.Interrupt) // it may have ended just now
			return false
		}
	})
	r.cmd = nil
	if exit, ok := ended.(*exec.ExitError); !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Errorf("after several Ctrl-C: %v", ended)
	}
}
