package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tocsin/config"
	"tocsin/event"
	"tocsin/notify/outbox"
)

// sample is the first of the sample events.
const sample = "2025/2025-01-28-milley-security-detail-revoked-retaliation"

// seeded gives the rig the sample events.
func (r *rig) seeded() *rig {
	r.t.Helper()
	if err := os.CopyFS(r.events, os.DirFS("../../seeds")); err != nil {
		r.t.Fatal(err)
	}
	return r
}

func (r *rig) path(id string) string { return filepath.Join(r.events, filepath.FromSlash(id)+".md") }

func (r *rig) read(path string) string {
	r.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// file is the file of a feed's address in a static folder.
func (r *rig) file(folder, address string) string {
	r.t.Helper()
	path, err := url.PathUnescape(address)
	if err != nil {
		r.t.Fatal(err)
	}
	return filepath.Join(r.dir, folder, filepath.FromSlash(path))
}

// command runs a command of the program in this process.
func (r *rig) command(args ...string) (out, errout string, code int) {
	var o, e bytes.Buffer
	code = run(r.t.Context(), &terminal{out: &o, err: &e, env: config.OSEnv()}, append(args, "-config", r.config))
	return o.String(), e.String(), code
}

// sampleFeeds are the feeds that the sample event stands in, but for that of all.
func sampleFeeds(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../seeds/" + sample + ".md")
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.NewReader(event.Dialect{}).Read(sample+".md", data)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Tags) != 7 || len(e.Actors) != 5 {
		t.Fatalf("the sample event has %d tags and %d actors, not 7 and 5", len(e.Tags), len(e.Actors))
	}
	var paths []string
	for _, n := range e.Tags {
		paths = append(paths, "/feeds/tags/"+event.Slug(event.Key(n)))
	}
	for _, n := range e.Actors {
		paths = append(paths, "/feeds/actors/"+event.Slug(event.Key(n)))
	}
	return paths
}

// program runs one that the machine may have, in a folder.
func program(t *testing.T, dir string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "TERM=dumb")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	program(t, dir, append([]string{"git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0"}, args...)...)
}

// TestEdit raises the sample event's importance from 9 to 10 in the ways in
// which programs save files.
func TestEdit(t *testing.T) {
	t.Parallel()
	raise := func(text string) string { return strings.Replace(text, "importance: 9\n", "importance: 10\n", 1) }
	ways := map[string]struct{ prepare, edit func(t *testing.T, r *rig) }{
		"rename": {edit: func(t *testing.T, r *rig) {
			tmp := filepath.Join(r.dir, "new.md")
			r.write(tmp, raise(r.read(r.path(sample))))
			if err := os.Rename(tmp, r.path(sample)); err != nil {
				t.Fatal(err)
			}
		}},
		"sed": {edit: func(t *testing.T, r *rig) {
			program(t, r.dir, "sed", "-i", "s/^importance: 9$/importance: 10/", r.path(sample))
		}},
		"vim": {edit: func(t *testing.T, r *rig) {
			program(t, r.dir, "vim", "-u", "NONE", "-N", "-es", "-c", "set backup writebackup", "-c", "%s/^importance: 9$/importance: 10/", "-c", "wq", r.path(sample))
		}},
		"git": {
			prepare: func(t *testing.T, r *rig) {
				git(t, r.events, "init", "-q", "-b", "main")
				git(t, r.events, "add", "-A")
				git(t, r.events, "commit", "-q", "-m", "nine")
				r.write(r.path(sample), raise(r.read(r.path(sample))))
				git(t, r.events, "commit", "-q", "-a", "-m", "ten")
				git(t, r.events, "checkout", "-q", "HEAD~1")
			},
			edit: func(t *testing.T, r *rig) { git(t, r.events, "checkout", "-q", "main") },
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "", "").seeded()
			if way.prepare != nil {
				way.prepare(t, r)
			}
			r.sentinel(0)
			r.start()
			before := r.feeds()
			way.edit(t, r)
			r.until("the webhook", func() bool {
				return r.receiver.has("Defense Secretary Revokes General Milley Security Detail in Political Retaliation")
			})
			var after map[string]string
			r.until("the feeds", func() bool {
				_, body := r.get("/feeds/tags/milley.json")
				return strings.Contains(string(body), `"importance":10`)
			})
			after = r.feeds()
			r.settled(r.sentinel(1))

			hooks := slices.DeleteFunc(r.receiver.take(), func(h hook) bool { return strings.HasPrefix(h.Data.Event.Title, "Sentinel") })
			if len(hooks) != 1 {
				t.Fatalf("%d webhooks, not one", len(hooks))
			}
			h := hooks[0]
			if h.Type != "event.updated" || h.Data.Event.ID != sample || h.Data.Event.Importance != 10 ||
				h.Data.Change.Before["importance"] != 9.0 || !slices.Equal(h.Data.Change.Fields, []string{"importance"}) {
				t.Errorf("the webhook says %s", h.raw)
			}
			verifier, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := verifier.Verify(h.raw, h.header); err != nil {
				t.Errorf("the signature: %v", err)
			}
			want := make(map[string]bool)
			for _, p := range append(sampleFeeds(t), "/feeds/all") {
				for _, ending := range []string{".atom", ".rss", ".json"} {
					want[p+ending] = true
				}
			}
			for path := range before {
				if changed := before[path] != after[path]; changed != want[path] {
					t.Errorf("%s: changed is %v", path, changed)
				}
				delete(want, path)
			}
			if len(want) > 0 || len(before) != len(after) {
				t.Errorf("feeds are missing: %v", want)
			}
		})
	}
}

// files lists a folder with what a rewrite would change.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		all[p] = fi.ModTime().Format(time.RFC3339Nano)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "feeds: {dir: public}").seeded()
	r.sentinel(0)
	r.start()
	feeds, static := r.feeds(), files(t, filepath.Join(r.dir, "public"))
	if len(static) < len(feeds) {
		t.Fatalf("%d files for %d feeds", len(static), len(feeds))
	}

	// Nothing changed: nothing is told and no file is written.
	r.stop()
	r.start()
	if !maps.Equal(feeds, r.feeds()) {
		t.Error("a restart without changes changed feeds")
	}
	if again := files(t, filepath.Join(r.dir, "public")); !maps.Equal(static, again) {
		t.Error("a restart without changes wrote files")
	}
	for path, text := range feeds {
		body := r.read(r.file("public", path))
		if !strings.HasPrefix(text, body) {
			t.Errorf("%s differs from its file", path)
		}
	}

	// Changed, added, withdrawn and moved while the daemon was down.
	r.stop()
	r.write(r.path(sample), strings.Replace(r.read(r.path(sample)), "importance: 9\n", "importance: 10\n", 1))
	r.write(r.path("2001/2001-01-01-new"), "---\ntitle: Quite new\ndate: 2001-01-01\n---\n\nText.\n")
	gone := "1988/1988-11-02-morris-worm"
	if err := os.Remove(r.path(gone)); err != nil {
		t.Fatal(err)
	}
	moved := "2014/2014-04-07-heartbleed-disclosed-in-openssl"
	if err := os.Rename(r.path(moved), r.path("2014/heartbleed")); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.settled(r.sentinel(1))
	got := told(r.receiver.take(), "hook")
	compareTold(t, "after the start", got, map[string]bool{"updated " + sample: true, "new 2001/2001-01-01-new": true, "withdrawn " + gone: true})

	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).
		Get("http://" + r.site + "/events/" + moved + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusMovedPermanently || !strings.HasSuffix(to, "/events/2014/heartbleed/") {
		t.Errorf("the moved event's old page: %s, %q", res.Status, to)
	}
	if res, _ := r.get("/events/" + gone + "/"); res.StatusCode != http.StatusGone {
		t.Errorf("the withdrawn event's page: %s", res.Status)
	}
}

func TestBrokenFileKeepsItsLastGoodVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.sentinel(0)
	r.start()
	_, before := r.get("/feeds/tags/milley.atom")
	good := r.read(r.path(sample))
	r.write(r.path(sample), strings.Replace(good, "location: \"Pentagon", "location: \"A: \"B\" Pentagon", 1))
	r.settled(r.sentinel(1))
	for range 2 { // also over a restart
		if _, now := r.get("/feeds/tags/milley.atom"); !bytes.Equal(before, now) {
			t.Error("a broken file changed the feed")
		}
		r.stop()
		r.start()
	}
	out, _, code := r.command("check")
	if code != exitFaults || !strings.Contains(out, sample+".md:23: ") {
		t.Errorf("check: %d, %s", code, out)
	}
	r.write(r.path(sample), good)
	r.settled(r.sentinel(2))
	compareTold(t, "mended", told(r.receiver.take(), "hook"), nil)
	if out, _, code := r.command("check"); code != exitDone || strings.Contains(out, sample+".md:23: ") {
		t.Errorf("check: %d, %s", code, out)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.receiver.answer = func(w http.ResponseWriter, n int) {
		switch {
		case n < 3:
			w.WriteHeader(http.StatusInternalServerError)
		case n == 3:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	r.start()
	r.write(r.path(sample), strings.Replace(r.read(r.path(sample)), "importance: 9\n", "importance: 10\n", 1))
	r.until("the delivery", func() bool { return len(r.deliveries("delivered", 0)) == 1 })
	all := r.deliveries("", 0)
	if len(all) != 1 {
		t.Fatalf("%d deliveries, not one", len(all))
	}
	ids := make(map[string]bool)
	for _, h := range r.receiver.take() {
		ids[h.header.Get("webhook-id")] = true
	}
	if len(ids) != 1 || !ids[all[0].ID] {
		t.Errorf("the webhook-ids are %v, the delivery's is %s", ids, all[0].ID)
	}
	out, _, code := r.command("deliveries", "show", all[0].ID, "-json")
	var shown outbox.Record
	if err := json.Unmarshal([]byte(out), &shown); code != exitDone || err != nil {
		t.Fatalf("deliveries show: %d, %v\n%s", code, err, out)
	}
	var statuses []int
	for _, a := range shown.Attempts {
		statuses = append(statuses, a.Status)
	}
	if !slices.Equal(statuses, []int{500, 500, 500, 429, 200}) {
		t.Errorf("the attempts' statuses are %v", statuses)
	}
	out, _, code = r.command("deliveries", "show", all[0].ID)
	if code != exitDone || !strings.Contains(out, "429") || !strings.Contains(out, "delivered") {
		t.Errorf("deliveries show: %d\n%s", code, out)
	}
	if strings.Contains(out+r.log.tail(1000), strings.TrimPrefix(r.receiver.server.URL, "http://")) {
		t.Error("the sink's address is in what the program prints")
	}
}

func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.start()
	_, errout, code := r.command("serve")
	if code != exitFaults || !strings.Contains(errout, "another tocsin runs on this state") {
		t.Errorf("a second daemon: %d, %s", code, errout)
	}

	// A build beside the daemon gives the daemon's bytes.
	out := filepath.Join(r.dir, "out")
	if _, errout, code := r.command("build", "-out", out); code != exitDone {
		t.Fatalf("build: %d, %s", code, errout)
	}
	for path, text := range r.feeds() {
		if body := r.read(r.file("out", path)); !strings.HasPrefix(text, body) {
			t.Errorf("%s: built and served differ", path)
		}
	}
	if all := r.deliveries("", 0); len(all) > 0 {
		t.Errorf("%d deliveries of a first look", len(all))
	}
}

// TestBuildLosesNoChange builds between two runs of the daemon: what the build
// saw is told by the daemon.
func TestBuildLosesNoChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.start()
	r.stop()
	r.write(r.path(sample), strings.Replace(r.read(r.path(sample)), "importance: 9\n", "importance: 10\n", 1))
	if _, errout, code := r.command("build", "-out", filepath.Join(r.dir, "out")); code != exitDone {
		t.Fatalf("build: %d, %s", code, errout)
	}
	if n := len(r.receiver.take()); n > 0 {
		t.Fatalf("the build sent %d messages", n)
	}
	r.start()
	r.settled(r.sentinel(0))
	compareTold(t, "after the build", told(r.receiver.take(), "hook"), map[string]bool{"updated " + sample: true})
}

// TestSeeds runs the project's own configuration.
func TestSeeds(t *testing.T) {
	c, err := config.Load("../../config.yaml", config.OSEnv())
	if err != nil {
		t.Fatal(err)
	}
	found, err := checkEvents(context.Background(), &terminal{out: os.Stdout, err: os.Stderr}, c, nil)
	if err != nil || len(found) > 0 {
		t.Errorf("%v %v", found, err)
	}
}

// A checkout that changes two thousand files is one batch, without removals, and
// one that leaves a branch and comes back is nothing.
func TestCheckout(t *testing.T) {
	t.Parallel()
	const files = 2000
	r := newRig(t, "", "")
	r.configure("burst: 0", "burst: 10")
	r.configure("settle: 100ms", "settle: 250ms")
	git := func(args ...string) { t.Helper(); git(t, r.events, args...) }
	write := func(importance int) {
		for n := range files {
			r.write(r.path(fmt.Sprintf("%02d/%04d", n%40, n)), fmt.Sprintf("---\ntitle: Event %d\ndate: 2025-01-01\nimportance: %d\n---\n\nText.\n", n, importance))
		}
	}
	git("init", "-q", "-b", "main")
	write(5)
	git("add", ".")
	git("commit", "-q", "-m", "one")
	git("checkout", "-q", "-b", "other")
	write(6)
	git("commit", "-q", "-a", "-m", "two")
	git("checkout", "-q", "main")
	r.start()
	r.settled(r.sentinel(0))
	r.receiver.take()
	turns := func() int { return strings.Count(r.log.tail(5000), "msg=turn ") }

	before := turns()
	git("checkout", "-q", "other")
	r.settled(r.sentinel(1))
	if n := turns() - before; n > 3 {
		t.Errorf("a checkout took %d turns", n)
	}
	told := 0
	for _, h := range r.receiver.take() {
		told += len(h.Data.Events) + h.Data.More
		for _, e := range h.Data.Events {
			if e.Change.Kind != "updated" {
				t.Errorf("%s %s", e.Change.Kind, e.Event.ID)
			}
		}
	}
	// The sentinel may be in the batch or behind it.
	if told != files && told != files+1 {
		t.Errorf("told of %d changes, not %d", told, files)
	}

	git("checkout", "-q", "main")
	git("checkout", "-q", "other")
	r.settled(r.sentinel(2))
	for _, h := range r.receiver.take() {
		if h.Data.Event.ID != "zz-sentinel" {
			t.Errorf("leaving a branch and coming back told %s", h.raw[:min(len(h.raw), 300)])
		}
	}
}
