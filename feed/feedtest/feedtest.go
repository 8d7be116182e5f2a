// Package feedtest holds feeds to the rules that the W3C's validator and readers
// enforce, for tests. It reads bytes and knows nothing of how they were made: one
// judge for feeds of package feed, for those of a folder and for those of a daemon.
//
// Each fault has the name of its rule, so that a test of the judge can see each
// rule broken alone, and a test of feeds can say which rule it means to break.
package feedtest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Rule names what a feed must hold to.
type Rule string

// The rules.
const (
	WellFormed Rule = "well formed" // XML 1.0, or JSON, with its characters only
	Shape      Rule = "shape"       // the elements that the format requires
	Size       Rule = "size"        // under 512 KB, where several entries make it longer
	HardSize   Rule = "hard size"   // under 5,000,000 bytes
	Self       Rule = "self"        // says its own address
	Alternate  Rule = "alternate"   // one alternate link for each type and language, and one at least
	Address    Rule = "address"     // links are absolute
	TagURI     Rule = "tag URI"     // ids, RFC 4151
	UniqueID   Rule = "unique id"   // in a feed
	UniqueTime Rule = "unique time" // no two entries of one updated
	Date       Rule = "date"        // of the format's form
	Plausible  Rule = "plausible"   // from 1990 to tomorrow, published before updated, none after the feed's
	Title      Rule = "title"       // there, and plain text
	Content    Rule = "content"     // content or a summary
	Harmless   Rule = "harmless"    // no script, frame, style or handler in content
	Relative   Rule = "relative"    // no relative address in content
	PermaLink  Rule = "isPermaLink" // false for guids that are no address
	Category   Rule = "category"    // has a term
	Archive    Rule = "archive"     // an archive links to the current document (RFC 5005, section 4)
)

// Fault is a rule that a feed breaks.
type Fault struct {
	Rule Rule
	What string
}

// String names the rule and what breaks it.
func (f Fault) String() string { return string(f.Rule) + ": " + f.What }

// Judge judges feeds. It is used by one goroutine.
type Judge struct {
	// Now is when the feeds are read; nothing in them is later than a day after.
	Now time.Time

	faults  []Fault
	content map[string][]Fault // of what was read before: an event stands in a dozen feeds
}

// Judge returns the faults of the feed that is served at an address, whose ending
// names its format: .atom, .rss or .json.
func (j *Judge) Judge(address string, b []byte) []Fault {
	j.faults = nil
	if len(b) >= 5_000_000 {
		j.fault(HardSize, "%d bytes", len(b))
	}
	entries := 0
	path, _, _ := strings.Cut(address, "?")
	switch {
	case strings.HasSuffix(path, ".atom"):
		entries = j.atom(address, b)
	case strings.HasSuffix(path, ".rss"):
		entries = j.rss(address, b)
	case strings.HasSuffix(path, ".json"):
		entries = j.json(address, b)
	default:
		j.fault(Shape, "no format ends its address with %s", address)
	}
	if len(b) >= 512_000 && entries > 1 {
		j.fault(Size, "%d bytes", len(b))
	}
	return j.faults
}

func (j *Judge) fault(r Rule, format string, args ...any) {
	j.faults = append(j.faults, Fault{r, fmt.Sprintf(format, args...)})
}

type link struct {
	Rel   string `xml:"rel,attr"`
	Type  string `xml:"type,attr"`
	Lang  string `xml:"hreflang,attr"`
	Href  string `xml:"href,attr"`
	Title string `xml:"title,attr"`
}

type text struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

type person struct {
	Name  string `xml:"name"`
	URI   string `xml:"uri"`
	Email string `xml:"email"`
}

const nsAtom = "http://www.w3.org/2005/Atom"

type atomFeed struct {
	XMLName xml.Name
	IDs     []string  `xml:"http://www.w3.org/2005/Atom id"`
	Titles  []text    `xml:"http://www.w3.org/2005/Atom title"`
	Updated []string  `xml:"http://www.w3.org/2005/Atom updated"`
	Authors []person  `xml:"http://www.w3.org/2005/Atom author"`
	Links   []link    `xml:"http://www.w3.org/2005/Atom link"`
	Archive *struct{} `xml:"http://purl.org/syndication/history/1.0 archive"`
	Entries []struct {
		IDs        []string `xml:"http://www.w3.org/2005/Atom id"`
		Titles     []text   `xml:"http://www.w3.org/2005/Atom title"`
		Updated    []string `xml:"http://www.w3.org/2005/Atom updated"`
		Published  []string `xml:"http://www.w3.org/2005/Atom published"`
		Contents   []text   `xml:"http://www.w3.org/2005/Atom content"`
		Summaries  []text   `xml:"http://www.w3.org/2005/Atom summary"`
		Links      []link   `xml:"http://www.w3.org/2005/Atom link"`
		Categories []struct {
			Term   string `xml:"term,attr"`
			Scheme string `xml:"scheme,attr"`
		} `xml:"http://www.w3.org/2005/Atom category"`
	} `xml:"http://www.w3.org/2005/Atom entry"`
}

// atom judges RFC 4287.
func (j *Judge) atom(address string, b []byte) int {
	var f atomFeed
	if !j.wellFormed(b, &f) {
		return 0
	}
	if f.XMLName.Space != nsAtom || f.XMLName.Local != "feed" {
		j.fault(Shape, "the root is %v", f.XMLName)
		return 0
	}
	j.once("feed", "id", len(f.IDs), 1)
	j.once("feed", "title", len(f.Titles), 1)
	j.once("feed", "updated", len(f.Updated), 1)
	if len(f.Authors) == 0 && len(f.Entries) > 0 {
		j.fault(Shape, "nobody is the author")
	}
	for _, a := range f.Authors {
		if strings.TrimSpace(a.Name) == "" {
			j.fault(Shape, "an author has no name")
		}
		if a.URI != "" {
			j.address("the author's uri", a.URI)
		}
	}
	for _, t := range f.Titles {
		j.plain("the feed's title", t)
	}
	for _, id := range f.IDs {
		j.tagURI("the feed's id", id)
	}
	var latest time.Time
	for _, u := range f.Updated {
		latest = j.rfc3339("the feed's updated", u)
	}
	j.links("the feed", f.Links)
	j.self(address, f.Links)
	j.archive(f.Archive != nil, f.Links)

	ids, times := make(map[string]bool), make(map[int64]bool)
	for i, e := range f.Entries {
		name := fmt.Sprintf("entry %d", i)
		j.once(name, "id", len(e.IDs), 1)
		j.once(name, "title", len(e.Titles), 1)
		j.once(name, "updated", len(e.Updated), 1)
		j.once(name, "published", len(e.Published), -1)
		j.once(name, "content", len(e.Contents), -1)
		j.once(name, "summary", len(e.Summaries), -1)
		for _, id := range e.IDs {
			j.tagURI(name+"'s id", id)
			if ids[id] {
				j.fault(UniqueID, "%s is %s, as another is", name, id)
			}
			ids[id] = true
		}
		for _, t := range e.Titles {
			j.plain(name+"'s title", t)
		}
		var updated time.Time
		for _, u := range e.Updated {
			updated = j.rfc3339(name+"'s updated", u)
			if times[updated.UnixNano()] {
				j.fault(UniqueTime, "%s was updated at %s, as another was", name, u)
			}
			times[updated.UnixNano()] = true
			if updated.After(latest) {
				j.fault(Plausible, "%s was updated at %s, and the feed before", name, u)
			}
		}
		for _, p := range e.Published {
			if j.rfc3339(name+"'s published", p).After(updated) {
				j.fault(Plausible, "%s was published at %s, and updated before", name, p)
			}
		}
		j.links(name, e.Links)
		said := ""
		for _, t := range slices.Concat(e.Contents, e.Summaries) {
			said += strings.TrimSpace(t.Text)
			switch t.Type {
			case "html":
				j.markup(name, t.Text)
			case "", "text":
			default:
				j.fault(Shape, "%s has content of type %s", name, t.Type)
			}
		}
		if said == "" {
			j.fault(Content, "%s says nothing", name)
		}
		for _, c := range e.Categories {
			if c.Term == "" {
				j.fault(Category, "%s has a category without a term", name)
			}
			if c.Scheme != "" {
				j.tagURI(name+"'s scheme", c.Scheme)
			}
		}
	}
	return len(f.Entries)
}

type rssFeed struct {
	XMLName  xml.Name
	Version  string `xml:"version,attr"`
	Channels []struct {
		Titles []string `xml:"title"`
		// Of both namespaces: encoding/xml gives a field without one all elements
		// of the name.
		Links []struct {
			XMLName xml.Name
			link
			Text string `xml:",chardata"`
		} `xml:"link"`
		Descriptions []string  `xml:"description"`
		Built        []string  `xml:"lastBuildDate"`
		Archive      *struct{} `xml:"http://purl.org/syndication/history/1.0 archive"`
		Items        []struct {
			Titles       []string `xml:"title"`
			Links        []string `xml:"link"`
			Descriptions []string `xml:"description"`
			Contents     []string `xml:"http://purl.org/rss/1.0/modules/content/ encoded"`
			Dates        []string `xml:"pubDate"`
			Updated      []string `xml:"http://www.w3.org/2005/Atom updated"`
			Authors      []string `xml:"author"`
			GUIDs        []struct {
				IsPermaLink string `xml:"isPermaLink,attr"`
				ID          string `xml:",chardata"`
			} `xml:"guid"`
			Categories []string `xml:"category"`
		} `xml:"item"`
	} `xml:"channel"`
}

// rss judges RSS 2.0 as the RSS Advisory Board and the W3C's validator have it.
func (j *Judge) rss(address string, b []byte) int {
	var f rssFeed
	if !j.wellFormed(b, &f) {
		return 0
	}
	if f.XMLName.Local != "rss" || f.Version != "2.0" || len(f.Channels) != 1 {
		j.fault(Shape, "the root is %v of version %q with %d channels", f.XMLName, f.Version, len(f.Channels))
		return 0
	}
	c := f.Channels[0]
	var links []string
	var atomLinks []link
	for _, l := range c.Links {
		switch l.XMLName.Space {
		case "":
			links = append(links, l.Text)
		case nsAtom:
			atomLinks = append(atomLinks, l.link)
		}
	}
	j.once("channel", "title", len(c.Titles), 1)
	j.once("channel", "link", len(links), 1)
	j.once("channel", "description", len(c.Descriptions), 1)
	j.once("channel", "lastBuildDate", len(c.Built), -1)
	for _, t := range c.Titles {
		j.plain("the channel's title", text{Text: t})
	}
	for _, l := range links {
		j.address("the channel's link", l)
	}
	var latest time.Time
	for _, d := range c.Built {
		latest = j.rfc822("lastBuildDate", d)
	}
	j.self(address, atomLinks)
	j.links("", atomLinks)
	j.archive(c.Archive != nil, atomLinks)
	ids := make(map[string]bool)
	for i, e := range c.Items {
		name := fmt.Sprintf("item %d", i)
		j.once(name, "title", len(e.Titles), 1)
		j.once(name, "link", len(e.Links), 1)
		j.once(name, "guid", len(e.GUIDs), 1)
		j.once(name, "pubDate", len(e.Dates), 1)
		j.once(name, "description", len(e.Descriptions), -1)
		j.once(name, "content:encoded", len(e.Contents), -1)
		for _, t := range e.Titles {
			j.plain(name+"'s title", text{Text: t})
		}
		for _, l := range e.Links {
			j.address(name+"'s link", l)
		}
		for _, g := range e.GUIDs {
			j.tagURI(name+"'s guid", g.ID)
			if g.IsPermaLink != "false" {
				j.fault(PermaLink, "%s has the guid %s", name, g.ID)
			}
			if ids[g.ID] {
				j.fault(UniqueID, "%s is %s, as another is", name, g.ID)
			}
			ids[g.ID] = true
		}
		for _, d := range e.Dates {
			if at := j.rfc822(name+"'s pubDate", d); !latest.IsZero() && at.After(latest) {
				j.fault(Plausible, "%s was published at %s, and the channel built before", name, d)
			}
		}
		for _, u := range e.Updated {
			j.rfc3339(name+"'s atom:updated", u)
		}
		for _, a := range e.Authors {
			if !strings.Contains(a, "@") {
				j.fault(Shape, "%s has the author %q, who has no e-mail address", name, a)
			}
		}
		said := ""
		for _, markup := range slices.Concat(e.Descriptions, e.Contents) {
			said += strings.TrimSpace(markup)
			j.markup(name, markup)
		}
		if said == "" {
			j.fault(Content, "%s says nothing", name)
		}
		for _, c := range e.Categories {
			if strings.TrimSpace(c) == "" {
				j.fault(Category, "%s has a category without a name", name)
			}
		}
	}
	return len(c.Items)
}

type jsonFeed struct {
	Version *string `json:"version"`
	Title   *string `json:"title"`
	Home    string  `json:"home_page_url"`
	URL     string  `json:"feed_url"`
	Next    string  `json:"next_url"`
	Hubs    []struct{ Type, URL string }
	Authors []struct{ Name, URL string }
	Items   *[]struct {
		ID          *string  `json:"id"`
		URL         string   `json:"url"`
		ExternalURL string   `json:"external_url"`
		Title       *string  `json:"title"`
		HTML        *string  `json:"content_html"`
		Text        *string  `json:"content_text"`
		Summary     string   `json:"summary"`
		Published   string   `json:"date_published"`
		Modified    string   `json:"date_modified"`
		Tags        []string `json:"tags"`
	} `json:"items"`
}

// json judges JSON Feed 1.1.
func (j *Judge) json(address string, b []byte) int {
	if strings.ToValidUTF8(string(b), "") != string(b) {
		j.fault(WellFormed, "not UTF-8")
		return 0
	}
	var f jsonFeed
	if err := json.Unmarshal(b, &f); err != nil {
		j.fault(WellFormed, "%v", err)
		return 0
	}
	if f.Version == nil || *f.Version != "https://jsonfeed.org/version/1.1" {
		j.fault(Shape, "no version, or another than 1.1")
	}
	if f.Title == nil {
		j.fault(Shape, "no title")
	} else {
		j.plain("the feed's title", text{Text: *f.Title})
	}
	if f.URL != address {
		j.fault(Self, "feed_url is %q", f.URL)
	}
	for what, s := range map[string]string{"home_page_url": f.Home, "next_url": f.Next} {
		if s != "" {
			j.address(what, s)
		}
	}
	for _, h := range f.Hubs {
		j.address("a hub", h.URL)
	}
	if f.Items == nil {
		j.fault(Shape, "no items")
		return 0
	}
	ids := make(map[string]bool)
	for i, e := range *f.Items {
		name := fmt.Sprintf("item %d", i)
		switch {
		case e.ID == nil:
			j.fault(Shape, "%s has no id", name)
		case ids[*e.ID]:
			j.fault(UniqueID, "%s is %s, as another is", name, *e.ID)
		default:
			j.tagURI(name+"'s id", *e.ID)
			ids[*e.ID] = true
		}
		if e.Title == nil {
			j.fault(Title, "%s has none", name)
		} else {
			j.plain(name+"'s title", text{Text: *e.Title})
		}
		if e.HTML == nil && e.Text == nil || e.HTML != nil && strings.TrimSpace(*e.HTML) == "" || e.Text != nil && strings.TrimSpace(*e.Text) == "" {
			j.fault(Content, "%s says nothing", name)
		}
		if e.HTML != nil {
			j.markup(name, *e.HTML)
		}
		j.address(name+"'s url", e.URL)
		if e.ExternalURL != "" {
			j.address(name+"'s external_url", e.ExternalURL)
		}
		published, modified := j.rfc3339(name+"'s date_published", e.Published), j.rfc3339(name+"'s date_modified", e.Modified)
		if published.After(modified) {
			j.fault(Plausible, "%s was published at %s, and modified before", name, e.Published)
		}
		if slices.Contains(e.Tags, "") {
			j.fault(Category, "%s has an empty tag", name)
		}
	}
	return len(*f.Items)
}

// wellFormed reads all of an XML document, whose characters encoding/xml checks.
func (j *Judge) wellFormed(b []byte, into any) bool {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			j.fault(WellFormed, "%v", err)
			return false
		}
	}
	if err := xml.Unmarshal(b, into); err != nil {
		j.fault(WellFormed, "%v", err)
		return false
	}
	return true
}

// once faults an element that is not there exactly (1) or at most (-1) once.
func (j *Judge) once(where, what string, n, times int) {
	if n > 1 || times == 1 && n == 0 {
		j.fault(Shape, "%s has %d of %s", where, n, what)
	}
}

// links judges those of one element; where names an entry or "the feed", which
// must have an alternate, or is empty.
func (j *Judge) links(where string, links []link) {
	alternates := make(map[string]int)
	for _, l := range links {
		j.address(where+"'s link "+l.Rel, l.Href)
		if l.Rel == "alternate" || l.Rel == "" {
			alternates[l.Type+" "+l.Lang]++
		}
	}
	for kind, n := range alternates {
		if n > 1 {
			j.fault(Alternate, "%s has %d of %s", where, n, kind)
		}
	}
	if len(alternates) == 0 && where != "" {
		j.fault(Alternate, "%s has none", where)
	}
}

func (j *Judge) self(address string, links []link) {
	n := 0
	for _, l := range links {
		if l.Rel == "self" {
			n++
			if l.Href != address {
				j.fault(Self, "it says %s", l.Href)
			}
		}
	}
	if n != 1 {
		j.fault(Self, "%d links", n)
	}
}

func (j *Judge) archive(is bool, links []link) {
	current := slices.ContainsFunc(links, func(l link) bool { return l.Rel == "current" })
	if is != current {
		j.fault(Archive, "fh:archive is %v, a link to the current document %v", is, current)
	}
}

func (j *Judge) address(what, s string) {
	if u, err := url.Parse(s); err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" {
		j.fault(Address, "%s is %q", what, s)
	}
}

// tagURI is tagURI of RFC 4151, section 2.1, whose specific part is made of pchar
// of RFC 3986 with / and ?.
var tagURI = regexp.MustCompile(`^tag:[A-Za-z0-9](?:[A-Za-z0-9._-]*@)?[A-Za-z0-9.-]*,\d{4}(-\d\d(-\d\d)?)?:([A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*(#([A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?$`)

func (j *Judge) tagURI(what, s string) {
	if !tagURI.MatchString(s) {
		j.fault(TagURI, "%s is %q", what, s)
	}
}

func (j *Judge) rfc3339(what, s string) time.Time { return j.time(what, s, time.RFC3339Nano) }

func (j *Judge) rfc822(what, s string) time.Time {
	return j.time(what, s, "Mon, 02 Jan 2006 15:04:05 -0700")
}

func (j *Judge) time(what, s, layout string) time.Time {
	at, err := time.Parse(layout, s)
	switch {
	case err != nil || at.Format(layout) != s && layout != time.RFC3339Nano: // a day of the week that it was not
		j.fault(Date, "%s is %q", what, s)
		return time.Time{}
	case at.Year() < 1990 || at.After(j.Now.AddDate(0, 0, 1)):
		j.fault(Plausible, "%s is %s", what, s)
	}
	return at
}

// reference is one of HTML, which is no plain text: a reader would show it.
var reference = regexp.MustCompile(`&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]+|#x[0-9A-Fa-f]+);`)

// plain judges a title. What looks like an element may be text just as well.
func (j *Judge) plain(what string, t text) {
	switch {
	case strings.TrimSpace(t.Text) == "":
		j.fault(Title, "%s is empty", what)
	case t.Type != "" && t.Type != "text", reference.MatchString(t.Text):
		j.fault(Title, "%s is not plain text: %q", what, t.Text)
	}
}

// markup judges HTML that a reader shows.
func (j *Judge) markup(where, content string) {
	faults, ok := j.content[content]
	if !ok {
		faults = markup(content)
		if j.content == nil {
			j.content = make(map[string][]Fault)
		}
		j.content[content] = faults
	}
	for _, f := range faults {
		j.fault(f.Rule, "%s %s", where, f.What)
	}
}

func markup(content string) []Fault {
	var faults []Fault
	z := html.NewTokenizer(strings.NewReader(content))
	for z.Next() != html.ErrorToken {
		tok := z.Token()
		if tok.Type == html.CommentToken || tok.Type == html.DoctypeToken {
			faults = append(faults, Fault{Harmless, "holds a comment or a doctype"})
		}
		if tok.Type != html.StartTagToken && tok.Type != html.SelfClosingTagToken {
			continue
		}
		switch tok.Data {
		case "script", "style", "iframe", "frame", "object", "embed", "applet", "form", "input", "button", "svg", "math",
			"link", "meta", "base", "noscript", "template", "textarea", "title", "html", "head", "body":
			faults = append(faults, Fault{Harmless, "holds <" + tok.Data + ">"})
		}
		for _, a := range tok.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcset":
				faults = append(faults, Fault{Harmless, fmt.Sprintf("holds %s=%q", a.Key, a.Val)})
			case a.Key == "href", a.Key == "src", a.Key == "cite", a.Key == "action", a.Key == "background", a.Key == "poster":
				u, err := url.Parse(strings.TrimSpace(a.Val))
				switch {
				case err != nil || u.Scheme != "" && !slices.Contains([]string{"http", "https", "mailto"}, u.Scheme):
					faults = append(faults, Fault{Harmless, fmt.Sprintf("leads to %q", a.Val)})
				case u.Scheme == "" || u.Host == "" && u.Opaque == "":
					faults = append(faults, Fault{Relative, fmt.Sprintf("leads to %q", a.Val)})
				}
			}
		}
	}
	return faults
}
