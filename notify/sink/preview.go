package sink

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"tocsin/notify"
)

// Request is what a sink sends, without its secrets.
type Request struct {
	Method string `json:"method"`
	// Header holds what tocsin sets itself, and of what the configuration sets the
	// names.
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// Preview returns the request that the sink of c makes of d where it is a message of
// its own, and sends nothing. Its error holds no secret.
func Preview(ctx context.Context, c Config, d notify.Delivery) (Request, error) {
	var sent *http.Request
	var body []byte
	c.Client = &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
		sent = r
		var err error
		body, err = io.ReadAll(r.Body)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, err
	})}
	s, err := New(c)
	if err != nil {
		return Request{}, err
	}
	if _, err := s.Send(ctx, d); err != nil {
		return Request{}, err
	}
	p, ok := s.(interface{ redactor() *redactor })
	if !ok || sent == nil {
		return Request{}, errors.New("the sink makes no request")
	}
	r := Request{Method: sent.Method, Header: make(map[string]string), Body: p.redactor().clean(string(body))}
	for name, values := range sent.Header {
		switch name {
		case "Content-Type", "User-Agent", "Webhook-Id":
			r.Header[name] = strings.Join(values, ", ")
		case "Webhook-Timestamp", "Webhook-Signature": // another at each attempt
		default:
			r.Header[name] = redacted
		}
	}
	return r, nil
}

func (p *poster) redactor() *redactor { return p.redact }

// trip is an http.RoundTripper.
type trip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
