package survey

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tocsin/event"
)

// Place is what a configuration says beside how events are read.
type Place struct {
	// Dir is the events folder as the configuration has it, Name as a person does.
	Dir, Name string
	// Title is the site's.
	Title string
}

// shown is how many keys without use, and how many lost files, are listed.
const shown = 30

// Config returns the proposal as a configuration, with what it stands on in
// comments.
func (p *Proposal) Config(at Place) string {
	b := new(strings.Builder)
	line := func(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }
	noted := func(text, comment string) {
		if comment == "" {
			line("%s", text)
		} else {
			line("%-42s # %s", text, clean(comment))
		}
	}
	line("# Proposed for %s by `tocsin init`, which read all of its files: %s.", clean(at.Name), p.Headline())
	line("# What is not said here has its default; tocsin's own config.yaml explains every key.")
	if len(p.Lost) > 0 {
		line("#\n# Not read, and named by `tocsin check`:")
		for _, err := range p.Lost[:min(shown, len(p.Lost))] {
			line("#   %s", clean(err.Error()))
		}
		if more := len(p.Lost) - shown; more > 0 {
			line("#   and %d more", more)
		}
	}
	if len(p.Unused) > 0 {
		line("#\n# Not used, with the number of files:")
		var all []string
		for _, u := range p.Unused[:min(shown, len(p.Unused))] {
			all = append(all, fmt.Sprintf("%s %d", clean(u.Key), u.Files))
		}
		if more := len(p.Unused) - shown; more > 0 {
			all = append(all, fmt.Sprintf("and %d more", more))
		}
		for _, l := range wrapped(strings.Join(all, ", ")) {
			line("#   %s", l)
		}
	}
	line("\nsite:")
	line("  title: %s", quoted(at.Title))
	if p.Language != "" {
		noted("  language: "+p.Language, "that of the months in dates")
	}
	noted("  url: http://localhost:8080", "where people will find it; every link is made from this")
	noted("  authority: localhost,2025", "yours, before anybody subscribes: a domain and a date on which you had it")

	line("\nevents:")
	line("  dir: %s", quoted(at.Dir))
	line("  include: %s", list(p.Include))
	if len(p.Exclude) > 0 {
		line("  exclude:")
		for _, x := range p.Exclude {
			noted("    - "+quoted(x.Pattern), x.Why)
		}
	}
	noted("  fields:", fmt.Sprintf("where each is found; in how many of the %d events, and an example", p.Events))
	for _, field := range fieldOrder {
		candidates := p.Dialect.Fields[field]
		if field == "expires" && len(candidates) == 0 {
			continue
		}
		noted(fmt.Sprintf("    %s: %s", field, list(candidates)), p.evidence(field))
		for _, n := range p.Notes[field] {
			line("      # %s", clean(n))
		}
	}
	var cuts []string
	for _, cut := range [][2]string{{"tags", p.Dialect.TagSplit}, {"actors", p.Dialect.ActorSplit}} {
		if cut[1] != "" {
			cuts = append(cuts, cut[0]+": "+strconv.Quote(cut[1]))
		}
	}
	if len(cuts) > 0 {
		noted("  split: {"+strings.Join(cuts, ", ")+"}", "where a text that stands for a list is cut")
	}
	if w := p.Dialect.ImportanceWords; len(w) > 0 {
		noted("  importance_words:", "1 to 10; please look at these")
		words := slices.SortedFunc(maps.Keys(w), func(x, y string) int {
			if w[x] != w[y] {
				return w[y] - w[x]
			}
			return strings.Compare(x, y)
		})
		for _, word := range words {
			line("    %s: %d", quoted(word), w[word])
		}
	}
	if w := p.Dialect.StatusWords; len(w) > 0 {
		line("  status_words:")
		for _, word := range slices.Sorted(maps.Keys(w)) {
			line("    %s: %s", quoted(word), quoted(w[word]))
		}
	}
	if l := p.Dialect.DateLayouts; len(l) > 0 {
		noted("  date_layouts:", "in Go's notation")
		for _, layout := range l {
			line("    - %s", quoted(layout))
		}
	}
	line("\nnotify:")
	for _, l := range p.sending() {
		line("  # %s", l)
	}
	line("  sinks: []")
	return b.String()
}

// fieldOrder is that of the reference.
var fieldOrder = []string{
	"title", "date", "importance", "tags", "actors", "location", "status", "draft", "id", "summary", "sources", "last_updated",
	"published", "expires",
}

// Headline says in one line what the folder holds.
func (p *Proposal) Headline() string {
	s := fmt.Sprintf("%d of %d are events", p.Events, p.Files)
	if p.Hidden > 0 {
		s += fmt.Sprintf(" (%d of them not public)", p.Hidden)
	}
	if p.Events > 0 {
		s += fmt.Sprintf(" from %s to %s, with %d tags and %d actors", p.First.Day().Format(time.DateOnly), p.Last.Day().Format(time.DateOnly), p.Tags, p.Actors)
	}
	return s
}

// evidence says of a field in how many events its candidates are.
func (p *Proposal) evidence(field string) string {
	var all []string
	for _, u := range p.Uses[field] {
		s := strconv.Itoa(u.Files)
		if len(p.Uses[field]) > 1 {
			name, _, _ := strings.Cut(u.Candidate, ":")
			if strings.HasPrefix(u.Candidate, "heading:") {
				name = "heading"
			}
			s = name + " " + s
		}
		if u.Example != "" {
			s += ": " + u.Example
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

// sending says what each min_importance would have let through.
func (p *Proposal) sending() []string {
	if p.Weighed == 0 {
		return []string{
			"No event has an importance. Events that a sink would have been told of in the year until",
			fmt.Sprintf("%s, by their dates: %d", p.Until.Format(time.DateOnly), p.Sent[0]),
		}
	}
	lines := []string{
		"What a sink with this min_importance would have been told of in the year until",
		p.Until.Format(time.DateOnly) + ", by the dates of the events:",
	}
	for i := 10; i >= 0; i-- {
		if i == 10 || i == 0 || p.Sent[i] != p.Sent[i+1] {
			lines = append(lines, fmt.Sprintf("%4d: %d", i, p.Sent[i]))
		}
	}
	return lines
}

// plainScalar matches what YAML takes for a text without quotes, and nothing else.
var plainScalar = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_/-]*(?:\.[A-Za-z0-9_/-]+)*$`)

// quoted writes a text as YAML.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(s)
	}
	ambiguous := slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s))
	if plainScalar.MatchString(s) && !ambiguous || strings.HasPrefix(s, "heading:") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func list(all []string) string {
	q := make([]string, len(all))
	for i, s := range all {
		q[i] = quoted(s)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

// clean makes a text fit for a comment.
func clean(s string) string {
	return event.Cut(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s), 160)
}

// wrapped breaks a text into lines of a comment.
func wrapped(s string) []string {
	var lines []string
	l := ""
	for _, word := range strings.Fields(s) {
		if l != "" && len(l)+len(word) > 88 {
			lines = append(lines, l)
			l = ""
		}
		l = strings.TrimSpace(l + " " + word)
	}
	return append(lines, l)
}
