package sink

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"tocsin/notify"
)

// maxMatrix bounds a message's content. A whole event may have 65,536 bytes
// (https://spec.matrix.org/latest/client-server-api/#size-limits), of which
// servers add some, and may write what we did in more.
const maxMatrix = 40_000

// matrix sends notices to a room of Matrix:
//
//	https://HOST/_matrix/client/v3/rooms/!room:server
//
// with an access token in the header Authorization or as ?access_token=, which is
// moved there. The delivery's id is the transaction's: of several attempts that
// arrive the server keeps one. It answers 200 with the event's id, and 429 with
// retry_after_ms.
type matrix struct {
	*poster
	templates   templates
	html, plain pen
}

func newMatrix(c Config, p *poster) (notify.Sender, error) {
	const example = "write it like https://<HOST>/_matrix/client/v3/rooms/<!ROOM>"
	before, after, ok := strings.Cut(p.url.EscapedPath(), "/rooms/")
	if !ok || !strings.Contains(before, "/_matrix/client/") {
		return nil, errors.New("url: has no room; " + example)
	}
	room, rest, _ := strings.Cut(strings.TrimRight(after, "/"), "/")
	if room, _ = url.PathUnescape(room); !strings.HasPrefix(room, "!") || len(room) == 1 {
		return nil, errors.New("url: the room is not an id, which begins with ! and is in the room's settings under Advanced; " + example)
	}
	if rest != "" && rest != "send" && !strings.HasPrefix(rest, "send/m.room.message") {
		return nil, errors.New("url: goes on after the room; " + example)
	}
	query := p.url.Query()
	if token := query.Get("access_token"); token != "" {
		p.header.Set("Authorization", "Bearer "+token)
		query.Del("access_token")
	}
	if p.header.Get("Authorization") == "" {
		return nil, errors.New("url: has no access token; add headers: {Authorization: Bearer <TOKEN>}, or ?access_token=<TOKEN>")
	}
	p.url = withQuery(p.url, query)
	p.url.RawPath = before + "/rooms/" + url.PathEscape(room) + "/send/m.room.message"
	p.url.Path, _ = url.PathUnescape(p.url.RawPath)
	p.url.Fragment = ""
	p.ruling = reader(func(status int, body struct {
		EventID    string  `json:"event_id"`
		RetryAfter float64 `json:"retry_after_ms"`
	}) ruling {
		return ruling{remoteID: body.EventID, retryAfter: body.RetryAfter / 1000}
	})
	return &matrix{
		poster: p, templates: newTemplates(c),
		html: pen{escaper{entities: true, gapped: "@#!"}.text, jsonSize}, plain: pen{escaper{gapped: "@#!"}.text, jsonSize},
	}, nil
}

// Send implements notify.Sender.
func (s *matrix) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.send(ctx, http.MethodPut, s.transaction(d.ID), encode(s.content(d.Message, maxMatrix)), asJSON())
}

// Edit implements notify.Editor by an event that replaces the one before
// (https://spec.matrix.org/latest/client-server-api/#event-replacements). It is a
// transaction of its own, so that d can still be sent where it is refused.
func (s *matrix) Edit(ctx context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	return s.again(ctx, d, remoteID, func() (notify.Answer, error) {
		// Content and new content have to share the room.
		c := s.content(d.Message, maxMatrix/2)
		e := matrixEdit{matrixContent: c, New: c, Relates: matrixRelation{Type: "m.replace", EventID: remoteID}}
		e.Body, e.HTML = "* "+c.Body, "* "+c.HTML // for clients that know no edits
		return s.send(ctx, http.MethodPut, s.transaction(d.ID+"-edit"), encode(e), asJSON())
	})
}

// Reply implements notify.Threader by an event in the thread of the first message
// (https://spec.matrix.org/latest/client-server-api/#threading), and a transaction as
// in Edit. Clients that know no threads show it as an answer.
func (s *matrix) Reply(ctx context.Context, d notify.Delivery, remoteID string) (notify.Answer, error) {
	return s.again(ctx, d, remoteID, func() (notify.Answer, error) {
		e := matrixReply{s.content(d.Message, maxMatrix), matrixRelation{
			Type: "m.thread", EventID: remoteID, FallingBack: true, ReplyTo: &matrixReplyTo{remoteID},
		}}
		return s.send(ctx, http.MethodPut, s.transaction(d.ID+"-reply"), encode(e), asJSON())
	})
}

// transaction is the address of the one request that a delivery may become.
func (s *matrix) transaction(id string) *url.URL {
	return under(s.url, "/"+id)
}

// matrixContent is the payload, as much of it as is used.
type matrixContent struct {
	Type     string   `json:"msgtype"` // m.notice: bots do not answer it
	Body     string   `json:"body"`
	Format   string   `json:"format"`
	HTML     string   `json:"formatted_body"`
	Mentions struct{} `json:"m.mentions"` // nobody
}

// The payloads of a change and of an answer.
type (
	matrixEdit struct {
		matrixContent
		New     matrixContent  `json:"m.new_content"`
		Relates matrixRelation `json:"m.relates_to"`
	}
	matrixReply struct {
		matrixContent
		Relates matrixRelation `json:"m.relates_to"`
	}
	matrixRelation struct {
		Type        string         `json:"rel_type"`
		EventID     string         `json:"event_id"`
		FallingBack bool           `json:"is_falling_back,omitempty"` // ReplyTo is for clients without threads
		ReplyTo     *matrixReplyTo `json:"m.in_reply_to,omitempty"`
	}
	matrixReplyTo struct {
		EventID string `json:"event_id"`
	}
)

// content returns what a message says in at most limit bytes.
func (s *matrix) content(m notify.Message, limit int) matrixContent {
	title, body := s.templates.custom(m)
	full := limits{sources: 10, source: 200, names: 15, value: 1000, summary: 3000, changes: 2000, batch: 20, body: 10_000, title: 250, address: 1000}
	return fit(full, func(l limits) matrixContent {
		h, t := htmlMarkup("<br>"), plainMarkup()
		rich, plain := compose(m, title, body, s.html, l), compose(m, title, body, s.plain, l)
		var b strings.Builder
		for _, text := range append([]string{h.bold(rich.line)}, rich.text(h)...) {
			b.WriteString("<p>" + text + "</p>")
		}
		return matrixContent{
			Type: "m.notice", Format: "org.matrix.custom.html", HTML: b.String(),
			Body: strings.Join(append([]string{plain.line}, plain.text(t)...), t.paragraph),
		}
	}, func(c matrixContent) bool { return len(encode(c)) <= limit })
}

// plainMarkup is that of a tool that has none.
func plainMarkup() markup {
	return markup{
		bold: func(s string) string { return s },
		link: func(text, address string) string { return text + " " + address },
		line: "\n", paragraph: "\n\n", item: "• ",
	}
}
