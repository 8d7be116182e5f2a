package sink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/notify"
)

// chats are the types whose messages are made of the same parts.
func chats() []string {
	return slices.DeleteFunc(Types(), func(typ string) bool { return slices.Contains([]string{"webhook", "slack", "websub"}, typ) })
}

// threads are those that make a thread by its name.
func threads() []string { return []string{"discord", "googlechat", "zulip"} }

// transport answers every request by itself and keeps the last.
type transport struct {
	last *http.Request
	body []byte
}

func (tr *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	tr.last, tr.body = r, body
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

// payload returns what a sink sends of m; a form as JSON.
func payload(t *testing.T, c Config, m notify.Message) []byte {
	t.Helper()
	tr := &transport{}
	c.Client = &http.Client{Transport: tr}
	if c.URL == "" {
		c.URL = address(c.Type, "https://chat.example")
	}
	if _, err := newSink(t, c).Send(t.Context(), notify.Delivery{ID: "msg_1", Sink: "newsroom", Message: m}); err != nil {
		t.Fatal(err)
	}
	if tr.last.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return tr.body
	}
	form, err := url.ParseQuery(string(tr.body))
	if err != nil {
		t.Fatal(err)
	}
	flat := make(map[string]string)
	for name := range form {
		flat[name] = form.Get(name)
	}
	return encode(flat)
}

func templated() (title, body *template.Template) {
	return template.Must(template.New("title").Parse("{{.Kind}}: {{.Event.Title}} <!here> @channel\n{{.Event.Summary}}")),
		template.Must(template.New("body").Parse("*{{.Kind}}* {{range .Items}}<{{.Event.URL}}|{{.Event.Title}}> [x]({{.Event.URL}})\n{{.Event.Summary}}{{end}} @everyone"))
}

func TestChatGolden(t *testing.T) {
	for _, typ := range chats() {
		all := messages()
		all["worst"] = worstMessages()["mentions"]
		batch := all["batch_long"]
		batch.Items = batch.Items[:30]
		all["batch_30"] = batch
		delete(all, "batch_long")
		for name, m := range all {
			t.Run(typ+"/"+name, func(t *testing.T) { golden(t, typ+"_"+name, payload(t, Config{Type: typ}, m)) })
		}
		t.Run(typ+"/template", func(t *testing.T) {
			title, body := templated()
			golden(t, typ+"_template", payload(t, Config{Type: typ, Title: title, Body: body}, all["new"]))
		})
		if slices.Contains(threads(), typ) {
			t.Run(typ+"/thread", func(t *testing.T) {
				golden(t, typ+"_thread", payload(t, Config{Type: typ, Thread: true}, all["raised"]))
			})
		}
	}
}

// TestChatParts holds that every tool says all there is to say.
func TestChatParts(t *testing.T) {
	for _, typ := range chats() {
		all := messages()
		for name, words := range map[string][]string{
			"new": {"New: Court orders", "importance 9", "2025-01-28", "confirmed", "Washington, D", "oversight", "Inspectors General", "A federal judge",
				"docket 25", "https://example.org/plain", "Printed gazette", "https://timeline.example/events/2025/01-28--inspectors/", "https://timeline.example/feeds/tags/courts.atom"},
			"raised":     {"Raised: Court orders", "importance 6 → 9", "status pending → confirmed"},
			"withdrawn":  {"Withdrawn: Court orders"},
			"test":       {"Test: Court orders", "This is a test message"},
			"batch":      {"2 changes, most important: Court orders", "https://timeline.example/events/2025/01-28--inspectors/", "Second"},
			"batch_long": {"60 changes, most important: Event number 0", "Event number 2 of", " more", "https://timeline.example/events/2025/02/"},
		} {
			text := strings.Join(texts(t, payload(t, Config{Type: typ}, all[name]), false), "\n")
			text = strings.NewReplacer("\\", "", gap, "", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
			for _, w := range words {
				if !strings.Contains(text, w) {
					t.Errorf("%s, %s: no %q in\n%s", typ, name, w, text)
				}
			}
		}
	}
}

// texts are all strings of a payload; but for addresses, where only texts are
// wanted.
func texts(t *testing.T, payload []byte, only bool) (all []string) {
	t.Helper()
	var v any
	if err := json.Unmarshal(payload, &v); err != nil {
		t.Fatalf("%v in %.300s", err, payload)
	}
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(k, e)
			}
		case []any:
			for _, e := range v {
				walk(key, e)
			}
		case string:
			if !only || !slices.Contains([]string{"url", "click", "$schema", "threadKey"}, key) {
				all = append(all, v)
			}
		}
	}
	walk("", v)
	return all
}

// chatFaults looks in a payload for mentions, links, markup and characters that
// nobody meant, and holds it to its tool's limits.
func chatFaults(t *testing.T, typ string, payload []byte) (faults []string) {
	t.Helper()
	fail := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	mention := regexp.MustCompile(`(?i)@(channel|here|everyone|all|\*\*all)`)
	target := regexp.MustCompile(`\]\(([^()\s]*)\)`)
	tag := regexp.MustCompile(`<[^>\x{200b}][^>]*>`)
	link := regexp.MustCompile(`^<a href="https?://(timeline\.example|example\.org)[^"<>]*">$`)
	var p map[string]any
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Fatal(err)
	}
	str := func(key string) string { s, _ := p[key].(string); return s }
	for _, s := range texts(t, payload, true) {
		if strings.ContainsAny(s, "\u202e\u2066\x00\x1b\u2028\u0085") {
			fail("an invisible character: %q", s)
		}
		shown := regexp.MustCompile(`\]\([^()\s]*\)|<a href="[^"]*">|https://(timeline\.example|example\.org)\S*`).ReplaceAllString(s, "")
		if strings.Contains(shown, "evil.example") || strings.Contains(shown, "discord.gg") || strings.Contains(shown, "://") {
			fail("what links itself in %s", s)
		}
		if m := mention.FindString(s); m != "" {
			fail("a mention %s: %s", m, s)
		}
		if typ == "matrix" && !strings.HasPrefix(s, "<p>") || typ == "gotify" && s == str("title") || typ == "zulip" && s == str("topic") || typ == "discord" && s == str("thread_name") {
			continue // plain text
		}
		switch typ {
		case "telegram", "matrix", "googlechat":
			for _, m := range tag.FindAllString(s, -1) {
				if !link.MatchString(m) && !slices.Contains([]string{"<b>", "</b>", "</a>", "<br>", "<p>", "</p>", "<ul>", "</ul>", "<li>", "</li>"}, m) {
					fail("a tag %s in %s", m, s)
				}
			}
		case "discord", "mattermost", "gotify", "rocketchat", "zulip":
			open := regexp.MustCompile(`(^|[^\\\x60])\]\(`)
			for _, m := range open.FindAllStringIndex(s, -1) {
				to := target.FindStringSubmatch(s[m[0]:])
				if to == nil || !strings.HasPrefix(to[1], "https://timeline.example") && !strings.HasPrefix(to[1], "https://example.org") {
					fail("a link in %s", s)
				}
			}
			s = target.ReplaceAllString(s, "")
			if m := regexp.MustCompile("(^|[^\\\\])(\\*+b\\*|`c`|~~s~~)").FindString(s); m != "" {
				fail("markup %s in %s", m, s)
			}
			if strings.Contains(s, "://") {
				fail("an address that links itself: %s", s)
			}
			for _, line := range strings.Split(s, "\n") {
				if regexp.MustCompile("^\\s*(#+ |> |[*+] |\\d+[.)] |```|~~~|\\|)").MatchString(line) {
					fail("a line that begins with markup: %s", line)
				}
			}
		}
	}
	switch typ {
	case "discord":
		var m discordMessage
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		total := units(m.Embeds[0].Description)
		for _, f := range m.Embeds[0].Fields {
			if total += units(f.Name + f.Value); units(f.Value) > 1024 {
				fail("a field of %d", units(f.Value))
			}
		}
		if units(m.ThreadName) > 100 {
			fail("a thread's name of %d", units(m.ThreadName))
		}
		if total > 6000 || units(m.Embeds[0].Description) > 4096 || units(m.Content) > 2000 || m.Content == "" {
			fail("over a limit: %d in all", total)
		}
		if !strings.Contains(string(payload), `"allowed_mentions":{"parse":[]}`) {
			fail("mentions are allowed")
		}
		for _, f := range m.Embeds[0].Fields {
			if f.Name == "" || f.Value == "" {
				fail("an empty field, which Discord refuses")
			}
		}
	case "mattermost", "rocketchat":
		var m attachmentMessage
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, s := range texts(t, payload, false) {
			total += map[string]func(string) int{"mattermost": runes, "rocketchat": units}[typ](s)
		}
		if most := map[string]int{"mattermost": maxMattermost, "rocketchat": maxRocketChat}[typ]; total > most+len("#000000") {
			fail("%d characters in all", total)
		}
		for _, f := range m.Attachments[0].Fields {
			if f.Title == "" || f.Value == "" {
				fail("an empty field")
			}
		}
	case "teams":
		if len(payload) > 28*1024 {
			fail("%d bytes", len(payload))
		}
		if strings.Contains(string(payload), `"TextBlock"`) || strings.Contains(string(payload), `"FactSet"`) {
			fail("an element that reads Markdown")
		}
		if strings.Contains(string(payload), `"text":""`) {
			fail("an empty text")
		}
	case "zulip":
		if runes(str("content")) > 10_000 || runes(str("topic")) > 60 || str("topic") == "" {
			fail("content of %d, topic %s", runes(str("content")), str("topic"))
		}
	case "matrix":
		if len(payload) > maxMatrix || str("body") == "" || !strings.Contains(string(payload), `"m.mentions":{}`) {
			fail("%d bytes, or mentions", len(payload))
		}
		for _, e := range []string{"p", "b", "a"} {
			if html := str("formatted_body"); strings.Count(html, "<"+e+">")+strings.Count(html, "<"+e+" ") != strings.Count(html, "</"+e+">") {
				fail("<%s> is not closed", e)
			}
		}
	case "ntfy":
		if n := len(str("message")); n == 0 || n > 4096 {
			fail("a message of %d bytes", n)
		}
	case "gotify":
		if n := len(str("message")); n == 0 || len(payload) > maxGotify {
			fail("a message of %d bytes", n)
		}
	case "googlechat":
		if len(payload) > maxGoogleChat {
			fail("%d bytes", len(payload))
		}
		if strings.Contains(string(payload), `"text":""`) || strings.Contains(string(payload), `"widgets":[]`) {
			fail("an empty text")
		}
	case "telegram":
		text := str("text")
		read := tag.ReplaceAllString(text, "")
		for _, e := range []string{"&lt;", "&gt;", "&amp;", "&#34;"} {
			read = strings.ReplaceAll(read, e, "x")
		}
		if n := units(read); n > maxTelegram || n != telegramUnits(text) {
			fail("%d units, counted as %d", n, telegramUnits(text))
		}
		for _, pair := range []string{"b", "a"} {
			if strings.Count(text, "<"+pair+">")+strings.Count(text, "<"+pair+" ") != strings.Count(text, "</"+pair+">") {
				fail("<%s> is not closed", pair)
			}
		}
	}
	return faults
}

func TestChatLimits(t *testing.T) {
	all := worstMessages()
	for name, m := range messages() {
		all["sample_"+name] = m
	}
	title, body := templated()
	for _, typ := range chats() {
		for name, m := range all {
			t.Run(typ+"/"+name, func(t *testing.T) {
				t.Parallel()
				forms := map[string]Config{"built-in": {Type: typ}}
				if plain, _, _ := strings.Cut(name, "_"); slices.Contains([]string{"sample", "mentions", "markup", "links", "quotes"}, plain) {
					forms["template"] = Config{Type: typ, Title: title, Body: body}
				}
				if slices.Contains(threads(), typ) {
					forms["thread"] = Config{Type: typ, Thread: true}
				}
				for form, c := range forms {
					p := payload(t, c, m)
					for _, f := range chatFaults(t, typ, p) {
						t.Errorf("%s: %.400s", form, f)
					}
					if !strings.HasPrefix(name, "sample_") {
						continue
					}
					if again := payload(t, c, m); string(p) != string(again) {
						t.Error("another payload each time")
					}
				}
			})
		}
	}
}

// TestChatAddresses holds which addresses and headers a tool takes, what it makes
// of them, and what it says of others.
func TestChatAddresses(t *testing.T) {
	for _, tt := range chatAddresses() {
		t.Run(tt.typ+" "+tt.url, func(t *testing.T) {
			tr := &transport{}
			s, err := New(Config{Name: "newsroom", Type: tt.typ, URL: tt.url, Thread: tt.thread, Headers: tt.headers, Client: &http.Client{Transport: tr}})
			if err != nil {
				if got := strings.TrimPrefix(err.Error(), "sink newsroom: "); got != tt.fault {
					t.Errorf("got  %s\nwant %s", got, tt.fault)
				}
				return
			}
			if tt.fault != "" {
				t.Fatalf("no error; want %s", tt.fault)
			}
			if _, err := s.Send(t.Context(), sample()); err != nil {
				t.Fatal(err)
			}
			if got := tr.last.Method + " " + tr.last.URL.String(); got != tt.request {
				t.Errorf("got  %s\nwant %s", got, tt.request)
			}
			for name, want := range tt.sent {
				if got := tr.last.Header.Get(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			if !strings.Contains(string(tr.body), tt.body) {
				t.Errorf("no %s in %s", tt.body, tr.body)
			}
			if tt.lacks != "" && strings.Contains(string(tr.body), tt.lacks) {
				t.Errorf("%s in %s", tt.lacks, tr.body)
			}
		})
	}
}

type chatAddress struct {
	typ, url string
	thread   bool
	headers  map[string]string
	request  string            // what goes out
	sent     map[string]string // headers
	body     string            // is in the body
	lacks    string            // is not
	fault    string
}

func chatAddresses() []chatAddress {
	return []chatAddress{
		{typ: "discord", url: "https://discord.com/api/webhooks/1/tok", request: "POST https://discord.com/api/webhooks/1/tok?wait=true"},
		{typ: "discord", url: "https://discord.com/api/webhooks/1/tok?wait=false&thread_id=7", request: "POST https://discord.com/api/webhooks/1/tok?thread_id=7&wait=true"},
		{typ: "discord", url: "https://discord.com/api/webhooks/1/tok/slack", fault: "url: takes another tool's messages; remove /slack or /github at its end"},
		{typ: "teams", url: "https://acme.webhook.office.com/webhookb2/1", fault: "url: is that of an Office 365 connector, which Microsoft has switched off; make one in Teams with Workflows, Post to a channel when a webhook request is received"},
		{typ: "teams", url: "https://prod-1.westus.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=x",
			request: "POST https://prod-1.westus.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=x"},
		{typ: "mattermost", url: "https://mm.example/hooks/abc", request: "POST https://mm.example/hooks/abc"},
		{typ: "rocketchat", url: "https://rc.example/hooks/abc/def", request: "POST https://rc.example/hooks/abc/def"},
		{typ: "googlechat", url: "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t", thread: true, body: `"thread":{"threadKey":"tag:timeline.example,2025:inspectors"}`,
			request: "POST https://chat.googleapis.com/v1/spaces/A/messages?key=k&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&token=t"},
		{typ: "googlechat", url: "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t", lacks: "threadKey",
			request: "POST https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t"},
		{typ: "googlechat", url: "https://chat.googleapis.com/v1/spaces/A/messages?key=k&threadKey=mine", lacks: "threadKey",
			request: "POST https://chat.googleapis.com/v1/spaces/A/messages?key=k&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD&threadKey=mine"},
		{typ: "googlechat", url: "https://chat.googleapis.com/v1/spaces/A/messages?key=k&threadKey=mine", thread: true,
			fault: "url: has a threadKey, the one thread of all messages; remove it, or write updates: post"},
		{typ: "zulip", url: "https://bot:key@chat.example/?to=general&topic=news", thread: true,
			fault: "url: has a topic, the one of all messages; remove it, or write updates: post"},
		{typ: "zulip", url: "https://bot:key@chat.example/?to=[9]&type=direct", thread: true,
			fault: "url: is not that of a channel, which alone has topics; remove type, or write updates: post"},
		{typ: "discord", url: "https://discord.com/api/webhooks/1/tok?thread_id=7", thread: true,
			fault: "url: has a thread_id, the one thread of all messages; remove it, or write updates: post"},
		{typ: "googlechat", url: "https://chat.googleapis.com/v1/spaces/A/messages?key=k&messageReplyOption=REPLY_MESSAGE_OR_FAIL&threadKey=mine", body: `"openLink"`,
			lacks: "threadKey", request: "POST https://chat.googleapis.com/v1/spaces/A/messages?key=k&messageReplyOption=REPLY_MESSAGE_OR_FAIL&threadKey=mine"},
		{typ: "zulip", url: "https://bot@example.org:key@chat.example/api/v1/messages?to=news&topic=Timeline", body: "to=news&topic=Timeline&type=stream",
			request: "POST https://bot%40example.org:key@chat.example/api/v1/messages", sent: map[string]string{"Authorization": "Basic Ym90QGV4YW1wbGUub3JnOmtleQ=="}},
		{typ: "zulip", url: "https://bot%40example.org:key@chat.example/?to=general", thread: true, body: "to=general&topic=inspectors&type=stream",
			request: "POST https://bot%40example.org:key@chat.example/api/v1/messages", sent: map[string]string{"Authorization": "Basic Ym90QGV4YW1wbGUub3JnOmtleQ=="}},
		{typ: "zulip", url: "https://chat.example/api/v1/messages?to=[9]&type=direct", headers: map[string]string{"Authorization": "Basic eA=="}, body: "to=%5B9%5D&type=direct", lacks: "topic",
			request: "POST https://chat.example/api/v1/messages", sent: map[string]string{"Authorization": "Basic eA=="}},
		{typ: "zulip", url: "https://chat.example/api/v1/messages?to=general", fault: "url: has no bot; write it like https://<BOT-EMAIL>:<KEY>@<HOST>/api/v1/messages?to=<CHANNEL>"},
		{typ: "zulip", url: "https://b:k@chat.example/api/v1/messages", fault: "url: has no channel; write it like https://<BOT-EMAIL>:<KEY>@<HOST>/api/v1/messages?to=<CHANNEL>"},
		{typ: "zulip", url: "https://b:k@chat.example/api/v1/external/slack?to=x", fault: "url: is not that of messages; write it like https://<BOT-EMAIL>:<KEY>@<HOST>/api/v1/messages?to=<CHANNEL>"},
		{typ: "matrix", url: "https://m.example/_matrix/client/v3/rooms/!abc:m.example?access_token=tok", sent: map[string]string{"Authorization": "Bearer tok"},
			request: "PUT https://m.example/_matrix/client/v3/rooms/%21abc:m.example/send/m.room.message/msg_1"},
		{typ: "matrix", url: "https://m.example/sub/_matrix/client/r0/rooms/%21abc%3Am.example/send/m.room.message/5?user_id=u", headers: map[string]string{"Authorization": "Bearer tok"},
			request: "PUT https://m.example/sub/_matrix/client/r0/rooms/%21abc:m.example/send/m.room.message/msg_1?user_id=u", sent: map[string]string{"Authorization": "Bearer tok"}},
		{typ: "matrix", url: "https://m.example/_matrix/client/v3/rooms/!abc:m.example", fault: "url: has no access token; add headers: {Authorization: Bearer <TOKEN>}, or ?access_token=<TOKEN>"},
		{typ: "matrix", url: "https://m.example/_matrix/client/v3/rooms/%23abc:m.example?access_token=tok",
			fault: "url: the room is not an id, which begins with ! and is in the room's settings under Advanced; write it like https://<HOST>/_matrix/client/v3/rooms/<!ROOM>"},
		{typ: "matrix", url: "https://m.example/?access_token=tok", fault: "url: has no room; write it like https://<HOST>/_matrix/client/v3/rooms/<!ROOM>"},
		{typ: "matrix", url: "https://m.example/_matrix/client/v3/rooms/!abc:m.example/state?access_token=tok",
			fault: "url: goes on after the room; write it like https://<HOST>/_matrix/client/v3/rooms/<!ROOM>"},
		{typ: "ntfy", url: "https://ntfy.sh/alerts", request: "POST https://ntfy.sh/", body: `{"topic":"alerts","title":"New: Court`},
		{typ: "ntfy", url: "https://u:p@example.org/sub/alerts/publish?auth=QmVhcmVyIHRr", request: "POST https://u:p@example.org/sub/", body: `{"topic":"alerts"`,
			sent: map[string]string{"Authorization": "Bearer tk"}},
		{typ: "ntfy", url: "https://ntfy.sh/alerts", headers: map[string]string{"Authorization": "Bearer tk"}, request: "POST https://ntfy.sh/", sent: map[string]string{"Authorization": "Bearer tk"}},
		{typ: "ntfy", url: "https://ntfy.sh/", fault: "url: has no topic; write it like https://ntfy.sh/<TOPIC>, with 1 to 64 of A-Z, a-z, 0-9, _ and -"},
		{typ: "ntfy", url: "https://ntfy.sh/a.b", fault: "url: has no topic; write it like https://ntfy.sh/<TOPIC>, with 1 to 64 of A-Z, a-z, 0-9, _ and -"},
		{typ: "ntfy", url: "https://ntfy.sh/alerts?auth=!", fault: "url: auth is not base64 of what Authorization would say; write headers: {Authorization: Bearer <TOKEN>} instead"},
		{typ: "ntfy", url: "https://ntfy.sh/alerts?auth=YQ0KYg", fault: "url: auth is not base64 of what Authorization would say; write headers: {Authorization: Bearer <TOKEN>} instead"},
		{typ: "gotify", url: "https://push.example/message?token=tok", request: "POST https://push.example/message", sent: map[string]string{"X-Gotify-Key": "tok"}},
		{typ: "gotify", url: "https://push.example/sub/", headers: map[string]string{"X-Gotify-Key": "tok"}, request: "POST https://push.example/sub/message", sent: map[string]string{"X-Gotify-Key": "tok"}},
		{typ: "gotify", url: "https://push.example/message", fault: "url: has no token; add ?token= and the application's, or headers: {X-Gotify-Key: <TOKEN>}"},
		{typ: "telegram", url: "https://api.telegram.org/bot1:tok/sendMessage?chat_id=-100", request: "POST https://api.telegram.org/bot1:tok/sendMessage", body: `"chat_id":"-100","text"`},
		{typ: "telegram", url: "https://api.telegram.org/bot1:tok?chat_id=@news&message_thread_id=5&disable_notification=true&protect_content=true",
			request: "POST https://api.telegram.org/bot1:tok/sendMessage", body: `"chat_id":"@news","message_thread_id":5,`},
		{typ: "telegram", url: "https://api.telegram.org/bot1:tok/?chat_id=1", request: "POST https://api.telegram.org/bot1:tok/sendMessage"},
		{typ: "telegram", url: "https://example.org/sub/bot1:tok/test/sendMessage?chat_id=1", request: "POST https://example.org/sub/bot1:tok/test/sendMessage"},
		{typ: "telegram", url: "https://api.telegram.org/bot1:tok/sendMessage", fault: "url: has no chat; add ?chat_id= and the chat's number or @name"},
		{typ: "telegram", url: "https://api.telegram.org/bot1:tok?chat_id=1&message_thread_id=x", fault: "url: message_thread_id is not a number"},
		{typ: "telegram", url: "https://api.telegram.org/bot1:tok/sendPhoto?chat_id=1",
			fault: "url: is not that of sendMessage; write it like https://api.telegram.org/bot<TOKEN>/sendMessage?chat_id=<CHAT>"},
		{typ: "telegram", url: "https://api.telegram.org/sendMessage?chat_id=1",
			fault: "url: has no bot's token; write it like https://api.telegram.org/bot<TOKEN>/sendMessage?chat_id=<CHAT>"},
	}
}

// TestChatAnswers holds what becomes of a tool's answers, in its own words. The
// rules that all have in common are TestStatus's.
func TestChatAnswers(t *testing.T) {
	type want struct {
		ok, permanent, gone bool
		after               time.Duration
		id                  string
	}
	huge := strings.Repeat(" ", maxAnswer) + "{}"
	for _, tt := range []struct {
		typ    string
		status int
		header string // Retry-After
		body   string
		want   want
	}{
		{"discord", 200, "", `{"id":"1150","content":"x"}`, want{ok: true, id: "1150"}},
		{"discord", 204, "", ``, want{ok: true}},
		{"discord", 200, "", huge, want{ok: true}},
		{"discord", 429, "1", `{"message":"You are being rate limited.","retry_after":0.65,"global":false}`, want{after: 650 * time.Millisecond}},
		{"discord", 429, "2", `<html>error code: 1015</html>`, want{after: 2 * time.Second}},
		{"discord", 429, "", `{"retry_after":1e300}`, want{after: 24 * time.Hour}},
		{"discord", 429, "3", `{"retry_after":-1}`, want{after: 3 * time.Second}},
		{"discord", 429, "3", `{"retry_after":"soon"}`, want{after: 3 * time.Second}},
		{"discord", 400, "", `{"embeds":["0"],"retry_after":5}`, want{permanent: true}},
		{"discord", 404, "", `{"message":"Unknown Webhook","code":10015}`, want{permanent: true, gone: true}},
		{"discord", 502, "", `<html>`, want{}},
		{"mattermost", 200, "", `ok`, want{ok: true}},
		{"mattermost", 400, "", `{"id":"web.incoming_webhook.channel.app_error","message":"Couldn't find the channel.","status_code":400}`, want{permanent: true}},
		{"mattermost", 404, "", `{"id":"web.incoming_webhook.invalid.app_error"}`, want{permanent: true}},
		{"mattermost", 429, "", `limit exceeded`, want{}},
		{"rocketchat", 200, "", `{"success":true}`, want{ok: true}},
		{"rocketchat", 200, "", `{"success":false,"error":"error-invalid-channel"}`, want{permanent: true}},
		{"rocketchat", 200, "", `{"success":false,"error":"Error, too many requests. Please slow down. You must wait 27 seconds before trying this endpoint again. [error-too-many-requests]"}`, want{after: 27 * time.Second}},
		{"rocketchat", 429, "", `{"success":false,"error":"You must wait 27 seconds. [error-too-many-requests]"}`, want{after: 27 * time.Second}},
		{"rocketchat", 429, "", `{"success":false,"error":"You must wait a while."}`, want{}},
		{"rocketchat", 400, "", `{"success":false,"error":"Invalid integration id or token provided."}`, want{permanent: true}},
		{"rocketchat", 200, "", huge, want{ok: true}},
		{"teams", 202, "", ``, want{ok: true}},
		{"teams", 200, "", huge, want{ok: true}},
		{"teams", 404, "", `{"error":{"code":"WorkflowNotFound"}}`, want{permanent: true}},
		{"teams", 429, "17", `{"error":{"code":"WorkflowTriggerIsThrottled"}}`, want{after: 17 * time.Second}},
		{"teams", 502, "", `{"error":{"code":"NoResponse"}}`, want{}},
		{"googlechat", 200, "", `{"name":"spaces/A/messages/B"}`, want{ok: true}},
		{"googlechat", 400, "", `{"error":{"code":400,"status":"INVALID_ARGUMENT"}}`, want{permanent: true}},
		{"googlechat", 403, "", `{"error":{"code":403,"status":"PERMISSION_DENIED"}}`, want{permanent: true}},
		{"googlechat", 404, "", `{"error":{"code":404,"status":"NOT_FOUND"}}`, want{permanent: true}},
		{"googlechat", 429, "", `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}`, want{}},
		{"googlechat", 503, "", `{"error":{"code":503,"status":"UNAVAILABLE"}}`, want{}},
		{"telegram", 200, "", `{"ok":true,"result":{"message_id":42}}`, want{ok: true, id: "42"}},
		{"telegram", 200, "", `{"ok":false,"error_code":400,"description":"Bad Request"}`, want{permanent: true}},
		{"telegram", 200, "", `{"ok":false,"error_code":429,"parameters":{"retry_after":7}}`, want{after: 7 * time.Second}},
		{"telegram", 200, "", `{"ok":false}`, want{permanent: true}},
		{"telegram", 200, "", huge, want{ok: true}},
		{"telegram", 429, "", `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}`, want{after: 35 * time.Second}},
		{"telegram", 429, "9", `too many`, want{after: 9 * time.Second}},
		{"telegram", 400, "", `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, want{permanent: true}},
		{"telegram", 403, "", `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}`, want{permanent: true}},
		{"telegram", 404, "", `{"ok":false,"error_code":404,"description":"Not Found"}`, want{permanent: true}},
		{"matrix", 200, "", `{"event_id":"$abc"}`, want{ok: true, id: "$abc"}},
		{"matrix", 429, "", `{"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":2500}`, want{after: 2500 * time.Millisecond}},
		{"matrix", 429, "4", `{"errcode":"M_LIMIT_EXCEEDED"}`, want{after: 4 * time.Second}},
		{"matrix", 401, "", `{"errcode":"M_UNKNOWN_TOKEN","soft_logout":false}`, want{permanent: true}},
		{"matrix", 403, "", `{"errcode":"M_FORBIDDEN"}`, want{permanent: true}},
		{"matrix", 413, "", `{"errcode":"M_TOO_LARGE"}`, want{permanent: true}},
		{"matrix", 500, "", `{"errcode":"M_UNKNOWN"}`, want{}},
		{"matrix", 200, "", huge, want{ok: true}},
		{"zulip", 200, "", `{"result":"success","msg":"","id":42}`, want{ok: true, id: "42"}},
		{"zulip", 200, "", `{"result":"error","msg":"x","code":"BAD_REQUEST"}`, want{permanent: true}},
		{"zulip", 429, "", `{"result":"error","code":"RATE_LIMIT_HIT","msg":"API usage exceeded rate limit","retry-after":28.706807374954224}`, want{after: 28706807374 * time.Nanosecond}},
		{"zulip", 200, "", `{"result":"error","code":"RATE_LIMIT_HIT","retry-after":2}`, want{after: 2 * time.Second}},
		{"zulip", 400, "", `{"result":"error","code":"STREAM_DOES_NOT_EXIST","msg":"Channel 'x' does not exist"}`, want{permanent: true}},
		{"zulip", 401, "", `{"result":"error","code":"UNAUTHORIZED","msg":"Invalid API key"}`, want{permanent: true}},
		{"zulip", 502, "", `<html>`, want{}},
		{"ntfy", 200, "", `{"id":"hwQ2YpKdmg","time":1,"event":"message"}`, want{ok: true, id: "hwQ2YpKdmg"}},
		{"ntfy", 429, "", `{"code":42901,"http":429,"error":"limit reached: too many requests"}`, want{}},
		{"ntfy", 400, "", `{"code":40009,"http":400,"error":"invalid request: topic invalid"}`, want{permanent: true}},
		{"ntfy", 403, "", `{"code":40301,"http":403,"error":"forbidden"}`, want{permanent: true}},
		{"ntfy", 507, "", `{"code":50701,"http":507}`, want{}},
		{"gotify", 200, "", `{"id":25,"appid":5}`, want{ok: true}},
		{"gotify", 401, "", `{"error":"Unauthorized","errorCode":401}`, want{permanent: true}},
		{"gotify", 400, "", `{"error":"Bad Request","errorCode":400}`, want{permanent: true}},
		{"gotify", 500, "", ``, want{}},
		{"telegram", 500, "", `{"ok":false,"error_code":500}`, want{}},
	} {
		t.Run(fmt.Sprintf("%s %d %.40s", tt.typ, tt.status, tt.body), func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			answer, err := newSink(t, Config{Type: tt.typ, URL: address(tt.typ, srv.URL)}).Send(t.Context(), sample())
			got := want{ok: err == nil, id: answer.RemoteID}
			if fail := new(notify.SendError); errors.As(err, &fail) {
				got.permanent, got.gone, got.after = fail.Permanent, fail.Gone, fail.RetryAfter
			}
			if got != tt.want || answer.Status != tt.status {
				t.Errorf("got %+v, %+v, want %+v: %v", answer, got, tt.want, err)
			}
		})
	}
}

// TestChatRedacts holds that an answer gives no secret away which is only a part of
// a part of the address.
func TestChatRedacts(t *testing.T) {
	for _, tt := range []struct{ typ, url, secret string }{
		{"telegram", "https://api.example/bot123456:hush-token/sendMessage?chat_id=-100123", "123456:hush-token"},
		{"ntfy", "https://ntfy.example/alerts?auth=QmVhcmVyIGh1c2gtdG9rZW4", "hush-token"},
		{"matrix", "https://m.example/_matrix/client/v3/rooms/!a:b?access_token=hush-token", "hush-token"},
		{"gotify", "https://push.example/message?token=hush-token", "hush-token"},
		{"zulip", "https://bot:hush-token@zulip.example/?to=general", "hush-token"},
		{"googlechat", "https://chat.example/v1/spaces/A/messages?key=k&token=hush-token", "hush-token"},
	} {
		c := Config{Type: tt.typ, URL: tt.url, Client: &http.Client{Transport: answers{401, "unknown: " + tt.secret + "!"}}}
		answer, err := newSink(t, c).Send(t.Context(), sample())
		if want := "unknown: [redacted]!"; answer.Text != want || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %+v, %v", tt.typ, answer, err)
		}
	}
}

// answers is a transport that always answers the same.
type answers struct {
	status int
	body   string
}

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// TestLeastImportantFirst holds what is cut first: of an event with more sources
// than fit, the summary stays whole.
func TestLeastImportantFirst(t *testing.T) {
	m := messages()["new"]
	e := &m.Items[0].Event
	e.Summary = strings.Repeat("A sentence of the summary. ", 18) + "Its end."
	e.Sources = nil
	for range 12 {
		e.Sources = append(e.Sources, notify.Source{Title: strings.Repeat("<&\"\\ ", 60), URL: "https://example.org/" + strings.Repeat("x", 400)})
	}
	for _, typ := range chats() {
		text := strings.Join(texts(t, payload(t, Config{Type: typ}, m), false), "\n")
		if !strings.Contains(strings.ReplaceAll(text, "\\", ""), "Its end.") || !strings.Contains(text, "2025-01-28") {
			t.Errorf("%s: the summary is cut before the sources are:\n%s", typ, text)
		}
	}
	var order []string
	l := limits{1, 100, 2, 100, 100, 100, 6, 200, 100, 500}
	for before := l; l.reduce(); before = l {
		switch {
		case l.sources < before.sources:
			order = append(order, "sources")
		case l.names < before.names:
			order = append(order, "names")
		case l.summary < before.summary:
			order = append(order, "summary")
		case l.title < before.title:
			order = append(order, "title")
		}
	}
	order = slices.Compact(order)
	if want := []string{"sources", "names", "summary", "title"}; !slices.Equal(order, want) {
		t.Errorf("%q go, want %q", order, want)
	}
}

func TestSentences(t *testing.T) {
	p := pen{func(s string) string { return s }, units}
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"One. Two.", 20, "One. Two."},
		{"One sentence. Another sentence that is long.", 30, "One sentence. …"},
		{"One. Another sentence that is long, and goes on.", 30, "One. Another sentence that is…"},
		{"No 3.14159265358979 end of it here", 20, "No 3.14159265358979…"},
		{"一つ目の文。二つ目の文はとても長いです。", 10, "一つ目の文。 …"},
		{"", 5, ""},
		{"abc", 0, ""},
	} {
		if got := p.sentences(tt.text, tt.limit); got != tt.want {
			t.Errorf("%q, %d: got %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

func FuzzPen(f *testing.F) {
	for _, text := range worstTexts() {
		f.Add(text+text, 20)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = min(max(limit, 0), 500)
		for name, e := range map[string]escaper{
			"none": {}, "markdown": {backslash: "\\`*_~|[]<>#!&$", gapped: "@:~#", lines: true}, "html": {entities: true, gapped: "@#$/"},
			"swapped": {swapped: map[rune]rune{'*': '∗'}, gapped: "@#:]<+!$", lines: true, dot: '․'},
		} {
			p := pen{e.text, units}
			for _, got := range []string{p.text(text, limit), p.line(text, limit), p.sentences(text, limit)} {
				if units(got) > limit || !utf8.ValidString(got) {
					t.Errorf("%s: %q within %d gives %q", name, text, limit, got)
				}
				if i := strings.Index(got, "@"); i >= 0 && i+1 < len(got) && !strings.HasPrefix(got[i+1:], gap) && got[i+1:] == strings.TrimLeftFunc(got[i+1:], unicode.IsSpace) {
					t.Errorf("%s: %q has a mention", name, got)
				}
				if strings.Contains(got, "://") {
					t.Errorf("%s: %q has an address", name, got)
				}
			}
		}
	})
}

func TestLinkAddress(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.org/a_(b)?x=@here&y=[z]*'~":      "https://example.org/a_%28b%29?x=%40here&y=%5Bz%5D%2A%27%7E",
		"https://[::1]:80/x":                              "https://[::1]:80/x",
		"https://example.org":                             "https://example.org",
		"javascript:alert(1)":                             "",
		"https://user@example.org/":                       "",
		"https://example.org/" + strings.Repeat("(", 300): "",
	} {
		if got, ok := linkAddress(in, 500); ok != (want != "") || ok && got != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, ok, want)
		}
	}
}
