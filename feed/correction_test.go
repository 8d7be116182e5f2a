package feed

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// corrected is the correction of an event's title, told n days in.
func corrected(s *Style, n int, id string, crowd bool, e, before *event.Event) *Entry {
	c := Correction{Past: timeline.Past{At: day(n), Kind: timeline.Withdrawn}, Before: before, Crowd: crowd}
	if before != nil {
		c.Kind, c.Edits = timeline.Updated, []timeline.Edit{{Field: event.Title, Before: before.Title, After: e.Title}, {Field: event.Body}}
	}
	return s.NewCorrection("tag:example.org,2025:correction/"+id, e, c, day(n).Add(time.Duration(len(id))*time.Millisecond), slugOf)
}

// homesOf are those of the feeds that an entry stands in.
func homesOf(feeds []*Feed, n *Entry) string {
	var all []string
	for _, f := range feeds {
		if slices.Contains(f.Entries, n) {
			all = append(all, f.Path)
		}
	}
	return strings.Join(all, " ")
}

// A correction stands where the event does, and where it did before the change.
func TestCorrectionHomes(t *testing.T) {
	s := style()
	custom := []Custom{{Name: "x", Title: "X", Match: event.NewMatcher(event.Match{Tags: []string{"x"}}, event.Dialect{})}}
	c := NewCatalog(s, 1, custom)
	before, after := an("a", "Before", tags("x", "y")), an("a", "After", tags("y", "z"))
	c.Replace(nil, one(s.entry(after, 2)))
	n := corrected(s, 2, "a", false, after, before)
	c.Replace(nil, one(n))
	feeds := c.Touched(everything)
	if got := homesOf(feeds, n); got != "all corrections custom/x tags/x tags/y tags/z" {
		t.Errorf("it stands in %s", got)
	}
	for _, f := range feeds {
		want := 1
		switch f.Path {
		case "corrections", "custom/x", "tags/x": // no event is there any more
			want = 0
		}
		if f.Total != want || f.Empty() != (f.Path == "tags/x") {
			t.Errorf("%s has %d events, empty %v", f.Path, f.Total, f.Empty())
		}
		if f.Entries[0] != n || !f.Updated.Equal(n.Updated) {
			t.Errorf("%s begins with %s and is of %v", f.Path, f.Entries[0].Title(), f.Updated)
		}
	}
}

func TestCorrectionSays(t *testing.T) {
	s := style()
	e := an("a", "After <b>", tags("x"))
	for _, tt := range []struct {
		n              *Entry
		title, summary string
		html           []string
	}{
		{corrected(s, 2, "a", false, e, an("a", "Before & so", tags("x"))),
			"Correction: After <b>", "The title was “Before & so” and is now “After <b>”. The text was changed.",
			[]string{`<a href="https://example.org/events/a/">After &lt;b&gt;</a>`, "The title was “Before &amp; so” and is now “After &lt;b&gt;”."}},
		{corrected(s, 2, "a", false, e, nil),
			"Withdrawn: After <b>", "This event was withdrawn on " + day(2).Format(time.DateOnly) + ".", []string{`<a href="https://example.org/events/a/">`}},
	} {
		if tt.n.Title() != tt.title || saying(t, tt.n.Summary) != tt.summary {
			t.Errorf("%q: %q", tt.n.Title(), saying(t, tt.n.Summary))
		}
		for _, part := range tt.html {
			if !strings.Contains(saying(t, tt.n.HTML), part) {
				t.Errorf("%s: no %s in\n%s", tt.title, part, saying(t, tt.n.HTML))
			}
		}
		if !strings.HasPrefix(saying(t, tt.n.HTML), "<p><strong>"+e.Date.String()) {
			t.Errorf("%s begins with\n%s", tt.title, saying(t, tt.n.HTML))
		}
	}
	for _, tt := range []struct {
		edit timeline.Edit
		want string
	}{
		{timeline.Edit{Field: event.Status, After: "disputed"}, "The status is now “disputed”; there was none."},
		{timeline.Edit{Field: event.Location, Before: "Rome"}, "The location “Rome” was removed."},
		{timeline.Edit{Field: event.Tags, Before: "a", After: "a, b"}, "The tags were “a” and are now “a, b”."},
	} {
		if got := Sentence(tt.edit); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// More than a few corrections of one turn are one entry in each feed, at the place
// of the newest; a single one of them in a feed is itself.
func TestCrowdOfCorrections(t *testing.T) {
	s := style()
	c := NewCatalog(s, 1, nil)
	var all []*Entry
	for i := range 12 {
		e := an(fmt.Sprint("e", i), "E", tags("x"))
		if i == 3 {
			e.Tags = append(e.Tags, "y")
		}
		c.Replace(nil, one(s.entry(e, 1)))
		n := corrected(s, 2, strings.Repeat("c", i+1), true, e, nil)
		if i%2 == 1 {
			n = corrected(s, 2, strings.Repeat("c", i+1), true, e, an(e.ID, "Old", tags("x")))
		}
		all = append(all, n)
		c.Replace(nil, one(n))
	}
	other := corrected(s, 3, "other", true, an("o", "O", tags("x")), nil) // of another turn
	c.Replace(nil, one(other))
	feeds := make(map[string]*Feed)
	for _, f := range c.Touched(everything) {
		feeds[f.Path] = f
	}
	for _, path := range []string{"all", "tags/x", "corrections"} {
		f := feeds[path]
		one := f.Entries[1]
		if f.Entries[0] != other || one.Correction == nil || len(one.Correction.Of) != 12 || one.Correction.Of[0] != all[11] || !one.Updated.Equal(all[11].Updated) {
			t.Fatalf("%s: %s, %s", path, f.Entries[0].Title(), one.Title())
		}
		if one.Title() != "6 events corrected, 6 events withdrawn" || strings.Count(saying(t, one.HTML), "<a href=") != 12 {
			t.Errorf("%s: %s\n%s", path, one.Title(), saying(t, one.HTML))
		}
		if want := "tag:example.org,2025:corrections/" + day(2).Format("20060102T150405.000Z") + "/" + path; one.ID != want {
			t.Errorf("%s: %s, want %s", path, one.ID, want)
		}
	}
	if y := feeds["tags/y"]; y.Entries[0] != all[3] {
		t.Errorf("tags/y: %s", y.Entries[0].Title())
	}
	if got := len(feeds["all"].Entries); got != 12+2 {
		t.Errorf("%d entries", got)
	}
	for _, f := range feeds {
		for _, format := range formats {
			if _, err := f.Render(format); err != nil {
				t.Error(err)
			}
		}
	}
}

// Archives and the current document hold all there is, each entry of an archive
// once, and a change elsewhere leaves an archive as it is.
func TestArchives(t *testing.T) {
	s := style()
	s.MaxEntries, s.Window = 5, 0
	c := NewCatalog(s, 1, nil)
	var entries []*Entry
	for i := range 400 {
		e := an(fmt.Sprint("e", i), fmt.Sprint("Event ", i), tags("x"))
		e.Body = strings.Repeat("Some words. ", 500)
		n := s.NewEntry(&timeline.Record{ID: "tag:example.org,2025:" + e.ID, Event: e, Published: day(i % 97), Updated: day(i)}, slugOf)
		entries = append(entries, n)
		c.Replace(nil, one(n))
	}
	at := func() *Feed {
		for _, f := range c.Touched(everything) {
			if f.Path == "tags/x" {
				return f
			}
		}
		t.Fatal("no feed")
		return nil
	}
	render := func(f *Feed) map[string]string {
		all := make(map[string]string)
		for _, a := range f.Archives() {
			for _, format := range formats {
				b, err := a.Render(format)
				if err != nil {
					t.Fatal(err)
				}
				all[a.URL(format)] = string(b)
			}
		}
		return all
	}
	f := at()
	before := render(f)
	if len(f.Entries) != 5 || len(before) < 3*5 {
		t.Fatalf("%d entries, %d archives", len(f.Entries), len(before)/3)
	}

	// The chain, from the current document back, holds every entry once.
	seen := make(map[*Entry]int)
	for doc := f; ; {
		for _, format := range formats {
			b, err := doc.Render(format)
			if err != nil {
				t.Fatal(err)
			}
			prev := doc.previous()
			if has := bytes.Contains(b, []byte(f.url(prev, format))); prev != "" && !has {
				t.Errorf("%s does not lead to %s", doc.URL(format), prev)
			}
			if format != JSON && bytes.Contains(b, []byte("<fh:archive>")) != (doc != f) {
				t.Errorf("%s is marked wrongly", doc.URL(format))
			}
		}
		if doc.previous() == "" {
			break
		}
		doc = f.Archive(doc.previous())
		for _, n := range doc.Entries {
			seen[n]++
		}
	}
	for _, n := range entries {
		if seen[n] != 1 {
			t.Errorf("%s is %d times in the archives", n.ID, seen[n])
		}
	}

	changed := func(what string, most int) {
		t.Helper()
		after := render(at())
		differ := 0
		for url, b := range before {
			if after[url] != b {
				differ++
			}
		}
		if differ == 0 || differ > most*len(formats) {
			t.Errorf("%s: %d documents differ", what, differ)
		}
		before = after
	}
	old := entries[200]
	e := *old.Event
	e.Location = "Elsewhere"
	e.Seal()
	edited := s.NewEntry(&timeline.Record{ID: old.ID, Event: &e, Published: old.Published, Updated: old.Updated}, slugOf)
	c.Replace(one(old), one(edited))
	changed("an edit", 1)
	quiet := slices.IndexFunc(entries, func(n *Entry) bool { return !n.ends() && n != old })
	c.Replace(one(entries[quiet]), nil)
	changed("a withdrawal", 1)
	bound := slices.IndexFunc(entries, (*Entry).ends)
	c.Replace(one(entries[bound]), nil)
	changed("a withdrawal at a bound", 3) // two become one, and the next leads to it
	last := an("last", "Last", tags("x"))
	c.Replace(nil, one(s.NewEntry(&timeline.Record{ID: "tag:example.org,2025:last", Event: last, Published: day(500), Updated: day(500)}, slugOf)))
	changed("a new event", 1)

	if f.Archive("nothing") != nil || f.Archive("") != nil {
		t.Error("there is an archive of no name")
	}
	s.MaxEntries = 1000
	c.Replace(one(edited), nil)
	if f := at(); f.previous() != "" || len(f.Archives()) != 0 {
		t.Error("a feed that shows everything has archives")
	}
}

// Without archives a feed shows what it shows, and leads to nothing else.
func TestNoArchives(t *testing.T) {
	s := style()
	s.MaxEntries, s.Window = 2, 0
	var entries []*Entry
	for i := range 5 {
		entries = append(entries, s.entry(an(fmt.Sprint("e", i), "A", tags("x")), i))
	}
	for _, without := range []bool{false, true} {
		s.NoArchives = without
		f := feedsOf(s, entries...)["tags/x"]
		if len(f.Entries) != 2 || (len(f.Archives()) == 0) != without {
			t.Errorf("%v: %d entries, %d archives", without, len(f.Entries), len(f.Archives()))
		}
		for _, format := range formats {
			if b := render(t, f, format); bytes.Contains(b, []byte(archiveFolder)) == without {
				t.Errorf("%v: %s", without, b)
			}
		}
	}
}
