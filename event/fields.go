package event

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// Dialect says how the files of one folder spell events.
type Dialect struct {
	// Fields names for each field the key paths (dotted) where its value is
	// found; the first present wins. Its keys are title, date, importance, tags,
	// actors, location, status, draft, id, summary, sources, last_updated and
	// published. A field that is missing here has its own name as its key, and
	// status also verification_status.
	Fields map[string][]string
	// ImportanceWords gives numbers for words, without regard to case.
	ImportanceWords map[string]int
	// ImportanceDefault is for events that say none; 0 leaves them without.
	ImportanceDefault int
	// DateLayouts are tried beside RFC 3339 and YYYY-MM-DD, in Go's notation.
	DateLayouts []string
	// TagAliases and ActorAliases give the name to use for another spelling;
	// names compare by Key.
	TagAliases, ActorAliases map[string]string
	// MaxBytes bounds a file's size; 0 means 1 MiB.
	MaxBytes int
}

// Bounds on what one event may hold; real events reach a tenth of each.
const (
	maxNames     = 1000 // tags, actors or sources
	maxNameRunes = 500
	maxTextRunes = 20000 // title, location, status
	maxID        = 1000  // bytes: with folders before it, less than a path may have
	maxIDPart    = 252   // bytes between two slashes of an id: a file's name without .md
)

// Reader reads files of one Dialect. It is safe for concurrent use.
type Reader struct {
	fields  map[string][][]string
	words   map[string]int
	dialect Dialect
	tags    map[string]string // by Key
	actors  map[string]string
}

var defaultFields = map[string][]string{
	"title": nil, "date": nil, "importance": nil, "tags": nil, "actors": nil, "location": nil,
	"status": {"status", "verification_status"}, "draft": nil, "id": nil, "summary": nil,
	"sources": nil, "last_updated": nil, "published": nil,
}

// NewReader returns a Reader for d.
func NewReader(d Dialect) *Reader {
	r := &Reader{
		fields:  make(map[string][][]string),
		words:   make(map[string]int),
		dialect: d,
		tags:    aliasTable(d.TagAliases),
		actors:  aliasTable(d.ActorAliases),
	}
	if r.dialect.MaxBytes == 0 {
		r.dialect.MaxBytes = 1 << 20
	}
	for field, keys := range defaultFields {
		if keys == nil {
			keys = []string{field}
		}
		if own := d.Fields[field]; len(own) > 0 {
			keys = own
		}
		for _, k := range keys {
			r.fields[field] = append(r.fields[field], strings.Split(k, "."))
		}
	}
	for w, n := range d.ImportanceWords {
		r.words[fold(w)] = n
	}
	return r
}

// aliasTable returns the names to use by the Keys of the other spellings.
func aliasTable(aliases map[string]string) map[string]string {
	table := make(map[string]string, len(aliases))
	for from, to := range aliases {
		table[Key(from)] = line(to)
	}
	return table
}

// Read reads the file at path, given below the events folder and with slashes.
// The error is an *Error.
func (r *Reader) Read(path string, data []byte) (*Event, error) {
	e, err := r.read(path, data)
	if err != nil {
		err.Path = path
		return nil, err
	}
	return e, nil
}

func (r *Reader) read(path string, data []byte) (*Event, *Error) {
	if len(data) > r.dialect.MaxBytes {
		return nil, fault(1, fmt.Sprintf("the file is larger than events.max_bytes (%d bytes)", r.dialect.MaxBytes))
	}
	doc, err := parse(data)
	if err != nil {
		return nil, err.(*Error)
	}
	t := tree{r: r, root: doc.front}
	e := &Event{
		ID:         t.text("id"),
		Path:       path,
		Title:      t.text("title"),
		Date:       t.date("date"),
		Importance: t.importance(),
		Status:     t.text("status"),
		Location:   t.text("location"),
		Tags:       t.names("tags", r.tags),
		Actors:     t.names("actors", r.actors),
		Sources:    t.sources(),
		Draft:      t.bool("draft"),
		Published:  t.date("published").UTC(),
		// last_updated is a hint for a first import and never worth refusing
		// a file for.
		LastUpdated: t.hint("last_updated").UTC(),
	}
	if t.err != nil {
		return nil, t.err
	}
	if e.ID == "" {
		e.ID = line(strings.ToValidUTF8(Stem(path), "\ufffd"))
	}
	if len(e.ID) > maxID {
		return nil, fault(doc.front.Line, fmt.Sprintf("the id has more than %d bytes: %s", maxID, clip(e.ID)))
	}
	for _, part := range strings.Split(e.ID, "/") {
		if len(part) > maxIDPart {
			return nil, fault(doc.front.Line, fmt.Sprintf("the id has a part of more than %d bytes: %s", maxIDPart, clip(part)))
		}
	}
	if e.ID == "" {
		return nil, fault(doc.front.Line, "no id, and the file's name gives none")
	}
	if e.Title == "" {
		return nil, fault(doc.front.Line, "no title")
	}
	if e.Date.IsZero() {
		return nil, fault(doc.front.Line, "no date")
	}
	body, listed, _ := splitBody(doc.body)
	if len(e.Sources) == 0 && len(listed) > 0 {
		e.Sources = listed
	} else if len(listed) > 0 {
		body = stripTrailer(doc.body)
	}
	e.Body = canonicalBody(body)
	if e.Body == "" {
		e.Body = canonicalBody(t.paragraphs("summary"))
	}
	e.Seal()
	return e, nil
}

// tree takes values out of front matter. The first fault stays in err.
type tree struct {
	r    *Reader
	root *yaml.Node
	err  *Error
}

func (t *tree) fail(n *yaml.Node, format string, args ...any) {
	if t.err == nil {
		t.err = fault(n.Line, fmt.Sprintf(format, args...))
	}
}

// find returns the first present value of a field; nil where all are missing
// or null.
func (t *tree) find(field string) *yaml.Node {
	for _, path := range t.r.fields[field] {
		if n := lookup(t.root, path); n != nil && !null(n) {
			return n
		}
	}
	return nil
}

func lookup(n *yaml.Node, path []string) *yaml.Node {
	for _, key := range path {
		if n.Kind != yaml.MappingNode {
			return nil
		}
		next := (*yaml.Node)(nil)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
				break
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

func null(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Tag == "!!null" || strings.TrimSpace(n.Value) == "")
}

// text returns a field as plain text on one line: a scalar; the items of a
// list, joined; the name of a map.
func (t *tree) text(field string) string {
	n := t.find(field)
	if n == nil {
		return ""
	}
	s := strings.Join(texts(n), ", ")
	if len([]rune(s)) > maxTextRunes {
		t.fail(n, "%s has more than %d characters", field, maxTextRunes)
	}
	return s
}

// paragraphs returns a field with its line breaks.
func (t *tree) paragraphs(field string) string {
	n := t.find(field)
	if n == nil {
		return ""
	}
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return strings.Join(texts(n), "\n\n")
}

// texts flattens a value into its texts: items of lists may be lists; of a map
// its name counts, or else all its values.
func texts(n *yaml.Node) []string {
	switch n.Kind {
	case yaml.ScalarNode:
		if s := line(n.Value); s != "" && !null(n) {
			return []string{s}
		}
	case yaml.SequenceNode:
		var all []string
		for _, c := range n.Content {
			all = append(all, texts(c)...)
		}
		return all
	case yaml.MappingNode:
		for _, key := range []string{"name", "title"} {
			if c := lookup(n, []string{key}); c != nil && !null(c) {
				return texts(c)
			}
		}
		var all []string
		for i := 1; i < len(n.Content); i += 2 {
			all = append(all, texts(n.Content[i])...)
		}
		return all
	}
	return nil
}

// names returns a list of names after aliases, each once by Key.
func (t *tree) names(field string, aliases map[string]string) []string {
	n := t.find(field)
	if n == nil {
		return nil
	}
	var names []string
	seen := make(map[string]bool)
	for _, s := range texts(n) {
		if to, ok := aliases[Key(s)]; ok {
			s = to
		}
		if len([]rune(s)) > maxNameRunes {
			t.fail(n, "a name in %s has more than %d characters: %s", field, maxNameRunes, clip(s))
		}
		if k := Key(s); !seen[k] {
			seen[k] = true
			names = append(names, s)
		}
	}
	if len(names) > maxNames {
		t.fail(n, "%s holds %d names, over %d", field, len(names), maxNames)
	}
	return names
}

func (t *tree) bool(field string) bool {
	n := t.find(field)
	if n == nil {
		return false
	}
	switch fold(n.Value) {
	case "true", "yes", "on", "1":
		return true
	case "false", "no", "off", "0":
		return false
	}
	t.fail(n, "%s is %s; it must be true or false", field, clip(n.Value))
	return false
}

// importance takes 9, "9", 9.0, "9/10" and the dialect's words.
func (t *tree) importance() int {
	n := t.find("importance")
	if n == nil {
		return t.r.dialect.ImportanceDefault
	}
	s := fold(n.Value)
	if v, ok := t.r.words[s]; ok {
		return v
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "/10")), 64)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		t.fail(n, "importance is %s; it must be a whole number from 1 to 10", clip(n.Value))
	case v != float64(int(v)) || v < 1 || v > 10:
		t.fail(n, "importance is %s; it must be a whole number from 1 to 10", clip(n.Value))
	default:
		return int(v)
	}
	return 0
}

// Layouts of dates beside the dialect's own. The last two are what YAML's
// timestamps and TOML's local dates look like.
var clockLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04"}

func (t *tree) date(field string) Date {
	n := t.find(field)
	if n == nil {
		return Date{}
	}
	d, ok := t.parseDate(line(n.Value))
	switch {
	case n.Kind != yaml.ScalarNode:
		t.fail(n, "%s is a list or map; it must be a date such as 2025-01-28", field)
	case !ok:
		t.fail(n, "%s is %s; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z", field, clip(n.Value))
	case d.UTC().Year() < 1 || d.UTC().Year() > 9999:
		t.fail(n, "%s is %s; years go from 1 to 9999", field, clip(n.Value))
	}
	return d
}

func (t *tree) parseDate(s string) (Date, bool) {
	if d, err := time.Parse(time.DateOnly, s); err == nil {
		return Date{Time: d}, true
	}
	for _, layout := range clockLayouts {
		if d, err := time.Parse(layout, s); err == nil {
			return Date{Time: d.Truncate(time.Second), Clock: true}, true
		}
	}
	for _, layout := range t.r.dialect.DateLayouts {
		if d, err := time.Parse(layout, s); err == nil {
			clock := d.Hour() != 0 || d.Minute() != 0 || d.Second() != 0
			return Date{Time: d.Truncate(time.Second), Clock: clock}, true
		}
	}
	return Date{}, false
}

// hint is date without faults.
func (t *tree) hint(field string) time.Time {
	if n := t.find(field); n != nil && n.Kind == yaml.ScalarNode {
		d, _ := t.parseDate(line(n.Value))
		return d.Time
	}
	return time.Time{}
}

// sources reads a list of maps or strings.
func (t *tree) sources() []Source {
	n := t.find("sources")
	if n == nil {
		return nil
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	if len(items) > maxNames {
		t.fail(n, "sources holds %d items, over %d", len(items), maxNames)
		return nil
	}
	var sources []Source
	for _, item := range items {
		if s := readSource(item); s != (Source{}) {
			sources = append(sources, s)
		}
	}
	return sources
}

// readSource reads one item of a list of sources.
func readSource(item *yaml.Node) Source {
	switch {
	case null(item):
		return Source{}
	case item.Kind != yaml.MappingNode:
		return sourceLine(strings.Join(texts(item), ", "))
	}
	get := func(keys ...string) string {
		for _, k := range keys {
			if c := lookup(item, []string{k}); c != nil && !null(c) {
				return strings.Join(texts(c), ", ")
			}
		}
		return ""
	}
	return newSource(get("title", "name"), get("url", "link", "href"), get("outlet", "publisher", "type"))
}

// newSource puts what is no address where people can read it.
func newSource(title, address, note string) Source {
	if address != "" && !absolute(address) {
		if title == "" {
			title = address
		} else {
			title += ", " + address
		}
		address = ""
	}
	return Source{Title: title, URL: address, Note: note}
}

func absolute(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsFunc(address, unicode.IsSpace)
}
