package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"tocsin/feed/feedtest"
)

// hostileEvents are files that want to be more than text, by their names.
func hostileEvents() map[string]string {
	const evil = `<script>alert(1)</script><img src=x onerror=alert(2)>`
	list := func(names ...string) string {
		b, err := json.Marshal(names) // which YAML reads, but for a few letters
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	paths := list("../../../../outside", "..", ".", "%2e%2e%2f%2e%2e%2foutside", `..\..\outside`, "/outside", "a/../b", "a//b", "nul\x00tag", "index.html", "~")
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprint("tag ", i))
	}
	events := map[string]string{
		"script.md": "---\nid: '<script>alert(0)<script>'\ntitle: '" + evil + "'\ndate: 2020-01-01\ntags: ['" + evil + "']\nactors: ['\" onmouseover=alert(3) x=\"', \"';alert(4)//\"]\n" +
			"location: '\"><svg onload=alert(5)>'\nstatus: '</title><script>alert(6)</script>'\nsummary: '" + evil + "'\n" +
			"sources:\n  - {title: '" + evil + "', url: 'javascript:alert(7)'}\n  - {title: b, url: ' JaVaScRiPt:alert(8)'}\n  - {title: c, url: 'data:text/html,<script>alert(9)</script>'}\n" +
			"'<script>alert(10)</script>': '" + evil + "'\n\"onload=\\\"alert(11)\\\"\": 1\n---\n\n" + evil +
			"\n\n[a](javascript:alert(12)) <a href='javascript:alert(13)'>b</a> <a href=\"&#106;avascript:alert(14)\">c</a> [d]: <javascript:alert(15)>\n\n" +
			"<style>p{}</style><iframe src='https://example.org'></iframe><p style='color:red' onclick='alert(16)'>d</p><form action='https://example.org/'><input></form>\n\n" +
			"```<script>\n</script>alert(17)\n```\n\n## Sources\n\n1. [" + evil + "](javascript:alert(18)) - \"<b>\"\n",
		"paths.md":      "---\nid: '../../../outside'\ntitle: Paths\ndate: 2020-01-02\ntags: " + paths + "\nactors: " + paths + "\n---\n\nText.\n",
		"encoded.md":    "---\nid: '%2e%2e%2f%2e%2e%2foutside'\ntitle: Encoded\ndate: 2020-01-03\n---\n\nText.\n",
		"backslash.md":  "---\nid: '..\\..\\outside'\ntitle: Backslash\ndate: 2020-01-04\n---\n\nText.\n",
		"nul.md":        "---\nid: \"a\\0b\"\ntitle: \"NUL \\0 in it\"\ndate: 2020-01-05\n---\n\nText.\n",
		"page.md":       "---\nid: 'x/index.html'\ntitle: Page\ndate: 2020-01-06\n---\n\nText.\n",
		"long.md":       "---\ntitle: Long\ndate: 2020-01-07\n---\n\n" + strings.Repeat("A long body & <so> on. ", 900*1024/23) + "\n",
		"turned.md":     "---\ntitle: \"\u202egnp.exe \u2066x\"\ndate: 2020-01-08\ntags: [\"\u202egat\"]\nactors: [\"\u202erotca\"]\nlocation: \"\u202enoitacol\"\n---\n\n\u202eText.\n",
		"many.md":       "---\ntitle: Many\ndate: 2020-01-09\ntags: " + list(many...) + "\n---\n\nText.\n",
		"cdata.md":      "---\ntitle: 'a ]]> b <![CDATA[ c'\ndate: 2020-01-10\ntags: [']]>', '<![CDATA[']\nstatus: ']]>'\n---\n\n]]> <![CDATA[ x ]]> `]]>` &#93;&#93;&gt; <!-- --> <?xml version=\"1.0\"?>\n",
		"illegal.md":    "---\ntitle: \"a\\x01\\x0b\\ufffeb\"\ndate: 2020-01-11\ntags: [\"c\\x01\\x0c\", \"\\uffff\"]\nlocation: \"\\x1b[31m\"\n---\n\na &#1; &#x0b; &#xFFFE; &#xD800; b\n",
		"entity.md":     "---\ntitle: '&lt;b&gt; &amp; &#60;script&#62; &xxe;'\ndate: 2020-01-12\n---\n\n&lt;script&gt; &xxe; {{.}} ${HOME}\n",
		"'\"><b>'.md":   "---\ntitle: A file's name\ndate: 2020-01-13\n---\n\nText.\n",
		"%2e%2e%2f%.md": "---\ntitle: Another file's name\ndate: 2020-01-14\n---\n\nText.\n",
	}
	return events
}

// TestHostileEvents runs the daemon on files that want to be more than text. They
// are text in all that it serves and writes, and it writes nowhere else.
func TestHostileEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, "", "feeds: {dir: a/b/public}")
	for name, text := range hostileEvents() {
		r.write(filepath.Join(r.events, name), text)
	}
	const canary = "the canary that no answer may hold"
	r.write(filepath.Join(r.dir, "a", "canary.txt"), canary)
	before := contents(t, r.dir)
	r.start()
	// Corrections, too, and a page that leads on.
	r.write(filepath.Join(r.events, "script.md"), strings.Replace(hostileEvents()["script.md"], "alert(6)", "alert(66)", 1))
	r.write(filepath.Join(r.events, "cdata.md"), strings.Replace(hostileEvents()["cdata.md"], "title: 'a", "title: 'aa", 1))
	// A change is told in the log once its files are written.
	r.until("the changes", func() bool {
		return r.log.has("msg=updated id=cdata ") && r.log.has("msg=updated id=<script>alert(0)<script> ")
	})

	public := filepath.Join(r.dir, "a", "b", "public")
	after := contents(t, r.dir)
	for name := range after {
		if _, ok := before[name]; !ok && !strings.HasPrefix(name, "a/b/public/") && !strings.HasPrefix(name, "state/") {
			t.Errorf("%s is outside the folder", name)
		}
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(r.dir), "outside")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is an outside: %v", err)
	}

	judge := &feedtest.Judge{Now: time.Now()}
	files := contents(t, public)
	pages := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := filepath.Join(public, filepath.FromSlash(name))
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		address := "http://" + r.site + "/" + escaped(strings.TrimSuffix(name, "index.html"))
		if res, served := r.fetch(address); name != "404.html" && !bytes.Equal(served, b) {
			t.Errorf("%s: %s, and not the file", address, res.Status)
		}
		switch {
		case strings.HasPrefix(name, "feeds/"):
			for _, f := range judge.Judge(address, b) {
				if f.Rule != feedtest.Size && f.Rule != feedtest.Title { // of the long body; of &amp; that is meant
					t.Errorf("%s: %v", name, f)
				}
			}
		case strings.HasSuffix(name, ".html"):
			pages++
			harmlessPage(t, name, b)
		case strings.HasSuffix(name, ".xml"), strings.HasSuffix(name, ".opml"), strings.HasSuffix(name, ".svg"):
			wellFormedXML(t, name, b)
		case strings.HasSuffix(name, ".json"):
			if !json.Valid(b) {
				t.Errorf("%s is no JSON", name)
			}
		}
	}
	if pages < 30 {
		t.Errorf("only %d pages", pages)
	}

	// What was left out is said, and what is in is there as it was written.
	if !r.log.has("many.md") {
		t.Error("nothing is said of the event with 10,000 tags")
	}
	_, body := r.get("/feeds/all.json")
	var list struct {
		Items []struct {
			Title string
			Event struct{ Tags []string } `json:"_event"`
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	titles := make(map[string]bool)
	for _, i := range list.Items {
		titles[i.Title] = true
	}
	for _, want := range []string{`<script>alert(1)</script><img src=x onerror=alert(2)>`, "aa ]]> b <![CDATA[ c", "&lt;b&gt; &amp; &#60;script&#62; &xxe;", "Paths", "Long"} {
		if !titles[want] {
			t.Errorf("no event is called %q; there are %q", want, slices.Sorted(maps.Keys(titles)))
		}
	}

	for _, path := range []string{
		"/../canary.txt", "/../../canary.txt", "/%2e%2e/%2e%2e/canary.txt", "/..%2f..%2fcanary.txt", "/feeds/../../../canary.txt",
		"/feeds/..%2f..%2f..%2fcanary.txt", "/feeds/%2e%2e%2f%2e%2e%2fcanary.txt", "/tags/..%2f..%2f..%2fcanary.txt/", "/events/..%5c..%5ccanary.txt",
		"/events/../../../../canary.txt/", "/events/%2e%2e/%2e%2e/canary.txt/", "/feeds/all%00.atom", "/feeds/%00.atom", "/%00", "//canary.txt", "/feeds//../canary.txt",
		"/events/%ff/", "/feeds/tags/%c0%ae%c0%ae.atom", "/feeds/" + strings.Repeat("a/", 4000) + ".atom", "/feeds/query.atom?tag=" + strings.Repeat("%2e%2e%2f", 500),
		"/find/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/build/?tag=%22%3E%3Cscript%3E", "/feeds/query.atom?tag=%3Cscript%3E",
	} {
		status, location, body := r.raw(path)
		switch {
		case strings.Contains(string(body), canary) || strings.Contains(string(body), secret):
			t.Errorf("%.80s gives a file away", path)
		case status >= 500 || status == 0:
			t.Errorf("%.80s: status %d", path, status)
		case location != "" && strings.HasPrefix(location, "//"):
			t.Errorf("%.80s leads to %s", path, location)
		}
		if strings.Contains(string(body), "<!DOCTYPE html>") || strings.Contains(string(body), "<!doctype html>") {
			harmlessPage(t, path, body)
		}
	}
	if !r.isReady() {
		t.Error("the daemon is not ready any more")
	}
}

// raw asks for a path as it stands, which a client of HTTP would tidy up.
func (r *rig) raw(path string) (status int, location string, body []byte) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.site)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, r.site)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Errorf("%.80s: %v", path, err)
		return 0, "", nil
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		r.t.Errorf("%.80s: %v", path, err)
	}
	return res.StatusCode, res.Header.Get("Location"), body
}

// ownScripts are the files of scripts that pages have.
var ownScripts = []string{"/find.js", "/copy.js"}

// harmlessPage says that a page holds no script but the site's own, no handler and
// no style, and leads nowhere but to addresses.
func harmlessPage(t *testing.T, name string, page []byte) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		source := ""
		for _, a := range n.Attr {
			key := strings.ToLower(a.Key)
			switch {
			case strings.HasPrefix(key, "on"), key == "style", key == "srcdoc", key == "srcset":
				t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
			case key == "src":
				source = a.Val
				fallthrough
			case key == "href", key == "action", key == "formaction", key == "cite", key == "content" && strings.Contains(a.Val, "url="):
				address := a.Val
				if _, to, ok := strings.Cut(a.Val, "url="); key == "content" && ok {
					address = to
				}
				if u, err := url.Parse(strings.TrimSpace(address)); err != nil || !slices.Contains([]string{"", "http", "https", "mailto"}, u.Scheme) {
					t.Errorf("%s: <%s %s=%q>", name, n.Data, a.Key, a.Val)
				}
			}
		}
		switch n.Data {
		case "script":
			if !slices.Contains(ownScripts, source) || n.FirstChild != nil {
				t.Errorf("%s: a script of its own, %q", name, source)
			}
		case "style", "iframe", "object", "embed", "base":
			t.Errorf("%s: <%s>", name, n.Data)
		}
	}
}

func wellFormedXML(t *testing.T, name string, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
}
