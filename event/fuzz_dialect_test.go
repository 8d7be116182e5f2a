package event

import (
	"strings"
	"testing"
	"time"
	"unicode"
)

// Whatever stands as the place of a field, Check and NewReader are of one mind of it,
// and what is read by it is an event or an error.
func FuzzDialect(f *testing.F) {
	fields := []string{"title", "date", "importance", "tags", "actors", "location", "status", "draft", "id", "summary", "sources", "last_updated", "published", "expires"}
	f.Add(0, "heading:1", ",", "a.md", "# A\n\nText.\n")
	f.Add(1, `path:(\d{4})/(\d{2})/(\d{2})`, "", "2025/01/28/a.md", "")
	f.Add(1, `path:(?P<month>\d)-(?P<year>\d+)`, "", "2-2025.md", "")
	f.Add(1, "=2025-01-28 09:30:00 CET", "", "a.md", "")
	f.Add(2, "=CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "", "a.md", "")
	f.Add(2, "=CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "", "a.md", "")
	f.Add(2, "a.b", "", "a.md", "```toml\n[[a]]\nb = 'CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'\n```\n")
	f.Add(2, "a.b", "", "a.md", "+++\na.b = 3\n+++\n")
	f.Add(3, "a.b", " ", "a.md", "---\na: [{b: c d}, {b: [e]}]\n---\n")
	f.Add(4, "paragraph:2", ";", "a.md", "One.\n\nTwo; three\n===\n\nFour; five\n")
	f.Add(5, "heading:2", "", "a.md", ";;;\n{}\n;;;\nA\n---\n")
	f.Add(12, "a", "", "a.md", "---\na: false\n---\n")
	f.Add(13, "=10000-01-01", "", "a.md", "")
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, field int, candidate, split, path, text string) {
		d := Dialect{
			Fields:   map[string][]string{"title": {"title", "=A title"}, "date": {"date", "=2025-01-28"}},
			TagSplit: split, ActorSplit: split, Zone: zone, MaxBytes: 1 << 16,
			StatusWords: map[string]string{"true": "done"}, ImportanceWords: map[string]int{"high": 8},
		}
		name := fields[uint(field)%uint(len(fields))]
		d.Fields[name] = append([]string{candidate}, d.Fields[name]...)
		if faults := d.Check(); len(faults) > 0 {
			for _, fault := range faults {
				if fault.Field != name || fault.Index > 1 || fault.Msg == "" {
					t.Fatalf("%v", fault)
				}
			}
			return
		}
		r := NewReader(d)
		e, err := r.Read(path, []byte(text))
		r.Places(path, []byte(text))
		if err != nil {
			if fault, ok := err.(*Error); !ok || fault.Line < 1 || fault.Line > 1+strings.Count(text, "\n")+strings.Count(text, "\r") {
				t.Fatalf("%v", err)
			}
			return
		}
		if e.Title == "" || e.Date.IsZero() || e.Importance < 0 || e.Importance > 10 || e.ID == "" {
			t.Fatalf("%+v", *e)
		}
		for _, s := range append(append([]string{e.Title, e.Status, e.Location, e.ID}, e.Tags...), e.Actors...) {
			if strings.ContainsFunc(s, func(r rune) bool { return !inXML(r) || r != ' ' && unicode.IsSpace(r) }) {
				t.Fatalf("%q is not plain text on one line", s)
			}
		}
		if again, err := ParseDate(e.Date.String()); err != nil || !again.Equal(e.Date.Time) {
			t.Fatalf("date %v is read again as %v: %v", e.Date, again, err)
		}
	})
}
