package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tocsin/bench/generate"
)

// What the clients of idle and of rush are.
const (
	pollers    = 5000            // readers that keep their connection
	pollEvery  = 3 * time.Second // and ask so often
	pollRounds = 5
	rushed     = 1000 // clients that ask at once
)

// client is a connection that is kept.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

// dial opens n connections to an address.
func dial(url string, n int) ([]client, error) {
	// The runtime has raised the limit to the most that this user may.
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return nil, err
	}
	if need := uint64(n) + 100; files.Cur < need {
		return nil, fmt.Errorf("%d open files are too few for %d clients: raise the hard limit (ulimit -Hn) to %d", files.Cur, n, need)
	}
	var all []client
	for range n {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			hangUp(all)
			return nil, err
		}
		all = append(all, client{conn, bufio.NewReaderSize(conn, 512)})
	}
	return all, nil
}

func hangUp(all []client) {
	for _, c := range all {
		c.conn.Close()
	}
}

// request is what a client asks, in the words of HTTP.
func request(path string, headers ...string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n" + strings.Join(headers, "") + "\r\n")
}

// read reads an answer to its end.
func (c client) read(want int) error {
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	if res.StatusCode != want {
		return errors.New(res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// idle has thousands of readers keep their connections, and ask now and then for a
// feed that they have.
func (d *daemon) idle(ctx context.Context) ([]result, error) {
	tag, _, err := d.get(allFeed, "")
	if err != nil {
		return nil, err
	}
	rest(ctx, settled)
	before, err := d.resident()
	if err != nil {
		return nil, err
	}
	clients, err := dial(d.url, pollers)
	if err != nil {
		return nil, err
	}
	defer hangUp(clients)
	ask := request(allFeed, "If-None-Match: "+tag+"\r\n")
	var resident []float64
	for range pollRounds {
		next := time.Now().Add(pollEvery)
		for _, c := range clients {
			if _, err := c.conn.Write(ask); err != nil {
				return nil, err
			}
			if err := c.read(http.StatusNotModified); err != nil {
				return nil, err
			}
		}
		rest(ctx, time.Until(next))
		rss, err := d.resident()
		if err != nil {
			return nil, err
		}
		resident = append(resident, rss)
	}
	name := fmt.Sprintf("%d idle pollers", pollers)
	return []result{
		{name + ", resident before them", "tocsin", before, "MiB"},
		{name + ", resident when each has asked once", "tocsin", resident[0], "MiB"},
		{name + fmt.Sprintf(", resident when each has asked %d times", pollRounds), "tocsin", resident[pollRounds-1], "MiB"},
		{name + ", memory of a connection", "tocsin", (resident[pollRounds-1] - before) * 1024 / pollers, "KiB"},
	}, nil
}

// rush has a thousand clients ask at once for a feed that nobody has asked for yet.
func (d *daemon) rush(b *bench) ([]result, error) {
	clients, err := dial(d.url, rushed)
	if err != nil {
		return nil, err
	}
	defer hangUp(clients)
	before, err := d.renders()
	if err != nil {
		return nil, err
	}
	ask := request("/feeds/tags/" + strings.ReplaceAll(generate.New(0).Tags[0], " ", "-") + ".atom")
	began := time.Now()
	for _, c := range clients {
		if _, err := c.conn.Write(ask); err != nil {
			return nil, err
		}
	}
	for _, c := range clients {
		if err := c.read(http.StatusOK); err != nil {
			return nil, err
		}
	}
	took := time.Since(began)
	after, err := d.renders()
	name := fmt.Sprintf("a cold feed asked for by %d clients at once", rushed)
	return []result{
		{name + ", times that it was made", "tocsin", after - before, ""},
		{name + ", until all have it", "tocsin", millis(took), "ms"},
	}, err
}

// renders is how many feeds the daemon has made.
func (d *daemon) renders() (float64, error) {
	res, err := d.client.Get(d.admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	const name = `tocsin_feed_renders_total{format="atom"} `
	for line := range bytes.Lines(body) {
		if value, ok := strings.CutPrefix(string(line), name); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, errors.New("no " + name + "in /metrics")
}
