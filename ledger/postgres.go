package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// A state in PostgreSQL is the tables of the first schema on the search path, made by
// the same statements as SQLite's. The table tocsin beside them has one row:
//
//   - schema is the number of migrations;
//   - who writes locks the row first, so that one transaction writes at a time, as in
//     SQLite, whose code this is;
//   - owner is the process that opened the state for itself last. It finds out in each
//     transaction whether it still is.
//
// A process is let in as owner while it holds an advisory lock, on a connection of
// its own that ends with it.

// postgres is what a Store on PostgreSQL has.
type postgres struct {
	pool  *pgxpool.Pool
	owner string // empty: opened beside the owner

	mu   sync.Mutex
	lock *pgx.Conn // holds the advisory lock; nil: this process does not
}

// connections is how many a process has at most to do its work, unless the address
// says so in pool_max_conns. There are two more: one that waits for news, and one that
// holds the lock.
const connections = 10

// connectLimit bounds how long one try to connect takes, unless the address says so in
// connect_timeout.
const connectLimit = 10 * time.Second

// lockPatience is how long the lock is waited for: PostgreSQL takes a moment to see
// that a process has died.
const lockPatience = 3 * time.Second

// IsURL says that a store is not a file.
func IsURL(store string) bool {
	return strings.HasPrefix(store, "postgres://") || strings.HasPrefix(store, "postgresql://")
}

// Name is what a store is called in messages: a file by its path, a database by its
// address without user, password and options.
func Name(store string) string {
	if !IsURL(store) {
		return store
	}
	u, err := url.Parse(store)
	if err != nil {
		return "postgres://"
	}
	return "postgres://" + cmp.Or(u.Host, u.Query().Get("host")) + u.Path
}

// CheckURL says what is wrong with an address of PostgreSQL, and nothing of what is in
// it.
func CheckURL(store string) error {
	_, err := parseURL(store)
	return err
}

func parseURL(store string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(store)
	if err != nil {
		// The cause may quote a password.
		return nil, errors.New("is no address of PostgreSQL; write it like postgres://tocsin@db.example.org/tocsin, with what is special in a password as %XX")
	}
	return config, nil
}

// ErrAway says that PostgreSQL cannot be reached, or takes no connections now: it is
// worth trying again.
var ErrAway = errors.New("PostgreSQL is away")

// away reports whether an error is one that passes when PostgreSQL is back.
func away(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		// PostgreSQL's appendix A: connection exceptions, insufficient resources,
		// operator intervention but for a query that was cancelled.
		switch class := refused.Code[:min(2, len(refused.Code))]; class {
		case "08", "53":
			return true
		case "57":
			return refused.Code != "57014"
		}
		return false
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		pgconn.SafeToRetry(err)
}

// opening says what for a state is opened.
type opening int

const (
	beside   opening = iota // the one process that changes it, which there may be
	owning                  // to be that process
	carrying                // likewise, but for a state that stays what was carried over
)

// openPostgres opens the state at an address of PostgreSQL.
func openPostgres(ctx context.Context, address string, as opening) (_ *Store, err error) {
	s := &Store{name: Name(address), postgres: &postgres{}}
	config, err := parseURL(address)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if u, err := url.Parse(address); err == nil && !u.Query().Has("pool_max_conns") {
		config.MaxConns = connections
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectLimit
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "tocsin"
	}
	if s.postgres.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, s.fault(err)
	}
	s.db = stdlib.OpenDBFromPool(s.postgres.pool)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err := s.db.PingContext(ctx); err != nil {
		return nil, s.fault(err)
	}
	if as == beside {
		if v, err := s.version(ctx); err == nil && v == 0 {
			return nil, fmt.Errorf("store %s: %w", s.name, fs.ErrNotExist)
		}
		return s, s.sameSchema(ctx)
	}
	s.postgres.owner = uuid.NewString()
	for until := time.Now().Add(lockPatience); ; {
		err := s.postgres.acquire(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrLocked) || time.Now().After(until) {
			return nil, s.locked(err)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, s.fault(ctx.Err())
		}
	}
	return s, s.migratePostgres(ctx, as)
}

// acquire takes the advisory lock, or finds it held by this process. The error is
// ErrLocked where another has it.
func (p *postgres) acquire(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lock != nil {
		// A connection does not outlive a cancelled question.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectLimit)
		defer cancel()
		if p.lock.Ping(ctx) == nil {
			return nil
		}
		p.drop()
		p.pool.Reset() // the others have most likely ended with it
	}
	c, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	var held bool
	// The first number is "tocs".
	err = c.QueryRow(ctx, `SELECT pg_try_advisory_lock(1953457011, hashtext(current_schema()))`).Scan(&held)
	if err == nil && !held {
		err = ErrLocked
	}
	p.lock = c
	if err != nil {
		p.drop()
	}
	return err
}

// release gives the advisory lock back.
func (p *postgres) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
}

// drop is release for who holds mu.
func (p *postgres) drop() {
	if p.lock == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = p.lock.Close(ctx) // with the connection the lock is gone, however that ends
	p.lock = nil
}

// locked describes an error of acquire.
func (s *Store) locked(err error) error {
	if errors.Is(err, ErrLocked) {
		return fmt.Errorf("store %s: %w; stop it first, or give each its own database, or schema in ?search_path=NAME", s.name, ErrLocked)
	}
	return s.fault(err)
}

// enter begins a transaction's writing: the lock of the row is SQLite's write lock.
func (s *Store) enter(ctx context.Context, tx *sql.Tx) error {
	if s.postgres == nil {
		return nil // BEGIN IMMEDIATE
	}
	var owner string
	if err := tx.QueryRowContext(ctx, `SELECT owner FROM tocsin FOR UPDATE`).Scan(&owner); err != nil {
		return err
	}
	if s.postgres.owner != "" && owner != s.postgres.owner {
		s.postgres.release()
		return fmt.Errorf("%w meanwhile; restart this one to follow it", ErrLocked)
	}
	return nil
}

// migratePostgres brings the schema forward and makes this process the owner, in one
// transaction.
func (s *Store) migratePostgres(ctx context.Context, as opening) error {
	from, err := s.version(ctx)
	if err != nil {
		return err
	}
	if from > len(migrations) {
		return fmt.Errorf("store %s: schema %d, this tocsin knows %d: %w", s.name, from, len(migrations), ErrNewer)
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.fault(err)
	}
	defer func() { _ = tx.Rollback() }()
	if from == 0 {
		var encoding string
		if err := tx.QueryRowContext(ctx, `SHOW server_encoding`).Scan(&encoding); err != nil {
			return s.fault(err)
		}
		if encoding != "UTF8" {
			return fmt.Errorf("store %s: the database's encoding is %s; make one with: createdb --encoding=UTF8 --template=template0 NAME", s.name, encoding)
		}
		if _, err := tx.ExecContext(ctx, `CREATE TABLE tocsin (schema INTEGER NOT NULL, owner TEXT NOT NULL); INSERT INTO tocsin VALUES (0, '')`); err != nil {
			return s.explainPostgres(err)
		}
	}
	for _, step := range migrations[from:] {
		if _, err := tx.ExecContext(ctx, postgresSchema.Replace(step)); err != nil {
			return s.explainPostgres(err)
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE tocsin SET schema = $1, owner = $2`, len(migrations), s.postgres.owner); err != nil {
		return s.explainPostgres(err)
	}
	if as == owning {
		if _, err := tx.ExecContext(ctx, `DELETE FROM meta WHERE key = $1`, metaCarried); err != nil {
			return s.fault(err)
		}
	}
	if err := tx.Commit(); err != nil {
		return s.fault(err)
	}
	return nil
}

// explainPostgres says what to do about what keeps tables from being made.
func (s *Store) explainPostgres(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch refused.Code {
		case "42P07": // duplicate_table
			return fmt.Errorf("%w; the schema holds tables of another program; give another database, or a schema in ?search_path=NAME", s.fault(err))
		case "42501", "3F000": // insufficient_privilege, invalid_schema_name
			return fmt.Errorf("%w; the user has to own the schema: CREATE SCHEMA NAME AUTHORIZATION USER, and ?search_path=NAME", s.fault(err))
		case "25006": // read_only_sql_transaction
			return fmt.Errorf("%w; this is a standby; name the primary, or all hosts and ?target_session_attrs=read-write", s.fault(err))
		}
	}
	return s.fault(err)
}

// postgresSchema turns the statements of migrations into PostgreSQL's.
var postgresSchema = strings.NewReplacer(
	") STRICT, WITHOUT ROWID", ")",
	") STRICT", ")",
	" INTEGER PRIMARY KEY AUTOINCREMENT", " BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
	" INTEGER PRIMARY KEY", " BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
	" INTEGER", " BIGINT",
	" BLOB", " BYTEA",
)

// versionPostgres is the number of migrations; 0: there is no state.
func (s *Store) versionPostgres(ctx context.Context) (v int, err error) {
	var there bool
	if err := s.db.QueryRowContext(ctx, `SELECT to_regclass('tocsin') IS NOT NULL`).Scan(&there); err != nil {
		return 0, s.fault(err)
	}
	if !there {
		return 0, nil
	}
	if err := s.db.QueryRowContext(ctx, `SELECT schema FROM tocsin`).Scan(&v); err != nil {
		return 0, s.fault(err)
	}
	return v, nil
}

// closePostgres closes all connections, and so gives the lock back.
func (s *Store) closePostgres() error {
	err := s.db.Close()
	s.postgres.pool.Close()
	s.postgres.release()
	return err
}
