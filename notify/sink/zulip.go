package sink

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"tocsin/notify"
)

// Zulip's limits (https://zulip.com/api/send-message; max_topic_length and
// max_message_length of a server), in code points.
const (
	zulipContent = 10_000
	zulipTopic   = 60
)

// zulip has a bot write to a channel of Zulip:
//
//	https://BOT-EMAIL:KEY@HOST/api/v1/messages?to=CHANNEL&topic=TOPIC
//
// Without a topic that is the timeline's title. As a thread each event has a topic of
// its own, which stays the same when its title changes or its file moves. It answers
// {"result":"success"}, or "error", and takes 200 requests a minute.
type zulip struct {
	*poster
	templates templates
	pen       pen
	form      url.Values // its fixed part
	inChannel bool       // not to persons
	thread    bool
}

func newZulip(c Config, p *poster) (notify.Sender, error) {
	const example = "write it like https://<BOT-EMAIL>:<KEY>@<HOST>/api/v1/messages?to=<CHANNEL>"
	to, query := *p.url, p.url.Query()
	path := strings.TrimRight(to.Path, "/")
	switch {
	case path == "":
		path = "/api/v1/messages"
	case !strings.HasSuffix(path, "/api/v1/messages"):
		return nil, errors.New("url: is not that of messages; " + example)
	}
	if p.header.Get("Authorization") == "" {
		return nil, errors.New("url: has no bot; " + example)
	}
	form := url.Values{"type": {"stream"}}
	for _, name := range []string{"type", "to", "topic"} {
		if v := query.Get(name); v != "" {
			form.Set(name, v)
		}
	}
	if form.Get("to") == "" {
		return nil, errors.New("url: has no channel; " + example)
	}
	inChannel := form.Get("type") == "stream" || form.Get("type") == "channel"
	switch {
	case c.Thread && !inChannel:
		return nil, errors.New("url: is not that of a channel, which alone has topics; remove type, or write updates: post")
	case c.Thread && form.Get("topic") != "":
		return nil, errors.New("url: has a topic, the one of all messages; remove it, or write updates: post")
	}
	to.Path, to.RawPath, to.RawQuery, to.Fragment, to.ForceQuery = path, "", "", "", false
	p.url = &to
	p.ruling = reader(func(status int, body struct {
		Result     string      `json:"result"`
		Code       string      `json:"code"`
		ID         jsonInteger `json:"id"`
		RetryAfter float64     `json:"retry-after"` // seconds, with a fraction
	}) ruling {
		said := ruling{remoteID: string(body.ID), retryAfter: body.RetryAfter}
		switch {
		case body.Result != "error":
		case body.Code == "RATE_LIMIT_HIT":
			said.status = http.StatusTooManyRequests
		default:
			said.status = http.StatusBadRequest
		}
		return said
	})
	// Zulip's Markdown has no backslashes, and gaps do not stop emphasis and code
	// (zerver/lib/markdown: EMPHASIS_RE, BACKTICK_RE).
	e := escaper{swapped: map[rune]rune{'*': '∗', '`': 'ˋ'}, gapped: "@#:~$]<&!|\\{", lines: true}
	return &zulip{p, newTemplates(c), pen{e.text, runes}, form, inChannel, c.Thread}, nil
}

// Send implements notify.Sender.
func (s *zulip) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, s.render(d.Message), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

func (s *zulip) render(m notify.Message) []byte {
	form := url.Values{"content": {s.content(m)}}
	for name, v := range s.form {
		form[name] = v
	}
	if form.Get("topic") == "" && s.inChannel {
		form.Set("topic", s.topic(m))
	}
	return []byte(form.Encode())
}

func (s *zulip) content(m notify.Message) string {
	title, body := s.templates.custom(m)
	k := markdown("\n")
	full := limits{sources: 10, source: 200, names: 15, value: 1000, summary: 3000, changes: 2000, batch: 20, body: 8000, title: 250, address: 1000}
	return fit(full, func(l limits) string {
		p := compose(m, title, body, s.pen, l)
		return strings.Join(append([]string{k.bold(p.line)}, p.text(k)...), k.paragraph)
	}, func(text string) bool { return runes(text) <= zulipContent })
}

// topic is that of a message. An event's own is its entry id without what all entry
// ids have in common.
func (s *zulip) topic(m notify.Message) string {
	e := m.Items[0].Event
	topic := e.ID
	if !s.thread || m.Type == notify.TypeBatch || m.Type == notify.TypeTest {
		topic = m.Timeline
	} else if parts := strings.SplitN(e.FeedID, ":", 3); len(parts) == 3 { // tag:AUTHORITY,DATE:SPECIFIC
		if specific, err := url.PathUnescape(parts[2]); err == nil {
			topic = specific
		}
	}
	if topic = oneLine(topic); topic == "" {
		return "Changes"
	}
	return short(escaper{}.text(topic), zulipTopic)
}
