package sink

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// redacted stands where a secret stood.
const redacted = "[redacted]"

// minSecret is the shortest text, in bytes, that is taken for a secret: the
// parts of an address that are shorter are words like "v1", and a redactor that
// replaced every "a" would make answers unreadable.
const minSecret = 4

// redactor replaces the secrets of one sink in what its server answered: the
// address as a whole and each telling part of it, the values of headers, the
// signing secrets; each as it is and in the escapes of URLs, HTML and JSON,
// without regard to case.
type redactor struct {
	pattern *regexp.Regexp // nil: no secrets
	longest int            // bytes of the longest
}

func newRedactor(c Config, u *url.URL, more ...string) *redactor {
	secrets := append(more, c.URL, u.String(), u.RequestURI(), u.Host, u.Hostname(),
		u.Path, u.EscapedPath(), u.RawQuery, u.Fragment)
	secrets = append(secrets, c.Secrets...)
	for _, s := range c.Secrets {
		secrets = append(secrets, strings.TrimPrefix(s, "whsec_"))
	}
	for _, path := range []string{u.Path, u.EscapedPath()} {
		for segment := range strings.SplitSeq(path, "/") {
			if !ordinary(segment) {
				secrets = append(secrets, segment)
			}
		}
	}
	for name, values := range u.Query() {
		secrets = append(secrets, values...)
		if slices.Contains(values, "") { // ?TOKEN
			secrets = append(secrets, name)
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		pair := u.User.Username() + ":" + password
		secrets = append(secrets, u.User.String(), u.User.Username(), password, pair,
			base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	for _, value := range c.Headers {
		value = strings.TrimSpace(value)
		secrets = append(secrets, value)
		if scheme, token, ok := strings.Cut(value, " "); ok { // Bearer TOKEN
			secrets = append(secrets, token)
			if pair, err := base64.StdEncoding.DecodeString(token); err == nil && strings.EqualFold(scheme, "basic") {
				_, password, _ := strings.Cut(string(pair), ":")
				secrets = append(secrets, string(pair), password)
			}
		}
	}

	var all []string
	for _, s := range secrets {
		// What an answer held that is not UTF-8 reaches clean as U+FFFD.
		s = strings.ToValidUTF8(s, "\uFFFD")
		if len(s) < minSecret {
			continue
		}
		quoted, _ := json.Marshal(s)
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s), strings.Trim(string(quoted), `"`)} {
			all = append(all, form, strings.ReplaceAll(form, "/", `\/`)) // the latter as PHP writes JSON
		}
	}
	if len(all) == 0 {
		return &redactor{}
	}
	// An alternation takes the first that matches: the longest has to come
	// first, or the rest of it would stay.
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	all = slices.Compact(all)
	longest := len(all[0])
	for i, s := range all {
		all[i] = regexp.QuoteMeta(s)
	}
	return &redactor{regexp.MustCompile("(?i)" + strings.Join(all, "|")), longest}
}

// ordinary says that a part of a path is a word which the tools' own
// documentation prints.
func ordinary(segment string) bool {
	return slices.Contains([]string{
		"api", "hook", "hooks", "webhook", "webhooks", "services", "workflows", "triggers", // Slack and its like, Discord, Teams
		"spaces", "messages", "message", "sendMessage", "_matrix", "client", "rooms", "send", "m.room.message",
	}, segment)
}

func (r *redactor) clean(s string) string {
	if r.pattern == nil {
		return s
	}
	return r.pattern.ReplaceAllLiteralString(s, redacted)
}

// Visible makes s one line without control and format characters, which could
// act on a terminal or turn the reading direction.
func Visible(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.C, r):
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
