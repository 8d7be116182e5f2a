package event

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func day(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return d
}

func TestMatch(t *testing.T) {
	e := mustRead(t, flat)
	for _, test := range []struct {
		name string
		m    Match
		want bool
	}{
		{"nothing asked", Match{}, true},
		{"a tag", Match{Tags: []string{"bridges"}}, true},
		{"a tag in another spelling", Match{Tags: []string{"PUBLIC works"}}, true},
		{"any of the tags", Match{Tags: []string{"tunnels", "Bridges"}}, true},
		{"none of the tags", Match{Tags: []string{"tunnels", "bridge"}}, false},
		{"an actor", Match{Actors: []string{"jack-lang"}}, true},
		{"any of the actors", Match{Actors: []string{"x", "Jack Lang"}}, true},
		{"an actor as a tag", Match{Tags: []string{"Jack Lang"}}, false},
		{"a tag as an actor", Match{Actors: []string{"bridges"}}, false},
		{"all tags", Match{AllTags: []string{"Bridges", "public works"}}, true},
		{"all tags, one twice", Match{AllTags: []string{"Bridges", "bridges"}}, true},
		{"all tags but one", Match{AllTags: []string{"bridges", "tunnels"}}, false},
		{"all actors", Match{AllActors: []string{"Francis de Groot", "Jack Lang"}}, true},
		{"all actors but one", Match{AllActors: []string{"Francis de Groot", "x"}}, false},
		{"not a tag", Match{NotTags: []string{"tunnels"}}, true},
		{"not this tag", Match{NotTags: []string{"tunnels", "Public-Works"}}, false},
		{"not an actor", Match{NotActors: []string{"bridges"}}, true},
		{"not this actor", Match{NotActors: []string{"jack lang"}}, false},
		{"status", Match{Status: []string{"disputed", "Confirmed"}}, true},
		{"another status", Match{Status: []string{"disputed"}}, false},
		{"location", Match{Location: []string{"SYDNEY"}}, true},
		{"another location", Match{Location: []string{"Perth"}}, false},
		{"importance at the bound", Match{MinImportance: 8}, true},
		{"importance below", Match{MinImportance: 9}, false},
		{"importance at the upper bound", Match{MaxImportance: 8}, true},
		{"importance above", Match{MaxImportance: 7}, false},
		{"importance between", Match{MinImportance: 8, MaxImportance: 8}, true},
		{"from its day", Match{From: day("1932-03-19")}, true},
		{"from the day after", Match{From: day("1932-03-20")}, false},
		{"to its day", Match{To: day("1932-03-19")}, true},
		{"to the day before", Match{To: day("1932-03-18")}, false},
		{"that day", Match{From: day("1932-03-19"), To: day("1932-03-19")}, true},
		{"all", Match{Tags: []string{"bridges"}, Actors: []string{"Jack Lang"}, AllTags: []string{"bridges"}, AllActors: []string{"Jack Lang"}, NotTags: []string{"x"},
			NotActors: []string{"x"}, Status: []string{"confirmed"}, Location: []string{"Sydney"}, MinImportance: 1, MaxImportance: 10, From: day("1900-01-01"), To: day("2000-01-01")}, true},
		{"all but one", Match{Tags: []string{"bridges"}, Actors: []string{"Jack Lang"}, Status: []string{"confirmed"}, Location: []string{"Perth"}}, false},
	} {
		m := NewMatcher(test.m, Dialect{})
		if got := m.Match(e); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
		if condition, asked := m.Why(e); (condition == "") != test.want || (asked == "") != test.want {
			t.Errorf("%s: because of %q, %q", test.name, condition, asked)
		}
	}

	// An event that says nothing.
	bare := mustRead(t, front(""))
	for name, m := range map[string]Match{
		"tag": {Tags: []string{"a"}}, "actor": {Actors: []string{"a"}}, "all tags": {AllTags: []string{"a"}}, "all actors": {AllActors: []string{"a"}},
		"status": {Status: []string{"a"}}, "location": {Location: []string{"a"}}, "importance": {MinImportance: 1},
	} {
		if NewMatcher(m, Dialect{}).Match(bare) {
			t.Errorf("%s matches an event that has none", name)
		}
	}
	if !NewMatcher(Match{NotTags: []string{"a"}, NotActors: []string{"a"}, MaxImportance: 1}, Dialect{}).Match(bare) {
		t.Error("an event without tags, actors and importance is kept out")
	}
	if got := NewMatcher(Match{MinImportance: 7}, Dialect{}).MinImportance(); got != 7 {
		t.Errorf("MinImportance %d", got)
	}
}

// Names of a match are spelt as files spell them.
func TestMatchAliases(t *testing.T) {
	d := Dialect{
		TagAliases:   map[string]string{"viaducts": "bridges", "Foot Bridge": "bridges"},
		ActorAliases: map[string]string{"The Premier": "Jack Lang"},
	}
	e := mustReadIn(t, d, "a.md", flat)
	for name, m := range map[string]Match{
		"tag": {Tags: []string{"Viaducts"}}, "all tags": {AllTags: []string{"foot-bridge", "viaducts", "bridges"}},
		"actor": {Actors: []string{"the premier"}}, "all actors": {AllActors: []string{"the premier", "Francis de Groot"}},
	} {
		if !NewMatcher(m, d).Match(e) {
			t.Errorf("%s does not match", name)
		}
	}
	for name, m := range map[string]Match{
		"not tags": {NotTags: []string{"viaducts"}}, "not actors": {NotActors: []string{"the-premier"}}, "an actor's alias for a tag": {Tags: []string{"the premier"}},
	} {
		if NewMatcher(m, d).Match(e) {
			t.Errorf("%s matches", name)
		}
	}
}

// A day is the one that the file writes, in whatever time zone.
func TestMatchDays(t *testing.T) {
	for _, date := range []string{"2025-01-28", "2025-01-28T00:00:00Z", "2025-01-28T23:59:59Z", "2025-01-28T23:30:00-08:00", "2025-01-28T00:30:00+09:00"} {
		e := &Event{}
		var err error
		if e.Date, err = ParseDate(date); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			from, to string
			want     bool
		}{
			{"2025-01-28", "2025-01-28", true},
			{"2025-01-27", "2025-01-29", true},
			{"2025-01-29", "2025-01-29", false},
			{"2025-01-27", "2025-01-27", false},
		} {
			if got := NewMatcher(Match{From: day(test.from), To: day(test.to)}, Dialect{}).Match(e); got != test.want {
				t.Errorf("%s from %s to %s: %v", date, test.from, test.to, got)
			}
		}
	}
}

// Whatever names and bounds a match holds, it selects what its conditions say one
// by one, in any order and any spelling.
func FuzzMatch(f *testing.F) {
	f.Fuzz(func(t *testing.T, wanted, all, not, has string, least, most, importance int, from, to, date string) {
		for _, s := range []string{wanted, all, not, has} {
			if !utf8.ValidString(s) || len(s) > 1000 {
				return // names come from files and queries, which are valid and bounded
			}
		}
		split := func(s string) []string {
			return slices.DeleteFunc(strings.Split(s, ","), func(n string) bool { return n == "" })
		}
		day := func(s string) time.Time {
			d, _ := time.Parse(time.DateOnly, s)
			return d
		}
		aliases := map[string]string{"viaduct": "Bridges", "a b": "c"}
		canonical := func(name string) string {
			for other, name2 := range aliases {
				if Key(other) == Key(name) {
					return Key(name2)
				}
			}
			return Key(name)
		}
		var e Event
		for _, n := range split(has) { // what a reader makes of it
			e.Tags = append(e.Tags, canonical(n))
		}
		e.Actors, e.Importance, e.Date = e.Tags, importance, Date{Time: day(date)}
		m := Match{
			Tags: split(wanted), AllTags: split(all), NotTags: split(not),
			Actors: split(wanted), AllActors: split(all), NotActors: split(not),
			MinImportance: least, MaxImportance: most, From: day(from), To: day(to),
		}
		is := func(n string) bool { return slices.Contains(e.Tags, canonical(n)) }
		want := (least <= 0 || importance >= least) && (most <= 0 || importance <= most) &&
			(m.From.IsZero() || !e.Date.Before(m.From)) && (m.To.IsZero() || !e.Date.After(m.To)) &&
			(len(m.Tags) == 0 || slices.ContainsFunc(m.Tags, is)) && !slices.ContainsFunc(m.NotTags, is)
		for _, n := range m.AllTags {
			want = want && is(n)
		}
		d := Dialect{TagAliases: aliases, ActorAliases: aliases}
		if got := NewMatcher(m, d).Match(&e); got != want {
			t.Errorf("%+v selects %+v: %v, want %v", m, e, got, want)
		}
		for _, names := range [][]string{m.Tags, m.AllTags, m.NotTags, m.Actors, m.AllActors, m.NotActors} {
			slices.Reverse(names)
			for i, n := range names {
				names[i] = " " + norm.NFD.String(n) + " "
			}
		}
		if got := NewMatcher(m, d).Match(&e); got != want {
			t.Errorf("in another order and spelling, %+v selects %+v: %v, want %v", m, e, got, want)
		}
	})
}
