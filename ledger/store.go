package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"modernc.org/sqlite" // the driver "sqlite", too
	sqlite3 "modernc.org/sqlite/lib"
)

// Store is the state: a file, which is one SQLite database in WAL mode (keepLog), or one
// PostgreSQL database (postgres.go). It holds the ledger and the queue of deliveries,
// so that one transaction writes both. Statements are those that both understand.
type Store struct {
	name     string // of the store in messages
	path     string // of the file; empty: none
	lock     *flock.Flock
	db       *sql.DB
	texts    *sql.DB      // for reading the texts of events while something is written
	checked  atomic.Int64 // when the file was last read as a whole, in seconds since 1970; 0: not known
	kept     string
	fresh    atomic.Bool // it is to be written without a log for once (keepLog)
	postgres *postgres   // nil: SQLite
}

// ofFile is the Store of a file, which is not open yet.
func ofFile(path string) *Store { return &Store{name: path, path: path} }

// ErrLocked says that another tocsin runs on this state.
var ErrLocked = errors.New("another tocsin runs on this state")

// ErrNewer says that the state was written by a newer tocsin.
var ErrNewer = errors.New("the state was written by a newer tocsin; install that version or give another store")

// Open opens a state for the one process that changes it, given the path of its file
// or the address of its database (postgres://…): makes the folder, the file and the
// tables where there are none, takes the exclusive lock (beside the file, with the
// ending .lock) and brings the schema up to date ([Store.Kept]). The error is ErrLocked
// where another process holds the lock, and ErrAway where PostgreSQL cannot be reached.
// A damaged file is set aside; the error is then a *CorruptError, and ErrSetAside from
// then on.
func Open(ctx context.Context, store string) (*Store, error) { return open(ctx, store, false) }

// OpenAnew is Open for one who knows that a state was set aside: where there is
// none, a new one is begun.
func OpenAnew(ctx context.Context, store string) (*Store, error) { return open(ctx, store, true) }

func open(ctx context.Context, path string, anew bool) (*Store, error) {
	if IsURL(path) {
		return openPostgres(ctx, path, owning)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	lock := flock.New(path + ".lock")
	switch held, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("store: %w", err)
	case !held:
		return nil, fmt.Errorf("store %s: %w; stop it first, or give each its own store", path, ErrLocked)
	}
	s := ofFile(path)
	s.lock = lock
	for _, step := range []func() error{
		func() error { return s.look(ctx, anew) },
		s.rests,
		func() error { return s.connect(ctx) },
		func() error { return s.examine(ctx) },
		func() error { return s.migrate(ctx) },
		func() error { return s.keepLog(ctx) },
		s.own,
		s.give,
	} {
		err := step()
		if corrupt := (*CorruptError)(nil); errors.As(err, &corrupt) {
			err = s.SetAside(corrupt)
		}
		if err != nil {
			err = s.explain(err)
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// give hands the files of a state that root opens to the owner of their folder: a
// service with a user of its own could not write what root's commands have made. What
// SQLite makes beside the state from then on belongs to the state's owner by itself.
func (s *Store) give() error {
	if os.Geteuid() != 0 {
		return nil
	}
	dir, err := os.Stat(filepath.Dir(s.path))
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	owner := dir.Sys().(*syscall.Stat_t)
	for _, path := range append(s.files(), s.lock.Path()) {
		if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("store: %w", err)
		}
	}
	return nil
}

// besideState are the ends of the names of what SQLite may keep beside a state.
var besideState = []string{"-wal", "-shm", "-journal"}

// files are the paths of the state's file and of those that SQLite may keep beside it.
func (s *Store) files() []string {
	all := []string{s.path}
	for _, end := range besideState {
		all = append(all, s.path+end)
	}
	return all
}

// OpenShared opens an existing state beside the daemon that may be running on
// it, for commands that read the queue or change single deliveries. The error
// is fs.ErrNotExist where there is no state yet.
func OpenShared(ctx context.Context, store string) (*Store, error) {
	if IsURL(store) {
		return openPostgres(ctx, store, beside)
	}
	s, err := openBeside(ctx, store)
	if err != nil {
		return nil, err
	}
	if err := s.sameSchema(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// sameSchema fails where the state has not the schema that this tocsin knows.
func (s *Store) sameSchema(ctx context.Context) error {
	v, err := s.version(ctx)
	if err != nil || v == len(migrations) {
		return err
	}
	return fmt.Errorf("store %s: schema %d, this tocsin knows %d; start the daemon of this version once", s.name, v, len(migrations))
}

// openBeside opens an existing state of whatever schema.
func openBeside(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := ofFile(path)
	if err := s.connect(ctx); err != nil {
		err = s.explain(err)
		s.Close()
		return nil, err
	}
	return s, nil
}

// connect opens the database. Every write transaction begins with the write
// lock, so that none fails half-way for want of it. The cache is small: a larger one
// takes twice its size of memory, and the operating system has the file in its own.
func (s *Store) connect(ctx context.Context) error {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "synchronous(EXTRA)", "foreign_keys(1)", "cache_size(-1000)", "temp_store(memory)",
	}}
	u := url.URL{Scheme: "file", Path: s.path, RawQuery: q.Encode()}
	if !filepath.IsAbs(s.path) {
		u = url.URL{Scheme: "file", Opaque: (&url.URL{Path: s.path}).EscapedPath(), RawQuery: q.Encode()}
	}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return fmt.Errorf("store %s: %w", s.path, err)
	}
	// Those who share a connection take turns; on several they would meet SQLite's
	// lock and sleep.
	db.SetMaxOpenConns(1)
	s.db = db
	if err := db.PingContext(ctx); err != nil {
		return s.fault(err)
	}
	return s.connectTexts()
}

// keepLog has SQLite write what changes to a log first (WAL), beside which others can read.
// Where there is nothing to read yet it would only write all twice: a state that was made
// now has its first transaction without, and its log from then on. SQLite itself notes in
// the file which of both it is.
func (s *Store) keepLog(ctx context.Context) error {
	if s.fresh.Load() {
		return nil
	}
	if _, err := s.db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return s.fault(err)
	}
	return nil
}

// DB returns the database, for the queue that lives in it.
func (s *Store) DB() *sql.DB { return s.db }

// Kept returns the path of the copy that was made of the state before its schema was
// brought up to date; empty where it was.
func (s *Store) Kept() string { return s.kept }

// Name is what the state is called in messages, like [Name].
func (s *Store) Name() string { return s.name }

// Path returns the state file's path; empty where there is none.
func (s *Store) Path() string { return s.path }

// Pool returns the connections to PostgreSQL; nil where the state is a file.
func (s *Store) Pool() *pgxpool.Pool {
	if s.postgres == nil {
		return nil
	}
	return s.postgres.pool
}

// Size is how many bytes the state takes.
func (s *Store) Size(ctx context.Context) (size int64, err error) {
	if s.postgres != nil {
		err := s.db.QueryRowContext(ctx, `SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
			WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'`).Scan(&size)
		if err != nil {
			return 0, s.fault(err)
		}
		return size, nil
	}
	for _, path := range s.files() {
		if fi, err := os.Stat(path); err == nil {
			size += fi.Size()
		}
	}
	return size, nil
}

// Answers fails with ErrAway where the state is in PostgreSQL, which cannot be reached.
// A file is always there.
func (s *Store) Answers(ctx context.Context) error {
	if s.postgres == nil {
		return nil
	}
	if err := s.db.PingContext(ctx); err != nil {
		return s.fault(err)
	}
	return nil
}

// Epoch returns the expression for the seconds since 1970 of a column of times: they
// are the one type that has no form in common.
func (s *Store) Epoch(column string) string {
	if s.postgres != nil {
		return "extract(epoch FROM " + column + ")"
	}
	return "unixepoch(" + column + ")"
}

// explain adds to an error of SQLite, which says little, what the operating system
// says where something is to be written beside the state.
func (s *Store) explain(err error) error {
	var fault *sqlite.Error
	if !errors.As(err, &fault) {
		return err
	}
	switch fault.Code() & 0xff {
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY:
	default:
		return err
	}
	f, cause := os.CreateTemp(filepath.Dir(s.path), ".tocsin-*")
	if cause == nil {
		defer os.Remove(f.Name())
		defer f.Close()
		_, cause = f.Write(make([]byte, 32<<10)) // as much as the log's index needs
	}
	for i := 0; i < 2 && cause == nil; i++ { // a connection has three files
		var more *os.File
		if more, cause = os.Open(f.Name()); cause == nil {
			defer more.Close()
		}
	}
	if cause == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Write runs f in one transaction of the process that leads: it commits where f returns
// nil and rolls back otherwise. No other writes meanwhile. The error is ErrLocked where
// another process leads.
func (s *Store) Write(ctx context.Context, f func(*sql.Tx) error) error {
	switch p := s.postgres; {
	case p == nil || p.id == "":
	case p.joined:
		if !p.leads.Load() {
			return s.locked(ErrLocked)
		}
	default:
		if err := p.acquire(ctx); err != nil {
			return s.locked(err)
		}
	}
	err := s.transact(ctx, func(tx *sql.Tx) error { return s.enter(ctx, tx) }, f)
	if err == nil && s.fresh.CompareAndSwap(true, false) && s.keepLog(ctx) != nil {
		s.fresh.Store(true) // somebody reads: the next time, then
	}
	return err
}

// transact runs f in one transaction that enter begins.
func (s *Store) transact(ctx context.Context, enter, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return s.engineFault(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := enter(tx); err != nil {
		return s.engineFault(err)
	}
	if err := f(tx); err != nil {
		var fault *sqlite.Error
		var refused *pgconn.PgError
		if errors.As(err, &fault) || errors.As(err, &refused) || s.postgres != nil && away(err) {
			return s.engineFault(err)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return s.engineFault(err)
	}
	return nil
}

// engineFault describes an error of the database that says nothing of its content.
func (s *Store) engineFault(err error) error {
	if s.postgres != nil && away(err) {
		// Its cause may be that a socket does not exist, which is not the state's.
		return fmt.Errorf("store %s: %w: %v", s.name, ErrAway, err)
	}
	var fault *sqlite.Error
	if errors.As(err, &fault) && fault.Code()&0xff == sqlite3.SQLITE_BUSY {
		return fmt.Errorf("store %s: %w; another process writes for long, as in a first run over many events: try again", s.name, err)
	}
	return fmt.Errorf("store %s: %w", s.name, err)
}

// Close closes the database and gives the lock back. It may be called twice.
func (s *Store) Close() error {
	if s.postgres != nil {
		return s.closePostgres()
	}
	err := s.closeTexts() // the last connection to be closed tidies up, and may have to write
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	if s.lock != nil {
		if err == nil {
			s.rested()
		}
		// The lock's file stays: removing it would let two processes lock two
		// files of one name.
		err = errors.Join(err, s.lock.Unlock())
	}
	return err
}

// Copy writes a consistent copy of the state to a new file of SQLite, also while a
// daemon runs on it.
func (s *Store) Copy(ctx context.Context, to string) error {
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("copy of the store: %s exists", to)
	}
	if s.postgres != nil {
		file, err := Open(ctx, to)
		if err != nil {
			return err
		}
		_, err = s.carry(ctx, file, func(int, int) {})
		return errors.Join(err, file.Close())
	}
	_, err := s.db.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}

func (s *Store) version(ctx context.Context) (int, error) {
	if s.postgres != nil {
		v, err := versionPostgres(ctx, s.db)
		if err != nil {
			return 0, s.fault(err)
		}
		return v, nil
	}
	var v int
	if err := s.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return 0, s.fault(err)
	}
	return v, nil
}

// migrations are the schema's steps, in order, for SQLite; postgresSchema makes them
// PostgreSQL's. A step that has been released is
// never changed: a new one is added behind it.
var migrations = []string{
	strings.TrimSpace(schema1),
	strings.TrimSpace(schema2),
	strings.TrimSpace(schema3),
	strings.TrimSpace(schema4),
	strings.TrimSpace(schema5),
	strings.TrimSpace(schema6),
}

// Times are microseconds since 1970 in UTC; ids are as minted.
const schema1 = `
CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the world was told of each event. entry_id is minted once and kept;
-- id and path follow the file. record is the event as last told, as JSON. It is
-- long, and would be read as a whole for each comparison of a key if the table had
-- no rowid; states of before are such, and as good but for that.
CREATE TABLE events (
	entry_id  TEXT PRIMARY KEY,
	id        TEXT NOT NULL,
	revision  TEXT NOT NULL,
	published INTEGER NOT NULL,
	updated   INTEGER NOT NULL,
	withdrawn INTEGER,
	record    TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_public ON events (id) WHERE withdrawn IS NULL;

-- Ids under which events were known before they moved.
CREATE TABLE moves (
	old_id   TEXT PRIMARY KEY,
	entry_id TEXT NOT NULL REFERENCES events
) STRICT, WITHOUT ROWID;

-- The part of the URL that each tag and actor has, kept once given.
CREATE TABLE slugs (
	kind TEXT NOT NULL,
	key  TEXT NOT NULL,
	slug TEXT NOT NULL,
	PRIMARY KEY (kind, key),
	UNIQUE (kind, slug)
) STRICT, WITHOUT ROWID;

-- Validators of each feed: digest stands for all that its bytes are made from.
CREATE TABLE feeds (
	path     TEXT PRIMARY KEY,
	name     TEXT NOT NULL,
	digest   TEXT NOT NULL,
	modified INTEGER NOT NULL,
	updated  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is sent to whom. seq orders the deliveries of one sink and event. While
-- a delivery waits, job is its job in the queue; it has none before its turn.
-- next is its next attempt where one has failed, since the time from which
-- retry_for counts. error says why it failed. message is long and comes last:
-- the other columns are read without it.
CREATE TABLE deliveries (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT,
	id       TEXT NOT NULL UNIQUE,
	sink     TEXT NOT NULL,
	type     TEXT NOT NULL,
	title    TEXT NOT NULL,
	state    TEXT NOT NULL,
	created  INTEGER NOT NULL,
	since    INTEGER NOT NULL,
	next     INTEGER,
	finished INTEGER,
	job      INTEGER,
	error    TEXT NOT NULL DEFAULT '',
	message  TEXT NOT NULL
) STRICT;
CREATE INDEX deliveries_state ON deliveries (state, seq);

-- The events that a delivery speaks of, by entry id: later deliveries to the
-- same sink wait for it.
CREATE TABLE delivery_events (
	delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
	entry_id TEXT NOT NULL,
	PRIMARY KEY (entry_id, delivery)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_events_delivery ON delivery_events (delivery);

CREATE TABLE attempts (
	delivery INTEGER NOT NULL REFERENCES deliveries ON DELETE CASCADE,
	n        INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	took     INTEGER NOT NULL,
	status   INTEGER NOT NULL,
	answer   TEXT NOT NULL,
	error    TEXT NOT NULL,
	PRIMARY KEY (delivery, n)
) STRICT, WITHOUT ROWID;
`

const schema2 = `
-- What happened to each event after it was first public; edits is JSON.
-- correction is the entry id of the correction entry that tells of it, if one
-- does; event and before are the event then and until then, without the body.
-- crowd is set where its turn had so many that feeds show one entry for them.
CREATE TABLE history (
	seq        INTEGER PRIMARY KEY,
	entry_id   TEXT NOT NULL REFERENCES events,
	at         INTEGER NOT NULL,
	kind       TEXT NOT NULL,
	edits      TEXT NOT NULL,
	correction TEXT UNIQUE,
	updated    INTEGER,
	crowd      INTEGER,
	event      TEXT,
	before     TEXT
) STRICT;
CREATE INDEX history_entry ON history (entry_id, seq);

-- Tags and actors that were given another name: the key that they have now.
CREATE TABLE renames (
	kind TEXT NOT NULL,
	key  TEXT NOT NULL,
	now  TEXT NOT NULL,
	PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

-- When the feed of a tag or actor lost its last event; NULL while it has any.
ALTER TABLE feeds ADD COLUMN emptied INTEGER;

-- Until when a waiting delivery is held for a digest or for quiet hours; NULL: it is
-- not. What is held for a sink goes out as one where it is together, or more than
-- burst.
ALTER TABLE deliveries ADD COLUMN held INTEGER;
ALTER TABLE deliveries ADD COLUMN together INTEGER;
ALTER TABLE deliveries ADD COLUMN burst INTEGER;

-- What the sink calls the message, where it can change it.
ALTER TABLE deliveries ADD COLUMN remote TEXT;
CREATE INDEX deliveries_held ON deliveries (held) WHERE held IS NOT NULL;
`

const schema3 = `
-- What is known of the file of a public event, to read it again only where it has
-- changed.
CREATE TABLE files (
	path TEXT PRIMARY KEY,
	mark BLOB NOT NULL
) STRICT, WITHOUT ROWID;
`

const schema4 = `
-- What events were and are no more, as the world was told: who finds that in a checkout
-- finds an old one.
CREATE TABLE superseded (
	id       TEXT NOT NULL,
	revision TEXT NOT NULL,
	at       INTEGER NOT NULL,
	PRIMARY KEY (id, revision)
) STRICT, WITHOUT ROWID;
CREATE INDEX superseded_at ON superseded (at);

-- What the last transactions changed, as JSON, for other processes.
CREATE TABLE turns (
	turn  INTEGER PRIMARY KEY,
	delta TEXT NOT NULL
) STRICT;
`

const schema5 = `
-- What a start needs of each event, which is all but its text: brief is made of the
-- row in events, and of NULL it is made again.
CREATE TABLE briefs (
	entry_id TEXT PRIMARY KEY REFERENCES events,
	brief    BLOB
) STRICT, WITHOUT ROWID;
INSERT INTO briefs (entry_id) SELECT entry_id FROM events;
`

const schema6 = `
-- What is known of the file of an event, to read it again only where it has changed.
ALTER TABLE briefs ADD COLUMN mark BLOB;
DROP TABLE files;
`
