package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

func TestJournal(t *testing.T) {
	type entry struct {
		message  string
		priority journal.Priority
		fields   map[string]string
	}
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		log  func(l *slog.Logger)
		want entry
	}{
		"attributes": {
			func(l *slog.Logger) {
				l.Info("turn", "events", 21, "first_look", true, "took", 1500*time.Millisecond, "next", at)
			},
			entry{"turn events=21 first_look=true took=1.5s next=2026-11-23T08:00:00.000Z", journal.PriInfo, map[string]string{
				"TOCSIN_EVENTS": "21", "TOCSIN_FIRST_LOOK": "true", "TOCSIN_TOOK": "1.5s", "TOCSIN_NEXT": "2026-11-23T08:00:00Z"}},
		},
		"none": {func(l *slog.Logger) { l.Warn("stopped") }, entry{"stopped", journal.PriWarning, nil}},
		"an error of several lines": {
			func(l *slog.Logger) { l.Error("refused", "err", errors.New("a: one\nb: two")) },
			entry{`refused err="a: one\nb: two"`, journal.PriErr, map[string]string{"TOCSIN_ERR": "a: one\nb: two"}},
		},
		"groups and names": {
			func(l *slog.Logger) {
				l.With("by", "river").WithGroup("job").Debug("x", "lügt-nicht.1", 1, slog.Group("in", "n", 2))
			},
			entry{"x by=river job.lügt-nicht.1=1 job.in.n=2", journal.PriDebug, map[string]string{
				"TOCSIN_BY": "river", "TOCSIN_JOB_L_GT_NICHT_1": "1", "TOCSIN_JOB_IN_N": "2"}},
		},
		"a long name": {
			func(l *slog.Logger) { l.Info("x", strings.Repeat("a", 80), 1) },
			entry{"x " + strings.Repeat("a", 80) + "=1", journal.PriInfo, map[string]string{"TOCSIN_" + strings.Repeat("A", 57): "1"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []entry
			c.log(slog.New(newJournalHandler(nil, slog.LevelDebug, func(message string, p journal.Priority, fields map[string]string) error {
				got = append(got, entry{message, p, fields})
				return nil
			})))
			fields := map[string]string{"SYSLOG_IDENTIFIER": "tocsin"}
			maps.Copy(fields, c.want.fields)
			if len(got) != 1 || got[0].message != c.want.message || got[0].priority != c.want.priority || !maps.Equal(got[0].fields, fields) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// What the journal does not take is written to standard error.
func TestJournalAway(t *testing.T) {
	var lost bytes.Buffer
	log := slog.New(newJournalHandler(&lost, slog.LevelInfo, func(string, journal.Priority, map[string]string) error {
		return errors.New("away")
	}))
	log.Debug("not at this level")
	log.Warn("a file is left as it was known", "fault", "a.md:1: what")
	if got := lost.String(); got != "<4>a file is left as it was known fault=\"a.md:1: what\"\n" {
		t.Errorf("got %q", got)
	}
}

func TestLogForms(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "").seeded()
	for form, want := range map[string]string{
		"text": `level=INFO msg=ready `, "json": `"level":"INFO","msg":"ready",`, "auto": `level=INFO msg=ready `,
	} {
		r.log = &logBuffer{}
		r.args = []string{"-log", form}
		r.start()
		r.stop()
		if !r.log.has(want) {
			t.Errorf("-log %s: no %s in\n%s", form, want, r.log.tail(5))
		}
	}
	if _, errout, code := r.command("serve", "-log", "xml"); code != exitUsage || !strings.Contains(errout, "there are auto, text, json and journal") {
		t.Errorf("an unknown form: %d %s", code, errout)
	}
}

// Where JOURNAL_STREAM names standard error, the log is sent to the journal; here
// there is none, so that it comes back.
func TestJournalStream(t *testing.T) {
	t.Parallel()
	if journal.Enabled() {
		t.Skip("this machine has a journal, which a test should not write into")
	}
	r := newRig(t, "", "").seeded()
	path := filepath.Join(r.dir, "stderr")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	r.env = append(r.env, fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino))
	r.wrap = []string{"sh", "-c", `log=$0; exec "$@" 2>"$log"`, path}
	r.start()
	r.stop()
	if text := r.read(path); !strings.Contains(text, "<6>ready events=21 ") {
		t.Errorf("the log is\n%s", text)
	}
}
