package sink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/notify"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

func TestStatus(t *testing.T) {
	type want struct {
		ok, permanent, gone bool
		after               time.Duration
	}
	retry := want{}
	for _, tt := range []struct {
		status int
		after  string
		want   want
	}{
		{200, "", want{ok: true}}, {201, "", want{ok: true}}, {202, "", want{ok: true}}, {204, "", want{ok: true}},
		{301, "", want{permanent: true}}, {302, "", want{permanent: true}}, {304, "", want{permanent: true}},
		{307, "3", want{permanent: true}}, {308, "", want{permanent: true}},
		{400, "3", want{permanent: true}}, {401, "", want{permanent: true}}, {403, "", want{permanent: true}},
		{404, "", want{permanent: true}}, {409, "", want{permanent: true}}, {413, "", want{permanent: true}},
		{408, "", retry}, {425, "", retry}, {429, "", retry},
		{429, "3", want{after: 3 * time.Second}}, {429, "0.25", want{after: 250 * time.Millisecond}},
		{503, moment().Add(time.Minute).Format(http.TimeFormat), want{after: time.Minute}},
		{410, "", want{permanent: true, gone: true}},
		{500, "", retry}, {501, "", retry}, {502, "", retry}, {503, "", retry}, {504, "", retry}, {599, "", retry}, {999, "", retry},
	} {
		for _, typ := range Types() {
			t.Run(fmt.Sprintf("%s/%d %s", typ, tt.status, tt.after), func(t *testing.T) {
				followed := false
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					followed = followed || r.URL.Path == "/next"
					w.Header().Set("Location", "/next")
					if tt.after != "" {
						w.Header().Set("Retry-After", tt.after)
					}
					w.WriteHeader(tt.status)
					fmt.Fprint(w, "words")
				}))
				defer srv.Close()
				// A client that follows redirects everywhere else.
				s := newSink(t, Config{Type: typ, URL: address(typ, srv.URL), Client: srv.Client()})
				answer, err := s.Send(t.Context(), sample())
				var fail *notify.SendError
				got := want{ok: err == nil}
				if errors.As(err, &fail) {
					got = want{false, fail.Permanent, fail.Gone, fail.RetryAfter}
				}
				if tt.status == 404 && typ == "discord" {
					got.gone = !got.gone // by its own rule
				}
				if got != tt.want {
					t.Errorf("got %+v, want %+v: %v", got, tt.want, err)
				}
				if answer.Status != tt.status || followed {
					t.Errorf("answer %+v, followed %v", answer, followed)
				}
				if err != nil && !strings.Contains(err.Error(), fmt.Sprint(tt.status)) {
					t.Errorf("the error does not name the status: %v", err)
				}
			})
		}
	}
}

func TestAnswerText(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"empty", "", ""},
		{"ok", "ok", "ok"},
		{"lines", "  a\r\nb\t\tc\n", "a b c"},
		{"controls", "a\x1b[31mb\x00c\u202ed\u200be", "a[31mbcde"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"long", strings.Repeat("é", 400), strings.Repeat("é", 299) + "…"},
		{"endless", strings.Repeat("x", 10<<20), strings.Repeat("x", 299) + "…"},
		// The bound on what is read falls into the secret.
		{"half a secret", strings.Repeat(" ", maxAnswer-10) + "open-sesame-1234", ""},
		{"secret with spaces", "no: open  sesame!", "no: [redacted]!"},
		{"secret split by a control", "open-sesame\x00-1234", "[redacted]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			s := newSink(t, Config{Type: "slack", URL: srv.URL, Headers: map[string]string{"X-Key": "open-sesame-1234", "X-Other": "open  sesame"}})
			answer, err := s.Send(t.Context(), sample())
			if err != nil || answer.Text != tt.want {
				t.Errorf("got %.80q, %v; want %.80q", answer.Text, err, tt.want)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	var got *http.Request
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "ok")
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	for _, typ := range Types() {
		content, method, to := "application/json", "POST", "/path?q=1"
		switch typ {
		case "websub":
			content = "application/x-www-form-urlencoded"
		case "zulip":
			content, to = "application/x-www-form-urlencoded", "/api/v1/messages"
		case "discord":
			to = "/path?q=1&wait=true"
		case "telegram":
			to = "/bot123:a-token/sendMessage"
		case "matrix":
			method, to = "PUT", "/_matrix/client/v3/rooms/%21room:example.org/send/m.room.message/msg_1"
		case "ntfy":
			to = "/"
		case "gotify":
			to = "/message"
		}
		opened.Store(0)
		s := newSink(t, Config{Type: typ, Version: "1.2.3",
			URL:     address(typ, strings.Replace(srv.URL, "http://", "http://name:pass@", 1)),
			Headers: map[string]string{"x-extra": "1"}})
		for range 3 {
			if _, err := s.Send(t.Context(), sample()); err != nil {
				t.Fatal(err)
			}
		}
		if got.Method != method || got.RequestURI != to {
			t.Errorf("%s: %s %s", typ, got.Method, got.RequestURI)
		}
		user, password, _ := got.BasicAuth()
		if typ == "matrix" { // whose token is the Authorization
			user, password = "name", "pass"
		}
		for name, is := range map[string][2]string{
			"User-Agent":   {got.UserAgent(), "tocsin/1.2.3"},
			"X-Extra":      {got.Header.Get("X-Extra"), "1"},
			"basic auth":   {user + ":" + password, "name:pass"},
			"Content-Type": {strings.TrimSuffix(got.Header.Get("Content-Type"), "; charset=utf-8"), content},
			"connections":  {fmt.Sprint(opened.Load()), "1"},
		} {
			if is[0] != is[1] {
				t.Errorf("%s: %s is %q, want %q", typ, name, is[0], is[1])
			}
		}
	}
	if agent("") != "tocsin" {
		t.Errorf("agent without a version is %q", agent(""))
	}
}

// TestBounds holds that no phase of an attempt can wait for ever.
func TestBounds(t *testing.T) {
	p, err := newPoster(Config{URL: "https://example.org/"})
	if err != nil {
		t.Fatal(err)
	}
	tr := p.transport.(*http.Transport)
	if tr.TLSHandshakeTimeout != 5*time.Second || tr.ResponseHeaderTimeout != 10*time.Second || tr.DialContext == nil ||
		tr.Proxy == nil || tr.MaxIdleConnsPerHost == 0 || tr.IdleConnTimeout == 0 || tr.MaxResponseHeaderBytes == 0 || p.timeout != 30*time.Second {
		t.Errorf("the transport has lost a bound: %+v", tr)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0}, {"0", 0}, {"1", time.Second}, {" 30 ", 30 * time.Second}, {"0.5", 500 * time.Millisecond}, {"1.", time.Second}, {".5", 500 * time.Millisecond},
		{"-1", 0}, {"-0.5", 0}, {"+5", 0}, {"1e3", 0}, {"0x10", 0}, {"1_000", 0}, {"inf", 0}, {"NaN", 0}, {".", 0}, {"1.2.3", 0}, {"soon", 0}, {"5 seconds", 0},
		{"86400", 24 * time.Hour}, {"86401", 24 * time.Hour}, {strings.Repeat("9", 400), 24 * time.Hour},
		{moment().Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{moment().Add(90 * time.Second).Format("Monday, 02-Jan-06 15:04:05 GMT"), 90 * time.Second},
		{moment().Add(90 * time.Second).Format(time.ANSIC), 90 * time.Second},
		{moment().Add(-time.Second).Format(http.TimeFormat), 0},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 24 * time.Hour},
		{"Mon, 01 Jan 0001 00:00:00 GMT", 0},
	} {
		if got := retryAfter(tt.header, moment()); got != tt.want {
			t.Errorf("retryAfter(%.40q) = %v, want %v", tt.header, got, tt.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "0.5", "-1", "1e9", "NaN", "Sun, 22 Nov 2026 10:00:05 GMT", "99999999999999999999"} {
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, header string, seconds int64) {
		if d := retryAfter(header, time.Unix(seconds, 0)); d < 0 || d > maxRetryAfter {
			t.Errorf("retryAfter(%q) = %v", header, d)
		}
	})
}

func FuzzAnswerText(f *testing.F) {
	f.Add([]byte("the token open-sesame-1234 is not known"))
	f.Add([]byte("open-sesame\x00-1234"))
	f.Add([]byte("\xff\u202e"))
	p, err := newPoster(Config{URL: "https://example.org/", Headers: map[string]string{"X-Key": "open-sesame-1234"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text := p.answerText(body)
		if utf8.RuneCountInString(text) > maxAnswerText || !utf8.ValidString(text) || strings.Contains(text, "open-sesame-1234") ||
			strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.C, r) }) {
			t.Errorf("%q gives %q", body, text)
		}
	})
}
