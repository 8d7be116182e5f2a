package event

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// treeOf writes all that is read of a tree.
func treeOf(n *yaml.Node) string {
	var b strings.Builder
	var write func(n *yaml.Node, depth int)
	write = func(n *yaml.Node, depth int) {
		fmt.Fprintf(&b, "%s%d %d %s %q\n", strings.Repeat("  ", depth), n.Line, n.Kind, n.Tag, n.Value)
		for _, c := range n.Content {
			write(c, depth+1)
		}
	}
	write(n, 0)
	return b.String()
}

// plainFronts are forms of front matter, and whether they are read without the library.
var plainFronts = []struct {
	text  string
	plain bool
}{
	{"title: A title\ndate: 2025-01-28\nimportance: 8\n", true},
	{"title: \"Quoted: so\"\nid: 'it''s'\nlast: ''\nnote: \"\"", true},
	{"id: 1142-01-01--a-model\n\n\ntags: [\"a\", 'b', c d]\n", true},
	{"tags:\n- a\n- 'b: c'\nactors:\n  - A. B., Jr.\n  - \"C\"\nstatus: confirmed", true},
	{"sources:\n- title: One, two\n  url: https://a.example/?b=c#d\n  date: '1987-09-16'\n\n- title: Three\n- Four\n", true},
	{"sources:\n    - title: One\n      tags: [x]\n    - url: 'x'\ntitle: Ümlaut – 日本", true},
	{"title: One\n  two\n    three\nnote: 'it''s\n  so'\nlast: \"a\n b\"\nlist:\n- one\n two\n- 'three\n  four'\n- a: one\n    two\n  b:\n  - c\n  - d: e\n  f:\n      g: null\n", true},
	{"a: b\n\n  c", true}, {"a: 'b\n\n\n  c'", true}, {"a: 'b\nc'", false}, {"a: b\n  # c", false}, {"a: b\n  c: d", false}, {"a: b\n  - c", true}, {"a: \"b\\\n  c\"", false},
	{"a: 'b\n  c'd", false}, {"a: [b]\n  c", false}, {"a: 'b'\n  c", false}, {"a:\n- b: c\n d: e", false}, {"a:\n    b: c\n  d: e", false}, {"a:\n- b\n- c: d\n  - e", false},
	{"a:\n  a:\n    a:\n      a:\n        a:\n          a:\n            a:\n              a:\n                a:\n                  a:\n                    a: b", false},
	{"a: b" + strings.Repeat("\n  c", 39), true}, {"a: b" + strings.Repeat("\n  c", 40), false}, {"a: 'b" + strings.Repeat("\n  c", 39) + "'", true}, {"a: 'b" + strings.Repeat("\n  c", 40) + "'", false},
	{"a: 9.50\nb: 2019-04\nc: $5 [million]\nd: (x)\ne: [$5, (x), 1.5]\nf: 01.5", true}, {"a: 1.", false}, {"a: 1.2.3", false}, {"a: [ ]", false},
	{"ümlaut: x", false},
	{"title:   spaces   \nm: 2nd\nt: truest", true},
	{"", false}, {"\n\n", false}, {"title", false}, {"title:", false}, {"title:x", false}, {"title:\ndate: 2025-01-28", false},
	{"a: b: c", false}, {"a: b:", false}, {"a: b # c", false}, {"# c\na: b", false}, {"a: b\n  c", true}, {"a: b\nc", false},
	{"a: true", true}, {"a: No", true}, {"a: ~", false}, {"null: b", true}, {"a: 010", false}, {"a: 1_0", false}, {"a: 1e3", false}, {"a: 12:30", false},
	{"a: 2025-13-01", false}, {"a: 2025-01-28T10:00:00Z", true}, {"a: 2025-01-28T10:00:00+01:00", false}, {"a: 0xff", false}, {"a: -1", false}, {"a: .5", false}, {"a: 123456789012345678901", false},
	{"a: |\n  b", false}, {"a: >-\n  b", false}, {"a: !!str b", false}, {"a: &b c", false}, {"a: *b", false}, {"a: {b: c}", false}, {"a: @b", false}, {"a: %b", false},
	{"a: \"b", false}, {"a: \"b\" c", false}, {"a: \"b\\n\"", false}, {"a: 'b'c'", false}, {"a: '", false}, {"a: \"b\"\"c\"", false}, {"a: 'b' # c", false},
	{"a: []", true}, {"a: [b,]", false}, {"a: [b", false}, {"a: [b, [c]]", false}, {"a: [\"b, c\"]", false}, {"a: [b: c]", false}, {"a: [b # c]", false}, {"a: [true]", true}, {"a: [b\n, c]", false},
	{"a:\n- b\n c: d", false}, {"a:\n  - b\n - c", false}, {"a:\n- - b", false}, {"a:\n-\n  b", false}, {"a:\n-  b", false}, {"a:\n- b:\n    c: d", true}, {"a:\n- b: c\n   d: e", false}, {"a:\n- b\n  c", true},
	{"a:\n  b: c", true}, {" a: b", false}, {"a: b\n...\n", false}, {"a: b\n---\nc: d", false}, {"? a\n: b", false}, {"a: b\tc", false}, {"a: b\u0085c", false}, {"a: b\u2028c: d", false}, {"\ufeffa: b", false}, {"a: b\u007f", false},
	{strings.Repeat("k", 2000) + ": b", false}, {"a: b\na: c", true}, {"a:\n- b: c\n  b: d", true},
}

func TestPlainYAML(t *testing.T) {
	for _, test := range plainFronts {
		got, ok := plainYAML(test.text)
		if ok != test.plain {
			t.Errorf("%q: plain is %v", test.text, ok)
		}
		if ok {
			likeLibrary(t, test.text, got)
		}
	}
}

func likeLibrary(t *testing.T, text string, got *yaml.Node) {
	t.Helper()
	want, err := libraryYAML([]byte(text), 0)
	if err != nil {
		t.Errorf("%q: the library says %v", text, err)
	} else if got, want := treeOf(got), treeOf(want); got != want {
		t.Errorf("%q\n got %s\nwant %s", text, got, want)
	}
}

// The same of pieces put together at random, most of which a fuzzer would not find.
func TestPlainYAMLOfPieces(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 11))
	pieces := []string{
		"a", "b", "key", "true", "null", "n", "8", "08", "2025-01-28", "2nd", "1.5", "0.5", "12.", "1.2.3", "2019-04", "2019-14", "2025-01-28T10:00:00Z", "$5", "(x)", "[]", "[ ]", "é", "日本", " ", "  ", "    ", "\n", "\n", "\n\n", ":", ": ", ": ", ": ", " #", "#",
		"\n- ", "\n- ", "\n  - ", "- ", "-", "\na: ", "\nb:", "\nc: x", "\n- a: ", "\n  b: ", "\n    c: ", "\n  d", "\n      e", "\n b", "'", "''", "\"", "\\", "[", "]", "[a, b]", "['a', \"b\"]", ", ", ",",
		"{", "}", "&", "*", "!", "|", ">", "?", "%", "@", "`", "~", "https://a.example/?b=c&d", "\u00a0", "\u2028", "...", "---",
	}
	plain := 0
	for range 30_000 {
		text := []string{"a: ", "a:\n- b", "a:\n- b: c", "a: 'b", "a: \"b"}[rnd.IntN(5)]
		for range rnd.IntN(12) {
			text += pieces[rnd.IntN(len(pieces))]
		}
		if got, ok := plainYAML(text); ok {
			plain++
			likeLibrary(t, text, got)
		}
	}
	if plain < 1000 {
		t.Errorf("only %d are plain", plain)
	}
}

// What is read without the library is what the library reads.
func FuzzPlainYAML(f *testing.F) {
	for _, test := range plainFronts {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := plainYAML(text); ok {
			likeLibrary(t, text, got)
		}
	})
}
