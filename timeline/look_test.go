package timeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tocsin/event"
)

// later is a clock by which every file has rested.
func later() time.Time { return time.Now().Add(time.Hour) }

// folder is an events folder and the timeline of it.
type folder struct {
	*testing.T
	dir string
	tl  *Timeline
}

func newFolder(t *testing.T, tweak ...func(*Options)) *folder {
	t.Helper()
	f := &folder{T: t, dir: t.TempDir()}
	f.tl = Empty(f.options(tweak...))
	return f
}

func (f *folder) options(tweak ...func(*Options)) Options {
	o := Options{
		Dir: f.dir, Include: []string{"**/*.md"}, Reader: event.NewReader(event.Dialect{}),
		Settle: time.Minute, Now: time.Now,
	}
	for _, change := range tweak {
		change(&o)
	}
	return o
}

// again is a new timeline of the folder, as after a restart.
func (f *folder) again(kept []*event.Event, tweak ...func(*Options)) {
	f.tl = Empty(f.options(tweak...))
	f.tl.Keep(slices.Values(kept))
}

func (f *folder) at(p string) string { return filepath.Join(f.dir, filepath.FromSlash(p)) }

func (f *folder) try(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// write writes an event with a title, and more lines of front matter.
func (f *folder) write(p, title string, more ...string) {
	f.Helper()
	f.raw(p, "---\ntitle: "+title+"\ndate: 2025-01-28\n"+strings.Join(append(more, ""), "\n")+"---\nBody.\n")
}

func (f *folder) raw(p, content string) {
	f.Helper()
	f.try(os.MkdirAll(filepath.Dir(f.at(p)), 0o755))
	f.try(os.WriteFile(f.at(p), []byte(content), 0o644))
}

const broken = "---\ntitle: Broken\ndate: soon\n---\n"

func (f *folder) remove(p string) { f.Helper(); f.try(os.RemoveAll(f.at(p))) }

func (f *folder) look(w Where) Found {
	f.Helper()
	found, err := f.tl.Look(f.Context(), w)
	f.try(err)
	return found
}

// all looks at everything and is sure.
func (f *folder) all() Found { f.Helper(); return f.look(Where{All: true, Sure: true}) }

// has checks the public events, as id=title.
func (f *folder) has(want ...string) {
	f.Helper()
	var got []string
	for id := range f.tl.claims {
		if e := f.tl.Event(id); e != nil {
			got = append(got, id+"="+e.Title)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		f.Errorf("events: %q, want %q", got, want)
	}
}

// faulty checks the faults by their beginnings.
func (f *folder) faulty(want ...string) {
	f.Helper()
	got := f.tl.Faults()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(got); i++ {
		ok = strings.HasPrefix(got[i].Error(), want[i])
	}
	if !ok {
		f.Errorf("faults: %q, want %q", got, want)
	}
}

func ids(t *testing.T, found Found, want ...string) {
	t.Helper()
	if !slices.Equal(found.IDs, want) {
		t.Errorf("ids: %q, want %q", found.IDs, want)
	}
}

func TestFirstLook(t *testing.T) {
	f := newFolder(t)
	ids(t, f.all())
	f.write("b.md", "B")
	f.write("sub/a.md", "A")
	f.write("c.md", "C", "id: another")
	found := f.all()
	ids(t, found, "another", "b", "sub/a")
	if found.Read != 3 || found.Files != 3 || found.Again != nil || f.tl.Len() != 3 {
		t.Errorf("found: %+v, %d files", found, f.tl.Len())
	}
	f.has("another=C", "b=B", "sub/a=A")
	f.faulty()
	all := maps.Collect(f.tl.All())
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, found.IDs) || all["b"] == nil || all["b"] != f.tl.Event("b") {
		t.Errorf("all: %v", all)
	}
}

func TestLookReadsWhatDiffers(t *testing.T) {
	f := newFolder(t, func(o *Options) { o.Now = later })
	f.write("a.md", "A")
	f.write("b.md", "B")
	f.write("c.md", "C", "id: [")
	f.all()
	if found := f.all(); found.Read != 0 || len(found.IDs) != 0 || found.Files != 3 {
		t.Errorf("an unchanged folder: %+v", found)
	}
	f.write("b.md", "B, revised")
	found := f.all()
	ids(t, found, "b")
	if found.Read != 1 {
		t.Errorf("read %d files for one edit", found.Read)
	}
	f.has("a=A", "b=B, revised")
}

// A file that was written within the clock's tick may change and look the same.
func TestLookReadsYoungFilesAgain(t *testing.T) {
	var now time.Time
	f := newFolder(t, func(o *Options) { o.Now = func() time.Time { return now } })
	f.write("a.md", "A")
	fi, err := os.Stat(f.at("a.md"))
	f.try(err)
	rested := time.Unix(0, statOf(fi).ctime).Add(time.Minute)
	for _, step := range []struct {
		now  time.Time
		read int
	}{
		{rested.Add(-1), 1}, {rested.Add(-1), 1}, {rested, 1}, {rested, 0}, {rested.Add(-time.Hour), 0},
	} {
		now = step.now
		if found := f.all(); found.Read != step.read {
			t.Errorf("%v after it was written: read %d files, want %d", now.Sub(rested)+time.Minute, found.Read, step.read)
		}
	}
}

func TestSameBytesAgain(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.all()
	before := f.tl.Event("a")
	f.write("new", "A")
	f.try(os.Rename(f.at("new"), f.at("a.md")))
	found := f.all()
	ids(t, found)
	if found.Read != 1 || f.tl.Event("a") != before {
		t.Errorf("found %+v, the event %p, before %p", found, f.tl.Event("a"), before)
	}
}

func TestGoneWhenMissedTwice(t *testing.T) {
	f := newFolder(t)
	for _, p := range []string{"a.md", "b.md", "c.md", "d.md"} {
		f.write(p, "T")
	}
	f.all()
	f.remove("a.md")
	f.write("b.md", "B2")
	deferred := func(w Where) {
		t.Helper()
		found := f.look(w)
		if !found.Held || !slices.Equal(found.Again, w.Places()) || len(found.IDs) != 0 || found.Read != 0 {
			t.Errorf("a look that misses a file: %+v", found)
		}
		f.has("a=T", "b=T", "c=T", "d=T")
	}
	deferred(Where{All: true})
	f.remove("c.md") // which the look before did not miss
	deferred(Where{All: true})
	f.look(Where{Paths: []string{"d.md"}}) // which misses nothing
	deferred(Where{Paths: []string{"a.md"}})
	deferred(Where{Paths: []string{"a.md", "b.md", "c.md"}})
	found := f.look(Where{Paths: []string{"a.md", "b.md", "c.md"}})
	ids(t, found, "a", "b", "c")
	if found.Again != nil || found.Held || found.Files != 2 {
		t.Errorf("the second look: %+v", found)
	}
	f.has("b=B2", "d=T")

	// What is back by the second look was never gone.
	f.remove("b.md")
	if !f.look(Where{Paths: []string{"b.md"}}).Held {
		t.Error("a missing file asks for no second look")
	}
	f.write("b.md", "B2")
	ids(t, f.look(Where{Paths: []string{"b.md"}}))
	f.has("b=B2", "d=T")

	// Who is sure needs no second look.
	f.remove("b.md")
	ids(t, f.look(Where{Paths: []string{"b.md"}, Sure: true}), "b")
	f.has("d=T")
}

func TestFolders(t *testing.T) {
	f := newFolder(t)
	f.write("keep.md", "K")
	f.write("sub/a.md", "A")
	f.write("sub/deep/er/b.md", "B")
	f.write("subject.md", "S")
	f.all()
	f.write("new/and/deep/c.md", "C")
	ids(t, f.look(Where{Paths: []string{"new"}}), "new/and/deep/c")
	f.remove("sub")
	if found := f.look(Where{Paths: []string{"sub"}}); !found.Held {
		t.Errorf("a missing folder: %+v", found)
	}
	ids(t, f.look(Where{Paths: []string{"sub"}, Sure: true}), "sub/a", "sub/deep/er/b")
	f.has("keep=K", "new/and/deep/c=C", "subject=S")

	// A renamed folder, looked at from both ends.
	f.try(os.Rename(f.at("new"), f.at("old")))
	ids(t, f.look(Where{Paths: []string{"old", "new"}, Sure: true}), "new/and/deep/c", "old/and/deep/c")
	f.has("keep=K", "old/and/deep/c=C", "subject=S")

	// A file where a folder was, and a folder where a file was.
	f.remove("old")
	f.raw("old", "not an event")
	f.remove("keep.md")
	f.write("keep.md/inside.md", "I")
	ids(t, f.look(Where{Paths: []string{"old/and/deep/c.md", "keep.md"}, Sure: true}), "keep", "keep.md/inside", "old/and/deep/c")
	f.has("keep.md/inside=I", "subject=S")
	f.faulty()
	if len(f.tl.below) != 2 { // the folder itself and keep.md
		t.Errorf("folders: %v", f.tl.below)
	}
}

func TestWhatBelongs(t *testing.T) {
	f := newFolder(t, func(o *Options) {
		o.Include = []string{"**/*.md", "extra/*.txt"}
		o.Exclude = []string{"drafts/**", "**/README.md"}
	})
	for _, p := range []string{
		"a.md", "x/y/b.md", "extra/c.txt", "extra/sub/d.txt", "e.txt", "drafts/f.md", "drafts/g/h.md", "README.md", "x/README.md",
		".hidden.md", ".git/i.md", "x/.obsidian/j.md", "x/.k.md", "l.md~", "m.MD",
	} {
		f.write(p, "T")
	}
	f.try(os.Mkdir(f.at("folder.md"), 0o755))
	f.try(unix.Mkfifo(f.at("pipe.md"), 0o644))
	ids(t, f.all(), "a", "extra/c", "x/y/b")
	for _, p := range []string{"..", "../x.md", "/etc/passwd", ".git", ".git/i.md", "x/.k.md", "drafts/f.md", "nowhere", "e.txt", "pipe.md", "x/../../y"} {
		found := f.look(Where{Paths: []string{p}, Sure: true})
		if len(found.IDs) != 0 || found.Files != 3 || found.Again != nil {
			t.Errorf("a hint at %s: %+v", p, found)
		}
	}
}

func TestBrokenFileKeepsItsLastGoodVersion(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.all()
	good := f.tl.Event("a")
	f.raw("a.md", broken)
	for range 2 {
		ids(t, f.all())
		f.faulty("a.md:3: ")
		if f.tl.Event("a") != good {
			t.Errorf("the event of a broken file: %v", f.tl.Event("a"))
		}
	}
	f.write("a.md", "A, mended")
	ids(t, f.all(), "a")
	f.has("a=A, mended")
	f.faulty()

	// The old bytes again after a fault.
	f.raw("a.md", broken)
	f.all()
	f.write("a.md", "A, mended")
	f.all()
	f.has("a=A, mended")
	f.faulty()

	f.raw("never.md", broken)
	ids(t, f.all())
	f.has("a=A, mended")
	f.faulty("never.md:3: ")
	f.remove("never.md")
	f.remove("a.md")
	f.all()
	f.has()
	f.faulty()
}

func TestTooLarge(t *testing.T) {
	f := newFolder(t, func(o *Options) {
		o.MaxBytes = 200
		o.Reader = event.NewReader(event.Dialect{MaxBytes: 200})
	})
	f.write("a.md", "A")
	f.all()
	f.write("a.md", strings.Repeat("A", 1<<20))
	f.all()
	f.has("a=A")
	f.faulty("a.md:1: ")
}

func TestKeep(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.write("b.md", "B")
	f.write("sub/c.md", "C")
	f.write("other.txt", "O")
	f.all()
	kept := []*event.Event{f.tl.Event("a"), f.tl.Event("b"), f.tl.Event("sub/c"), an("other", "O", at("other.txt"))}
	f.raw("a.md", broken)
	f.write("b.md", "B2")

	f.again(kept)
	ids(t, f.look(Where{All: true}), "a", "b", "sub/c")
	f.has("a=A", "b=B2", "sub/c=C")
	f.faulty("a.md:3: ")

	// What was removed for good brings back no old version.
	f.remove("a.md")
	f.all()
	f.raw("a.md", broken)
	f.all()
	f.has("b=B2", "sub/c=C")

	// A restart in the middle of a checkout: what is missing is not yet gone.
	f.remove("sub")
	f.again(kept[1:])
	if found := f.look(Where{All: true}); !found.Held || len(found.IDs) != 0 {
		t.Errorf("a first look that misses a file: %+v", found)
	}
	found := f.look(Where{All: true})
	ids(t, found, "b")
	if found.Again != nil {
		t.Errorf("the second look: %+v", found)
	}
	if found := f.look(Where{All: true}); found.Again != nil {
		t.Errorf("the look behind it: %+v", found)
	}
}

func TestKeepForFilesThatCannotBeReadAtFirst(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.all()
	kept := []*event.Event{f.tl.Event("a")}
	f.remove("a.md")
	f.try(os.Symlink("a.md", f.at("a.md")))
	f.again(kept)
	f.all()
	f.has("a=A")
	f.faulty("a.md:1: cannot be read: ")
	f.remove("a.md")
	f.write("a.md", "A2")
	ids(t, f.all(), "a")
	f.has("a=A2")
	f.faulty()
}

// A file that changes while it is read, or is gone between the walk and the
// reading, stays as it was known.
func TestFileInMotion(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.all()
	kept := f.tl.Event("a")
	f.remove("a.md")
	moving := survey{present: map[string]stat{"a.md": {size: 1}, "new.md": {size: 1}}}
	for _, restart := range []bool{false, true} {
		if restart {
			f.again([]*event.Event{kept})
		}
		found, err := f.tl.take(t.Context(), Where{All: true, Sure: true}, moving, nil)
		f.try(err)
		if !slices.Contains(found.Again, "a.md") {
			t.Errorf("restart %v: a file in motion asks for no second look", restart)
		}
		f.has("a=A")
	}
	ids(t, f.all(), "a")
	f.has()
}

// A file that was replaced since the survey is not what the survey judged.
func TestFileReplacedBehindTheSurvey(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.write("b.md", "B")
	var s survey
	s.present = make(map[string]stat)
	f.try(f.tl.walk(t.Context(), ".", &s))
	f.write("a.md", "Another")
	found, err := f.tl.take(t.Context(), Where{All: true}, s, nil)
	f.try(err)
	ids(t, found, "b")
	if !slices.Equal(found.Again, []string{"a.md"}) {
		t.Errorf("look again at %q", found.Again)
	}
	f.all()
	f.has("a=Another", "b=B")
}

func TestDuplicates(t *testing.T) {
	f := newFolder(t)
	f.write("b.md", "B", "id: same")
	f.write("c.md", "C", "id: same")
	f.all()
	f.has("same=B")
	f.faulty(`c.md:1: the id "same" is taken by b.md`)

	f.write("a.md", "A", "id: same")
	ids(t, f.all(), "same")
	f.has("same=A")
	f.faulty(`b.md:1: the id "same" is taken by a.md`, `c.md:1: the id "same" is taken by a.md`)

	f.remove("a.md")
	ids(t, f.all(), "same")
	f.has("same=B")

	// A broken file keeps its claim; one that takes another id gives it up.
	f.raw("b.md", broken)
	f.all()
	f.has("same=B")
	f.faulty("b.md:3: ", "c.md:1: ")
	f.write("b.md", "B", "id: own")
	ids(t, f.all(), "own", "same")
	f.has("own=B", "same=C")
	f.faulty()

	// A path may be the id that another file gives itself.
	f.write("own.md", "O")
	f.all()
	f.has("own=B", "same=C")
	f.faulty(`own.md:1: the id "own" is taken by b.md`)
}

func TestDrafts(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A", "draft: true")
	f.write("b.md", "B")
	ids(t, f.all(), "a", "b")
	f.has("b=B")
	if f.tl.Len() != 2 {
		t.Errorf("%d files", f.tl.Len())
	}
	f.write("a.md", "A")
	f.write("b.md", "B", "draft: true")
	ids(t, f.all(), "a", "b")
	f.has("a=A")
	f.faulty()
}

func TestRootAway(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.all()
	away := f.dir + ".away"
	f.try(os.Rename(f.dir, away))
	check := func(what string) {
		t.Helper()
		for _, w := range []Where{{All: true, Sure: true}, {Paths: []string{"a.md"}, Sure: true}} {
			found, err := f.tl.Look(t.Context(), w)
			if !errors.Is(err, ErrRoot) || len(found.IDs) != 0 {
				t.Errorf("%s: %+v, %v", what, found, err)
			}
			f.has("a=A")
			f.faulty()
		}
	}
	check("away")
	f.try(os.WriteFile(f.dir, nil, 0o644))
	check("a file in its place")
	f.try(os.Remove(f.dir))
	f.try(os.Rename(away, f.dir))
	ids(t, f.all())
	f.has("a=A")
}

func TestLookIsCancelled(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.tl.Look(ctx, Where{All: true, Sure: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled look: %v", err)
	}
	if f.tl.Len() != 0 {
		t.Errorf("a cancelled look took %d files", f.tl.Len())
	}
}

func TestProgress(t *testing.T) {
	f := newFolder(t)
	for i := range 20 {
		f.write(fmt.Sprintf("%d.md", i), "T")
	}
	seen := make(chan [2]int, 100)
	f.look(Where{All: true, Progress: func(done, all int) { seen <- [2]int{done, all} }})
	close(seen)
	most, calls := 0, 0
	for s := range seen {
		calls++
		most = max(most, s[0])
		if s[1] != 20 {
			t.Errorf("progress: %v", s)
		}
	}
	if most != 20 || calls != 20 {
		t.Errorf("progress: %d calls up to %d", calls, most)
	}
}

// asNobody calls f in a thread that may not read what others may not.
func asNobody(t *testing.T, dir string, f func()) {
	t.Helper()
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never again: the thread ends with the goroutine
		// On one core a look walks in its own goroutine.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		if os.Geteuid() == 0 {
			if err := unix.Setfsuid(65534); err != nil {
				done <- false
				return
			}
		}
		if _, err := os.ReadDir(dir); !errors.Is(err, fs.ErrPermission) {
			done <- false
			return
		}
		f()
		done <- true
	}()
	if !<-done {
		t.Skip("permissions do not bite here")
	}
}

func TestUnreadableFolderRemovesNothing(t *testing.T) {
	f := newFolder(t)
	f.try(os.Chmod(filepath.Dir(f.dir), 0o755))
	f.write("a.md", "A")
	f.write("sub/b.md", "B")
	f.write("sub/deep/c.md", "C")
	f.all()
	kept := []*event.Event{f.tl.Event("a"), f.tl.Event("sub/b"), f.tl.Event("sub/deep/c")}
	f.try(os.Chmod(f.at("sub"), 0))
	defer os.Chmod(f.at("sub"), 0o755)

	asNobody(t, f.at("sub"), func() {
		for _, p := range []string{".", "sub", "sub/b.md", "sub/deep", "sub/nothing"} {
			found, err := f.tl.Look(t.Context(), Where{Paths: []string{p}, Sure: true})
			if err != nil || found.Again != nil {
				t.Errorf("a look at %s: %+v, %v", p, found, err)
			}
			ids(t, found)
			f.has("a=A", "sub/b=B", "sub/deep/c=C")
		}
		f.faulty("sub/b.md:1: cannot be read: ", "sub/deep/c.md:1: cannot be read: ")

		// Nor after a restart.
		f.again(kept)
		found, err := f.tl.Look(t.Context(), Where{All: true})
		if err != nil || found.Again != nil {
			t.Errorf("the first look: %+v, %v", found, err)
		}
		f.has("a=A", "sub/b=B", "sub/deep/c=C")
		f.faulty("sub/b.md:1: cannot be read: ", "sub/deep/c.md:1: cannot be read: ")
	})
	f.try(os.Chmod(f.at("sub"), 0o755))
	f.write("sub/b.md", "B2")
	f.all()
	f.has("a=A", "sub/b=B2", "sub/deep/c=C")
	f.faulty()
}

// An event moves to where it cannot be read just now: it is not gone, and a look
// that cannot know better fails. But it does not fail forever.
func TestUnreadableFileIsWaitedFor(t *testing.T) {
	now := later()
	f := newFolder(t, func(o *Options) { o.MaxDelay, o.Now = 10*time.Second, func() time.Time { return now } })
	f.write("a.md", "A")
	f.write("b.md", "B")
	f.all()
	f.remove("a.md")
	f.try(os.Symlink("/proc/self/mem", f.at("sub.md"))) // reading its begin is an I/O error
	if _, err := os.ReadFile(f.at("sub.md")); !errors.Is(err, unix.EIO) {
		t.Skipf("no file is at hand that cannot be read: %v", err)
	}
	fails := func(w Where) {
		t.Helper()
		if found, err := f.tl.Look(t.Context(), w); err == nil || err.Error() != "sub.md cannot be read: input/output error" {
			t.Errorf("%+v, %v", found, err)
		}
		f.has("a=A", "b=B")
	}
	if found := f.look(Where{All: true}); !found.Held {
		t.Errorf("a look that misses something: %+v", found)
	}
	fails(Where{All: true})
	now = now.Add(9 * time.Second)
	f.write("b.md", "B2")
	f.look(Where{Paths: []string{"b.md"}}) // what is not concerned goes on
	f.has("a=A", "b=B2")
	f.write("b.md", "B")
	f.look(Where{Paths: []string{"b.md"}})
	fails(Where{Paths: []string{"sub.md"}})

	now = now.Add(time.Second)
	f.look(Where{All: true}) // misses it anew
	f.look(Where{All: true})
	f.has("b=B")
	f.faulty("sub.md:1: cannot be read: ")
	f.look(Where{All: true})
	f.remove("sub.md")
	f.write("sub.md", "A")
	f.look(Where{All: true})
	f.has("b=B", "sub=A")
	f.faulty()
	if len(f.tl.failed) > 0 {
		t.Errorf("still waited for: %v", f.tl.failed)
	}
}

// Where no file can be opened, nothing is known of any.
func TestTooManyOpenFiles(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.write("sub/b.md", "B")
	f.all()
	f.try(os.Rename(f.at("a.md"), f.at("sub/a.md")))
	f.write("sub/b.md", "B2")
	var limit unix.Rlimit
	f.try(unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	free, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	f.try(err)
	f.try(unix.Close(free))
	for _, w := range []Where{{All: true, Sure: true}, {Paths: []string{"sub", "a.md"}, Sure: true}, {Paths: []string{"sub/b.md"}, Sure: true}} {
		f.try(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(free), Max: limit.Max}))
		_, err := f.tl.Look(t.Context(), w)
		f.try(unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
		if !errors.Is(err, ErrRoot) && (err == nil || !strings.HasSuffix(err.Error(), "cannot be read: too many open files")) {
			t.Errorf("a look at %+v: %v", w, err)
		}
	}
	f.has("a=A", "sub/b=B")
	f.faulty()
	f.all()
	f.has("sub/a=A", "sub/b=B2")
}

func TestUnreadableRoot(t *testing.T) {
	f := newFolder(t)
	f.try(os.Chmod(filepath.Dir(f.dir), 0o755))
	f.write("a.md", "A")
	f.all()
	f.try(os.Chmod(f.dir, 0))
	defer os.Chmod(f.dir, 0o755)
	asNobody(t, f.dir, func() {
		if found, err := f.tl.Look(t.Context(), Where{All: true, Sure: true}); !errors.Is(err, ErrRoot) {
			t.Errorf("found %+v, %v", found, err)
		}
		f.has("a=A")
	})
}

// Released folders: the files are links through one that is swapped, as
// Kubernetes does it.
func TestLinkedFiles(t *testing.T) {
	f := newFolder(t, func(o *Options) { o.Now = later })
	f.write("..v1/a.md", "A")
	f.write("..v1/b.md", "B")
	f.write("..v2/a.md", "A, the second")
	f.try(os.Symlink("..v1", f.at("..data")))
	f.try(os.Symlink("..data/a.md", f.at("a.md")))
	f.try(os.Symlink("..data/b.md", f.at("b.md")))
	ids(t, f.all(), "a", "b")
	f.has("a=A", "b=B")
	if found := f.all(); found.Read != 0 {
		t.Errorf("an unchanged folder: %+v", found)
	}
	f.try(os.Symlink("..v2", f.at("..new")))
	f.try(os.Rename(f.at("..new"), f.at("..data")))
	if found := f.look(Where{All: true}); !found.Held {
		t.Errorf("b.md leads nowhere: %+v", found)
	}
	ids(t, f.all(), "a", "b")
	f.has("a=A, the second")

	// Links to folders are not followed, on whatever way.
	elsewhere := t.TempDir()
	f.try(os.WriteFile(filepath.Join(elsewhere, "x.md"), []byte("---\ntitle: X\ndate: 2025-01-28\n---\n"), 0o644))
	f.try(os.Symlink(elsewhere, f.at("linked")))
	ids(t, f.all())
	ids(t, f.look(Where{Paths: []string{"linked/x.md", "linked"}, Sure: true}))
	f.has("a=A, the second")
}

// The events folder may be a link itself, swapped at a release.
func TestLinkedRoot(t *testing.T) {
	f := newFolder(t)
	f.write("1/a.md", "A")
	f.write("2/a.md", "A2")
	f.write("2/sub/b.md", "B")
	f.try(os.Symlink("1", f.at("current")))
	f.tl = Empty(f.options(func(o *Options) { o.Dir = f.at("current") }))
	ids(t, f.all(), "a")
	f.try(os.Symlink("2", f.at("next")))
	f.try(os.Rename(f.at("next"), f.at("current")))
	ids(t, f.look(Where{Paths: []string{"sub/b.md"}}), "sub/b")
	ids(t, f.all(), "a")
	f.has("a=A2", "sub/b=B")
}

func TestNamesThatAreNotUTF8(t *testing.T) {
	f := newFolder(t)
	f.write("a\xff.md", "A")
	ids(t, f.look(Where{Paths: []string{"a\xff.md"}}), "a�")
	ids(t, f.all())
	f.has("a�=A")
}

// TestHints does random things to a small tree and looks where they were done:
// the timeline must then be the one that a look at everything gives.
func TestHints(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			f.try(os.Mkdir(f.dir+".out", 0o755))
			f.try(os.WriteFile(f.dir+".out/x.md", []byte("---\ntitle: Out\ndate: 2025-01-28\n---\n"), 0o644))
			rnd := rand.New(rand.NewPCG(seed, 1))
			for step := range 30 {
				was := make(map[string]*event.Event)
				for id := range f.tl.claims {
					was[id] = f.tl.Event(id)
				}
				fresh := Empty(f.options())
				for _, file := range f.tl.files {
					if file.event != nil {
						fresh.Keep(slices.Values([]*event.Event{file.event}))
					}
				}

				touched, what := f.disturb(rnd)
				if rnd.IntN(4) == 0 {
					touched = append(touched, []string{"a", "a/b", "nowhere/x.md", "."}[rnd.IntN(4)])
				}
				if rnd.IntN(4) == 0 {
					touched[0] = path.Dir(touched[0])
				}
				found := f.look(Where{Paths: touched, Sure: true})
				if _, err := fresh.Look(t.Context(), Where{All: true, Sure: true}); err != nil {
					t.Fatal(err)
				}
				if got, want := state(f.tl), state(fresh); got != want {
					t.Fatalf("step %d, %s, hints %q:\n%s\na look at everything:\n%s", step, what, touched, got, want)
				}
				for id := range f.tl.claims {
					if _, ok := was[id]; !ok {
						was[id] = nil
					}
				}
				for id, e := range was {
					if now := f.tl.Event(id); e != now && !slices.Contains(found.IDs, id) {
						t.Errorf("step %d, %s: %s differs and is not among %q", step, what, id, found.IDs)
					}
				}
			}
		})
	}
}

// disturb does one thing to the folder and returns the paths that it touched.
func (f *folder) disturb(rnd *rand.Rand) (touched []string, what string) {
	pick := func(of []string) string { return of[rnd.IntN(len(of))] }
	folders := []string{".", "a", "a/b", "c"}
	file := func() string {
		return path.Join(pick(folders), pick([]string{"1.md", "2.md", "3.md", "x.txt", ".h.md"}))
	}
	// way makes the way to p one of folders; what was in it is touched.
	way := func(p string) {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if fi, err := os.Lstat(f.at(dir)); err == nil && !fi.IsDir() {
				f.remove(dir)
				touched = append(touched, dir)
			}
		}
		if fi, err := os.Lstat(f.at(p)); err == nil && (fi.IsDir() || fi.Mode()&fs.ModeSymlink != 0) {
			f.remove(p)
		}
		if _, err := os.Lstat(f.at(path.Dir(p))); err != nil && rnd.IntN(2) == 0 {
			touched = append(touched, strings.SplitN(p, "/", 2)[0])
		}
		f.try(os.MkdirAll(filepath.Dir(f.at(p)), 0o755))
		touched = append(touched, p)
	}
	switch p := file(); rnd.IntN(11) {
	case 0, 1, 2, 3:
		way(p)
		var more []string
		if rnd.IntN(3) == 0 {
			more = append(more, "id: "+pick([]string{"one", "two", "1", "a/1"}))
		}
		if rnd.IntN(4) == 0 {
			more = append(more, "draft: true")
		}
		f.write(p, fmt.Sprint("T", rnd.IntN(5)), more...)
		return touched, "write " + p
	case 4:
		way(p)
		f.raw(p, broken)
		return touched, "break " + p
	case 5:
		f.try(ignore(os.RemoveAll(f.at(p))))
		return append(touched, p), "remove " + p
	case 6:
		p = pick(folders[1:])
		f.try(ignore(os.RemoveAll(f.at(p))))
		return append(touched, p), "remove " + p
	case 7, 8:
		q := file()
		if rnd.IntN(2) == 0 {
			p, q = pick(folders[1:]), pick([]string{"a", "c", "a/b", "d", ".hidden"})
		}
		if p == q || strings.HasPrefix(q, p+"/") || strings.HasPrefix(p, q+"/") {
			return []string{p}, "nothing"
		}
		way(q)
		f.remove(q)
		_ = os.Rename(f.at(p), f.at(q)) // p may not be there
		return append(touched, p), "rename " + p + " to " + q
	case 9:
		way(p)
		f.remove(p)
		// To a file, a folder, nowhere and itself; nothing is watched behind a link.
		f.try(os.Symlink(pick([]string{f.dir + ".out/x.md", f.dir + ".out", "nowhere", path.Base(p)}), f.at(p)))
		return touched, "link " + p
	default:
		p = pick(folders[1:])
		f.try(ignore(os.RemoveAll(f.at(p))))
		if fi, err := os.Lstat(filepath.Dir(f.at(p))); err == nil && fi.IsDir() {
			if rnd.IntN(2) == 0 {
				f.try(os.WriteFile(f.at(p), []byte("x"), 0o644))
			} else {
				f.try(os.Symlink(f.dir+".out", f.at(p)))
			}
		}
		return append(touched, p), "put a file or link in the place of " + p
	}
}

// ignore takes a file in the place of a folder for nothing to remove.
func ignore(err error) error {
	if errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}

// state writes all that a timeline knows but for what it knows of the files'
// stats and bytes.
func state(t *Timeline) string {
	var lines []string
	for p, f := range t.files {
		l := p + ":"
		if f.event != nil {
			l += fmt.Sprintf(" %s %s %v %s", f.event.ID, f.event.Title, f.event.Draft, f.event.Revision)
		}
		lines = append(lines, l)
	}
	for id := range t.claims {
		if e := t.Event(id); e != nil {
			lines = append(lines, "public "+id+" from "+e.Path)
		}
	}
	slices.Sort(lines)
	for _, err := range t.Faults() {
		lines = append(lines, "fault "+err.Error())
	}
	return strings.Join(append(lines, fmt.Sprint("below ", t.below)), "\n")
}

// In a folder that does not rest nothing is gone, what is half-written is left,
// and what may have moved waits for the end, but not for ever.
func TestOverdue(t *testing.T) {
	var now time.Time
	f := newFolder(t, func(o *Options) {
		o.Now, o.Settle, o.MaxDelay = func() time.Time { return now }, time.Second, 10*time.Second
	})
	now = time.Now().Add(time.Hour)
	for _, p := range []string{"a.md", "b.md", "c.md"} {
		f.write(p, strings.ToUpper(p[:1]))
	}
	f.all()
	f.remove("a.md")
	f.write("moved.md", "A")
	f.write("b.md", "B2")
	f.write("other.md", "Other")
	overdue := Where{All: true, Overdue: true}
	ids(t, f.look(overdue), "b", "other")
	f.has("a=A", "b=B2", "c=C", "other=Other")
	now = now.Add(patience - time.Second)
	ids(t, f.look(overdue))
	f.has("a=A", "b=B2", "c=C", "other=Other")
	// The folder rests: it has been missing before, and is gone now.
	ids(t, f.look(Where{All: true}), "a", "moved")
	f.has("b=B2", "c=C", "moved=A", "other=Other")

	f.remove("c.md")
	ids(t, f.look(overdue))
	now = now.Add(patience)
	ids(t, f.look(overdue), "c")
	f.has("b=B2", "moved=A", "other=Other")

	// A file in the making.
	f.write("b.md", "B3")
	fi, err := os.Stat(f.at("b.md"))
	f.try(err)
	now = fi.ModTime().Add(100 * time.Millisecond)
	if found := f.look(Where{All: true}); !found.Held || !slices.Equal(found.Again, []string{"."}) {
		t.Errorf("a young file does not hold a look: %+v", found)
	}
	ids(t, f.look(overdue))
	f.has("b=B2", "moved=A", "other=Other")
	now = now.Add(time.Second)
	ids(t, f.look(overdue), "b")
	f.has("b=B3", "moved=A", "other=Other")
}

// What was told before a restart stands in a folder that does not rest, too.
func TestOverdueAfterRestart(t *testing.T) {
	var now time.Time
	clock := func(o *Options) { o.Now = func() time.Time { return now } }
	now = later()
	f := newFolder(t, clock)
	f.write("a.md", "A")
	f.write("b.md", "B")
	f.all()
	kept := []*event.Event{f.tl.Event("a"), f.tl.Event("b")}
	f.remove("a.md")
	f.write("moved.md", "A")
	overdue := Where{All: true, Overdue: true}

	f.again(kept, clock)
	ids(t, f.look(overdue), "a", "b")
	f.has("a=A", "b=B")
	ids(t, f.look(Where{Paths: []string{"a.md", "moved.md"}}), "a", "moved")
	f.has("b=B", "moved=A")
	// It is gone for good: a broken file at its place brings it not back.
	f.raw("a.md", broken)
	f.look(Where{Paths: []string{"a.md"}})
	f.has("b=B", "moved=A")
	f.faulty("a.md:3: ")
	f.remove("a.md")

	// Where patience is over it moves at once.
	f.again(kept, clock)
	f.look(overdue)
	f.has("a=A", "b=B")
	now = now.Add(patience)
	ids(t, f.look(overdue), "a", "moved")
	f.has("b=B", "moved=A")
}

// A file that never rests is read after MaxDelay.
func TestNeverRests(t *testing.T) {
	for _, w := range []Where{{All: true}, {All: true, Overdue: true}} {
		var now time.Time
		f := newFolder(t, func(o *Options) {
			o.Now, o.Settle, o.MaxDelay = func() time.Time { return now }, time.Hour, 10*time.Second
		})
		f.write("a.md", "A")
		began := time.Now()
		for _, step := range []struct {
			after time.Duration
			read  int
		}{{0, 0}, {9 * time.Second, 0}, {10 * time.Second, 1}, {11 * time.Second, 0}, {20 * time.Second, 0}, {21 * time.Second, 1}} {
			now = began.Add(step.after)
			if w.Overdue && step.after > 10*time.Second {
				step.read = 1 // what comes then is overdue each time
			}
			if found := f.look(w); found.Read != step.read || found.Held != (step.read == 0 && !w.Overdue) {
				t.Errorf("%+v after %v: %+v", w, step.after, found)
			}
		}
	}
}
