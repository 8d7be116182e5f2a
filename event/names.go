package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// line makes s plain text on one line: NFC, only characters that XML allows,
// runs of white space as one space.
func line(s string) string {
	if isLine(s) {
		return s
	}
	return strings.Join(strings.Fields(norm.NFC.String(legal(s))), " ")
}

// isLine says that s is of visible ASCII characters with single spaces between
// them, as most names and titles are.
func isLine(s string) bool {
	last := byte(' ')
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c >= 0x7f || c == ' ' && last == ' ' {
			return false
		}
		last = c
	}
	return last != ' '
}

// legal drops the characters that XML 1.0 (section 2.2, production Char) does
// not allow; s is valid UTF-8. A zero-width no-break space goes with them: it
// is invisible and comes from files glued together.
func legal(s string) string {
	if isLegal(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n':
			return r
		case r == '\r':
			return '\n'
		case r < 0x20, r == 0x7f, r == 0xfffe, r == 0xffff, r == 0xfeff, r > 0x10ffff:
			return -1
		}
		return r
	}, s)
}

// isLegal says so of what needs no look at characters: 0xef begins those of the
// others that are not ASCII.
func isLegal(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' && c != '\n' || c == 0x7f || c == 0xef {
			return false
		}
	}
	return true
}

// fold makes s one line without differences of case.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		// x/text folds each case of Cherokee to the other one.
		switch {
		case 0xab70 <= r && r <= 0xabbf:
			return r - 0xab70 + 0x13a0
		case 0x13f8 <= r && r <= 0x13fd:
			return r - 8
		}
		return r
	}, cases.Fold().String(line(s)))
}

// Key returns what two spellings of one name share: they may differ in case
// (Unicode full case folding), in apostrophes, and in what separates words
// (spaces, hyphens and other punctuation). Symbols count, and so do # * % @:
// C, C++ and C# are three names. Names compare by Key everywhere.
func Key(name string) string {
	if isKey(name) {
		return name // most tags are keys already
	}
	if isLine(name) {
		if key := plainKey(name); key != "" {
			return key
		}
	}
	return foldedKey(name)
}

// foldedKey is Key for any name.
func foldedKey(name string) string {
	bare := strings.Map(func(r rune) rune {
		if r == '\'' || r == '’' {
			return -1
		}
		return r
	}, fold(name))
	words := strings.FieldsFunc(norm.NFC.String(bare), separates)
	if len(words) == 0 {
		return line(name)
	}
	return strings.Join(words, "-")
}

// plainKey is Key for a name that isLine: in ASCII there is nothing to compose, and
// one way to fold. It is empty where the name has no word.
func plainKey(name string) string {
	b := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case c == '\'':
		case separates(rune(c)):
			if len(b) > 0 && b[len(b)-1] != '-' {
				b = append(b, '-')
			}
		case 'A' <= c && c <= 'Z':
			b = append(b, c-'A'+'a')
		default:
			b = append(b, c)
		}
	}
	return strings.TrimSuffix(string(b), "-")
}

func separates(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.IsPunct(r) && !strings.ContainsRune("#*%@", r)
}

// isKey says that name is of ASCII letters and digits with single hyphens
// between them.
func isKey(name string) bool {
	last := byte('-')
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' && last != '-') {
			return false
		}
		last = c
	}
	return last != '-'
}

// maxSlug bounds a slug's bytes: with ending and escapes it fits every file
// system's 255.
const maxSlug = 80

// Slug returns the part of a URL for a Key: letters and digits of every script,
// joined by hyphens. It never is empty, never holds a
// dot or slash, and has at most 80 bytes. Different keys may have one slug
// (C, C++): timeline.Slugs keeps them apart.
func Slug(key string) string {
	if len(key) <= maxSlug && isKey(key) {
		return key
	}
	var b strings.Builder
	for _, r := range key {
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			b.WriteRune(r)
		case b.Len() > 0 && b.String()[b.Len()-1] != '-':
			b.WriteByte('-')
		}
	}
	s := strings.TrimRight(b.String(), "-")
	if s == "" {
		return "x-" + Suffix(key)
	}
	if len(s) > maxSlug {
		cut := maxSlug - 9
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		return strings.TrimRight(s[:cut], "-") + "-" + Suffix(key)
	}
	return s
}

// Suffix returns eight hexadecimal digits that depend on key alone, to tell
// apart keys whose slugs are the same.
func Suffix(key string) string {
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:4])
}
