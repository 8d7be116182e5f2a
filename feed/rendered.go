package feed

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// rendered keeps what was made of entries, as an entry stands in many feeds and a
// feed of fifty is made again for a change of one of them. What was not asked for
// the longest goes first. Its zero value is ready; it is safe for concurrent use.
type rendered struct {
	mu    sync.Mutex
	lru   *simplelru.LRU[renderedKey, piece]
	bytes int
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

// piece is one of these; bytes is an encoding.
type piece struct {
	text  string
	bytes []byte
}

func (p piece) size() int { return len(p.text) + len(p.bytes) }

// defaultKeep is how many bytes are kept where Style says nothing: the entries of
// a few dozen feeds.
const defaultKeep = 16 << 20

// get returns a piece of an entry, and makes it where it is not kept. Several
// callers may make it at once: it is the same.
func (r *rendered) get(n *Entry, p part, make func() (piece, error)) (piece, error) {
	key := renderedKey{n, p}
	r.mu.Lock()
	if r.lru != nil {
		if v, ok := r.lru.Get(key); ok {
			r.mu.Unlock()
			return v, nil
		}
	}
	r.mu.Unlock()
	v, err := make()
	if err != nil {
		return v, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lru == nil {
		// Bounded by bytes, not by number.
		r.lru, err = simplelru.NewLRU(math.MaxInt, func(_ renderedKey, v piece) { r.bytes -= v.size() })
		if err != nil {
			panic(err) // for a size that is not positive
		}
	}
	if kept, ok := r.lru.Peek(key); ok {
		return kept, nil
	}
	most := n.style.Keep
	if most == 0 {
		most = defaultKeep
	}
	r.lru.Add(key, v)
	for r.bytes += v.size(); r.bytes > most; {
		r.lru.RemoveOldest()
	}
	return v, nil
}

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
	return v.text, err
}

// Encode makes what Render needs of the entry, to have it at hand then (Style.Keep), and
// returns how many bytes that is about. It is called ahead where there is time; an error
// is Render's to return.
func (n *Entry) Encode(format Format) (bytes int) {
	b, _ := n.encoded(format)
	return 2 * len(b) // with its parts
}

// encoded is the entry in a format.
func (n *Entry) encoded(format Format) ([]byte, error) {
	v, err := n.style.rendered.get(n, part(format), func() (piece, error) {
		encode := map[Format]func() ([]byte, error){Atom: n.atom, RSS: n.rss, JSON: n.json}[format]
		b, err := encode()
		return piece{bytes: b}, err
	})
	return v.bytes, err
}
