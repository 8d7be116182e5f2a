package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Dir: filepath.Join(dir, "absent")}, "no such file"},
		{Options{Dir: file}, "not a directory"},
		{Options{Dir: file, Poll: time.Second}, "not a directory"},
		{Options{Dir: dir, Rescan: "often"}, `rescan "often"`},
		{Options{Dir: dir, Rescan: "TZ=UTC"}, `rescan "TZ=UTC"`},
		{Options{Dir: dir, Rescan: "0 0 30 2 *"}, "never comes"},
		{Options{Dir: dir, Rescan: "@every 0s"}, "a second or more"},
		{Options{Dir: dir, Rescan: "@every -5m"}, "a second or more"},
		{Options{Dir: dir, Rescan: "CRON_TZ=UTC @every 10ms"}, "a second or more"},
	} {
		w := New(tt.o)
		err := w.Open()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.o, err, tt.want)
		}
		if err := w.Run(context.Background()); !errors.Is(err, ErrNotOpen) {
			t.Errorf("Run: %v", err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func TestClose(t *testing.T) {
	w := New(Options{Dir: t.TempDir()})
	for range 2 {
		if err := w.Close(); err != nil {
			t.Errorf("Close unopened: %v", err)
		}
	}
	if err := w.Open(); err == nil {
		t.Error("Open after Close succeeds")
	}

	w = New(Options{Dir: t.TempDir()})
	if err := w.Open(); err != nil {
		t.Fatal(err)
	}
	if err := w.Open(); err == nil {
		t.Error("second Open succeeds")
	}
	if s := w.State(); s != Watching {
		t.Errorf("state %s", s)
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if s := w.State(); s != Closed {
		t.Errorf("state %s", s)
	}
	noneLeft(t)
}

func TestRunEnds(t *testing.T) {
	for name, end := range map[string]func(w *Watcher, cancel func()){
		"context": func(w *Watcher, cancel func()) { cancel() },
		"Close":   func(w *Watcher, cancel func()) { _ = w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := New(Options{Dir: dir, Rescan: "@every 1s"})
			if err := w.Open(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan error)
			go func() { ended <- w.Run(ctx) }()
			<-w.Hints()
			if err := os.WriteFile(filepath.Join(dir, "a.md"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			end(w, cancel)
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
			if err := w.Run(ctx); !errors.Is(err, ErrNotOpen) {
				t.Errorf("second Run: %v", err)
			}
			if err := w.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			noneLeft(t)
		})
	}
}

// noneLeft waits for the goroutines of this package and its libraries to be
// gone: a closed channel is seen a moment before its closer has returned.
func noneLeft(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		var left []string
		for _, g := range strings.Split(stacks(), "\n\n") {
			ours := strings.Contains(g, "fsnotify") || strings.Contains(g, "robfig/cron") ||
				strings.Contains(g, "tocsin/watch.(*")
			if ours && !strings.Contains(g, "tocsin/watch.Test") && !strings.Contains(g, "noneLeft") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("goroutines left:\n%s", strings.Join(left, "\n\n"))
		}
	}
}

func TestOverflow(t *testing.T) {
	var errs chan error
	opened := 0
	r := start(t, Options{}, func(w *Watcher) {
		open := w.open
		w.open = func() (*source, error) {
			s, err := open()
			if opened++; opened == 1 {
				// The errors of the first source come from here as well.
				errs = make(chan error)
				from := s.errors
				s.errors = errs
				go func() {
					for err := range from {
						errs <- err
					}
					close(errs)
				}()
			}
			return s, err
		}
	})
	errs <- fsnotify.ErrEventOverflow
	if h := r.next(); show(h) != "FULL (overflow)" {
		t.Errorf("hint: %s", show(h))
	}
	r.live("a.md")
	if opened != 2 {
		t.Errorf("%d sources opened", opened)
	}
}

func TestManyNamesWaiting(t *testing.T) {
	open, made := fakes()
	s, _ := open()
	s.start()
	f := made()[0]
	for i := range maxWaiting + 10 {
		f.events <- fsnotify.Event{Name: fmt.Sprint(i), Op: fsnotify.Write}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	names, err := s.take()
	if len(names) != maxWaiting || !errors.Is(err, fsnotify.ErrEventOverflow) {
		t.Errorf("%d names, %v", len(names), err)
	}
}

func TestRootLost(t *testing.T) {
	for name, lose := range map[string]func(r *rig){
		"removed": func(r *rig) { r.must(os.RemoveAll(r.dir)) },
		"renamed": func(r *rig) { r.must(os.Rename(r.dir, r.dir+"-old")) },
		"parent renamed": func(r *rig) {
			r.must(os.Rename(filepath.Dir(r.dir), filepath.Dir(r.dir)+"-old"))
		},
		"a file now": func(r *rig) {
			r.must(os.RemoveAll(r.dir))
			r.must(os.WriteFile(r.dir, nil, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "parent", "root")
			set := &rig{T: t, dir: dir}
			set.write("sub/a.md", "1")
			r := start(t, Options{Dir: dir})
			lose(r)
			r.logged("ROOT LOST")
			if s := r.w.State(); s != RootLost {
				t.Errorf("state %s", s)
			}
			_ = os.Remove(dir) // the file
			r.write("sub/b.md", "2")
			h := r.next()
			if show(h) != "FULL (root back)" {
				t.Errorf("hint: %s", show(h))
			}
			r.agree()
			r.live("sub/b.md")
		})
	}
}

// A folder made anew in the same moment often gets the same inode: the watch
// that is gone tells.
func TestRootReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	set := &rig{T: t, dir: dir}
	set.write("a.md", "1")
	r := start(t, Options{Dir: dir})
	for i := range 5 {
		r.must(os.RemoveAll(dir))
		r.write("b.md", fmt.Sprint(i))
		r.agree()
		r.live("b.md")
	}
}

func TestSymlinkedRoot(t *testing.T) {
	top := t.TempDir()
	for _, p := range []string{"1/sub/a.md", "2/sub/a.md"} {
		(&rig{T: t, dir: top}).write(p, p)
	}
	dir := filepath.Join(top, "current")
	if err := os.Symlink("1", dir); err != nil {
		t.Fatal(err)
	}
	r := start(t, Options{Dir: dir})
	r.live("sub/a.md")
	r.must(os.Symlink("2", dir+"-new"))
	r.must(os.Rename(dir+"-new", dir))
	if h := r.next(); show(h) != "FULL (root back)" {
		t.Errorf("hint: %s", show(h))
	}
	r.agree()
	r.live("sub/a.md")
}

func TestDegraded(t *testing.T) {
	for name, tt := range map[string]struct {
		open func() (*source, error)
		hint string
	}{
		"no instance": {
			func() (*source, error) { return nil, os.NewSyscallError("inotify_init1", syscall.EMFILE) },
			"max_user_instances",
		},
		"no watch": {
			func() (*source, error) {
				s, err := openSource()
				s.add = func(string) error { return syscall.ENOSPC }
				return s, err
			},
			"max_user_watches",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var failing atomic.Bool
			failing.Store(true)
			r := start(t, Options{Rescan: "@every 3s"}, func(w *Watcher) {
				w.open = func() (*source, error) {
					if failing.Load() {
						return tt.open()
					}
					return openSource()
				}
			})
			r.logged(tt.hint)
			if s := r.w.State(); s != Degraded {
				t.Errorf("state %s", s)
			}
			r.write("a.md", "1")
			r.agree()
			failing.Store(false)
			r.logged("watching again")
			if s := r.w.State(); s != Watching {
				t.Errorf("state %s", s)
			}
			r.live("a.md")
		})
	}
}

// The limit is reached by a folder that comes later.
func TestDegradedLater(t *testing.T) {
	r := start(t, Options{}, func(w *Watcher) {
		open := w.open
		w.open = func() (*source, error) {
			s, err := open()
			add := s.add
			s.add = func(path string) error {
				if filepath.Base(path) == "one-too-many" {
					return syscall.ENOSPC
				}
				return add(path)
			}
			return s, err
		}
	})
	r.write("one-too-many/a.md", "1")
	if h := r.next(); show(h) != "FULL (degraded)" {
		t.Errorf("hint: %s", show(h))
	}
	r.logged("max_user_watches")
	r.write("one-too-many/a.md", "2")
	r.agree()
}

// bubble runs a Watcher with a fake inotify inside a synctest bubble.
func bubble(t *testing.T, o Options, test func(t *testing.T, w *Watcher, latest func() *fake), prepare ...func(*Watcher)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o.Dir = dir
	synctest.Test(t, func(t *testing.T) {
		open, made := fakes()
		w := New(o)
		w.open = open
		w.gitLock = func(string) (lock, bool) { return lock{}, false }
		for _, f := range prepare {
			f(w)
		}
		if err := w.Open(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		test(t, w, func() *fake { all := made(); return all[len(all)-1] })
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// expect takes a hint that must come exactly after d.
func expect(t *testing.T, w *Watcher, d time.Duration, want string) {
	t.Helper()
	begin := time.Now()
	select {
	case h := <-w.Hints():
		if got := time.Since(begin); got != d || show(h) != want {
			t.Errorf("after %v: %s; want after %v: %s", got, show(h), d, want)
		}
	case <-time.After(24 * time.Hour):
		t.Fatalf("no hint in a day, state %s, want %s", w.State(), want)
	}
}

// silence checks that no hint comes for d.
func silence(t *testing.T, w *Watcher, d time.Duration) {
	t.Helper()
	select {
	case h := <-w.Hints():
		t.Fatalf("hint: %s", show(h))
	case <-time.After(d):
	}
}

// wrote reports a write to the fake at a path below the root.
func wrote(w *Watcher, f *fake, path string) {
	f.events <- fsnotify.Event{Name: filepath.Join(w.resolved, path), Op: fsnotify.Write}
	synctest.Wait()
}

func TestSettling(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *Watcher, latest func() *fake) {
		expect(t, w, 0, "FULL (start)")
		silence(t, w, time.Hour)

		wrote(w, latest(), "a.md")
		silence(t, w, 499*time.Millisecond)
		wrote(w, latest(), "b.md")
		expect(t, w, 500*time.Millisecond, "a.md b.md (notified)")
		silence(t, w, time.Hour)

		begin := time.Now()
		var got Hint
		for got.Paths == nil {
			wrote(w, latest(), "restless.md")
			select {
			case got = <-w.Hints():
			case <-time.After(300 * time.Millisecond):
			}
		}
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("a restless burst was handed over after %v", d)
		}

		// A busy reader: everything comes in one hint, once it is quiet. What was
		// handed over while the folder was restless is named once more.
		if !got.Overdue {
			t.Error("a restless burst is not overdue")
		}
		wrote(w, latest(), "c.md")
		time.Sleep(3 * time.Second)
		wrote(w, latest(), "sub/d.md")
		expect(t, w, 500*time.Millisecond, "c.md restless.md sub/d.md (notified)")

		wrote(w, latest(), ".hidden")
		wrote(w, latest(), "sub/.hidden/x.md")
		silence(t, w, time.Hour)
		wrote(w, latest(), "sub/..data")
		expect(t, w, 500*time.Millisecond, "FULL (notified)")
	})
}

func TestErrorsWithoutEnd(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *Watcher, latest func() *fake) {
		expect(t, w, 0, "FULL (start)")
		first := latest()
		for range 5 {
			first.errors <- errors.New("broken")
			synctest.Wait()
		}
		expect(t, w, 500*time.Millisecond, "FULL (watch error)")
		if latest() == first {
			t.Error("the broken source is still in use")
		}
		silence(t, w, time.Hour)
		wrote(w, latest(), "a.md")
		expect(t, w, 500*time.Millisecond, "a.md (notified)")
	})
}

func TestRescan(t *testing.T) {
	for _, poll := range []time.Duration{0, 365 * 24 * time.Hour} {
		bubble(t, Options{Rescan: "@every 15m", Poll: poll}, func(t *testing.T, w *Watcher, latest func() *fake) {
			expect(t, w, 0, "FULL (start)")
			expect(t, w, 15*time.Minute, "FULL (rescan)")
			expect(t, w, 15*time.Minute, "FULL (rescan)")
			time.Sleep(20 * time.Minute) // busy
			expect(t, w, 0, "FULL (rescan)")
			expect(t, w, 10*time.Minute, "FULL (rescan)")
		})
	}
}

func TestClockIsSet(t *testing.T) {
	var ahead atomic.Int64
	bubble(t, Options{Rescan: "0 * * * *"}, func(t *testing.T, w *Watcher, _ func() *fake) {
		expect(t, w, 0, "FULL (start)")
		time.Sleep(100 * time.Millisecond)
		for _, d := range []time.Duration{-10 * 365 * 24 * time.Hour, 0} {
			ahead.Store(int64(d))
			expect(t, w, 900*time.Millisecond, "FULL (clock)")
			silence(t, w, 5*time.Second+100*time.Millisecond)
		}
	}, func(w *Watcher) {
		w.wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())).Round(0) }
	})
}

func TestPoll(t *testing.T) {
	bubble(t, Options{Poll: 30 * time.Second}, func(t *testing.T, w *Watcher, _ func() *fake) {
		if s := w.State(); s != Polling {
			t.Errorf("state %s", s)
		}
		expect(t, w, 0, "FULL (start)")
		for range 100 {
			expect(t, w, 30*time.Second, "FULL (poll)")
		}
	})
}

func TestPollFasterThanSettle(t *testing.T) {
	bubble(t, Options{Poll: 100 * time.Millisecond}, func(t *testing.T, w *Watcher, _ func() *fake) {
		expect(t, w, 0, "FULL (start)")
		expect(t, w, 500*time.Millisecond, "FULL (poll)")
		expect(t, w, 500*time.Millisecond, "FULL (poll)")
	})
}

func TestSilenceWhileRootIsAway(t *testing.T) {
	for _, poll := range []time.Duration{0, time.Second} {
		bubble(t, Options{Poll: poll, Rescan: "@every 1m"}, func(t *testing.T, w *Watcher, latest func() *fake) {
			expect(t, w, 0, "FULL (start)")
			if poll == 0 {
				// As rm -r reports it: the files, and no word of the root.
				wrote(w, latest(), "a.md")
			}
			if err := os.RemoveAll(w.opts.Dir); err != nil {
				t.Fatal(err)
			}
			silence(t, w, time.Hour)
			if s := w.State(); s != RootLost {
				t.Errorf("state %s", s)
			}
			if err := os.Mkdir(w.opts.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			healed(t, w)
		})
	}
}

// What no event tells: an unmounted root, and one that a symlink leads to by
// another path now.
func TestRootChangesSilently(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *Watcher, latest func() *fake) {
		expect(t, w, 0, "FULL (start)")
		silence(t, w, time.Minute)
		f := latest()
		f.mu.Lock()
		delete(f.watched, w.resolved)
		f.mu.Unlock()
		healed(t, w)

		dir := w.opts.Dir
		if err := os.Rename(dir, dir+"-old"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(dir+"-old", dir); err != nil {
			t.Fatal(err)
		}
		healed(t, w)
		if got := latest().list(); len(got) != 1 || filepath.Base(got[0]) != "root-old" {
			t.Errorf("watched: %v", got)
		}
	})
}

// healed takes the hint that must come within three seconds of a loss.
func healed(t *testing.T, w *Watcher) {
	t.Helper()
	select {
	case h := <-w.Hints():
		if show(h) != "FULL (root back)" {
			t.Errorf("hint: %s", show(h))
		}
	case <-time.After(3 * time.Second):
		t.Fatal("no hint")
	}
}

func TestDegradedPace(t *testing.T) {
	bubble(t, Options{Rescan: "@every 15m"}, func(t *testing.T, w *Watcher, latest func() *fake) {
		expect(t, w, 0, "FULL (start)")
		open := w.open
		w.open = func() (*source, error) { return nil, syscall.EMFILE }
		latest().errors <- errors.New("broken")
		expect(t, w, 500*time.Millisecond, "FULL (watch error)")
		expect(t, w, 2*time.Second, "FULL (poll)")
		expect(t, w, 2*time.Second, "FULL (poll)")
		if s := w.State(); s != Degraded {
			t.Errorf("state %s", s)
		}
		w.open = open
		for h := range w.Hints() {
			if h.Why == "rescan" {
				break
			}
		}
		if s := w.State(); s != Watching {
			t.Errorf("state %s", s)
		}
		expect(t, w, 15*time.Minute, "FULL (rescan)")
	})
}

func TestNetworkFileSystem(t *testing.T) {
	r := start(t, Options{}, func(w *Watcher) {
		w.network = func(string) string { return "nfs" }
	})
	r.logged("nfs")
	if s := r.w.State(); s != Degraded {
		t.Errorf("state %s", s)
	}
}

func TestGitLockPatience(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *Watcher, latest func() *fake) {
		expect(t, w, 0, "FULL (start)")
		var present atomic.Pointer[lock]
		w.gitLock = func(string) (lock, bool) {
			if l := present.Load(); l != nil {
				return *l, true
			}
			return lock{}, false
		}

		present.Store(&lock{id{1, 1}, time.Now()})
		wrote(w, latest(), "a.md")
		silence(t, w, 20*time.Second+time.Millisecond)
		present.Store(nil)
		expect(t, w, 499*time.Millisecond, "a.md (notified)") // a Settle after it was last seen

		// Left behind: waited for once, and no longer than a minute.
		present.Store(&lock{id{1, 2}, time.Now()})
		wrote(w, latest(), "a.md")
		expect(t, w, time.Minute, "a.md (notified)")
		wrote(w, latest(), "a.md")
		expect(t, w, 500*time.Millisecond, "a.md (notified)")

		present.Store(&lock{id{1, 2}, time.Now().Add(-time.Hour)})
		wrote(w, latest(), "a.md")
		expect(t, w, 500*time.Millisecond, "a.md (notified)")
	})
}

// BenchmarkLatency measures from a write to its hint; the settle time of one
// millisecond is in it.
func BenchmarkLatency(b *testing.B) {
	dir := b.TempDir()
	w := New(Options{Dir: dir, Settle: time.Millisecond})
	if err := w.Open(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- w.Run(b.Context()) }()
	<-w.Hints()
	name := filepath.Join(dir, "a.md")
	for b.Loop() {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			b.Fatal(err)
		}
		<-w.Hints()
	}
	if err := w.Close(); err != nil {
		b.Error(err)
	}
	<-ended
}
