package event

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"Short.", 10, "Short."},
		{"Ten runes.", 10, "Ten runes."},
		{"Eleven rune", 10, "Eleven…"},
		{"It rained. It poured.", 16, "It rained."},
		{"It rained. It poured.", 10, "It rained."},
		{"It rained! It poured.", 16, "It rained!"},
		{"Did it? It poured down.", 12, "Did it?"},
		{"It rained. It poured down all day.", 30, "It rained. It poured down all…"}, // the sentence ends in the first half
		{"Version 1.2.3 came out later.", 20, "Version 1.2.3 came…"},
		{"One two, three four", 10, "One two…"},
		{"One two (three four)", 12, "One two…"},
		{"One two – three four", 11, "One two…"},
		{"abcdefghijklmnop", 10, "abcdefghi…"},
		{"a bcdefghijklmnop", 10, "a bcdefgh…"}, // the space is in the first half
		{"今天下雨。明天也会下雨。", 8, "今天下雨。"},
		{"今天下雨明天也会下雨后天也", 8, "今天下雨明天也…"},
		{"🔥🔥🔥🔥🔥", 4, "🔥🔥🔥…"},
		{"abc", 2, "a…"},
		{"ab", 2, "ab"},
		{"........ .......", 10, "........"},
	} {
		got := Cut(test.text, test.limit)
		if got != test.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.text, test.limit, got, test.want)
		}
	}
	for _, text := range []string{strings.Repeat("a. ", 50), strings.Repeat("é", 50), strings.Repeat("。", 50), strings.Repeat("👩‍🚀 ", 50), strings.Repeat("- ", 50)} {
		for limit := 2; limit < 60; limit++ {
			got := Cut(text, limit)
			if n := utf8.RuneCountInString(got); n > limit || n == 0 || !utf8.ValidString(got) {
				t.Errorf("Cut(%q, %d) = %q, %d runes", text, limit, got, n)
			}
		}
	}
}

func TestSummary(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"empty", "", ""},
		{"plain", "One.\n\nTwo.", "One."},
		{"lines", "One\ntwo  \nthree\\\nfour.\n\nFive.", "One two three four."},
		{"markup", "*One* **two** ***three*** `four` _five_ six_seven.", "One two three four five six_seven."},
		{"links", "The [first](https://a.example) and [the *second*][2] <https://c.example/x>.\n\n[2]: https://b.example", "The first and the second https://c.example/x."},
		{"image", "![A bridge](a.png) opens.", "A bridge opens."},
		{"only an image without words", "![](a.png)\n\nTwo.", "Two."},
		{"heading first", "# Title\n\nOne.", "One."},
		{"underlined heading first", "Title\n=====\n\nOne.", "One."},
		{"only a heading", "# Title", ""},
		{"rule first", "---\n\nOne.", "One."},
		{"list first", "- One,\n- two;\n  - three\n\nFour.", "One, two; three"},
		{"numbers", "1. One\n2. Two", "One Two"},
		{"quotation first", "> One\n> two.\n\nThree.", "One two."},
		{"HTML block first", "<div class=\"x\">\nNo.\n</div>\n\nOne.", "One."},
		{"comment first", "<!-- no -->\n\nOne.", "One."},
		{"HTML in a line", "One <b>two</b><br> three<!-- no -->.", "One two three."},
		{"script in a line", "One <script>two</script>.", "One two."},
		{"code block", "```\na < b\n  c\n```\n\nOne.", "a < b c"},
		{"indented code", "    a &amp; b", "a &amp; b"},
		{"escapes", `5 \* 3 \_is\_ \# 15 \\ C:\Windows.`, `5 * 3 _is_ # 15 \ C:\Windows.`},
		{"references", "AT&amp;T &lt;b&gt; &copy; 1984&ndash;85 &#169; &#xA9; &nothing; & so on.", "AT&T <b> © 1984–85 © © &nothing; & so on."},
		{"references once", "&amp;lt; and \\&amp;", "&lt; and &amp;"},
		{"references in code", "`&amp; \\*` stays.", `&amp; \* stays.`},
		{"what is no markup", "a * b, 2 < 3 > 1, [x], _y, `z", "a * b, 2 < 3 > 1, [x], _y, `z"},
		{"not legal", "a&#1;b&#xFFFE;c&#0;d", "abc\ufffdd"},
		{"only marks", "**\n\n&nbsp;\n\nTwo.", "**"},
		{"Hindi", "पुल खुला। दूसरा।", "पुल खुला। दूसरा।"},
	} {
		e := &Event{Body: test.body}
		if got := e.Summary(500); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	for _, test := range []struct {
		name, body string
		limit      int
		want       string
	}{
		{"sentence", "**One** two. Three four five six.", 14, "One two."},
		{"word", "One *two* three four five six.", 14, "One two three…"},
		{"emoji", strings.Repeat("🔥", 9), 5, "🔥🔥🔥🔥…"},
		{"a long address", "See [this](https://a.example/" + strings.Repeat("x", 300) + ") page of many words.", 20, "See this page of…"},
		{"much markup", strings.Repeat("*a* ", 5000), 10, "a a a a a…"},
		{"many bytes cut in mid-rune", strings.Repeat("中", 5000), 10, "中中中中中中中中中…"},
		{"a rune on the edge of what is read", "a" + strings.Repeat("<i></i>", 157) + "中中中", 10, "a中"},
		{"no first paragraph in reach", "<!--" + strings.Repeat("x", 10000) + "-->\n\nOne.", 10, ""},
	} {
		e := &Event{Body: test.body}
		if got := e.Summary(test.limit); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// What is taken for plain text is what Markdown makes of it.
func FuzzSummary(f *testing.F) {
	for _, seed := range []string{
		"One two\nthree.\n\nFour.", "One", "One  \ntwo", "One\n- two", "One\n===\ntwo", "One\n1. two", "One\n> two", "One\n    two", "One\n# two",
		"\u00a0\n\nTwo", "\u3000One", "Ein Stück “Text” – mehr.", "One\n\n\n", "\n\nOne", "One\u2028two\u0085three", "One: http://a.example/ ~~two~~ | three\n|---|---|", "One &amp; two", "e\u0301",
		"One _two_", "One *two*", "One `two`", "One \\* two", "One <b>two</b>", "One [two](b)", "One [two]\n\n[two]: b", "One \x00\x0b\x0c two", "One\rtwo\r\rthree", "One\r\n\r\ntwo", "One  \rtwo", "a\n\x0b\n\nb",
		"a" + strings.Repeat("\ufeff", 2000) + "b",
		strings.Repeat("One two. ", 500), strings.Repeat("One two. ", 70) + "\n\nThree", "One (two) {three} \"four\" 'five' $six$ ^seven^ #eight !nine @ten",
	} {
		f.Add(seed, 300)
		f.Add(seed, 20)
	}
	f.Fuzz(func(t *testing.T, body string, limit int) {
		if limit < 2 || limit > 1000 || len(body) > 20_000 || !utf8.ValidString(body) {
			return
		}
		most := min(len(body), 8*limit+1024)
		want := Cut(line(parsedParagraph(body, 2*limit, most)), limit)
		if got := (&Event{Body: body}).Summary(limit); got != want {
			t.Errorf("%q to %d\n got %q\nwant %q", body, limit, got, want)
		}
	})
}
