package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"tocsin/feed"
)

const feedPath = "/feeds/all.atom"

func TestFeedRequests(t *testing.T) {
	s := filled(t, "https://example.org")
	plain := s.get("GET", feedPath)
	tag := plain.Header.Get("ETag")
	hash := tag[1 : len(tag)-1]
	zipped := s.get("GET", feedPath, "Accept-Encoding", "gzip").Header.Get("ETag")
	if zipped != `"`+hash+`-gzip"` {
		t.Errorf("tags %s and %s", tag, zipped)
	}
	same, later, earlier := at.Format(http.TimeFormat), at.Add(time.Hour).Format(http.TimeFormat), at.Add(-time.Second).Format(http.TimeFormat)
	tests := []struct {
		name, method string
		header       []string
		status       int
		zipped       bool
	}{
		{"plain", "GET", nil, 200, false},
		{"gzip", "GET", []string{"Accept-Encoding", "gzip"}, 200, true},
		{"head", "HEAD", nil, 200, false},
		{"head, gzip", "HEAD", []string{"Accept-Encoding", "gzip"}, 200, true},
		{"usual", "GET", []string{"Accept-Encoding", "gzip, deflate, br"}, 200, true},
		{"any", "GET", []string{"Accept-Encoding", "*"}, 200, true},
		{"refused", "GET", []string{"Accept-Encoding", "gzip;q=0, *"}, 200, false},
		{"refused, long", "GET", []string{"Accept-Encoding", "gzip; q=0.000"}, 200, false},
		{"little liked", "GET", []string{"Accept-Encoding", "br;q=1, GZIP;q=0.1"}, 200, true},
		{"in two headers", "GET", []string{"Accept-Encoding", "br", "Accept-Encoding", "gzip"}, 200, true},
		{"others", "GET", []string{"Accept-Encoding", "br, zstd"}, 200, false},
		{"known", "GET", []string{"If-None-Match", tag}, 304, false},
		{"known, head", "HEAD", []string{"If-None-Match", tag}, 304, false},
		{"known, gzip", "GET", []string{"If-None-Match", zipped, "Accept-Encoding", "gzip"}, 304, true},
		{"known plain, now gzip", "GET", []string{"If-None-Match", tag, "Accept-Encoding", "gzip"}, 304, true},
		{"known gzip, now plain", "GET", []string{"If-None-Match", zipped}, 304, false},
		{"weak", "GET", []string{"If-None-Match", "W/" + tag}, 304, false},
		{"weak, gzip", "GET", []string{"If-None-Match", "W/" + zipped, "Accept-Encoding", "gzip"}, 304, true},
		{"proxy's suffix", "GET", []string{"If-None-Match", `"` + hash + `-gzip-gzip"`}, 304, false},
		{"proxy's other suffix", "GET", []string{"If-None-Match", `"` + hash + `;br"`}, 304, false},
		{"among others", "GET", []string{"If-None-Match", `"x", ` + tag}, 304, false},
		{"any tag", "GET", []string{"If-None-Match", "*"}, 304, false},
		{"other tag", "GET", []string{"If-None-Match", `"x"`}, 200, false},
		{"same time", "GET", []string{"If-Modified-Since", same}, 304, false},
		{"later time", "GET", []string{"If-Modified-Since", later}, 304, false},
		{"earlier time", "GET", []string{"If-Modified-Since", earlier}, 200, false},
		{"no time", "GET", []string{"If-Modified-Since", "yesterday"}, 200, false},
		{"the tag wins", "GET", []string{"If-None-Match", `"x"`, "If-Modified-Since", later}, 200, false},
		{"the tag wins, known", "GET", []string{"If-None-Match", tag, "If-Modified-Since", earlier}, 304, false},
		{"part", "GET", []string{"Range", "bytes=0-9"}, 206, false},
		{"part, gzip", "GET", []string{"Range", "bytes=0-9", "Accept-Encoding", "gzip"}, 206, false},
		{"part of this", "GET", []string{"Range", "bytes=0-9", "If-Range", tag}, 206, false},
		{"part of the other encoding", "GET", []string{"Range", "bytes=0-9", "If-Range", zipped}, 200, false},
		{"no such part", "GET", []string{"Range", "bytes=9999999-"}, 416, false},
		{"only another", "GET", []string{"If-Match", `"x"`, "Accept-Encoding", "gzip"}, 412, false},
		{"unless changed", "GET", []string{"If-Unmodified-Since", earlier, "Accept-Encoding", "gzip"}, 412, false},
		{"post", "POST", nil, 405, false},
		{"delete", "DELETE", nil, 405, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := s.get(tt.method, feedPath, tt.header...)
			body := text(t, r)
			h := r.Header
			if r.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", r.StatusCode, tt.status)
			}
			switch tt.status {
			case 405:
				if h.Get("Allow") != "GET, HEAD" {
					t.Errorf("Allow %q", h.Get("Allow"))
				}
				return
			case 412, 416:
				if n := h.Get("Content-Length"); n != "" && n != strconv.Itoa(len(body)) {
					t.Errorf("Content-Length %s of %d bytes", n, len(body))
				}
				return
			case 304:
				if body != "" || h.Get("Content-Length") != "" || h.Get("Content-Encoding") != "" {
					t.Errorf("%v with %d bytes", h, len(body))
				}
			case 206:
				if len(body) != 10 || h.Get("Content-Encoding") != "" {
					t.Errorf("%v with %d bytes", h, len(body))
				}
			case 200:
				if got := h.Get("Content-Encoding") == "gzip"; got != tt.zipped {
					t.Errorf("gzip %v", got)
				}
				if n := h.Get("Content-Length"); n == "" || tt.method == "GET" && n != strconv.Itoa(len(body)) {
					t.Errorf("Content-Length %q of %d bytes", n, len(body))
				}
				if tt.method == "HEAD" && body != "" {
					t.Error("HEAD with content")
				}
				if got := h.Get("Last-Modified"); got != same {
					t.Errorf("Last-Modified %s", got)
				}
			}
			want := tag
			if tt.zipped {
				want = zipped
			}
			if got := h.Get("ETag"); got != want {
				t.Errorf("ETag %s, want %s", got, want)
			}
			if h.Get("Vary") != "Accept-Encoding" || h.Get("Cache-Control") != feedCache || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", h)
			}
		})
	}
}

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

// However many ask for a cold feed, all get the one slice that was made.
func TestMadeOnce(t *testing.T) {
	s := filled(t, "https://example.org")
	f := s.Feed("all")
	const askers = 200
	made := make([]*variant, askers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range askers {
		wg.Go(func() {
			<-start
			v, err := s.variant(f, feed.Atom)
			if err != nil {
				t.Error(err)
				return
			}
			made[i] = v
		})
	}
	close(start)
	wg.Wait()
	for i, v := range made {
		if v == nil || !same(v.plain, made[0].plain) || !same(v.gzip, made[0].gzip) {
			t.Fatalf("asker %d got bytes of its own", i)
		}
	}
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
