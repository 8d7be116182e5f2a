package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/config"
	"tocsin/survey"
)

// TestInitOfFolders takes folders that nobody has described from init to their
// feeds, without a hand on what is proposed.
func TestInitOfFolders(t *testing.T) {
	archives, err := filepath.Glob("../../survey/testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives: ", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var files []survey.File
			for _, f := range archive.Files {
				if f.Name == "config.golden" {
					continue
				}
				files = append(files, survey.File{Path: f.Name, Data: f.Data})
				at := filepath.Join(dir, "events", filepath.FromSlash(f.Name))
				if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			slices.SortFunc(files, func(a, b survey.File) int { return strings.Compare(a.Path, b.Path) })
			proposed := survey.Survey(files, time.Now())

			t.Chdir(dir)
			tocsin(t, exitDone, "init", "events")
			code := exitDone
			if len(proposed.Lost) > 0 {
				code = exitFaults
			}
			out := tocsin(t, code, "check")
			for _, err := range proposed.Lost {
				if !strings.Contains(out, "events/"+err.Error()) {
					t.Errorf("check does not say %q, but\n%s", err, out)
				}
			}
			if n := strings.Count(out, " (file)"); n > len(proposed.Lost) {
				t.Errorf("%d files are lost, and init knew of %d:\n%s", n, len(proposed.Lost), out)
			}
			tocsin(t, code, "build", "-out", "out")
			data, err := os.ReadFile("out/feeds/all.json")
			if err != nil {
				t.Fatal(err)
			}
			var feed struct {
				Items []struct {
					Title string `json:"title"`
				} `json:"items"`
			}
			if err := json.Unmarshal(data, &feed); err != nil {
				t.Fatal(err)
			}
			if len(feed.Items) != proposed.Events-proposed.Hidden || len(feed.Items) == 0 {
				t.Errorf("%d entries of %d events, %d of them hidden", len(feed.Items), proposed.Events, proposed.Hidden)
			}
			for _, item := range feed.Items {
				if item.Title == "" || strings.HasPrefix(item.Title, "#") {
					t.Errorf("the title is %q", item.Title)
				}
			}
		})
	}
}

// tocsin runs the program and returns what it printed.
func tocsin(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errout bytes.Buffer
	if got := run(t.Context(), &terminal{out: &out, err: &errout, env: config.OSEnv()}, args); got != code {
		t.Fatalf("tocsin %q: exit code %d, want %d\n%s%s", args, got, code, &out, &errout)
	}
	return out.String()
}

// What init proposes for real folders reads all that the folders' own
// configuration reads.
func TestInitOfCorpora(t *testing.T) {
	for name, events := range map[string]int{"flat": 1195, "hugo": 960} {
		t.Run(name, func(t *testing.T) {
			files, err := markdownFiles(t.Context(), &terminal{err: new(bytes.Buffer)}, corpus(t, name))
			if err != nil {
				t.Fatal(err)
			}
			p := survey.Survey(files, time.Date(2025, 11, 23, 0, 0, 0, 0, time.UTC))
			if p.Events != events || len(p.Lost) > 0 {
				t.Errorf("%d events, and %d lost: %v", p.Events, len(p.Lost), p.Lost)
			}
			want := config.Default().Events.Fields
			for _, field := range []string{"title", "date", "importance", "tags", "actors", "location"} {
				if got := p.Dialect.Fields[field]; !slices.Equal(got[:1], want[field]) {
					t.Errorf("%s is found by %q", field, got)
				}
			}
		})
	}
}

// TestInitOfDialects has init look at the fixtures of the documented dialects: what
// it proposes reads the same titles, dates, ids and locations as their profiles do, and
// status, tags, actors and importance wherever these do.
func TestInitOfDialects(t *testing.T) {
	folders, err := filepath.Glob("testdata/dialects/*.golden")
	if err != nil || len(folders) != 8 {
		t.Fatalf("%d dialects, %v", len(folders), err)
	}
	for _, golden := range folders {
		t.Run(strings.TrimSuffix(filepath.Base(golden), ".golden"), func(t *testing.T) {
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			dir, err := filepath.Abs(strings.TrimSuffix(golden, ".golden"))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "config.yaml")
			tocsin(t, exitDone, "init", "-o", path, dir)
			got, _ := readAll(t, path)
			read := eventsOf(got)
			for name, fields := range eventsOf(string(want)) {
				// The profile's folder may be one below.
				var mine map[string]string
				for p, f := range read {
					if strings.HasSuffix("/"+p, "/"+name) {
						mine = f
					}
				}
				if mine == nil {
					t.Errorf("%s is not read", name)
					continue
				}
				// A file does not say in which zone its times are.
				minute := func(date string) string { return date[:min(len("2024-03-04T16:45"), len(date))] }
				mine["date"], fields["date"] = minute(mine["date"]), minute(fields["date"])
				for _, field := range []string{"title", "date", "location"} {
					if mine[field] != fields[field] {
						t.Errorf("%s: %s is %q, want %q", name, field, mine[field], fields[field])
					}
				}
				for _, field := range []string{"importance", "status", "tags", "actors"} {
					if fields[field] != "" && mine[field] == "" {
						t.Errorf("%s: no %s, want %q", name, field, fields[field])
					}
				}
				if (mine["draft"] == "") != (fields["draft"] == "") || mine["expires"] != fields["expires"] {
					t.Errorf("%s: hidden by %q and %q, want %q and %q", name, mine["draft"], mine["expires"], fields["draft"], fields["expires"])
				}
				if !strings.HasSuffix("/"+mine["id"], "/"+fields["id"]) {
					t.Errorf("%s: the id is %q, want %q", name, mine["id"], fields["id"])
				}
			}
		})
	}
}

// eventsOf takes the golden text of events apart: path, field, value.
func eventsOf(text string) map[string]map[string]string {
	all := make(map[string]map[string]string)
	for part := range strings.SplitSeq(text, "== ") {
		lines := strings.Split(part, "\n")
		if !strings.HasSuffix(lines[0], ".md") && !strings.HasSuffix(lines[0], ".markdown") {
			continue
		}
		fields := make(map[string]string)
		for _, l := range lines[1:] {
			name, value, ok := strings.Cut(l, ": ")
			if !ok {
				value = "yes"
			}
			fields[name] = value
		}
		all[lines[0]] = fields
	}
	return all
}
