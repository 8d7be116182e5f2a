package event

import "go.yaml.in/yaml/v4"

// Places says where a file says what its Event holds, and in which words, for
// those who talk to its author. Lines count from 1.
type Places struct {
	// Front is the line of the front matter's first key.
	Front int
	// Keys are the names at the top of the front matter.
	Keys []Spelling
	// Fields are the values of the fields, by the names of Dialect.Fields; also
	// those that hold nothing.
	Fields map[string]Place
	// Tags and Actors are as the file spells them, before aliases.
	Tags, Actors []Spelling
	// Sources are the lines of Event.Sources.
	Sources []int
}

// Place is one value of the front matter.
type Place struct {
	Line  int
	Shape Shape
	// Text is a scalar's, on one line.
	Text string
}

// Spelling is a name as a file writes it.
type Spelling struct {
	Name string
	Line int
}

// Shape is what form a value has.
type Shape string

// The shapes of values. A list of maps is one whose maps have no name, so that
// all their values are taken for names.
const (
	Nothing    Shape = "nothing"
	Scalar     Shape = "scalar"
	List       Shape = "list"
	Map        Shape = "map"
	ListOfMaps Shape = "list of maps"
)

// Places reads the file at path a second time, for its lines. Of a file that Read
// does not take, the places are empty.
func (r *Reader) Places(path string, data []byte) Places {
	doc, err := parse(data, r.bare)
	if err != nil {
		return Places{}
	}
	t := tree{r: r, path: path, doc: &doc}
	p := Places{Front: doc.front.Line, Fields: make(map[string]Place)}
	for i := 0; i+1 < len(doc.front.Content); i += 2 {
		k := doc.front.Content[i]
		p.Keys = append(p.Keys, Spelling{line(k.Value), k.Line})
	}
	for field := range r.fields {
		if n := t.written(field); n != nil {
			p.Fields[field] = Place{Line: n.Line, Shape: shapeOf(n), Text: line(n.Value)}
		}
	}
	p.Tags, p.Actors = spellings(t.find("tags"), r.dialect.TagSplit), spellings(t.find("actors"), r.dialect.ActorSplit)

	if n := t.find("sources"); n != nil && len(t.sources()) > 0 {
		p.Sources = sourceLines(n)
		return p
	}
	_, _, at := splitBody(doc.body)
	for _, i := range at {
		p.Sources = append(p.Sources, doc.bodyLine+i)
	}
	return p
}

// written returns the value that find would, or the first that holds nothing where
// there is none.
func (t *tree) written(field string) *yaml.Node {
	if n := t.find(field); n != nil {
		return n
	}
	for _, c := range t.r.fields[field] {
		if n := lookup(t.doc.front, c.keys); c.keys != nil && n != nil {
			return n
		}
	}
	return nil
}

func shapeOf(n *yaml.Node) Shape {
	switch {
	case null(n):
		return Nothing
	case n.Kind == yaml.MappingNode:
		return Map
	case n.Kind != yaml.SequenceNode:
		return Scalar
	}
	for _, c := range n.Content {
		if c.Kind == yaml.MappingNode && lookup(c, []string{"name"}) == nil && lookup(c, []string{"title"}) == nil {
			return ListOfMaps
		}
	}
	return List
}

// spellings returns the names of a value, each with its line.
func spellings(n *yaml.Node, split string) []Spelling {
	if n == nil {
		return nil
	}
	at := n.Line
	if n.Kind == yaml.SequenceNode {
		var all []Spelling
		for _, c := range n.Content {
			all = append(all, spellings(c, "")...)
		}
		return all
	}
	var all []Spelling
	for _, s := range listed(n, split) {
		all = append(all, Spelling{s, at})
	}
	return all
}

// sourceLines returns the lines of the sources in the front matter.
func sourceLines(n *yaml.Node) []int {
	if n.Kind != yaml.SequenceNode {
		return []int{n.Line}
	}
	var lines []int
	for _, item := range n.Content {
		if readSource(item) != (Source{}) {
			lines = append(lines, item.Line)
		}
	}
	return lines
}
