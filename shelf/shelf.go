// Package shelf keeps the texts of events out of memory: in files that have no name,
// which the operating system removes with the last event that reads from them. A text
// is on the shelf as it was read; what the file or the store hold meanwhile does not
// matter to it.
package shelf

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"strings"
	"sync"

	"tocsin/event"
)

// Shelf takes texts. It is safe for concurrent use.
type Shelf struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex
	end    *file             // where the next text goes; nil: none yet
	names  map[string]string // one copy of each that events have, as many have the same
	failed bool
}

// New returns a Shelf whose files are in dir, or if that is empty where temporary files
// are. It does no I/O.
func New(dir string, log *slog.Logger) *Shelf {
	return &Shelf{dir: dir, log: log, names: make(map[string]string)}
}

// Bounds of a file and of what of it is still in memory.
const (
	maxFile   = 64 << 20
	maxBuffer = 64 << 10
)

// Put returns e without its text, which it keeps; a light event itself. Where that is
// not possible, for want of space, it says so once, and the event stays as it is.
func (s *Shelf) Put(e *event.Event) *event.Event {
	if e.IsLight() {
		return e
	}
	text := e.AppendText(nil)
	if len(text) > math.MaxInt32 {
		return e
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, at, err := s.put(text)
	switch {
	case err == nil:
		s.failed = false
		light := e.Light(f, at, len(text))
		s.share(light)
		return light
	case !s.failed:
		s.failed = true
		s.log.Warn("the texts of events are kept in memory", "err", err)
	}
	return e
}

// Append keeps bytes of whatever kind, until nothing refers to in any more, and returns
// where they can be read.
func (s *Shelf) Append(b []byte) (in io.ReaderAt, from int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, from, err := s.put(b)
	if err != nil {
		return nil, 0, err
	}
	return f, from, nil
}

// share gives a light event the names that others have, too.
func (s *Shelf) share(e *event.Event) {
	one := func(name string) string {
		known, ok := s.names[name]
		if !ok {
			known = strings.Clone(name) // and not all of what it was cut from
			s.names[known] = known
		}
		return known
	}
	all := func(names []string) []string {
		if names == nil {
			return nil
		}
		shared := make([]string, len(names))
		for i, name := range names {
			shared[i] = one(name)
		}
		return shared
	}
	e.Tags, e.Actors, e.Status, e.Location = all(e.Tags), all(e.Actors), one(e.Status), one(e.Location)
	// One string has all that is the event's alone.
	id, path := e.ID, e.Path
	shares := id == event.Stem(path)
	own := e.Revision + path + e.Title
	if !shares {
		own += id
	}
	take := func(n int) (text string) {
		text, own = own[:n], own[n:]
		return text
	}
	e.Revision, e.Path, e.Title = take(len(e.Revision)), take(len(path)), take(len(e.Title))
	if e.ID = own; shares {
		e.ID = e.Path[:len(id)]
	}
}

func (s *Shelf) put(text []byte) (*file, int64, error) {
	if s.end == nil || s.end.size() > maxFile {
		f, err := open(s.dir)
		if err != nil {
			return nil, 0, err
		}
		s.end = f
	}
	at, err := s.end.append(text)
	if err != nil {
		s.end = nil
	}
	return s.end, at, err
}

// file is a file without a name. It is closed when nothing refers to it any more, as
// every os.File is.
type file struct {
	f *os.File

	mu      sync.RWMutex
	written int64
	buffer  []byte // what follows
}

func open(dir string) (*file, error) {
	f, err := os.CreateTemp(dir, ".tocsin-texts-*")
	if err != nil {
		return nil, fmt.Errorf("shelf: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("shelf: %w", err)
	}
	return &file{f: f}, nil
}

func (f *file) size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.written + int64(len(f.buffer))
}

func (f *file) append(text []byte) (at int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.buffer)+len(text) > maxBuffer && len(f.buffer) > 0 {
		if _, err := f.f.WriteAt(f.buffer, f.written); err != nil {
			return 0, fmt.Errorf("shelf: %w", err)
		}
		f.written += int64(len(f.buffer))
		f.buffer = f.buffer[:0]
	}
	at = f.written + int64(len(f.buffer))
	f.buffer = append(f.buffer, text...)
	return at, nil
}

// ReadAt reads what was put (io.ReaderAt); no text is in two parts.
func (f *file) ReadAt(b []byte, at int64) (int, error) {
	f.mu.RLock()
	if at >= f.written {
		defer f.mu.RUnlock()
		i := at - f.written
		if i > int64(len(f.buffer)) {
			return 0, io.EOF
		}
		n := copy(b, f.buffer[i:])
		if n < len(b) {
			return n, io.EOF
		}
		return n, nil
	}
	f.mu.RUnlock()
	return f.f.ReadAt(b, at)
}
