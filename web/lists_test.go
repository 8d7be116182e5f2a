package web

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/feed"
)

type siteMap struct {
	XMLName xml.Name
	Pages   []place `xml:"url"`
	Parts   []place `xml:"sitemap"`
}

func (s *testSite) siteMap(path string) siteMap {
	s.t.Helper()
	var m siteMap
	r := s.get("GET", path)
	if err := xml.NewDecoder(r.Body).Decode(&m); err != nil || r.StatusCode != 200 {
		s.t.Fatalf("%s: %d, %v", path, r.StatusCode, err)
	}
	if m.XMLName.Space != sitemapSpace {
		s.t.Errorf("%s: the name space is %q", path, m.XMLName.Space)
	}
	return m
}

func TestSitemap(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	for _, id := range hostile {
		s.Update(s.set(id, evil+id, "tags: [\"a&b <x>\"]", "x", at.Add(time.Hour)))
	}
	s.Update(s.withdraw("with space", at.Add(time.Hour)))
	m := s.siteMap("/sitemap.xml")
	if m.XMLName.Local != "urlset" || len(m.Pages) != 3+2+1+len(hostile) {
		t.Errorf("%s of %d pages", m.XMLName.Local, len(m.Pages))
	}
	for _, p := range m.Pages {
		u, err := url.Parse(p.Loc)
		if err != nil || u.Host != "example.org" || !strings.HasPrefix(u.Path, "/timeline/") {
			t.Errorf("%s: %v", p.Loc, err)
			continue
		}
		if r := s.get("GET", u.EscapedPath()); r.StatusCode != 200 {
			t.Errorf("%s: status %d", p.Loc, r.StatusCode)
		}
		if _, err := time.Parse(time.RFC3339, p.LastMod); err != nil {
			t.Errorf("%s: %v", p.Loc, err)
		}
	}
	if i := slices.IndexFunc(m.Pages, func(p place) bool { return strings.HasSuffix(p.Loc, "/events/2025/raid/") }); i < 0 || m.Pages[i].LastMod != "2026-03-04T05:06:07Z" {
		t.Errorf("the raid: %+v", m.Pages)
	}

	// Pages that are another's are not named.
	s.style.EventURL = "https://example.com/{id}"
	s.Update(Update{})
	for _, p := range s.siteMap("/sitemap.xml").Pages {
		if strings.Contains(p.Loc, "/events/") || strings.Contains(p.Loc, "example.com") {
			t.Errorf("names %s", p.Loc)
		}
	}
}

func TestSitemapInParts(t *testing.T) {
	s := newTestSite(t, "https://example.org")
	for n, parts := range map[int]int{maxPlaces - 3: 0, maxPlaces - 2: 2} {
		s.Site.feeds = make(map[string]*feed.Feed)
		var u Update
		for i := range n {
			u.Feeds = append(u.Feeds, &feed.Feed{Path: fmt.Sprintf("tags/%d", i), Name: "n", Page: fmt.Sprintf("https://example.org/tags/%d/", i), Total: 1, Modified: at})
		}
		s.Update(u)
		if got := len(s.sitemaps()); got != parts {
			t.Fatalf("%d pages are in %d parts, want %d", n+3, got, parts)
		}
		if parts == 0 {
			continue
		}
		m := s.siteMap("/sitemap.xml")
		seen := make(map[string]bool)
		for i, p := range m.Parts {
			if want := fmt.Sprintf("https://example.org/sitemap-%d.xml", i+1); p.Loc != want {
				t.Errorf("part %s, want %s", p.Loc, want)
			}
			part := s.siteMap(strings.TrimPrefix(p.Loc, "https://example.org"))
			if len(part.Pages) > maxPlaces {
				t.Errorf("%s names %d pages", p.Loc, len(part.Pages))
			}
			for _, p := range part.Pages {
				seen[p.Loc] = true
			}
		}
		if len(seen) != n+3 {
			t.Errorf("the parts name %d pages, want %d", len(seen), n+3)
		}
		if r := s.get("GET", fmt.Sprintf("/sitemap-%d.xml", parts+1)); r.StatusCode != 404 {
			t.Errorf("a part too many: %d", r.StatusCode)
		}
	}
}

func TestRobots(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	r := s.get("GET", "/timeline/robots.txt")
	want := `User-agent: *
Disallow: /timeline/feeds/query
Disallow: /timeline/build/
Disallow: /timeline/find/
Allow: /timeline/

Sitemap: https://example.org/timeline/sitemap.xml
`
	if got := text(t, r); got != want || r.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%v\n%s", r.Header, got)
	}
}

// outlines returns the titles and addresses of the feeds that a list has.
func (s *testSite) outlines(path string) []string {
	s.t.Helper()
	type outline struct {
		Title  string    `xml:"title,attr"`
		XMLURL string    `xml:"xmlUrl,attr"`
		Below  []outline `xml:"outline"`
	}
	var list struct {
		Body []outline `xml:"body>outline"`
	}
	r := s.get("GET", path)
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != opmlType {
		s.t.Fatalf("%s: %d, %v", path, r.StatusCode, r.Header)
	}
	if err := xml.NewDecoder(r.Body).Decode(&list); err != nil {
		s.t.Fatal(err)
	}
	var all []string
	var add func([]outline)
	add = func(l []outline) {
		for _, o := range l {
			if o.XMLURL != "" {
				all = append(all, o.Title+" "+strings.TrimPrefix(o.XMLURL, s.style.URL+"/feeds/"))
			}
			add(o.Below)
		}
	}
	add(list.Body)
	return all
}

func TestPageLists(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	s.style.MaxEntries = 50
	s.Update(s.set("b", "B", "tags: [supreme-court, money]\nactors: [Bob]", "B", at))
	s.Update(s.set("c", "C", "tags: [Money, lonely]", "C", at))
	s.Update(s.set("d", "D", "tags: [gone]", "D", at))
	s.Update(s.withdraw("d", at))
	s.Update(s.set("bare", "Bare", "", "Bare", at))
	for path, want := range map[string][]string{
		"tags/feeds.opml":                   {"lonely – Record tags/lonely.atom", "Money – Record tags/money.atom", "Supreme Court – Record tags/supreme-court.atom"},
		"actors/feeds.opml":                 {"Åse Ö – Record actors/%C3%A5se-%C3%B6.atom", "Bob – Record actors/bob.atom"},
		"tags/money/feeds.opml":             {"Money – Record tags/money.atom", "lonely – Record tags/lonely.atom", "supreme-court – Record tags/supreme-court.atom", "Bob – Record actors/bob.atom"},
		"events/2025/raid/feeds.opml":       {"Supreme Court – Record tags/supreme-court.atom", "Åse Ö – Record actors/%C3%A5se-%C3%B6.atom"},
		"events/b/feeds.opml":               {"supreme-court – Record tags/supreme-court.atom", "money – Record tags/money.atom", "Bob – Record actors/bob.atom"},
		"actors/%C3%A5se-%C3%B6/feeds.opml": {"Supreme Court – Record tags/supreme-court.atom", "Åse Ö – Record actors/%C3%A5se-%C3%B6.atom"},
	} {
		got := s.outlines("/timeline/" + path)
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s\ngives %q\nwant  %q", path, got, want)
		}
	}
	for _, path := range []string{"tags/gone/feeds.opml", "tags/none/feeds.opml", "events/bare/feeds.opml", "events/none/feeds.opml", "events/feeds.opml", "feeds.opml/"} {
		if r := s.get("GET", "/timeline/"+path); r.StatusCode != 404 {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
	}
	if body := text(t, s.get("GET", "/timeline/events/bare/")); strings.Contains(body, "events/bare/feeds.opml") {
		t.Error("a page leads to a list of no feeds")
	}
	empty := newTestSite(t, "https://example.org")
	for _, path := range []string{"/tags/feeds.opml", "/actors/feeds.opml"} {
		if r := empty.get("GET", path); r.StatusCode != 404 {
			t.Errorf("%s of nothing: status %d", path, r.StatusCode)
		}
	}
}
