package feedtest

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const goodAtom = `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:fh="http://purl.org/syndication/history/1.0">
  <title>Record</title>
  <id>tag:example.org,2025:feeds/all</id>
  <updated>2026-01-02T08:00:00Z</updated>
  <link rel="self" type="application/atom+xml" href="https://example.org/all.atom"/>
  <link rel="alternate" type="text/html" href="https://example.org/"/>
  <author><name>Desk</name><uri>https://example.org/about</uri></author>
  <entry>
    <title>First &lt;read&gt;</title>
    <id>tag:example.org,2025:a%20b</id>
    <updated>2026-01-02T08:00:00Z</updated>
    <published>2026-01-01T08:00:00Z</published>
    <link rel="alternate" type="text/html" href="https://example.org/a"/>
    <category term="x" scheme="tag:example.org,2025:tags"/>
    <content type="html">&lt;p&gt;Text &lt;a href="https://example.org/x"&gt;with&lt;/a&gt; a link.&lt;/p&gt;</content>
    <summary type="text">Text</summary>
  </entry>
  <entry>
    <title>Second</title>
    <id>tag:example.org,2025:b</id>
    <updated>2026-01-01T08:00:00Z</updated>
    <published>2026-01-01T08:00:00Z</published>
    <link rel="alternate" type="text/html" href="https://example.org/b"/>
    <summary type="text">More</summary>
  </entry>
</feed>
`

const goodRSS = `<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:fh="http://purl.org/syndication/history/1.0">
<channel>
  <title>Record</title>
  <link>https://example.org/</link>
  <description>All</description>
  <lastBuildDate>Fri, 02 Jan 2026 08:00:00 +0000</lastBuildDate>
  <atom:link rel="self" href="https://example.org/all.rss"/>
  <item>
    <title>First</title>
    <link>https://example.org/a</link>
    <guid isPermaLink="false">tag:example.org,2025:a</guid>
    <pubDate>Thu, 01 Jan 2026 08:00:00 +0000</pubDate>
    <category domain="tag:example.org,2025:tags">X</category>
    <description>Text</description>
    <content:encoded><![CDATA[<p>Text</p>]]></content:encoded>
  </item>
  <item>
    <title>Second</title>
    <link>https://example.org/b</link>
    <guid isPermaLink="false">tag:example.org,2025:b</guid>
    <pubDate>Thu, 01 Jan 2026 08:00:00 +0000</pubDate>
    <description>More</description>
  </item>
</channel>
</rss>
`

const goodJSON = `{
  "version": "https://jsonfeed.org/version/1.1", "title": "Record",
  "home_page_url": "https://example.org/", "feed_url": "https://example.org/all.json",
  "hubs": [{"type": "WebSub", "url": "https://hub.example.org/"}],
  "items": [
    {"id": "tag:example.org,2025:a", "url": "https://example.org/a", "title": "First", "content_html": "<p>Text</p>",
     "date_published": "2026-01-01T08:00:00Z", "date_modified": "2026-01-02T08:00:00.5Z", "tags": ["x"]},
    {"id": "tag:example.org,2025:b", "url": "https://example.org/b", "title": "Second", "content_text": "More",
     "date_published": "2026-01-01T08:00:00Z", "date_modified": "2026-01-01T08:00:00Z"}
  ]
}`

// TestRules breaks each rule, alone: what the judge does not see in here it sees
// nowhere.
func TestRules(t *testing.T) {
	good := map[string]string{"atom": goodAtom, "rss": goodRSS, "json": goodJSON}
	for _, test := range []struct {
		format, old, new string
		want             []Rule
	}{
		{"atom", "", "", nil},
		{"rss", "", "", nil},
		{"json", "", "", nil},

		{"atom", "Text</summary>", "Text</summry>", []Rule{WellFormed}},
		{"atom", "Text</summary>", "Te\x0bxt</summary>", []Rule{WellFormed}},
		{"atom", "Text</summary>", "Te&#1;xt</summary>", []Rule{WellFormed}},
		{"atom", "Text</summary>", "Te\xffxt</summary>", []Rule{WellFormed}},
		{"atom", "Text</summary>", "Te\uFFFExt</summary>", []Rule{WellFormed}},
		{"atom", "Text</summary>", "T ]]> t</summary>", []Rule{WellFormed}},
		{"rss", "<p>Text</p>", "<p>\x0b</p>", []Rule{WellFormed}},
		{"rss", "<p>Text</p>", "<p>\xff</p>", []Rule{WellFormed}},
		{"rss", "<p>Text</p>", "<p>]]></p>", []Rule{WellFormed}},
		{"json", `"version"`, `version`, []Rule{WellFormed}},
		{"json", "More", "\xff", []Rule{WellFormed}},

		{"atom", "2005/Atom\" xmlns:fh", "2005/Tom\" xmlns:fh", []Rule{Shape}},
		{"atom", "<id>tag:example.org,2025:feeds/all</id>", "", []Rule{Shape}},
		{"atom", "<updated>2026-01-01T08:00:00Z</updated>", "", []Rule{Plausible, Shape}},
		{"atom", "<name>Desk</name>", "<name> </name>", []Rule{Shape}},
		{"atom", "<author><name>Desk</name><uri>https://example.org/about</uri></author>", "", []Rule{Shape}},
		{"atom", "<summary type=\"text\">Text</summary>", "<summary>a</summary><summary>b</summary>", []Rule{Shape}},
		{"atom", "type=\"html\"", "type=\"application/x\"", []Rule{Shape}},
		{"rss", `version="2.0" x`, `version="0.9" x`, []Rule{Shape}},
		{"rss", "<description>All</description>", "", []Rule{Shape}},
		{"rss", "<link>https://example.org/</link>", "", []Rule{Shape}},
		{"rss", "<guid isPermaLink=\"false\">tag:example.org,2025:b</guid>", "", []Rule{Shape}},
		{"rss", "<description>More", "<author>Desk</author><description>More", []Rule{Shape}},
		{"json", "version/1.1", "version/1", []Rule{Shape}},
		{"json", `"title": "Record",`, "", []Rule{Shape}},
		{"json", `"items"`, `"entries"`, []Rule{Shape}},
		{"json", `"id": "tag:example.org,2025:b",`, "", []Rule{Shape}},

		{"atom", "More", strings.Repeat("More ", 103_000), []Rule{Size}},
		{"rss", "More", strings.Repeat("More ", 103_000), []Rule{Size}},
		{"json", "More", strings.Repeat("More ", 103_000), []Rule{Size}},
		{"json", "More", strings.Repeat("More ", 1_000_000), []Rule{HardSize, Size}},

		{"atom", `rel="self"`, `rel="related"`, []Rule{Self}},
		{"atom", "https://example.org/all.atom", "https://example.net/all.atom", []Rule{Self}},
		{"rss", `rel="self"`, `rel="related"`, []Rule{Self}},
		{"rss", "https://example.org/all.rss", "https://example.org/all.atom", []Rule{Self}},
		{"json", `"feed_url": "https://example.org/all.json",`, "", []Rule{Self}},

		{"atom", `<link rel="alternate" type="text/html" href="https://example.org/b"/>`, "", []Rule{Alternate}},
		{"atom", `<link rel="alternate" type="text/html" href="https://example.org/b"/>`,
			`<link type="text/html" href="https://example.org/b"/><link rel="alternate" type="text/html" href="https://example.org/c"/>`, []Rule{Alternate}},
		{"atom", `<link rel="alternate" type="text/html" href="https://example.org/b"/>`,
			`<link rel="alternate" type="text/html" hreflang="de" href="https://example.org/b"/><link rel="alternate" type="text/html" href="https://example.org/c"/>`, nil},

		{"atom", "https://example.org/about", "/about", []Rule{Address}},
		{"atom", "https://example.org/b", "/b", []Rule{Address}},
		{"rss", "https://example.org/b", "b", []Rule{Address}},
		{"json", "https://example.org/b", "//example.org/b", []Rule{Address}},
		{"json", "https://hub.example.org/", "hub", []Rule{Address}},

		{"atom", "tag:example.org,2025:b<", "tag:example.org,2025:b c<", []Rule{TagURI}},
		{"atom", "tag:example.org,2025:b<", "tag:example.org:b<", []Rule{TagURI}},
		{"atom", "tag:example.org,2025:b<", "tag:example.org,2025:é<", []Rule{TagURI}},
		{"atom", "tag:example.org,2025:b<", "tag:desk@example.org,2025-01-02:b#x<", nil},
		{"atom", "tag:example.org,2025:tags", "tags", []Rule{TagURI}},
		{"rss", "tag:example.org,2025:b<", "tag:example.org,25:b<", []Rule{TagURI}},
		{"json", "tag:example.org,2025:b", "https://example.org/b", []Rule{TagURI}},

		{"atom", "tag:example.org,2025:b<", "tag:example.org,2025:a%20b<", []Rule{UniqueID}},
		{"rss", "tag:example.org,2025:b<", "tag:example.org,2025:a<", []Rule{UniqueID}},
		{"json", "tag:example.org,2025:b", "tag:example.org,2025:a", []Rule{UniqueID}},

		{"atom", "<updated>2026-01-01T08:00:00Z", "<updated>2026-01-02T09:00:00+01:00", []Rule{UniqueTime}},

		{"atom", "<published>2026-01-01T08:00:00Z", "<published>2026-01-01", []Rule{Date}},
		{"rss", "Thu, 01 Jan 2026 08:00:00 +0000", "2026-01-01T08:00:00Z", []Rule{Date}},
		{"rss", "Thu, 01 Jan 2026", "Fri, 01 Jan 2026", []Rule{Date}},
		{"json", `"date_published": "2026-01-01T08:00:00Z"`, `"date_published": ""`, []Rule{Date}},

		{"atom", "<published>2026", "<published>1142", []Rule{Plausible}},
		{"atom", "2026-01-02T", "2026-01-07T", []Rule{Plausible}},
		{"atom", "<published>2026-01-01T08", "<published>2026-01-02T09", []Rule{Plausible}},
		{"atom", "<updated>2026-01-01", "<updated>2026-01-03", []Rule{Plausible}},
		{"rss", "Thu, 01 Jan 2026", "Thu, 01 Jan 1970", []Rule{Plausible}},
		{"rss", "Thu, 01 Jan 2026", "Sat, 03 Jan 2026", []Rule{Plausible}},
		{"json", `"2026-01-02T08:00:00.5Z"`, `"2027-01-02T08:00:00.5Z"`, []Rule{Plausible}},
		{"json", `"date_modified": "2026-01-01T08:00:00Z"`, `"date_modified": "2026-01-01T07:00:00Z"`, []Rule{Plausible}},

		{"atom", "<title>Second</title>", "<title> </title>", []Rule{Title}},
		{"atom", "<title>Second</title>", "<title type=\"html\">Second</title>", []Rule{Title}},
		{"rss", "<title>Second</title>", "<title>Q&amp;amp;A</title>", []Rule{Title}},
		{"rss", "<title>Record</title>", "<title></title>", []Rule{Title}},
		{"json", `"title": "Second",`, "", []Rule{Title}},

		{"atom", "More", " ", []Rule{Content}},
		{"rss", "More", "", []Rule{Content}},
		{"json", `, "content_text": "More"`, "", []Rule{Content}},
		{"json", `"More"`, `" "`, []Rule{Content}},

		{"atom", "&lt;p&gt;", "&lt;script&gt;", []Rule{Harmless}},
		{"atom", "&lt;p&gt;", "&lt;p onclick=x&gt;", []Rule{Harmless}},
		{"atom", "&lt;p&gt;", "&lt;p style='color: red'&gt;", []Rule{Harmless}},
		{"atom", "https://example.org/x", "javascript:x", []Rule{Harmless}},
		{"rss", "<p>Text", "<IFRAME src='https://example.org/'>", []Rule{Harmless}},
		{"rss", "<p>Text", "<p>Text<style>p{}</style>", []Rule{Harmless}},
		{"rss", "<description>More", "<description>&lt;script>", []Rule{Harmless}},
		{"rss", "<p>Text", "<p>Text<!-- x -->", []Rule{Harmless}},
		{"json", "<p>Text", "<p><a href='data:text/html,x'>Text</a>", []Rule{Harmless}},
		{"json", "<p>Text", "<p><svg onload=x>", []Rule{Harmless, Harmless}},

		{"atom", "https://example.org/x", "x/y", []Rule{Relative}},
		{"atom", "https://example.org/x", "//example.org/x", []Rule{Relative}},
		{"rss", "<p>Text", "<img src='/a.png'>", []Rule{Relative}},
		{"json", "<p>Text", "<a href='#a'>", []Rule{Relative}},

		{"rss", `<guid isPermaLink="false">tag:example.org,2025:b`, `<guid>tag:example.org,2025:b`, []Rule{PermaLink}},

		{"atom", `term="x"`, `term=""`, []Rule{Category}},
		{"rss", `">X<`, `"> <`, []Rule{Category}},
		{"json", `["x"]`, `["x", ""]`, []Rule{Category}},

		{"atom", "<author>", "<fh:archive/><author>", []Rule{Archive}},
		{"rss", "<item>", "<fh:archive/><item>", []Rule{Archive}},
		{"atom", "<author>", `<fh:archive/><link rel="current" href="https://example.org/c"/><author>`, nil},
	} {
		text := good[test.format]
		if !strings.Contains(text, test.old) {
			t.Errorf("%s: there is no %q", test.format, test.old)
			continue
		}
		if test.old != "" {
			text = strings.Replace(text, test.old, test.new, 1)
		}
		j := &Judge{Now: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)}
		for range 2 { // the same the second time, when it has read the content before
			faults := j.Judge("https://example.org/all."+test.format, []byte(text))
			var got []Rule
			for _, f := range faults {
				got = append(got, f.Rule)
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: %.60q for %q: %v, want the rules %q", test.format, test.new, test.old, faults, test.want)
			}
		}
	}
}
