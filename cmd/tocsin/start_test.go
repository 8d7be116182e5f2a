package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What an earlier run left is served before the folder is looked at, at a start and at a
// reload; what has changed meanwhile follows.
func TestServesBeforeLooking(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	path := filepath.Join(r.events, "one.md")
	r.write(path, roundEvent("One", roundDate(1, 1), 8, "rounds"))
	r.start()
	_, before := r.get("/feeds/all.atom")
	r.stop()
	r.write(path, roundEvent("One, edited", roundDate(1, 1), 8, "rounds"))

	lock := filepath.Join(r.events, ".git", "index.lock")
	r.write(lock, "") // a checkout is going on: nothing is looked at
	r.start503()
	if res, feed := r.get("/feeds/all.atom"); res.StatusCode != http.StatusOK || string(feed) != string(before) {
		t.Errorf("before the first look: %d\n%s", res.StatusCode, feed)
	}
	if _, page := r.get("/events/one/"); !strings.Contains(string(page), "Text of One.") {
		t.Errorf("the page of an event has no text:\n%s", page)
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	r.until("ready", r.isReady)
	r.until("the edit", func() bool { _, feed := r.get("/feeds/all.atom"); return strings.Contains(string(feed), "One, edited") })

	r.write(lock, "")
	r.configure("title: Test", "title: Another")
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if out, errout, code := r.reload(); code != exitDone {
			t.Errorf("reload: %d %s%s", code, out, errout)
		}
	}()
	r.until("the new title", func() bool {
		_, feed := r.get("/feeds/all.atom")
		return strings.Contains(string(feed), "<title>Another</title>")
	})
	select {
	case <-asked:
		t.Error("the reload was said to be done before the folder was looked at")
	default:
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	<-asked
	r.stop()
}
