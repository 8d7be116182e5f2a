package outbox

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"tocsin/notify"
)

// recordLimit bounds the writing of an attempt's outcome, which goes on when
// tocsin is to end: a message that was sent must not be sent again for that.
const recordLimit = 20 * time.Second

// longestFault is the longest pause between two tries to write an outcome. It is
// shorter than that before an attempt which nobody wrote an outcome of.
const longestFault = 8 * time.Second

// sayAgain is how often a fault that lasts is logged.
const sayAgain = 10 * time.Minute

// elsewherePause is how long a delivery that is for another process to send waits to be
// looked at again, by whichever process.
const elsewherePause = time.Second

// taken is a delivery whose turn it is.
type taken struct {
	notify.Delivery
	seq      int64
	sink     *sink
	title    string
	since    time.Time
	failures int    // attempts since since
	remote   string // what the sink calls the message that was sent
	broken   error  // why its message cannot be read
}

// work is one job of River: one attempt, or the finding that there is none to be
// made.
func (o *Outbox) work(ctx context.Context, job *river.Job[task]) error {
	d, later, err := o.take(ctx, job)
	if d != nil {
		passed, ok := d.sink.wait(ctx, o.stopping)
		switch {
		case !ok:
			return river.JobSnooze(0)
		case passed:
			d, later, err = o.take(ctx, job)
		}
	}
	switch {
	case err != nil:
		return o.fault(ctx, job, err)
	case later > 0:
		return river.JobSnooze(later)
	case d == nil:
		return nil
	}
	select {
	case <-o.stopping:
		return river.JobSnooze(0)
	default:
	}
	switch {
	case d.sink.closed():
		return o.fault(ctx, job, o.end(ctx, job, d, nil, verdict{state: Failed, reason: goneEarlier(d)}))
	case d.broken != nil:
		return o.fault(ctx, job, o.end(ctx, job, d, nil, verdict{state: Failed, reason: fmt.Sprintf("its message cannot be read: %v", d.broken)}))
	}
	a, sendErr := o.send(ctx, d)
	v := o.judge(ctx, d, sendErr)
	if err := o.end(ctx, job, d, &a, v); err != nil {
		return o.fault(ctx, job, err)
	}
	o.note(ctx, d, v)
	switch {
	case v.interrupted:
		// River makes the job available again when it sees its own cancellation.
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	case v.state == Waiting:
		return river.JobSnooze(v.pause)
	}
	return nil
}

// take reads the delivery of a job. It returns none where the job is to end, or
// where it is too early: later is then how much.
func (o *Outbox) take(ctx context.Context, job *river.Job[task]) (_ *taken, later time.Duration, err error) {
	d := taken{seq: job.Args.Delivery}
	var state State
	var current sql.Null[int64]
	var since int64
	var body []byte
	var waits bool
	err = o.store.DB().QueryRowContext(ctx, `SELECT d.id, d.sink, d.title, d.message, d.state, d.job, d.since,
		(SELECT count(*) FROM attempts a WHERE a.delivery = d.seq AND a.at >= d.since), `+behind+`
		FROM deliveries d WHERE d.seq = $1`, d.seq).
		Scan(&d.ID, &d.Sink, &d.title, &body, &state, &current, &since, &d.failures, &waits)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	case state != Waiting || current.V != job.ID:
		return nil, 0, nil
	case waits:
		parked, err := o.park(ctx, d.Sink, job)
		if err != nil {
			return nil, 0, err
		}
		if parked {
			return nil, 0, nil
		}
	}
	d.broken = json.Unmarshal(body, &d.Message)
	if d.sink = o.sinks[d.Sink]; d.sink == nil {
		return nil, 0, fmt.Errorf("no sink %q", d.Sink)
	}
	if d.sink.Here != nil && !d.sink.Here() {
		return nil, elsewherePause, nil
	}
	d.since = fromMicro(since)
	if down, probe := d.sink.isDown(d.seq); down && !probe && !d.sink.closed() {
		if o.others.Load() {
			return nil, elsewherePause, nil // another process may reach it
		}
		return nil, downPause, nil
	}
	if later := d.sink.pausedFor(); later > 0 && !d.sink.closed() {
		return nil, later, nil
	}
	return &d, 0, nil
}

// park takes the job from a delivery that has to wait for an earlier one after
// all: whatever ends that one will make another job. It reports whether the
// delivery still had to wait.
func (o *Outbox) park(ctx context.Context, sink string, job *river.Job[task]) (parked bool, err error) {
	err = o.store.Share(ctx, sink, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE deliveries AS d SET job = NULL WHERE d.seq = $1 AND d.job = $2 AND `+behind,
			job.Args.Delivery, job.ID)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		parked = true
		return o.complete(ctx, tx, job)
	})
	return parked, err
}

// send hands the message to the sink and says what came of it. The error is nil
// where the sink took it.
func (o *Outbox) send(ctx context.Context, d *taken) (a Attempt, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.sendLimit)
	defer cancel()
	a.At = o.now()
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
			o.log.ErrorContext(ctx, "the sender panicked", append(d.attrs(), "err", err, "stack", string(debug.Stack()))...)
		}
		a.Took = time.Since(start)
		if err != nil {
			a.Error = err.Error()
		}
	}()
	answer, err := o.deliver(ctx, d)
	a.Status, a.Answer, d.remote = answer.Status, answer.Text, answer.RemoteID
	return a, err
}

// again is how a delivery is sent on top of an earlier message about its event.
type again struct {
	send func(context.Context, notify.Delivery, string) (notify.Answer, error)
	// refused is the line of the log where the earlier message does not allow it.
	refused string
}

// again returns how a delivery is sent where there is an earlier message about its
// event; ok is false where that makes no difference.
func (d *taken) again() (_ again, ok bool) {
	if len(d.Message.Items) != 1 || d.Message.Type == notify.TypeBatch {
		return again{}, false
	}
	switch d.sink.Updates {
	case Edit:
		if e, ok := d.sink.Sender.(notify.Editor); ok && d.Message.Type == notify.TypeUpdated {
			return again{e.Edit, "the message about the event cannot be changed; another is sent"}, true
		}
	case Thread:
		if t, ok := d.sink.Sender.(notify.Threader); ok {
			return again{t.Reply, "the thread about the event cannot be continued; another is begun"}, true
		}
	}
	return again{}, false
}

// deliver sends a message: a new one, or on top of an earlier one about the same
// event.
func (o *Outbox) deliver(ctx context.Context, d *taken) (notify.Answer, error) {
	again, ok := d.again()
	if !ok {
		return d.sink.Sender.Send(ctx, d.Delivery)
	}
	var remote string
	err := o.store.DB().QueryRowContext(ctx, `SELECT d.remote FROM delivery_events about JOIN deliveries d ON d.seq = about.delivery
		WHERE about.entry_id = $1 AND d.sink = $2 AND d.seq < $3 AND d.type != $4 AND d.remote != '' ORDER BY d.seq DESC LIMIT 1`,
		aboutID(d.Message.Items[0]), d.Sink, d.seq, notify.TypeBatch).Scan(&remote)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return d.sink.Sender.Send(ctx, d.Delivery)
	case err != nil:
		return notify.Answer{}, &notify.SendError{Err: errors.New("the earlier message about the event cannot be looked up")}
	}
	answer, err := again.send(ctx, d.Delivery, remote)
	var refused *notify.SendError
	if errors.As(err, &refused) && refused.Permanent && !refused.Gone {
		o.log.InfoContext(ctx, again.refused, append(d.attrs(), "err", err)...)
		answer, err := d.sink.Sender.Send(ctx, d.Delivery)
		answer.Text = strings.TrimSuffix(again.refused+": "+answer.Text, ": ")
		return answer, err
	}
	answer.RemoteID = remote // it keeps its name
	return answer, err
}

// panicked is the error of a panic. The values that the runtime panics with are
// harmless; others may hold anything, an address too, so that only their type is
// told.
func panicked(p any) error {
	if err, ok := p.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic with a %T", p)
}

// verdict is what an attempt means for its delivery.
type verdict struct {
	state  State
	reason string        // why it failed, or did not succeed yet
	pause  time.Duration // until the next attempt, of a waiting one
	next   time.Time     // pause from now

	interrupted bool // by the end of Run: the next attempt is the next Run's
	gone        bool // the sink is no more
	works       bool // the sink answered as one that does its work
}

// judge decides what becomes of a delivery: when it is tried again, and when it
// is given up.
func (o *Outbox) judge(ctx context.Context, d *taken, err error) verdict {
	var refused *notify.SendError
	errors.As(err, &refused)
	now := o.now()
	left := d.since.Add(d.sink.RetryFor).Sub(now)
	switch {
	case err == nil:
		return verdict{state: Delivered, works: true}
	case refused != nil && (refused.Permanent || refused.Gone):
		return verdict{state: Failed, reason: err.Error(), gone: refused.Gone, works: refused.Permanent}
	case ctx.Err() != nil:
		return verdict{state: Waiting, reason: err.Error(), next: now, interrupted: true}
	case left <= 0:
		return verdict{state: Failed, reason: fmt.Sprintf("given up after %v: %v", d.sink.RetryFor, err)}
	}
	pause := o.backoff(d.failures + 1)
	if refused != nil && refused.RetryAfter > 0 {
		pause = min(max(pause, refused.RetryAfter), left)
		d.sink.pause(min(refused.RetryAfter, left))
	}
	// The last attempt is when the time is over, not long before.
	pause = min(pause, left)
	return verdict{state: Waiting, reason: err.Error(), pause: pause, next: now.Add(pause)}
}

// outcome is what River's pages tell of an attempt.
type outcome struct {
	State  State  `json:"state"`
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
}

// end writes what became of an attempt (a; nil where none was made) and tells the
// log. It is not stopped by the end of ctx.
func (o *Outbox) end(ctx context.Context, job *river.Job[task], d *taken, a *Attempt, v verdict) error {
	attempts, followed := d.failures, 0
	said := outcome{State: v.state, Error: v.reason}
	if a != nil {
		said.Status = a.Status
	}
	_ = river.RecordOutput(ctx, said) // without it the pages say less
	err := o.insist(context.WithoutCancel(ctx), d, func(ctx context.Context, tx *sql.Tx) error {
		if a != nil {
			err := tx.QueryRowContext(ctx, `INSERT INTO attempts (delivery, n, at, took, status, answer, error)
				SELECT $1, coalesce(max(n), 0) + 1, $2, $3, $4, $5, $6 FROM attempts WHERE delivery = $1 RETURNING n`,
				d.seq, a.At.UnixMicro(), a.Took.Microseconds(), a.Status, a.Answer, a.Error).Scan(&attempts)
			if err != nil {
				return err
			}
		}
		if v.state == Waiting {
			// Where it was cancelled meanwhile, the job ends when it finds that out.
			_, err := tx.ExecContext(ctx, `UPDATE deliveries SET next = $1, error = $2 WHERE seq = $3 AND state = $4 AND job = $5`,
				v.next.UnixMicro(), v.reason, d.seq, Waiting, job.ID)
			return err
		}
		// What was delivered is delivered, even if it was cancelled meanwhile; but
		// no failure undoes a Cancel or a Retry.
		_, err := tx.ExecContext(ctx, `UPDATE deliveries SET state = $1, finished = $2, next = NULL, error = $3, job = NULL, remote = $6
			WHERE seq = $4 AND ($1 = 'delivered' OR state = 'waiting' AND job = $5)`,
			v.state, o.now().UnixMicro(), v.reason, d.seq, job.ID, d.remote)
		if err != nil {
			return err
		}
		if err := o.complete(ctx, tx, job); err != nil {
			return err
		}
		followed, err = follow(ctx, tx, o.client, o.now(), d.Sink, d.seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("delivery %s: recording that it is %s: %w", d.ID, v.state, err)
	}
	if followed > 0 {
		o.Wake(d.Sink)
	}
	if v.gone && d.sink.close(v.reason) {
		o.log.WarnContext(ctx, "the sink is gone; it gets nothing more until its url is put right and: tocsin reload", "sink", d.Sink, "err", v.reason)
	}
	attrs := append(d.attrs(), "attempts", attempts)
	if a != nil {
		attrs = append(attrs, "took", a.Took.Round(time.Microsecond))
		o.done(d.Sink, v.state, a.Took)
	}
	switch {
	case v.state == Delivered:
		o.log.InfoContext(ctx, "delivered", attrs...)
	case v.state == Failed:
		o.log.ErrorContext(ctx, "delivery failed", append(attrs, "err", v.reason)...)
	case v.interrupted:
		o.log.InfoContext(ctx, "delivery interrupted; it is tried again", attrs...)
	default:
		level := slog.LevelWarn
		if down, _ := d.sink.isDown(d.seq); down || !d.sink.complaints.Allow() {
			level = slog.LevelDebug // that it is down, or fails, has been said
		}
		o.log.Log(ctx, level, "delivery attempt failed", append(attrs, "err", v.reason, "next", v.next)...)
	}
	return nil
}

// insist runs f in a transaction that must not fail: it tries until it succeeds or
// Run is to end. A sink whose workers are all in here is sent nothing, as what
// became of it could not be written either.
func (o *Outbox) insist(ctx context.Context, d *taken, f func(context.Context, *sql.Tx) error) error {
	write := func() error {
		ctx, cancel := context.WithTimeout(ctx, recordLimit)
		defer cancel()
		return o.store.Share(ctx, d.Sink, func(tx *sql.Tx) error { return f(ctx, tx) })
	}
	var told time.Time
	for pause := time.Second; ; pause = min(2*pause, longestFault) {
		err := write()
		if err == nil {
			return nil
		}
		if time.Since(told) >= sayAgain {
			told = time.Now()
			o.log.ErrorContext(ctx, "what became of a delivery cannot be written; it is tried until it can", append(d.attrs(), "err", err)...)
		}
		select {
		case <-time.After(pause):
		case <-o.stopping:
			return write()
		}
	}
}

// attrs name a delivery in the log.
func (d *taken) attrs() []any {
	return []any{"sink", d.Sink, "id", d.ID, "type", d.Message.Type, "title", d.title}
}

// goneEarlier is why a delivery to a sink that is gone fails.
func goneEarlier(d *taken) string {
	return fmt.Sprintf("the sink's url is no more (%s), and gets nothing until: tocsin reload; put it right, reload, then: tocsin deliveries retry %s",
		d.sink.end(), d.ID)
}

// fault reports what went wrong on this side: River tries again.
func (o *Outbox) fault(ctx context.Context, job *river.Job[task], err error) error {
	if err == nil {
		return nil
	}
	o.log.ErrorContext(ctx, "delivery interrupted by a fault of the store; it is tried again", "seq", job.Args.Delivery, "err", err)
	return err
}
