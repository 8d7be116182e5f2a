package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tocsin/config"
	"tocsin/event"
	"tocsin/feed"
	"tocsin/ledger"
	"tocsin/notify"
	"tocsin/notify/outbox"
	"tocsin/shelf"
	"tocsin/timeline"
)

// TestRandomOperations does random things to a folder, turns the wheel now and
// then, and holds what the world is told against a plain oracle. At any moment
// the wheel may be made anew over the same store, or the store refuse a turn:
// nothing changes by it.
//
// It runs 1,000 sequences, a tenth of them under the race detector, or as many as
// -rapid.checks says.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	checks := "1000"
	if raced() {
		checks = "100"
	}
	given := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.steps": "16", "rapid.shrinktime": "1m"} {
		if !given[name] {
			if err := flag.Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := newBench(t)
	rapid.Check(t, func(t *rapid.T) {
		p := b.begin(t)
		for range rapid.IntRange(0, 4).Draw(t, "files") {
			p.do(t, p.write)
		}
		p.turn(look{})
		t.Repeat(map[string]func(*rapid.T){
			"write":   func(t *rapid.T) { p.do(t, p.write, p.copy, p.putBack, p.reform) },
			"edit":    func(t *rapid.T) { p.do(t, p.edit) },
			"move":    func(t *rapid.T) { p.do(t, p.rename, p.rename, p.renameFolder, p.remove) },
			"confuse": func(t *rapid.T) { p.do(t, p.swap, p.swapIDs, p.claim) },
			"break":   func(t *rapid.T) { p.do(t, p.breakIt, p.mend, p.draft, p.touch) },
			"turn":    func(t *rapid.T) { p.turn(look{all: rapid.Bool().Draw(t, "all")}) },
			"look": func(t *rapid.T) {
				p.look(look{early: rapid.Bool().Draw(t, "early"), overdue: rapid.Bool().Draw(t, "overdue")})
			},
			"disturb": func(t *rapid.T) { p.do(t, p.restart, p.refuse) },
		})
		p.end()
	})
	t.Logf("what was told: %v", b.count)
	for _, what := range []string{"new", "updated", "raised", "withdrawn", "moved", "silent"} {
		if b.count[what] == 0 {
			t.Errorf("nothing %s in all sequences: the test tests nothing", what)
		}
	}
}

// What was told wrongly once.
func TestOperations(t *testing.T) {
	b := newBench(t)
	one, two := says{title: "One", date: "2025-01-01"}, says{title: "Two", date: "2025-01-01"}
	nine := says{title: "One", date: "2025-01-01", importance: 9}
	for _, tt := range []struct {
		name string
		do   func(p *play)
	}{
		{"two events of one title and date move and change their order", func(p *play) {
			p.put("a.md", paper{says: one})
			p.put("b.md", paper{says: nine})
			p.turn(look{})
			p.mv("a.md", "d.md")
			p.mv("b.md", "c.md")
			p.turn(look{})
		}},
		{"an event like one that moves", func(p *play) {
			p.put("a.md", paper{says: one})
			p.turn(look{})
			p.mv("a.md", "c.md")
			p.put("b.md", paper{says: nine})
			p.turn(look{})
		}},
		{"an address from before two moves, whose second place another event takes", func(p *play) {
			p.put("a.md", paper{says: one})
			p.turn(look{})
			p.mv("a.md", "b.md")
			p.turn(look{})
			p.mv("b.md", "c.md")
			p.turn(look{})
			p.put("b.md", paper{says: two})
			p.turn(look{})
		}},
		{"an address of a withdrawn event, whose last place another event takes", func(p *play) {
			p.put("a.md", paper{says: one})
			p.put("c.md", paper{says: two})
			p.turn(look{})
			p.mv("a.md", "b.md")
			p.turn(look{})
			p.rm("b.md")
			p.turn(look{})
			p.mv("c.md", "b.md")
			p.turn(look{})
		}},
		{"an id whose first event was withdrawn, and whose second came, went, came back and moved away", func(p *play) {
			p.put("a.md", paper{says: one})
			p.put("b.md", paper{says: two})
			p.turn(look{})
			p.rm("a.md")
			p.turn(look{})
			p.mv("b.md", "a.md")
			p.turn(look{})
			p.rm("a.md")
			p.turn(look{})
			p.put("a.md", paper{says: two})
			p.turn(look{})
			p.mv("a.md", "b.md")
			p.turn(look{})
			p.put("a.md", paper{says: one})
			p.turn(look{})
		}},
		{"a move while the folder does not rest, and a restart in it", func(p *play) {
			p.put("a.md", paper{says: one})
			p.turn(look{})
			p.mv("a.md", "b.md")
			p.look(look{overdue: true})
			p.again()
			p.look(look{overdue: true})
			p.look(look{overdue: true})
			p.turn(look{})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := b.begin(t)
			tt.do(p)
			p.end()
		})
	}
}

// What the files mean.

// says is what an event says.
type says struct {
	title, date  string
	importance   int
	status, tags string
	body         string
}

// parts are what an event says by field, in the order in which changes list them.
func (s says) parts() [][2]string {
	return [][2]string{
		{"title", s.title}, {"date", s.date}, {"importance", fmt.Sprint(s.importance)}, {"status", s.status},
		{"tags", s.tags}, {"body", s.body},
	}
}

// edition is an event as one file tells it.
type edition struct {
	id, path string
	says     says
	draft    bool
}

// paper is one file of the folder.
type paper struct {
	id     string // in the front matter; empty: none
	says   says
	draft  bool
	broken int // a way in which it does not parse; 0: it does
	form   int // a way of writing that means the same
	stamp  int // of the last writing or renaming; no two have one
}

// edition returns what the file tells if it parses.
func (f paper) edition(p string) *edition {
	return &edition{id: cmp.Or(f.id, strings.TrimSuffix(p, ".md")), path: p, says: f.says, draft: f.draft}
}

// unparsable are texts that do not parse, from 1.
var unparsable = []string{1: "", 2: "---\ntitle: T\n", 3: "---\ntitle: T\ndate: soon\n---\n", 4: "Text.\n", 5: "---\ntitle: [T\n---\n"}

// forms is the number of ways to write a file.
const forms = 32

func (f paper) text() string {
	if f.broken > 0 {
		return unparsable[f.broken]
	}
	front := []string{"title: " + f.says.title, "date: " + f.says.date}
	if f.id != "" {
		front = append(front, "id: "+f.id)
	}
	if f.says.importance > 0 {
		front = append(front, fmt.Sprint("importance: ", f.says.importance))
	}
	if f.says.status != "" {
		front = append(front, "status: "+f.says.status)
	}
	if f.says.tags != "" {
		front = append(front, "tags: ["+f.says.tags+"]")
	}
	if f.draft {
		front = append(front, "draft: true")
	}
	body := "\n" + f.says.body + "\n"
	if f.form&1 != 0 {
		slices.Reverse(front)
	}
	if f.form&2 != 0 {
		front = append(front, "last_updated: 2025-03-01", "unknown: true")
	}
	if f.form&4 != 0 {
		body = "\n" + strings.ReplaceAll(body, "\n", "  \n") + "\n\n"
	}
	if f.form&8 != 0 {
		front = slices.Insert(front, 1, "# A comment.", "")
	}
	text := "---\n" + strings.Join(front, "\n") + "\n---\n" + body
	if f.form&16 != 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// The oracle.

// public is an event as the world knows it.
type public struct {
	edition
	entry string // its id in feeds
}

// oracle says what the world must be told. It knows what the files mean, and
// works everything out from that.
type oracle struct {
	disk   map[string]paper
	known  map[string]*edition // by path: the last good edition as of the last look; nil: none was
	told   map[string]public   // by id
	broken map[string]bool     // by path: it did not parse at the last look
	// holder gives the entry that had an event id last, withdrawn those that were
	// withdrawn under it, minted all that there ever were.
	holder    map[string]string
	withdrawn map[string][]string
	minted    map[string]bool
	// corrections are all that there ever were, by the feed.
	corrections map[string][]string
}

// look makes known what the folder holds, and returns the files that are left for
// later: those that are young and, while the folder does not rest, those that may
// be a missing file at another place. Nothing is gone then. What does not parse
// stays as it was.
func (o *oracle) look(overdue bool, young func(p string, f paper) bool) (left map[string]bool) {
	missing := o.missing()
	left = make(map[string]bool)
	for p, f := range o.disk {
		old := o.known[p]
		mayBe := func(q string) bool {
			away := o.known[q]
			return away != nil && alike(away.says, f.says)
		}
		switch {
		case young(p, f), overdue && old == nil && f.broken == 0 && slices.ContainsFunc(slices.Collect(maps.Keys(missing)), mayBe):
			left[p] = true
		case f.broken > 0:
			o.known[p], o.broken[p] = old, true
		default:
			o.known[p], o.broken[p] = f.edition(p), false
		}
	}
	if !overdue {
		for p := range missing {
			delete(o.known, p)
			delete(o.broken, p)
		}
	}
	return left
}

func alike(a, b says) bool { return a.title == b.title && a.date == b.date }

// forget leaves what the world was told, as a restart does.
func (o *oracle) forget() {
	clear(o.known)
	clear(o.broken)
	o.remember()
}

// remember makes known what the world was told of files that are not known, as
// the next look will find it again.
func (o *oracle) remember() {
	for _, e := range o.told {
		if _, ok := o.known[e.path]; !ok {
			o.known[e.path] = &e.edition
		}
	}
}

// missing returns the known files that are not there.
func (o *oracle) missing() map[string]bool {
	all := make(map[string]bool)
	for p := range o.known {
		if _, ok := o.disk[p]; !ok {
			all[p] = true
		}
	}
	return all
}

// stands returns the events that are to be public, by id, and the files that lose
// their id to another.
func (o *oracle) stands() (now map[string]edition, losers []string) {
	now = make(map[string]edition)
	for _, p := range slices.Sorted(maps.Keys(o.known)) {
		e := o.known[p]
		if e == nil {
			continue
		}
		if _, taken := now[e.id]; taken {
			losers = append(losers, p)
		} else {
			now[e.id] = *e
		}
	}
	maps.DeleteFunc(now, func(_ string, e edition) bool { return e.draft })
	return now, losers
}

// verdict is what one turn must do.
type verdict struct {
	told     map[string]public // the entry is empty where it has to be a new one
	messages []string
	// significant are the entries that move up in feeds.
	significant map[string]bool
	// corrections are those that readers are shown, by the feed.
	corrections map[string][]string
}

// turn works out what the world is told when what is known now becomes public.
func (o *oracle) turn(silent bool) verdict {
	now, _ := o.stands()
	v := verdict{told: make(map[string]public), significant: make(map[string]bool), corrections: make(map[string][]string)}
	correct := func(kind string, e says, before *says) {
		line := fmt.Sprint(kind, " ", e, " ", before)
		paths := homes(e)
		if before != nil {
			if before.title == e.title && before.date == e.date && before.status == e.status {
				return
			}
			line = fmt.Sprint(kind, " ", e, " ", *before)
			paths = append(paths, homes(*before)...)
		}
		slices.Sort(paths)
		for _, path := range append(slices.Compact(paths), "corrections") {
			v.corrections[path] = append(v.corrections[path], line)
		}
	}
	var gone, fresh []string
	for _, id := range slices.Sorted(maps.Keys(o.told)) {
		if _, ok := now[id]; !ok {
			gone = append(gone, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if _, ok := o.told[id]; !ok {
			fresh = append(fresh, id)
		}
	}
	same := func(a, b says) bool { return a == b }

	// Moves: first of those that say the same, then of those that are alike.
	from, to := make(map[string]string), make(map[string]string)
	for _, fit := range []func(a, b says) bool{same, alike} {
		for _, id := range fresh {
			for _, old := range gone {
				if from[id] == "" && to[old] == "" && fit(o.told[old].says, now[id].says) {
					from[id], to[old] = old, id
				}
			}
		}
	}

	tell := func(kind string, e public, before *says) {
		for _, least := range leasts {
			if !silent {
				if m, ok := message(least, kind, e, before); ok {
					v.messages = append(v.messages, m)
				}
			}
		}
	}
	for id, e := range now {
		before, known := o.told[id]
		if !known && from[id] != "" {
			before, known = o.told[from[id]], true
		}
		p := public{e, before.entry}
		if of := o.withdrawn[id]; !known && len(of) > 0 {
			p.entry = of[len(of)-1] // it is back
		}
		v.told[id] = p
		switch {
		case !known:
			v.significant[p.entry] = true
			// A copy of what moved is told to nobody: they know what it says.
			copied := slices.ContainsFunc(gone, func(old string) bool {
				s := o.told[old].says
				return alike(s, e.says) && to[old] != "" && (s == e.says || now[to[old]].says == e.says)
			})
			if !copied {
				tell("new", p, nil)
			}
		case before.says != e.says:
			tags := before.says
			tags.tags = e.says.tags
			v.significant[p.entry] = tags != e.says // more than the tags
			tell("updated", p, &before.says)
			correct("updated", e.says, &before.says)
		}
	}
	for _, old := range gone {
		if to[old] == "" {
			tell("withdrawn", o.told[old], nil)
			correct("withdrawn", o.told[old].says, nil)
		}
	}
	slices.Sort(v.messages)
	return v
}

// leasts are the min_importance of the sinks.
var leasts = []int{0, 5, 8}

// message is what a sink is told of a change, if it is.
func message(least int, kind string, e public, before *says) (string, bool) {
	counts := kind != "updated"
	var fields, values []string
	if before != nil {
		was := before.parts()
		for i, is := range e.says.parts() {
			if is == was[i] {
				continue
			}
			fields = append(fields, is[0])
			if is[0] != "body" {
				values = append(values, was[i][0]+": "+was[i][1])
			}
			counts = counts || is[0] != "tags" && is[0] != "body"
		}
		if before.importance < least && e.says.importance >= least {
			kind, counts = "raised", true
		}
	}
	return wire(least, kind, e.id, e.says, e.entry, fields, values), counts && e.says.importance >= least
}

// wire is a message as one line.
func wire(least int, kind, id string, s says, entry string, fields, before []string) string {
	slices.Sort(before)
	return fmt.Sprintf("to min-%d: %s %s (%s, %s, %d, %q, [%s]), entry %s, changed %q, before %q",
		least, kind, id, s.title, s.date, s.importance, s.status, s.tags, entry, fields, before)
}

// settle enters what the world was told. entries gives the ids of the new ones.
func (o *oracle) settle(v verdict, entries map[string]string) {
	for id, e := range o.told {
		if !slices.ContainsFunc(slices.Collect(maps.Values(v.told)), func(n public) bool { return n.entry == e.entry }) {
			o.withdrawn[id] = append(o.withdrawn[id], e.entry)
		}
	}
	for id, e := range v.told {
		e.entry = entries[id]
		v.told[id] = e
		o.holder[id] = e.entry
		o.minted[e.entry] = true
		for id, of := range o.withdrawn {
			o.withdrawn[id] = slices.DeleteFunc(of, func(entry string) bool { return entry == e.entry })
		}
	}
	o.told = v.told
	for path, lines := range v.corrections {
		o.corrections[path] = append(o.corrections[path], lines...)
	}
}

// homes are the feeds that an event stands in.
func homes(s says) []string {
	all := []string{"all"}
	if s.importance >= 8 {
		all = append(all, "custom/top")
	}
	for _, tag := range strings.Split(s.tags, ", ") {
		if tag != "" {
			all = append(all, "tags/"+strings.ToLower(tag))
		}
	}
	return all
}

// feeds returns what stands in each feed.
func (o *oracle) feeds() map[string]string {
	all := map[string][]string{"all": nil, "corrections": nil, "custom/top": nil}
	for _, e := range o.told {
		for _, path := range homes(e.says) {
			all[path] = append(all[path], fmt.Sprint(e.entry, " ", e.id, " ", e.says))
		}
	}
	for path, lines := range o.corrections {
		all[path] = append(all[path], lines...)
	}
	feeds := make(map[string]string)
	for path, lines := range all {
		slices.Sort(lines)
		feeds[path] = strings.Join(lines, "\n")
	}
	return feeds
}

// The program.

// bench is what all sequences share: a folder, and a store with its queue.
type bench struct {
	config *config.Config
	store  *ledger.Store
	outbox *outbox.Outbox
	texts  *shelf.Shelf
	count  map[string]int // messages by kind, and moves and turns that told nothing
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tocsin-*") // in memory, where there is such a place
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := config.Default()
	c.Site.Authority = "example.org,2025"
	c.Events.Dir = filepath.Join(dir, "events")
	c.Store = config.Secret(filepath.Join(dir, "tocsin.db"))
	c.Feeds.Custom = []config.Custom{{Name: "top", Title: "Top", Match: config.Match{MinImportance: 8}}}
	for _, least := range leasts {
		s := config.DefaultSink()
		s.Name, s.Burst, s.Match.MinImportance = fmt.Sprint("min-", least), 0, least
		c.Notify.Sinks = append(c.Notify.Sinks, s)
	}
	b := &bench{config: &c, texts: shelf.New(dir, slog.New(slog.DiscardHandler)), count: make(map[string]int)}
	if b.store, err = ledger.Open(t.Context(), c.Store.Reveal()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.store.Close() })
	// It never runs, and needs to know no sinks: what is planned stays.
	b.outbox = outbox.New(outbox.Options{Store: b.store, Logger: slog.New(slog.DiscardHandler)})
	if err := b.outbox.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.outbox.Close() })
	return b
}

// failer is a test that can fail.
type failer interface {
	Fatalf(format string, args ...any)
}

// play is one sequence of operations.
type play struct {
	*bench
	t      failer
	oracle oracle
	wheel  *wheel
	moment time.Time // the wheel's clock
	early  bool      // the timeline's clock finds that no new file has rested
	log    []string

	trash   map[string]paper // what was removed last, by path
	stamp   int
	hint    []string // where something was done since the last turn
	all     bool     // the next look is everywhere
	fresh   bool     // the wheel has done no turn since it was made, or since one failed
	refused bool     // the store refuses the next turn

	seen   map[string]int  // by path: the stamps of the last look
	marks  map[string]mark // by path: what the store vouches for
	missed map[string]bool // what the last look missed
	feeds  map[string]ledger.Validators
	stood  map[string]string       // oracle.feeds as of the last turn
	dates  map[string][2]time.Time // by entry id: published, updated
}

// mark is that of a file as the store has it, and the stamp of the file then.
type mark struct {
	bytes string
	stamp int
}

// note notes which files the store vouches for.
func (p *play) note() {
	marks := make(map[string]mark)
	p.try(p.store.EachMark(context.Background(), p.wheel.reader, func(q string, b []byte) {
		m := mark{string(b), p.seen[q]}
		if before, ok := p.marks[q]; ok && before.bytes == m.bytes {
			m = before
		}
		marks[q] = m
	}))
	p.marks = marks
}

// begin begins a sequence with an empty folder and an empty store.
func (b *bench) begin(t failer) *play {
	p := &play{
		bench: b, t: t, trash: make(map[string]paper), moment: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		oracle: oracle{
			disk: make(map[string]paper), known: make(map[string]*edition), told: make(map[string]public),
			holder: make(map[string]string), withdrawn: make(map[string][]string), minted: make(map[string]bool), corrections: make(map[string][]string),
			broken: make(map[string]bool),
		},
	}
	p.try(os.RemoveAll(b.config.Events.Dir))
	p.try(os.Mkdir(b.config.Events.Dir, 0o755))
	p.try(b.store.Write(context.Background(), func(tx *sql.Tx) error {
		for _, table := range []string{
			"delivery_events", "deliveries", "moves", "history", "renames", "events", "slugs", "feeds", "files", "meta", "river_job", "river_notification",
		} {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		return nil
	}))
	p.exec("DROP TRIGGER IF EXISTS refuse")
	p.start()
	return p
}

// start makes a wheel, as a new process does.
func (p *play) start() {
	p.wheel = newWheel(p.config, p.store, p.outbox, p.texts, newGate(), func() time.Time { return p.moment }, slog.New(slog.DiscardHandler), nil)
	p.wheel.timeline = timeline.Empty(timeline.Options{
		Dir: p.config.Events.Dir, Include: p.config.Events.Include, Reader: event.NewReader(dialect(p.config)),
		Settle: time.Minute, MaxDelay: time.Hour, Shelve: p.texts.Put,
		Now: func() time.Time {
			if p.early {
				return time.Now()
			}
			return time.Now().Add(2 * time.Minute)
		},
	})
	p.seen, p.missed, p.all, p.fresh = make(map[string]int), nil, true, true
	for _, told := range p.oracle.told {
		if m, ok := p.marks[told.path]; ok {
			p.seen[told.path] = m.stamp
		}
	}
}

func (p *play) try(err error) {
	if err != nil {
		p.fail("%v", err)
	}
}

// fail ends the test with all that was done.
func (p *play) fail(format string, args ...any) {
	p.t.Fatalf("%s\nafter:\n\t%s", fmt.Sprintf(format, args...), strings.Join(p.log, "\n\t"))
}

// look is a way to look at the folder.
type look struct {
	all bool // not only where something was done
	// early: before new files have rested. overdue: the folder does not rest.
	early, overdue bool
}

// turn looks until the turn is done.
func (p *play) turn(l look) {
	for range 5 {
		if p.look(l) {
			return
		}
		l = look{}
	}
	p.fail("the turn does not end")
}

// look looks once and reports whether the turn is done.
func (p *play) look(l look) bool {
	o := &p.oracle
	where := timeline.Where{Paths: p.hint, All: l.all || p.all || len(p.hint) == 0, Overdue: l.overdue}
	what := "look"
	if l.early {
		what += " early"
	}
	if l.overdue {
		what += " while the folder does not rest"
	}
	if where.All {
		what += " everywhere"
	}
	p.log = append(p.log, what)

	// What is missing and was not at the last look holds this one, and so does a
	// file that has not rested.
	missing, held := o.missing(), false
	for q := range missing {
		held = held || !p.missed[q]
	}
	p.missed = missing
	young := func(q string, f paper) bool { return l.early && p.seen[q] != f.stamp }
	for q, f := range o.disk {
		held = held || young(q, f)
	}
	held = held && !l.overdue

	first := p.wheel.ledger == nil && len(p.feeds) == 0
	if p.refused {
		p.exec("CREATE TRIGGER IF NOT EXISTS refuse BEFORE INSERT ON feeds BEGIN SELECT RAISE(ABORT, 'refused'); END")
	}
	p.early, p.moment = l.early, p.moment.Add(time.Second)
	again, err := p.wheel.turn(context.Background(), where)
	if p.refused {
		p.exec("DROP TRIGGER refuse")
	}
	if !held {
		left := o.look(l.overdue, young)
		maps.DeleteFunc(p.seen, func(q string, _ int) bool { return missing[q] && !l.overdue })
		for q, f := range o.disk {
			if !left[q] {
				p.seen[q] = f.stamp
			}
		}
	}
	p.note()
	p.all = false
	switch {
	case err != nil:
		if !p.refused || held {
			p.fail("a turn failed: %v", err)
		}
		p.refused, p.all, p.fresh = false, true, true
		o.remember()
		p.same("messages", p.deliveries(), nil)
		return false
	case again != nil:
		if !held && !p.fresh {
			p.fail("a turn waits for another look, and nothing is missing")
		}
		if !l.overdue {
			p.hint = again
		} else {
			p.all = where.All
		}
		p.same("messages", p.deliveries(), nil)
		return false
	case held:
		p.fail("a turn did not wait for another look")
	}
	p.fresh, p.refused = false, false
	if l.overdue {
		p.all = where.All // all of it is named again
	} else {
		p.hint = nil
	}
	p.compare(o.turn(first))
	return true
}

func (p *play) exec(query string) {
	_, err := p.store.DB().Exec(query)
	p.try(err)
}

// compare holds what a turn did against the verdict, and enters it.
func (p *play) compare(v verdict) {
	o := &p.oracle
	l := p.wheel.ledger

	// The public events, with the entries that they had before.
	var want, got []string
	entries := make(map[string]string)
	for r := range l.Public() {
		e := r.Event
		entries[e.ID] = r.EntryID
		entry := r.EntryID
		if v.told[e.ID].entry == "" && !o.minted[entry] {
			entry = ""
		}
		got = append(got, fmt.Sprint(e.ID, " at ", e.Path, " ", p.read(e), " entry ", entry))
	}
	for id, e := range v.told {
		want = append(want, fmt.Sprint(id, " at ", e.path, " ", e.says, " entry ", e.entry))
	}
	p.same("public events", got, want)

	// Their dates.
	dates := make(map[string][2]time.Time)
	got, want = nil, nil
	for r := range l.Public() {
		dates[r.EntryID] = [2]time.Time{r.Published, r.Updated}
		if before, ok := p.dates[r.EntryID]; ok {
			got = append(got, fmt.Sprint(r.EntryID, " published ", r.Published, ", later updated: ", r.Updated.After(before[1])))
			want = append(want, fmt.Sprint(r.EntryID, " published ", before[0], ", later updated: ", v.significant[r.EntryID]))
		}
	}
	p.same("dates", got, want)

	// The messages.
	for i, m := range v.messages {
		// A new entry's id is known only now.
		if strings.Contains(m, ", entry , ") {
			id := strings.Fields(m)[3]
			v.messages[i] = strings.Replace(m, ", entry , ", ", entry "+entries[id]+", ", 1)
		}
	}
	p.same("messages", p.deliveries(), v.messages)
	for _, e := range v.told {
		for id, before := range o.told {
			if e.entry == before.entry && e.id != id {
				p.count["moved"]++
			}
		}
	}
	if len(v.messages) == 0 {
		p.count["silent"]++
	}
	for _, m := range v.messages {
		p.count[strings.Fields(m)[2]]++
	}
	o.settle(v, entries)

	// The feeds: one changes where what stands in it does.
	feeds, stood := maps.Collect(l.Feeds()), o.feeds()
	for path := range p.feeds {
		stood[path] += "" // it stays, also when its last event is gone
	}
	p.same("feeds", slices.Collect(maps.Keys(feeds)), slices.Collect(maps.Keys(stood)))
	for _, path := range slices.Sorted(maps.Keys(feeds)) {
		f := feeds[path]
		before, known := p.feeds[path]
		if changed := !known || stood[path] != p.stood[path]; changed != (f.Digest != before.Digest) || !changed && f != before {
			p.fail("feed %s: %+v, before %+v; it holds:\n%s\nbefore:\n%s", path, f, before, stood[path], p.stood[path])
		}
		shown := p.wheel.site.Feed(path)
		if shown == nil || shown.Digest != f.Digest || shown.Modified != f.Modified || shown.Total != strings.Count(stood[path]+"\n", "tag:") {
			p.fail("feed %s: the site does not show it as it is", path)
		}
	}
	p.feeds, p.stood, p.dates = feeds, stood, dates

	// What is wrong with the files.
	_, want = o.stands()
	got = nil
	for q, broken := range o.broken {
		if broken {
			want = append(want, q)
		}
	}
	for _, err := range p.wheel.timeline.Faults() {
		q, _, _ := strings.Cut(err.Error(), ":")
		got = append(got, q)
	}
	p.same("files with faults", got, want)
}

// read is what an event of the program says.
func (p *play) read(e *event.Event) says {
	e, err := e.Full()
	p.try(err)
	return says{e.Title, e.Date.String(), e.Importance, e.Status, strings.Join(e.Tags, ", "), e.Body}
}

// pages asks for the page of every id that there ever was: an event's own, or one
// that leads to where the event is now.
func (p *play) pages() {
	if len(p.oracle.holder) == len(p.oracle.told) {
		return // all are where they always were
	}
	handler := p.wheel.site.Handler()
	for _, id := range slices.Sorted(maps.Keys(p.oracle.holder)) {
		entry := p.oracle.holder[id]
		want := http.StatusGone
		for _, e := range p.oracle.told {
			if e.entry == entry {
				want = http.StatusOK
			}
		}
		at, status := "/events/"+id+"/", 0
		for hops := 0; ; hops++ {
			res := httptest.NewRecorder()
			handler.ServeHTTP(res, httptest.NewRequest(http.MethodGet, at, nil))
			status = res.Code
			if status != http.StatusMovedPermanently || hops > 10 {
				break
			}
			at = strings.TrimPrefix(res.Header().Get("Location"), p.config.Site.URL)
		}
		now := strings.Trim(strings.TrimPrefix(at, "/events"), "/")
		if status != want || want == http.StatusOK && p.oracle.told[now].entry != entry {
			p.fail("the page of %s leads to %s (%s), which answers %d; its event is %s, which is to answer %d",
				id, now, p.oracle.told[now].entry, status, entry, want)
		}
	}
}

// deliveries takes what was planned since the last call.
func (p *play) deliveries() []string {
	rows, err := p.store.DB().Query("SELECT sink, message FROM deliveries ORDER BY seq")
	p.try(err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var sink, body string
		var m notify.Message
		p.try(rows.Scan(&sink, &body))
		p.try(json.Unmarshal([]byte(body), &m))
		if len(m.Items) != 1 {
			p.fail("a message of %d items", len(m.Items))
		}
		c, e := m.Items[0].Change, m.Items[0].Event
		var least int
		_, err := fmt.Sscanf(sink, "min-%d", &least)
		p.try(err)
		var fields, before []string
		for _, f := range c.Fields {
			fields = append(fields, string(f))
		}
		for name, value := range c.Before {
			text := fmt.Sprint(value)
			if list, ok := value.([]any); ok {
				text = strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ", ")
			}
			before = append(before, name+": "+text)
		}
		s := says{title: e.Title, date: e.Date, importance: e.Importance, status: e.Status, tags: strings.Join(e.Tags, ", ")}
		all = append(all, wire(least, string(c.Kind), e.ID, s, e.FeedID, fields, before))
	}
	p.try(rows.Err())
	if len(all) > 0 {
		p.exec("DELETE FROM deliveries")
	}
	return all
}

// same compares two sets of lines.
func (p *play) same(what string, got, want []string) {
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		p.fail("%s:\n\t%s\nexpected:\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// The operations.

// operation is one thing to do. rapid writes it by GoString.
type operation struct {
	what string
	do   func()
}

func (o operation) GoString() string { return o.what }

// do draws one of kinds and does it.
func (p *play) do(t *rapid.T, kinds ...func(*rapid.T) operation) {
	o := rapid.Custom(func(t *rapid.T) operation {
		return kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")](t)
	}).Draw(t, "do")
	p.log = append(p.log, o.what)
	o.do()
}

// The values that events have. There are few, so that they meet.
var (
	titles      = []string{"One", "Two", "Three"}
	days        = []string{"2025-01-01", "1766-02-03"}
	importances = []int{0, 4, 5, 8}
	statuses    = []string{"", "confirmed"}
	tagLists    = []string{"", "courts", "press", "courts, press", "Courts"}
	bodies      = []string{"", "Text.", "More text."}
	places      = []string{"a.md", "b.md", "c.md", "sub/a.md", "sub/b.md", "sub/deep/a.md", "other/b.md", "sub.md"}
	folders     = []string{"sub", "other", "sub/deep", "Sub", "third"}
)

// most is how many files there are at most.
const most = 6

func pick[T any](t *rapid.T, of []T) T { return of[rapid.IntRange(0, len(of)-1).Draw(t, "")] }

// any picks a file that is there.
func (p *play) any(t *rapid.T) (string, paper) {
	name := pick(t, slices.Sorted(maps.Keys(p.oracle.disk)))
	return name, p.oracle.disk[name]
}

// two picks two files, if there are two.
func (p *play) two(t *rapid.T) (a, b string, ok bool) {
	names := slices.Sorted(maps.Keys(p.oracle.disk))
	if len(names) < 2 {
		return "", "", false
	}
	a = pick(t, names)
	return a, pick(t, slices.DeleteFunc(names, func(q string) bool { return q == a })), true
}

// free picks a place where no file is.
func (p *play) free(t *rapid.T) string {
	return pick(t, slices.DeleteFunc(slices.Clone(places), func(q string) bool { _, ok := p.oracle.disk[q]; return ok }))
}

func (p *play) at(name string) string {
	return filepath.Join(p.config.Events.Dir, filepath.FromSlash(name))
}

// place notes that a file is there now.
func (p *play) place(name string, f paper) {
	p.stamp++
	f.stamp = p.stamp
	p.oracle.disk[name] = f
	p.hint = append(p.hint, name)
}

// mv moves a file.
func (p *play) mv(from, to string) {
	f := p.oracle.disk[from]
	p.shift(from, to)
	delete(p.oracle.disk, from)
	p.place(to, f)
	p.hint = append(p.hint, from)
}

// shift renames a file or a folder.
func (p *play) shift(from, to string) {
	p.try(os.MkdirAll(filepath.Dir(p.at(to)), 0o755))
	p.try(os.Rename(p.at(from), p.at(to)))
}

// rm removes a file.
func (p *play) rm(name string) {
	p.try(os.Remove(p.at(name)))
	p.trash[name] = p.oracle.disk[name]
	delete(p.oracle.disk, name)
	p.hint = append(p.hint, name)
}

// again makes the wheel anew.
func (p *play) again() {
	if !p.fresh {
		p.pages()
	}
	p.oracle.forget()
	p.start()
}

// end ends a sequence: another start changes no byte. One case is left out: a file
// that was no public event, and is broken now, had the id of another that was kept
// back by it. Nobody knows what it was any more, and the other is new.
func (p *play) end() {
	p.turn(look{})
	before, stood := p.bytes(), p.stood["all"]
	p.log = append(p.log, "restart")
	p.again()
	p.turn(look{})
	if after := p.bytes(); after != before && p.stood["all"] == stood {
		p.fail("a restart changes a feed:\n%s\nbefore:\n%s", after, before)
	}
}

// bytes returns the feed of all events.
func (p *play) bytes() string {
	b, err := p.wheel.site.Feed("all").Render(feed.Atom)
	p.try(err)
	return string(b)
}

// put writes a file. It gets a time of its own: the clock of a file system may
// not tell two writings apart that follow at once.
func (p *play) put(name string, f paper) {
	p.place(name, f)
	p.try(os.MkdirAll(filepath.Dir(p.at(name)), 0o755))
	p.try(os.WriteFile(p.at(name), []byte(f.text()), 0o644))
	at := time.Date(2025, 1, 1, 0, 0, p.stamp, 0, time.UTC)
	p.try(os.Chtimes(p.at(name), at, at))
}

func (p *play) write(t *rapid.T) operation {
	if len(p.oracle.disk) >= most {
		return p.edit(t)
	}
	name := p.free(t)
	f := paper{
		says:  says{pick(t, titles), pick(t, days), pick(t, importances), pick(t, statuses), pick(t, tagLists), pick(t, bodies)},
		draft: rapid.IntRange(0, 7).Draw(t, "") == 7,
	}
	if rapid.IntRange(0, 3).Draw(t, "") == 3 {
		f.id = pick(t, []string{"a", "sub/a", "x", "y"})
	}
	return operation{"write " + name + ": " + f.String(), func() { p.put(name, f) }}
}

func (f paper) String() string {
	s := fmt.Sprintf("%s, %s", f.says.title, f.says.date)
	for _, part := range f.says.parts()[2:] {
		if part[1] != "" && part[1] != "0" {
			s += fmt.Sprintf(", %s %q", part[0], part[1])
		}
	}
	if f.id != "" {
		s += ", id " + f.id
	}
	if f.draft {
		s += ", draft"
	}
	return s
}

// rewrite is an operation that changes one file that is there; f changes it and
// says how.
func (p *play) rewrite(t *rapid.T, change func(f *paper) string) operation {
	if len(p.oracle.disk) == 0 {
		return p.write(t)
	}
	name, f := p.any(t)
	what := change(&f)
	return operation{what + " " + name, func() { p.put(name, f) }}
}

func (p *play) edit(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken = 0
		switch s := &f.says; rapid.IntRange(0, 5).Draw(t, "") {
		case 0:
			s.importance = pick(t, importances)
			return fmt.Sprintf("set importance %d in", s.importance)
		case 1:
			s.title = pick(t, titles)
			return fmt.Sprintf("set title %s in", s.title)
		case 2:
			s.date = pick(t, days)
			return fmt.Sprintf("set date %s in", s.date)
		case 3:
			s.status = pick(t, statuses)
			return fmt.Sprintf("set status %q in", s.status)
		case 4:
			s.tags = pick(t, tagLists)
			return fmt.Sprintf("set tags [%s] in", s.tags)
		default:
			s.body = pick(t, bodies)
			return fmt.Sprintf("set body %q in", s.body)
		}
	})
}

func (p *play) reform(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken, f.form = 0, rapid.IntRange(0, forms-1).Draw(t, "")
		return fmt.Sprintf("write in form %d", f.form)
	})
}

func (p *play) touch(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string { return "touch" })
}

func (p *play) draft(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken, f.draft = 0, !f.draft
		return fmt.Sprintf("set draft %v in", f.draft)
	})
}

func (p *play) breakIt(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken = rapid.IntRange(1, len(unparsable)-1).Draw(t, "")
		return fmt.Sprintf("break (%q)", unparsable[f.broken])
	})
}

func (p *play) mend(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken = 0
		return "mend"
	})
}

// claim gives a file the id of another, or takes its own away.
func (p *play) claim(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		name, other := p.any(t)
		f.broken = 0
		if id := other.edition(name).id; f.id != id {
			f.id = id
			return "set id " + id + " in"
		}
		f.id = ""
		return "take the id out of"
	})
}

// swapIDs swaps the ids of two files.
func (p *play) swapIDs(t *rapid.T) operation {
	a, b, ok := p.two(t)
	if !ok {
		return p.write(t)
	}
	return operation{"swap the ids of " + a + " and " + b, func() {
		fa, fb := p.oracle.disk[a], p.oracle.disk[b]
		fa.id, fb.id = fb.edition(b).id, fa.edition(a).id
		fa.broken, fb.broken = 0, 0
		p.put(a, fa)
		p.put(b, fb)
	}}
}

// swap swaps two files.
func (p *play) swap(t *rapid.T) operation {
	a, b, ok := p.two(t)
	if !ok {
		return p.write(t)
	}
	return operation{"swap " + a + " and " + b, func() {
		fa, fb := p.oracle.disk[a], p.oracle.disk[b]
		p.shift(a, ".swap")
		p.shift(b, a)
		p.shift(".swap", b)
		p.place(a, fb)
		p.place(b, fa)
	}}
}

// rename moves a file: to a free place, to a name that differs in case only, or
// over another file.
func (p *play) rename(t *rapid.T) operation {
	if len(p.oracle.disk) == 0 {
		return p.write(t)
	}
	from, _ := p.any(t)
	to := p.free(t)
	switch rapid.IntRange(0, 5).Draw(t, "") {
	case 4:
		base := path.Base(from)
		first := strings.ToUpper(base[:1])
		if first == base[:1] {
			first = strings.ToLower(first)
		}
		to = path.Join(path.Dir(from), first+base[1:])
	case 5:
		if a, b, ok := p.two(t); ok {
			from, to = a, b
		}
	}
	return operation{"rename " + from + " to " + to, func() { p.mv(from, to) }}
}

// renameFolder moves a folder with all that is in it, to where none is.
func (p *play) renameFolder(t *rapid.T) operation {
	var there, not []string
	for _, dir := range folders {
		if len(p.below(dir)) > 0 {
			there = append(there, dir)
		} else {
			not = append(not, dir)
		}
	}
	if len(there) == 0 || len(not) == 0 {
		return p.rename(t)
	}
	from, to := pick(t, there), pick(t, not)
	if strings.HasPrefix(to, from+"/") {
		return p.rename(t)
	}
	return operation{"rename " + from + "/ to " + to + "/", func() {
		p.try(os.RemoveAll(p.at(to)))
		p.shift(from, to)
		for _, q := range p.below(from) {
			p.oracle.disk[to+strings.TrimPrefix(q, from)] = p.oracle.disk[q]
			delete(p.oracle.disk, q)
		}
		p.hint = append(p.hint, from, to)
	}}
}

// below returns the files below a folder.
func (p *play) below(dir string) []string {
	var all []string
	for q := range p.oracle.disk {
		if strings.HasPrefix(q, dir+"/") {
			all = append(all, q)
		}
	}
	return all
}

func (p *play) remove(t *rapid.T) operation {
	if len(p.oracle.disk) == 0 {
		return p.write(t)
	}
	name, _ := p.any(t)
	if dir := path.Dir(name); dir != "." && rapid.Bool().Draw(t, "") {
		return operation{"remove " + dir + "/", func() {
			p.try(os.RemoveAll(p.at(dir)))
			for _, q := range p.below(dir) {
				p.trash[q] = p.oracle.disk[q]
				delete(p.oracle.disk, q)
			}
			p.hint = append(p.hint, dir)
		}}
	}
	return operation{"remove " + name, func() { p.rm(name) }}
}

func (p *play) putBack(t *rapid.T) operation {
	var gone []string
	for q := range p.trash {
		if _, ok := p.oracle.disk[q]; !ok {
			gone = append(gone, q)
		}
	}
	if len(gone) == 0 || len(p.oracle.disk) >= most {
		return p.remove(t)
	}
	slices.Sort(gone)
	name := pick(t, gone)
	return operation{"put back " + name, func() { p.put(name, p.trash[name]) }}
}

func (p *play) copy(t *rapid.T) operation {
	if n := len(p.oracle.disk); n == 0 || n >= most {
		return p.remove(t)
	}
	from, f := p.any(t)
	to := p.free(t)
	return operation{"copy " + from + " to " + to, func() { p.put(to, f) }}
}

func (p *play) restart(t *rapid.T) operation {
	rapid.Bool().Draw(t, "") // rapid wants a draw
	return operation{"restart", p.again}
}

func (p *play) refuse(t *rapid.T) operation {
	rapid.Bool().Draw(t, "") // rapid wants a draw
	return operation{"let the store refuse the next turn", func() { p.refused = true }}
}
