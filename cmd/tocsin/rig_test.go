package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/config"
	"tocsin/ledger"
	"tocsin/notify/outbox"
)

// asTocsin makes the test binary be the program: a daemon can then be killed.
const asTocsin = "TOCSIN_TEST_MAIN"

// asOf holds the clock still by which that program dates events.
const asOf = "TOCSIN_TEST_DATES"

func TestMain(m *testing.M) {
	if os.Getenv(asTocsin) != "" {
		t := &terminal{out: os.Stdout, err: os.Stderr, env: config.OSEnv()}
		if at, err := time.Parse(time.RFC3339, os.Getenv(asOf)); err == nil {
			t.dates = func() time.Time { return at }
		}
		os.Exit(run(untilSignal(), t, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// raced says that the race detector is on: the daemon is then ten times as slow,
// and what takes minutes is left to a run without (.ci/run has one).
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// patience bounds every wait; the machine may be busy.
const patience = 3 * time.Minute

// rig is a daemon with a folder of its own and a receiver of its webhooks.
type rig struct {
	t        testing.TB
	dir      string // the configuration's
	events   string
	site     string // address
	admin    string
	receiver *receiver
	config   string
	store    string     // where the state is
	env      []string   // beside the test's own
	wrap     []string   // a program that becomes the daemon, and its arguments
	args     []string   // of the daemon
	sockets  []*os.File // that it inherits
	cmd      *exec.Cmd
	exited   chan error
	log      *logBuffer
}

// secret signs what the rig's sink sends.
const secret = "whsec_dG9jc2luLXRlc3Qtc2VjcmV0LTAxMjM0NTY3"

// newRig writes a configuration with one webhook sink; sink and extra are YAML
// of the sink's further keys and of the top level.
func newRig(t testing.TB, sink, extra string) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, events: filepath.Join(dir, "events"), receiver: newReceiver(t), log: &logBuffer{}}
	if err := os.MkdirAll(r.events, 0o755); err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2)
	r.site, r.admin = ports[0], ports[1]
	r.config, r.store = filepath.Join(dir, "config.yaml"), filepath.Join(dir, "state", "tocsin.db")
	r.env = []string{"RUNTIME_DIRECTORY=" + t.TempDir()}
	r.write(r.config, fmt.Sprintf(`
site: {title: Test, url: "http://%s", authority: "example.org,2025"}
events: {dir: events}
watch: {settle: 100ms, rescan: "@every 1h"}
web: {listen: "%s", admin: "%s"}
notify:
  sinks:
    - name: hook
      type: webhook
      url: %s/hook
      secret: %s
      rate: 0
      burst: 0
%s
store: state/tocsin.db
%s
`, r.site, r.site, r.admin, r.receiver.server.URL, secret, sink, extra))
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", r.log.tail(60))
		}
	})
	return r
}

// configure replaces a part of the configuration.
func (r *rig) configure(old, new string) {
	r.t.Helper()
	text, err := os.ReadFile(r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		r.t.Fatalf("the configuration holds no %q", old)
	}
	r.replace(r.config, strings.Replace(string(text), old, new, 1))
}

// replace writes a file so that nobody finds half of it.
func (r *rig) replace(path, text string) {
	r.t.Helper()
	r.write(path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		r.t.Fatal(err)
	}
}

// addSinks adds sinks, as YAML, behind the rig's own.
func (r *rig) addSinks(yaml string) { r.configure("\nstore:", yaml+"\nstore:") }

// reload asks the daemon to read its configuration again.
func (r *rig) reload() (out, errout string, code int) {
	var o, e bytes.Buffer
	cmd := exec.Command(os.Args[0], "reload", "-config", r.config)
	cmd.Env = append(append(os.Environ(), asTocsin+"=1"), r.env...)
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		r.t.Error(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// reloaded asks likewise, and fails the test where the daemon refuses.
func (r *rig) reloaded() {
	r.t.Helper()
	if out, errout, code := r.reload(); code != exitDone || !strings.HasPrefix(out, "reloaded: ") {
		r.t.Fatalf("reload: %d %s%s", code, out, errout)
	}
}

// freePorts returns n addresses that nobody listens at, no two the same: the system
// may give a port that was just given back again. They are of a host that is the test's
// own, so that none beside it is given one of them until the daemon listens there.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	name := sha256.Sum256([]byte(t.Name()))
	host := net.IPv4(127, name[0], name[1], name[2]|1) // all of 127.0.0.0/8 is this machine
	var all []string
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host.String(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}

func (r *rig) write(path, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// launch starts the daemon and does not wait.
func (r *rig) launch() {
	r.t.Helper()
	args := append(slices.Clone(r.wrap), os.Args[0], "serve", "-config", r.config)
	args = append(args, r.args...)
	r.cmd = exec.Command(args[0], args[1:]...)
	r.cmd.Env = append(append(os.Environ(), asTocsin+"=1"), r.env...)
	r.cmd.ExtraFiles = r.sockets
	pipe, err := r.cmd.StderrPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) {
		for s := bufio.NewScanner(pipe); s.Scan(); {
			r.log.add(s.Text())
		}
		exited <- cmd.Wait()
	}(r.cmd, r.exited)
}

// start starts the daemon and waits until it is ready.
func (r *rig) start() {
	r.t.Helper()
	r.launch()
	r.until("ready", r.isReady)
}

func (r *rig) isReady() bool {
	res, err := http.Get("http://" + r.admin + "/readyz")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// start503 starts the daemon and waits until it serves, not ready.
func (r *rig) start503() {
	r.t.Helper()
	r.launch()
	r.until("serving", func() bool {
		res, err := http.Get("http://" + r.site + "/")
		if err != nil {
			return false
		}
		res.Body.Close()
		return true
	})
	if code, text := r.readyz(); code != http.StatusServiceUnavailable {
		r.t.Errorf("readyz: %d %s", code, text)
	}
}

// stop ends the daemon as an operator does.
func (r *rig) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	select {
	case err := <-r.exited:
		if err != nil {
			r.t.Fatalf("the daemon ended with %v", err)
		}
	case <-time.After(patience):
		r.t.Fatal("the daemon does not end")
	}
	r.cmd = nil
}

// kill ends the daemon as a power cut does.
func (r *rig) kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	<-r.exited
	r.cmd = nil
}

// until polls for something that has no signal.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	pause := 5 * time.Millisecond
	for !ok() {
		pause = min(pause*5/4, 200*time.Millisecond) // what takes long is asked for rarely
		select {
		case <-time.After(pause):
		case <-deadline:
			r.t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// deliveries reads the queue as the command does, at most n of a state; 0: all.
func (r *rig) deliveries(state string, n int) []outbox.Record {
	r.t.Helper()
	s, err := ledger.OpenShared(r.t.Context(), r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	all, err := outbox.List(r.t.Context(), s, outbox.Filter{State: state, Limit: n})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// get fetches a path of the site.
func (r *rig) get(path string) (*http.Response, []byte) {
	r.t.Helper()
	return r.fetch("http://" + r.site + path)
}

func (r *rig) fetch(address string) (*http.Response, []byte) {
	r.t.Helper()
	res, err := http.Get(address)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, body
}

var feedAddress = regexp.MustCompile(`xmlUrl="http://[^/"]*(/feeds/[^"]*)\.atom"`)

// commandOutput runs a program and returns all that it printed.
func commandOutput(args []string) (string, error) {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	return string(out), err
}

// feeds fetches every feed in every format, by path.
func (r *rig) feeds() map[string]string {
	r.t.Helper()
	all := make(map[string]string)
	_, list := r.get("/feeds.opml")
	for _, m := range feedAddress.FindAllSubmatch(list, -1) {
		for _, format := range []string{".atom", ".rss", ".json"} {
			res, body := r.get(string(m[1]) + format)
			if res.StatusCode != http.StatusOK {
				r.t.Fatalf("%s%s: %s", m[1], format, res.Status)
			}
			all[string(m[1])+format] = string(body) + res.Header.Get("ETag") + res.Header.Get("Last-Modified")
		}
	}
	if len(all) == 0 {
		r.t.Fatal("no feeds in the OPML")
	}
	return all
}

// hook is one request as a receiver reads it.
type hook struct {
	header http.Header
	raw    []byte
	Type   string `json:"type"`
	Data   struct {
		Sink   string `json:"sink"`
		Change struct {
			Kind   string         `json:"kind"`
			Fields []string       `json:"fields"`
			Before map[string]any `json:"before"`
		} `json:"change"`
		Event struct {
			ID         string `json:"id"`
			Title      string `json:"title"`
			Importance int    `json:"importance"`
			FeedID     string `json:"feed_id"`
		} `json:"event"`
		Events []struct {
			Change struct {
				Kind string `json:"kind"`
			} `json:"change"`
			Event struct {
				ID    string `json:"id"`
				Title string `json:"title"`
			} `json:"event"`
		} `json:"events"`
		More int `json:"more"`
	} `json:"data"`
}

// receiver keeps what it is sent.
type receiver struct {
	server *httptest.Server
	mu     sync.Mutex
	hooks  []hook
	// answer, if not nil, answers the nth request, from 0.
	answer func(w http.ResponseWriter, n int)
	count  int
	// arrived, if not nil, takes the time of each request.
	arrived chan<- time.Time
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the daemon was killed while it sent
		}
		h := hook{header: req.Header.Clone(), raw: body}
		if err := json.Unmarshal(body, &h); err != nil {
			t.Errorf("a request is no JSON: %v\n%s", err, body)
		}
		r.mu.Lock()
		n := r.count
		r.count++
		r.hooks = append(r.hooks, h)
		answer, arrived := r.answer, r.arrived
		r.mu.Unlock()
		if arrived != nil {
			arrived <- time.Now()
		}
		if answer != nil {
			answer(w, n)
		}
	}))
	t.Cleanup(r.server.Close)
	return r
}

// take returns what came since the last take.
func (r *receiver) take() []hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.hooks
	r.hooks = nil
	return all
}

// all returns what came since the last take, and leaves it.
func (r *receiver) all() []hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.hooks)
}

// has says whether a message about a title came since the last take.
func (r *receiver) has(title string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.hooks {
		if h.Data.Event.Title == title {
			return true
		}
		for _, e := range h.Data.Events {
			if e.Event.Title == title {
				return true
			}
		}
	}
	return false
}

// logBuffer keeps the last lines of the log.
type logBuffer struct {
	mu    sync.Mutex
	lines []string
}

func (l *logBuffer) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > 5000 {
		l.lines = l.lines[1000:]
	}
}

// has says whether a line holds text.
func (l *logBuffer) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool { return strings.Contains(line, text) })
}

func (l *logBuffer) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-n):], "\n")
}
