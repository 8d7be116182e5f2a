package event

import (
	"testing"
	"time"
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
		if got := NewMatcher(test.m, Dialect{}).Match(e); got != test.want {
			t.Errorf("%s: %v", test.name, got)
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
