package main

import (
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// net/http says again and again that it cannot accept a connection.
func TestHTTPLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		l := log.New(&httpLog{log: slog.New(slog.NewTextHandler(&b, nil))}, "", 0)
		for range 1500 { // seconds
			l.Printf("http: Accept error: too many open files; retrying in %v", time.Second)
			time.Sleep(time.Second)
		}
		l.Print("http: another fault")
		text := b.String()
		if n := strings.Count(text, "\n"); n != 4 || strings.Count(text, "level=ERROR msg=serving err=\"http: Accept error: too many open files\"") != 3 {
			t.Errorf("%d lines:\n%s", n, text)
		}
	})
}

func TestSaid(t *testing.T) {
	var s said
	for i := range 5000 { // does not grow without end
		if !s.news(fmt.Sprint(i)) || s.news(fmt.Sprint(i)) {
			t.Fatalf("%d is said at another time than the first", i)
		}
	}
	if len(s.at) > 1000 {
		t.Errorf("%d are remembered", len(s.at))
	}
}
