package sink

import (
	"context"
	"errors"
	"html"
	"strings"

	"tocsin/event"
	"tocsin/notify"
)

// Google Chat's limits: 32,000 bytes for a message with its cards
// (https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages),
// with some room, and 4000 characters for a thread's key.
const (
	maxGoogleChat    = 31_000
	googleChatThread = 4000
)

// googleChat posts a card to a webhook of a space:
//
//	https://chat.googleapis.com/v1/spaces/SPACE/messages?key=…&token=…
//
// A thread is that of a key: the event's entry id, or a threadKey in the address for
// all messages. A space takes 60 requests a minute, and its 429 does not say how long
// to wait.
type googleChat struct {
	*poster
	templates   templates
	html, plain pen
	thread      bool
}

func newGoogleChat(c Config, p *poster) (notify.Sender, error) {
	query := p.url.Query()
	one := query.Get("threadKey") != "" || query.Get("thread.threadKey") != ""
	if c.Thread && one {
		return nil, errors.New("url: has a threadKey, the one thread of all messages; remove it, or write updates: post")
	}
	if (c.Thread || one) && query.Get("messageReplyOption") == "" {
		query.Set("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")
	}
	s := &googleChat{poster: p, templates: newTemplates(c), thread: c.Thread}
	p.url = withQuery(p.url, query)
	s.html = pen{escaper{entities: true}.text, jsonSize}
	s.plain = pen{escaper{gapped: "<"}.text, jsonSize} // <users/all> is a mention in text
	return s, nil
}

// Send implements notify.Sender.
func (s *googleChat) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, s.render(d.Message), asJSON())
}

// The payload, as much of it as is used.
type (
	googleMessage struct {
		FallbackText string         `json:"fallbackText"` // what phones' notifications say
		Cards        []googleCardID `json:"cardsV2"`
		Thread       *googleThread  `json:"thread,omitempty"`
	}
	googleThread struct {
		Key string `json:"threadKey"`
	}
	googleCardID struct {
		ID   string     `json:"cardId"`
		Card googleCard `json:"card"`
	}
	googleCard struct {
		Header   googleHeader    `json:"header"`
		Sections []googleSection `json:"sections"`
	}
	googleHeader struct {
		Title    string `json:"title"`
		Subtitle string `json:"subtitle,omitempty"`
	}
	googleSection struct {
		Widgets []googleWidget `json:"widgets"`
	}
	googleWidget struct {
		Paragraph *googleText    `json:"textParagraph,omitempty"`
		Decorated *googleFact    `json:"decoratedText,omitempty"`
		Buttons   *googleButtons `json:"buttonList,omitempty"`
	}
	googleText struct {
		Text string `json:"text"`
	}
	googleFact struct {
		Label string `json:"topLabel"`
		Text  string `json:"text"`
		Wrap  bool   `json:"wrapText"`
	}
	googleButtons struct {
		Buttons []googleButton `json:"buttons"`
	}
	googleButton struct {
		Text  string      `json:"text"`
		Click googleClick `json:"onClick"`
	}
	googleClick struct {
		Open googleLink `json:"openLink"`
	}
	googleLink struct {
		URL string `json:"url"`
	}
)

func (s *googleChat) render(m notify.Message) []byte {
	title, body := s.templates.custom(m)
	full := limits{sources: 10, source: 200, names: 15, value: 1000, summary: 3000, changes: 2000, batch: 20, body: 15_000, title: 250, address: 1000}
	return fit(full, func(l limits) []byte {
		head, line := headline(m, title, l.title)
		out := s.message(compose(m, title, body, s.html, l))
		out.FallbackText = s.plain.line(line, 2*l.title)
		out.Cards[0].Card.Header = googleHeader{s.plain.line(head, 2*l.title), s.plain.line(m.Timeline, 200)}
		if s.thread && m.Type != notify.TypeBatch && m.Items[0].Event.FeedID != "" {
			key := strings.NewReplacer("<", "%3C", ">", "%3E").Replace(m.Items[0].Event.FeedID)
			out.Thread = &googleThread{short(key, googleChatThread)}
		}
		return encode(out)
	}, func(payload []byte) bool { return len(payload) <= maxGoogleChat })
}

func (s *googleChat) message(p parts) googleMessage {
	k := htmlMarkup("<br>")
	var widgets []googleWidget
	paragraph := func(text string) {
		if text != "" {
			widgets = append(widgets, googleWidget{Paragraph: &googleText{text}})
		}
	}
	list := p.list(k)
	rest := p
	rest.facts, rest.sources, rest.entries, rest.more = nil, nil, nil, 0
	rest.page, rest.feed, rest.timeline = "", "", "" // which have places of their own
	for _, text := range rest.text(k) {
		paragraph(text)
	}
	for _, f := range p.facts {
		widgets = append(widgets, googleWidget{Decorated: &googleFact{f.name, f.text, true}})
	}
	if !p.custom {
		paragraph(list)
	}
	buttons := p.buttons()
	if len(buttons) == 0 && p.home != "" {
		buttons = []anchor{{"Open the timeline", p.home}}
	}
	if len(buttons) > 0 {
		all := &googleButtons{}
		for _, b := range buttons {
			all.Buttons = append(all.Buttons, googleButton{b.text, googleClick{googleLink{b.address}}})
		}
		widgets = append(widgets, googleWidget{Buttons: all})
	}
	if len(widgets) == 0 { // a section must have one
		paragraph(p.line)
	}
	return googleMessage{Cards: []googleCardID{{"tocsin", googleCard{Sections: []googleSection{{widgets}}}}}}
}

// htmlMarkup is the markup of the tools that take some HTML.
func htmlMarkup(end string) markup {
	return markup{
		bold: func(s string) string { return "<b>" + s + "</b>" },
		link: func(text, address string) string {
			return `<a href="` + html.EscapeString(address) + `">` + text + "</a>"
		},
		line: end, paragraph: end + end, item: "• ",
	}
}

// short returns a name that stays the same for an id and has at most most
// characters.
func short(id string, most int) string {
	r := []rune(id)
	if len(r) <= most {
		return id
	}
	suffix := event.Suffix(id)
	return strings.TrimRight(string(r[:most-len(suffix)-1]), "-/ ") + "-" + suffix
}
