package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAdmin(t *testing.T) {
	var fault error
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("page " + r.URL.Path)) })
	h := Admin{
		Ready: func() error { return fault },
		Pages: []AdminPage{{Path: "/queue/", About: "what <waits>", Handler: page}, {Path: "/metrics", About: "numbers", Handler: page}},
	}.Handler()
	get := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Code, w.Body.String()
	}
	for _, tt := range []struct {
		method, path string
		status       int
		text         string
	}{
		{"GET", "/healthz", 200, "ok\n"},
		{"GET", "/readyz", 200, "ready\n"},
		{"POST", "/readyz", 405, ""},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/metrics", 200, "page /metrics"},
		{"GET", "/queue/jobs/1", 200, "page /queue/jobs/1"},
		{"GET", "/nothing", 404, ""},
	} {
		if status, text := get(tt.method, tt.path); status != tt.status || tt.text != "" && text != tt.text {
			t.Errorf("%s %s: %d %q", tt.method, tt.path, status, text)
		}
	}
	fault = errors.New("the folder is away")
	if status, text := get("GET", "/readyz"); status != http.StatusServiceUnavailable || text != "the folder is away\n" {
		t.Errorf("not ready: %d %q", status, text)
	}
	_, list := get("GET", "/")
	last := 0
	for _, want := range []string{`<a href="/healthz">`, `<a href="/readyz">`, `<a href="/queue/">/queue/</a> what &lt;waits&gt;`, `<a href="/metrics">/metrics</a> numbers`} {
		i := strings.Index(list, want)
		if i < last {
			t.Errorf("no %s behind the one before in\n%s", want, list)
		}
		last = i
	}
}
