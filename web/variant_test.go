package web

import (
	"compress/gzip"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/feed"
)

const feedPath = "/feeds/all.atom"

// Subscribers of WebSub look for the hub and for the feed's own address in these
// headers first (section 4).
func TestHubHeader(t *testing.T) {
	s := filled(t, "https://example.org")
	s.style.Hub = "https://hub.example.org/?a=b"
	for _, method := range []string{"GET", "HEAD"} {
		want := []string{
			`<https://example.org/feeds/all.atom>; rel="self", <https://example.org/>; rel="alternate"; type="text/html"`,
			`<https://hub.example.org/?a=b>; rel="hub"`,
		}
		if got := s.get(method, feedPath).Header.Values("Link"); !slices.Equal(got, want) {
			t.Errorf("%s: Link %q, want %q", method, got, want)
		}
	}
}

func TestFeedFormats(t *testing.T) {
	s := filled(t, "https://example.org")
	tags := make(map[string]bool)
	for ending, mime := range map[string]string{
		"atom": "application/atom+xml; charset=utf-8", "rss": "application/rss+xml; charset=utf-8", "json": "application/feed+json",
	} {
		r := s.get("GET", "/feeds/tags/supreme-court."+ending, "Accept", "text/html", "Host", "evil.example")
		if got := r.Header.Get("Content-Type"); got != mime {
			t.Errorf("%s: %s", ending, got)
		}
		link := `<https://example.org/feeds/tags/supreme-court.` + ending + `>; rel="self", <https://example.org/tags/supreme-court/>; rel="alternate"; type="text/html"`
		if got := r.Header.Get("Link"); got != link {
			t.Errorf("%s: Link %s", ending, got)
		}
		tags[r.Header.Get("ETag")] = true
		want, err := s.Feed("tags/supreme-court").Render(feed.Format(ending))
		if err != nil {
			t.Fatal(err)
		}
		if text(t, r) != string(want) {
			t.Errorf("%s: other bytes", ending)
		}
		r = s.get("GET", "/feeds/tags/supreme-court."+ending, "Accept-Encoding", "gzip")
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || string(b) != string(want) {
			t.Errorf("%s: other bytes compressed, %v", ending, err)
		}
	}
	if len(tags) != 3 {
		t.Errorf("tags %v", tags)
	}
	one := newTestSite(t, "https://example.org", feed.JSON)
	one.Update(one.set("x", "X", "", "X", at))
	if r := one.get("GET", "/feeds/all.atom"); r.StatusCode != 404 {
		t.Errorf("a format that is not configured: %d", r.StatusCode)
	}
}

// However many ask at once for a feed that nobody has asked for yet, it is made once.
func TestMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := filled(t, "https://example.org")
		const askers = 1000
		var made atomic.Int64
		all := make(chan struct{})
		s.o.Rendered = func(feed.Format, int) {
			made.Add(1)
			<-all
		}
		want, err := s.Feed("all").Render(feed.Atom)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range askers {
			wg.Go(func() {
				if got := text(t, s.get("GET", feedPath)); got != string(want) {
					t.Errorf("%d bytes, want %d", len(got), len(want))
				}
			})
		}
		synctest.Wait() // all have asked, and nobody has an answer
		close(all)
		wg.Wait()
		if n := made.Load(); n != 1 {
			t.Errorf("it was made %d times for %d askers", n, askers)
		}
	})
}

// A feed that has the entries of an earlier time is not of that time.
func TestBackToTheSameEntries(t *testing.T) {
	s := filled(t, "https://example.org")
	before := text(t, s.get("GET", feedPath))
	s.Update(s.set("other", "Other", "", "Other", at.Add(time.Hour)))
	between := text(t, s.get("GET", feedPath))
	s.Update(s.withdraw("other", at.Add(2*time.Hour)))
	want, err := s.Feed("all").Render(feed.Atom)
	if err != nil {
		t.Fatal(err)
	}
	after := text(t, s.get("GET", feedPath))
	if after != string(want) || after == before || after == between {
		t.Error("an earlier time's bytes are served")
	}
}
