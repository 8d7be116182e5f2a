package ledger

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"tocsin/event"
	"tocsin/ledger/ledgertest"
)

// What a ledger learns by following: each event that changed as it was and is, and the
// feeds.
func TestNews(t *testing.T) {
	ledgertest.OfPostgres(t)
	r := start(t)
	r.turn(an("a", "A"), an("b", "B"), an("c", "C"))
	r.l.SetFeed("all", "", "1", r.now, false, r.now)
	r.write()
	r.follow()
	follower := r.follower
	r.follower = nil // the one that is compared

	r.turn(an("a", "A, put right"), an("c", "C"), an("d", "D"))
	r.l.SetFeed("all", "", "2", r.now, false, r.now)
	r.write()
	news, err := follower.Follow(t.Context(), r.store)
	if err != nil {
		t.Fatal(err)
	}
	title := func(e *event.Event) string {
		if e == nil {
			return "-"
		}
		return e.Title
	}
	var got []string
	for _, n := range news.Told {
		line := title(n.Change.Before) + " → " + title(n.Event)
		if !n.After.Withdrawn.IsZero() {
			line += ", withdrawn"
		}
		got = append(got, line)
	}
	slices.Sort(got)
	if want := []string{"- → D", "A → A, put right", "B → B, withdrawn"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	if !slices.Equal(news.Feeds, []string{"all"}) || follower.Feed("all").Digest != "2" {
		t.Errorf("feeds %v, %+v", news.Feeds, follower.Feed("all"))
	}
}

// Who is too far behind is told so, and loads the ledger again.
func TestFollowFromFar(t *testing.T) {
	ledgertest.OfPostgres(t)
	r := start(t)
	r.turn(an("a", "A"))
	r.turn(an("a", "A"), an("b", "B"))
	for _, far := range []string{`DELETE FROM turns`, `UPDATE tocsin SET turn = turn + 1`, `UPDATE tocsin SET turn = 0`} {
		follower := r.load()
		follower.turn--
		err := r.store.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(far)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := follower.Follow(t.Context(), r.store); !errors.Is(err, ErrFar) {
			t.Errorf("%s: %v", far, err)
		}
	}
}

// One leads; another does when that ends, and what the first would still write is
// refused.
func TestAttend(t *testing.T) {
	ledgertest.OfPostgres(t)
	address := ledgertest.Store(t)
	join := func() *Store {
		s, err := Join(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	a := join()
	b := join()
	if !a.Leads() || b.Leads() {
		t.Fatalf("the first leads: %v, the second: %v", a.Leads(), b.Leads())
	}
	if err := putKey(a, "1"); err != nil {
		t.Error(err)
	}
	if err := putKey(b, "2"); !errors.Is(err, ErrLocked) {
		t.Errorf("a follower writes: %v", err)
	}
	if n, err := b.Processes(t.Context()); n != 2 || err != nil {
		t.Errorf("%d processes, %v", n, err)
	}
	dead := func(process string) (is bool) {
		if err := b.DB().QueryRow(`SELECT `+b.Dead("p")+` FROM (SELECT $1::text AS p) p`, process).Scan(&is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	if dead(a.Process()) || dead(b.Process()) || !dead("somebody") {
		t.Errorf("dead: %v, %v, %v", dead(a.Process()), dead(b.Process()), dead("somebody"))
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	led := make(chan bool, 1)
	attended := make(chan struct{})
	go func() {
		defer close(attended)
		b.Attend(ctx, func(leads bool, err error) {
			if err != nil {
				t.Error(err)
			}
			led <- leads
		})
	}()
	// PostgreSQL ends the connection that holds the lock; the process knows nothing yet.
	var pid int
	if err := a.postgres.conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if _, err := b.DB().Exec(`SELECT pg_terminate_backend($1)`, pid); err != nil {
		t.Fatal(err)
	}
	select {
	case leads := <-led:
		if !leads {
			t.Error("it was told that it does not lead")
		}
	case <-ctx.Done():
		t.Fatal("nobody took over")
	}
	if err := putKey(a, "3"); !errors.Is(err, ErrLocked) {
		t.Errorf("the one before writes: %v", err)
	}
	if err := putKey(b, "4"); err != nil {
		t.Error(err)
	}
	if !dead(a.Process()) {
		t.Error("one without a connection lives")
	}
	cancel()
	<-attended
	if got := tables(t, b); got != "1\n4\n" {
		t.Errorf("it holds %q", got)
	}
}

// Who leads and finds the schema of a newer version, or cannot do its work, gives the lead
// to another, and keeps it where there is none.
func TestYield(t *testing.T) {
	ledgertest.OfPostgres(t)
	for name, hinder := range map[string]func(t *testing.T, s *Store){
		"withheld": func(_ *testing.T, s *Store) { s.Withhold(true) },
		"outdated": func(t *testing.T, s *Store) {
			if _, err := s.DB().Exec(`UPDATE tocsin SET schema = 1000`); err != nil {
				t.Fatal(err)
			}
			if err := putKey(s, "1"); !errors.Is(err, ErrNewer) {
				t.Errorf("Write: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			address := ledgertest.Store(t)
			var all []*Store
			leads := func(s *Store) bool {
				t.Helper()
				if _, err := s.attend(t.Context()); err != nil {
					t.Error(err)
				}
				return s.Leads()
			}
			for range 2 {
				s, err := Join(t.Context(), address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				all = append(all, s)
				if len(all) == 1 {
					hinder(t, s)
					if !leads(s) {
						t.Error("the only one does not lead")
					}
					if _, err := s.DB().Exec(`UPDATE tocsin SET schema = $1`, len(migrations)); err != nil {
						t.Fatal(err)
					}
				}
			}
			term := all[1].Term()
			if leads(all[0]) || !leads(all[1]) || all[1].Term() != term+1 {
				t.Errorf("the first leads: %v, the other: %v", all[0].Leads(), all[1].Leads())
			}
			if leads(all[0]) {
				t.Error("the first leads again")
			}
		})
	}
}
