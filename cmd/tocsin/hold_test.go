package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/ledger"
)

// readyz returns what the daemon says of its readiness.
func (r *rig) readyz() (int, string) {
	r.t.Helper()
	res, body := r.fetch("http://" + r.admin + "/readyz")
	return res.StatusCode, string(body)
}

func TestHoldOver(t *testing.T) {
	h := hold{events: 100, percent: 50}
	for _, tt := range []struct {
		gone, of int
		want     bool
	}{
		{0, 0, false}, {100, 100, false}, {101, 202, false}, {101, 201, true}, {101, 101, true}, {1000, 2001, false}, {1001, 2001, true},
	} {
		if got := h.over(tt.gone, tt.of); got != tt.want {
			t.Errorf("%d of %d: %v", tt.gone, tt.of, got)
		}
	}
	if (hold{percent: 100}).over(5, 5) {
		t.Error("100 per cent holds")
	}
}

// Most of the events vanish at once: nothing is withdrawn until they are back or
// an operator accepts it.
func TestMostEventsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "")
	r.configure("rescan:", "hold: {events: 3}, rescan:")
	for i := range 6 {
		r.write(r.path(fmt.Sprintf("%d", i)), fmt.Sprintf("---\ntitle: Event %d\ndate: 2025-01-0%[1]d\ntags: [t%[1]d]\n---\n", i+1))
	}
	r.start()
	before := r.feeds()
	held := func(what string) {
		t.Helper()
		r.until("the hold: "+what, func() bool { code, text := r.readyz(); return code == 503 && strings.Contains(text, what) })
		if !maps.Equal(before, r.feeds()) {
			t.Errorf("%s: feeds changed", what)
		}
	}
	away := filepath.Join(r.dir, "away")
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(away, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, errout, code := r.command("accept"); code != exitFaults || !strings.Contains(errout, "nothing is held") {
		t.Errorf("accept with nothing to accept: %d, %s", code, errout)
	}

	// Three of six are not over three: told as usual.
	for _, id := range []string{"3", "4", "5"} {
		move(r.path(id), filepath.Join(away, id))
	}
	r.until("three withdrawals", func() bool { return len(r.receiver.all()) == 3 })
	for _, id := range []string{"3", "4", "5"} {
		move(filepath.Join(away, id), r.path(id))
	}
	r.settled(r.sentinel(0))
	r.receiver.take()
	before = r.feeds()

	// Five of seven are held, and all else with them.
	for _, id := range []string{"0", "1", "2", "3", "4"} {
		move(r.path(id), filepath.Join(away, id))
	}
	held("5 of 7 events are gone, such as 0;")
	r.write(r.path("new"), "---\ntitle: Meanwhile\ndate: 2025-02-01\n---\n")
	r.stop()
	r.start503() // what is held is held over a restart
	held("5 of 7 events are gone")
	if _, errout, code := r.command("build", "-out", filepath.Join(r.dir, "out")); code != exitFaults || !strings.Contains(errout, "5 of 7 events are gone") {
		t.Errorf("a build of it: %d, %s", code, errout)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "out", "feeds")); err == nil {
		t.Error("the build wrote feeds")
	}

	// They are back, one of them broken: only what else changed is told.
	for _, id := range []string{"1", "2", "3", "4"} {
		move(filepath.Join(away, id), r.path(id))
	}
	r.write(r.path("0"), "---\ntitle: \"Event\" 0\n---\n")
	r.settled(r.sentinel(1))
	compareTold(t, "back", told(r.receiver.take(), "hook"), map[string]bool{"new new": true})
	if res, _ := r.get("/events/0/"); res.StatusCode != http.StatusOK {
		t.Errorf("the page of the event that came back broken: %s", res.Status)
	}
	r.write(r.path("0"), "---\ntitle: Event 1\ndate: 2025-01-01\ntags: [t1]\n---\n")
	r.settled(r.sentinel(2))
	compareTold(t, "mended", told(r.receiver.take(), "hook"), nil)

	// Accepted is what was shown, and nothing else.
	for _, id := range []string{"0", "1", "2", "3", "4"} {
		move(r.path(id), filepath.Join(away, id))
	}
	before = r.feeds()
	held("5 of 8 events are gone")
	out, errout, code := r.command("accept", "-n", "-json")
	var a acceptance
	if err := json.Unmarshal([]byte(out), &a); err != nil || code != exitDone || a.Withdrawn == nil || a.Withdrawn.Gone != 5 || len(a.Withdrawn.Some) != 5 {
		t.Fatalf("accept -n: %d, %s%s", code, out, errout)
	}
	store, err := ledger.OpenShared(t.Context(), filepath.Join(r.dir, "state", "tocsin.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Accept(t.Context(), &ledger.Held{Digest: "of another withdrawal"}); err != nil {
		t.Fatal(err)
	}
	move(r.path("5"), filepath.Join(away, "5"))
	held("6 of 8 events are gone")
	if out, errout, code := r.command("accept"); code != exitDone || !strings.Contains(out, "6 of 8 events are gone") {
		t.Fatalf("accept: %d, %s%s", code, out, errout)
	}
	r.until("readiness", func() bool { code, _ := r.readyz(); return code == 200 })
	r.settled(r.sentinel(3))
	want := make(map[string]bool)
	for i := range 6 {
		want[fmt.Sprintf("withdrawn %d", i)] = true
	}
	compareTold(t, "accepted", told(r.receiver.take(), "hook"), want)
	if held, err := store.Held(t.Context()); held != nil || err != nil {
		t.Errorf("it is still held: %v, %v", held, err)
	}
}

// The folder is away when the daemon starts: what is known is served, and all
// goes on when the folder is there.
func TestStartWithoutTheFolder(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	if err := os.Rename(r.events, r.events+"-away"); err != nil {
		t.Fatal(err)
	}
	if _, errout, code := r.command("serve"); code != exitFaults || !strings.Contains(errout, "events.dir: ") {
		t.Errorf("a first start without a folder: %d, %s", code, errout)
	}
	if err := os.Rename(r.events+"-away", r.events); err != nil {
		t.Fatal(err)
	}
	r.sentinel(0)
	r.start()
	before := r.feeds()
	r.stop()
	if err := os.Rename(r.events, r.events+"-away"); err != nil {
		t.Fatal(err)
	}
	r.start503()
	if _, text := r.readyz(); !strings.Contains(text, "the events folder is away") {
		t.Errorf("readyz: %s", text)
	}
	if !maps.Equal(before, r.feeds()) {
		t.Error("feeds changed")
	}
	if err := os.Rename(r.events+"-away", r.events); err != nil {
		t.Fatal(err)
	}
	r.settled(r.sentinel(1))
	compareTold(t, "back", told(r.receiver.take(), "hook"), nil)
}

// A damaged state is set aside, and none is begun anew before an operator says so.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	state := filepath.Join(r.dir, "state", "tocsin.db")
	r.start()
	before := r.feeds()
	r.stop()
	good := r.read(state)
	r.write(state, good[:2000]+strings.Repeat("x", 3000)+good[5000:])
	_, errout, code := r.command("serve")
	if code != exitFaults || !strings.Contains(errout, "the state is damaged") || !strings.Contains(errout, "tocsin accept") {
		t.Fatalf("serve on a damaged state: %d, %s", code, errout)
	}
	for _, command := range []string{"serve", "build -out " + filepath.Join(r.dir, "out")} {
		_, errout, code = r.command(strings.Fields(command)...)
		if code != exitFaults || !strings.Contains(errout, "set aside as "+state+".corrupt-") {
			t.Errorf("%s: %d, %s", command, code, errout)
		}
	}
	if _, err := os.Stat(state); err == nil {
		t.Fatal("a new state was begun")
	}

	// A backup in its place goes on as if nothing had been.
	r.write(state, good)
	r.start()
	if !maps.Equal(before, r.feeds()) {
		t.Error("the backup gives other feeds")
	}
	r.stop()

	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	if _, errout, code := r.command("accept", "-n"); code != exitFaults || !strings.Contains(errout, "set aside") {
		t.Errorf("accept -n: %d, %s", code, errout)
	}
	if out, errout, code := r.command("accept"); code != exitDone || !strings.Contains(out, "begins anew") {
		t.Fatalf("accept: %d, %s%s", code, out, errout)
	}
	r.start()
	r.settled(r.sentinel(1))
	compareTold(t, "a new state", told(r.receiver.take(), "hook"), map[string]bool{})
}
