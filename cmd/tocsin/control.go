package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tocsin/config"
)

// The daemon listens for the commands that it takes at a Unix socket whose name
// follows from the path of its configuration alone: what stands in that may be
// broken just then. Only the daemon's own user and root may connect.

// reloadPath is where a POST lets the daemon read its configuration again: 200, and
// what there is now; 422, and what is wrong with the configuration; or 500, and
// what else is.
const reloadPath = "/reload"

// longestSocket is the longest path of a socket, without the NUL behind it
// (unix(7)).
const longestSocket = 107

// controlPaths returns where the socket of a daemon may be, the best place first.
func controlPaths(configPath string, lookup func(string) (string, bool)) ([]string, error) {
	abs, err := filepath.Abs(configPath)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(abs))
	name := "tocsin-" + hex.EncodeToString(sum[:8]) + ".sock"
	get := func(key string) string {
		value, _ := lookup(key)
		first, _, _ := strings.Cut(value, ":") // systemd may give several folders
		return first
	}
	var all []string
	for _, dir := range []string{get("RUNTIME_DIRECTORY"), "/run/tocsin", get("XDG_RUNTIME_DIR"), ownTemp()} {
		path := filepath.Join(dir, name)
		if filepath.IsAbs(dir) && len(path) <= longestSocket {
			all = append(all, path)
		}
	}
	return all, nil
}

// ownTemp is a folder for this user's sockets where the system has none.
func ownTemp() string { return filepath.Join(os.TempDir(), "tocsin-"+strconv.Itoa(os.Geteuid())) }

// listenControl opens the daemon's socket in the first place that takes it.
func listenControl(configPath string, lookup func(string) (string, bool)) (net.Listener, error) {
	paths, err := controlPaths(configPath, lookup)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, path := range paths {
		l, err := listenAt(path)
		if err == nil {
			return l, nil
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(faults...)
}

func listenAt(path string) (net.Listener, error) {
	if dir := filepath.Dir(path); dir == ownTemp() {
		// Anybody may make a folder of that name.
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		fi, err := os.Lstat(dir)
		if err != nil {
			return nil, err
		}
		if of, ok := fi.Sys().(*syscall.Stat_t); !fi.IsDir() || fi.Mode().Perm() != 0o700 || !ok || int(of.Uid) != os.Geteuid() {
			return nil, fmt.Errorf("%s is not a folder of this user alone", dir)
		}
	}
	l, err := listen("unix:" + path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// controlHandler takes the requests of commands until ctx ends.
func (d *daemon) controlHandler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+reloadPath, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a reload takes as long as a look at everything
		o := d.reload(ctx)
		text, status := o.text, http.StatusOK
		if misconfigured := (*config.Error)(nil); errors.As(o.err, &misconfigured) {
			text, status = o.err.Error(), http.StatusUnprocessableEntity
		} else if o.err != nil {
			text, status = o.err.Error(), http.StatusInternalServerError
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text+"\n") // who asked may have gone
	})
	return mux
}

// reload reads the configuration again and returns what came of it.
func (d *daemon) reload(ctx context.Context) outcome {
	came := make(chan outcome, 1)
	select {
	case d.requests <- came:
	case <-ctx.Done():
		return outcome{err: errEnds}
	}
	select {
	case o := <-came:
		return o
	case <-ctx.Done():
		return outcome{err: errEnds}
	}
}

// hear reloads at each SIGHUP until ctx ends.
func (d *daemon) hear(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-hangups:
			d.reload(ctx) // the log says what came of it
		case <-ctx.Done():
			return
		}
	}
}
