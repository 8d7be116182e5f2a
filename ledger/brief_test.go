package ledger

import (
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// odd are records with what makes briefs differ.
func odd() []*timeline.Record {
	east := time.FixedZone("", 9*3600)
	all := []*timeline.Record{
		{ID: "tag:example.org,2025:2025/a", Event: an("2025/a", "A")},
		{ID: "tag:example.org,2025:a%20b", Event: an("a b", "Escaped")},
		{ID: "tag:example.org,2025:a~2", Event: an("a", "Again")},
		{ID: "tag:example.org,2025:named", Event: an("named", "Elsewhere", func(e *event.Event) { e.Path = "2025/elsewhere.md" })},
		{ID: "tag:example.org,2025:was", Event: an("is", "Moved", func(e *event.Event) { e.Path = "2025/moved" })},
		{ID: "tag:example.org,2025:", Event: an("", "", func(e *event.Event) { e.Path = "" })},
		{ID: "tag:example.org,2025:all", Event: an("all", "«Ünicode»\x00\xff", tags("x", "", "y"), actors("Z"), importance(10), func(e *event.Event) {
			e.Status, e.Location = "pending", "Tōkyō"
			e.Date = event.Date{Time: time.Date(1766, 1, 2, 3, 4, 5, 0, east), Clock: true}
			e.Published = event.At(time.Date(2025, 1, 2, 3, 4, 5, 0, east))
			e.Expires = event.At(moment("2030-01-01"))
			e.LastUpdated = event.At(moment("2025-06-01"))
			e.Body = "Text with [a link](x), and\n\n| a | b |\n\n[1]: https://example.org/"
			e.Sources = []event.Source{{Title: "Gazette", URL: "https://example.org/", Note: "print"}}
		})},
		{ID: "tag:example.org,2025:actor", Event: an("actor", "Actor alone", actors("Z"))},
	}
	for i, r := range all {
		r.Published, r.Updated = moment("2025-01-28"), moment("2025-02-01T01:02:03Z").Add(time.Millisecond)
		if i%2 == 1 {
			r.Withdrawn = moment("2025-03-01")
		}
	}
	return all
}

func TestBrief(t *testing.T) {
	d := newBriefs(nil)
	for _, want := range odd() {
		b, err := appendBrief(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.read(b)
		if err != nil {
			t.Errorf("%s: %v", want.ID, err)
			continue
		}
		if !got.Event.IsLight() || got.Event.Imprint() != want.Event.Imprint() {
			t.Errorf("%s: of the text is known %+v", want.ID, got.Event.Imprint())
		}
		if got, want := got.Event.Date.Format(time.RFC3339Nano), want.Event.Date.Format(time.RFC3339Nano); got != want {
			t.Errorf("the date %s, and not %s", got, want)
		}
		e := *want.Event
		e.Body, e.Sources = "", nil
		e.Date.Time = got.Event.Date.Time
		in, at := got.Event.TextIn()
		e.Lighten(got.Event.Imprint(), in, at)
		r := *want
		r.Event = &e
		if !reflect.DeepEqual(got, &r) {
			t.Errorf("%s: %+v of %+v, and not %+v", want.ID, got, got.Event, want.Event)
		}
		for i := range b {
			if _, err := d.read(b[:i]); err == nil {
				t.Errorf("%s: %d of %d bytes are a brief", want.ID, i, len(b))
			}
		}
		if _, err := d.read(append(b, 0)); err == nil || errors.Is(err, errForm) {
			t.Errorf("%s: with a byte more: %v", want.ID, err)
		}
	}
	if _, err := appendBrief(nil, &timeline.Record{Event: &event.Event{}}); err == nil {
		t.Error("an event without a revision has a brief")
	}
}

// What is in a brief depends on how revisions and imprints are computed, too. Who
// changes that gives briefForm another number.
func TestBriefForm(t *testing.T) {
	b, err := appendBrief(nil, odd()[6])
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(b); got != goldenBrief {
		t.Errorf("the brief is of another form; change briefForm with it. It is\n%s\nand was\n%s", got, goldenBrief)
	}
}

const goldenBrief = `0280809cfc9bae9606d0f2cbd0c6c2960600868aa5dfa26f80415c455f35381cd641c80180012802400a02041e1487cc6fcfeea42e9af046cfc7dd2d227eaaeabbf0db0380beee86dd0380bcecfcdb0319313736362d30312d30325430333a30343a30352b30393a303003031800030e7461673a6578616d706c652e6f72672c323032353a616c6c2e6d64c2abc39c6e69636f6465c2bb00ff0770656e64696e670754c58d6b79c58d03010178000179015a`

func FuzzBrief(f *testing.F) {
	for _, r := range odd() {
		b, err := appendBrief(nil, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := newBriefs(nil).read(b)
		if err != nil {
			return
		}
		again, err := appendBrief(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		other, err := newBriefs(nil).read(again)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []*timeline.Record{r, other} { // what DeepEqual cannot compare
			r.Event.Date.Time = time.Time{}
		}
		if !reflect.DeepEqual(r, other) {
			t.Errorf("%+v of %+v becomes %+v of %+v", r, r.Event, other, other.Event)
		}
	})
}

// Briefs that are missing, or of another form, are made again.
func TestBriefsAnew(t *testing.T) {
	for _, lost := range []string{
		`UPDATE briefs SET brief = NULL`,
		`UPDATE briefs SET brief = NULL WHERE entry_id LIKE '%b'`,
		`UPDATE briefs SET brief = mark WHERE entry_id LIKE '%a'`,
	} {
		r := start(t)
		r.turn(an("a", "A", tags("x")), an("b", "B"), an("c", "C"))
		r.turn(an("a", "A", tags("x")), an("b", "B"))
		r.l.Mark(map[string]timeline.Mark{"a": {briefForm + 1, 2, 3}})
		if err := r.store.Write(t.Context(), func(tx *sql.Tx) error { return r.l.Write(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
		r.l.Written()
		if _, err := r.store.DB().Exec(lost); err != nil {
			t.Fatal(err)
		}
		l := r.loadBrief()
		if got, want := state(l), state(r.l); got != want || !l.Pending() {
			t.Errorf("%s: pending %v, loaded\n%s\nin memory:\n%s", lost, l.Pending(), got, want)
		}
		r.l = l
		// One of them changes in the same turn.
		r.turn(an("a", "A", tags("x")), an("b", "B, which is another"))
		if l := r.loadBrief(); l.Pending() || !l.Told("b").IsLight() {
			t.Errorf("%s: they are not written", lost)
		}
	}
}

func TestBriefDamaged(t *testing.T) {
	r := start(t)
	r.turn(an("a", "A"))
	b, err := appendBrief(nil, r.entry("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.DB().Exec(`UPDATE briefs SET brief = $1`, b[:len(b)-1]); err != nil {
		t.Fatal(err)
	}
	o := rules
	o.Shelve = func(e *event.Event) *event.Event { return e }
	_, err = Load(t.Context(), r.store, o)
	if corrupt := (*CorruptError)(nil); !errors.As(err, &corrupt) {
		t.Errorf("a damaged brief: %v", err)
	}
}

// Whoever holds an event reads its text, whatever becomes of the event.
func TestTextsStay(t *testing.T) {
	r := start(t)
	var events []*event.Event
	for i := range 6 {
		events = append(events, an(fmt.Sprint("e", i), fmt.Sprint("Event ", i)))
	}
	r.turn(events...)
	r.l = r.loadBrief()
	held := make(map[string]*event.Event)
	for _, e := range events {
		held[e.ID] = r.l.Told(e.ID)
	}
	check := func(when string) {
		t.Helper()
		for _, want := range events {
			if got, err := held[want.ID].Full(); err != nil || got.Body != want.Body {
				t.Errorf("%s: %s: %+v, %v", when, want.ID, got, err)
			}
		}
	}
	check("loaded")
	// Edited, withdrawn, moved, moved and edited.
	moved := an("moved", "Event 2")
	edited := an("moved-and-edited", "Event 3", func(e *event.Event) { e.Body = "Another." })
	changes := timeline.Compare([]string{"e0", "e1", "e2", "e3", "moved", "moved-and-edited"}, func(id string) *event.Event {
		return map[string]*event.Event{"e0": an("e0", "Event 0", func(e *event.Event) { e.Body = "Another." }), "moved": moved, "moved-and-edited": edited}[id]
	}, r.l.Told)
	r.l.Apply(changes, r.now)
	check("entered")
	err := r.store.Write(t.Context(), func(tx *sql.Tx) error {
		err := r.l.Write(t.Context(), tx)
		check("while it is written")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.l.Written()
	check("written")
	r.same()
	// What was withdrawn comes back as another.
	r.l = r.loadBrief()
	was := r.l.withdrawn["e1"][0].Event
	r.apply(timeline.Change{Kind: timeline.New, Event: an("e1", "Event 1", func(e *event.Event) { e.Body = "Back." })})
	if full, err := was.Full(); err != nil || full.Body != events[1].Body {
		t.Errorf("the text before it was withdrawn: %+v, %v", full, err)
	}
}

// A text that cannot be read any more is not taken for an empty one: nothing is written.
func TestTextGone(t *testing.T) {
	r := start(t)
	r.turn(an("a", "A"), an("b", "B"))
	r.l = r.loadBrief()
	if _, err := r.store.DB().Exec(`UPDATE events SET record = '{"date":"2025-01-28","body":"Another text."}'`); err != nil {
		t.Fatal(err)
	}
	before := r.l.Told("a")
	if full, err := before.Full(); err == nil {
		t.Errorf("another text is read: %+v", full)
	}
	r.l.Apply([]timeline.Change{{Kind: timeline.Updated, Event: an("a", "A", importance(3)), Before: before, Fields: []event.Field{event.Importance}}}, r.now)
	if err := r.store.Write(t.Context(), func(tx *sql.Tx) error { return r.l.Write(t.Context(), tx) }); err == nil {
		t.Error("it is written")
	}
}
