package main

import (
	"database/sql"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/ledger"
)

// The tests of faults make one thing fail while the daemon runs, change events,
// and take the fault away again. All the while there is a clear error and what
// is published is served; afterwards the daemon recovers by itself, tells what
// there is to tell under one id each, and publishes what a run without faults
// does.

// faultRounds is how many rounds of changes the folder of the tests of faults
// has files for.
func faultRounds() int {
	if *replayAll {
		return 48
	}
	return 12
}

// roundDate orders what a round writes as the turns do: by date.
func roundDate(n, i int) string { return fmt.Sprintf("19%02d-01-%02d", 50+n, 1+i) }

func roundEvent(title, date string, importance int, tags string) string {
	return fmt.Sprintf("---\ntitle: %s\ndate: %s\nimportance: %d\ntags: [%s]\n---\n\n%s\n", title, date, importance, tags,
		strings.Repeat("Text of "+title+". ", 20))
}

// unraced skips a test of faults under the race detector, which makes it too slow.
func unraced(t testing.TB) {
	t.Helper()
	if raced() {
		t.Skip("too slow under the race detector")
	}
}

// newFaultRig is a rig with a static folder and the events of the rounds.
func newFaultRig(t testing.TB, extra string) *rig {
	r := newRig(t, "", "feeds: {dir: public, custom: [{name: high, title: High, match: {min_importance: 6}}]}\n"+extra)
	r.addRounds()
	return r
}

// addRounds writes the events that the rounds change.
func (r *rig) addRounds() {
	for n := range faultRounds() {
		for i, name := range []string{"changed", "gone", "moved"} {
			r.write(r.path(fmt.Sprintf("r%d/%s", n, name)), roundEvent(fmt.Sprintf("Round %d, %s", n, name), roundDate(n, i+1), 5, "round"))
		}
	}
	r.sentinel(-1)
}

// round makes the changes of a round, of every kind, and returns what is to be
// told of them.
func (r *rig) round(n int) map[string]bool {
	r.t.Helper()
	id := func(name string) string { return fmt.Sprintf("r%d/%s", n, name) }
	r.write(r.path(id("new")), roundEvent(fmt.Sprintf("Round %d, new", n), roundDate(n, 0), 7, fmt.Sprintf("round, tag-%d", n)))
	r.write(r.path(id("changed")), roundEvent(fmt.Sprintf("Round %d, changed", n), roundDate(n, 1), 6, "round"))
	if err := os.Remove(r.path(id("gone"))); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(r.path(id("moved")), r.path(id("moved-to"))); err != nil {
		r.t.Fatal(err)
	}
	want := map[string]bool{"new " + id("new"): true, "updated " + id("changed"): true, "withdrawn " + id("gone"): true}
	if n > 0 { // another event under the id from which one moved away
		again := fmt.Sprintf("r%d/moved", n-1)
		r.write(r.path(again), roundEvent(fmt.Sprintf("Round %d, again", n), roundDate(n, 5), 5, "round"))
		want["new "+again] = true
	}
	return want
}

var moment = regexp.MustCompile(`\d{8}T\d{6}\.\d{3}Z|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (\+0000|GMT)`)

var archiveName = regexp.MustCompile(`archive/(first|[0-9a-f]{16})`)

// published is all feeds as any run of the same changes publishes them: without
// the times at which they were seen, and with one address.
func (r *rig) published() map[string]string {
	r.t.Helper()
	all := make(map[string]string)
	year := time.Now().UTC().Add(-time.Hour).Format("2006")
	for path := range r.feeds() {
		_, body := r.get(path)
		text := moment.ReplaceAllStringFunc(string(body), func(at string) string {
			if strings.Contains(at, year) {
				return "NOW"
			}
			return at
		})
		// Where an archive ends depends on ids, some of which have times in them.
		text = archiveName.ReplaceAllString(text, "archive/NAME")
		all[path] = strings.ReplaceAll(text, r.site, "SITE")
	}
	return all
}

// compareFeeds says which feeds differ, and where.
func compareFeeds(t testing.TB, at string, got, want map[string]string) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(want)) {
		g, w := got[path], want[path]
		if g == w {
			continue
		}
		i := 0
		for i < min(len(g), len(w)) && g[i] == w[i] {
			i++
		}
		cut := func(s string) string { return s[max(0, min(i-60, len(s))):min(len(s), i+120)] }
		t.Errorf("%s: %s differs at byte %d:\n%s\nwant:\n%s", at, path, i, cut(g), cut(w))
	}
	for path := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s: %s is published and should not be", at, path)
		}
	}
}

// mark is a place in the log.
func (l *logBuffer) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

// since returns the lines behind a mark that hold all of texts.
func (l *logBuffer) since(mark int, texts ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, line := range l.lines[mark:] {
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(line, s) }) {
			found = append(found, line)
		}
	}
	return found
}

// logged waits for a line behind a mark that holds all of texts.
func (r *rig) logged(mark int, texts ...string) {
	r.t.Helper()
	r.until(fmt.Sprintf("a log line with %q", texts), func() bool { return len(r.log.since(mark, texts...)) > 0 })
}

// shared opens the state beside the daemon.
func (r *rig) shared() *ledger.Store {
	r.t.Helper()
	s, err := ledger.OpenShared(r.t.Context(), filepath.Join(r.dir, "state", "tocsin.db"))
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// exec runs a statement on the state, beside the daemon.
func (r *rig) exec(statement string) {
	r.t.Helper()
	s := r.shared()
	defer s.Close()
	err := s.Write(r.t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(r.t.Context(), statement)
		return err
	})
	if err != nil {
		r.t.Fatalf("%s: %v", statement, err)
	}
}

// wholeAndAgain checks that all is whole, and that a restart changes no feed.
func (r *rig) wholeAndAgain() {
	r.t.Helper()
	r.whole()
	published := r.feeds()
	r.stop()
	r.start()
	if !maps.Equal(published, r.feeds()) {
		r.t.Error("a restart changed feeds")
	}
}

// whole checks, with the daemon at rest, that the state is consistent, that the
// static folder holds what is served and what a build makes, and nothing else.
func (r *rig) whole() {
	r.t.Helper()
	s := r.shared()
	defer s.Close()
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		var found string
		if err := s.DB().QueryRowContext(r.t.Context(), "PRAGMA "+pragma).Scan(&found); err != sql.ErrNoRows && (err != nil || found != "ok") {
			r.t.Errorf("%s: %s, %v", pragma, found, err)
		}
	}
	if failed := r.deliveries("failed", 0); len(failed) > 0 {
		r.t.Errorf("%d deliveries failed: %s", len(failed), failed[0].Error)
	}
	built := filepath.Join(r.t.TempDir(), "built")
	if _, errout, code := r.command("build", "-out", built); code != exitDone {
		r.t.Fatalf("build: %d, %s", code, errout)
	}
	want, got := r.content(built), r.static()
	compareFeeds(r.t, "the static folder", got, want)
	for path, text := range r.feeds() {
		file, err := filepath.Rel(filepath.Join(r.dir, "public"), r.file("public", path))
		if err != nil {
			r.t.Fatal(err)
		}
		if got[file] == "" || !strings.HasPrefix(text, got[file]) {
			r.t.Errorf("%s: what is served is not what is in the static folder", path)
		}
	}
}

// content reads all files below a folder.
func (r *rig) content(dir string) map[string]string {
	r.t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all[p] = r.read(filepath.Join(dir, p))
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// undisturbed is what is published after each number of rounds without faults.
func undisturbed(t *testing.T) []map[string]string {
	t.Helper()
	calm.once.Do(func() {
		r := newFaultRig(t, "")
		r.start()
		calm.after = append(calm.after, r.published())
		for n := range faultRounds() {
			want := r.round(n)
			r.settled(r.sentinel(n))
			compareTold(t, fmt.Sprintf("round %d, without faults", n), told(r.receiver.take(), "hook"), want)
			calm.after = append(calm.after, r.published())
		}
		r.whole()
		r.stop()
	})
	if len(calm.after) != 1+faultRounds() {
		t.Fatal("the run without faults failed")
	}
	return calm.after
}

var calm struct {
	once  sync.Once
	after []map[string]string
}

// fault makes a statement of the daemon fail.
type fault struct{ on, when string }

func (f fault) String() string { return strings.TrimSpace(f.on + " " + f.when) }

// cause is what the statement fails with.
const cause = "the disk is full"

func (r *rig) fault(f fault) {
	r.t.Helper()
	r.exec(fmt.Sprintf(`CREATE TRIGGER fault BEFORE %s BEGIN SELECT RAISE(ABORT, '%s'); END`, f, cause))
}

func (r *rig) mend() {
	r.t.Helper()
	r.exec(`DROP TRIGGER fault`)
}

// answers makes the receiver answer its next n requests with a status.
func (r *receiver) answers(status, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.count + n
	r.answer = func(w http.ResponseWriter, i int) {
		if i < last {
			w.WriteHeader(status)
		}
	}
}

// recovered waits for the end of round n after a fault, and checks that all is as
// it is without.
func (r *rig) recovered(at string, n int, expect map[string]bool) []hook {
	r.t.Helper()
	r.settled(r.sentinel(n))
	hooks := r.receiver.take()
	compareTold(r.t.(*testing.T), at, told(hooks, "hook"), expect)
	compareFeeds(r.t, at, r.published(), calm.after[n+1])
	r.until("readiness", func() bool { code, _ := r.readyz(); return code == http.StatusOK })
	return hooks
}

// The statements of a turn fail, each in its turn: the turn fails as a whole, says
// so, and is made up for.
func TestFaultOfTurn(t *testing.T) {
	unraced(t)
	t.Parallel()
	undisturbed(t)
	r := newFaultRig(t, "")
	r.start()
	for n, f := range []fault{
		{on: "INSERT ON events"},
		{on: "UPDATE ON events"},
		{on: "INSERT ON moves"},
		{on: "DELETE ON moves"},
		{on: "INSERT ON slugs"},
		{on: "INSERT ON feeds"},
		{on: "INSERT ON deliveries"},
		{on: "UPDATE ON deliveries"}, // to note its job
		{on: "INSERT ON delivery_events"},
		{on: "INSERT ON river_job"},
	} {
		before, mark := r.feeds(), r.log.mark()
		r.fault(f)
		expect := r.round(n)
		r.logged(mark, "level=ERROR", "the turn failed", cause)
		if code, text := r.readyz(); code != http.StatusServiceUnavailable || !strings.Contains(text, cause) {
			t.Errorf("%s: /readyz answers %d, %s", f, code, text)
		}
		if !maps.Equal(before, r.feeds()) {
			t.Errorf("%s: a turn that failed changed feeds", f)
		}
		r.mend()
		r.recovered(f.String(), n, expect)
		if lines := r.log.since(mark, cause); len(lines) > 4 {
			t.Errorf("%s: %d lines of the log tell of it:\n%s", f, len(lines), strings.Join(lines, "\n"))
		}
	}
	r.wholeAndAgain()
}

// The statements fail by which the queue takes a delivery and writes what became
// of it: nothing is lost, and nothing is sent again that was taken.
func TestFaultOfQueue(t *testing.T) {
	unraced(t)
	t.Parallel()
	undisturbed(t)
	r := newFaultRig(t, "")
	r.start()
	const unwritten = "what became of a delivery cannot be written"
	for n, f := range []struct {
		fault
		answer int // of the first request
		says   string
	}{
		{fault{on: "INSERT ON attempts"}, 200, unwritten},
		{fault{on: "INSERT ON attempts"}, 503, unwritten},
		{fault{on: "UPDATE ON deliveries", when: "WHEN new.state = 'delivered'"}, 200, unwritten},
		{fault{on: "UPDATE ON deliveries", when: "WHEN new.next IS NOT NULL"}, 503, unwritten},
		{fault{on: "UPDATE ON river_job", when: "WHEN new.state = 'completed'"}, 200, unwritten},
		{fault{on: "UPDATE ON river_job", when: "WHEN new.state = 'running'"}, 200, "Error fetching jobs"},
		{fault{on: "UPDATE ON river_job", when: "WHEN old.state = 'running' AND new.state <> 'completed'"}, 503, "Completer error"},
		{fault{on: "UPDATE ON river_leader"}, 503, "Error attempting reelection"},
	} {
		mark := r.log.mark()
		r.receiver.answers(f.answer, 1)
		r.fault(f.fault)
		expect := r.round(n)
		r.logged(mark, "level=ERROR", f.says, cause)
		// The turn is not held up.
		r.until("the turn", func() bool { return len(r.log.since(mark, "msg=turn")) > 0 })
		for path, text := range r.published() {
			if strings.HasPrefix(path, "/feeds/tags/") && text != calm.after[n+1][path] {
				t.Errorf("%s: %s is not what it is without faults", f.fault, path)
			}
		}
		r.mend()
		requests := make(map[string]int)
		hooks := r.recovered(f.String(), n, expect)
		for _, h := range hooks {
			requests[h.header.Get("webhook-id")]++
		}
		want := len(expect) + 1 // the sentinel
		if f.answer != http.StatusOK {
			want++
		}
		if len(hooks) != want {
			t.Errorf("%s: %d requests, not %d: %v", f.fault, len(hooks), want, requests)
		}
		if lines := r.log.since(mark, cause); len(lines) > 6 {
			t.Errorf("%s: %d lines of the log tell of it:\n%s", f.fault, len(lines), strings.Join(lines, "\n"))
		}
	}
	r.whole()
}

// A delivery that waits for an earlier one cannot be given its turn: what became of
// the earlier one is written with that, later.
func TestFaultOfTheNextInLine(t *testing.T) {
	unraced(t)
	t.Parallel()
	r := newFaultRig(t, "")
	release := make(chan struct{})
	r.receiver.answer = func(_ http.ResponseWriter, n int) {
		if n == 0 {
			<-release
		}
	}
	r.start()
	first := r.sentinel(0)
	r.until("the first message", func() bool { return r.receiver.has(first) })
	second := r.sentinel(1)
	r.until("the second delivery", func() bool { return len(r.deliveries("waiting", 0)) == 2 })
	mark := r.log.mark()
	r.fault(fault{on: "INSERT ON river_job"})
	close(release)
	r.logged(mark, "level=ERROR", "what became of a delivery cannot be written", cause)
	if r.receiver.has(second) {
		t.Error("the second was sent before the first was done")
	}
	r.mend()
	r.settled(second)
	if hooks := r.receiver.take(); len(hooks) != 2 {
		t.Errorf("%d requests, not 2", len(hooks))
	}
	r.whole()
}

// The first look cannot be entered: it is one all the same when it can.
func TestFaultOfTheFirstLook(t *testing.T) {
	unraced(t)
	t.Parallel()
	r := newFaultRig(t, "")
	lock := filepath.Join(r.events, ".git", "index.lock")
	r.write(lock, "") // holds up the first look
	r.launch()
	r.until("the state", func() bool {
		s, err := ledger.OpenShared(t.Context(), filepath.Join(r.dir, "state", "tocsin.db"))
		if err == nil {
			s.Close()
		}
		return err == nil
	})
	r.fault(fault{on: "INSERT ON meta"})
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	r.logged(0, "level=ERROR", "the turn failed", cause)
	if code, text := r.readyz(); code != http.StatusServiceUnavailable || !strings.Contains(text, cause) {
		t.Errorf("/readyz answers %d, %s", code, text)
	}
	r.mend()
	r.until("readiness", func() bool { code, _ := r.readyz(); return code == http.StatusOK })
	if all := r.deliveries("", 0); len(all) > 0 {
		t.Errorf("%d deliveries of a first look", len(all))
	}
	compareFeeds(t, "after the first look", r.published(), undisturbed(t)[0])
	r.whole()
}

// What is held cannot be noted, and what was accepted cannot be taken away: both
// are made up for.
func TestFaultOfHold(t *testing.T) {
	unraced(t)
	t.Parallel()
	r := newFaultRig(t, "")
	r.configure("rescan:", "hold: {events: 3, percent: 10}, rescan:")
	r.start()
	before, mark := r.feeds(), r.log.mark()
	r.fault(fault{on: "INSERT ON meta"})
	want := make(map[string]bool)
	for n := range 4 {
		id := fmt.Sprintf("r%d/gone", n)
		want["withdrawn "+id] = true
		if err := os.Remove(r.path(id)); err != nil {
			t.Fatal(err)
		}
	}
	r.logged(mark, "level=ERROR", "what is held cannot be noted", cause)
	if code, text := r.readyz(); code != http.StatusServiceUnavailable || !strings.Contains(text, "4 of ") {
		t.Errorf("/readyz answers %d, %s", code, text)
	}
	if _, errout, code := r.command("accept"); code != exitFaults || !strings.Contains(errout, "nothing is held") {
		t.Errorf("accept: %d, %s", code, errout)
	}
	r.mend()
	r.until("the note", func() bool { _, _, code := r.command("accept", "-n"); return code == exitDone })
	if lines := r.log.since(mark, cause); len(lines) > 1 {
		t.Errorf("%d lines of the log tell of it:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	if !maps.Equal(before, r.feeds()) {
		t.Error("what is held changed feeds")
	}
	r.fault(fault{on: "DELETE ON meta"})
	if _, errout, code := r.command("accept"); code != exitDone {
		t.Fatalf("accept: %d, %s", code, errout)
	}
	r.logged(mark, "level=ERROR", "the turn failed", cause)
	if !maps.Equal(before, r.feeds()) {
		t.Error("a turn that failed changed feeds")
	}
	r.mend()
	r.settled(r.sentinel(0))
	compareTold(t, "accepted", told(r.receiver.take(), "hook"), want)
	if _, errout, _ := r.command("accept"); !strings.Contains(errout, "nothing is held") {
		t.Errorf("it is still held: %s", errout)
	}
	r.whole()
}
