package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/ledger/ledgertest"
)

// replicas are several daemons with one state in PostgreSQL, and one receiver. Each has
// its own checkout of the folder.
type replicas struct {
	t      *testing.T
	server *ledgertest.Server
	all    []*rig
}

// newReplicas makes n of them. lag is watch.lag; sink is YAML of the sink's further keys.
func newReplicas(t *testing.T, n int, lag time.Duration, sink string) *replicas {
	t.Helper()
	c := &replicas{t: t, server: ledgertest.New(t)}
	for i := range n {
		r := newRig(t, sink, "")
		r.env = append(r.env, asOf+"=2026-11-01T00:00:00Z")
		r.configure(`url: "http://`+r.site+`"`, "url: http://timeline.example")
		r.configure("settle: 100ms", "settle: 100ms, lag: "+lag.String())
		r.store = c.server.Address("postgres")
		r.configure("store: state/tocsin.db", "store: "+r.store)
		if i > 0 {
			r.configure(r.receiver.server.URL+"/hook", c.all[0].receiver.server.URL+"/hook")
			r.receiver = c.all[0].receiver
		}
		c.all = append(c.all, r)
	}
	return c
}

// leads reports whether a daemon says that it leads.
func (r *rig) leads() bool {
	res, err := http.Get("http://" + r.admin + "/readyz")
	if err != nil {
		return false // it does not listen yet
	}
	res.Body.Close()
	return r.metric("tocsin_leads") == "1"
}

// leader waits for the one of those that run that leads.
func (c *replicas) leader() (leader *rig) {
	c.t.Helper()
	c.all[0].until("one that leads", func() bool {
		i := slices.IndexFunc(c.all, func(r *rig) bool { return r.cmd != nil && r.leads() })
		if i >= 0 {
			leader = c.all[i]
		}
		return i >= 0
	})
	return leader
}

// same waits until all that run serve the same feeds, and returns them.
func (c *replicas) same() (feeds map[string]string) {
	c.t.Helper()
	var other map[string]string
	defer func() {
		if c.t.Failed() {
			compareFeeds(c.t, "of two", feeds, other)
		}
	}()
	c.all[0].until("the same feeds of all", func() bool {
		feeds = nil
		for _, r := range c.all {
			if r.cmd == nil {
				continue
			}
			other = r.feeds()
			if feeds != nil && !maps.Equal(feeds, other) {
				return false
			}
			feeds = other
		}
		return true
	})
	return feeds
}

// checkout applies a step to the checkouts of all, one after the other.
func (c *replicas) checkout(s *step) (title string) {
	for _, r := range c.all {
		title = r.checkout(s)
	}
	return title
}

// One daemon leads and the other follows: it serves what the first has told and nothing
// else, and takes over when that dies.
func TestReplicas(t *testing.T) {
	t.Parallel()
	c := newReplicas(t, 2, 10*time.Minute, "")
	a, b := c.all[0], c.all[1]
	event := func(n int) (name, title, text string) {
		title = fmt.Sprintf("Round %d", n)
		return fmt.Sprintf("round-%d.md", n), title, roundEvent(title, roundDate(n, 1), 8, "rounds")
	}
	for _, r := range c.all {
		r.seeded()
	}
	a.start()
	b.start()
	if c.leader() != a || b.leads() {
		t.Fatal("the one that was started last leads")
	}
	if log := b.log.tail(60); !strings.Contains(log, "this process follows") {
		t.Errorf("it does not say that it follows:\n%s", log)
	}
	feeds := c.same()

	// What the one that leads sees is told once, and served by both.
	name, title, text := event(1)
	a.write(filepath.Join(a.events, name), text)
	a.until("the message", func() bool { return a.receiver.has(title) })
	told := c.same()
	if maps.Equal(feeds, told) {
		t.Fatal("the feeds are those from before")
	}
	// The other's checkout arrives there later.
	b.write(filepath.Join(b.events, name), text)

	// What it alone sees is neither served nor told.
	name, title, text = event(2)
	looks := b.metric(`tocsin_turns_total{result="done"}`)
	b.write(filepath.Join(b.events, name), text)
	b.until("the other to look", func() bool { return b.metric(`tocsin_turns_total{result="done"}`) != looks })
	if now := c.same(); !maps.Equal(told, now) {
		t.Error("what the ledger does not know is served")
	}
	if a.receiver.has(title) {
		t.Error("what the one that leads does not see was told")
	}

	// The first dies; the other takes over and tells that.
	a.kill()
	b.until("the message", func() bool { return b.receiver.has(title) })
	if !b.leads() {
		t.Error("it told an event and does not lead")
	}
	before := b.feeds()

	// The first is back, behind, and follows.
	a.start()
	if now := c.same(); !maps.Equal(before, now) {
		t.Error("the feeds are others when both run again")
	}
	if a.leads() {
		t.Error("the one that is back leads beside the other")
	}
	a.until("the metrics to tell of the event that its checkout has not", func() bool { return a.metric("tocsin_events_behind") == "1" })
	a.until("an empty queue", func() bool { return len(a.deliveries("waiting", 1)) == 0 })
	if n := len(a.receiver.all()); n != 2 {
		t.Errorf("%d messages about 2 events", n)
	}

	// It takes over in turn, its checkout still without the second event: nobody is told
	// that it was withdrawn.
	b.stop()
	if c.leader() != a {
		t.Fatal("nobody took over from one that was stopped")
	}
	name, title, text = event(3)
	a.write(filepath.Join(a.events, name), text)
	a.until("the message", func() bool { return a.receiver.has(title) })
	if n := len(a.receiver.all()); n != 3 {
		t.Errorf("%d messages about 3 events", n)
	}
	if res, _ := a.get("/events/round-2/"); res.StatusCode != http.StatusOK {
		t.Errorf("the event that its checkout has not yet: %s", res.Status)
	}
	if a.metric("tocsin_events_behind") != "1" {
		t.Error("the metrics do not tell of the event that its checkout has not yet")
	}
}

// One that leads and whose folder is away lets another lead.
func TestReplicaWithoutFolder(t *testing.T) {
	t.Parallel()
	c := newReplicas(t, 2, 10*time.Minute, "")
	a, b := c.all[0], c.all[1]
	for _, r := range c.all {
		r.seeded()
		r.start()
	}
	if err := os.Rename(a.events, a.events+".away"); err != nil {
		t.Fatal(err)
	}
	b.until("the other to lead", b.leads)
	title := "Round 1"
	b.write(filepath.Join(b.events, "round-1.md"), roundEvent(title, roundDate(1, 1), 8, "rounds"))
	b.until("the message", func() bool { return b.receiver.has(title) })
	feeds := c.same()
	if err := os.Rename(a.events+".away", a.events); err != nil {
		t.Fatal(err)
	}
	a.until("the folder to be back", a.isReady)
	if a.leads() || !maps.Equal(feeds, c.same()) {
		t.Error("the one whose folder is back does not follow")
	}
}

// A checkout that is behind the ledger when its process takes over has nothing told, step
// by step, until it is where the ledger is.
func TestLag(t *testing.T) {
	t.Parallel()
	steps := recording(t, "md", 30)
	const from, ahead = 14, 8
	c := newReplicas(t, 2, 10*time.Minute, "      match: {min_importance: 1}")
	a, b := c.all[0], c.all[1]
	for _, s := range steps[:from] {
		s.apply(t, a.events, "git")
		s.apply(t, b.events, "git")
	}
	for _, r := range c.all {
		r.sentinel(-1)
	}
	a.start()
	b.start()
	want := make(map[string]int)
	for _, s := range steps[from : from+ahead] {
		a.settled(a.checkout(&s))
		for what := range s.expected(1) {
			want[what]++
		}
	}
	feeds := c.same()
	compareCounts(t, told(a.receiver.take(), "hook"), want)

	a.kill()
	c.leader()
	quiet := filepath.Join(b.events, "zz-quiet.md")
	for i, s := range steps[from : from+ahead] {
		// The sentinel goes through old states as well; another event tells that they
		// have been looked at.
		b.checkout(&s)
		title := fmt.Sprintf("Sentinel behind %d", i)
		b.write(quiet, roundEvent(title, roundDate(1, 1), 8, "sentinels"))
		b.settled(title)
		if got := told(b.receiver.take(), "hook"); len(got) > 0 {
			t.Errorf("step %d, behind the ledger: told %v", s.Step, got)
		}
	}
	if n := b.metric("tocsin_events_behind"); n != "0" {
		t.Errorf("%s events are behind where the checkout is not", n)
	}
	for path, body := range b.feeds() {
		if before := feeds[path]; before != body && !strings.Contains(path, "sentinels") && !strings.Contains(path, "/all.") && !strings.Contains(path, "/corrections.") {
			t.Errorf("%s is another", path)
		}
	}
	for _, s := range steps[from+ahead:] {
		b.settled(b.checkout(&s))
		compareTold(t, fmt.Sprintf("step %d", s.Step), told(b.receiver.take(), "hook"), s.expected(1))
	}
}

// What stays as it was is meant: an edit was taken back, a file removed.
func TestLagThatStays(t *testing.T) {
	t.Parallel()
	c := newReplicas(t, 2, 2*time.Second, "")
	a, b := c.all[0], c.all[1]
	for _, r := range c.all {
		r.seeded()
		r.write(filepath.Join(r.events, "round-1.md"), roundEvent("Round 1", roundDate(1, 1), 8, "rounds"))
	}
	a.start()
	b.start()
	a.write(filepath.Join(a.events, "round-1.md"), roundEvent("Round 1, put right", roundDate(1, 1), 8, "rounds"))
	a.write(filepath.Join(a.events, "round-2.md"), roundEvent("Round 2", roundDate(2, 1), 8, "rounds"))
	a.until("both messages", func() bool { return a.receiver.has("Round 1, put right") && a.receiver.has("Round 2") })
	c.same()
	a.receiver.take()
	a.kill()
	b.until("both messages", func() bool { return len(b.receiver.all()) == 2 })
	got := told(b.receiver.take(), "hook")
	compareTold(t, "what stays", got, map[string]bool{"updated round-1": true, "withdrawn round-2": true})
}

// Three daemons share a replay, with a receiver that refuses a third of what it gets;
// one of them after the other is killed at a random moment. Nothing is lost, nothing is
// told under two ids, and the feeds are those of one daemon with a state in a file.
func TestReplicasKilled(t *testing.T) {
	unraced(t)
	t.Parallel()
	replayShared(t, 20, 50, func(c *replicas, chance *rand.Rand) {
		r := c.all[chance.IntN(len(c.all))]
		led := r.leads()
		r.kill()
		if led {
			began := time.Now()
			c.leader()
			t.Logf("another leads after %v", time.Since(began))
		}
		r.launch()
	})
}

// PostgreSQL ends and comes back in the middle of a replay.
func TestReplicasWithoutPostgres(t *testing.T) {
	unraced(t)
	t.Parallel()
	replayShared(t, 8, 4, func(c *replicas, chance *rand.Rand) {
		if err := c.server.Stop(); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(chance.IntN(2000)) * time.Millisecond) // away for so long
		if err := c.server.Start(); err != nil {
			t.Fatal(err)
		}
	})
}

// milestone adds an event that stays as it is: by it a process that has just begun can
// tell that its checkout has come so far, and that what differs was edited since.
func (r *rig) milestone(n int) string {
	title := fmt.Sprintf("Sentinel behind step %d", n)
	r.write(filepath.Join(r.events, fmt.Sprintf("zz-milestone-%d.md", n)), roundEvent(title, "2020-01-01", 8, "sentinels"))
	return title
}

// replayShared replays the first steps of a recording on three daemons with one state, to
// the last, and disturbs them so often at random moments.
func replayShared(t *testing.T, last, often int, disturb func(*replicas, *rand.Rand)) {
	steps := recording(t, "hugo", last)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	c := newReplicas(t, 3, 3*time.Second, "      match: {min_importance: 0}")
	c.all[0].receiver.answer = func(w http.ResponseWriter, n int) {
		if n%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	for _, r := range c.all {
		r.sentinel(-1)
		steps[0].apply(t, r.events, "git")
		r.launch()
	}
	done := 0
	trouble := func() {
		<-time.After(time.Duration(chance.IntN(700)) * time.Millisecond) // the moment
		disturb(c, chance)
		done++
	}
	trouble() // in the first look
	for _, r := range c.all {
		r.until("ready", r.isReady)
	}
	begun := ""
	for _, r := range c.all {
		begun = r.milestone(0)
	}
	c.all[0].settled(begun)
	want := make(map[string]int)
	for i, s := range steps[1:] {
		title := c.checkout(&s)
		for done < (i+1)*often/(len(steps)-1) {
			trouble()
		}
		c.all[0].settled(title)
		for what := range s.expected(0) {
			want[what]++
		}
		for _, r := range c.all {
			title = r.milestone(s.Step)
		}
		c.all[0].settled(title)
	}
	for _, r := range c.all {
		r.until("ready", r.isReady)
	}
	hooks := c.all[0].receiver.take()
	compareCounts(t, told(hooks, "hook"), want)
	published := c.same()

	alone := newRig(t, "      match: {min_importance: 0}", "")
	alone.env = append(alone.env, asOf+"=2026-11-01T00:00:00Z")
	alone.configure(`url: "http://`+alone.site+`"`, "url: http://timeline.example")
	alone.sentinel(-1)
	steps[0].apply(t, alone.events, "git")
	alone.start()
	alone.settled(alone.milestone(0))
	for _, s := range steps[1:] {
		alone.settled(alone.checkout(&s))
		alone.settled(alone.milestone(s.Step))
	}
	compareFeeds(t, "of three and of one", published, alone.feeds())
	t.Logf("disturbed %d times: %d messages, %d requests, %d files of feeds", done, len(want), len(hooks), len(published))
}

// The one that leads publishes into the bucket; where it dies in the middle, the one
// that takes over makes good what is missing.
func TestReplicasPublish(t *testing.T) {
	t.Parallel()
	s := newObjectStore(t)
	c := newReplicas(t, 2, 10*time.Minute, "")
	a, b := c.all[0], c.all[1]
	for _, r := range c.all {
		r.configure("\nstore:", "\n"+s.feeds("")+"\nstore:")
		r.write(filepath.Join(r.dir, "s3.key"), storeSecret+"\n")
		r.titled("a", "First")
		r.titled("b", "Second")
	}
	a.start()
	a.until("the first publishing", func() bool { return strings.Contains(s.object("site/feeds/tags/b.atom"), "Second") })
	a.until("all of it", func() bool { return a.metric("tocsin_bucket_behind_timestamp_seconds") == "" })
	_, before := s.took()
	b.start()
	c.same()
	if _, puts := s.took(); puts != before || b.metric("tocsin_bucket_behind_timestamp_seconds") != "" {
		t.Error("the one that follows publishes, too")
	}

	s.goAway(true)
	for _, r := range []*rig{b, a} {
		r.titled("a", "Third")
	}
	a.until("the attempt", func() bool { return a.metric("tocsin_bucket_failing") == "1" })
	c.same()
	a.kill()
	c.leader()
	s.goAway(false)
	b.until("what was missing", func() bool { return strings.Contains(s.object("site/feeds/tags/a.atom"), "Third") })
}
