package ledger

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/ledger/ledgertest"
	"tocsin/timeline"
)

var rules = Options{
	Authority:   "example.org,2025",
	Significant: []event.Field{event.Title, event.DateField, event.Importance, event.Status, event.Body},
}

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

func importance(n int) func(*event.Event)   { return func(e *event.Event) { e.Importance = n } }
func tags(t ...string) func(*event.Event)   { return func(e *event.Event) { e.Tags = t } }
func actors(a ...string) func(*event.Event) { return func(e *event.Event) { e.Actors = a } }
func on(date string) func(*event.Event) {
	d, err := event.ParseDate(date)
	if err != nil {
		panic(err)
	}
	return func(e *event.Event) { e.Date = d }
}
func lastUpdated(date string) func(*event.Event) {
	return func(e *event.Event) { e.LastUpdated = event.At(moment(date)) }
}
func published(date string) func(*event.Event) {
	return func(e *event.Event) { e.Published = event.At(moment(date)) }
}

// moment reads a day, or a day and a time.
func moment(s string) time.Time {
	d, err := event.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d.UTC()
}

// rig is a store with its ledger and what the folder holds.
type rig struct {
	*testing.T
	store    *Store
	l        *Ledger
	now      time.Time
	follower *Ledger // of another process, where the store is shared
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, store: openStore(t, ledgertest.Store(t)), now: moment("2026-01-01T10:00:00Z")}
	r.l = r.load()
	r.follow()
	return r
}

// follow has the ledger of another process follow, and checks that it is the same then.
func (r *rig) follow() {
	r.Helper()
	if !r.store.Shared() {
		return
	}
	if r.follower == nil {
		r.follower = r.load()
	}
	_, err := r.follower.Follow(r.Context(), r.store)
	if errors.Is(err, ErrFar) { // behind a first look
		r.follower, err = r.load(), nil
	}
	if err != nil {
		r.Fatal(err)
	}
	if got, want := state(r.follower), state(r.l); got != want {
		r.Fatalf("followed:\n%s\nin memory:\n%s", got, want)
	}
	if news, err := r.follower.Follow(r.Context(), r.store); news != nil || err != nil {
		r.Fatalf("followed, and there is more: %+v, %v", news, err)
	}
}

func (r *rig) load() *Ledger {
	r.Helper()
	l, err := Load(r.Context(), r.store, rules)
	if err != nil {
		r.Fatal(err)
	}
	return l
}

func (r *rig) write() {
	r.Helper()
	if err := r.store.Write(r.Context(), func(tx *sql.Tx) error { return r.l.Write(r.Context(), tx) }); err != nil {
		r.Fatal(err)
	}
	r.l.Written()
	if r.l.Pending() {
		r.Error("pending behind Written")
	}
}

// turn enters the difference to a folder of these events, writes it, and checks
// that the store holds the same. An hour passes.
func (r *rig) turn(events ...*event.Event) map[string]Told {
	r.Helper()
	now := make(map[string]*event.Event)
	for _, e := range events {
		now[e.ID] = e
	}
	ids := slices.AppendSeq(slices.Collect(maps.Keys(now)), maps.Keys(r.l.public))
	changes := timeline.Compare(ids, func(id string) *event.Event { return now[id] }, r.l.Told)
	return r.apply(changes...)
}

func (r *rig) apply(changes ...timeline.Change) map[string]Told {
	r.Helper()
	told := r.l.Apply(changes, r.now)
	r.write()
	r.now = r.now.Add(time.Hour)
	r.same()
	byID := make(map[string]Told)
	for i, t := range told {
		if t.Kind != changes[i].Kind || t.Event != changes[i].Event {
			r.Errorf("change %d is told as %s of %s", i, t.Kind, t.Event.ID)
		}
		byID[t.Event.ID] = t
	}
	return byID
}

// same checks that the store gives the ledger that is in memory, with all texts and
// without.
func (r *rig) same() {
	r.Helper()
	whole := r.load()
	if got, want := state(whole), state(r.l); got != want {
		r.Fatalf("loaded:\n%s\nin memory:\n%s", got, want)
	}
	r.follow()
	brief := r.loadBrief()
	if got, want := state(brief), state(whole); got != want {
		r.Fatalf("loaded without texts:\n%s\nwith texts:\n%s", got, want)
	}
	for entry, rec := range whole.entries {
		of := brief.entries[entry].Event
		if full, err := of.Full(); err != nil || !of.IsLight() || !reflect.DeepEqual(full, rec.Event) {
			r.Fatalf("the text of %s: %+v, %v; with it: %+v", entry, full, err, rec.Event)
		}
		if got, want := of.Imprint(), rec.Event.Imprint(); got != want {
			r.Fatalf("of the text of %s is known %+v, and not %+v", entry, got, want)
		}
	}
}

// loadBrief loads a ledger that leaves texts in the store.
func (r *rig) loadBrief() *Ledger {
	r.Helper()
	o := rules
	o.Shelve = func(e *event.Event) *event.Event { return e }
	l, err := Load(r.Context(), r.store, o)
	if err != nil {
		r.Fatal(err)
	}
	return l
}

// state writes all that a ledger knows.
func state(l *Ledger) string {
	var lines []string
	topics := make(map[timeline.Topic]bool)
	for entry, r := range l.entries {
		e := r.Event
		where := "withdrawn " + r.Withdrawn.Format(time.RFC3339Nano)
		if r.Withdrawn.IsZero() {
			where = "public"
		}
		if entry != r.ID || r.Withdrawn.IsZero() && l.public[e.ID] != r {
			where += " at the wrong place"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s %v %v %s", entry, e.ID, e.Path, e.Title, e.Revision,
			r.Published.Format(time.RFC3339Nano), r.Updated.Format(time.RFC3339Nano), where))
		for _, t := range timeline.Topics(e) {
			topics[t] = true
		}
	}
	for id, r := range l.public {
		lines = append(lines, "public "+id+" "+r.ID)
	}
	for old, entry := range l.moves {
		id, ok := l.Moved(old)
		lines = append(lines, fmt.Sprint("moved ", old, entry, id, ok))
	}
	for t := range topics {
		lines = append(lines, fmt.Sprintf("slug %s %s %s", t.Kind, t.Key, l.Slug(t)))
	}
	for entry, r := range l.entries {
		lines = append(lines, fmt.Sprintf("history %s %+v", entry, r.History))
	}
	for i, c := range l.corrections {
		lines = append(lines, fmt.Sprintf("correction %03d %s %+v %v %v of %+v before %+v", i, c.EntryID, c.Past, c.Updated, c.Crowd, c.Event, c.Before))
	}
	for t, key := range l.renames {
		lines = append(lines, fmt.Sprint("renamed ", t, key))
	}
	for path, v := range l.feeds {
		lines = append(lines, fmt.Sprint("feed ", path, v))
	}
	slices.Sort(lines)
	return strings.Join(append(lines, fmt.Sprint("first ", l.first, " last ", l.last)), "\n")
}

func (r *rig) entry(id string) *timeline.Record {
	r.Helper()
	rec := r.l.public[id]
	if rec == nil {
		r.Fatalf("no public record of %s", id)
	}
	return rec
}

func TestFirst(t *testing.T) {
	r := start(t)
	if !r.l.First() {
		t.Error("a new store has had its first look")
	}
	r.turn() // of an empty folder
	if r.l.First() || r.load().First() {
		t.Error("the first look is not known")
	}
	if r.l.Pending() || r.load().Pending() {
		t.Error("something is pending")
	}
}

func TestRoundTrip(t *testing.T) {
	r := start(t)
	rich := an("dir/ü & <x>", "Title \"q\" <b> ]]>", on("1142-04-04T10:00:00+01:00"), importance(9),
		tags("Big Tech", "C", "C++", "C#", "日本"), func(e *event.Event) {
			e.Status, e.Location, e.Actors = "confirmed", "Nürnberg", []string{"Jane (X) Doe", "big tech"}
			e.Sources = []event.Source{{Title: "T", URL: "https://example.org/?a=1&b=<2>"}, {URL: "https://example.org/"}, {Title: "N", Note: "AP"}}
			e.Body = "Line one\n\n```\n code \u2028\n```\n<script>"
		})
	r.turn(rich, an("plain", "Plain"))
	r.l.SetFeed("all", "", "digest", r.now, false, r.now)
	r.write()
	r.same()
	got := r.load().Told(rich.ID)
	if got == nil {
		t.Fatal("the event is not told")
	}
	if got.Revision != rich.Revision || len(got.Diff(rich)) != 0 {
		t.Errorf("read back it differs in %v", got.Diff(rich))
	}
	for _, f := range event.Fields() {
		if a, b := fmt.Sprint(got.Value(f)), fmt.Sprint(rich.Value(f)); a != b {
			t.Errorf("%s: %s, was %s", f, a, b)
		}
	}
	if got.Path != rich.Path || !got.Date.Equal(rich.Date.Time) || got.Date.Clock != rich.Date.Clock {
		t.Errorf("read back: %+v", got)
	}
	if n := len(slices.Collect(r.l.Public())); n != 2 {
		t.Errorf("%d public records", n)
	}
}

func TestDecodeReadsOldRecords(t *testing.T) {
	e, err := decode([]byte(`{"id":"a","path":"a.md","title":"A","date":"2025-01-28","later":"unknown"}`))
	if err != nil || e.Revision != an("a", "A", func(e *event.Event) { e.Body = "" }).Revision {
		t.Errorf("decoded: %+v, %v", e, err)
	}
	for _, bad := range []string{``, `{`, `{"date":"soon"}`, `[]`} {
		if _, err := decode([]byte(bad)); err == nil {
			t.Errorf("decoded %s", bad)
		}
	}
	r := start(t)
	r.turn(an("a", "A"))
	if _, err := r.store.DB().Exec(`UPDATE events SET record = '{"date":"soon"}'`); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), r.store, rules); err == nil || !strings.Contains(err.Error(), "tag:example.org,2025:a") {
		t.Errorf("a damaged record: %v", err)
	}
}

func TestRollback(t *testing.T) {
	r := start(t)
	r.turn(an("a", "A", tags("x")), an("b", "B"))
	before := tables(t, r.store)
	no := errors.New("the deliveries cannot be written")
	changes := []timeline.Change{
		{Kind: timeline.Withdrawn, Event: r.l.Told("a"), Before: r.l.Told("a")},
		{Kind: timeline.New, Event: an("c", "C", tags("y"))},
		{Kind: timeline.Moved, Event: an("d", "B"), Before: r.l.Told("b")},
	}
	r.l.Apply(changes, r.now)
	r.l.SetFeed("all", "", "other", r.now, false, r.now)
	if !r.l.Pending() {
		t.Error("nothing is pending")
	}
	err := r.store.Write(t.Context(), func(tx *sql.Tx) error {
		return errors.Join(r.l.Write(t.Context(), tx), no)
	})
	if !errors.Is(err, no) || strings.Contains(err.Error(), "ledger") {
		t.Fatalf("Write: %v", err)
	}
	if got := tables(t, r.store); got != before {
		t.Errorf("the store holds:\n%s\nbefore:\n%s", got, before)
	}
	// Loaded again, the same turn says the same.
	r.l = r.load()
	told := r.apply(changes...)
	if told["d"].After.ID != "tag:example.org,2025:b" || told["c"].After.ID != "tag:example.org,2025:c" {
		t.Errorf("told: %+v", told)
	}
}

var tagURI = regexp.MustCompile(`^tag:example\.org,2025:([A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-F]{2})*$`)

func TestMint(t *testing.T) {
	r := start(t)
	ids := []string{
		"2025/a", "Ü — ß", "a b", "100%", "a%20b", "a?b#c", `"<>\^{}|` + "`", "日本/x", "/a//b/", "a~2", "..", "tag:x", "a;b,c", "[x]", "a'b",
	}
	var events []*event.Event
	for i, id := range ids {
		events = append(events, an(id, fmt.Sprint("T", i)))
	}
	told := r.turn(events...)
	seen := make(map[string]string)
	for _, id := range ids {
		entry := told[id].After.ID
		if !tagURI.MatchString(entry) {
			t.Errorf("the entry id of %q is no tag: URI: %s", id, entry)
		}
		if other, ok := seen[entry]; ok {
			t.Errorf("%q and %q have one entry id: %s", id, other, entry)
		}
		seen[entry] = id
	}
	if got := told["2025/a"].After.ID; got != "tag:example.org,2025:2025/a" {
		t.Errorf("minted %s", got)
	}
	if got := told["a b"].After.ID; got != "tag:example.org,2025:a%20b" {
		t.Errorf("minted %s", got)
	}
}

func TestEntryIDIsKept(t *testing.T) {
	r := start(t)
	const want = "tag:example.org,2025:a"
	check := func(what, id string) {
		t.Helper()
		if got := r.entry(id).ID; got != want {
			t.Errorf("%s: the entry id is %s", what, got)
		}
		if got := r.entry(id).Published; !got.Equal(r.l.entries[want].Published) {
			t.Errorf("%s: published %v", what, got)
		}
	}
	r.turn(an("a", "A"))
	first := r.entry("a").Published
	r.turn(an("a", "A, retitled"))
	check("retitled", "a")
	r.turn(an("sub/b", "A, retitled"))
	check("renamed", "sub/b")
	if id, ok := r.l.Moved("a"); id != "sub/b" || !ok {
		t.Errorf("a moved to %q, %v", id, ok)
	}
	r.turn(an("c", "A, retitled", importance(4)))
	check("renamed and updated", "c")
	if id, _ := r.l.Moved("a"); id != "c" {
		t.Errorf("a moved to %q", id)
	}
	told := r.turn()
	if w := told["c"].After; w.ID != want || w.Withdrawn.IsZero() || !w.Updated.Equal(told["c"].Before.Updated) {
		t.Errorf("withdrawn: %+v", w)
	}
	if r.l.Told("c") != nil || !slices.Equal(r.l.WithdrawnIDs(), []string{"c"}) {
		t.Errorf("a withdrawn event is told; withdrawn: %q", r.l.WithdrawnIDs())
	}
	last := told["c"].After.Updated
	r.l = r.load()
	told = r.turn(an("c", "A, once more"))
	check("returned", "c")
	rec := r.entry("c")
	if !rec.Published.Equal(first) || !rec.Updated.After(last) || !rec.Withdrawn.IsZero() {
		t.Errorf("returned: %+v", rec)
	}
	if b := told["c"].Before; b == nil || b.Withdrawn.IsZero() {
		t.Errorf("before the return: %+v", b)
	}
	if len(r.l.WithdrawnIDs()) != 0 {
		t.Errorf("withdrawn: %q", r.l.WithdrawnIDs())
	}
}

func TestNewEventUnderAnIDThatMovedAway(t *testing.T) {
	r := start(t)
	r.turn(an("a", "A"))
	r.turn(an("b", "A"))
	r.turn(an("b", "A"), an("a", "Another"))
	if got := r.entry("a").ID; got != "tag:example.org,2025:a~2" {
		t.Errorf("the new event has the entry id %s", got)
	}
	if got := r.entry("b").ID; got != "tag:example.org,2025:a" {
		t.Errorf("the moved event has the entry id %s", got)
	}
	if id, ok := r.l.Moved("a"); ok {
		t.Errorf("a, which is public, moved to %s", id)
	}
	// It moves away too, and a third one comes.
	r.turn(an("b", "A"), an("c", "Another"))
	r.turn(an("b", "A"), an("c", "Another"), an("a", "The third"))
	if got := r.entry("a").ID; got != "tag:example.org,2025:a~3" {
		t.Errorf("the third event has the entry id %s", got)
	}
	// And the second one comes home.
	r.turn(an("b", "A"), an("c", "Another"))
	r.turn(an("b", "A"), an("a", "Another"))
	if got := r.entry("a").ID; got != "tag:example.org,2025:a~2" {
		t.Errorf("the event that came home has the entry id %s", got)
	}
	if id, ok := r.l.Moved("c"); id != "a" || !ok {
		t.Errorf("c moved to %q, %v", id, ok)
	}
}

func TestMoves(t *testing.T) {
	r := start(t)
	r.turn(an("a", "A"))
	r.turn(an("b", "A"))
	r.turn(an("a", "A"))
	if id, ok := r.l.Moved("a"); ok {
		t.Errorf("a, which is public, moved to %s", id)
	}
	if id, ok := r.l.Moved("b"); id != "a" || !ok {
		t.Errorf("b moved to %q, %v", id, ok)
	}
	if id, ok := r.l.Moved("nothing"); ok {
		t.Errorf("an unknown id moved to %q", id)
	}
	if got := r.load().Moves(nil); !maps.Equal(got, map[string]string{"b": "a"}) {
		t.Errorf("moves: %q", got)
	}
	// Where another event had the id since, it leads to that one's end.
	r.turn(an("c", "A"))
	r.turn(an("c", "A"), an("a", "Another"))
	r.turn(an("c", "A"))
	if id, ok := r.l.Moved("a"); ok {
		t.Errorf("a, which is withdrawn, moved to %s", id)
	}
	r.turn(an("a", "A"))
	if got := r.load().Moves(nil); !maps.Equal(got, map[string]string{"b": "a", "c": "a"}) {
		t.Errorf("moves: %q", got)
	}
	// Where the event is withdrawn it leads nowhere, also when another has its last
	// id.
	r.turn()
	if got := r.load().Moves(nil); !maps.Equal(got, map[string]string{"b": "", "c": ""}) {
		t.Errorf("moves: %q", got)
	}
	r.turn(an("d", "Yet another"))
	r.turn(an("a", "Yet another"))
	if got := r.load().Moves(nil); !maps.Equal(got, map[string]string{"b": "", "c": "", "d": "a"}) {
		t.Errorf("moves: %q", got)
	}
	if got := r.l.Moves(map[string]bool{r.entry("a").ID: true}); !maps.Equal(got, map[string]string{"d": "a"}) {
		t.Errorf("moves of one event: %q", got)
	}
}

// Of the events that were withdrawn under one id the last one comes back, and once
// that has moved away the one before, also after a restart.
func TestWithdrawnUnderOneID(t *testing.T) {
	for _, restart := range []bool{false, true} {
		r := start(t)
		r.turn(an("a", "A"), an("b", "B"))
		r.turn(an("b", "B"))
		r.turn(an("a", "B"))
		r.turn()
		r.turn(an("a", "B"))
		if got := r.entry("a").ID; got != "tag:example.org,2025:b" {
			t.Errorf("the event that was withdrawn last has the entry id %s", got)
		}
		r.turn(an("c", "B"))
		if restart {
			r.l = r.load()
		}
		r.turn(an("c", "B"), an("a", "A"))
		if got := r.entry("a").ID; got != "tag:example.org,2025:a" {
			t.Errorf("restart %v: the event that was withdrawn first has the entry id %s", restart, got)
		}
	}
}

// Another path alone moves no id.
func TestMovedPath(t *testing.T) {
	r := start(t)
	r.turn(an("a", "A"))
	r.turn(an("a", "A", func(e *event.Event) { e.Path = "elsewhere.md" }))
	if got := r.load().Moves(nil); len(got) != 0 {
		t.Errorf("moves: %q", got)
	}
}

// The unique index on public ids must bear every order of rows.
func TestSwappedIDs(t *testing.T) {
	r := start(t)
	a, b, c := an("a", "A"), an("b", "B"), an("c", "C")
	r.turn(a, b, c)
	r.apply(
		timeline.Change{Kind: timeline.Moved, Event: an("b", "A"), Before: a},
		timeline.Change{Kind: timeline.Moved, Event: an("c", "B"), Before: b},
		timeline.Change{Kind: timeline.Moved, Event: an("a", "C"), Before: c},
	)
	for id, entry := range map[string]string{"b": "a", "c": "b", "a": "c"} {
		if got := r.entry(id).ID; got != "tag:example.org,2025:"+entry {
			t.Errorf("%s has the entry id %s", id, got)
		}
	}
	for _, id := range []string{"a", "b", "c"} {
		if to, ok := r.l.Moved(id); ok {
			t.Errorf("%s, which is public, moved to %s", id, to)
		}
	}

	// By Compare it is two updates: the ids, and with them the entries, stay.
	r = start(t)
	r.turn(a, b)
	told := r.turn(an("a", "B"), an("b", "A"))
	if told["a"].Kind != timeline.Updated || r.entry("a").ID != "tag:example.org,2025:a" || r.entry("a").Event.Title != "B" {
		t.Errorf("told: %+v", told)
	}

	// One takes the id of another that is withdrawn in the same turn.
	r = start(t)
	r.turn(a, b)
	r.apply(
		timeline.Change{Kind: timeline.Withdrawn, Event: b, Before: b},
		timeline.Change{Kind: timeline.Moved, Event: an("b", "A"), Before: a},
	)
	if got := r.entry("b").ID; got != "tag:example.org,2025:a" {
		t.Errorf("b has the entry id %s", got)
	}
}

func TestDatesOfTheFirstRun(t *testing.T) {
	r := start(t)
	now := r.now
	told := r.turn(
		an("said", "A", lastUpdated("2025-03-01T12:00:00Z")),
		an("said too", "B", lastUpdated("2025-03-01T12:00:00Z")),
		an("ancient", "C", on("1142-04-04")),
		an("ancient too", "D", on("1142-04-04")),
		an("future", "E", on("2100-01-01")),
		an("day", "F", on("2020-05-05")),
		an("same day", "G", on("2020-05-05")),
		an("hour", "H", on("2020-05-06T07:08:09+02:00")),
		an("says the impossible", "I", lastUpdated("2999-01-01")),
		an("published", "J", on("2001-01-01"), published("2024-02-02T02:02:02Z")),
		an("published and changed", "K", published("2024-02-02T00:00:00Z"), lastUpdated("2024-06-06T00:00:00Z")),
		an("changed, then published", "L", published("2024-06-07T00:00:00Z"), lastUpdated("2024-02-02T00:00:00Z")),
	)
	seen := make(map[time.Time]string)
	for id, c := range told {
		if c.Kind != timeline.New || c.Before != nil {
			t.Errorf("%s is told as %s", id, c.Kind)
		}
		u := c.After.Updated
		if other, ok := seen[u]; ok {
			t.Errorf("%s and %s were both updated at %v", id, other, u)
		}
		seen[u] = id
		if u.Before(earliest) || u.After(now.Add(time.Second)) || c.After.Published.Before(earliest) || c.After.Published.After(u) {
			t.Errorf("%s: published %v, updated %v", id, c.After.Published, u)
		}
	}
	within := func(id, from, to string) {
		t.Helper()
		if u := told[id].After.Updated; u.Before(moment(from)) || u.After(moment(to)) {
			t.Errorf("%s was updated at %v", id, u)
		}
	}
	within("said", "2025-03-01T12:00:00Z", "2025-03-01T12:00:01Z")
	within("said too", "2025-03-01T12:00:00Z", "2025-03-01T12:00:01Z")
	within("ancient", "1990-01-01", "1990-01-02")
	within("day", "2020-05-05", "2020-05-06")
	within("same day", "2020-05-05", "2020-05-06")
	within("hour", "2020-05-06T05:08:09Z", "2020-05-06T05:08:09Z")
	within("published", "2024-02-02T02:02:02Z", "2024-02-02T02:02:02Z")
	within("published and changed", "2024-06-06", "2024-06-06")
	within("changed, then published", "2024-06-07", "2024-06-07")
	if p := told["published and changed"].After.Published; !p.Equal(moment("2024-02-02")) {
		t.Errorf("published %v", p)
	}

	// Another machine, another day, another order: the same dates.
	other := start(t)
	other.now = now.Add(1000 * time.Hour)
	for id, c := range other.turn(an("day", "F", on("2020-05-05")), an("ancient", "C", on("1142-04-04")), an("said", "A", lastUpdated("2025-03-01T12:00:00Z"))) {
		if want := told[id].After; !c.After.Updated.Equal(want.Updated) || !c.After.Published.Equal(want.Published) {
			t.Errorf("%s elsewhere: %v, here: %v", id, c.After.Updated, want.Updated)
		}
	}
}

func TestDatesOfLaterTurns(t *testing.T) {
	r := start(t)
	r.turn(an("a", "A", importance(3)), an("b", "B"))
	was := r.entry("a").Updated

	r.turn(an("a", "A", importance(3), tags("x")), an("b", "B"))
	if got := r.entry("a").Updated; !got.Equal(was) {
		t.Errorf("tags moved Updated from %v to %v", was, got)
	}
	r.turn(an("a", "A", importance(3), tags("x"), func(e *event.Event) {
		e.Actors, e.Location, e.Sources = []string{"y"}, "here", []event.Source{{Title: "s"}}
	}), an("b", "B"))
	if got := r.entry("a").Updated; !got.Equal(was) {
		t.Errorf("actors, location and sources moved Updated from %v to %v", was, got)
	}
	for _, change := range []func(*event.Event){
		importance(4), on("2025-01-29"), func(e *event.Event) { e.Status = "confirmed" },
		func(e *event.Event) { e.Body = "Other." }, func(e *event.Event) { e.Title = "T" },
	} {
		was, now := r.entry("a").Updated, r.now
		next := *r.entry("a").Event
		change(&next)
		next.Seal()
		told := r.turn(&next, an("b", "B"))
		if got := r.entry("a").Updated; !got.Equal(now) || !got.After(was) {
			t.Errorf("%v moved Updated from %v to %v at %v", told["a"].Fields, was, got, now)
		}
	}
	if got := r.entry("a").Published; !got.Equal(moment("2025-01-28")) && got.Before(moment("2025-01-28")) {
		t.Errorf("published %v", got)
	}

	// A move dates nothing.
	was = r.entry("b").Updated
	a := r.entry("a").Event
	r.turn(a, an("moved", "B"))
	if got := r.entry("moved").Updated; !got.Equal(was) {
		t.Errorf("a move moved Updated from %v to %v", was, got)
	}
}

func TestLaterTurnsFollowOneAnother(t *testing.T) {
	r := start(t)
	r.turn()
	now := r.now
	old := an("old", "O", on("1142-04-04"))
	told := r.turn(an("y", "Y", on("2025-01-02")), an("x", "X", on("2025-01-02")), old, an("claims", "C", on("2025-01-03"), lastUpdated("2001-01-01")),
		an("override", "P", on("2025-01-04"), published("2020-01-01")), an("from the future", "F", on("2025-01-05"), published("2999-01-01")))
	last := now.Add(-time.Millisecond)
	for _, id := range []string{"old", "x", "y", "claims", "override", "from the future"} {
		u := told[id].After.Updated
		if !u.After(last) || u.After(now.Add(time.Second)) {
			t.Errorf("%s was updated at %v, the one before at %v", id, u, last)
		}
		last = u
	}
	if p := told["old"].After.Published; !p.Equal(now) {
		t.Errorf("an old event that is new was published %v", p)
	}
	if p := told["override"].After.Published; !p.Equal(moment("2020-01-01")) {
		t.Errorf("the front matter's published became %v", p)
	}
	if p := told["from the future"].After.Published; !p.Equal(now) {
		t.Errorf("a published in the future became %v", p)
	}

	// The clock goes back by a year: order stays that of telling.
	r.now = now.AddDate(-1, 0, 0)
	told = r.turn(append(slices.Collect(func(yield func(*event.Event) bool) {
		for rec := range r.l.Public() {
			if !yield(rec.Event) {
				return
			}
		}
	}), an("late", "L"))...)
	if u := told["late"].After.Updated; !u.After(last) || u.After(last.Add(time.Second)) {
		t.Errorf("with a clock that went back: updated %v, the newest before %v", u, last)
	}
}

// Times are kept as they are told: whole seconds and those of stamps, in UTC.
func TestApplyRoundsTheClock(t *testing.T) {
	r := start(t)
	r.turn(an("a", "A"), an("b", "B"))
	r.now = time.Date(2026, 3, 4, 5, 6, 7, 891234567, time.FixedZone("", 3600))
	told := r.turn(an("b", "B2"), an("c", "C", published("2999-01-01")))
	want := moment("2026-03-04T04:06:07Z")
	if w := told["a"].After.Withdrawn; w != want {
		t.Errorf("withdrawn at %v", w)
	}
	if c := told["c"].After; c.Published != want || c.Updated.Before(c.Published) {
		t.Errorf("published %v, updated %v", c.Published, c.Updated)
	}
}

func TestSetFeed(t *testing.T) {
	r := start(t)
	now := moment("2026-01-01T10:00:00Z").Add(700 * time.Millisecond)
	updated := moment("2025-12-31")
	v := r.l.SetFeed("tags/ai", "AI", "one", updated, false, now)
	if want := (Validators{Name: "AI", Digest: "one", Modified: moment("2026-01-01T10:00:00Z"), Updated: updated}); v != want {
		t.Errorf("a new feed: %+v, want %+v", v, want)
	}
	if got := r.l.SetFeed("tags/ai", "other", "one", updated.AddDate(1, 0, 0), false, now.Add(time.Hour)); got != v {
		t.Errorf("the same digest: %+v", got)
	}
	r.write()
	r.same()
	r.l = r.load()
	if got := r.l.Feed("tags/ai"); got != v {
		t.Errorf("loaded: %+v", got)
	}
	if got := r.l.SetFeed("tags/ai", "AI", "one", updated, false, now.Add(time.Hour)); got != v || r.l.Pending() {
		t.Errorf("the same digest after a restart: %+v, pending %v", got, r.l.Pending())
	}

	// Twice within a second, then with a clock that went back, and with an entry
	// less: Modified grows, Updated stays.
	for i, digest := range []string{"two", "three", "one"} {
		at := []time.Time{now, now.Add(-time.Hour), now.Add(100 * time.Millisecond)}[i]
		next := r.l.SetFeed("tags/ai", "Ai", digest, updated.Add(-time.Hour), false, at)
		if next.Modified.Sub(v.Modified) != time.Second || next.Updated != v.Updated || next.Digest != digest || next.Name != "Ai" {
			t.Errorf("behind %+v comes %+v", v, next)
		}
		v = next
	}
	next := r.l.SetFeed("tags/ai", "AI", "four", updated.Add(time.Hour), false, now.Add(time.Hour))
	if !next.Updated.Equal(updated.Add(time.Hour)) || !next.Modified.Equal(moment("2026-01-01T11:00:00Z")) {
		t.Errorf("an hour later: %+v", next)
	}
	r.l.SetFeed("custom/empty", "", "nothing", time.Time{}, false, now)
	r.write()
	r.same()
	if n := len(maps.Collect(r.load().Feeds())); n != 2 {
		t.Errorf("%d feeds", n)
	}
	if v := r.l.Feed("unknown"); v != (Validators{}) {
		t.Errorf("an unknown feed: %+v", v)
	}
}

func TestSlugsAreKept(t *testing.T) {
	r := start(t)
	topic := func(name string) timeline.Topic { return timeline.Topic{Kind: timeline.Tag, Key: event.Key(name)} }
	r.turn(an("a", "A", tags("C++")))
	if got := r.l.Slug(topic("C++")); got != "c" {
		t.Errorf("the slug of C++ is %q", got)
	}
	r.l = r.load()
	r.turn(an("a", "A", tags("C++")), an("b", "B", tags("C", "c++")))
	if a, b := r.l.Slug(topic("C++")), r.l.Slug(topic("C")); a != "c" || b == "c" || b == "" {
		t.Errorf("the slugs of C++ and C are %q and %q", a, b)
	}
	r.turn()
	if got := r.load().Slug(topic("C++")); got != "c" {
		t.Errorf("the slug of C++ is %q when nothing has the tag", got)
	}
}

// TestAnyTurns does random turns: each must survive Write and Load, and the
// entry ids stay distinct and bound to their events.
func TestAnyTurns(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := start(t)
			rnd := rand.New(rand.NewPCG(seed, 2))
			here := make(map[string]*event.Event)
			names := []string{"a", "b", "c", "d/e", "d/f"}
			for range 25 {
				for range 1 + rnd.IntN(3) {
					id, to := names[rnd.IntN(len(names))], names[rnd.IntN(len(names))]
					switch e := here[id]; rnd.IntN(4) {
					case 0:
						delete(here, id)
					case 1: // renames, over another event too
						if delete(here, id); e != nil {
							moved := *e
							moved.ID, moved.Path = to, to+".md"
							here[to] = &moved
						}
					case 2: // swaps
						here[id], here[to] = here[to], here[id]
						for _, id := range []string{id, to} {
							if e := here[id]; e != nil {
								moved := *e
								moved.ID, moved.Path = id, id+".md"
								here[id] = &moved
							} else {
								delete(here, id)
							}
						}
					default:
						here[id] = an(id, fmt.Sprint("T", rnd.IntN(3)), importance(rnd.IntN(10)), tags(fmt.Sprint("t", rnd.IntN(3))))
					}
				}
				r.now = r.now.Add(time.Duration(rnd.IntN(10)-3) * time.Hour)
				newest := r.l.last
				told := r.turn(slices.Collect(maps.Values(here))...)
				if len(r.l.public) != len(here) {
					t.Fatalf("%d public records of %d events", len(r.l.public), len(here))
				}
				for id, e := range here {
					if got := r.l.Told(id); got == nil || got.Revision != e.Revision {
						t.Fatalf("%s is told as %+v", id, got)
					}
				}
				stamps := make(map[time.Time]bool)
				for _, c := range told {
					if before := c.Before; before != nil && before.ID != c.After.ID {
						t.Errorf("%s: the entry id went from %s to %s", c.Event.ID, before.ID, c.After.ID)
					}
					if u := c.After.Updated; c.Before == nil || !u.Equal(c.Before.Updated) {
						if stamps[u] || !u.After(newest) {
							t.Errorf("%s was updated at %v, the newest before at %v", c.Event.ID, u, newest)
						}
						stamps[u] = true
					}
				}
				if rnd.IntN(5) == 0 {
					r.l = r.load()
				}
			}
		})
	}
}
