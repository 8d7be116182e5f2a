package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// item is an entry of a JSON feed, as far as these tests ask.
type item struct {
	ID         string    `json:"id"`
	Title      string    `json:"title"`
	URL        string    `json:"url"`
	Summary    string    `json:"summary"`
	HTML       string    `json:"content_html"`
	Modified   time.Time `json:"date_modified"`
	Correction *struct {
		Kind string `json:"kind"`
		Of   int    `json:"of"`
	} `json:"_correction"`
}

// items reads a JSON feed.
func (r *rig) items(path string) []item {
	r.t.Helper()
	res, body := r.get(path)
	var doc struct {
		Items []item `json:"items"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		r.t.Fatalf("%s: %s, %v", path, res.Status, err)
	}
	return doc.Items
}

// titles are those of a feed's corrections.
func (r *rig) corrections(path string) []string {
	r.t.Helper()
	titles := []string{}
	for _, i := range r.items(path) {
		if i.Correction != nil {
			titles = append(titles, i.Title)
		}
	}
	return titles
}

func (r *rig) event(id, title, tags, body string) {
	r.t.Helper()
	r.write(r.path(id), fmt.Sprintf("---\ntitle: %q\ndate: 1975-06-05\nimportance: 5\ntags: [%s]\nactors: [Desk]\n---\n\n%s\n", title, tags, body))
}

// Readers see a correction, in every feed of its event, once; and what follows
// from it survives a restart byte by byte.
func TestCorrectionEntries(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "feeds: {custom: [{name: early, match: {to: 1980-01-01}}]}")
	r.event("a", "First", "x, y", "Text.")
	r.event("b", "Second", "x", "Text.")
	r.start()
	turn := func(marker string) {
		t.Helper()
		mark := r.log.mark()
		r.write(r.path("marker"), "---\ntitle: "+marker+"\ndate: 2020-01-01\n---\n")
		r.until(marker, func() bool { return len(r.log.since(mark, "msg=turn")) > 0 })
		r.until(marker, func() bool { return strings.Contains(string(r.body("/feeds/all.json")), marker) })
	}
	where := []string{"/feeds/all.json", "/feeds/corrections.json", "/feeds/tags/x.json", "/feeds/tags/y.json", "/feeds/actors/desk.json",
		"/feeds/custom/early.json", "/feeds/query.json?tag=y&actor=desk"}
	check := func(at string, want map[string][]string) {
		t.Helper()
		for _, path := range where {
			if got := r.corrections(path); !slices.Equal(got, want[path]) && len(got)+len(want[path]) > 0 {
				t.Errorf("%s: %s has the corrections %q, want %q", at, path, got, want[path])
			}
		}
	}
	check("at first", nil)

	// Its text, or its tags, are no correction.
	r.event("a", "First", "x, y", "Other text.")
	r.until("the text", func() bool { return strings.Contains(string(r.body("/feeds/tags/y.json")), "Other text.") })
	check("a text", nil)

	r.event("a", "First, corrected", "x, y", "Other text.")
	r.until("the correction", func() bool { return len(r.corrections("/feeds/all.json")) == 1 })
	one := []string{"Correction: First, corrected"}
	want := make(map[string][]string)
	for _, path := range where {
		want[path] = one
	}
	check("a title", want)
	all := r.items("/feeds/all.json")
	if c, e := all[0], all[1]; c.ID == e.ID || c.URL != e.URL || !c.Modified.After(e.Modified) || !strings.Contains(c.Summary, "The title was “First” and is now “First, corrected”.") {
		t.Errorf("the correction %+v of %+v", c, e)
	}
	if page := string(r.body("/events/a/")); !strings.Contains(page, "First, corrected") || strings.Count(page, "“First”")+strings.Count(page, ">First<") == 0 {
		t.Errorf("the page has no history:\n%s", page)
	}

	if err := os.Remove(r.path("b")); err != nil {
		t.Fatal(err)
	}
	r.until("the withdrawal", func() bool { return len(r.corrections("/feeds/all.json")) == 2 })
	two := []string{"Withdrawn: Second", "Correction: First, corrected"}
	check("a withdrawal", map[string][]string{
		where[0]: two, where[1]: two, where[2]: two, where[3]: one, where[4]: two, where[5]: two, where[6]: one,
	})

	before := make(map[string]string)
	for path := range r.feeds() {
		before[path] = string(r.body(path))
	}
	r.stop()
	r.start()
	for path, body := range before {
		if string(r.body(path)) != body {
			t.Errorf("%s differs after a restart", path)
		}
	}
	turn("Marker")
	check("another event", map[string][]string{
		where[0]: two, where[1]: two, where[2]: two, where[3]: one, where[4]: two, where[5]: two, where[6]: one,
	})
}

// A script that changes many titles makes one entry in each feed, and one that gives
// a tag another name leaves its followers where they were.
func TestManyCorrections(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "feeds: {dir: public}")
	r.configure("settle: 100ms", "settle: 1s") // a busy machine takes a while to write them all
	rewrite := func(titles, tag string) {
		for i := range 12 {
			r.event(fmt.Sprint("e", i), fmt.Sprint(titles, " ", i), tag, "Text.")
		}
	}
	rewrite("Draft", "Old Name")
	r.event("alone", "Alone", "alone, Old Name", "Text.")
	r.start()
	rewrite("Final", "Old Name")
	r.event("alone", "Alone, at last", "alone, Old Name", "Text.")
	r.until("the corrections", func() bool { return len(r.corrections("/feeds/all.json")) > 0 })
	for _, path := range []string{"/feeds/all.json", "/feeds/corrections.json", "/feeds/tags/old-name.json"} {
		if got := r.corrections(path); !slices.Equal(got, []string{"13 events corrected"}) {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := r.corrections("/feeds/tags/alone.json"); !slices.Equal(got, []string{"Correction: Alone, at last"}) {
		t.Errorf("a feed with one of them: %q", got)
	}

	rewrite("Final", "New Name")
	r.event("alone", "Alone, at last", "alone, New Name", "Text.")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, to := range map[string]string{
		"/feeds/tags/old-name.atom": "/feeds/tags/new-name.atom", "/tags/old-name/": "/tags/new-name/",
	} {
		r.until("the new name", func() bool {
			res, err := client.Get("http://" + r.site + path)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			return res.StatusCode == http.StatusMovedPermanently && res.Header.Get("Location") == "http://"+r.site+to
		})
	}
	r.until("the old name in the folder", func() bool {
		b, err := os.ReadFile(r.file("public", "/feeds/tags/old-name.atom"))
		return err == nil && string(b) == string(r.body("/feeds/tags/new-name.atom"))
	})
}

func (r *rig) body(path string) []byte {
	r.t.Helper()
	_, b := r.get(path)
	return b
}
