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
	"testing"
	"time"
)

var (
	replaySteps = flag.Int("steps", 20, "replay: the last step that is played")
	replayKills = flag.Int("kills", 20, "replay: how often the daemon is killed in each recording")
)

// step is one line of a recording; what it holds is described in the recordings'
// own program.
type step struct {
	Step   int
	Remove []string
	Write  [][2]string
	Expect []struct {
		ID          string
		Kind        string
		Importance  []*int
		Fields      []string
		RenamedFrom string `json:"renamed_from"`
	}
	Broken []string
}

// recording reads a recording of a real folder's history.
func recording(t *testing.T, name string) []step {
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
		if steps = append(steps, s); s.Step == *replaySteps {
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
	for _, e := range s.Expect {
		if e.RenamedFrom != "" {
			renamed[e.RenamedFrom] = true
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
			// A move: told only as the update that came with it.
			if was = before[e.RenamedFrom]; was != is {
				kind = "updated"
			}
		case e.Kind == "new":
			kind = "new"
		case e.Kind == "removed" && !renamed[e.ID] && was >= least:
			told["withdrawn "+e.ID] = true
		case e.Kind == "updated" && slices.ContainsFunc(e.Fields, func(f string) bool {
			return slices.Contains([]string{"title", "date", "importance", "status", "verification_status"}, f)
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

// apply does to the folder what the step did, as git does: unlink, create,
// write.
func (s *step) apply(t *testing.T, dir string) {
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
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(w[1]), 0o644); err != nil {
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

func (r *rig) settled(title string) {
	r.t.Helper()
	r.until(title, func() bool { return r.receiver.has(title) })
	r.until("an empty queue", func() bool { return len(r.deliveries("waiting")) == 0 })
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

// replaySinks are the sinks of a replay, by their min_importance.
var replaySinks = []int{0, 5, 8}

// moreSinks is YAML for the replay's sinks behind the rig's own.
func (r *rig) moreSinks() string {
	var b strings.Builder
	for _, least := range replaySinks {
		fmt.Fprintf(&b, `
    - name: min-%d
      type: webhook
      url: %s/min
      rate: 0
      burst: 0
      match: {min_importance: %[1]d}`, least, r.receiver.server.URL)
	}
	return b.String()
}

func TestReplay(t *testing.T) {
	for _, name := range []string{"md", "hugo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := recording(t, name)
			r := newRig(t, "", "")
			r.addSinks(r.moreSinks())
			r.sentinel(-1)
			steps[0].apply(t, r.events)
			r.start()
			r.settled(r.sentinel(0))
			compareTold(t, "the first look", told(r.receiver.take(), "hook"), nil)
			total := make(map[int]int)
			for _, s := range steps[1:] {
				s.apply(t, r.events)
				r.settled(r.sentinel(s.Step))
				hooks := r.receiver.take()
				for _, least := range replaySinks {
					want := s.expected(least)
					total[least] += len(want)
					compareTold(t, fmt.Sprintf("step %d, min_importance %d", s.Step, least), told(hooks, fmt.Sprintf("min-%d", least)), want)
				}
			}
			if total[0] == 0 {
				t.Error("the steps expect no message at all: the test tests nothing")
			}
			t.Logf("%d steps, messages by min_importance: %v", len(steps), total)
		})
	}
}

// TestReplayKilled kills the daemon at random moments of a replay, with a
// receiver that refuses a third of what it gets.
func TestReplayKilled(t *testing.T) {
	for _, name := range []string{"md", "hugo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := recording(t, name)
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			chance := rand.New(rand.NewPCG(seed, 0))
			r := newRig(t, "", "")
			r.receiver.answer = func(w http.ResponseWriter, n int) {
				if n%3 == 0 {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}
			r.sentinel(-1)
			steps[0].apply(t, r.events)
			r.start()

			// Steps are seen one at a time, but the daemon dies in them, between
			// them and while it sends.
			want := make(map[string]int)
			kills := max(1, *replayKills/len(steps[1:]))
			for _, s := range steps[1:] {
				s.apply(t, r.events)
				title := r.sentinel(s.Step)
				for range kills {
					select {
					case <-time.After(time.Duration(chance.IntN(400)) * time.Millisecond):
					case err := <-r.exited:
						t.Fatalf("the daemon ended by itself: %v", err)
					}
					r.kill()
					r.launch()
				}
				r.settled(title)
				for what := range s.expected(0) {
					want[what]++
				}
			}
			// Over all steps one thing may be told several times, each time once.
			got := told(r.receiver.take(), "hook")
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
			published := r.feeds()
			r.stop()
			r.start()
			if again := r.feeds(); !maps.Equal(published, again) {
				t.Error("a restart changed feeds")
			}
			t.Logf("%d kills, %d messages", kills*(len(steps)-1), len(want))
		})
	}
}
