package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// askedEntries is how many of the generated events make a feed of about 100 KB.
const askedEntries = 21

// serve asks tocsin for one feed as fast as it answers, by thousands of clients that
// wait between, and by a thousand at once. Beside it nginx answers with the same bytes
// from a file, and net/http with nothing around it.
func serve(ctx context.Context, b *bench) ([]result, error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil, nil // there is nothing to ask with
	}
	asked := *b
	asked.entries = askedEntries
	d, err := asked.start(ctx, "asked")
	if err != nil {
		return nil, err
	}
	defer d.stop()
	all, err := d.idle(ctx)
	if err != nil {
		return nil, err
	}
	cold, err := d.rush(b)
	if err != nil {
		return nil, err
	}
	loaded, err := b.load(ctx, d)
	if err != nil {
		return nil, err
	}
	rss, err := d.resident()
	return append(append(append(all, cold...), loaded...), result{"resident after all of this", "tocsin", rss, "MiB"}), err
}

// server is a program that answers with the feed.
type server struct {
	program, url string
	pid          int
	tag          string // of the compressed feed
}

// load asks for the feed in the three ways of feed readers, one server after the
// other and twice each, as the machine may be less busy at one time than at another.
func (b *bench) load(ctx context.Context, d *daemon) ([]result, error) {
	feed := d.url + allFeed
	plain, err := fetch(feed, "identity")
	if err != nil {
		return nil, err
	}
	zipped, err := fetch(feed, "gzip")
	if err != nil {
		return nil, err
	}
	servers := []server{{"tocsin", feed, d.cmd.Process.Pid, zipped.tag}}
	nginx, stop, err := b.startNginx(ctx, plain, zipped)
	if err != nil {
		return nil, err
	}
	defer stop()
	if nginx != nil {
		servers = append(servers, *nginx)
	}
	alone, stop, err := startAlone(plain, zipped)
	if err != nil {
		return nil, err
	}
	defer stop()
	servers = append(servers, *alone)

	all := []result{
		{"the feed that is asked for", "tocsin", float64(len(plain.body)) / 1000, "KB"},
		{"the feed that is asked for, compressed", "tocsin", float64(len(zipped.body)) / 1000, "KB"},
	}
	for _, way := range []struct {
		what    string
		headers func(s server) []string
	}{
		{"one feed, plain", func(server) []string { return []string{"Accept-Encoding: identity"} }},
		{"one feed, compressed", func(server) []string { return []string{"Accept-Encoding: gzip"} }},
		{"one feed, not modified", func(s server) []string { return []string{"Accept-Encoding: gzip", "If-None-Match: " + s.tag} }},
	} {
		rates, took := make([]float64, len(servers)), make([]float64, len(servers))
		const rounds = 2
		for range rounds {
			for i, s := range servers {
				rate, cpu, err := b.wrk(ctx, s, way.headers(s))
				if err != nil {
					return nil, err
				}
				rates[i] += rate / rounds
				took[i] += cpu / rounds
			}
		}
		for i, s := range servers {
			all = append(all, result{way.what, s.program, rates[i], "requests/s"})
		}
		for i, s := range servers[1:] {
			all = append(all, result{way.what + ", to that of " + s.program, "tocsin", rates[0] / rates[i+1], ""})
		}
		for i, s := range servers {
			all = append(all, result{way.what + ", CPU", s.program, took[i], "µs a request"})
		}
	}
	return all, nil
}

const allFeed = "/feeds/all.atom"

var (
	perSecond = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	requests  = regexp.MustCompile(`(\d+) requests in`)
	failed    = regexp.MustCompile(`Non-2xx or 3xx responses|Socket errors`)
)

// wrk asks a server for as long as is wanted, and returns how many requests it answered
// in a second, and the microseconds of CPU that each took of it.
func (b *bench) wrk(ctx context.Context, s server, headers []string) (rate, cpu float64, err error) {
	args := []string{"-t1", "-c32", fmt.Sprintf("-d%ds", b.seconds)}
	for _, h := range headers {
		args = append(args, "-H", h)
	}
	before, err := cpuOf(s.pid)
	if err != nil {
		return 0, 0, err
	}
	out, err := exec.CommandContext(ctx, "wrk", append(args, s.url)...).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("wrk: %w", err)
	}
	after, err := cpuOf(s.pid)
	if err != nil {
		return 0, 0, err
	}
	second, n := perSecond.FindSubmatch(out), requests.FindSubmatch(out)
	if second == nil || n == nil || failed.Match(out) {
		return 0, 0, fmt.Errorf("%s: wrk: %s", s.program, out)
	}
	rate, err = strconv.ParseFloat(string(second[1]), 64)
	if err != nil {
		return 0, 0, err
	}
	of, err := strconv.ParseFloat(string(n[1]), 64)
	return rate, float64((after - before).Microseconds()) / of, err
}

// cpuOf is the time that a process has computed, to a hundredth of a second.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12 // behind the name: proc(5)
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	var ticks int64
	for _, f := range [][]byte{fields[user], fields[system]} {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// answer is what came for a request.
type answer struct {
	tag  string
	body []byte
}

func fetch(url, encoding string) (answer, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept-Encoding", encoding)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.Header.Get("ETag"), body}, err
}

// startAlone serves the answers with net/http and nothing that looks at the request.
func startAlone(plain, zipped answer) (*server, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	write := func(w http.ResponseWriter, body []byte) {
		w.Header()["Content-Type"] = []string{"application/atom+xml"} // or it would be guessed
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
		_, _ = w.Write(body)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case len(r.Header["If-None-Match"]) > 0:
			w.WriteHeader(http.StatusNotModified)
		case r.Header.Get("Accept-Encoding") == "gzip":
			write(w, zipped.body)
		default:
			write(w, plain.body)
		}
	})}
	go s.Serve(l)
	return &server{"net/http alone", "http://" + l.Addr().String() + allFeed, os.Getpid(), zipped.tag}, func() { s.Close() }, nil
}

// startNginx serves the answers with nginx, in the way that is fastest for it; nil
// where there is none.
func (b *bench) startNginx(ctx context.Context, plain, zipped answer) (*server, func(), error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return nil, func() {}, nil
	}
	dir := filepath.Join(b.dir, "nginx")
	file := filepath.Join(dir, "root", filepath.FromSlash(allFeed))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, nil, err
	}
	if err := errors.Join(os.WriteFile(file, plain.body, 0o644), os.WriteFile(file+".gz", zipped.body, 0o644)); err != nil {
		return nil, nil, err
	}
	address, err := freePort()
	if err != nil {
		return nil, nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	err = os.WriteFile(config, fmt.Appendf(nil, `daemon off;
master_process off;
user root;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	open_file_cache max=100;
	keepalive_requests 1000000000;
	types { application/atom+xml atom; }
	server { listen %[2]s; root %[1]s/root; gzip_static on; }
}
`, dir, address), 0o644)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", config)
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	url := "http://" + address + allFeed
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got, err := fetch(url, "gzip")
		switch {
		case err == nil && bytes.Equal(got.body, zipped.body):
			return &server{"nginx", url, cmd.Process.Pid, got.tag}, stop, nil
		case err == nil:
			stop()
			return nil, nil, fmt.Errorf("nginx answers with %d bytes, not the %d that it was given", len(got.body), len(zipped.body))
		case time.Now().After(end):
			stop()
			return nil, nil, fmt.Errorf("nginx: %w", err)
		}
	}
}
