package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// limitFiles lets the daemon open so many more files at once, until the returned
// func is called.
func (r *rig) limitFiles(more int) (lift func()) {
	r.t.Helper()
	pid := r.cmd.Process.Pid
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		r.t.Skipf("the daemon's limits cannot be set: %v", err)
	}
	limit := uint64(0)
	for free := 0; free <= more; limit++ {
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", pid, limit)); err != nil {
			free++
		}
	}
	set := func(cur uint64) {
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: cur, Max: before.Max}, nil); err != nil {
			r.t.Fatal(err)
		}
	}
	set(limit - 1)
	return func() { set(before.Cur) }
}

// visitor is a client that keeps its connections, one for each address.
type visitor struct {
	t      testing.TB
	client http.Client
}

func newVisitor(t testing.TB) *visitor {
	return &visitor{t: t, client: http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: patience}}
}

func (h *visitor) get(address string) (int, string) {
	h.t.Helper()
	res, err := h.client.Get("http://" + address)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// The daemon may open no more files, or few more, than it has open: it says so,
// serves those who are connected, and goes on when it may again.
func TestFaultTooManyFiles(t *testing.T) {
	unraced(t)
	t.Parallel()
	undisturbed(t)
	r := newFaultRig(t, "")
	r.start()
	for n := range 3 {
		at := fmt.Sprintf("%d more files", n)
		files, mark := r.static(), r.log.mark()
		visitor := newVisitor(t)
		_, before := visitor.get(r.site + "/feeds/all.atom")
		visitor.get(r.admin + "/readyz")
		lift := r.limitFiles(n)
		expect := r.round(n)
		r.until(at+": an error", func() bool {
			return len(r.log.since(mark, "too many open files"))+len(r.log.since(mark, "msg=turn")) > 0
		})
		if n == 0 {
			if code, text := visitor.get(r.admin + "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "too many open files") {
				t.Errorf("%s: /readyz answers %d, %s", at, code, text)
			}
			if code, text := visitor.get(r.site + "/feeds/all.atom"); code != http.StatusOK || text != before {
				t.Errorf("%s: the feed answers %d, %s", at, code, text)
			}
			// Who connects now has to wait.
			waited := make(chan int, 1)
			go func() {
				code, _ := newVisitor(t).get(r.site + "/feeds/all.atom")
				waited <- code
			}()
			r.logged(mark, "level=ERROR", "accept")
			lift()
			if code := <-waited; code != http.StatusOK {
				t.Errorf("%s: who waited is answered %d", at, code)
			}
		}
		lift()
		r.complete(at, files)
		r.recovered(at, n, expect)
		if lines := r.log.since(mark, "too many open files"); len(lines) > 6 {
			t.Errorf("%s: %d lines of the log tell of it:\n%s", at, len(lines), strings.Join(lines, "\n"))
		}
	}
	r.wholeAndAgain()
}

// A start with a low limit says so and ends, or serves as it can.
func TestFaultFewFilesAtStart(t *testing.T) {
	unraced(t)
	t.Parallel()
	undisturbed(t)
	r := newFaultRig(t, "")
	r.start()
	r.stop()
	named := regexp.MustCompile("^tocsin serve: (store|events|web).* (" + regexp.QuoteMeta(r.dir) + "/|tcp ).*: too many open files")
	for n, limit := range []int{8, 10, 14, 17} { // of the process, which needs seven
		at := fmt.Sprintf("%d files", limit)
		expect := r.round(n)
		mark := r.log.mark()
		r.wrap = []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, limit)}
		r.launch()
		r.wrap = nil
		ended := false
		r.until(at+": an end or service", func() bool {
			select {
			case err := <-r.exited:
				ended, r.cmd = true, nil
				if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != exitFaults {
					t.Errorf("%s: the daemon ended with %v", at, err)
				}
			default:
			}
			return ended || len(r.log.since(mark, "listen="+r.site)) > 0
		})
		if ended {
			// That there is no watch for changes, or no file for texts, is no reason to end, and
			// is said before it.
			lines := slices.DeleteFunc(r.log.since(mark), func(line string) bool {
				return strings.Contains(line, "cannot watch for changes") || strings.Contains(line, "the texts of events are kept in memory")
			})
			if len(lines) != 1 || !named.MatchString(lines[0]) {
				t.Errorf("%s: the daemon says:\n%s", at, strings.Join(lines, "\n"))
			}
		} else {
			r.stop()
		}
		t.Logf("%s: ended is %v", at, ended)
		r.start()
		r.recovered(at, n, expect)
		r.stop()
	}
	r.start()
	r.whole()
}
