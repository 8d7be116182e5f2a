package timeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tocsin/event"
)

// an makes an event: an id, a title and what else it says.
func an(id, title string, more ...func(*event.Event)) *event.Event {
	e := &event.Event{
		ID: id, Path: id + ".md", Title: title,
		Date: event.Date{Time: time.Date(2025, 1, 28, 0, 0, 0, 0, time.UTC)},
		Body: "Body of " + title,
	}
	for _, f := range more {
		f(e)
	}
	e.Seal()
	return e
}

func at(path string) func(*event.Event)   { return func(e *event.Event) { e.Path = path } }
func importance(n int) func(*event.Event) { return func(e *event.Event) { e.Importance = n } }
func tags(t ...string) func(*event.Event) { return func(e *event.Event) { e.Tags = t } }
func body(s string) func(*event.Event)    { return func(e *event.Event) { e.Body = s } }
func on(date string) func(*event.Event) {
	d, err := event.ParseDate(date)
	if err != nil {
		panic(err)
	}
	return func(e *event.Event) { e.Date = d }
}

func byID(events []*event.Event) func(string) *event.Event {
	m := make(map[string]*event.Event)
	for _, e := range events {
		m[e.ID] = e
	}
	return func(id string) *event.Event { return m[id] }
}

// say writes a change on one line.
func say(c Change) string {
	s := string(c.Kind) + " " + c.Event.ID
	if c.Before != nil && c.Before.ID != c.Event.ID {
		s += " from " + c.Before.ID
	}
	if c.Before != nil && c.Before.Path != c.Event.Path {
		s += " at " + c.Event.Path
	}
	if len(c.Fields) > 0 {
		s += " " + fmt.Sprint(c.Fields)
	}
	return s
}

func TestCompare(t *testing.T) {
	type events = []*event.Event
	for _, tt := range []struct {
		name      string
		told, now events
		want      []string
	}{
		{name: "nothing"},
		{"the same", events{an("a", "A")}, events{an("a", "A")}, nil},
		{"new", nil, events{an("b", "B"), an("a", "A")}, []string{"new a", "new b"}},
		{"updated", events{an("a", "A", importance(5), tags("x"))}, events{an("a", "A", importance(9), tags("y"), body("Else"))},
			[]string{"updated a [importance tags body]"}},
		{"retitled and put on another day", events{an("a", "A")}, events{an("a", "A2", on("2025-01-29"), body("Body of A"))},
			[]string{"updated a [title date]"}},
		{"withdrawn", events{an("a", "A"), an("b", "B")}, events{an("b", "B")}, []string{"withdrawn a"}},
		{"moved by path", events{an("a", "A")}, events{an("a", "A", at("sub/x.md"))}, []string{"moved a at sub/x.md"}},
		{"moved by id", events{an("old", "A")}, events{an("new", "A", at("old.md"))}, []string{"moved new from old"}},
		{"moved by id and path", events{an("old", "A")}, events{an("new", "A")}, []string{"moved new from old at new.md"}},
		{"moved and updated together", events{an("old", "A", importance(5))}, events{an("new", "A", importance(9))},
			[]string{"updated new from old at new.md [importance]"}},
		{"another path and updated", events{an("a", "A")}, events{an("a", "A", at("sub/a.md"), importance(3))},
			[]string{"updated a at sub/a.md [importance]"}},
		{"another title is another event", events{an("old", "A")}, events{an("new", "B")}, []string{"new new", "withdrawn old"}},
		{"another date is another event", events{an("old", "A")}, events{an("new", "A", on("2025-01-29"))},
			[]string{"new new", "withdrawn old"}},
		{"a time of day is another date", events{an("old", "A")}, events{an("new", "A", on("2025-01-28T00:00:00Z"))},
			[]string{"new new", "withdrawn old"}},
		{"two gone and one new: the first by id moved", events{an("b", "A"), an("a", "A")}, events{an("c", "A")},
			[]string{"withdrawn b", "moved c from a at c.md"}},
		{"one gone and two new: the first by id moved, the other is a copy", events{an("a", "A")}, events{an("c", "A"), an("b", "A")},
			[]string{"moved b from a at b.md", "copied c"}},
		{"one gone and two new that say more: the first by id moved, the other is a copy of it",
			events{an("a", "A")}, events{an("c", "A", importance(9)), an("b", "A", importance(9))},
			[]string{"updated b from a at b.md [importance]", "copied c"}},
		{"one gone and two new, of which one says the same: that moved, and the other is no copy",
			events{an("a", "A")}, events{an("b", "A", importance(9)), an("c", "A")}, []string{"new b", "moved c from a at c.md"}},
		{"two that moved keep their own pasts, whatever the order of their ids",
			events{an("a1", "A"), an("a2", "A", importance(9))}, events{an("b1", "A", importance(9)), an("b2", "A")},
			[]string{"moved b1 from a2 at b1.md", "moved b2 from a1 at b2.md"}},
		{"two gone and two new pair in the order of their ids", events{an("a2", "A"), an("a1", "A")}, events{an("b1", "A"), an("b2", "A")},
			[]string{"moved b1 from a1 at b1.md", "moved b2 from a2 at b2.md"}},
		{"a known event with the same title takes no other's past", events{an("a", "A"), an("b", "A")}, events{an("b", "A")},
			[]string{"withdrawn a"}},
		{"swapped ids", events{an("a", "A"), an("b", "B")}, events{an("a", "B", at("b.md")), an("b", "A", at("a.md"))},
			[]string{"updated a at b.md [title body]", "updated b at a.md [title body]"}},
		{"a chain: one takes the id that the other left", events{an("a", "A"), an("b", "B")}, events{an("b", "A", at("a.md")), an("c", "B", at("b.md"))},
			[]string{"withdrawn a", "updated b at a.md [title body]", "new c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ids []string
			for _, e := range slices.Concat(tt.told, tt.now) {
				ids = append(ids, e.ID)
			}
			ids = append(ids, "unknown")
			for range 2 {
				var got []string
				for _, c := range Compare(ids, byID(tt.now), byID(tt.told)) {
					got = append(got, say(c))
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("changes of %q:\n got %q\nwant %q", ids, got, tt.want)
				}
				slices.Reverse(ids)
				ids = append(ids, ids...)
			}
		})
	}
}

func TestCompareSpeaksOfTheLastPublicVersion(t *testing.T) {
	old := an("a", "A", importance(7))
	changes := Compare([]string{"a"}, byID(nil), byID([]*event.Event{old}))
	if len(changes) != 1 || changes[0].Event != old || changes[0].Before != old || changes[0].Fields != nil {
		t.Errorf("a withdrawn event: %+v", changes)
	}
	fresh := an("n", "N")
	changes = Compare([]string{"n"}, byID([]*event.Event{fresh}), byID(nil))
	if len(changes) != 1 || changes[0].Event != fresh || changes[0].Before != nil {
		t.Errorf("a new event: %+v", changes)
	}
}

func TestCompareLooksAtTheGivenIDsOnly(t *testing.T) {
	told := []*event.Event{an("a", "A"), an("b", "B")}
	now := []*event.Event{an("a", "A", importance(1)), an("b", "B", importance(1)), an("c", "C")}
	changes := Compare([]string{"b"}, byID(now), byID(told))
	if len(changes) != 1 || say(changes[0]) != "updated b [importance]" {
		t.Errorf("changes of b: %+v", changes)
	}
}

func TestSlugs(t *testing.T) {
	tag := func(name string) Topic { return Topic{Tag, event.Key(name)} }
	topics := []Topic{tag("C++"), tag("C#"), tag("C")}
	var first map[Topic]string
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {1, 0, 2}, {0, 2, 1}, {2, 0, 1}} {
		s := NewSlugs(nil)
		given := s.Give([]Topic{topics[order[0]], topics[order[1]], topics[order[2]]})
		if first == nil {
			first = given
		}
		for _, top := range topics {
			if given[top] != first[top] || s.Slug(top) != given[top] {
				t.Errorf("in the order %v %q has the slug %q and %q, before %q", order, top.Key, given[top], s.Slug(top), first[top])
			}
		}
	}
	if got := first[tag("C")]; got != "c" {
		t.Errorf("C has the slug %q", got)
	}
	if a, b := first[tag("C++")], first[tag("C#")]; a == b || !strings.HasPrefix(a, "c-") || !strings.HasPrefix(b, "c-") {
		t.Errorf("C++ has the slug %q, C# %q", a, b)
	}

	// What was given is kept, whatever comes later.
	s := NewSlugs(first)
	if more := s.Give(append(topics, tag("C*"))); len(more) != 1 || more[tag("C*")] == "c" || more[tag("C*")] == "" {
		t.Errorf("given in a later turn: %q", more)
	}
	late := NewSlugs(map[Topic]string{tag("C++"): "c"})
	if given := late.Give(topics); given[tag("C")] == "c" || late.Slug(tag("C++")) != "c" {
		t.Errorf("a later C took the slug of C++: %q", given)
	}
}

func TestSlugsMergeSpellings(t *testing.T) {
	s := NewSlugs(nil)
	var topics []Topic
	for _, name := range []string{"Supreme Court", "supreme-court", "SUPREME  COURT", "Supreme_Court"} {
		topics = append(topics, Topic{Tag, event.Key(name)})
	}
	if given := s.Give(topics); len(given) != 1 || given[topics[0]] != "supreme-court" {
		t.Errorf("slugs of one name: %q", given)
	}
	// A tag and an actor stand in folders of their own.
	actor := Topic{Actor, "supreme-court"}
	if given := s.Give([]Topic{actor}); given[actor] != "supreme-court" {
		t.Errorf("the actor's slug: %q", given)
	}
	if got := s.Slug(Topic{Tag, "unseen"}); got != "" {
		t.Errorf("a slug that was never given: %q", got)
	}
}

// A tag may be named like the suffixed slug of another one, by chance or by
// somebody who wants the store to fail.
func TestSlugsNeverMeet(t *testing.T) {
	plain := "c-" + event.Suffix("c++")
	s := NewSlugs(nil)
	given := s.Give([]Topic{{Tag, "c++"}, {Tag, plain}, {Tag, "c"}, {Tag, plain + "-" + event.Suffix("c++")}})
	seen := make(map[string]bool)
	for _, slug := range given {
		seen[slug] = true
	}
	if len(given) != 4 || len(seen) != 4 {
		t.Errorf("slugs of four tags: %q", given)
	}
	if given[Topic{Tag, plain}] != plain {
		t.Errorf("%q has the slug %q", plain, given[Topic{Tag, plain}])
	}
}

func TestTopics(t *testing.T) {
	e := an("a", "A", tags("Big Tech", "AI"), func(e *event.Event) { e.Actors = []string{"The Court"} })
	want := []Topic{{Tag, "big-tech"}, {Tag, "ai"}, {Actor, "the-court"}}
	if got := Topics(e); !slices.Equal(got, want) {
		t.Errorf("topics: %v, want %v", got, want)
	}
}

// Whatever the names and their order, each topic has one slug that no other has,
// fit for a URL and a file's name, kept when more come.
func FuzzSlugs(f *testing.F) {
	f.Fuzz(func(t *testing.T, names, more string) {
		topics := func(s string) []Topic {
			var all []Topic
			for _, n := range strings.Split(s, "\n") {
				if k := event.Key(n); k != "" && utf8.ValidString(n) {
					all = append(all, Topic{Tag, k}, Topic{Actor, k})
				}
			}
			return all
		}
		first, second := topics(names), topics(more)
		s, reversed := NewSlugs(nil), NewSlugs(nil)
		s.Give(first)
		given := maps.Clone(s.slugs)
		slices.Reverse(first)
		reversed.Give(first)
		if !maps.Equal(s.slugs, reversed.slugs) {
			t.Errorf("another order gives other slugs: %q and %q", s.slugs, reversed.slugs)
		}
		s.Give(second)
		again := NewSlugs(s.slugs)
		if fresh := again.Give(slices.Concat(first, second)); len(fresh) > 0 {
			t.Errorf("slugs are given twice: %q", fresh)
		}
		for topic, slug := range given {
			if s.Slug(topic) != slug {
				t.Errorf("%v: slug %q, later %q", topic, slug, s.Slug(topic))
			}
		}
		taken := make(map[Topic]Topic)
		for _, topic := range slices.Concat(first, second) {
			slug := s.Slug(topic)
			if slug == "" || len(slug) > 250 || slug == "." || slug == ".." || strings.ContainsAny(slug, "/?#%\\ \x00") || !utf8.ValidString(slug) {
				t.Errorf("%v: slug %q", topic, slug)
			}
			if other, ok := taken[Topic{topic.Kind, slug}]; ok && other != topic {
				t.Errorf("%v and %v have the slug %q", topic, other, slug)
			}
			taken[Topic{topic.Kind, slug}] = topic
		}
	})
}
