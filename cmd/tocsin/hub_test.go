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

	"tocsin/config"
	"tocsin/notify/outbox"
)

// hub is a WebSub hub that, like a real one, fetches what it is told of before it
// answers.
type hub struct {
	*httptest.Server
	mu     sync.Mutex
	pings  [][]string        // the feeds of each
	found  map[string]string // what a feed held when it was fetched last
	status int               // what it answers; 0: 202
}

func newHub(t *testing.T) *hub {
	h := &hub{found: make(map[string]string)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.PostForm.Get("hub.mode") != "publish" {
			t.Errorf("%s %v: %v", r.Method, r.PostForm, err)
		}
		feeds := r.PostForm["hub.url"]
		found := make(map[string]string)
		for _, f := range feeds {
			res, err := http.Get(f)
			if err != nil {
				return // the daemon was killed
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("%s: %s, %v", f, res.Status, err)
			}
			found[f] = string(b)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.pings = append(h.pings, feeds)
		for f, b := range found {
			h.found[f] = b
		}
		w.WriteHeader(max(h.status, http.StatusAccepted))
	}))
	t.Cleanup(h.Close)
	return h
}

// take returns the pings since the last take.
func (h *hub) take() [][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.pings
	h.pings = nil
	return all
}

func (h *hub) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// holds says whether a feed held a text when it was fetched last.
func (h *hub) holds(feed, text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(h.found[feed], text)
}

// announcing gives the rig a hub, and two events with a tag each.
func announcing(t *testing.T) (*rig, *hub) {
	h := newHub(t)
	r := newRig(t, "", "feeds: {dir: out, entries: 1, window: 0s, corrections: [], hub: \""+h.URL+"/hub\"}")
	r.titled("a", "First")
	r.titled("b", "Second")
	return r, h
}

// titled writes an event of one tag, both of that name.
func (r *rig) titled(name, title string) {
	r.t.Helper()
	tmp := filepath.Join(r.dir, "next")
	r.write(tmp, fmt.Sprintf("---\ntitle: %s\ndate: 2020-01-01\ntags: [%s]\n---\n\nText.\n", title, name))
	if err := os.Rename(tmp, filepath.Join(r.events, name+".md")); err != nil {
		r.t.Fatal(err)
	}
}

// addresses are those of the feed of all events and of a tag's.
func (r *rig) addresses(tag string) []string {
	var all []string
	for _, path := range []string{"all", "tags/" + tag} {
		for _, format := range []string{".atom", ".rss", ".json"} {
			all = append(all, "http://"+r.site+"/feeds/"+path+format)
		}
	}
	return all
}

func TestHub(t *testing.T) {
	t.Parallel()
	r, h := announcing(t)
	r.start()
	res, body := r.get("/feeds/tags/a.atom")
	if links := strings.Join(res.Header.Values("Link"), ", "); !strings.Contains(links, "<"+h.URL+`/hub>; rel="hub"`) ||
		!strings.Contains(links, `rel="self"`) {
		t.Errorf("Link: %s", links)
	}
	if !strings.Contains(string(body), `<link rel="hub" href="`+h.URL+`/hub">`) {
		t.Errorf("no link to the hub in %s", body)
	}

	// An event that is written again as it was makes no ping, as the next ping
	// shows: it is the first.
	r.titled("b", "Second")
	r.titled("a", "Third")
	r.until("the ping", func() bool { return h.holds(r.addresses("a")[0], "Third") })
	pings := h.take()
	if want := r.addresses("a"); len(pings) != 1 || !slices.Equal(pings[0], want) {
		t.Errorf("pings %q, want %q", pings, want)
	}
	for _, f := range r.addresses("a") {
		if !h.holds(f, "Third") {
			t.Errorf("%s was not there yet when the hub was told", f)
		}
	}
	r.until("the record", func() bool { return len(r.deliveries("delivered", 0)) == 2 }) // with the webhook

	// A feed that an event stands in without showing it is as it was.
	r.write(filepath.Join(r.events, "b.md"), "---\ntitle: Second\ndate: 2020-01-01\ntags: [b]\nlocation: Rome\n---\n\nText.\n")
	r.until("the ping", func() bool { return h.holds(r.addresses("b")[5], "Rome") })
	if pings := h.take(); len(pings) != 1 || !slices.Equal(pings[0], r.addresses("b")[3:]) {
		t.Errorf("pings %q", pings)
	}
	out, _, code := r.command("deliveries", "list", "-sink", config.HubSink)
	if code != exitDone || !strings.Contains(out, "feeds.changed") || !strings.Contains(out, "/feeds/all.atom, and 5 more") {
		t.Errorf("deliveries list: %d\n%s", code, out)
	}
}

// A turn whose files cannot be written pings nobody; nor is its ping lost in a
// crash.
func TestHubAfterACrash(t *testing.T) {
	t.Parallel()
	r, h := announcing(t)
	r.start()
	out := filepath.Join(r.dir, "out")
	if err := os.Rename(out, out+".away"); err != nil {
		t.Fatal(err)
	}
	r.write(out, "a file where a folder should be")
	r.titled("a", "Third")
	r.until("the failure", func() bool { return r.log.has("the turn failed") })
	r.until("the webhook, which waits for no file", func() bool { return r.receiver.has("Third") })
	r.titled("b", "Fourth") // the next turn fails, too, a second later
	r.until("its webhook", func() bool { return r.receiver.has("Fourth") })
	for _, d := range r.deliveries("", 0) {
		if d.Sink == config.HubSink && (d.State != outbox.Waiting || d.Tries > 0) {
			t.Errorf("a ping is %s after %d attempts", d.State, d.Tries)
		}
	}
	r.kill()
	if pings := h.take(); len(pings) > 0 {
		t.Errorf("pings before the files were written: %q", pings)
	}
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.until("the pings", func() bool { return h.holds(r.addresses("a")[3], "Third") && h.holds(r.addresses("b")[3], "Fourth") })
	if text := r.read(filepath.Join(out, "feeds", "tags", "a.atom")); !strings.Contains(text, "Third") {
		t.Error("the file was not written when the hub was told")
	}
}

// A hub that is down hinders nobody else, and is told of each feed once it is back.
func TestHubDown(t *testing.T) {
	t.Parallel()
	r, h := announcing(t)
	h.answer(http.StatusServiceUnavailable)
	r.start()
	for i := range 5 {
		for _, name := range []string{"a", "b"} {
			title := fmt.Sprintf("Title %d of %s", i, name)
			r.titled(name, title)
			r.until("the webhook", func() bool { return r.receiver.has(title) })
		}
	}
	if _, body := r.get("/feeds/tags/b.atom"); !strings.Contains(string(body), "Title 4 of b") {
		t.Error("the feed is not up to date")
	}
	// What is under way, or put back just now, while a feed changes is not added to.
	if waiting := r.deliveries("waiting", 0); len(waiting) == 0 || len(waiting) > 6 {
		t.Errorf("%d pings wait for 10 changes", len(waiting))
	}
	h.answer(http.StatusOK)
	r.until("the pings", func() bool { return len(r.deliveries("waiting", 0)) == 0 })
	for _, f := range r.addresses("b") {
		if !h.holds(f, "Title 4 of b") {
			t.Errorf("the hub was not told of the last change of %s", f)
		}
	}
	if f := r.addresses("a")[3]; !h.holds(f, "Title 4 of a") {
		t.Errorf("the hub was not told of the last change of %s", f)
	}
}
