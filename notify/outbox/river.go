package outbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tocsin/ledger"
)

// task is a job of River: an attempt to send one delivery.
type task struct {
	Delivery int64 `json:"delivery"`
	// ID is the delivery's, for who looks at the queue.
	ID string `json:"id"`
}

// Kind implements river.JobArgs.
func (task) Kind() string { return "delivery" }

// maxAttempts ends nothing: River counts only attempts whose outcome could not be
// written, and mend would make another job even then.
const maxAttempts = math.MaxInt16

// worker lets River work on tasks.
type worker struct {
	river.WorkerDefaults[task]
	o *Outbox
}

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[task]) error { return w.o.work(ctx, job) }

// unrecorded is River's retry policy. It holds only for attempts whose outcome
// could not be written, such as on a full disk: each may mean a message sent
// twice, so it is in no hurry.
type unrecorded struct{ now func() time.Time }

// NextRetry implements river.ClientRetryPolicy.
func (u unrecorded) NextRetry(job *rivertype.JobRow) time.Time {
	return u.now().Add(min(time.Duration(job.Attempt)*10*time.Second, 5*time.Minute))
}

// ticking lets River ask the outbox's clock.
type ticking struct{ now func() time.Time }

// Now implements rivertype.TimeGenerator.
func (t ticking) Now() time.Time { return t.now() }

// NowOrNil implements rivertype.TimeGenerator.
func (t ticking) NowOrNil() *time.Time { now := t.now(); return &now }

// openRiver brings River's tables up to date and returns its client.
func (o *Outbox) openRiver(ctx context.Context) (*river.Client[*sql.Tx], error) {
	log := slog.New(lower{o.log.Handler(), newSaid()}).With("by", "river")
	driver := &waking{driverOf(o.store), o.waker}
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: log})
	if err != nil {
		return nil, err
	}
	err = o.store.Tables(ctx, func() error {
		if err := o.leaveNewer(ctx, m); err != nil {
			return err
		}
		_, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	config := &river.Config{
		ID:     o.store.Process(),
		Logger: log,
		// River's default of 100 ms between two fetches would be the latency.
		FetchCooldown:     5 * time.Millisecond,
		FetchPollInterval: o.poll,
		// Sends have a limit of their own, which does not count the waiting for the
		// sink's rate.
		JobTimeout:           -1,
		RescueStuckJobsAfter: time.Hour,
		SoftStopTimeout:      o.softStop,
		MaxAttempts:          maxAttempts,
		RetryPolicy:          unrecorded{o.now},
		// The record of a delivery is its row: a job that ended is of no more use.
		CompletedJobRetentionPeriod: time.Hour,
		CancelledJobRetentionPeriod: time.Hour,
		// Jobs are due by the clock of the records, which the machine's may jump
		// away from.
		Test: river.TestConfig{Time: ticking{o.now}},
	}
	if len(o.sinks) > 0 {
		config.Queues = make(map[string]river.QueueConfig, len(o.sinks))
		for _, s := range o.sinks {
			config.Queues[queueOf(s.Name)] = river.QueueConfig{MaxWorkers: s.Workers}
			if s.Rate > 0 {
				// A worker may wait for its turn in a slow sink's rate: that is not
				// being stuck.
				turn := time.Duration(min(2*float64(s.Workers)/s.Rate, 1e9) * float64(time.Second))
				config.RescueStuckJobsAfter = max(config.RescueStuckJobsAfter, time.Hour+turn)
			}
		}
		config.Workers = river.NewWorkers()
		if err := river.AddWorkerSafely(config.Workers, &worker{o: o}); err != nil {
			return nil, err
		}
	}
	return river.NewClient(driver, config)
}

// driverOf returns River's driver for a store. Both take the transactions of
// database/sql, so that all else is one.
func driverOf(s *ledger.Store) riverdriver.Driver[*sql.Tx] {
	if pool := s.Pool(); pool != nil {
		return riverdatabasesql.NewWithPgxListener(s.DB(), pool)
	}
	return riversqlite.New(s.DB())
}

// leaveNewer drops tables that a newer River made: what this one would make of them
// nobody knows, and they hold nothing that cannot be made again.
func (o *Outbox) leaveNewer(ctx context.Context, m *rivermigrate.Migrator[*sql.Tx]) error {
	known := 0
	for _, v := range m.AllVersions() {
		known = max(known, v.Version)
	}
	var made int
	err := o.store.DB().QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM river_migration`).Scan(&made)
	switch {
	case brokenSchema(err): // there is no such table yet
		return nil
	case err != nil || made <= known:
		return err
	}
	if alone, err := o.alone(ctx); err != nil || !alone {
		return cmp.Or(err, fmt.Errorf("the queue's tables are those of a newer version (%d, this one knows %d), which others work with; install that", made, known))
	}
	o.log.WarnContext(ctx, "the queue's tables are those of a newer version and are made anew", "version", made, "known", known)
	return o.dropRiver(ctx)
}

// brokenSchema says of an error that a statement did not fit the tables.
func brokenSchema(err error) bool {
	var fault *sqlite.Error
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return strings.HasPrefix(refused.Code, "42") // PostgreSQL's appendix A: syntax error or access rule violation
	}
	return errors.As(err, &fault) && fault.Code() == sqlite3.SQLITE_ERROR
}

// madeByRiver are the statements that remove what River made, on SQLite and on
// PostgreSQL.
const (
	madeByRiver = `SELECT 'DROP TABLE "' || name || '"' FROM sqlite_schema WHERE type = 'table' AND name LIKE 'river\_%' ESCAPE '\'`

	madeByRiverOnPostgres = `SELECT 'DROP TABLE IF EXISTS ' || oid::regclass || ' CASCADE' FROM pg_class
			WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND relname LIKE 'river\_%'
		UNION ALL SELECT 'DROP FUNCTION IF EXISTS ' || oid::regprocedure || ' CASCADE' FROM pg_proc
			WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'river\_%'
		UNION ALL SELECT 'DROP TYPE IF EXISTS ' || oid::regtype || ' CASCADE' FROM pg_type
			WHERE typnamespace = current_schema()::regnamespace AND typtype = 'e' AND typname LIKE 'river\_%'`
)

// dropRiver removes all that River made.
func (o *Outbox) dropRiver(ctx context.Context) error {
	made := madeByRiver
	if o.store.Pool() != nil {
		made = madeByRiverOnPostgres
	}
	return o.store.Share(ctx, "", func(tx *sql.Tx) error {
		var drops []string
		err := ledger.Each(ctx, tx, made, nil, func(scan func(...any) error) error {
			var drop string
			err := scan(&drop)
			drops = append(drops, drop)
			return err
		})
		if err != nil {
			return err
		}
		for _, drop := range drops {
			if _, err := tx.ExecContext(ctx, drop); err != nil {
				return err
			}
		}
		return nil
	})
}

// queueOf names a sink's queue: like the sink, where River takes the name. River
// takes no hyphen at the end nor two in a row.
func queueOf(sink string) string {
	if !strings.HasSuffix(sink, "-") && !strings.Contains(sink, "--") {
		return sink
	}
	sum := sha256.Sum256([]byte(sink))
	return "sink_" + hex.EncodeToString(sum[:16])
}

// complete ends a job in the transaction that ends its delivery.
func (o *Outbox) complete(ctx context.Context, tx *sql.Tx, job *river.Job[task]) error {
	var err error
	if o.store.Pool() != nil {
		_, err = river.JobCompleteTx[*riverdatabasesql.Driver](ctx, tx, job)
	} else {
		_, err = river.JobCompleteTx[*riversqlite.Driver](ctx, tx, job)
	}
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil // ended already
	}
	return err
}

// lower is a handler that takes River's accounts of what it does as details: what
// becomes of a delivery is told by this package. Warnings and errors stay, but for
// those that say the same again: River looks for jobs twice a second.
type lower struct {
	slog.Handler
	said *said
}

// Enabled implements slog.Handler.
func (h lower) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, lowered(l))
}

// Handle implements slog.Handler.
func (h lower) Handle(ctx context.Context, r slog.Record) error {
	if r.Level = lowered(r.Level); r.Level >= slog.LevelWarn && !h.said.news(r) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h lower) WithAttrs(a []slog.Attr) slog.Handler { return lower{h.Handler.WithAttrs(a), h.said} }

// WithGroup implements slog.Handler.
func (h lower) WithGroup(name string) slog.Handler { return lower{h.Handler.WithGroup(name), h.said} }

func lowered(l slog.Level) slog.Level {
	if l < slog.LevelWarn {
		return min(l, slog.LevelDebug)
	}
	return l
}

// said remembers when what was said.
type said struct {
	mu sync.Mutex
	at map[string]time.Time
}

func newSaid() *said { return &said{at: make(map[string]time.Time)} }

// news reports whether a record says what has not been said for a while. The
// number of an attempt and the pause behind it are no news.
func (s *said) news(r slog.Record) bool {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "err", "error", "queue", "job_id":
			text += " " + a.Value.String()
		}
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.at[text]; ok && r.Time.Sub(at) < sayAgain {
		return false
	}
	if len(s.at) >= 1000 { // whatever they are, they are not repetitions
		clear(s.at)
	}
	s.at[text] = r.Time
	return true
}
