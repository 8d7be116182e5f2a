package feed

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

func actors(a ...string) func(*event.Event) { return func(e *event.Event) { e.Actors = a } }
func importance(n int) func(*event.Event)   { return func(e *event.Event) { e.Importance = n } }

// everything takes all feeds for published.
func everything(string) bool { return true }

// paths are those of feeds, with their names and numbers of events.
func paths(feeds []*Feed) (all []string) {
	for _, f := range feeds {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %d %s", f.Path, f.Total, f.Name), " "))
	}
	return all
}

func same(t *testing.T, what string, got []*Feed, want ...string) {
	t.Helper()
	if got := paths(got); !slices.Equal(got, want) {
		t.Errorf("%s: the feeds %q, want %q", what, got, want)
	}
}

func entryIDs(entries []*Entry) (ids []string) {
	for _, n := range entries {
		ids = append(ids, n.Event.ID)
	}
	return ids
}

func TestOrder(t *testing.T) {
	s := style()
	entries := []*Entry{
		s.entry(an("old", "O", on("2025-05-05")), 1),
		s.entry(an("tie b", "T", on("2025-01-01")), 2),
		s.entry(an("tie a", "T", on("2025-01-01")), 2),
		s.entry(an("tie, earlier", "T", on("1142-04-04")), 2),
		s.entry(an("tie, later", "T", on("2025-01-02")), 2),
		s.entry(an("new", "N", on("1142-04-04")), 3),
	}
	want := []string{"new", "tie, later", "tie a", "tie b", "tie, earlier", "old"}
	for range 20 {
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		c, d := NewCatalog(s, 1, nil), NewCatalog(s, 1, nil)
		c.Fill(entries, nil)
		for _, n := range entries {
			d.Replace(nil, one(n))
		}
		for _, c := range []*Catalog{c, d} {
			f := c.Touched(unknown)[0]
			if got := entryIDs(f.Entries); !slices.Equal(got, want) || !f.Updated.Equal(day(3)) || c.Len() != 6 {
				t.Errorf("the order %q, want %q", got, want)
			}
		}
	}
}

func TestWindow(t *testing.T) {
	s := style()
	s.MaxEntries, s.Window = 3, 48*time.Hour
	of := func(size int, days ...int) (all []*Entry) {
		for i, d := range days {
			all = append(all, s.entry(an(fmt.Sprint("e", i), "E", body(strings.Repeat("word ", size/5))), d))
		}
		return all
	}
	for _, tt := range []struct {
		name string
		all  []*Entry
		want int
	}{
		{"none", nil, 0},
		{"fewer", of(10, 300, 200), 2},
		{"old ones fill up", of(10, 300, 200, 100, 50), 3},
		{"the window's end is in it", of(10, 300, 299, 299, 298, 298, 297), 5},
		{"a bulk import stays", of(10, slices.Repeat([]int{300}, 200)...), 200},
		{"but for what readers refuse", of(10_000, slices.Repeat([]int{300}, 200)...), 26},
		{"the newest stay even so", of(200_000, 300, 300, 300, 300, 300), 3},
		{"but not beyond all bounds", of(1_600_000, 300, 300, 300), 2},
		{"the newest alone always", of(5_000_000, 300), 1},
	} {
		if got := len(s.window(tt.all)); got != tt.want {
			t.Errorf("%s: %d entries, want %d", tt.name, got, tt.want)
		}
	}
}

// A feed stays as it was made, whatever becomes of its list.
func TestFeedOfListThatChanges(t *testing.T) {
	s := style()
	of := func(first, n int) (all []*Entry) {
		for i := range n {
			all = append(all, s.entry(an(fmt.Sprint("e", first+i), "E", tags("t")), 1+(first+i)%300))
		}
		return all
	}
	entries := of(0, 100)
	for name, change := range map[string]func(c *Catalog){
		"few leave":  func(c *Catalog) { c.Replace(entries[:3], nil) },
		"many leave": func(c *Catalog) { c.Replace(entries[:50], nil) },
		"few come":   func(c *Catalog) { c.Replace(nil, of(100, 3)) },
		"many come":  func(c *Catalog) { c.Replace(nil, of(100, 50)) },
		"others":     func(c *Catalog) { c.Replace(entries[:3], of(100, 3)) },
	} {
		c := NewCatalog(s, 1, nil)
		c.Replace(nil, entries)
		feeds := c.Touched(unknown)
		var before [][]*Entry
		for _, f := range feeds {
			before = append(before, slices.Clone(f.all), slices.Clone(f.Entries))
		}
		change(c)
		change(c) // on a list that is its own
		var after [][]*Entry
		for _, f := range feeds {
			after = append(after, f.all, f.Entries)
		}
		if !slices.EqualFunc(before, after, slices.Equal) {
			t.Errorf("%s: a feed that was made is another", name)
		}
	}
}

// prose is text as events have it, with its links and quotes.
func prose(rnd *rand.Rand, size int) string {
	words := []string{"the", "court", "agency's", "\"ordered\"", "**removed**", "records —", "[filing](https://example.com/filing?id=17)", "& others", "in\n", "2025.\n\n", "announced", "that", "it", "would"}
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(words[rnd.IntN(len(words))] + " ")
	}
	return b.String()
}

func TestSizes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 5))
	many := func(s *Style, size int) *Feed {
		var entries []*Entry
		for i := range 960 {
			e := an(fmt.Sprintf("2025/01/event-number-%d", i), "An event with a title of usual length, number "+fmt.Sprint(i), body(prose(rnd, size)),
				tags("courts", "public records", "agencies"), actors("The Court", "The Agency"), importance(7))
			for j := range 4 {
				e.Sources = append(e.Sources, event.Source{Title: fmt.Sprint("Report of the filing, part ", j), URL: fmt.Sprint("https://example.com/news/2025/01/report-", i, "-", j), Note: "Wire"})
			}
			e.Seal()
			entries = append(entries, s.entry(e, 0))
		}
		return feedsOf(s, entries...)["all"]
	}
	for _, size := range []int{100, 1000, 4000} {
		f := many(style(), size)
		if len(f.Entries) < 50 || len(f.Entries) == 960 || f.Total != 960 {
			t.Errorf("%d of 960 entries of %d bytes", len(f.Entries), size)
		}
		for _, format := range formats {
			if n := len(render(t, f, format)); n > 512*1024 || n < 100*1024 {
				t.Errorf("%d entries of %d bytes make %d bytes of %s", len(f.Entries), size, n, format)
			}
		}
	}
	s := style()
	s.MaxEntries = 1000
	f := many(s, 20_000)
	for _, format := range formats {
		if n := len(render(t, f, format)); n > 5_000_000 || n < 1_000_000 {
			t.Errorf("%d entries make %d bytes of %s", len(f.Entries), n, format)
		}
	}
}

// What grows most when it is encoded must not pass what readers take at all.
func TestHostileSizes(t *testing.T) {
	s := style()
	of := func(unit string, size, i int) *Entry {
		text := strings.Repeat(unit, size/len(unit)) + "\n\n[k]: /" + strings.Repeat("&", 200)
		return s.entry(an(fmt.Sprint(i), strings.Repeat(unit, 10), tags(unit), body(text)), i)
	}
	for _, unit := range []string{
		"<", `"`, "&", "* a\n", "*a* ", "a\n\n", "`<` ", "|a|b|\n|-|-|\n|\"|<|\n\n", "www.example.org ", ">>>a\n\n", "1.\n", "[k]\n\n", "[k](x)",
	} {
		n := of(unit, 10_000, 1)
		if exact := n.size(true); exact > int(n.most) {
			t.Errorf("an entry of %q takes %d bytes, at most %d", unit, exact, n.most)
		}
		for _, format := range formats {
			if p, err := n.encoded(format); err != nil || p.len() > int(n.most) {
				t.Errorf("an entry of %q takes %d bytes of %s, at most %d; %v", unit, p.len(), format, n.most, err)
			}
		}
	}
	var entries []*Entry
	for i := range 30 {
		entries = append(entries, of("a\n\n", 60_000, i))
	}
	f := feedsOf(s, entries...)["all"]
	for _, format := range formats {
		if n := len(render(t, f, format)); n > 5_000_000 || len(f.Entries) < 5 {
			t.Errorf("%d entries make %d bytes of %s", len(f.Entries), n, format)
		}
	}
}

func TestReplaceTouches(t *testing.T) {
	s := style()
	match := func(m event.Match) *event.Matcher { return event.NewMatcher(m, event.Dialect{}) }
	c := NewCatalog(s, 1, []Custom{
		{Name: "high", Title: "High", Match: match(event.Match{MinImportance: 8})},
		{Name: "courts", Title: "Courts", Match: match(event.Match{Tags: []string{"Courts"}})},
	})
	same(t, "an empty catalog", c.Touched(everything), "all 0", "corrections 0", "custom/courts 0", "custom/high 0")
	same(t, "touched twice", c.Touched(everything))

	a := s.entry(an("a", "A", tags("Courts", "x"), actors("x")), 1)
	c.Replace(nil, one(a))
	same(t, "a new entry", c.Touched(everything), "actors/x 1 x", "all 1", "custom/courts 1", "tags/courts 1 Courts", "tags/x 1 x")

	b := s.entry(an("b", "B", tags("y"), importance(9)), 2)
	c.Replace(nil, one(b))
	same(t, "another", c.Touched(everything), "all 2", "custom/high 1", "tags/y 1 y")

	a2 := s.entry(an("a", "A", tags("y", "z"), actors("x"), importance(8)), 3)
	c.Replace(one(a), one(a2))
	same(t, "an update", c.Touched(everything), "actors/x 1 x", "all 2", "custom/courts 0", "custom/high 2", "tags/courts 0 Courts", "tags/x 0 x", "tags/y 2 y", "tags/z 1 z")

	c.Replace(one(b), nil)
	same(t, "a withdrawal", c.Touched(everything), "all 1", "custom/high 1", "tags/y 1 y")
	if c.Len() != 1 {
		t.Errorf("%d events", c.Len())
	}

	c.Replace(one(b), nil) // which is gone
	c.Replace(nil, nil)
	same(t, "nothing", c.Touched(everything))
}

func TestMinEvents(t *testing.T) {
	s := style()
	c := NewCatalog(s, 2, []Custom{{Name: "own", Title: "Own", Match: event.NewMatcher(event.Match{MinImportance: 10}, event.Dialect{})}})
	published := make(map[string]bool)
	touched := func() []*Feed {
		feeds := c.Touched(func(path string) bool { return published[path] })
		for _, f := range feeds {
			published[f.Path] = true
		}
		return feeds
	}
	a, b := s.entry(an("a", "A", tags("x", "y")), 1), s.entry(an("b", "B", tags("x")), 2)
	c.Replace(nil, one(a))
	same(t, "one event", touched(), "all 1", "corrections 0", "custom/own 0")
	c.Replace(nil, one(b))
	same(t, "two events", touched(), "all 2", "tags/x 2 x")
	c.Replace(one(a), nil)
	same(t, "one again", touched(), "all 1", "tags/x 1 x")
	c.Replace(one(b), nil)
	same(t, "none", touched(), "all 0", "tags/x 0 x")

	// After a restart what was published stays, what was not does not come.
	c = NewCatalog(s, 2, nil)
	c.Fill(nil, map[string]string{"tags/x": "x", "all": "", "custom/own": "", "actors/z": "Z"})
	published["actors/z"] = true
	same(t, "after a restart", touched(), "actors/z 0 Z", "all 0", "corrections 0", "tags/x 0 x")
	c.Replace(nil, one(s.entry(an("c", "C", tags("X", "y")), 3)))
	same(t, "filled again", touched(), "all 1", "tags/x 1 X")
}

func TestNamesByMajority(t *testing.T) {
	s := style()
	c := NewCatalog(s, 1, nil)
	name := func(want string) {
		t.Helper()
		for _, f := range c.Touched(everything) {
			if f.Path == "tags/big-tech" {
				if f.Name != want || !strings.HasPrefix(f.Title, want+" – ") {
					t.Errorf("the feed is named %q, %q; want %q", f.Name, f.Title, want)
				}
				return
			}
		}
		t.Errorf("the feed of %s was not touched", want)
	}
	n := make(map[string]*Entry)
	for i, spelling := range []string{"big-tech", "Big Tech", "Big Tech", "BIG TECH", "BIG TECH"} {
		id := fmt.Sprint("e", i)
		n[id] = s.entry(an(id, id, tags(spelling)), i)
	}
	for _, step := range []struct{ add, remove, want string }{
		{"e0", "", "big-tech"},
		{"e1", "", "Big Tech"}, // a tie: the first in byte order
		{"e2", "", "Big Tech"},
		{"e3", "", "Big Tech"},
		{"e4", "", "BIG TECH"},
		{"", "e3", "Big Tech"},
		{"", "e1", "BIG TECH"},
		{"", "e4", "Big Tech"},
		{"", "e2", "big-tech"},
		{"", "e0", "big-tech"}, // it stays, without any event
		{"e4", "", "BIG TECH"},
	} {
		c.Replace(one(n[step.remove]), one(n[step.add]))
		name(step.want)
	}
}

// TestIncremental changes a catalog at random, turn by turn: what Touched gives
// must keep all feeds as a catalog has them that is filled from scratch.
func TestIncremental(t *testing.T) {
	custom := []Custom{
		{Name: "high", Title: "High", Match: event.NewMatcher(event.Match{MinImportance: 6}, event.Dialect{})},
		{Name: "mixed", Title: "Mixed", Match: event.NewMatcher(event.Match{AllTags: []string{"c"}, NotActors: []string{"jane"}}, event.Dialect{})},
	}
	topics := []string{"C", "c", "C++", "C#", "x y", "X-Y", "jane", "Jane"}
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		s := style()
		s.MaxEntries, s.Window = 5, 72*time.Hour
		least := 1 + int(seed%3)
		slugs := timeline.NewSlugs(nil)
		c := NewCatalog(s, least, custom)
		here := make(map[string]*Entry)
		var corrections []*Entry
		live := make(map[string]string)  // path to digest
		names := make(map[string]string) // path to name
		known := func(path string) bool { _, ok := names[path]; return ok }
		for turn := range 60 {
			fresh := func(id string) *Entry {
				if rnd.IntN(3) == 0 {
					return nil
				}
				some := func() (t []string) {
					for _, i := range rnd.Perm(len(topics))[:rnd.IntN(3)] {
						if !slices.ContainsFunc(t, func(o string) bool { return event.Key(o) == event.Key(topics[i]) }) {
							t = append(t, topics[i])
						}
					}
					return t
				}
				e := an(id, fmt.Sprint("T", rnd.IntN(3)), tags(some()...), actors(some()...), importance(rnd.IntN(11)), body(strings.Repeat("word ", 1+rnd.IntN(2)*12_000)))
				slugs.Give(timeline.Topics(e))
				return s.NewEntry(&timeline.Record{ID: "tag:example.org,2025:" + id, Event: e, Published: day(rnd.IntN(3)), Updated: day(turn/4 + rnd.IntN(2))}, slugs.Slug)
			}
			// One by one, or many at once, which may be told as one.
			together := 1
			if rnd.IntN(4) == 0 {
				together = 10 + rnd.IntN(20)
			}
			for range 1 + rnd.IntN(4) {
				var old, come []*Entry
				for _, i := range rnd.Perm(max(12, together))[:together] {
					id := fmt.Sprint("e", i)
					n := fresh(id)
					old, come = append(old, one(here[id])...), append(come, one(n)...)
					if n != nil && here[id] != nil && rnd.IntN(3) == 0 {
						tells := s.NewCorrection(fmt.Sprintf("%s/%d/%d", n.ID, turn, len(corrections)), n.Event, Correction{
							Past:   timeline.Past{Kind: timeline.Updated, At: day(turn), Edits: []timeline.Edit{{Field: event.Title, Before: "A", After: "B"}}},
							Before: here[id].Event, Crowd: together > 1,
						}, day(turn/4+rnd.IntN(2)), slugs.Slug)
						corrections, come = append(corrections, tells), append(come, tells)
					}
					if here[id] = n; n == nil {
						delete(here, id)
					}
				}
				c.Replace(old, come)
			}
			for _, f := range c.Touched(known) {
				live[f.Path], names[f.Path] = f.Digest+strings.Join(f.archives, " "), f.Name
			}

			for path, l := range c.lists {
				if told, _ := s.gather(path, l.all.entries); len(told) != len(l.shown().entries) {
					t.Fatalf("seed %d, turn %d: %s tells %d entries, from scratch %d", seed, turn, path, len(l.shown().entries), len(told))
				}
				if all := newBounds(l.shown().entries); l.bounded && (!slices.Equal(l.bounds.ends, all.ends) || l.bounds.newest != all.newest) {
					t.Fatalf("seed %d, turn %d: %s has the bounds %v, from scratch %v", seed, turn, path, l.bounds, all)
				}
			}
			scratch := NewCatalog(s, least, custom)
			scratch.Fill(append(slices.Collect(maps.Values(here)), corrections...), names)
			want := make(map[string]string)
			for _, f := range scratch.Touched(known) {
				want[f.Path] = f.Digest + strings.Join(f.archives, " ")
				if f.Name != names[f.Path] {
					t.Errorf("seed %d, turn %d: %s is named %q, from scratch %q", seed, turn, f.Path, names[f.Path], f.Name)
				}
			}
			if !maps.Equal(live, want) {
				t.Fatalf("seed %d, turn %d: the feeds are\n%v\nfrom scratch\n%v", seed, turn, live, want)
			}
			if c.Len() != len(here) {
				t.Fatalf("seed %d, turn %d: %d events, want %d", seed, turn, c.Len(), len(here))
			}
			if rnd.IntN(10) == 0 { // a restart
				c = scratch
			}
		}
	}
}

// one is what a turn of one entry replaces; nil is none.
func one(n *Entry) []*Entry {
	if n == nil {
		return nil
	}
	return []*Entry{n}
}
