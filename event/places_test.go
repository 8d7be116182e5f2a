package event

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const placed = `---
title: X
date: 2024-05-06
location:
tags:
  - One
  - Two
actors: {main: Ada, other: [Eve]}
verification_status: open
extra: 1
---
Text.

## Sources

1. [A](https://example.org/a)

2. B
`

func TestPlaces(t *testing.T) {
	want := Places{
		Front: 2,
		Keys:  []Spelling{{"title", 2}, {"date", 3}, {"location", 4}, {"tags", 5}, {"actors", 8}, {"verification_status", 9}, {"extra", 10}},
		Fields: map[string]Place{
			"title": {2, Scalar, "X"}, "date": {3, Scalar, "2024-05-06"}, "location": {4, Nothing, ""}, "tags": {6, List, ""},
			"actors": {8, Map, ""}, "status": {9, Scalar, "open"},
		},
		Tags:    []Spelling{{"One", 6}, {"Two", 7}},
		Actors:  []Spelling{{"Ada", 8}, {"Eve", 8}},
		Sources: []int{16, 18},
	}
	r := NewReader(Dialect{TagAliases: map[string]string{"one": "two"}})
	for name, text := range map[string]string{
		"unix": placed, "windows": strings.ReplaceAll(placed, "\n", "\r\n"), "old": strings.ReplaceAll(placed, "\n", "\r"), "bom": "\ufeff" + placed,
	} {
		if got := r.Places("a.md", []byte(text)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
}

func TestPlacesOfSources(t *testing.T) {
	for _, c := range []struct {
		front string
		want  []int
	}{
		{"sources:\n- url: https://example.org/a\n  title: A\n-\n- B\n", []int{5, 8}},
		{"sources: B\n", []int{4}},
		{"sources: [A, B]\n", []int{4, 4}},
		{"sources: []\n", []int{10, 11}}, // those of the body
	} {
		data := []byte("---\ntitle: X\ndate: 2024-05-06\n" + c.front + "---\nText.\n\n## Sources\n\n- C\n- D\n")
		r := NewReader(Dialect{})
		e, err := r.Read("x.md", data)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Places("a.md", data).Sources; !slices.Equal(got, c.want) || len(got) != len(e.Sources) {
			t.Errorf("%q: %d sources in the lines %v, want %v", c.front, len(e.Sources), got, c.want)
		}
	}
}

func TestShapes(t *testing.T) {
	for text, want := range map[string]Shape{
		"''": Nothing, "null": Nothing, "x": Scalar, "[x]": List, "[]": List, "{a: b}": Map,
		"[{name: x}]": List, "[{title: x}, y]": List, "[{who: x}]": ListOfMaps,
	} {
		got := NewReader(Dialect{}).Places("a.md", []byte("---\nactors: "+text+"\n---\n")).Fields["actors"].Shape
		if got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

// A file that cannot be read has no places.
func TestNoPlaces(t *testing.T) {
	if got := NewReader(Dialect{}).Places("a.md", []byte("---\na: b: c\n---\n")); len(got.Fields) > 0 || got.Front != 0 {
		t.Errorf("got %v", slices.Collect(maps.Keys(got.Fields)))
	}
}
