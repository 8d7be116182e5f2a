package feed

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/net/html"

	"tocsin/event"
	"tocsin/feed/feedtest"
	"tocsin/timeline"
)

var update = flag.Bool("update", false, "write the golden files anew")

var formats = []Format{Atom, RSS, JSON}

func style() *Style {
	return &Style{
		Title: "Public record", URL: "https://example.org", Authority: "example.org,2025", Language: "en",
		Author:  Author{Name: "Desk & Co.", Email: "desk@example.org", URL: "https://example.org/about"},
		Content: Full, MaxEntries: 50, Window: 336 * time.Hour, Version: "1.2.3",
	}
}

// day is the nth day of 2026.
func day(n int) time.Time { return time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func slugOf(t timeline.Topic) string { return event.Slug(t.Key) }

// an makes an event: an id, a title and what else it says.
func an(id, title string, more ...func(*event.Event)) *event.Event {
	e := &event.Event{
		ID: id, Path: id + ".md", Title: title,
		Date: event.Date{Time: time.Date(2025, 1, 28, 0, 0, 0, 0, time.UTC)},
		Body: "Body of " + title + ".",
	}
	for _, f := range more {
		f(e)
	}
	e.Seal()
	return e
}

func tags(t ...string) func(*event.Event) { return func(e *event.Event) { e.Tags = t } }
func body(s string) func(*event.Event)    { return func(e *event.Event) { e.Body = s } }
func on(date string) func(*event.Event) {
	d, err := event.ParseDate(date)
	if err != nil {
		panic(err)
	}
	return func(e *event.Event) { e.Date = d }
}

// entry makes an entry of an event that was updated on the nth day of 2026.
func (s *Style) entry(e *event.Event, n int) *Entry {
	id := "tag:example.org,2025:" + escapePath(e.ID)
	return s.NewEntry(&timeline.Record{ID: id, Event: e, Published: day(n).Add(-time.Hour), Updated: day(n)}, slugOf)
}

func unknown(string) bool { return false }

// feedsOf makes all feeds of some entries, by path.
func feedsOf(s *Style, entries ...*Entry) map[string]*Feed {
	c := NewCatalog(s, 1, nil)
	c.Fill(entries, nil)
	all := make(map[string]*Feed)
	for _, f := range c.Touched(unknown) {
		all[f.Path] = f
	}
	return all
}

func render(t testing.TB, f *Feed, format Format) []byte {
	t.Helper()
	b, err := f.Render(format)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sample reads the events of a golden file.
func sample(t testing.TB, s *Style, a *txtar.Archive) []*Entry {
	t.Helper()
	r := event.NewReader(event.Dialect{})
	slugs := timeline.NewSlugs(nil)
	var entries []*Entry
	for _, f := range a.Files {
		name, ok := strings.CutPrefix(f.Name, "events/")
		if !ok {
			continue
		}
		e, err := r.Read(name, f.Data)
		if err != nil {
			t.Fatal(err)
		}
		slugs.Give(timeline.Topics(e))
		n := len(entries)
		entries = append(entries, s.NewEntry(&timeline.Record{ID: "tag:example.org,2025:" + escapePath(e.ID), Event: e, Published: day(n), Updated: day(n).Add(90 * time.Minute)}, slugs.Slug))
	}
	return entries
}

const goldenFile = "testdata/small.txtar"

func golden(t testing.TB) *txtar.Archive {
	t.Helper()
	a, err := txtar.ParseFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestGolden(t *testing.T) {
	a := golden(t)
	var files []txtar.File
	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, "events/") {
			files = append(files, f)
		}
	}
	add := func(name string, b []byte) { files = append(files, txtar.File{Name: name, Data: b}) }

	full := style()
	feeds := feedsOf(full, sample(t, full, a)...)
	for _, format := range formats {
		add("all."+string(format), render(t, feeds["all"], format))
	}
	add("courts.atom", render(t, feeds["tags/courts"], Atom))
	short := style()
	short.Content, short.EventURL = Summary, "https://example.net/t/{id}?x"
	feeds = feedsOf(short, sample(t, short, a)...)
	for _, format := range formats {
		add("summary."+string(format), render(t, feeds["all"], format))
	}

	if *update {
		a.Files = files
		if err := os.WriteFile(goldenFile, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := make(map[string]string)
	for _, f := range a.Files {
		want[f.Name] = string(f.Data)
	}
	for _, f := range files {
		if w := want[f.Name]; w != string(f.Data) {
			t.Errorf("%s differs from %s; if that is meant, run the test with -update:\n%s", f.Name, goldenFile, difference(w, string(f.Data)))
		}
	}
	if len(files) != len(a.Files) {
		t.Errorf("%s holds %d files, %d are made", goldenFile, len(a.Files), len(files))
	}
}

// difference shows the first lines in which two texts differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := 0; ; i++ {
		switch {
		case i >= len(w) || i >= len(g):
			return fmt.Sprintf("%d lines, want %d", len(g), len(w))
		case w[i] != g[i]:
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
}

// wellFormed walks all tokens of an XML document.
func wellFormed(t testing.TB, b []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(b))
	for {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
	}
}

var tagURI = regexp.MustCompile(`^tag:[a-z0-9.]+,\d{4}(-\d\d(-\d\d)?)?:([A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-F]{2})+$`)

// wire is what of a feed's bytes the rules speak of.
type wire struct {
	ID      string    `xml:"id"`
	Title   string    `xml:"title"`
	Updated time.Time `xml:"updated"`
	Links   []struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
		Href string `xml:"href,attr"`
	} `xml:"link"`
	Entries []struct {
		ID        string    `xml:"id"`
		Title     string    `xml:"title"`
		Published time.Time `xml:"published"`
		Updated   time.Time `xml:"updated"`
		Content   string    `xml:"content"`
		Summary   struct {
			Type string `xml:"type,attr"`
			Text string `xml:",chardata"`
		} `xml:"summary"`
		Links []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"link"`
		Categories []struct {
			Term   string `xml:"term,attr"`
			Scheme string `xml:"scheme,attr"`
		} `xml:"category"`
	} `xml:"entry"`
}

type wireRSS struct {
	Channel struct {
		Built string `xml:"lastBuildDate"`
		Links []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"http://www.w3.org/2005/Atom link"`
		Items []struct {
			GUID struct {
				IsPermaLink string `xml:"isPermaLink,attr"`
				ID          string `xml:",chardata"`
			} `xml:"guid"`
			Link        string    `xml:"link"`
			Date        string    `xml:"pubDate"`
			Updated     time.Time `xml:"http://www.w3.org/2005/Atom updated"`
			Description string    `xml:"description"`
			Content     string    `xml:"http://purl.org/rss/1.0/modules/content/ encoded"`
		} `xml:"item"`
	} `xml:"channel"`
}

type wireJSON struct {
	Version string           `json:"version"`
	FeedURL string           `json:"feed_url"`
	Items   *json.RawMessage `json:"items"`
	Authors []struct{ Name string }
}

// obey holds a feed to the rules that the W3C's validator and readers enforce, and
// its formats to saying the same.
func obey(t testing.TB, f *Feed) {
	t.Helper()
	judge := &feedtest.Judge{Now: day(365)}
	bytes := make(map[Format][]byte)
	for _, format := range formats {
		bytes[format] = render(t, f, format)
		for _, fault := range judge.Judge(f.URL(format), bytes[format]) {
			t.Errorf("%s.%s: %v", f.Path, format, fault)
		}
	}
	var atom wire
	if err := xml.Unmarshal(bytes[Atom], &atom); err != nil {
		t.Fatal(err)
	}
	for _, e := range atom.Entries {
		if e.Summary.Text == "" || e.Summary.Type != "text" {
			t.Errorf("%s: the summary %+v", f.Path, e.Summary)
		}
		for _, c := range e.Categories {
			if c.Scheme == "" {
				t.Errorf("%s: category %+v", f.Path, c)
			}
		}
	}

	var rss wireRSS
	if err := xml.Unmarshal(bytes[RSS], &rss); err != nil {
		t.Fatal(err)
	}
	if rss.Channel.Built == "" || len(rss.Channel.Items) != len(atom.Entries) {
		t.Errorf("%s: built %q, %d items, %d entries", f.Path, rss.Channel.Built, len(rss.Channel.Items), len(atom.Entries))
	}
	for i, item := range rss.Channel.Items {
		e := atom.Entries[i]
		date, err := time.Parse(time.RFC1123Z, item.Date)
		if item.GUID.ID != e.ID || item.GUID.IsPermaLink != "false" || !item.Updated.Equal(e.Updated) || err != nil || !date.Equal(e.Published.Truncate(time.Second)) {
			t.Errorf("%s: item %d is %+v, the entry %+v", f.Path, i, item, e)
		}
		if item.Content != e.Content {
			t.Errorf("%s: the content of %s is\n%s\nin Atom\n%s", f.Path, e.ID, item.Content, e.Content)
		}
		if plain := shown(t, item.Description); plain != e.Summary.Text {
			t.Errorf("%s: the description of %s says %q, the summary %q", f.Path, e.ID, plain, e.Summary.Text)
		}
	}

	var feed wireJSON
	if err := json.Unmarshal(bytes[JSON], &feed); err != nil {
		t.Fatal(err)
	}
	if feed.Items == nil || len(feed.Authors) != 1 {
		t.Fatalf("%s: %+v", f.Path, feed)
	}
	var items []struct {
		ID        string    `json:"id"`
		HTML      string    `json:"content_html"`
		Published time.Time `json:"date_published"`
		Modified  time.Time `json:"date_modified"`
	}
	if err := json.Unmarshal(*feed.Items, &items); err != nil || len(items) != len(atom.Entries) || items == nil {
		t.Fatalf("%s: %d items, %v", f.Path, len(items), err)
	}
	for i, item := range items {
		e := atom.Entries[i]
		if item.ID != e.ID || !item.Published.Equal(e.Published) || !item.Modified.Equal(e.Updated) || item.HTML != e.Content {
			t.Errorf("%s: item %d is %+v, the entry %+v", f.Path, i, item, e)
		}
	}
}

// shown is what a reader shows of HTML.
func shown(t testing.TB, markup string) string {
	t.Helper()
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(markup))
	for z.Next() != html.ErrorToken {
		if tok := z.Token(); tok.Type == html.TextToken {
			b.WriteString(tok.Data)
		}
	}
	return b.String()
}

func TestRules(t *testing.T) {
	for _, content := range []Content{Full, Summary} {
		s := style()
		s.Content = content
		entries := append(sample(t, s, golden(t)), s.entry(an("bare", "Bare", body("")), 30))
		all := feedsOf(s, entries...)
		if len(all) < 10 {
			t.Errorf("%d feeds", len(all))
		}
		for _, f := range all {
			obey(t, f)
		}
	}
}

// Feeds announce a WebSub hub beside their own address (section 4), or say nothing
// of one.
func TestHub(t *testing.T) {
	for _, hub := range []string{"", "https://hub.example.org/?a=b&c=d"} {
		s := style()
		s.Hub = hub
		f := feedsOf(s, s.entry(an("x", "X"), 1))["all"]
		obey(t, f)
		var atom wire
		if err := xml.Unmarshal(render(t, f, Atom), &atom); err != nil {
			t.Fatal(err)
		}
		var rss wireRSS
		if err := xml.Unmarshal(render(t, f, RSS), &rss); err != nil {
			t.Fatal(err)
		}
		var feed struct {
			Hubs []struct{ Type, URL string } `json:"hubs"`
		}
		if err := json.Unmarshal(render(t, f, JSON), &feed); err != nil {
			t.Fatal(err)
		}
		got := make(map[Format][]string)
		for _, l := range atom.Links {
			if l.Rel == "hub" {
				got[Atom] = append(got[Atom], l.Href)
			}
		}
		for _, l := range rss.Channel.Links {
			if l.Rel == "hub" {
				got[RSS] = append(got[RSS], l.Href)
			}
		}
		for _, h := range feed.Hubs {
			if h.Type == "WebSub" {
				got[JSON] = append(got[JSON], h.URL)
			}
		}
		for _, format := range formats {
			if hub == "" && len(got[format]) > 0 || hub != "" && !slices.Equal(got[format], []string{hub}) {
				t.Errorf("%s: the hubs %q, want %q", format, got[format], hub)
			}
			if hub == "" && bytes.Contains(render(t, f, format), []byte("hub")) {
				t.Errorf("%s speaks of a hub:\n%s", format, render(t, f, format))
			}
		}
	}
}

func TestEmptyFeed(t *testing.T) {
	s := style()
	c := NewCatalog(s, 1, []Custom{{Name: "none", Title: "None", Match: event.NewMatcher(event.Match{}, event.Dialect{})}})
	for _, f := range c.Touched(unknown) {
		if len(f.Entries) != 0 || f.Total != 0 {
			t.Errorf("%s: %d entries", f.Path, len(f.Entries))
		}
		obey(t, f)
		if !bytes.Contains(render(t, f, JSON), []byte(`"items":[]`)) {
			t.Errorf("%s: %s", f.Path, render(t, f, JSON))
		}
	}
}

// Another program reads what was written.
func TestReadBack(t *testing.T) {
	s := style()
	f := feedsOf(s, sample(t, s, golden(t))...)["all"]
	for _, format := range formats {
		got, err := gofeed.NewParser().ParseString(string(render(t, f, format)))
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if got.Title != f.Title || got.FeedLink != f.URL(format) || got.Link != f.Page || got.Language != "en" || len(got.Items) != len(f.Entries) {
			t.Errorf("%s: the feed reads as %q, %s, %s, %q, %d items", format, got.Title, got.FeedLink, got.Link, got.Language, len(got.Items))
		}
		for i, item := range got.Items {
			n := f.Entries[i]
			if item.GUID != n.ID || item.Link != n.URL() || item.Title != n.Event.Title || item.Content != saying(t, n.HTML) {
				t.Errorf("%s: item %d reads as %s, %s, %q\n%s", format, i, item.GUID, item.Link, item.Title, item.Content)
			}
			if item.PublishedParsed == nil || !item.PublishedParsed.Equal(n.Published) {
				t.Errorf("%s: %s was published %v, want %v", format, n.ID, item.PublishedParsed, n.Published)
			}
			if format != RSS && (item.UpdatedParsed == nil || !item.UpdatedParsed.Equal(n.Updated)) {
				t.Errorf("%s: %s was updated %v, want %v", format, n.ID, item.UpdatedParsed, n.Updated)
			}
			for _, topic := range n.Topics {
				if want := map[Format]string{Atom: topic.Slug}[format]; !slices.Contains(item.Categories, topic.Name) && !slices.Contains(item.Categories, want) {
					t.Errorf("%s: %s has the categories %q, not %q", format, n.ID, item.Categories, topic.Name)
				}
			}
		}
	}
}

func TestContent(t *testing.T) {
	s := style()
	for _, tt := range []struct{ name, body, want string }{
		{"paragraphs", "One *two* **three**.\n\nFour `five`.", "<p>One <em>two</em> <strong>three</strong>.</p>\n<p>Four <code>five</code>.</p>\n"},
		{"a relative link", "[x](y/z.md?a=b#c)", `<p><a href="https://example.org/events/dir/a/y/z.md?a=b#c">x</a></p>` + "\n"},
		{"a link up", "[x](../b/)", `<p><a href="https://example.org/events/dir/b/">x</a></p>` + "\n"},
		{"a link from the root", "[x](/tags/)", `<p><a href="https://example.org/tags/">x</a></p>` + "\n"},
		{"a link within the page", "[x](#y)", `<p><a href="https://example.org/events/dir/a/#y">x</a></p>` + "\n"},
		{"a link without a scheme", "[x](//example.com/y)", `<p><a href="https://example.com/y">x</a></p>` + "\n"},
		{"a link by reference", "[x]\n\n[x]: y", `<p><a href="https://example.org/events/dir/a/y">x</a></p>` + "\n"},
		{"a bare address", "https://example.com/?a=b&c=d", `<p><a href="https://example.com/?a=b&amp;c=d">https://example.com/?a=b&amp;c=d</a></p>` + "\n"},
		{"an image", "![i](i.png)", `<p><img src="https://example.org/events/dir/a/i.png" alt="i"></p>` + "\n"},
		{"a script's link", "[x](javascript:alert(1)) [y](JaVaScRiPt:alert(1)) [z](vbscript:x)", "<p>x y z</p>\n"},
		{"an address that is none", "[x](http://[::1/) [y](http://%zz/) [z](:)", `<p>x <a href="http://%25zz/">y</a> z</p>` + "\n"},
		{"a script", "a <script>alert(1)</script> b", "<p>a  b</p>\n"},
		{"characters that XML does not allow", "a&#11;b&#1;c&#xFFFE;d&#xFFFF;e&#x1F;f&#10;g&#9;h", "<p>abcdef\ng\th</p>\n"},
		{"other references", "&#0; &#xD800; &amp; &lt; &copy; &#x1F600;", "<p>\ufffd \ufffd &amp; &lt; © 😀</p>\n"},
		{"the end of CDATA", "a ]]> b `]]>`", "<p>a ]]&gt; b <code>]]&gt;</code></p>\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := s.entry(an("dir/a", "A", body(tt.body)), 1)
			_, got, _ := strings.Cut(saying(t, n.HTML), "</p>\n") // the facts
			if got != tt.want {
				t.Errorf("%q becomes\n%s\nwant\n%s", tt.body, got, tt.want)
			}
			obey(t, feedsOf(s, n)["all"])
		})
	}
	facts := an("a", "A", body(""), func(e *event.Event) {
		e.Location, e.Importance, e.Status = "<here>", 7, "a & b"
		e.Sources = []event.Source{{Title: "<T>", URL: "https://example.com/?a&b"}, {URL: "https://example.com/"}, {Title: "N", Note: "<AP>"}}
	})
	want := `<p><strong>2025-01-28 · &lt;here&gt; · importance 7/10 · a &amp; b</strong></p>
<p>Sources:</p>
<ol>
<li><a href="https://example.com/?a&amp;b">&lt;T&gt;</a></li>
<li><a href="https://example.com/">https://example.com/</a></li>
<li>N (&lt;AP&gt;)</li>
</ol>
`
	if got := saying(t, s.entry(facts, 1).HTML); got != want {
		t.Errorf("content:\n%s\nwant\n%s", got, want)
	}
	if got := saying(t, s.entry(facts, 1).Summary); got != "2025-01-28 · <here> · importance 7/10 · a & b" {
		t.Errorf("the summary of an event without a body: %q", got)
	}
}

// A body that would cost out of proportion to its length is shown as it stands.
func TestCostlyBodies(t *testing.T) {
	s := style()
	for _, tt := range []struct {
		name, body string
		costly     bool // to read
		plain      bool
	}{
		{"a table that fills itself up", "|" + strings.Repeat("a|", 2000) + "\n|" + strings.Repeat("-|", 2000) + "\n" + strings.Repeat("|\n", 2000), true, true},
		{"a large table", "|a|b|c|\n|-|-|-|\n" + strings.Repeat("|1|2|3|\n", 2000), false, false},
		{"links without end", strings.Repeat("[a](", 50_000), true, true},
		{"many links", strings.Repeat("[a](b) ", 4000), false, false},
		{"nested quotes", "a\n\n" + strings.Repeat(">", 20_000), true, true},
		{"nested lists", strings.Repeat("1. - ", 10_000), true, true},
		{"a long rule", strings.Repeat("-", 400), false, false},
		{"a long line", strings.Repeat("word ", 10_000), false, false},
		{"a long address, often", strings.Repeat("[k]", 5000) + "\n\n[k]: /" + strings.Repeat("x", 10_000), false, true},
		{"escapes", strings.Repeat("<", 600_000), false, true},
	} {
		n := s.entry(an("a", "A", body(tt.body)), 1)
		_, got, _ := strings.Cut(saying(t, n.HTML), "</p>\n") // the facts
		if costly(tt.body) != tt.costly {
			t.Errorf("%s: costly is %v", tt.name, !tt.costly)
		}
		if plain := strings.HasPrefix(got, "<pre>"); plain != tt.plain {
			t.Errorf("%s: %d bytes that begin with %.60s", tt.name, len(got), got)
		}
		if len(tt.body) < 50_000 {
			obey(t, feedsOf(s, n)["all"])
		}
	}
}

func TestAddresses(t *testing.T) {
	s := style()
	seen := make(map[string]string)
	for _, id := range []string{"a", "2025/a", "a b", "ü", "a?b#c", "..", "../..", ".", "/a", "a/", "a//b", "%2E%2E", "a%2fb", `a\b`, "a;b"} {
		page := s.EventPage(id)
		u, err := url.Parse(page)
		if err != nil || u.Host != "example.org" || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("the page of %q: %s, %v", id, page, err)
		}
		if clean := u.JoinPath("x").JoinPath("..").String(); !strings.HasPrefix(u.ResolveReference(&url.URL{Path: "."}).Path, "/events/") || strings.Contains(page[8:], "//") {
			t.Errorf("the page of %q leads elsewhere: %s, %s", id, page, clean)
		}
		if other, ok := seen[page]; ok {
			t.Errorf("%q and %q have one page: %s", id, other, page)
		}
		seen[page] = id
	}
	s.EventURL = "https://example.net/{id}/x/{id}"
	if got := s.EventPage("2025/ü"); got != "https://example.net/2025/%C3%BC/x/2025/%C3%BC" {
		t.Errorf("the page is %s", got)
	}
	f := &Feed{Path: "tags/日本", style: s}
	if got := f.URL(RSS); got != "https://example.org/feeds/tags/%E6%97%A5%E6%9C%AC.rss" {
		t.Errorf("the feed's address is %s", got)
	}
	if got := File(f.Path, RSS); got != "feeds/tags/日本.rss" {
		t.Errorf("the feed's file is %s", got)
	}
	if got := f.ID(); !tagURI.MatchString(got) {
		t.Errorf("the feed's id is %s", got)
	}
	for _, tt := range []struct {
		in, path string
		format   Format
		ok       bool
	}{
		{"all.atom", "all", Atom, true}, {"tags/a.b.json", "tags/a.b", JSON, true}, {"x/y.rss", "x/y", RSS, true},
		{"all", "", "", false}, {".atom", "", "", false}, {"all.xml", "", "", false}, {"", "", "", false}, {"all.", "", "", false},
	} {
		if path, format, ok := ParsePath(tt.in); path != tt.path || format != tt.format || ok != tt.ok {
			t.Errorf("ParsePath(%q) = %q, %q, %v", tt.in, path, format, ok)
		}
	}
}

func TestFormats(t *testing.T) {
	for format, want := range map[Format][2]string{
		Atom: {"application/atom+xml; charset=utf-8", "Atom"},
		RSS:  {"application/rss+xml; charset=utf-8", "RSS"},
		JSON: {"application/feed+json", "JSON Feed"},
	} {
		if format.MediaType() != want[0] || format.Name() != want[1] {
			t.Errorf("%s: %s, %s", format, format.MediaType(), format.Name())
		}
	}
	if _, err := feedsOf(style())["all"].Render("xml"); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("an unknown format: %v", err)
	}
}

// bytesOf is a feed in all formats.
func bytesOf(t testing.TB, f *Feed) string {
	var all []string
	for _, format := range formats {
		all = append(all, string(render(t, f, format)))
	}
	return strings.Join(all, "\x00")
}

// TestDigest edits at random: a digest stands for its bytes, and bytes for
// their digest.
func TestDigest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 3))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	digests, contents := make(map[string]string), make(map[string]string)
	edits := []func(s *Style, e *event.Event, n *Entry){
		func(s *Style, _ *event.Event, _ *Entry) { s.Title = pick("A", "B") },
		func(s *Style, _ *event.Event, _ *Entry) { s.URL = pick("https://a.example", "https://b.example") },
		func(s *Style, _ *event.Event, _ *Entry) { s.Authority = pick("a.example,2025", "b.example,2025") },
		func(s *Style, _ *event.Event, _ *Entry) { s.Language = pick("de", "fr") },
		func(s *Style, _ *event.Event, _ *Entry) { s.Author.Name = pick("A", "B") },
		func(s *Style, _ *event.Event, _ *Entry) { s.Author.Email = pick("a@example.org", "") },
		func(s *Style, _ *event.Event, _ *Entry) { s.Author.URL = pick("https://a.example/a", "") },
		func(s *Style, _ *event.Event, _ *Entry) { s.EventURL = pick("https://c.example/{id}", "") },
		func(s *Style, _ *event.Event, _ *Entry) { s.Hub = pick("https://hub.example/", "") },
		func(s *Style, _ *event.Event, _ *Entry) { s.Version = pick("1", "2") },
		func(s *Style, _ *event.Event, _ *Entry) { s.Content = Summary },
		func(s *Style, _ *event.Event, _ *Entry) { s.MaxEntries, s.Window = 1, 0 },
		func(_ *Style, e *event.Event, _ *Entry) { e.ID = pick("x", "y") },
		func(_ *Style, e *event.Event, _ *Entry) { e.Path = pick("x.md", "y.md") },
		func(_ *Style, e *event.Event, _ *Entry) { e.Title = pick("X", "Y") },
		func(_ *Style, e *event.Event, _ *Entry) {
			on(pick("2025-01-01", "2025-01-01T00:00:00Z", "1142-04-04"))(e)
		},
		func(_ *Style, e *event.Event, _ *Entry) { e.Importance = rnd.IntN(3) },
		func(_ *Style, e *event.Event, _ *Entry) { e.Status = pick("x", "y", "") },
		func(_ *Style, e *event.Event, _ *Entry) { e.Location = pick("x", "y", "") },
		func(_ *Style, e *event.Event, _ *Entry) { e.Tags = []string{pick("x", "y", "X"), "z"} },
		func(_ *Style, e *event.Event, _ *Entry) { e.Actors = []string{"z", pick("x", "y", "X")} },
		func(_ *Style, e *event.Event, _ *Entry) {
			e.Sources = []event.Source{{Title: pick("x", "y"), URL: pick("https://x.example/", ""), Note: pick("x", "")}}
		},
		func(_ *Style, e *event.Event, _ *Entry) {
			e.Body = strings.Repeat("One sentence. ", 50) + pick("x", "y")
		},
		func(_ *Style, e *event.Event, _ *Entry) {
			e.LastUpdated, e.Published = event.At(day(rnd.IntN(3))), event.At(day(rnd.IntN(3)))
		},
		func(_ *Style, _ *event.Event, n *Entry) { n.ID = "tag:example.org,2025:" + pick("x", "y") },
		func(_ *Style, _ *event.Event, n *Entry) { n.Published = day(rnd.IntN(3)) },
		func(_ *Style, _ *event.Event, n *Entry) { n.Updated = day(20 + rnd.IntN(3)) },
		func(_ *Style, _ *event.Event, n *Entry) { n.Topics = []*Topic{{Slug: pick("s", "t")}} },
	}
	for range 800 {
		s, e, n := style(), *an("e", "E", tags("z")), Entry{Record: &timeline.Record{ID: "tag:example.org,2025:e", Published: day(9), Updated: day(10)}}
		for range rnd.IntN(3) {
			edits[rnd.IntN(len(edits))](s, &e, &n)
		}
		e.Seal()
		slug := func(topic timeline.Topic) string {
			if len(n.Topics) > 0 {
				return n.Topics[0].Slug + topic.Key
			}
			return slugOf(topic)
		}
		feeds := feedsOf(s, s.NewEntry(&timeline.Record{ID: n.ID, Event: &e, Published: n.Published, Updated: n.Updated}, slug), s.entry(an("other", "Other"), 15))
		for _, f := range feeds {
			b := bytesOf(t, f)
			if was, ok := digests[f.Digest]; ok && was != b {
				t.Fatalf("%s: one digest, two contents:\n%s", f.Path, difference(was, b))
			}
			if was, ok := contents[b]; ok && was != f.Digest && len(f.Entries) > 0 {
				t.Fatalf("%s: two digests of\n%s", f.Path, b)
			}
			digests[f.Digest], contents[b] = b, f.Digest
		}
	}
	if len(digests) < 100 {
		t.Errorf("only %d different feeds", len(digests))
	}
}

func TestSameBytesInAnyOrder(t *testing.T) {
	want := make(map[string]string)
	for round := range 5 {
		s := style()
		entries := sample(t, s, golden(t))
		for i := range 20 {
			entries = append(entries, s.entry(an(fmt.Sprint("e", i), fmt.Sprint("E", i), tags("courts", fmt.Sprint("t", i%3))), 40+i/4))
		}
		rand.New(rand.NewPCG(uint64(round), 4)).Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		c := NewCatalog(s, 1, nil)
		half := len(entries) / 2
		c.Fill(entries[:half], nil)
		for _, n := range entries[half:] {
			c.Replace(nil, one(n))
		}
		for _, f := range c.Touched(unknown) {
			got := f.Digest + bytesOf(t, f)
			if round == 0 {
				want[f.Path] = got
			}
			if got != want[f.Path] {
				t.Errorf("%s differs in round %d: %s", f.Path, round, difference(want[f.Path], got))
			}
		}
	}
}

// An entry stands in many feeds and is encoded for the first of them.
func TestEncodedOnce(t *testing.T) {
	s := style()
	n := s.entry(an("a", "A", tags("x", "y")), 1)
	feeds := feedsOf(s, n)
	for _, format := range formats {
		var first []byte
		for _, path := range slices.Sorted(maps.Keys(feeds)) {
			if path == CorrectionsPath {
				continue // there are none
			}
			b := render(t, feeds[path], format)
			p, err := feeds[path].Entries[0].encoded(format)
			encoded := p.bytes
			if err != nil || len(encoded) == 0 {
				t.Fatalf("%s: %q, %v", path, encoded, err)
			}
			if first == nil {
				first = encoded
			}
			if &encoded[0] != &first[0] {
				t.Errorf("%s.%s: encoded again", path, format)
			}
			if !bytes.Contains(b, first) {
				t.Errorf("%s.%s does not hold the entry's bytes", path, format)
			}
		}
	}
}

// What is kept of rendered entries is bounded, and what is not kept is made again.
func TestKeep(t *testing.T) {
	s, other := style(), style()
	s.keep = 10_000
	feeds := feedsOf(s, sample(t, s, golden(t))...)
	for _, path := range slices.Sorted(maps.Keys(feeds)) { // first one with entries
		f := feeds[path]
		for _, format := range formats {
			want := render(t, feedsOf(other, sample(t, other, golden(t))...)[path], format)
			if got := render(t, f, format); !bytes.Equal(got, want) {
				t.Errorf("%s.%s: %s", path, format, difference(string(want), string(got)))
			}
			if r := &s.rendered; r.bytes > s.keep || r.bytes < s.keep/2 && path == AllPath || r.lru.Len() == 0 {
				t.Errorf("%d bytes of %d entries are kept, at most %d", r.bytes, r.lru.Len(), s.keep)
			}
		}
	}
}

// While somebody holds, each piece is made once, is read from where it was put, and is as
// it was; then all of that is forgotten.
func TestHold(t *testing.T) {
	s, other := style(), style()
	s.keep = 1 // nearly nothing stays in memory
	var away []byte
	s.Spill = func(b []byte) (io.ReaderAt, int64, error) {
		at := int64(len(away))
		away = append(away, b...)
		return readAt(func(b []byte, from int64) (int, error) { return bytes.NewReader(away).ReadAt(b, from) }), at, nil
	}
	feeds := feedsOf(s, sample(t, s, golden(t))...)
	want := feedsOf(other, sample(t, other, golden(t))...)
	compare := func() {
		t.Helper()
		for path, f := range feeds {
			for _, format := range formats {
				if got, want := render(t, f, format), render(t, want[path], format); !bytes.Equal(got, want) {
					t.Errorf("%s.%s: %s", path, format, difference(string(want), string(got)))
				}
			}
		}
	}
	defer s.Hold(manyFeeds - 1)()
	compare()
	if len(away) > 0 {
		t.Fatal("something was put away while nobody held for many feeds")
	}
	release, also := s.Hold(manyFeeds), s.Hold(manyFeeds)
	compare()
	all := len(away)
	if all == 0 {
		t.Fatal("nothing was put away")
	}
	release()
	release() // again is once
	compare()
	if len(away) != all {
		t.Errorf("%d bytes were made again", len(away)-all)
	}
	also()
	if s.rendered.away != nil {
		t.Error("what was put away is still known")
	}
	compare()
	if len(away) != all {
		t.Error("something was put away behind the end")
	}

	// What cannot be put away is made again; what cannot be read is an error.
	defer s.Hold(manyFeeds)()
	works := s.Spill
	s.Spill = func([]byte) (io.ReaderAt, int64, error) { return nil, 0, errors.New("full") }
	compare()
	s.Spill = works
	compare()
	away = nil
	if _, err := feeds[AllPath].Render(Atom); err == nil {
		t.Error("a feed was made of what cannot be read")
	}
}

type readAt func(b []byte, from int64) (int, error)

func (f readAt) ReadAt(b []byte, from int64) (int, error) { return f(b, from) }

func TestRenderAtOnce(t *testing.T) {
	s := style()
	feeds := feedsOf(s, sample(t, s, golden(t))...)
	other := style()
	want := feedsOf(other, sample(t, other, golden(t))...)
	var wg sync.WaitGroup
	for path, f := range feeds {
		for _, format := range formats {
			wg.Go(func() {
				if b, err := f.Render(format); err != nil || !bytes.Equal(b, render(t, want[path], format)) {
					t.Errorf("%s.%s differs, %v", path, format, err)
				}
			})
		}
	}
	wg.Wait()
}

func TestOPML(t *testing.T) {
	s := style()
	c := NewCatalog(s, 1, []Custom{{Name: "own", Title: "Own <&>", Match: event.NewMatcher(event.Match{}, event.Dialect{})}})
	e := an("a", "A", tags("x", "y"), func(e *event.Event) { e.Actors = []string{`"Jane"`} })
	c.Fill([]*Entry{s.entry(e, 1)}, nil)
	b := OPML(s, c.Touched(unknown), RSS)
	wellFormed(t, b)
	var doc struct {
		Title    string `xml:"head>title"`
		Outlines []struct {
			Text     string `xml:"text,attr"`
			XMLURL   string `xml:"xmlUrl,attr"`
			Outlines []struct {
				Text   string `xml:"text,attr"`
				Type   string `xml:"type,attr"`
				XMLURL string `xml:"xmlUrl,attr"`
				HTML   string `xml:"htmlUrl,attr"`
			} `xml:"outline"`
		} `xml:"body>outline"`
	}
	if err := xml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(doc)
	want := "{Public record [{Public record https://example.org/feeds/all.rss []} {Corrections – Public record https://example.org/feeds/corrections.rss []} {Own <&> https://example.org/feeds/custom/own.rss []} " +
		"{Tags  [{x – Public record rss https://example.org/feeds/tags/x.rss https://example.org/tags/x/} {y – Public record rss https://example.org/feeds/tags/y.rss https://example.org/tags/y/}]} " +
		"{Actors  [{\"Jane\" – Public record rss https://example.org/feeds/actors/jane.rss https://example.org/actors/jane/}]}]}"
	if got != want {
		t.Errorf("OPML:\n%s\nwant\n%s", got, want)
	}
}

// saying is what an entry has to say.
func saying(t *testing.T, of func() (string, error)) string {
	t.Helper()
	s, err := of()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gone is where a text cannot be read any more.
type gone struct{}

func (gone) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk failed") }

// What cannot be read is no empty entry.
func TestUnreadableText(t *testing.T) {
	s := style()
	e := an("a", "A", tags("x"), body("Text."))
	n := s.entry(e.Light(gone{}, 0, 10), 1)
	for path, f := range feedsOf(s, n) {
		for _, format := range formats {
			if b, err := f.Render(format); path != CorrectionsPath && (err == nil || !strings.Contains(err.Error(), "the disk failed")) {
				t.Errorf("%s.%s is %q, %v", path, format, b, err)
			}
		}
	}
	for name, made := range map[string]func() (string, error){"summary": n.Summary, "HTML": n.HTML, "body": n.BodyHTML} {
		if text, err := made(); err == nil {
			t.Errorf("%s: %q", name, text)
		}
	}
}
