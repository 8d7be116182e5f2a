package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tocsin/bench/generate"
	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
)

// generated returns a site of n generated events, of which a feed shows so many, and
// what published them.
func generated(b *testing.B, n, entries int) (*testSite, Update) {
	s := newTestSite(b, "https://example.org")
	s.style.MaxEntries = entries
	r := event.NewReader(event.Dialect{})
	var events []*feed.Entry
	for i := range n {
		g := generate.New(i)
		e, err := r.Read(g.Path, g.Markdown())
		if err != nil {
			b.Fatal(err)
		}
		known := &timeline.Record{ID: "tag:example.org,2025:" + e.ID, Event: e, Published: at, Updated: at}
		events = append(events, s.style.NewEntry(known, func(t timeline.Topic) string { return event.Slug(t.Key) }))
	}
	s.catalog.Replace(nil, events)
	u := Update{Events: events, Feeds: s.touched(at)}
	s.Update(u)
	return s, u
}

// BenchmarkPage makes pages of 2,000 generated events, one of a kind after the other.
func BenchmarkPage(b *testing.B) {
	s, u := generated(b, 2000, 50)
	of := make(map[string][]string)
	for _, f := range u.Feeds {
		if strings.HasPrefix(f.Path, string(timeline.Tag)) {
			of["tag"] = append(of["tag"], f.Path+"/")
			of["list"] = append(of["list"], f.Path+"/feeds.opml")
		}
	}
	for _, n := range u.Events {
		of["event"] = append(of["event"], "events/"+feed.EventPath(n.Event.ID)+"/")
	}
	of["names"] = []string{"tags/"}
	for _, kind := range []string{"tag", "event", "names", "list"} {
		b.Run(kind, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				path := of[kind][i%len(of[kind])]
				if doc, err := s.document(path); err != nil || doc.status != http.StatusOK {
					b.Fatal(path, err)
				}
			}
		})
	}
}

// BenchmarkPublish writes 100 generated events into a new folder, and into one that
// has them already.
func BenchmarkPublish(b *testing.B) {
	s, u := generated(b, 100, 50)
	write := func(b *testing.B, dir string) {
		if err := s.folder(dir).p.Write(b.Context(), s.Edition(u, true)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			write(b, b.TempDir())
		}
	})
	b.Run("same", func(b *testing.B) {
		dir := b.TempDir()
		write(b, dir)
		b.ReportAllocs()
		for b.Loop() {
			write(b, dir)
		}
	})
}

// BenchmarkPublishTurn writes what one event changes of 2,000 with 4,000 tags.
func BenchmarkPublishTurn(b *testing.B) {
	s := newTestSite(b, "https://example.org")
	s.style.MaxEntries = 50
	event := func(i, turn int) Update {
		return s.setOnly(fmt.Sprintf("event-%d", i), fmt.Sprintf("Title %d", turn), fmt.Sprintf("tags: [tag-%d, tag-%d, tag-%d]", i%50, i, 2000+i), "Text.", at)
	}
	var events []*feed.Entry
	for i := range 2000 {
		events = append(events, event(i, 0).Events...)
	}
	u := Update{Events: events, Feeds: s.touched(at)}
	s.Update(u)
	d := s.folder(b.TempDir())
	if err := d.p.Write(b.Context(), s.Edition(u, true)); err != nil {
		b.Fatal(err)
	}
	turn := 0
	for b.Loop() {
		turn++
		u := event(7, turn)
		u.Feeds = s.touched(at)
		s.Update(u)
		if err := d.p.Write(b.Context(), s.Edition(u, false)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServe asks for a feed of some hundred kilobytes on one connection, in the
// ways of feed readers. "nothing" is what net/http takes of it: a handler that answers
// everything with a bare 304.
func BenchmarkServe(b *testing.B) {
	s, _ := generated(b, 100, 20)
	nothing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	const gzip = "Accept-Encoding: gzip\r\n"
	known := gzip + "If-None-Match: " + s.get("GET", feedPath, "Accept-Encoding", "gzip").Header.Get("ETag") + "\r\n"
	for _, c := range []struct {
		name    string
		handler http.Handler
		headers string
		status  int
	}{
		{"nothing", nothing, known, http.StatusNotModified},
		{"unmodified", s.Handler(), known, http.StatusNotModified},
		{"gzip", s.Handler(), gzip, http.StatusOK},
		{"plain", s.Handler(), "", http.StatusOK},
	} {
		b.Run(c.name, func(b *testing.B) {
			server := httptest.NewServer(c.handler)
			defer server.Close()
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			request := []byte("GET " + feedPath + " HTTP/1.1\r\nHost: localhost\r\n" + c.headers + "\r\n")
			ask := func() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
			}
			in := bufio.NewReaderSize(conn, 256<<10)
			ask()
			first, err := http.ReadResponse(in, nil)
			if err != nil || first.StatusCode != c.status {
				b.Fatal(first, err)
			}
			length, err := io.Copy(io.Discard, first.Body)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() { // allocates nothing itself
				ask()
				for {
					line, err := in.ReadSlice('\n')
					if err != nil {
						b.Fatal(err)
					}
					if len(line) == len("\r\n") {
						break
					}
				}
				if _, err := in.Discard(int(length)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
