package sink

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"

	"tocsin/notify"
)

// Slack's limits (https://docs.slack.dev/reference/block-kit/blocks). Slack does
// not say what a character is: they are counted here in UTF-16 units, of which no
// text has fewer than characters. For the message as a whole it states no limit;
// about 13,000 characters are what webhooks are known to take.
const (
	maxSlack       = 13_000 // bytes of the whole payload
	slackHeader    = 150
	slackSection   = 3000
	slackField     = 2000
	slackAddress   = 3000 // bytes of a button's address
	slackContext   = 300  // of the timeline's name; no limit of Slack's
	slackTitle     = 200  // of a title in `text` and in a batch
	slackNames     = 10   // tags or actors listed
	slackSources   = 10
	slackBatch     = 20   // events of a batch that are named; 50 blocks in all
	slackLeastSize = 5    // percent, see render
	slackLink      = 1000 // bytes of a link's address in text; no limit of Slack's
)

// slack posts to an incoming webhook of Slack, as a message in blocks. Slack
// answers 200 and "ok"; 400 invalid_payload, 403 and 404 are permanent; 410
// means that the channel was archived. It gives messages no id, so none can be
// changed later.
type slack struct {
	*poster
	templates templates
	mentions  *regexp.Regexp
}

func newSlack(c Config, p *poster) (notify.Sender, error) {
	return &slack{
		poster:    p,
		templates: newTemplates(c),
		mentions:  regexp.MustCompile(`(?i)@(channel|everyone|here|group|all)\b`),
	}, nil
}

// Send implements notify.Sender.
func (s *slack) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, s.render(d.Message), asJSON())
}

// The payload, as much of it as is used.
type (
	slackMessage struct {
		Text        string       `json:"text"` // what notifications and screen readers say
		Blocks      []slackBlock `json:"blocks"`
		UnfurlLinks bool         `json:"unfurl_links"` // off: sources would unfold into previews
		UnfurlMedia bool         `json:"unfurl_media"`
	}
	slackBlock struct {
		Type     string         `json:"type"`
		Text     *slackText     `json:"text,omitempty"`
		Fields   []slackText    `json:"fields,omitempty"`
		Elements []slackElement `json:"elements,omitempty"`
	}
	slackText struct {
		Type     string `json:"type"`
		Text     string `json:"text"`
		Verbatim bool   `json:"verbatim,omitempty"` // mrkdwn: make no links and mentions out of words
	}
	// slackElement is a button, or the mrkdwn text of a context.
	slackElement struct {
		Type     string `json:"type"`
		Text     any    `json:"text"` // a *slackText, or a string
		Verbatim bool   `json:"verbatim,omitempty"`
		URL      string `json:"url,omitempty"`
	}
)

// render returns the payload for m, under maxSlack bytes. Where the parts at
// their own limits are too much together, all of them shrink alike, in steps, to
// slackLeastSize percent, at which nothing is too long.
func (s *slack) render(m notify.Message) []byte {
	title, body := s.templates.custom(m)
	for percent := 100; ; percent = max(percent*3/4, slackLeastSize) {
		b := encode(s.message(m, title, body, percent))
		if len(b) < maxSlack || percent == slackLeastSize {
			return b
		}
	}
}

func (s *slack) message(m notify.Message, title, body *string, percent int) slackMessage {
	part := func(limit int) int { return limit * percent / 100 }
	first := m.Items[0]
	batch := m.Type == notify.TypeBatch

	head, text := headline(m, title, part(slackTitle))
	out := slackMessage{Text: s.mrkdwn(text, 2*slackTitle)}
	out.Blocks = append(out.Blocks, slackBlock{Type: "header", Text: s.plain(head, slackHeader)})
	if m.Type == notify.TypeTest {
		out.section(testNote)
	}
	switch {
	case body != nil:
		out.section(s.mrkdwn(*body, part(slackSection)))
	case batch:
		s.list(&out, m, percent)
	default:
		s.event(&out, first, percent)
	}
	if !batch {
		if address, ok := webAddress(first.Event.URL, slackAddress); ok {
			out.Blocks = append(out.Blocks, slackBlock{Type: "actions", Elements: []slackElement{
				{Type: "button", Text: s.plain("Open the event", slackHeader), URL: address},
			}})
		}
	}
	var about []string
	if name := oneLine(m.Timeline); name != "" {
		about = append(about, s.link(m.Home, name, slackContext))
	}
	if link := s.link(first.Event.Feed, "Feed", slackContext); !batch && strings.HasPrefix(link, "<") {
		about = append(about, link)
	}
	if len(about) > 0 {
		out.Blocks = append(out.Blocks, slackBlock{Type: "context", Elements: []slackElement{
			{Type: "mrkdwn", Text: strings.Join(about, " · "), Verbatim: true},
		}})
	}
	return out
}

// section adds a section of mrkdwn; none for an empty text, which Slack refuses.
func (m *slackMessage) section(mrkdwn string) {
	if mrkdwn != "" {
		m.Blocks = append(m.Blocks, slackBlock{Type: "section", Text: &slackText{"mrkdwn", mrkdwn, true}})
	}
}

// event adds what there is to say of one event.
func (s *slack) event(out *slackMessage, it notify.Item, percent int) {
	part := func(limit int) int { return limit * percent / 100 }
	if lines := changes(it); len(lines) > 0 {
		out.section("*Changed:* " + s.mrkdwn(strings.Join(lines, " · "), part(slackSection)-len("*Changed:* ")))
	}
	out.section(s.mrkdwn(strings.TrimSpace(legible(it.Event.Summary)), part(slackSection)))

	e := it.Event
	var fields []slackText
	for _, f := range facts(e, slackNames) {
		label := "*" + f.name + "*\n"
		if v := s.mrkdwn(oneLine(f.text), part(slackField)-len(label)); v != "" {
			fields = append(fields, slackText{"mrkdwn", label + v, true})
		}
	}
	if len(fields) > 0 {
		out.Blocks = append(out.Blocks, slackBlock{Type: "section", Fields: fields})
	}
	out.section(s.sources(e.Sources, part(slackSection)))
}

// sources lists the first of an event's sources as links and counts the rest.
func (s *slack) sources(list []notify.Source, limit int) string {
	if len(list) == 0 {
		return ""
	}
	text, shown := "*Sources*", 0
	for _, source := range list {
		name := oneLine(source.Title)
		if name == "" {
			name = oneLine(source.URL)
		}
		line := "\n• " + s.link(source.URL, name, slackTitle)
		// The last line counts the others in at most 20 characters.
		if name == "" || shown == slackSources || units(text+line)+20 > limit {
			break
		}
		text += line
		shown++
	}
	switch rest := len(list) - shown; {
	case shown == 0:
		return fmt.Sprintf("*Sources*: %d", rest)
	case rest > 0:
		text += fmt.Sprintf("\nand %d more", rest)
	}
	return text
}

// list adds the most important events of a batch, each in a section of its own,
// so that what looks like markup in one title does not reach into the next.
func (s *slack) list(out *slackMessage, m notify.Message, percent int) {
	shown := min(len(m.Items), max(slackBatch*percent/100, 3))
	for _, it := range m.Items[:shown] {
		line := s.link(it.Event.URL, titleOf(it.Event), slackTitle)
		notes := []string{kindWord(m, it)}
		if it.Event.Date != "" {
			notes = append(notes, it.Event.Date)
		}
		if w := weight(it); w != "" {
			notes = append(notes, "importance "+w)
		}
		out.section(line + "\n" + s.mrkdwn(strings.Join(notes, " · "), slackTitle))
	}
	if rest := len(m.Items) - shown; rest > 0 {
		out.section(s.link(m.Home, fmt.Sprintf("and %d more", rest), slackTitle))
	}
}

// mrkdwn escapes text and cuts it so that its escaped form has at most limit
// units. Only &, < and > are escaped: they begin all of Slack's links and
// mentions. Emphasis in a text stays what it is.
func (s *slack) mrkdwn(text string, limit int) string {
	escape := func(text string) string {
		text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
		return s.mentions.ReplaceAllString(text, "@\u200b$1")
	}
	return escape(cut(legible(text), limit, func(t string) int { return units(escape(t)) }))
}

// plain returns a plain_text of at most limit units. Slack escapes it itself and
// reads no mention in it; they are broken all the same.
func (s *slack) plain(text string, limit int) *slackText {
	escape := func(text string) string {
		text = strings.NewReplacer("<!", "<\u200b!", "<@", "<\u200b@", "<#", "<\u200b#").Replace(text)
		return s.mentions.ReplaceAllString(text, "@\u200b$1")
	}
	text = cut(oneLine(text), limit, func(t string) int { return units(escape(t)) })
	return &slackText{Type: "plain_text", Text: escape(text)}
}

// link returns text as a link; as text alone where address cannot be linked to.
// The text is cut to limit units. An address holds no | < > and no space any
// more, and a text no | and, escaped, no >: neither can end the link early.
func (s *slack) link(address, text string, limit int) string {
	text = s.mrkdwn(strings.ReplaceAll(oneLine(text), "|", "¦"), limit)
	address, ok := webAddress(address, slackLink)
	address = s.mentions.ReplaceAllString(strings.ReplaceAll(address, "&", "&amp;"), "%40$1")
	if !ok || text == "" || len(address) > slackLink {
		return text
	}
	return "<" + address + "|" + text + ">"
}

// units counts UTF-16 units.
func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
