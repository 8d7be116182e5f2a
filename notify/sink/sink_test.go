package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"tocsin/event"
	"tocsin/notify"
)

var update = flag.Bool("update", false, "write the golden files anew")

// moment is the clock of the tests.
func moment() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }

func sampleEvent() notify.Event {
	return notify.Event{
		ID: "2025/01-28--inspectors", Title: "Court orders records on the inspectors’ dismissal released",
		Date: "2025-01-28", Importance: 9, Status: "confirmed", Location: "Washington, D.C.",
		Tags: []string{"courts", "oversight"}, Actors: []string{"Office & Sons <LLP>", "Inspectors General"},
		Summary: "A federal judge ordered the *release* of the records.\nThe agency has <14> days & may appeal.",
		Sources: []notify.Source{
			{Title: "Order | docket 25-cv-1 > page 3", URL: "https://example.org/order?a=1&b=2|3"},
			{Title: "", URL: "https://example.org/plain"},
			{Title: "Printed gazette, no address", URL: ""},
		},
		URL:    "https://timeline.example/events/2025/01-28--inspectors/",
		Feed:   "https://timeline.example/feeds/tags/courts.atom",
		FeedID: "tag:timeline.example,2025:inspectors", Revision: "0123456789abcdef0123456789abcdef",
		Published: time.Date(2025, 1, 28, 20, 0, 0, 0, time.FixedZone("", 3600)), Updated: moment(),
	}
}

func message(typ notify.Type, items ...notify.Item) notify.Message {
	return notify.Message{Type: typ, Time: moment().In(time.FixedZone("", -5*3600)), Items: items,
		Timeline: "Public record", Home: "https://timeline.example/"}
}

// messages are what the golden files render.
func messages() map[string]notify.Message {
	e := sampleEvent()
	long := make([]notify.Item, 60)
	for i := range long {
		it := notify.Item{Change: notify.Change{Kind: notify.New}, Event: sampleEvent()}
		it.Event.ID = fmt.Sprintf("2025/%02d", i)
		it.Event.Title = fmt.Sprintf("Event number %d of a long night", i)
		it.Event.Importance = 9 - i/10
		it.Event.URL = "https://timeline.example/events/" + it.Event.ID + "/"
		long[i] = it
	}
	return map[string]notify.Message{
		"new": message(notify.TypeNew, notify.Item{Change: notify.Change{Kind: notify.New}, Event: e}),
		"updated": message(notify.TypeUpdated, notify.Item{Event: e, Change: notify.Change{Kind: notify.Updated,
			Fields: []event.Field{event.Title, event.DateField, event.Status, event.Location, event.Tags, event.Actors, event.Sources, event.Body},
			Before: map[string]any{"title": "Court hears case", "date": "2025-01-27", "status": "pending", "location": "",
				"tags": []string{"courts", "law"}, "actors": []string(nil), "sources": []notify.Source(nil), "body": "the old text"}}}),
		"raised": message(notify.TypeUpdated, notify.Item{Event: e, Change: notify.Change{Kind: notify.Raised,
			Fields: []event.Field{event.Importance, event.Status, event.Sources},
			Before: map[string]any{"importance": 6, "status": "pending",
				"sources": []notify.Source{{Title: "Docket", URL: "https://example.org/docket"}}}}}),
		"withdrawn": message(notify.TypeWithdrawn, notify.Item{Change: notify.Change{Kind: notify.Withdrawn}, Event: e}),
		"test":      message(notify.TypeTest, notify.Item{Change: notify.Change{Kind: notify.New}, Event: e}),
		"bare": {Type: notify.TypeNew, Time: moment(), Items: []notify.Item{
			{Change: notify.Change{Kind: notify.New}, Event: notify.Event{ID: "a", Title: "A", Date: "1766-12-02"}}}},
		"batch": message(notify.TypeBatch,
			notify.Item{Change: notify.Change{Kind: notify.Raised, Fields: []event.Field{event.Importance}, Before: map[string]any{"importance": float64(6)}}, Event: e},
			notify.Item{Change: notify.Change{Kind: notify.Withdrawn}, Event: notify.Event{ID: "b", Title: "Second `event"}}),
		"batch_long": message(notify.TypeBatch, long...),
	}
}

// worst is an event as bad as files can make one, with text in every field.
func worst(text string) notify.Item {
	e := notify.Event{
		ID: repeat(text, 500), Title: repeat(text, 10_000), Date: "2025-01-28", Importance: 10,
		Status: repeat(text, 1000), Location: repeat(text, 1000), Summary: repeat(text, 5000),
		URL:    "https://timeline.example/" + url.PathEscape(repeat(text, 100)) + "/?x=@here&<!channel>|y",
		Feed:   "https://timeline.example/feeds/tags/" + url.PathEscape(repeat(text, 100)) + ".atom",
		FeedID: "tag:timeline.example,2025:" + repeat(text, 100), Revision: "0123456789abcdef0123456789abcdef",
	}
	for i := range 200 {
		e.Tags = append(e.Tags, fmt.Sprintf("%s %d", repeat(text, 100), i))
		e.Actors = append(e.Actors, fmt.Sprintf("%s %d", repeat(text, 100), i))
	}
	for i := range 100 {
		e.Sources = append(e.Sources, notify.Source{Title: repeat(text, 500),
			URL: fmt.Sprintf("https://example.org/%d/@everyone/%s?q=a&b|c>d<!here>", i, strings.Repeat("&", 10*i))})
	}
	return notify.Item{Event: e, Change: notify.Change{Kind: notify.Updated, Fields: event.Fields(), Before: map[string]any{
		"title": repeat(text, 9000), "date": "2024-01-01", "importance": 1, "status": repeat(text, 500), "location": repeat(text, 500),
		"tags": []string{repeat(text, 400)}, "actors": []any{repeat(text, 400)}, "body": repeat(text, 50_000),
		"sources": []notify.Source{{Title: repeat(text, 400), URL: "https://example.org/"}}}}}
}

// worstTexts are texts in which every character is as long as it can be in one
// way or another, and texts that want to be more than text.
func worstTexts() map[string]string {
	return map[string]string{
		"mentions": "@everyone <!channel> <users/all> @all @Here <!here|x> <!subteam^S1> <@U1> @channel ",
		"markup":   "**b** *b* _i_ `c` ```\nf\n``` [a](javascript:alert(1)) <script>alert(1)</script> <a href=\"x\">y</a> # h\n> q | t ",
		"rtl":      "שלום عربى \u202eevil\u202c \u2066x\u2069 ",
		"emoji":    "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇸🇪 ",
		"marks":    "e" + strings.Repeat("\u0301", 50),
		"entities": "&&&&<<<<>>>>",
		"quotes":   `"\"\`,
		"lines":    "\u2028\u2029\u0085",
		"controls": "\x00\x01\x1b[31m\u200b\u200d",
		"broken":   "\xff\xfe",
		"astral":   "𝔘",
		"cjk":      "公開記録",
		"ats":      "@here@all",
		"links":    "https://evil.example/x (http://evil.example) evil.example www.evil.example me@evil.example discord.gg/evil ftp://evil.example +491234 #1 :tada: ",
	}
}

func repeat(text string, runes int) string {
	r := []rune(strings.Repeat(text, runes/len([]rune(text))+1))
	return string(r[:runes])
}

// worstMessages are worst alone for every text, and in a batch for those of which
// each is long in another way.
func worstMessages() map[string]notify.Message {
	all := map[string]notify.Message{}
	for name, text := range worstTexts() {
		it := worst(text)
		m := message(notify.TypeUpdated, it)
		m.Timeline, m.Home = repeat(text, 5000), "https://timeline.example/"+strings.Repeat("&", 2800)
		all[name] = m
		if !slices.Contains([]string{"mentions", "quotes", "lines", "cjk", "emoji"}, name) {
			continue // a batch cuts its events as they are cut alone
		}
		m.Type, m.Items = notify.TypeBatch, slices.Repeat([]notify.Item{it}, 16)
		all[name+"_batch"] = m
	}
	// All that is named has an address as long as tools link to.
	long := worst(`"\"\`)
	long.Event.URL = "https://timeline.example/" + strings.Repeat("&", 970)
	all["addresses_batch"] = message(notify.TypeBatch, slices.Repeat([]notify.Item{long}, 30)...)
	return all
}

func golden(t *testing.T, name string, payload []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, payload, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, payload)
	}
	b.WriteByte('\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s differs; -update writes it anew. got:\n%s", file, b.Bytes())
	}
}

func newSink(t *testing.T, c Config) notify.Sender {
	t.Helper()
	if c.Name == "" {
		c.Name = "newsroom"
	}
	if c.Now == nil {
		c.Now = moment
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// below returns a path that a sink of a type can have at the end of its address,
// and what its query needs.
func below(typ string) (path string, query url.Values) {
	switch typ {
	case "telegram":
		return "/bot123:a-token/sendMessage", url.Values{"chat_id": {"-1001234"}}
	case "matrix":
		return "/_matrix/client/v3/rooms/!room:example.org", url.Values{"access_token": {"a-token"}}
	case "zulip":
		return "/api/v1/messages", url.Values{"to": {"general"}}
	case "ntfy":
		return "/alerts", nil
	case "gotify":
		return "/message", url.Values{"token": {"a-token"}}
	}
	return "/path", url.Values{"q": {"1"}}
}

// address is that of a sink of a type at base.
func address(typ, base string) string {
	path, query := below(typ)
	if typ == "zulip" && !strings.Contains(base, "@") {
		base = strings.Replace(base, "://", "://bot%40example.org:a-key@", 1)
	}
	return base + path + "?" + query.Encode()
}

func sample() notify.Delivery {
	m := messages()["new"]
	m.Feeds = []string{"https://timeline.example/feeds/all.atom"} // for websub, which tells of nothing else
	return notify.Delivery{ID: "msg_1", Sink: "newsroom", Message: m}
}

func TestTypes(t *testing.T) {
	if got, want := Types(), []string{"webhook", "slack", "discord", "mattermost", "rocketchat", "teams", "googlechat", "zulip", "matrix", "telegram", "ntfy", "gotify", "websub"}; !slices.Equal(got, want) {
		t.Errorf("Types() = %q, want %q", got, want)
	}
	for _, typ := range Types() {
		if _, err := New(Config{Name: "a", Type: typ, URL: address(typ, "https://example.org")}); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := func() Config {
		return Config{Name: "newsroom", Type: "webhook", URL: "https://example.org/hush", Secrets: []string{"whsec_aHVzaA=="}}
	}
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"type", func(c *Config) { c.Type = "pager" }, `sink newsroom: type "pager" is not known; known are ` + fmt.Sprintf("%q", Types())},
		{"no address", func(c *Config) { c.URL = "" }, "sink newsroom: url: not an absolute http or https address"},
		{"relative", func(c *Config) { c.URL = "/hush" }, "sink newsroom: url: not an absolute http or https address"},
		{"scheme", func(c *Config) { c.URL = "ftp://hush/hush" }, "sink newsroom: url: not an absolute http or https address"},
		{"broken", func(c *Config) { c.URL = "https://example.org/hush\n%zz" }, "sink newsroom: url: not an absolute http or https address"},
		{"secret without prefix", func(c *Config) { c.Secrets = []string{"whsec_aHVzaA==", "hush"} }, "sink newsroom: secret 2: not whsec_ and base64"},
		{"secret not base64", func(c *Config) { c.Secrets = []string{"whsec_hush!"} }, "sink newsroom: secret 1: not whsec_ and base64"},
		{"empty secret", func(c *Config) { c.Secrets = []string{"whsec_"} }, "sink newsroom: secret 1: not whsec_ and base64"},
		{"signature", func(c *Config) { c.Headers = map[string]string{"Webhook-Signature": "hush"} }, "sink newsroom: headers: Webhook-Signature is set by the sink itself; take it out"},
		{"content type", func(c *Config) { c.Headers = map[string]string{"content-type": "hush"} }, "sink newsroom: headers: content-type is set by the sink itself; take it out"},
		{"length", func(c *Config) { c.Headers = map[string]string{"Content-Length": "1"} }, "sink newsroom: headers: Content-Length is set by the sink itself; take it out"},
		{"host", func(c *Config) { c.Headers = map[string]string{"HOST": "hush"} }, "sink newsroom: headers: HOST is set by the sink itself; take it out"},
		{"header name", func(c *Config) { c.Headers = map[string]string{"X Y": "hush"} }, `sink newsroom: headers: "X Y" is no name of a header`},
		{"header value", func(c *Config) { c.Headers = map[string]string{"X-Y": "hush\r\nX-Z: hush"} }, "sink newsroom: headers: the value of X-Y holds a control character, maybe a line end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good()
			tt.change(&c)
			_, err := New(c)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestEmptyMessage(t *testing.T) {
	for _, typ := range Types() {
		s := newSink(t, Config{Type: typ, URL: address(typ, "https://example.org")})
		_, err := s.Send(t.Context(), notify.Delivery{})
		var fail *notify.SendError
		if !errors.As(err, &fail) || !fail.Permanent {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

// secretive is a configuration with the word hush in all that is secret.
func secretive(typ, base string) Config {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	u.User = url.UserPassword("hush-user", "hush/pass+word")
	path, query := below(typ)
	u.Path = "/services/T0hush/B0hush/hush<&>\"x y" + strings.NewReplacer("a-token", "hush-token", "!room", "!hush-room", "alerts", "hush-topic").Replace(path)
	u.RawQuery = "token=hush%2Fquery%2Bx%3D%26&hushflag&x=1"
	for name := range query {
		if name != "token" {
			u.RawQuery += "&" + name + "=hush-" + name
		}
	}
	u.Fragment = "hush-fragment"
	return Config{
		Name: "newsroom", Type: typ, URL: u.String(),
		Secrets: []string{"whsec_" + "aHVzaA++/w==", "whsec_hushhushhushhush"},
		Headers: map[string]string{
			"X-Token": "hush=value/1+2", "X-Auth": "Bearer hush.bearer.token", "Cookie": "Hush=\"quoted\\hush\"",
			"Proxy-Hint": "Basic aHVzaC1kb29yOmh1c2gtYmFzaWMtcHc=",
		},
		Version: "1.2.3", Now: moment,
	}
}

// TestNoSecrets makes every kind of failure with a sink whose secrets all hold
// the word hush, and looks for it, and for the address, in all that comes out.
func TestNoSecrets(t *testing.T) {
	quiet := log.New(io.Discard, "", 0)
	serve := func(t *testing.T, secure bool, h http.HandlerFunc) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = quiet
		if secure {
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		return s
	}
	// echo answers with the request.
	echo := func(status int) func(*testing.T) (string, *http.Client) {
		return func(t *testing.T) (string, *http.Client) {
			return serve(t, false, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if len(body) == 0 {
					t.Error("no body arrived")
				}
				user, password, _ := r.BasicAuth()
				w.Header().Set("Retry-After", "hush")
				w.Header().Set("X-Echo", "hush")
				w.WriteHeader(status)
				fmt.Fprintf(w, "%s %s http://%s%s %s %s %v", user, password, r.Host, r.URL, r.URL.Path, r.URL.Query(), r.Header)
			}).URL, nil
		}
	}
	raw := func(answer string) func(*testing.T) (string, *http.Client) {
		return func(t *testing.T) (string, *http.Client) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					// The request has to be read, or the close resets it.
					_, _ = http.ReadRequest(newReader(c))
					_, _ = io.WriteString(c, answer)
					c.Close()
				}
			}()
			return "http://" + l.Addr().String(), nil
		}
	}
	for _, tt := range []struct {
		name  string
		setup func(t *testing.T) (base string, client *http.Client)
		want  string // in the error; empty: delivered
	}{
		{"delivered", echo(200), ""},
		{"refused", echo(400), "refused: status 400 Bad Request"},
		{"gone", echo(410), "refused: status 410 Gone"},
		{"busy", echo(429), "status 429 Too Many Requests"},
		{"broken", echo(500), "status 500 Internal Server Error"},
		{"unknown name", func(t *testing.T) (string, *http.Client) {
			d := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("no network to ask hush-host.invalid")
			}}}
			return "https://hush-host.invalid:8443", &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
		}, "the host's name could not be looked up"},
		{"no such name", func(t *testing.T) (string, *http.Client) {
			dial := func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "hush-host.invalid", IsNotFound: true}}
			}
			return "https://hush-host.invalid:8443", &http.Client{Transport: &http.Transport{DialContext: dial}}
		}, "the host's name is not known to DNS"},
		{"refused connection", func(t *testing.T) (string, *http.Client) {
			s := httptest.NewServer(nil)
			s.Close()
			return s.URL, nil
		}, "connection refused"},
		{"slow connection", func(t *testing.T) (string, *http.Client) {
			dial := func(ctx context.Context, network, address string) (net.Conn, error) {
				<-ctx.Done()
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
			}
			return "https://hush-host.invalid", &http.Client{Timeout: 20 * time.Millisecond, Transport: &http.Transport{DialContext: dial}}
		}, "in time"},
		{"unknown authority", func(t *testing.T) (string, *http.Client) {
			return serve(t, true, func(http.ResponseWriter, *http.Request) {}).URL, nil
		}, "the certificate is signed by an unknown authority"},
		{"other host", func(t *testing.T) (string, *http.Client) {
			s := serve(t, true, func(http.ResponseWriter, *http.Request) {})
			pool := x509.NewCertPool()
			pool.AddCert(s.Certificate())
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "hush-host.invalid"}}
			return s.URL, &http.Client{Transport: tr}
		}, "the certificate is for another host"},
		{"expired", func(t *testing.T) (string, *http.Client) {
			s := serve(t, true, func(http.ResponseWriter, *http.Request) {})
			pool := x509.NewCertPool()
			pool.AddCert(s.Certificate())
			late := func() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Time: late}}
			return s.URL, &http.Client{Transport: tr}
		}, "the certificate has expired or is not valid yet"},
		{"other TLS", func(t *testing.T) (string, *http.Client) {
			s := httptest.NewUnstartedServer(http.NotFoundHandler())
			s.Config.ErrorLog = quiet
			s.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
			s.StartTLS()
			t.Cleanup(s.Close)
			return s.URL, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MaxVersion: tls.VersionTLS12}}}
		}, "tls: protocol version not supported"},
		{"no TLS", func(t *testing.T) (string, *http.Client) {
			return strings.Replace(serve(t, false, func(http.ResponseWriter, *http.Request) {}).URL, "http:", "https:", 1), nil
		}, "the server does not speak TLS at this port"},
		{"no answer", func(t *testing.T) (string, *http.Client) {
			done := make(chan struct{})
			s := serve(t, false, func(w http.ResponseWriter, r *http.Request) { <-done })
			t.Cleanup(func() { close(done) }) // before the server's Close, which waits
			return s.URL, &http.Client{Timeout: 50 * time.Millisecond}
		}, "no answer in time"},
		{"no header in time", func(t *testing.T) (string, *http.Client) {
			done := make(chan struct{})
			s := serve(t, false, func(w http.ResponseWriter, r *http.Request) { <-done })
			t.Cleanup(func() { close(done) })
			return s.URL, &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 50 * time.Millisecond}}
		}, "no answer in time"},
		{"redirect", func(t *testing.T) (string, *http.Client) {
			return serve(t, false, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "https://elsewhere.example/hush-new"+r.URL.String())
				w.WriteHeader(http.StatusPermanentRedirect)
				fmt.Fprint(w, "moved to https://elsewhere.example/hush-new")
			}).URL, nil
		}, "refused: status 308 Permanent Redirect: redirects are not followed; configure the address that it leads to"},
		{"malformed redirect", raw("HTTP/1.1 302 Found\r\nLocation: http://hush%zz/hush\r\nContent-Length: 4\r\n\r\nhush"),
			"refused: status 302 Found: redirects are not followed"},
		{"malformed response", raw("hush hush hush\r\n\r\n"), "no valid answer came"},
		{"malformed header", raw("HTTP/1.1 200 OK\r\nhush hush: \x00hush\r\n\r\n"), "no valid answer came"},
		{"closed", raw(""), "the connection was closed before an answer came"},
		{"cut body", raw("HTTP/1.1 500 hush\r\nContent-Length: 400\r\n\r\nT0hush"), "status 500 Internal Server Error: [redacted]"},
		{"proxy", func(t *testing.T) (string, *http.Client) {
			s := httptest.NewServer(nil)
			s.Close()
			proxy, _ := url.Parse(strings.Replace(s.URL, "http://", "http://hush-proxy:hush@", 1))
			return "https://hush-host.invalid", &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
		}, "proxy: connection refused"},
	} {
		for _, typ := range Types() {
			t.Run(typ+"/"+tt.name, func(t *testing.T) {
				base, client := tt.setup(t)
				var logged bytes.Buffer
				c := secretive(typ, base)
				c.Client = client
				timeless := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
					if a.Key == slog.TimeKey {
						return slog.Attr{} // its digits may be those of the port
					}
					return a
				}}
				c.Logger = slog.New(slog.NewTextHandler(&logged, timeless))
				c.Title = template.Must(template.New("title").Parse(`{{index .Event.Tags 99}}`))
				s := newSink(t, c)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				answer, err := s.Send(ctx, sample())
				switch {
				case tt.want == "" && err != nil:
					t.Errorf("not delivered: %v", err)
				case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
					t.Errorf("got error %v, want %s", err, tt.want)
				}
				var fail *notify.SendError
				if err != nil && !errors.As(err, &fail) {
					t.Errorf("%T is no *notify.SendError", err)
				}
				out := logged.String()
				for e := err; e != nil; e = errors.Unwrap(e) {
					out += fmt.Sprintf("\n%v %+v %#v %q", e, e, e, e)
				}
				out += fmt.Sprintf("\n%+v %#v", answer, answer)
				for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
					out += "\n" + fmt.Sprintf(verb+" "+verb, s, c)
				}
				out += "\n" + panicked(s) + "\n" + panicked(c)
				marshalled, _ := json.Marshal(s)
				out += string(marshalled)
				slog.New(slog.NewJSONHandler(&logged, timeless)).Info("sink", "sink", s, "err", err, "answer", answer)
				out += logged.String()
				u, _ := url.Parse(base)
				for _, secret := range []string{"hush", "68757368", "aHVzaA", u.Host, u.Port()} {
					if secret != "" && strings.Contains(strings.ToLower(out), strings.ToLower(secret)) {
						t.Errorf("%q came out:\n%s", secret, out)
					}
				}
				if want := fmt.Sprintf(`sink "newsroom" (%s)`, typ); fmt.Sprint(s) != want || fmt.Sprint(c) != want {
					t.Errorf("prints as %v and %v, want %s", s, c, want)
				}
			})
		}
	}
}

// TestRedacted has every secret repeated in every form that servers give them.
func TestRedacted(t *testing.T) {
	c := secretive("webhook", "https://hush-host.example:8443")
	p, err := newPoster(c)
	if err != nil {
		t.Fatal(err)
	}
	u := p.url
	pieces := append([]string{c.URL, u.Redacted(), u.RequestURI(), u.Host, u.Hostname(), u.Path, u.EscapedPath(), "hush<&>\"x y", "T0hush",
		u.RawQuery, "hush/query+x=&", "hushflag", u.Fragment, "hush-user", "hush/pass+word", "hush-user:hush/pass+word",
		base64.StdEncoding.EncodeToString([]byte("hush-user:hush/pass+word")),
		"aHVzaC1kb29yOmh1c2gtYmFzaWMtcHc=", "hush-door:hush-basic-pw", "hush-basic-pw", "hush.bearer.token", "aHVzaA++/w=="}, c.Secrets...)
	for _, v := range c.Headers {
		pieces = append(pieces, v)
	}
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, piece := range pieces {
		for form, text := range map[string]string{
			"plain": piece, "capitals": strings.ToUpper(piece), "query": url.QueryEscape(piece), "path": url.PathEscape(piece),
			"HTML": html.EscapeString(piece), "JSON": quoted(piece), "JSON of PHP": strings.ReplaceAll(quoted(piece), "/", `\/`),
			"slashes": strings.ReplaceAll(piece, "/", `\/`), "hidden": strings.ReplaceAll(piece, "h", "\x00h\u200b"),
		} {
			got := strings.ToLower(p.answerText([]byte("no such thing: " + text + "!")))
			for _, secret := range []string{"hush", "ahvza"} {
				if strings.Contains(got, secret) {
					t.Errorf("%s, %s: %s came out as %s", piece, form, text, got)
				}
			}
			if !strings.HasPrefix(got, "no such thing: ") {
				t.Errorf("%s, %s: too much is gone: %s", piece, form, got)
			}
		}
	}
}

func panicked(v any) (text string) {
	defer func() { text = fmt.Sprintf("%v %+v", recover(), v) }()
	panic(v)
}

func TestStopped(t *testing.T) {
	done := make(chan struct{})
	arrived := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(arrived); <-done }))
	defer srv.Close()
	defer close(done)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := newSink(t, Config{Type: "slack", URL: srv.URL}).Send(ctx, sample())
	var fail *notify.SendError
	if !errors.As(err, &fail) || fail.Permanent || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
