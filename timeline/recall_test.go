package timeline

import (
	"fmt"
	"slices"
	"testing"

	"tocsin/event"
)

// What an earlier timeline left, a later one need not read again, unless it changed.
func TestRecall(t *testing.T) {
	f := newFolder(t, func(o *Options) { o.Now = later })
	for _, p := range []string{"same", "edited", "removed", "replaced", "dated", "broken"} {
		f.write(p+".md", p)
	}
	f.write("draft.md", "draft", "draft: true")
	f.all()
	told := make(map[string]*event.Event) // to the world, which knows no drafts
	for e := range f.tl.Events() {
		if !e.Draft {
			told[e.ID] = e
		}
	}
	tell := func(id string) *event.Event { return told[id] }
	marks := make(map[string]Mark)
	keep := func() {
		for id, m := range f.tl.Marks(tell) {
			if marks[id] = m; m == nil {
				delete(marks, id)
			}
		}
		f.tl.Marked()
		if n := f.tl.Unmarked(); n != 0 {
			t.Errorf("%d files are left to mark", n)
		}
	}
	keep()
	if _, ok := marks["draft"]; ok || len(marks) != 6 {
		t.Errorf("marks of %d files", len(marks))
	}

	// A fault, and what no meaning changed and yet is not as the world has it.
	f.raw("broken.md", broken)
	f.write("dated.md", "dated", "last_updated: 2025-02-01")
	f.all()
	keep()
	if len(marks) != 4 {
		t.Errorf("marks of %d files, one faulty and one with a date of its own", len(marks))
	}

	restart := func() Found {
		t.Helper()
		f.again(slices.Collect(func(yield func(*event.Event) bool) {
			for _, e := range told {
				if !yield(e) {
					return
				}
			}
		}), func(o *Options) { o.Now = later })
		for id, m := range marks {
			if !f.recall(told[id], m) {
				t.Fatalf("%s: no mark", id)
			}
		}
		if n := f.tl.Unmarked(); n != 0 {
			t.Errorf("%d files are to be marked as they are", n)
		}
		return f.all()
	}
	if found := restart(); found.Read != 3 || found.Files != 7 {
		t.Errorf("%d of %d files were read, want broken, dated and draft", found.Read, found.Files)
	}
	f.has("broken=broken", "dated=dated", "edited=edited", "removed=removed", "replaced=replaced", "same=same")
	f.faulty("broken.md:")

	f.write("edited.md", "edited!")
	f.write("replaced.md", "replaceD") // of the same size
	f.remove("removed.md")
	f.write("new.md", "new")
	if found := restart(); found.Read != 6 {
		t.Errorf("%d files were read", found.Read)
	}
	f.has("broken=broken", "dated=dated", "edited=edited!", "new=new", "replaced=replaceD", "same=same")
	m := f.tl.Marks(tell)
	if _, ok := m["edited"]; !ok || m["edited"] != nil {
		t.Errorf("of an event that the world knows otherwise there is the mark %v", m["edited"])
	}
	for _, id := range []string{"new", "removed"} {
		if _, ok := m[id]; ok {
			t.Errorf("%s: a mark of what the world does not know, or of no file", id)
		}
	}
	if m["same"] != nil || len(f.tl.Marks(func(id string) *event.Event { return f.tl.Event(id) })) == 0 {
		t.Error("marks of the wrong files")
	}
	for _, m := range []Mark{nil, {}, make(Mark, markSize-1), make(Mark, markSize+1)} {
		if f.recall(told["same"], m) {
			t.Errorf("a mark of %d bytes", len(m))
		}
	}
}

func (f *folder) recall(e *event.Event, m Mark) bool {
	return f.tl.Recall(1, func(yield func(*event.Event, Mark) bool) { yield(e, m) }) == 1
}

// A file that may change again within the clock's tick is not vouched for.
func TestNoMarkOfYoungFile(t *testing.T) {
	f := newFolder(t)
	f.write("a.md", "A")
	f.all()
	if m := f.tl.Marks(f.tl.Event); len(m) != 1 || m["a"] != nil {
		t.Errorf("marks %v", m)
	}
}

// The mark of an event is that of its own file, whoever else claims its id.
func TestMarkOfRivals(t *testing.T) {
	f := newFolder(t, func(o *Options) { o.Now = later })
	f.write("a.md", "A")
	for i := range 8 {
		f.write(fmt.Sprintf("b%d.md", i), "B", "id: a")
	}
	f.all()
	if m := f.tl.Marks(f.tl.Event); len(m) != 1 || !f.recall(f.tl.Event("a"), m["a"]) {
		t.Errorf("marks %v", m)
	}
}
