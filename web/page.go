package web

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"tocsin/feed"
	"tocsin/timeline"
)

//go:embed page
var files embed.FS

// pageData is what the templates get.
type pageData struct {
	Site    *feed.Style
	Home    string // the start page's path
	Title   string
	Feed    *feed.Feed // the feed that the page is about; nil for none
	Links   []feedLink
	Formats []feed.Format
	Entries []*feed.Entry
	Entry   *feed.Entry
	HTML    template.HTML // an entry's content, sanitised
	Tags    []*feed.Feed
	Actors  []*feed.Feed
	Custom  []*feed.Feed
	Total   int
}

type feedLink struct {
	Name, URL, Type string
}

// templates parses the pages; each is the layout with a content of its own.
func templates() (map[string]*template.Template, error) {
	pages := make(map[string]*template.Template)
	for _, name := range []string{"home", "topic", "topics", "event", "missing"} {
		t, err := template.ParseFS(files, "page/layout.html", "page/"+name+".html")
		if err != nil {
			return nil, err
		}
		pages[name] = t
	}
	return pages, nil
}

// Bounds of the start page.
const (
	homeEntries = 20
	homeTopics  = 40
)

func (s *Site) data(title string, f *feed.Feed) pageData {
	d := pageData{Site: s.o.Style, Home: s.prefix + "/", Title: title, Feed: f, Formats: s.o.Formats}
	if f == nil {
		f = s.Feed("all")
	}
	if f != nil {
		for _, format := range s.o.Formats {
			mime, _, _ := strings.Cut(format.MediaType(), ";")
			d.Links = append(d.Links, feedLink{Name: format.Name(), URL: f.URL(format), Type: mime})
		}
	}
	return d
}

// page makes the page at a path: below the site's, without the first slash.
// status is 200, 301 (body is the address to go to), 404 or 410.
func (s *Site) page(path string) (status int, body []byte, err error) {
	kind, rest, _ := strings.Cut(path, "/")
	rest = strings.TrimSuffix(rest, "/")
	switch {
	case path == "":
		return s.home()
	case kind == "events" && rest != "":
		return s.event(rest)
	case (kind == string(timeline.Tag) || kind == string(timeline.Actor)) && rest == "":
		return s.topics(timeline.TopicKind(kind))
	case kind == string(timeline.Tag) || kind == string(timeline.Actor):
		f := s.Feed(kind + "/" + rest)
		if f == nil || f.Empty() {
			if to, ok := s.successor(kind + "/" + rest); ok {
				return http.StatusMovedPermanently, []byte(s.Feed(to).Page), nil
			}
		}
		switch {
		case f == nil:
			return s.missing(http.StatusNotFound)
		case s.gone(f):
			return s.missing(http.StatusGone)
		}
		d := s.data(f.Name, f)
		d.Entries, d.Total = f.Entries, f.Total
		return s.render(http.StatusOK, "topic", d)
	}
	return s.missing(http.StatusNotFound)
}

func (s *Site) home() (int, []byte, error) {
	f := s.Feed("all")
	d := s.data(s.o.Style.Title, f)
	x := s.indexed()
	d.Tags, d.Actors, d.Custom = largest(x.tags), largest(x.actors), x.custom
	if f != nil {
		d.Entries, d.Total = f.Entries[:min(homeEntries, len(f.Entries))], f.Total
	}
	return s.render(http.StatusOK, "home", d)
}

// largest returns the feeds with the most events.
func largest(feeds []*feed.Feed) []*feed.Feed {
	l := slices.Clone(feeds)
	slices.SortStableFunc(l, func(a, b *feed.Feed) int { return cmp.Compare(b.Total, a.Total) })
	return l[:min(homeTopics, len(l))]
}

func (s *Site) topics(kind timeline.TopicKind) (int, []byte, error) {
	x := s.indexed()
	if kind == timeline.Tag {
		d := s.data("All tags", nil)
		d.Tags = x.tags
		return s.render(http.StatusOK, "topics", d)
	}
	d := s.data("All actors", nil)
	d.Actors = x.actors
	return s.render(http.StatusOK, "topics", d)
}

func (s *Site) event(path string) (int, []byte, error) {
	s.mu.RLock()
	n := s.events[path]
	to, moved := s.moved[path]
	s.mu.RUnlock()
	switch {
	case n == nil && moved && to != "":
		return http.StatusMovedPermanently, []byte(s.o.Style.EventPage(to)), nil
	case n == nil && moved:
		return s.missing(http.StatusGone)
	case n == nil:
		return s.missing(http.StatusNotFound)
	}
	d := s.data(n.Event.Title, nil)
	d.Entry = n
	d.HTML = template.HTML(n.HTML()) // sanitised by package feed
	return s.render(http.StatusOK, "event", d)
}

func (s *Site) missing(status int) (int, []byte, error) {
	d := s.data("Not found", nil)
	if status == http.StatusGone {
		d.Title = "Withdrawn"
	}
	return s.render(status, "missing", d)
}

func (s *Site) render(status int, name string, d pageData) (int, []byte, error) {
	pages, err := s.pages()
	if err != nil {
		return 0, nil, err
	}
	var b bytes.Buffer
	if err := pages[name].ExecuteTemplate(&b, "layout", d); err != nil {
		return 0, nil, fmt.Errorf("page %s: %w", name, err)
	}
	return status, b.Bytes(), nil
}

// redirectPage leads on from a folder, where no server answers with 301.
func redirectPage(to string) []byte {
	to = template.HTMLEscapeString(to)
	return []byte(`<!DOCTYPE html>
<meta charset="utf-8">
<title>Moved</title>
<link rel="canonical" href="` + to + `">
<meta http-equiv="refresh" content="0; url=` + to + `">
<p>This is now at <a href="` + to + `">` + to + `</a>.</p>
`)
}
