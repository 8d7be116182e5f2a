package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Join opens a state for one of the processes that share it, where it is in PostgreSQL:
// each reads the ledger and works on the queue, one leads and writes the ledger.
// Attend says which. A file is shared by nobody: Join is Open then.
func Join(ctx context.Context, store string) (*Store, error) {
	if IsURL(store) {
		return openPostgres(ctx, store, joining)
	}
	return Open(ctx, store)
}

// Shared says that other processes may work on the state, too.
func (s *Store) Shared() bool { return s.postgres != nil }

// Leads says that this process is the one that writes the ledger.
func (s *Store) Leads() bool { return s.postgres == nil || s.postgres.leads.Load() }

// Process names this process among those that share the state; empty where none do.
func (s *Store) Process() string {
	if s.postgres == nil {
		return ""
	}
	return s.postgres.id
}

const (
	// attendEvery is how often a process asks whether it is to lead.
	attendEvery = 250 * time.Millisecond
	// attendLimit is how long it waits for an answer: a process that gets none does
	// not lead.
	attendLimit = 3 * time.Second
)

// Attend has this process lead where no other does, until ctx ends. became is called
// when it begins to lead and when it ceases to; the error says why it does not, where
// that is not because another does.
func (s *Store) Attend(ctx context.Context, became func(leads bool, err error)) {
	if s.postgres == nil {
		return
	}
	t := time.NewTicker(attendEvery)
	defer t.Stop()
	for {
		if changed, err := s.attend(ctx); changed && ctx.Err() == nil {
			became(s.Leads(), err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// Term counts how often this process came to lead: another may have led before each time.
func (s *Store) Term() int64 {
	if s.postgres == nil {
		return 0
	}
	return s.postgres.term.Load()
}

// Withhold keeps this process from leading as long as others live, or lets it: it cannot
// do the work now.
func (s *Store) Withhold(withheld bool) {
	if s.postgres != nil {
		s.postgres.withheld.Store(withheld)
	}
}

// attend finds out whether this process leads, and has it lead where no other does. It
// reports whether that is new. The error is not that another leads.
func (s *Store) attend(ctx context.Context) (changed bool, err error) {
	p := s.postgres
	limited, cancel := context.WithTimeout(ctx, attendLimit)
	defer cancel()
	led, term := p.leads.Load(), p.term.Load()
	withheld := p.withheld.Load() || p.outdated.Load()
	if withheld {
		n, err := s.Processes(limited)
		withheld = err == nil && n > 1
	}
	if withheld {
		err = p.yield(limited)
	} else {
		err = p.acquire(limited)
	}
	p.leads.Store(err == nil)
	if errors.Is(err, ErrLocked) {
		err = nil
	}
	if err != nil {
		err = s.engineFault(err)
	}
	return led != p.leads.Load() || term != p.term.Load(), err
}

// yield gives the advisory lock back and goes on living. The error is ErrLocked where
// that is so.
func (p *postgres) yield(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held {
		p.drop()
	}
	if p.conn == nil {
		if err := p.connect(ctx); err != nil {
			return err
		}
	}
	return ErrLocked
}

// acquire takes the advisory lock, or finds it held by this process. The error is
// ErrLocked where another has it.
func (p *postgres) acquire(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A connection does not outlive a cancelled question.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), attendLimit)
	defer cancel()
	if p.conn != nil {
		if p.held && p.conn.Ping(asking) == nil {
			return nil
		}
		if p.held || p.conn.IsClosed() {
			p.lose()
		}
	}
	if p.conn == nil {
		if err := p.connect(ctx); err != nil {
			return err
		}
	}
	// The first number is "tocs".
	err := p.conn.QueryRow(asking, `SELECT pg_try_advisory_lock(1953457011, hashtext(current_schema()))`).Scan(&p.held)
	if err != nil {
		p.lose()
		return err
	}
	if !p.held {
		return ErrLocked
	}
	p.term.Add(1)
	if p.joined {
		if err := p.lead(asking); err != nil {
			p.lose()
			return err
		}
	}
	return nil
}

// lose is drop where the connection has failed.
func (p *postgres) lose() {
	p.drop()
	p.pool.Reset() // the others have most likely ended with it
}

// lead enters this process as the one that leads: no transaction of another commits
// from then on.
func (p *postgres) lead(ctx context.Context) error {
	if _, err := p.conn.Exec(ctx, `UPDATE tocsin SET owner = $1`, p.owner()); err != nil {
		return err
	}
	_, err := p.conn.Exec(ctx, `DELETE FROM meta WHERE key = $1`, metaCarried)
	return err
}

// connect makes the connection that says that this process lives.
func (p *postgres) connect(ctx context.Context) error {
	c, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	if err = watched(ctx, c); err == nil {
		_, err = c.Exec(ctx, `SELECT pg_advisory_lock(`+livingClass+`, hashtext($1))`, p.id)
	}
	if err != nil {
		_ = c.Close(ctx)
		return err
	}
	p.conn = c
	return nil
}

// livingClass is the first number of the locks that say which processes live.
const livingClass = `hashtext('tocsin process ' || current_schema())`

// living are the rows of pg_locks of processes that live.
const living = `FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
	AND classid::bigint = ` + livingClass + `::bigint & 4294967295`

// Processes returns how many processes share the state, this one included; 1 where
// none do.
func (s *Store) Processes(ctx context.Context) (n int, err error) {
	if s.postgres == nil {
		return 1, nil
	}
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) `+living).Scan(&n); err != nil {
		return 0, s.fault(err)
	}
	return max(n, 1), nil
}

// Dead returns an SQL expression that is true where the process that a column names
// does not live.
func (s *Store) Dead(column string) string {
	if s.postgres == nil {
		return "true" // the state is held exclusively
	}
	return `NOT EXISTS (SELECT 1 ` + living + ` AND objid::bigint = hashtext(` + column + `)::bigint & 4294967295)`
}

// release gives the advisory lock back.
func (p *postgres) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
}

// drop is release for who holds mu.
func (p *postgres) drop() {
	p.held = false
	if p.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.conn.Close(ctx) // with the connection the lock is gone, however that ends
	p.conn = nil
}

// locked describes an error of acquire.
func (s *Store) locked(err error) error {
	if errors.Is(err, ErrLocked) {
		return fmt.Errorf("store %s: %w; stop it first, or give each its own database, or schema in ?search_path=NAME", s.name, ErrLocked)
	}
	return s.fault(err)
}

// enter begins a transaction of the process that leads: the lock of the row is SQLite's
// write lock.
func (s *Store) enter(ctx context.Context, tx *sql.Tx) error {
	if s.postgres == nil {
		return nil // BEGIN IMMEDIATE
	}
	var owner string
	var schema int
	if err := tx.QueryRowContext(ctx, `SELECT owner, schema FROM tocsin FOR UPDATE`).Scan(&owner, &schema); err != nil {
		return err
	}
	if schema > len(migrations) {
		s.postgres.outdated.Store(true)
		return s.newer(schema)
	}
	if s.postgres.id != "" && owner != s.postgres.owner() {
		if s.postgres.leads.Store(false); !s.postgres.joined {
			s.postgres.release()
		}
		return fmt.Errorf("%w and leads", ErrLocked)
	}
	return nil
}

// Share runs f in one transaction that is alone with one part of the queue, such as all
// that is for one sink: it commits where f returns nil and rolls back otherwise. Other
// parts are free meanwhile. An empty part is all of them. In a file there is one part.
func (s *Store) Share(ctx context.Context, part string, f func(*sql.Tx) error) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		if part == "" {
			return s.lockAll(ctx, tx)
		}
		return s.Lock(ctx, tx, part)
	}, f)
}

// The locks of parts are numbered by their names; the empty one is that of all.
const lockPart = `hashtextextended('tocsin ' || current_schema() || ' ' || $1, 0)`

func (s *Store) lockAll(ctx context.Context, tx *sql.Tx) error {
	if s.postgres == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(`+lockPart+`)`, "")
	return err
}

// Lock has a transaction be alone with parts of the queue until it ends. A transaction
// that locks several does so at once, or is the one of the process that leads.
func (s *Store) Lock(ctx context.Context, tx *sql.Tx, parts ...string) error {
	if s.postgres == nil {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock_shared(`+lockPart+`)`, ""); err != nil {
		return err
	}
	for _, part := range slices.Compact(slices.Sorted(slices.Values(parts))) {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(`+lockPart+`)`, part); err != nil {
			return err
		}
	}
	return nil
}

// Claim returns what a subquery ends with to lock the rows that it finds, and to find
// none that others have locked. In a file who writes has all rows.
func (s *Store) Claim() string {
	if s.postgres == nil {
		return ""
	}
	return "FOR UPDATE SKIP LOCKED"
}
