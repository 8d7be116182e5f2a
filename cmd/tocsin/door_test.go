package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
)

// herald is a listener that says when it has taken a connection, and when it is closed.
type herald struct {
	net.Listener
	taken, closed chan struct{}
	once          sync.Once
}

func (l *herald) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.taken <- struct{}{}
	}
	return c, err
}

func (l *herald) Close() error {
	defer l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// A client whose connection was taken is answered, also if its request comes when the
// daemon ends: in a restart the next one has only the connections that nobody took.
func TestTakenConnectionIsAnswered(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &herald{Listener: open, taken: make(chan struct{}, 2), closed: make(chan struct{})}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() {
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answer") })
		ended <- serveHTTP(ctx, []net.Listener{l}, h, slog.New(slog.DiscardHandler))
	}()
	ask := func(c net.Conn) {
		t.Helper()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "answer" {
			t.Fatalf("got %q, %v", body, err)
		}
	}
	var conns [2]net.Conn
	for i := range conns {
		if conns[i], err = net.Dial("tcp", open.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		<-l.taken
	}
	ask(conns[0]) // it rests now, and holds nobody up
	end()
	<-l.closed
	ask(conns[1])
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
