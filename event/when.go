package event

import (
	"regexp"
	"strings"
	"time"

	"github.com/goodsign/monday"
	"go.yaml.in/yaml/v4"
)

// Layouts of dates with a time of day, beside the dialect's own: RFC 3339, and
// what YAML's timestamps, TOML's local dates and other generators write.
var clockLayouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04",
	"2006-01-02T15:04", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 Z0700", "2006-01-02 15:04:05 MST",
}

// otherYears matches dates whose year has no place among the four digits.
var otherYears = regexp.MustCompile(`(?i)^(-\d+-\d{1,2}-\d{1,2}|\+?\d{5,}-\d{1,2}-\d{1,2})|\d\s*(BC|BCE)$`)

// date returns a field's date; the zero Date where it has none.
func (t *tree) date(field string) Date {
	if n := t.find(field); n != nil {
		return t.dateOf(field, n)
	}
	return Date{}
}

func (t *tree) dateOf(field string, n *yaml.Node) Date {
	s := line(n.Value)
	d, ok := t.r.parseDate(s)
	switch {
	case n.Kind != yaml.ScalarNode:
		t.fail(n, "%s is a list or map; it must be a date such as 2025-01-28", field)
	case !ok && otherYears.MatchString(s), ok && (d.UTC().Year() < 1 || d.UTC().Year() > 9999):
		t.fail(n, "%s is %s; years go from 1 to 9999", field, clip(n.Value))
	case !ok:
		t.fail(n, "%s is %s; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z%s", field, clip(n.Value), t.r.layouts())
	}
	return d
}

// layouts says for an error which other dates the dialect has.
func (r *Reader) layouts() string {
	if len(r.dialect.DateLayouts) == 0 {
		return ""
	}
	return ", or be written like " + strings.Join(r.dialect.DateLayouts, " or ")
}

// hint is date without faults.
func (t *tree) hint(field string) Date {
	if n := t.find(field); n != nil && n.Kind == yaml.ScalarNode {
		d, _ := t.r.parseDate(line(n.Value))
		return d
	}
	return Date{}
}

// published takes a date, or, as Jekyll has it, false for what is not public.
func (t *tree) published(n *yaml.Node) (d Date, hidden bool) {
	if n.Tag == "!!bool" {
		return Date{}, !t.boolOf("published", n)
	}
	return t.dateOf("published", n), false
}

// moment is the point in time of d; that of a day is its beginning.
func (t *tree) moment(d Date) Moment {
	if d.IsZero() || d.Clock {
		return At(d.Time)
	}
	year, month, day := d.Date()
	return At(time.Date(year, month, day, 0, 0, 0, 0, t.r.dialect.Zone))
}

func (r *Reader) parseDate(s string) (Date, bool) {
	if d, err := time.Parse(time.DateOnly, s); err == nil {
		return Date{Time: d}, true
	}
	for _, layout := range clockLayouts {
		if d, ok := r.parseTime(layout, s); ok {
			return Date{Time: d, Clock: true}, true
		}
	}
	for i, layout := range r.dialect.DateLayouts {
		if !r.clocked[i] {
			if d, err := r.parseIn(time.UTC, layout, s); err == nil {
				return Date{Time: d}, true
			}
		} else if d, ok := r.parseTime(layout, s); ok {
			if d.Hour() == 0 && d.Minute() == 0 && d.Second() == 0 {
				return Date{Time: Date{Time: d}.Day()}, true
			}
			return Date{Time: d, Clock: true}, true
		}
	}
	return Date{}, false
}

// parseTime reads a time in whole seconds, in the dialect's zone where it names
// none. A name of a zone that is neither the dialect's nor UTC's says nothing: EST
// is two zones, and IST three.
func (r *Reader) parseTime(layout, s string) (time.Time, bool) {
	d, err := r.parseIn(r.dialect.Zone, layout, s)
	if err != nil {
		return time.Time{}, false
	}
	name, offset := d.Zone()
	if offset == 0 && d.Location() != r.dialect.Zone && d.Location() != time.UTC && name != "" && name != "GMT" {
		return time.Time{}, false
	}
	d = d.Truncate(time.Second)
	// Offsets of local mean time have seconds, which RFC 3339 cannot write.
	if odd := offset % 60; odd != 0 {
		year, month, day := d.Date()
		hour, minute, second := d.Clock()
		d = time.Date(year, month, day, hour, minute, second, 0, time.FixedZone("", offset-odd))
	}
	return d, true
}

// parseIn reads a date with English names, or with those of the dialect's language.
func (r *Reader) parseIn(zone *time.Location, layout, s string) (time.Time, error) {
	d, err := time.ParseInLocation(layout, s, zone)
	if err == nil || r.locale == "" || !strings.Contains(layout, "Jan") || len(s) > maxDate {
		return d, err
	}
	return monday.ParseInLocation(layout, s, zone, r.locale)
}

// maxDate bounds the bytes of a date with names, which are replaced one by one.
const maxDate = 100

// localeOf returns the locale of a language, whatever its country; empty where there
// is none, or where its names are English.
func localeOf(language string) monday.Locale {
	base, _, _ := strings.Cut(strings.ToLower(language), "-")
	if base == "en" || base == "" {
		return ""
	}
	for _, l := range monday.ListLocales() {
		if of, _, _ := strings.Cut(string(l), "_"); of == base || of == "nb" && base == "no" {
			return l
		}
	}
	return ""
}

// hasClock says that dates of a layout have a time of day.
func hasClock(layout string) bool {
	day := time.Date(2031, 11, 23, 0, 0, 0, 0, time.UTC)
	return day.Format(layout) != day.Add(14*time.Hour+45*time.Minute+56*time.Second).Format(layout)
}
