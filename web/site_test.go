package web

import (
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
)

// at is when everything in these tests changed.
var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// testSite is a site with the catalog that its feeds come from.
type testSite struct {
	*Site
	t       testing.TB
	style   *feed.Style
	catalog *feed.Catalog
	entries map[string]*feed.Entry // by event id
}

func newTestSite(t testing.TB, address string, formats ...feed.Format) *testSite {
	t.Helper()
	style := &feed.Style{
		Title: "Record", URL: address, Authority: "example.org,2025", Language: "en",
		Author: feed.Author{Name: "Record"}, Content: feed.Full, MaxEntries: 2, Version: "test",
	}
	if formats == nil {
		formats = []feed.Format{feed.Atom, feed.RSS, feed.JSON}
	}
	match := event.NewMatcher(event.Match{}, event.Dialect{})
	return &testSite{
		t: t, style: style, entries: make(map[string]*feed.Entry),
		Site:    New(Options{Style: style, Formats: formats, Logger: slog.New(slog.DiscardHandler)}),
		catalog: feed.NewCatalog(style, 1, []feed.Custom{{Name: "courts", Title: "Courts", Match: match}}),
	}
}

// set makes an event, of the front matter's further lines and a body, and
// returns what it touches.
func (s *testSite) set(id, title, further, body string, changed time.Time) Update {
	s.t.Helper()
	u := s.setOnly(id, title, further, body, changed)
	u.Feeds = s.touched(changed)
	return u
}

// setOnly is set without the feeds.
func (s *testSite) setOnly(id, title, further, body string, changed time.Time) Update {
	s.t.Helper()
	text := fmt.Sprintf("---\nid: %q\ntitle: %q\ndate: 2025-01-28\n%s\n---\n\n%s\n", id, title, further, body)
	e, err := event.NewReader(event.Dialect{}).Read("file.md", []byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	n := s.style.NewEntry(&timeline.Record{ID: "tag:example.org,2025:" + event.Slug(id), Event: e, Published: changed, Updated: changed},
		func(t timeline.Topic) string { return event.Slug(t.Key) })
	s.catalog.Replace(one(s.entries[id]), one(n))
	s.entries[id] = n
	return Update{Events: []*feed.Entry{n}}
}

// withdraw takes an event away.
func (s *testSite) withdraw(id string, when time.Time) Update {
	u := s.withdrawOnly(id)
	u.Feeds = s.touched(when)
	return u
}

// withdrawOnly is withdraw without the feeds.
func (s *testSite) withdrawOnly(id string) Update {
	s.catalog.Replace(one(s.entries[id]), nil)
	delete(s.entries, id)
	return Update{Withdrawn: []string{id}}
}

func (s *testSite) touched(when time.Time) []*feed.Feed {
	feeds := s.catalog.Touched(func(string) bool { return true })
	for _, f := range feeds {
		f.Modified, f.Updated = when, when
	}
	return feeds
}

// filled is a site of one event that stands in four feeds.
func filled(t *testing.T, address string) *testSite {
	t.Helper()
	s := newTestSite(t, address)
	s.Update(s.set("2025/raid", "The raid", "tags: [Supreme Court]\nactors: [\"Åse Ö\"]",
		strings.Repeat("A long text that can be compressed. ", 50), at))
	return s
}

// get asks for a path with headers, given as name, value.
func (s *testSite) get(method, path string, header ...string) *http.Response {
	s.t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result()
}

func text(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAddresses(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	s.Update(Update{Withdrawn: []string{"gone"}, Moved: map[string]string{"2024/raid": "2025/raid"}})
	const site = "https://example.org/timeline"
	tests := []struct {
		path     string
		status   int
		location string
	}{
		{"/timeline/", 200, ""},
		{"/", 200, ""},
		{"/timeline", 307, "/timeline/"},
		{"/timeline//feeds//all.atom", 307, "/timeline/feeds/all.atom"},
		{"/timelines/", 404, ""},
		{"/timeline/feeds/all.atom", 200, ""},
		{"/feeds/all.atom", 200, ""},
		{"/feeds/all.xml", 404, ""},
		{"/feeds/all", 404, ""},
		{"/feeds/", 404, ""},
		{"/feeds/.atom", 404, ""},
		{"/feeds/custom/courts.json", 200, ""},
		{"/feeds/custom/Courts.json", 301, site + "/feeds/custom/courts.json"},
		{"/feeds/tags/supreme-court.rss", 200, ""},
		{"/feeds/tags/Supreme%20Court.rss", 301, site + "/feeds/tags/supreme-court.rss"},
		{"/feeds/tags/supreme_court.rss", 301, site + "/feeds/tags/supreme-court.rss"},
		{"/feeds/tags/none.rss", 404, ""},
		{"/feeds/tags/%2e%2e%2fall.rss", 404, ""},
		{"/tags/", 200, ""},
		{"/actors/", 200, ""},
		{"/timeline/tags", 301, "/timeline/tags/"},
		{"/tags/supreme-court/", 200, ""},
		{"/timeline/tags/supreme-court", 301, "/timeline/tags/supreme-court/"},
		{"/tags/SUPREME%20COURT/", 301, site + "/tags/supreme-court/"},
		{"/actors/%C3%A5se-%C3%B6/", 200, ""},
		{"/actors/%C3%85SE%20%C3%96/", 301, site + "/actors/%C3%A5se-%C3%B6/"},
		{"/tags/none/", 404, ""},
		{"/events/", 404, ""},
		{"/timeline/events/2025/raid/", 200, ""},
		{"/timeline/events/2025/raid", 301, "/timeline/events/2025/raid/"},
		{"/timeline/events/2024/raid/", 301, site + "/events/2025/raid/"},
		{"/events/2024/raid", 301, site + "/events/2025/raid/"},
		{"/events/gone/", 410, ""},
		{"/events/none/", 404, ""},
		{"/events/%2e%2e/%2e%2e/etc/passwd", 404, ""},
		{"/style.css", 200, ""},
		{"/page/layout.html", 404, ""},
		{"/feeds.opml", 200, ""},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "HEAD"} {
			r := s.get(method, tt.path)
			if r.StatusCode != tt.status || r.Header.Get("Location") != tt.location {
				t.Errorf("%s %s: %d to %q, want %d to %q", method, tt.path, r.StatusCode, r.Header.Get("Location"), tt.status, tt.location)
			}
		}
		if r := s.get("POST", tt.path); r.StatusCode != 405 && r.StatusCode != 307 {
			t.Errorf("POST %s: %d", tt.path, r.StatusCode)
		}
	}
}

// An id that is used again is a page again, and its old redirect is none.
func TestMovedIsBack(t *testing.T) {
	s := filled(t, "https://example.org")
	s.Update(Update{Withdrawn: []string{"x"}, Moved: map[string]string{"y": "2025/raid"}})
	u := s.set("x", "X", "", "X", at)
	s.Update(u)
	s.Update(s.set("y", "Y", "", "Y", at))
	for _, p := range []string{"/events/x/", "/events/y/"} {
		if r := s.get("GET", p); r.StatusCode != 200 {
			t.Errorf("%s: %d", p, r.StatusCode)
		}
	}
}

func TestOPML(t *testing.T) {
	s := filled(t, "https://example.org")
	r := s.get("GET", "/feeds.opml")
	var list struct {
		Outlines []struct {
			URL      string `xml:"xmlUrl,attr"`
			Outlines []struct {
				URL string `xml:"xmlUrl,attr"`
			} `xml:"outline"`
		} `xml:"body>outline"`
	}
	body := text(t, r)
	if err := xml.NewDecoder(strings.NewReader(body)).Decode(&list); err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, o := range list.Outlines {
		listed[o.URL] = true
		for _, o := range o.Outlines {
			listed[o.URL] = true
		}
	}
	for _, f := range s.indexed().all {
		if !listed[f.URL(feed.Atom)] {
			t.Errorf("%s is not listed", f.Path)
		}
	}
	if s.Feeds() != 5 {
		t.Errorf("%d feeds", s.Feeds())
	}
	if r.Header.Get("Last-Modified") != "" || r.Header.Get("ETag") == "" || r.Header.Get("Cache-Control") == "" {
		t.Errorf("headers %v", r.Header)
	}
	if r := s.get("GET", "/feeds.opml", "If-None-Match", r.Header.Get("ETag")); r.StatusCode != 304 {
		t.Errorf("not modified: %d", r.StatusCode)
	}
	if r := newTestSite(t, "https://example.org").get("GET", "/feeds.opml"); r.StatusCode != 200 {
		t.Errorf("of nothing: %d", r.StatusCode)
	}
}

// one is what a turn of one entry replaces; nil is none.
func one(n *feed.Entry) []*feed.Entry {
	if n == nil {
		return nil
	}
	return []*feed.Entry{n}
}
