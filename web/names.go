package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"tocsin/feed"
	"tocsin/timeline"
)

// name is a tag or an actor as it is looked for.
type name struct {
	*feed.Feed
	Kind timeline.TopicKind
	Slug string
	key  string // plain(Name)
}

// plain is a text as it is compared by those who look for a name: without case,
// accents and punctuation. find.js has the same function.
func plain(s string) string {
	bare := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.M, r):
			return -1
		case unicode.IsLetter(r), unicode.IsNumber(r), strings.ContainsRune("+#*%@", r):
			return r
		}
		return ' '
	}, norm.NFD.String(s))
	return strings.Join(strings.Fields(cases.Fold().String(bare)), " ")
}

// matches says how well a name fits a question, both plain: 0 is best, -1 is not
// at all. find.js has the same function.
func matches(key, q string) int {
	switch {
	case strings.HasPrefix(key, q):
		return 0
	case strings.Contains(" "+key, " "+q):
		return 1
	case strings.Contains(key, q):
		return 2
	}
	for w := range strings.FieldsSeq(q) {
		if !strings.Contains(" "+key, " "+w) {
			return -1
		}
	}
	return 3
}

// maxQuestion bounds what is looked for; no name is longer.
const maxQuestion = 200

// question is what somebody typed, plain and bounded.
func question(s string) string {
	if len(s) > maxQuestion {
		s = strings.ToValidUTF8(s[:maxQuestion], "")
	}
	return plain(s)
}

// find returns the names that fit a question, the best first and of these those
// with the most events.
func find(names []name, q string, most int) []name {
	q = question(q)
	if q == "" {
		return nil
	}
	var found []name
	rank := make(map[*feed.Feed]int)
	for _, n := range names {
		if r := matches(n.key, q); r >= 0 {
			rank[n.Feed] = r
			found = append(found, n)
		}
	}
	slices.SortStableFunc(found, func(a, b name) int {
		return cmp.Or(cmp.Compare(rank[a.Feed], rank[b.Feed]), cmp.Compare(b.Total, a.Total))
	})
	return found[:min(most, len(found))]
}

// closest returns the names that somebody may have meant who came to an address
// where there is nothing: those that its last part finds, else those that are a
// few letters from it.
func closest(names []name, path string, most int) []name {
	path = strings.TrimSuffix(path, "/")
	path = path[strings.LastIndexByte(path, '/')+1:]
	for _, ending := range []string{".atom", ".rss", ".json", ".html", ".opml"} {
		path = strings.TrimSuffix(path, ending)
	}
	q := []rune(question(path))
	if len(q) < 3 {
		return nil
	}
	if found := find(names, string(q), most); found != nil {
		return found
	}
	type near struct {
		name
		edits int
	}
	allowed := min(max(1, len(q)/3), 4)
	var all []near
	for _, n := range names {
		if d := edits([]rune(n.key), q, allowed); d <= allowed {
			all = append(all, near{n, d})
		}
	}
	slices.SortStableFunc(all, func(a, b near) int { return cmp.Or(cmp.Compare(a.edits, b.edits), cmp.Compare(b.Total, a.Total)) })
	var found []name
	for _, n := range all[:min(most, len(all))] {
		found = append(found, n.name)
	}
	return found
}

// edits is Levenshtein's distance, or more than most where it is more.
func edits(a, b []rune, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range a {
		diagonal := row[0]
		row[0] = i + 1
		least := row[0]
		for j, y := range b {
			cost := diagonal
			if x != y {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
			least = min(least, row[j+1])
		}
		if least > most {
			return least
		}
	}
	return row[len(b)]
}

// namesJSON is what find.js looks names up in: for each kind the slug, the name
// and the number of events of each topic.
func namesJSON(names []name) ([]byte, error) {
	all := map[timeline.TopicKind][][3]any{timeline.Tag: {}, timeline.Actor: {}}
	for _, n := range names {
		all[n.Kind] = append(all[n.Kind], [3]any{n.Slug, n.Name, n.Total})
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // it is no page, and says so
	if err := enc.Encode(all); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// group is the names of one initial.
type group struct {
	Initial string
	Names   []name
}

// List is the items of the names.
func (g group) List() template.HTML {
	var b strings.Builder
	for _, n := range g.Names {
		b.WriteString(`<li><a href="` + template.HTMLEscapeString(url.PathEscape(n.Slug)) + `/" dir="auto">` + template.HTMLEscapeString(n.Name) +
			"</a> <small>" + strconv.Itoa(n.Total) + "</small></li>\n")
	}
	return template.HTML(b.String())
}

// groups sorts names by their initials, as a person looks them up in a book.
func groups(names []name) []group {
	names = slices.Clone(names)
	initials := make(map[*feed.Feed]string, len(names))
	for _, n := range names {
		initials[n.Feed] = initial(n.key)
	}
	slices.SortStableFunc(names, func(a, b name) int {
		return cmp.Or(cmp.Compare(initials[a.Feed], initials[b.Feed]), cmp.Compare(a.key, b.key), cmp.Compare(a.Name, b.Name))
	})
	var all []group
	for _, n := range names {
		i := initials[n.Feed]
		if len(all) == 0 || all[len(all)-1].Initial != i {
			all = append(all, group{Initial: i})
		}
		g := &all[len(all)-1]
		g.Names = append(g.Names, n)
	}
	return all
}

// initial is the heading that a name stands under.
func initial(key string) string {
	for _, r := range key {
		switch {
		case unicode.IsNumber(r):
			return "0–9"
		case unicode.Is(unicode.Han, r):
			return "漢" // or there would be a heading for nearly each
		case unicode.IsLetter(r):
			return string(unicode.ToUpper(r))
		}
	}
	return "#"
}
