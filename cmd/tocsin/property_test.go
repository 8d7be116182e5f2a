package main

import (
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
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tocsin/config"
	"tocsin/event"
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
	const query = `SELECT record->>'path', mark FROM briefs JOIN events USING (entry_id) WHERE withdrawn IS NULL AND mark IS NOT NULL`
	p.try(ledger.Each(context.Background(), p.store.DB(), query, nil, func(scan func(...any) error) error {
		var q, b string
		if err := scan(&q, &b); err != nil {
			return err
		}
		m := mark{b, p.seen[q]}
		if before, ok := p.marks[q]; ok && before.bytes == m.bytes {
			m = before
		}
		marks[q] = m
		return nil
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
			"delivery_events", "deliveries", "moves", "history", "renames", "superseded", "briefs", "events", "slugs", "feeds", "meta", "river_job", "river_notification",
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
	p.wheel = newWheel(p.config, p.store, p.outbox, p.texts, newGate(0), func() time.Time { return p.moment }, slog.New(slog.DiscardHandler), nil)
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
		if !held { // what a restart misses stands in for files that come back broken
			for _, id := range o.turn(false).gone {
				o.keep(id)
			}
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
		entries[e.ID] = r.ID
		entry := r.ID
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
		dates[r.ID] = [2]time.Time{r.Published, r.Updated}
		if before, ok := p.dates[r.ID]; ok {
			got = append(got, fmt.Sprint(r.ID, " published ", r.Published, ", later updated: ", r.Updated.After(before[1])))
			want = append(want, fmt.Sprint(r.ID, " published ", before[0], ", later updated: ", v.significant[r.ID]))
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
