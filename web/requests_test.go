package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/feed"
)

// TestRequests asks what testdata/requests.txt says and expects what it says, from
// a real server.
func TestRequests(t *testing.T) {
	s := filled(t, "https://example.org")
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	plain, err := s.Feed("all").Render(feed.Atom)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.newVariant(plain, make(http.Header))
	if err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer(
		"{tag}", `"`+v.hash+`"`, "{gzip}", `"`+v.hash+`-gzip"`, "{hash}", v.hash,
		"{len}", strconv.Itoa(len(plain)), "{glen}", strconv.Itoa(len(v.gzip.body)),
		"{at}", at.Format(http.TimeFormat), "{before}", at.Add(-time.Second).Format(http.TimeFormat),
		"{after}", at.Add(time.Hour).Format(http.TimeFormat),
	)
	script, err := os.ReadFile("testdata/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, cases, _ := strings.Cut(string(script), "\n---")
	section, n := "", 0
	for part := range strings.SplitSeq("---"+cases, "\n\n") {
		if title, ok := strings.CutPrefix(part, "--- "); ok {
			section = title
			continue
		}
		n++
		t.Run(section+"/"+strings.ReplaceAll(strings.SplitN(part, "\n->", 2)[0], "\n", ", "), func(t *testing.T) {
			exchange(t, server.URL, values.Replace(part), plain)
		})
	}
	if n < 60 {
		t.Errorf("only %d cases", n)
	}
}

// exchange sends the request of one case and compares the answer.
func exchange(t *testing.T, base, script string, plain []byte) {
	asked, want, ok := strings.Cut(strings.TrimSpace(script), "\n-> ")
	if !ok {
		t.Fatalf("no answer is expected in %q", script)
	}
	lines := strings.Split(asked, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	req, err := http.NewRequest(method, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		req.Header.Add(name, strings.TrimSpace(value))
	}
	transport := &http.Transport{DisableCompression: true} // it would ask for gzip itself
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines = strings.Split(want, "\n")
	if got := strconv.Itoa(res.StatusCode); got != lines[0] {
		t.Fatalf("status %s, want %s; %v", got, lines[0], res.Header)
	}
	for _, l := range lines[1:] {
		if kind, ok := strings.CutPrefix(l, "body "); ok {
			compareBody(t, kind, body, plain)
			continue
		}
		name, value, _ := strings.Cut(l, ": ")
		got := "-"
		if all := res.Header.Values(name); len(all) > 0 {
			got = strings.Join(all, ", ")
		}
		if got != value {
			t.Errorf("%s: %s, want %s", name, got, value)
		}
	}
}

func compareBody(t *testing.T, kind string, body, plain []byte) {
	switch kind {
	case "plain":
		if !bytes.Equal(body, plain) {
			t.Errorf("%d bytes, which are not the feed", len(body))
		}
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || !bytes.Equal(b, plain) {
			t.Errorf("%d bytes, which are not the feed: %v", len(b), err)
		}
	case "none":
		if len(body) > 0 {
			t.Errorf("%d bytes", len(body))
		}
	default:
		if strconv.Itoa(len(body)) != kind {
			t.Errorf("%d bytes, want %s", len(body), kind)
		}
	}
}
