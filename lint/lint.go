// Package lint looks for what is probably not meant in events that can be read:
// a name spelled in two ways, a date that the file's name contradicts, an event
// that was written twice.
//
// What is usual is learned from the folder itself, so that a finding is a statement
// about it and not about taste: a status is unknown where next to no other event has
// it, importance is missing where most events have one. A folder with few events has
// no usage, and gets no such finding.
//
// Each rule is one function over all events; fields.go has those about one event at
// a time, names.go those about tags and actors. The package is pure and knows
// nothing of severities: whoever calls it says what a rule's findings weigh.
package lint

import (
	"cmp"
	"slices"

	"tocsin/event"
)

// File is one event and where its file says what.
type File struct {
	Event  *event.Event
	Places event.Places
}

// Options are what is known beside the events.
type Options struct {
	// Statuses are statuses that are known, however rare.
	Statuses []string
	// TagAliases and ActorAliases give the name to use for another spelling.
	TagAliases, ActorAliases map[string]string
	// Keys are the names at the top of front matter in which fields are looked for,
	// by field.
	Keys map[string][]string
}

// Finding is one thing that is probably not meant.
type Finding struct {
	// Path is the file's, below the events folder.
	Path string
	// Line counts from 1.
	Line int
	// Rule is the Name of one of Rules.
	Rule string
	// What says what was found, and then what to do.
	What string
}

// Rule is one thing that is looked for.
type Rule struct {
	Name string
	// About says in one sentence what a finding means.
	About string
	find  func(*folder)
}

// Rules returns all rules in the order of their names.
func Rules() []Rule {
	return []Rule{
		{"date_mismatch", "The date in the path of a file is not the date of its event.", dateMismatch},
		{"duplicate", "Two files have the same title and the same date.", duplicate},
		{"empty_value", "A field stands in the front matter and holds nothing.", emptyValue},
		{"missing_importance", "An event has no importance, and most events of the folder have one.", missingImportance},
		{"missing_sources", "An event has no sources, and most events of the folder have some.", missingSources},
		{"missing_tags", "An event has no tags, and most events of the folder have some.", missingTags},
		{"missing_text", "An event has neither body nor summary, and most events of the folder have one.", missingText},
		{"misspelled_key", "A key looks like the misspelled name of a field that the event does not have.", misspelledKey},
		{"similar_actor", "An actor looks like another spelling of one that more events have.", similarActor},
		{"similar_tag", "A tag looks like another spelling of one that more events have.", similarTag},
		{"spelling", "A tag or an actor differs from the usual spelling in case or punctuation alone.", spelling},
		{"unknown_status", "A status is next to no other event's.", unknownStatus},
		{"unlinked_source", "A source has no address.", unlinkedSource},
		{"unparsable_date", "A date that events can do without cannot be read, and is ignored.", unparsableDate},
		{"unusual_importance", "An importance lies outside of what all other events have.", unusualImportance},
		{"value_type", "A value has a form that can be read, but hardly as it is meant.", valueType},
	}
}

// Check returns what the rules find in the events of a folder, in the order of
// paths, lines and rules.
func Check(files []File, o Options) []Finding {
	f := newFolder(files, o)
	for _, r := range Rules() {
		f.rule = r.Name
		r.find(f)
	}
	slices.SortFunc(f.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.What, b.What))
	})
	return slices.Compact(f.found)
}

// folder is what the rules go through, and what they note.
type folder struct {
	Options
	files []File
	tags  usage
	// actors holds both the actors and, as often as enough, those of aliases.
	actors usage
	rule   string
	found  []Finding
}

func newFolder(files []File, o Options) *folder {
	f := &folder{Options: o, files: files, tags: newUsage(o.TagAliases), actors: newUsage(o.ActorAliases)}
	for _, file := range files {
		f.tags.add(file.Event.Tags, file.Places.Tags)
		f.actors.add(file.Event.Actors, file.Places.Actors)
	}
	return f
}

// note notes a finding of the present rule. A file whose lines are not known has its
// findings in the first.
func (f *folder) note(file File, line int, what string) {
	f.found = append(f.found, Finding{Path: file.Event.Path, Line: max(line, 1), Rule: f.rule, What: what})
}
