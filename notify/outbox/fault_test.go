package outbox

import (
	"cmp"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tocsin/ledger/ledgertest"
)

// fault makes a statement fail until the returned func is called.
func (r *rig) fault(on string) (mend func()) {
	r.Helper()
	begin, end := fmt.Sprintf(`CREATE TRIGGER fault BEFORE %s BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`, on), `DROP TRIGGER fault`
	if ledgertest.OnPostgres() {
		table, when, _ := strings.Cut(on, "WHEN ")
		begin = fmt.Sprintf(`CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the disk is full'; END $$;
			CREATE TRIGGER fault BEFORE %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION fault()`, table, cmp.Or(when, "true"))
		end = `DROP FUNCTION fault CASCADE`
	}
	_, err := r.store.DB().Exec(begin)
	must(r, err)
	return func() {
		r.Helper()
		_, err := r.store.DB().Exec(end)
		must(r, err)
	}
}

// What became of an attempt cannot be written: it is when it can be, and the
// message is not sent again.
func TestUnwrittenOutcome(t *testing.T) {
	for _, on := range []string{"INSERT ON attempts", "UPDATE ON deliveries", "UPDATE ON river_job WHEN new.state = 'completed'"} {
		s := newSender(takes)
		r := open(t, statePath(t), sinkOf("a", s))
		id := r.plan("a", about("e"))[0]
		mend := r.fault(on)
		r.start()
		line := r.log.until(t, "what became of a delivery cannot be written")
		if !strings.Contains(line, id) || !strings.Contains(line, "the disk is full") {
			t.Errorf("%s: the log says %s", on, line)
		}
		mend()
		if rec := r.becomes(id, Delivered); rec.Tries != 1 || len(s.calls) != 1 {
			t.Errorf("%s: %d tries and %d calls, want 1 and 1", on, rec.Tries, len(s.calls))
		}
		r.quit()
	}
}

// Nor does it hold up the end: the next run sends again, under the same id.
func TestEndWithAnUnwrittenOutcome(t *testing.T) {
	s := newSender(takes)
	path := statePath(t)
	r := open(t, path, sinkOf("a", s))
	id := r.plan("a", about("e"))[0]
	mend := r.fault("INSERT ON attempts")
	r.start()
	r.log.until(t, "what became of a delivery cannot be written")
	r.halt()
	mend()
	_, err := r.store.DB().Exec(`UPDATE deliveries SET job = NULL`) // River's is in no hurry
	must(t, err)
	r.quit()
	r = open(t, path, sinkOf("a", s)).start()
	r.becomes(id, Delivered)
	for range 2 {
		if d := await(t, s.calls, "a call"); d.ID != id {
			t.Errorf("sent as %s, want %s", d.ID, id)
		}
	}
}

// What cannot be tidied up is the next time.
func TestTidyFails(t *testing.T) {
	for _, on := range []string{"DELETE ON deliveries", "DELETE ON attempts", "DELETE ON delivery_events"} {
		r := open(t, statePath(t), sinkOf("a", newSender(takes))).start()
		id := r.plan("a", about("e"))[0]
		r.becomes(id, Delivered)
		r.halt()
		r.clock.advance(keepFor + time.Hour)
		r.tidyEvery = 10 * time.Millisecond
		r.quit()

		r = openWith(t, r.path, func(o *Outbox) { o.tidyEvery = 10 * time.Millisecond }, sinkOf("a", newSender(takes)))
		r.clock.advance(keepFor + time.Hour)
		mend := r.fault(on)
		r.start()
		r.log.until(t, "tidying up the deliveries failed")
		if _, err := Show(t.Context(), r.store, id); err != nil {
			t.Errorf("%s: %v", on, err)
		}
		mend()
		for end := time.After(patience); ; {
			list, err := List(t.Context(), r.store, Filter{})
			must(t, err)
			if len(list) == 0 {
				break
			}
			select {
			case <-time.After(r.tidyEvery):
			case <-end:
				t.Fatalf("%s: not removed", on)
			}
		}
		r.quit()
	}
}

// River says the same twice a second while it lasts.
func TestRepetitionsAreNotLogged(t *testing.T) {
	j := newJournal()
	log := slog.New(lower{slog.NewTextHandler(j, nil), &said{at: make(map[string]time.Time)}}).With("by", "river")
	say := func(attempt int, err string) { log.Error("it failed", "attempt", attempt, "err", err, "queue", "a") }
	say(1, "disk is full")
	say(2, "disk is full")
	log.With("x", 1).Error("it failed", "err", "disk is full", "queue", "a")
	say(3, "I/O error")
	say(4, "disk is full")
	log.Error("it failed", "err", "disk is full", "queue", "b")
	log.Info("it goes on")
	for i := range 5000 {
		log.Error("it failed", "err", fmt.Sprint(i))
	}
	lines := strings.SplitAfter(j.String(), "\n")
	if len(lines) != 3+5000+1 || !strings.Contains(lines[1], "I/O error") || !strings.Contains(lines[2], "queue=b") {
		t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines[:min(len(lines), 10)], ""))
	}

	s := &said{at: make(map[string]time.Time)}
	start := time.Now()
	var told []time.Duration
	for d := time.Duration(0); d < 25*time.Minute; d += 10 * time.Second {
		if s.news(slog.NewRecord(start.Add(d), slog.LevelError, "it failed", 0)) {
			told = append(told, d)
		}
	}
	if fmt.Sprint(told) != "[0s 10m0s 20m0s]" {
		t.Errorf("told after %v", told)
	}
}
