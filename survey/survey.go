// Package survey looks at a folder of Markdown that nobody has described, and
// proposes how to read it: which keys hold what, how dates and importance are
// written, which files are no events.
//
// front.go takes the front matter of all files apart into key paths with the values
// that they hold. fields.go chooses among them for each field: a key must have a name
// that people give to such a thing, in one of several languages, and values that can
// be read as one; where no key has the date or the title, the path or a heading may.
// values.go finds out how dates, importance and lists are written. What is proposed is
// then tried on all files with the reader of package event, so that what is said of
// it is true.
//
// The package is pure: the same files give the same Proposal.
package survey

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"tocsin/event"
)

// File is one file of the folder.
type File struct {
	// Path is below the folder, with slashes.
	Path string
	Data []byte
}

// Proposal is how to read a folder, and what that gives.
type Proposal struct {
	// Dialect has all that is proposed of how files are read.
	Dialect event.Dialect
	// Language is that of months in dates; empty where they are English or numbers.
	Language string
	// Include and Exclude are patterns of paths; Exclude has those of files that
	// are no events.
	Include []string
	Exclude []Exclusion
	// Uses says for each field by which candidates it is found.
	Uses map[string][]Use
	// Notes are what a person should know of values, by field.
	Notes map[string][]string
	// Unused are the keys that no field is taken from, the most frequent first.
	Unused []Unused

	// Files is how many files were looked at, and Events how many of them can be
	// read as events; Hidden of these are not public: drafts, and what has expired or
	// is not due yet.
	Files, Events, Hidden int
	// Lost are the files that cannot be read although they look like events.
	Lost []error
	// Tags and Actors are how many there are.
	Tags, Actors int
	// First and Last are the dates between which the events lie.
	First, Last event.Date
	// Weighed is how many events have an importance.
	Weighed int
	// Until is the end of the year that Sent is about: now, or where nothing
	// happened in the year before it, the date of the last event.
	Until time.Time
	// Sent is how many events of that year have at least an importance of the
	// index.
	Sent [11]int
}

// Exclusion is a pattern of paths that are no events.
type Exclusion struct{ Pattern, Why string }

// Use is one candidate of a field.
type Use struct {
	Candidate string
	// Files is how many of the events have it, whether or not one before it wins.
	Files int
	// Example is a value, on one line; empty where the candidate says it all.
	Example string
}

// Unused is a key that no field is taken from.
type Unused struct {
	Key   string
	Files int
}

// Survey looks at files, which are in the order of their paths. now is the end of
// the year that Proposal.Sent is about.
func Survey(files []File, now time.Time) *Proposal {
	s := &surveyor{
		p: &Proposal{
			Dialect: event.Dialect{Fields: make(map[string][]string)},
			Include: include(files), Uses: make(map[string][]Use), Notes: make(map[string][]string), Files: len(files),
		},
		taken: make(map[string]bool), dates: make(map[string]bool), readers: make(map[string]*event.Reader),
	}
	s.read(files)
	s.choose()
	s.p.Dialect.Language = s.p.Language
	s.try()
	s.count(now)
	return s.p
}

// surveyor is one survey.
type surveyor struct {
	p       *Proposal
	docs    []*doc
	uses    []*use
	taken   map[string]bool          // keys that a field is taken from
	dates   map[string]bool          // texts: whether they are dates
	readers map[string]*event.Reader // by the layout that they know
}

// include returns a pattern for each ending.
func include(files []File) []string {
	endings := make(map[string]bool)
	for _, f := range files {
		endings["**/*"+path.Ext(f.Path)] = true
	}
	if len(endings) == 0 {
		return []string{"**/*.md"}
	}
	return slices.Sorted(maps.Keys(endings))
}

// noEvent matches the names of files that stand beside events, also where they have
// a date: what explains the folder, lists of it, and what new files are made from.
var noEvent = regexp.MustCompile(`(?i)^(readme|_index|index|contributing|code[-_]of[-_]conduct|licen[cs]e|changelog|404|_?template|example[-_](advisory|entry|event|incident|post))\.[^.]+$`)

// read takes all files apart, and leaves out those whose names say that they are no
// events, unless most files have such names: then each event has a folder.
func (s *surveyor) read(files []File) {
	named := make(map[string]int)
	for _, f := range files {
		named[strings.ToLower(path.Base(f.Path))]++
	}
	out := make(map[string]bool)
	for _, f := range files {
		base := path.Base(f.Path)
		n := named[strings.ToLower(base)]
		odd := noEvent.MatchString(base) && (n == 1 || 2*n <= len(files))
		// Where an index is the page of a folder, the folder is the event.
		if strings.EqualFold(event.Stem(base), "index") {
			odd = !strings.Contains(f.Path, "/")
		}
		if odd {
			out[base] = true
			continue
		}
		s.docs = append(s.docs, newDoc(f))
	}
	for _, base := range slices.Sorted(maps.Keys(out)) {
		pattern, why := "**/"+escape(base), "its name is not an event's"
		if strings.EqualFold(event.Stem(base), "index") {
			pattern = escape(base)
		}
		s.p.Exclude = append(s.p.Exclude, Exclusion{pattern, why})
	}
	s.uses = usesOf(s.docs)
}

// special matches what means more than itself in a pattern.
var special = regexp.MustCompile(`[\\*?\[\]{}]`)

// escape makes a path a pattern that matches it. What is no text cannot be written, and
// a * stands for it.
func escape(p string) string {
	return strings.ToValidUTF8(special.ReplaceAllString(p, `\$0`), "*")
}

// try reads all files by the proposal: a file that has no date anywhere, or no title,
// is no event.
func (s *surveyor) try() {
	r := event.NewReader(s.p.Dialect)
	var without []*doc
	var dated []*doc
	for _, doc := range s.docs {
		var err error
		doc.event, err = r.Read(doc.path, doc.data)
		switch {
		case err == nil:
			dated = append(dated, doc)
		case doc.err == nil && (!s.has(doc, "date") || !s.has(doc, "title")):
			without = append(without, doc)
		default:
			s.p.Lost = append(s.p.Lost, err)
			dated = append(dated, doc)
		}
	}
	s.exclude(without, dated)
}

// most is the number of files up to which each is excluded by its own path.
const most = 20

// exclude leaves files without date or title out: whole folders where none of the
// files in one are events.
func (s *surveyor) exclude(without, events []*doc) {
	within := func(dir string, docs []*doc) bool {
		return slices.ContainsFunc(docs, func(d *doc) bool { return strings.HasPrefix(d.path, dir+"/") })
	}
	why := make(map[string]string)
	n := make(map[string]int)
	alone := 0
	for _, d := range without {
		pattern := escape(d.path)
		for dir := path.Dir(d.path); dir != "."; dir = path.Dir(dir) {
			if !within(dir, events) {
				pattern = escape(dir) + "/**"
			}
		}
		if pattern == escape(d.path) {
			alone++
		}
		n[pattern]++
		why[pattern] = "no " + map[bool]string{true: "title", false: "date"}[s.has(d, "date")]
	}
	for _, pattern := range slices.Sorted(maps.Keys(why)) {
		if alone > most && !strings.HasSuffix(pattern, "/**") {
			continue
		}
		x := Exclusion{pattern, why[pattern]}
		if n[pattern] > 1 {
			x.Why += ", in " + files(n[pattern])
		}
		s.p.Exclude = append(s.p.Exclude, x)
	}
	if alone > most {
		r := event.NewReader(s.p.Dialect)
		for _, d := range without {
			if _, ok := why[escape(d.path)]; ok {
				_, err := r.Read(d.path, d.data)
				s.p.Lost = append(s.p.Lost, err)
			}
		}
	}
}

// has says that a candidate of a field is present in a file, whatever it holds.
func (s *surveyor) has(d *doc, field string) bool {
	return slices.ContainsFunc(s.p.Dialect.Fields[field], d.has)
}

// count tells what the proposal gives.
func (s *surveyor) count(now time.Time) {
	p := s.p
	tags, actors, ids := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	var events []*event.Event
	for _, doc := range s.docs {
		e := doc.event
		if e == nil {
			continue
		}
		if ids[e.ID] {
			p.Lost = append(p.Lost, &event.Error{Path: e.Path, Line: 1, Msg: "its id is another file's too"})
			continue
		}
		ids[e.ID] = true
		events = append(events, e)
		p.Events++
		if hidden(e, now) {
			p.Hidden++
		}
		for _, t := range e.Tags {
			tags[event.Key(t)] = true
		}
		for _, a := range e.Actors {
			actors[event.Key(a)] = true
		}
		if e.Importance > 0 {
			p.Weighed++
		}
		if p.First.IsZero() || e.Date.Before(p.First.Time) {
			p.First = e.Date
		}
		if e.Date.After(p.Last.Time) {
			p.Last = e.Date
		}
	}
	p.Tags, p.Actors = len(tags), len(actors)
	p.Until = now
	if year := now.AddDate(-1, 0, 0); p.Last.Before(year) {
		p.Until = p.Last.Time
	}
	for _, e := range events {
		if !hidden(e, now) && !e.Date.After(p.Until) && e.Date.After(p.Until.AddDate(-1, 0, 0)) {
			for i := range e.Importance + 1 {
				p.Sent[i]++
			}
		}
	}
	for field, candidates := range p.Dialect.Fields {
		for _, c := range candidates {
			p.Uses[field] = append(p.Uses[field], s.use(c))
		}
	}
	// A map of which something is used is used itself, and so is what it holds.
	inUse := func(key string) bool {
		for k := range s.taken {
			if k == key || strings.HasPrefix(k, key+".") || strings.HasPrefix(key, k+".") {
				return true
			}
		}
		return false
	}
	for _, u := range s.uses {
		if !inUse(u.key) && !u.branch {
			p.Unused = append(p.Unused, Unused{u.key, len(u.docs)})
		}
	}
	slices.SortStableFunc(p.Unused, func(a, b Unused) int {
		return cmp.Or(cmp.Compare(b.Files, a.Files), cmp.Compare(a.Key, b.Key))
	})
}

func hidden(e *event.Event, now time.Time) bool {
	return e.Draft || e.Published.Time().After(now) || !e.Expires.IsZero() && !e.Expires.Time().After(now)
}

// use counts the events that have a candidate.
func (s *surveyor) use(c string) Use {
	u := Use{Candidate: c}
	for _, d := range s.docs {
		if d.event != nil && d.has(c) {
			u.Files++
			if u.Example == "" {
				u.Example = d.example(c)
			}
		}
	}
	return u
}
