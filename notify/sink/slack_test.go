package sink

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"tocsin/notify"
)

func newTestSlack(t *testing.T, c Config) *slack {
	t.Helper()
	c.Type, c.URL = "slack", "https://hooks.slack.example/services/T/B/X"
	return newSink(t, c).(*slack)
}

func TestSlackGolden(t *testing.T) {
	s := newTestSlack(t, Config{})
	for name, m := range messages() {
		t.Run(name, func(t *testing.T) { golden(t, "slack_"+name, s.render(m)) })
	}
}

// slackFaults checks a payload against Slack's limits and looks for mentions and
// for links that nobody meant.
func slackFaults(payload []byte) (faults []string) {
	fail := func(format string) { faults = append(faults, format) }
	if len(payload) >= maxSlack {
		fail("over 13,000 bytes")
	}
	type text struct {
		Type, Text string
		Verbatim   bool
	}
	var m struct {
		Text   string
		Blocks []struct {
			Type     string
			Text     *text
			Fields   []text
			Elements []struct {
				Type string
				Text json.RawMessage
				URL  string
			}
		}
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return []string{err.Error()}
	}
	mention := regexp.MustCompile(`(?i)@(channel|here|everyone)\b`)
	link := regexp.MustCompile(`<(https?://[^<>| ]+)\|([^<>|\n]+)>`)
	check := func(s string, most int, mrkdwn bool) {
		if s == "" {
			fail("an empty text")
		}
		if units(s) > most {
			fail("over the limit: " + s)
		}
		if mention.MatchString(s) {
			fail("a mention: " + s)
		}
		if strings.ContainsAny(s, "\u202e\u2066\x00\x1b\u2028") {
			fail("an invisible character: " + s)
		}
		if !mrkdwn {
			if strings.Contains(s, "<!") || strings.Contains(s, "<@") {
				fail("a mention in plain text: " + s)
			}
			return
		}
		rest := link.ReplaceAllString(s, "")
		if strings.ContainsAny(rest, "<>") {
			fail("a bare < or >: " + rest)
		}
		if regexp.MustCompile(`&(amp|lt|gt);`).ReplaceAllString(rest, "") != strings.ReplaceAll(regexp.MustCompile(`&(amp|lt|gt);`).ReplaceAllString(rest, ""), "&", "") {
			fail("a bare &: " + rest)
		}
	}
	check(m.Text, 1000, true)
	if len(m.Blocks) == 0 || len(m.Blocks) > 50 || m.Blocks[0].Type != "header" {
		fail("1 to 50 blocks, a header first")
	}
	for _, b := range m.Blocks {
		switch b.Type {
		case "header":
			if b.Text.Type != "plain_text" {
				fail("header not plain_text")
			}
			check(b.Text.Text, 150, false)
		case "section":
			if b.Text == nil && len(b.Fields) == 0 || len(b.Fields) > 10 {
				fail("section without text, or over 10 fields")
			}
			if b.Text != nil {
				check(b.Text.Text, 3000, true)
				if !b.Text.Verbatim {
					fail("not verbatim")
				}
			}
			for _, f := range b.Fields {
				check(f.Text, 2000, true)
				if !f.Verbatim {
					fail("not verbatim")
				}
			}
		case "context":
			var s string
			if err := json.Unmarshal(b.Elements[0].Text, &s); err != nil {
				fail(err.Error())
			}
			check(s, 2000, true)
		case "actions":
			var s text
			if err := json.Unmarshal(b.Elements[0].Text, &s); err != nil {
				fail(err.Error())
			}
			check(s.Text, 75, false)
			if u := b.Elements[0].URL; len(u) > 3000 || !strings.HasPrefix(u, "http") || strings.ContainsAny(u, "<>| ") {
				fail("button's address: " + u)
			}
		default:
			fail("block " + b.Type)
		}
	}
	return faults
}

func TestSlackLimits(t *testing.T) {
	s := newTestSlack(t, Config{})
	all := worstMessages()
	for name, m := range messages() {
		all["sample_"+name] = m
	}
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := s.render(m)
			for _, f := range slackFaults(payload) {
				t.Errorf("%.300s", f)
			}
			if !bytes.Equal(payload, s.render(m)) {
				t.Error("another payload each time")
			}
		})
	}
	// Templates cannot do what events cannot.
	for name, m := range all {
		t.Run("template_"+name, func(t *testing.T) {
			t.Parallel()
			s := newTestSlack(t, Config{
				Title: template.Must(template.New("").Parse("{{.Event.Title}} <!here> @channel\n{{.Event.Summary}}")),
				Body:  template.Must(template.New("").Parse("*{{.Kind}}* {{range .Items}}<{{.Event.URL}}|{{.Event.Title}}>{{.Event.Summary}}{{end}} @everyone")),
			})
			for _, f := range slackFaults(s.render(m)) {
				t.Errorf("%.300s", f)
			}
		})
	}
}

func TestSlackLink(t *testing.T) {
	s := newTestSlack(t, Config{})
	for _, tt := range []struct{ address, text, want string }{
		{"https://example.org/a", "A", "<https://example.org/a|A>"},
		{"http://example.org/a?b=1&c=2", "A & B", "<http://example.org/a?b=1&amp;c=2|A &amp; B>"},
		{"https://example.org/a|b>c<d e", "x|y>z", "<https://example.org/a%7Cb%3Ec%3Cd%20e|x¦y&gt;z>"},
		{"https://example.org/?q=a|b>c", "q", "<https://example.org/?q=a%7Cb%3Ec|q>"},
		{"https://example.org/@here", "@here", "<https://example.org/%40here|@\u200bhere>"},
		{"https://bank.example@evil.example/", "bank", "bank"},
		{"javascript:alert(1)", "x", "x"},
		{"//example.org/", "x", "x"},
		{"mailto:a@example.org", "x", "x"},
		{"https:///path", "x", "x"},
		{"!channel", "x", "x"},
		{"https://example.org/\n<!channel>", "x", "x"},
		{"https://example.org/" + strings.Repeat("a", 1000), "x", "x"},
		{"https://example.org/?" + strings.Repeat("&", 900), "x", "x"},
		{"", "x\ny", "x y"},
		{"https://example.org/", "", ""},
		{"https://example.org/ä?ö=ü", "x", "<https://example.org/%C3%A4?ö=ü|x>"},
	} {
		if got := s.link(tt.address, tt.text, 100); got != tt.want {
			t.Errorf("link(%q, %q) = %q, want %q", tt.address, tt.text, got, tt.want)
		}
	}
}

func TestSlackMrkdwn(t *testing.T) {
	s := newTestSlack(t, Config{})
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"a & b < c > d \"e\" 'f'", 100, "a &amp; b &lt; c &gt; d \"e\" 'f'"},
		{"&amp;", 100, "&amp;amp;"},
		{"<!channel> @channel @HERE @everyone, bob@hereford.example", 100, "&lt;!channel&gt; @\u200bchannel @\u200bHERE @\u200beveryone, bob@hereford.example"},
		{"&&&&", 12, "&amp;&amp;…"},
		{"&&&&", 20, "&amp;&amp;&amp;&amp;"},
		{"😀😀😀", 5, "😀😀…"},
		{"", 5, ""},
	} {
		if got := s.mrkdwn(tt.text, tt.limit); got != tt.want {
			t.Errorf("mrkdwn(%q, %d) = %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

func TestSlackAnswers(t *testing.T) {
	for _, tt := range []struct {
		status     int
		body, want string
	}{
		{200, "ok", ""},
		{200, "queued", ""},
		{400, "invalid_payload", "refused: status 400 Bad Request: invalid_payload"},
		{403, "action_prohibited", "refused: status 403 Forbidden: action_prohibited"},
		{404, "channel_not_found", "refused: status 404 Not Found: channel_not_found"},
		{410, "channel_is_archived", "refused: status 410 Gone: channel_is_archived"},
		{429, "rate_limited", "asked to wait 30s: status 429 Too Many Requests: rate_limited"},
		{500, "rollup_error", "status 500 Internal Server Error: rollup_error"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tt.status == 429 {
				w.Header().Set("Retry-After", "30")
			}
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		}))
		answer, err := newSink(t, Config{Type: "slack", URL: srv.URL}).Send(t.Context(), sample())
		srv.Close()
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != tt.want || answer != (notify.Answer{Status: tt.status, Text: tt.body}) {
			t.Errorf("%d %s: got %q, %+v", tt.status, tt.body, text, answer)
		}
	}
}
