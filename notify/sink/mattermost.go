package sink

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tocsin/notify"
)

// maxMattermost is how long a text of Mattermost may be, in characters
// (https://developers.mattermost.com/integrate/webhooks/incoming, "Tips and best
// practices"; model.PostMessageMaxRunesV2). The parts stay below it together.
const maxMattermost = 16_383

// attachments posts to the incoming webhook of a tool that takes Slack's older
// form, a text and attachments, with Markdown in them: Mattermost, Rocket.Chat. The
// text is the first line, which phones show, the attachment the rest.
type attachments struct {
	*poster
	templates templates
	pen       pen
	markup    markup
	full      limits
	most      int // of all texts, by pen
}

// newMattermost makes the sink of a Mattermost, which answers 200 and "ok".
func newMattermost(c Config, p *poster) (notify.Sender, error) {
	// Its Markdown is CommonMark's, where a backslash works before all of ASCII's
	// punctuation; on top of that come :emoji:, ~channel and #hashtag.
	e := escaper{backslash: "\\`*_~|[]<>#!&$", gapped: "@:~#", lines: true}
	return &attachments{
		poster: p, templates: newTemplates(c), pen: pen{e.text, runes}, markup: markdown("\n"), most: maxMattermost,
		full: limits{sources: 10, source: 200, names: 15, value: 1000, summary: 3000, changes: 2000, batch: 20, body: 10_000, title: 250, address: 1000},
	}, nil
}

// Send implements notify.Sender.
func (s *attachments) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, s.render(d.Message), asJSON())
}

// The payload, as much of it as is used.
type (
	attachmentMessage struct {
		Text        string       `json:"text"`
		Attachments []attachment `json:"attachments"`
	}
	attachment struct {
		Color  string            `json:"color"`
		Text   string            `json:"text"`
		Fields []attachmentField `json:"fields,omitempty"`
	}
	attachmentField struct {
		Short bool   `json:"short"`
		Title string `json:"title"`
		Value string `json:"value"`
	}
)

func (s *attachments) render(m notify.Message) []byte {
	title, body := s.templates.custom(m)
	return encode(fit(s.full, func(l limits) attachmentMessage {
		return s.message(m, compose(m, title, body, s.pen, l))
	}, s.fits))
}

func (s *attachments) message(m notify.Message, p parts) attachmentMessage {
	a := attachment{Color: fmt.Sprintf("#%06x", color(m))}
	for _, f := range p.facts {
		a.Fields = append(a.Fields, attachmentField{!slices.Contains([]string{"Tags", "Actors"}, f.name), f.name, f.text})
	}
	p.facts = nil // a field each
	a.Text = strings.Join(p.text(s.markup), s.markup.paragraph)
	return attachmentMessage{s.markup.bold(p.line), []attachment{a}}
}

func (s *attachments) fits(m attachmentMessage) bool {
	a := m.Attachments[0]
	total := s.pen.size(m.Text) + s.pen.size(a.Text)
	for _, f := range a.Fields {
		total += s.pen.size(f.Title) + s.pen.size(f.Value)
	}
	return total <= s.most
}
