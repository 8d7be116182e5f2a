package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// shown are the titles in the feed of everything, without corrections.
func (r *rig) shown() []string {
	r.t.Helper()
	var titles []string
	for _, i := range r.items("/feeds/all.json") {
		if i.Correction == nil {
			titles = append(titles, i.Title)
		}
	}
	slices.Sort(titles)
	return titles
}

// told are the kinds and titles of what the receiver was told.
func (r *rig) told() []string {
	var all []string
	for _, h := range r.receiver.all() {
		all = append(all, h.Data.Change.Kind+" "+h.Data.Event.ID)
	}
	return all
}

// An event that is published later does not leak before, is new then, and is
// withdrawn when it expires: by the daemon's clock, with no file changed.
func TestPublication(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "")
	r.configure("events: {dir: events}", "events: {dir: events, fields: {published: [publishDate], expires: [expiryDate]}}")
	r.event("always", "Always", "x", "Text.")
	r.write(r.path("later"), "---\ntitle: Later\ndate: 2026-01-01\ntags: [embargo]\npublishDate: 2026-03-10\nexpiryDate: 2026-03-20T12:00:00Z\n---\nText.\n")

	at := func(day, told string, want ...string) {
		t.Helper()
		r.env = []string{asOf + "=2026-03-" + day + "T00:00:00Z"}
		r.start()
		before := r.feeds()
		if got := r.shown(); !slices.Equal(got, want) {
			t.Errorf("on the %s: %q, want %q", day, got, want)
		}
		res, body := r.get("/feeds/tags/embargo.atom")
		if public := slices.Contains(want, "Later"); public != (res.StatusCode == http.StatusOK && strings.Contains(string(body), "Later")) {
			t.Errorf("on the %s its tag is %s", day, res.Status)
		}
		// The same moment, the same bytes.
		r.stop()
		r.start()
		if !maps.Equal(before, r.feeds()) {
			t.Errorf("on the %s other bytes after a restart", day)
		}
		r.until("being told", func() bool { return strings.Join(r.told(), ", ") == told })
		r.stop()
	}
	at("09", "", "Always")
	at("10", "new later", "Always", "Later")
	at("20", "new later", "Always", "Later")
	at("21", "new later, withdrawn later", "Always")
}

// Nothing but the clock makes the daemon publish.
func TestPublicationComes(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "")
	r.event("always", "Always", "x", "Text.")
	r.start()
	begin := time.Now().Add(4 * time.Second)
	r.write(r.path("later"), fmt.Sprintf("---\ntitle: Later\ndate: 2026-01-01\npublished: %s\n---\nText.\n", begin.UTC().Format(time.RFC3339)))
	r.until("the publication", func() bool { return slices.Equal(r.told(), []string{"new later"}) })
	if early := time.Until(begin.Truncate(time.Second)); early > 0 {
		t.Errorf("told %v early", early)
	}
	if got := r.shown(); !slices.Equal(got, []string{"Always", "Later"}) {
		t.Errorf("shown: %q", got)
	}
}
