package sink

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"tocsin/notify"
)

// Limits of ntfy (https://docs.ntfy.sh/publish/#limitations): a message of more
// than 4096 bytes would arrive as an attachment.
const maxNtfy = 4096

// ntfy publishes to a topic of a server of ntfy, https://ntfy.sh/TOPIC, as JSON,
// which goes to the server's root. A password is taken from the address, from
// ?auth= or from the header Authorization. Messages are plain text. A 429 does not
// say how long to wait.
type ntfy struct {
	*poster
	templates templates
	pen       pen
	topic     string
}

func newNtfy(c Config, p *poster) (notify.Sender, error) {
	to, query := *p.url, p.url.Query()
	segments := strings.Split(strings.Trim(to.Path, "/"), "/")
	last := len(segments) - 1
	if verb := segments[last]; last > 0 && (verb == "publish" || verb == "send" || verb == "trigger") {
		last-- // as a GET would have it
	}
	topic := segments[last]
	if topic == "" || len(topic) > 64 || strings.Trim(topic, "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return nil, errors.New("url: has no topic; write it like https://ntfy.sh/<TOPIC>, with 1 to 64 of A-Z, a-z, 0-9, _ and -")
	}
	if auth := query.Get("auth"); auth != "" {
		value, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(auth), "="))
		if err != nil || checkHeader("Authorization", string(value)) != nil {
			return nil, errors.New("url: auth is not base64 of what Authorization would say; write headers: {Authorization: Bearer <TOKEN>} instead")
		}
		p.header.Set("Authorization", string(value))
		_, token, _ := strings.Cut(string(value), " ")
		p.redact = newRedactor(c, p.url, string(value), token)
	}
	to.Path = strings.Join(append([]string{""}, segments[:last]...), "/") + "/"
	to.RawPath, to.RawQuery, to.Fragment, to.ForceQuery = "", "", "", false
	p.url = &to
	p.ruling = reader(func(status int, body struct {
		ID string `json:"id"`
	}) ruling {
		return ruling{remoteID: body.ID}
	})
	return &ntfy{p, newTemplates(c), pen{escaper{}.text, bytesOf}, topic}, nil
}

// Send implements notify.Sender.
func (s *ntfy) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, encode(s.message(d.Message)), asJSON())
}

// Edit implements notify.Editor: what is published with the id of the first
// message as its sequence takes that one's place
// (https://docs.ntfy.sh/publish/#updating-deleting-notifications). Servers before
// 2.16 know no sequences, and show it as another message.
func (s *ntfy) Edit(ctx context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	return s.again(ctx, d, remoteID, func() (notify.Answer, error) {
		m := s.message(d.Message)
		m.Sequence = remoteID
		return s.post(ctx, encode(m), asJSON())
	})
}

// The payload, as much of it as is used.
type (
	ntfyMessage struct {
		Topic    string       `json:"topic"`
		Title    string       `json:"title"`
		Message  string       `json:"message"`
		Priority int          `json:"priority"`
		Click    string       `json:"click,omitempty"`
		Actions  []ntfyAction `json:"actions,omitempty"` // three at most
		Sequence string       `json:"sequence_id,omitempty"`
	}
	ntfyAction struct {
		Action string `json:"action"`
		Label  string `json:"label"`
		URL    string `json:"url"`
	}
)

func (s *ntfy) message(m notify.Message) ntfyMessage {
	title, body := s.templates.custom(m)
	k := plainMarkup()
	full := limits{sources: 5, source: 150, names: 10, value: 300, summary: 1500, changes: 600, batch: 10, body: 3000, title: 250, address: 500}
	return fit(full, func(l limits) ntfyMessage {
		p := compose(m, title, body, s.pen, l)
		out := ntfyMessage{Topic: s.topic, Title: p.line, Priority: ntfyPriority(m), Click: p.page}
		if out.Click == "" {
			out.Click = p.home
		}
		for _, b := range p.buttons() {
			out.Actions = append(out.Actions, ntfyAction{"view", b.text, b.address})
		}
		p.page, p.feed = "", "" // buttons each
		if len(out.Actions) > 0 {
			p.home = ""
		}
		if out.Message = strings.Join(p.text(k), "\n"); out.Message == "" {
			out.Message = p.line // ntfy would say "triggered"
		}
		return out
	}, func(out ntfyMessage) bool { return len(out.Message) <= maxNtfy })
}

// ntfyPriority is 1 to 5, of which 3 is the usual, for the importance of the most
// important event.
func ntfyPriority(m notify.Message) int {
	switch n := m.Items[0].Event.Importance; {
	case m.Type == notify.TypeTest, n <= 0:
		return 3
	case n >= 10:
		return 5
	case n >= 8:
		return 4
	case n >= 4:
		return 3
	}
	return 2
}
