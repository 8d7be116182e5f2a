package event

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v4"
)

// parseTOML reads front matter whose first line is the file's line offset+1.
func parseTOML(front []byte, offset int) (*yaml.Node, error) {
	var tables map[string]toml.Primitive
	meta, err := toml.Decode(string(front), &tables)
	if err != nil {
		line, msg := 1, err.Error()
		var pe toml.ParseError
		if errors.As(err, &pe) {
			line, msg = pe.Position.Line, pe.Message
		}
		return nil, fault(line+offset, "the front matter is not valid TOML: "+msg)
	}
	r := tomlReader{meta: meta, front: front, offset: offset, budget: 1 << 25}
	return r.table(tables, "", offset+1, 0)
}

// tomlReader turns decoded TOML into the tree that YAML is read into.
type tomlReader struct {
	meta   toml.MetaData
	front  []byte
	offset int
	budget int // bytes that may still be gone through for lines
}

// table keeps the keys sorted, so that a map that stands for a list is one list
// everywhere. path is that of the table in the front matter.
func (r *tomlReader) table(values map[string]toml.Primitive, path string, line, depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, tooDeep(line)
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		at := r.line(values[k], line)
		child, err := r.node(values[k], path+k, at, depth+1)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: k, Line: at}, child)
	}
	return n, nil
}

func (r *tomlReader) node(p toml.Primitive, path string, line, depth int) (*yaml.Node, error) {
	var value any
	if err := r.meta.PrimitiveDecode(p, &value); err != nil {
		return nil, fault(line, err.Error())
	}
	if _, ok := value.(map[string]any); ok {
		var table map[string]toml.Primitive
		if err := r.meta.PrimitiveDecode(p, &table); err != nil {
			return nil, fault(line, err.Error())
		}
		return r.table(table, path+".", line, depth)
	}
	n, err := tomlNode(value, line, depth)
	if tables, ok := value.([]map[string]any); ok && err == nil {
		r.place(n, path, len(tables))
	}
	return n, err
}

// line returns the line of a value's key, or else that of what is around it. The
// decoder knows the lines, and tells them only of what it cannot decode.
func (r *tomlReader) line(p toml.Primitive, around int) int {
	if r.budget -= len(r.front); r.budget < 0 {
		return around // thousands of keys in a large file
	}
	var pe toml.ParseError
	if err := r.meta.PrimitiveDecode(p, new(undecodable)); errors.As(err, &pe) && pe.Position.Line > 0 {
		return pe.Position.Line + r.offset
	}
	return around
}

// undecodable is what nothing can be decoded into.
type undecodable struct{}

// UnmarshalTOML implements toml.Unmarshaler.
func (*undecodable) UnmarshalTOML(any) error { return errors.New("only the line is asked for") }

// place gives each table of an array of them the line of its [[header]]: the decoder
// keeps that of the last one.
func (r *tomlReader) place(list *yaml.Node, path string, n int) {
	header, err := regexp.Compile(`(?m)^[ \t]*\[\[[ \t]*` + regexp.QuoteMeta(path) + `[ \t]*\]\]`)
	if err != nil {
		return // a path that is no text
	}
	at := header.FindAllIndex(r.front, n+1)
	if len(at) != n {
		return
	}
	for i, item := range list.Content {
		relocate(item, r.offset+1+bytes.Count(r.front[:at[i][0]], []byte("\n")))
	}
}

// relocate moves a node and all below it to a line.
func relocate(n *yaml.Node, line int) {
	n.Line = line
	for _, c := range n.Content {
		relocate(c, line)
	}
}

func tooDeep(line int) *Error {
	return fault(line, fmt.Sprintf("front matter nested more than %d levels deep", maxDepth))
}

// tomlNode turns a value into a tree whose nodes have one line.
func tomlNode(v any, line, depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, tooDeep(line)
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Line: line}
	add := func(v any) error {
		c, err := tomlNode(v, line, depth+1)
		n.Content = append(n.Content, c)
		return err
	}
	switch v := v.(type) {
	case map[string]any:
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: k, Line: line})
			if err := add(v[k]); err != nil {
				return nil, err
			}
		}
	case []map[string]any:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		for _, item := range v {
			if err := add(item); err != nil {
				return nil, err
			}
		}
	case []any:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		for _, item := range v {
			if err := add(item); err != nil {
				return nil, err
			}
		}
	case time.Time:
		n.Value = tomlTime(v)
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
	default:
		n.Value = fmt.Sprint(v)
	}
	return n, nil
}

// tomlTime writes TOML's dates as YAML files have them. The decoder marks local
// dates by the names of their locations.
func tomlTime(t time.Time) string {
	switch t.Location().String() {
	case "date-local":
		return t.Format(time.DateOnly)
	case "datetime-local":
		return t.Format("2006-01-02T15:04:05")
	case "time-local":
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.RFC3339Nano)
}
