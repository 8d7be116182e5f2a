package feed

import (
	"strings"
	"unicode/utf8"
)

// Entries and the heads of feeds are written element by element, in the form in which
// encoding/xml would write the structs that the library fills: its reflection takes
// longer. Tests hold both together.

// declaration begins each document.
const declaration = `<?xml version="1.0" encoding="UTF-8"?>`

// element appends an element on a line of its own: text between tags, or nothing. Each
// pair of attrs is a name and a value.
func element(b []byte, indent, name, text string, attrs ...string) []byte {
	b = open(b, indent, name, attrs...)
	b = escape(b, text)
	return shut(b, name)
}

// optional is element where there is a text.
func optional(b []byte, indent, name, text string) []byte {
	if text == "" {
		return b
	}
	return element(b, indent, name, text)
}

// open appends a start tag on a line of its own.
func open(b []byte, indent, name string, attrs ...string) []byte {
	return start(append(append(b, '\n'), indent...), name, attrs...)
}

// start appends a start tag.
func start(b []byte, name string, attrs ...string) []byte {
	b = append(append(b, '<'), name...)
	for i := 0; i+1 < len(attrs); i += 2 {
		b = append(append(append(b, ' '), attrs[i]...), `="`...)
		b = append(escape(b, attrs[i+1]), '"')
	}
	return append(b, '>')
}

// shut appends an end tag.
func shut(b []byte, name string) []byte {
	return append(append(append(b, "</"...), name...), '>')
}

// escape appends text as encoding/xml's EscapeText writes it.
func escape(b []byte, text string) []byte {
	done := 0 // up to here text is in b
	for i := 0; i < len(text); {
		c, size := text[i], 1
		instead := ""
		switch {
		case '>' < c && c < utf8.RuneSelf, c == ' ', '\'' < c && c < '<':
			// As nearly every byte.
		case c == '"':
			instead = "&#34;"
		case c == '\'':
			instead = "&#39;"
		case c == '&':
			instead = "&amp;"
		case c == '<':
			instead = "&lt;"
		case c == '>':
			instead = "&gt;"
		case c == '\t':
			instead = "&#x9;"
		case c == '\n':
			instead = "&#xA;"
		case c == '\r':
			instead = "&#xD;"
		case c < ' ':
			instead = "\ufffd"
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 || r == 0xfffe || r == 0xffff {
				instead = "\ufffd"
			}
		}
		i += size
		if instead != "" {
			b = append(append(b, text[done:i-size]...), instead...)
			done = i
		}
	}
	return append(b, text[done:]...)
}

// cdata appends text as encoding/xml writes a field of that kind.
func cdata(b []byte, text string) []byte {
	if text == "" {
		return b
	}
	b = append(b, "<![CDATA["...)
	b = append(b, strings.ReplaceAll(text, "]]>", "]]]]><![CDATA[>")...)
	return append(b, "]]>"...)
}
