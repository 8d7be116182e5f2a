package feed

import (
	"crypto/sha256"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// Correction makes an Entry one that tells of a change: who has read an event's
// entry is not shown it again by most readers, so a change that has to be seen
// has an entry of its own, with an id of its own.
type Correction struct {
	// Past says what happened; At is the time of the turn, the same for all
	// corrections of one.
	timeline.Past
	// Before is the event until then; nil for a withdrawn one. The entry stands in
	// the feeds of both.
	Before *event.Event
	// Crowd says that its turn had so many corrections that each feed has one entry
	// for all that stand in it.
	Crowd bool
	// Of are the corrections that such an entry is for, the newest first; nil for
	// one correction alone. The entry has no Event.
	Of []*Entry

	before []*Topic // those of Before
	also   []*Topic // of these, those that the entry has not among its own
}

// NewCorrection returns the entry of a correction of e, the event as it was
// then. It has one time, as it is never changed.
func (s *Style) NewCorrection(id string, e *event.Event, c Correction, updated time.Time, slug func(timeline.Topic) string) *Entry {
	n := &Entry{
		Record: &timeline.Record{ID: id, Event: e, Published: updated, Updated: updated},
		Topics: s.topics(e, slug), Correction: &c, style: s,
	}
	if c.Before != nil {
		c.before = s.topics(c.Before, slug)
		for _, t := range c.before {
			if !slices.ContainsFunc(n.Topics, func(own *Topic) bool { return own.Topic == t.Topic }) {
				c.also = append(c.also, t)
			}
		}
	}
	n.prepare()
	return n
}

// crowd returns what a feed has for corrections of one turn that have to be told as one,
// the newest first.
func (s *Style) crowd(path string, of []*Entry) *Entry {
	if len(of) == 1 {
		return of[0]
	}
	c := *of[0].Correction
	c.Edits, c.Before, c.Of, c.before, c.also = nil, nil, of, nil, nil
	n := &Entry{Correction: &c, style: s, Record: &timeline.Record{
		ID:        "tag:" + s.Authority + ":corrections/" + of[0].Correction.At.Format("20060102T150405.000Z") + "/" + escapePath(path),
		Published: of[0].Updated, Updated: of[0].Updated,
	}}
	n.prepare()
	return n
}

// one returns the corrections that crowd was given.
func (n *Entry) one() []*Entry {
	if n.Correction.Of != nil {
		return n.Correction.Of
	}
	return []*Entry{n}
}

// gather puts one entry in the place of those corrections of one turn that have
// to be told as one. crowds has these, by the turn.
func (s *Style) gather(path string, entries []*Entry) (told []*Entry, crowds map[int64]*Entry) {
	of := make(map[int64][]*Entry)
	for _, n := range entries {
		if n.crowded() {
			of[n.turn()] = append(of[n.turn()], n)
		}
	}
	if len(of) == 0 {
		return entries, nil
	}
	told, crowds = make([]*Entry, 0, len(entries)), make(map[int64]*Entry, len(of))
	for _, n := range entries {
		if n.crowded() {
			if crowds[n.turn()] != nil {
				continue // it stands where the newest does
			}
			at := n.turn()
			n = s.crowd(path, of[at])
			crowds[at] = n
		}
		told = append(told, n)
	}
	return told, crowds
}

func (n *Entry) crowded() bool { return n.Correction != nil && n.Correction.Crowd }

// turn tells the turn of a correction from others.
func (n *Entry) turn() int64 { return n.Correction.At.UnixMicro() }

// named is how many corrections an entry for several names.
const named = 50

// Title is the title of the entry, plain text: the event's, or what happened to
// it.
func (n *Entry) Title() string {
	c := n.Correction
	switch {
	case c == nil:
		return n.Event.Title
	case c.Of != nil:
		withdrawn := 0
		for _, o := range c.Of {
			if o.Correction.Kind == timeline.Withdrawn {
				withdrawn++
			}
		}
		var parts []string
		if n := len(c.Of) - withdrawn; n > 0 {
			parts = append(parts, plural(n, "event corrected", "events corrected"))
		}
		if withdrawn > 0 {
			parts = append(parts, plural(withdrawn, "event withdrawn", "events withdrawn"))
		}
		return strings.Join(parts, ", ")
	case c.Kind == timeline.Withdrawn:
		return "Withdrawn: " + n.Event.Title
	}
	return "Correction: " + n.Event.Title
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// said tells a correction in plain text, one sentence for each edit.
func (n *Entry) said() []string {
	c := n.Correction
	if c.Kind == timeline.Withdrawn {
		return []string{"This event was withdrawn on " + c.At.UTC().Format(time.DateOnly) + "."}
	}
	var all []string
	for _, e := range c.Edits {
		all = append(all, Sentence(e))
	}
	return all
}

// Sentence tells an edit in plain text.
func Sentence(e timeline.Edit) string {
	field := string(e.Field)
	switch {
	case e.Field == event.Body:
		return "The text was changed."
	case e.Before == "":
		return fmt.Sprintf("The %s is now “%s”; there was none.", field, e.After)
	case e.After == "":
		return fmt.Sprintf("The %s “%s” was removed.", field, e.Before)
	case e.Field == event.Tags || e.Field == event.Actors || e.Field == event.Sources:
		return fmt.Sprintf("The %s were “%s” and are now “%s”.", field, e.Before, e.After)
	}
	return fmt.Sprintf("The %s was “%s” and is now “%s”.", field, e.Before, e.After)
}

// correctionHTML is the content of a correction's entry.
func (n *Entry) correctionHTML() string {
	var b strings.Builder
	c := n.Correction
	if c.Of == nil {
		b.WriteString("<p><strong>" + html.EscapeString(strings.Join(n.facts(), " · ")) + "</strong></p>\n")
		n.writeCorrection(&b)
		return b.String()
	}
	b.WriteString("<ul>\n")
	for _, o := range c.Of[:min(named, len(c.Of))] {
		b.WriteString("<li>")
		o.writeCorrection(&b)
		b.WriteString("</li>\n")
	}
	b.WriteString("</ul>\n")
	if more := len(c.Of) - named; more > 0 {
		b.WriteString("<p>And " + plural(more, "other", "others") + ".</p>\n")
	}
	return b.String()
}

func (n *Entry) writeCorrection(b *strings.Builder) {
	b.WriteString(`<p><a href="` + html.EscapeString(n.style.EventPage(n.Event.ID)) + `">` + html.EscapeString(n.Event.Title) + "</a></p>\n<ul>\n")
	for _, s := range n.said() {
		b.WriteString("<li>" + html.EscapeString(s) + "</li>\n")
	}
	b.WriteString("</ul>\n")
}

// correctionSummary is its beginning as plain text.
func (n *Entry) correctionSummary() string {
	if n.Correction.Of == nil {
		return strings.Join(n.said(), " ")
	}
	var titles []string
	for _, o := range n.Correction.Of[:min(named, len(n.Correction.Of))] {
		titles = append(titles, o.Event.Title)
	}
	s := strings.Join(titles, "; ")
	if more := len(n.Correction.Of) - named; more > 0 {
		s += "; and " + plural(more, "other", "others")
	}
	return s
}

// mark hashes what the bytes of a correction are made from.
func (n *Entry) correctionMark() mark {
	h := sha256.New()
	c := n.Correction
	write(h, "correction", n.ID, string(c.Kind), stamp(c.At), stamp(n.Updated), strconv.Itoa(len(c.Of)))
	for _, o := range c.Of {
		h.Write(o.mark[:])
	}
	if n.Event != nil {
		write(h, n.Event.ID, n.Event.Revision)
	}
	for _, t := range n.Topics {
		write(h, t.Slug)
	}
	for _, e := range c.Edits {
		write(h, string(e.Field), e.Before, e.After)
	}
	return mark(h.Sum(nil))
}
