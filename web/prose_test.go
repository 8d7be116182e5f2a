package web

import (
	"strings"
	"testing"
)

func TestProse(t *testing.T) {
	tests := []struct{ in, want string }{
		{"<p>a &lt;b&gt;</p>\n", "<p>a &lt;b&gt;</p>\n"},
		{"<h1>a</h1><h1>b</h1><h4>c</h4><h6>d</h6><h2>e</h2>", "<h2>a</h2><h2>b</h2><h3>c</h3><h4>d</h4><h3>e</h3>"},
		{`<p id="q">a</p><a name="x" href="https://e.org/">b</a>`, `<p>a</p><a href="https://e.org/">b</a>`},
		{"</div></article></main><p>a", "<p>a</p>"},
		{"<aside><section>a</section></aside>", "<div><div>a</div></div>"},
		{`<img src="https://e.org/x.png">`, `<img src="https://e.org/x.png" alt="" loading="lazy"/>`},
		{`<img src="https://e.org/x.png" alt="x">`, `<img src="https://e.org/x.png" alt="x" loading="lazy"/>`},
		{`<a href="https://e.org/"> </a>`, `<a href="https://e.org/"> https://e.org/</a>`},
		{`<a href="https://e.org/"><img src="https://e.org/x.png" alt="x"></a>`, `<a href="https://e.org/"><img src="https://e.org/x.png" alt="x" loading="lazy"/></a>`},
		{"<table><tr><td>a", `<div class="wide" role="group" aria-label="Table" tabindex="0"><table><tbody><tr><td>a</td></tr></tbody></table></div>`},
		{"", ""},
	}
	for _, test := range tests {
		if got := string(prose(test.in)); got != test.want {
			t.Errorf("%s\ngave %s\nwant %s", test.in, got, test.want)
		}
	}
	if got := string(prose(strings.Repeat("<blockquote>", 100_000) + "<b>")); strings.Contains(got, "<b>") || !strings.HasPrefix(got, "<pre>") {
		t.Errorf("what is nested beyond reason is not text: %.80s", got)
	}
}
