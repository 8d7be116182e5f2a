package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
)

// pageData is what the templates get.
type pageData struct {
	Site    *feed.Style
	Home    string // the start page's path
	Here    string // the page's path below it
	Title   string
	About   string // the page in a sentence, for those that list it
	Script  bool   // find.js is of use here
	NoIndex bool
	Formats []feed.Format

	Feed       *feed.Feed // the feed that the page is about; nil for none
	Follow     []feedLink // its addresses
	Alternates []feedLink // for readers that look for feeds in a page
	OPML       string     // below Home, the list of the page's feeds; empty for none

	Entries      []*feed.Entry
	Total        int
	Tags, Actors []topicLink
	Custom       []*feed.Feed
	Groups       []group

	Entry *feed.Entry
	HTML  template.HTML // an entry's text, sanitised

	Gone     string // why there is nothing any more
	Question string
	Answered bool

	Build *buildForm

	Same *same
	site *Site
}

// same is what stands in many pages, letter by letter: of all of them, or of those
// that one entry of the navigation is for.
type same struct{ Begin, Icons, FindScript, CopyScript, Top, End template.HTML }

// feedLink is a feed in one format.
type feedLink struct {
	Name, Title, URL, Type string
}

// topicLink leads to a tag or an actor; Page is empty where it has no feed yet.
type topicLink struct {
	Name, Page string
	Kind       timeline.TopicKind
	Count      int // of events; 0 where it is not said
	path       string
}

// topicList is a list of links to topics. A page has dozens, and templates are slow at
// small parts: what is made of these here takes a tenth of the time.
func topicList(links []topicLink) template.HTML {
	var b strings.Builder
	b.WriteString("<ul class=\"topics\">\n")
	for _, l := range links {
		name := template.HTMLEscapeString(l.Name)
		if l.Page == "" {
			b.WriteString("<li><bdi>" + name + "</bdi>")
		} else {
			b.WriteString(`<li><a href="` + template.HTMLEscapeString(l.Page) + `" dir="auto">` + name + "</a>")
		}
		if l.Count > 0 {
			b.WriteString(` <span class="count">` + strconv.Itoa(l.Count) + `<span class="vh"> events</span></span>`)
		}
		b.WriteString("</li>\n")
	}
	b.WriteString("</ul>")
	return template.HTML(b.String())
}

// Head is what the head of the page has of its own: title, description, address, feeds.
func (d pageData) Head() template.HTML {
	var b strings.Builder
	b.WriteString("<title>")
	if d.Title != d.Site.Title {
		b.WriteString(template.HTMLEscapeString(level(d.Title)) + " – ")
	}
	b.WriteString(template.HTMLEscapeString(level(d.Site.Title)) + "</title>\n")
	if d.About != "" {
		b.WriteString(`<meta name="description" content="` + template.HTMLEscapeString(level(d.About)) + "\">\n")
	}
	if d.NoIndex {
		b.WriteString("<meta name=\"robots\" content=\"noindex\">\n")
	} else {
		b.WriteString(`<link rel="canonical" href="` + template.HTMLEscapeString(d.canonical()) + "\">\n")
	}
	b.WriteString(string(d.Same.Icons))
	for _, l := range d.Alternates {
		b.WriteString(`<link rel="alternate" type="` + l.Type + `" title="` + template.HTMLEscapeString(level(l.Title)) +
			`" href="` + template.HTMLEscapeString(l.URL) + "\">\n")
	}
	if d.Script {
		b.WriteString(string(d.Same.FindScript))
	}
	if d.Follow != nil {
		b.WriteString(string(d.Same.CopyScript))
	}
	return template.HTML(b.String())
}

// Address is the address of a feed, to be copied.
func (l feedLink) Address() template.HTML {
	url := template.HTMLEscapeString(l.URL)
	return template.HTML(`<div class="address">
<code class="url">` + url + `</code>
<button class="copy" type="button" data-copy="` + url + `" hidden>Copy<span class="vh"> the ` + l.Name + ` address</span></button>
</div>`)
}

// FollowLinks are the addresses of Follow in a line.
func (d pageData) FollowLinks() template.HTML {
	var b strings.Builder
	for i, l := range d.Follow {
		if i > 0 {
			b.WriteString(" · ")
		}
		b.WriteString(`<a href="` + template.HTMLEscapeString(l.URL) + `" type="` + l.Type + `">` + l.Name + "</a>")
	}
	return template.HTML(b.String())
}

// List is the list of Entries.
func (d pageData) List() (template.HTML, error) {
	var b strings.Builder
	b.WriteString("<ol class=\"entries\">\n")
	for _, n := range d.Entries {
		item, err := d.site.item(n)
		if err != nil {
			return "", err
		}
		b.WriteString(item)
	}
	b.WriteString("</ol>")
	return template.HTML(b.String()), nil
}

// Local is Site.local.
func (d pageData) Local(address string) string { return d.site.local(address) }

// canonical is the page's own address.
func (d pageData) canonical() string {
	if d.Entry != nil {
		return d.Entry.URL()
	}
	return d.Site.URL + "/" + d.here()
}

// here is Here as it stands in addresses.
func (d pageData) here() string { return (&url.URL{Path: d.Here}).EscapedPath() }

// Kind is what the page is about: tags or actors.
func (d pageData) Kind() string {
	kind, _, _ := strings.Cut(d.Here, "/")
	return kind
}

// level takes the marks that turn the direction of text out of it. Elements keep
// them apart (bdi, dir); where there can be none they would turn what follows.
func level(text string) string {
	return strings.Map(func(r rune) rune {
		if 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 {
			return -1
		}
		return r
	}, text)
}

// fieldName is what a person calls a field of an event.
func fieldName(f event.Field) string {
	if f == event.Body {
		return "Text"
	}
	return strings.ToUpper(string(f[:1])) + string(f[1:])
}

// templates parses the pages; each is the layout with a content of its own.
func templates() (map[string]*template.Template, error) {
	pages := make(map[string]*template.Template)
	for _, name := range []string{"home", "topic", "topics", "event", "missing", "find", "build"} {
		t, err := template.New(name).Funcs(template.FuncMap{"level": level, "fieldname": fieldName, "topiclist": topicList}).ParseFS(files, "page/layout.html", "page/"+name+".html")
		if err != nil {
			return nil, err
		}
		pages[name] = t
	}
	return pages, nil
}

func (s *Site) render(status int, name string, d pageData) (*document, error) {
	pages, err := s.pages()
	if err != nil {
		return nil, err
	}
	if d.Same, err = s.same(pages[name], d); err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	b, _ := s.buffers.Get().(*bytes.Buffer)
	if b == nil {
		b = new(bytes.Buffer)
	}
	defer s.buffers.Put(b)
	b.Reset()
	if err := pages[name].ExecuteTemplate(b, "layout", d); err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	return &document{status: status, mime: htmlType, body: bytes.Clone(b.Bytes())}, nil
}

// same returns what a page has in common with others. It depends on the configuration
// and on which entry of the navigation is the page's own.
func (s *Site) same(page *template.Template, d pageData) (*same, error) {
	d = pageData{Site: d.Site, Home: d.Home, Here: d.Here, Formats: d.Formats}
	switch d.Here {
	case "", "tags/", "actors/", "find/", "build/":
	default:
		d.Here = "elsewhere"
	}
	if kept, ok := s.sames.Load(d.Here); ok {
		return kept.(*same), nil
	}
	made := &same{}
	for name, part := range map[string]*template.HTML{
		"begin": &made.Begin, "icons": &made.Icons, "findscript": &made.FindScript, "copyscript": &made.CopyScript, "top": &made.Top, "end": &made.End,
	} {
		var b strings.Builder
		if err := page.ExecuteTemplate(&b, name, d); err != nil {
			return nil, err
		}
		*part = template.HTML(b.String())
	}
	s.sames.Store(d.Here, made)
	return made, nil
}

// item makes an entry's item in lists; many pages have the same.
func (s *Site) item(n *feed.Entry) (string, error) {
	return n.Kept("item", func() (string, error) {
		pages, err := s.pages()
		if err != nil {
			return "", err
		}
		var b strings.Builder
		err = pages["topic"].ExecuteTemplate(&b, "item", struct {
			*feed.Entry
			Page string
		}{n, s.local(n.URL())})
		return b.String(), err
	})
}
