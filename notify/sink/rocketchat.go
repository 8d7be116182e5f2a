package sink

import (
	"net/http"
	"strconv"
	"strings"

	"tocsin/notify"
)

// maxRocketChat is how long a message may be where nobody changed the setting
// Message_MaxAllowedSize, in UTF-16 units, which is what JavaScript counts. The
// parts stay below it together.
const maxRocketChat = 5000

// newRocketChat makes the sink of an incoming integration of Rocket.Chat. It
// answers {"success":true}, and a failure as {"success":false,"error":"…"}, be it
// behind a 200. How long to wait after a 429 is in the words of its error.
func newRocketChat(c Config, p *poster) (notify.Sender, error) {
	p.ruling = reader(func(status int, body struct {
		Success *bool  `json:"success"`
		Error   string `json:"error"`
	}) ruling {
		var said ruling
		if body.Success == nil || *body.Success {
			return said
		}
		said.status = http.StatusBadRequest
		if strings.Contains(body.Error, "error-too-many-requests") {
			said.status = http.StatusTooManyRequests
		}
		if _, rest, ok := strings.Cut(body.Error, "must wait "); ok {
			seconds, _, _ := strings.Cut(rest, " ")
			if n, err := strconv.ParseUint(seconds, 10, 16); err == nil {
				said.retryAfter = float64(n)
			}
		}
		return said
	})
	// Its parser (packages/message-parser) takes backslashes in some places and not
	// in others, such as the text of a link, and nearly anything for a domain.
	e := escaper{
		swapped: map[rune]rune{'*': '∗', '_': 'ˍ', '~': '∼', '`': 'ˋ', '\\': '⧵'},
		gapped:  "@#:]<+!$", lines: true, dot: '․',
	}
	k := markdown("\n")
	k.bold = func(s string) string { return "*" + s + "*" }
	return &attachments{
		poster: p, templates: newTemplates(c), pen: pen{e.text, units}, markup: k, most: maxRocketChat,
		full: limits{sources: 10, source: 200, names: 15, value: 500, summary: 2000, changes: 1000, batch: 20, body: 3500, title: 250, address: 500},
	}, nil
}
