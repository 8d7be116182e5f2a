package outbox

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tocsin/ledger"
	"tocsin/ledger/ledgertest"
	"tocsin/notify"
)

// patience is how long a test waits for what has to happen.
const patience = 30 * time.Second

// await returns what comes next, and fails the test if nothing does.
func await[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("timed out waiting for %s", what)
		panic("unreachable")
	}
}

// sender is a sink whose answers the test gives. Every call is told on calls
// before it is answered.
type sender struct {
	calls  chan notify.Delivery
	answer func(context.Context, notify.Delivery) (notify.Answer, error)
}

func newSender(answer func(context.Context, notify.Delivery) (notify.Answer, error)) *sender {
	return &sender{calls: make(chan notify.Delivery, 10000), answer: answer}
}

func (s *sender) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	s.calls <- d
	return s.answer(ctx, d)
}

func takes(context.Context, notify.Delivery) (notify.Answer, error) {
	return notify.Answer{Status: 200, Text: "ok"}, nil
}

// says answers as told, in turn, and then takes everything.
func says(errs ...*notify.SendError) func(context.Context, notify.Delivery) (notify.Answer, error) {
	var mu sync.Mutex
	return func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(errs) == 0 {
			return takes(ctx, d)
		}
		err := errs[0]
		errs = errs[1:]
		return notify.Answer{Status: statusOf(err), Text: "no"}, err
	}
}

func statusOf(err *notify.SendError) int {
	switch {
	case err.Gone:
		return 410
	case err.Permanent:
		return 400
	case err.RetryAfter > 0:
		return 429
	}
	return 500
}

var errServer = errors.New("server error")

// hangs answers only when its context ends.
func hangs(ctx context.Context, _ notify.Delivery) (notify.Answer, error) {
	<-ctx.Done()
	return notify.Answer{}, &notify.SendError{Err: ctx.Err()}
}

// journal is a log that tests read.
type journal struct {
	mu    sync.Mutex
	b     bytes.Buffer
	lines chan string
}

func newJournal() *journal { return &journal{lines: make(chan string, 100000)} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.b.Write(p)
	j.lines <- string(p)
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// until reads lines to the one that holds text.
func (j *journal) until(t testing.TB, text string) string {
	t.Helper()
	for {
		if line := await(t, j.lines, fmt.Sprintf("a log line with %q", text)); bytes.Contains([]byte(line), []byte(text)) {
			return line
		}
	}
}

// rig is an outbox on a state.
type rig struct {
	testing.TB
	store *ledger.Store
	path  string // of the store
	*Outbox
	log   *journal
	clock *clock
	done  chan error // what Run returned
	end   context.CancelFunc
}

type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// statePath is a new state. It is a copy of one with River's tables, whose making
// takes longer than most tests.
func statePath(t testing.TB) string {
	t.Helper()
	if ledgertest.OnPostgres() {
		server := ledgertest.Shared(t)
		template, err := emptyDatabase(server)
		must(t, err)
		name, err := server.Database(template)
		must(t, err)
		return server.Address(name)
	}
	b, err := emptyState()
	must(t, err)
	path := filepath.Join(t.TempDir(), "tocsin.db")
	must(t, os.WriteFile(path, b, 0o600))
	return path
}

var emptyState = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "tocsin")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tocsin.db")
	if err := makeState(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// emptyDatabase is the name of the database that statePath copies.
func emptyDatabase(s *ledgertest.Server) (string, error) {
	made.Do(func() {
		if made.name, made.err = s.Database(""); made.err == nil {
			made.err = makeState(s.Address(made.name))
		}
	})
	return made.name, made.err
}

var made struct {
	sync.Once
	name string
	err  error
}

// makeState makes a state with River's tables.
func makeState(path string) error {
	store, err := ledger.Open(context.Background(), path)
	if err != nil {
		return err
	}
	return errors.Join(New(Options{Store: store}).Open(context.Background()), store.Close())
}

// sinkOf is a sink with an hour for its retries.
func sinkOf(name string, s notify.Sender) Sink {
	return Sink{Name: name, Sender: s, RetryFor: time.Hour}
}

// open opens an outbox; in tests, one whose retries are quick. Its Run has not
// begun.
func open(t testing.TB, path string, sinks ...Sink) *rig {
	t.Helper()
	return openWith(t, path, func(*Outbox) {}, sinks...)
}

// openWith is open with other settings.
func openWith(t testing.TB, path string, set func(*Outbox), sinks ...Sink) *rig {
	t.Helper()
	return openOn(t, path, ledger.Open, set, sinks...)
}

// openOn is openWith on a store that is opened in another way.
func openOn(t testing.TB, path string, openStore func(context.Context, string) (*ledger.Store, error), set func(*Outbox), sinks ...Sink) *rig {
	t.Helper()
	store, err := openStore(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{TB: t, store: store, path: path, log: newJournal(), clock: new(clock)}
	r.Outbox = New(Options{
		Store: store, Sinks: sinks, Now: r.clock.now,
		Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelInfo})),
	})
	if _, ok := t.(*testing.B); !ok {
		r.backoff = func(int) time.Duration { return 10 * time.Millisecond }
		r.poll, r.softStop = 20*time.Millisecond, time.Second
	}
	set(r.Outbox)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.quit)
	return r
}

func (r *rig) start() *rig {
	ctx, cancel := context.WithCancel(context.Background())
	r.end, r.done = cancel, make(chan error, 1)
	go func() { r.done <- r.Run(ctx) }()
	return r
}

// halt ends Run, where it runs.
func (r *rig) halt() {
	if r.end == nil {
		return
	}
	r.end()
	if err := await(r, r.done, "the end of Run"); err != nil {
		r.Errorf("Run: %v", err)
	}
	r.end = nil
}

// quit ends Run, where it runs, and closes everything. It may be called twice.
func (r *rig) quit() {
	r.halt()
	for range 2 {
		if err := r.Close(); err != nil {
			r.Errorf("Close: %v", err)
		}
	}
	if err := r.store.Close(); err != nil {
		r.Errorf("closing the store: %v", err)
	}
}

// about is a message that tells of these events.
func about(events ...string) notify.Message {
	m := notify.Message{Type: notify.TypeUpdated, Time: time.Unix(1700000000, 0).UTC()}
	if len(events) > 1 {
		m.Type = notify.TypeBatch
	}
	for _, e := range events {
		m.Items = append(m.Items, notify.Item{
			Change: notify.Change{Kind: notify.Updated},
			Event:  notify.Event{ID: e, FeedID: "tag:" + e, Title: "About " + e},
		})
	}
	return m
}

// plan plans a delivery to a sink for each message and returns their ids.
func (r *rig) plan(sink string, messages ...notify.Message) []string {
	r.Helper()
	var planned []notify.Planned
	for _, m := range messages {
		planned = append(planned, notify.Planned{Sink: sink, Message: m})
	}
	var ids []string
	err := r.store.Write(context.Background(), func(tx *sql.Tx) error {
		made, err := r.Plan(context.Background(), tx, planned)
		for _, d := range made {
			ids = append(ids, d.ID)
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	r.Wake(sink)
	if len(ids) != len(messages) {
		r.Fatalf("planned %d deliveries of %d", len(ids), len(messages))
	}
	return ids
}

func (r *rig) show(id string) Record {
	r.Helper()
	rec, err := Show(context.Background(), r.store, id)
	if err != nil {
		r.Fatal(err)
	}
	return rec
}

// becomes waits until the delivery has the state: every change of state is told
// in the log after it was written.
func (r *rig) becomes(id string, want State) Record {
	r.Helper()
	for {
		if rec := r.show(id); rec.State == want {
			return rec
		}
		r.log.until(r, id)
	}
}

// waiting is how many deliveries wait.
func (r *rig) waiting() int {
	r.Helper()
	n, err := r.Waiting(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	return n
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
