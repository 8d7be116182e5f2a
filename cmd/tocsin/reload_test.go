package main

import (
	"database/sql"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tocsin/ledger"
)

// rewrite replaces the whole configuration by what f makes of it.
func (r *rig) rewrite(f func(text string) string) {
	r.t.Helper()
	r.replace(r.config, f(r.read(r.config)))
}

// unworried fails the test where the log has warnings or errors.
func (r *rig) unworried() {
	r.t.Helper()
	for _, level := range []string{"level=WARN", "level=ERROR"} {
		lines := slices.DeleteFunc(r.log.since(0, level), func(line string) bool {
			return strings.Contains(line, "by=river") // it says how slow the machine is
		})
		if len(lines) > 0 {
			r.t.Fatalf("the log has %d lines like %s", len(lines), lines[0])
		}
	}
}

// What can change while the daemon runs changes, one reload after the other.
func TestReload(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "feeds: {entries: 40}").seeded()
	r.sentinel(0)
	r.start()
	feeds := r.feeds()

	// Nothing changed: nothing changes.
	r.reloaded()
	if !maps.Equal(feeds, r.feeds()) {
		t.Error("a reload without a change changed feeds")
	}

	// Another sink beside the first, which is told less.
	r.addSinks(fmt.Sprintf("\n    - {name: other, type: webhook, url: %q, rate: 0}", r.receiver.server.URL+"/other"))
	r.configure("name: hook", "name: hook\n      match: {min_importance: 9}")
	r.reloaded()
	if !maps.Equal(feeds, r.feeds()) {
		t.Error("a reload of sinks changed feeds")
	}
	r.write(r.path("five"), "---\ntitle: Five\ndate: 2025-01-01\nimportance: 5\n---\n")
	r.settled(r.sentinel(1))
	hooks := r.receiver.take()
	compareTold(t, "other", told(hooks, "other"), map[string]bool{"new five": true})
	compareTold(t, "hook", told(hooks, "hook"), nil)

	// One sink less.
	r.rewrite(func(text string) string {
		a, b := strings.Index(text, "\n    - {name: other"), strings.Index(text, "\nstore:")
		return text[:a] + text[b:]
	})
	r.reloaded()
	r.settled(r.sentinel(2))
	if got := r.receiver.take(); slices.ContainsFunc(got, func(h hook) bool { return h.Data.Sink == "other" }) {
		t.Error("a sink that is no more was told")
	}

	// A feed of its own, shorter feeds, another site, other names.
	r.configure("{entries: 40}", "{entries: 3, window: 0s, custom: [{name: high, title: High, match: {min_importance: 9}}]}")
	r.configure("title: Test", "title: Another title")
	r.configure("{dir: events}", "{dir: events, aliases: {tags: {milley: General Milley}}}")
	r.reloaded()
	if _, body := r.get("/feeds/custom/high.json"); !strings.Contains(string(body), "Another title") {
		t.Errorf("the custom feed: %.300s", body)
	}
	if _, body := r.get("/feeds/all.json"); strings.Count(string(body), `"id":"tag:`) != 3 {
		t.Errorf("the feed of all does not have 3 entries: %.300s", body)
	}
	if _, body := r.get("/feeds/tags/milley.json"); !strings.Contains(string(body), `"General Milley"`) {
		t.Errorf("the feed of a tag that has another name: %.500s", body)
	}
	if n := len(r.receiver.take()); n > 0 {
		t.Errorf("%d messages of a changed configuration", n)
	}

	// Another folder, which holds one event more and one less.
	other := filepath.Join(r.dir, "other")
	if err := os.CopyFS(other, os.DirFS(r.events)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(other, "1988/1988-11-02-morris-worm.md")); err != nil {
		t.Fatal(err)
	}
	r.events = other
	r.write(r.path("ten"), "---\ntitle: Ten\ndate: 2025-01-01\nimportance: 10\n---\n")
	r.configure("{dir: events,", "{dir: other,")
	r.configure("min_importance: 9}\n", "min_importance: 0}\n")
	r.reloaded()
	r.settled(r.sentinel(3))
	compareTold(t, "another folder", told(r.receiver.take(), "hook"), map[string]bool{"new ten": true, "withdrawn 1988/1988-11-02-morris-worm": true})

	// Other addresses. The old ones are free then.
	ports := freePorts(t, 2)
	for i, address := range []*string{&r.site, &r.admin} {
		key := []string{"listen", "admin"}[i]
		r.configure(fmt.Sprintf(`%s: "%s"`, key, *address), fmt.Sprintf(`%s: "%s"`, key, ports[i]))
		old := *address
		*address = ports[i]
		r.reloaded()
		if !r.isReady() {
			t.Errorf("not ready at %s", r.admin)
		}
		r.get("/")
		r.until("the end of "+old, func() bool {
			l, err := net.Listen("tcp", old)
			if err != nil {
				return false
			}
			l.Close()
			return true
		})
	}
	// And none for the operator.
	r.configure(`, admin: "`+r.admin+`"`, `, admin: ""`)
	r.reloaded()
	r.settled(r.sentinel(4))
	r.stop()
	r.unworried()
}

// A configuration that is no good, or cannot be followed while the daemon runs, is
// refused with its reason, and the daemon goes on as before.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	systemd := r.withSystemd(0)
	r.start()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good := r.read(r.config)
	feeds := r.feeds()
	for i, c := range []struct {
		name, old, new, says string
		code                 int
	}{
		{"an unknown key", "rate: 0", "rat: 0", ":12: notify.sinks[0].rat: ", exitConfig},
		{"no YAML", "site: {", "site: {{", ": ", exitConfig},
		{"a sink without an address", "url: " + r.receiver.server.URL, "url: no:", ":10: notify.sinks[0].url: ", exitConfig},
		{"another store", "store: state/", "store: other/", ":15: store: cannot change while tocsin runs", exitConfig},
		{"no events folder", "{dir: events}", "{dir: evens}", ":3: events.dir: open ", exitConfig},
		{"an address in use", r.site + `", admin`, taken.Addr().String() + `", admin`, "web.listen: ", exitFaults},
		{"another address in use", `admin: "` + r.admin, `admin: "` + taken.Addr().String(), "web.admin: ", exitFaults},
	} {
		r.configure(c.old, c.new)
		out, errout, code := r.reload()
		if code != c.code || out != "" || !strings.Contains(errout, c.says) {
			t.Errorf("%s: %d %s%s", c.name, code, out, errout)
		}
		text := strings.TrimPrefix(strings.Split(strings.TrimSpace(errout), "\n")[0], "tocsin reload: ")
		if !strings.Contains(strings.ReplaceAll(r.log.tail(50), `\"`, `"`), text) {
			t.Errorf("%s: the log does not say %q", c.name, text)
		}
		r.write(r.config, good)
		r.settled(r.sentinel(i))
	}
	if reloading, ready := strings.Count(strings.Join(systemd.told(), "\n"), "RELOADING=1\nMONOTONIC_USEC="),
		strings.Count(strings.Join(systemd.told(), "\n"), "READY=1"); reloading != 7 || ready != 8 {
		t.Errorf("systemd was told %d times of a reload, and %d times of its end", reloading, ready-1)
	}
	after := r.feeds()
	for path, before := range feeds {
		// The sentinel stands in the feed of all, and is corrected.
		if !strings.Contains(path, "/all.") && !strings.Contains(path, "/corrections.") && before != after[path] {
			t.Errorf("%s changed", path)
		}
	}
	if r.log.has(strings.TrimPrefix(r.receiver.server.URL, "http://")) {
		t.Error("the sink's address is in the log")
	}
}

// Where systemd holds the socket, the address in the configuration cannot change.
func TestReloadActivated(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.activated(webSocket)
	r.start()
	r.configure(`listen: "`+r.site, `listen: "127.0.0.1:1`)
	if _, errout, code := r.reload(); code != exitConfig || !strings.Contains(errout, ":5: web.listen: cannot change while systemd holds the socket") {
		t.Errorf("reload: %d %s", code, errout)
	}
	r.configure(`listen: "127.0.0.1:1`, `listen: "`+r.site)
	ports := freePorts(t, 1)
	r.configure(r.admin, ports[0]) // which the daemon has opened itself
	r.admin = ports[0]
	r.reloaded()
	if !r.isReady() {
		t.Error("not ready")
	}
	r.get("/")
}

// Files are read again where the configuration says another thing of them, and only
// there.
func TestReloadReadsWhatItMust(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.sentinel(-1)
	r.write(r.path("broken"), "---\ntitle: [\n---\n")
	r.start()
	read := func(want int) {
		t.Helper()
		if n := len(r.log.since(0, "a file is left as it was known", "broken.md")); n != want {
			t.Errorf("the broken file was read and reported %d times, not %d", n, want)
		}
	}
	read(1)
	r.configure("title: Test", "title: Another title")
	r.reloaded()
	read(1)
	r.write(r.path("five"), "---\ntitle: Five\ndate: 2025-01-01\n---\n")
	r.settled(r.sentinel(0))
	compareTold(t, "after the reload", told(r.receiver.take(), "hook"), map[string]bool{"new five": true})
	r.configure("{dir: events}", "{dir: events, max_bytes: 100000}")
	r.reloaded()
	read(2)
}

// load asks for pages from several clients, each with pauses, until the function that
// it returns is called, which fails the test if a request was lost.
func (r *rig) load(pause time.Duration) (stop func()) {
	done := make(chan struct{})
	var asked atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, 8)
	for n := range cap(failed) {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: n%2 == 0}}
			defer client.CloseIdleConnections()
			paths := []string{"/feeds/all.atom", "/", "/feeds/all.json", "/tags/", "/feeds/query.atom?min_importance=3"}
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-time.After(pause):
				}
				res, err := client.Get("http://" + r.site + paths[(i+n)%len(paths)])
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				if err == nil && res.StatusCode != http.StatusOK {
					err = fmt.Errorf("%s %s", res.Request.URL.Path, res.Status)
				}
				if err != nil {
					failed <- err
					return
				}
				asked.Add(1)
			}
		})
	}
	return func() {
		r.t.Helper()
		close(done)
		all.Wait()
		close(failed)
		for err := range failed {
			r.t.Errorf("a request was lost: %v", err)
		}
		r.t.Logf("%d requests", asked.Load())
		if asked.Load() < 100 {
			r.t.Errorf("%d requests: the test tests nothing", asked.Load())
		}
	}
}

// Reloads in a row, several at once, by command and by signal, lose no request and
// no change, also in the middle of a burst of them.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	systemd := r.withSystemd(time.Minute)
	r.sentinel(-1)
	r.start()
	stop := r.load(0)
	want := make(map[string]bool)
	for n := range 5 {
		for i := range 20 {
			id := fmt.Sprintf("burst/%d-%d", n, i)
			r.write(r.path(id), fmt.Sprintf("---\ntitle: Event %d of %d\ndate: 2025-01-01\nimportance: 7\n---\n", i, n))
			want["new "+id] = true
		}
		r.rewrite(func(text string) string {
			return strings.Replace(text, fmt.Sprintf("title: Test%d,", n-1), "title: Test,", 1)
		})
		r.configure("title: Test,", fmt.Sprintf("title: Test%d,", n))
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if out, errout, code := r.reload(); code != exitDone {
					t.Errorf("reload: %d %s%s", code, out, errout)
				}
			})
		}
		all.Wait()
		if _, body := r.get("/feeds/all.json"); !strings.Contains(string(body), fmt.Sprintf("Test%d", n)) {
			t.Errorf("after reload %d the feed says %.200s", n, body)
		}
		if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	r.settled(r.sentinel(0))
	stop()
	compareTold(t, "after all", told(r.receiver.take(), "hook"), want)
	for life, i := systemd.life(), 1; i < len(life); i++ {
		if pause := life[i].Sub(life[i-1]); pause > time.Minute {
			t.Errorf("no sign of life for %v", pause)
		}
	}
	r.stop()
	r.unworried()
}

// A receiver that hangs delays a reload by no more than the deliveries' own limit,
// and the watchdog is answered meanwhile.
func TestReloadWhileSending(t *testing.T) {
	r := newRig(t, "", "").seeded()
	systemd := r.withSystemd(2 * time.Second)
	hangs := make(chan struct{})
	r.receiver.answer = func(_ http.ResponseWriter, n int) {
		if n == 0 {
			<-hangs
		}
	}
	defer close(hangs)
	r.sentinel(-1)
	r.start()
	r.sentinel(0)
	r.until("a delivery under way", func() bool { return len(r.receiver.all()) > 0 })
	from := len(systemd.life())
	r.reloaded()
	life := systemd.life()[from:]
	if len(life) < 3 { // of ten, on a machine that is not busy
		t.Errorf("%d signs of life while the reload waited for the receiver", len(life))
	}
	// What hung is sent again, under its id.
	r.until("the delivery", func() bool { return len(r.deliveries("delivered", 0)) == 1 })
	ids := make(map[string]bool)
	for _, h := range r.receiver.take() {
		ids[h.header.Get("webhook-id")] = true
	}
	if len(ids) != 1 {
		t.Errorf("ids: %v", ids)
	}
}

// Killed in the middle of reloads, the daemon starts with what the configuration
// says then, and tells everything once.
func TestReloadKilled(t *testing.T) {
	unraced(t)
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.sentinel(-1)
	r.start()
	want := make(map[string]bool)
	for n := range 8 {
		id := fmt.Sprintf("killed/%d", n)
		r.write(r.path(id), fmt.Sprintf("---\ntitle: Event %d\ndate: 2025-01-01\n---\n", n))
		want["new "+id] = true
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			r.reload() // it may end without an answer
		}()
		select {
		case <-asked:
		case <-time.After(time.Duration(rand.IntN(600)) * time.Millisecond):
		}
		r.kill()
		<-asked
		r.start()
	}
	r.settled(r.sentinel(0))
	compareTold(t, "after all", told(r.receiver.take(), "hook"), want)
}

// A reload tells of a changed configuration what a restart with it tells: sinks that
// count what it changes in events hear of that, and nobody else.
func TestReloadTellsWhatARestartTells(t *testing.T) {
	t.Parallel()
	tell := func(again func(r *rig)) map[string][]string {
		r := newRig(t, "", "").seeded()
		r.addSinks(fmt.Sprintf("\n    - {name: tags, type: webhook, url: %q, rate: 0, burst: 0, fields: [tags]}", r.receiver.server.URL+"/tags"))
		r.sentinel(-1)
		r.start()
		r.configure("{dir: events}", "{dir: events, exclude: [1988/**], aliases: {tags: {spaceflight: space travel}}, fields: {importance: [nothing, importance]}}")
		again(r)
		r.settled(r.sentinel(0))
		hooks := r.receiver.take()
		all := told(hooks, "hook")
		for what, ids := range told(hooks, "tags") {
			all["tags: "+what] = ids
		}
		return all
	}
	restarted := tell(func(r *rig) { r.stop(); r.start() })
	reloaded := tell(func(r *rig) { r.reloaded() })
	if !slices.Equal(slices.Sorted(maps.Keys(restarted)), slices.Sorted(maps.Keys(reloaded))) {
		t.Errorf("a restart tells %v, a reload %v", slices.Sorted(maps.Keys(restarted)), slices.Sorted(maps.Keys(reloaded)))
	}
	if len(reloaded) < 2 {
		t.Errorf("told %v: the test tests nothing", reloaded)
	}
	t.Logf("told: %v", slices.Sorted(maps.Keys(reloaded)))
}

// Where the store fails just when one configuration takes over from another, what was
// published is served until it works again.
func TestReloadWaitsForTheStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.sentinel(-1)
	r.start()
	store, err := ledger.OpenShared(t.Context(), filepath.Join(r.dir, "state", "tocsin.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r.configure("title: Test", "title: Another title")
	done := make(chan int, 1)
	err = store.Write(t.Context(), func(*sql.Tx) error {
		go func() {
			_, _, code := r.reload()
			done <- code
		}()
		r.until("the complaint", func() bool { return r.log.has("cannot be followed yet") })
		if code, text := r.readyz(); code != http.StatusServiceUnavailable || !strings.Contains(text, "cannot be followed yet") {
			t.Errorf("readyz: %d %s", code, text)
		}
		if _, body := r.get("/feeds/all.json"); !strings.Contains(string(body), `"title":"Test`) {
			t.Errorf("what was published is not served: %.200s", body)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != exitDone {
		t.Errorf("reload: %d", code)
	}
	if _, body := r.get("/feeds/all.json"); !strings.Contains(string(body), "Another title") {
		t.Errorf("after the reload: %.200s", body)
	}
	r.settled(r.sentinel(0))
}

// A reload while the events folder is away changes what does not need it.
func TestReloadWithoutFolder(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.sentinel(-1)
	r.start()
	away := r.events + "-away"
	if err := os.Rename(r.events, away); err != nil {
		t.Fatal(err)
	}
	r.until("the loss to be seen", func() bool { return !r.isReady() })
	r.configure("title: Test", "title: Another title")
	r.reloaded()
	if res, body := r.get("/feeds/all.json"); res.StatusCode != http.StatusOK || !strings.Contains(string(body), "Another title") {
		t.Errorf("%s %.200s", res.Status, body)
	}
	if err := os.Rename(away, r.events); err != nil {
		t.Fatal(err)
	}
	r.until("readiness", r.isReady)
	r.settled(r.sentinel(0))
	compareTold(t, "after all", told(r.receiver.take(), "hook"), nil)
}
