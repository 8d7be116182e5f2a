// Package generate makes folders of events to measure with. They are like a real
// timeline in what costs time: a few tags and actors that stand in many events and
// thousands that stand in one or two, bodies of some two kilobytes with headings,
// lists, quotes and links. The same number of events gives the same bytes on every
// machine.
package generate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Names is how many different tags there are at most, and how many actors.
const Names = len64 * len64

const len64 = 64

// Event is one event of a generated folder.
type Event struct {
	// Path is where its file is below the folder, with slashes.
	Path string
	// Title, Date, Importance, Status, Tags and Actors are its front matter.
	Title        string
	Date         time.Time
	Importance   int
	Status       string
	Tags, Actors []string
	// Body is its Markdown.
	Body string
}

// New returns the event with number i, from 0.
func New(i int) Event {
	r := rand.New(rand.NewPCG(2025, uint64(i)))
	e := Event{
		Title:      sentence(r, 5+r.IntN(7)),
		Date:       time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(55*365)),
		Importance: 3 + r.IntN(8),
		Status:     []string{"confirmed", "confirmed", "confirmed", "pending", "disputed"}[r.IntN(5)],
		Tags:       names(r, 2+r.IntN(5), "-"),
		Actors:     names(r, 1+r.IntN(4), " "),
		Body:       body(r),
	}
	e.Path = fmt.Sprintf("%s/%s-%07d.md", e.Date.Format("2006/01"), e.Date.Format(time.DateOnly), i)
	return e
}

// Markdown returns the event's file: front matter in YAML, then the body.
func (e Event) Markdown() []byte {
	list := func(names []string) string { return `["` + strings.Join(names, `", "`) + `"]` }
	return fmt.Appendf(nil, "---\ntitle: %q\ndate: %s\nimportance: %d\nstatus: %s\ntags: %s\nactors: %s\n---\n\n%s",
		e.Title, e.Date.Format(time.DateOnly), e.Importance, e.Status, list(e.Tags), list(e.Actors), e.Body)
}

// Write writes the events 0 to n-1 below dir.
func Write(dir string, n int) error {
	made := make(map[string]bool)
	for i := range n {
		e := New(i)
		name := filepath.Join(dir, filepath.FromSlash(e.Path))
		if parent := filepath.Dir(name); !made[parent] {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return err
			}
			made[parent] = true
		}
		if err := os.WriteFile(name, e.Markdown(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// names draws n different ones: half of all draws fall on a few dozen names.
func names(r *rand.Rand, n int, between string) []string {
	zipf := rand.NewZipf(r, 1.05, 8, Names-1)
	var all []string
	seen := make(map[uint64]bool)
	for len(all) < n {
		k := zipf.Uint64()
		if seen[k] {
			continue
		}
		seen[k] = true
		all = append(all, words[k%len64]+between+words[(k/len64+k)%len64]+suffix[k%4])
	}
	return all
}

// body draws some two kilobytes of Markdown.
func body(r *rand.Rand) string {
	var b strings.Builder
	for range 2 + r.IntN(4) {
		for range 2 + r.IntN(4) {
			b.WriteString(sentence(r, 8+r.IntN(14)))
			b.WriteString(". ")
		}
		b.WriteString("\n\n")
	}
	fmt.Fprintf(&b, "## %s\n\n", sentence(r, 3))
	for range 2 + r.IntN(4) {
		fmt.Fprintf(&b, "- **%s**: %s\n", sentence(r, 2), sentence(r, 9))
	}
	fmt.Fprintf(&b, "\n> %s.\n\n## Sources\n\n", sentence(r, 12))
	for k := range 1 + r.IntN(4) {
		fmt.Fprintf(&b, "%d. [%s](https://archive.example/%d/%s) - Report\n", k+1, sentence(r, 6), r.IntN(1e6), words[r.IntN(len64)])
	}
	return b.String()
}

func sentence(r *rand.Rand, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = words[r.IntN(len64)]
	}
	all[0] = strings.ToUpper(all[0][:1]) + all[0][1:]
	return strings.Join(all, " ")
}

var suffix = [4]string{"", "s", " office", " board"}

var words = [len64]string{
	"account", "advice", "agency", "appeal", "archive", "audit", "ballot", "bridge",
	"budget", "bureau", "cabinet", "case", "census", "charter", "circuit", "claim",
	"clerk", "coast", "committee", "contract", "council", "county", "court", "data",
	"debate", "delay", "district", "document", "election", "energy", "estate", "ferry",
	"finding", "fleet", "grant", "harbour", "hearing", "inquiry", "island", "journal",
	"judge", "ledger", "letter", "levy", "library", "licence", "mayor", "memo",
	"minister", "motion", "notice", "office", "order", "panel", "permit", "port",
	"precinct", "press", "record", "reform", "report", "review", "ruling", "survey",
}
