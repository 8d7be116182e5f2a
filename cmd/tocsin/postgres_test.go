package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/ledger/ledgertest"
	"tocsin/notify/outbox"
)

// The state is in PostgreSQL, which is away at the start and in between: the daemon
// waits, goes on serving what it has, says so, and catches up by itself.
func TestPostgres(t *testing.T) {
	server := ledgertest.New(t)
	const password = "c4n4ry"
	r := newRig(t, "", "")
	r.store = server.Address("postgres") + "&password=" + password
	r.env = append(r.env, "STATE="+r.store)
	r.configure("store: state/tocsin.db", "store: ${STATE}")
	r.seeded()
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	r.launch()
	r.until("the start to wait", func() bool { return r.log.has("the start waits for PostgreSQL") })
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	r.until("the start", r.isReady)

	// What changes is told.
	change := func(n int) string {
		title := fmt.Sprintf("Round %d", n)
		r.write(filepath.Join(r.events, fmt.Sprintf("round-%d.md", n)), roundEvent(title, roundDate(n, 1), 8, "rounds"))
		return title
	}
	first := change(1)
	r.until("the message", func() bool { return r.receiver.has(first) })

	// Commands beside the daemon.
	t.Setenv("STATE", r.store)
	if out, errout, code := r.command("deliveries", "list"); code != exitDone || !strings.Contains(out, first) {
		t.Errorf("deliveries: %d\n%s%s", code, out, errout)
	}
	public := filepath.Join(t.TempDir(), "public")
	if _, errout, code := r.command("build", "-out", public); code != exitDone || !strings.Contains(errout, "from a copy") {
		t.Errorf("build: %d\n%s", code, errout)
	}
	_, feed := r.get("/feeds/all.atom")
	if built := r.read(filepath.Join(public, "feeds", "all.atom")); built != string(feed) {
		t.Error("a build beside the daemon makes another feed than the daemon")
	}
	if _, errout, code := r.command("backup", filepath.Join(t.TempDir(), "b.db")); code != exitFaults || !strings.Contains(errout, "pg_dump") {
		t.Errorf("backup: %d\n%s", code, errout)
	}
	if out, errout, code := r.command("check"); code != exitDone || strings.Contains(out, "store:") {
		t.Errorf("check: %d\n%s%s", code, out, errout)
	}

	// It is away.
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	second := change(2)
	r.until("the turn to fail", func() bool { return r.log.has("the turn failed") })
	if res, text := r.fetch("http://" + r.admin + "/readyz"); res.StatusCode != 503 || !strings.Contains(string(text), "PostgreSQL is away") {
		t.Errorf("/readyz: %d %s", res.StatusCode, text)
	}
	if _, text := r.fetch("http://" + r.admin + "/metrics"); !strings.Contains(string(text), "\ntocsin_ready 0\n") || !strings.Contains(string(text), "\ntocsin_turn_failing 1\n") {
		t.Errorf("/metrics:\n%s", text)
	}
	if res, same := r.get("/feeds/all.atom"); res.StatusCode != 200 || string(same) != string(feed) {
		t.Errorf("what was published is not served: %d", res.StatusCode)
	}
	if out, errout, code := r.command("check"); code != exitDone || !strings.Contains(out, "PostgreSQL is away") {
		t.Errorf("check while it is away: %d\n%s%s", code, out, errout)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	r.until("the message", func() bool { return r.receiver.has(second) })
	r.until("it is ready again", r.isReady)

	// After a crash nothing is told twice.
	r.kill()
	third := change(3)
	r.start()
	r.until("the message", func() bool { return r.receiver.has(third) })
	r.until("the record of it", func() bool { return len(r.deliveries(string(outbox.Delivered), 0)) == 3 })
	ids := make(map[string]bool) // a message may have come just before the crash, and again
	for _, h := range r.receiver.all() {
		ids[h.header.Get("webhook-id")] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d messages about 3 events", len(ids))
	}
	r.stop()
	if r.log.has(password) {
		t.Error("the log holds the password")
	}
}

// A state is carried over to PostgreSQL: the daemon goes on there as if nothing had
// happened, and what waited is sent under the id that it had.
func TestMigrate(t *testing.T) {
	server := ledgertest.New(t)
	r := newRig(t, "", "")
	r.seeded()
	r.start()
	r.receiver.answer = func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusBadGateway) }
	title := "Round 1"
	r.write(filepath.Join(r.events, "round-1.md"), roundEvent(title, roundDate(1, 1), 8, "rounds"))
	r.until("the attempt", func() bool { return r.receiver.has(title) })
	_, feed := r.get("/feeds/all.atom")
	if _, errout, code := r.command("migrate", "-to", server.Address("postgres")); code != exitFaults || !strings.Contains(errout, "another tocsin runs on this state") {
		t.Errorf("beside the daemon: %d\n%s", code, errout)
	}
	r.stop()
	id := r.deliveries(string(outbox.Waiting), 1)[0].ID
	for range 2 {
		if out, errout, code := r.command("migrate", "-to", server.Address("postgres")); code != exitDone || !strings.Contains(out, "rows from") {
			t.Fatalf("migrate: %d\n%s%s", code, out, errout)
		}
	}
	r.store = server.Address("postgres")
	r.configure("store: state/tocsin.db", "store: "+r.store)
	if _, errout, code := r.command("migrate", "-to", server.Address("postgres")); code != exitUsage || !strings.Contains(errout, "already") {
		t.Errorf("onto itself: %d\n%s", code, errout)
	}
	r.receiver.answer = nil
	r.start()
	r.until("what waited to be sent", func() bool { return len(r.deliveries(string(outbox.Delivered), 0)) == 1 })
	if sent := r.deliveries(string(outbox.Delivered), 0); sent[0].ID != id {
		t.Errorf("sent as %s, planned as %s", sent[0].ID, id)
	}
	if _, now := r.get("/feeds/all.atom"); string(now) != string(feed) {
		t.Error("the feed is another one")
	}
	r.stop()
}
