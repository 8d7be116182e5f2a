// Package outbox keeps deliveries until they are taken. It promises: at least
// once, in order per sink and event, from a queue that commits with the ledger.
//
// # The table is the truth, the queue is derived
//
// A delivery is a row of the table deliveries: its message, its state, why it
// failed. River is the engine that says when to try one: a job of River carries
// nothing but the delivery's number, and there is a queue for every sink, so
// that a dead sink holds up no living one. Wherever the two could disagree, the
// row wins: a job whose delivery does not wait for it ends without sending, and
// a waiting delivery whose job is gone gets another (mend). All that changes a
// row's state changes its job in the same transaction:
//
//   - Plan writes the rows and the jobs in the ledger's transaction;
//   - an attempt that ends a delivery writes the attempt and the state and ends
//     the job (JobCompleteTx);
//   - an attempt that is to be repeated writes the attempt and the time of the
//     next one, and snoozes the job. Snoozing uses up no attempt of River's: when
//     to try again, and when to give up, is decided in here (verdict) and by
//     nothing else;
//   - Retry and Cancel, which commands may call beside a running daemon.
//
// # States
//
//	waiting ──▶ delivered     taken; removed after 30 days
//	        ──▶ failed        refused for good, or not taken within RetryFor; kept
//	        ──▶ cancelled     by Cancel; removed after 30 days
//
// Retry makes failed and cancelled deliveries wait again, under the id they have.
// The first attempt is always made, however long a delivery had to wait for it:
// RetryFor bounds the attempts after a failed one.
//
// # Order
//
// A delivery has its turn when no earlier one of the same sink that speaks of one
// of the same events still waits. Until then it has no job: it costs nothing, and
// whatever ends the last of those before it makes its job in the same transaction
// (enqueue). Deliveries of different events overtake each other freely. Where
// Retry makes an earlier delivery wait again, the attempt of a later one gives its
// job back (take).
//
// # After a crash
//
// Open puts the jobs that a killed process left running back into their queues.
// Their messages may have been sent already: they are sent again with the same
// id, by which a sink can tell.
//
// # Several processes
//
// In PostgreSQL several processes work on the queue at once. All of the above is kept
// in its tables, so that it holds among them as it does in one: a transaction that
// plans, ends or releases deliveries is alone with those of its sink
// ([ledger.Store.Share]). What is learned of a sink while tocsin runs, such as that it is
// down or asked for a pause, each process learns for itself; a sink's rate is divided
// among them. Within seconds of a process's death another has put back what it was
// sending (attend).
//
// The package's files: plan.go makes deliveries and gives them their turn,
// hold.go sends on what was held for a digest or quiet hours, announce.go makes those to a hub, which take in what waits for the same,
// attempt.go is one attempt, probe.go tries sinks that are down, sink.go what is known of a sink while tocsin runs,
// keep.go mends and prunes, record.go and command.go are what commands read and
// change, river.go is what River needs, ui.go shows its pages, wake.go makes it
// quick.
package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"riverqueue.com/riverui"

	"tocsin/ledger"
	"tocsin/notify"
)

// Sink is one receiver.
type Sink struct {
	// Name names the sink: lower case letters, digits and hyphens, at most 63.
	Name string
	// Sender sends. It returns soon after its context ends. One that is an io.Closer is
	// closed with the outbox.
	Sender notify.Sender
	// Rate is how many messages a second go out at most; 0 sets no limit.
	Rate float64
	// RetryFor is how long after its making (or its last Retry) a delivery is
	// tried again. At 0 there is one attempt.
	RetryFor time.Duration
	// Workers is how many messages are under way at once; 4 by default.
	Workers int
	// Updates says what is sent of an event that a message was sent about before; Post
	// by default. Where that message is older than what is kept, a new one is sent.
	Updates Updates
	// Ready, if not nil, returns a channel that is closed once what the sink is
	// told of is there for it to see; nothing is sent before. What waits for it
	// is not under way yet.
	Ready func() <-chan struct{}
	// Here, if not nil, says that this process is the one to send to the sink: where it
	// is not, another does.
	Here func() bool
}

// Updates says what becomes of further messages about an event.
type Updates int

// What can become of them.
const (
	// Post: each is a message of its own.
	Post Updates = iota
	// Edit: an update changes the last message, where the Sender is a notify.Editor.
	Edit
	// Thread: all go into the thread of the first, where the Sender is a
	// notify.Threader.
	Thread
)

// Options are what an Outbox is made from.
type Options struct {
	// Store is the open state. It is closed by its owner, after the outbox.
	Store *ledger.Store
	// Sinks are those that are sent to. Deliveries to others stay waiting.
	Sinks []Sink
	// Logger takes a line for every attempt that ended; slog.Default() by default.
	Logger *slog.Logger
	// Now is the clock of the records, of RetryFor and of the queue; time.Now by
	// default. Where it jumps, call Shift.
	Now func() time.Time
	// Attempted, if not nil, is called when an attempt has been recorded: Waiting
	// says that there will be another. It must not wait.
	Attempted func(sink string, became State, took time.Duration)
}

// Outbox is the queue of deliveries. Its methods may be called concurrently.
type Outbox struct {
	store  *ledger.Store
	log    *slog.Logger
	now    func() time.Time
	done   func(sink string, became State, took time.Duration)
	given  []Sink
	sinks  map[string]*sink // by name
	client *river.Client[*sql.Tx]
	waker  *waker
	dead   map[string]bool  // processes that did not live at the last attend
	others atomic.Bool      // there are other processes
	pages  *riverui.Handler // nil where nobody asked for them

	closing  sync.Once
	stopping chan struct{} // closed when Run is to end: what has not been sent yet is not begun

	// Replaced by tests.
	backoff    func(failures int) time.Duration
	poll       time.Duration // how often queues are looked at without being told
	softStop   time.Duration // how long a Send may go on when Run is to end
	sendLimit  time.Duration // how long a Send may take
	tidyEvery  time.Duration
	holdEvery  time.Duration
	downAfter  time.Duration // how long a sink fails before it is down
	firstProbe time.Duration // how long after that it is tried first
}

var errClosed = errors.New("outbox: not open")

// New returns an outbox that is not open yet.
func New(o Options) *Outbox {
	b := &Outbox{
		store: o.Store, log: o.Logger, now: o.Now, done: o.Attempted, given: o.Sinks,
		sinks:      make(map[string]*sink, len(o.Sinks)),
		stopping:   make(chan struct{}),
		waker:      newWaker(),
		backoff:    backoff,
		poll:       500 * time.Millisecond,
		softStop:   5 * time.Second,
		sendLimit:  time.Minute,
		tidyEvery:  time.Hour,
		holdEvery:  holdEvery,
		downAfter:  downAfter,
		firstProbe: firstProbe,
	}
	if b.log == nil {
		b.log = slog.Default()
	}
	if b.now == nil {
		b.now = time.Now
	}
	if b.done == nil {
		b.done = func(string, State, time.Duration) {}
	}
	return b
}

var sinkName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Open checks the sinks, brings River's tables up to date and makes good what a
// killed process left behind. Deliveries can be planned from then on; none is
// sent before Run. No other outbox of this process may run on the store meanwhile.
func (o *Outbox) Open(ctx context.Context) error {
	for i, s := range o.given {
		switch {
		case !sinkName.MatchString(s.Name):
			return fmt.Errorf("outbox: sink %d: bad name %q; use lower case letters, digits and hyphens", i+1, s.Name)
		case o.sinks[s.Name] != nil:
			return fmt.Errorf("outbox: sink %d: the name %q is taken", i+1, s.Name)
		case s.Sender == nil:
			return fmt.Errorf("outbox: sink %s: no sender", s.Name)
		case s.Rate < 0 || s.RetryFor < 0 || s.Workers < 0:
			return fmt.Errorf("outbox: sink %s: rate, retry_for and workers are not negative", s.Name)
		}
		o.sinks[s.Name] = newSink(s)
	}
	err := o.begin(ctx)
	if brokenSchema(err) {
		// River's tables hold nothing that cannot be made again.
		o.log.ErrorContext(ctx, "the queue's tables are damaged and are made anew", "err", err)
		if err = o.dropRiver(ctx); err == nil {
			err = o.begin(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// begin opens River and makes good what a killed process left behind.
func (o *Outbox) begin(ctx context.Context) (err error) {
	if o.client, err = o.openRiver(ctx); err != nil {
		return err
	}
	if err := o.recover(ctx); err != nil {
		o.client = nil
		return fmt.Errorf("after the last run: %w", err)
	}
	return nil
}

// Run sends what waits until ctx ends. Then nothing new is begun; a message under
// way has five seconds before its context is cancelled and it goes back to
// waiting. Run returns when all that it started has ended. It is called once.
func (o *Outbox) Run(ctx context.Context) error {
	select {
	case <-o.stopping:
		return errClosed
	default:
	}
	if o.client == nil {
		return errClosed
	}
	stop := context.AfterFunc(ctx, o.stop)
	defer stop()
	if len(o.sinks) > 0 {
		if err := o.begun(ctx, "sending", o.client.Start); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("outbox: %w", err)
		}
		defer func() { <-o.client.Stopped() }()
	}
	if o.pages != nil {
		if err := o.begun(ctx, "showing the queue", o.pages.Start); err != nil && ctx.Err() == nil {
			return fmt.Errorf("outbox: the pages about the queue: %w", err)
		}
	}
	var own sync.WaitGroup
	own.Go(func() { o.release(ctx) })
	o.tidy(ctx)
	own.Wait()
	return nil
}

// begun begins to do what, once PostgreSQL lets it.
func (o *Outbox) begun(ctx context.Context, what string, start func(context.Context) error) error {
	for said := false; ; said = true {
		err := start(ctx)
		if err == nil {
			return nil
		}
		if err = fmt.Errorf("store %s: %w", o.store.Name(), err); !o.store.Away(err) {
			return err
		}
		if !said {
			o.log.WarnContext(ctx, what+" waits for PostgreSQL", "err", err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

// stop says that nothing is to be begun any more.
func (o *Outbox) stop() { o.closing.Do(func() { close(o.stopping) }) }

// Wake has what was planned for a sink be sent at once, and not when River looks for
// it next. It is called once the transaction has committed.
func (o *Outbox) Wake(sink string) { o.waker.wake(queueOf(sink)) }

// write is the store's Write for what may make jobs for a sink.
func (o *Outbox) write(ctx context.Context, sink string, f func(*sql.Tx) error) error {
	err := o.store.Share(ctx, sink, f)
	if err == nil {
		o.Wake(sink)
	}
	return err
}

// Waiting returns how many deliveries wait, for all sinks.
func (o *Outbox) Waiting(ctx context.Context) (int, error) {
	var n int
	err := o.store.DB().QueryRowContext(ctx, `SELECT count(*) FROM deliveries WHERE state = $1`, Waiting).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("outbox: %w", err)
	}
	return n, nil
}

// Close ends the outbox's work; it is called after Run has returned, or without
// Run. It may be called twice. The store stays open.
func (o *Outbox) Close() error {
	o.stop()
	var errs []error
	for _, s := range o.given {
		if c, ok := s.Sender.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// backoff is the pause after so many failures in a row: from a second, doubled
// each time, to an hour, a fifth more or less so that what failed together does
// not come back together.
func backoff(failures int) time.Duration {
	const longest = time.Hour
	d := longest
	if failures < 13 { // 2^12 seconds are over an hour
		d = min(time.Second<<(max(failures, 1)-1), longest)
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
