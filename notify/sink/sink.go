// Package sink delivers messages to the tools people read: one file a tool, all
// over one poster.
//
// A Sender of this package is stateless and safe for concurrent use. Send does
// three things:
//
//  1. it renders the message as its tool's payload. Rendering is pure (message
//     and configuration in, bytes out) and never refuses a message for its size:
//     what is too long for the tool is cut, the least important part first.
//     A file holds one tool, with its limits and their sources. What the chat tools
//     share is in message.go (words for changes, cutting, templates), card.go (the
//     parts of a message and how they become fewer) and escape.go;
//  2. it posts the payload once (post.go). There are no attempts in here and no
//     waiting: that is the outbox's duty, which has to know of every attempt;
//  3. it reads the answer into a notify.Answer and, where the message was not
//     taken, a *notify.SendError that says whether, and when, to try again.
//
// The whole address of a sink, its headers and its signing secrets are secrets.
// Errors are therefore put together from fixed words and never from an error of
// net/http, whose texts hold addresses; whatever a server answered goes through
// the redactor (redact.go), since servers like to repeat what they were sent; and
// a Sender or a Config prints as its name and type with every verb of fmt.
//
// Senders of tools that can change a message are notify.Editors, those of tools that
// can put one below another notify.Threaders. Tools that make threads by a name need
// no more for them than Config.Thread.
//
// A new tool is a file with a constructor and a render function and a line in
// kinds. The tests that plant secrets, render the worst events and hold golden
// files then include it; its limits, addresses and answers are to be added to the
// tables of chat_test.go.
package sink

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"text/template"
	"time"

	"tocsin/notify"
)

// Config is what one sink needs. It is validated by whoever made it; New checks
// again only what would turn into a leak or a broken request.
type Config struct {
	// Name is the sink's name in the configuration; it is no secret.
	Name string
	// Type is one of Types.
	Type string
	// URL is the absolute http or https address to post to; a secret.
	URL string
	// Secrets sign the requests of a webhook: "whsec_" and base64, several while
	// they are rotated. None: unsigned. Other types do not use them.
	Secrets []string
	// Headers are added to every request; their values are secrets. They may not
	// set what the sink itself sets: Content-Type, Content-Length, Host and
	// webhook-*.
	Headers map[string]string

	// CA holds certificates in PEM that are trusted beside the system's; empty: none.
	CA string

	// Title and Body replace the title and the body of chat messages, of a batch
	// and of a test message too; nil is the built-in form. They are executed with
	// a TemplateData. What they print is plain text: every character of the tool's
	// markup is escaped, as in events, but for Slack's emphasis. One that fails is reported to Logger, and the built-in form is sent.
	// The generic webhook has its fixed body and does not use them.
	Title, Body *template.Template

	// Thread puts the messages of an event into a thread of its own, in tools that
	// make one by a name: a topic of Zulip, a thread of Google Chat, a post of a
	// forum of Discord. Others do not use it.
	Thread bool

	// Version goes into User-Agent, as tocsin/VERSION.
	Version string
	// Client gives the transport (a proxy, a test's certificates) and, by its
	// Timeout, the bound on one attempt. Its cookies and redirects are not used.
	// Nil is a transport with the bounds of post.go.
	Client *http.Client
	// Now is the clock of signatures and of Retry-After; nil is time.Now.
	Now func() time.Time
	// Logger hears of templates that fail; nil is nobody.
	Logger *slog.Logger
}

// Format prints the name and the type, whatever the verb: the rest is secret.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, describe(c.Name, c.Type)) }

func describe(name, kind string) string { return fmt.Sprintf("sink %q (%s)", name, kind) }

// kind is one type of sink and how to make it.
type kind struct {
	name string
	make func(Config, *poster) (notify.Sender, error)
}

func kinds() []kind {
	return []kind{
		{"webhook", newWebhook},
		{"slack", newSlack},
		{"discord", newDiscord},
		{"mattermost", newMattermost},
		{"rocketchat", newRocketChat},
		{"teams", newTeams},
		{"googlechat", newGoogleChat},
		{"zulip", newZulip},
		{"matrix", newMatrix},
		{"telegram", newTelegram},
		{"ntfy", newNtfy},
		{"gotify", newGotify},
		{"websub", newWebSub},
	}
}

// Types returns the types of sinks that New can make.
func Types() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// New makes the sink that c describes. It does no I/O. Its errors hold no secret.
func New(c Config) (notify.Sender, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, k := range kinds() {
		if k.name != c.Type {
			continue
		}
		post, err := newPoster(c)
		if err != nil {
			return nil, fmt.Errorf("sink %s: %w", c.Name, err)
		}
		s, err := k.make(c, post)
		if err != nil {
			return nil, fmt.Errorf("sink %s: %w", c.Name, err)
		}
		return s, nil
	}
	return nil, fmt.Errorf("sink %s: type %q is not known; known are %q", c.Name, c.Type, Types())
}

// errEmpty is the fault of a message that says nothing; trying again helps no
// more than the first time.
func errEmpty() error {
	return &notify.SendError{Permanent: true, Err: errors.New("the message has no event")}
}
