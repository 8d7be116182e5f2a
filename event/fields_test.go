package event

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func wantList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s %q, want %q", what, got, want)
	}
}

func wantSources(t *testing.T, got []Source, want ...Source) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("sources\n got %q\nwant %q", got, want)
	}
}

func TestImportance(t *testing.T) {
	d := Dialect{ImportanceWords: map[string]int{"Critical": 9, "straße": 3, "10+": 10}, ImportanceDefault: 4}
	for value, want := range map[string]int{
		"": 4, "~": 4, "null": 4, `""`: 4, `" "`: 4,
		"1": 1, "9": 9, "10": 10, `"9"`: 9, "'9'": 9, "9.0": 9, `"9.0"`: 9, "9/10": 9, `"9/10"`: 9, "9 /10": 9, `" 9 "`: 9, "08": 8, "+7": 7,
		"critical": 9, "CRITICAL": 9, " Critical ": 9, "STRASSE": 3, "10+": 10,
		// Decimals are rounded down, and of a list the highest counts.
		"8.5": 8, "8.99": 8, "'6.9/10'": 6, "[9]": 9, "[3, critical, ~, '4/10']": 9, "[]": 4, "[~]": 4,
	} {
		if e := mustReadIn(t, d, "a.md", front("importance: "+value)); e.Importance != want {
			t.Errorf("%s is %d, want %d", value, e.Importance, want)
		}
	}
	if e := mustRead(t, front("")); e.Importance != 0 {
		t.Errorf("none is %d", e.Importance)
	}
	for value, shown := range map[string]string{
		"0": "0", "11": "11", "-3": "-3", "0.9": "0.9", "10.1": "10.1", "huge": "huge", "9/11": "9/11", "9 of 10": "9 of 10", ".nan": ".nan", ".inf": ".inf",
		"NaN": "NaN", "-Inf": "-Inf", "1e300": "1e300", "true": "true", "[[9]]": "", "{a: 9}": "", "'9\n  10'": "9 10",
	} {
		wantFault(t, d, "a.md", front("x: y\nimportance: "+value), fmt.Sprintf("a.md:5: importance is %q; it must be a number from 1 to 10", shown))
	}
}

func TestDates(t *testing.T) {
	d := Dialect{DateLayouts: []string{"2 January 2006", "02.01.2006 15:04", "2006"}}
	for value, want := range map[string]string{
		"2025-01-28": "2025-01-28", `"2025-01-28"`: "2025-01-28", "'2025-01-28'": "2025-01-28", " '  2025-01-28 '": "2025-01-28",
		"1142-01-01": "1142-01-01", "0987-06-05": "0987-06-05", "9999-12-31": "9999-12-31",
		"2025-01-28T09:30:00Z": "2025-01-28T09:30:00Z", "2025-01-28T09:30:00+05:30": "2025-01-28T09:30:00+05:30",
		"2025-01-28T09:30:00+00:00": "2025-01-28T09:30:00Z", "2025-01-28T09:30:00.99Z": "2025-01-28T09:30:00Z",
		"2025-01-28T09:30:00": "2025-01-28T09:30:00Z", "2025-01-28 09:30:00": "2025-01-28T09:30:00Z", "2025-01-28 09:30": "2025-01-28T09:30:00Z",
		"2025-01-28T00:00:00Z": "2025-01-28T00:00:00Z",
		"28 January 2025":      "2025-01-28", "28.01.2025 09:30": "2025-01-28T09:30:00Z", "2025": "2025-01-01",
	} {
		text := strings.Replace(front(""), "1932-03-19", value, 1)
		if e := mustReadIn(t, d, "a.md", text); e.Date.String() != want || e.Date.Clock != strings.Contains(want, "T") {
			t.Errorf("%s is %s, want %s", value, e.Date, want)
		}
	}
	const hint = "; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z"
	for value, want := range map[string]string{
		"":                      "2: no date",
		"null":                  "2: no date",
		"soon":                  `3: date is "soon"` + hint,
		"2025-02-30":            `3: date is "2025-02-30"` + hint,
		"2025-1-2":              `3: date is "2025-1-2"` + hint,
		"28/01/2025":            `3: date is "28/01/2025"` + hint,
		"1700000000":            `3: date is "1700000000"` + hint,
		"[2025-01-28]":          "3: date is a list or map; it must be a date such as 2025-01-28",
		"{from: 2025-01-28}":    "3: date is a list or map; it must be a date such as 2025-01-28",
		"0000-01-01":            `3: date is "0000-01-01"; years go from 1 to 9999`,
		strings.Repeat("7", 90): `3: date is "` + strings.Repeat("7", 60) + `…"` + hint,
	} {
		wantFault(t, Dialect{}, "a.md", strings.Replace(front(""), "1932-03-19", value, 1), "a.md:"+want)
	}
	wantFault(t, Dialect{}, "a.md", "---\ntitle: a\n---\n", "a.md:2: no date")
	wantFault(t, Dialect{}, "a.md", "---\ndate: 2025-01-28\n---\n", "a.md:2: no title")
	wantFault(t, Dialect{}, "a.md", "---\nx: y\ndate: 2025-01-28\ntitle: \"\\u0001\"\n---\n", "a.md:2: no title")
}

func TestTimes(t *testing.T) {
	e := mustRead(t, front("published: 2025-02-01T12:00:00+02:00\nlast_updated: 2025-02-03"))
	if want := time.Date(2025, 2, 1, 10, 0, 0, 0, time.UTC); e.Published.Time() != want {
		t.Errorf("published %v, want %v", e.Published, want)
	}
	if want := time.Date(2025, 2, 3, 0, 0, 0, 0, time.UTC); e.LastUpdated.Time() != want {
		t.Errorf("last_updated %v, want %v", e.LastUpdated, want)
	}
	for _, garbage := range []string{"never", "2025-02-31", "[a, b]", "{a: b}", "17", "true", "~", "''"} {
		if e := mustRead(t, front("last_updated: "+garbage)); !e.LastUpdated.IsZero() {
			t.Errorf("last_updated %s is %v", garbage, e.LastUpdated)
		}
	}
	wantFault(t, Dialect{}, "a.md", front("published: never"), `a.md:4: published is "never"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z`)
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		name, lines string
		want        []string
	}{
		{"missing", "", nil},
		{"null", "actors:", nil},
		{"empty", "actors: []", nil},
		{"empty text", "actors: ''", nil},
		{"scalar", "actors: Ada Lovelace", []string{"Ada Lovelace"}},
		{"number", "actors: 1984", []string{"1984"}},
		{"scalar with a comma", "actors: Lovelace, Ada", []string{"Lovelace, Ada"}},
		{"list", "actors: [Ada, Charles]", []string{"Ada", "Charles"}},
		{"nulls in a list", "actors: [Ada, ~, '', ' ', Charles, null]", []string{"Ada", "Charles"}},
		{"list of lists", "actors: [[Ada], [[Charles], Mary]]", []string{"Ada", "Charles", "Mary"}},
		{"map with a name", "actors: {name: Ada, role: programmer}", []string{"Ada"}},
		{"maps with names", "actors:\n- name: Ada\n  role: x\n- title: Countess\n- {name: , title: Charles}", []string{"Ada", "Countess", "Charles"}},
		{"map of lists", "actors:\n  makers: [Ada, Charles]\n  patrons:\n  - George\n  critic: Dionysius", []string{"Ada", "Charles", "George", "Dionysius"}},
		{"list of maps of lists", "actors:\n- makers: [Ada, {name: Charles, role: x}]\n- [George]", []string{"Ada", "Charles", "George"}},
		{"twice by key", "actors: [Ada Lovelace, ADA-LOVELACE, 'ada  lovelace', Ada]", []string{"Ada Lovelace", "Ada"}},
		{"types", "actors: [1, 2.5, true, 2025-01-28]", []string{"1", "2.5", "true", "2025-01-28"}},
		{"spaces and lines", "actors: ['  Ada\n    Lovelace ', \"a\\tb\\u00a0c\\u0001\"]", []string{"Ada Lovelace", "a b c"}},
		{"decomposed", "actors: [\"Ame\\u0301lie\"]", []string{"Amélie"}},
		{"a character to drop amid a letter", "actors: [\"Ame\\u0001\\u0301lie\"]", []string{"Amélie"}},
	} {
		e := mustRead(t, front(test.lines))
		wantList(t, test.name, e.Actors, test.want...)
		e = mustRead(t, front(strings.Replace(test.lines, "actors:", "tags:", 1)))
		wantList(t, test.name, e.Tags, test.want...)
	}
	long := strings.Repeat("é", maxNameRunes)
	if e := mustRead(t, front("tags: ["+long+"]")); len(e.Tags) != 1 {
		t.Error("a name at its bound is not read")
	}
	wantFault(t, Dialect{}, "a.md", front("x: y\ntags:\n- "+long+"é"), `a.md:6: a name in tags has more than 500 characters: "`+strings.Repeat("é", 60)+`…"`)
	var many strings.Builder
	for i := range maxNames {
		fmt.Fprintf(&many, "\n- n%d", i)
	}
	mustRead(t, front("tags:"+many.String()+"\n- N1"))
	wantFault(t, Dialect{}, "a.md", front("actors:"+many.String()+"\n- one"), "a.md:5: actors holds 1001 names, over 1000")
}

func TestTexts(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "~": "", "null": "", "''": "", "[]": "", "{}": "", "[~, '']": "",
		"Sydney": "Sydney", "'Sydney: harbour'": "Sydney: harbour", "[Sydney, Perth]": "Sydney, Perth", "5": "5", "true": "true", "'null'": "null",
		"{name: Sydney, country: Australia}": "Sydney", "{city: Sydney, country: Australia}": "Sydney, Australia",
		"|\n  Sydney\n\n  Perth\n": "Sydney Perth", ">\n  Sydney\n  Perth\n": "Sydney Perth", "\"a\\nb\\r\\u0085c\\u0007\\uFFFE\"": "a b c",
	} {
		if e := mustRead(t, front("location: "+value)); e.Location != want {
			t.Errorf("%s is %q, want %q", value, e.Location, want)
		}
	}
	at := strings.Repeat("é", maxTextRunes)
	mustRead(t, front("location: "+at))
	wantFault(t, Dialect{}, "a.md", front("location: "+at+"é"), "a.md:4: location has more than 20000 characters")
}

func TestDraft(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "~": false, "true": true, "false": false, "TRUE": true, "yes": true, "No": false, "on": true, "off": false, `"true"`: true, "1": true, "0": false,
	} {
		if e := mustRead(t, front("draft: "+value)); e.Draft != want {
			t.Errorf("%s is %v", value, e.Draft)
		}
	}
	wantFault(t, Dialect{}, "a.md", front("draft: maybe"), `a.md:4: draft is "maybe"; it must be true or false`)
	wantFault(t, Dialect{}, "a.md", front("draft:\n- true"), `a.md:5: draft is ""; it must be true or false`)
}

func TestFrontSources(t *testing.T) {
	for _, test := range []struct {
		name, lines string
		want        []Source
	}{
		{"missing", "", nil},
		{"null", "sources:", nil},
		{"empty", "sources: []", nil},
		{"nulls", "sources: [~, '', {}, [], {title: ''}]", nil},
		{"maps", "sources:\n- {title: A, url: 'https://a.example', outlet: Post, date: 2025-01-28}\n- {url: 'http://b.example/'}\n- {title: C}",
			[]Source{{"A", "https://a.example", "Post"}, {"", "http://b.example/", ""}, {"C", "", ""}}},
		{"other keys", "sources:\n- {name: A, link: 'https://a.example', publisher: Post}\n- {title: B, href: 'https://b.example', type: Book}",
			[]Source{{"A", "https://a.example", "Post"}, {"B", "https://b.example", "Book"}}},
		{"one map", "sources: {title: A, url: 'https://a.example'}", []Source{{"A", "https://a.example", ""}}},
		{"one text", "sources: https://a.example/?q=1#f", []Source{{"", "https://a.example/?q=1#f", ""}}},
		{"texts", "sources:\n- https://a.example\n- The Post, page 4\n- '[A](https://a.example/x) - Post'\n- <https://b.example>\n- 17",
			[]Source{{"", "https://a.example", ""}, {"The Post, page 4", "", ""}, {"A", "https://a.example/x", "Post"}, {"", "https://b.example", ""}, {"17", "", ""}}},
		{"no address", "sources:\n- {title: A, url: Post of 4 May}\n- {url: see the archive}\n- {title: B, url: 'javascript:alert(1)'}\n- {title: C, url: www.example.org}\n- {title: D, url: /a/b}",
			[]Source{{"A, Post of 4 May", "", ""}, {"see the archive", "", ""}, {"B, javascript:alert(1)", "", ""}, {"C, www.example.org", "", ""}, {"D, /a/b", "", ""}}},
		{"address with a space", "sources: [{title: A, url: 'https://a.example/x y'}]", []Source{{"A, https://a.example/x y", "", ""}}},
		{"address without a host", "sources: [{title: A, url: 'https:///x'}]", []Source{{"A, https:///x", "", ""}}},
		{"address that does not parse", "sources: ['https://[::1', 'https://a.example/%zz']", []Source{{"https://[::1", "", ""}, {"https://a.example/%zz", "", ""}}},
		{"spaces and lines", "sources: [{title: \"A\\n b\", url: ' https://a.example '}]", []Source{{"A b", "https://a.example", ""}}},
		{"lists in maps", "sources: [{title: [A, B], url: 'https://a.example'}]", []Source{{"A, B", "https://a.example", ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantSources(t, mustRead(t, front(test.lines)).Sources, test.want...)
		})
	}
	wantFault(t, Dialect{}, "a.md", front("sources: ["+strings.Repeat("a, ", maxNames+1)+"]"), "a.md:4: sources holds 1001 items, over 1000")
	// The front matter's win; the body's stay where they are.
	e := mustRead(t, front("sources: [https://a.example]")+"\n## Sources\n\n- https://b.example\n\n---\n**Last Updated**: now\n")
	wantSources(t, e.Sources, Source{"", "https://a.example", ""})
	if want := "The body.\n\n## Sources\n\n- https://b.example"; e.Body != want {
		t.Errorf("body %q, want %q", e.Body, want)
	}
}

func TestDialect(t *testing.T) {
	d := Dialect{
		Fields: map[string][]string{
			"title": {"headline", "meta.title"}, "date": {"meta.when"}, "importance": {"meta.rating.value"}, "status": {"state"},
			"tags": {"topics"}, "id": {"uid"}, "draft": {"hidden"}, "sources": {"refs"}, "summary": {"meta.abstract"}, "last_updated": {"touched"},
			"published": {"released"}, "location": {"place"}, "actors": {"people"},
		},
		TagAliases:   map[string]string{"Space Flight": "spaceflight", "cosmos": "Outer  Space"},
		ActorAliases: map[string]string{"NASA": "National Aeronautics and Space Administration"},
	}
	e := mustReadIn(t, d, "a.md", `---
title: not this
meta:
  title: Landing
  when: 1969-07-20
  rating: {value: 10}
  abstract: |
    They  landed.

    They walked.
state: confirmed
status: not this
topics: [space-flight, moon, Spaceflight, COSMOS]
people: [nasa, N.A.S.A., 'National Aeronautics and Space Administration']
place: Moon
uid: landing
hidden: yes
refs: https://a.example
touched: 2025-01-01
released: 2025-01-02
---
`)
	if e.Title != "Landing" || e.Date.String() != "1969-07-20" || e.Importance != 10 || e.Status != "confirmed" || e.Location != "Moon" ||
		e.ID != "landing" || !e.Draft || e.Body != "They landed.\n\nThey walked." || e.LastUpdated.Time().Day() != 1 || e.Published.Time().Day() != 2 {
		t.Errorf("%+v", *e)
	}
	wantList(t, "tags", e.Tags, "spaceflight", "moon", "Outer Space")
	wantList(t, "actors", e.Actors, "National Aeronautics and Space Administration", "N.A.S.A.")
	wantSources(t, e.Sources, Source{"", "https://a.example", ""})

	// The first present wins, and null is not present.
	for lines, want := range map[string]string{
		"headline: A\nmeta: {title: B, when: 2025-01-28}":   "A",
		"headline:\nmeta: {title: B, when: 2025-01-28}":     "B",
		"headline: ' '\nmeta: {title: B, when: 2025-01-28}": "B",
		"meta: {title: B, when: 2025-01-28}":                "B",
	} {
		if e := mustReadIn(t, d, "a.md", "---\n"+lines+"\n---\n"); e.Title != want {
			t.Errorf("%q gives %q, want %q", lines, e.Title, want)
		}
	}
	wantFault(t, d, "a.md", "---\nmeta: none\n---\n", "a.md:2: no title")
	// Both names of the status; a field of the default dialect keeps its own.
	if e := mustRead(t, front("verification_status: a\nstatus: b")); e.Status != "b" {
		t.Errorf("status %q", e.Status)
	}
}

// The body counts before a summary; the summary has its paragraphs.
func TestSummaryKey(t *testing.T) {
	for _, test := range []struct{ lines, body, want string }{
		{"summary: Short.", "Long.", "Long."},
		{"summary: Short.", "", "Short."},
		{"summary: Short.", "\n \n", "Short."},
		{"summary: Short.", "\n---\n**Last Updated**: now\n", "Short."},
		{"summary: |\n  One.\n\n\n  Two.   \n", "", "One.\n\nTwo."},
		{"summary: [One., Two.]", "", "One.\n\nTwo."},
		{"summary:", "", ""},
		{"", "", ""},
		{"summary: \"a\\u0001\\r\\nb\"", "", "a\n\nb"},
	} {
		e := mustRead(t, "---\ntitle: a\ndate: 2025-01-28\n"+test.lines+"\n---\n"+test.body)
		if e.Body != test.want {
			t.Errorf("%q with %q: body %q, want %q", test.lines, test.body, e.Body, test.want)
		}
	}
}

// The first of several faults, in the order of the fields, is the one told.
func TestOneFault(t *testing.T) {
	wantFault(t, Dialect{}, "a.md", front("draft: maybe\nimportance: many"), `a.md:5: importance is "many"; it must be a number from 1 to 10`)
}

// One reader serves many goroutines.
func TestReaderConcurrent(t *testing.T) {
	r := NewReader(Dialect{TagAliases: map[string]string{"bridges": "Bridge"}, ImportanceWords: map[string]int{"high": 8}})
	done := make(chan string)
	for range 8 {
		go func() {
			e, err := r.Read("a.md", []byte(flat))
			if err != nil {
				done <- err.Error()
				return
			}
			done <- e.Revision
		}()
	}
	first := <-done
	for range 7 {
		if got := <-done; got != first {
			t.Errorf("%s and %s", first, got)
		}
	}
}
