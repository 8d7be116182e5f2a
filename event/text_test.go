package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"
)

// written are events with and without each part of a text.
func written() []*Event {
	all := []*Event{
		{Title: "Bare"},
		{Title: "Body", Body: "One.\n\n| a | b |\n\n[here](x) and [there][1].\n\n[1]: https://example.org/"},
		{Title: "Sources", Sources: []Source{{Title: "Gazette", URL: "https://example.org/?a=1", Note: "print"}, {URL: "https://example.org/"}, {}}},
		{Title: "Both", Body: "Two.", Sources: []Source{{Title: "«Gazette»"}}},
	}
	for i, e := range all {
		e.ID = fmt.Sprint(i)
		e.Seal()
	}
	return all
}

// light returns e as a light one.
func light(e *Event) *Event {
	b := e.AppendText([]byte("before"))
	return e.Light(bytes.NewReader(append(b, "behind"...)), int64(len("before")), len(b)-len("before"))
}

func TestLight(t *testing.T) {
	for _, e := range written() {
		l := light(e)
		if !l.IsLight() || l.Body != "" || l.Sources != nil || e.IsLight() {
			t.Errorf("%s: light %v: %+v", e.Title, l.IsLight(), l)
		}
		full, err := l.Full()
		if err != nil || !reflect.DeepEqual(full, e) {
			t.Errorf("%s: read back %+v, %v", e.Title, full, err)
		}
		if same, err := e.Full(); same != e || err != nil {
			t.Errorf("%s: Full of a full event is another", e.Title)
		}
		if l.Extent() != e.Extent() {
			t.Errorf("%s: extent %+v, light %+v", e.Title, e.Extent(), l.Extent())
		}
		if l.Imprint() != e.Imprint() || l.Imprint().Bytes != len(e.AppendText(nil)) {
			t.Errorf("%s: imprint %+v, light %+v", e.Title, e.Imprint(), l.Imprint())
		}
		for _, of := range []*Event{e, l} {
			if text, err := io.ReadAll(of.Text()); err != nil || !bytes.Equal(text, e.AppendText(nil)) {
				t.Errorf("%s: the text of an event that is light (%v): %q, %v", e.Title, of.IsLight(), text, err)
			}
		}
		made := *e
		made.Body, made.Sources = "", nil
		in, at := l.TextIn()
		made.Lighten(e.Imprint(), in, at)
		if in, at := e.TextIn(); !reflect.DeepEqual(&made, l) || in != nil || at != 0 {
			t.Errorf("%s: lightened %+v, light %+v", e.Title, made, l)
		}
		for _, other := range written() {
			want := e.Diff(other)
			for _, got := range [][]Field{l.Diff(other), e.Diff(light(other)), l.Diff(light(other))} {
				if !slices.Equal(got, want) {
					t.Errorf("%s and %s differ in %v, light in %v", e.Title, other.Title, want, got)
				}
			}
		}
	}
}

// What cannot be read, or is not what was kept, is an error and no empty text.
func TestLightUnreadable(t *testing.T) {
	for _, e := range written() {
		b := e.AppendText(nil)
		for i := range b {
			if _, err := e.Light(bytes.NewReader(b[:i]), 0, len(b)).Full(); err == nil {
				t.Errorf("%s: %d of %d bytes are read", e.Title, i, len(b))
			}
			if i < len(b)-1 {
				short := e.Light(bytes.NewReader(b), 0, i)
				if full, err := short.Full(); err == nil && full.Body+fmt.Sprint(full.Sources) != e.Body+fmt.Sprint(e.Sources) {
					t.Errorf("%s: %d of %d bytes are a text: %+v", e.Title, i, len(b), full)
				}
			}
			other := bytes.Clone(b)
			other[i] ^= 0x41
			if _, err := e.Light(bytes.NewReader(other), 0, len(b)).Full(); !errors.Is(err, errText) {
				t.Errorf("%s: byte %d is another: %v", e.Title, i, err)
			}
		}
	}
}

func TestLightPanics(t *testing.T) {
	for name, use := range map[string]func(e *Event){
		"Value":   func(e *Event) { e.Value(Body) },
		"Seal":    (*Event).Seal,
		"Summary": func(e *Event) { e.Summary(10) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of a light event is one of an empty text", name)
				}
			}()
			use(light(written()[1]))
		}()
	}
}
