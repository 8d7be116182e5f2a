package watch

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// tree is the set of watched folders. Paths in it are slash paths below the
// root, "." is the root. Only one goroutine may use it.
type tree struct {
	root string // absolute, without symlinks
	src  *source
	log  *slog.Logger

	ids    map[string]id       // watched folder → what it was when it was added
	paths  map[id]string       // the reverse
	denied map[string]struct{} // folders that may not be read
}

// change is what a batch of events comes to.
type change struct {
	paths []string // where to look again
	full  bool     // look at everything
	root  bool     // something happened to the root itself
}

// newTree returns a tree of no watches.
func newTree(root string, src *source, log *slog.Logger) *tree {
	return &tree{
		root:   root,
		src:    src,
		log:    log,
		ids:    make(map[string]id),
		paths:  make(map[id]string),
		denied: make(map[string]struct{}),
	}
}

// update brings the watches in line with what is on disk wherever a folder
// may have come, gone or moved. It fails if a folder cannot be watched for
// want of watches; the tree is then of no more use.
//
// An event's name may be outdated by the time it is read. That does no harm:
// the folder of that name is dropped and whatever has the name now is watched,
// and what happens after that has an event of its own.
func (t *tree) update(seen map[string]fsnotify.Op) (change, error) {
	var c change
	again := make(map[string]struct{})
	for name, op := range seen {
		rel := t.rel(name)
		switch {
		case rel == ".":
			c.root, c.full = true, true
			continue
		case path.Base(rel) == "..data" && !hidden(path.Dir(rel)):
			c.full = true
			continue
		case hidden(rel):
			continue
		}
		c.paths = append(c.paths, rel)
		_, watched := t.ids[rel]
		_, denied := t.denied[rel]
		if op.Has(fsnotify.Create) || denied ||
			watched && (op.Has(fsnotify.Remove) || op.Has(fsnotify.Rename)) {
			again[rel] = struct{}{}
		}
	}

	// All are dropped before any is added: in a swap each has the other's
	// inode.
	t.drop(again)
	for rel := range again {
		if within(path.Dir(rel), func(p string) bool { _, ok := again[p]; return ok }) {
			continue // added with the folder it is in
		}
		if err := t.add(rel); err != nil {
			return c, err
		}
	}
	return c, nil
}

// add watches rel, if it is a folder, and the folders below it. A folder is
// watched first and read then, so that what comes later has an event. It
// fails for want of watches, or if the root cannot be watched.
func (t *tree) add(rel string) error {
	delete(t.denied, rel)
	name := t.abs(rel)
	fi, err := os.Lstat(name)
	if err != nil || !fi.IsDir() {
		return t.skip(rel, err)
	}

	// A moved folder whose event is still to come holds the same kernel watch
	// under its old name, and adding the new name would keep the old one.
	me := idOf(fi)
	if old, ok := t.paths[me]; ok {
		t.drop(map[string]struct{}{old: {}})
	}
	if _, ok := t.ids[rel]; ok {
		t.drop(map[string]struct{}{rel: {}})
	}
	if err := t.src.add(name); err != nil {
		return t.skip(rel, err)
	}
	t.ids[rel], t.paths[me] = me, rel

	entries, err := os.ReadDir(name)
	if err := t.skip(rel, err); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || hidden(e.Name()) {
			continue
		}
		if err := t.add(path.Join(rel, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// skip returns nil for an error that concerns one folder below the root only:
// it has vanished, or may not be read.
func (t *tree) skip(rel string, err error) error {
	switch {
	case err == nil:
		return nil
	case rel == ".":
		return err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENAMETOOLONG):
		t.denied[rel] = struct{}{}
		t.log.Warn("folder not watched", "path", rel, "err", err)
		return nil
	}
	return err
}

// drop ends the watches of the given folders and of all below them.
func (t *tree) drop(folders map[string]struct{}) {
	given := func(p string) bool { _, ok := folders[p]; return ok }
	some := false
	for p := range folders {
		if _, ok := t.ids[p]; ok {
			some = true
			break
		}
	}
	if !some {
		return
	}
	for rel, me := range t.ids {
		if !given(rel) && !within(rel, given) {
			continue
		}
		// Errors say that the watch is gone already.
		_ = t.src.remove(t.abs(rel))
		delete(t.ids, rel)
		if t.paths[me] == rel {
			delete(t.paths, me)
		}
	}
}

// watchesRoot reports whether the root's watch still exists. It goes without
// an event when its file system is unmounted.
func (t *tree) watchesRoot() bool {
	for _, name := range t.src.list() {
		if name == t.root {
			return true
		}
	}
	return false
}

// abs returns the name of rel that fsnotify knows.
func (t *tree) abs(rel string) string {
	if rel == "." {
		return t.root
	}
	return strings.TrimSuffix(t.root, "/") + "/" + rel
}

// rel returns the path below the root of a name from fsnotify.
func (t *tree) rel(name string) string {
	rel := strings.TrimLeft(strings.TrimPrefix(name, t.root), "/")
	if rel == "" {
		return "."
	}
	return rel
}

// hidden reports whether a part of the path begins with a dot.
func hidden(rel string) bool {
	return rel != "." && (strings.HasPrefix(rel, ".") || strings.Contains(rel, "/."))
}
