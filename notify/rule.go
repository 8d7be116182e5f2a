// Package notify decides which change goes to which sink, as which message.
//
// It is pure. Plan holds the changes of one turn against the Rules of the
// sinks, one rule a sink:
//
//   - a new event goes out where it matches;
//   - an update goes out where the event matches now and one of the rule's
//     Fields changed; one that lifts the event to or over the rule's
//     min_importance is raised, whatever Fields says;
//   - a withdrawn event goes out where its last public version matched;
//   - a moved event goes nowhere, nor does a copy of one.
//
// What is left must be of a kind in the rule's On. More than Burst of them make
// one batch, most important first. What the rule's Hold holds goes out later, together
// (hold.go).
//
// A Message is complete and has no secrets; packages below this one turn it
// into what a chat tool takes (sink) and keep it until it is taken (outbox).
package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// Rule says what one sink wants to know.
type Rule struct {
	// Sink is the sink's name.
	Sink  string
	Match *event.Matcher
	// On holds the kinds that go out.
	On []Kind
	// Fields holds those whose change makes an update count.
	Fields []event.Field
	// Burst is the number of changes in one turn above which they go out as one
	// batch; 0 never makes one.
	Burst int
	// Hold says until when messages are held. What is held makes its batch when it
	// goes out.
	Hold Hold
}

// Noted is a timeline.Change with what messages say of the event beside it.
type Noted struct {
	timeline.Change
	// URL is the address of the event's page, Feed that of a feed that it stands
	// in, EntryID its id in feeds.
	URL, Feed, EntryID string
	Published, Updated time.Time
}

// Site is what messages say of the timeline.
type Site struct {
	Title, URL string
}

// Plan returns the messages that the changes of one turn make, in the order of
// rules and within a rule of the events' ids.
func Plan(rules []Rule, changes []Noted, site Site, now time.Time) []Planned {
	var planned []Planned
	for _, r := range rules {
		var items []Item
		for _, c := range changes {
			if kind, ok := r.Kind(c.Change); ok {
				items = append(items, c.item(kind))
			}
		}
		message := Message{Time: now.UTC(), Timeline: site.Title, Home: site.URL + "/"}
		var now []Item
		for _, i := range items {
			until, together := r.Hold.Until(message.Time, i.Event.Importance)
			if until.IsZero() {
				now = append(now, i)
				continue
			}
			message.Type, message.Items = i.Change.Kind.Type(), []Item{i}
			planned = append(planned, Planned{Sink: r.Sink, Message: message, Held: until, Together: together, Burst: r.Burst})
		}
		items = now
		if r.Burst > 0 && len(items) > r.Burst {
			slices.SortStableFunc(items, func(a, b Item) int { return cmp.Compare(b.Event.Importance, a.Event.Importance) })
			message.Type, message.Items = TypeBatch, items
			planned = append(planned, Planned{Sink: r.Sink, Message: message})
			continue
		}
		for _, item := range items {
			message.Type, message.Items = item.Change.Kind.Type(), []Item{item}
			planned = append(planned, Planned{Sink: r.Sink, Message: message})
		}
	}
	return planned
}

// Type returns the type of the message that tells of one change.
func (k Kind) Type() Type {
	switch k {
	case New:
		return TypeNew
	case Withdrawn:
		return TypeWithdrawn
	}
	return TypeUpdated
}

// Kind returns what a change is for the rule's sink, and whether it goes out.
func (r *Rule) Kind(c timeline.Change) (kind Kind, ok bool) {
	switch c.Kind {
	case timeline.New:
		kind = New
	case timeline.Withdrawn:
		kind = Withdrawn
	case timeline.Updated:
		kind = Updated
		if least := r.Match.MinImportance(); c.Before.Importance < least && c.Event.Importance >= least {
			kind = Raised
		} else if !slices.ContainsFunc(c.Fields, func(f event.Field) bool { return slices.Contains(r.Fields, f) }) {
			return kind, false
		}
	default:
		return "", false
	}
	return kind, slices.Contains(r.On, kind) && r.Match.Match(c.Event)
}

// Explained says what a rule does with the changes of one event as it is now.
type Explained struct {
	Sink string `json:"sink"`
	// Sent says that some kind of change of it goes out.
	Sent bool `json:"sent"`
	// Why is the condition of the match that keeps all of them back.
	Why string `json:"why,omitempty"`
	// Kinds says of each kind whether, and when, it goes out.
	Kinds []ExplainedKind `json:"kinds,omitempty"`
}

// ExplainedKind is what a rule does with one kind of change.
type ExplainedKind struct {
	Kind Kind   `json:"kind"`
	Sent bool   `json:"sent"`
	Why  string `json:"why"`
}

// Explain says what the rule would do with a change of an event, made at now, and
// by which of its parts.
func (r *Rule) Explain(e *event.Event, now time.Time) Explained {
	x := Explained{Sink: r.Sink}
	if condition, asked := r.Match.Why(e); condition != "" {
		x.Why = "match." + condition + " asks for " + asked
		return x
	}
	when := ""
	if until, together := r.Hold.Until(now, e.Importance); !until.IsZero() {
		when = "held for quiet hours until "
		if together {
			when = "collected for the digest of "
		}
		when += until.Format(time.RFC3339)
	}
	for _, k := range []Kind{New, Updated, Raised, Withdrawn} {
		kind := ExplainedKind{Kind: k, Sent: slices.Contains(r.On, k)}
		switch least := r.Match.MinImportance(); {
		case !kind.Sent:
			kind.Why = "`on` does not list it"
		case k == Updated:
			kind.Why = fmt.Sprintf("if one of these changed: %s", joined(r.Fields))
		case k == Raised && least == 0:
			kind.Sent, kind.Why = false, "match has no min_importance to be raised to"
		case k == Raised:
			kind.Why = fmt.Sprintf("if its importance was under %d", least)
		}
		if kind.Sent {
			x.Sent = true
			kind.Why = strings.Trim(kind.Why+"; "+when, "; ")
		}
		x.Kinds = append(x.Kinds, kind)
	}
	return x
}

func joined(fields []event.Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}

// summaryRunes bounds the summary that a message carries.
const summaryRunes = 500

func (c *Noted) item(kind Kind) Item {
	e := c.Event
	item := Item{
		Change: Change{Kind: kind, Fields: c.Fields},
		Event: Event{
			ID: e.ID, Title: e.Title, Date: e.Date.String(), Importance: e.Importance, Status: e.Status,
			Location: e.Location, Tags: list(e.Tags), Actors: list(e.Actors), Summary: e.Summary(summaryRunes),
			Sources: sources(e.Sources), URL: c.URL, Feed: c.Feed, FeedID: c.EntryID, Revision: e.Revision,
			Published: c.Published, Updated: c.Updated,
		},
	}
	for _, f := range c.Fields {
		if f == event.Body {
			continue
		}
		if item.Change.Before == nil {
			item.Change.Before = make(map[string]any)
		}
		before := c.Before.Value(f)
		switch v := before.(type) {
		case []event.Source:
			before = sources(v)
		case []string:
			before = list(v)
		}
		item.Change.Before[string(f)] = before
	}
	return item
}

// list is a list that JSON writes as one, also where it is empty.
func list(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

func sources(all []event.Source) []Source {
	out := make([]Source, len(all))
	for i, s := range all {
		out[i] = Source{Title: s.Title, URL: s.URL}
	}
	return out
}

// Test is the message that tries a sink out.
func Test(site Site, now time.Time) Message {
	return Message{
		Type: TypeTest, Time: now.UTC(), Timeline: site.Title, Home: site.URL + "/",
		Items: []Item{{
			Change: Change{Kind: New},
			Event: Event{
				ID: "test", Title: "Test message of " + site.Title, Date: now.UTC().Format(time.DateOnly),
				Importance: 1, Status: "test", Tags: []string{}, Actors: []string{}, Sources: []Source{},
				Summary: "This is a test. If you can read it, messages of " + site.Title + " arrive here.",
				URL:     site.URL + "/", Published: now.UTC(), Updated: now.UTC(),
			},
		}},
	}
}
