package survey

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"tocsin/event"
)

// monthFolder is how a date is read whose month is a folder with the month's name.
const monthFolder = "2006-January-02"

// dateLayouts are what dates are written in beside what package event reads by
// itself. Of two that read the same text the first is tried before the other; day
// and month in numbers are told apart by dayFirst.
var dateLayouts = []string{
	"January 2, 2006", "Jan 2, 2006", "2 January 2006", "2 Jan 2006", "January 2 2006", "Jan 2 2006", "2. January 2006",
	"2-January-2006", "2-Jan-2006", "2006-January-2", "2006-Jan-2", monthFolder, "2006 January 2", "Jan. 2, 2006",
	"January 2th, 2006", "January 2st, 2006", "January 2nd, 2006", "January 2rd, 2006",
	"2th January 2006", "2st January 2006", "2nd January 2006", "2rd January 2006",
	"2 de January de 2006", "2 de January del 2006", "2er January 2006",
	"2th of January 2006", "2st of January 2006", "2nd of January 2006", "2rd of January 2006", "2 of January 2006",
	"Monday, January 2, 2006", "Monday, 2 January 2006", "Monday 2 January 2006", "Mon, 2 Jan 2006", "Mon Jan 2 2006",
	time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC, time.UnixDate,
	"2006-01-02 15:04 -0700", "2006-01-02 15:04 MST", "2006-01-02 3:04 PM", "2006-1-2",
	"2006/01/02", "2006/1/2", "2006.01.02", "2006.1.2", "2006_01_02", "20060102", "2006/01/02 15:04", "2006/01/02 15:04:05",
	"20060102T150405Z0700", "20060102150405", "20060102T150405",
	"2.1.2006", "2.1.2006 15:04", "2.1.2006, 15:04", "2. 1. 2006",
	"January 2006", "Jan 2006", "2006-01", "2006/01", "1/2006", "2006",
}

// timedLayouts are those of dates with the name of a month and a time of day.
var timedLayouts = func() (all []string) {
	for _, day := range []string{
		"January 2, 2006", "Jan 2, 2006", "January 2 2006", "Jan 2 2006", "2 January 2006", "2 Jan 2006", "2. January 2006",
		"2 de January de 2006", "2-Jan-2006", "Monday, January 2, 2006", "Monday, 2 January 2006",
	} {
		for _, between := range []string{" ", ", ", " at "} {
			for _, clock := range []string{"15:04", "15:04:05", "3:04 PM"} {
				for _, zone := range []string{"", " MST", " -0700"} {
					all = append(all, day+between+clock+zone)
				}
			}
		}
	}
	return all
}()

// layoutsFor are the layouts that a text may be in.
func layoutsFor(text string) []string {
	if strings.Contains(text, ":") {
		return slices.Concat(dateLayouts, timedLayouts)
	}
	return dateLayouts
}

// ambiguous are layouts with the day first and with the month first.
var ambiguous = [][2]string{
	{"2/1/2006", "1/2/2006"}, {"2/1/2006 15:04", "1/2/2006 15:04"}, {"2-1-2006", "1-2-2006"}, {"2/1/06", "1/2/06"},
}

// ordinals are layouts that are proposed together where one of them is in use.
var ordinals = [][]string{
	{"January 2st, 2006", "January 2nd, 2006", "January 2rd, 2006", "January 2th, 2006"},
	{"2st January 2006", "2nd January 2006", "2rd January 2006", "2th January 2006"},
	{"2st of January 2006", "2nd of January 2006", "2rd of January 2006", "2th of January 2006"},
}

// languages are those whose months are looked for where dates are not English.
var languages = []string{"de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "ru", "uk", "tr", "hu", "ro"}

// named matches what may be a date with the name of a month.
var named = regexp.MustCompile(`^[^\n]{0,20}\pL{3}[^\n]{0,20}\d{4}|^\d{4}[^\n]{0,20}\pL{3}`)

// samples is how many texts tell the language of months.
const samples = 40

// language finds out in which language months are written, from keys with the names
// of dates.
func (s *surveyor) language() {
	layouts := slices.Concat(dateLayouts, timedLayouts)
	english := event.NewReader(event.Dialect{DateLayouts: layouts})
	var texts []string
	for _, u := range s.uses {
		if slices.Contains(names["date"], u.name) || slices.Contains(names["published"], u.name) {
			for _, text := range u.texts() {
				if _, ok := english.ReadDate(text); !ok && len(text) <= longestDate && named.MatchString(text) && len(texts) < samples {
					texts = append(texts, text)
				}
			}
		}
	}
	most := 0
	for _, l := range languages {
		r := event.NewReader(event.Dialect{DateLayouts: layouts, Language: l})
		n := 0
		for _, text := range texts {
			if _, ok := r.ReadDate(text); ok {
				n++
			}
		}
		if n > most {
			s.p.Language, most = l, n
		}
	}
}

// longestDate is how many bytes a date has at most.
const longestDate = 60

// isDate says that a value is a date in some layout.
func (s *surveyor) isDate(n *yaml.Node) bool {
	return isScalar(n) && (n.Tag == "!!timestamp" || s.readsDate(strings.Join(event.Texts(n), "")))
}

func (s *surveyor) readsDate(text string) bool {
	if len(text) > longestDate || !strings.ContainsAny(text, "0123456789") {
		return false
	}
	is, ok := s.dates[text]
	if !ok {
		is = s.plain(text) || slices.ContainsFunc(layoutsFor(text), func(l string) bool { return s.reads(l, text) }) ||
			slices.ContainsFunc(ambiguous, func(l [2]string) bool { return s.reads(l[0], text) || s.reads(l[1], text) })
		s.dates[text] = is
	}
	return is
}

// plain says that a date needs no layout.
func (s *surveyor) plain(text string) bool {
	_, ok := s.reader("").ReadDate(text)
	return ok
}

// reads says that text is a date in a layout, of a year that people write about.
func (s *surveyor) reads(layout, text string) bool {
	d, ok := s.reader(layout).ReadDate(text)
	return ok && d.Year() >= 1000 && d.Year() < 2200
}

// reader returns what reads dates in one layout beside the usual ones.
func (s *surveyor) reader(layout string) *event.Reader {
	r := s.readers[layout]
	if r == nil {
		d := event.Dialect{Language: s.p.Language}
		if layout != "" {
			d.DateLayouts = []string{layout}
		}
		r = event.NewReader(d)
		s.readers[layout] = r
	}
	return r
}

// layouts proposes the fewest layouts that read all dates of the candidates.
func (s *surveyor) layouts(chosen []string) {
	open := make(map[string]*doc) // by text, one of the files that have it
	keys := slices.Concat(chosen, s.dateKeys())
	for _, d := range s.docs {
		for _, c := range keys {
			text := d.date(c)
			if text != "" && len(text) <= longestDate && !s.plain(text) {
				open[text] = d
			}
		}
	}
	pool := slices.Clone(layoutsFor(strings.Join(slices.Collect(maps.Keys(open)), "")))
	for _, pair := range ambiguous {
		if l := s.dayFirst(pair, open); l != "" {
			pool = append(pool, l)
		}
	}
	for len(open) > 0 {
		best, most := "", 0
		for _, l := range pool {
			n := 0
			for text := range open {
				if s.reads(l, text) {
					n++
				}
			}
			if n > most {
				best, most = l, n
			}
		}
		if best == "" {
			break
		}
		found := []string{best}
		for _, family := range ordinals {
			if slices.Contains(family, best) {
				found = family
			}
		}
		s.p.Dialect.DateLayouts = append(s.p.Dialect.DateLayouts, found...)
		maps.DeleteFunc(open, func(text string, _ *doc) bool {
			return slices.ContainsFunc(found, func(l string) bool { return s.reads(l, text) })
		})
	}
}

// dateKeys are the keys with dates beside that of the event.
func (s *surveyor) dateKeys() []string {
	var keys []string
	for _, field := range []string{"last_updated", "published", "expires"} {
		for _, u := range s.candidates(field) {
			keys = append(keys, u.key)
		}
	}
	return keys
}

// dayFirst returns which of two layouts is meant: the one that all texts can be read
// by. Where both can be, the dates in the paths decide, and else the day is first,
// as in most of the world.
func (s *surveyor) dayFirst(pair [2]string, open map[string]*doc) string {
	var n, agree [2]int
	for text, d := range open {
		inPath := dateInPath.FindString(d.path)
		for i, l := range pair {
			if t, err := time.Parse(l, text); err == nil {
				n[i]++
				if t.Format(time.DateOnly) == inPath {
					agree[i]++
				}
			}
		}
	}
	switch {
	case n[0]+n[1] == 0:
		return ""
	case n[0] > n[1] || n[0] == n[1] && agree[0] > agree[1]:
		return pair[0]
	case n[1] > n[0] || agree[1] > agree[0]:
		return pair[1]
	}
	s.p.Notes["date"] = append(s.p.Notes["date"], fmt.Sprintf("nothing tells whether the day or the month comes first; if it is the month, write %s", strconv.Quote(pair[1])))
	return pair[0]
}

// date is the text of a key that holds a date.
func (d *doc) date(key string) string {
	if n := d.values[key]; n != nil && n.Kind == yaml.ScalarNode {
		return strings.Join(event.Texts(n), "")
	}
	return ""
}

var dateInPath = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)

// pathDates are the ways in which a path holds a date, the most exact first.
var pathDates = []string{
	`path:(\d{4})-(\d{1,2})-(\d{1,2})(?:\D|$)`,
	`path:(\d{4})/(\d{1,2})/(\d{1,2})(?:\D|$)`,
	`path:(\d{4})_(\d{2})_(\d{2})`,
	`path:(\d{4})\.(\d{2})\.(\d{2})`,
	`path:(?:^|/)((?:19|20)\d{2})([01]\d)([0-3]\d)(?:\D|$)`,
	`path:(?:^|/)(\d{4})/(\d{2})-(\d{2})(?:\D|$)`,
	`path:(?:^|/)(\d{4})/(\d{2})(\d{2})(?:\D|$)`,
	`path:(?:^|/)(\d{4})-(\d{2})/(\d{2})(?:\D|$)`,
	`path:(?:^|/)(?P<day>\d{2})[-.](?P<month>\d{2})[-.](?P<year>\d{4})(?:\D|$)`,
	`path:(?:^|/)(\d{4})/(January|February|March|April|May|June|July|August|September|October|November|December)/(\d{1,2})(?:\D|$)`,
}

// coarseDates are the ways in which a path holds a month or a year alone.
var coarseDates = []string{
	`path:(?:^|/)(?P<year>\d{4})[-/](?P<month>[01]\d)(?:\D|$)`,
	`path:(?:^|\D)(?P<year>(?:1[5-9]|20)\d{2})(?:\D|$)`,
}

// datePaths adds the dates in paths for files that no key has one for. What fits
// hardly any of them is chance, unless it says of others what their keys say.
func (s *surveyor) datePaths(chosen, patterns []string) []string {
	for _, c := range patterns {
		r := event.NewReader(event.Dialect{
			Fields: map[string][]string{"date": {c}, "title": {"=x"}}, DateLayouts: []string{monthFolder},
		})
		without, with, same, other := 0, 0, 0, 0
		for _, d := range s.docs {
			if d.err != nil {
				continue
			}
			e, err := r.Read(d.path, []byte("x"))
			in := err == nil && e.Date.Year() >= 1000
			switch at := slices.IndexFunc(chosen, d.has); {
			case at < 0:
				without++
				if in {
					with++
				}
			case in && s.keyDate(d, chosen[at]).Equal(e.Date.Day()):
				same++
			case in:
				other++
			}
		}
		if with > 0 && (10*with >= without || 2*with >= len(s.docs) || same > other) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// keyDate is the day that a key says; the zero time where it says none, or c is no
// key.
func (s *surveyor) keyDate(d *doc, c string) time.Time {
	text := d.date(c)
	for _, layout := range slices.Concat([]string{""}, s.p.Dialect.DateLayouts) {
		if got, ok := s.reader(layout).ReadDate(text); ok {
			return got.Day()
		}
	}
	return time.Time{}
}

// inText matches a date within other words.
var inText = regexp.MustCompile(`\d{4}-\d{2}-\d{2}|\d{1,2}\.? ?(?:de )?\pL{3,9}\.? (?:de )?\d{4}|\pL{3,9}\.? \d{1,2},? \d{4}|\d{1,2}\.\d{1,2}\.\d{4}`)

// dateTexts adds the paragraph or heading that says the date, where nearly all files
// say it in the same words: what stands around the date is part of its layout.
func (s *surveyor) dateTexts(chosen []string) []string {
	var without []*doc
	for _, d := range s.docs {
		if d.err == nil && !slices.ContainsFunc(chosen, d.has) {
			without = append(without, d)
		}
	}
	if 2*len(without) <= len(s.docs) {
		return chosen
	}
	for _, c := range []string{"paragraph:1", "paragraph:2", "heading:1", "heading:2", "heading:3", "paragraph:3"} {
		layouts := make(map[string]int)
		read := 0
		for _, d := range without {
			text := d.text(c)
			at := inText.FindStringIndex(text)
			if at == nil || len(text) > 2*longestDate {
				continue
			}
			for _, l := range slices.Concat([]string{time.DateOnly}, dateLayouts) {
				if !s.reads(l, text[at[0]:at[1]]) {
					continue
				}
				// The words around may be part of a layout themselves.
				whole := text[:at[0]] + l + text[at[1]:]
				if got, ok := s.reader(whole).ReadDate(text); ok {
					if want, _ := s.reader(l).ReadDate(text[at[0]:at[1]]); want.Day().Equal(got.Day()) {
						layouts[whole]++
						read++
					}
				}
				break
			}
		}
		// Words that differ from file to file are no layout.
		if 10*read >= 9*len(without) && (read == 1 || 4*len(layouts) <= read+3) {
			s.p.Dialect.DateLayouts = append(s.p.Dialect.DateLayouts, slices.Sorted(maps.Keys(layouts))...)
			return append(chosen, c)
		}
	}
	return chosen
}

// weights are what words for importance are worth, in several languages.
var weights = map[string]int{
	"emergency": 10, "catastrophic": 10, "blocker": 10, "disaster": 10, "fatal": 10, "notfall": 10, "extreme": 10,
	"critical": 9, "severe": 9, "kritisch": 9, "critique": 9, "crítico": 9, "crítica": 9, "critico": 9, "critica": 9, "sehr hoch": 9, "very high": 9,
	"down": 9, "outage": 9, "major outage": 9, "urgent": 9,
	"high": 7, "hoch": 7, "élevé": 7, "élevée": 7, "alto": 7, "alta": 7, "serious": 7, "grave": 7, "major": 7,
	"important": 7, "wichtig": 7, "importante": 7, "disrupted": 7, "partial outage": 7, "error": 7, "schwer": 7,
	"elevated": 6, "degraded": 6, "significant": 6, "warning": 6, "erhöht": 6,
	"medium": 5, "moderate": 5, "normal": 5, "mittel": 5, "moyen": 5, "moyenne": 5, "medio": 5, "media": 5, "average": 5,
	"minor": 3, "low": 3, "niedrig": 3, "gering": 3, "faible": 3, "bajo": 3, "baja": 3, "notice": 3, "leicht": 3,
	"info": 2, "informational": 2, "information": 2, "maintenance": 2, "wartung": 2, "hinweis": 2, "negligible": 2, "very low": 2, "sehr niedrig": 2,
	"none": 1, "trivial": 1, "unimportant": 1, "keine": 1, "cosmetic": 1,
}

// grades are what the ranks of a scale on which 1 is the worst are worth.
var grades = []int{10, 9, 7, 5, 3, 2}

// graded matches such ranks: P1, sev-2, S3, prio 1.
var graded = regexp.MustCompile(`^(?:p|s|sev|prio|priority|severity|tier|level|class)[-_ ]?([0-5])$`)

// fromWorst are the names of keys in which 1 is the worst.
var fromWorst = []string{"priority", "priorität", "prioritaet", "prioridad", "priorité", "prio", "sev", "urgency"}

// importanceWords proposes numbers for the words of the candidates, and drops
// candidates whose values say nothing of importance.
func (s *surveyor) importanceWords(chosen []string) []string {
	r := event.NewReader(event.Dialect{})
	words := make(map[string]int)
	var guesses, kept []string
	for _, key := range chosen {
		u := s.key(key)
		mine := make(map[string]int)
		var guessed, bad []string
		known, all := 0, 0
		steps := slices.Contains(fromWorst, u.name) && u.share(func(n *yaml.Node) bool {
			return isScalar(n) && len(n.Value) == 1 && n.Value[0] <= '5'
		}) == 1
		for _, text := range u.texts() {
			word := strings.ToLower(text)
			all++
			m := graded.FindStringSubmatch(word)
			switch {
			case steps:
				mine[word] = grades[word[0]-'0']
			case r.TakesImportance(text):
			case m != nil:
				mine[word] = grades[m[1][0]-'0']
			case weights[word] > 0:
				mine[word] = weights[word]
			case number.MatchString(word) && strings.Trim(word, "0.") == "":
				mine[word] = 1
			case number.MatchString(word), strings.HasPrefix(word, "cvss:"), strings.Contains(word, "${"): // no configuration can hold that
				bad = append(bad, text)
				continue
			default:
				if _, ok := mine[word]; !ok {
					guessed = append(guessed, word)
				}
				mine[word] = 5
				continue
			}
			known++
		}
		switch {
		case 2*known < all || 20*len(bad) > all || len(guessed) > 12:
			s.p.Notes["importance"] = append(s.p.Notes["importance"], fmt.Sprintf("%s holds what is neither a number from 1 to 10 nor a known word, such as %s",
				key, strconv.Quote(event.Cut(slices.Concat(bad, guessed)[0], 30))))
			delete(s.taken, key)
			continue
		case steps:
			s.p.Notes["importance"] = append(s.p.Notes["importance"], "1 of "+key+" is taken for the worst")
		}
		kept = append(kept, key)
		guesses = append(guesses, guessed...)
		maps.Copy(words, mine)
	}
	if len(guesses) > 0 {
		slices.Sort(guesses)
		s.p.Notes["importance"] = append(s.p.Notes["importance"], "these words are not known, and 5 is a guess: "+strings.Join(slices.Compact(guesses), ", "))
	}
	if len(words) > 0 {
		s.p.Dialect.ImportanceWords = words
	}
	return kept
}

// statusWords proposes words for booleans that mean anything but resolved and open.
func (s *surveyor) statusWords() {
	words := map[string][2]string{
		"fixed": {"fixed", "open"}, "isfixed": {"fixed", "open"}, "closed": {"closed", "open"}, "patched": {"patched", "unpatched"},
		"verified": {"verified", "unverified"}, "confirmed": {"confirmed", "unconfirmed"},
	}
	for _, key := range s.p.Dialect.Fields["status"] {
		u := s.key(key)
		if u == nil {
			continue
		}
		if w, ok := words[u.name]; ok && u.share(isBool) > 0.5 {
			s.p.Dialect.StatusWords = map[string]string{"true": w[0], "false": w[1]}
			return
		}
	}
}

// split finds out at what texts are cut that stand for lists of names.
func (s *surveyor) split() {
	s.p.Dialect.TagSplit = s.splitOf("tags")
	s.p.Dialect.ActorSplit = s.splitOf("actors")
}

func (s *surveyor) splitOf(field string) string {
	counts := make(map[string]int)
	whole, words := make(map[string]int), make(map[string]int)
	for _, key := range s.p.Dialect.Fields[field] {
		u := s.key(key)
		if u == nil {
			continue
		}
		for _, d := range u.docs {
			n := d.values[key]
			if n.Kind != yaml.ScalarNode {
				continue
			}
			for _, sep := range []string{",", ";", "|"} {
				if strings.Contains(n.Value, sep) {
					counts[sep]++
				}
			}
			if field == "tags" {
				whole[n.Value]++
				for _, w := range strings.Fields(n.Value) {
					words[w]++
				}
			}
		}
	}
	for _, sep := range []string{",", ";", "|"} {
		if counts[sep] > 0 && counts[sep] >= counts[","] && counts[sep] >= counts[";"] {
			return sep
		}
	}
	// Words of several texts that come again in others, all in lower case: tags.
	several, again := 0, 0
	for text, n := range whole {
		parts := strings.Fields(text)
		if text != strings.ToLower(text) {
			return ""
		}
		if len(parts) < 2 {
			continue
		}
		several++
		if slices.ContainsFunc(parts, func(w string) bool { return words[w] > n }) {
			again++
		}
	}
	if several > 0 && 2*again >= several {
		return " "
	}
	return ""
}
