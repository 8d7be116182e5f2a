package event

import (
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// plainYAML reads the YAML that nearly all front matter is: maps and lists in lines that
// are indented, lists in brackets on one line, and texts with or without quotes. It takes
// less time than the library, and gives the library's tree (kinds, tags, values and
// lines). What it does not know for certain, faults included, is not ok and the library's
// to read.
func plainYAML(front string) (root *yaml.Node, ok bool) {
	if !onlyPlain(front) {
		return nil, false
	}
	r := plainReader{rest: front}
	r.next()
	root, ok = r.mapping(0)
	return root, ok && r.text == ""
}

// onlyPlain says that text has no character that means something in YAML wherever it
// stands, or that YAML does not allow.
func onlyPlain(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c < ' ' && c != '\n', c == 0x7f:
			return false
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(text[i:])
			if r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0xfeff && r <= 0xffff || r == utf8.RuneError {
				return false
			}
			i += size - 1
		}
	}
	return true
}

// plainReader goes through lines.
type plainReader struct {
	rest   string
	text   string // of the line, without spaces around it; empty at the end of all
	indent int    // how many spaces are before it
	line   int    // from 1
	blank  int    // how many blank lines are in front of it
	depth  int    // of maps
	nodes  []yaml.Node
}

// next goes to the next line that is not blank.
func (r *plainReader) next() {
	r.text, r.indent, r.blank = "", 0, 0
	for r.rest != "" {
		var line string
		line, r.rest, _ = strings.Cut(r.rest, "\n")
		r.line++
		text := strings.TrimLeft(line, " ")
		r.indent = len(line) - len(text)
		if r.text = strings.TrimRight(text, " "); r.text != "" {
			return
		}
		r.blank++
	}
	r.indent = 0
}

// node makes a node of the line.
func (r *plainReader) node(kind yaml.Kind, tag, value string) *yaml.Node {
	if len(r.nodes) == cap(r.nodes) {
		r.nodes = make([]yaml.Node, 0, 32)
	}
	r.nodes = append(r.nodes, yaml.Node{Kind: kind, Tag: tag, Value: value, Line: r.line})
	return &r.nodes[len(r.nodes)-1]
}

// Bounds on what is plain: how deep maps are, for which the library has a bound of its own,
// and how many lines a text has, as each costs the length of those before.
const (
	maxPlainDepth = 10
	maxPlainLines = 40
)

// mapping reads the lines of a map, which begin at an indentation, and goes to the line
// behind it.
func (r *plainReader) mapping(indent int) (*yaml.Node, bool) {
	r.depth++
	defer func() { r.depth-- }()
	m := r.node(yaml.MappingNode, "!!map", "")
	for r.text != "" && r.indent == indent {
		end := keyEnd(r.text)
		if end < 0 || r.depth > maxPlainDepth {
			return nil, false
		}
		tag, ok := tagOf(r.text[:end])
		if !ok {
			return nil, false
		}
		m.Content = append(m.Content, r.node(yaml.ScalarNode, tag, r.text[:end]))
		value, rest := (*yaml.Node)(nil), strings.TrimLeft(r.text[end+1:], " ")
		if rest != "" {
			value, ok = r.value(rest, indent)
		} else if r.next(); strings.HasPrefix(r.text, "- ") && r.indent >= indent {
			value, ok = r.list(r.indent)
		} else if r.indent > indent {
			value, ok = r.mapping(r.indent)
		} else {
			return nil, false // nothing
		}
		if !ok {
			return nil, false
		}
		m.Content = append(m.Content, value)
	}
	return m, len(m.Content) > 0 && r.indent <= indent
}

// keyEnd is where the key ends with which a text begins, and its colon stands; -1 where it
// begins with none.
func keyEnd(text string) int {
	end := 0
	for end < len(text) && (isWord(text[end]) || end > 0 && text[end] == '-') {
		end++
	}
	if end == 0 || end > 100 || end == len(text) || text[end] != ':' || end+1 < len(text) && text[end+1] != ' ' {
		return -1
	}
	return end
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// begins says that a text without quotes may begin with c.
func begins(c byte) bool { return isWord(c) || c == '$' || c == '(' || c >= utf8.RuneSelf }

// list reads the lines of a list, which begin at an indentation with a hyphen, and goes to
// the line behind it.
func (r *plainReader) list(indent int) (*yaml.Node, bool) {
	l := r.node(yaml.SequenceNode, "!!seq", "")
	for r.indent == indent && strings.HasPrefix(r.text, "- ") {
		var item *yaml.Node
		var ok bool
		if text := r.text[2:]; keyEnd(text) >= 0 {
			r.text, r.indent = text, indent+2
			item, ok = r.mapping(indent + 2)
		} else {
			item, ok = r.value(text, indent)
		}
		if !ok {
			return nil, false
		}
		l.Content = append(l.Content, item)
	}
	return l, true
}

// value reads what begins with a text in the line, behind a key or a hyphen at an
// indentation, and goes to the line behind it.
func (r *plainReader) value(text string, indent int) (v *yaml.Node, ok bool) {
	switch quote := text[0]; quote {
	case '[':
		v, ok = r.brackets(text)
		r.next()
	case '"', '\'':
		v = r.node(yaml.ScalarNode, "!!str", "")
		for lines := 1; ; lines++ {
			switch end := closingQuote(text); {
			case end == len(text)-1:
				if v.Value = text[1:end]; quote == '\'' {
					v.Value = strings.ReplaceAll(v.Value, "''", "'")
				}
				r.next()
				return v, true
			case end >= 0:
				return nil, false
			}
			if r.next(); r.text == "" || r.indent <= indent || lines == maxPlainLines {
				return nil, false
			}
			text += r.fold() + r.text
		}
	default:
		if !isPlain(text) || !begins(text[0]) {
			return nil, false
		}
		v = r.node(yaml.ScalarNode, "", "")
		lines := 1
		for r.next(); r.indent > indent; r.next() {
			if lines++; lines > maxPlainLines || !isPlain(r.text) || r.text[0] == '#' {
				return nil, false
			}
			text += r.fold() + r.text
		}
		v.Value = text
		v.Tag, ok = tagOf(text)
	}
	return v, ok
}

// fold is what stands between a line of a text and this one: as many line ends as there
// are blank lines.
func (r *plainReader) fold() string {
	if r.blank == 0 {
		return " "
	}
	return strings.Repeat("\n", r.blank)
}

// closingQuote is where the quote stands that ends a text which begins with one; -1 where
// none does, or a text without a certain end.
func closingQuote(text string) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			return 0
		case text[i] != quote:
		case quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			i++
		default:
			return i
		}
	}
	return -1
}

// isPlain says that a line of a text without quotes is nothing but that.
func isPlain(text string) bool {
	return !strings.Contains(text, ": ") && !strings.Contains(text, " #") && !strings.HasSuffix(text, ":")
}

// brackets reads a list that ends on the line.
func (r *plainReader) brackets(text string) (*yaml.Node, bool) {
	inside, ok := strings.CutSuffix(text[1:], "]")
	l := r.node(yaml.SequenceNode, "!!seq", "")
	if !ok || inside == "" {
		return l, ok
	}
	for item := range strings.SplitSeq(inside, ",") {
		item = strings.Trim(item, " ")
		if item == "" {
			return nil, false
		}
		tag := "!!str"
		if item[0] == '"' || item[0] == '\'' {
			end := closingQuote(item)
			if end < 1 || end != len(item)-1 { // or the comma stands in it
				return nil, false
			}
			if quote := item[0]; quote == '\'' {
				item = strings.ReplaceAll(item[1:end], "''", "'")
			} else {
				item = item[1:end]
			}
		} else {
			if !begins(item[0]) || strings.ContainsAny(item, `[]{}?:#&*!|>'"%@`) {
				return nil, false
			}
			if tag, ok = tagOf(item); !ok {
				return nil, false
			}
		}
		l.Content = append(l.Content, r.node(yaml.ScalarNode, tag, item))
	}
	return l, true
}

// tagOf returns the type that YAML sees in a text without quotes.
func tagOf(text string) (tag string, ok bool) {
	switch text {
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return "!!bool", true
	case "null", "Null", "NULL":
		return "!!null", true
	}
	if c := text[0]; c < '0' || c > '9' {
		return "!!str", true
	}
	digits := strings.Trim(text, "0123456789") == ""
	switch {
	case digits && text[0] != '0' && len(text) < 18:
		return "!!int", true
	case digits:
		return "", false
	case strings.ContainsAny(text, "ghijklmnqrsuvwyGHIJKLMNQRSUVWY"): // of which no number and no time has any
		return "!!str", true
	}
	for _, known := range []struct{ layout, tag string }{
		{time.DateOnly, "!!timestamp"}, {"2006-01-02T15:04:05Z", "!!timestamp"}, {"2006-01", "!!str"},
	} {
		if _, err := time.Parse(known.layout, text); err == nil {
			return known.tag, true
		}
	}
	whole, part, ok := strings.Cut(text, ".")
	return "!!float", ok && len(text) < 18 && part != "" && strings.Trim(whole+part, "0123456789") == ""
}
