package survey

import (
	"flag"
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
