package survey

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"tocsin/event"
)

// doc is one file taken apart.
type doc struct {
	path    string
	data    []byte
	outline event.Outline
	err     error // why it cannot be taken apart
	values  map[string]*yaml.Node
	keys    []string // of values, in the order of the file
	listed  map[string]bool

	event *event.Event // as the proposal reads it
}

func newDoc(f File) *doc {
	d := &doc{path: f.Path, data: f.Data, values: make(map[string]*yaml.Node), listed: make(map[string]bool)}
	o, err := event.Outlined(f.Data)
	if err != nil {
		d.err = err
		return d
	}
	d.outline = o
	d.walk(o.Front, "", false, 0)
	return d
}

// deepest is how many keys a path has at most.
const deepest = 4

// walk notes all values of a mapping by their key paths, through lists of mappings
// too, as package event looks them up.
func (d *doc) walk(n *yaml.Node, prefix string, listed bool, depth int) {
	if depth == deepest || n == nil {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i].Value, n.Content[i+1]
		if k == "" || strings.ContainsAny(k, ".:") || strings.HasPrefix(k, "=") || strings.Contains(k, "${") {
			continue // no path in a configuration leads there
		}
		key := prefix + k
		if v.Kind == yaml.ScalarNode && (v.Tag == "!!null" || strings.TrimSpace(v.Value) == "") {
			continue
		}
		d.note(key, v, listed)
		switch v.Kind {
		case yaml.MappingNode:
			d.walk(v, key+".", listed, depth+1)
		case yaml.SequenceNode:
			for _, item := range v.Content {
				if item.Kind == yaml.MappingNode {
					d.walk(item, key+".", true, depth+1)
				}
			}
		}
	}
}

// note notes a value. What comes from several items of a list is a list.
func (d *doc) note(key string, v *yaml.Node, listed bool) {
	old := d.values[key]
	switch {
	case old == nil && listed:
		v = &yaml.Node{Kind: yaml.SequenceNode, Line: v.Line, Content: []*yaml.Node{v}}
	case old != nil && listed:
		old.Content = append(old.Content, v)
		return
	case old != nil:
		return
	}
	d.values[key] = v
	d.listed[key] = listed
	d.keys = append(d.keys, key)
}

// text is what a candidate that is a heading or a paragraph holds; empty where it is
// another one, or there is none.
func (d *doc) text(c string) string {
	if n, ok := strings.CutPrefix(c, "heading:"); ok {
		return d.outline.Headings[n[0]-'1']
	}
	if n, ok := strings.CutPrefix(c, "paragraph:"); ok && int(n[0]-'1') < len(d.outline.Paragraphs) {
		return d.outline.Paragraphs[n[0]-'1']
	}
	return ""
}

// has says that a candidate is present in the file.
func (d *doc) has(c string) bool {
	if expr, ok := strings.CutPrefix(c, "path:"); ok {
		return regexp.MustCompile(expr).MatchString(d.path)
	}
	return d.values[c] != nil || d.text(c) != ""
}

// example is what a candidate holds, on one short line.
func (d *doc) example(c string) string {
	n := d.values[c]
	if n == nil {
		return event.Cut(d.text(c), 40)
	}
	return event.Cut(strings.Join(event.Texts(n), ", "), 40)
}

// use is one key path over all files.
type use struct {
	key    string
	name   string // its last part, in lower case and without what separates words
	last   string // the last word of that part
	depth  int
	listed bool // goes through a list of mappings
	branch bool // holds mappings, which have key paths of their own
	docs   []*doc
}

// usesOf returns all key paths, in the order in which they are first met.
func usesOf(docs []*doc) []*use {
	byKey := make(map[string]*use)
	var all []*use
	for _, d := range docs {
		for _, key := range d.keys {
			u := byKey[key]
			if u == nil {
				parts := strings.Split(key, ".")
				u = &use{key: key, name: plain(parts[len(parts)-1]), last: lastWord(parts[len(parts)-1]), depth: len(parts)}
				byKey[key] = u
				all = append(all, u)
			}
			u.docs = append(u.docs, d)
			u.listed = u.listed || d.listed[key]
			n := d.values[key]
			u.branch = u.branch || n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode &&
				slices.ContainsFunc(n.Content, func(item *yaml.Node) bool { return item.Kind == yaml.MappingNode })
		}
	}
	return all
}

// plain is a name without what separates its words.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_- ", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// lastWord is the last word of a name: title of advisory_title and advisoryTitle.
func lastWord(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("_- ", r) })
	if len(words) == 0 {
		return ""
	}
	last := words[len(words)-1]
	for i, r := range last {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(rune(last[i-1])) {
			return lastWord(last[i:])
		}
	}
	return strings.ToLower(last)
}

// parent is the name of what a path leads through last.
func (u *use) parent() string {
	parts := strings.Split(u.key, ".")
	if len(parts) < 2 {
		return ""
	}
	return plain(parts[len(parts)-2])
}

// share is the part of the files with the key whose value holds what is asked.
func (u *use) share(holds func(n *yaml.Node) bool) float64 {
	n := 0
	for _, d := range u.docs {
		if holds(d.values[u.key]) {
			n++
		}
	}
	return float64(n) / float64(len(u.docs))
}

// texts returns all single texts of the key, one after the other.
func (u *use) texts() []string {
	var all []string
	for _, d := range u.docs {
		all = append(all, event.Texts(d.values[u.key])...)
	}
	return all
}

// distinct returns how many different texts there are, without regard to case.
func (u *use) distinct() int {
	seen := make(map[string]bool)
	for _, s := range u.texts() {
		seen[strings.ToLower(s)] = true
	}
	return len(seen)
}

func isScalar(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode }

func isBool(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!bool" }

// isFlag takes words for booleans, too.
func isFlag(n *yaml.Node) bool {
	return isScalar(n) && slices.Contains([]string{"true", "false", "yes", "no", "on", "off"}, strings.ToLower(n.Value))
}

func files(n int) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}
