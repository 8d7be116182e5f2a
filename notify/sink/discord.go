package sink

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"tocsin/notify"
)

// Discord's limits (https://discord.com/developers/docs/resources/message,
// "Embed Limits"; content: "Create Message"). Discord counts UTF-16 units where it
// counts at all alike; no text has fewer of them than characters.
const (
	discordContent     = 2000
	discordDescription = 4096
	discordField       = 1024
	discordEmbeds      = 6000 // of all texts of all embeds
	discordThread      = 100  // a thread's name
)

// discord posts to a webhook of Discord: the first line as content, which phones
// show, and an embed with the rest. `?wait=true` has it answer with the message,
// whose id allows an edit; without it, what was not taken is not said. A 404 is
// the end of a webhook, or of its thread; Discord blocks who goes on.
//
// Webhooks begin threads in forums only, where every message needs one: what is not
// sent into the thread of an event begins another.
type discord struct {
	*poster
	templates  templates
	pen, plain pen
	thread     bool
}

func newDiscord(c Config, p *poster) (notify.Sender, error) {
	if path := strings.TrimRight(p.url.Path, "/"); strings.HasSuffix(path, "/slack") || strings.HasSuffix(path, "/github") {
		return nil, errors.New("url: takes another tool's messages; remove /slack or /github at its end")
	}
	query := p.url.Query()
	if c.Thread && query.Get("thread_id") != "" {
		return nil, errors.New("url: has a thread_id, the one thread of all messages; remove it, or write updates: post")
	}
	query.Set("wait", "true")
	p.url = withQuery(p.url, query)
	p.ruling = reader(func(status int, body struct {
		ID         string  `json:"id"`
		ChannelID  string  `json:"channel_id"`  // the thread's, where it is in one
		RetryAfter float64 `json:"retry_after"` // seconds, with a fraction
		Code       int     `json:"code"`
	}) ruling {
		const unknownChannel, unknownMessage = 10003, 10008 // to an answer, and to an edit
		said := ruling{remoteID: body.ID, retryAfter: body.RetryAfter, stays: body.Code == unknownMessage}
		if c.Thread {
			said.remoteID, said.stays = body.ChannelID, body.Code == unknownChannel
		}
		return said
	})
	p.lost = true
	// Discord's backslash works before everything but letters and digits.
	e := escaper{backslash: "\\`*_~|[]<>#", gapped: "@:", lines: true}
	return &discord{p, newTemplates(c), pen{e.text, units}, pen{escaper{gapped: "@<"}.text, units}, c.Thread}, nil
}

// Send implements notify.Sender.
func (s *discord) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, s.render(d.Message, s.thread), asJSON())
}

// Edit implements notify.Editor (https://discord.com/developers/docs/resources/webhook#edit-webhook-message).
func (s *discord) Edit(ctx context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	return s.again(ctx, d, remoteID, func() (notify.Answer, error) {
		return s.send(ctx, http.MethodPatch, under(s.url, "/messages/"+remoteID), s.render(d.Message, false), asJSON())
	})
}

// Reply implements notify.Threader by the thread that the first message began
// (https://discord.com/developers/docs/resources/webhook#execute-webhook).
func (s *discord) Reply(ctx context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	return s.again(ctx, d, remoteID, func() (notify.Answer, error) {
		query := s.url.Query()
		query.Set("thread_id", remoteID)
		return s.send(ctx, http.MethodPost, withQuery(s.url, query), s.render(d.Message, false), asJSON())
	})
}

// The payload, as much of it as is used.
type (
	discordMessage struct {
		Content         string          `json:"content"`
		Embeds          []discordEmbed  `json:"embeds"`
		AllowedMentions discordMentions `json:"allowed_mentions"`
		ThreadName      string          `json:"thread_name,omitempty"` // of the thread that it begins
	}
	// discordMentions allows none: Parse is empty and not null.
	discordMentions struct {
		Parse []string `json:"parse"`
	}
	discordEmbed struct {
		Description string             `json:"description,omitempty"`
		Color       int                `json:"color"`
		Timestamp   string             `json:"timestamp,omitempty"`
		Fields      []discordFieldText `json:"fields,omitempty"`
	}
	discordFieldText struct {
		Name   string `json:"name"`
		Value  string `json:"value"`
		Inline bool   `json:"inline"`
	}
)

// render returns the payload; begins says that it is to begin a thread.
func (s *discord) render(m notify.Message, begins bool) []byte {
	title, body := s.templates.custom(m)
	full := limits{sources: 10, source: 200, names: 15, value: 800, summary: 2000, changes: 1000, batch: 20, body: 3500, title: 250, address: 1000}
	return encode(fit(full, func(l limits) discordMessage {
		out := s.message(m, compose(m, title, body, s.pen, l))
		if begins {
			out.ThreadName = s.plain.line(threadName(m), discordThread)
		}
		return out
	}, discordFits))
}

// threadName is what the thread is called that a message begins: its event.
func threadName(m notify.Message) string {
	if m.Type == notify.TypeBatch || m.Type == notify.TypeTest {
		head, _ := headline(m, nil, discordThread)
		return head
	}
	return titleOf(m.Items[0].Event)
}

func (s *discord) message(m notify.Message, p parts) discordMessage {
	k := markdown("\n")
	embed := discordEmbed{Color: color(m), Timestamp: rfc3339(m.Time)}
	for _, f := range p.facts {
		long := f.name == "Tags" || f.name == "Actors"
		embed.Fields = append(embed.Fields, discordFieldText{f.name, f.text, !long})
	}
	p.facts = nil // a field each
	embed.Description = strings.Join(p.text(k), k.paragraph)
	return discordMessage{
		Content: k.bold(p.line), Embeds: []discordEmbed{embed}, AllowedMentions: discordMentions{Parse: []string{}},
	}
}

func discordFits(m discordMessage) bool {
	e := m.Embeds[0]
	total := units(e.Description)
	for _, f := range e.Fields {
		if units(f.Value) > discordField {
			return false
		}
		total += units(f.Name) + units(f.Value)
	}
	return units(m.Content) <= discordContent && units(e.Description) <= discordDescription && total <= discordEmbeds
}
