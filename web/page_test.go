package web

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tocsin/feed"
)

// hostile are ids that mean something to a browser, an address or a file system.
var hostile = []string{
	"../../etc/passwd", "a/../../b", "/abs", "with space", "a:b", "100%", "%2e%2e%2fx", "ünï/日本", "q?x=1#f",
	`back\slash`, "<script>alert(1)</script>", `"quoted"'`, "a//b", ".", "a/", ".hidden", "feeds.opml",
	"2025/raid/feeds.opml", "2025/raid/index.html",
}

const evil = `<script>alert("t")</script> & <b>`

func TestHostileNames(t *testing.T) {
	s := newTestSite(t, "https://example.org/timeline")
	for _, id := range hostile {
		s.Update(s.set(id, evil+id, "tags: ['<img src=x onerror=alert(2)>']\nactors: ['../../x']", "<script>alert(3)</script>\n\n[x](javascript:alert(4))", at))
	}
	s.style.MaxEntries = 100
	pages := []string{"/", "/tags/", "/actors/", "/actors/x/", "/tags/img-src-x-onerror-alert-2/", "/find/?q=" + url.QueryEscape("<img src=x>"),
		"/find/?q=alert", "/build/?tag=" + url.QueryEscape("<script>\"'><img src=x>")}
	for _, id := range hostile {
		u, err := url.Parse(s.style.EventPage(id))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, u.EscapedPath())
	}
	for _, p := range pages {
		r := s.get("GET", p)
		body := text(t, r)
		if r.StatusCode != 200 {
			t.Errorf("%s: status %d", p, r.StatusCode)
		}
		if got := r.Header.Get("Content-Security-Policy"); got != policy || !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: policy %q", p, got)
		}
		body = withoutOwnScripts(body)
		if r.Header.Get("Content-Type") != "text/html; charset=utf-8" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", p, r.Header)
		}
		for _, bad := range []string{"<script", "<img", "<b>", `href="javascript:`} {
			if strings.Contains(strings.ToLower(body), bad) {
				t.Errorf("%s: has %s", p, bad)
			}
		}
		if strings.HasPrefix(p, "/timeline/events/") && !strings.Contains(body, "&lt;script&gt;alert(&#34;t&#34;)&lt;/script&gt; &amp; &lt;b&gt;") {
			t.Errorf("%s: the title is not there as text", p)
		}
	}
}

// withoutOwnScripts takes out of a page what it may have of scripts: the site's
// own two files.
func withoutOwnScripts(body string) string {
	for _, own := range []string{"find.js", "copy.js"} {
		body = regexp.MustCompile(`<script src="/(timeline/)?`+own+`" defer></script>`).ReplaceAllString(body, "")
	}
	return body
}

func TestMissingPagesSayNothingOfTheAddress(t *testing.T) {
	s := filled(t, "https://example.org")
	for _, p := range []string{"/tags/%3Cscript%3E/", "/events/%3Cscript%3E/", "/feeds/%3Cscript%3E.atom", "/%3Cscript%3E"} {
		r := s.get("GET", p)
		if body := text(t, r); r.StatusCode != 404 || strings.Contains(withoutOwnScripts(body), "script") || r.Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %d, %v\n%s", p, r.StatusCode, r.Header, body)
		}
	}
}

func TestAutodiscovery(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	for path, want := range map[string]string{
		"/": "all", "/tags/": "all", "/actors/": "all", "/events/2025/raid/": "all", "/events/none/": "all",
		"/tags/supreme-court/": "tags/supreme-court", "/actors/%C3%A5se-%C3%B6/": "actors/%C3%A5se-%C3%B6",
	} {
		body := text(t, s.get("GET", path))
		for ending, mime := range map[string]string{"atom": "application/atom+xml", "rss": "application/rss+xml", "json": "application/feed+json"} {
			found := false
			for line := range strings.Lines(body) {
				found = found || strings.HasPrefix(line, `<link rel="alternate" type="`+strings.ReplaceAll(mime, "+", "&#43;")+`"`) &&
					strings.Contains(line, `href="https://example.org/timeline/feeds/`+want+"."+ending+`"`) ||
					strings.HasPrefix(line, `<link rel="alternate" type="`+mime+`"`) &&
						strings.Contains(line, `href="https://example.org/timeline/feeds/`+want+"."+ending+`"`)
			}
			if !found {
				t.Errorf("%s: no link to %s.%s", path, want, ending)
			}
		}
		for _, link := range []string{`href="/timeline/style.css"`, `href="/timeline/feeds.opml"`, `href="/timeline/feeds/all.atom"`} {
			if !strings.Contains(body, link) {
				t.Errorf("%s: no %s", path, link)
			}
		}
	}
}

// No page leads to a feed in a format that is not served.
func TestPagesOfOneFormat(t *testing.T) {
	s := newTestSite(t, "https://example.org", feed.JSON)
	s.Update(s.set("x", "X", "tags: [one]", "X", at))
	for _, p := range []string{"/", "/tags/one/", "/events/x/", "/none"} {
		if body := text(t, s.get("GET", p)); strings.Contains(body, ".atom") || strings.Contains(body, ".rss") || !strings.Contains(body, "/feeds/all.json") {
			t.Errorf("%s leads to another format:\n%s", p, body)
		}
	}
}
