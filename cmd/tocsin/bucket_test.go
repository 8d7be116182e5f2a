package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"tocsin/config"
	"tocsin/notify/outbox"
)

// objectStore is one that can be away.
type objectStore struct {
	*httptest.Server
	t       *testing.T
	backend *s3mem.Backend

	mu       sync.Mutex
	away     bool
	listings int
	puts     int
}

const storeKey, storeSecret = "AKIDhush", "hush-s3cr3t"

func newObjectStore(t *testing.T) *objectStore {
	s := &objectStore{t: t, backend: s3mem.New()}
	if err := s.backend.CreateBucket("public"); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(s.backend).Server()
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		s.mu.Lock()
		away := s.away
		switch {
		case away:
		case q.URL.Query().Has("list-type"):
			s.listings++
		case q.Method == http.MethodPut:
			s.puts++
		}
		s.mu.Unlock()
		if away { // and repeats what it knows
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "<Error><Code>Away</Code><Message>%s %s %v</Message></Error>", storeKey, storeSecret, q.Header)
			return
		}
		fake.ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	return s
}

// goAway makes the store refuse everything, or take it again.
func (s *objectStore) goAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

func (s *objectStore) took() (listings, puts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listings, s.puts
}

// object returns what is at a key; empty where nothing is.
func (s *objectStore) object(key string) string {
	s.t.Helper()
	o, err := s.backend.GetObject("public", key, nil)
	if err != nil {
		return ""
	}
	body, err := io.ReadAll(o.Contents)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

func (s *objectStore) keys() []string {
	s.t.Helper()
	l, err := s.backend.ListBucket("public", &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil {
		s.t.Fatal(err)
	}
	var keys []string
	for _, c := range l.Contents {
		keys = append(keys, c.Key)
	}
	slices.Sort(keys)
	return keys
}

// feeds is the section of a configuration that publishes into the store; further are
// more of its keys.
func (s *objectStore) feeds(further string) string {
	return fmt.Sprintf("feeds: {dir: \"s3://public/site?endpoint=%s&region=us-east-1\", s3: {access_key_id: %s, secret_access_key_file: s3.key}, corrections: []%s}",
		s.URL, storeKey, further)
}

// published gives a rig a bucket.
func published(t *testing.T, further string) (*rig, *objectStore) {
	s := newObjectStore(t)
	r := newRig(t, "", s.feeds(further))
	r.write(filepath.Join(r.dir, "s3.key"), storeSecret+"\n")
	r.titled("a", "First")
	r.titled("b", "Second")
	return r, s
}

// metric returns the line of a metric; empty where there is none.
func (r *rig) metric(name string) string {
	r.t.Helper()
	_, body := r.fetch("http://" + r.admin + "/metrics")
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, name+" ") {
			return strings.TrimSpace(strings.TrimPrefix(line, name+" "))
		}
	}
	return ""
}

// The bucket has what the static folder has, also after changes, and a change costs no
// listing; a restart finds what is there.
func TestBucket(t *testing.T) {
	r, s := published(t, "")
	r.start()
	r.until("the first publishing", func() bool { return strings.Contains(s.object("site/feeds/tags/b.atom"), "Second") })
	r.titled("b", "Third")
	r.until("the change", func() bool { return strings.Contains(s.object("site/feeds/tags/b.atom"), "Third") })
	if err := os.Remove(filepath.Join(r.events, "a.md")); err != nil {
		t.Fatal(err)
	}
	r.until("the withdrawal", func() bool { return s.object("site/events/a/index.html") == "" })
	r.until("the rest", func() bool { return r.metric("tocsin_bucket_behind_timestamp_seconds") == "" })
	if listings, _ := s.took(); listings != 1 {
		t.Errorf("%d listings", listings)
	}
	if failing := r.metric("tocsin_bucket_failing"); failing != "0" {
		t.Errorf("failing: %s", failing)
	}
	r.stop()
	_, before := s.took()
	r.start()
	r.until("a comparison", func() bool { listings, _ := s.took(); return listings == 2 })
	r.until("its end", func() bool { return r.metric("tocsin_bucket_behind_timestamp_seconds") == "" })
	if _, puts := s.took(); puts != before {
		t.Errorf("a restart put %d objects", puts-before)
	}
	r.stop()

	out := filepath.Join(r.dir, "out")
	if _, errout, code := r.command("build", "-out", out); code != exitDone {
		t.Fatalf("build: %d %s", code, errout)
	}
	var files []string
	err := filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(out, path)
		files = append(files, "site/"+filepath.ToSlash(name))
		if s.object("site/"+filepath.ToSlash(name)) != r.read(path) {
			t.Errorf("%s is another", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Sort(files); !slices.Equal(files, s.keys()) {
		t.Errorf("the bucket has\n%q\nwant\n%q", s.keys(), files)
	}

	// A build writes there, too.
	if _, err := s.backend.DeleteObject("public", "site/index.html"); err != nil {
		t.Fatal(err)
	}
	got, errout, code := r.command("build")
	if code != exitDone || !strings.HasPrefix(got, "s3://public/site: ") || s.object("site/index.html") == "" {
		t.Errorf("build: %d %s%s", code, got, errout)
	}
	if _, errout, code := r.command("build", "-out", "s3://public/site"); code != exitUsage || !strings.Contains(errout, "feeds.dir") {
		t.Errorf("build: %d %s", code, errout)
	}
}

// A store that is away holds up neither serving nor notifying, and says so everywhere;
// the hub is told when it is back. Its credentials are nowhere.
func TestBucketAway(t *testing.T) {
	h := newHub(t)
	r, s := published(t, fmt.Sprintf(", hub: \"%s/hub\"", h.URL))
	r.args = []string{"-v"}
	s.goAway(true)
	r.launch()
	r.until("the failure", func() bool { return r.log.has("cannot be brought up to date") })
	if failing := r.metric("tocsin_bucket_failing"); failing != "1" {
		t.Errorf("failing: %s", failing)
	}
	code, text := r.readyz()
	if code != http.StatusServiceUnavailable || !strings.Contains(text, "feeds.dir: s3://public/site: list: Away") {
		t.Errorf("readyz: %d %s", code, text)
	}
	if at := r.metric("tocsin_bucket_behind_timestamp_seconds"); at == "" {
		t.Error("it is not behind")
	}
	for i := range 3 {
		title := fmt.Sprintf("Title %d", i)
		r.titled("a", title)
		r.until("the webhook", func() bool { return r.receiver.has(title) })
		r.until("the feed", func() bool { _, body := r.get("/feeds/tags/a.atom"); return strings.Contains(string(body), title) })
	}
	for _, d := range r.deliveries("", 0) {
		if d.Sink == config.HubSink && (d.State != outbox.Waiting || d.Tries > 0) {
			t.Errorf("a ping is %s after %d attempts", d.State, d.Tries)
		}
	}
	_, metrics := r.fetch("http://" + r.admin + "/metrics")
	checked, checkErr, _ := r.command("check")
	if !strings.Contains(checked+checkErr, "feeds.dir: s3://public/site: list: Away") {
		t.Errorf("check does not say it: %s%s", checked, checkErr)
	}
	for what, text := range map[string]string{"log": r.log.tail(5000), "readyz": text, "metrics": string(metrics), "check": checked + checkErr} {
		if strings.Contains(text, "hush") {
			t.Errorf("the %s holds a secret:\n%s", what, text)
		}
	}
	if n := strings.Count(r.log.tail(5000), "cannot be brought up to date"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	s.goAway(false)
	r.until("the ping", func() bool { return h.holds(r.addresses("a")[3], "Title 2") })
	if !strings.Contains(s.object("site/feeds/tags/a.atom"), "Title 2") {
		t.Error("the bucket did not have the feed when the hub was told")
	}
	r.until("ready", r.isReady)
	if failing := r.metric("tocsin_bucket_failing"); failing != "0" || !r.log.has("up to date again") {
		t.Errorf("failing: %s", failing)
	}
	if out, errout, _ := r.command("check"); strings.Contains(out+errout, "feeds.dir") {
		t.Errorf("check: %s%s", out, errout)
	}
}

// At a rescan all is compared, and what others did to the bucket is put right; a reload
// goes on with it.
func TestBucketRescan(t *testing.T) {
	r, s := published(t, "")
	r.configure(`rescan: "@every 1h"`, `rescan: "@every 1s"`)
	r.start()
	r.until("the first publishing", func() bool { return s.object("site/feeds/tags/b.atom") != "" })
	if _, err := s.backend.PutObject("public", "site/feeds/tags/a.atom", map[string]string{}, strings.NewReader("x"), 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.backend.DeleteObject("public", "site/index.html"); err != nil {
		t.Fatal(err)
	}
	r.until("the repair", func() bool {
		return strings.Contains(s.object("site/feeds/tags/a.atom"), "First") && s.object("site/index.html") != ""
	})
	r.configure("public/site", "public/moved")
	r.reloaded()
	r.until("the new place", func() bool { return strings.Contains(s.object("moved/feeds/tags/a.atom"), "First") })
}

// What was committed meanwhile keeps the gate shut for its own publishing.
func TestGateMarks(t *testing.T) {
	open := func(g *gate) bool {
		select {
		case <-g.lifted():
			return true
		default:
			return false
		}
	}
	g := newGate(0)
	first := g.mark()
	g.shut()
	if g.lift(first); open(g) {
		t.Error("a mark from before lifted it")
	}
	if g.lift(g.mark()); !open(g) {
		t.Error("it is shut")
	}
	if g.shut(); open(g) {
		t.Error("it is open")
	}
}
