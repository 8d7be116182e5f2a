package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// shown describes a correction in a line.
func shown(c *Correction) string {
	var edits []string
	for _, e := range c.Edits {
		edits = append(edits, fmt.Sprintf("%s %q %q", e.Field, e.Before, e.After))
	}
	return fmt.Sprint(c.Kind, " ", c.Event.Title, " ", edits)
}

func TestCorrections(t *testing.T) {
	r := start(t)
	r.l.o.Corrections, r.l.o.CorrectWithdrawn = []event.Field{event.Title, event.Status}, true
	r.turn(an("a", "A", tags("x")), an("b", "B", tags("x")))
	for _, step := range []struct {
		name   string
		events []*event.Event
		want   []string
	}{
		{"a title", []*event.Event{an("a", "A2", tags("x")), an("b", "B", tags("x"))}, []string{`updated A2 [title "A" "A2" body "" ""]`}},
		{"tags alone", []*event.Event{an("a", "A2", tags("y")), an("b", "B", tags("x"))}, nil},
		{"title and tags", []*event.Event{an("a", "A3", tags("z", "y")), an("b", "B", tags("x"))}, []string{`updated A3 [title "A2" "A3" tags "y" "z, y" body "" ""]`}},
		{"a withdrawal", []*event.Event{an("a", "A3", tags("z", "y"))}, []string{`withdrawn B []`}},
		{"back", []*event.Event{an("a", "A3", tags("z", "y")), an("b", "B", tags("x"))}, nil},
		{"new", []*event.Event{an("a", "A3", tags("z", "y")), an("b", "B", tags("x")), an("c", "C")}, nil},
	} {
		before := len(r.l.Corrections())
		r.now = r.now.Add(time.Hour)
		r.turn(step.events...)
		var got []string
		for _, c := range r.l.Corrections()[before:] {
			got = append(got, shown(c))
			of := r.l.public[c.Event.ID]
			if c.Kind == timeline.Updated && (!c.Updated.After(of.Updated) || c.Event.Body != "" || c.Before == nil) {
				t.Errorf("%s: %+v of an event that was updated %v", step.name, c, of.Updated)
			}
			if !strings.HasPrefix(c.EntryID, "tag:example.org,2025:correction/2") || c.Crowd {
				t.Errorf("%s: %+v", step.name, c)
			}
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
		r.same() // as it is loaded
	}
	var past []string
	for _, p := range r.l.public["b"].History {
		past = append(past, string(p.Kind))
	}
	if got := strings.Join(past, " "); got != "withdrawn new" {
		t.Errorf("the history of an event that came back: %s", got)
	}
	if got := len(r.l.public["a"].History); got != 3 {
		t.Errorf("%d things happened to a", got)
	}
}

// Of many corrections in one turn each says so, and none shares a time or an id.
func TestCrowd(t *testing.T) {
	for n, crowd := range map[int]bool{Crowd: false, Crowd + 1: true} {
		r := start(t)
		r.l.o.Corrections = []event.Field{event.Title}
		var before, after []*event.Event
		for i := range n {
			id := fmt.Sprint("e", i)
			before, after = append(before, an(id, "Before")), append(after, an(id, "After"))
		}
		r.turn(before...)
		r.turn(after...)
		ids, times := make(map[string]bool), make(map[time.Time]bool)
		for _, c := range r.l.Corrections() {
			ids[c.EntryID], times[c.Updated] = true, true
			if c.Crowd != crowd {
				t.Errorf("of %d: %v", n, c.Crowd)
			}
			for _, r := range r.l.public {
				if r.Updated.Equal(c.Updated) {
					t.Errorf("the time of a correction is an event's: %v", c.Updated)
				}
			}
		}
		if len(ids) != n || len(times) != n {
			t.Errorf("of %d: %d ids, %d times", n, len(ids), len(times))
		}
		r.same()
	}
}

// A long history loses its beginning, but no correction.
func TestHistoryIsBounded(t *testing.T) {
	r := start(t)
	r.l.o.Corrections = []event.Field{event.Title}
	r.turn(an("a", "A"))
	r.turn(an("a", "B"))
	for i := range keptPast + 5 {
		r.turn(an("a", "B", tags(fmt.Sprint("t", i))))
	}
	r.same()
	var rows, corrections int
	err := r.store.db.QueryRow(`SELECT count(*), count(correction) FROM history`).Scan(&rows, &corrections)
	if err != nil || rows != keptPast+1 || corrections != 1 || len(r.l.public["a"].History) != keptPast {
		t.Errorf("%d rows, %d of them corrections; %d in memory; %v", rows, corrections, len(r.l.public["a"].History), err)
	}
}

func TestRenames(t *testing.T) {
	topic := func(name string) timeline.Topic { return timeline.Topic{Kind: timeline.Tag, Key: name} }
	for _, tt := range []struct {
		name          string
		before, after []*event.Event
		want          string // what tag old is called now
	}{
		{"renamed", []*event.Event{an("a", "A", tags("old")), an("b", "B", tags("x", "old"))},
			[]*event.Event{an("a", "A", tags("new")), an("b", "B", tags("x", "new"))}, "new"},
		{"merged", []*event.Event{an("a", "A", tags("old")), an("b", "B", tags("old")), an("c", "C", tags("old", "new"))},
			[]*event.Event{an("a", "A", tags("new")), an("b", "B", tags("new")), an("c", "C", tags("new"))}, "new"},
		{"of one event", []*event.Event{an("a", "A", tags("old"))}, []*event.Event{an("a", "A", tags("new"))}, ""},
		{"still in use", []*event.Event{an("a", "A", tags("old")), an("b", "B", tags("old")), an("c", "C", tags("old"))},
			[]*event.Event{an("a", "A", tags("new")), an("b", "B", tags("new")), an("c", "C", tags("old"))}, ""},
		{"split", []*event.Event{an("a", "A", tags("old")), an("b", "B", tags("old"))},
			[]*event.Event{an("a", "A", tags("one")), an("b", "B", tags("two"))}, ""},
		{"two for one", []*event.Event{an("a", "A", tags("old")), an("b", "B", tags("old"))},
			[]*event.Event{an("a", "A", tags("one", "two")), an("b", "B", tags("one", "two"))}, ""},
		{"dropped", []*event.Event{an("a", "A", tags("old", "x")), an("b", "B", tags("old", "x"))},
			[]*event.Event{an("a", "A", tags("x")), an("b", "B", tags("x"))}, ""},
		{"to an actor", []*event.Event{an("a", "A", tags("old")), an("b", "B", tags("old"))},
			[]*event.Event{an("a", "A", actors("new")), an("b", "B", actors("new"))}, ""},
		{"one withdrawn", []*event.Event{an("a", "A", tags("old")), an("b", "B", tags("old")), an("c", "C", tags("old"))},
			[]*event.Event{an("a", "A", tags("new")), an("b", "B", tags("new"))}, ""},
	} {
		r := start(t)
		r.turn(tt.before...)
		r.turn(tt.after...)
		if got := r.l.Renames()[topic("old")].Key; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		r.same()
		r.turn(append(tt.after, an("z", "Z", tags("old")))...)
		if got, ok := r.l.Renames()[topic("old")]; ok {
			t.Errorf("%s, in use again: %v", tt.name, got)
		}
		r.same()
	}
}
