package watch

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// These tests use the real inotify. They wait for hints, never for time.

func TestSaves(t *testing.T) {
	for _, tt := range []struct {
		name string
		save func(r *rig)
	}{
		{"in place", func(r *rig) { r.write("d/a.md", "new") }},
		{"vim", func(r *rig) {
			r.write("d/.a.md.swp", "")
			r.write("d/4913", "")
			r.must(os.Remove(r.path("d/4913")))
			r.rename("d/a.md", "d/a.md~")
			r.write("d/a.md", "new")
			r.must(os.Remove(r.path("d/a.md~")))
			r.must(os.Remove(r.path("d/.a.md.swp")))
		}},
		{"sed -i, rsync", func(r *rig) {
			r.write("d/.a.md.tmp", "new")
			r.rename("d/.a.md.tmp", "d/a.md")
		}},
		{"git", func(r *rig) {
			r.must(os.Remove(r.path("d/a.md")))
			r.write("d/a.md", "new")
		}},
		{"truncate, then write", func(r *rig) {
			r.must(os.Truncate(r.path("d/a.md"), 0))
			r.write("d/a.md", "new")
		}},
		{"removed", func(r *rig) { r.must(os.Remove(r.path("d/a.md"))) }},
		{"mode", func(r *rig) { r.must(os.Chmod(r.path("d/a.md"), 0o600)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			(&rig{T: t, dir: dir}).write("d/a.md", "old")
			r := start(t, Options{Dir: dir})
			tt.save(r)
			r.told("d/a.md")
			r.agree()
		})
	}
}

func TestCopiedFolders(t *testing.T) {
	r := start(t, Options{})
	for i := range 500 {
		r.write(fmt.Sprintf("copy/%d/%d/%d.md", i%10, i%100, i), fmt.Sprint(i))
	}
	r.agree()
	if n := len(r.mirror); n != 500 {
		t.Errorf("%d files", n)
	}
	r.live("copy/9/99/499.md")
}

func TestFlatFolder(t *testing.T) {
	r := start(t, Options{})
	for i := range 2000 {
		r.write(fmt.Sprintf("%d.md", i), "x")
	}
	r.agree()
}

func TestRenamedFolder(t *testing.T) {
	r := start(t, Options{})
	r.write("a/sub/x.md", "1")
	r.agree()
	r.rename("a", "b")
	r.agree()
	r.live("b/sub/x.md")
	r.rename("b", "b2")
	r.rename("b2", "b")
	r.write("b/sub/x.md", "3")
	r.agree()
	r.live("b/sub/x.md")
}

func TestFolderMovedDown(t *testing.T) {
	r := start(t, Options{})
	r.write("a/x.md", "1")
	r.agree()
	r.rename("a", "t")
	r.must(os.Mkdir(r.path("a"), 0o755))
	r.rename("t", "a/b")
	r.agree()
	r.live("a/b/x.md")
	r.live("a/y.md")
}

func TestSwappedFolders(t *testing.T) {
	r := start(t, Options{})
	r.write("a/sub/x.md", "a")
	r.write("b/sub/x.md", "b")
	r.agree()
	for range 10 {
		r.rename("a", "t")
		r.rename("b", "a")
		r.rename("t", "b")
		r.agree()
		for _, p := range []string{"a/sub/x.md", "b/sub/x.md"} {
			r.live(p)
		}
	}
}

func TestFolderReplacedByFile(t *testing.T) {
	r := start(t, Options{})
	r.write("a/x.md", "1")
	r.agree()
	r.rename("a", "b")
	r.write("a", "a file")
	r.agree()
	r.must(os.Remove(r.path("a")))
	r.write("a/x.md", "a folder again")
	r.agree()
	r.live("a/x.md")
}

func TestHiddenNames(t *testing.T) {
	r := start(t, Options{})
	r.write(".git/objects/x", "1")
	r.write(".tmp-1", "1")
	r.write("a/.b/c.md", "1")
	r.agree() // with a, which came in the same breath
	r.write(".git/objects/y", "1")
	r.write("a/.b/d.md", "1")
	r.write("a/seen.md", "1")
	h := r.next()
	if got := show(h); got != "a/seen.md (notified)" && got != "a (notified)" {
		t.Errorf("hint: %s", got)
	}
}

// Kubernetes writes a new folder ..TIME, and renames a symlink over ..data.
func TestDataSwap(t *testing.T) {
	dir := t.TempDir()
	set := &rig{T: t, dir: dir}
	set.write("map/..1/a.md", "1")
	set.must(os.Symlink("..1", set.path("map/..data")))
	set.must(os.Symlink("..data/a.md", set.path("map/a.md")))
	r := start(t, Options{Dir: dir})
	r.write("map/..2/a.md", "2")
	r.must(os.Symlink("..2", r.path("map/..data_tmp")))
	r.rename("map/..data_tmp", "map/..data")
	if h := r.next(); !h.Full {
		t.Errorf("hint: %s", show(h))
	}
	r.agree()
}

func TestUnreadableFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := t.TempDir()
	set := &rig{T: t, dir: dir}
	set.write("a/x.md", "1")
	set.must(os.Chmod(set.path("a"), 0))
	r := start(t, Options{Dir: dir})
	r.must(os.Chmod(r.path("a"), 0o755))
	r.told("a")
	r.live("a/x.md")
}

// A folder that is moved out and deleted before its events are read makes
// fsnotify send an error with its mutex held, while the new folders of the next
// round keep Add busy. Together that was a deadlock.
func TestMovedOutAndDeleted(t *testing.T) {
	const rounds, each = 20, 50
	var gate sync.Mutex // no event passes while it is locked
	r := start(t, Options{Settle: 5 * time.Millisecond}, func(w *Watcher) {
		open := w.open
		w.open = func() (*source, error) {
			s, err := open()
			from, to := s.events, make(chan fsnotify.Event)
			s.events = to
			go func() {
				defer close(to)
				for e := range from {
					gate.Lock()
					to <- e
					gate.Unlock()
				}
			}()
			return s, err
		}
	})
	out := t.TempDir()
	folder := func(round, i int) string { return fmt.Sprintf("%d-%d", round, i) }
	unread := func(round int) {
		gate.Lock()
		defer gate.Unlock()
		for i := range each {
			r.must(os.MkdirAll(r.path(folder(round, i)+"/sub/sub"), 0o755))
			if round == 0 {
				continue
			}
			gone := folder(round-1, i)
			r.must(os.Rename(r.path(gone), filepath.Join(out, gone)))
			r.must(os.RemoveAll(filepath.Join(out, gone)))
		}
	}
	for round := range rounds {
		unread(round)
		if round > 0 {
			r.logged("watching everything anew")
		}
		r.live(folder(round, each-1) + "/sub/sub/x.md")
	}
}

// The order in which events and walks meet is left to chance elsewhere; here
// the walk is first.
func TestFolderFoundBeforeItsRename(t *testing.T) {
	set := &rig{T: t, dir: t.TempDir()}
	set.write("a/sub/x.md", "1")
	src, err := openSource()
	set.must(err)
	src.start()
	defer func() { set.must(src.stop()) }()
	tr := newTree(set.dir, src, slog.New(slog.DiscardHandler))
	set.must(tr.add("."))
	set.rename("a", "b")
	set.must(tr.add("b"))
	set.write("b/sub/x.md", "2")
	for {
		select {
		case <-src.ready:
			names, _ := src.take()
			for name := range names {
				switch rel := tr.rel(name); rel {
				case "b/sub/x.md":
					return
				case "a/sub/x.md":
					t.Fatal("the write is reported at", rel)
				}
			}
		case <-time.After(patience):
			t.Fatal("the write is not reported")
		}
	}
}

func TestDroppedFolders(t *testing.T) {
	set := &rig{T: t, dir: t.TempDir()}
	for _, p := range []string{"a/sub/x.md", "a-b/x.md", "b/x.md"} {
		set.write(p, "1")
	}
	open, made := fakes()
	src, _ := open()
	tr := newTree(set.dir, src, slog.New(slog.DiscardHandler))
	set.must(tr.add("."))
	check := func(want ...string) {
		t.Helper()
		got := made()[0].list()
		for i := range got {
			got[i] = tr.rel(got[i])
		}
		slices.Sort(got)
		if known := slices.Sorted(maps.Keys(tr.ids)); !slices.Equal(got, want) || !slices.Equal(known, want) || len(tr.paths) != len(want) {
			t.Errorf("watched %v, known %v, %d inodes; want %v", got, known, len(tr.paths), want)
		}
	}
	event := func(p string, op fsnotify.Op) {
		t.Helper()
		_, err := tr.update(map[string]fsnotify.Op{tr.abs(p): op})
		set.must(err)
	}
	check(".", "a", "a-b", "a/sub", "b")
	set.rename("a", "c")
	event("a", fsnotify.Rename)
	check(".", "a-b", "b")
	event("c", fsnotify.Create)
	check(".", "a-b", "b", "c", "c/sub")
	set.must(os.RemoveAll(set.path("b")))
	event("b", fsnotify.Remove)
	check(".", "a-b", "c", "c/sub")
	set.rename("c", "b")
	event("c", fsnotify.Write) // no reason to drop it
	check(".", "a-b", "c", "c/sub")
	event("b", fsnotify.Create) // but this is
	check(".", "a-b", "b", "b/sub")
}

// Random renames, copies and removals of folders, then a write into each
// folder that is left: all must be seen, under the right name.
func TestRandomMoves(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			r := start(t, Options{Settle: 5 * time.Millisecond})
			out := t.TempDir()
			folder := func() string {
				p := string(rune('a' + rnd.IntN(3)))
				for range rnd.IntN(3) {
					p = path.Join(p, string(rune('a'+rnd.IntN(3))))
				}
				return p
			}
			for i := range 300 {
				switch from, to := r.path(folder()), r.path(folder()); rnd.IntN(8) {
				case 0:
					_ = os.RemoveAll(from)
				case 1:
					_ = os.Rename(from, filepath.Join(out, fmt.Sprint(i)))
				case 2, 3, 4:
					_ = os.Rename(from, to)
				case 5:
					select {
					case h := <-r.w.Hints():
						r.look(h)
					default:
					}
				default:
					_ = os.MkdirAll(from, 0o755)
					_ = os.WriteFile(filepath.Join(from, "x.md"), []byte(fmt.Sprint(i)), 0o644)
				}
			}
			r.agree()
			for _, p := range folders(t, r.dir) {
				r.live(path.Join(p, "probe.md"))
			}
		})
	}
}

// folders returns the paths of all folders below dir.
func folders(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			rel, _ := filepath.Rel(dir, name)
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
