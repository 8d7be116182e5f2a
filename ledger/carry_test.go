package ledger

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/ledger/ledgertest"
)

// A state is the same wherever it is carried, with what waits; the queue is made again.
func TestCarry(t *testing.T) {
	ledgertest.OfPostgres(t)
	dir := t.TempDir()
	file, back := filepath.Join(dir, "tocsin.db"), filepath.Join(dir, "back.db")
	r := &rig{T: t, store: openStore(t, file), now: moment("2026-01-01T10:00:00Z")}
	r.l = r.load()
	r.turn(an("a", "A", tags("x")), an("b", "B"), an("c", "C"))
	r.turn(an("a2", "A", tags("x")), an("b", "B", importance(9)))
	if _, err := r.store.DB().Exec(`INSERT INTO deliveries (id, sink, type, title, state, created, since, message, job)
		VALUES ('msg_1', 's', 'event.new', 'A', 'failed', 1, 2, '{}', NULL), ('msg_2', 's', 'event.new', 'B', 'waiting', 3, 4, '{}', 7);
		DELETE FROM deliveries WHERE id = 'msg_1';
		INSERT INTO delivery_events (delivery, entry_id) VALUES (2, 'tag:b');
		INSERT INTO attempts VALUES (2, 1, 5, 6, 500, 'no', 'server error')`); err != nil {
		t.Fatal(err)
	}
	before := state(r.l)
	if before == "" || len(r.l.Moves(nil)) != 1 {
		t.Fatalf("there is little to carry:\n%s", before)
	}
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	address := ledgertest.Store(t)
	for range 2 {
		if n, err := Carry(t.Context(), file, address, func(int, int) {}); err != nil || n < 10 {
			t.Fatalf("%d rows, %v", n, err)
		}
	}

	r.store = openStore(t, address)
	r.l = r.load()
	if got := state(r.l); got != before {
		t.Errorf("carried over:\n%s\nbefore:\n%s", got, before)
	}
	var waiting string
	if err := r.store.DB().QueryRow(`SELECT d.seq || ' ' || d.id || ' ' || d.since || ' ' || coalesce(d.job, 0) || ' ' || e.entry_id || ' ' || a.answer FROM deliveries d
		JOIN delivery_events e ON e.delivery = d.seq JOIN attempts a ON a.delivery = d.seq`).Scan(&waiting); err != nil || waiting != "2 msg_2 4 0 tag:b no" {
		t.Errorf("what waits is %q, %v", waiting, err)
	}
	// It goes on from there, and is not overwritten any more.
	r.turn(an("b", "B", importance(3)), an("d", "D"))
	var seq int
	if err := r.store.DB().QueryRow(`INSERT INTO deliveries (id, sink, type, title, state, created, since, message)
		VALUES ('msg_3', 's', 'event.new', 'D', 'waiting', 1, 2, '{}') RETURNING seq`).Scan(&seq); seq != 3 || err != nil {
		t.Errorf("the next delivery is %d, %v", seq, err)
	}
	after := state(r.l)
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Carry(t.Context(), file, address, func(int, int) {}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), Name(address)) {
		t.Errorf("over a state in use: %v", err)
	}

	// And back, beside a daemon.
	r.store = openStore(t, address)
	if got := state(r.load()); got != after {
		t.Errorf("it was overwritten:\n%s\nbefore:\n%s", got, after)
	}
	if err := r.store.Copy(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	r.store = openStore(t, back)
	if got := state(r.load()); got != after {
		t.Errorf("carried back:\n%s\nbefore:\n%s", got, after)
	}
}

// All tables are carried but for the queue's, and those of the files and the turns.
func TestCarriedTables(t *testing.T) {
	ledgertest.OfFiles(t)
	is, err := schema(t.Context(), openStore(t, ledgertest.Store(t)).DB())
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	for name := range is {
		if table, ok := strings.CutPrefix(name, "table "); ok && !strings.HasPrefix(table, "sqlite_") && table != "turns" {
			tables++
			if !strings.Contains(" "+strings.Join(carried, " ")+" ", " "+table+" ") {
				t.Errorf("the table %s is not carried", table)
			}
		}
	}
	if tables != len(carried) {
		t.Errorf("%d tables, and %d are carried", tables, len(carried))
	}
}
