package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tocsin/event"
)

// read reads a file as check does.
func read(t testing.TB, d event.Dialect, path, text string) File {
	t.Helper()
	r := event.NewReader(d)
	e, err := r.Read(path, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return File{e, r.Places(path, []byte(text))}
}

// usual are n events of a folder in which nothing is to be found.
func usual(t testing.TB, n int) []File {
	var files []File
	for i := range n {
		files = append(files, read(t, event.Dialect{}, fmt.Sprintf("usual/%03d.md", i), fmt.Sprintf(`---
title: Usual event %d
date: 2024-01-02
importance: %d
status: confirmed
tags: [executive-orders, White House]
actors: [Ada Lovelace, Charles Babbage]
location: London
sources: [https://example.org/%d]
---
Something happened.
`, i, 5+i%3, i)))
	}
	return files
}

func TestRules(t *testing.T) {
	const whole = "importance: 6\nstatus: confirmed\ntags: [executive-orders]\nactors: [Ada Lovelace]\nsources: [https://example.org/]\n"
	cases := []struct {
		name  string
		path  string
		front string // behind title and date
		body  string
		want  []string // line: rule: part of what
	}{
		{"nothing", "2024/2024-05-06-x.md", whole, "Text.", nil},
		{"date in the name", "2024-05-07-x.md", whole, "Text.", []string{"3: date_mismatch: the date is 2024-05-06, and the file's path says 2024-05-07"}},
		{"date in folders", "2023/05/x.md", whole, "Text.", []string{"3: date_mismatch: says 2023-05"}},
		{"a number that is no date", "1234/99/2024-99-07-x.md", whole, "Text.", nil},
		{"two years", "2008-2012-x.md", whole, "Text.", nil},
		{"empty value", "x.md", whole + "location:\nsummary: \"\"\n", "Text.", []string{"9: empty_value: location holds", "10: empty_value: summary holds"}},
		{"misspelled key", "x.md", strings.Replace(whole, "tags", "tag", 1), "Text.", []string{"2: missing_tags: no tags, which 30 of 31", "6: misspelled_key: did you mean tags?"}},
		{"key of another tool", "x.md", whole + "tagline: x\nsourced: y\n", "Text.", nil},
		{"importance", "x.md", strings.Replace(whole, "importance: 6\n", "", 1), "Text.", []string{"2: missing_importance: 30 of 31"}},
		{"sources", "x.md", strings.Replace(whole, "sources: [https://example.org/]\n", "", 1), "Text.", []string{"2: missing_sources"}},
		{"text", "x.md", whole, "", []string{"2: missing_text"}},
		{"summary for a text", "x.md", whole + "summary: Text.\n", "", nil},
		{"plural", "x.md", strings.Replace(whole, "[executive-orders]", "\n- new\n- Executive Order", 1), "Text.", []string{`8: similar_tag: the tag "Executive Order" (events with it: 1) looks like "executive-orders" (30)`}},
		{"joined", "x.md", strings.Replace(whole, "executive-orders", "whitehouse", 1), "Text.", []string{`6: similar_tag: "White House"`}},
		{"slip of the pen", "x.md", strings.Replace(whole, "executive-orders", "exectuive-orders", 1), "Text.", []string{`6: similar_tag: "executive-orders"`}},
		{"another word", "x.md", strings.Replace(whole, "executive-orders", "white-mouses", 1), "Text.", nil},
		{"spelling", "x.md", strings.Replace(whole, "executive-orders", "Executive Orders", 1), "Text.", []string{`6: spelling: "Executive Orders" is spelled "executive-orders" elsewhere (30 times)`}},
		{"actor", "x.md", strings.Replace(whole, "Ada Lovelace", "Prof. Ada K. Lovelace", 1), "Text.", []string{`7: similar_actor: "Ada Lovelace"`}},
		{"namesake", "x.md", strings.Replace(whole, "Ada Lovelace", "Eda Loveless", 1), "Text.", nil},
		{"status", "x.md", strings.Replace(whole, "confirmed", "confrimed", 1), "Text.", []string{`5: unknown_status: "confrimed" is in no other event; the statuses here are confirmed`}},
		{"source in the front matter", "x.md", strings.Replace(whole, "[https://example.org/]", "\n- url: https://example.org/\n- title: A newspaper", 1), "Text.", []string{`10: unlinked_source: "A newspaper"`}},
		{"source in the body", "x.md", strings.Replace(whole, "sources: [https://example.org/]\n", "", 1), "Text.\n\n## Sources\n\n1. [A](https://example.org/a)\n2. A newspaper", []string{`14: unlinked_source: "A newspaper"`}},
		{"last_updated", "x.md", whole + "last_updated: yesterday\n", "Text.", []string{`9: unparsable_date: "yesterday"`}},
		{"last_updated, a date", "x.md", whole + "last_updated: 2024-06-01\n", "Text.", nil},
		{"maps", "x.md", strings.Replace(whole, "[Ada Lovelace]", "{main: Ada Lovelace, other: Charles Babbage}", 1), "Text.", []string{"7: value_type: actors is a map"}},
		{"maps with names", "x.md", strings.Replace(whole, "[Ada Lovelace]", "[{name: Ada Lovelace, role: author}]", 1), "Text.", nil},
		{"maps without names", "x.md", strings.Replace(whole, "[Ada Lovelace]", "[{who: Ada Lovelace, role: author}]", 1), "Text.", []string{"7: value_type: actors is a list of maps"}},
		{"list for a text", "x.md", whole + "location: [Paris, London]\n", "Text.", []string{"9: value_type: location is a list"}},
		{"text for a list", "x.md", strings.Replace(whole, "[executive-orders]", "a, b, c", 1), "Text.", []string{`6: value_type: tags is one text, and so one tag: "a, b, c"`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := "---\ntitle: The case\ndate: 2024-05-06\n" + c.front + "---\n" + c.body + "\n"
			files := append(usual(t, 30), read(t, event.Dialect{}, c.path, text))
			keys := map[string][]string{"tags": {"tags"}, "sources": {"sources"}, "title": {"title"}}
			holds(t, Check(files, Options{Keys: keys}), c.path, c.want)
		})
	}
}

// holds compares findings with line: rule: part of what, all of one file.
func holds(t *testing.T, found []Finding, path string, want []string) {
	t.Helper()
	ok := len(found) == len(want)
	for i, w := range want {
		parts := strings.SplitN(w, ": ", 3)
		ok = ok && found[i].Path == path && fmt.Sprint(found[i].Line) == parts[0] && found[i].Rule == parts[1] &&
			(len(parts) < 3 || strings.Contains(found[i].What, parts[2]))
	}
	if !ok {
		t.Errorf("found %+v\nwant  %q", found, want)
	}
}

// What is rare in a folder of a few events is not unusual.
func TestSmallFolder(t *testing.T) {
	files := append(usual(t, 4), read(t, event.Dialect{}, "x.md", "---\ntitle: X\ndate: 2024-05-06\nstatus: odd\n---\n"))
	holds(t, Check(files, Options{}), "x.md", nil)
}

// Where most events have none, the others do not say that one is missing.
func TestUnusedFields(t *testing.T) {
	files := usual(t, 10)
	for i := range 10 {
		files = append(files, read(t, event.Dialect{}, fmt.Sprintf("%d.md", i), fmt.Sprintf("---\ntitle: X%d\ndate: 2024-05-06\n---\n", i)))
	}
	holds(t, Check(files, Options{}), "", nil)
}

func TestDuplicate(t *testing.T) {
	const text = "---\n\ntitle: %s\ndate: %s\n---\n"
	files := []File{
		read(t, event.Dialect{}, "a.md", fmt.Sprintf(text, "One Thing", "2024-05-06")),
		read(t, event.Dialect{}, "b.md", fmt.Sprintf(text, "One thing!", "2024-05-06T10:00:00Z")),
		read(t, event.Dialect{}, "c.md", fmt.Sprintf(text, "One thing", "2024-05-07")),
	}
	found := Check(files, Options{})
	holds(t, found[:1], "a.md", []string{"3: duplicate: b.md has the same"})
	holds(t, found[1:], "b.md", []string{"3: duplicate: a.md has the same"})
}

func TestUnusualImportance(t *testing.T) {
	odd := read(t, event.Dialect{}, "x.md", "---\ntitle: X\ndate: 2024-05-06\nimportance: 1\ntags: [a]\nstatus: confirmed\nsources: [https://example.org/]\n---\nText.\n")
	holds(t, Check(append(usual(t, 120), odd), Options{}), "x.md", []string{"4: unusual_importance: the importance 1 is in no other event; all others are from 5 to 7"})
	holds(t, Check(append(usual(t, 60), odd), Options{}), "x.md", nil)
}

// A status that the configuration knows may be rare, and so may another spelling
// that an alias stands for; what looks like the alias's name is not.
func TestKnown(t *testing.T) {
	files := append(usual(t, 30), read(t, event.Dialect{ActorAliases: map[string]string{"Countess": "Ada King"}}, "x.md",
		"---\ntitle: X\ndate: 2024-05-06\nimportance: 5\nstatus: retracted\ntags: [a]\nactors: [Countess, Ada B. King]\nsources: [https://example.org/]\n---\nText.\n"))
	o := Options{Statuses: []string{"Retracted"}, ActorAliases: map[string]string{"Countess": "Ada King"}}
	holds(t, Check(files, o), "x.md", []string{`7: similar_actor: "Ada B. King" (events with it: 1) looks like "Ada King" (1)`})
}

// A name that an alias leads to is meant, however rare it is, and another spelling that
// has an alias is not judged by its own spellings.
func TestAliasesAreMeant(t *testing.T) {
	aliases := map[string]string{"Countess": "Ada Z. Lovelace"}
	files := usual(t, 30)
	for i, name := range []string{"Countess", "Countess", "Countess", "COUNTESS", "Ada Z. Lovelace"} {
		files = append(files, read(t, event.Dialect{ActorAliases: aliases}, fmt.Sprintf("%d.md", i), fmt.Sprintf(
			"---\ntitle: X%d\ndate: 2024-05-06\nimportance: 5\nstatus: confirmed\ntags: [a]\nactors: [%s]\nsources: [https://example.org/]\n---\nText.\n", i, name)))
	}
	for _, x := range Check(files, Options{ActorAliases: aliases}) {
		if !strings.HasPrefix(x.Path, "usual/") {
			t.Errorf("found %+v", x)
		}
	}
}

// George W. Bush and George H. W. Bush are two, and George Bush is neither.
func TestAmbiguousActor(t *testing.T) {
	files := usual(t, 30)
	for i := range 9 {
		files = append(files, read(t, event.Dialect{}, fmt.Sprintf("%d.md", i), fmt.Sprintf(
			"---\ntitle: X%d\ndate: 2024-05-06\nimportance: 5\nstatus: confirmed\ntags: [a]\nactors: [George %s Bush]\nsources: [https://example.org/]\n---\nText.\n",
			i, []string{"W.", "H. W."}[i%2])))
	}
	files = append(files, read(t, event.Dialect{}, "x.md", "---\ntitle: X\ndate: 2024-05-06\nimportance: 5\nstatus: confirmed\ntags: [a]\nactors: [George Bush]\nsources: [https://example.org/]\n---\nText.\n"))
	for _, x := range Check(files, Options{}) {
		if x.Path == "x.md" {
			t.Errorf("found %+v", x)
		}
	}
}

func TestSingular(t *testing.T) {
	for _, pair := range [][2]string{
		{"executive-orders", "executive-order"}, {"shell-companies", "shell-company"}, {"taxes", "tax"},
		{"breaches", "breach"}, {"businesses", "business"}, {"leaks", "leak"},
	} {
		if singular(pair[0]) != singular(pair[1]) {
			t.Errorf("%s and %s are not taken for one", pair[0], pair[1])
		}
	}
	for _, key := range []string{"congress", "virus", "crisis", "bus", "gas"} {
		if singular(key) != key {
			t.Errorf("%s is taken for a plural", key)
		}
	}
}

func TestRulesAreSorted(t *testing.T) {
	if !slices.IsSortedFunc(Rules(), func(a, b Rule) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the rules are not in the order of their names")
	}
}
