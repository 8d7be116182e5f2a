// Package event reads one file, Markdown with front matter, into one Event.
//
// Read goes through these steps, each in a file of its own: document.go cuts
// the file into front matter and body and reads the front matter into a tree
// that remembers its lines (yaml.go, for what is plain); fields.go takes the values
// that the Dialect names (candidate.go) out of the tree, of the path and of the body's blocks (block.go),
// lenient in form (a scalar where a list is expected, a map with a name) and strict
// in meaning (a date that is none is an error; when.go, cvss.go); body.go brings
// the body into its canonical form and takes sources and trailer off it;
// event.go computes the Revision.
//
// An Event is canonical: whatever does not change its meaning (order of keys,
// line ends, spaces, unknown keys) is gone once it is read. Two files of one
// meaning give Events that differ in Path at most, so everything made from an
// Event is the same bytes. An Event holds only characters that XML 1.0 allows,
// so no consumer has to strip them again.
//
// The package does no I/O and keeps no state: what it returns depends on the
// path, the bytes and the Dialect alone.
package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is one event of the timeline as one file tells it. It is not changed
// once it is read; whoever holds one may share it.
type Event struct {
	// ID is the identity: the front matter's id, else Path without its ending.
	ID string
	// Path is the file's path below the events folder, with slashes.
	Path string
	// Title is plain text on one line, never empty.
	Title string
	// Date is when the event happened, never zero.
	Date Date
	// Importance is from 1 to 10; 0 where the file says none and the Dialect
	// has no default.
	Importance int
	// Status is the verification status; empty where the file says none.
	Status string
	// Location is empty where the file says none.
	Location string
	// Tags and Actors are in the file's order, after aliases, each name (by
	// Key) once.
	Tags, Actors []string
	// Sources are in the file's order. A light event has none (Full).
	Sources []Source
	// Body is canonical Markdown without the list of sources and the trailer;
	// the front matter's summary where the file has no body. A light event has
	// none (Full).
	Body string
	// Draft events are not public.
	Draft bool
	// Published overrides the time at which the timeline first had the event, and
	// before it the event is not public; zero where the file says none. It is not
	// part of the meaning.
	Published Moment
	// Expires is from when on the event is not public any more; zero where the
	// file says none. It is not part of the meaning.
	Expires Moment
	// LastUpdated is the file's own claim; zero where it makes none. It is not
	// part of the meaning.
	LastUpdated Moment
	// Revision is a hash of the event's meaning: title, date, importance,
	// status, location, tags, actors, sources, body, draft. 32 hexadecimal
	// digits.
	Revision string

	kept kept // of a light event
}

// Source is a reference that backs an event.
type Source struct {
	Title string
	// URL is an absolute http or https address, or empty.
	URL string
	// Note is what else is known in a few words: the outlet or the kind.
	Note string
}

// Name returns the title, or the address where there is no title.
func (s Source) Name() string {
	if s.Title != "" {
		return s.Title
	}
	return s.URL
}

// Date is the date of an event, with or without a time of day.
type Date struct {
	time.Time
	// Clock is set where the file gives a time of day.
	Clock bool
}

// String returns YYYY-MM-DD, or RFC 3339 where a time of day is known.
func (d Date) String() string {
	if d.Clock {
		return d.Format(time.RFC3339)
	}
	return d.Format(time.DateOnly)
}

// Day returns the day that the file writes, whatever its time zone, as midnight in
// UTC.
func (d Date) Day() time.Time {
	year, month, day := d.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// ParseDate reads what String wrote.
func ParseDate(s string) (Date, error) {
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return Date{Time: t}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	return Date{Time: t, Clock: true}, err
}

// Field names one of the values that make up the meaning of an event, as
// configurations, changes and messages spell it.
type Field string

// The fields of an event, in the order in which changes list them.
const (
	Title      Field = "title"
	DateField  Field = "date"
	Importance Field = "importance"
	Status     Field = "status"
	Location   Field = "location"
	Tags       Field = "tags"
	Actors     Field = "actors"
	Sources    Field = "sources"
	Body       Field = "body"
)

// Fields lists all fields in the order in which changes list them.
func Fields() []Field {
	return []Field{Title, DateField, Importance, Status, Location, Tags, Actors, Sources, Body}
}

// Diff returns the fields in which the meaning of e and other, either of which may be
// light, differs, in the order of Fields.
func (e *Event) Diff(other *Event) []Field {
	if e.Revision == other.Revision {
		return nil
	}
	var diff []Field
	for _, f := range Fields() {
		same := false
		if f == Body || f == Sources {
			same = e.textMark(f) == other.textMark(f)
		} else {
			same = e.digest(f) == other.digest(f)
		}
		if !same {
			diff = append(diff, f)
		}
	}
	return diff
}

// Same says that e and other are the same in all that an Event holds.
func (e *Event) Same(other *Event) bool {
	return e.Revision == other.Revision && e.ID == other.ID && e.Path == other.Path &&
		e.Published == other.Published && e.Expires == other.Expires && e.LastUpdated == other.LastUpdated
}

// Value returns the value of a field as messages carry it: a string, an int, a
// list of strings or of Sources. It panics where a light event has none.
func (e *Event) Value(f Field) any {
	if e.IsLight() && (f == Body || f == Sources) {
		panic("event: a light event has no " + string(f))
	}
	switch f {
	case Title:
		return e.Title
	case DateField:
		return e.Date.String()
	case Importance:
		return e.Importance
	case Status:
		return e.Status
	case Location:
		return e.Location
	case Tags:
		return e.Tags
	case Actors:
		return e.Actors
	case Sources:
		return e.Sources
	case Body:
		return e.Body
	}
	panic("event: no field " + string(f))
}

// revisionVersion begins every revision's input. It changes with the canonical
// form, never otherwise: a new one makes every event look updated.
const revisionVersion = "tocsin event 1"

// Seal computes e's Revision from its other fields.
func (e *Event) Seal() {
	b := appendText(make([]byte, 0, len(e.Body)+1024), revisionVersion)
	for _, f := range Fields() {
		b = e.appendField(b, f)
	}
	sum := sha256.Sum256(appendText(b, strconv.FormatBool(e.Draft)))
	e.Revision = hex.EncodeToString(sum[:16])
}

func (e *Event) digest(f Field) [sha256.Size]byte {
	return sha256.Sum256(e.appendField(nil, f))
}

// appendField appends a field so that no two values give the same bytes.
func (e *Event) appendField(b []byte, f Field) []byte {
	switch v := e.Value(f).(type) {
	case string:
		b = appendText(b, v)
	case int:
		b = appendText(b, strconv.Itoa(v))
	case []string:
		b = appendLen(b, len(v))
		for _, s := range v {
			b = appendText(b, s)
		}
	case []Source:
		b = appendLen(b, len(v))
		for _, s := range v {
			b = appendText(appendText(appendText(b, s.Title), s.URL), s.Note)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte { return append(appendLen(b, len(s)), s...) }

func appendLen(b []byte, n int) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }

// Error is a fault in a file, or in one line of it.
type Error struct {
	Path string
	Line int // from 1
	Msg  string
}

// Error returns path:line: what.
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Msg) }

// Stem returns path without the ending of its last element.
func Stem(path string) string {
	if i := strings.LastIndexByte(path, '.'); i > strings.LastIndexByte(path, '/')+1 {
		return path[:i]
	}
	return path
}
