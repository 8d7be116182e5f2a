package ledgertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// variable is the environment variable that says postgres where tests are to run on
// PostgreSQL. It is for the command line, too.
const variable = "TOCSIN_TEST_STORE"

// OnPostgres says that tests are to run on PostgreSQL.
func OnPostgres() bool { return os.Getenv(variable) == "postgres" }

// Store returns a place for a new state: a file, or a database.
func Store(t testing.TB) string {
	t.Helper()
	if !OnPostgres() {
		return filepath.Join(t.TempDir(), "tocsin.db")
	}
	s := Shared(t)
	name, err := s.Database("")
	if err != nil {
		t.Fatal(err)
	}
	return s.Address(name)
}

// OfFiles skips a test of what only a state in a file has, where tests are to run on
// PostgreSQL.
func OfFiles(t testing.TB) {
	t.Helper()
	if OnPostgres() {
		t.Skip("about the state as a file")
	}
}

// Again runs all tests of the package once more, on PostgreSQL. It is called by one of
// them, and skips that where PostgreSQL is not installed.
func Again(t *testing.T) {
	t.Helper()
	if OnPostgres() {
		t.Skip("the tests run on PostgreSQL already")
	}
	if _, err := programs(); err != nil {
		t.Skip(err)
	}
	args := []string{"-test.timeout=15m"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), variable+"=postgres")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("on PostgreSQL: %v\n%s", err, out)
	}
}

// OfPostgres skips a test of what only a state in PostgreSQL has, where tests are not to
// run on it.
func OfPostgres(t testing.TB) {
	t.Helper()
	if !OnPostgres() {
		t.Skip("about the state in PostgreSQL")
	}
}
