package web

import (
	"html/template"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// prose makes an event's sanitised HTML fit into a page: nothing in it closes
// what the page opened, its headings go on from the page's, nothing in it takes
// an id that the page's own labels and links mean, and what is wide scrolls by
// itself and can be reached by the keyboard.
func prose(sanitised string) template.HTML {
	box := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	nodes, err := html.ParseFragment(strings.NewReader(sanitised), box)
	if err != nil {
		return template.HTML("<pre>" + html.EscapeString(sanitised) + "</pre>") // nested beyond reason
	}
	for _, n := range nodes {
		box.AppendChild(n)
	}
	level := 1
	for n := range box.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		n.Attr = without(n.Attr, "id", "name", "headers", "usemap")
		switch n.DataAtom {
		case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
			level = min(level+1, int(n.Data[1]-'0')+1, 6)
			rename(n, "h"+string(rune('0'+level)))
		case atom.Article, atom.Aside, atom.Section, atom.Header, atom.Footer, atom.Main, atom.Nav, atom.Hgroup:
			rename(n, "div")
		case atom.Img:
			if attr(n, "alt") == nil {
				n.Attr = append(n.Attr, html.Attribute{Key: "alt"})
			}
			n.Attr = append(n.Attr, html.Attribute{Key: "loading", Val: "lazy"})
		case atom.A:
			if href := attr(n, "href"); href != nil && empty(n) {
				n.AppendChild(&html.Node{Type: html.TextNode, Data: *href})
			}
		}
	}
	var tables []*html.Node
	for n := range box.Descendants() {
		if n.DataAtom == atom.Table {
			tables = append(tables, n)
		}
	}
	for _, t := range tables {
		wide := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div, Attr: []html.Attribute{
			{Key: "class", Val: "wide"}, {Key: "role", Val: "group"}, {Key: "aria-label", Val: "Table"}, {Key: "tabindex", Val: "0"}}}
		t.Parent.InsertBefore(wide, t)
		t.Parent.RemoveChild(t)
		wide.AppendChild(t)
	}
	var b strings.Builder
	for n := range box.ChildNodes() {
		if err := html.Render(&b, n); err != nil {
			return template.HTML("<pre>" + html.EscapeString(sanitised) + "</pre>")
		}
	}
	return template.HTML(b.String())
}

func rename(n *html.Node, to string) { n.Data, n.DataAtom = to, atom.Lookup([]byte(to)) }

func attr(n *html.Node, key string) *string {
	for i := range n.Attr {
		if n.Attr[i].Key == key {
			return &n.Attr[i].Val
		}
	}
	return nil
}

func without(attrs []html.Attribute, keys ...string) []html.Attribute {
	kept := attrs[:0]
	for _, a := range attrs {
		drop := false
		for _, k := range keys {
			drop = drop || a.Key == k
		}
		if !drop {
			kept = append(kept, a)
		}
	}
	return kept
}

// empty says that a link shows nothing.
func empty(n *html.Node) bool {
	for c := range n.Descendants() {
		if c.DataAtom == atom.Img || c.Type == html.TextNode && strings.TrimSpace(c.Data) != "" {
			return false
		}
	}
	return true
}
