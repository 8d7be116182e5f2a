package sink

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"tocsin/notify"
)

// maxTelegram is how long a text may be "after entities parsing"
// (https://core.telegram.org/bots/api#sendmessage), in UTF-16 units as all of
// Telegram's lengths (https://core.telegram.org/api/entities#entity-length).
const maxTelegram = 4096

// telegram has a bot write to a chat, in Telegram's HTML. The address is that of
// the method and its fixed parameters:
//
//	https://api.telegram.org/bot<TOKEN>/sendMessage?chat_id=-1001234&message_thread_id=5
//
// It answers 200 and {"ok":true}, with the message; 400 and 403 are permanent (no
// such chat, the bot was removed); 429 says in parameters.retry_after how long to
// wait. It takes one message a second in a chat and 20 a minute in a group.
type telegram struct {
	*poster
	templates   templates
	pen         pen
	chat        string
	thread      int
	quiet, lock bool // disable_notification, protect_content
}

func newTelegram(c Config, p *poster) (notify.Sender, error) {
	s := &telegram{poster: p, templates: newTemplates(c)}
	to, query := *p.url, p.url.Query()
	path := strings.TrimRight(to.Path, "/")
	token := ""
	for segment := range strings.SplitSeq(path, "/") {
		if t, ok := strings.CutPrefix(segment, "bot"); ok && strings.Contains(t, ":") {
			token = t
		}
	}
	if token == "" {
		return nil, errors.New("url: has no bot's token; write it like https://api.telegram.org/bot<TOKEN>/sendMessage?chat_id=<CHAT>")
	}
	if !strings.HasSuffix(path, "/sendMessage") {
		if !strings.HasSuffix(path, "bot"+token) {
			return nil, errors.New("url: is not that of sendMessage; write it like https://api.telegram.org/bot<TOKEN>/sendMessage?chat_id=<CHAT>")
		}
		path += "/sendMessage"
	}
	if s.chat = query.Get("chat_id"); s.chat == "" {
		return nil, errors.New("url: has no chat; add ?chat_id= and the chat's number or @name")
	}
	if t := query.Get("message_thread_id"); t != "" {
		n, err := strconv.Atoi(t)
		if err != nil || n <= 0 {
			return nil, errors.New("url: message_thread_id is not a number")
		}
		s.thread = n
	}
	s.quiet, s.lock = query.Get("disable_notification") == "true", query.Get("protect_content") == "true"
	to.Path, to.RawPath, to.RawQuery, to.Fragment, to.ForceQuery = path, "", "", "", false
	p.redact = newRedactor(c, p.url, token)
	p.url = &to
	p.ruling = reader(func(status int, body telegramAnswer) ruling {
		said := ruling{retryAfter: body.Parameters.RetryAfter, remoteID: string(body.Result.MessageID)}
		if body.OK != nil && !*body.OK {
			said.status = max(body.Code, 400)
			// To an edit that has arrived before.
			said.taken = strings.Contains(body.Description, "message is not modified")
		}
		return said
	})
	e := escaper{entities: true, gapped: "@#$/"}
	s.pen = pen{e.text, telegramUnits}
	return s, nil
}

type telegramAnswer struct {
	OK   *bool `json:"ok"`
	Code int   `json:"error_code"`

	Description string `json:"description"`
	Result      struct {
		MessageID jsonInteger `json:"message_id"`
	} `json:"result"`
	Parameters struct {
		RetryAfter float64 `json:"retry_after"`
	} `json:"parameters"`
}

// Send implements notify.Sender.
func (s *telegram) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, encode(s.message(d.Message)), asJSON())
}

// Edit implements notify.Editor (https://core.telegram.org/bots/api#editmessagetext).
func (s *telegram) Edit(ctx context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	return s.again(ctx, d, remoteID, func() (notify.Answer, error) {
		if strings.Trim(remoteID, "0123456789") != "" {
			return notify.Answer{}, errNoMessage()
		}
		to := *s.url
		to.Path = strings.TrimSuffix(to.Path, "sendMessage") + "editMessageText"
		m := s.message(d.Message)
		m.ThreadID, m.Quiet, m.Protected = 0, false, false // of new messages only
		return s.send(ctx, http.MethodPost, &to, encode(telegramEdit{m, json.Number(remoteID)}), asJSON())
	})
}

// Reply implements notify.Threader by an answer to the first message
// (https://core.telegram.org/bots/api#replyparameters). That it is refused where that
// one is gone is Telegram's default.
func (s *telegram) Reply(ctx context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	return s.again(ctx, d, remoteID, func() (notify.Answer, error) {
		if strings.Trim(remoteID, "0123456789") != "" {
			return notify.Answer{}, errNoMessage()
		}
		return s.post(ctx, encode(telegramReply{s.message(d.Message), telegramReplyTo{json.Number(remoteID)}}), asJSON())
	})
}

// telegramMessage is the payload, as much of it as is used.
type telegramMessage struct {
	ChatID    string          `json:"chat_id"`
	ThreadID  int             `json:"message_thread_id,omitempty"`
	Text      string          `json:"text"`
	ParseMode string          `json:"parse_mode"`
	Preview   telegramPreview `json:"link_preview_options"`
	Quiet     bool            `json:"disable_notification,omitempty"`
	Protected bool            `json:"protect_content,omitempty"`
}

type telegramPreview struct {
	Disabled bool `json:"is_disabled"`
}

// telegramEdit is the payload of a change.
type telegramEdit struct {
	telegramMessage
	MessageID json.Number `json:"message_id"`
}

// telegramReply is the payload of an answer.
type (
	telegramReply struct {
		telegramMessage
		To telegramReplyTo `json:"reply_parameters"`
	}
	telegramReplyTo struct {
		MessageID json.Number `json:"message_id"`
	}
)

func (s *telegram) message(m notify.Message) telegramMessage {
	return telegramMessage{
		ChatID: s.chat, ThreadID: s.thread, Text: s.text(m), ParseMode: "HTML",
		Preview: telegramPreview{true}, Quiet: s.quiet, Protected: s.lock,
	}
}

func (s *telegram) text(m notify.Message) string {
	title, body := s.templates.custom(m)
	k := htmlMarkup("\n")
	full := limits{sources: 10, source: 200, names: 15, value: 500, summary: 2000, changes: 1000, batch: 20, body: 3500, title: 250, address: 1000}
	return fit(full, func(l limits) string {
		p := compose(m, title, body, s.pen, l)
		return strings.Join(append([]string{k.bold(p.line)}, p.text(k)...), k.paragraph)
	}, func(text string) bool { return telegramUnits(text) <= maxTelegram })
}

// telegramUnits counts what is left of HTML once it is read: no tags, and a
// character for an entity. Every < and & of it is ours.
func telegramUnits(text string) (n int) {
	for {
		i := strings.IndexAny(text, "<&")
		if i < 0 {
			return n + units(text)
		}
		n += units(text[:i])
		end := ">"
		if text[i] == '&' {
			end, n = ";", n+1
		}
		_, text, _ = strings.Cut(text[i:], end)
	}
}
