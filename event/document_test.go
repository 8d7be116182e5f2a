package event

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEnvelope(t *testing.T) {
	const want = "The body."
	for _, test := range []struct{ name, text string }{
		{"plain", "---\ntitle: a\ndate: 2025-01-28\n---\nThe body.\n"},
		{"BOM", "\ufeff---\ntitle: a\ndate: 2025-01-28\n---\nThe body.\n"},
		{"CRLF", "---\r\ntitle: a\r\ndate: 2025-01-28\r\n---\r\nThe body.\r\n"},
		{"CR", "---\rtitle: a\rdate: 2025-01-28\r---\rThe body.\r"},
		{"mixed line ends", "---\r\ntitle: a\ndate: 2025-01-28\r---\n\r\nThe body."},
		{"no final newline", "---\ntitle: a\ndate: 2025-01-28\n---\nThe body."},
		{"spaces behind the fences", "--- \ntitle: a\ndate: 2025-01-28\n---\t\nThe body."},
		{"blank lines first", "\n \t\n---\ntitle: a\ndate: 2025-01-28\n---\nThe body."},
		{"odd blank lines first", "\v\n\u00a0\n\u2028\n---\ntitle: a\ndate: 2025-01-28\n---\nThe body."},
		{"comment and blank lines", "---\n# a comment\n\ntitle: a\n\ndate: 2025-01-28 # when\n---\nThe body."},
		{"TOML", "+++\ntitle = 'a'\ndate = 2025-01-28\n+++\nThe body."},
		{"TOML, CRLF", "\ufeff+++\r\ntitle = 'a'\r\ndate = \"2025-01-28\"\r\n+++\r\nThe body."},
		{"TOML, odd blank lines first", "\v\n\u00a0\n+++\ntitle = 'a'\ndate = 2025-01-28\n+++\nThe body."},
		{"JSON", "{\"title\": \"a\", \"date\": \"2025-01-28\"}\nThe body."},
		{"JSON over lines", "\ufeff\r\n{\r\n\t\"title\": \"a\",\r\n\t\"date\": \"2025-01-28\"\r\n}\r\n\r\nThe body.\r\n"},
		{"JSON, body on the same line", `{"title": "a", "date": "2025-01-28"} The body.`},
	} {
		e, err := NewReader(Dialect{}).Read("a.md", []byte(test.text))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if body := strings.TrimSpace(e.Body); e.Title != "a" || e.Date.String() != "2025-01-28" || body != want {
			t.Errorf("%s: %+v", test.name, *e)
		}
	}
	// No body and no newline behind the fence.
	if e := mustRead(t, "---\ntitle: a\ndate: 2025-01-28\n---"); e.Body != "" {
		t.Errorf("body %q", e.Body)
	}
}

func TestEnvelopeFaults(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "1: the file is empty"},
		{"blank", "\n\n  \n", "1: the file is empty"},
		{"only a BOM", "\ufeff", "1: the file is empty"},
		{"no front matter", "# A title\n\nText.\n", "1: no front matter: the first line is not ---, +++ or {"},
		{"no front matter, later", "\n\nText.\n---\na: b\n---\n", "3: no front matter: the first line is not ---, +++ or {"},
		{"a comment behind the opener", "--- # c\ntitle: a\n---\n", "1: no front matter: the first line is not ---, +++ or {"},
		{"four hyphens", "----\ntitle: a\n----\n", "1: no front matter: the first line is not ---, +++ or {"},
		{"unterminated", "---\ntitle: a\ndate: 2025-01-28\n", "1: the front matter that begins here has no closing --- line"},
		{"unterminated, later", "\n\n---\ntitle: a\n", "3: the front matter that begins here has no closing --- line"},
		{"only an opener", "---", "1: the front matter that begins here has no closing --- line"},
		{"closed by dots", "---\ntitle: a\n...\nText.\n", "1: the front matter that begins here has no closing --- line"},
		{"closed by the other fence", "+++\ntitle = 'a'\n---\n", "1: the front matter that begins here has no closing +++ line"},
		{"indented fence in a block", "---\ntitle: a\ndate: 2025-01-28\nsummary: |\n  One.\n  ---\n  Two.\n---\nText.\n",
			"6: an indented --- would end the front matter; put it in quotes or take it out"},
		{"indented fence, CRLF", "---\r\ntitle: a\r\nsummary: |\r\n  One.\r\n\t---\r\n---\r\n",
			"5: an indented --- would end the front matter; put it in quotes or take it out"},
		{"fence behind an odd space", "\n---\ntitle: a\nsummary: |\n  One.\n\u00a0---\n---\n",
			"6: an indented --- would end the front matter; put it in quotes or take it out"},
		{"indented fence in TOML", "+++\ntitle = 'a'\nsummary = '''\n +++\n'''\n+++\n",
			"4: an indented +++ would end the front matter; put it in quotes or take it out"},
		{"invalid UTF-8", "---\ntitle: caf\xe9\n---\n", "2: not valid UTF-8 text; save the file as UTF-8"},
		{"invalid UTF-8 in the body", "---\ntitle: a\n---\n\nText\xff\n", "5: not valid UTF-8 text; save the file as UTF-8"},
		{"invalid UTF-8, CR", "---\rtitle: caf\xe9\r---\r", "2: not valid UTF-8 text; save the file as UTF-8"},
		{"UTF-16", "\xff\xfe-\x00-\x00", "1: not valid UTF-8 text; save the file as UTF-8"},
		{"NUL", "---\ntitle: a\ndate: 2025-01-28\n---\nText\n\x00\x00\x00", "6: not valid UTF-8 text; save the file as UTF-8"},
		{"a list", "---\n- title: a\n---\n", "2: the front matter is not a list of key: value lines"},
		{"a text", "---\n\ntitle\n---\n", "3: the front matter is not a list of key: value lines"},
		{"nothing", "---\n---\nText.\n", "1: no title"},
		{"only a comment", "---\n# a\n---\nText.\n", "1: no title"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantFault(t, Dialect{}, "x/a.md", test.text, "x/a.md:"+test.want)
		})
	}
	wantFault(t, Dialect{MaxBytes: 20}, "a.md", front(""), "a.md:1: the file is larger than events.max_bytes (20 bytes)")
	wantFault(t, Dialect{}, "a.md", front("")+strings.Repeat("x", 1<<20), "a.md:1: the file is larger than events.max_bytes (1048576 bytes)")
	mustReadIn(t, Dialect{MaxBytes: len(front(""))}, "a.md", front(""))
}

// Each text stands on the line 4 and those behind it.
func TestYAMLFaults(t *testing.T) {
	const hint = "; is a text with a colon or quote not in quotes?"
	bad := func(line int, what string) string {
		return fmt.Sprintf("a.md:%d: the front matter is not valid YAML: %s%s", line, what, hint)
	}
	for _, test := range []struct{ name, lines, want string }{
		{"unquoted colon", "location: Sydney: the harbour", bad(4, "mapping values are not allowed in this context")},
		{"unquoted colon further down", "tags:\n- a\n- b\nlocation: Sydney: the harbour\nx: y", bad(7, "mapping values are not allowed in this context")},
		{"unquoted colon in a source", "sources:\n- title: a\n  url: b\n- title: c: d", bad(7, "mapping values are not allowed in this context")},
		{"text behind a closing quote", "location: \"Sydney\" harbour\nx: y", bad(4, "did not find expected key")},
		{"text behind a closing quote in a list", "tags:\n- a\n- 'b' c\n- d", bad(6, "did not find expected key")},
		{"quote that is not closed", "location: 'Sydney\nx: y\nz: 1", bad(4, "found unexpected end of stream")},
		{"double quote that is not closed", "x: y\nlocation: \"Sydney\nz: 1", bad(5, "found unexpected end of stream")},
		{"unknown escape", "location: \"C:\\Windows\"", bad(4, "found unknown escape character")},
		{"bracket that is not closed", "tags: [a, b\nx: y", bad(5, "did not find expected ',' or ']'")},
		{"tab", "x:\n\t- y", bad(5, "found character that cannot start any token")},
		{"at sign", "x: y\nlocation: @home", bad(5, "found character that cannot start any token")},
		{"backquote", "location: `home`", bad(4, "found character that cannot start any token")},
		{"key without a colon", "x: y\nlocation\nz: 1", bad(5, "could not find expected ':'")},
		{"last key without a colon", "location", bad(4, "could not find expected ':'")},
		{"item among keys", "- x", bad(4, "did not find expected key")},
		{"key among items", "tags:\n  - a\n  b: c", bad(6, "did not find expected '-' indicator")},
		{"block less indented", "summary: |\n  One.\n two.", bad(6, "did not find expected key")},
		{"control character", "x: y\nlocation: \x01", "a.md:5: the front matter holds the control character U+0001; take it out"},
		{"escape character in a list", "tags:\n- a\n- \x1b[0m", "a.md:6: the front matter holds the control character U+001B; take it out"},
		{"noncharacter", "location: \ufffe", "a.md:4: the front matter holds the control character U+FFFE; take it out"},
		{"alias of nothing", "x: y\nlocation: *home", bad(5, "unknown anchor 'home' referenced")},
		{"alias", "x: &a y\nlocation: *a", "a.md:5: YAML aliases (*a) are not supported; write the value out"},
		{"merge", "x: &a {b: c}\ny:\n  <<: *a", "a.md:6: YAML aliases (*a) are not supported; write the value out"},
		{"a key twice", "tags: [a]\nx: y\ntags: [b]", `a.md:6: the key "tags" stands twice (first on line 4)`},
		{"a key twice, in quotes", "x: y\n\"x\": z", `a.md:5: the key "x" stands twice (first on line 4)`},
		{"the title twice", "title: b", `a.md:4: the key "title" stands twice (first on line 2)`},
		{"a key twice in a source", "sources:\n- url: a\n- url: a\n  url: b", `a.md:7: the key "url" stands twice (first on line 6)`},
		{"a long key twice", strings.Repeat("k", 70) + ": 1\n" + strings.Repeat("k", 70) + ": 2", `a.md:5: the key "` + strings.Repeat("k", 60) + `…" stands twice (first on line 4)`},
		{"a second document", "...\nimportance: 9", "a.md:5: a second YAML document begins; take out the ... or --- before it"},
		{"a second document behind hyphens", "--- {importance: 9}", "a.md:4: a second YAML document begins; take out the ... or --- before it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantFault(t, Dialect{}, "a.md", front(test.lines), test.want)
			// The line does not depend on how lines end, nor on a BOM.
			wantFault(t, Dialect{}, "a.md", "\ufeff"+strings.ReplaceAll(front(test.lines), "\n", "\r\n"), test.want)
			wantFault(t, Dialect{}, "a.md", strings.ReplaceAll(front(test.lines), "\n", "\r"), test.want)
		})
	}
	// Keys that are lists are odd, and of no matter.
	mustRead(t, front("[a]: b\n[c]: d\n? {e: f}\n: g"))
}

// Faults of the other two kinds of front matter, and lines behind blank ones.
func TestOtherFaults(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"YAML behind blank lines", "\n\n---\ntitle: a: b\n---\n", "4: the front matter is not valid YAML: mapping values are not allowed in this context; is a text with a colon or quote not in quotes?"},
		{"TOML without value", "+++\ntitle = 'a'\nx =\n+++\n", "3: the front matter is not valid TOML: expected value but found '\\n' instead"},
		{"TOML, string that is not closed", "\n+++\ntitle = 'a'\nx = \"b\ny = 1\n+++\n", "4: the front matter is not valid TOML: strings cannot contain newlines"},
		{"TOML, a key twice", "+++\ntitle = 'a'\ntitle = 'b'\n+++\n", "3: the front matter is not valid TOML: Key 'title' has already been defined."},
		{"TOML, a value that ends at the line's end", "+++\n0=0b\n+++", "2: the front matter is not valid TOML: not a binary number: '0b\\n'"},
		{"TOML with YAML in it", "+++\ntitle: a\n+++\n", "2: the front matter is not valid TOML: expected '.' or '=', but got ':' instead"},
		{"TOML, type", "+++\n\ntitle = 'a'\ndate = 5\n+++\n", `4: date is "5"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z`},
		{"TOML, no title", "\n+++\ndate = 2025-01-28\n+++\n", `3: no title`},
		{"TOML, deep", "+++\ntitle = 'a'\nx = " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\n+++\n", "3: front matter nested more than 32 levels deep"},
		{"JSON without value", "{\n \"title\": \"a\",\n \"x\": }\n", "3: the front matter is not valid JSON: invalid character '}' looking for beginning of value"},
		{"JSON, comma before the end", "\n{\n \"title\": \"a\",\n}\n", "4: the front matter is not valid JSON: invalid character '}' looking for beginning of object key string"},
		{"JSON, string over lines", "{\n \"title\": \"a\nb\"}\n", "2: the front matter is not valid JSON: invalid character '\\n' in string literal"},
		{"JSON that is not closed", "{\n \"title\": \"a\",\n", "1: the front matter is not valid JSON: unexpected EOF"},
		{"JSON, only a brace", "\n{", "2: the front matter is not valid JSON: unexpected EOF"},
		{"JSON, a key twice", "{\n \"title\": \"a\",\n \"title\": \"b\"}\n", `3: the key "title" stands twice (first on line 2)`},
		{"JSON, type", "{\n \"title\": \"a\",\n \"date\": 5}\n", `3: date is "5"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z`},
		{"JSON, no date", "\n{\"title\": \"a\"}\n", `2: no date`},
		{"Jinja", "{% raw %}\n", "1: the front matter is not valid JSON: invalid character '%' looking for beginning of object key string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantFault(t, Dialect{}, "a.md", test.text, "a.md:"+test.want)
		})
	}
}

func TestTOML(t *testing.T) {
	e := mustRead(t, `+++
title = "Treaty \"signed\""
date = 2025-01-28T09:30:00+02:00
importance = 9.0
draft = true
tags = ["peace", 1848, true]
location = ""
last_updated = 2025-02-01T10:00:00

[actors]
witnesses = ["C", "D"]
signatories = ["A", {name = "B", role = "envoy"}]

[[sources]]
title = "Text"
url = "https://example.org/text"
[[sources]]
url = "https://example.org/more"
+++
Body.`)
	if e.Title != `Treaty "signed"` || e.Date.String() != "2025-01-28T09:30:00+02:00" || e.Importance != 9 || !e.Draft || e.Location != "" {
		t.Errorf("%+v", *e)
	}
	// Maps have no order in TOML; their keys' is used.
	wantList(t, "tags", e.Tags, "peace", "1848", "true")
	wantList(t, "actors", e.Actors, "A", "B", "C", "D")
	wantSources(t, e.Sources, Source{"Text", "https://example.org/text", ""}, Source{"", "https://example.org/more", ""})
	if want := time.Date(2025, 2, 1, 10, 0, 0, 0, time.UTC); !e.LastUpdated.Time().Equal(want) {
		t.Errorf("last_updated %v", e.LastUpdated)
	}
	for value, want := range map[string]string{
		"2025-01-28":               "2025-01-28",
		"'2025-01-28'":             "2025-01-28",
		"2025-01-28T09:30:00":      "2025-01-28T09:30:00Z",
		"2025-01-28 09:30:00":      "2025-01-28T09:30:00Z",
		"2025-01-28T09:30:00.123Z": "2025-01-28T09:30:00Z",
	} {
		e := mustRead(t, "+++\ntitle = 'a'\ndate = "+value+"\n+++\n")
		if e.Date.String() != want {
			t.Errorf("%s is %s, want %s", value, e.Date, want)
		}
	}
	wantFault(t, Dialect{}, "a.md", "+++\ntitle = 'a'\ndate = 09:30:00\n+++\n", `a.md:3: date is "09:30:00"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z`)
}

func TestJSON(t *testing.T) {
	e := mustRead(t, `{
	"title": "A \"flight\" \ud83d\ude80 from \u00c5s \u2192 Rome\/Ostia \\ud83d \ud83d.",
	"date": "2025-01-28", "importance": 9, "location": null, "draft": false,
	"tags": ["a", "b"], "actors": [{"name": "C", "x": {}}, []],
	"sources": [{"title": "T", "url": "https:\/\/example.org\/t"}],
	"`+strings.Repeat("long", 20)+`": 1e3
}

{not JSON}
`)
	if want := `A "flight" 🚀 from Ås → Rome/Ostia \ud83d ` + "\ufffd."; e.Title != want {
		t.Errorf("title %q, want %q", e.Title, want)
	}
	if e.Importance != 9 || e.Location != "" || e.Body != "{not JSON}" {
		t.Errorf("%+v", *e)
	}
	wantList(t, "tags", e.Tags, "a", "b")
	wantList(t, "actors", e.Actors, "C")
	wantSources(t, e.Sources, Source{"T", "https://example.org/t", ""})
}

// What is made to be slow is refused fast.
func TestBombs(t *testing.T) {
	const slow = 30 * time.Second // far more than a busy machine takes, far less than a bomb
	aliases := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 9; i++ {
		aliases += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 8), i-1)
	}
	const n = 100_000
	many := make([]byte, 0, 1<<20)
	for i := range 10_000 {
		many = fmt.Appendf(many, "k%d: v\n", i)
	}
	for _, test := range []struct{ name, text string }{
		{"aliases", front(aliases)},
		{"aliases in tags", front(aliases + "tags: *a8")},
		{"flow lists", front("x: " + strings.Repeat("[", n))},
		{"closed flow lists", front("x: " + strings.Repeat("[", n) + strings.Repeat("]", n))},
		{"forty closed flow lists", front("x: " + strings.Repeat("[", 40) + strings.Repeat("]", 40))},
		{"flow maps", front("x: " + strings.Repeat("{a: ", n/4))},
		{"block lists", front("x:\n  " + strings.Repeat("- ", n))},
		{"complex keys", front(strings.Repeat("? ", n))},
		{"JSON lists", `{"x": ` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}"},
		{"TOML lists", "+++\nx = " + strings.Repeat("[", n/100) + strings.Repeat("]", n/100) + "\n+++\n"},
		{"anchors without aliases", front(string(many) + "k0: v")},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			e, err := NewReader(Dialect{}).Read("a.md", []byte(test.text))
			if err == nil {
				t.Errorf("read: %+v", *e)
			} else if len(err.Error()) > 300 {
				t.Errorf("a long error: %v", err)
			}
			if d := time.Since(start); d > slow {
				t.Errorf("took %v", d)
			}
		})
	}
	mustRead(t, front("x: "+strings.Repeat("[", 30)+strings.Repeat("]", 30)))
	for name, body := range map[string]string{
		"blank lines": strings.Repeat("\n", n), "backquotes": strings.Repeat("```\n", n/4), "brackets": strings.Repeat("- [](\n", n/6),
		"quotes": strings.Repeat(">", n), "headings": strings.Repeat("## Sources\n", n/11), "stars": strings.Repeat("*a ", n/3),
	} {
		start := time.Now()
		mustRead(t, front("")+body).Summary(500)
		if d := time.Since(start); d > slow {
			t.Errorf("%s: took %v", name, d)
		}
	}
}

// Front matter between other fences.
func TestFences(t *testing.T) {
	const yaml, toml, json = "title: a\ndate: 2025-01-28\ntags: [b]\n", "title = 'a'\ndate = 2025-01-28\ntags = ['b']\n", "{\"title\": \"a\", \"date\": \"2025-01-28\",\n\"tags\": \"b\"}\n"
	for _, test := range []struct{ open, front, end string }{
		{"```yaml", yaml, "```"}, {"```yml", yaml, "```"}, {"```toml", toml, "```"}, {"```json", json, "```"}, {"```json", "\n" + json + "\n\n", "```"},
		{"---yaml", yaml, "---"}, {"---toml", toml, "---"}, {"---json", json, "---"}, {";;;", json, ";;;"},
	} {
		for _, body := range []string{"\n# Text\n\n```toml\nx\n```\n", "\n# Text\n\n```toml\nx\n```"} {
			text := test.open + "\n" + test.front + test.end + "\n" + body
			for _, form := range []string{text, "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n"), "\n \n" + text} {
				e := mustRead(t, form)
				if e.Title != "a" || e.Date.String() != "2025-01-28" || !slices.Equal(e.Tags, []string{"b"}) || e.Body != "# Text\n\n```toml\nx\n```" {
					t.Errorf("%q: %+v", form, *e)
				}
			}
		}
		if e := mustRead(t, test.open+"\n"+test.front+test.end); e.Body != "" {
			t.Errorf("%s, no final newline: body %q", test.open, e.Body)
		}
		wantFault(t, Dialect{}, "a.md", "\n"+test.open+"\n"+test.front, "a.md:2: the front matter that begins here has no closing "+test.end+" line")
	}
	for _, test := range []struct{ text, want string }{
		{"```yaml\ntitle: a: b\n```\n", "2: the front matter is not valid YAML: mapping values are not allowed in this context; is a text with a colon or quote not in quotes?"},
		{"```toml\ntitle = 'a'\nx =\n```\n", "3: the front matter is not valid TOML: expected value but found '\\n' instead"},
		{"```json\n\n{\n\"title\": }\n```\n", "4: the front matter is not valid JSON: invalid character '}' looking for beginning of value"},
		{"```json\n\n{\"title\": \"a\"\n}\n\n{}\n```\n", "6: something stands behind the front matter's JSON; take it out, or end the front matter before it"},
		{";;;\n{\"title\": \"a\",\n\n\"date\": 5}\n;;;\n", `4: date is "5"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z`},
		{"```json\n```\n", "2: the front matter is not valid JSON: EOF"},
		{"```go\nx\n```\n", "1: no front matter: the first line is not ---, +++ or {"},
		{"```\nx\n```\n", "1: no front matter: the first line is not ---, +++ or {"},
	} {
		wantFault(t, Dialect{}, "a.md", test.text, "a.md:"+test.want)
	}
}
