package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"tocsin/event"
)

// Hold says until when messages to a sink are held. The zero Hold holds nothing.
type Hold struct {
	// Digest, if not nil, is when what was collected since goes out together.
	Digest *Schedule
	// Quiet, if not nil, is a part of every day in which nothing goes out.
	Quiet *Quiet
}

// Until returns until when a message of this importance is held, made at now; zero
// where it goes out at once. A digest that would be due in quiet hours is due at
// their end. together says that what is held goes out as one message, however
// little it is.
func (h Hold) Until(now time.Time, importance int) (until time.Time, together bool) {
	switch {
	case h.Digest != nil:
		until = h.Digest.Next(now)
		if h.Quiet != nil {
			if end := h.Quiet.End(until); !end.IsZero() {
				until = end
			}
		}
		return until, true
	case h.Quiet == nil, h.Quiet.Except > 0 && importance >= h.Quiet.Except:
		return time.Time{}, false
	}
	return h.Quiet.End(now), false
}

// Quiet is a part of every day, which may go over midnight.
type Quiet struct {
	// From and To are times since midnight, by the clock on the wall.
	From, To time.Duration
	// Except is the importance from which a message goes out all the same; 0: none
	// does.
	Except int
	Zone   *time.Location
}

// End returns when the quiet hours end that t lies in; zero where it lies in none.
func (q *Quiet) End(t time.Time) time.Time {
	local := t.In(q.Zone)
	hour, minute, second := local.Clock()
	at := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	in := q.From <= at && at < q.To
	if q.From > q.To {
		in = at >= q.From || at < q.To
	}
	if !in {
		return time.Time{}
	}
	year, month, day := local.Date()
	for ; ; day++ {
		end := time.Date(year, month, day, int(q.To/time.Hour), int(q.To%time.Hour/time.Minute), 0, 0, q.Zone)
		if end.After(t) {
			return end
		}
	}
}

// Schedule is a cron schedule by the clock on the wall of a time zone. What is due
// at a time of day is due once a day: on the day that skips it an hour later, on the
// day that has it twice the first time. What is due every hour is due every hour
// that passes.
type Schedule struct {
	spec cron.Schedule
	zone *time.Location
}

// NewSchedule reads a schedule of robfig/cron's standard form.
func NewSchedule(spec string, zone *time.Location) (*Schedule, error) {
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", spec, err)
	}
	return &Schedule{s, zone}, nil
}

// everyHour is what cron sets for a *.
const everyHour = 1 << 63

// Next returns when the schedule is due next after t.
func (s *Schedule) Next(t time.Time) time.Time {
	if every, ok := s.spec.(cron.ConstantDelaySchedule); ok {
		return t.Truncate(every.Delay).Add(every.Delay) // the same for all that is made meanwhile
	}
	fixed, ok := s.spec.(*cron.SpecSchedule)
	if !ok {
		return s.spec.Next(t)
	}
	if fixed.Hour&everyHour != 0 {
		own := *fixed
		own.Location = s.zone
		return own.Next(t.In(s.zone))
	}
	// The library leaves out what is due in the hour that a zone skips. A clock that
	// skips nothing is asked instead.
	own := *fixed
	own.Location = time.UTC
	local := t.In(s.zone)
	wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
	for {
		wall = own.Next(wall)
		if wall.IsZero() {
			return wall // never: 31 February
		}
		due := onWall(wall, s.zone)
		if due.After(t) {
			return due
		}
	}
}

// onWall returns the time at which a zone's clocks show wall: the first where they
// show it twice, an hour later where they skip it.
func onWall(wall time.Time, zone *time.Location) time.Time {
	at := func(t time.Time) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone)
	}
	shows := func(t, wall time.Time) bool {
		t = t.In(zone)
		return t.Hour() == wall.Hour() && t.Minute() == wall.Minute()
	}
	due := at(wall)
	if !shows(due, wall) {
		return at(wall.Add(time.Hour))
	}
	if first := due.Add(-time.Hour); shows(first, wall) {
		return first
	}
	return due
}

// Together makes one list of changes of several, in the order in which they were
// made: one change of each event, from what it was before the first to what it is
// behind the last. What was undone is left out. The most important come first.
func Together(items []Item) []Item {
	var order []string
	byEvent := make(map[string]*Item)
	for _, next := range items {
		id := cmp.Or(next.Event.FeedID, next.Event.ID)
		before, known := byEvent[id]
		switch {
		case !known:
			order = append(order, id)
			byEvent[id] = &next
		case before == nil:
			byEvent[id] = &next // it was new, and gone again
		default:
			byEvent[id] = then(*before, next)
		}
	}
	all := []Item{}
	for _, id := range order {
		if i := byEvent[id]; i != nil {
			all = append(all, *i)
		}
	}
	slices.SortStableFunc(all, func(a, b Item) int { return cmp.Compare(b.Event.Importance, a.Event.Importance) })
	return all
}

// then returns what two changes of an event are together; nil where the second
// undoes the first.
func then(first, second Item) *Item {
	both := Item{Change: Change{Kind: second.Change.Kind}, Event: second.Event}
	switch {
	case second.Change.Kind == Withdrawn && first.Change.Kind == New:
		return nil
	case second.Change.Kind == Withdrawn, second.Change.Kind == New:
		return &both
	case first.Change.Kind == New:
		both.Change.Kind = New
		return &both
	}
	if first.Change.Kind == Raised {
		both.Change.Kind = Raised
	}
	both.Change.Before = make(map[string]any)
	for _, f := range event.Fields() {
		for _, c := range []Change{second.Change, first.Change} {
			if before, ok := c.Before[string(f)]; ok {
				both.Change.Before[string(f)] = before
			}
		}
		changed := slices.Contains(first.Change.Fields, f) || slices.Contains(second.Change.Fields, f)
		if before, ok := both.Change.Before[string(f)]; ok && same(before, second.Event.value(f)) {
			delete(both.Change.Before, string(f))
			changed = false
		}
		if changed {
			both.Change.Fields = append(both.Change.Fields, f)
		}
	}
	if len(both.Change.Fields) == 0 {
		return nil
	}
	return &both
}

// same compares values of which one may come back from JSON.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// value is that of a field of which messages carry the value before; nil for the
// body.
func (e *Event) value(f event.Field) any {
	switch f {
	case event.Title:
		return e.Title
	case event.DateField:
		return e.Date
	case event.Importance:
		return e.Importance
	case event.Status:
		return e.Status
	case event.Location:
		return e.Location
	case event.Tags:
		return e.Tags
	case event.Actors:
		return e.Actors
	case event.Sources:
		return e.Sources
	}
	return nil
}
