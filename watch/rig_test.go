package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// rig is a running Watcher with a reader that keeps a mirror of the folder by
// doing what hints say and nothing else.
type rig struct {
	*testing.T
	w      *Watcher
	dir    string
	logs   chan string
	mirror map[string]string // path below dir → content
	done   chan struct{}     // closed when Run has returned
}

// start runs a Watcher of o.Dir (empty: a new folder) and takes the first hint.
func start(t *testing.T, o Options, tweak ...func(*Watcher)) *rig {
	t.Helper()
	r := prepare(t, o, tweak...)
	if h := r.next(); !h.Full || h.Why != "start" {
		t.Fatalf("first hint: %s", show(h))
	}
	return r
}

// prepare is start without the first hint.
func prepare(t *testing.T, o Options, tweak ...func(*Watcher)) *rig {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Settle == 0 {
		o.Settle = 20 * time.Millisecond
	}
	r := &rig{T: t, dir: o.Dir, logs: make(chan string, 10_000), mirror: map[string]string{}, done: make(chan struct{})}
	o.Logger = slog.New(logTo(r.logs))
	r.w = New(o)
	for _, f := range tweak {
		f(r.w)
	}
	if err := r.w.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(r.done)
		if err := r.w.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
		if err := r.w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if s := r.w.State(); s != Closed {
			t.Errorf("state at the end: %s", s)
		}
	})
	return r
}

// next takes a hint and does what it says.
func (r *rig) next() Hint {
	r.Helper()
	select {
	case h := <-r.w.Hints():
		r.look(h)
		return h
	case <-time.After(patience):
		r.Fatalf("no hint; state %s\n%s", r.w.State(), stacks())
		return Hint{}
	}
}

// look brings the mirror in line with the folder where the hint says.
func (r *rig) look(h Hint) {
	paths := h.Paths
	if h.Full {
		paths = []string{"."}
	}
	for _, p := range paths {
		maps.DeleteFunc(r.mirror, func(name, _ string) bool {
			return p == "." || name == p || strings.HasPrefix(name, p+"/")
		})
		maps.Copy(r.mirror, contents(r.dir, p))
	}
}

// contents reads the files below dir/p by their paths below dir.
func contents(dir, p string) map[string]string {
	m := make(map[string]string)
	top, _ := filepath.EvalSymlinks(dir)
	_ = filepath.WalkDir(filepath.Join(top, p), func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(top, name)
		switch {
		case err != nil:
			return nil
		case hidden(rel) && d.IsDir():
			return fs.SkipDir
		case hidden(rel), d.IsDir():
			return nil
		}
		if b, err := os.ReadFile(name); err == nil {
			m[rel] = string(b)
		}
		return nil
	})
	return m
}

// agree takes hints until the mirror is the folder.
func (r *rig) agree() {
	r.Helper()
	deadline := time.After(patience)
	for {
		want := contents(r.dir, ".")
		if maps.Equal(r.mirror, want) {
			return
		}
		select {
		case h := <-r.w.Hints():
			r.look(h)
		case <-deadline:
			r.Fatalf("mirror has %d files, folder %d; state %s; differing: %v",
				len(r.mirror), len(want), r.w.State(), differing(r.mirror, want))
		}
	}
}

func differing(a, b map[string]string) []string {
	var names []string
	for _, m := range []map[string]string{a, b} {
		for name := range m {
			if _, ok := a[name]; !ok || a[name] != b[name] {
				names = append(names, name)
			}
		}
	}
	return names[:min(len(names), 20)]
}

// live writes to p until a hint says exactly that, which shows that its folder
// is watched and known by its right path. A hint that says more is left over
// from what the test did before.
func (r *rig) live(p string) {
	r.Helper()
	var got []string
	for i := range 20 {
		r.write(p, fmt.Sprint(p, " is live, ", i))
		h := r.next()
		if slices.Contains(h.Paths, p) {
			return
		}
		got = append(got, show(h))
	}
	r.Fatalf("no hint at %s but: %s", p, strings.Join(got, "; "))
}

// told takes hints until one says exactly want.
func (r *rig) told(want string) {
	r.Helper()
	deadline := time.After(patience)
	var got []string
	for {
		select {
		case h := <-r.w.Hints():
			r.look(h)
			if slices.Contains(h.Paths, want) {
				return
			}
			got = append(got, show(h))
		case <-deadline:
			r.Fatalf("no hint at %s but: %s", want, strings.Join(got, "; "))
		}
	}
}

// logged waits for a log line that contains the text.
func (r *rig) logged(text string) {
	r.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line := <-r.logs:
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			r.Fatalf("%q was not logged", text)
		}
	}
}

func (r *rig) path(p string) string { return filepath.Join(r.dir, p) }

func (r *rig) write(p, text string) {
	r.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(p)), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(r.path(p), []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) rename(from, to string) {
	r.Helper()
	r.must(os.Rename(r.path(from), r.path(to)))
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// logTo sends each record as one line.
type logTo chan<- string

func (logTo) Enabled(context.Context, slog.Level) bool { return true }
func (l logTo) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l logTo) WithGroup(string) slog.Handler          { return l }

func (l logTo) Handle(_ context.Context, rec slog.Record) error {
	line := rec.Level.String() + " " + rec.Message
	rec.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	select {
	case l <- line:
	default: // nobody reads it
	}
	return nil
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// fake stands in for inotify: it watches what it is told to and reports what
// the test sends.
type fake struct {
	events chan fsnotify.Event
	errors chan error
	refuse func(path string) error // nil: none

	mu      sync.Mutex
	watched map[string]bool
}

// fakes returns a func for Watcher.open and the fakes that it has made.
func fakes() (open func() (*source, error), made func() []*fake) {
	var mu sync.Mutex
	var all []*fake
	open = func() (*source, error) {
		f := &fake{events: make(chan fsnotify.Event), errors: make(chan error), watched: map[string]bool{}}
		mu.Lock()
		all = append(all, f)
		mu.Unlock()
		return f.source(), nil
	}
	made = func() []*fake {
		mu.Lock()
		defer mu.Unlock()
		return append([]*fake(nil), all...)
	}
	return open, made
}

func (f *fake) source() *source {
	return &source{
		events: f.events,
		errors: f.errors,
		add: func(path string) error {
			if f.refuse != nil {
				if err := f.refuse(path); err != nil {
					return err
				}
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.watched[path] = true
			return nil
		},
		remove: func(path string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if !f.watched[path] {
				return errors.New("not watched")
			}
			delete(f.watched, path)
			return nil
		},
		list: f.list,
		close: func() error {
			close(f.events)
			close(f.errors)
			return nil
		},
	}
}

func (f *fake) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var paths []string
	for p := range f.watched {
		paths = append(paths, p)
	}
	return paths
}
