package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// spent is what a process took.
type spent struct {
	wall, cpu time.Duration
	peak      float64 // MiB
}

// results are the three figures of it.
func (s spent) results(what, program string) []result {
	return []result{
		{what + ", wall", program, s.wall.Seconds(), "s"},
		{what + ", CPU", program, s.cpu.Seconds(), "s"},
		{what + ", peak memory", program, s.peak, "MiB"},
	}
}

// finish runs a command to its end.
func finish(ctx context.Context, dir, name string, args ...string) (spent, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	s := spent{wall: time.Since(began)}
	if err != nil {
		return s, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out.Bytes())
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = float64(u.Maxrss) / 1024
	}
	return s, nil
}

// settle is watch.settle of the daemons here, the default; it is part of no figure.
const settle = 500 * time.Millisecond

// configure writes a configuration into a folder of its own and returns its path.
func (b *bench) configure(name, more string) (string, error) {
	return b.configureFormats(name, "[atom]", more)
}

func (b *bench) configureFormats(name, formats, more string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "config.yaml")
	return path, os.WriteFile(path, fmt.Appendf(nil, `events: {dir: %s}
watch: {settle: %v}
feeds: {formats: %s, entries: %d, window: 0s, archives: none}
store: state.db
%s`, b.folder, settle, formats, b.entries, more), 0o644)
}

// daemon is a running tocsin serve.
type daemon struct {
	cmd    *exec.Cmd
	url    string
	admin  string // its address, too
	log    *os.File
	serves time.Duration // from its start until it serves
	ready  time.Duration // likewise, until it is ready
	client *http.Client
}

// start starts a daemon on the state of a folder's name and waits until it is ready.
func (b *bench) start(ctx context.Context, name string) (*daemon, error) {
	web, err := freePort()
	if err != nil {
		return nil, err
	}
	admin, err := freePort()
	if err != nil {
		return nil, err
	}
	config, err := b.configure(name, fmt.Sprintf("site: {url: http://%[1]s}\nweb: {listen: %[1]s, admin: %[2]s}\n", web, admin))
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(filepath.Dir(config), "log"))
	if err != nil {
		return nil, err
	}
	d := &daemon{url: "http://" + web, admin: "http://" + admin, log: log, client: &http.Client{Timeout: time.Minute}}
	d.cmd = exec.CommandContext(ctx, b.tocsin, "serve", "-config", config)
	d.cmd.Stderr = log
	began := time.Now()
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	for {
		if d.serves == 0 {
			if res, err := d.client.Get(d.url + "/robots.txt"); err == nil {
				res.Body.Close()
				d.serves = time.Since(began)
			}
		}
		res, err := d.client.Get(d.admin + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				d.ready = time.Since(began)
				return d, nil
			}
		}
		if ctx.Err() != nil || time.Since(began) > 10*time.Minute {
			d.stop()
			return nil, fmt.Errorf("not ready after %v: see %s", time.Since(began), log.Name())
		}
		time.Sleep(time.Millisecond)
	}
}

// stop ends the daemon.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
	_ = d.log.Close()
}

// get fetches a path; tag, if not empty, is the entity tag that is known. fresh
// says that there is another, which is returned.
func (d *daemon) get(path, tag string) (etag string, fresh bool, err error) {
	req, err := http.NewRequest(http.MethodGet, d.url+path, nil)
	if err != nil {
		return "", false, err
	}
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	res, err := d.client.Do(req)
	if err != nil {
		return "", false, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusNotModified:
		return tag, false, nil
	case http.StatusOK:
		return res.Header.Get("ETag"), true, nil
	}
	return "", false, fmt.Errorf("%s: %s", path, res.Status)
}

// until polls a path every millisecond until its entity tag is another, and returns
// that.
func (d *daemon) until(path, tag string) (string, error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if etag, fresh, err := d.get(path, tag); err != nil || fresh {
			return etag, err
		}
	}
	return "", errors.New(path + " did not change within a minute")
}

// turns is how many turns of the wheel the daemon has logged, each of which published
// something.
func (d *daemon) turns() (int, error) {
	log, err := os.ReadFile(d.log.Name())
	return bytes.Count(log, []byte(" msg=turn ")), err
}

// settled is how long after its start a daemon has given back what it no longer needs.
const settled = 5 * time.Second

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// resident is the memory that the process has now, in MiB.
func (d *daemon) resident() (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(v)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("no VmRSS in " + f.Name())
}

// freePort returns an address on loopback that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
