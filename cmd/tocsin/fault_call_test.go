package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tamper says which system calls fail, and how.
type tamper struct {
	calls string // of the daemon, separated by commas
	path  string // in the rig's folder; only calls on it fail; empty: all
	err   string
	when  string // which of them, in strace's notation; empty: all
	says  string // in the log; a regular expression
}

func (f tamper) String() string {
	return strings.Join(strings.Fields(strings.Join([]string{f.calls, f.path, f.err, f.when}, " ")), " ")
}

// tamper makes system calls of the daemon fail until the returned func is called,
// which says how many did.
func (r *rig) tamper(f tamper) (end func() int) {
	r.t.Helper()
	trace := filepath.Join(r.t.TempDir(), "trace")
	inject := "inject=" + f.calls + ":error=" + f.err
	if f.when != "" {
		inject += ":when=" + f.when
	}
	args := []string{"-f", "-o", trace, "-p", fmt.Sprint(r.cmd.Process.Pid), "-e", "trace=" + f.calls, "-e", inject}
	if f.path != "" {
		args = append(args, "-P", filepath.Join(r.dir, f.path))
	}
	path, err := exec.LookPath("strace")
	if err != nil {
		r.t.Skipf("system calls cannot be made to fail: %v", err)
	}
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	attached, done := make(chan bool, 1), make(chan struct{})
	var said []string
	go func() {
		defer close(done)
		for s := bufio.NewScanner(pipe); s.Scan(); {
			if strings.Contains(s.Text(), " attached") {
				select {
				case attached <- true:
				default:
				}
				continue
			}
			said = append(said, s.Text())
		}
	}()
	select {
	case <-attached:
	case <-done:
		_ = cmd.Wait()
		r.t.Skipf("strace cannot attach to the daemon: %s", strings.Join(said, "\n"))
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		r.t.Fatal("strace does not attach")
	}
	ended := false
	end = func() int {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(os.Interrupt)
			<-done
			_ = cmd.Wait() // it ends by the signal
		}
		return strings.Count(r.read(trace), "(INJECTED)")
	}
	r.t.Cleanup(func() { end() })
	return end
}

// whileTampered makes the changes of round n while calls fail, and checks that there
// is an error, service, and recovery.
func (r *rig) whileTampered(n int, f tamper) {
	r.t.Helper()
	if strings.Contains(f.path, "%d") {
		f.path = fmt.Sprintf(f.path, n)
	}
	before, files, mark := r.published(), r.static(), r.log.mark()
	end := r.tamper(f)
	if f.calls == "pread64" {
		// What the daemon has read before counts no more.
		r.exec(`INSERT OR REPLACE INTO meta (key, value) VALUES ('test', hex(randomblob(8)))`)
	}
	expect := r.round(n)
	said := regexp.MustCompile(f.says)
	failed := func() bool {
		return slices.ContainsFunc(r.log.since(mark, "level=ERROR"), said.MatchString)
	}
	r.until(f.String()+": an error", func() bool {
		return failed() || f.when != "" && len(r.log.since(mark, "msg=turn")) > 0 && len(r.deliveries("waiting", 1)) == 0
	})
	code, text := r.readyz()
	if turn := len(r.log.since(mark, "the turn failed")) > len(r.log.since(mark, "the turn succeeds again")); turn && code != http.StatusServiceUnavailable {
		r.t.Errorf("%s: /readyz answers %d, %s", f, code, text)
	}
	round := "/feeds/tags/round.atom"
	if now := r.published()[round]; now != before[round] && now != calm.after[n+1][round] {
		r.t.Errorf("%s: what is served is neither what was there nor what comes", f)
	}
	r.complete(f.String(), files)
	calls := end()
	if f.when == "" && calls == 0 {
		r.t.Errorf("%s: no call was made to fail", f)
	}
	r.recovered(f.String(), n, expect)
	if lines := r.log.since(mark, "level=ERROR"); len(lines) > 12 {
		r.t.Errorf("%s: %d errors in the log:\n%s", f, len(lines), strings.Join(lines, "\n"))
	} else {
		r.t.Logf("%s: %d calls failed, %d errors in the log", f, calls, len(lines))
	}
}

const (
	turnFailed = "the turn failed"
	unread     = "malformed|I/O error" // SQLite's words for it
)

// System calls of the daemon fail, one kind after the other, as a broken disk, a
// full one, a file system that has gone read-only and a quota make them fail.
func TestFaultOfCalls(t *testing.T) {
	unraced(t)
	t.Parallel()
	undisturbed(t)
	r := newFaultRig(t, "")
	r.start()
	for n, f := range []tamper{
		{calls: "pwrite64", path: "state/tocsin.db-wal", err: "EIO", says: turnFailed},
		{calls: "pwrite64", path: "state/tocsin.db-wal", err: "ENOSPC", when: "5+", says: turnFailed},
		{calls: "fsync,fdatasync", path: "state/tocsin.db-wal", err: "EIO", says: turnFailed},
		{calls: "pread64", err: "EIO", says: unread},
		{calls: "renameat", err: "EIO", says: turnFailed},
		{calls: "renameat", err: "EROFS", when: "7", says: turnFailed},
		{calls: "mkdirat", err: "EDQUOT", says: turnFailed},
		{calls: "utimensat", err: "EROFS", says: turnFailed},
		{calls: "unlinkat", err: "EROFS", says: turnFailed},
		{calls: "?open,openat", err: "EIO", says: turnFailed},
		{calls: "?open,openat", path: "events/r%d/moved-to.md", err: "EIO", says: "moved-to.md cannot be read: input/output error"},
	} {
		r.whileTampered(n, f)
	}
	r.wholeAndAgain()
}

// The longer list: each call, each error, and the Nth call alone.
func TestFaultOfEveryCall(t *testing.T) {
	unraced(t)
	if !*replayAll {
		t.Skip("make replay does it")
	}
	undisturbed(t)
	nth := func(f tamper, last int) (all []tamper) {
		for i := range last {
			f.when = fmt.Sprint(i + 1)
			all = append(all, f)
		}
		return all
	}
	each := func(f tamper, errs ...string) (all []tamper) {
		for _, err := range errs {
			f.err = err
			all = append(all, f)
		}
		return all
	}
	for name, list := range map[string][]tamper{
		"log, errors": slices.Concat(
			each(tamper{calls: "pwrite64", path: "state/tocsin.db-wal", says: turnFailed}, "EIO", "ENOSPC", "EROFS", "EDQUOT"),
			each(tamper{calls: "fsync,fdatasync", path: "state/tocsin.db-wal", says: turnFailed}, "EIO", "ENOSPC", "EROFS", "EDQUOT"),
			each(tamper{calls: "pread64", says: unread}, "EIO", "ESTALE"),
			each(tamper{calls: "fcntl", path: "state/tocsin.db-shm", says: "locked|I/O error"}, "EIO"),
		),
		"log, nth write": nth(tamper{calls: "pwrite64", path: "state/tocsin.db-wal", err: "EIO", says: "I/O error"}, 40),
		"log, nth sync":  nth(tamper{calls: "fsync,fdatasync", path: "state/tocsin.db-wal", err: "EIO", says: "I/O error"}, 16),
		"nth read":       nth(tamper{calls: "pread64", err: "EIO", says: unread}, 20),
		"folder, errors": slices.Concat(
			each(tamper{calls: "renameat", says: turnFailed}, "EIO", "ENOSPC", "EROFS", "EDQUOT"),
			each(tamper{calls: "mkdirat", says: turnFailed}, "EIO", "ENOSPC", "EROFS", "EDQUOT"),
			each(tamper{calls: "fchmod", says: turnFailed}, "EIO", "EROFS"),
			each(tamper{calls: "utimensat", says: turnFailed}, "EIO", "EROFS"),
			each(tamper{calls: "unlinkat", says: turnFailed}, "EIO", "EROFS"),
		),
		"folder, nth rename": nth(tamper{calls: "renameat", err: "EIO", says: turnFailed}, 40),
		"nth open":           nth(tamper{calls: "?open,openat", err: "EIO", says: "input/output error"}, 48),
		"nth open, files":    nth(tamper{calls: "?open,openat", err: "EMFILE", says: "too many open files"}, 48),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFaultRig(t, "")
			r.start()
			for n, f := range list {
				r.whileTampered(n, f)
			}
			r.whole()
		})
	}
}

// The log cannot be written back into the database: nobody notices, and it is
// later.
func TestFaultOfCheckpoint(t *testing.T) {
	unraced(t)
	t.Parallel()
	undisturbed(t)
	r := newFaultRig(t, "")
	r.start()
	for n, f := range []tamper{
		{calls: "pwrite64", path: "state/tocsin.db", err: "EIO"},
		{calls: "fsync,fdatasync", path: "state/tocsin.db", err: "ENOSPC"},
	} {
		s := r.shared()
		s.DB().SetMaxOpenConns(1)
		for _, statement := range []string{
			`PRAGMA wal_autocheckpoint = 0`,
			`CREATE TABLE ballast AS SELECT zeroblob(5000000)`, // more than the thousand pages after which it is written back
			`DROP TABLE ballast`,
		} {
			if _, err := s.DB().ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		mark := r.log.mark()
		end := r.tamper(f)
		r.recovered(f.String(), n, r.round(n))
		if lines := r.log.since(mark, "level=ERROR"); len(lines) > 0 {
			t.Errorf("%s: the log tells of it:\n%s", f, strings.Join(lines, "\n"))
		}
		if end() == 0 {
			t.Errorf("%s: no call was made to fail", f)
		}
	}
	r.recovered("after", 2, r.round(2))
	r.whole()
}

// launchTampered starts the daemon with calls failing from the beginning.
func (r *rig) launchTampered(f tamper) (end func() int) {
	r.t.Helper()
	r.wrap = []string{"sh", "-c", `kill -STOP $$; exec "$0" "$@"`}
	r.launch()
	r.wrap = nil
	r.stopped()
	end = r.tamper(f)
	r.signal(syscall.SIGCONT)
	return end
}

// stopped waits until the daemon stands still, as SIGSTOP makes it do.
func (r *rig) stopped() {
	r.t.Helper()
	r.until("the daemon to stop", func() bool {
		_, rest, _ := strings.Cut(r.read(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid)), ") ")
		return strings.HasPrefix(rest, "T")
	})
}

func (r *rig) signal(s os.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// System calls fail while the daemon starts: it says so and ends, or goes on when it
// can. The state stays what and where it is.
func TestFaultOfCallsAtStart(t *testing.T) {
	unraced(t)
	t.Parallel()
	undisturbed(t)
	r := newFaultRig(t, "")
	r.start()
	list := []tamper{
		{calls: "pread64", path: "state/tocsin.db", err: "EIO", says: "tocsin.db.*I/O error"},
		{calls: "pread64", path: "state/tocsin.db", err: "EIO", when: "8+", says: "tocsin.db.*(malformed|unable to get the page|I/O error).*input/output error"},
		{calls: "pread64", path: "state/tocsin.db", err: "EIO", when: "25+", says: "tocsin.db.*(malformed|unable to get the page|I/O error)"},
		{calls: "pwrite64", path: "state/tocsin.db-wal", err: "EIO", says: "tocsin.db.*I/O error"},
		{calls: "fsync,fdatasync", path: "state/tocsin.db-wal", err: "EIO", says: "tocsin.db.*I/O error"},
		{calls: "?open,openat", path: "state/tocsin.db", err: "EMFILE", says: "tocsin.db: too many open files"},
		{calls: "?open,openat", path: "state/tocsin.db-wal", err: "EACCES", says: "tocsin.db.*(unable to open|readonly)"},
		{calls: "flock", err: "ENOLCK", says: "no locks available"},
	}
	for n, f := range list {
		r.stop()
		expect := r.round(n)
		mark := r.log.mark()
		// All of the state is read, as behind a crash.
		lock, _, _ := strings.Cut(r.read(r.state()+".lock"), "checked")
		r.write(r.state()+".lock", lock)
		end := r.launchTampered(f)
		var err error
		select {
		case err = <-r.exited:
			r.cmd = nil
		case <-time.After(patience):
			t.Fatalf("%s: the daemon does not end", f)
		}
		calls := end()
		lines := r.log.since(mark)
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != exitFaults || calls == 0 {
			t.Errorf("%s: %d calls, and the daemon ended with %v", f, calls, err)
		}
		if len(lines) > 3 || !regexp.MustCompile("^tocsin serve: .*"+f.says).MatchString(lines[len(lines)-1]) {
			t.Errorf("%s: the daemon says:\n%s", f, strings.Join(lines, "\n"))
		}
		r.start()
		r.recovered(f.String(), n, expect)
	}
	r.whole()
	left, err := filepath.Glob(filepath.Join(r.dir, "state", "*.corrupt-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("a state was set aside: %v, %v", left, err)
	}
}
