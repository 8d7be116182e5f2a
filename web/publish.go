package web

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/feed"
	"tocsin/timeline"
)

// Place is where a Publisher puts files for others to serve. Names are paths below
// it, with slashes. It is safe for concurrent use.
type Place interface {
	// Look finds out what there is. It is called before everything is published.
	Look(ctx context.Context) error
	// Has says that there is a file of that name; where modified is not zero, that it
	// also has the bytes of that time, as far as that is known without reading it.
	Has(name string, modified time.Time) bool
	// Names returns the names of the files directly in a folder, as Look found them, of
	// feeds and archives and in the place itself, which is "".
	Names(folder string) []string
	// Put makes the file be there, for readers at once and whole. What is there with
	// these bytes already is left alone.
	Put(ctx context.Context, f File) error
	// Remove takes a file away, if there is one.
	Remove(ctx context.Context, name string) error
	// Parallel is how many calls it takes at once.
	Parallel() int
}

// File is one file of a Place.
type File struct {
	Name string
	Body []byte
	// MediaType and CacheControl are what Content-Type and Cache-Control say of it.
	MediaType, CacheControl string
	// Modified is the time at which a feed's bytes changed; zero for what has none.
	Modified time.Time
	// New says that Look has found no file of this name.
	New bool
}

// Edition is what is to be published together: feeds as they are at one moment, and
// the events whose pages come and go with them.
type Edition struct {
	feeds  map[string]*feed.Feed // by path
	events map[string]bool       // whether the event is public, by feed.EventPath
	fresh  map[string]bool       // paths of tags and actors that had no page when it was first tried
	all    bool                  // this is everything, so that what is there is compared with it
}

// Edition returns what u publishes, after Update(u) and before the next one; all:
// everything.
func (s *Site) Edition(u Update, all bool) *Edition {
	e := &Edition{feeds: make(map[string]*feed.Feed), events: make(map[string]bool), fresh: make(map[string]bool), all: all}
	if all {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for path := range s.moved { // an earlier one may have failed to say what is gone
			e.events[path] = false
		}
		for path := range s.events {
			e.events[path] = true
		}
		maps.Copy(e.feeds, s.feeds)
		return e
	}
	for _, id := range u.Withdrawn {
		e.events[feed.EventPath(id)] = false
	}
	for old := range u.Moved {
		e.events[feed.EventPath(old)] = false
	}
	for _, n := range u.Events {
		e.events[feed.EventPath(n.Event.ID)] = true
	}
	for _, f := range u.Feeds {
		e.feeds[f.Path] = f
	}
	return e
}

// Merge adds what was published later.
func (e *Edition) Merge(later *Edition) {
	maps.Copy(e.feeds, later.feeds)
	maps.Copy(e.events, later.events)
	maps.Copy(e.fresh, later.fresh)
	e.all = e.all || later.all
}

// ErrOvertaken is returned where an event of an edition is not public any more. What
// withdrew it is another edition: both are to be merged, and tried again.
var ErrOvertaken = errors.New("an event was withdrawn while its page was being published")

// Publisher brings a Place up to date with what a Site publishes: the same paths,
// the same bytes. What a feed leads to is put first, feeds after that, and what is
// gone is taken away last, so that no reader meets a feed that names a page which is
// not there. Only what differs is put, so that a Publisher goes on where another one
// was interrupted.
type Publisher struct {
	Site  *Site
	Place Place
	// FeedsAlone leaves out all but the feeds and the list of them. Pages that are
	// there already are left alone.
	FeedsAlone bool
	// Progress, if not nil, is called with the number of pages and feeds put so far
	// and in all.
	Progress func(done, all int)

	mu       sync.Mutex                   // guards what follows
	archives map[string]map[string]string // the digest by the file of each archive that may be there, by the feed's path; "" where it is not known
}

// Write publishes an edition: its feeds, their pages and those of its events, and the
// lists of everything. It may be called again with one that it failed to publish.
func (p *Publisher) Write(ctx context.Context, e *Edition) error {
	if len(e.feeds) == 0 && len(e.events) == 0 && !e.all {
		return nil
	}
	defer p.Site.o.Style.Hold(len(e.feeds))()
	if e.all {
		if err := p.Place.Look(ctx); err != nil {
			return err
		}
	}
	w := &writing{p: p, e: e, former: p.Site.former(), elsewhere: make(map[string]bool)}
	for _, of := range w.former {
		for _, path := range of {
			w.elsewhere[path] = true
		}
	}
	if e.all {
		w.there = w.names()
	}
	documents := slices.Sorted(maps.Keys(w.documents()))
	feeds := slices.SortedFunc(maps.Values(e.feeds), func(a, b *feed.Feed) int { return strings.Compare(a.Path, b.Path) })
	w.steps = len(documents) + len(feeds)
	step := func(n int, do func(i int) error) error { return p.each(ctx, n, do) }

	if err := step(len(documents), func(i int) error { return w.progress(w.document(ctx, documents[i])) }); err != nil {
		return err
	}
	if err := step(len(feeds), func(i int) error { return w.archives(ctx, feeds[i]) }); err != nil {
		return err
	}
	if err := step(len(feeds), func(i int) error { return w.progress(w.place(ctx, feeds[i])) }); err != nil {
		return err
	}
	if e.all && !p.FeedsAlone {
		w.parts()
	}
	// An archive that is no more names pages that are no more.
	if err := step(len(w.stale), func(i int) error { return p.Place.Remove(ctx, w.stale[i]) }); err != nil {
		return err
	}
	if err := step(len(w.gone), func(i int) error { return w.gone[i](ctx) }); err != nil {
		return err
	}
	p.remember(w.is)
	return nil
}

// each calls do for 0 to n-1, several at once, until one fails or ctx ends. A goroutine
// does many of them: to begin one for each takes longer than most of them do.
func (p *Publisher) each(ctx context.Context, n int, do func(int) error) error {
	var g errgroup.Group
	var next atomic.Int64
	var failed atomic.Bool
	for range min(n, p.Place.Parallel()) {
		g.Go(func() error {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					break
				}
				err := ctx.Err()
				if err == nil {
					err = do(i)
				}
				if err != nil {
					failed.Store(true)
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// known returns the archives of a feed that may be there, with their digests.
func (p *Publisher) known(path string) map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.archives[path])
}

// note notes that an archive of a feed is there, as the digest says.
func (p *Publisher) note(path, name, digest string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.archives == nil {
		p.archives = make(map[string]map[string]string)
	}
	if p.archives[path] == nil {
		p.archives[path] = make(map[string]string)
	}
	p.archives[path][name] = digest
}

// remember notes that no other archives of feeds are there.
func (p *Publisher) remember(archives map[string]map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, is := range archives {
		if len(is) == 0 {
			delete(p.archives, path)
			continue
		}
		for name := range p.archives[path] {
			if !is[name] {
				delete(p.archives[path], name)
			}
		}
	}
}

// writing is one call of Write.
type writing struct {
	p         *Publisher
	e         *Edition
	former    map[string][]string // the paths that a feed had before, by its own
	elsewhere map[string]bool     // paths that lead to another feed
	there     map[string]bool     // the files of feeds that Look has found; nil where it has not looked
	steps     int

	mu    sync.Mutex                        // guards what follows
	done  int                               // steps
	stale []string                          // files of feeds that are no more
	gone  []func(ctx context.Context) error // what takes away documents that are no more
	is    map[string]map[string]bool        // the files of archives that are not stale, by the feed's path
}

// names returns the files in the folders that have feeds.
func (w *writing) names() map[string]bool {
	there := make(map[string]bool)
	folders := map[string]bool{"feeds": true}
	for _, f := range w.e.feeds {
		for _, p := range append([]string{f.Path}, w.former[f.Path]...) {
			folders[path.Dir(feed.File(p, feed.Atom))] = true
		}
	}
	for folder := range folders {
		for _, name := range w.p.Place.Names(folder) {
			there[folder+"/"+name] = true
		}
	}
	return there
}

// documents returns the paths of all documents of the edition.
func (w *writing) documents() map[string]bool {
	paths := make(map[string]bool)
	if w.p.FeedsAlone {
		paths["feeds.opml"] = true
		return paths
	}
	event := func(path string) {
		paths["events/"+path+"/"] = true
		paths["events/"+path+"/feeds.opml"] = true
	}
	topic := func(path string) {
		paths[path+"/"] = true
		paths[path+"/feeds.opml"] = true
	}
	if w.e.all {
		for path := range w.elsewhere {
			topic(path)
		}
	}
	for _, f := range w.e.feeds {
		if kind, _, _ := strings.Cut(f.Path, "/"); !timeline.TopicKind(kind).Known() {
			continue
		}
		// The page says more than the feed, such as how many events there are.
		topic(f.Path)
		if w.e.all || !w.e.fresh[f.Path] && w.p.Place.Has(f.Path+"/index.html", time.Time{}) {
			continue
		}
		w.e.fresh[f.Path] = true
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
	for path := range w.e.events {
		event(path)
	}
	for _, p := range w.p.Site.always() {
		paths[p] = true
	}
	return paths
}

// progress says that a step is done, where it is.
func (w *writing) progress(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done++; err == nil && w.p.Progress != nil {
		w.p.Progress(w.done, w.steps)
	}
	return err
}

// drop takes a file of a feed away once all feeds are there.
func (w *writing) drop(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stale = append(w.stale, name)
}

// later notes what is done with a document once no feed leads to it any more.
func (w *writing) later(do func(ctx context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = append(w.gone, do)
}

// remove takes a document away then.
func (w *writing) remove(name string) {
	w.later(func(ctx context.Context) error { return w.p.Place.Remove(ctx, name) })
}

// document puts what stands at a path, or takes it away where there is nothing any
// more. A page that moved becomes one that leads on.
func (w *writing) document(ctx context.Context, path string) error {
	doc, err := w.p.Site.document(path)
	if err != nil {
		return err
	}
	f := File{Name: path, Body: doc.body, MediaType: doc.mime, CacheControl: documentCache(doc.mime)}
	if path == "" || strings.HasSuffix(path, "/") {
		f.Name += "index.html"
	}
	if doc.status == http.StatusOK {
		return w.p.Place.Put(ctx, f)
	}
	if event, ok := strings.CutPrefix(path, "events/"); ok && w.e.events[strings.TrimSuffix(event, "/")] {
		return ErrOvertaken
	}
	if doc.status == http.StatusMovedPermanently && strings.HasSuffix(f.Name, ".html") {
		f.Body, f.MediaType, f.CacheControl = redirectPage(doc.to), htmlType, documentCache(htmlType)
		w.later(func(ctx context.Context) error { return w.p.Place.Put(ctx, f) })
		return nil
	}
	w.remove(f.Name)
	return nil
}

// place brings the files of a feed up to date: at its own path and at those that
// it had before.
func (w *writing) place(ctx context.Context, f *feed.Feed) error {
	switch {
	case w.elsewhere[f.Path]: // which is put by that feed
		return nil
	case w.p.Site.gone(f):
		for _, format := range feed.Formats() {
			w.drop(feed.File(f.Path, format))
		}
		return nil
	}
	// No server of files answers with 301: who follows the old address gets the
	// same bytes there, which name the new one.
	for _, path := range append([]string{f.Path}, w.former[f.Path]...) {
		if err := w.feed(ctx, f, path); err != nil {
			return err
		}
	}
	return nil
}

// feed puts a feed in all formats at a path where its file is not of this time.
func (w *writing) feed(ctx context.Context, f *feed.Feed, path string) error {
	for _, format := range feed.Formats() {
		name := feed.File(path, format)
		if !w.p.Site.serves(format) {
			if w.there[name] { // it was served before
				w.drop(name)
			}
			continue
		}
		missing := w.e.all && !w.there[name]
		// At another path the file may be another feed's, of the same time.
		if path == f.Path && !missing && w.p.Place.Has(name, f.Modified) {
			continue
		}
		body, err := f.Render(format)
		if err != nil {
			return err
		}
		err = w.p.Place.Put(ctx, File{Name: name, Body: body, MediaType: format.MediaType(), CacheControl: feedCache, Modified: f.Modified, New: missing})
		if err != nil {
			return err
		}
	}
	return nil
}

// archives puts those archives of a feed that this process has not put as they are,
// and takes away those that are no more; where everything is published also those
// that it does not know of.
func (w *writing) archives(ctx context.Context, f *feed.Feed) error {
	if w.elsewhere[f.Path] || w.p.Site.gone(f) {
		return nil
	}
	before := w.p.known(f.Path)
	is := make(map[string]bool)
	for _, a := range f.Archives() {
		for _, format := range w.p.Site.o.Formats {
			name := feed.File(a.DocumentPath(), format)
			if is[name] = true; before[name] == a.Digest && !w.e.all {
				continue
			}
			body, err := a.Render(format)
			if err != nil {
				return err
			}
			w.p.note(f.Path, name, "") // whatever comes of it, it may be there
			err = w.p.Place.Put(ctx, File{Name: name, Body: body, MediaType: format.MediaType(), CacheControl: feedCache})
			if err != nil {
				return err
			}
			w.p.note(f.Path, name, a.Digest)
		}
	}
	for name := range before {
		if !is[name] {
			w.drop(name)
		}
	}
	if w.e.all {
		folder := feed.ArchiveDir(f.Path)
		for _, name := range w.p.Place.Names(folder) { // mostly there is none
			if name = folder + "/" + name; !is[name] {
				w.drop(name)
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.is == nil {
		w.is = make(map[string]map[string]bool)
	}
	w.is[f.Path] = is
	return nil
}

// parts takes away the parts of a larger site map.
func (w *writing) parts() {
	parts := len(w.p.Site.sitemaps())
	for _, name := range w.p.Place.Names("") {
		if i, ok := sitemapNumber(name); ok && i > parts {
			w.remove(name)
		}
	}
}
