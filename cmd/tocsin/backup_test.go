package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/ledger"
)

// state is the path of the rig's state.
func (r *rig) state() string { return filepath.Join(r.dir, "state", "tocsin.db") }

// restore puts a backup in the state's place, as the README says.
func (r *rig) restore(backup string) {
	r.t.Helper()
	text := r.read(backup)
	for _, part := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(r.state() + part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.t.Fatal(err)
		}
	}
	if err := os.WriteFile(r.state(), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// refusedOnce changes the sample event, and waits until its message has been refused by
// a receiver that takes nothing.
func (r *rig) refusedOnce() {
	r.t.Helper()
	r.receiver.answers(http.StatusServiceUnavailable, 1000)
	r.write(r.path(sample), strings.Replace(r.read(r.path(sample)), "importance: 9\n", "importance: 10\n", 1))
	r.until("a first attempt", func() bool { return len(r.receiver.all()) > 0 })
}

// TestRestore makes a backup while a message waits, and goes back to it.
func TestRestore(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.sentinel(0)
	r.start()
	r.refusedOnce()
	backup := filepath.Join(r.dir, "backup.db")
	if out, errout, code := r.command("backup", backup); code != exitDone || !strings.Contains(out, backup) {
		t.Fatalf("backup: %d, %s%s", code, out, errout)
	}
	r.receiver.answers(http.StatusOK, 0)
	r.until("the delivery", func() bool { return len(r.deliveries("delivered", 0)) == 1 })
	id := r.deliveries("delivered", 0)[0].ID
	feeds := r.feeds()
	r.receiver.take()

	// What waited then is sent again, under the id by which its receiver knows it.
	r.kill()
	r.restore(backup)
	r.start()
	r.until("the delivery, again", func() bool { return len(r.receiver.all()) > 0 })
	if got := r.receiver.all()[0].header.Get("webhook-id"); got != id {
		t.Errorf("the message has the webhook-id %s, and had %s", got, id)
	}
	if !maps.Equal(feeds, r.feeds()) {
		t.Error("going back to a backup changed feeds")
	}
	r.until("its record", func() bool { return len(r.deliveries("delivered", 0)) == 1 })
	r.receiver.take()

	// Of a backup at rest nothing is told twice.
	rested := filepath.Join(r.dir, "rested.db")
	r.stop()
	if _, errout, code := r.command("backup", rested); code != exitDone {
		t.Fatalf("backup: %d, %s", code, errout)
	}
	r.restore(rested)
	r.start()
	if !maps.Equal(feeds, r.feeds()) {
		t.Error("going back to a backup at rest changed feeds")
	}
	r.settled(r.sentinel(1))
	compareTold(t, "after going back", told(r.receiver.take(), "hook"), nil)
}

// TestBackupKilled makes backups of a daemon that works, and kills some: there is a
// whole one, or none.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	for i := range 300 { // so that there is something to copy
		r.write(r.path(fmt.Sprintf("many/%d", i)), fmt.Sprintf("---\ntitle: Event %d\ndate: 2020-01-01\ntags: [t%d]\n---\n\n%s\n", i, i, strings.Repeat("Text. ", 500)))
	}
	r.start()
	whole, killed := 0, 0
	longest := time.Duration(0)
	for n := range 12 {
		for i := range 20 {
			r.write(r.path(fmt.Sprintf("many/%d", i)), fmt.Sprintf("---\ntitle: Event %d\ndate: 2020-01-01\ntags: [t%d]\n---\n\nEdition %d.\n", i, i, n))
		}
		to := filepath.Join(r.dir, "backups", fmt.Sprintf("%d.db", n))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "backup", "-config", r.config, to)
		cmd.Env = append(os.Environ(), asTocsin+"=1")
		began := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		deadline := patience
		if n >= 3 {
			deadline = time.Duration(rand.Int64N(int64(longest)))
		}
		var err error
		select {
		case err = <-done:
			longest = max(longest, time.Since(began))
		case <-time.After(deadline):
			_ = cmd.Process.Kill()
			<-done
			killed++
			if _, there := os.Stat(to); errors.Is(there, fs.ErrNotExist) {
				continue
			}
		}
		if err != nil {
			t.Fatalf("backup %d: %v", n, err)
		}
		s, err := ledger.Open(t.Context(), to) // which looks at all of it
		if err != nil {
			t.Errorf("backup %d: %v", n, err)
			continue
		}
		whole++
		s.Close()
	}
	t.Logf("%d whole backups, %d killed, in up to %v", whole, killed, longest)
	if whole < 3 || killed == 0 {
		t.Errorf("%d whole backups and %d killed ones show nothing", whole, killed)
	}
}

// TestUpgrade starts the daemon on a state of the first schema, and goes back.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	r.sentinel(0)
	r.start()
	r.refusedOnce()
	feeds := r.feeds()
	r.stop()
	id := r.deliveries("waiting", 0)[0].ID
	r.receiver.take()
	r.receiver.answers(http.StatusOK, 0)

	s, err := ledger.Open(t.Context(), r.state())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`DROP TABLE briefs`, `DROP TABLE superseded`, `DROP TABLE turns`, `DROP TABLE history`, `DROP TABLE renames`, `DROP INDEX deliveries_held`, `ALTER TABLE feeds DROP COLUMN emptied`,
		`ALTER TABLE deliveries DROP COLUMN held`, `ALTER TABLE deliveries DROP COLUMN together`, `ALTER TABLE deliveries DROP COLUMN burst`,
		`ALTER TABLE deliveries DROP COLUMN remote`, `PRAGMA user_version = 1`,
	} {
		if _, err := s.DB().Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r.start()
	kept := r.state() + ".schema-1"
	r.until("the log", func() bool { return r.log.has(kept) })
	r.until("what waited", func() bool { return len(r.receiver.all()) > 0 })
	if got := r.receiver.all()[0].header.Get("webhook-id"); got != id {
		t.Errorf("what waited has the webhook-id %s, and had %s", got, id)
	}
	r.receiver.take()
	if !maps.Equal(feeds, r.feeds()) {
		t.Error("the upgrade changed feeds")
	}
	r.settled(r.sentinel(1))
	compareTold(t, "after the upgrade", told(r.receiver.take(), "hook"), nil)
	r.stop()
	if s, err := ledger.OpenShared(t.Context(), kept); err == nil {
		s.Close()
		t.Error("the copy is of the new schema")
	}
}
