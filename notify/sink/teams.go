package sink

import (
	"context"
	"errors"
	"strings"

	"tocsin/notify"
)

// maxTeams bounds the payload: "The message size limit is 28 KB"
// (https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using),
// with some room for what the flow puts around the card.
const maxTeams = 27_000

// teams posts an Adaptive Card to a webhook of the Workflows app, "Post to a
// channel when a webhook request is received". It answers 202; about four requests
// a second are taken. The connectors of Office 365, which had webhooks before, are
// switched off.
//
// All text of events stands in TextRuns, which know no Markdown, where that of a
// TextBlock or of a FactSet does
// (https://adaptivecards.io/explorer/TextRun.html). There is nothing to escape.
type teams struct {
	*poster
	templates templates
	pen       pen
}

func newTeams(c Config, p *poster) (notify.Sender, error) {
	if host := p.url.Hostname(); host == "outlook.office.com" || strings.HasSuffix(host, ".webhook.office.com") {
		return nil, errors.New("url: is that of an Office 365 connector, which Microsoft has switched off; make one in Teams with Workflows, Post to a channel when a webhook request is received")
	}
	return &teams{p, newTemplates(c), pen{escaper{}.text, jsonSize}}, nil
}

// Send implements notify.Sender.
func (s *teams) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, s.render(d.Message), asJSON())
}

// The payload, as much of it as is used.
type (
	teamsMessage struct {
		Type        string            `json:"type"`
		Attachments []teamsAttachment `json:"attachments"`
	}
	teamsAttachment struct {
		ContentType string    `json:"contentType"`
		Content     teamsCard `json:"content"`
	}
	teamsCard struct {
		Schema       string        `json:"$schema"`
		Type         string        `json:"type"`
		Version      string        `json:"version"`
		FallbackText string        `json:"fallbackText"` // where the card cannot be shown
		Speak        string        `json:"speak"`
		Body         []teamsBlock  `json:"body"`
		Actions      []teamsAction `json:"actions,omitempty"`
		Teams        teamsWidth    `json:"msteams"`
	}
	teamsWidth struct {
		Width string `json:"width"`
	}
	teamsBlock struct {
		Type    string     `json:"type"`
		Inlines []teamsRun `json:"inlines"`
		Spacing string     `json:"spacing,omitempty"`
	}
	teamsRun struct {
		Type   string       `json:"type"`
		Text   string       `json:"text"`
		Size   string       `json:"size,omitempty"`
		Weight string       `json:"weight,omitempty"`
		Subtle bool         `json:"isSubtle,omitempty"`
		Action *teamsAction `json:"selectAction,omitempty"`
	}
	teamsAction struct {
		Type  string `json:"type"`
		Title string `json:"title,omitempty"`
		URL   string `json:"url"`
	}
)

func (s *teams) render(m notify.Message) []byte {
	title, body := s.templates.custom(m)
	full := limits{sources: 10, source: 200, names: 15, value: 1000, summary: 3000, changes: 2000, batch: 20, body: 15_000, title: 250, address: 1000}
	return fit(full, func(l limits) []byte {
		return encode(s.message(compose(m, title, body, s.pen, l)))
	}, func(payload []byte) bool { return len(payload) <= maxTeams })
}

func (s *teams) message(p parts) teamsMessage {
	card := teamsCard{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.5",
		FallbackText: p.line, Speak: p.line, Teams: teamsWidth{"Full"},
	}
	card.add("", teamsRun{Text: p.line, Size: "Large", Weight: "Bolder"})
	card.add("", teamsRun{Text: p.note})
	if p.changes != "" {
		card.add("", label("Changed: "), teamsRun{Text: p.changes})
	}
	for line := range strings.SplitSeq(p.body+p.summary, "\n") { // never both
		card.add("", teamsRun{Text: strings.TrimSpace(line)})
	}
	for _, f := range p.facts {
		card.add("Small", label(f.name+": "), teamsRun{Text: f.text})
	}
	more := moreOf(p)
	if len(p.sources) > 0 || len(p.entries) == 0 && more != "" {
		card.add("", label("Sources"))
	}
	for _, a := range p.sources {
		card.add("Small", a.run())
	}
	for _, e := range p.entries {
		card.add("", e.run(), teamsRun{Text: " – " + e.notes, Subtle: true})
	}
	if len(p.entries) > 0 {
		card.add("", anchor{more, p.home}.run())
	} else {
		card.add("Small", teamsRun{Text: more})
	}
	card.add("", func() teamsRun {
		run := anchor{p.timeline, p.home}.run()
		run.Subtle = true
		return run
	}())
	for _, b := range p.buttons() {
		card.Actions = append(card.Actions, teamsAction{"Action.OpenUrl", b.text, b.address})
	}
	return teamsMessage{"message", []teamsAttachment{{"application/vnd.microsoft.card.adaptive", card}}}
}

// add adds a paragraph, unless it would end with nothing.
func (c *teamsCard) add(spacing string, runs ...teamsRun) {
	if runs[len(runs)-1].Text == "" {
		return
	}
	for i := range runs {
		runs[i].Type = "TextRun"
	}
	c.Body = append(c.Body, teamsBlock{"RichTextBlock", runs, spacing})
}

func label(s string) teamsRun { return teamsRun{Text: s, Weight: "Bolder"} }

func (a anchor) run() teamsRun {
	run := teamsRun{Text: a.text}
	if a.address != "" {
		run.Action = &teamsAction{Type: "Action.OpenUrl", URL: a.address}
	}
	return run
}
