package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
)

// Every address in a page leads somewhere, also behind a path.
func TestPageAddresses(t *testing.T) {
	for _, site := range []string{"https://example.org", "https://example.org/a/timeline", "https://example.org/50%25%20%C3%B6"} {
		s := filled(t, site)
		for _, id := range hostile {
			s.Update(s.set(id, evil+id, "tags: ['<img src=x onerror=alert(2)>', \"\u202egat\", \"a/b\"]\nactors: ['../../x', '日本']", "x", at))
		}
		base, err := url.Parse(site + "/")
		if err != nil {
			t.Fatal(err)
		}
		address := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)
		seen := make(map[string]bool)
		home := base.EscapedPath()
		todo := []string{home, home + "404.html", home + "none/", home + "find/?q=x", home + "build/?tag=a%2Fb"}
		for len(todo) > 0 {
			at := todo[0]
			todo = todo[1:]
			if seen[at] {
				continue
			}
			seen[at] = true
			here, err := base.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			r := s.get("GET", at)
			if r.StatusCode != 200 && !strings.HasSuffix(at, "/none/") {
				t.Errorf("%s: %s gives %d", site, at, r.StatusCode)
			}
			if r.Header.Get("Content-Type") != htmlType {
				continue
			}
			for _, m := range address.FindAllStringSubmatch(text(t, r), -1) {
				to, err := here.Parse(unescape(m[1]))
				if err != nil || to.Host != base.Host {
					t.Errorf("%s: %s leads to %s, %v", site, at, m[1], err)
					continue
				}
				if !strings.HasPrefix(to.Path, base.Path) {
					t.Errorf("%s: %s leads out of the site: %s", site, at, m[1])
				}
				todo = append(todo, to.RequestURI())
			}
		}
		if len(seen) < 60 {
			t.Errorf("%s: only %d addresses", site, len(seen))
		}
	}
}

func unescape(s string) string {
	return strings.NewReplacer("&#43;", "+", "&amp;", "&", "&#39;", "'", "&#34;", `"`).Replace(s)
}

func TestDocumentRequests(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	types := map[string]string{
		"": htmlType, "tags/": htmlType, "actors/": htmlType, "find/": htmlType, "find/?q=x": htmlType, "build/": htmlType, "404.html": htmlType,
		"tags/supreme-court/": htmlType, "events/2025/raid/": htmlType, "style.css": "text/css; charset=utf-8",
		"find.js": "text/javascript; charset=utf-8", "copy.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
		"names.json": "application/json", "feeds.opml": opmlType, "events/2025/raid/feeds.opml": opmlType,
		"sitemap.xml": "application/xml; charset=utf-8", "robots.txt": "text/plain; charset=utf-8",
	}
	for path, mime := range types {
		address := "/timeline/" + path
		first := s.get("GET", address)
		body, tag := text(t, first), first.Header.Get("ETag")
		h := first.Header
		if first.StatusCode != 200 || h.Get("Content-Type") != mime || h.Get("Vary") != "Accept-Encoding" || h.Get("Content-Security-Policy") != policy ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(h.Get("Cache-Control"), "public, max-age=") {
			t.Errorf("%s: %d, %v", path, first.StatusCode, h)
		}
		if again := s.get("GET", address); text(t, again) != body || again.Header.Get("ETag") != tag {
			t.Errorf("%s: another answer the second time", path)
		}
		if r := s.get("GET", address, "If-None-Match", tag); r.StatusCode != 304 || text(t, r) != "" {
			t.Errorf("%s, known: %d", path, r.StatusCode)
		}
		r := s.get("GET", address, "Accept-Encoding", "gzip")
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Errorf("%s, compressed: %v", path, err)
			continue
		}
		if plain, err := io.ReadAll(z); err != nil || string(plain) != body || r.Header.Get("ETag") == tag || r.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s, compressed: %v, %v", path, err, r.Header)
		}
		if r := s.get("HEAD", address); r.StatusCode != 200 || r.Header.Get("ETag") != tag || r.Header.Get("Content-Length") != fmt.Sprint(len(body)) {
			t.Errorf("%s, HEAD: %d, %v", path, r.StatusCode, r.Header)
		}
		if r := s.get("POST", address); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s, POST: %d, %v", path, r.StatusCode, r.Header)
		}
	}
	for path, to := range map[string]string{
		"find?q=x": "/timeline/find/?q=x", "build?tag=a&tag=b": "/timeline/build/?tag=a&tag=b", "tags": "/timeline/tags/",
		"actors/%C3%A5se-%C3%B6": "/timeline/actors/%C3%A5se-%C3%B6/", "events/2025/raid": "/timeline/events/2025/raid/",
	} {
		if r := s.get("GET", "/timeline/"+path); r.StatusCode != 301 || r.Header.Get("Location") != to {
			t.Errorf("%s: %d to %s", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
	for _, path := range []string{"none", "page/style.css", "layout.html", "style.css/", "sitemap-1.xml", "sitemap-x.xml", "sitemaps", "names.json/", "find/x", "build/x/", "events/", "events"} {
		r := s.get("GET", "/timeline/"+path)
		if body := text(t, r); r.StatusCode != 404 || r.Header.Get("ETag") != "" || r.Header.Get("Content-Length") != fmt.Sprint(len(body)) {
			t.Errorf("%s: %d, %v", path, r.StatusCode, r.Header)
		}
	}
}

// What is kept of a page goes when something is published.
func TestPagesFollow(t *testing.T) {
	s := filled(t, "https://example.org")
	before := make(map[string]string)
	paths := []string{"/", "/tags/", "/names.json", "/sitemap.xml", "/tags/supreme-court/", "/feeds.opml", "/build/"}
	for _, p := range paths {
		before[p] = s.get("GET", p).Header.Get("ETag")
		if s.indexed().pages.get(p[1:]) == nil {
			t.Errorf("%s is not kept", p)
		}
	}
	s.Update(s.set("other", "Other", "tags: [supreme-court, fresh]\nverification_status: disputed", "Other", at.Add(time.Hour)))
	for _, p := range paths {
		if s.get("GET", p).Header.Get("ETag") == before[p] {
			t.Errorf("%s is as before", p)
		}
	}
	// The bytes that are kept are bounded.
	var x pageIndex
	v, err := s.newVariant(bytes.Repeat([]byte("x"), 1<<20), make(http.Header))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		x.keep(fmt.Sprint(i), v)
		if x.get(fmt.Sprint(i)) == nil {
			t.Errorf("%d was not kept", i)
		}
		if len(x.made) > 16 {
			t.Fatalf("%d MB are kept", len(x.made))
		}
	}
}

// Pages are read while events change; none is older than what was published
// before it was asked for.
func TestPagesConcurrently(t *testing.T) {
	s := filled(t, "https://example.org")
	var turns []string // their titles
	for i := range 21 {
		turns = append(turns, fmt.Sprintf("Title of turn %d.", i))
	}
	var published atomic.Int64
	var readers sync.WaitGroup
	for _, path := range []string{"/", "/tags/", "/tags/supreme-court/", "/names.json", "/feeds.opml", "/find/?q=court", "/build/?tag=supreme-court"} {
		readers.Go(func() {
			for turn := published.Load(); turn < 20; turn = published.Load() {
				r := s.get("GET", path)
				if body := text(t, r); r.StatusCode != 200 || path == "/tags/supreme-court/" && turn > 0 && !slices.ContainsFunc(turns[turn:], func(n string) bool { return strings.Contains(body, n) }) {
					t.Errorf("%s after turn %d: %d\n%s", path, turn, r.StatusCode, body)
					return
				}
			}
		})
	}
	for turn, title := range turns {
		s.Update(s.set("2025/raid", title, "tags: [Supreme Court]", "Text.", at.Add(time.Duration(turn)*time.Hour)))
		published.Store(int64(turn))
	}
	readers.Wait()
}

func TestFindPage(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	s.Update(s.set("b", "B", "tags: [court reform]\nactors: [Zoë Ångström]", "B", at))
	for q, want := range map[string][]string{
		"angstrom": {"actors/zo%c3%ab-%c3%a5ngstr%c3%b6m/"}, "COURT": {"tags/court-reform/", "tags/supreme-court/"}, "åse o": {"actors/%c3%a5se-%c3%b6/"}, "none": nil,
	} {
		body := text(t, s.get("GET", "/timeline/find/?q="+url.QueryEscape(q)))
		var got []string
		for _, m := range regexp.MustCompile(`<li><a href="/timeline/([a-z]+/[^"]+/)"`).FindAllStringSubmatch(body, -1) {
			got = append(got, strings.ToLower(m[1]))
		}
		if slices.Sort(got); !slices.Equal(got, want) || !strings.Contains(body, `value="`+q+`"`) || !strings.Contains(body, `data-answered="true"`) {
			t.Errorf("%s gives %q, want %q\n%s", q, got, want, body)
		}
		if strings.Contains(body, "No tag and no actor") != (want == nil) {
			t.Errorf("%s: what is said is not true", q)
		}
	}
	if body := text(t, s.get("GET", "/timeline/find/?q=")); !strings.Contains(body, `data-answered="false"`) || strings.Contains(body, "No tag and no actor") {
		t.Errorf("without a question:\n%s", body)
	}
}

func TestMissingPageHelps(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	s.Update(Update{Withdrawn: []string{"old"}})
	for path, want := range map[string]string{
		"tags/supreme-cort/": `href="/timeline/tags/supreme-court/"`, "feeds/tags/suprem.atom": `href="/timeline/tags/supreme-court/"`,
		"actors/ase/": `Åse Ö</a>`, "events/old/": "This event was withdrawn", "none": "There is nothing at this address",
	} {
		if body := text(t, s.get("GET", "/timeline/"+path)); !strings.Contains(body, want) || !strings.Contains(body, `action="/timeline/find/"`) {
			t.Errorf("%s: no %s\n%s", path, want, body)
		}
	}
}

func TestBuildPage(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	s.Update(s.set("b", "B", "tags: [money]\nimportance: 9\nverification_status: confirmed", "B", at))
	blank := text(t, s.get("GET", "/timeline/build/"))
	for _, param := range buildParams {
		if !strings.Contains(blank, `name="`+param+`"`) {
			t.Errorf("the form has no field for %s", param)
		}
		if !slices.Contains(queryParams, param) {
			t.Errorf("%s is no parameter of a query", param)
		}
	}
	if len(buildParams) != len(queryParams) || strings.Contains(blank, "<details open") || !strings.Contains(blank, `<option value="confirmed">`) {
		t.Errorf("the blank form:\n%s", blank)
	}
	if same := text(t, s.get("GET", "/timeline/build/?tag=&actor=+&from=&nonsense=1")); same != blank {
		t.Errorf("a form with nothing in it gives another page:\n%s", same)
	}
	answer := text(t, s.get("GET", "/timeline/build/?tag=MONEY&tag=&any_tag=money&min_importance=8&from=&status=confirmed"))
	for _, want := range []string{
		`<code class="url">https://example.org/timeline/feeds/query.atom?any_tag=money&amp;min_importance=8&amp;status=confirmed&amp;tag=money</code>`,
		`data-copy="https://example.org/timeline/feeds/query.json?`, "/feeds/query.rss?", "<strong>1 event</strong> matches now", `href="/timeline/events/b/"`,
		`id="tag-0" name="tag" value="MONEY"`, `id="tag-1" name="tag" value=""`, "<option selected>8</option>", "<details open", `name="robots" content="noindex"`,
	} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer has no %s\n%s", want, answer)
		}
	}
	for query, want := range map[string]string{"tag=none": "no event has the tag", "from=2025-13-01": "is not a date", "min_importance=9&max_importance=2": "is over"} {
		r := s.get("GET", "/timeline/build/?"+query)
		if body := text(t, r); r.StatusCode != 200 || !strings.Contains(body, `role="alert"`) || !strings.Contains(body, want) || strings.Contains(body, `class="answer"`) {
			t.Errorf("%s: %d\n%s", query, r.StatusCode, body)
		}
	}
	if r := s.get("GET", "/timeline/build/?"+strings.Repeat("tag=money&", 5000)); r.StatusCode != 200 || len(text(t, r)) > 30_000 {
		t.Errorf("thousands of values: %d", r.StatusCode)
	}
}

func TestEventPage(t *testing.T) {
	s := newTestSite(t, "https://example.org/timeline")
	var tags []string
	for i := range 30 {
		tags = append(tags, fmt.Sprintf("tag-%d", i))
	}
	u := s.set("x", "X \u202e Y", "importance: 7\nlocation: Oslo\nverification_status: confirmed\ntags: ["+strings.Join(tags, ", ")+"]\nactors: [Bob]\nsources: [{title: Court record, url: 'https://example.com/r'}]", "# Heading\n\nText.", at)
	n := s.style.NewEntry(&timeline.Record{ID: u.Events[0].ID, Event: u.Events[0].Event, Published: at, Updated: at, History: []timeline.Past{
		{At: at.Add(time.Hour), Kind: timeline.Updated, Edits: []timeline.Edit{
			{Field: event.Importance, Before: "5", After: "7"}, {Field: event.Title, Before: "<b>old</b>", After: "X"}, {Field: event.Location, After: "Oslo"}, {Field: event.Body}}},
		{At: at.Add(2 * time.Hour), Kind: timeline.Withdrawn}, {At: at.Add(3 * time.Hour), Kind: timeline.New},
	}}, func(t timeline.Topic) string { return event.Slug(t.Key) })
	u.Events = []*feed.Entry{n}
	s.Update(u)
	body := text(t, s.get("GET", "/timeline/events/x/"))
	for _, want := range []string{
		"<title>X  Y – Record</title>", `<h1 dir="auto">X ` + "\u202e" + ` Y</h1>`, "<h2>Heading</h2>", `<a href="https://example.com/r">Court record</a>`,
		`<a href="/timeline/tags/tag-29/" dir="auto">tag-29</a>`, `<a href="/timeline/actors/bob/" dir="auto">Bob</a>`, `<span class="weight i7">7/10</span>`, "Oslo", "confirmed",
		"<dt>Importance</dt>", `<del dir="auto">5</del>`, `<ins dir="auto">7</ins>`, "&lt;b&gt;old&lt;/b&gt;", "none before", "<dt>Text</dt>\n<dd>changed</dd>",
		"2026-03-04 06:06 UTC", "<h3>Withdrawn</h3>", "<h3>Public again</h3>", `<link rel="canonical" href="https://example.org/timeline/events/x/">`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s", want)
		}
	}
	if got := strings.Count(body, `<link rel="alternate"`); got != 3+discovered {
		t.Errorf("%d feeds are announced", got)
	}
	if t.Failed() {
		t.Log(body)
	}
	if body := text(t, filled(t, "https://example.org").get("GET", "/events/2025/raid/")); strings.Contains(body, "History of changes") {
		t.Error("an event without changes has a history")
	}
}

// A correction is seen as one where it stands between events, and has no page.
func TestCorrectionsOnPages(t *testing.T) {
	s := filled(t, "https://example.org")
	s.style.MaxEntries = 50
	slug := func(t timeline.Topic) string { return event.Slug(t.Key) }
	s.Update(s.set("b", "B", "tags: [Supreme Court, zoo]", "B", at))
	s.Update(s.set("c", "C", "tags: [Supreme Court, zoo]", "C", at))
	s.Update(s.set("d", "D", "tags: [Supreme Court, ant]", "D", at))
	e := s.entries["d"].Event
	var u Update
	for i := range 3 {
		c := feed.Correction{Past: timeline.Past{At: at.Add(time.Hour), Kind: timeline.Updated, Edits: []timeline.Edit{{Field: event.Importance, Before: "5", After: "7"}}}, Before: e, Crowd: i > 0}
		s.catalog.Replace(nil, one(s.style.NewCorrection(fmt.Sprintf("tag:example.org,2025:c%d", i), e, c, at.Add(time.Hour), slug)))
	}
	u.Feeds = s.touched(at.Add(time.Hour))
	s.Update(u)
	for _, path := range []string{"/", "/tags/supreme-court/", "/tags/ant/"} {
		body := text(t, s.get("GET", path))
		if strings.Count(body, `<span class="mark">Correction</span>`) != 2 || !strings.Contains(body, "2 events corrected") {
			t.Errorf("%s:\n%s", path, body)
		}
	}
	if body := text(t, s.get("GET", "/tags/supreme-court/")); !strings.Contains(body, "4 events, newest first") || strings.Index(body, ">zoo</a>") > strings.Index(body, ">ant</a>") {
		t.Errorf("corrections count as events:\n%s", body)
	}
	if body := text(t, s.get("GET", "/build/?tag=supreme-court")); !strings.Contains(body, "· correction") {
		t.Errorf("the form's answer:\n%s", body)
	}
}

// However a site came to be as it is, turn by turn or at once, its folder holds
// the same files.
func TestFolderTurnByTurn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s := newTestSite(t, "https://example.org/timeline")
	s.style.MaxEntries = 3
	s.catalog = feed.NewCatalog(s.style, 2, nil)
	public := func(u Update, when time.Time) Update {
		known := func(path string) bool { return s.Feed(path) != nil }
		u.Feeds = s.catalog.Touched(known)
		for _, f := range u.Feeds {
			f.Modified, f.Updated = when, when
		}
		return u
	}
	names := []string{"Alpha", "alpha", "Beta", "BETA", "gamma", "Delta", "delta!", "Éta", "theta", "iota", "kappa", "lambda"}
	turned := s.folder(t.TempDir())
	for turn := range 60 {
		when := at.Add(time.Duration(turn) * time.Hour)
		id := fmt.Sprintf("event-%d", random.IntN(12))
		var u Update
		if s.entries[id] != nil && random.IntN(4) == 0 {
			u = s.withdrawOnly(id)
		} else {
			random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			further := fmt.Sprintf("tags: [%s]\nactors: [%s]\nverification_status: s%d", strings.Join(names[:random.IntN(4)], ", "), strings.Join(names[4:4+random.IntN(3)], ", "), random.IntN(3))
			u = s.setOnly(id, fmt.Sprintf("Title %d", turn), further, "Text", when)
		}
		u = public(u, when)
		s.put(turned, u)
		if turn%10 != 9 {
			continue
		}
		s.asServed(turned.Dir)
		whole := s.folder(t.TempDir())
		s.write(whole, Update{}, true)
		got, want := tree(t, turned.Dir), tree(t, whole.Dir)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
			t.Fatalf("turn %d: the folder has\n%q\nwant\n%q", turn, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		for name := range got {
			a, err := os.ReadFile(filepath.Join(turned.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(filepath.Join(whole.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a, b) {
				t.Fatalf("turn %d: %s is not as it has to be:\n%s\nwant\n%s", turn, name, a, b)
			}
		}
	}
}
