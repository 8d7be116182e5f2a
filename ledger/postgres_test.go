package ledger

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"tocsin/ledger/ledgertest"
)

func TestMain(m *testing.M) { os.Exit(ledgertest.Main(m)) }

func TestAgainOnPostgres(t *testing.T) { ledgertest.Again(t) }

func TestName(t *testing.T) {
	for store, want := range map[string]string{
		"state/tocsin.db": "state/tocsin.db",
		"postgres://desk:c4n4ry@db.example.org/tocsin":      "postgres://db.example.org/tocsin",
		"postgresql://db:5433/x?password=c4n4ry":            "postgres://db:5433/x",
		"postgres://a:c4n4ry@one:5432,two:5433/x":           "postgres://one:5432,two:5433/x",
		"postgres:///x?host=/run/postgresql&user=c4n4ry":    "postgres:///run/postgresql/x",
		"postgres://desk:c4n4ry%@db.example.org/tocsin":     "postgres://",
		"postgres://desk:c4n4ry@db.example.org:port/tocsin": "postgres://",
	} {
		if got := Name(store); got != want {
			t.Errorf("%s: %s, want %s", store, got, want)
		}
	}
}

// The address of a database holds its password.
func TestNoErrorTellsThePassword(t *testing.T) {
	for _, address := range []string{
		"postgres://desk:c4n4ry@127.0.0.1:1/tocsin?connect_timeout=5",
		"postgres://127.0.0.1:1/tocsin?password=c4n4ry",
		"postgres://desk:c4n4ry@127.0.0.1:port/tocsin",
		"postgres://desk:c4n4ry%@127.0.0.1/tocsin",
		"postgres://desk:c4n4ry@127.0.0.1/tocsin?sslmode=c4n4ry",
		"postgres://desk:c4n4ry@127.0.0.1/tocsin?passfile=/none&sslrootcert=/none",
	} {
		for _, open := range []func(context.Context, string) (*Store, error){Open, OpenAnew, OpenShared} {
			s, err := open(t.Context(), address)
			if err == nil {
				s.Close()
			}
			if err == nil || strings.Contains(err.Error(), "c4n4ry") || !strings.HasPrefix(err.Error(), "store") {
				t.Errorf("%s: %v", address, err)
			}
		}
	}
	if _, err := Open(t.Context(), "postgres://desk:c4n4ry@127.0.0.1:1/tocsin"); !errors.Is(err, ErrAway) {
		t.Errorf("where nobody listens: %v", err)
	}
}

func TestPostgresIsOpenedOnce(t *testing.T) {
	ledgertest.OfPostgres(t)
	address := ledgertest.Store(t)
	if _, err := OpenShared(t.Context(), address); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("beside nothing: %v", err)
	}
	s := openStore(t, address)
	if _, err := Open(t.Context(), address); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), s.name) {
		t.Errorf("a second Open: %v", err)
	}
	shared, err := OpenShared(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	err = shared.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta VALUES ('k', 'v')`)
		return err
	})
	if err := errors.Join(err, shared.Close()); err != nil || tables(t, s) != "kv\n" {
		t.Errorf("written beside the owner: %v, %q", err, tables(t, s))
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	s = openStore(t, address)
	if got := tables(t, s); got != "kv\n" {
		t.Errorf("opened again it holds %q", got)
	}
	// A schema is a place of its own.
	if _, err := s.DB().Exec(`CREATE SCHEMA other`); err != nil {
		t.Fatal(err)
	}
	if got := tables(t, openStore(t, address+"&search_path=other")); got != "" {
		t.Errorf("another schema holds %q", got)
	}
}

func TestPostgresOfOthers(t *testing.T) {
	ledgertest.OfPostgres(t)
	for _, test := range []struct {
		name, made string
		want       string
		is         error
	}{
		{"a newer tocsin", `UPDATE tocsin SET schema = 1000`, "schema 1000", ErrNewer},
		{"another program", `DROP TABLE tocsin`, "?search_path=NAME", nil},
	} {
		address := ledgertest.Store(t)
		s := openStore(t, address)
		if _, err := s.DB().Exec(test.made); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), address); err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	server := ledgertest.Shared(t)
	if err := server.SQL("postgres", `DROP DATABASE IF EXISTS latin`); err != nil {
		t.Fatal(err)
	}
	if err := server.SQL("postgres", `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), server.Address("latin")); err == nil || !strings.Contains(err.Error(), "--encoding=UTF8") {
		t.Errorf("LATIN1: %v", err)
	}
	if _, err := Open(t.Context(), server.Address("none")); err == nil || errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("no database: %v", err)
	}
}

// putKey writes one key.
func putKey(s *Store, key string) error {
	return s.Write(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO meta VALUES ($1, '')`, key)
		return err
	})
}

// While PostgreSQL is away nothing can be written; when it is back the process that
// had the state goes on with it, if no other has had it meanwhile.
func TestPostgresAway(t *testing.T) {
	ledgertest.OfPostgres(t)
	server := ledgertest.New(t)
	address := server.Address("postgres")
	s := openStore(t, address)
	if err := putKey(s, "1"); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := putKey(s, "2"); !errors.Is(err, ErrAway) {
		t.Errorf("Write while it is away: %v", err)
	}
	if _, err := s.Looked(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("a look while it is away: %v", err)
	}
	if _, err := Open(t.Context(), address); !errors.Is(err, ErrAway) {
		t.Errorf("Open while it is away: %v", err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := putKey(s, "2"); err != nil {
		t.Errorf("Write when it is back: %v", err)
	}
	if _, err := Open(t.Context(), address); !errors.Is(err, ErrLocked) {
		t.Errorf("Open when it is back, and its owner too: %v", err)
	}
	if err := errors.Join(server.Stop(), server.Start()); err != nil {
		t.Fatal(err)
	}
	other := openStore(t, address)
	if err := putKey(other, "3"); err != nil {
		t.Fatal(err)
	}
	for _, meanwhile := range []func() error{func() error { return nil }, other.Close} {
		if err := meanwhile(); err != nil {
			t.Fatal(err)
		}
		if err := putKey(s, "4"); !errors.Is(err, ErrLocked) {
			t.Errorf("Write where another took over: %v", err)
		}
	}
	if got := tables(t, openStore(t, address)); got != "1\n2\n3\n" {
		t.Errorf("it holds %q", got)
	}
}
