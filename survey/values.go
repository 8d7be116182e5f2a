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
	"2th of January 2006", "2st of January 2006", "2nd of January 2006", "2rd of January 2006", "2 of January 2006",
	"Monday, January 2, 2006", "Monday, 2 January 2006", "Monday 2 January 2006", "Mon, 2 Jan 2006", "Mon Jan 2 2006",
	"January 2, 2006 15:04", "January 2, 2006 at 15:04", "January 2, 2006 3:04 PM", "January 2, 2006, 3:04 PM", "2 January 2006 15:04",
	"2 January 2006, 15:04", "Jan 2, 2006 15:04", "Jan 2, 2006 3:04 PM",
	time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC, time.UnixDate,
	"2006-01-02 15:04 -0700", "2006-01-02 15:04 MST", "2006-01-02 3:04 PM", "2006-1-2",
	"2006/01/02", "2006/1/2", "2006.01.02", "2006.1.2", "2006_01_02", "20060102", "2006/01/02 15:04", "2006/01/02 15:04:05",
	"20060102T150405Z0700", "20060102150405", "20060102T150405",
	"2.1.2006", "2.1.2006 15:04", "2.1.2006, 15:04", "2. 1. 2006",
	"January 2006", "Jan 2006", "2006-01", "2006/01", "1/2006", "2006",
}

// ambiguous are layouts with the day first and with the month first.
var ambiguous = [][2]string{
	{"2/1/2006", "1/2/2006"}, {"2/1/2006 15:04", "1/2/2006 15:04"}, {"2-1-2006", "1-2-2006"}, {"2/1/06", "1/2/06"},
}

// isDate returns what says that a value is a date in some layout.
func (s *surveyor) isDate(r *event.Reader) func(n *yaml.Node) bool {
	return func(n *yaml.Node) bool {
		return isScalar(n) && (n.Tag == "!!timestamp" || s.readsDate(r, strings.Join(event.Texts(n), "")))
	}
}

func (s *surveyor) readsDate(r *event.Reader, text string) bool {
	return r.TakesDate(text) || slices.ContainsFunc(dateLayouts, func(l string) bool { return reads(l, text) }) ||
		slices.ContainsFunc(ambiguous, func(l [2]string) bool { return reads(l[0], text) || reads(l[1], text) })
}

// reads says that text is a date in a layout, of a year that people write about.
func reads(layout, text string) bool {
	t, err := time.Parse(layout, text)
	return err == nil && t.Year() >= 1000 && t.Year() < 2200
}

// layouts proposes the fewest layouts that read all dates of the candidates.
func (s *surveyor) layouts(chosen []string) {
	r := event.NewReader(event.Dialect{})
	open := make(map[string]*doc) // by text, one of the files that have it
	for _, d := range s.docs {
		for _, c := range slices.Concat(chosen, s.dateKeys()) {
			text := d.date(c)
			if text != "" && !r.TakesDate(text) {
				open[text] = d
			}
		}
	}
	pool := slices.Clone(dateLayouts)
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
				if reads(l, text) {
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
		s.p.Dialect.DateLayouts = append(s.p.Dialect.DateLayouts, best)
		maps.DeleteFunc(open, func(text string, _ *doc) bool { return reads(best, text) })
	}
}

// dateKeys are the keys with dates beside that of the event.
func (s *surveyor) dateKeys() []string {
	r := event.NewReader(event.Dialect{})
	var keys []string
	for _, field := range []string{"last_updated", "published", "expires"} {
		for _, u := range s.candidates(field, r) {
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
	both := 0
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
		if reads(pair[0], text) && reads(pair[1], text) {
			both++
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

// date is the text that a candidate gives for a date.
func (d *doc) date(c string) string {
	if expr, ok := strings.CutPrefix(c, "path:"); ok {
		m := regexp.MustCompile(expr).FindStringSubmatch(d.path)
		if m == nil || strings.Contains(expr, "?P<") || len(m) < 2 {
			return ""
		}
		parts := slices.Clone(m[1:])
		for i, p := range parts {
			if len(p) == 1 {
				parts[i] = "0" + p
			}
		}
		return strings.Join(parts, "-")
	}
	if n := d.values[c]; n != nil && n.Kind == yaml.ScalarNode {
		return strings.Join(event.Texts(n), "")
	}
	return ""
}

var dateInPath = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)

// pathDates are the ways in which a path holds a date, the most exact first.
var pathDates = []string{
	`path:(\d{4})-(\d{2})-(\d{2})`,
	`path:(\d{4})/(\d{1,2})/(\d{1,2})(?:\D|$)`,
	`path:(\d{4})_(\d{2})_(\d{2})`,
	`path:(\d{4})\.(\d{2})\.(\d{2})`,
	`path:(?:^|/)((?:19|20)\d{2})([01]\d)([0-3]\d)(?:\D|$)`,
	`path:(?:^|/)(\d{4})/(\d{2})-(\d{2})(?:\D|$)`,
	`path:(?:^|/)(\d{4})/(\d{2})(\d{2})(?:\D|$)`,
	`path:(?:^|/)(\d{4})-(\d{2})/(\d{2})(?:\D|$)`,
	`path:(?:^|/)(?P<day>\d{2})[-.](?P<month>\d{2})[-.](?P<year>\d{4})(?:\D|$)`,
	`path:(?:^|/)(\d{4})/(January|February|March|April|May|June|July|August|September|October|November|December)/(\d{1,2})(?:\D|$)`,
	`path:(?:^|/)(?P<year>\d{4})[-/](?P<month>[01]\d)(?:\D|$)`,
	`path:(?:^|\D)(?P<year>(?:1[5-9]|20)\d{2})(?:\D|$)`,
}

// datePaths adds the dates in paths for files that no key has one for. What fits
// hardly any of them is chance, unless it says of others what their keys say.
func (s *surveyor) datePaths(chosen []string) []string {
	keys := event.NewReader(event.Dialect{Fields: map[string][]string{"date": chosen, "title": {"=x"}}})
	for _, c := range pathDates {
		r := event.NewReader(event.Dialect{
			Fields: map[string][]string{"date": {c}, "title": {"=x"}}, DateLayouts: []string{monthFolder},
		})
		without, with, same, other := 0, 0, 0, 0
		for _, d := range s.docs {
			e, err := r.Read(d.path, []byte("x"))
			ok := err == nil && e.Date.Year() >= 1000
			if d.err == nil && !slices.ContainsFunc(chosen, func(c string) bool { return d.has(c) }) {
				without++
				if ok {
					with++
				}
			} else if k, err := keys.Read(d.path, d.data); ok && err == nil {
				if k.Date.Day().Equal(e.Date.Day()) {
					same++
				} else {
					other++
				}
			}
		}
		if with > 0 && (10*with >= without || 2*with >= len(s.docs) || same > other) {
			chosen = append(chosen, c)
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
		case 2*known < all || len(guessed) > 12:
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
