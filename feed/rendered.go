package feed

import (
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// rendered keeps what was made of entries, as an entry stands in many feeds and a
// feed of fifty is made again for a change of one of them. What was not asked for
// the longest goes first, or while many feeds are made (Style.Hold) out of memory. Its
// zero value is ready; it is safe for concurrent use.
type rendered struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[renderedKey, piece]
	bytes int
	holds int
	away  map[renderedKey]piece // what is out of memory; nil where nobody holds
}

type renderedKey struct {
	entry *Entry
	part  part
}

// part names what can be made of an entry: its encoding in a Format, the HTML of
// its body, its summary, or what Kept was asked for.
type part string

const (
	bodyPart    part = "body"
	summaryPart part = "summary"
)

// piece is one of these; bytes is an encoding. One that is out of memory has size bytes
// from a place of in on, and nothing else.
type piece struct {
	text  string
	bytes []byte

	in   io.ReaderAt
	from int64
	size int
}

func (p piece) len() int { return len(p.text) + len(p.bytes) + p.size }

// append appends the piece.
func (p piece) append(b []byte) ([]byte, error) {
	if p.in == nil {
		return append(append(b, p.text...), p.bytes...), nil
	}
	n := len(b)
	b = slices.Grow(b, p.size)[:n+p.size]
	if _, err := p.in.ReadAt(b[n:], p.from); err != nil {
		return nil, fmt.Errorf("what was made before: %w", err)
	}
	return b, nil
}

// keep is how many bytes are kept in memory: the entries of a few dozen feeds.
const keep = 16 << 20

// get returns a piece of an entry, and makes it where it is not kept. Several
// callers may make it at once: it is the same.
func (r *rendered) get(n *Entry, p part, make func() (piece, error)) (piece, error) {
	key := renderedKey{n, p}
	if v, ok := r.kept(key); ok {
		return v, nil
	}
	v, err := make()
	if err != nil {
		return v, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lru == nil {
		// Bounded by bytes, not by number.
		r.lru, err = simplelru.NewLRU(math.MaxInt, func(_ renderedKey, v piece) { r.bytes -= v.len() })
		if err != nil {
			panic(err) // for a size that is not positive
		}
	}
	if kept, ok := r.lru.Peek(key); ok {
		return kept, nil
	}
	most := n.style.keep
	if most == 0 {
		most = keep
	}
	r.lru.Add(key, v)
	for r.bytes += v.len(); r.bytes > most; {
		if key, v, ok := r.lru.RemoveOldest(); ok {
			r.spill(key, v, n.style.Spill)
		}
	}
	return v, nil
}

// kept returns a piece that was made before.
func (r *rendered) kept(key renderedKey) (piece, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lru != nil {
		if v, ok := r.lru.Get(key); ok {
			return v, true
		}
	}
	v, ok := r.away[key]
	return v, ok
}

// spill puts a piece out of memory. Where that is not possible it is made again.
func (r *rendered) spill(key renderedKey, v piece, put func([]byte) (io.ReaderAt, int64, error)) {
	if r.away == nil || v.len() == 0 {
		return
	}
	if _, ok := r.away[key]; ok {
		return
	}
	b := v.bytes
	if b == nil {
		b = []byte(v.text)
	}
	if in, from, err := put(b); err == nil {
		r.away[key] = piece{in: in, from: from, size: len(b)}
	}
}

// Hold has what is rendered of entries kept until release is called, beyond what there
// is memory for out of it (Spill), as so many feeds are about to be made one after the
// other: each entry is then encoded once. Without Spill, and for a few feeds, it does
// nothing.
func (s *Style) Hold(feeds int) (release func()) {
	if s.Spill == nil || feeds < manyFeeds {
		return func() {}
	}
	r := &s.rendered
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holds++; r.away == nil {
		r.away = make(map[renderedKey]piece)
	}
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.holds--; r.holds == 0 {
			r.away = nil
		}
	})
}

// manyFeeds is how many are likely more than there is memory for.
const manyFeeds = 200

// Kept returns what make makes of the entry, and of nothing else, under a name of
// the caller's own: it may be kept from an earlier call.
func (n *Entry) Kept(name string, make func() (string, error)) (string, error) {
	return n.text(part("kept "+name), make)
}

// text is get for a text.
func (n *Entry) text(p part, make func() (string, error)) (string, error) {
	v, err := n.style.rendered.get(n, p, func() (piece, error) {
		text, err := make()
		return piece{text: text}, err
	})
	if err != nil || v.in == nil {
		return v.text, err
	}
	b, err := v.append(nil)
	return string(b), err
}

// Encode makes what Render needs of the entry, to have it at hand then (Style.Hold). It is
// called ahead where there is time; an error is Render's to return.
func (n *Entry) Encode(format Format) { _, _ = n.encoded(format) }

// encoded is the entry in a format.
func (n *Entry) encoded(format Format) (piece, error) {
	return n.style.rendered.get(n, part(format), func() (piece, error) {
		encode := map[Format]func() ([]byte, error){Atom: n.atom, RSS: n.rss, JSON: n.json}[format]
		b, err := encode()
		return piece{bytes: b}, err
	})
}
