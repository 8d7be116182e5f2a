package web

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestPageBytes holds the bytes of every kind of page, of events that mean
// something to a browser wherever they can.
func TestPageBytes(t *testing.T) {
	const golden = "testdata/pages.txtar"
	s := newTestSite(t, "https://example.org/a%20b/timeline")
	s.style.Title = "Record & \"C++\" \u202e<b>"
	s.style.MaxEntries = 3
	names := "tags: ['C++ & <i>', Plain, \"it's \u202eturned\"]\nactors: ['../../x', '日本', Bob]\n"
	s.Update(s.set("2025/raid", "The raid", "tags: [Plain]\nactors: [Bob]", "Text.", at))
	s.Update(s.set("a b/ü?x=1#f'", evil+" +1", names+"importance: 8\nverification_status: <s>\nlocation: \"Here & 'there'\"\n"+
		"sources: [{title: '<x>', url: 'https://example.com/a b?q=\"+1\"'}, {title: bare}, {title: bad, url: 'javascript:alert(1)'}]",
		"# One\n\n|a|b|\n|-|-|\n|1|2|\n\n<script>alert(3)</script> [x](javascript:alert(4)) ![](/i.png)", at.Add(time.Hour)))
	s.Update(s.set("c", "Third", names+"importance: 10", "", at.Add(2*time.Hour)))
	// An event with a past, and what tells of it.
	past := timeline.Past{Kind: timeline.Updated, At: at.Add(3 * time.Hour), Edits: []timeline.Edit{
		{Field: event.Title, Before: "<Old>", After: "Fourth"}, {Field: event.Importance, After: "4"}, {Field: event.Body}}}
	n := s.setOnly("d", "Fourth", names+"importance: 4\nlocation: There", "Text.", at.Add(3*time.Hour)).Events[0]
	withPast := s.style.NewEntry(&timeline.Record{ID: n.ID, Event: n.Event, Published: at, Updated: n.Updated, History: []timeline.Past{past, {Kind: timeline.Withdrawn, At: past.At}}},
		func(t timeline.Topic) string { return event.Slug(t.Key) })
	told := s.style.NewCorrection("tag:example.org,2025:d/1", n.Event, feed.Correction{Past: past}, past.At, func(t timeline.Topic) string { return event.Slug(t.Key) })
	s.catalog.Replace([]*feed.Entry{n}, []*feed.Entry{withPast, told})
	s.entries["d"] = withPast
	s.Update(Update{Events: []*feed.Entry{withPast}, Feeds: s.touched(past.At)})
	s.Update(Update{Withdrawn: []string{"gone"}})

	var all txtar.Archive
	for _, path := range []string{"", "tags/", "actors/", "find/", "find/?q=plain", "find/?q=%3Cnone%3E", "build/", "build/?tag=plain&from=2020-01-01", "build/?status=%3Cs%3E&tag=c", "build/?from=x",
		"404.html", "none/bob.atom", "events/gone/", "tags/plain/", "tags/c-i/", "actors/bob/", "actors/x/", "events/2025/raid/", "events/a%20b/%C3%BC%3Fx=1%23f'/", "events/d/",
		"feeds.opml", "tags/plain/feeds.opml", "events/d/feeds.opml", "sitemap.xml", "names.json"} {
		r := s.get("GET", "/"+path)
		all.Files = append(all.Files, txtar.File{Name: path + " " + r.Status, Data: []byte(text(t, r))})
	}
	got := txtar.Format(&all)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	before := txtar.Parse(want)
	for i, f := range txtar.Parse(got).Files {
		if i >= len(before.Files) || before.Files[i].Name != f.Name || !bytes.Equal(before.Files[i].Data, f.Data) {
			t.Errorf("%s is another; -update writes it anew, and git diff shows what changed:\n%s", f.Name, f.Data)
		}
	}
}
