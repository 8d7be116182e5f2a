package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/ledger"
)

var (
	replayAll   = flag.Bool("replay", false, "replay: all steps in all styles of writing, instead of a sample")
	replayKills = flag.Int("kills", 20, "replay: how often the daemon is killed, or reloaded, in each recording at least")
)

// step is one line of a recording; what it holds is described in the recordings'
// own program.
type step struct {
	Step   int
	Remove []string
	Write  [][2]string
	Expect []struct {
		ID, Path    string
		Kind        string
		Importance  []*int
		Fields      []string
		RenamedFrom string `json:"renamed_from"`
	}
	Broken []string
}

// recording reads the steps of a recording of a real folder's history from 0 to
// last.
func recording(t *testing.T, name string, last int) []step {
	t.Helper()
	f, err := os.Open("../../../shared/replay/" + name + ".jsonl.gz")
	if err != nil {
		t.Skip("the recordings are not beside the project: ", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	lines := bufio.NewReader(z)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return steps
		}
		if err != nil {
			t.Fatal(err)
		}
		var s step
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if steps = append(steps, s); s.Step == last {
			return steps
		}
	}
}

// expected returns what a sink with min_importance least is to be told of a
// step, as "kind id".
func (s *step) expected(least int) map[string]bool {
	importance := func(p *int) int {
		if p == nil {
			return 0
		}
		return *p
	}
	renamed := make(map[string]bool)
	before := make(map[string]int)
	first := make(map[string]string) // of those that were renamed from one id
	for _, e := range s.Expect {
		if e.RenamedFrom != "" {
			renamed[e.RenamedFrom] = true
			if id, ok := first[e.RenamedFrom]; !ok || e.ID < id {
				first[e.RenamedFrom] = e.ID
			}
		}
		if e.Kind == "removed" {
			before[e.ID] = importance(e.Importance[0])
		}
	}
	told := make(map[string]bool)
	for _, e := range s.Expect {
		was, is := importance(e.Importance[0]), importance(e.Importance[1])
		kind := ""
		switch {
		case e.Kind == "new" && e.RenamedFrom != "":
			// A move: told only as the update that came with it. A second one from
			// the same place is a copy.
			if was = before[e.RenamedFrom]; was != is && first[e.RenamedFrom] == e.ID {
				kind = "updated"
			}
		case e.Kind == "new":
			kind = "new"
		case e.Kind == "removed" && !renamed[e.ID] && was >= least:
			told["withdrawn "+e.ID] = true
		case e.Kind == "updated" && slices.ContainsFunc(e.Fields, func(f string) bool {
			return slices.Contains([]string{"title", "date", "importance", "status"}, f) ||
				// The first that is present is the status.
				f == "verification_status" && (slices.Contains(e.Fields, "status") || !s.has(e.Path, "status"))
		}):
			kind = "updated"
		}
		if kind == "updated" && was < least {
			kind = "raised"
		}
		if kind != "" && is >= least {
			told[kind+" "+e.ID] = true
		}
	}
	return told
}

// has reports whether a file that the step wrote has a key in its front matter.
func (s *step) has(path, key string) bool {
	for _, w := range s.Write {
		if w[0] == path {
			front, _, _ := strings.Cut(strings.TrimPrefix(w[1], "---\n"), "\n---")
			return strings.HasPrefix(front, key+":") || strings.Contains(front, "\n"+key+":")
		}
	}
	return false
}

// styles are the ways in which real programs write a file.
var styles = map[string]func(name string, data []byte) error{
	// git unlinks, creates and writes.
	"git": func(name string, data []byte) error {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
		return os.WriteFile(name, data, 0o644)
	},
	// Most editors and sync tools write a temporary file and rename it.
	"atomic": func(name string, data []byte) error {
		temporary := filepath.Join(filepath.Dir(name), ".tmp-1")
		if err := os.WriteFile(temporary, data, 0o644); err != nil {
			return err
		}
		return os.Rename(temporary, name)
	},
	// The shell truncates and writes.
	"inplace": func(name string, data []byte) error { return os.WriteFile(name, data, 0o644) },
	// A program over a network writes half, pauses and writes the rest.
	"slow": func(name string, data []byte) error {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(data[:len(data)/2]); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
		_, err = f.Write(data[len(data)/2:])
		return err
	},
	// vim renames the old file to a backup, writes anew and removes the backup.
	"vim": func(name string, data []byte) error {
		if err := os.Rename(name, name+"~"); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return err
		}
		if err := os.Remove(name + "~"); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	},
}

// apply does to the folder what the step did, in a style of writing.
func (s *step) apply(t testing.TB, dir, style string) {
	t.Helper()
	for _, p := range s.Remove {
		if err := os.Remove(filepath.Join(dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range s.Write {
		name := filepath.Join(dir, w[0])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := styles[style](name, []byte(w[1])); err != nil {
			t.Fatal(err)
		}
	}
}

// sentinel changes an event of the test's own: once it has been told, all that
// was written before it has been looked at.
func (r *rig) sentinel(n int) string {
	title := fmt.Sprintf("Sentinel %d", n)
	r.write(filepath.Join(r.events, "zz-sentinel.md"), fmt.Sprintf("---\ntitle: %s\ndate: 2020-01-01\nimportance: 10\n---\n\nText %d.\n", title, n))
	return title
}

// checkout applies a step and the sentinel as git does, with its lock: they are
// seen in one turn, however busy the machine is.
func (r *rig) checkout(s *step) (title string) {
	r.t.Helper()
	lock := filepath.Join(r.events, ".git", "index.lock")
	r.write(lock, "")
	s.apply(r.t, r.events, "git")
	title = r.sentinel(s.Step)
	if err := os.Remove(lock); err != nil {
		r.t.Fatal(err)
	}
	return title
}

// eventPage returns the status of the page of an event whose id is its path.
func (r *rig) eventPage(path string) int {
	r.t.Helper()
	res, _ := r.get("/events/" + strings.TrimSuffix(path, ".md") + "/")
	return res.StatusCode
}

// validators returns what stands for the bytes of every feed in which the sentinel
// does not stand.
func (r *rig) validators() map[string]string {
	r.t.Helper()
	s, err := ledger.OpenShared(r.t.Context(), filepath.Join(r.dir, "state", "tocsin.db"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	l, err := ledger.Load(r.t.Context(), s, ledger.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	all := make(map[string]string)
	for path, v := range l.Feeds() {
		if path != "all" && path != "corrections" { // the sentinel stands there
			all[path] = fmt.Sprint(v)
		}
	}
	if len(all) == 0 {
		r.t.Fatal("the state knows no feeds")
	}
	return all
}

func (r *rig) settled(title string) {
	r.t.Helper()
	r.until(title, func() bool { return r.receiver.has(title) })
	r.until("an empty queue", func() bool { return len(r.deliveries("waiting", 1)) == 0 })
}

// told returns what the messages to a sink say, as expected does, each with the
// ids of its deliveries.
func told(hooks []hook, sink string) map[string][]string {
	all := make(map[string][]string)
	for _, h := range hooks {
		if h.Data.Sink != sink || strings.HasPrefix(h.Data.Event.Title, "Sentinel ") {
			continue
		}
		what := h.Data.Change.Kind + " " + h.Data.Event.ID
		if id := h.header.Get("webhook-id"); !slices.Contains(all[what], id) {
			all[what] = append(all[what], id)
		}
	}
	return all
}

func compareTold(t *testing.T, at string, got map[string][]string, want map[string]bool) {
	t.Helper()
	for what, ids := range got {
		if !want[what] {
			t.Errorf("%s: told and not expected: %s", at, what)
		}
		if len(ids) > 1 {
			t.Errorf("%s: told with %d ids: %s", at, len(ids), what)
		}
	}
	for what := range want {
		if got[what] == nil {
			t.Errorf("%s: expected and not told: %s", at, what)
		}
	}
}

// compareCounts is compareTold over several steps: one thing may be told several times,
// each time once.
func compareCounts(t *testing.T, got map[string][]string, want map[string]int) {
	t.Helper()
	for what, ids := range got {
		if len(ids) != want[what] {
			t.Errorf("%s: told with %d ids, expected %d", what, len(ids), want[what])
		}
	}
	for what := range want {
		if got[what] == nil {
			t.Errorf("lost: %s", what)
		}
	}
}

// replaySinks are the sinks of a replay, by their min_importance; hook is the
// rig's own.
var replaySinks = map[int]string{1: "hook", 8: "min-8", 10: "min-10"}

// moreSinks is YAML for the replay's sinks behind the rig's own.
func (r *rig) moreSinks() string {
	var b strings.Builder
	for least, sink := range replaySinks {
		if sink == "hook" {
			continue
		}
		fmt.Fprintf(&b, `
    - name: min-%d
      type: webhook
      url: %s/min
      rate: 0
      burst: 0
      match: {min_importance: %[1]d}`, least, r.receiver.server.URL)
	}
	fmt.Fprintf(&b, `
    - {name: %s, type: webhook, url: "%s/burst", rate: 0, burst: 2, match: {min_importance: %d}}`, burstSink, r.receiver.server.URL, burstLeast)
	return b.String()
}

// burstSink is told as the sink of burstLeast is, but of more than two changes in one
// message.
const (
	burstSink  = "burst"
	burstLeast = 8
)

// compareBursts holds that the messages to burstSink tell of what is expected, each
// once; of a batch that has no room for all of them, by their number. It returns how
// many were batches.
func compareBursts(t *testing.T, at string, hooks []hook, want map[string]bool) (batches int) {
	t.Helper()
	got := make(map[string]bool)
	more := 0
	note := func(kind, id, title string) {
		what := kind + " " + id
		switch {
		case strings.HasPrefix(title, "Sentinel "):
		case !want[what]:
			t.Errorf("%s: told in a burst and not expected: %s", at, what)
		case got[what]:
			t.Errorf("%s: told twice in bursts: %s", at, what)
		}
		if want[what] {
			got[what] = true
		}
	}
	seen := make(map[string]bool)
	for _, h := range hooks {
		if id := h.header.Get("webhook-id"); h.Data.Sink != burstSink || seen[id] {
			continue
		} else {
			seen[id] = true
		}
		if h.Type != "event.batch" {
			note(h.Data.Change.Kind, h.Data.Event.ID, h.Data.Event.Title)
			continue
		}
		batches++
		more += h.Data.More
		if len(h.Data.Events) <= 2 {
			t.Errorf("%s: a batch of %d", at, len(h.Data.Events))
		}
		for _, e := range h.Data.Events {
			note(e.Change.Kind, e.Event.ID, e.Event.Title)
		}
	}
	if len(got)+more != len(want) {
		t.Errorf("%s: bursts tell of %d and %d more, expected are %d", at, len(got), more, len(want))
	}
	return batches
}

// played is one replay: the steps before from are applied at once, those up to to
// one by one, in a style of writing.
type played struct {
	recording, style string
	settle           time.Duration
	from, to         int
}

// lastStep is that of both recordings.
const lastStep = 126

// replays are all steps in all styles, or a sample of them.
func replays() []played {
	var all []played
	if !*replayAll {
		const short, long = 100 * time.Millisecond, 250 * time.Millisecond
		if raced() {
			return []played{{"md", "vim", short, 64, 72}, {"hugo", "git", short, 1, 20}}
		}
		return []played{
			{"md", "git", short, 102, 110},
			{"md", "atomic", short, 49, 55},
			{"md", "inplace", short, 57, 63},
			{"md", "vim", short, 64, 72},
			{"md", "slow", long, 65, 72},
			{"hugo", "git", short, 1, 20},
			{"hugo", "atomic", short, 31, 45},
			{"hugo", "inplace", short, 23, 29},
			{"hugo", "vim", short, 57, 63},
			{"hugo", "slow", long, 1, 6},
		}
	}
	for _, name := range []string{"md", "hugo"} {
		for style := range styles {
			all = append(all, played{name, style, 250 * time.Millisecond, 1, lastStep})
			if style != "slow" { // which pauses for half of it
				all = append(all, played{name, style, 100 * time.Millisecond, 1, lastStep})
			}
		}
	}
	return all
}

// What sinks are told of each step of a real history is what an independent
// reader of it expects, in whatever way the files are written. A step without a
// change of meaning changes no byte of any feed.
func TestReplay(t *testing.T) {
	t.Parallel()
	for _, p := range replays() {
		t.Run(fmt.Sprintf("%s/%s/%v", p.recording, p.style, p.settle), func(t *testing.T) {
			t.Parallel()
			steps := recording(t, p.recording, p.to)
			r := newRig(t, "      match: {min_importance: 1}", "")
			r.configure("settle: 100ms", "settle: "+p.settle.String())
			r.addSinks(r.moreSinks())
			r.sentinel(-1)
			for _, s := range steps[:p.from] {
				s.apply(t, r.events, "inplace")
			}
			r.start()
			r.settled(r.sentinel(0))
			compareTold(t, "the first look", told(r.receiver.take(), "hook"), nil)
			total, batches := make(map[int]int), 0
			for _, s := range steps[p.from:] {
				silent := len(s.Expect) == 0 && len(s.Write) > 0
				var before map[string]string
				if silent {
					before = r.validators()
				}
				pages := make(map[string]int)
				for _, path := range s.Broken {
					pages[path] = r.eventPage(path)
				}
				s.apply(t, r.events, p.style)
				r.settled(r.sentinel(s.Step))
				hooks := r.receiver.take()
				for least, sink := range replaySinks {
					want := s.expected(least)
					total[least] += len(want)
					compareTold(t, fmt.Sprintf("step %d, min_importance %d", s.Step, least), told(hooks, sink), want)
				}
				batches += compareBursts(t, fmt.Sprintf("step %d", s.Step), hooks, s.expected(burstLeast))
				if silent && !maps.Equal(before, r.validators()) {
					t.Errorf("step %d changes feeds and no meaning", s.Step)
				}
				for path, before := range pages {
					if after := r.eventPage(path); after != before {
						t.Errorf("step %d: %s does not parse, and its page answers %d, before %d", s.Step, path, after, before)
					}
				}
			}
			if total[1] == 0 {
				t.Error("the steps expect no message at all: the test tests nothing")
			}
			t.Logf("%d steps, messages by min_importance: %v; %d batches", p.to-p.from+1, total, batches)
		})
	}
}

// inOrder holds that the messages about an event came in the order in which they were
// made, which is that of their ids, also where one came more than once; and that what
// came more than once was the same each time.
func inOrder(t *testing.T, hooks []hook) {
	t.Helper()
	last := make(map[string]string)
	bodies := make(map[string]string)
	again := 0
	for _, h := range hooks {
		id, about := h.header.Get("webhook-id"), h.Data.Event.FeedID
		if id < last[about] {
			t.Errorf("%s: %s %s came behind %s", about, h.Data.Change.Kind, id, last[about])
		}
		last[about] = id
		if before, ok := bodies[id]; ok {
			if again++; before != string(h.raw) {
				t.Errorf("%s came as\n%s\nand then as\n%s", id, before, h.raw)
			}
		}
		bodies[id] = string(h.raw)
	}
	if again < len(bodies)/4 {
		t.Errorf("%d messages came %d times again: a third of them was to be refused", len(bodies), again)
	}
	t.Logf("%d messages, %d of them again", len(bodies), again)
}

// TestReplayKilled kills the daemon at random moments of a replay, with a
// receiver that refuses a third of what it gets: nothing is lost, nothing told
// under two ids or in another order, and the feeds are those of a daemon that was left
// alone.
func TestReplayKilled(t *testing.T) {
	t.Parallel()
	recordings := []string{"md", "hugo"}
	if raced() {
		recordings = recordings[1:] // one is enough
	}
	replayDisturbed(t, recordings, func(r *rig) {
		r.kill()
		r.launch()
	})
}

// TestReplayReloaded lets the daemon read its configuration again at such moments,
// every third time one that is refused.
func TestReplayReloaded(t *testing.T) {
	unraced(t)
	t.Parallel()
	recordings := []string{"md"}
	if *replayAll {
		recordings = append(recordings, "hugo")
	}
	var n atomic.Int64
	replayDisturbed(t, recordings, func(r *rig) {
		if n.Add(1)%3 == 0 {
			r.configure("settle: 100ms", "settle: soon")
			if _, errout, code := r.reload(); code != exitConfig {
				r.t.Errorf("a faulty configuration: %d %s", code, errout)
			}
			r.configure("settle: soon", "settle: 100ms")
			return
		}
		r.until("a reload", func() bool {
			out, errout, code := r.reload()
			if code == exitFaults && strings.Contains(errout, "no daemon runs") {
				return false // it has just been launched
			}
			if code != exitDone {
				r.t.Errorf("reload: %d %s%s", code, out, errout)
			}
			return true
		})
	})
}

// replayDisturbed replays recordings and disturbs the daemon at random moments.
func replayDisturbed(t *testing.T, recordings []string, disturb func(r *rig)) {
	last, least := 20, 0
	if *replayAll {
		// The recordings do not say what else changed in a file that was renamed,
		// and of events without an importance that matters.
		last, least = lastStep, 1
	}
	for _, name := range recordings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := recording(t, name, last)
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			chance := rand.New(rand.NewPCG(seed, 0))
			begin := func() *rig {
				r := newRig(t, fmt.Sprintf("      match: {min_importance: %d}", least), "")
				// Both write the same bytes, whenever and wherever they run.
				r.env = append(r.env, asOf+"=2026-11-01T00:00:00Z")
				r.configure(`url: "http://`+r.site+`"`, "url: http://timeline.example")
				r.sentinel(-1)
				steps[0].apply(t, r.events, "git")
				return r
			}
			r := begin()
			r.receiver.answer = func(w http.ResponseWriter, n int) {
				if n%3 == 0 {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}
			troubles := 0
			trouble := func() {
				select {
				case <-time.After(time.Duration(chance.IntN(700)) * time.Millisecond):
				case err := <-r.exited:
					t.Fatalf("the daemon ended by itself: %v", err)
				}
				disturb(r)
				troubles++
			}
			r.launch()
			trouble() // in its first look
			r.until("ready", r.isReady)

			// Steps are seen one at a time, but the daemon dies in them, between
			// them and while it sends.
			want := make(map[string]int)
			for i, s := range steps[1:] {
				title := r.checkout(&s)
				for troubles < (i+1)**replayKills/(len(steps)-1) {
					trouble()
				}
				r.settled(title)
				for what := range s.expected(least) {
					want[what]++
				}
			}
			r.until("ready", r.isReady)
			hooks := r.receiver.take()
			inOrder(t, hooks)
			compareCounts(t, told(hooks, "hook"), want)
			published := r.feeds()
			r.stop()
			r.start()
			if again := r.feeds(); !maps.Equal(published, again) {
				t.Error("a restart changed feeds")
			}
			r.stop()

			alone := begin()
			alone.start()
			for _, s := range steps[1:] {
				alone.settled(alone.checkout(&s))
			}
			undisturbed := alone.feeds()
			compareFeeds(t, "disturbed and left alone", published, undisturbed)
			t.Logf("disturbed %d times: %d messages, %d files of feeds", troubles, len(want), len(published))
		})
	}
}
