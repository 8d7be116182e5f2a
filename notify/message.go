package notify

import (
	"context"
	"fmt"
	"time"

	"tocsin/event"
)

// Kind says what a message tells of an event, as a sink's `on` names it.
type Kind string

// The kinds, in the order in which configurations list them.
const (
	New       Kind = "new"
	Updated   Kind = "updated"
	Raised    Kind = "raised"
	Withdrawn Kind = "withdrawn"
)

// Type is the kind of a message as the generic webhook names it.
type Type string

// The types. Raised events are TypeUpdated.
const (
	TypeNew       Type = "event.new"
	TypeUpdated   Type = "event.updated"
	TypeWithdrawn Type = "event.withdrawn"
	TypeBatch     Type = "event.batch"
	// TypeTest is what `tocsin send` sends; it has an item like TypeNew.
	TypeTest Type = "event.test"
	// TypeFeeds tells a WebSub hub of feeds that have changed. It has no items.
	TypeFeeds Type = "feeds.changed"
)

// Message is what one delivery says: one change of one event, or a batch of
// them. It is complete: a sink needs nothing else to render it. It is stored
// with the delivery as JSON, so a field may be added and none renamed.
type Message struct {
	Type Type `json:"type"`
	// Time is when the change was seen.
	Time time.Time `json:"time"`
	// Items holds one item, or all of a batch, most important first.
	Items []Item `json:"items"`
	// Feeds are the addresses of feeds that have changed, at most MaxFeeds.
	Feeds []string `json:"feeds,omitempty"`
	// Timeline is the site's title, Home its address.
	Timeline string `json:"timeline"`
	Home     string `json:"home"`
}

// MaxFeeds is how many addresses one message to a hub holds. It is what one event
// with a dozen tags and actors makes, and keeps the request below the 8 KB that
// hubs behind the usual proxies take for sure.
const MaxFeeds = 50

// Item is one change with the event it is about.
type Item struct {
	Change Change `json:"change"`
	Event  Event  `json:"event"`
}

// Change is the `change` of CONTRACT's webhook body.
type Change struct {
	Kind   Kind           `json:"kind"`
	Fields []event.Field  `json:"fields,omitempty"`
	Before map[string]any `json:"before,omitempty"`
}

// Event is the `event` of the webhook body: an event as messages carry it, with
// its public addresses.
type Event struct {
	ID         string   `json:"id"`
	Title      string   `json:"title"`
	Date       string   `json:"date"`
	Importance int      `json:"importance"`
	Status     string   `json:"status"`
	Location   string   `json:"location"`
	Tags       []string `json:"tags"`
	Actors     []string `json:"actors"`
	Summary    string   `json:"summary"`
	Sources    []Source `json:"sources"`
	URL        string   `json:"url"`
	// Feed is the address of a feed with this event and what is like it: that of
	// its first tag, or of everything where it has none. The generic webhook's
	// body, which is promised, is without it.
	Feed      string    `json:"feed,omitempty"`
	FeedID    string    `json:"feed_id"`
	Revision  string    `json:"revision"`
	Published time.Time `json:"published"`
	Updated   time.Time `json:"updated"`
}

// Source is a reference that backs an event.
type Source struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Planned is a delivery before it is queued.
type Planned struct {
	Sink    string
	Message Message
	// Held is until when it is held; zero: it goes out at once. What is held for a
	// sink goes out together: as one message where Together is set, or where it is
	// more than Burst messages.
	Held     time.Time
	Together bool
	Burst    int
}

// Delivery is one message on its way to one sink.
type Delivery struct {
	// ID is the idempotency key: the same over all attempts, and no two
	// deliveries share it (the Standard Webhooks header webhook-id).
	ID      string
	Sink    string
	Message Message
}

// Sender delivers to one sink. Send returns what the sink answered; its error
// is a *SendError.
type Sender interface {
	Send(ctx context.Context, d Delivery) (Answer, error)
}

// Editor is a Sender that can also change a message which it sent.
type Editor interface {
	Sender
	// Edit puts d's message in the place of the one that Send answered with
	// remoteID, which names it also after that. Its error is a *SendError as
	// Send's; a Permanent one that is not Gone says that this message cannot be
	// changed, or not any more, and that d has to be sent instead.
	Edit(ctx context.Context, d Delivery, remoteID string) (Answer, error)
}

// Threader is a Sender that can also put a message into the thread of one which it
// sent.
type Threader interface {
	Sender
	// Reply sends d into the thread that the message which Send answered with
	// remoteID has begun, or begins now; remoteID names it also after that. Its error
	// is as Edit's.
	Reply(ctx context.Context, d Delivery, remoteID string) (Answer, error)
}

// Answer is what a sink answered, for the operator to read: no secrets, at most
// a few hundred bytes of text.
type Answer struct {
	Status int // HTTP status; 0 where none came
	Text   string
	// RemoteID is what the sink calls the message, where it says so and can change
	// it later; it is no secret.
	RemoteID string
}

// SendError is a delivery attempt that failed. Its text holds no secret: no
// address, no header, no part of either.
type SendError struct {
	// Permanent: another attempt would fail as well.
	Permanent bool
	// Gone: the sink's address is no more (410); nothing should be sent to it
	// until the configuration changes. Gone errors are Permanent.
	Gone bool
	// RetryAfter is how long the sink asked to be left alone; 0 where it did
	// not.
	RetryAfter time.Duration
	Err        error
}

// Error implements error.
func (e *SendError) Error() string {
	switch {
	case e.Permanent:
		return fmt.Sprintf("refused: %v", e.Err)
	case e.RetryAfter > 0:
		return fmt.Sprintf("asked to wait %v: %v", e.RetryAfter, e.Err)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }
