package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNamespace is set where a test runs in a mount namespace of its own: a file of
// what undisturbed found.
const inNamespace = "TOCSIN_TEST_NAMESPACE"

// mounts lets a test mount file systems: it runs again in a process of its own, in
// namespaces of its own. It returns false in the process that started that one,
// when the test is done.
func mounts(t *testing.T) bool {
	t.Helper()
	if calmed := os.Getenv(inNamespace); calmed != "" {
		data, err := os.ReadFile(calmed)
		if err == nil {
			err = json.Unmarshal(data, &calm.after)
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	}
	calmed := filepath.Join(t.TempDir(), "calm")
	data, err := json.Marshal(undisturbed(t))
	if err == nil {
		err = os.WriteFile(calmed, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", fmt.Sprintf("-replay=%v", *replayAll))
	cmd.Env = append(os.Environ(), inNamespace+"="+calmed)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("no namespace of its own for mounts: %v", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// disk mounts a small file system for the rig's state and static folder.
func (r *rig) disk() string {
	r.t.Helper()
	dir := filepath.Join(r.dir, "state")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m,mode=0755"); err != nil {
		r.t.Skipf("no file system can be mounted: %v", err)
	}
	r.t.Cleanup(func() {
		r.kill()
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			r.t.Error(err)
		}
	})
	if err := os.MkdirAll(filepath.Join(dir, "public"), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "public"), filepath.Join(r.dir, "public")); err != nil {
		r.t.Fatal(err)
	}
	return dir
}

const page = 4096 // what a tmpfs gives out

// fill fills the file system of dir but for some pages.
func (r *rig) fill(dir string, left int) {
	r.t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for err == nil {
		var n int
		n, err = f.Write(make([]byte, page))
		size += int64(n)
	}
	if !errors.Is(err, unix.ENOSPC) {
		r.t.Fatal(err)
	}
	if err := f.Truncate(max(0, size-int64(left)*page)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) free(dir string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		r.t.Fatal(err)
	}
}

// complete checks that no file of the static folder is half of one, and that none
// of those that it had is gone but for those of withdrawn events.
func (r *rig) complete(at string, had map[string]string) {
	r.t.Helper()
	ends := map[string][]string{
		".atom": {"</feed>"}, ".rss": {"</rss>"}, ".html": {"</html>", "</a>.</p>"}, ".opml": {"</opml>"}, ".css": {"}"}, ".json": {"}", "]"},
		".js": {"}", "})();"}, ".svg": {"</svg>"}, ".xml": {"</urlset>"}, ".txt": {"sitemap.xml"},
	}
	// What there is of a withdrawn event, of one that moved, and archives may go.
	mayGo := regexp.MustCompile(`/gone/index\.html$|^events/.*/feeds\.opml$|/archive/`)
	files := r.static()
	for name := range had {
		if _, ok := files[name]; !ok && !mayGo.MatchString(name) {
			r.t.Errorf("%s: %s is gone", at, name)
		}
	}
	for name, text := range files {
		if strings.HasPrefix(filepath.Base(name), ".tocsin-") {
			continue // being written
		}
		isEnd := func(end string) bool { return strings.HasSuffix(strings.TrimSpace(text), end) }
		if !slices.ContainsFunc(ends[filepath.Ext(name)], isEnd) || filepath.Ext(name) == ".json" && !json.Valid([]byte(text)) {
			r.t.Errorf("%s: %s is not whole: %d bytes", at, name, len(text))
		}
	}
}

// static reads the static folder.
func (r *rig) static() map[string]string {
	r.t.Helper()
	return r.content(filepath.Join(r.dir, "public"))
}

// checkpoint empties the write-ahead log, so that it has to grow.
func (r *rig) checkpoint() {
	r.t.Helper()
	s := r.shared()
	defer s.Close()
	if _, err := s.DB().ExecContext(r.t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		r.t.Fatal(err)
	}
}

// The disk is full but for 0, 1, 2, … pages when events change, and has room again
// later.
func TestFaultFullDisk(t *testing.T) {
	unraced(t)
	t.Parallel()
	if !mounts(t) {
		return
	}
	r := newFaultRig(t, "")
	dir := r.disk()
	r.start()
	// A turn's transaction takes some 25 pages, its files about as many.
	pages := []int{0, 1, 2, 12, 24, 28, 32, 36, 40}
	if *replayAll {
		for pages = nil; len(pages) < faultRounds(); {
			pages = append(pages, len(pages))
		}
	}
	for n, left := range pages {
		at := fmt.Sprintf("%d pages left", left)
		before, files, mark := r.published(), r.static(), r.log.mark()
		r.checkpoint()
		r.fill(dir, left)
		expect := r.round(n)
		failed := false
		r.until("the turn", func() bool {
			failed = len(r.log.since(mark, "level=ERROR", "the turn failed")) > 0
			return failed || len(r.log.since(mark, "msg=turn")) > 0
		})
		if failed {
			if code, text := r.readyz(); code != http.StatusServiceUnavailable || !strings.Contains(text, "full") && !strings.Contains(text, "no space left") {
				t.Errorf("%s: /readyz answers %d, %s", at, code, text)
			}
		} else if left < 10 {
			t.Errorf("%s: the turn did not fail", at)
		}
		round := "/feeds/tags/round.atom"
		if now := r.published()[round]; now != before[round] && now != calm.after[n+1][round] {
			t.Errorf("%s: what is served is neither what was there nor what comes", at)
		}
		r.complete(at, files)
		r.free(dir)
		r.recovered(at, n, expect)
		if lines := r.log.since(mark, "level=ERROR"); len(lines) > 10 {
			t.Errorf("%s: %d lines of the log tell of it:\n%s", at, len(lines), strings.Join(lines, "\n"))
		} else {
			t.Logf("%s: %d errors", at, len(lines))
		}
	}
	r.wholeAndAgain()
}

// A start on a state that cannot be written says so, leaves the state as it is, and
// the next one works.
func TestFaultOfStart(t *testing.T) {
	unraced(t)
	t.Parallel()
	if !mounts(t) {
		return
	}
	r := newFaultRig(t, "")
	dir := r.disk()
	path := filepath.Join(dir, "tocsin.db")
	full := []string{"no space left on device", "disk is full"} // of the system, of SQLite
	// The very first.
	r.fill(dir, 0)
	r.refuses("full, the first start", path, full...)
	r.free(dir)
	r.start()
	n := 0
	for _, end := range []func(){r.stop, r.kill} {
		end()
		state := r.content(dir)
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		expect := r.round(n)
		at := fmt.Sprintf("read-only, round %d", n)
		r.refuses(at, path, "read-only file system")
		if !maps.Equal(state, r.content(dir)) {
			t.Errorf("%s: the state was changed", at)
		}
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT, ""); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.recovered(at, n, expect)
		n++
		for left := range 2 {
			end()
			r.fill(dir, left)
			expect := r.round(n)
			at := fmt.Sprintf("full but for %d pages, round %d", left, n)
			if left == 0 {
				r.refuses(at, path, full...)
				r.free(dir)
				r.start()
			} else { // it may be enough to begin with
				r.launch()
				r.free(dir)
				select {
				case <-r.exited:
					r.start()
				default:
				}
			}
			r.recovered(at, n, expect)
			n++
		}
	}
	r.whole()
}

// refuses starts the daemon, which is to end with an error that names the file and
// one of the causes.
func (r *rig) refuses(at, file string, causes ...string) {
	r.t.Helper()
	mark := r.log.mark()
	r.launch()
	var err error
	select {
	case err = <-r.exited:
		r.cmd = nil
	case <-time.After(patience):
		r.t.Fatalf("%s: the daemon does not end", at)
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != exitFaults {
		r.t.Errorf("%s: the daemon ended with %v", at, err)
	}
	lines := r.log.since(mark, file)
	if len(lines) != 1 || !slices.ContainsFunc(causes, func(c string) bool { return strings.Contains(lines[0], c) }) {
		r.t.Errorf("%s: the daemon says:\n%s", at, strings.Join(r.log.since(mark), "\n"))
	}
}
