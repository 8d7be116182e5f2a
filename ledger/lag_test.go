package ledger

import (
	"maps"
	"slices"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/ledger/ledgertest"
)

// The rule by which what a checkout has is lag or an edit.
func TestLag(t *testing.T) {
	const patience = 10 * time.Minute
	r := start(t)
	first, second, third := an("x", "First"), an("x", "Second"), an("x", "Third")
	gone := an("gone", "Gone")
	r.turn(first, gone)
	r.turn(second, gone)
	r.turn(third)
	elsewhere := an("x", "Elsewhere")
	began := r.now
	type look struct {
		seen  *event.Event
		after time.Duration // since the one before
		lags  bool
	}
	for _, test := range []struct {
		name  string
		id    string
		told  *event.Event
		begin *event.Event // what the checkout has when it is compared first
		looks []look
	}{
		{"it is where the ledger is", "x", third, third, []look{{third, 0, false}}},
		{"it was there, and an edit is taken back", "x", third, third, []look{{second, 0, false}}},
		{"it was there, and the file is removed", "x", third, third, []look{{nil, 0, false}}},
		{"it is behind, and comes along", "x", third, first, []look{{first, 0, true}, {second, time.Minute, true}, {third, time.Minute, false}}},
		{"it comes along, and an edit is taken back", "x", third, first, []look{{first, 0, true}, {third, time.Minute, false}, {first, time.Minute, false}}},
		{"it is behind, and stays", "x", third, second, []look{{second, patience - time.Second, true}, {second, time.Second, false}}},
		{"it is behind, and moves while it is", "x", third, first, []look{{first, patience - time.Second, true}, {second, time.Second, true}, {second, patience, false}}},
		{"it has what nobody was told", "x", third, elsewhere, []look{{elsewhere, 0, false}}},
		{"it is behind, and is edited there", "x", third, second, []look{{second, 0, true}, {elsewhere, time.Second, false}}},
		{"it has the file not yet", "x", third, nil, []look{{nil, 0, true}, {third, time.Second, false}}},
		{"it has the file not yet, and stays so", "x", third, nil, []look{{nil, patience, false}}},
		{"it has still what is gone", "gone", nil, gone, []look{{gone, 0, true}, {nil, time.Second, false}}},
		{"it has still what is gone, and keeps it", "gone", nil, gone, []look{{gone, patience, false}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, now := NewLag(patience), began
			g.Followed(test.id, test.begin, test.told, now)
			for i, l := range test.looks {
				now = now.Add(l.after)
				g.Looked(test.id, l.seen, test.told, now)
				lags, err := g.Lags(t.Context(), r.store, test.id, l.seen, test.told, now)
				if err != nil || lags != l.lags {
					t.Errorf("look %d: lags %v, %v; want %v", i+1, lags, err, l.lags)
				}
				if lags && (g.Len() != 1 || g.Due().Sub(now) > patience || !g.Due().After(now)) {
					t.Errorf("look %d: %d lag, until %v; it is %v", i+1, g.Len(), g.Due(), now)
				}
				if !lags && (g.Len() != 0 || !g.Due().IsZero()) {
					t.Errorf("look %d: %d lag, until %v, and it does not", i+1, g.Len(), g.Due())
				}
			}
		})
	}
}

// The time that a folder lags counts from when its process leads.
func TestLagBehindALongFollowing(t *testing.T) {
	r := start(t)
	first, second := an("x", "First"), an("x", "Second")
	r.turn(first)
	r.turn(second)
	const patience = time.Minute
	g, now := NewLag(patience), r.now
	g.Followed("x", first, second, now)
	for _, test := range []struct {
		after time.Duration
		lags  bool
	}{{0, true}, {patience - time.Second, true}, {time.Second, false}} {
		if test.after == 0 {
			now = now.Add(time.Hour)
			g.Lead(now)
		}
		now = now.Add(test.after)
		if lags, err := g.Lags(t.Context(), r.store, "x", first, second, now); err != nil || lags != test.lags {
			t.Errorf("%v later: %v, %v", test.after, lags, err)
		}
	}
}

// What was superseded long ago is forgotten.
func TestSupersededIsForgotten(t *testing.T) {
	r := start(t)
	was := an("x", "First")
	r.turn(was)
	r.turn(an("x", "Second"))
	for _, after := range []time.Duration{0, keptStates} {
		r.now = r.now.Add(after)
		r.turn(an("x", "Third, "+after.String()))
		is, err := r.store.Superseded(t.Context(), was)
		if err != nil || is != (after == 0) {
			t.Errorf("%v later: %v, %v", after, is, err)
		}
	}
}

// What is known of a folder that nobody has watched until now: it was wherever it is or
// was later.
func TestLagOfANewProcess(t *testing.T) {
	ledgertest.OfPostgres(t)
	r := start(t)
	a1, a2, a3 := an("a", "A, first"), an("a", "A, second"), an("a", "A, third")
	b1, b2 := an("b", "B, first"), an("b", "B, second")
	c := an("c", "C")
	gone := an("gone", "Gone")
	history := [][]*event.Event{{a1, b1, gone}, {a2, b1, gone}, {a2, b2}, {a3, b2, c}}
	for _, folder := range history {
		r.turn(folder...)
	}
	elsewhere := an("a", "A, elsewhere")
	for _, test := range []struct {
		name   string
		folder []*event.Event
		lags   string
	}{
		{"as the ledger is", history[3], ""},
		{"one step behind", history[2], "a c "},
		{"two steps behind", history[1], "a b c gone "},
		{"all steps behind", history[0], "a b c gone "},
		{"another folder", nil, "a b c "},
		{"an edit of the last state", []*event.Event{elsewhere, b2, c}, ""},
		{"an edit of a state that is behind", []*event.Event{elsewhere, b2}, "c "},
		{"removed, where it has what is newer", []*event.Event{a3, c}, ""},
		{"taken back, where it has what is newer", []*event.Event{a3, b1, c}, ""},
		{"in the middle of the last turn, which had two steps", []*event.Event{a3, b2}, "c "},
		{"removed, and it has nothing that is newer", []*event.Event{a2, b2}, "a c "},
	} {
		seen := make(map[string]*event.Event)
		for _, e := range test.folder {
			seen[e.ID] = e
		}
		see := func(id string) *event.Event { return seen[id] }
		g := NewLag(time.Minute)
		if err := g.Compare(t.Context(), r.store, r.l, maps.All(seen), see, r.now); err != nil {
			t.Fatal(err)
		}
		lags := ""
		for _, id := range slices.Sorted(g.All()) {
			is, err := g.Lags(t.Context(), r.store, id, seen[id], r.l.Told(id), r.now)
			if err != nil {
				t.Fatal(err)
			}
			if is {
				lags += id + " "
			}
		}
		if lags != test.lags {
			t.Errorf("%s: %q lag, want %q", test.name, lags, test.lags)
		}
	}
}
