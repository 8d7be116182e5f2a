package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/event"
	"tocsin/notify"
)

// TemplateData is what the templates of Config are executed with.
type TemplateData struct {
	// Kind, Fields, Before and Event are those of the first item, in a batch the
	// most important one: why it is told, the fields that changed, their values
	// before (`{{index .Before "importance"}}`), and the event as it is now.
	Kind   notify.Kind
	Fields []event.Field
	Before map[string]any
	Event  notify.Event
	// Items are all items, most important first; one, unless it is a batch.
	Items []notify.Item
	// Batch is set for a batch, Test for a message of `tocsin send`.
	Batch, Test bool
	// Time is when the change was seen.
	Time time.Time
	// Timeline is the site's title, Home its address.
	Timeline, Home string
}

// templates are the two templates of a chat sink.
type templates struct {
	title, body *template.Template
	sink        string
	log         *slog.Logger
}

func newTemplates(c Config) templates { return templates{c.Title, c.Body, c.Name, c.Logger} }

// custom returns what the templates print for m; nil where there is none, and
// where one failed or, as a title, came out empty: the built-in form stands in.
func (t templates) custom(m notify.Message) (title, body *string) {
	if s, ok := t.run("title", t.title, m); ok {
		if s = oneLine(s); s != "" {
			title = &s
		}
	}
	if s, ok := t.run("body", t.body, m); ok {
		s = strings.TrimSpace(legible(s))
		body = &s
	}
	return title, body
}

// maxTemplate bounds what a template may print; no tool takes as much.
const maxTemplate = 64 << 10

// CheckTemplate says what is wrong with a template that is a Config's Title or Body: it
// is executed with a message that has a hundred of all there can be.
func CheckTemplate(t *template.Template) error {
	e := notify.Event{
		ID: "id", Title: strings.Repeat("Title ", 50), Date: "2026-01-01", Importance: 9, Status: "confirmed", Location: "Location",
		Tags: slices.Repeat([]string{"tag"}, 100), Actors: slices.Repeat([]string{"actor"}, 100), Summary: strings.Repeat("A sentence. ", 40),
		Sources: slices.Repeat([]notify.Source{{Title: "Source", URL: "https://example.org/"}}, 100),
		URL:     "https://example.org/", Feed: "https://example.org/", FeedID: "tag:example.org,2026:id", Revision: "revision",
	}
	item := notify.Item{Event: e, Change: notify.Change{Kind: notify.Raised, Fields: event.Fields(), Before: map[string]any{
		"title": e.Title, "date": e.Date, "importance": 8, "status": e.Status, "location": e.Location, "tags": e.Tags, "actors": e.Actors, "sources": e.Sources,
	}}}
	m := notify.Message{Type: notify.TypeUpdated, Items: []notify.Item{item}, Timeline: "Timeline", Home: "https://example.org/"}
	err := execute(t, io.Discard, m)
	m.Type, m.Items = notify.TypeBatch, slices.Repeat(m.Items, 100)
	if err == nil {
		err = execute(t, io.Discard, m)
	}
	if err == nil {
		return nil
	}
	_, at, ok := strings.Cut(err.Error(), " at <") // the template's own name and place say nothing
	if !ok {
		return err
	}
	return errors.New("fails at <" + at)
}

func execute(t *template.Template, out io.Writer, m notify.Message) error {
	first := m.Items[0]
	return t.Execute(out, TemplateData{
		Kind: first.Change.Kind, Fields: first.Change.Fields, Before: first.Change.Before,
		Event: first.Event, Items: m.Items, Batch: m.Type == notify.TypeBatch, Test: m.Type == notify.TypeTest,
		Time: m.Time, Timeline: m.Timeline, Home: m.Home,
	})
}

func (t templates) run(which string, tmpl *template.Template, m notify.Message) (string, bool) {
	if tmpl == nil {
		return "", false
	}
	first := m.Items[0]
	out := &bounded{left: maxTemplate}
	err := execute(tmpl, out, m)
	if err != nil && !errors.Is(err, errFull) {
		// The rest of the error may quote the event.
		where, _, ok := strings.Cut(err.Error(), ": executing")
		if !ok {
			where = ""
		}
		t.log.Warn("a template failed; sending the built-in form",
			"sink", t.sink, "template", which, "event", first.Event.ID, "at", strings.TrimPrefix(where, "template: "))
		return "", false
	}
	return strings.ToValidUTF8(out.String(), ""), true
}

// bounded keeps the first bytes that are written to it and fails the write that
// brings more.
type bounded struct {
	bytes.Buffer
	left int
}

var errFull = errors.New("the template prints too much")

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// kindWord is what a message calls the change that it is a part of.
func kindWord(m notify.Message, it notify.Item) string {
	switch k := it.Change.Kind; {
	case m.Type == notify.TypeTest:
		return "Test"
	case k == notify.Updated:
		return "Updated"
	case k == notify.Raised:
		return "Raised"
	case k == notify.Withdrawn:
		return "Withdrawn"
	}
	return "New"
}

// titleMost is more of a title than any tool shows.
const titleMost = 1000

// titleOf returns an event's title on one line, never empty. Of a very long one it
// is the beginning.
func titleOf(e notify.Event) string {
	for _, s := range []string{e.Title, e.ID} {
		if s = oneLine(clip(s, titleMost)); s != "" {
			return s
		}
	}
	return "Untitled event"
}

// weight says how important an event is and, where that changed, was: "7", "6 →
// 9"; empty where the event says none.
func weight(it notify.Item) string {
	now := importance(it.Event.Importance)
	if before, ok := it.Change.Before[string(event.Importance)]; ok && slices.Contains(it.Change.Fields, event.Importance) {
		return importance(before) + " → " + now
	}
	if it.Event.Importance == 0 {
		return ""
	}
	return now
}

// importance prints an importance, also one that came back from JSON.
func importance(v any) string {
	if f, ok := v.(float64); ok {
		v = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if s := oneLine(fmt.Sprint(v)); s != "0" && s != "" && v != nil {
		return s
	}
	return "none"
}

// summaryLine is the whole message in one line for a lock screen: why, what, how
// important. The title is cut to titleRunes.
func summaryLine(m notify.Message, titleRunes int) string {
	first := m.Items[0]
	title := cut(titleOf(first.Event), titleRunes, utf8.RuneCountInString)
	var b strings.Builder
	if m.Type == notify.TypeBatch {
		fmt.Fprintf(&b, "%s, most important: %s", counted(len(m.Items)), title)
	} else {
		fmt.Fprintf(&b, "%s: %s", kindWord(m, first), title)
	}
	if w := weight(first); w != "" {
		fmt.Fprintf(&b, " (importance %s)", w)
	}
	return b.String()
}

func counted(n int) string {
	if n == 1 {
		return "1 change"
	}
	return fmt.Sprintf("%d changes", n)
}

// changes says, a line a field, what an update changed: "importance 6 → 9",
// "tags + courts − law", "text".
func changes(it notify.Item) []string {
	var lines []string
	for _, f := range it.Change.Fields {
		before, known := it.Change.Before[string(f)]
		var now any
		switch f {
		case event.Title:
			now = it.Event.Title
		case event.DateField:
			now = it.Event.Date
		case event.Importance:
			now = it.Event.Importance
		case event.Status:
			now = it.Event.Status
		case event.Location:
			now = it.Event.Location
		case event.Tags:
			now = it.Event.Tags
		case event.Actors:
			now = it.Event.Actors
		case event.Body:
			lines = append(lines, "text")
			continue
		default: // sources, whose titles and addresses would be no line
			lines = append(lines, oneLine(string(f)))
			continue
		}
		var what string
		switch now := now.(type) {
		case []string:
			what = listChange(names(before), now)
		case int:
			what = fmt.Sprintf("%s → %s", importance(before), importance(now))
		case string:
			old, _ := before.(string)
			what = fmt.Sprintf("%s → %s", value(old), value(now))
		}
		if !known || what == "" {
			lines = append(lines, string(f))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s", f, what))
	}
	return lines
}

// Bounds of what a line of changes holds.
const (
	valueRunes  = 120
	listedNames = 5
)

func value(s string) string {
	if s = oneLine(clip(s, valueRunes)); s == "" {
		return "none"
	}
	return cut(s, valueRunes, utf8.RuneCountInString)
}

// names reads a list of strings, also one that came back from JSON.
func names(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		var list []string
		for _, e := range v {
			list = append(list, fmt.Sprint(e))
		}
		return list
	}
	return nil
}

func listChange(before, now []string) string {
	var parts []string
	without := func(list, other []string) (rest []string) {
		for _, s := range list {
			if !slices.Contains(other, s) {
				rest = append(rest, value(s))
			}
		}
		return rest
	}
	if added := without(now, before); len(added) > 0 {
		parts = append(parts, "+ "+listed(added, listedNames))
	}
	if gone := without(before, now); len(gone) > 0 {
		parts = append(parts, "− "+listed(gone, listedNames))
	}
	return strings.Join(parts, " ")
}

// listed joins the first of names and counts the rest.
func listed(names []string, most int) string {
	if rest := len(names) - most; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), rest)
	}
	return strings.Join(names, ", ")
}

// webAddress returns s in a form that every tool can link to; false where it is
// no http or https address, where it is longer than most bytes, and where it
// holds a user name, which makes https://bank.example@evil.example read as the
// one and lead to the other. The characters that end a link in one markup or
// another are percent-encoded.
func webAddress(s string, most int) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", false
	}
	var b strings.Builder
	for _, r := range u.String() {
		if r <= ' ' || strings.ContainsRune("<>|\"`\\^{}", r) || unicode.IsSpace(r) || unicode.Is(unicode.C, r) {
			b.WriteString(url.PathEscape(string(r)))
			continue
		}
		b.WriteRune(r)
	}
	return b.String(), b.Len() <= most
}

// oneLine is legible on one line, with single spaces.
func oneLine(s string) string { return strings.Join(strings.Fields(legible(s)), " ") }

// legible drops from text what is not seen: control characters but line ends
// and tabs, what is no UTF-8, and the characters that turn the reading
// direction, with which a title could reorder the words that a message puts
// beside it. The marks and joiners that scripts and emoji are made with stay.
func legible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\u0085', r == '\u2028', r == '\u2029':
			return '\n'
		case unicode.IsControl(r), r == utf8.RuneError,
			'\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u2069':
			return -1
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
}

// cut shortens s until size of it is at most limit, and ends it with an ellipsis;
// empty where not even that fits. It cuts behind a word where one ends nearby,
// and never between a character and the marks, joiners and modifiers that belong
// to it. size counts at least one for each
// rune.
func cut(s string, limit int, size func(string) int) string {
	const ellipsis = "…"
	if size(s) <= limit {
		return s
	}
	runes := []rune(s)
	fits := func(n int) bool { return size(string(runes[:n])+ellipsis) <= limit }
	low, high := 0, min(len(runes)-1, limit) // low fits, or nothing does
	if high < 0 || !fits(0) {
		return ""
	}
	for low < high {
		if mid := (low + high + 1) / 2; fits(mid) {
			low = mid
		} else {
			high = mid - 1
		}
	}
	n := low
	for n > 0 && (attached(runes[n]) || runes[n-1] == '\u200d') {
		n--
	}
	if flag := flagLetters(runes[:n]); flag%2 == 1 && flagLetter(runes[n]) {
		n--
	}
	for i := n; i > n-n/5 && i > 0; i-- {
		if unicode.IsSpace(runes[i]) {
			n = i
			break
		}
	}
	return strings.TrimRightFunc(string(runes[:n]), func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(",;:-–—", r)
	}) + ellipsis
}

// attached says that r belongs to the character before it: a mark, a joiner, a
// variation selector, a skin tone or a tag.
func attached(r rune) bool {
	return unicode.IsMark(r) || r == '\u200d' || '\U0001f3fb' <= r && r <= '\U0001f3ff' || '\U000e0020' <= r && r <= '\U000e007f'
}

// flagLetter says that r is one of the letters of which two make a flag.
func flagLetter(r rune) bool { return '\U0001f1e6' <= r && r <= '\U0001f1ff' }

// flagLetters counts those at the end of runes.
func flagLetters(runes []rune) (n int) {
	for n < len(runes) && flagLetter(runes[len(runes)-1-n]) {
		n++
	}
	return n
}
