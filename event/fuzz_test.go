package event

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Whatever a file holds, Read gives an event that its readers can rely on, or
// an *Error with a line of the file.
func FuzzRead(f *testing.F) {
	r := NewReader(Dialect{
		ImportanceWords: map[string]int{"high": 8}, DateLayouts: []string{"2 January 2006"}, Language: "de",
		TagAliases: map[string]string{"viaducts": "bridges"}, MaxBytes: 1 << 16,
	})
	const path = "2025/a.md"
	f.Fuzz(func(t *testing.T, data []byte) {
		kept := bytes.Clone(data)
		e, err := r.Read(path, data)
		again, errAgain := r.Read(path, data)
		if !bytes.Equal(data, kept) {
			t.Fatal("the data is changed")
		}
		if (e == nil) == (err == nil) {
			t.Fatalf("event %v, error %v", e, err)
		}
		if err != nil {
			lines := strings.Count(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n") + bytes.Count(data, []byte("\r"))
			var fault *Error
			if !errors.As(err, &fault) || fault.Path != path || fault.Line < 1 || fault.Line > lines+1 || fault.Msg == "" || strings.ContainsFunc(fault.Msg, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(fault.Msg) {
				t.Fatalf("%d lines, error %#v", lines, err)
			}
			if err.Error() != errAgain.Error() {
				t.Fatalf("another error from the same bytes: %v and %v", err, errAgain)
			}
			return
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("another event from the same bytes:\n%+v\n%+v", *e, *again)
		}
		if e.ID == "" || e.Title == "" || e.Date.IsZero() || e.Importance < 0 || e.Importance > 10 || e.Path != path || len(e.Revision) != 32 {
			t.Fatalf("%+v", *e)
		}
		texts := append([]string{e.ID, e.Title, e.Status, e.Location, e.Date.String(), e.Summary(80)}, e.Tags...)
		texts = append(texts, e.Actors...)
		for _, s := range e.Sources {
			texts = append(texts, s.Title, s.URL, s.Note)
			if s.Name() == "" && s.Note == "" || s.URL != "" && !absolute(s.URL) {
				t.Fatalf("source %+v", s)
			}
		}
		for _, s := range texts {
			if strings.ContainsAny(s, "\n\t") {
				t.Fatalf("%q is not on one line", s)
			}
		}
		for _, s := range append(texts, e.Body) {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !inXML(r) }) {
				t.Fatalf("%q is not for XML", s)
			}
		}
		for _, names := range [][]string{e.Tags, e.Actors} {
			seen := make(map[string]bool)
			for _, n := range names {
				if k := Key(n); n == "" || seen[k] {
					t.Fatalf("%q stands twice or is empty in %q", n, names)
				} else {
					seen[k] = true
				}
			}
		}
		if d, err := ParseDate(e.Date.String()); err != nil || d.String() != e.Date.String() {
			t.Fatalf("date %v: %v, %v", e.Date, d, err)
		}
		sealed := *e
		if sealed.Seal(); sealed.Revision != e.Revision {
			t.Fatal("sealed again, another revision")
		}
		if !bytes.Contains(data, []byte("\r")) {
			other, err := r.Read(path, bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))
			if err != nil {
				if len(data)+bytes.Count(data, []byte("\n")) <= 1<<16 {
					t.Fatalf("with CRLF: %v", err)
				}
			} else if !reflect.DeepEqual(other, e) {
				t.Fatalf("with CRLF in %v another event:\n%+v\n%+v", e.Diff(other), *e, *other)
			}
		}
	})
}

// inXML is the production Char of XML 1.0.
func inXML(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
}
