package event

import "go.yaml.in/yaml/v4"

// Outline is a file as it can be seen by those who do not know its dialect yet.
type Outline struct {
	// Front is the front matter, a mapping; empty where the file has none.
	Front *yaml.Node
	// Body has LF line ends.
	Body string
}

// Outlined cuts a file into front matter and body, also one without front matter.
// The error is an *Error without its Path.
func Outlined(data []byte) (Outline, error) {
	doc, err := parse(data, true)
	return Outline{Front: doc.front, Body: doc.body}, err
}

// TakesDate says that r reads s as a date.
func (r *Reader) TakesDate(s string) bool {
	t := tree{r: r}
	t.dateOf("date", scalar(s, 1))
	return t.err == nil
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
