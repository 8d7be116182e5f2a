package feed

import (
	"net/url"
	"testing"

	"github.com/yuin/goldmark/parser"
)

func TestPlain(t *testing.T) {
	for _, c := range []struct {
		name, html string
		plain      bool
	}{
		{"text", "<p>One &amp; two, &lt;b&gt; and <em>three</em>.</p>\n", true},
		{"quotes", "<p>“It's”, \"quoted\" and &quot;escaped&quot;</p>", true},
		{"a link", `<p><a href="https://example.org/a_(b)">no</a></p>`, false},
		{"a link to another site", `<p><a href="https://example.org/a?b=c&amp;d=%20e#f">x</a></p>`, true},
		{"a table", "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n</table>", true},
		{"end tags alone", "</p></a></td>", true},
		{"nothing", "", true},
		{"a scheme", `<a href="javascript:alert(1)">x</a>`, false},
		{"upper case", `<a href="HTTPS://EXAMPLE.org/">x</a>`, false},
		{"relative", `<a href="/x">x</a>`, false},
		{"not parseable", `<a href="https://example.org/%zz">x</a>`, false},
		{"another attribute", `<a href="https://example.org/" onclick="x">x</a>`, false},
		{"two addresses", `<a href="https://example.org/" href="javascript:x">x</a>`, false},
		{"script", "<p>a</p><script>alert(1)</script>", false},
		{"half a tag", "<p>a</p><scr", false},
		{"a comment", "<!-- x -->", false},
		{"an attribute", `<p onclick="x">a</p>`, false},
		{"space in a tag", "<p >a</p >", false},
		{"a reference", "<p>&#11;&nbsp;</p>", false},
		{"half a reference", "<p>a & b</p>", false},
		{"characters that XML lacks", "<p>\uffff</p>", false},
		{"a control character", "<p>\x0b</p>", false},
		{"an end without a tag", "a > b", false},
		{"a carriage return", "<p>a\r\nb</p>", false},
		{"nul", "a\x00b", false},
		{"bytes that are no text", "<p>\xff\xc0</p>", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := plain([]byte(c.html))
			if ok != c.plain {
				t.Errorf("plain is %v", ok)
			}
			if want := byPolicy([]byte(c.html)); ok && got != want || clean([]byte(c.html)) != want {
				t.Errorf("%q\nplain %q\nclean %q\nwant  %q", c.html, got, clean([]byte(c.html)), want)
			}
		})
	}
}

func TestLimited(t *testing.T) {
	var out limited
	_, _ = out.Write(make([]byte, maxHTML-1))
	_ = out.WriteByte('x')
	if err := out.Flush(); err != nil || len(out.b) != maxHTML {
		t.Fatal(err, len(out.b))
	}
	out.b = out.b[:maxHTML-5]
	_, _ = out.WriteString("too long")
	_, _ = out.WriteRune('x')
	if err := out.Flush(); err == nil {
		t.Error("a text with a hole is taken for whole")
	}
}

// What goes around the policy is what the policy would have made, of HTML and of the
// HTML that Markdown becomes.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{
		"<p>One &amp; <em>two</em> 'three' &quot;four&quot;</p>", `<a href="https://example.org/?a=1&amp;b=%2f#c">x</a>`,
		"<pre><code>\n&lt;x&gt;\n</code></pre><hr><br>", "a & b <b>c</b> \uffff \x0b </a>", `<a href="http://[::1]/">x</a>`,
		"A [link](https://example.org/a \"t\"), *emphasis*, `code`\n\n- [x] done\n- www.example.org\n\n| a | b |\n|:--|---|\n| c | d |",
		"<div>raw</div>\n\n> quote\n\n3. three\n\n```go\nx := \"y\"\n```\n\n![i](j.png)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		of := func(html []byte) {
			if got, ok := plain(html); ok && got != byPolicy(html) {
				t.Errorf("%q\nplain  %q\npolicy %q", html, got, byPolicy(html))
			}
		}
		of([]byte(s))
		if costly(s) || len(s) > 10_000 {
			return
		}
		pc := parser.NewContext()
		pc.Set(baseKey, &url.URL{Scheme: "https", Host: "example.org", Path: "/events/x/"})
		var out limited
		if err := markdown.Convert([]byte(s), &out, parser.WithContext(pc)); err == nil {
			of(out.b)
		}
	})
}
