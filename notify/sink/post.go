package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"tocsin/notify"
)

// Bounds on one attempt. The chat tools answer in well under a second; a generic
// webhook may do its work before it answers, and Standard Webhooks advises
// senders to wait 15 to 30 seconds.
const (
	dialTimeout    = 5 * time.Second
	tlsTimeout     = 5 * time.Second
	headerTimeout  = 10 * time.Second
	attemptTimeout = 30 * time.Second

	idleTimeout   = 90 * time.Second
	idlePerHost   = 2
	maxHeader     = 64 << 10
	maxAnswer     = 64 << 10 // bytes read of a response's body
	maxAnswerText = 300      // runes kept of it

	// maxRetryAfter caps what a server may ask for: with more, a typo on its
	// side would silence the sink.
	maxRetryAfter = 24 * time.Hour
)

// poster posts bodies to one address and judges the answers. All sinks share its
// rules: 2xx is success; 408, 425, 429, 5xx and network faults may be tried
// again; 410 is the end of the address; everything else is permanent. A redirect
// is permanent too: a POST does not survive most of them, and a signed body
// should not go where nobody configured it to. What a tool says in the body of its
// answers is its own ruling's to read.
type poster struct {
	name, kind string
	url        *url.URL
	header     http.Header
	transport  http.RoundTripper
	timeout    time.Duration
	now        func() time.Time
	redact     *redactor
	// ruling reads the body of an answer; nil reads nothing in it.
	ruling func(status int, body []byte) ruling
	// lost is set where 404 is the end of an address, as 410 is.
	lost bool
}

// ruling is what a tool says in the body of an answer.
type ruling struct {
	// status stands for the status of the answer, which is not what happened: the
	// failure behind a 200; 0: it stands for itself.
	status int
	// taken says that it is a success all the same.
	taken bool
	// stays says that the address is not gone, whatever the status.
	stays bool
	// retryAfter is how many seconds the tool wants to be left alone; 0: the
	// header Retry-After says.
	retryAfter float64
	// remoteID is what the tool calls the message that it took.
	remoteID string
}

// reader makes a ruling of the JSON that a tool answers: read is called with what
// was decoded. A body that is something else, or broke off, says nothing.
func reader[T any](read func(status int, body T) ruling) func(int, []byte) ruling {
	return func(status int, body []byte) ruling {
		var v T
		if json.Unmarshal(body, &v) != nil {
			return ruling{}
		}
		return read(status, v)
	}
}

// String names the sink.
func (p *poster) String() string { return describe(p.name, p.kind) }

// Format prints String, whatever the verb: %+v, %#v and even %d of a plain
// struct would print its secrets. Senders embed a *poster to have it.
func (p *poster) Format(f fmt.State, _ rune) { fmt.Fprint(f, p.String()) }

// Close gives back the connections that are kept for the next message. Senders embed a
// *poster to be an io.Closer.
func (p *poster) Close() error {
	if t, ok := p.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

func newPoster(c Config) (*poster, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("url: not an absolute http or https address")
	}
	p := &poster{
		name: c.Name, kind: c.Type, url: u, now: c.Now,
		header:  http.Header{"User-Agent": {agent(c.Version)}},
		timeout: attemptTimeout,
		redact:  newRedactor(c, u),
	}
	transport, err := newTransport(c.CA)
	if err != nil {
		return nil, err
	}
	p.transport = transport
	if c.Client != nil {
		if c.Client.Transport != nil {
			p.transport = c.Client.Transport
		}
		if c.Client.Timeout > 0 {
			p.timeout = c.Client.Timeout
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		r := http.Request{Header: p.header}
		r.SetBasicAuth(u.User.Username(), password)
	}
	for name, value := range c.Headers {
		if err := checkHeader(name, value); err != nil {
			return nil, err
		}
		p.header.Set(name, value)
	}
	return p, nil
}

func agent(version string) string {
	if version == "" {
		return "tocsin"
	}
	return "tocsin/" + version
}

// checkHeader says why a configured header cannot be sent. The texts hold the
// name and never the value.
func checkHeader(name, value string) error {
	token := func(r rune) bool {
		return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !token(r) }) {
		return fmt.Errorf("headers: %q is no name of a header", name)
	}
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "webhook-") || slices.Contains([]string{"content-type", "content-length", "host"}, lower) {
		return fmt.Errorf("headers: %s is set by the sink itself; take it out", name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r != '\t' && unicode.IsControl(r) }) {
		return fmt.Errorf("headers: the value of %s holds a control character, maybe a line end", name)
	}
	return nil
}

// newTransport returns the transport of one sink, which trusts the authorities of the
// system, where SSL_CERT_FILE and SSL_CERT_DIR say, and those of ca.
func newTransport(ca string) (*http.Transport, error) {
	var trusted *tls.Config
	if ca != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(ca)) {
			return nil, errors.New("ca: holds no certificate in PEM")
		}
		trusted = &tls.Config{RootCAs: pool}
	}
	return &http.Transport{
		TLSClientConfig:        trusted,
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    tlsTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           idlePerHost,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}, nil
}

// post sends body once, with header beside the configured ones, and judges the
// answer. Its error is a *notify.SendError.
//
// It calls the transport and not an http.Client, which would follow redirects,
// keep cookies, and fail with the address in its text where a Location is
// malformed.
func (p *poster) post(ctx context.Context, body []byte, header http.Header) (notify.Answer, error) {
	return p.send(ctx, http.MethodPost, p.url, body, header)
}

// jsonInteger is an integer of JSON as it is written, or nothing for anything else.
type jsonInteger string

// UnmarshalJSON implements json.Unmarshaler.
func (n *jsonInteger) UnmarshalJSON(data []byte) error {
	if len(data) < 20 && strings.Trim(string(data), "0123456789") == "" {
		*n = jsonInteger(data)
	}
	return nil
}

// asJSON is the header of a body in JSON.
func asJSON() http.Header { return http.Header{"Content-Type": {"application/json; charset=utf-8"}} }

// withQuery returns u with another query.
func withQuery(u *url.URL, query url.Values) *url.URL {
	to := *u
	to.RawQuery = query.Encode()
	return &to
}

// again is send for what changes a message that is there already, or answers it: it
// keeps its name. A remoteID is a part of addresses; what none of the tools gives is
// refused.
func (p *poster) again(ctx context.Context, d notify.Delivery, remoteID string, send func() (notify.Answer, error)) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	if remoteID == "" || strings.ContainsFunc(remoteID, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/?#%\\", r) }) || strings.Trim(remoteID, ".") == "" {
		return notify.Answer{}, errNoMessage()
	}
	answer, err := send()
	if err == nil {
		answer.RemoteID = remoteID
	}
	return answer, err
}

func errNoMessage() error {
	return &notify.SendError{Permanent: true, Err: errors.New("no earlier message is known")}
}

// under returns u with more at the end of its path.
func under(u *url.URL, path string) *url.URL {
	to := *u
	to.Path = strings.TrimRight(to.Path, "/") + path
	to.RawPath = strings.TrimRight(u.EscapedPath(), "/") + (&url.URL{Path: path}).EscapedPath()
	return &to
}

// send is post with another method, or to an address below the configured one.
func (p *poster) send(ctx context.Context, method string, to *url.URL, body []byte, header http.Header) (notify.Answer, error) {
	attempt, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(attempt, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return notify.Answer{}, &notify.SendError{Permanent: true, Err: errors.New("url: no request can be made to it")}
	}
	for name, values := range p.header {
		req.Header[name] = values
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return notify.Answer{}, &notify.SendError{Err: networkFault(ctx, err)}
	}
	defer resp.Body.Close()
	// The status has decided; a body that breaks off changes nothing.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return p.judge(resp, text)
}

func (p *poster) judge(resp *http.Response, body []byte) (notify.Answer, error) {
	code := resp.StatusCode
	answer := notify.Answer{Status: code}
	redirect := code/100 == 3
	if !redirect { // whose body is the address to go to
		answer.Text = p.answerText(body)
	}
	var said ruling
	if p.ruling != nil {
		said = p.ruling(code, body)
	}
	if code/100 == 2 && said.status == 0 || said.taken {
		answer.RemoteID = said.remoteID
		return answer, nil
	}
	words := strings.TrimSpace(fmt.Sprintf("status %d %s", code, http.StatusText(code)))
	fail := &notify.SendError{Err: errors.New(words)}
	if answer.Text != "" {
		fail.Err = fmt.Errorf("%s: %s", words, answer.Text)
	}
	if code/100 == 2 {
		code = said.status
		fail.Err = fmt.Errorf("%w (the answer says %d)", fail.Err, code)
	}
	switch {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		fail.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), p.now())
		if said.retryAfter > 0 {
			fail.RetryAfter = time.Duration(min(said.retryAfter, maxRetryAfter.Seconds()) * float64(time.Second))
		}
	case code == http.StatusGone, code == http.StatusNotFound && p.lost && !said.stays:
		fail.Permanent, fail.Gone = true, true
	case redirect:
		fail.Permanent = true
		fail.Err = fmt.Errorf("%s: redirects are not followed; configure the address that it leads to", words)
	default:
		fail.Permanent = true
	}
	return answer, fail
}

// answerText makes what a server answered fit to be shown: no secrets, one line,
// visible characters only, at most maxAnswerText runes.
func (p *poster) answerText(body []byte) string {
	if len(body) == maxAnswer {
		// Half a secret at the end would not be found.
		body = body[:max(0, len(body)-p.redact.longest)]
	}
	text := p.redact.clean(strings.ToValidUTF8(string(body), "\uFFFD"))
	// Again, as a secret may have been hidden behind characters that are gone
	// now.
	text = p.redact.clean(Visible(text))
	if runes := []rune(text); len(runes) > maxAnswerText {
		text = string(runes[:maxAnswerText-1]) + "…"
	}
	return text
}

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds, for
// which some servers send fractions, or a date. 0 is none, the past, or
// something that cannot be read; more than maxRetryAfter is that.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	// Of what ParseFloat reads, inf, exponents, hexadecimals and underscores
	// are nobody's seconds.
	if strings.Trim(header, "0123456789.") == "" {
		seconds, err := strconv.ParseFloat(header, 64)
		switch {
		case seconds >= maxRetryAfter.Seconds():
			return maxRetryAfter
		case err != nil:
			return 0
		}
		return time.Duration(seconds * float64(time.Second))
	}
	date, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}

// fault is a network fault in words that hold no address.
type fault struct {
	text  string
	cause error // nil, or one whose text is fixed: a context's or a system's
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.cause }

// networkFault says in fixed words why no answer came. An error that net/http
// gives holds addresses, and parts of answers and of proxies' passwords: it is
// looked at, and neither printed nor wrapped.
func networkFault(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return &fault{"stopped before an answer came: " + cause.Error(), cause}
	}
	f := &fault{}
	var (
		timeout   interface{ Timeout() bool }
		op        *net.OpError
		dns       *net.DNSError
		errno     syscall.Errno
		record    tls.RecordHeaderError
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	isOp := errors.As(err, &op)
	isTimeout := errors.As(err, &timeout) && timeout.Timeout()
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		f.text = "the host's name is not known to DNS"
	case errors.As(err, &dns):
		f.text = "the host's name could not be looked up"
	case isTimeout && isOp && op.Op == "dial":
		f.text = "no connection in time"
	case isTimeout:
		f.text, f.cause = "no answer in time", context.DeadlineExceeded
	case errors.As(err, &errno):
		f.text, f.cause = errno.Error(), errno
	case errors.As(err, &authority):
		f.text = "the certificate is signed by an unknown authority"
	case errors.As(err, &hostname):
		f.text = "the certificate is for another host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		f.text = "the certificate has expired or is not valid yet"
	case errors.As(err, &verify):
		f.text = "the certificate is not valid"
	case errors.As(err, &record):
		f.text = "the server does not speak TLS at this port"
	case isOp && (op.Op == "remote error" || op.Op == "local error"):
		f.text = op.Err.Error() // a TLS alert, from crypto/tls's own list
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.text = "the connection was closed before an answer came"
	default:
		f.text = "no valid answer came"
	}
	if isOp && op.Op == "proxyconnect" {
		f.text = "proxy: " + f.text
	}
	return f
}
