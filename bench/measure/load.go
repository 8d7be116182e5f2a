package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// serve asks tocsin for one feed as fast as it answers, and nginx for the same
// bytes from a file.
func serve(ctx context.Context, b *bench) ([]result, error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil, nil // there is nothing to ask with
	}
	d, err := b.start(ctx, "asked")
	if err != nil {
		return nil, err
	}
	defer d.stop()
	all, err := b.load(ctx, "tocsin", d.url+"/feeds/all.atom")
	if err != nil {
		return nil, err
	}
	peer, err := b.loadNginx(ctx, d.url+"/feeds/all.atom")
	return append(all, peer...), err
}

// load asks for an address in the three ways of feed readers.
func (b *bench) load(ctx context.Context, program, url string) ([]result, error) {
	plain, err := fetch(url, "identity")
	if err != nil {
		return nil, err
	}
	zipped, err := fetch(url, "gzip")
	if err != nil {
		return nil, err
	}
	var all []result
	for _, c := range []struct {
		what    string
		headers []string
	}{
		{fmt.Sprintf("one feed of %d KB, plain", plain.size/1000), []string{"Accept-Encoding: identity"}},
		{"one feed, compressed", []string{"Accept-Encoding: gzip"}},
		{"one feed, not modified", []string{"Accept-Encoding: gzip", "If-None-Match: " + zipped.tag}},
	} {
		args := []string{"-t1", "-c32", fmt.Sprintf("-d%ds", b.seconds)}
		for _, h := range c.headers {
			args = append(args, "-H", h)
		}
		out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).Output()
		if err != nil {
			return nil, fmt.Errorf("wrk: %w", err)
		}
		m := perSecond.FindSubmatch(out)
		if m == nil {
			return nil, fmt.Errorf("wrk: no figure in %q", out)
		}
		n, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return nil, err
		}
		all = append(all, result{c.what, program, n, "requests/s"})
	}
	return all, nil
}

var perSecond = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)

// answer is what came for a request.
type answer struct {
	tag  string
	body []byte
	size int
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
	return answer{res.Header.Get("ETag"), body, len(body)}, err
}

// loadNginx serves the bytes of an address with nginx, in the way that is fastest
// for it, and asks for them.
func (b *bench) loadNginx(ctx context.Context, url string) ([]result, error) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return nil, nil
	}
	dir := filepath.Join(b.dir, "nginx")
	if err := os.MkdirAll(filepath.Join(dir, "root"), 0o755); err != nil {
		return nil, err
	}
	for encoding, name := range map[string]string{"identity": "all.atom", "gzip": "all.atom.gz"} {
		got, err := fetch(url, encoding)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "root", name), got.body, 0o644); err != nil {
			return nil, err
		}
	}
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	err = os.WriteFile(config, fmt.Appendf(nil, `daemon off;
worker_processes 1;
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
		return nil, err
	}
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", config)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get("http://" + address + "/all.atom")
		if err == nil {
			res.Body.Close()
			break
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("nginx: %w", err)
		}
	}
	return b.load(ctx, "nginx", "http://"+address+"/all.atom")
}
