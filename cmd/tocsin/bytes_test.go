package main

import (
	"crypto/sha256"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/feed/feedtest"
)

// collections are folders of events to build: the sample events and, where they
// are beside the project, real ones.
func collections(t *testing.T) []string {
	all := []string{"../../seeds"}
	for _, name := range []string{"hugo", "dirty"} {
		dir := "../../../shared/corpus/" + name
		if _, err := os.Stat(dir); err != nil {
			t.Log("left out, as it is not beside the project: ", err)
			continue
		}
		all = append(all, dir)
	}
	return all
}

// builder builds events that lie below a folder of its own.
type builder struct {
	t   *testing.T
	dir string
}

func newBuilder(t *testing.T, events string) *builder {
	t.Helper()
	b := &builder{t: t, dir: t.TempDir()}
	if err := os.CopyFS(filepath.Join(b.dir, "events"), os.DirFS(events)); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(b.dir, "events", "README.md")) // says where they come from
	config := "site: {title: Test, url: \"https://example.org/record\", authority: \"example.org,2025\"}\nevents: {dir: events}\nstore: state/tocsin.db\n"
	if err := os.WriteFile(filepath.Join(b.dir, "config.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return b
}

// build runs the program, with a changed environment, and returns what it wrote.
// Files with faults are left out; they are others' business.
func (b *builder) build(out string, env ...string) string {
	b.t.Helper()
	out = filepath.Join(b.dir, out)
	cmd := exec.Command(os.Args[0], "build", "-config", filepath.Join(b.dir, "config.yaml"), "-out", out)
	cmd.Env = append(append(os.Environ(), asTocsin+"=1"), env...)
	if text, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != exitFaults {
		b.t.Fatalf("build: %v\n%s", err, text)
	}
	return out
}

// contents are the hashes of all files below a folder, by their path.
func contents(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	all := make(map[string][sha256.Size]byte)
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(root, p)
		all[p] = sha256.Sum256(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameBytes fails unless two folders hold the same files.
func sameBytes(t *testing.T, what, want, got string) {
	t.Helper()
	a, b := contents(t, want), contents(t, got)
	if len(a) < 20 {
		t.Fatalf("only %d files were built", len(a))
	}
	differ := 0
	for _, name := range slices.Sorted(maps.Keys(a)) {
		other, ok := b[name]
		delete(b, name)
		if ok && other == a[name] {
			continue
		}
		if differ++; differ > 5 {
			continue
		}
		before, _ := os.ReadFile(filepath.Join(want, filepath.FromSlash(name)))
		after, _ := os.ReadFile(filepath.Join(got, filepath.FromSlash(name)))
		i := 0
		for i < len(before) && i < len(after) && before[i] == after[i] {
			i++
		}
		i = max(0, i-60)
		t.Errorf("%s: %s differs: …%.160q… and …%.160q…", what, name, before[min(i, len(before)):], after[min(i, len(after)):])
	}
	for name := range b {
		if differ++; differ <= 5 {
			t.Errorf("%s: %s is only in one of them", what, name)
		}
	}
	if differ > 0 {
		t.Errorf("%s: %d files of %d differ", what, differ, len(a))
	}
}

// touched gives every file below a folder another time.
func touched(t *testing.T, dir string, at time.Time) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(p, at, at)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSameBytes builds the same events on what might be other machines: the bytes
// are the same, those of every feed and of every page.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	if raced() {
		t.Skip("too slow under the race detector; .ci/run runs it without")
	}
	for _, events := range collections(t) {
		t.Run(filepath.Base(events), func(t *testing.T) {
			here := newBuilder(t, events)
			first := here.build("first", "TZ=UTC", "LC_ALL=C")
			judgeAll(t, first)
			if filepath.Base(events) == "dirty" {
				return // what is left would take long for what it adds
			}

			// Another folder, zone, language and number of processors, files of
			// another time, and nothing known of them: a clone on another machine.
			there := newBuilder(t, events)
			touched(t, filepath.Join(there.dir, "events"), time.Now().AddDate(-3, 0, 0))
			sameBytes(t, "on another machine", first,
				there.build("public", "TZ=Pacific/Kiritimati", "LC_ALL=tr_TR.UTF-8", "LANG=tr_TR.UTF-8", "GOMAXPROCS=1"))

			// The next day, with every file touched, from what is known.
			touched(t, filepath.Join(here.dir, "events"), time.Now())
			sameBytes(t, "built again", first,
				here.build("again", "TZ=America/St_Johns", "LC_ALL=de_DE.UTF-8", "GOMAXPROCS=2"))
		})
	}
}

// judgeAll holds every feed of a folder to the rules.
func judgeAll(t *testing.T, dir string) {
	t.Helper()
	judge := &feedtest.Judge{Now: time.Now()}
	n, faults := 0, 0
	for name := range contents(t, filepath.Join(dir, "feeds")) {
		b, err := os.ReadFile(filepath.Join(dir, "feeds", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		n++
		for _, f := range judge.Judge("https://example.org/record/feeds/"+escaped(name), b) {
			if faults++; faults <= 20 {
				t.Errorf("%s: %v", name, f)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d feeds", n)
	}
	if faults > 0 {
		t.Errorf("%d faults in %d feeds", faults, n)
	}
	t.Logf("%d feeds", n)
}

// escaped is a path of files as an address has it.
func escaped(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
