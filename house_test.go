package tocsin_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says which of the project's packages each one may import. Data flows
// one way, so the arrows are few and have no circle; a new package states its
// own here.
var arrows = map[string][]string{
	"config":            {},
	"event":             {},
	"lint":              {"event"},
	"watch":             {},
	"survey":            {"event"},
	"timeline":          {"event"},
	"ledger":            {"event", "timeline"},
	"ledger/ledgertest": {},
	"shelf":             {"event"},
	"feed":              {"event", "timeline"},
	"feed/feedtest":     {},
	"web":               {"event", "timeline", "feed"},
	"web/bucket":        {"web"},
	"notify":            {"event", "timeline"},
	"notify/sink":       {"event", "notify"},
	"notify/outbox":     {"ledger", "notify"},
	"bench/generate":    {},
	"bench/measure":     {"bench/generate"},
	// A module of its own, whose tools the program does not need.
	"packaging/probe": {},
	"packaging/texts": {},
	"cmd/tocsin": {"config", "event", "feed", "ledger", "lint", "notify", "notify/outbox", "notify/sink",
		"shelf", "survey", "timeline", "watch", "web", "web/bucket"},
}

// TestArrows reads the imports of every Go file, of all systems and build tags.
// A package's own tests may import it too, and all that it stands on.
func TestArrows(t *testing.T) {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch base := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (base == "testdata" || name != "." && strings.ContainsAny(base[:1], "._")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(base, ".go"):
			return nil
		}
		name = filepath.ToSlash(name)
		pkg := path.Dir(name)
		allowed, ok := arrows[pkg]
		if !ok && name != "house_test.go" {
			t.Errorf("%s: package %s is not in house_test.go: say there what it may import", name, pkg)
			return nil
		}
		if strings.HasSuffix(name, "_test.go") {
			allowed = append(below(pkg), "feed/feedtest", "ledger/ledgertest", "bench/generate") // which are made for tests
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.FromSlash(name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if own, ok := strings.CutPrefix(imported, "tocsin/"); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s: %s may not import %s, only %q", set.Position(spec.Pos()), pkg, own, allowed)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// below returns a package and all that its arrows lead to.
func below(pkg string) []string {
	all := []string{pkg}
	for i := 0; i < len(all); i++ {
		for _, next := range arrows[all[i]] {
			if !slices.Contains(all, next) {
				all = append(all, next)
			}
		}
	}
	return all
}
