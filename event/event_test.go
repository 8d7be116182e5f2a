package event

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// mustRead reads text as the file a.md in the default dialect.
func mustRead(t *testing.T, text string) *Event {
	t.Helper()
	return mustReadIn(t, Dialect{}, "a.md", text)
}

func mustReadIn(t *testing.T, d Dialect, path, text string) *Event {
	t.Helper()
	e, err := NewReader(d).Read(path, []byte(text))
	if err != nil {
		t.Fatalf("%v, from:\n%s", err, text)
	}
	return e
}

// front returns a file with a title, a date, and the lines given, which begin
// on line 4.
func front(lines string) string {
	return "---\ntitle: A bridge opens\ndate: 1932-03-19\n" + lines + "\n---\n\nThe body.\n"
}

const flat = `---
id: 1932-03-19--harbour-bridge-opens
date: '1932-03-19'
importance: 8
title: Harbour bridge opens
location: Sydney
actors:
- Jack Lang
- Francis de Groot
tags:
- bridges
- public-works
sources:
- title: Opening of the bridge
  url: https://example.org/opening
  outlet: State Library
  date: '1932-03-20'
- title: A ribbon cut twice
  url: https://example.org/ribbon
status: confirmed
---

The arch took eight years to build.

A rider cut the ribbon before the premier did.
`

const hugo = `---
title: "Harbour bridge opens"
date: 1932-03-19
importance: 8
draft: false

tags:
  - bridges
  - public-works

actors:
  - Jack Lang
  - Francis de Groot

location: "Sydney"
verification_status: "confirmed"
last_updated: 2025-11-02T10:08:54Z
---

The arch took eight years to build.

A rider cut the ribbon before the premier did.

## Sources

1. [Opening of the bridge](https://example.org/opening) - State Library
2. [A ribbon cut twice](https://example.org/ribbon)

---

**Last Updated**: November 2, 2025
**Importance Score**: 8/10
`

// bridge is what both forms say, without what differs.
func bridge() Event {
	return Event{
		Title: "Harbour bridge opens", Date: Date{Time: time.Date(1932, 3, 19, 0, 0, 0, 0, time.UTC)},
		Importance: 8, Status: "confirmed", Location: "Sydney",
		Tags: []string{"bridges", "public-works"}, Actors: []string{"Jack Lang", "Francis de Groot"},
		Sources: []Source{
			{"Opening of the bridge", "https://example.org/opening", "State Library"},
			{"A ribbon cut twice", "https://example.org/ribbon", ""},
		},
		Body: "The arch took eight years to build.\n\nA rider cut the ribbon before the premier did.",
	}
}

func TestForms(t *testing.T) {
	one := mustReadIn(t, Dialect{}, "1932-03-19--harbour-bridge-opens.md", flat)
	want := bridge()
	want.ID, want.Path = "1932-03-19--harbour-bridge-opens", "1932-03-19--harbour-bridge-opens.md"
	want.Revision = one.Revision
	if !reflect.DeepEqual(*one, want) {
		t.Errorf("flat:\n got %+v\nwant %+v", *one, want)
	}
	two := mustReadIn(t, Dialect{}, "1932/1932-03-19-harbour-bridge-opens.md", hugo)
	want.ID, want.Path = "1932/1932-03-19-harbour-bridge-opens", "1932/1932-03-19-harbour-bridge-opens.md"
	want.LastUpdated = At(time.Date(2025, 11, 2, 10, 8, 54, 0, time.UTC))
	if !reflect.DeepEqual(*two, want) {
		t.Errorf("hugo:\n got %+v\nwant %+v", *two, want)
	}
	if len(one.Revision) != 32 || one.Revision != two.Revision || one.Diff(two) != nil {
		t.Errorf("revisions %s and %s, differing in %v", one.Revision, two.Revision, one.Diff(two))
	}
}

// Files of one meaning have one revision.
func TestRevisionStays(t *testing.T) {
	want := mustRead(t, flat).Revision
	swap := strings.NewReplacer
	for _, test := range []struct{ name, text string }{
		{"the other form", hugo},
		{"order of keys", swap("importance: 8\n", "", "status: confirmed\n", "status: confirmed\nimportance: 8\n").Replace(flat)},
		{"another id", swap("id: 1932", "id: x1932").Replace(flat)},
		{"quotes", swap("Sydney", `"Sydney"`, "- bridges", "- 'bridges'", "'1932-03-19'", "1932-03-19").Replace(flat)},
		{"flow lists", swap("tags:\n- bridges\n- public-works", "tags: [bridges, public-works]").Replace(flat)},
		{"a comment", swap("location:", "# where it stands\nlocation:").Replace(flat)},
		{"spaces in front matter", swap("location: Sydney", "location:    Sydney   ").Replace(flat)},
		{"spaces in a title", swap("Harbour bridge", "Harbour   bridge").Replace(flat)},
		{"a title over two lines", swap("Harbour bridge", "Harbour\n  bridge").Replace(flat)},
		{"blank lines in front matter", swap("location:", "\n\nlocation:").Replace(flat)},
		{"blank lines in the body", swap("build.\n", "build.\n\n\n").Replace(flat)},
		{"blank lines about the body", strings.TrimSuffix(flat, "\n") + "\n\n\n"},
		{"no final newline", strings.TrimRight(flat, "\n")},
		{"spaces in the body", swap("eight years", "eight  years", "build.", "build.   ").Replace(flat)},
		{"CRLF", strings.ReplaceAll(flat, "\n", "\r\n")},
		{"CR", strings.ReplaceAll(flat, "\n", "\r")},
		{"BOM", "\ufeff" + flat},
		{"a zero-width space of glued files", swap("The arch", "\ufeffThe arch").Replace(flat)},
		{"the same in the title", swap("title: Harbour", "title: \ufeffHarbour").Replace(flat)},
		{"blank lines first", "\n \n" + flat},
		{"unknown keys", swap("status:", "notes: |\n  Of no matter.\ncapture: {a: [b]}\nstatus:").Replace(flat)},
		{"last_updated", swap("status:", "last_updated: 2026-01-01\nstatus:").Replace(flat)},
		{"published", swap("status:", "published: 2026-01-01\nstatus:").Replace(flat)},
		{"draft: false", swap("status:", "draft: false\nstatus:").Replace(flat)},
		{"importance as text", swap("importance: 8", "importance: '8/10'").Replace(flat)},
		{"importance as a float", swap("importance: 8", "importance: 8.0").Replace(flat)},
		{"verification_status", swap("status:", "verification_status:").Replace(flat)},
		{"a tag twice", swap("- public-works", "- public-works\n- Bridges").Replace(flat)},
		{"a letter decomposed", swap("Sydney", "Sydney").Replace(flat)},
		{"the trailer of another day", swap("November 2", "December 3", "11-02", "12-03").Replace(hugo)},
		{"sources with stars", swap("1. [", "* [", "2. [", "* [").Replace(hugo)},
		{"sources under a smaller heading", swap("## Sources", "### sources:").Replace(hugo)},
		{"TOML", "+++\ntitle = 'Harbour bridge opens'\ndate = 1932-03-19\nimportance = 8\ntags = ['bridges', 'public-works']\n" +
			"actors = ['Jack Lang', 'Francis de Groot']\nlocation = 'Sydney'\nstatus = 'confirmed'\n+++\n" + strings.SplitN(hugo, "---\n", 3)[2]},
		{"JSON", `{"title": "Harbour bridge opens", "date": "1932-03-19", "importance": 8, "tags": ["bridges", "public-works"],
"actors": ["Jack Lang", "Francis de Groot"], "location": "Sydney", "status": "confirmed"}` + "\n" + strings.SplitN(hugo, "---\n", 3)[2]},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := mustRead(t, test.text)
			if e.Revision != want {
				t.Errorf("another revision; differs in %v:\n%+v", mustRead(t, flat).Diff(e), *e)
			}
		})
	}
}

// Another meaning is another revision, and Diff says in what.
func TestRevisionMoves(t *testing.T) {
	before := mustRead(t, flat)
	for _, test := range []struct {
		name, old, new string
		want           []Field
	}{
		{"title", "Harbour bridge opens", "Harbour Bridge opens", []Field{Title}},
		{"date", "date: '1932-03-19'", "date: 1932-03-20", []Field{DateField}},
		{"time of day", "date: '1932-03-19'", "date: 1932-03-19T00:00:00Z", []Field{DateField}},
		{"importance", "importance: 8", "importance: 9", []Field{Importance}},
		{"no importance", "importance: 8\n", "", []Field{Importance}},
		{"status", "status: confirmed", "status: disputed", []Field{Status}},
		{"no location", "location: Sydney\n", "", []Field{Location}},
		{"a tag less", "- public-works\n", "", []Field{Tags}},
		{"order of tags", "- bridges\n- public-works", "- public-works\n- bridges", []Field{Tags}},
		{"two tags in one", "- bridges\n- public-works", "- bridgespublic-works", []Field{Tags}},
		{"actor", "Jack Lang", "John Lang", []Field{Actors}},
		{"a tag that was an actor", "- Francis de Groot\ntags:\n", "tags:\n- Francis de Groot\n", []Field{Tags, Actors}},
		{"a source's title", "A ribbon", "The ribbon", []Field{Sources}},
		{"a source's address", "org/ribbon", "org/rider", []Field{Sources}},
		{"a source's outlet", "State Library", "State Archives", []Field{Sources}},
		{"a source's outlet become its title", "title: Opening of the bridge\n  url: https://example.org/opening\n  outlet: State Library",
			"title: State Library\n  url: https://example.org/opening\n  outlet: Opening of the bridge", []Field{Sources}},
		{"body", "eight years", "nine years", []Field{Body}},
		{"a paragraph", "build.\n\nA", "build. A", []Field{Body}},
		{"several", "importance: 8\ntitle: Harbour bridge opens\nlocation: Sydney", "importance: 7\ntitle: Bridge opens\nlocation: Dawes Point",
			[]Field{Title, Importance, Location}},
		{"draft", "status:", "draft: true\nstatus:", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if strings.Count(flat, test.old) != 1 {
				t.Fatalf("%q stands %d times", test.old, strings.Count(flat, test.old))
			}
			after := mustRead(t, strings.Replace(flat, test.old, test.new, 1))
			if after.Revision == before.Revision {
				t.Fatal("the same revision")
			}
			if got := before.Diff(after); !slices.Equal(got, test.want) {
				t.Errorf("Diff gives %v, want %v", got, test.want)
			}
			if got := after.Diff(before); !slices.Equal(got, test.want) {
				t.Errorf("the other way round Diff gives %v, want %v", got, test.want)
			}
		})
	}
}

// golden is the revision of bridge. Stores hold revisions: another value here
// makes every event of every installation look updated, once, on the upgrade.
// It may only change together with revisionVersion and a word in the changelog.
const golden = "30c8af344d94890e1170ba18d670b0dd"

func TestSeal(t *testing.T) {
	e := bridge()
	e.Seal()
	if e.Revision != golden {
		t.Errorf("revision %s, want %s", e.Revision, golden)
	}
	e.ID, e.Path, e.Published, e.LastUpdated = "b", "b.md", At(time.Unix(1, 0)), At(time.Unix(2, 0))
	e.Seal()
	if e.Revision != golden {
		t.Error("id, path, published and last_updated are no part of the meaning")
	}
	e.Draft = true
	if e.Seal(); e.Revision == golden {
		t.Error("draft is part of the meaning")
	}
	if got := mustRead(t, flat).Revision; got != golden {
		t.Errorf("read: revision %s, want %s", got, golden)
	}
	// No two lists run together into one.
	a, b := Event{Tags: []string{"a", "b"}}, Event{Tags: []string{"a"}, Actors: []string{"b"}}
	a.Seal()
	b.Seal()
	if a.Revision == b.Revision {
		t.Error("a tag and an actor are the same")
	}
}

func TestValue(t *testing.T) {
	e := mustRead(t, flat)
	want := []any{e.Title, "1932-03-19", 8, "confirmed", "Sydney", e.Tags, e.Actors, e.Sources, e.Body}
	for i, f := range Fields() {
		if got := e.Value(f); !reflect.DeepEqual(got, want[i]) {
			t.Errorf("%s: got %#v, want %#v", f, got, want[i])
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a field that is none has a value")
		}
	}()
	e.Value("colour")
}

func TestIdentity(t *testing.T) {
	for _, test := range []struct{ path, id, want string }{
		{"a.md", "", "a"},
		{"2025/2025-01-28-x.md", "", "2025/2025-01-28-x"},
		{"v1.2/notes.v3.md", "", "v1.2/notes.v3"},
		{"v1.2/notes", "", "v1.2/notes"},
		{"a/.md", "", "a/.md"},
		{".md", "", ".md"},
		{"a.markdown", "", "a"},
		{"cafe\u0301.md", "", "café"},
		{"bad\xff.md", "", "bad\ufffd"},
		{"a b.md", "", "a b"},
		{"a.md", "id: b", "b"},
		{"a.md", "id: b/c.md", "b/c.md"},
		{"a.md", "id: 2025-01-28", "2025-01-28"},
		{"a.md", "id: 17", "17"},
		{"a.md", "id:", "a"},
		{"a.md", "id: ''", "a"},
		{"a.md", "id: '  '", "a"},
	} {
		e := mustReadIn(t, Dialect{}, test.path, front(test.id))
		if e.ID != test.want || e.Path != test.path {
			t.Errorf("%q with %q: ID %q, want %q; Path %q", test.path, test.id, e.ID, test.want, e.Path)
		}
	}
	if _, err := NewReader(Dialect{}).Read("a/ .md", []byte(front(""))); err != nil {
		t.Errorf("a/ .md: %v", err)
	}
	wantFault(t, Dialect{}, " .md", front(""), " .md:2: no id, and the file's name gives none")
}

func TestDate(t *testing.T) {
	for _, s := range []string{"1142-01-01", "2025-01-28", "2025-01-28T09:30:00Z", "2025-01-28T09:30:00+02:00"} {
		d, err := ParseDate(s)
		if err != nil || d.String() != s || d.Clock != strings.Contains(s, "T") {
			t.Errorf("%s: %v, %v", s, d, err)
		}
	}
	for _, s := range []string{"", "2025", "2025-13-01", "yesterday", "2025-01-28 09:30"} {
		if d, err := ParseDate(s); err == nil {
			t.Errorf("%q is %v", s, d)
		}
	}
}

func TestSourceName(t *testing.T) {
	if got := (Source{Title: "a", URL: "b"}).Name(); got != "a" {
		t.Error(got)
	}
	if got := (Source{URL: "b"}).Name(); got != "b" {
		t.Error(got)
	}
}

// wantFault compares the whole of the error.
func wantFault(t *testing.T, d Dialect, path, text, want string) {
	t.Helper()
	e, err := NewReader(d).Read(path, []byte(text))
	if err == nil {
		t.Errorf("no error from:\n%s\nwant %s", text, want)
		return
	}
	if e != nil {
		t.Error("an event beside an error")
	}
	var fault *Error
	if !errors.As(err, &fault) {
		t.Errorf("%T is not an *Error", err)
	}
	if err.Error() != want {
		t.Errorf("from:\n%s\n got %v\nwant %s", text, err, want)
	}
}

// The files of a real timeline, where they are at hand.
func TestCorpus(t *testing.T) {
	const root = "../../shared/corpus"
	if _, err := os.Stat(root); err != nil {
		t.Skip("no corpus beside the project: ", err)
	}
	r := NewReader(Dialect{})
	slugs := make(map[string]map[string]bool) // the keys of each slug
	for _, folder := range []struct {
		name   string
		files  int
		parses bool
	}{{"flat", 1195, true}, {"hugo", 960, true}, {"dirty", 212, true}, {"broken", 18, false}} {
		files, revisions := 0, make(map[string]bool)
		err := filepath.WalkDir(filepath.Join(root, folder.name), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "README.md" {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			e, err := r.Read(d.Name(), data)
			if !folder.parses {
				var fault *Error
				if lines := strings.Count(string(data), "\n"); !errors.As(err, &fault) || fault.Line < 2 || fault.Line > lines {
					t.Errorf("%s/%s: %v; want a fault in the lines 2 to %d", folder.name, d.Name(), err, lines)
				}
				return nil
			}
			if err != nil {
				t.Errorf("%s/%v", folder.name, err)
				return nil
			}
			revisions[e.Revision] = true
			if e.Summary(500) == "" && e.Body != "" {
				t.Errorf("%s/%s: no summary of %q", folder.name, d.Name(), e.Body)
			}
			for _, n := range slices.Concat(e.Tags, e.Actors) {
				k := Key(n)
				s := Slug(k)
				if slugs[s] == nil {
					slugs[s] = make(map[string]bool)
				}
				slugs[s][k] = true
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if files != folder.files {
			t.Errorf("%s: %d files, want %d", folder.name, files, folder.files)
		}
		t.Logf("%s: %d files, %d revisions", folder.name, files, len(revisions))
	}
	for s, keys := range slugs {
		if len(keys) > 1 {
			t.Logf("one slug, several keys: %s %v", s, keys)
		}
	}
	t.Logf("%d slugs", len(slugs))
	if want := 5059; len(slugs) != want {
		t.Errorf("%d distinct slugs, want %d", len(slugs), want)
	}
}

func BenchmarkRead(b *testing.B) {
	text := strings.Replace(flat, "\n\nA rider", strings.Repeat("\n\nThe [arch](https://example.org/arch) took *eight* years to build.", 20)+"\n\nA rider", 1)
	r, data := NewReader(Dialect{}), []byte(text)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Read("a.md", data); err != nil {
			b.Fatal(err)
		}
	}
}
