package sink

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"tocsin/notify"
)

// webSub tells a WebSub hub that feeds have changed, so that it fetches them and
// passes them on to who subscribed there. WebSub leaves to hubs how they are told
// (W3C Recommendation, section 6); what they all take is PubSubHubbub's way (0.3,
// section 7.1): a form with hub.mode=publish and a hub.url for every feed. A hub
// that answers 2xx has accepted that, and delivered nothing yet.
type webSub struct{ *poster }

func newWebSub(_ Config, p *poster) (notify.Sender, error) { return &webSub{p}, nil }

// Send implements notify.Sender.
func (w *webSub) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Feeds) == 0 {
		return notify.Answer{}, &notify.SendError{Permanent: true, Err: errors.New("the message names no feed")}
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	return w.post(ctx, renderPing(d.Message), header)
}

func renderPing(m notify.Message) []byte {
	form := url.Values{"hub.mode": {"publish"}, "hub.url": m.Feeds}
	return []byte(form.Encode())
}
