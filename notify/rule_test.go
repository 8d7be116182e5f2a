package notify

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

var (
	now  = time.Date(2025, 11, 22, 11, 0, 0, 0, time.FixedZone("", 3600))
	site = Site{Title: "Public record", URL: "https://example.org"}
	all  = []Kind{New, Updated, Raised, Withdrawn}
)

// ev returns an event of one importance with the tag "a".
func ev(id string, importance int) *event.Event {
	e := &event.Event{
		ID: id, Path: id + ".md", Title: "Title of " + id, Date: event.Date{Time: time.Date(2025, 1, 28, 0, 0, 0, 0, time.UTC)},
		Importance: importance, Tags: []string{"a"},
	}
	e.Seal()
	return e
}

// with returns e changed by f, as the next reading of its file gives it.
func with(e *event.Event, f func(*event.Event)) *event.Event {
	other := *e
	f(&other)
	other.Seal()
	return &other
}

func added(e *event.Event) Noted {
	return Noted{Change: timeline.Change{Kind: timeline.New, Event: e}}
}

func updated(before, after *event.Event) Noted {
	return Noted{Change: timeline.Change{Kind: timeline.Updated, Event: after, Before: before, Fields: before.Diff(after)}}
}

func withdrawn(e *event.Event) Noted {
	return Noted{Change: timeline.Change{Kind: timeline.Withdrawn, Event: e, Before: e}}
}

func moved(before, after *event.Event) Noted {
	return Noted{Change: timeline.Change{Kind: timeline.Moved, Event: after, Before: before}}
}

func rule(m event.Match, on []Kind, fields ...event.Field) Rule {
	return Rule{Sink: "s", Match: event.NewMatcher(m, event.Dialect{}), On: on, Fields: fields}
}

// told is what Plan says of one change, in one word.
func told(t *testing.T, r Rule, c Noted) string {
	t.Helper()
	planned := Plan([]Rule{r}, []Noted{c}, site, now)
	switch {
	case len(planned) == 0:
		return ""
	case len(planned) > 1 || len(planned[0].Message.Items) != 1:
		t.Fatalf("one change makes %+v", planned)
	}
	m := planned[0].Message
	kind := m.Items[0].Change.Kind
	if want := map[Kind]Type{New: "event.new", Updated: "event.updated", Raised: "event.updated", Withdrawn: "event.withdrawn"}[kind]; m.Type != want {
		t.Errorf("%s has the type %s, want %s", kind, m.Type, want)
	}
	return string(kind)
}

func TestKinds(t *testing.T) {
	nine := event.Match{MinImportance: 9}
	tagged := event.Match{Tags: []string{"a"}}
	title := func(e *event.Event) { e.Title = "Another" }
	body := func(e *event.Event) { e.Body = "Another." }
	both := func(e *event.Event) { e.Importance = 9; e.Body = "Another." }
	untag := func(e *event.Event) { e.Tags = nil }
	for _, test := range []struct {
		name string
		rule Rule
		c    Noted
		want string
	}{
		{"new", rule(nine, all), added(ev("x", 9)), "new"},
		{"new, below", rule(nine, all), added(ev("x", 8)), ""},
		{"new, no bound", rule(event.Match{}, all), added(ev("x", 0)), "new"},
		{"new, not asked for", rule(nine, []Kind{Updated, Raised, Withdrawn}), added(ev("x", 9)), ""},
		{"new, nothing asked for", rule(nine, nil), added(ev("x", 9)), ""},

		{"updated", rule(nine, all, event.Title), updated(ev("x", 9), with(ev("x", 9), title)), "updated"},
		{"updated, below", rule(nine, all, event.Title), updated(ev("x", 8), with(ev("x", 8), title)), ""},
		{"updated, another field", rule(nine, all, event.Title, event.DateField), updated(ev("x", 9), with(ev("x", 9), body)), ""},
		{"updated, no fields", rule(nine, all), updated(ev("x", 9), with(ev("x", 9), title)), ""},
		{"updated, one of two fields", rule(nine, all, event.Importance), updated(ev("x", 10), with(ev("x", 10), both)), "updated"},
		{"updated, not asked for", rule(nine, []Kind{New, Raised, Withdrawn}, event.Title), updated(ev("x", 9), with(ev("x", 9), title)), ""},
		{"updated, did not match before", rule(tagged, all, event.Tags), updated(with(ev("x", 9), untag), ev("x", 9)), "updated"},
		{"updated, matches no more", rule(tagged, all, event.Tags), updated(ev("x", 9), with(ev("x", 9), untag)), ""},
		{"updated and moved", rule(nine, all, event.Title), updated(ev("w", 9), with(ev("x", 9), title)), "updated"},

		{"raised to the bound", rule(nine, all, event.Importance), updated(ev("x", 8), ev("x", 9)), "raised"},
		{"raised over the bound", rule(nine, all, event.Importance), updated(ev("x", 3), ev("x", 10)), "raised"},
		{"raised from none", rule(nine, all, event.Importance), updated(ev("x", 0), ev("x", 9)), "raised"},
		{"raised from none to 1", rule(event.Match{MinImportance: 1}, all), updated(ev("x", 0), ev("x", 1)), "raised"},
		{"raised, importance not a field", rule(nine, all, event.Title), updated(ev("x", 8), ev("x", 9)), "raised"},
		{"raised, no fields", rule(nine, all), updated(ev("x", 8), with(ev("x", 8), both)), "raised"},
		{"raised, not asked for", rule(nine, []Kind{New, Updated, Withdrawn}, event.Importance), updated(ev("x", 8), ev("x", 9)), ""},
		{"raised, only asked for", rule(nine, []Kind{Raised}), updated(ev("x", 8), ev("x", 9)), "raised"},
		{"raised, another tag", rule(event.Match{MinImportance: 9, Tags: []string{"b"}}, all), updated(ev("x", 8), ev("x", 9)), ""},
		{"raised above the bound", rule(nine, all, event.Importance), updated(ev("x", 9), ev("x", 10)), "updated"},
		{"raised above the bound, not a field", rule(nine, all, event.Title), updated(ev("x", 9), ev("x", 10)), ""},
		{"raised below the bound", rule(nine, all, event.Importance), updated(ev("x", 7), ev("x", 8)), ""},
		{"raised without a bound", rule(event.Match{}, all, event.Importance), updated(ev("x", 0), ev("x", 9)), "updated"},
		{"raised over an upper bound", rule(event.Match{MinImportance: 5, MaxImportance: 8}, all, event.Importance), updated(ev("x", 4), ev("x", 9)), ""},

		{"lowered below", rule(nine, all, event.Importance), updated(ev("x", 9), ev("x", 8)), ""},
		{"lowered to none", rule(nine, all, event.Importance), updated(ev("x", 9), ev("x", 0)), ""},
		{"lowered above the bound", rule(nine, all, event.Importance), updated(ev("x", 10), ev("x", 9)), "updated"},
		{"lowered without a bound", rule(event.Match{}, all, event.Importance), updated(ev("x", 10), ev("x", 9)), "updated"},

		{"withdrawn", rule(nine, all), withdrawn(ev("x", 9)), "withdrawn"},
		{"withdrawn, was below", rule(nine, all), withdrawn(ev("x", 8)), ""},
		{"withdrawn, another tag", rule(event.Match{NotTags: []string{"a"}}, all), withdrawn(ev("x", 9)), ""},
		{"withdrawn, not asked for", rule(nine, []Kind{New, Updated, Raised}), withdrawn(ev("x", 9)), ""},

		{"moved", rule(nine, all, event.Fields()...), moved(ev("w", 9), ev("x", 9)), ""},
		{"no kind", rule(nine, all, event.Fields()...), Noted{Change: timeline.Change{Event: ev("x", 9)}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := told(t, test.rule, test.c); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestMessage(t *testing.T) {
	published, changed := time.Date(2025, 1, 29, 8, 0, 0, 0, time.UTC), time.Date(2025, 2, 1, 8, 0, 0, 0, time.UTC)
	before := &event.Event{
		ID: "x", Path: "x.md", Title: "Old", Date: event.Date{Time: time.Date(2025, 1, 27, 9, 30, 0, 0, time.UTC), Clock: true}, Importance: 6,
		Status: "pending", Body: "Old.",
	}
	before.Seal()
	after := &event.Event{
		ID: "x", Path: "x.md", Title: "New", Date: event.Date{Time: time.Date(2025, 1, 28, 0, 0, 0, 0, time.UTC)}, Importance: 9,
		Status: "confirmed", Location: "Sydney", Tags: []string{"a"}, Actors: []string{"B", "C"},
		Sources: []event.Source{{Title: "T", URL: "https://a.example", Note: "Post"}},
		Body:    "**First** paragraph.\n\nSecond.",
	}
	after.Seal()
	c := updated(before, after)
	c.URL, c.EntryID, c.Published, c.Updated = "https://example.org/events/x/", "tag:x", published, changed
	c.Feed = "https://example.org/feeds/tags/a.atom"
	r := rule(event.Match{MinImportance: 9}, all, event.Title)
	planned := Plan([]Rule{r}, []Noted{c}, site, now)
	want := []Planned{{Sink: "s", Message: Message{
		Type: TypeUpdated, Time: time.Date(2025, 11, 22, 10, 0, 0, 0, time.UTC), Timeline: "Public record", Home: "https://example.org/",
		Items: []Item{{
			Change: Change{Kind: Raised, Fields: event.Fields(), Before: map[string]any{
				"title": "Old", "date": "2025-01-27T09:30:00Z", "importance": 6, "status": "pending", "location": "",
				"tags": []string{}, "actors": []string{}, "sources": []Source{},
			}},
			Event: Event{
				ID: "x", Title: "New", Date: "2025-01-28", Importance: 9, Status: "confirmed", Location: "Sydney", Tags: []string{"a"},
				Actors: []string{"B", "C"}, Summary: "First paragraph.", Sources: []Source{{"T", "https://a.example"}},
				URL: "https://example.org/events/x/", Feed: "https://example.org/feeds/tags/a.atom", FeedID: "tag:x", Revision: after.Revision, Published: published, Updated: changed,
			},
		}},
	}}}
	if !reflect.DeepEqual(planned, want) {
		t.Errorf("\n got %+v\nwant %+v", planned, want)
	}
	text := encode(t, planned)
	if strings.Contains(text, "null") || strings.Contains(text, "Old.") {
		t.Errorf("null, or the body of before, in %s", text)
	}

	// Of an event that says nothing, lists are empty and not null.
	text = encode(t, Plan([]Rule{rule(event.Match{}, all)}, []Noted{added(before), withdrawn(before)}, site, now))
	for _, part := range []string{`"tags":[]`, `"actors":[]`, `"sources":[]`} {
		if strings.Count(text, part) != 2 {
			t.Errorf("no %s in %s", part, text)
		}
	}
	if strings.Contains(text, "null") || strings.Contains(text, `"before"`) || strings.Contains(text, `"fields"`) {
		t.Errorf("null, before or fields in %s", text)
	}

	// Only the body changed: no values before at all.
	c = updated(before, with(before, func(e *event.Event) { e.Body = "Newer." }))
	item := Plan([]Rule{rule(event.Match{}, all, event.Body)}, []Noted{c}, site, now)[0].Message.Items[0]
	if !slices.Equal(item.Change.Fields, []event.Field{event.Body}) || item.Change.Before != nil {
		t.Errorf("%+v", item.Change)
	}

	// A long body is summed up.
	long := with(before, func(e *event.Event) { e.Body = strings.Repeat("word ", 1000) })
	if n := len([]rune(Plan([]Rule{r, rule(event.Match{}, all)}, []Noted{added(long)}, site, now)[0].Message.Items[0].Event.Summary)); n > 500 || n < 490 {
		t.Errorf("a summary of %d characters", n)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A message says the same when it comes back from the queue.
func TestMessageKeeps(t *testing.T) {
	planned := Plan([]Rule{rule(event.Match{}, all, event.Fields()...)},
		[]Noted{updated(ev("x", 3), with(ev("x", 9), func(e *event.Event) { e.Tags = nil })), added(ev("y", 1))}, site, now)
	for _, p := range planned {
		text := encode(t, p.Message)
		var back Message
		if err := json.Unmarshal([]byte(text), &back); err != nil {
			t.Fatal(err)
		}
		if again := encode(t, back); again != text {
			t.Errorf("\n got %s\nwant %s", again, text)
		}
	}
}

// shape is what Plan gives, in short: sink, type and the events' ids.
func shape(planned []Planned) []string {
	var out []string
	for _, p := range planned {
		s := fmt.Sprintf("%s %s", p.Sink, p.Message.Type)
		for _, item := range p.Message.Items {
			s += " " + item.Event.ID
		}
		out = append(out, s)
	}
	return out
}

func TestBurst(t *testing.T) {
	three := []Noted{added(ev("a", 3)), added(ev("b", 9)), added(ev("c", 3))}
	four := append(slices.Clone(three), withdrawn(ev("d", 9)))
	singles := []string{"s event.new a", "s event.new b", "s event.new c"}
	for _, test := range []struct {
		name    string
		burst   int
		m       event.Match
		changes []Noted
		want    []string
	}{
		{"nothing", 3, event.Match{}, nil, nil},
		{"below", 4, event.Match{}, three, singles},
		{"at the burst", 3, event.Match{}, three, singles},
		{"one more", 3, event.Match{}, four, []string{"s event.batch b d a c"}},
		{"one more, but it does not match", 3, event.Match{NotTags: []string{"z"}}, append(slices.Clone(three), added(with(ev("d", 9), func(e *event.Event) { e.Tags = []string{"z"} }))), singles},
		{"no bound", 0, event.Match{}, four, append(slices.Clone(singles), "s event.withdrawn d")},
		{"always", 1, event.Match{}, three, []string{"s event.batch b a c"}},
		{"always, but one", 1, event.Match{MinImportance: 4}, three, []string{"s event.new b"}},
	} {
		r := rule(test.m, all)
		r.Burst = test.burst
		if got := shape(Plan([]Rule{r}, test.changes, site, now)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}

	// Among many of one importance the order stays; each item keeps its kind.
	var many []Noted
	var want []string
	for i := range 100 {
		many = append(many, added(ev(fmt.Sprintf("e%03d", i), 5+i%2)))
	}
	for odd := 1; odd >= 0; odd-- {
		for i := odd; i < 100; i += 2 {
			want = append(want, fmt.Sprintf("e%03d", i))
		}
	}
	many[1] = withdrawn(many[1].Event)
	r := rule(event.Match{}, all)
	r.Burst = 10
	planned := Plan([]Rule{r}, many, site, now)
	if got := shape(planned); len(got) != 1 || got[0] != "s event.batch "+strings.Join(want, " ") {
		t.Errorf("%q", got)
	}
	if items := planned[0].Message.Items; items[0].Change.Kind != Withdrawn || items[1].Change.Kind != New {
		t.Errorf("%+v", items[:2])
	}
	if many[0].Event.ID != "e000" || many[99].Event.ID != "e099" {
		t.Error("the changes are put in another order")
	}
}

// Messages come rule by rule, and in each in the order of the changes.
func TestOrder(t *testing.T) {
	high, other := rule(event.Match{MinImportance: 9}, all), rule(event.Match{}, []Kind{New, Withdrawn})
	high.Sink, other.Sink = "high", "other"
	other.Burst = 2
	changes := []Noted{added(ev("a", 9)), updated(ev("b", 8), ev("b", 9)), added(ev("c", 1)), moved(ev("w", 9), ev("d", 9)), withdrawn(ev("e", 10))}
	want := []string{"high event.new a", "high event.updated b", "high event.withdrawn e", "other event.batch e a c"}
	got := Plan([]Rule{high, other}, changes, site, now)
	if !slices.Equal(shape(got), want) {
		t.Errorf("%q, want %q", shape(got), want)
	}
	want = []string{want[3], want[0], want[1], want[2]}
	if got := shape(Plan([]Rule{other, high}, changes, site, now)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if Plan(nil, changes, site, now) != nil || Plan([]Rule{high}, nil, site, now) != nil {
		t.Error("messages out of nothing")
	}
	// Two sinks share nothing that one of them could change.
	got[0].Message.Items[0].Event.Title = "changed"
	got[0].Message.Items[0].Event.Sources = append(got[0].Message.Items[0].Event.Sources, Source{})
	if e := got[3].Message.Items[1].Event; e.Title != "Title of a" || len(e.Sources) != 0 {
		t.Errorf("%+v", e)
	}
}
