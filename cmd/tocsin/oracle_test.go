package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// This file is what random operations have to come to: what files mean, and the oracle,
// which works out from that what the world must be told.

// says is what an event says.
type says struct {
	title, date  string
	importance   int
	status, tags string
	body         string
}

// parts are what an event says by field, in the order in which changes list them.
func (s says) parts() [][2]string {
	return [][2]string{
		{"title", s.title}, {"date", s.date}, {"importance", fmt.Sprint(s.importance)}, {"status", s.status},
		{"tags", s.tags}, {"body", s.body},
	}
}

// edition is an event as one file tells it.
type edition struct {
	id, path string
	says     says
	draft    bool
}

// paper is one file of the folder.
type paper struct {
	id     string // in the front matter; empty: none
	says   says
	draft  bool
	broken int // a way in which it does not parse; 0: it does
	form   int // a way of writing that means the same
	stamp  int // of the last writing or renaming; no two have one
}

// edition returns what the file tells if it parses.
func (f paper) edition(p string) *edition {
	return &edition{id: cmp.Or(f.id, strings.TrimSuffix(p, ".md")), path: p, says: f.says, draft: f.draft}
}

// unparsable are texts that do not parse, from 1.
var unparsable = []string{1: "", 2: "---\ntitle: T\n", 3: "---\ntitle: T\ndate: soon\n---\n", 4: "Text.\n", 5: "---\ntitle: [T\n---\n"}

// forms is the number of ways to write a file.
const forms = 32

func (f paper) text() string {
	if f.broken > 0 {
		return unparsable[f.broken]
	}
	front := []string{"title: " + f.says.title, "date: " + f.says.date}
	if f.id != "" {
		front = append(front, "id: "+f.id)
	}
	if f.says.importance > 0 {
		front = append(front, fmt.Sprint("importance: ", f.says.importance))
	}
	if f.says.status != "" {
		front = append(front, "status: "+f.says.status)
	}
	if f.says.tags != "" {
		front = append(front, "tags: ["+f.says.tags+"]")
	}
	if f.draft {
		front = append(front, "draft: true")
	}
	body := "\n" + f.says.body + "\n"
	if f.form&1 != 0 {
		slices.Reverse(front)
	}
	if f.form&2 != 0 {
		front = append(front, "last_updated: 2025-03-01", "unknown: true")
	}
	if f.form&4 != 0 {
		body = "\n" + strings.ReplaceAll(body, "\n", "  \n") + "\n\n"
	}
	if f.form&8 != 0 {
		front = slices.Insert(front, 1, "# A comment.", "")
	}
	text := "---\n" + strings.Join(front, "\n") + "\n---\n" + body
	if f.form&16 != 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// The oracle.

// public is an event as the world knows it.
type public struct {
	edition
	entry string // its id in feeds
}

// oracle says what the world must be told. It knows what the files mean, and
// works everything out from that.
type oracle struct {
	disk   map[string]paper
	known  map[string]*edition // by path: the last good edition as of the last look; nil: none was
	told   map[string]public   // by id
	broken map[string]bool     // by path: it did not parse at the last look
	// holder gives the entry that had an event id last, withdrawn those that were
	// withdrawn under it, minted all that there ever were.
	holder    map[string]string
	withdrawn map[string][]string
	minted    map[string]bool
	// corrections are all that there ever were, by the feed.
	corrections map[string][]string
}

// look makes known what the folder holds, and returns the files that are left for
// later: those that are young and, while the folder does not rest, those that may
// be a missing file at another place. Nothing is gone then. What does not parse
// stays as it was.
func (o *oracle) look(overdue bool, young func(p string, f paper) bool) (left map[string]bool) {
	missing := o.missing()
	left = make(map[string]bool)
	for p, f := range o.disk {
		old := o.known[p]
		mayBe := func(q string) bool {
			away := o.known[q]
			return away != nil && alike(away.says, f.says)
		}
		switch {
		case young(p, f), overdue && old == nil && f.broken == 0 && slices.ContainsFunc(slices.Collect(maps.Keys(missing)), mayBe):
			left[p] = true
		case f.broken > 0:
			o.known[p], o.broken[p] = old, true
		default:
			o.known[p], o.broken[p] = f.edition(p), false
		}
	}
	if !overdue {
		for p := range missing {
			delete(o.known, p)
			delete(o.broken, p)
		}
	}
	return left
}

func alike(a, b says) bool { return a.title == b.title && a.date == b.date }

// forget leaves what the world was told, as a restart does.
func (o *oracle) forget() {
	clear(o.known)
	clear(o.broken)
	o.remember()
}

// remember makes known what the world was told of files that are not known, as
// the next look will find it again.
func (o *oracle) remember() {
	for id := range o.told {
		o.keep(id)
	}
}

// keep does so for one event.
func (o *oracle) keep(id string) {
	e := o.told[id]
	if _, ok := o.known[e.path]; !ok {
		o.known[e.path] = &e.edition
	}
}

// missing returns the known files that are not there.
func (o *oracle) missing() map[string]bool {
	all := make(map[string]bool)
	for p := range o.known {
		if _, ok := o.disk[p]; !ok {
			all[p] = true
		}
	}
	return all
}

// stands returns the events that are to be public, by id, and the files that lose
// their id to another.
func (o *oracle) stands() (now map[string]edition, losers []string) {
	now = make(map[string]edition)
	for _, p := range slices.Sorted(maps.Keys(o.known)) {
		e := o.known[p]
		if e == nil {
			continue
		}
		if _, taken := now[e.id]; taken {
			losers = append(losers, p)
		} else {
			now[e.id] = *e
		}
	}
	maps.DeleteFunc(now, func(_ string, e edition) bool { return e.draft })
	return now, losers
}

// verdict is what one turn must do.
type verdict struct {
	told     map[string]public // the entry is empty where it has to be a new one
	gone     []string          // ids of those that are withdrawn
	messages []string
	// significant are the entries that move up in feeds.
	significant map[string]bool
	// corrections are those that readers are shown, by the feed.
	corrections map[string][]string
}

// turn works out what the world is told when what is known now becomes public.
func (o *oracle) turn(silent bool) verdict {
	now, _ := o.stands()
	v := verdict{told: make(map[string]public), significant: make(map[string]bool), corrections: make(map[string][]string)}
	correct := func(kind string, e says, before *says) {
		line := fmt.Sprint(kind, " ", e, " ", before)
		paths := homes(e)
		if before != nil {
			if before.title == e.title && before.date == e.date && before.status == e.status {
				return
			}
			line = fmt.Sprint(kind, " ", e, " ", *before)
			paths = append(paths, homes(*before)...)
		}
		slices.Sort(paths)
		for _, path := range append(slices.Compact(paths), "corrections") {
			v.corrections[path] = append(v.corrections[path], line)
		}
	}
	var gone, fresh []string
	for _, id := range slices.Sorted(maps.Keys(o.told)) {
		if _, ok := now[id]; !ok {
			gone = append(gone, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if _, ok := o.told[id]; !ok {
			fresh = append(fresh, id)
		}
	}
	same := func(a, b says) bool { return a == b }

	// Moves: first of those that say the same, then of those that are alike.
	from, to := make(map[string]string), make(map[string]string)
	for _, fit := range []func(a, b says) bool{same, alike} {
		for _, id := range fresh {
			for _, old := range gone {
				if from[id] == "" && to[old] == "" && fit(o.told[old].says, now[id].says) {
					from[id], to[old] = old, id
				}
			}
		}
	}

	tell := func(kind string, e public, before *says) {
		for _, least := range leasts {
			if !silent {
				if m, ok := message(least, kind, e, before); ok {
					v.messages = append(v.messages, m)
				}
			}
		}
	}
	for id, e := range now {
		before, known := o.told[id]
		if !known && from[id] != "" {
			before, known = o.told[from[id]], true
		}
		p := public{e, before.entry}
		if of := o.withdrawn[id]; !known && len(of) > 0 {
			p.entry = of[len(of)-1] // it is back
		}
		v.told[id] = p
		switch {
		case !known:
			v.significant[p.entry] = true
			// A copy of what moved is told to nobody: they know what it says.
			copied := slices.ContainsFunc(gone, func(old string) bool {
				s := o.told[old].says
				return alike(s, e.says) && to[old] != "" && (s == e.says || now[to[old]].says == e.says)
			})
			if !copied {
				tell("new", p, nil)
			}
		case before.says != e.says:
			tags := before.says
			tags.tags = e.says.tags
			v.significant[p.entry] = tags != e.says // more than the tags
			tell("updated", p, &before.says)
			correct("updated", e.says, &before.says)
		}
	}
	for _, old := range gone {
		if to[old] == "" {
			v.gone = append(v.gone, old)
			tell("withdrawn", o.told[old], nil)
			correct("withdrawn", o.told[old].says, nil)
		}
	}
	slices.Sort(v.messages)
	return v
}

// leasts are the min_importance of the sinks.
var leasts = []int{0, 5, 8}

// message is what a sink is told of a change, if it is.
func message(least int, kind string, e public, before *says) (string, bool) {
	counts := kind != "updated"
	var fields, values []string
	if before != nil {
		was := before.parts()
		for i, is := range e.says.parts() {
			if is == was[i] {
				continue
			}
			fields = append(fields, is[0])
			if is[0] != "body" {
				values = append(values, was[i][0]+": "+was[i][1])
			}
			counts = counts || is[0] != "tags" && is[0] != "body"
		}
		if before.importance < least && e.says.importance >= least {
			kind, counts = "raised", true
		}
	}
	return wire(least, kind, e.id, e.says, e.entry, fields, values), counts && e.says.importance >= least
}

// wire is a message as one line.
func wire(least int, kind, id string, s says, entry string, fields, before []string) string {
	slices.Sort(before)
	return fmt.Sprintf("to min-%d: %s %s (%s, %s, %d, %q, [%s]), entry %s, changed %q, before %q",
		least, kind, id, s.title, s.date, s.importance, s.status, s.tags, entry, fields, before)
}

// settle enters what the world was told. entries gives the ids of the new ones.
func (o *oracle) settle(v verdict, entries map[string]string) {
	for id, e := range o.told {
		if !slices.ContainsFunc(slices.Collect(maps.Values(v.told)), func(n public) bool { return n.entry == e.entry }) {
			o.withdrawn[id] = append(o.withdrawn[id], e.entry)
		}
	}
	for id, e := range v.told {
		e.entry = entries[id]
		v.told[id] = e
		o.holder[id] = e.entry
		o.minted[e.entry] = true
		for id, of := range o.withdrawn {
			o.withdrawn[id] = slices.DeleteFunc(of, func(entry string) bool { return entry == e.entry })
		}
	}
	o.told = v.told
	for path, lines := range v.corrections {
		o.corrections[path] = append(o.corrections[path], lines...)
	}
}

// homes are the feeds that an event stands in.
func homes(s says) []string {
	all := []string{"all"}
	if s.importance >= 8 {
		all = append(all, "custom/top")
	}
	for _, tag := range strings.Split(s.tags, ", ") {
		if tag != "" {
			all = append(all, "tags/"+strings.ToLower(tag))
		}
	}
	return all
}

// feeds returns what stands in each feed.
func (o *oracle) feeds() map[string]string {
	all := map[string][]string{"all": nil, "corrections": nil, "custom/top": nil}
	for _, e := range o.told {
		for _, path := range homes(e.says) {
			all[path] = append(all[path], fmt.Sprint(e.entry, " ", e.id, " ", e.says))
		}
	}
	for path, lines := range o.corrections {
		all[path] = append(all[path], lines...)
	}
	feeds := make(map[string]string)
	for path, lines := range all {
		slices.Sort(lines)
		feeds[path] = strings.Join(lines, "\n")
	}
	return feeds
}
