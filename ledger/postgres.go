package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/sys/unix"
)

// A state in PostgreSQL is the tables of the first schema on the search path, made by
// the same statements as SQLite's. The table tocsin beside them has one row:
//
//   - schema is the number of migrations;
//   - owner is the process that leads: the one that writes the ledger. Its transactions
//     lock the row first and find out whether it still leads;
//   - turn counts the transactions that changed the ledger (follow.go).
//
// A process leads while it holds an advisory lock, on a connection of its own that ends
// with it: PostgreSQL gives the lock to another at once where the process ends, and
// within seconds where its machine does. River's leader would be the other choice; it is
// a lease that has to run out, and tells nobody that a transaction comes too late.

// postgres is what a Store on PostgreSQL has.
type postgres struct {
	pool   *pgxpool.Pool
	id     string // this process; empty: opened beside the one that leads
	joined bool   // by Join

	leads    atomic.Bool
	term     atomic.Int64 // how often it came to hold the lock
	withheld atomic.Bool  // it is not to lead where others live
	outdated atomic.Bool  // likewise: the schema is that of a newer version

	mu   sync.Mutex
	conn *pgx.Conn // says that this process lives, and holds the lock; nil: there is none
	held bool      // conn holds the lock
}

// owner is how this process is entered where it leads. It is another each time that it
// joined and comes to lead, as somebody else may have led in between.
func (p *postgres) owner() string {
	if !p.joined {
		return p.id
	}
	return fmt.Sprint(p.id, "/", p.term.Load())
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

// Away reports whether an error of the state, or of what is done in its database, is one
// that passes when PostgreSQL is back.
func (s *Store) Away(err error) bool {
	return err != nil && s.postgres != nil && (errors.Is(err, ErrAway) || away(err))
}

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
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

// networkLimit is how long an answer of a machine is waited for that takes nothing off
// the network: one that is there and computes acknowledges what it is sent.
const networkLimit = 10 * time.Second

// dial connects such that a machine which is no more is noticed within seconds.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control: func(network, _ string, c syscall.RawConn) (err error) {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			return errors.Join(c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(networkLimit.Milliseconds()))
			}), err)
		},
	}
	return d.DialContext(ctx, network, address)
}

// watched has PostgreSQL find out within seconds that this machine is no more, so that
// it lets go of what a transaction locked. These parameters are none where it is not
// asked over TCP. It also ends a transaction in which this process has stopped.
func watched(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `SET tcp_keepalives_idle = 2; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3;
		SET tcp_user_timeout = 5000; SET idle_in_transaction_session_timeout = '5min'`)
	return err
}

// opening says what for a state is opened.
type opening int

const (
	beside   opening = iota // the processes that work on it, which there may be
	owning                  // to be the one that leads
	carrying                // likewise, but for a state that stays what was carried over
	joining                 // to lead or to follow
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
	config.ConnConfig.DialFunc = dial
	config.AfterConnect = watched
	config.MaxConns = max(config.MaxConns, 2) // one keeps others out while another makes tables
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
	s.texts = s.db
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
	s.postgres.id, s.postgres.joined = uuid.NewString(), as == joining
	if as == joining {
		// The tables are needed to follow, too.
		if err := s.migratePostgres(ctx, as); err != nil {
			return nil, err
		}
		_, err := s.attend(ctx)
		return s, err
	}
	for until := time.Now().Add(lockPatience); ; {
		err := s.postgres.acquire(ctx)
		if err == nil {
			s.postgres.leads.Store(true)
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

// migratePostgres brings the schema forward and, but where it joins, has this process
// lead, in one transaction.
func (s *Store) migratePostgres(ctx context.Context, as opening) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.fault(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := lockTables(ctx, tx); err != nil {
		return s.fault(err)
	}
	from, err := versionPostgres(ctx, tx)
	if err != nil {
		return s.fault(err)
	}
	if from > len(migrations) {
		return s.newer(from)
	}
	if from == len(migrations) && as == joining {
		return nil
	}
	if from == 0 {
		var encoding string
		if err := tx.QueryRowContext(ctx, `SHOW server_encoding`).Scan(&encoding); err != nil {
			return s.fault(err)
		}
		if encoding != "UTF8" {
			return fmt.Errorf("store %s: the database's encoding is %s; make one with: createdb --encoding=UTF8 --template=template0 NAME", s.name, encoding)
		}
		if _, err := tx.ExecContext(ctx, `CREATE TABLE tocsin (schema INTEGER NOT NULL, owner TEXT NOT NULL, turn BIGINT NOT NULL);
			INSERT INTO tocsin VALUES (0, '', 0)`); err != nil {
			return s.explainPostgres(err)
		}
	}
	for _, step := range migrations[from:] {
		if _, err := tx.ExecContext(ctx, postgresSchema.Replace(step)); err != nil {
			return s.explainPostgres(err)
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE tocsin SET schema = $1`, len(migrations)); err != nil {
		return s.explainPostgres(err)
	}
	if as != joining {
		if _, err := tx.ExecContext(ctx, `UPDATE tocsin SET owner = $1`, s.postgres.owner()); err != nil {
			return s.explainPostgres(err)
		}
	}
	if as != carrying {
		if _, err := tx.ExecContext(ctx, `DELETE FROM meta WHERE key = $1`, metaCarried); err != nil {
			return s.fault(err)
		}
	}
	if err := tx.Commit(); err != nil {
		return s.fault(err)
	}
	return nil
}

// lockTables has a transaction be the only one that makes tables: several processes may
// be started at once. It is not the lock of who leads, which they do not wait for.
func lockTables(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('tocsin schema'), hashtext(current_schema()))`)
	return err
}

// Tables runs f, which makes tables in transactions of its own, while no other process
// does.
func (s *Store) Tables(ctx context.Context, f func() error) error {
	if s.postgres == nil {
		if err := f(); err != nil {
			return s.engineFault(err)
		}
		return nil
	}
	return s.transact(ctx, func(tx *sql.Tx) error { return lockTables(ctx, tx) }, func(*sql.Tx) error { return f() })
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
func versionPostgres(ctx context.Context, db Querier) (v int, err error) {
	var there bool
	if err := db.QueryRowContext(ctx, `SELECT to_regclass('tocsin') IS NOT NULL`).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `SELECT schema FROM tocsin`).Scan(&v)
	return v, err
}

// closePostgres closes all connections, and so gives the lock back.
func (s *Store) closePostgres() error {
	err := s.db.Close()
	s.postgres.pool.Close()
	s.postgres.release()
	return err
}
