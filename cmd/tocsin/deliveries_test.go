package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tocsin/notify/outbox"
)

// What `deliveries` says of one is enough to know what goes where, when, and what
// came of it; and nothing of it is a secret, or acts on a terminal.
func TestDeliveriesShow(t *testing.T) {
	t.Parallel()
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		_, key, _ := q.BasicAuth()
		_, _ = io.WriteString(w, "slower, "+key)
	}))
	t.Cleanup(chat.Close)
	r := newRig(t, "      headers: {X-Key: hush-header}", "")
	host := strings.TrimPrefix(chat.URL, "http://")
	r.addSinks(fmt.Sprintf(`
    - {name: daily, type: slack, url: "%s/hush", digest: {schedule: "0 7 1 1 *"}}
    - {name: desk, type: zulip, url: "http://hush-bot:hush-key@%s/?to=hush-channel", rate: 0}
    - {name: group, type: telegram, url: "%s/bot1:hush-token?chat_id=-100hush", rate: 0}`, chat.URL, host, chat.URL))
	r.event("a", "A", "x", "Text.")
	r.start()
	r.event("b", "B \x1b[31m\u009b31m \u202e&", "x", "Text.")
	of := func(sink, state string) (all []outbox.Record) {
		for _, d := range r.deliveries(state, 0) {
			if d.Sink == sink {
				all = append(all, d)
			}
		}
		return all
	}
	r.until("attempts", func() bool {
		d, g := of("desk", ""), of("group", "")
		return len(of("hook", "delivered")) == 1 && len(d) == 1 && d[0].Tries == 1 && len(g) == 1 && g[0].Tries == 1
	})
	r.event("b", "B again", "x", "Text.")
	r.until("what waits behind it", func() bool { return len(of("desk", "waiting")) == 2 })

	secret := func(text string, more ...string) {
		t.Helper()
		for _, s := range append(more, "hush", host) {
			if i := strings.Index(text, s); i >= 0 {
				t.Errorf("%q in %s", s, text[max(0, i-200):min(len(text), i+50)])
			}
		}
	}
	harmless := func(text string) { t.Helper(); secret(text, "\x1b", "\u009b", "\u202e") }
	list, _, code := r.command("deliveries", "list")
	harmless(list)
	desk, daily := of("desk", ""), of("daily", "")
	for _, want := range []string{
		"NEXT ATTEMPT",
		when(daily[0].Held) + " (digest)",
		when(desk[1].Next),
		"after " + desk[1].ID,
	} {
		if code != 0 || !strings.Contains(list, want) {
			t.Errorf("%d, no %q in\n%s", code, want, list)
		}
	}
	if left := time.Until(desk[1].Next); left < 50*time.Minute || left > time.Hour {
		t.Errorf("the next attempt is in %v", left)
	}

	show := func(id string, holds ...string) {
		t.Helper()
		text, _, code := r.command("deliveries", "show", id)
		harmless(text)
		for _, want := range holds {
			if code != 0 || !strings.Contains(text, want) {
				t.Errorf("%d, no %q in\n%s", code, want, text)
			}
		}
		text, _, code = r.command("deliveries", "show", id, "-json")
		secret(text)
		var v struct {
			outbox.Record
			Request struct {
				Method, Body string
				Header       map[string]string
			}
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil || code != 0 || v.ID != id || v.Request.Body == "" {
			t.Errorf("%d, %v: %s", code, err, text)
		}
	}
	show(daily[1].ID, "next attempt  "+when(daily[1].Held)+" (digest)", "no attempts yet", "\nPOST [the sink's url]\n", `"blocks": [`, "New: B")
	show(desk[1].ID, "next attempt  "+when(desk[1].Next), "ATTEMPT", "429     asked to wait 1h0m0s: status 429 Too Many Requests: slower, [redacted]\n", "Authorization: [redacted]", "topic=Test\n", "[redacted]=", "content=**New: B")
	show(desk[0].ID, "next attempt  after "+desk[1].ID, "no attempts yet", "title B")
	show(of("group", "")[1].ID, `"chat_id": "[redacted]"`, `<b>New: B`)
	hook := of("hook", "delivered")
	show(hook[len(hook)-1].ID, "200", "Webhook-Id: "+hook[len(hook)-1].ID, "X-Key: [redacted]", `"type": "event.new"`)

	for _, verb := range []string{"cancel", "retry"} {
		out, _, code := r.command("deliveries", verb, desk[0].ID)
		if code != 0 || strings.Contains(out, "POST") {
			t.Errorf("%s: %d %s", verb, code, out)
		}
	}
	r.configure("name: desk,", "name: other,")
	show2, _, code := r.command("deliveries", "show", desk[0].ID)
	if code != 0 || !strings.Contains(show2, "no request to show: the configuration has no sink desk") {
		t.Errorf("%d %s", code, show2)
	}
}
