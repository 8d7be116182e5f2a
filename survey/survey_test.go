package survey

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is proposed into testdata")

// golden is the part of an archive that says what is to be proposed.
const golden = "config.golden"

// TestProposals goes through the folders of testdata, each of which nobody has
// described.
func TestProposals(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives: ", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			p := Survey(filesOf(archive), time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC))
			got := p.Config(Place{Dir: "events", Name: "events", Title: "Events"})
			at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == golden })
			if *update {
				if at < 0 {
					archive.Files = append(archive.Files, txtar.File{Name: golden})
					at = len(archive.Files) - 1
				}
				archive.Files[at].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if at < 0 || string(archive.Files[at].Data) != got {
				t.Errorf("proposed, otherwise than %s of %s says (go test -update):\n%s", golden, name, got)
			}
		})
	}
}

func filesOf(archive *txtar.Archive) []File {
	var files []File
	for _, f := range archive.Files {
		if f.Name != golden {
			files = append(files, File{Path: f.Name, Data: f.Data})
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files
}

// proposal surveys n files that differ in their numbers, from 1.
func proposal(n int, file func(i int) (path, text string)) *Proposal {
	var files []File
	for i := 1; i <= n; i++ {
		path, text := file(i)
		files = append(files, File{path, []byte(text)})
	}
	return Survey(files, time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC))
}

// Two posts have their date in their names alone, among many pages that are no
// events: the other posts, whose names agree with their keys, say that these count.
func TestPathsThatAgree(t *testing.T) {
	file := func(date int) func(i int) (string, string) {
		return func(i int) (string, string) {
			switch {
			case i <= 4:
				return fmt.Sprintf("posts/2020-05-%02d-x.md", i), fmt.Sprintf("---\ntitle: X\ndate: 2020-05-%02d\n---\n", i+date)
			case i <= 6:
				return fmt.Sprintf("posts/2020-05-%02d-x.md", i), "---\ntitle: X\n---\n"
			}
			return fmt.Sprintf("pages/%02d.md", i), "---\ntitle: A page\n---\n"
		}
	}
	if p := proposal(60, file(0)); p.Events != 6 || len(p.Dialect.Fields["date"]) != 2 {
		t.Errorf("%d events by %q, want 6", p.Events, p.Dialect.Fields["date"])
	}
	if p := proposal(60, file(1)); p.Events != 4 || len(p.Dialect.Fields["date"]) != 1 {
		t.Errorf("%d events by %q where paths contradict, want 4", p.Events, p.Dialect.Fields["date"])
	}
}

// Where both could be read, the paths tell whether the day or the month is first, and
// otherwise a note says that it is a guess.
func TestDayOrMonthFirst(t *testing.T) {
	for _, c := range []struct{ path, date, want string }{
		{"2023-%02[1]d-10.md", "10/%02[1]d/2023", "2/1/2006"},
		{"2023-%02[1]d-10.md", "%02[1]d/10/2023", "1/2/2006"},
		{"%02[1]d.md", "%02[1]d/10/2023", "2/1/2006"},
		{"%02[1]d.md", "%02[1]d/25/2023", "1/2/2006"},
	} {
		p := proposal(9, func(i int) (string, string) {
			return fmt.Sprintf(c.path, i), fmt.Sprintf("---\ntitle: X\ndate: "+c.date+"\n---\n", i)
		})
		if !slices.Equal(p.Dialect.DateLayouts, []string{c.want}) {
			t.Errorf("%s, %s: %q, want %s", c.path, c.date, p.Dialect.DateLayouts, c.want)
		}
		if guess := c.path == "%02[1]d.md" && c.want == "2/1/2006"; guess != (len(p.Notes["date"]) > 0) {
			t.Errorf("%s, %s: notes %q", c.path, c.date, p.Notes["date"])
		}
	}
}

// A date in a text counts where the words around it are the same in all files.
func TestDatesInTexts(t *testing.T) {
	for text, want := range map[string]int{
		"Seen on May NN, 2020 by us.":               9,
		"Seen on May NN, 2020 by the WORD one.":     0,
		"Seen in the garden, and who knows when NN": 0,
	} {
		p := proposal(9, func(i int) (string, string) {
			own := strings.NewReplacer("NN", fmt.Sprintf("%02d", i), "WORD", strings.Repeat("x", i)).Replace(text)
			return fmt.Sprintf("%d.md", i), "# A fox\n\n" + own + "\n"
		})
		if p.Events != want {
			t.Errorf("%s: %d events by %q and %q, want %d", text, p.Events, p.Dialect.Fields["date"], p.Dialect.DateLayouts, want)
		}
	}
}
