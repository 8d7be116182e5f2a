package config

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	_ "time/tzdata" // the zones of digests and quiet hours, where the system has none
	"unicode"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/robfig/cron/v3"
	"golang.org/x/net/http/httpguts"
	"golang.org/x/text/language"
)

// The names that lists in the file are made of.
var (
	formats     = []string{"atom", "rss", "json"}
	archives    = []string{"all", "none"}
	contents    = []string{"full", "summary"}
	written     = []string{"all", "feeds"}
	significant = []string{"title", "date", "importance", "status", "location", "tags", "actors", "sources", "body"}
	corrections = append(slices.Clone(significant), "withdrawn")
	levels      = []string{"error", "warning", "off"}
	firstRuns   = []string{"silent", "send"}
	sinkTypes   = []string{"webhook", "slack", "discord", "mattermost", "rocketchat", "teams", "googlechat", "zulip", "matrix", "telegram", "ntfy", "gotify"}
	updates     = []string{"post", "edit", "thread"}
	editing     = []string{"discord", "matrix", "telegram", "ntfy"}                // types whose messages can be changed
	threading   = []string{"discord", "googlechat", "zulip", "matrix", "telegram"} // and those that have threads
	changes     = []string{"new", "updated", "raised", "withdrawn"}
)

// check notes all values that are not what they should be, and brings the
// others into the one form that [Config] promises.
func (c *Config) check(d *decoder) {
	c.Site.check(d)
	c.Events.check(d)
	c.checkFields(d)
	for rule, level := range sorted(c.Check) {
		d.one(join("check", rule), level, levels)
	}
	c.Watch.check(d)
	c.Feeds.check(d)
	c.Web.check(d)
	c.Notify.check(d)
	c.checkStore(d)
}

func (c *Config) checkStore(d *decoder) {
	store := c.Store.Reveal()
	switch {
	case store == "":
		d.wrong("store", "is empty; name a file, such as state/tocsin.db")
	case !isURL(store):
		d.line("store", store, false)
	case !strings.HasPrefix(store, "postgres://") && !strings.HasPrefix(store, "postgresql://"):
		d.wrong("store", "is a URL of something else; write the path of a file, or the address of a PostgreSQL database like postgres://tocsin@db.example.org/tocsin")
	case d.env.CheckStore != nil:
		if fault := d.env.CheckStore(store); fault != "" {
			d.wrong("store", "%s", fault)
		}
	}
}

func isURL(s string) bool { return strings.Contains(s, "://") }

func (s *Site) check(d *decoder) {
	d.line("site.title", s.Title, true)
	if u := webURL(s.URL); u == nil || u.User != nil || strings.ContainsAny(s.URL, "?#") {
		d.reject("site.url", s.URL, "an absolute http or https URL without user, query and fragment; write it like https://example.org")
	}
	s.URL = strings.TrimRight(s.URL, "/")
	if !isTaggingEntity(s.Authority) {
		d.reject("site.authority", s.Authority, "a domain or e-mail address, a comma and a date; write it like example.org,2025 (RFC 4151)")
	}
	if _, err := language.Parse(s.Language); err != nil || strings.Contains(s.Language, "_") {
		d.reject("site.language", s.Language, "a language tag; write it like en or pt-BR (BCP 47)")
	}
	d.line("site.author.name", s.Author.Name, true)
	if a := s.Author.Email; a != "" {
		if m, err := mail.ParseAddress(a); err != nil || m.Address != a {
			d.reject("site.author.email", a, "an e-mail address; write it like desk@example.org")
		}
	}
	if a := s.Author.URL; a != "" && webURL(a) == nil {
		d.reject("site.author.url", a, "an absolute http or https URL; write it like https://example.org/about")
	}
	d.zone("site.timezone", s.Timezone)
	if e := s.EventURL; e != "" {
		before, _, found := strings.Cut(e, "{id}")
		base, example := webURL(before), strings.ReplaceAll(e, "{id}", "id")
		u := webURL(example)
		if !found || base == nil || u == nil || base.Host != u.Host || u.User != nil || strings.ContainsAny(example, "{}") {
			d.reject("site.event_url", e, "an absolute http or https URL with {id} behind its host; write it like https://example.org/timeline/{id}/")
		}
	}
}

// webURL parses an absolute http or https URL with a host, or returns nil.
func webURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsFunc(s, unicode.IsSpace) {
		return nil
	}
	if p := u.Port(); p != "" && !isPort(p) {
		return nil
	}
	return u
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// isTaggingEntity reports whether s is an authorityName, a comma and a date by
// RFC 4151, section 2.1.
func isTaggingEntity(s string) bool {
	name, date, _ := strings.Cut(s, ",")
	layout := map[int]string{4: "2006", 7: "2006-01", 10: time.DateOnly}[len(date)]
	if _, err := time.Parse(layout, date); err != nil || layout == "" {
		return false
	}
	user, domain, email := strings.Cut(name, "@")
	switch {
	case !email:
		domain = name
	case user == "" || strings.Trim(user, alphaNum+"-._") != "":
		return false
	}
	for part := range strings.SplitSeq(domain, ".") {
		if part == "" || strings.Trim(part, alphaNum+"-") != "" || part[0] == '-' || part[len(part)-1] == '-' {
			return false
		}
	}
	return true
}

// alphaNum is alphaNum of RFC 4151, section 2.1.
const alphaNum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func (e *Events) check(d *decoder) {
	d.file("events.dir", e.Dir, "events on object storage are")
	if e.Dir == "" {
		d.wrong("events.dir", "is empty; name the folder of the event files")
	}
	if len(e.Include) == 0 {
		d.wrong("events.include", `is empty, so that nothing would be read; write ["**/*.md"]`)
	}
	d.globs("events.include", e.Include)
	d.globs("events.exclude", e.Exclude)
	if e.MaxBytes <= 0 {
		d.reject("events.max_bytes", e.MaxBytes, "a number of bytes over 0")
	}
	for word, n := range sorted(e.ImportanceWords) {
		key := join("events.importance_words", label(word))
		if word == "" {
			d.wrong(key, "an empty word; write one, or remove the line")
		}
		d.between(key, n, 1, 10)
	}
	e.ImportanceWords = fold(d, "events.importance_words", e.ImportanceWords, strings.ToLower)
	d.between("events.importance_default", e.ImportanceDefault, 0, 10)
	for word, status := range sorted(e.StatusWords) {
		if word == "" || strings.TrimSpace(status) == "" {
			d.wrong(join("events.status_words", label(word)), "an empty word; write `word: the status to use`")
		}
	}
	e.StatusWords = fold(d, "events.status_words", e.StatusWords, strings.ToLower)
	for i, layout := range e.DateLayouts {
		if !hasYear(layout) {
			d.reject(index("events.date_layouts", i), layout, "a layout in Go's notation; write it with 2006 for the year, 01 or January for the month and 02 for the day")
		}
	}
	d.aliases("events.aliases.tags", e.Aliases.Tags)
	d.aliases("events.aliases.actors", e.Aliases.Actors)
}

func (d *decoder) globs(key string, patterns []string) {
	for i, p := range patterns {
		if p == "" || !doublestar.ValidatePattern(p) {
			d.reject(index(key, i), p, "a pattern; write it like **/*.md, and close every [ and {")
		}
	}
}

// checkFields asks who knows candidates.
func (c *Config) checkFields(d *decoder) {
	if d.env.CheckFields == nil || d.isFaulty("site.timezone") {
		return
	}
	d.env.CheckFields(c, func(field string, i int, what string) {
		key := index("events.fields."+field, i)
		if d.origin(key).opaque {
			what = "not the name of a place where a field is found; write the path of a key"
		}
		d.wrong(key, "%s", what)
	})
}

// hasYear reports whether a date that is written by the layout can be read
// again, with its year at least.
func hasYear(layout string) bool {
	date := time.Date(2031, 11, 23, 14, 45, 56, 0, time.UTC)
	t, err := time.Parse(layout, date.Format(layout))
	return err == nil && t.Year() == date.Year()
}

func (d *decoder) aliases(key string, names map[string]string) {
	for from, to := range sorted(names) {
		if strings.TrimSpace(from) == "" || strings.TrimSpace(to) == "" {
			d.wrong(join(key, label(from)), "an empty name; write `other spelling: the name to use`")
		}
	}
}

func (w *Watch) check(d *decoder) {
	d.least("watch.settle", w.Settle, time.Millisecond)
	if w.MaxDelay < w.Settle && !d.isFaulty("watch.settle") {
		d.wrong("watch.max_delay", "is shorter than watch.settle; make it longer, or watch.settle shorter")
	}
	d.cron("watch.rescan", w.Rescan)
	if w.Lag < 0 {
		d.reject("watch.lag", w.Lag, "a time to wait; write it like 10m, or 0s for none")
	}
	if w.Poll != 0 && w.Poll < 100*time.Millisecond {
		d.reject("watch.poll", w.Poll, "an interval to poll at; write 0s for none, or at least 100ms")
	}
	d.between("watch.hold.events", w.Hold.Events, 0, 1<<30)
	d.between("watch.hold.percent", w.Hold.Percent, 0, 100)
}

// least checks a duration that must not be shorter than least.
func (d *decoder) least(key string, t, least time.Duration) {
	if t < least {
		d.reject(key, t, fmt.Sprintf("long enough; write %v or more", least))
	}
}

// cron checks a schedule for what robfig/cron takes and should not: a time zone
// without fields makes it panic, @every under a second is taken for a second,
// and a day that does not exist never comes.
func (d *decoder) cron(key, spec string) {
	s, err := parseCron(spec)
	switch {
	case err != nil:
		d.wrong(key, "%s is not a schedule%s; write five fields such as `0 7 * * *`, or @hourly, @daily, @every 15m", d.quote(key, spec), d.because(key, err))
	// The next five years are looked through, from whenever: every day of the
	// calendar is among them.
	case s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero():
		d.wrong(key, "%s never comes; write a day that exists", d.quote(key, spec))
	}
}

func parseCron(spec string) (s cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("a time zone without fields")
		}
	}()
	if _, interval, ok := strings.Cut(spec, "@every "); ok {
		if t, err := time.ParseDuration(interval); err != nil || t < time.Second {
			return nil, errors.New("an interval of 1s or more should follow @every")
		}
	}
	return cron.ParseStandard(spec)
}

func (f *Feeds) check(d *decoder) {
	d.some("feeds.formats", f.Formats, formats)
	d.between("feeds.entries", f.Entries, 1, 1000)
	d.least("feeds.window", f.Window, 0)
	if f.MinEvents < 1 {
		d.reject("feeds.min_events", f.MinEvents, "a number of events; write 1 or more")
	}
	d.one("feeds.archives", f.Archives, archives)
	d.one("feeds.content", f.Content, contents)
	f.checkDir(d)
	d.one("feeds.write", f.Write, written)
	d.subset("feeds.significant", f.Significant, significant)
	d.subset("feeds.corrections", f.Corrections, corrections)
	f.checkHub(d, "feeds.hub")
	names := map[string]string{}
	for i := range f.Custom {
		c, key := &f.Custom[i], index("feeds.custom", i)
		d.name(key+".name", c.Name, names)
		if c.Title == "" {
			c.Title = c.Name
		}
		d.line(key+".title", c.Title, false)
		d.match(key+".match", c.Match)
	}
}

// checkDir takes the address of a bucket apart. What is wrong with one is not quoted,
// as there may be a password in it.
func (f *Feeds) checkDir(d *decoder) {
	const dir, like = "feeds.dir", "write it like s3://bucket/prefix?endpoint=https://s3.example.org"
	if f.S3 != (S3{}) {
		for name, value := range sorted(map[string]Secret{"access_key_id": f.S3.AccessKeyID, "secret_access_key": f.S3.SecretAccessKey}) {
			switch {
			case value == "":
				d.wrong(join("feeds.s3", name), "missing beside the other one; write both, or none")
			case !httpguts.ValidHeaderFieldValue(value.Reveal()) || strings.ContainsFunc(value.Reveal(), unicode.IsSpace):
				d.reject(join("feeds.s3", name), value, "a key; write one line without spaces")
			}
		}
	}
	rest, ok := strings.CutPrefix(f.Dir, "s3://")
	switch {
	case !ok && strings.Contains(f.Dir, "://"):
		d.wrong(dir, "a URL other than s3:// is not taken here; write the path of a folder, or a bucket: %s", like)
	case !ok && f.S3 != (S3{}):
		d.wrong("feeds.s3", "is for a bucket, and feeds.dir names none; remove it, or write it there like s3://bucket/prefix?endpoint=https://s3.example.org")
	}
	if !ok {
		d.line(dir, f.Dir, false)
		return
	}
	u, err := url.Parse(f.Dir)
	if err != nil {
		d.wrong(dir, "is not a URL; %s", like)
		return
	}
	if u.User != nil || strings.Contains(rest, "@") {
		d.wrong(dir, "has credentials in it; write them into feeds.s3, best as access_key_id_file and secret_access_key_file")
		return
	}
	b := &Bucket{Name: u.Host, Prefix: strings.Trim(u.Path, "/")}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		d.wrong(dir, "is not a URL of a bucket; %s", like)
		return
	}
	for name, values := range sorted(query) {
		switch {
		case name == "endpoint" && len(values) == 1:
			b.Endpoint = strings.TrimRight(values[0], "/")
		case name == "region" && len(values) == 1:
			b.Region = values[0]
		default:
			d.wrong(dir, "says more than endpoint and region behind the ?; %s", like)
		}
	}
	if n := len(b.Name); n < 3 || n > 63 || strings.Trim(b.Name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" || strings.Trim(b.Name, "-.") != b.Name || strings.Contains(b.Name, "..") {
		d.wrong(dir, "does not have the name of a bucket behind s3://: 3 to 63 of a-z, 0-9, - and dots; %s", like)
	}
	for part := range strings.SplitSeq(b.Prefix, "/") {
		if b.Prefix != "" && (part == "" || part == "." || part == "..") || strings.ContainsFunc(part, unicode.IsControl) {
			d.wrong(dir, "has a prefix with an empty part, dots or control characters in it; %s", like)
		}
	}
	e := webURL(b.Endpoint)
	if b.Endpoint != "" && (e == nil || e.User != nil || e.Path != "" || e.RawQuery != "" || e.Fragment != "") {
		d.wrong(dir, "has an endpoint that is not http:// or https:// and a host alone; %s", like)
	}
	if strings.Trim(b.Region, alphaNum+"-") != "" {
		d.wrong(dir, "has a region that is not letters, digits and hyphens; write it like region=eu-central-1")
	}
	f.Bucket = b
}

func (f *Feeds) checkHub(d *decoder, key string) {
	if f.Hub == "" {
		return
	}
	switch u := webURL(f.Hub); {
	case u == nil, strings.ContainsAny(f.Hub, `<>"`): // which would end it early in a Link header
		d.reject(key, f.Hub, `an absolute http or https URL; write it like https://hub.example.org/, or "" for none`)
	case u.User != nil:
		d.wrong(key, "has a user or a password in it, which would stand in every feed; remove what is before the @")
	case u.Fragment != "":
		d.wrong(key, "has a fragment, which is never sent; remove the # and what follows it")
	}
}

func (w *Web) check(d *decoder) {
	d.address("web.listen", w.Listen)
	if w.Admin == "" {
		return
	}
	d.address("web.admin", w.Admin)
	if w.Admin == w.Listen && !strings.HasSuffix(w.Admin, ":0") {
		d.wrong("web.admin", `is the address of web.listen; choose another port, or "" for none`)
	}
}

// address checks host:port, or unix: and a path that fits into a socket's
// address (108 bytes with the NUL behind it, unix(7)).
func (d *decoder) address(key, s string) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !filepath.IsAbs(path) || len(path) > 107 {
			d.reject(key, s, "unix: and the absolute path of a socket, 107 bytes at most; write it like unix:/run/tocsin/web.sock")
		}
		return
	}
	if _, port, err := net.SplitHostPort(s); err != nil || !isPort(port) {
		d.reject(key, s, "host:port or unix:/path; write it like 127.0.0.1:8080")
	}
}

func (n *Notify) check(d *decoder) {
	d.one("notify.first_run", n.FirstRun, firstRuns)
	names := map[string]string{}
	for i := range n.Sinks {
		key := index("notify.sinks", i)
		if n.Sinks[i].Name == HubSink {
			d.wrong(key+".name", "%s is what the hub of feeds.hub is called; choose another", HubSink)
		}
		d.name(key+".name", n.Sinks[i].Name, names)
		n.Sinks[i].check(d, key)
	}
}

func (s *Sink) check(d *decoder, key string) {
	d.one(key+".type", s.Type, sinkTypes)
	if s.URL == "" {
		d.wrong(key+".url", "missing; say where to send, as url or url_file")
	} else if webURL(s.URL.Reveal()) == nil {
		d.reject(key+".url", s.URL, "an absolute http or https URL; write it like https://hooks.example.org/path")
	}
	d.match(key+".match", s.Match)
	d.some(key+".on", s.On, changes)
	d.subset(key+".fields", s.Fields, significant)
	if s.Burst < 0 {
		d.reject(key+".burst", s.Burst, "a number of messages; write 0 for never, or more")
	}
	d.one(key+".updates", s.Updates, updates)
	for way, able := range sorted(map[string][]string{"edit": editing, "thread": threading}) {
		if s.Updates == way && slices.Contains(sinkTypes, s.Type) && !slices.Contains(able, s.Type) {
			d.reject(key+".updates", s.Updates, fmt.Sprintf("what a sink of type %s can do; write post, or take one of %s", s.Type, strings.Join(able, ", ")))
		}
	}
	if s.Digest.Schedule != "" {
		d.cron(key+".digest.schedule", s.Digest.Schedule)
	}
	d.zone(key+".digest.timezone", s.Digest.Timezone)
	s.Quiet.check(d, key+".quiet")
	if s.RetryFor <= 0 {
		d.reject(key+".retry_for", s.RetryFor, "a time to go on trying; write more than 0s")
	}
	s.checkSecrets(d, key+".secret")
	s.checkHeaders(d, key+".headers")
	if s.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(s.CA.Reveal())) {
		d.wrong(key+".ca", "holds no certificate in PEM; it begins with -----BEGIN CERTIFICATE-----")
	}
	if s.Type == "webhook" && s.Template != (Template{}) {
		d.wrong(key+".template", "is not for a webhook, whose body is for programs; remove it")
	}
	d.template(key+".template.title", s.Template.Title)
	d.template(key+".template.body", s.Template.Body)
	s.checkTool(d, key)
}

// checkTool asks who knows the tool, once there is nothing else to say.
func (s *Sink) checkTool(d *decoder, key string) {
	if d.env.CheckSink == nil {
		return
	}
	for faulty := range d.faulty {
		if faulty == key || strings.HasPrefix(faulty, key+".") {
			return
		}
	}
	if in, fault := d.env.CheckSink(*s); fault != "" {
		d.wrong(join(key, in), "%s", fault)
	}
}

func (q *Quiet) check(d *decoder, key string) {
	if (q.From == "") != (q.To == "") {
		d.wrong(key, `has one of from and to; write both, or "" for both`)
	}
	for name, t := range sorted(map[string]string{"from": q.From, "to": q.To}) {
		if _, err := time.Parse("15:04", t); t != "" && (err != nil || len(t) != len("15:04")) {
			d.reject(join(key, name), t, "a time of day; write it like 22:00")
		}
	}
	if q.From != "" && q.From == q.To {
		d.wrong(join(key, "to"), `is the same as from; write another time, or "" for both`)
	}
	if q.ExceptImportance < 0 || q.ExceptImportance > 10 {
		d.reject(join(key, "except_importance"), q.ExceptImportance, "an importance; write 1 to 10, or 0 for none")
	}
	d.zone(join(key, "timezone"), q.Timezone)
}

// checkSecrets holds to the secrets of Standard Webhooks, section "Symmetric":
// whsec_ and 24 to 64 bytes in base64. An empty one is none.
func (s *Sink) checkSecrets(d *decoder, key string) {
	if len(s.Secrets) == 1 && s.Secrets[0] == "" {
		s.Secrets = nil
	}
	if len(s.Secrets) > 2 {
		d.wrong(key, "has %d secrets; two are enough for rotation, the new one first", len(s.Secrets))
	}
	if len(s.Secrets) > 0 && s.Type != "webhook" {
		d.wrong(key, "only a sink of type webhook signs; remove it")
	}
	for i, secret := range s.Secrets {
		encoded, ok := strings.CutPrefix(secret.Reveal(), "whsec_")
		data, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if !ok || err != nil || strings.ContainsAny(encoded, "\r\n") || len(data) < 24 || len(data) > 64 {
			d.reject(index(key, i), secret, "whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)")
		}
	}
}

func (s *Sink) checkHeaders(d *decoder, key string) {
	for name, value := range sorted(s.Headers) {
		key := join(key, label(name))
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			d.wrong(key, "not the name of a header; write it like Authorization")
		case slices.Contains([]string{"Connection", "Content-Length", "Content-Type", "Host", "Transfer-Encoding"}, name), strings.HasPrefix(name, "Webhook-"):
			d.wrong(key, "this header is tocsin's own; remove it")
		case !httpguts.ValidHeaderFieldValue(value.Reveal()):
			d.reject(key, value, "the value of a header; write one line")
		}
	}
	s.Headers = fold(d, key, s.Headers, textproto.CanonicalMIMEHeaderKey)
}

func (d *decoder) template(key, text string) {
	if _, err := template.New("").Parse(text); err != nil {
		d.wrong(key, "not a template%s; see text/template for what it may say", d.because(key, err))
	}
}

func (d *decoder) zone(key, name string) {
	if _, err := time.LoadLocation(name); err != nil || name == "" {
		d.reject(key, name, "a time zone; write it like UTC or Europe/Berlin")
	}
}

func (d *decoder) match(key string, m Match) {
	lists := map[string][]string{
		"tags": m.Tags, "actors": m.Actors, "all_tags": m.AllTags, "all_actors": m.AllActors,
		"not_tags": m.NotTags, "not_actors": m.NotActors, "status": m.Status, "location": m.Location,
	}
	for name, list := range sorted(lists) {
		for i, s := range list {
			if strings.TrimSpace(s) == "" {
				d.wrong(index(join(key, name), i), "an empty name, which nothing has; write one, or remove it")
			}
		}
	}
	d.between(key+".min_importance", m.MinImportance, 0, 10)
	d.between(key+".max_importance", m.MaxImportance, 0, 10)
	if m.MaxImportance != 0 && m.MaxImportance < m.MinImportance {
		d.wrong(key+".max_importance", "is less than min_importance, so that nothing matches; write more, or 0 for no limit")
	}
	for name, date := range sorted(map[string]string{"from": m.From, "to": m.To}) {
		if _, err := time.Parse(time.DateOnly, date); err != nil && date != "" {
			d.reject(join(key, name), date, "a date; write it like 2025-01-28")
		}
	}
	if m.From != "" && m.To != "" && m.To < m.From {
		d.wrong(key+".to", "is before from, so that nothing matches; write a later date")
	}
}

// name checks the name of one among others, which holds their keys by name.
func (d *decoder) name(key, name string, others map[string]string) {
	switch other, taken := others[name]; {
	case name == "":
		d.wrong(key, "missing; write one with a-z, 0-9 and -")
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || name[0] == '-' || len(name) > 63:
		d.reject(key, name, "a name; write 1 to 63 of a-z, 0-9 and -, not beginning with -")
	case taken:
		d.wrong(key, "%s is the name of %s too; choose another", d.quote(key, name), strings.TrimSuffix(other, ".name"))
	default:
		others[name] = key
	}
}

// line checks a text of one line.
func (d *decoder) line(key, s string, required bool) {
	if required && strings.TrimSpace(s) == "" {
		d.wrong(key, "is empty; write a text")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		d.wrong(key, "has a line break or another control character in it; write one line")
	}
}

// file checks the path of a file or folder. Where a URL would go, the feature
// says what is not in this version; the URL may hold a password.
func (d *decoder) file(key, s, feature string) {
	if isURL(s) {
		d.wrong(key, "a URL is not taken here, since %s not in this version; write a path", feature)
	}
	d.line(key, s, false)
}

// between checks a number.
func (d *decoder) between(key string, n, low, high int) {
	if n < low || n > high {
		d.reject(key, n, fmt.Sprintf("between %d and %d", low, high))
	}
}

// one checks a name that must be a known one.
func (d *decoder) one(key, name string, known []string) {
	if slices.Contains(known, name) {
		return
	}
	if name == "" {
		d.wrong(key, "missing; choose one of %s", strings.Join(known, ", "))
		return
	}
	hint := ""
	if near := nearest(name, known); near != "" && !d.origin(key).opaque {
		hint = fmt.Sprintf("; did you mean `%s`?", near)
	}
	d.reject(key, name, "one of "+strings.Join(known, ", ")+hint)
}

// subset checks a list of known names.
func (d *decoder) subset(key string, names, known []string) {
	for i, name := range names {
		d.one(index(key, i), name, known)
		if slices.Contains(names[:i], name) {
			d.wrong(index(key, i), "%s stands in the list already; remove it", d.quote(index(key, i), name))
		}
	}
}

// some checks a list of one or more known names.
func (d *decoder) some(key string, names, known []string) {
	if len(names) == 0 {
		d.wrong(key, "is empty; write one or more of %s", strings.Join(known, ", "))
	}
	d.subset(key, names, known)
}

// index returns the key of an item.
func index(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

// sorted goes through a map in the order of its keys, so that the same file has
// the same faults every time.
func sorted[V any](m map[string]V) func(yield func(string, V) bool) {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// fold returns the map with its keys in the one form in which they compare.
// Two keys that become one are a fault.
func fold[V any](d *decoder, key string, m map[string]V, form func(string) string) map[string]V {
	if m == nil {
		return nil
	}
	folded := make(map[string]V, len(m))
	for name, v := range sorted(m) {
		if _, ok := folded[form(name)]; ok {
			d.wrong(join(key, label(name)), "is the same as another key but for case; remove one of the two")
		}
		folded[form(name)] = v
	}
	return folded
}
