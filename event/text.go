package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// kept is where the text of a light event is: n bytes at an offset, as AppendText
// wrote them. body and sources tell one text from another.
type kept struct {
	in            io.ReaderAt
	at            int64
	n             int32
	extent        extent
	body, sources uint64
}

// Imprint is what a light event knows of its text.
type Imprint struct {
	// Bytes is how many AppendText writes.
	Bytes  int
	Extent Extent
	// Body and Sources stand for these.
	Body, Sources uint64
}

// Imprint returns that of an event, light or not.
func (e *Event) Imprint() Imprint {
	i := Imprint{Bytes: int(e.kept.n), Extent: e.Extent(), Body: e.textMark(Body), Sources: e.textMark(Sources)}
	if !e.IsLight() {
		i.Bytes = len(e.AppendText(nil))
	}
	return i
}

// Lighten makes an event that is being made, of all but its text, a light one: the text
// is at an offset of in.
func (e *Event) Lighten(i Imprint, in io.ReaderAt, at int64) {
	e.kept = kept{in: in, at: at, n: int32(i.Bytes), extent: i.Extent.narrow(), body: i.Body, sources: i.Sources}
}

// TextIn returns where the text of a light event is, as Lighten took it; nil of another.
func (e *Event) TextIn() (in io.ReaderAt, at int64) { return e.kept.in, e.kept.at }

// Text returns a reader of the text of an event, light or not.
func (e *Event) Text() *io.SectionReader {
	if e.IsLight() {
		return io.NewSectionReader(e.kept.in, e.kept.at, int64(e.kept.n))
	}
	text := e.AppendText(nil)
	return io.NewSectionReader(bytes.NewReader(text), 0, int64(len(text)))
}

// AppendText appends the long part of an event, its Body and its Sources, as a light
// event reads it.
func (e *Event) AppendText(b []byte) []byte {
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	text(e.Body)
	for _, s := range e.Sources {
		text(s.Title)
		text(s.URL)
		text(s.Note)
	}
	return b
}

// Light returns a copy of e without Body and Sources, which Full reads from in: n
// bytes at an offset, as AppendText wrote them. A light event has all else, its
// Revision and Diff included.
func (e *Event) Light(in io.ReaderAt, at int64, n int) *Event {
	light := *e
	light.Lighten(Imprint{Bytes: n, Extent: e.Extent(), Body: e.textMark(Body), Sources: e.textMark(Sources)}, in, at)
	light.Body, light.Sources = "", nil
	return &light
}

// IsLight says that Body and Sources are elsewhere.
func (e *Event) IsLight() bool { return e.kept.in != nil }

// Full returns the event with its Body and Sources: e itself, or a copy of a light
// one. It fails where these cannot be read.
func (e *Event) Full() (*Event, error) {
	if !e.IsLight() {
		return e, nil
	}
	b := make([]byte, e.kept.n)
	if _, err := e.kept.in.ReadAt(b, e.kept.at); err != nil {
		return nil, fmt.Errorf("the text of %s: %w", e.ID, err)
	}
	full := *e
	full.kept = kept{}
	// One string that all parts of the text are in.
	rest, broken := string(b), false
	text := func() string {
		n, size := binary.Uvarint(b[len(b)-len(rest):])
		if size <= 0 || n > uint64(len(rest)-size) {
			rest, broken = "", true
			return ""
		}
		s := rest[size : size+int(n)]
		rest = rest[size+int(n):]
		return s
	}
	for full.Body = text(); rest != ""; {
		full.Sources = append(full.Sources, Source{Title: text(), URL: text(), Note: text()})
	}
	if broken || full.textMark(Body) != e.kept.body || full.textMark(Sources) != e.kept.sources {
		return nil, fmt.Errorf("the text of %s: %w", e.ID, errText)
	}
	return &full, nil
}

var errText = errors.New("another one stands where it was kept")

// textMark stands for the Body or the Sources of an event, light or not.
func (e *Event) textMark(f Field) uint64 {
	switch {
	case e.IsLight() && f == Body:
		return e.kept.body
	case e.IsLight():
		return e.kept.sources
	}
	sum := e.digest(f)
	return binary.BigEndian.Uint64(sum[:])
}
