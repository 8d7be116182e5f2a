package sink

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"tocsin/notify"
)

// limits are how much of each part of a message is shown: how many of a list, how
// much of a text in the units of the tool.
type limits struct {
	sources, source int // listed, and of the title of each
	names           int // tags or actors listed
	value           int // of a fact
	summary         int
	changes         int
	batch           int // events of a batch that are named
	body            int // of a template's
	title           int
	address         int // bytes; a longer one is not linked to
}

// reduce takes away some of what there is to show, the least important part
// first; false where nothing is left to take.
func (l *limits) reduce() bool {
	for _, part := range []struct {
		n     *int
		least int
	}{
		{&l.sources, 0}, {&l.names, 1}, {&l.value, 50}, {&l.summary, 0}, {&l.changes, 60}, {&l.body, 100}, {&l.batch, 3},
		{&l.address, 250}, {&l.source, 40}, {&l.title, 60},
	} {
		if *part.n > part.least {
			*part.n = max(*part.n/2, part.least)
			return true
		}
	}
	return false
}

// fit returns what render makes of as much as fits, or of the least there is.
func fit[T any](full limits, render func(limits) T, fits func(T) bool) T {
	steps := []limits{full}
	for l := full; l.reduce(); {
		steps = append(steps, l)
	}
	var out T
	try := func(i int) bool {
		out = render(steps[i])
		return fits(out)
	}
	if try(0) {
		return out
	}
	// That a step makes a text longer, as a cut falls on another word, does no
	// harm: what is returned fits.
	best := out
	n := sort.Search(len(steps)-1, func(i int) bool {
		ok := try(i + 1)
		if ok {
			best = out
		}
		return ok
	})
	if n == len(steps)-1 {
		return out
	}
	return best
}

// parts are what a message says, its texts escaped and cut: the one content of all
// tools but Slack, whose blocks have limits of their own. What there is none of is
// empty.
type parts struct {
	line     string // why, what, how important: for a lock screen, and alone enough
	note     string // says that a test message is one
	custom   bool   // a template's body stands for changes to entries
	body     string
	changes  string
	summary  string
	facts    []fact
	sources  []anchor
	entries  []entry
	more     int // sources or entries that are not shown
	page     string
	feed     string
	home     string
	timeline string
}

type (
	fact   struct{ name, text string }
	anchor struct{ text, address string }
	entry  struct {
		anchor
		notes string
	}
)

// headline returns the first words of a message as plain text on one line: for a
// heading, and with the importance for a lock screen, which has nothing else. The
// event's title is cut to titleRunes.
func headline(m notify.Message, title *string, titleRunes int) (head, line string) {
	first := m.Items[0]
	switch {
	case title != nil && m.Type == notify.TypeTest:
		head = kindWord(m, first) + ": " + *title
		return head, head
	case title != nil:
		return *title, *title
	case m.Type == notify.TypeBatch:
		head = counted(len(m.Items))
		if name := oneLine(m.Timeline); name != "" {
			head += " in " + name
		}
	default:
		head = fmt.Sprintf("%s: %s", kindWord(m, first), titleOf(first.Event))
	}
	return head, summaryLine(m, titleRunes)
}

// testNote is what a test message says of itself.
const testNote = "This is a test message: it was sent by hand, and nothing has changed."

// facts lists what there is to say of an event in a word each; at most most tags
// and actors.
func facts(e notify.Event, most int) []fact {
	rank := ""
	if e.Importance != 0 {
		rank = importance(e.Importance)
	}
	return []fact{
		{"Date", e.Date},
		{"Importance", rank},
		{"Status", e.Status},
		{"Location", e.Location},
		{"Tags", listed(e.Tags, most)},
		{"Actors", listed(e.Actors, most)},
	}
}

// compose returns what m says, with what its templates printed, by p and l.
func compose(m notify.Message, title, body *string, p pen, l limits) parts {
	first := m.Items[0]
	e := first.Event
	_, line := headline(m, title, l.title)
	out := parts{line: p.line(line, 2*l.title), timeline: p.line(m.Timeline, 200)}
	out.home, _ = linkAddress(m.Home, l.address)
	if m.Type == notify.TypeTest {
		out.note = testNote
	}
	batch := m.Type == notify.TypeBatch
	if !batch {
		out.page, _ = linkAddress(e.URL, l.address)
		out.feed, _ = linkAddress(e.Feed, l.address)
	}
	switch {
	case body != nil:
		out.custom, out.body = true, p.text(*body, l.body)
		return out
	case batch:
		shown := min(len(m.Items), l.batch)
		out.more = len(m.Items) - shown
		for _, it := range m.Items[:shown] {
			notes := []string{kindWord(m, it)}
			if it.Event.Date != "" {
				notes = append(notes, it.Event.Date)
			}
			if w := weight(it); w != "" {
				notes = append(notes, "importance "+w)
			}
			en := entry{notes: p.line(strings.Join(notes, " · "), l.title)}
			en.text = p.line(titleOf(it.Event), l.title)
			en.address, _ = linkAddress(it.Event.URL, l.address)
			out.entries = append(out.entries, en)
		}
		return out
	}
	out.changes = p.line(strings.Join(changes(first), " · "), l.changes)
	out.summary = p.sentences(e.Summary, l.summary)
	for _, f := range facts(e, l.names) {
		if text := p.line(f.text, l.value); text != "" {
			out.facts = append(out.facts, fact{f.name, text})
		}
	}
	for _, s := range e.Sources[:min(len(e.Sources), l.sources)] {
		a := anchor{text: p.line(s.Title, l.source)}
		if a.text == "" {
			_, short, _ := strings.Cut(s.URL, "://")
			a.text = p.line(short, l.source)
		}
		if a.text == "" {
			continue
		}
		a.address, _ = linkAddress(s.URL, l.address)
		out.sources = append(out.sources, a)
	}
	out.more = len(e.Sources) - len(out.sources)
	return out
}

// markup is how a tool without cards writes them as text.
type markup struct {
	bold func(string) string
	// link makes a link of escaped text. It is given an address.
	link func(text, address string) string
	// line ends a line within a paragraph, paragraph ends a paragraph, and item
	// begins a line of a list.
	line, paragraph, item string
}

// text writes all parts but the line, a paragraph each.
func (p parts) text(k markup) []string {
	var all []string
	add := func(s string) {
		if s != "" {
			all = append(all, s)
		}
	}
	add(p.note)
	if p.custom {
		add(strings.ReplaceAll(p.body, "\n", k.line))
		add(p.links(k))
		return all
	}
	if p.changes != "" {
		add(k.bold("Changed:") + " " + p.changes)
	}
	add(strings.ReplaceAll(p.summary, "\n", k.line))
	add(p.factLines(k))
	add(p.list(k))
	add(p.links(k))
	return all
}

// factLines is a line with what is short, and one for each list of names.
func (p parts) factLines(k markup) string {
	var short, lines []string
	for _, f := range p.facts {
		text := k.bold(f.name+":") + " " + f.text
		if f.name == "Tags" || f.name == "Actors" {
			lines = append(lines, text)
		} else {
			short = append(short, text)
		}
	}
	if len(short) > 0 {
		lines = append([]string{strings.Join(short, " · ")}, lines...)
	}
	return strings.Join(lines, k.line)
}

// list is the list of an event's sources or of a batch's events.
func (p parts) list(k markup) string {
	var lines []string
	if len(p.sources) > 0 || len(p.entries) == 0 && p.more > 0 {
		lines = append(lines, k.bold("Sources:"))
	}
	for _, s := range p.sources {
		lines = append(lines, k.item+s.as(k))
	}
	for _, e := range p.entries {
		lines = append(lines, k.item+e.as(k)+" – "+e.notes)
	}
	switch more := moreOf(p); {
	case more == "":
	case len(p.entries) > 0:
		lines = append(lines, k.item+anchor{more, p.home}.as(k))
	default:
		lines = append(lines, k.item+more)
	}
	return strings.Join(lines, k.line)
}

// moreOf counts what a list does not show; empty where it shows all.
func moreOf(p parts) string {
	switch {
	case p.more <= 0:
		return ""
	case len(p.sources) == 0 && len(p.entries) == 0:
		return fmt.Sprintf("%d, not listed here", p.more)
	}
	return fmt.Sprintf("and %d more", p.more)
}

// links is a line with the event's page, its feed and the timeline.
func (p parts) links(k markup) string {
	var all []string
	for _, a := range p.buttons() {
		all = append(all, a.as(k))
	}
	if p.timeline != "" {
		all = append(all, anchor{p.timeline, p.home}.as(k))
	}
	return strings.Join(all, " · ")
}

// buttons are the addresses of a message of one event.
func (p parts) buttons() (all []anchor) {
	if p.page != "" {
		all = append(all, anchor{"Open the event", p.page})
	}
	if p.feed != "" {
		all = append(all, anchor{"Feed", p.feed})
	}
	return all
}

func (a anchor) as(k markup) string {
	if a.address == "" {
		return a.text
	}
	return k.link(a.text, a.address)
}

// markdown is the markup of the tools that write it as CommonMark does; lines end
// as end says.
func markdown(end string) markup {
	return markup{
		bold: func(s string) string { return "**" + s + "**" },
		link: func(text, address string) string { return "[" + text + "](" + address + ")" },
		line: end, paragraph: "\n\n", item: "- ",
	}
}

// color is the color of a message's edge by the kind of change, as 0xRRGGBB.
func color(m notify.Message) int {
	switch k := m.Items[0].Change.Kind; {
	case m.Type == notify.TypeBatch:
		return 0x6a1b9a
	case m.Type == notify.TypeTest:
		return 0x757575
	case k == notify.Updated:
		return 0x1565c0
	case k == notify.Raised:
		return 0xc62828
	case k == notify.Withdrawn:
		return 0x424242
	}
	return 0x2e7d32
}

// runes counts code points.
func runes(s string) int { return utf8.RuneCountInString(s) }

// bytesOf counts bytes.
func bytesOf(s string) int { return len(s) }
