package event

import (
	"github.com/yuin/goldmark"
	"go.yaml.in/yaml/v4"
)

// Outline is a file as it can be seen by those who do not know its dialect yet.
type Outline struct {
	// Front is the front matter, a mapping; empty where the file has none.
	Front *yaml.Node
	// Body has LF line ends.
	Body string
	// Headings are the first of each level, at the level less 1, as plain text;
	// empty where there is none.
	Headings [6]string
	// Paragraphs are the first of the body, as plain text.
	Paragraphs []string
}

// outlined is how many paragraphs an outline has at most.
const outlined = 3

// Outlined cuts a file into front matter and body, also one without front matter.
// The error is an *Error without its Path.
func Outlined(data []byte) (Outline, error) {
	doc, err := parse(data, true)
	o := Outline{Front: doc.front, Body: doc.body}
	if err != nil {
		return o, err
	}
	for _, b := range blocks(goldmark.New().Parser(), doc.body, 1) {
		switch {
		case b.level > 0 && o.Headings[b.level-1] == "":
			o.Headings[b.level-1] = b.text
		case b.level == 0 && len(o.Paragraphs) < outlined:
			o.Paragraphs = append(o.Paragraphs, b.text)
		}
	}
	return o, nil
}

// ReadDate reads s as a date of a file; false where it is none.
func (r *Reader) ReadDate(s string) (Date, bool) {
	t := tree{r: r}
	d := t.dateOf("date", scalar(s, 1))
	return d, t.err == nil
}

// TakesImportance says that r reads s as an importance.
func (r *Reader) TakesImportance(s string) bool {
	t := tree{r: r}
	t.weigh(scalar(s, 1))
	return t.err == nil
}

// Texts returns the texts that a value is read as where a list of names is
// expected: those of a list, the name of a map.
func Texts(n *yaml.Node) []string { return texts(n) }
