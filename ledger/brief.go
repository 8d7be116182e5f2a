package ledger

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tocsin/event"
	"tocsin/timeline"
)

// A brief is a record without its text, in a form that is read fast: a start reads
// that of every event, and the text of an event where somebody asks for it.

// briefForm begins each brief. It changes with whatever a brief holds that can be
// computed another way (Revision, event.Imprint): those of another form are made again.
const briefForm = 2

// What is at the same place in several names is written once.
const (
	idInEntry = 1 << iota // the entry id ends with the id
	pathOfID              // the path begins with the id
)

// appendBrief appends the brief of a record.
func appendBrief(b []byte, r *timeline.Record) ([]byte, error) {
	e := r.Event
	b = append(b, briefForm)
	for _, t := range []time.Time{r.Published, r.Updated, r.Withdrawn} {
		micro := int64(0)
		if !t.IsZero() {
			micro = t.UnixMicro()
		}
		b = binary.AppendVarint(b, micro)
	}
	revision, err := hex.DecodeString(e.Revision)
	if err != nil || len(revision) != revisionBytes {
		return nil, fmt.Errorf("%s: the revision %q is none", e.ID, e.Revision)
	}
	b = append(b, revision...)

	o := e.Imprint()
	x := o.Extent
	for _, n := range []int{o.Bytes, x.Body, x.BodyMarkup, x.Sources, x.SourceBytes, x.SourceMarkup, x.Links, x.References, x.Cells, e.Importance} {
		b = binary.AppendVarint(b, int64(n))
	}
	b = binary.BigEndian.AppendUint64(b, o.Body)
	b = binary.BigEndian.AppendUint64(b, o.Sources)
	for _, m := range []event.Moment{e.Published, e.Expires, e.LastUpdated} {
		b = binary.AppendVarint(b, m.Seconds())
	}
	b = appendText(b, e.Date.String())

	id, path, flags := e.ID, e.Path, byte(0)
	if strings.HasSuffix(r.ID, id) {
		flags |= idInEntry
	}
	if strings.HasPrefix(path, id) {
		flags |= pathOfID
		path = path[len(id):]
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(len(id)))
	if flags&idInEntry != 0 {
		id = ""
	}
	for _, text := range []string{r.ID, id, path, e.Title} {
		b = binary.AppendUvarint(b, uint64(len(text)))
	}
	b = append(b, r.ID+id+path+e.Title...)

	b = appendText(b, e.Status)
	b = appendText(b, e.Location)
	b = binary.AppendUvarint(b, uint64(len(e.Tags)))
	b = binary.AppendUvarint(b, uint64(len(e.Actors)))
	for _, names := range [][]string{e.Tags, e.Actors} {
		for _, name := range names {
			b = appendText(b, name)
		}
	}
	return b, nil
}

const revisionBytes = 16

func appendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// briefs reads briefs. It is used by one goroutine.
type briefs struct {
	texts *storedTexts
	names map[string]string // one copy of each that events have, as many have the same
	own   []byte            // room for what is an event's alone

	records []timeline.Record // room for the next ones
	events  []event.Event
	lists   []string
	marks   []byte
}

// many is how many records are given room at once: the garbage collector goes through
// one piece of memory in less time than through so many. It is given back when none of
// them is in use.
const many = 64

// take takes n of what is not used yet of room; where that has not so many, it is made anew,
// with at least so many.
func take[E any](room *[]E, n, least int) []E {
	if len(*room) < n {
		*room = make([]E, max(n, least))
	}
	taken := (*room)[:n:n]
	*room = (*room)[n:]
	return taken
}

// keep returns a copy of a mark.
func (d *briefs) keep(mark []byte) timeline.Mark {
	kept := take(&d.marks, len(mark), many*len(mark))
	copy(kept, mark)
	return kept
}

func newBriefs(s *Store) *briefs {
	return &briefs{texts: &storedTexts{store: s, parted: make(map[int]*io.SectionReader)}, names: make(map[string]string)}
}

// errForm says that a brief is of another form: it has to be made again.
var errForm = errors.New("a brief of another form")

var errBrief = errors.New("a part of it is missing")

// read reads what appendBrief wrote. The event is a light one.
func (d *briefs) read(brief []byte) (_ *timeline.Record, err error) {
	if len(brief) == 0 || brief[0] != briefForm {
		return nil, errForm
	}
	b := parts{rest: brief[1:]}
	r, e := &take(&d.records, 1, many)[0], &take(&d.events, 1, many)[0]
	for _, t := range []*time.Time{&r.Published, &r.Updated, &r.Withdrawn} {
		if micro := b.int(); micro != 0 {
			*t = fromMicro(micro)
		}
	}
	revision := b.bytes(revisionBytes)
	var n [10]int
	for i := range n {
		n[i] = int(b.int())
	}
	o := event.Imprint{Bytes: n[0], Extent: event.Extent{
		Body: n[1], BodyMarkup: n[2], Sources: n[3], SourceBytes: n[4], SourceMarkup: n[5], Links: n[6], References: n[7], Cells: n[8],
	}}
	e.Importance = n[9]
	o.Body, o.Sources = b.mark(), b.mark()
	for _, m := range []*event.Moment{&e.Published, &e.Expires, &e.LastUpdated} {
		*m = event.AfterSeconds(b.int())
	}
	if date := b.text(); !b.broken {
		if e.Date, err = event.ParseDate(string(date)); err != nil {
			return nil, err
		}
	}

	flags := b.bytes(1)[0]
	size := b.len()
	var lens [4]int
	for i := range lens {
		lens[i] = b.len()
	}
	// One string has all that is the event's alone.
	own := b.bytes(lens[0] + lens[1] + lens[2] + lens[3])
	if b.broken || flags&idInEntry != 0 && size > lens[0] || flags&idInEntry == 0 && size != lens[1] {
		return nil, errBrief
	}
	d.own = append(hex.AppendEncode(d.own[:0], revision), own...)
	text := string(d.own)
	e.Revision, text = text[:2*revisionBytes], text[2*revisionBytes:]
	r.ID = text[:lens[0]]
	id := lens[0] - size // where it begins
	if flags&idInEntry == 0 {
		id = lens[0]
	}
	e.ID = text[id : id+size]
	path := id // likewise
	if flags&pathOfID == 0 {
		path += size
	}
	end := lens[0] + lens[1] + lens[2]
	e.Path, e.Title = text[path:end], text[end:]

	e.Status, e.Location = d.name(b.text()), d.name(b.text())
	tags, actors := b.len(), b.len()
	if b.broken || tags+actors > len(b.rest) {
		return nil, errBrief
	}
	names := take(&d.lists, tags+actors, 8*many)
	for i := range names {
		names[i] = d.name(b.text())
	}
	if tags > 0 {
		e.Tags = names[:tags:tags]
	}
	if actors > 0 {
		e.Actors = names[tags:]
	}
	if b.broken || len(b.rest) > 0 {
		return nil, errBrief
	}
	r.Event = e
	e.Lighten(o, d.texts, d.texts.add(r))
	return r, nil
}

// name returns the one copy of a name.
func (d *briefs) name(b []byte) string {
	name, ok := d.names[string(b)]
	if !ok {
		name = string(b)
		d.names[name] = name
	}
	return name
}

// parts takes a brief apart. Of one that ends too early it gives zeros, and says so.
type parts struct {
	rest   []byte
	broken bool
}

func (p *parts) bytes(n int) []byte {
	if n < 0 || n > len(p.rest) {
		p.rest, p.broken = nil, true
		return make([]byte, max(1, min(n, revisionBytes)))
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parts) int() int64 {
	n, size := binary.Varint(p.rest)
	p.bytes(size)
	if size <= 0 {
		p.rest, p.broken = nil, true
	}
	return n
}

// len is a length, which none of a whole brief passes.
func (p *parts) len() int {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 || n > uint64(len(p.rest)) {
		p.rest, p.broken = nil, true
		return 0
	}
	p.rest = p.rest[size:]
	return int(n)
}

func (p *parts) mark() uint64 {
	if len(p.rest) < 8 {
		p.rest, p.broken = nil, true
		return 0
	}
	return binary.BigEndian.Uint64(p.bytes(8))
}

func (p *parts) text() []byte { return p.bytes(p.len()) }
