package event

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestBody(t *testing.T) {
	a := Source{"A", "https://a.example/x", "Post"}
	b := Source{"B", "https://b.example", ""}
	for _, test := range []struct {
		name, body, want string
		sources          []Source
	}{
		{"empty", "", "", nil},
		{"plain", "Text.\n", "Text.", nil},
		{"a rule", "One.\n\n---\n\nTwo.\n", "One.\n\n---\n\nTwo.", nil},
		{"a rule at the end", "One.\n\n---\n", "One.\n\n---", nil},
		{"fences of front matter", "One.\n\n---\ntitle: b\n---\n", "One.\n\n---\ntitle: b\n---", nil},
		{"spaces", "  One   two \t three.  \n\n\n\nFour.\t\n", "  One two three.\n\nFour.", nil},
		{"lists keep their indentation", "- a\n  - b   c\n", "- a\n  - b c", nil},
		{"indented code", "Text.\n\n    a   b  \n\tc   d\n", "Text.\n\n    a   b\n\tc   d", nil},
		{"fenced code", "```\na   b\n\n\n\nc\n```\n\n\n\nd   e\n", "```\na   b\n\n\n\nc\n```\n\nd e", nil},
		{"tildes around backquotes", "~~~\n```\na   b\n~~~\nc   d\n", "~~~\n```\na   b\n~~~\nc d", nil},
		{"a longer fence", "````\n```\na   b\n````\nc   d\n", "````\n```\na   b\n````\nc d", nil},
		{"a fence with a word closes none", "```\n```go\na   b\n```\nc   d\n", "```\n```go\na   b\n```\nc d", nil},
		{"code within a line opens no fence", "``` a ``` b   c\n\nd   e\n", "``` a ``` b c\n\nd e", nil},
		{"words behind a fence", "```go   run\na\n```\n", "```go   run\na\n```", nil},
		{"a fence that is not closed", "```\na   b\n\n\n", "```\na   b", nil},
		{"characters that XML does not allow", "a\x01b\ufeffc\ufffed\x7f\n", "abcd", nil},

		{"sources", "Text.\n\n## Sources\n\n1. [A](https://a.example/x) - Post\n2. [B](https://b.example)\n", "Text.", []Source{a, b}},
		{"only sources", "## Sources\n- [B](https://b.example)\n", "", []Source{b}},
		{"one Source", "Text.\n# Source: ##\n* [B](https://b.example)\n", "Text.", []Source{b}},
		{"sources in the middle", "One.\n\n## Sources\n\n- [B](https://b.example)\n\n## After\n\nTwo.\n", "One.\n\n## After\n\nTwo.", []Source{b}},
		{"sources with prose", "One.\n\n## Sources\n\nSee these:\n\n- [B](https://b.example)\n", "One.\n\n## Sources\n\nSee these:\n\n- [B](https://b.example)", []Source{b}},
		{"sources with an item over two lines", "## Sources\n\n- [B](https://b.example)\n  of May\n", "## Sources\n\n- [B](https://b.example)\n  of May", []Source{b}},
		{"sources without a list", "## Sources\n\nNone known.\n", "## Sources\n\nNone known.", nil},
		{"an empty section", "One.\n\n## Sources\n", "One.\n\n## Sources", nil},
		{"sources in code", "```\n## Sources\n- [A](https://a.example)\n```\n", "```\n## Sources\n- [A](https://a.example)\n```", nil},
		{"sources behind code", "```\n## Sources\n```\n\n## Sources\n- [B](https://b.example)\n", "```\n## Sources\n```", []Source{b}},
		{"sources behind code within a line", "``` x ```\n\n## Sources\n- [B](https://b.example)\n", "``` x ```", []Source{b}},
		{"another heading", "## Sources of power\n\n- [A](https://a.example)\n", "## Sources of power\n\n- [A](https://a.example)", nil},
		{"a word", "Sources\n\n- a\n", "Sources\n\n- a", nil},

		{"trailer", "Text.\n\n---\n\n**Last Updated**: May 1, 2025\n**Importance Score**: 9/10\n", "Text.", nil},
		{"half a trailer", "Text.\n\n---\n**Importance Score**: 9/10", "Text.", nil},
		{"only a trailer", "---\n**Last Updated**: now", "", nil},
		{"trailer without a rule", "Text.\n\n**Last Updated**: now\n", "Text.\n\n**Last Updated**: now", nil},
		{"trailer with more lines", "Text.\n\n---\n**Last Updated**: now\nMore.\n", "Text.\n\n---\n**Last Updated**: now\nMore.", nil},
		{"trailer with a line between", "Text.\n\n---\nMore.\n**Last Updated**: now\n", "Text.\n\n---\nMore.\n**Last Updated**: now", nil},
		{"trailer in the middle", "Text.\n\n---\n**Last Updated**: now\n\n---\n\nMore.\n", "Text.\n\n---\n**Last Updated**: now\n\n---\n\nMore.", nil},
		{"sources and trailer", "Text.\n\n## Sources\n1. [B](https://b.example)\n\n---\n\n**Last Updated**: now\n**Importance Score**: 9/10\n\n", "Text.", []Source{b}},
		{"sources, then a rule", "Text.\n\n## Sources\n1. [B](https://b.example)\n\n---\n", "Text.\n\n## Sources\n1. [B](https://b.example)\n\n---", []Source{b}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := mustRead(t, "---\ntitle: a\ndate: 2025-01-28\n---\n"+test.body)
			if e.Body != test.want {
				t.Errorf("body\n got %q\nwant %q", e.Body, test.want)
			}
			wantSources(t, e.Sources, test.sources...)
			if again := canonicalBody(e.Body); again != e.Body {
				t.Errorf("canonical twice is\n    %q, not\n    %q", again, e.Body)
			}
		})
	}
}

func TestSourceLine(t *testing.T) {
	for text, want := range map[string]Source{
		"[A](https://a.example/x)":                            {"A", "https://a.example/x", ""},
		"[A](https://a.example/x) - Post":                     {"A", "https://a.example/x", "Post"},
		"[A](https://a.example/x) — Post, 4 May":              {"A", "https://a.example/x", "Post, 4 May"},
		"Post: [A](https://a.example/x)":                      {"A", "https://a.example/x", "Post"},
		"Post - [A](https://a.example/x) (4 May)":             {"A", "https://a.example/x", "Post (4 May)"},
		"[A](<https://a.example/x>)":                          {"A", "https://a.example/x", ""},
		"[A (b)](https://a.example/x_(y)_z)":                  {"A (b)", "https://a.example/x_(y)_z", ""},
		"[A](https://a.example/(x(y)z)) - Wiki":               {"A", "https://a.example/(x(y)z)", "Wiki"},
		"[A [2]](https://a.example/x)":                        {"A [2]", "https://a.example/x", ""},
		`[A \[b\] \*c](https://a.example/x)`:                  {"A [b] *c", "https://a.example/x", ""},
		"[](https://a.example/x)":                             {"", "https://a.example/x", ""},
		"[A](x/y)":                                            {"A, x/y", "", ""},
		"[A](mailto:a@a.example) - Post":                      {"A, mailto:a@a.example", "", "Post"},
		"[A]()":                                               {"A", "", ""},
		"[A](https://a.example/x":                             {"[A](https://a.example/x", "", ""},
		"[A]":                                                 {"[A]", "", ""},
		"[A] (https://a.example)":                             {"[A] (https://a.example)", "", ""},
		"https://a.example/x":                                 {"", "https://a.example/x", ""},
		"<https://a.example/x>":                               {"", "https://a.example/x", ""},
		"HTTPS://A.example/x":                                 {"", "HTTPS://A.example/x", ""},
		"https://a.example/x and https://b.example":           {"https://a.example/x and https://b.example", "", ""},
		"Post of 4 May, page 3":                               {"Post of 4 May, page 3", "", ""},
		"[A](https://a.example) and [B](https://b.example/x)": {"A", "https://a.example", "and [B](https://b.example/x)"},
		`[A](https://a.example "About A") - Post`:             {"A", "https://a.example", "Post"},
		"": {},
	} {
		if got := sourceLine(text); got != want {
			t.Errorf("%s\n got %q\nwant %q", text, got, want)
		}
	}
}

// A line that is left alone is one whose words stand as they would be joined.
func TestSpaced(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 3))
	parts := []string{"a", "b", " ", "  ", "\t", "\v", "\u00a0", "\u0085", "\u2028", "\u3000", "\ufeff", "é", "\xff", "—"}
	spaced := 0
	for range 20_000 {
		text := "a"
		for range rnd.IntN(6) {
			text += parts[rnd.IntN(len(parts))]
		}
		text = strings.TrimRight(text, " \t\r\n") // as lines are by then
		is := strings.Join(strings.Fields(text), " ") == text
		if isSpaced(text) != is {
			t.Fatalf("isSpaced(%q) is %v", text, !is)
		}
		if is {
			spaced++
		}
	}
	if spaced < 1000 {
		t.Errorf("only %d of the texts are spaced", spaced)
	}
}
