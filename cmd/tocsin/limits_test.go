package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mayBeSet names the environment variable by which a test may change a setting of
// the whole machine; .ci/run sets it.
const mayBeSet = "TOCSIN_TEST_SYSCTL"

// sysctl sets a kernel setting for the time of the test.
func sysctl(t *testing.T, path, value string) {
	t.Helper()
	if os.Getenv(mayBeSet) == "" {
		t.Skipf("it sets %s of the whole machine, and does so only with %s=1", path, mayBeSet)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Skip("not on this machine: ", err)
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Skip("not allowed here: ", err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(path, before, 0); err != nil {
			t.Error(err)
		}
	})
}

// The kernel drops most of the notifications of the largest step: what is told is
// the same.
func TestShortQueue(t *testing.T) {
	const largest = 89
	steps := recording(t, "md", largest)
	sysctl(t, "/proc/sys/fs/inotify/max_queued_events", "64")
	r := newRig(t, "      match: {min_importance: 1}", "")
	r.addSinks(r.moreSinks())
	r.sentinel(-1)
	for _, s := range steps[:largest] {
		s.apply(t, r.events, "inplace")
	}
	r.start()
	r.settled(r.sentinel(0))
	r.receiver.take()
	s := steps[largest]
	r.signal(syscall.SIGSTOP) // or it may read the queue as fast as that fills
	r.stopped()
	s.apply(t, r.events, "git")
	r.signal(syscall.SIGCONT)
	r.settled(r.sentinel(1))
	hooks := r.receiver.take()
	for least, sink := range replaySinks {
		compareTold(t, fmt.Sprintf("min_importance %d", least), told(hooks, sink), s.expected(least))
	}
	if !r.log.has("queue or buffer overflow") {
		t.Error("the queue did not overflow: the test tests nothing")
	}
}

// There are fewer watches than folders: the daemon says so, polls, and misses
// nothing.
func TestFewWatches(t *testing.T) {
	t.Parallel()
	const folders, watches = 200, 50
	r := newRig(t, "", "")
	// The limit is one of a user namespace, and one of its own costs nobody else
	// anything.
	r.wrap = []string{"unshare", "--user", "--map-root-user", "sh", "-c",
		fmt.Sprintf(`echo %d >/proc/sys/user/max_inotify_watches && exec "$@"`, watches), "sh"}
	if out, err := commandOutput(append(r.wrap, "true")); err != nil {
		t.Skipf("no user namespace here: %v, %s", err, out)
	}
	event := func(n, importance int) {
		r.write(r.path(fmt.Sprintf("%03d/event", n)), fmt.Sprintf("---\ntitle: Event %d\ndate: 2025-01-01\nimportance: %d\n---\n", n, importance))
	}
	for n := range folders {
		event(n, 5)
	}
	r.sentinel(-1)
	r.start()
	if !r.log.has("cannot watch for changes, polling instead") || !r.log.has("max_user_watches") {
		t.Errorf("the log does not say so:\n%s", r.log.tail(20))
	}
	want := make(map[string]bool)
	for n := range folders {
		switch n % 5 {
		case 0:
			event(n, 6)
			want[fmt.Sprintf("updated %03d/event", n)] = true
		case 1:
			r.write(r.path(fmt.Sprintf("%03d/new/er", n)), fmt.Sprintf("---\ntitle: New event %d\ndate: 2025-01-02\n---\n", n))
			want[fmt.Sprintf("new %03d/new/er", n)] = true
		case 2:
			if err := os.RemoveAll(strings.TrimSuffix(r.path(fmt.Sprintf("%03d", n)), ".md")); err != nil {
				t.Fatal(err)
			}
			want[fmt.Sprintf("withdrawn %03d/event", n)] = true
		case 3:
			if err := os.Rename(r.path(fmt.Sprintf("%03d/event", n)), r.path(fmt.Sprintf("%03d/moved", n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	r.settled(r.sentinel(0))
	compareTold(t, "polled", told(r.receiver.take(), "hook"), want)
	t.Logf("told after %v", time.Since(began).Round(time.Millisecond))
}

// The folder is unmounted and leaves an empty mount point: nothing is withdrawn,
// however few events there were.
func TestUnmounted(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "")
	source := filepath.Join(r.dir, "source")
	for n := range 3 {
		r.write(filepath.Join(source, fmt.Sprintf("%d.md", n)), fmt.Sprintf("---\ntitle: Event %d\ndate: 2025-01-01\n---\n", n))
	}
	fill := `mount -t tmpfs -o size=1m none "$0" && cp -r "$1"/. "$0"`
	r.wrap = []string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
		`sh -c '` + fill + `' "$0" "$1" && shift && exec "$@"`, r.events, source}
	if out, err := commandOutput(append(r.wrap, "true")); err != nil {
		t.Skipf("no mount namespace here: %v, %s", err, out)
	}
	r.start()
	inside := func(args ...string) {
		t.Helper()
		enter := []string{"nsenter", "--target", fmt.Sprint(r.cmd.Process.Pid), "--user", "--mount", "--preserve-credentials"}
		if out, err := commandOutput(append(enter, args...)); err != nil {
			t.Fatalf("%v: %v, %s", args, err, out)
		}
	}
	for range 2 {
		inside("umount", r.events)
		r.until("the hold", func() bool {
			code, text := r.readyz()
			return code == 503 && strings.Contains(text, "3 of 3 events are gone")
		})
		if res, _ := r.get("/events/0/"); res.StatusCode != 200 {
			t.Errorf("the page of an event: %s", res.Status)
		}
		inside("sh", "-c", fill, r.events, source)
		r.until("readiness", r.isReady)
	}
	// Where events are deleted on the same device, they are gone.
	inside("sh", "-c", `rm "$0"/*`, r.events)
	r.until("three withdrawals", func() bool { return len(r.receiver.all()) == 3 })
	compareTold(t, "deleted", told(r.receiver.take(), "hook"), map[string]bool{"withdrawn 0": true, "withdrawn 1": true, "withdrawn 2": true})
}
