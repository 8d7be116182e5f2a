package event

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// fields is a dialect with these candidates.
func fields(field string, candidates ...string) Dialect {
	return Dialect{Fields: map[string][]string{field: candidates}}
}

func TestPathCandidate(t *testing.T) {
	for _, test := range []struct{ expr, path, want string }{
		{`(\d{4})/(\d{2})/(\d{2})`, "posts/2025/01/28/flood.md", "2025-01-28"},
		{`(\d{4})/(\d{1,2})/(\d{1,2})`, "2025/1/8/flood.md", "2025-01-08"},
		{`\d{4}-\d\d-\d\d`, "2025-01-28-flood.md", "2025-01-28"},
		{`^(\d{4}-\d\d-\d\d)-`, "2025-01-28-flood.md", "2025-01-28"},
		{`(?P<day>\d\d)\.(?P<month>\d\d)\.(?P<year>\d{4})`, "28.01.2025.md", "2025-01-28"},
		{`(?<year>\d{4})/(?<month>\d+)`, "2025/7/flood.md", "2025-07-01"},
		{`(?P<year>\d{4})(?:/(?P<month>\d+))?`, "2025/flood.md", "2025-01-01"},
		{`(?P<rest>.*)-(?P<year>\d{4})`, "flood-2025.md", "2025-01-01"},
		// The first is no date: the next candidate.
		{`(\d{4})/(\d{2})/(\d{2})`, "flood.md", "1932-03-19"},
		{`(\d{4})?.*`, "flood.md", "1932-03-19"},
		{`^(?P<year>\d{4})?`, "flood.md", "1932-03-19"},
	} {
		e := mustReadIn(t, fields("date", "path:"+test.expr, "date"), test.path, front(""))
		if e.Date.String() != test.want {
			t.Errorf("%s of %s is %s, want %s", test.expr, test.path, e.Date, test.want)
		}
	}
	// Its line is the file's first.
	wantFault(t, fields("date", `path:^[a-z]+`), "flood.md", front(""), `flood.md:1: date is "flood"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z`)

	d := Dialect{Fields: map[string][]string{
		"title": {`path:\d-([a-z].*)\.md$`}, "tags": {`path:^(\w+)/(\w+)/`}, "actors": {`path:^\w+`}, "location": {`path:^(\w+)/(\w+)/`},
		"id": {"id", `path:^(.*)/index\.md$`},
	}}
	e := mustReadIn(t, d, "news/europe/2025-01-28-flood_in-may.md", front(""))
	if e.Title != "flood in may" || e.Location != "news-europe" || e.ID != "news/europe/2025-01-28-flood_in-may" {
		t.Errorf("%+v", *e)
	}
	wantList(t, "tags", e.Tags, "news", "europe")
	wantList(t, "actors", e.Actors, "news")
	d.Fields["title"] = []string{"title"}
	if e := mustReadIn(t, d, "flood/index.md", front("")); e.ID != "flood" || e.Tags != nil {
		t.Errorf("%+v", *e)
	}
}

func TestConstant(t *testing.T) {
	d := Dialect{TagSplit: ",", Fields: map[string][]string{
		"importance": {"importance", "=7"}, "tags": {"=road, rail"}, "status": {"state", "=open"}, "location": {"=a = b"}, "draft": {"=no"},
	}}
	e := mustReadIn(t, d, "a.md", front("importance: 3"))
	if e.Importance != 3 || e.Status != "open" || e.Location != "a = b" {
		t.Errorf("%+v", *e)
	}
	wantList(t, "tags", e.Tags, "road", "rail")
	if e := mustReadIn(t, d, "a.md", front("state: closed")); e.Importance != 7 || e.Status != "closed" {
		t.Errorf("%+v", *e)
	}
}

func TestBodyCandidates(t *testing.T) {
	for _, test := range []struct{ name, candidate, body, title, rest string }{
		{"the first heading", "heading:1", "# A flood\n\nText.\n\n# More\n", "A flood", "Text.\n\n# More"},
		{"closed by hashes", "heading:1", "# A flood ##\n\nText.\n", "A flood", "Text."},
		{"indented", "heading:2", "   ## A flood\nText.\n", "A flood", "Text."},
		{"of another level", "heading:2", "# Site\n\nText.\n\n## A flood\n\nMore.\n", "A flood", "# Site\n\nText.\n\nMore."},
		{"with markup", "heading:1", "# A *flood* in [`Ås`](https://example.org) &amp; Rome \\#1\n\nText.", "A flood in Ås & Rome #1", "Text."},
		{"underlined", "heading:1", "A flood\n=======\n\nText.\n", "A flood", "Text."},
		{"underlined, over two lines", "heading:2", "Text.\n\nA flood\nin May\n---\nMore.", "A flood in May", "Text.\n\nMore."},
		{"at the end", "heading:1", "Text.\n\n# A flood", "A flood", "Text."},
		{"underlined, at the end", "heading:1", "Text.\n\nA flood\n===", "A flood", "Text."},
		{"not in code", "heading:1", "```\n# not this\n```\n\n    # nor this\n\n# A flood\n", "A flood", "```\n# not this\n```\n\n    # nor this"},
		{"not in a quote", "heading:1", "> # not this\n\n# A flood\n", "A flood", "> # not this"},
		{"not without words", "heading:1", "#\n\n# <b></b>\n\n# A flood\n", "A flood", "#\n\n# <b></b>"},
		{"none", "heading:1", "## A flood\n", "A bridge opens", "## A flood"},
		{"the first paragraph", "paragraph:1", "# Head\n\nA *flood*\nin May\n\nText.\n", "A flood in May", "# Head\n\nText."},
		{"the second paragraph", "paragraph:2", "One.\n\n- an item\n\nA flood\n\nText.\n", "A flood", "One.\n\n- an item\n\nText."},
		{"no such paragraph", "paragraph:2", "One.\n", "A bridge opens", "One."},
		{"above sources", "heading:1", "# A flood\n\n## Sources\n\n- https://example.org/a\n", "A flood", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, ends := range []string{"\n", "\r\n"} {
				text := strings.ReplaceAll("---\ntitle: A bridge opens\ndate: 1932-03-19\n---\n"+test.body, "\n", ends)
				e := mustReadIn(t, fields("title", test.candidate, "title"), "a.md", text)
				if e.Title != test.title || e.Body != test.rest {
					t.Errorf("title %q, body %q; want %q and %q", e.Title, e.Body, test.title, test.rest)
				}
			}
		})
	}
	// Only what gives the title leaves the body.
	e := mustReadIn(t, fields("location", "heading:2"), "a.md", front("")+"\n## Sydney\n")
	if e.Location != "Sydney" || e.Body != "The body.\n\n## Sydney" {
		t.Errorf("%+v", *e)
	}
	e = mustReadIn(t, fields("title", "title", "heading:1"), "a.md", front("")+"\n# A flood\n")
	if e.Title != "A bridge opens" || e.Body != "The body.\n\n# A flood" {
		t.Errorf("%+v", *e)
	}
	// Faults have the line of the file.
	for name, text := range map[string]string{
		"YAML": front("") + "\n## soon\n", "TOML": "+++\ntitle = 'a'\nx = 1\ny = 1\n+++\n\n\n\n## soon\n",
		"JSON": "{\n\"title\": \"a\"\n}\n\n\n\n\n\nsoon\n----\n", "none": "\n\n\n\n\n\n\n\n## soon",
	} {
		d := Dialect{Fields: map[string][]string{"date": {"heading:2"}, "title": {"title", "=a"}}}
		t.Run(name, func(t *testing.T) {
			wantFault(t, d, "a.md", text, `a.md:9: date is "soon"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z`)
		})
	}
}

// A path of keys goes through lists.
func TestListsOfMaps(t *testing.T) {
	d := Dialect{Fields: map[string][]string{
		"actors": {"people.name", "people"}, "tags": {"parts.topics.id"}, "importance": {"severity.score"}, "location": {"places.city"},
		"sources": {"links.href"},
	}}
	e := mustReadIn(t, d, "a.md", front(`people:
- {name: Ada, role: maker}
- {role: patron}
- {name: [Charles, Mary]}
- George
parts:
- topics: [{id: road}, {id: rail}]
- topics: {id: sea}
severity: [{type: a, score: 4}, {type: b, score: 8}, {type: c}]
places: {city: Sydney}
links: [{href: "https://example.org/a"}, {href: }]`))
	wantList(t, "actors", e.Actors, "Ada", "Charles", "Mary")
	wantList(t, "tags", e.Tags, "road", "rail", "sea")
	wantSources(t, e.Sources, Source{URL: "https://example.org/a"})
	if e.Importance != 8 || e.Location != "Sydney" {
		t.Errorf("%+v", *e)
	}
	// Without the key, the next candidate.
	e = mustReadIn(t, d, "a.md", front("people: [Ada, {role: patron}]"))
	wantList(t, "actors", e.Actors, "Ada", "patron")
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		split, value string
		want         []string
	}{
		{"", "road, rail", []string{"road, rail"}},
		{",", "road, rail ,, sea", []string{"road", "rail", "sea"}},
		{",", "[\"road, rail\", sea]", []string{"road, rail", "sea"}},
		{",", "','", nil},
		{",", "", nil},
		{" ", "road  rail", []string{"road", "rail"}},
		{" ", "\"road\\trail\"", []string{"road", "rail"}},
		{";", "a, b; c", []string{"a, b", "c"}},
		{", ", "a,b, c", []string{"a,b", "c"}},
		{"|", "|-\n  a|\n  b", []string{"a", "b"}},
	} {
		e := mustReadIn(t, Dialect{TagSplit: test.split}, "a.md", front("tags: "+test.value+"\nlocation: a, b;c|d"))
		wantList(t, "at "+test.split, e.Tags, test.want...)
		if e.Location != "a, b;c|d" {
			t.Errorf("location %q", e.Location)
		}
	}
	d := Dialect{TagSplit: ",", ActorSplit: " "}
	e := mustReadIn(t, d, "a.md", front("tags: a b, c\nactors: a b, c"))
	wantList(t, "tags", e.Tags, "a b", "c")
	wantList(t, "actors", e.Actors, "a", "b,", "c")
	if p := NewReader(d).Places("a.md", []byte(front("tags: a b, c"))); len(p.Tags) != 2 || p.Tags[1] != (Spelling{"c", 4}) {
		t.Errorf("places %v", p.Tags)
	}
	if p := NewReader(d).Places("a.md", []byte(front("tags: ['a, b', c]"))); len(p.Tags) != 2 || p.Tags[0] != (Spelling{"a, b", 4}) {
		t.Errorf("places %v", p.Tags)
	}
	// Aliases are of the parts.
	e = mustReadIn(t, Dialect{TagSplit: ",", TagAliases: map[string]string{"railway": "rail"}}, "a.md", front("tags: road, Railway"))
	wantList(t, "tags", e.Tags, "road", "rail")
}

// Files without front matter are events where it can be done without.
func TestBare(t *testing.T) {
	d := Dialect{Fields: map[string][]string{"title": {"heading:1"}, "date": {"date", `path:\d{4}-\d\d-\d\d`}}}
	e := mustReadIn(t, d, "2025-01-28.md", "\ufeff\r\n# A flood\r\n\r\nText.")
	if e.Title != "A flood" || e.Date.String() != "2025-01-28" || e.Body != "Text." || e.ID != "2025-01-28" {
		t.Errorf("%+v", *e)
	}
	wantFault(t, d, "a.md", "\n\n# A flood\n", "a.md:3: no date")
	wantFault(t, d, "2025-01-28.md", "Text.", "2025-01-28.md:1: no title")
	wantFault(t, d, "2025-01-28.md", "---\n# A flood\n", "2025-01-28.md:1: the front matter that begins here has no closing --- line")
	wantFault(t, d, "2025-01-28.md", "", "2025-01-28.md:1: the file is empty")
	const none = "a.md:1: no front matter: the first line is not ---, +++ or {"
	wantFault(t, fields("title", "heading:1"), "a.md", "# A flood\n", none)
	wantFault(t, fields("date", "=2025-01-28"), "a.md", "# A flood\n", none)
}

func TestNoCandidates(t *testing.T) {
	e := mustReadIn(t, fields("status"), "a.md", front("status: open"))
	if e.Status != "" {
		t.Errorf("status %q", e.Status)
	}
}

func TestCheckDialect(t *testing.T) {
	const key = "not the path of a key; write it like importance or meta.importance"
	for _, test := range []struct{ field, candidates, want string }{
		{"title", "title|meta.title|heading:1|heading:6|paragraph:9|=x", ""},
		{"date", `path:(\d{4})/(\d{2})/(\d{2})|=2025-01-28`, ""},
		{"date", "=28 January 2025", ""},
		{"date", "=28 January 2025, 09:30 CET", ""},
		{"importance", "=HIGH", ""},
		{"importance", "=CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", ""},
		{"draft", "=no", ""},
		{"published", "=2025-01-28", ""},
		{"status", "==", ""},
		{"tags", "=a, b", ""},
		{"title", "title|", "title[1]: " + key},
		{"title", "a..b|.a|a.", "title[0]: " + key + "\ntitle[1]: " + key + "\ntitle[2]: " + key},
		{"title", "=|=  ", "title[0]: a constant without a value; write it like =7\ntitle[1]: a constant without a value; write it like =7"},
		{"title", "path:", `title[0]: path: without a regular expression; write it like path:(\d{4})/(\d{2})/(\d{2})`},
		{"title", "path:(a", "title[0]: error parsing regexp: missing closing ): `(a`; write it in the syntax of RE2"},
		{"title", "path:(?=a)", "title[0]: error parsing regexp: invalid or unsupported Perl syntax: `(?=`; write it in the syntax of RE2"},
		{"title", "heading:0|heading:7|heading:|heading:+1|heading:01|heading:one", strings.Repeat("title[]: a heading has a level from 1 to 6; write it like heading:1\n", 6)},
		{"title", "paragraph:0|paragraph:10|paragraph:", strings.Repeat("title[]: a paragraph has a number from 1 to 9; write it like paragraph:1\n", 3)},
		{"title", "=a|title", "title[1]: stands behind a constant, which is always there; put the constant last"},
		{"importance", "=11", `importance[0]: importance is "11"; it must be a number from 1 to 10`},
		{"importance", "=huge", `importance[0]: importance is "huge"; it must be a number from 1 to 10`},
		{"date", "=soon", `date[0]: date is "soon"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z, or be written like 2 January 2006 or 2 January 2006, 15:04 MST`},
		{"published", "=soon", `published[0]: published is "soon"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z, or be written like 2 January 2006 or 2 January 2006, 15:04 MST`},
		{"expires", "=0000-01-01", `expires[0]: expires is "0000-01-01"; years go from 1 to 9999`},
		{"draft", "=maybe", `draft[0]: draft is "maybe"; it must be true or false`},
	} {
		d := fields(test.field, strings.Split(test.candidates, "|")...)
		d.ImportanceWords = map[string]int{"high": 7}
		d.DateLayouts = []string{"2 January 2006", "2 January 2006, 15:04 MST"}
		d.Zone = mustZone(t, "Europe/Berlin")
		var got []string
		for i, err := range d.Check() {
			s := err.Error()
			if strings.HasPrefix(test.want, "title[]") {
				if err.Index != i {
					t.Errorf("%s: index %d", test.candidates, err.Index)
				}
				s = "title[]: " + err.Msg
			}
			got = append(got, s)
		}
		if want := strings.Fields(test.want); strings.Join(got, "\n") != strings.TrimSpace(test.want) || len(want) == 0 && len(got) > 0 {
			t.Errorf("%s: %s:\n got %s\nwant %s", test.field, test.candidates, strings.Join(got, "\n     "), test.want)
		}
		func() {
			defer func() {
				parses := !slices.ContainsFunc(d.Fields[test.field], func(s string) bool { _, err := parseCandidate(s); return err != nil })
				if (recover() == nil) != parses {
					t.Errorf("%s: NewReader and Check are not of one mind", test.candidates)
				}
			}()
			NewReader(d)
		}()
	}
	// All fields, in the order of their names.
	d := Dialect{Fields: map[string][]string{"title": {""}, "date": {"date", "="}, "draft": {"=x"}}}
	var got []string
	for _, err := range d.Check() {
		var one *DialectError
		if !errors.As(error(err), &one) {
			t.Fatal(err)
		}
		got = append(got, one.Field)
	}
	wantList(t, "fields", got, "date", "draft", "title")
}
