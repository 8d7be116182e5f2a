package feed

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/microcosm-cc/bluemonday"
)

// policy is what user content may hold: no script, style, frame or handler, no
// relative address.
var policy = func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.AllowRelativeURLs(false)
	p.RequireNoFollowOnLinks(false)
	return p
}()

// clean makes HTML safe: what policy makes of it, without characters that XML does not
// allow.
func clean(html []byte) string {
	if s, ok := plain(html); ok {
		return s
	}
	return byPolicy(html)
}

func byPolicy(html []byte) string {
	s := policy.SanitizeReader(bytes.NewReader(html)).String()
	if strings.ContainsFunc(s, func(r rune) bool { return legal(r) < 0 }) {
		s = strings.Map(legal, s)
	}
	return s
}

// plain is clean for HTML that holds nothing but text, elements without attributes and
// links to other sites, as goldmark writes them for nearly all events. It takes
// much less time. What it does not know it leaves to the policy.
func plain(html []byte) (clean string, ok bool) {
	b := make([]byte, 0, len(html)+len(html)/32)
	done := 0 // up to here html is in b
	for i := 0; i < len(html); i++ {
		instead := "" // of html[i:end]
		end := i + 1
		switch c := html[i]; {
		case c == '<':
			n := bytes.IndexByte(html[i:], '>')
			if n < 0 || !plainTag(html[i+1:i+n]) {
				return "", false
			}
			i += n
			continue
		case c == '&':
			n := bytes.IndexByte(html[i:], ';')
			if n < 0 {
				return "", false
			}
			switch string(html[i : i+n+1]) {
			case "&amp;", "&lt;", "&gt;":
				i += n
				continue
			case "&quot;":
				instead, end = "&#34;", i+n+1
			default:
				return "", false
			}
		case c == '"':
			instead = "&#34;"
		case c == '\'':
			instead = "&#39;"
		case c == '>', c < ' ' && c != '\n' && c != '\t':
			return "", false
		case c == 0xef && i+1 < len(html) && html[i+1] == 0xbf: // U+FFC0 to U+FFFF, of which XML does not allow all
			return "", false
		default:
			continue
		}
		b = append(append(b, html[done:i]...), instead...)
		done, i = end, end-1
	}
	return string(append(b, html[done:]...)), true
}

// plainTag says that the policy leaves a tag as it stands between < and >.
func plainTag(tag []byte) bool {
	switch string(tag) {
	case "p", "/p", "br", "hr", "em", "/em", "strong", "/strong", "del", "/del", "code", "/code", "pre", "/pre",
		"blockquote", "/blockquote", "ul", "/ul", "ol", "/ol", "li", "/li", "/a",
		"h1", "/h1", "h2", "/h2", "h3", "/h3", "h4", "/h4", "h5", "/h5", "h6", "/h6",
		"table", "/table", "thead", "/thead", "tbody", "/tbody", "tr", "/tr", "th", "/th", "td", "/td":
		return true
	}
	address, ok := bytes.CutPrefix(tag, []byte(`a href="`))
	if !ok {
		return false
	}
	if address, ok = bytes.CutSuffix(address, []byte(`"`)); !ok {
		return false
	}
	for i, c := range address {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~:/?#=+,;@%", c) >= 0:
		case c == '&' && bytes.HasPrefix(address[i:], []byte("&amp;")):
		default:
			return false
		}
	}
	// The policy writes an address as it was understood.
	is := strings.ReplaceAll(string(address), "&amp;", "&")
	u, err := url.Parse(is)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.String() == is
}

// legal drops the characters that XML 1.0 does not allow (section 2.2,
// production Char). The events hold none, but references such as &#11; stand
// for them, and RSS writes the content as CDATA, which nothing else checks.
func legal(r rune) rune {
	switch {
	case r == '\t', r == '\n', r == '\r', r >= 0x20 && r != 0xfffe && r != 0xffff:
		return r
	}
	return -1
}
