package lint

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/event"
)

// usualFrom is the number of events from which a folder has a usage.
const usualFrom = 5

// missing notes the events for which has is false, where it is true for most.
func (f *folder) missing(field string, has func(*event.Event) bool, hint string) {
	n := 0
	for _, file := range f.files {
		if has(file.Event) {
			n++
		}
	}
	if n < usualFrom || 2*n <= len(f.files) {
		return
	}
	for _, file := range f.files {
		if !has(file.Event) {
			f.note(file, file.Places.Front, fmt.Sprintf("no %s, which %d of %d events here have; %s", field, n, len(f.files), hint))
		}
	}
}

func missingImportance(f *folder) {
	f.missing("importance", func(e *event.Event) bool { return e.Importance > 0 }, "add one from 1 to 10")
}

func missingSources(f *folder) {
	f.missing("sources", func(e *event.Event) bool { return len(e.Sources) > 0 }, "say where it can be read")
}

func missingTags(f *folder) {
	f.missing("tags", func(e *event.Event) bool { return len(e.Tags) > 0 }, "without one the event stands in no feed of a tag")
}

func missingText(f *folder) {
	f.missing("text", func(e *event.Event) bool { return e.Body != "" }, "write a body or a summary")
}

// Dates in paths: at the beginning of the file's name, or as folders around it.
var (
	dateInName    = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})(?:\D|$)`)
	dateInFolders = regexp.MustCompile(`(?:^|/)(\d{4})(?:/(\d{2})(?:/(\d{2}))?)?/[^/]*$`)
)

// dateMismatch compares as much of a date as the path gives: a year, a month, a day.
func dateMismatch(f *folder) {
	for _, file := range f.files {
		e := file.Event
		m := dateInName.FindStringSubmatch(e.Path[strings.LastIndexByte(e.Path, '/')+1:])
		if m == nil || !isDate(m[1:]) {
			m = dateInFolders.FindStringSubmatch(e.Path)
		}
		place, ok := file.Places.Fields["date"]
		if m == nil || !isDate(m[1:]) || !ok {
			continue
		}
		date := e.Date.Day().Format(time.DateOnly)
		inPath := strings.TrimRight(strings.Join(m[1:], "-"), "-")
		if !strings.HasPrefix(date, inPath) {
			f.note(file, place.Line, fmt.Sprintf("the date is %s, and the file's path says %s; correct one of the two", date, inPath))
		}
	}
}

// isDate says that year, month and day are a date; the last two may be empty.
func isDate(parts []string) bool {
	layout := [...]string{"2006", "2006-01", time.DateOnly}[len(strings.Join(parts, ""))/2-2]
	t, err := time.Parse(layout, strings.TrimRight(strings.Join(parts, "-"), "-"))
	return err == nil && t.Year() >= 1000
}

// duplicate compares titles as names compare. Every file of them has the finding, so
// that whoever looks at one of the files sees it.
func duplicate(f *folder) {
	type what struct{ title, date string }
	same := make(map[what][]File)
	for _, file := range f.files {
		w := what{event.Key(file.Event.Title), file.Event.Date.Day().Format(time.DateOnly)}
		same[w] = append(same[w], file)
	}
	for _, files := range same {
		for i, file := range files {
			if len(files) > 1 {
				other := files[0].Event.Path
				if i == 0 {
					other = files[1].Event.Path
				}
				f.note(file, file.Places.Fields["title"].Line, fmt.Sprintf("%s has the same title and date; keep one of the two, or tell them apart in their titles", other))
			}
		}
	}
}

func emptyValue(f *folder) {
	for _, file := range f.files {
		for _, field := range slices.Sorted(maps.Keys(file.Places.Fields)) {
			if p := file.Places.Fields[field]; p.Shape == event.Nothing {
				f.note(file, p.Line, field+" holds nothing; write a value or take the line out")
			}
		}
	}
}

// misspelledKey looks at the keys of events that lack a field: keys of other tools
// are normal, and one that looks like a field's by chance is not what the event
// lacks.
func misspelledKey(f *folder) {
	known := make(map[string]bool)
	for _, keys := range f.Keys {
		for _, k := range keys {
			known[k] = true
		}
	}
	for _, file := range f.files {
		for _, field := range slices.Sorted(maps.Keys(f.Keys)) {
			if _, ok := file.Places.Fields[field]; ok {
				continue
			}
			for _, k := range file.Places.Keys {
				for _, key := range f.Keys[field] {
					if !known[k.Name] && alike(strings.ToLower(k.Name), key) {
						f.note(file, k.Line, fmt.Sprintf("the key %s is not known, and the event has no %s; did you mean %s?", strconv.Quote(k.Name), field, key))
					}
				}
			}
		}
	}
}

// alike says that a is a slip of the pen away from b: another case, one letter, a
// plural.
func alike(a, b string) bool {
	return a == b || singular(a) == singular(b) || len(b) >= 5 && oneEdit(a, b)
}

// Statuses that fewer events than rare have are unknown, where at least
// statusesFrom events have one.
const (
	rare         = 3
	statusesFrom = 20
)

func unknownStatus(f *folder) {
	n := make(map[string]int)
	all := 0
	for _, file := range f.files {
		if s := file.Event.Status; s != "" {
			n[event.Key(s)]++
			all++
		}
	}
	names := make(map[string]string)
	for _, s := range f.Statuses {
		n[event.Key(s)] += rare
	}
	var usual []string
	for _, file := range f.files {
		if s := file.Event.Status; n[event.Key(s)] >= rare && names[event.Key(s)] == "" {
			names[event.Key(s)] = s
			usual = append(usual, s)
		}
	}
	if all < statusesFrom || len(usual) == 0 {
		return
	}
	slices.SortFunc(usual, func(a, b string) int { return n[event.Key(b)] - n[event.Key(a)] })
	const most = 5
	hint := strings.Join(usual[:min(most, len(usual))], ", ")
	if len(usual) > most {
		hint += ", …"
	}
	for _, file := range f.files {
		if s := file.Event.Status; s != "" && n[event.Key(s)] < rare {
			f.note(file, file.Places.Fields["status"].Line, fmt.Sprintf("the status %q is %s; the statuses here are %s", s, times(n[event.Key(s)]), hint))
		}
	}
}

// times says in how many events something is.
func times(n int) string {
	if n == 1 {
		return "in no other event"
	}
	return fmt.Sprintf("in %d events alone", n)
}

func unlinkedSource(f *folder) {
	for _, file := range f.files {
		for i, s := range file.Event.Sources {
			if s.URL != "" {
				continue
			}
			line := file.Places.Front
			if i < len(file.Places.Sources) {
				line = file.Places.Sources[i]
			}
			f.note(file, line, fmt.Sprintf("the source %q has no link; give it an http or https address", event.Cut(s.Title, 60)))
		}
	}
}

func unparsableDate(f *folder) {
	for _, file := range f.files {
		if p := file.Places.Fields["last_updated"]; p.Shape != "" && p.Shape != event.Nothing && file.Event.LastUpdated.IsZero() {
			f.note(file, p.Line, fmt.Sprintf("last_updated is %q, which is no date and is ignored; write it like 2025-01-28", event.Cut(p.Text, 60)))
		}
	}
}

// unusualFrom is the number of events from which one importance can be unusual.
const unusualFrom = 100

func unusualImportance(f *folder) {
	var n [11]int
	all := 0
	for _, file := range f.files {
		if i := file.Event.Importance; i > 0 {
			n[i]++
			all++
		}
	}
	low, high := 0, 0
	for i := range n {
		if n[i] >= rare {
			high = i
			if low == 0 {
				low = i
			}
		}
	}
	if all < unusualFrom || high == 0 {
		return
	}
	for _, file := range f.files {
		if i := file.Event.Importance; i > 0 && (i < low || i > high) {
			f.note(file, file.Places.Fields["importance"].Line, fmt.Sprintf("the importance %d is %s; all others are from %d to %d", i, times(n[i]), low, high))
		}
	}
}

func valueType(f *folder) {
	for _, file := range f.files {
		p := file.Places.Fields
		for _, field := range []string{"title", "location", "status", "id"} {
			switch p[field].Shape {
			case event.List, event.ListOfMaps:
				f.note(file, p[field].Line, fmt.Sprintf("%s is a list, whose items are read as one text with commas; write a text", field))
			case event.Map:
				f.note(file, p[field].Line, fmt.Sprintf("%s is a map, whose values are read as one text; write a text", field))
			}
		}
		for _, field := range []string{"tags", "actors"} {
			switch p[field].Shape {
			case event.Map, event.ListOfMaps:
				f.note(file, p[field].Line, fmt.Sprintf("%s is a %s, all of whose values are read as names; write a list of names", field, p[field].Shape))
			}
		}
		if t := file.Event.Tags; p["tags"].Shape == event.Scalar && len(t) == 1 && strings.Contains(t[0], ",") {
			f.note(file, p["tags"].Line, fmt.Sprintf("tags is one text, and so one tag: %q; write a list", event.Cut(t[0], 60)))
		}
	}
}
