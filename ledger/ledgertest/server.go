// Package ledgertest gives tests a place for a state: a file, or a database of a
// PostgreSQL server of their own.
//
// The tests of a package run on SQLite, and once more on PostgreSQL (see [Again])
// where Debian's package of it is installed. The server listens on a socket in a
// temporary folder alone and is gone with the test binary.
package ledgertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start or to stop.
const patience = 2 * time.Minute

// Server is a PostgreSQL server.
type Server struct {
	bin, dir   string
	credential *syscall.Credential // nil: this process's
	made       atomic.Int64        // databases

	process *os.Process
	ended   chan error
}

// errMissing says that PostgreSQL is not installed.
var errMissing = errors.New("PostgreSQL 15 or later is not installed: scripts/install-postgres")

// programs returns the folder of PostgreSQL's programs, the newest where there are
// several.
func programs() (string, error) {
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	slices.SortFunc(all, func(a, b string) int { return version(b) - version(a) })
	if len(all) == 0 || version(all[0]) < 15 {
		return "", errMissing
	}
	return filepath.Dir(all[0]), nil
}

// start makes a server and starts it.
func start() (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	// Below /tmp, as the path of a socket is short.
	if s.dir, err = os.MkdirTemp("/tmp", "tocsin-postgres-"); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 { // as whom PostgreSQL does not run
		who, err := user.Lookup("nobody")
		if err != nil {
			return nil, err
		}
		uid, err := strconv.ParseUint(who.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(who.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(s.dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
	}
	initdb := s.command("initdb", "--pgdata="+s.data(), "--username=tocsin", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return s, s.Start()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential, Pdeathsig: syscall.SIGQUIT, Setpgid: true}
	return c
}

// Start starts a server that was stopped, and returns when it takes connections.
func (s *Server) Start() error {
	// What is lost in a power cut is no matter here, and speed is.
	c := s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off",
		"-c", "synchronous_commit=off", "-c", "max_connections=200", "-c", "log_checkpoints=off")
	log, err := c.StderrPipe()
	if err != nil {
		return err
	}
	ready, began := make(chan struct{}), make(chan error, 1)
	s.ended = make(chan error, 1)
	go func() {
		// The server ends with the thread that began it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		began <- err
		if err != nil {
			return
		}
		lines := bufio.NewScanner(log)
		for said := false; lines.Scan(); {
			if !said && strings.Contains(lines.Text(), "ready to accept connections") {
				close(ready)
				said = true
			}
		}
		_, _ = io.Copy(io.Discard, log) // behind a line that is too long
		s.ended <- c.Wait()
	}()
	if err := <-began; err != nil {
		return err
	}
	s.process = c.Process
	select {
	case <-ready:
		return nil
	case err := <-s.ended:
		return fmt.Errorf("postgres ended: %w", err)
	case <-time.After(patience):
		return errors.New("postgres does not start")
	}
}

// Stop ends the server and all connections at once; Start brings it back with all that
// was committed.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	s.process = nil
	select {
	case <-s.ended:
		return nil
	case <-time.After(patience):
		return errors.New("postgres does not stop")
	}
}

func (s *Server) close() error { return errors.Join(s.Stop(), os.RemoveAll(s.dir)) }

// SQL runs statements as the server's superuser.
func (s *Server) SQL(database, statements string) error {
	out, err := s.command("psql", "--host="+s.dir, "--username=tocsin", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1",
		"--dbname="+database, "--command="+statements).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", statements, err, out)
	}
	return nil
}

// Address is that of a database.
func (s *Server) Address(database string) string {
	return "postgres:///" + database + "?host=" + s.dir + "&user=tocsin"
}

// Database makes a database, as a copy of another where that is not empty, and returns
// its name.
func (s *Server) Database(template string) (string, error) {
	if template == "" {
		template = "template1"
	}
	name := fmt.Sprintf("test_%d", s.made.Add(1))
	return name, s.SQL("postgres", "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy")
}

// New starts a server for one test, which may stop it. The test is skipped where
// PostgreSQL is not installed.
func New(t testing.TB) *Server {
	t.Helper()
	s := begun(t, start)
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// shared is the server of all tests of the binary that stop none.
var shared = sync.OnceValues(func() (*Server, error) {
	s, err := start()
	running.Store(s)
	return s, err
})

var running atomic.Pointer[Server]

// Shared returns the server that all tests have together. The test is skipped where
// PostgreSQL is not installed.
func Shared(t testing.TB) *Server {
	t.Helper()
	return begun(t, shared)
}

func begun(t testing.TB, start func() (*Server, error)) *Server {
	t.Helper()
	s, err := start()
	if errors.Is(err, errMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Main runs the tests of a package and ends the server that they had. It is for
// TestMain, and returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if s := running.Load(); s != nil {
		if err := s.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}
