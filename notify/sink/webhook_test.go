package sink

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tocsin/event"
	"tocsin/notify"
)

func TestWebhookGolden(t *testing.T) {
	for name, m := range messages() {
		t.Run(name, func(t *testing.T) { golden(t, "webhook_"+name, renderWebhook("newsroom", m)) })
	}
}

// TestWebhookStored holds that a message which was stored and read again makes
// the same body: the outbox does that between planning and every attempt.
func TestWebhookStored(t *testing.T) {
	for name, m := range messages() {
		stored, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var read notify.Message
		if err := json.Unmarshal(stored, &read); err != nil {
			t.Fatal(err)
		}
		if got, want := renderWebhook("newsroom", read), renderWebhook("newsroom", m); !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestWebhookLimits(t *testing.T) {
	for name, m := range worstMessages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, before := range []map[string]any{m.Items[0].Change.Before, nil} {
				m.Items[0].Change.Before = before
				body := renderWebhook("newsroom", m)
				if len(body) >= maxWebhook || !utf8.Valid(body) {
					t.Errorf("%d bytes, valid UTF-8: %v", len(body), utf8.Valid(body))
				}
				// What is only white space is cut to nothing.
				if len(body) < maxWebhook*8/10 && !strings.HasPrefix(name, "lines") {
					t.Errorf("only %d bytes of the room are used", len(body))
				}
				if before == nil && !bytes.Equal(body, renderWebhook("newsroom", m)) {
					t.Error("another body each time")
				}
				var p struct {
					Data struct {
						Change *struct{ Kind string }
						Event  *struct{ ID, Title string }
						Events []struct{ Event struct{ ID, URL string } }
						More   int
					}
				}
				if err := json.Unmarshal(body, &p); err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(body, []byte("null")) {
					t.Error("a list is null")
				}
				if m.Type == notify.TypeBatch {
					if n := len(p.Data.Events); n == 0 || n+p.Data.More != len(m.Items) || p.Data.Change != nil || p.Data.Event != nil {
						t.Errorf("%d events and %d more of %d", n, p.Data.More, len(m.Items))
					}
				} else if p.Data.Event == nil || p.Data.Event.ID == "" || p.Data.Events != nil {
					t.Errorf("no event: %s", body)
				}
			}
		})
	}
}

// TestWebhookCuts holds the order in which an event loses its parts.
func TestWebhookCuts(t *testing.T) {
	base := func() notify.Item {
		it := messages()["new"].Items[0]
		it.Event.Summary = repeat("words and ", 1000)
		return it
	}
	long := func(n int) (list []string) {
		for i := range n {
			list = append(list, "name number "+strconv.Itoa(i))
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		change func(*notify.Item)
		cut    string // the part that is cut; all before it are gone, all behind it whole
	}{
		{"nothing", func(*notify.Item) {}, ""},
		{"summary", func(it *notify.Item) { it.Event.Summary = repeat("words and ", 100_000) }, "summary"},
		{"sources", func(it *notify.Item) {
			it.Event.Sources = slices.Repeat([]notify.Source{{Title: "a", URL: "https://example.org/"}}, 1000)
		}, "sources"},
		{"tags", func(it *notify.Item) { it.Event.Tags = long(2000) }, "tags"},
		{"actors", func(it *notify.Item) { it.Event.Actors = long(2000) }, "actors"},
		{"title", func(it *notify.Item) { it.Event.Title = repeat("words <&> ", 30_000) }, "title"},
		{"location", func(it *notify.Item) { it.Event.Location = repeat("words ", 30_000) }, "location"},
		{"status", func(it *notify.Item) { it.Event.Status = repeat("words ", 30_000) }, "status"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			it := base()
			tt.change(&it)
			body := renderWebhook("newsroom", message(notify.TypeNew, it))
			if tt.cut != "" && (len(body) >= maxWebhook || len(body) < maxWebhook-2500) {
				t.Errorf("%d bytes", len(body))
			}
			var p struct {
				Data struct{ Event map[string]any }
			}
			if err := json.Unmarshal(body, &p); err != nil {
				t.Fatal(err)
			}
			whole := newWebhookItem(it).Event
			gone := tt.cut != ""
			for _, part := range []struct {
				name  string
				whole int
			}{
				{"summary", utf8.RuneCountInString(whole.Summary)}, {"sources", len(whole.Sources)}, {"tags", len(whole.Tags)},
				{"actors", len(whole.Actors)}, {"title", utf8.RuneCountInString(whole.Title)},
				{"location", utf8.RuneCountInString(whole.Location)}, {"status", utf8.RuneCountInString(whole.Status)},
			} {
				n := 0
				switch v := p.Data.Event[part.name].(type) {
				case string:
					n = utf8.RuneCountInString(v)
				case []any:
					n = len(v)
				}
				switch {
				case part.name == tt.cut:
					if n == 0 || n >= part.whole {
						t.Errorf("%s has %d of %d", part.name, n, part.whole)
					}
					gone = false
				case gone && n != 0:
					t.Errorf("%s still has %d", part.name, n)
				case !gone && n != part.whole:
					t.Errorf("%s has %d of %d", part.name, n, part.whole)
				}
			}
		})
	}
}

func TestWebhookBatchHoldsAll(t *testing.T) {
	it := messages()["new"].Items[0]
	it.Event.Summary = repeat("words and ", 20_000)
	for _, items := range []int{2, 5, 11, 13} {
		body := renderWebhook("newsroom", message(notify.TypeBatch, slices.Repeat([]notify.Item{it}, items)...))
		if n := strings.Count(string(body), `"change":`); n != items || strings.Contains(string(body), `"more"`) {
			t.Errorf("%d events of %d", n, items)
		}
		if len(body) < maxWebhook*9/10 {
			t.Errorf("%d events use only %d bytes", items, len(body))
		}
	}
}

func TestWebhookBefore(t *testing.T) {
	it := messages()["raised"].Items[0]
	it.Change.Before = map[string]any{"tags": nil, "actors": []string(nil), "sources": []notify.Source(nil), "body": "x"}
	it.Change.Fields = []event.Field{event.Tags}
	body := string(renderWebhook("newsroom", message(notify.TypeUpdated, it)))
	if want := `"before":{"actors":[],"sources":[],"tags":[]}`; !strings.Contains(body, want) {
		t.Errorf("no %s in %s", want, body)
	}
}

// received is a request as a receiver has it.
type received struct {
	header http.Header
	body   []byte
}

func receiver(t *testing.T) (address string, got *[]received) {
	t.Helper()
	got = new([]received)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got = append(*got, received{r.Header, body})
		_, _ = io.WriteString(w, "ok")
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

func TestWebhookSignature(t *testing.T) {
	secret := func(s string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(s)) }
	first, second, other := secret("the old secret of 24 byt"), secret("the new secret of 24 byt"), secret("somebody else's secret 1")
	address, got := receiver(t)
	now := time.Now() // the library compares with the clock
	s := newSink(t, Config{Type: "webhook", URL: address, Secrets: []string{first, second}, Now: func() time.Time { return now }})
	for i := range 2 {
		if _, err := s.Send(t.Context(), sample()); err != nil {
			t.Fatal(err)
		}
		r := (*got)[i]
		for _, known := range []string{first, second} {
			wh, err := standardwebhooks.NewWebhook(known)
			if err != nil {
				t.Fatal(err)
			}
			if err := wh.Verify(r.body, r.header); err != nil {
				t.Errorf("attempt %d: %v", i, err)
			}
			if err := wh.Verify(append(r.body, ' '), r.header); err == nil {
				t.Error("another body verifies")
			}
		}
		wh, err := standardwebhooks.NewWebhook(other)
		if err != nil {
			t.Fatal(err)
		}
		if wh.Verify(r.body, r.header) == nil {
			t.Error("another secret verifies")
		}
		now = now.Add(time.Minute)
	}
	a, b := (*got)[0], (*got)[1]
	if a.header.Get("Webhook-Id") != "msg_1" || b.header.Get("Webhook-Id") != "msg_1" {
		t.Errorf("webhook-id: %q and %q", a.header.Get("Webhook-Id"), b.header.Get("Webhook-Id"))
	}
	if a.header.Get("Webhook-Timestamp") == b.header.Get("Webhook-Timestamp") {
		t.Error("webhook-timestamp is the same in both attempts")
	}
	if !bytes.Equal(a.body, b.body) {
		t.Error("the body differs between attempts")
	}
	if !regexp.MustCompile(`^v1,[\w+/]{43}= v1,[\w+/]{43}=$`).MatchString(a.header.Get("Webhook-Signature")) {
		t.Errorf("webhook-signature: %q", a.header.Get("Webhook-Signature"))
	}
}

func TestWebhookUnsigned(t *testing.T) {
	address, got := receiver(t)
	if _, err := newSink(t, Config{Type: "webhook", URL: address}).Send(t.Context(), sample()); err != nil {
		t.Fatal(err)
	}
	h := (*got)[0].header
	if _, signed := h["Webhook-Signature"]; signed || h.Get("Webhook-Id") != "msg_1" || h.Get("Webhook-Timestamp") != strconv.FormatInt(moment().Unix(), 10) {
		t.Errorf("header %v", h)
	}
}
