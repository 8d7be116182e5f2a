package sink

import (
	"context"
	"errors"
	"strings"

	"tocsin/notify"
)

// maxGotify bounds the payload. Gotify states no limit; phones do not show as much.
const maxGotify = 16_000

// gotify creates messages of an application of Gotify, https://HOST/message, with
// the application's token in the header X-Gotify-Key or as ?token=, which is moved
// there. The body is CommonMark.
type gotify struct {
	*poster
	templates   templates
	pen, titles pen
}

func newGotify(c Config, p *poster) (notify.Sender, error) {
	to, query := *p.url, p.url.Query()
	if token := query.Get("token"); token != "" {
		p.header.Set("X-Gotify-Key", token)
		query.Del("token")
	}
	if p.header.Get("X-Gotify-Key") == "" && p.header.Get("Authorization") == "" {
		return nil, errors.New("url: has no token; add ?token= and the application's, or headers: {X-Gotify-Key: <TOKEN>}")
	}
	if to.Path = strings.TrimRight(to.Path, "/"); !strings.HasSuffix(to.Path, "/message") {
		to.Path += "/message"
	}
	to.RawPath, to.Fragment = "", ""
	p.url = withQuery(&to, query)
	// A backslash does not stop the literal autolinks of GFM, gaps do.
	e := escaper{backslash: "\\`*_~|[]<>#!&$", gapped: "@:", lines: true}
	return &gotify{p, newTemplates(c), pen{e.text, bytesOf}, pen{escaper{}.text, bytesOf}}, nil
}

// Send implements notify.Sender.
func (s *gotify) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	return s.post(ctx, s.render(d.Message), asJSON())
}

// The payload, as much of it as is used.
type (
	gotifyMessage struct {
		Title    string       `json:"title"`
		Message  string       `json:"message"`
		Priority int          `json:"priority"`
		Extras   gotifyExtras `json:"extras"`
	}
	gotifyExtras struct {
		Display      gotifyDisplay       `json:"client::display"`
		Notification *gotifyNotification `json:"client::notification,omitempty"`
	}
	gotifyDisplay struct {
		ContentType string `json:"contentType"`
	}
	gotifyNotification struct {
		Click gotifyClick `json:"click"`
	}
	gotifyClick struct {
		URL string `json:"url"`
	}
)

func (s *gotify) render(m notify.Message) []byte {
	title, body := s.templates.custom(m)
	k := markdown("  \n")
	full := limits{sources: 10, source: 200, names: 15, value: 1000, summary: 3000, changes: 2000, batch: 20, body: 10_000, title: 250, address: 1000}
	return fit(full, func(l limits) []byte {
		p := compose(m, title, body, s.pen, l)
		_, line := headline(m, title, l.title)
		out := gotifyMessage{
			Title: s.titles.line(line, 2*l.title), Message: strings.Join(p.text(k), k.paragraph), Priority: gotifyPriority(m),
			Extras: gotifyExtras{Display: gotifyDisplay{"text/markdown"}},
		}
		if out.Message == "" { // which Gotify refuses
			out.Message = p.line
		}
		if p.page != "" {
			out.Extras.Notification = &gotifyNotification{gotifyClick{p.page}}
		}
		return encode(out)
	}, func(payload []byte) bool { return len(payload) <= maxGotify })
}

// gotifyPriority is 1 to 10 as an importance is: from 4 on a phone makes a sound,
// from 8 on it insists.
func gotifyPriority(m notify.Message) int {
	if n := m.Items[0].Event.Importance; m.Type != notify.TypeTest && n > 0 {
		return min(n, 10)
	}
	return 4
}
