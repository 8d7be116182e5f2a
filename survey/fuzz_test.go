package survey

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"tocsin/event"
)

// Whatever a folder holds, what is proposed is YAML with the dialect in it, and its
// counts are true.
func FuzzSurvey(f *testing.F) {
	f.Add("a", "---\ntitle: A\ndate: 2024-01-02\nseverity: \"x\\u0085'${Y}\"\n---\nText\n", "2024/01/02/b", "# B\n")
	f.Add("2024-01-02-x", "+++\ntitle = 'A'\n[a.b]\ndate = 2024-01-02\n+++\n", "x/index", "Date: 3. März 2024\n\nText\n")
	f.Add("[*]", "{\"titel\": \"A\", \"datum\": \"10/11/2024\", \"people\": [{\"who\": 1}, 2]}", "b", "```toml\npriority = 'P1'\n```\n# B\n")
	f.Fuzz(func(t *testing.T, path1, text1, path2, text2 string) {
		if !fs.ValidPath(path1) || !fs.ValidPath(path2) || len(text1)+len(text2) > 1<<14 {
			return
		}
		files := []File{{path1 + ".md", []byte(text1)}, {path2 + ".markdown", []byte(text2)}}
		p := Survey(files, time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC))
		if p.Events+len(p.Lost) > p.Files || p.Hidden > p.Events || p.Weighed > p.Events || p.Sent[0] > p.Events {
			t.Fatalf("counts: %+v", p)
		}
		if faults := p.Dialect.Check(); len(faults) > 0 {
			t.Fatal(faults)
		}
		text := p.Config(Place{Dir: "events", Name: "events\nx", Title: "T'"})
		for l := range strings.Lines(text) {
			if code, _, _ := strings.Cut(l, "# "); strings.Contains(code, "${") {
				t.Fatalf("a variable: %q", l)
			}
		}
		var c struct {
			Events struct {
				Include []string
				Fields  map[string][]string
				Words   map[string]int    `yaml:"importance_words"`
				Status  map[string]string `yaml:"status_words"`
				Layouts []string          `yaml:"date_layouts"`
			}
		}
		if err := yaml.Unmarshal([]byte(text), &c); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		d := event.Dialect{Fields: c.Events.Fields, ImportanceWords: c.Events.Words, StatusWords: c.Events.Status, DateLayouts: c.Events.Layouts}
		if len(c.Events.Words) != len(p.Dialect.ImportanceWords) || len(d.Check()) > 0 {
			t.Fatalf("another dialect is written: %+v", d)
		}
	})
}
