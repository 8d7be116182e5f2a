package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/config"
	"tocsin/event"
	"tocsin/feed/feedtest"
	"tocsin/timeline"
)

var update = flag.Bool("update", false, "write the golden files anew")

// profile matches a heading of docs/dialects.md and the configuration below it.
var profile = regexp.MustCompile("(?ms)^## ([^\n]+)\n(?:[^#].*?)?^```yaml\n(.*?)^```$")

// TestDialects reads a folder of each dialect with the configuration that the
// documentation gives for it, and builds it.
func TestDialects(t *testing.T) {
	doc, err := os.ReadFile("../../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	profiles := profile.FindAllStringSubmatch(string(doc), -1)
	if headings := strings.Count(string(doc), "\n## "); len(profiles) != 8 || headings != 8 {
		t.Errorf("%d profiles under %d headings, want 8", len(profiles), headings)
	}
	for _, p := range profiles {
		name := strings.ToLower(strings.Fields(p[1])[0])
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/dialects/"+name)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "config.yaml")
			if err := os.WriteFile(path, []byte(p[2]), 0o644); err != nil {
				t.Fatal(err)
			}
			events, all := readAll(t, path)
			got := events + builtFeeds(t, path, all)
			golden := "testdata/dialects/" + name + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("read otherwise than %s says (go test -update):\n%s", golden, got)
			}
		})
	}
}

// readAll reads the events of a configuration, in the order of their paths.
func readAll(t *testing.T, path string) (text string, public []*event.Event) {
	t.Helper()
	c, err := config.Load(path, config.Env{ReadFile: os.ReadFile, CheckFields: checkFields})
	if err != nil {
		t.Fatal(err)
	}
	tl := newTimeline(c, nil)
	if _, err := tl.Look(t.Context(), timeline.Where{All: true, Sure: true, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, fault := range tl.Faults() {
		t.Error(fault)
	}
	var b strings.Builder
	for e := range tl.Events() {
		if tl.Event(e.ID) == e {
			public = append(public, e)
		}
		fmt.Fprintf(&b, "== %s\n", e.Path)
		for _, f := range append([]event.Field{"id"}, event.Fields()...) {
			v := any(e.ID)
			if f != "id" {
				v = e.Value(f)
			}
			if line := shownValue(v); line != "" {
				fmt.Fprintf(&b, "%s: %s\n", f, line)
			}
		}
		for _, moment := range []struct {
			name string
			at   event.Moment
		}{{"published", e.Published}, {"expires", e.Expires}, {"last_updated", e.LastUpdated}} {
			if !moment.at.IsZero() {
				fmt.Fprintf(&b, "%s: %s\n", moment.name, moment.at.Time().Format(time.RFC3339))
			}
		}
		if e.Draft {
			b.WriteString("draft\n")
		}
	}
	return b.String(), public
}

// shownValue is a value on one line, as the golden files have it.
func shownValue(v any) string {
	switch v := v.(type) {
	case int:
		if v == 0 {
			return ""
		}
	case string:
		return strings.ReplaceAll(v, "\n", `\n`)
	case []string:
		return strings.Join(v, ", ")
	case []event.Source:
		var all []string
		for _, s := range v {
			all = append(all, strings.TrimSpace(s.Title+" <"+s.URL+"> "+s.Note))
		}
		return strings.Join(all, ", ")
	}
	return fmt.Sprint(v)
}

// builtFeeds builds all of it by the program, and returns which feeds there are and
// what stands in that of everything. What is not public stands in none of them.
func builtFeeds(t *testing.T, path string, public []*event.Event) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	var stdout, stderr strings.Builder
	term := &terminal{out: &stdout, err: &stderr, env: config.OSEnv()}
	if code := run(t.Context(), term, []string{"build", "-config", path, "-out", out}); code != exitDone {
		t.Fatalf("build: %d\n%s", code, stderr.String())
	}
	var b strings.Builder
	judge := &feedtest.Judge{Now: time.Now()}
	for name := range contents(t, filepath.Join(out, "feeds")) {
		text, err := os.ReadFile(filepath.Join(out, "feeds", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range judge.Judge("http://localhost:8080/feeds/"+escaped(name), text) {
			t.Errorf("%s: %v", name, f)
		}
	}
	var doc struct{ Items []item }
	text, err := os.ReadFile(filepath.Join(out, "feeds", "all.json"))
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	var titles, want []string
	for _, i := range doc.Items {
		titles = append(titles, i.Title)
		b.WriteString("\n-- " + i.Title)
	}
	for _, e := range public {
		want = append(want, e.Title)
	}
	slices.Sort(titles)
	slices.Sort(want)
	if !slices.Equal(titles, want) {
		t.Errorf("published: %q, public: %q", titles, want)
	}
	var feeds []string
	for name := range contents(t, filepath.Join(out, "feeds")) {
		if strings.HasSuffix(name, ".atom") {
			feeds = append(feeds, name)
		}
	}
	slices.Sort(feeds)
	return "\n== in the feed of everything" + b.String() + "\n\n== feeds\n" + strings.Join(feeds, "\n") + "\n"
}
