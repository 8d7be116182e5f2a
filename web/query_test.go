package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/feed"
	"tocsin/timeline"
)

// ids returns the ids of the events that a query selects.
func (s *testSite) ids(address string) []string {
	s.t.Helper()
	r := s.get("GET", address)
	body := text(s.t, r)
	if r.StatusCode != 200 {
		s.t.Fatalf("%s: %d %s", address, r.StatusCode, body)
	}
	var doc struct {
		Items []struct {
			Title string `json:"title"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		s.t.Fatal(err)
	}
	ids := []string{}
	for _, i := range doc.Items {
		ids = append(ids, i.Title)
	}
	slices.Sort(ids)
	return ids
}

func queried(t *testing.T) *testSite {
	s := newTestSite(t, "https://example.org/timeline/")
	s.style.URL = "https://example.org/timeline"
	s.style.MaxEntries = 50
	s.Site.aliases[timeline.Topic{Kind: timeline.Tag, Key: "tribunals"}] = timeline.Topic{Kind: timeline.Tag, Key: "courts"}
	for _, e := range []struct{ id, further string }{
		{"a", "tags: [Courts, Press]\nactors: [Ann, Bob]\nimportance: 9\nstatus: confirmed\nlocation: Rome"},
		{"b", "tags: [Courts]\nactors: [Ann]\nimportance: 5\nstatus: Disputed"},
		{"c", "tags: [Press]\nactors: [Bob]\nimportance: 8\nlocation: Rome"},
		{"d", "tags: [C]\nactors: [Zoë]"},
	} {
		s.Update(s.set(e.id, e.id, e.further, "Text.", at))
	}
	return s
}

func TestQuery(t *testing.T) {
	s := queried(t)
	for query, want := range map[string]string{
		"tag=courts":                             "a b",
		"tag=COURTS":                             "a b",
		"tag=courts&tag=press":                   "a",
		"tag=tribunals":                          "a b",
		"tag=courts&actor=bob":                   "a",
		"actor=ann&not_tag=press":                "b",
		"any_tag=courts&any_tag=press":           "a b c",
		"any_actor=zo%C3%AB&any_actor=bob":       "a c d",
		"not_actor=ann":                          "c d",
		"min_importance=8":                       "a c",
		"max_importance=5":                       "b d",
		"min_importance=6&max_importance=8":      "c",
		"status=disputed":                        "b",
		"status=disputed&status=Confirmed":       "a b",
		"location=rome":                          "a c",
		"from=2025-01-28&to=2025-01-28&tag=c":    "d",
		"from=2025-01-29":                        "",
		"tag=courts&tag=press&not_actor=ann":     "",
		"tag=courts&tag=&min_importance=&actor=": "a b",
	} {
		if got := strings.Join(s.ids("/feeds/query.json?"+query), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// All ways to ask for the same are one feed, with one id, one address and one
// entity tag.
func TestQueryIsCanonical(t *testing.T) {
	s := queried(t)
	for _, same := range [][]string{
		{"tag=courts&tag=press&min_importance=8", "min_importance=8&tag=Press&tag=courts", "tag=PRESS&tag=tribunals&tag=press&tag=Courts&min_importance=08&max_importance=10", "tag=courts&tag=press&min_importance=8&actor="},
		{"status=confirmed&status=disputed&not_actor=zo%C3%AB", "not_actor=ZOE%CC%88&status=Disputed&status=CONFIRMED"},
		{"from=2025-01-01&actor=ann", "actor=Ann&from=2025-01-01&from=2025-01-01"},
	} {
		var etag, body string
		for i, query := range same {
			for _, format := range []string{"atom", "rss", "json"} {
				r := s.get("GET", "/feeds/query."+format+"?"+query)
				b := text(t, r)
				if r.StatusCode != 200 || r.Header.Get("Content-Type") == "" || r.Header.Get("Last-Modified") == "" {
					t.Fatalf("%s: %d %v", query, r.StatusCode, r.Header)
				}
				if format != "atom" {
					continue
				}
				if i == 0 {
					etag, body = r.Header.Get("ETag"), b
				}
				if r.Header.Get("ETag") != etag || b != body {
					t.Errorf("%s is not the feed of %s", query, same[0])
				}
				if again := s.get("GET", "/feeds/query.atom?"+query, "If-None-Match", etag); again.StatusCode != 304 {
					t.Errorf("%s, again: %d", query, again.StatusCode)
				}
			}
		}
		f, err := s.query(mustQuery(t, same[0]))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(f.URL(feed.Atom))
		if err != nil || !strings.HasPrefix(f.URL(feed.Atom), "https://example.org/timeline/feeds/query.atom?") {
			t.Fatalf("%s, %v", f.URL(feed.Atom), err)
		}
		if again := text(t, s.get("GET", "/feeds/query.atom?"+u.RawQuery)); again != body {
			t.Errorf("its own address %s gives another feed", u)
		}
		if !strings.Contains(body, "<id>tag:example.org,2025:feeds/query?") {
			t.Errorf("no id in\n%s", body)
		}
	}
}

func mustQuery(t *testing.T, query string) url.Values {
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestQueryRefused(t *testing.T) {
	s := queried(t)
	for query, why := range map[string]string{
		"":                                  "names nothing",
		"tag=":                              "names nothing",
		"tags=courts":                       `there is no parameter "tags"; there are tag, actor`,
		"tag=nowhere":                       `no event has the tag "nowhere"`,
		"not_actor=nobody":                  `no event has the actor "nobody"`,
		"tag=ann":                           `no event has the tag "ann"`,
		"min_importance=11":                 `min_importance: "11" is not a number from 0 to 10`,
		"min_importance=-1":                 "is not a number",
		"max_importance=x":                  "is not a number",
		"min_importance=8&min_importance=9": "one value, not 2",
		"min_importance=9&max_importance=8": "min_importance 9 is over max_importance 8",
		"min_importance=0":                  `which is the feed "all"`,
		"from=yesterday":                    `from: "yesterday" is not a date like 2025-01-28`,
		"from=2025-02-01&to=2025-01-01":     "from 2025-02-01 is after to 2025-01-01",
		"tag=" + strings.Repeat("x", 201):   "more than 200 bytes",
		strings.Repeat("tag=courts&", 65):   "more than 64 values",
	} {
		r := s.get("GET", "/feeds/query.atom?"+query)
		body := text(t, r)
		if r.StatusCode != 400 || !strings.Contains(body, why) || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %d %q, want %q", query, r.StatusCode, body, why)
		}
	}
	if r := s.get("GET", "/feeds/query.xml?tag=courts"); r.StatusCode != 404 {
		t.Errorf("no format: %d", r.StatusCode)
	}
}

// A query's feed follows the events, its times do not go back, and it changes with
// nothing else.
func TestQueryFollows(t *testing.T) {
	s := queried(t)
	s.Site.o.Now = func() time.Time { return at }
	const address = "/feeds/query.atom?tag=courts&min_importance=5"
	first := s.get("GET", address)
	s.Update(s.set("e", "e", "tags: [press]", "Text.", at.Add(time.Hour)))
	same := s.get("GET", address)
	for _, h := range []string{"ETag", "Last-Modified"} {
		if first.Header.Get(h) != same.Header.Get(h) {
			t.Errorf("%s changed with another event: %q, %q", h, first.Header.Get(h), same.Header.Get(h))
		}
	}
	s.Update(s.set("f", "f", "tags: [courts]\nimportance: 5", "Text.", at.Add(2*time.Hour)))
	more := s.get("GET", address)
	if more.Header.Get("ETag") == first.Header.Get("ETag") || more.Header.Get("Last-Modified") <= first.Header.Get("Last-Modified") {
		t.Errorf("an event more: %v, before %v", more.Header, first.Header)
	}
	updated := func() time.Time {
		f, err := s.query(mustQuery(t, "tag=courts&min_importance=5"))
		if err != nil {
			t.Fatal(err)
		}
		return f.Updated
	}
	before := updated()
	s.Update(s.withdraw("f", at.Add(3*time.Hour)))
	if got := strings.Join(s.ids(strings.Replace(address, "atom", "json", 1)), " "); got != "a b" {
		t.Errorf("the events %s", got)
	}
	if after := updated(); after.Before(before) {
		t.Errorf("updated went back from %v to %v", before, after)
	}
}

// A query with a long answer has archives, too.
func TestQueryArchives(t *testing.T) {
	s := queried(t)
	s.style.MaxEntries = 1
	for i := range 30 {
		s.Update(s.set(fmt.Sprint("n", i), fmt.Sprint("n", i), "tags: [long]", strings.Repeat("Word. ", 3000), at.Add(time.Duration(i)*time.Minute)))
	}
	f, err := s.query(mustQuery(t, "tag=long"))
	if err != nil || len(f.Archives()) < 2 {
		t.Fatalf("%d archives, %v", len(f.Archives()), err)
	}
	held := 0
	for _, a := range f.Archives() {
		held += len(a.Entries)
		u := strings.TrimPrefix(a.URL(feed.RSS), "https://example.org")
		r := s.get("GET", u)
		if body := text(t, r); r.StatusCode != 200 || !strings.Contains(body, "<fh:archive>") || r.Header.Get("Last-Modified") != "" || r.Header.Get("ETag") == "" {
			t.Errorf("%s: %d %v", u, r.StatusCode, r.Header)
		}
	}
	if held != 30 {
		t.Errorf("%d entries in the archives", held)
	}
	if r := s.get("GET", "/feeds/query.atom?tag=long&archive=nothing"); r.StatusCode != 404 {
		t.Errorf("no archive: %d", r.StatusCode)
	}
	if r := s.get("GET", "/feeds/tags/long/archive/first.atom"); r.StatusCode != 200 {
		t.Errorf("a tag's archive: %d", r.StatusCode)
	}
}

// A tag or actor that has another name leads to it, one without events is empty and
// later gone, one that is back is itself.
func TestNewNames(t *testing.T) {
	s := queried(t)
	now := at
	s.Site.o.Now = func() time.Time { return now }
	tag := func(key string) timeline.Topic { return timeline.Topic{Kind: timeline.Tag, Key: key} }
	s.Update(s.set("c", "c", "tags: [Journalism]", "Text.", at))
	u := s.set("a", "a", "tags: [Journalism]", "Text.", at)
	u.Renamed = map[timeline.Topic]timeline.Topic{tag("press"): tag("journalism")}
	s.Update(u)
	for path, want := range map[string]string{
		"/feeds/tags/press.atom":          "https://example.org/timeline/feeds/tags/journalism.atom",
		"/feeds/tags/PRESS.rss":           "https://example.org/timeline/feeds/tags/journalism.rss",
		"/feeds/tags/tribunals.json":      "https://example.org/timeline/feeds/tags/courts.json",
		"/tags/press/":                    "https://example.org/timeline/tags/journalism/",
		"/tags/tribunals/":                "https://example.org/timeline/tags/courts/",
		"/feeds/tags/press/archive/x.rss": "https://example.org/timeline/feeds/tags/journalism.rss",
	} {
		if r := s.get("GET", path); r.StatusCode != 301 || r.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", path, r.StatusCode, r.Header.Get("Location"), want)
		}
	}
	if got := strings.Join(s.ids("/feeds/query.json?tag=press"), " "); got != "a c" {
		t.Errorf("a query by the old name: %s", got)
	}

	u = s.withdraw("d", at)
	for _, f := range u.Feeds {
		if f.Empty() {
			f.Emptied = at
		}
	}
	s.Update(u)
	for _, wait := range []struct {
		d    time.Duration
		want int
	}{{time.Hour, 200}, {grace - time.Hour, 200}, {2 * time.Hour, 410}} {
		now = now.Add(wait.d)
		for _, path := range []string{"/feeds/actors/zoë.atom", "/actors/zoë/"} {
			if r := s.get("GET", path); r.StatusCode != wait.want {
				t.Errorf("%s of no events after %v: %d, want %d", path, now.Sub(at), r.StatusCode, wait.want)
			}
		}
	}
	s.Update(s.set("d", "d", "actors: [Zoë]", "Text.", at))
	if r := s.get("GET", "/feeds/actors/zoë.atom"); r.StatusCode != 200 {
		t.Errorf("back: %d", r.StatusCode)
	}
}

// The static folder has the archives, and the feed of a new name at the old one.
func TestFolderArchives(t *testing.T) {
	s := queried(t)
	s.style.MaxEntries = 1
	d := s.folder(t.TempDir())
	write := func(u Update, all bool) {
		t.Helper()
		s.Update(u)
		if err := d.p.Write(t.Context(), s.Edition(u, all)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 {
		write(s.set(fmt.Sprint("n", i), fmt.Sprint("n", i), "tags: [long]", strings.Repeat("Word. ", 3000), at.Add(time.Duration(i)*time.Minute)), i == 0)
	}
	there := func() []string {
		names, err := filepath.Glob(filepath.Join(d.Dir, "feeds/tags/long/archive/*"))
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range names {
			names[i] = filepath.Base(n)
		}
		return names
	}
	check := func(what string) {
		t.Helper()
		var want []string
		for _, a := range s.Feed("tags/long").Archives() {
			for _, format := range feed.Formats() {
				name := feed.File(a.DocumentPath(), format)
				want = append(want, filepath.Base(name))
				served := text(t, s.get("GET", "/"+name))
				if b, err := os.ReadFile(filepath.Join(d.Dir, name)); err != nil || string(b) != served {
					t.Errorf("%s: %s is not what is served, %v", what, name, err)
				}
			}
		}
		slices.Sort(want)
		if got := there(); !slices.Equal(got, want) || len(want) < 6 {
			t.Errorf("%s: the archives %v, want %v", what, got, want)
		}
	}
	check("one by one")
	for i := range 30 { // bounds go as well
		if i%3 > 0 {
			write(s.withdraw(fmt.Sprint("n", i), at.Add(time.Hour)), false)
		}
	}
	check("with fewer")
	if err := os.WriteFile(filepath.Join(d.Dir, "feeds/tags/long/archive/0000.atom"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	again := s.folder(d.Dir)
	if err := again.p.Write(t.Context(), s.Edition(Update{}, true)); err != nil {
		t.Fatal(err)
	}
	check("by a new process")

	alias, err := os.ReadFile(filepath.Join(d.Dir, "feeds/tags/tribunals.atom"))
	if name := text(t, s.get("GET", "/feeds/tags/courts.atom")); err != nil || string(alias) != name {
		t.Errorf("the feed at an alias: %v", err)
	}
	page, err := os.ReadFile(filepath.Join(d.Dir, "tags/tribunals/index.html"))
	if err != nil || !strings.Contains(string(page), "https://example.org/timeline/tags/courts/") {
		t.Errorf("the page at an alias: %v\n%s", err, page)
	}
}
