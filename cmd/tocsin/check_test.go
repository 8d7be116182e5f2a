package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tocsin/config"
	"tocsin/lint"
)

// The configuration lists the rules that there are: it knows no other package.
func TestRulesOfTheConfiguration(t *testing.T) {
	names := []string{surroundingsRule}
	for _, r := range lint.Rules() {
		names = append(names, r.Name)
	}
	slices.Sort(names)
	if known := slices.Sorted(maps.Keys(config.Default().Check)); !slices.Equal(known, names) {
		t.Errorf("the configuration has the rules %q, and there are %q", known, names)
	}
}

// corpusFindings are how many findings of each rule there are in folders of real
// events. Samples of each rule were read and found true: the dates of 10 files of
// flat differ from their names; its two lists of places, its statuses that one event
// alone has, its one importance of 4; the map of actors in 11 files of dirty; and so
// on. What the folders are, and what their files hold, is said beside them.
var corpusFindings = map[string]map[string]int{
	"flat": {
		"date_mismatch": 10, "duplicate": 53, "file": 1, "missing_importance": 1, "missing_sources": 1,
		"similar_actor": 34, "similar_tag": 33, "spelling": 64, "unknown_status": 9, "unlinked_source": 35,
		"unusual_importance": 1, "value_type": 2,
	},
	"hugo": {
		"duplicate": 76, "missing_sources": 1, "missing_tags": 9, "similar_actor": 28, "similar_tag": 18,
		"spelling": 28, "unlinked_source": 50,
	},
	// Versions of one file beside each other: 55 claim an id that another has.
	"dirty": {
		"date_mismatch": 17, "duplicate": 70, "empty_value": 17, "file": 55, "missing_importance": 102,
		"missing_sources": 13, "missing_tags": 20, "missing_text": 14, "similar_actor": 1, "similar_tag": 2,
		"spelling": 21, "unknown_status": 2, "unlinked_source": 51, "unusual_importance": 2, "value_type": 11,
	},
	"broken": {"file": 18},
}

func TestCheckOfCorpora(t *testing.T) {
	for name, want := range corpusFindings {
		t.Run(name, func(t *testing.T) {
			found := checkFolder(t, corpus(t, name))
			got := make(map[string]int)
			for _, x := range found {
				got[x.Rule]++
				if x.Line < 1 || x.What == "" {
					t.Errorf("not said where or what: %+v", x)
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("findings by rule\n got %v\nwant %v", got, want)
			}
		})
	}
}

// Every line that is named holds what the finding is about.
func TestLinesOfCorpora(t *testing.T) {
	words := map[string][]string{
		"date_mismatch": {"date:"}, "unknown_status": {"status:"}, "unusual_importance": {"importance:"}, "duplicate": {"title:"},
		"missing_tags": {"---"}, "missing_importance": {"---"}, "missing_sources": {"---"},
	}
	for _, name := range []string{"flat", "hugo", "dirty"} {
		dir := corpus(t, name)
		for _, x := range checkFolder(t, dir) {
			data, err := os.ReadFile(x.Path)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(data), "\n")
			want := words[x.Rule]
			switch x.Rule {
			case "spelling", "similar_tag", "similar_actor", "unlinked_source":
				_, after, _ := strings.Cut(x.What, `"`)
				quoted, _, _ := strings.Cut(after, `"`)
				want = []string{strings.Fields(quoted)[0]}
				if x.Rule == "unlinked_source" {
					// The title of a map may stand on its second line.
					lines[x.Line-1] += strings.Join(lines[x.Line:min(x.Line+4, len(lines))], " ")
				}
			case "missing_tags", "missing_importance", "missing_sources", "missing_text":
				x.Line-- // the fence before the front matter
				want = []string{"---"}
			case "file":
				continue
			}
			for _, w := range want {
				w = strings.Trim(w, `'":,\`)
				if !strings.Contains(lines[x.Line-1], w) {
					t.Errorf("%s:%d: %s\nthe line is %q", x.Path, x.Line, x.What, lines[x.Line-1])
				}
			}
		}
	}
}

// corpus is a folder of real events.
func corpus(t testing.TB, name string) string {
	dir, err := filepath.Abs("../../../shared/corpus/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the corpus is not beside the project: ", err)
	}
	return dir
}

func checkFolder(t testing.TB, dir string) []finding {
	t.Helper()
	c := config.Default()
	c.Events.Dir = dir
	found, err := checkEvents(t.Context(), &terminal{out: new(bytes.Buffer), err: new(bytes.Buffer)}, &c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// BenchmarkCheck checks 1,196 real files, or as many of its own.
func BenchmarkCheck(b *testing.B) {
	dir, err := filepath.Abs("../../../shared/corpus/flat")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		dir = b.TempDir()
		for i := range 1196 {
			text := fmt.Sprintf("---\ntitle: Event %d\ndate: 2024-01-02\nimportance: 5\ntags: [tag %d, tag %d]\nactors: [Actor %d]\n---\n%s\n",
				i, i%50, i%700, i, strings.Repeat("Something happened. ", 100))
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.md", i)), []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		checkFolder(b, dir)
	}
}

// odd are findings with everything that a format has to escape.
var odd = []finding{
	{"events/50% of, all: ünï.md", 3, severe, "file", "100 % of\r\nit, and: \"quoted\" <b>"},
	{"events/a.md", 0, warning, "spelling", "the whole file"},
}

func TestGitHubFormat(t *testing.T) {
	var b strings.Builder
	if err := writeGitHub(&b, odd); err != nil {
		t.Fatal(err)
	}
	const want = "::error file=events/50%25 of%2C all%3A ünï.md,line=3,title=file::100 %25 of%0D%0Ait, and: \"quoted\" <b>\n" +
		"::warning file=events/a.md,title=spelling::the whole file\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

// SARIF is held to its schema (OASIS, errata 01), which knows no other words.
func TestSARIFFormat(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, found := range map[string][]finding{"none": {}, "odd": odd} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := writeSARIF(&b, found); err != nil {
				t.Fatal(err)
			}
			document, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(document); err != nil {
				t.Error(err)
			}
			var log sarifLog
			if err := json.Unmarshal(b.Bytes(), &log); err != nil {
				t.Fatal(err)
			}
			run := log.Runs[0]
			if len(run.Results) != len(found) || len(run.Tool.Driver.Rules) != len(checkRules()) {
				t.Fatalf("%d results by %d rules", len(run.Results), len(run.Tool.Driver.Rules))
			}
			for i, r := range run.Results {
				if rule := run.Tool.Driver.Rules[r.RuleIndex]; rule.ID != found[i].Rule || r.RuleID != found[i].Rule {
					t.Errorf("result %d is by %s, at the place of %s", i, r.RuleID, rule.ID)
				}
			}
			if len(found) > 0 {
				at := run.Results[0].Locations[0].Physical
				if at.Artifact.URI != "events/50%25%20of,%20all:%20%C3%BCn%C3%AF.md" || at.Region == nil || at.Region.StartLine != 3 {
					t.Errorf("at %+v", at)
				}
				if at := run.Results[1].Locations[0].Physical; at.Region != nil {
					t.Errorf("the whole file is line %d", at.Region.StartLine)
				}
			}
		})
	}
}

func TestSummary(t *testing.T) {
	const want = "     1 file (error)\n     2 spelling (warning)\nfiles: 2\n"
	if got := summary(append(slices.Clone(odd), odd[1])); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A path below this folder is relative however it was named; another stays whole.
func TestPathsInFormats(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	for path, want := range map[string]string{
		filepath.Join(here, "events", "a.md"): "events/a.md",
		"./events/../events/a.md":             "events/a.md",
		"2024: x.md":                          "./2024:%20x.md",
		"/etc/x y.md":                         "file:///etc/x%20y.md",
		"../events/a.md":                      "../events/a.md",
	} {
		if got := uriOf(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
