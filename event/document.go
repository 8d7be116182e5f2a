package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/adrg/frontmatter"
	"go.yaml.in/yaml/v4"
)

// document is a file cut into its two parts.
type document struct {
	front    *yaml.Node // a mapping; Line counts from the file's first line
	body     string     // with LF line ends
	bodyLine int        // on which the body begins
}

// maxDepth bounds the nesting of front matter. Real files reach four.
const maxDepth = 32

var bom = []byte("\xef\xbb\xbf")

// reads reads front matter whose first line is the file's line offset+1.
type reads func(front []byte, offset int) (*yaml.Node, error)

// fences are what front matter stands between, but for JSON's braces.
var fences = []struct {
	open, end string
	read      reads
}{
	{"---", "---", parseYAML},
	{"+++", "+++", parseTOML},
	{"```yaml", "```", parseYAML},
	{"```yml", "```", parseYAML},
	{"```toml", "```", parseTOML},
	{"```json", "```", parseFencedJSON},
	{"---yaml", "---", parseYAML},
	{"---toml", "---", parseTOML},
	{"---json", "---", parseFencedJSON},
	{";;;", ";;;", parseFencedJSON},
}

// parse cuts a file into front matter and body; bare ones, without front matter,
// are taken where they may be events. The error is an *Error without its Path.
func parse(data []byte, bare bool) (document, error) {
	data = bytes.TrimPrefix(data, bom)
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	}
	if line := badByte(data); line > 0 {
		return document{}, fault(line, "not valid UTF-8 text; save the file as UTF-8")
	}
	// What the splitter takes for blank.
	open := len(data) - len(bytes.TrimLeftFunc(data, unicode.IsSpace))
	before := bytes.Count(data[:open], []byte("\n"))
	if open == len(data) {
		return document{}, fault(1, "the file is empty")
	}
	var doc document
	var err error
	if data[open] == '{' {
		doc, err = parseJSON(data[open:], before)
	} else {
		doc, err = parseFenced(data, open, before, bare)
	}
	doc.bodyLine = 1 + bytes.Count(data[:len(data)-len(doc.body)], []byte("\n"))
	return doc, err
}

// parseFenced reads front matter between two fences. The first one is at open,
// behind some blank lines.
func parseFenced(data []byte, open, before int, bare bool) (document, error) {
	first, _, _ := bytes.Cut(data[open:], []byte("\n"))
	fence := string(bytes.TrimSpace(first))
	var front []byte
	capture := func(b []byte, v any) error {
		*v.(*[]byte) = b
		return nil
	}
	var formats []*frontmatter.Format
	var end string
	var read reads
	for _, f := range fences {
		if fence == f.open {
			end, read = f.end, f.read
			formats = append(formats, frontmatter.NewFormat(f.open, f.end, capture))
		}
	}
	switch {
	case read == nil && bare:
		return document{front: &yaml.Node{Kind: yaml.MappingNode, Line: before + 1}, body: string(data)}, nil
	case read == nil:
		return document{}, fault(before+1, "no front matter: the first line is not ---, +++ or {")
	}
	body, err := frontmatter.MustParse(bytes.NewReader(data), &front, formats...)
	switch {
	case errors.Is(err, frontmatter.ErrNotFound):
		return document{}, fault(before+1, "the front matter that begins here has no closing "+end+" line")
	case err != nil:
		return document{}, fault(before+1, err.Error())
	}
	// The splitter takes an indented fence for the end and would cut a block
	// scalar silently.
	from := open + len(first) + 1
	last := data[from+len(front) : len(data)-len(body)]
	if !bytes.HasPrefix(last, []byte(end)) {
		line := before + 1 + bytes.Count(front, []byte("\n")) + 1
		return document{}, fault(line, "an indented "+end+" would end the front matter; put it in quotes or take it out")
	}
	node, err := read(front, before+1)
	return document{front: node, body: string(body)}, err
}

// badByte returns the line of the first byte that is no UTF-8 or is NUL, from
// 1; 0 where there is none. Both are what a file looks like that was cut off in
// mid-write.
func badByte(data []byte) int {
	if utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 {
		return 0
	}
	line := 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1, r == 0:
			return line
		case r == '\n':
			line++
		}
		data = data[n:]
	}
	return line
}

// parseYAML reads front matter whose first line is the file's line offset+1.
func parseYAML(front []byte, offset int) (*yaml.Node, error) {
	// The library's own error for these names no line.
	if i := bytes.IndexFunc(front, unreadable); i >= 0 {
		r, _ := utf8.DecodeRune(front[i:])
		return nil, fault(offset+1+bytes.Count(front[:i], []byte("\n")), fmt.Sprintf("the front matter holds the control character %U; take it out", r))
	}
	node, ok := plainYAML(string(front))
	if !ok {
		var err error
		if node, err = libraryYAML(front, offset); err != nil {
			return nil, err
		}
	}
	if err := tidy(node, offset, 0); err != nil {
		return nil, err
	}
	return node, nil
}

// libraryYAML reads any YAML that is a mapping. Lines of the tree count from the first of
// front.
func libraryYAML(front []byte, offset int) (*yaml.Node, error) {
	var root, second yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(front))
	if err == nil {
		err = loader.Load(&root)
	}
	if err == nil {
		if err = loader.Load(&second); err == nil {
			return nil, fault(second.Line+offset, "a second YAML document begins; take out the ... or --- before it")
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, yamlFault(err, offset)
	}
	if len(root.Content) == 0 {
		return &yaml.Node{Kind: yaml.MappingNode}, nil
	}
	node := root.Content[0]
	if node.Kind != yaml.MappingNode {
		return nil, fault(node.Line+offset, "the front matter is not a list of key: value lines")
	}
	return node, nil
}

// tidy makes lines count from the file's first, and refuses what front matter
// has no use for: aliases (323 bytes of them can stand for gigabytes), deep
// nesting, and one key twice.
func tidy(n *yaml.Node, offset, depth int) error {
	n.Line += offset
	switch {
	case n.Kind == yaml.AliasNode:
		return fault(n.Line, "YAML aliases (*"+n.Value+") are not supported; write the value out")
	case depth > maxDepth:
		return tooDeep(n.Line)
	}
	for _, c := range n.Content {
		if err := tidy(c, offset, depth+1); err != nil {
			return err
		}
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			continue
		}
		if first, ok := seen[k.Value]; ok {
			return fault(k.Line, fmt.Sprintf("the key %s stands twice (first on line %d)", clip(k.Value), first))
		}
		seen[k.Value] = k.Line
	}
	return nil
}

// beginsEarlier matches the errors that name the line where YAML gave up looking
// for the end of a text; people look for the line where the text begins.
var beginsEarlier = regexp.MustCompile(`^(found unexpected end of stream|found unexpected document indicator|could not find expected ':')`)

// unreadable says that YAML does not allow r in a file.
func unreadable(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' || r == 0xfffe || r == 0xffff
}

var yamlLine = regexp.MustCompile(`\bline (\d+)(?:, column \d+)?(?:-\S+)?:? ?`)

// yamlFault turns the library's error, whose line counts from the front
// matter's first, into a fault of the file's line.
func yamlFault(err error, offset int) error {
	line, msg := 1, err.Error()
	var load *yaml.LoadError
	if errors.As(err, &load) && load.Mark.Line > 0 {
		line, msg = load.Mark.Line, load.Message
		if beginsEarlier.MatchString(msg) && load.ContextMark.Line > 0 {
			line = load.ContextMark.Line
		}
	} else if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	msg = strings.TrimPrefix(strings.Join(strings.Fields(yamlLine.ReplaceAllString(msg, "")), " "), "yaml: ")
	return fault(line+offset, "the front matter is not valid YAML: "+msg+"; is a text with a colon or quote not in quotes?")
}

// surrogates matches the escapes of JSON's strings: pairs and single halves of
// UTF-16 surrogates, which YAML does not take, in full, all others by their
// first two bytes.
var surrogates = regexp.MustCompile(`\\(?:u[dD][89abAB][[:xdigit:]]{2}\\u[dD][c-fC-F][[:xdigit:]]{2}|u[dD][89a-fA-F][[:xdigit:]]{2}|.)`)

// parseJSON reads a JSON object at the file's beginning. JSON is YAML but for
// rarities, so the same tree keeps the lines.
func parseJSON(data []byte, before int) (document, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		line := before + 1
		var se *json.SyntaxError
		if errors.As(err, &se) {
			// The offset is behind the byte at fault.
			line += bytes.Count(data[:min(max(int(se.Offset)-1, 0), len(data))], []byte("\n"))
		}
		return document{}, fault(line, "the front matter is not valid JSON: "+err.Error())
	}
	end := int(dec.InputOffset())
	raw = surrogates.ReplaceAllFunc(raw, func(escape []byte) []byte {
		var s string
		if len(escape) == 2 || json.Unmarshal([]byte(`"`+string(escape)+`"`), &s) != nil {
			return escape
		}
		return []byte(s)
	})
	node, err := parseYAML(raw, before)
	return document{front: node, body: string(data[end:])}, err
}

// parseFencedJSON reads JSON that stands between fences.
func parseFencedJSON(front []byte, offset int) (*yaml.Node, error) {
	open := len(front) - len(bytes.TrimLeftFunc(front, unicode.IsSpace))
	before := offset + bytes.Count(front[:open], []byte("\n"))
	doc, err := parseJSON(front[open:], before)
	if rest := strings.TrimLeftFunc(doc.body, unicode.IsSpace); err == nil && rest != "" {
		line := before + 1 + bytes.Count(front[open:len(front)-len(rest)], []byte("\n"))
		return nil, fault(line, "something stands behind the front matter's JSON; take it out, or end the front matter before it")
	}
	return doc.front, err
}

// fault is an error at a line. What parsers quote of a file is shown, not done: a
// line end or a terminal's command is escaped.
func fault(line int, msg string) *Error {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(msg, "\ufffd") {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return &Error{Line: line, Msg: b.String()}
}

// clip quotes s for an error, cut to what a terminal's line holds.
func clip(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}
