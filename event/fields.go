package event

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goodsign/monday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/parser"
	"go.yaml.in/yaml/v4"
)

// Dialect says how the files of one folder spell events.
type Dialect struct {
	// Fields names for each field the candidates, the places where its value may
	// be found; the first that is present wins. Its keys are title, date,
	// importance, tags, actors, location, status, draft, id, summary, sources,
	// last_updated, published and expires. A field that is missing here has its
	// own name as its key, status also verification_status, and expires none; one
	// with no candidates is never found.
	//
	// A candidate is a path of keys in the front matter (meta.title), which goes
	// through lists item by item (people.name); a constant (=7); what the groups of
	// a regular expression in RE2's syntax take from the file's path below the
	// events folder, with its ending (path:(\d{4})/(\d{2})/(\d{2})); the first
	// heading of a level (heading:1), or the paragraph of a number (paragraph:1),
	// in the body.
	Fields map[string][]string
	// TagSplit and ActorSplit cut one text that stands for a list: at this, or,
	// where it is blank, at white space. Empty: it is one name.
	TagSplit, ActorSplit string
	// ImportanceWords gives numbers for words, without regard to case.
	ImportanceWords map[string]int
	// ImportanceDefault is for events that say none; 0 leaves them without.
	ImportanceDefault int
	// StatusWords gives the status to use for a word, without regard to case. A
	// true that it does not name is resolved, a false open.
	StatusWords map[string]string
	// DateLayouts are tried beside RFC 3339 and YYYY-MM-DD, in Go's notation. Names
	// of months and days are English, or those of Language.
	DateLayouts []string
	// Language is the BCP 47 tag of the content; empty is English.
	Language string
	// Zone is where times without a zone of their own are read; nil is UTC.
	Zone *time.Location
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
	fields   map[string][]candidate
	words    map[string]int
	statuses map[string]string
	clocked  []bool        // of DateLayouts: it has a time of day
	locale   monday.Locale // whose months are known beside English ones; empty: none
	bare     bool          // files without front matter may be events
	dialect  Dialect
	tags     map[string]string // by Key
	actors   map[string]string
	markdown parser.Parser
}

var defaultFields = map[string][]string{
	"title": nil, "date": nil, "importance": nil, "tags": nil, "actors": nil, "location": nil,
	"status": {"status", "verification_status"}, "draft": nil, "id": nil, "summary": nil,
	"sources": nil, "last_updated": nil, "published": nil, "expires": {},
}

// NewReader returns a Reader for d. It panics where a candidate of d.Fields is
// none; Check says so before.
func NewReader(d Dialect) *Reader {
	r := &Reader{
		fields:   make(map[string][]candidate),
		words:    make(map[string]int),
		statuses: make(map[string]string),
		dialect:  d,
		tags:     aliasTable(d.TagAliases),
		actors:   aliasTable(d.ActorAliases),
		markdown: goldmark.New().Parser(),
	}
	if r.dialect.MaxBytes == 0 {
		r.dialect.MaxBytes = 1 << 20
	}
	if r.dialect.Zone == nil {
		r.dialect.Zone = time.UTC
	}
	for field, places := range defaultFields {
		if places == nil {
			places = []string{field}
		}
		if own, ok := d.Fields[field]; ok {
			places = own
		}
		for _, s := range places {
			c, err := parseCandidate(s)
			if err != nil {
				panic(fmt.Sprintf("event: %s: %v", field, err))
			}
			r.fields[field] = append(r.fields[field], c)
		}
	}
	outside := func(c candidate) bool { return c.keys == nil }
	r.bare = slices.ContainsFunc(r.fields["title"], outside) && slices.ContainsFunc(r.fields["date"], outside)
	for w, n := range d.ImportanceWords {
		r.words[fold(w)] = n
	}
	for w, status := range d.StatusWords {
		r.statuses[fold(w)] = line(status)
	}
	r.locale = localeOf(d.Language)
	for _, layout := range d.DateLayouts {
		r.clocked = append(r.clocked, hasClock(layout))
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
	doc, err := parse(data, r.bare)
	if err != nil {
		return nil, err.(*Error)
	}
	t := tree{r: r, path: path, doc: &doc}
	e := &Event{
		ID:         t.text("id"),
		Path:       path,
		Title:      t.text("title"),
		Date:       t.date("date"),
		Importance: t.importance(),
		Status:     t.status(),
		Location:   t.text("location"),
		Tags:       t.names("tags", r.dialect.TagSplit, r.tags),
		Actors:     t.names("actors", r.dialect.ActorSplit, r.actors),
		Sources:    t.sources(),
		Draft:      t.bool("draft"),
		Expires:    t.moment(t.date("expires")),
		// last_updated is a hint for a first import and never worth refusing
		// a file for.
		LastUpdated: t.moment(t.hint("last_updated")),
	}
	if n := t.find("published"); n != nil {
		published, hidden := t.published(n)
		e.Published, e.Draft = t.moment(published), e.Draft || hidden
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
	text := t.withoutTitle()
	body, listed, _ := splitBody(text)
	if len(e.Sources) == 0 && len(listed) > 0 {
		e.Sources = listed
	} else if len(listed) > 0 {
		body = stripTrailer(text)
	}
	e.Body = canonicalBody(body)
	if e.Body == "" {
		e.Body = canonicalBody(t.paragraphs("summary"))
	}
	e.Seal()
	return e, nil
}

// tree takes values out of a file. The first fault stays in err.
type tree struct {
	r      *Reader
	path   string
	doc    *document
	blocks []block // of the body, once they are asked for
	parsed bool
	err    *Error
}

func (t *tree) fail(n *yaml.Node, format string, args ...any) {
	if t.err == nil {
		t.err = fault(n.Line, fmt.Sprintf(format, args...))
	}
}

// find returns the first present value of a field; nil where all are missing
// or null.
func (t *tree) find(field string) *yaml.Node {
	n, _ := t.locate(field)
	return n
}

// locate is find, with the block of the body that the value stands in; nil where
// it stands elsewhere.
func (t *tree) locate(field string) (*yaml.Node, *block) {
	for _, c := range t.r.fields[field] {
		switch {
		case c.keys != nil:
			if n := lookup(t.doc.front, c.keys); n != nil && !null(n) {
				return n, nil
			}
		case c.constant != "":
			return scalar(c.constant, t.doc.front.Line), nil
		case c.path != nil:
			groups := c.ofPath(t.path)
			switch {
			case groups == nil:
			case field == "tags" || field == "actors":
				list := &yaml.Node{Kind: yaml.SequenceNode, Line: 1}
				for _, g := range groups {
					list.Content = append(list.Content, scalar(g, 1))
				}
				return list, nil
			case field == "title":
				// Names of files have hyphens for spaces.
				return scalar(strings.NewReplacer("-", " ", "_", " ").Replace(joined(groups)), 1), nil
			default:
				return scalar(joined(groups), 1), nil
			}
		default:
			if b := t.block(c); b != nil {
				return scalar(b.text, b.line), b
			}
		}
	}
	return nil, nil
}

// block returns the block of the body that a candidate names; nil where there is
// none.
func (t *tree) block(c candidate) *block {
	if !t.parsed {
		t.blocks, t.parsed = blocks(t.r.markdown, t.doc.body, t.doc.bodyLine), true
	}
	paragraph := 0
	for i := range t.blocks {
		b := &t.blocks[i]
		if b.level == 0 {
			paragraph++
		}
		if c.heading > 0 && b.level == c.heading || c.paragraph > 0 && b.level == 0 && paragraph == c.paragraph {
			return b
		}
	}
	return nil
}

// withoutTitle returns the body without the heading or paragraph that is the
// title: it would stand twice wherever an event is shown.
func (t *tree) withoutTitle() string {
	_, b := t.locate("title")
	if b == nil {
		return t.doc.body
	}
	return t.doc.body[:b.from] + t.doc.body[b.to:]
}

// lookup follows a path of keys, through lists item by item; nil where it leads
// nowhere.
func lookup(n *yaml.Node, path []string) *yaml.Node {
	for i, key := range path {
		if n.Kind == yaml.SequenceNode {
			return lookupEach(n, path[i:])
		}
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

// lookupEach returns the list of what a path leads to from each item of a list.
func lookupEach(list *yaml.Node, path []string) *yaml.Node {
	found := &yaml.Node{Kind: yaml.SequenceNode, Line: list.Line}
	for _, item := range list.Content {
		if n := lookup(item, path); n != nil && !null(n) {
			found.Content = append(found.Content, n)
		}
	}
	if len(found.Content) == 0 {
		return nil
	}
	return found
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
	return t.textOf(field, n)
}

func (t *tree) textOf(field string, n *yaml.Node) string {
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
func (t *tree) names(field, split string, aliases map[string]string) []string {
	n := t.find(field)
	if n == nil {
		return nil
	}
	var names []string
	seen := make(map[string]bool)
	for _, s := range listed(n, split) {
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

// listed returns the texts of a list, which may be written as one text that split
// cuts.
func listed(n *yaml.Node, split string) []string {
	all := texts(n)
	if split == "" || n.Kind != yaml.ScalarNode || len(all) == 0 {
		return all
	}
	if strings.TrimSpace(split) == "" {
		return strings.Fields(all[0])
	}
	var parts []string
	for part := range strings.SplitSeq(all[0], split) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// status is the text of its field after the dialect's words.
func (t *tree) status() string {
	n := t.find("status")
	if n == nil {
		return ""
	}
	s := t.textOf("status", n)
	if len(t.r.statuses) > 0 {
		if to, ok := t.r.statuses[fold(s)]; ok {
			return to
		}
	}
	switch {
	case n.Tag != "!!bool":
		return s
	case strings.EqualFold(s, "true"):
		return "resolved"
	}
	return "open"
}

func (t *tree) bool(field string) bool {
	n := t.find(field)
	return n != nil && t.boolOf(field, n)
}

func (t *tree) boolOf(field string, n *yaml.Node) bool {
	switch fold(n.Value) {
	case "true", "yes", "on", "1":
		return true
	case "false", "no", "off", "0":
		return false
	}
	t.fail(n, "%s is %s; it must be true or false", field, clip(n.Value))
	return false
}

// importance takes what weigh does, and of a list the highest.
func (t *tree) importance() int {
	n := t.find("importance")
	if n == nil {
		return t.r.dialect.ImportanceDefault
	}
	if n.Kind != yaml.SequenceNode {
		return t.weigh(n)
	}
	most := 0
	for _, item := range n.Content {
		if !null(item) {
			most = max(most, t.weigh(item))
		}
	}
	return cmp.Or(most, t.r.dialect.ImportanceDefault)
}

// weigh takes 9, "9", 9.0, "9/10", the dialect's words and CVSS vectors. Decimals
// are rounded down, so that a threshold means the same for them.
func (t *tree) weigh(n *yaml.Node) int {
	s := fold(n.Value)
	if v, ok := t.r.words[s]; ok {
		return v
	}
	if strings.HasPrefix(s, "cvss:") {
		v, err := cvss(line(n.Value))
		if err != nil {
			t.fail(n, "importance is %s, which is no CVSS vector of version 3.0, 3.1 or 4.0: %v", clip(n.Value), err)
		}
		return v
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "/10")), 64)
	if n.Kind != yaml.ScalarNode || err != nil || !(v >= 1 && v <= 10) {
		t.fail(n, "importance is %s; it must be a number from 1 to 10", clip(n.Value))
		return 0
	}
	return int(v)
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
	// Copied, or each would keep the whole text that it is a part of.
	return Source{Title: strings.Clone(title), URL: strings.Clone(address), Note: strings.Clone(note)}
}

func absolute(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsFunc(address, unicode.IsSpace)
}
