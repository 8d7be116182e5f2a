package web

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/feed"
	"tocsin/timeline"
)

// Folder is a folder that any web server can serve: the same paths, the same
// bytes. A file is written only where it differs, under a temporary name first,
// so that no reader ever sees half of one. A feed's file has the time at which
// its bytes changed, so what is up to date can be told without reading it.
type Folder struct {
	Dir  string
	Site *Site
	// Progress, if not nil, is called with the number of pages and feeds written so
	// far and in all.
	Progress func(done, all int)

	mu       sync.Mutex                   // guards what follows
	archives map[string]map[string]string // the digest by the file of each archive, by the feed's path
	now      func() time.Time             // nil: time.Now; replaced by tests
}

// Write brings the folder up to date with what u published: the feeds and pages
// that u touched, and the lists of everything. all also makes sure of everything
// that u did not touch.
func (d *Folder) Write(u Update, all bool) error {
	feeds := u.Feeds
	if all {
		feeds = d.Site.indexed().all
	}
	paths := make(map[string]bool)
	event := func(path string) {
		paths["events/"+path+"/"] = true
		paths["events/"+path+"/feeds.opml"] = true
	}
	topic := func(path string) {
		paths[path+"/"] = true
		paths[path+"/feeds.opml"] = true
	}
	former := d.Site.former()
	elsewhere := make(map[string]bool)
	for _, of := range former {
		for _, path := range of {
			elsewhere[path] = true
			if all {
				topic(path)
			}
		}
	}
	for _, f := range feeds {
		if kind, _, _ := strings.Cut(f.Path, "/"); timeline.TopicKind(kind).Known() {
			// The page says more than the feed, such as how many events there are.
			topic(f.Path)
			if all {
				continue
			}
			if _, err := os.Stat(d.full(f.Path + "/index.html")); errors.Is(err, fs.ErrNotExist) {
				// The pages that name it did not lead to it before.
				for _, n := range f.Entries {
					if n.Event == nil {
						continue
					}
					event(feed.EventPath(n.Event.ID))
					for _, t := range n.Topics {
						topic(string(t.Kind) + "/" + t.Slug)
					}
				}
			}
		}
	}
	events := u.Events
	if all {
		events = d.Site.allEvents()
		// A turn that failed to write has not said twice what is gone.
		for _, path := range d.Site.allMoved() {
			event(path)
		}
	}
	for _, e := range events {
		event(feed.EventPath(e.Event.ID))
	}
	for _, id := range u.Withdrawn {
		event(feed.EventPath(id))
	}
	for old := range u.Moved {
		event(feed.EventPath(old))
	}
	if len(feeds) == 0 && len(paths) == 0 {
		return nil
	}
	for _, p := range d.Site.always() {
		paths[p] = true
	}
	// Pages first: a feed leads to them.
	documents := slices.Sorted(maps.Keys(paths))
	done := 0
	written := func(err error) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if done++; err == nil && d.Progress != nil {
			d.Progress(done, len(documents)+len(feeds))
		}
		return err
	}
	err := d.each(len(documents), func(i int) error { return written(d.document(documents[i])) })
	if err != nil {
		return err
	}
	err = d.each(len(feeds), func(i int) error {
		f := feeds[i]
		return written(d.place(f, former[f.Path], elsewhere[f.Path], all))
	})
	if err != nil {
		return err
	}
	if all {
		d.sweep()
	}
	return nil
}

// each calls f for 0 to n-1, several at once, until one fails.
func (d *Folder) each(n int, f func(int) error) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	var failed atomic.Bool
	for i := range n {
		if failed.Load() {
			break
		}
		g.Go(func() error {
			err := f(i)
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return g.Wait()
}

// place brings the files of a feed up to date: at its own path and at those that
// it had before. elsewhere says that its path leads to another feed.
func (d *Folder) place(f *feed.Feed, before []string, elsewhere, all bool) error {
	switch {
	case d.Site.gone(f):
		return d.removeFeed(f.Path)
	case elsewhere:
		return nil
	}
	// No server of files answers with 301: who follows the old address gets the
	// same bytes there, which name the new one.
	for _, path := range append([]string{f.Path}, before...) {
		if err := d.feed(f, path, all); err != nil {
			return err
		}
	}
	return d.archive(f, all)
}

// sweep takes away the temporary files that a killed process has left, as far as it
// can, and parts of a larger site map. Another process may be about to rename a young one.
func (d *Folder) sweep() {
	now := time.Now()
	if d.now != nil {
		now = d.now()
	}
	sweep := func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasPrefix(e.Name(), temporary) {
			return nil
		}
		// Its modification time may be a feed's already.
		if fi, err := e.Info(); err == nil && now.Sub(time.Unix(fi.Sys().(*syscall.Stat_t).Ctim.Unix())) > time.Minute {
			_ = os.Remove(p)
		}
		return nil
	}
	for _, below := range []string{"feeds", "tags", "actors", "events", "find", "build"} {
		_ = filepath.WalkDir(filepath.Join(d.Dir, below), sweep)
	}
	top, _ := os.ReadDir(d.Dir)
	parts := len(d.Site.sitemaps())
	for _, e := range top {
		_ = sweep(filepath.Join(d.Dir, e.Name()), e, nil)
		if i, ok := sitemapNumber(e.Name()); ok && i > parts {
			_ = os.Remove(filepath.Join(d.Dir, e.Name()))
		}
	}
}

// feed writes a feed in all formats to a path where its file is not of this time.
// tidy also takes away the files of formats that the site has no more.
func (d *Folder) feed(f *feed.Feed, path string, tidy bool) error {
	for _, format := range feed.Formats() {
		if tidy && !d.Site.serves(format) {
			if err := d.remove(feed.File(path, format)); err != nil {
				return err
			}
		}
	}
	for _, format := range d.Site.o.Formats {
		name := feed.File(path, format)
		// At another path the file may be another feed's, of the same time.
		fi, err := os.Stat(d.full(name))
		if err == nil && fi.ModTime().Equal(f.Modified) && fi.Size() > 0 && path == f.Path {
			continue
		}
		body, err := f.Render(format)
		if err != nil {
			return err
		}
		if err := d.put(name, body, f.Modified); err != nil {
			return err
		}
	}
	return nil
}

// removeFeed takes a feed away that is no more.
func (d *Folder) removeFeed(path string) error {
	for _, format := range feed.Formats() {
		if err := d.remove(feed.File(path, format)); err != nil {
			return err
		}
	}
	return nil
}

// archive writes those archives of a feed that this process has not written as they
// are, and takes away those that are no more; tidy also those that it does not know
// of.
func (d *Folder) archive(f *feed.Feed, tidy bool) error {
	d.mu.Lock()
	before := d.archives[f.Path]
	d.mu.Unlock()
	is := make(map[string]string)
	for _, a := range f.Archives() {
		for _, format := range d.Site.o.Formats {
			name := feed.File(a.DocumentPath(), format)
			if is[name] = a.Digest; before[name] == a.Digest && !tidy {
				continue
			}
			body, err := a.Render(format)
			if err != nil {
				return err
			}
			if err := d.put(name, body, time.Time{}); err != nil {
				return err
			}
		}
	}
	for name := range before {
		if is[name] == "" {
			if err := d.remove(name); err != nil {
				return err
			}
		}
	}
	if tidy {
		folder := feed.ArchiveDir(f.Path)
		there, _ := os.ReadDir(d.full(folder)) // mostly there is none
		for _, e := range there {
			if name := folder + "/" + e.Name(); is[name] == "" && !strings.HasPrefix(e.Name(), temporary) {
				if err := d.remove(name); err != nil {
					return err
				}
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(is) == 0 {
		delete(d.archives, f.Path)
		return nil
	}
	if d.archives == nil {
		d.archives = make(map[string]map[string]string)
	}
	d.archives[f.Path] = is
	return nil
}

// document writes what stands at a path, or takes it away where there is nothing
// any more. A page that moved becomes one that leads on.
func (d *Folder) document(path string) error {
	doc, err := d.Site.document(path)
	if err != nil {
		return err
	}
	name := path
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	switch {
	case doc.status == http.StatusOK:
		return d.put(name, doc.body, time.Time{})
	case doc.status == http.StatusMovedPermanently && strings.HasSuffix(name, ".html"):
		return d.put(name, redirectPage(doc.to), time.Time{})
	}
	return d.remove(name)
}

// full is where a file of the folder is.
func (d *Folder) full(name string) string { return filepath.Join(d.Dir, filepath.FromSlash(name)) }

func (d *Folder) remove(name string) error {
	if err := os.Remove(d.full(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("static folder: %w", err)
	}
	return nil
}

// put writes a file where it differs. A zero time leaves the file its own.
func (d *Folder) put(name string, body []byte, modified time.Time) error {
	full := d.full(name)
	if old, err := os.ReadFile(full); err == nil && bytes.Equal(old, body) {
		if !modified.IsZero() {
			if err := os.Chtimes(full, modified, modified); err != nil {
				return fmt.Errorf("static folder: %w", err)
			}
		}
		return nil
	}
	if err := writeFile(full, body, modified); err != nil {
		return fmt.Errorf("static folder: %w", err)
	}
	return nil
}

// temporary begins the names of files that are being written.
const temporary = ".tocsin-"

func writeFile(full string, body []byte, modified time.Time) error {
	dir := filepath.Dir(full)
	f, err := os.CreateTemp(dir, temporary+"*")
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		f, err = os.CreateTemp(dir, temporary+"*")
	}
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil && !modified.IsZero() {
		err = os.Chtimes(f.Name(), modified, modified)
	}
	if err == nil {
		err = os.Rename(f.Name(), full)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
