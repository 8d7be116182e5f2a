package timeline

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/event"
)

// Past is one thing that happened to an event after it was first public.
type Past struct {
	At time.Time
	// Kind is Updated, Withdrawn, or New where the event was public again.
	Kind Kind
	// Edits say what an update changed, in the order of event.Fields.
	Edits []Edit
}

// Edit is the change of one field in words: a list is its items, separated by
// commas; a source is its title. Empty is a field without a value. Of the body,
// which is long, both are empty.
type Edit struct {
	Field  event.Field `json:"field"`
	Before string      `json:"before,omitempty"`
	After  string      `json:"after,omitempty"`
}

// Full returns the change with events that are not light.
func (c Change) Full() (Change, error) {
	var err error
	if c.Event, err = c.Event.Full(); err != nil {
		return Change{}, err
	}
	if c.Before != nil {
		c.Before, err = c.Before.Full()
	}
	return c, err
}

// Edits returns what an update changed; nil for a change that is none.
func (c Change) Edits() ([]Edit, error) {
	if c.Kind != Updated {
		return nil, nil
	}
	if slices.Contains(c.Fields, event.Sources) {
		var err error
		if c, err = c.Full(); err != nil {
			return nil, err
		}
	}
	edits := make([]Edit, len(c.Fields))
	for i, f := range c.Fields {
		edits[i] = Edit{Field: f, Before: words(c.Before, f), After: words(c.Event, f)}
	}
	return edits, nil
}

func words(e *event.Event, f event.Field) string {
	if f == event.Body {
		return ""
	}
	switch v := e.Value(f).(type) {
	case string:
		return v
	case int:
		if v != 0 {
			return strconv.Itoa(v)
		}
	case []string:
		return strings.Join(v, ", ")
	case []event.Source:
		names := make([]string, len(v))
		for i, s := range v {
			names[i] = s.Name()
		}
		return strings.Join(names, ", ")
	}
	return ""
}
