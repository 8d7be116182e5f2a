package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxFaults is the number of faults that are reported; a file of another kind
// altogether has thousands.
const maxFaults = 50

// decoder fills a [Config] from a YAML tree and collects what is wrong with it.
// A key, here, is the path of a value: notify.sinks[0].rate.
type decoder struct {
	path string
	env  Env

	faults  []*Error
	faulty  map[string]bool   // keys that have a fault; one is enough
	origins map[string]origin // keys that the file has
}

// origin is where a value came from.
type origin struct {
	line   int
	key    string // what the file calls it, url_file for url; empty if that is the key
	opaque bool   // secret, or from the environment: not to be quoted
}

// origin returns that of the key, or of the nearest key around it.
func (d *decoder) origin(key string) origin {
	for k := key; ; k = parent(k) {
		if o, ok := d.origins[k]; ok || k == "" {
			return o
		}
	}
}

// parent returns the key around a key: a.b[0] of a.b[0].c, a.b of a.b[0].
func parent(key string) string {
	return key[:max(0, strings.LastIndexAny(key, ".["))]
}

// isFaulty reports whether a fault is known of the key, or of one around it.
func (d *decoder) isFaulty(key string) bool {
	for k := key; k != ""; k = parent(k) {
		if d.faulty[k] {
			return true
		}
	}
	return false
}

// fault notes what is wrong with a key, and where. The first fault of a key
// stands, since those after it may follow from it.
func (d *decoder) fault(line int, key, format string, args ...any) {
	if d.faulty[key] {
		return
	}
	d.faulty[key] = true
	d.faults = append(d.faults, &Error{Path: d.path, Line: line, Key: key, Msg: fmt.Sprintf(format, args...)})
}

// reject notes that the value of a key is not what the rule says: what it
// should be; what to do.
func (d *decoder) reject(key string, value any, rule string) {
	d.wrong(key, "%s is not %s", d.quote(key, value), rule)
}

// wrong notes a fault in a key that has been decoded, in the line where the
// file has it, and by the name that the file gives it.
func (d *decoder) wrong(key, format string, args ...any) {
	if d.isFaulty(key) {
		return
	}
	o := d.origin(key)
	if o.key != "" {
		d.fault(o.line, o.key, format, args...)
	} else {
		d.fault(o.line, key, format, args...)
	}
	d.faulty[key] = true
}

// quote returns a value for a message, or other words for one that must not
// be seen.
func (d *decoder) quote(key string, value any) string {
	if d.origin(key).opaque {
		return "the value"
	}
	s, ok := value.(string)
	if !ok {
		return fmt.Sprint(value)
	}
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}

// because returns what a library said of a value, unless that might quote it
// where it must not be seen.
func (d *decoder) because(key string, err error) string {
	if d.origin(key).opaque {
		return ""
	}
	return " (" + err.Error() + ")"
}

// err joins the faults in the order of their lines.
func (d *decoder) err() error {
	slices.SortStableFunc(d.faults, func(a, b *Error) int { return a.Line - b.Line })
	var errs []error
	for i, f := range d.faults {
		if i == maxFaults {
			errs = append(errs, &Error{Path: d.path, Msg: fmt.Sprintf("and %d more; mend these first", len(d.faults)-i)})
			break
		}
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}

// document returns the one mapping that data holds, or nil and a fault.
func (d *decoder) document(data []byte) *yaml.Node {
	if len(data) > maxSize {
		d.fault(0, "", "has more than %d bytes; is it the right file?", maxSize)
		return nil
	}
	var doc, second yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err == nil {
		err = loader.Load(&doc)
	}
	if err == nil {
		err = loader.Load(&second)
		if err == nil {
			d.fault(second.Line, "", "a second document begins; remove it, with the --- before it")
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		d.syntax(err)
		return nil
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		doc = *doc.Content[0]
	}
	if doc.IsZero() || isNull(&doc) {
		d.fault(0, "", "is empty; write {} if all defaults are meant")
		return nil
	}
	d.plain(&doc)
	if doc.Kind != yaml.MappingNode {
		d.fault(doc.Line, "", "%s, where the keys should be: site, events and so on", kind(&doc))
		return nil
	}
	return &doc
}

// syntax notes an error of the YAML parser. The parser's own messages quote
// nothing of the file; those of its later stages may.
func (d *decoder) syntax(err error) {
	msg, line := "something in it", 0
	var le *yaml.LoadError
	if errors.As(err, &le) {
		line = le.Mark.Line
		switch le.Stage {
		case yaml.ReaderStage, yaml.ScannerStage, yaml.ParserStage:
			msg = le.Message
		case yaml.ComposerStage:
			msg = "an alias without its anchor"
		}
	}
	d.fault(line, "", "not YAML: %s; look at this line and the one before, and quote values with : # * & ! { [ in them", msg)
}

// plain notes anchors, aliases and tags, which no configuration needs and which
// hide what is meant.
func (d *decoder) plain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fault(n.Line, "", "an alias (*name) is not taken here; write the value itself, or quote it")
		return // what it stands for is looked at in its own place
	case n.Anchor != "":
		d.fault(n.Line, "", "an anchor (&name) is not taken here; remove it, or quote the value")
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(n.Line, "", "a tag (!name) is not taken here; remove it, or quote the value")
	}
	for _, c := range n.Content {
		d.plain(c)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kind names a node's kind in messages.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

// decode fills the configuration from the root of the tree.
func (d *decoder) decode(root *yaml.Node, c *Config) {
	d.value(root, reflect.ValueOf(c).Elem(), "")
}

// value fills v, which holds its default, from n.
func (d *decoder) value(n *yaml.Node, v reflect.Value, key string) {
	secret := v.Type() == reflect.TypeFor[Secret]()
	d.origins[key] = origin{line: n.Line, opaque: secret || d.origins[key].opaque}
	switch {
	case n.Kind == yaml.AliasNode: // noted by plain
		d.faulty[key] = true
	case isNull(n):
		d.fault(n.Line, key, "has no value; remove the key for its default, or write %s", empty(v))
	case v.Type() == reflect.TypeFor[Split]() && n.Kind == yaml.ScalarNode:
		if s, ok := d.expand(n, key); ok { // one for all
			v.Set(reflect.ValueOf(Split{Tags: s, Actors: s}))
		}
	case v.Kind() == reflect.Struct:
		d.structure(n, v, key)
	case v.Kind() == reflect.Map:
		d.dictionary(n, v, key)
	case v.Kind() == reflect.Slice:
		d.list(n, v, key)
	case n.Kind != yaml.ScalarNode:
		d.fault(n.Line, key, "%s, where a single value should be", kind(n))
	default:
		s, ok := d.expand(n, key)
		if ok && s == "" && n.Value != "" && secret {
			d.fault(n.Line, key, "the environment variable is empty; set it, or write \"\" for none")
		} else if ok {
			d.scalar(s, v, key)
		}
	}
}

// empty returns how the file says "none" for v.
func empty(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Struct, reflect.Map:
		return "{} for an empty one"
	case reflect.Slice:
		return "[] for an empty one"
	case reflect.String:
		return `"" for an empty one`
	default:
		return "a number"
	}
}

// scalar fills a v that is neither list nor map.
func (d *decoder) scalar(s string, v reflect.Value, key string) {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = s
	case *Secret:
		*p = Secret(s)
	case *time.Duration:
		t, err := parseDuration(s)
		if err != nil {
			d.reject(key, s, "a duration; write a number and a unit, such as 500ms, 10s, 15m, 336h or 14d")
			return
		}
		*p = t
	case *Rate:
		r, err := parseRate(s)
		if err != nil {
			d.reject(key, s, "a rate; write 1/s, 20/m or 100/h, or 0 for no limit")
			return
		}
		*p = r
	default: // an integer
		i, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil || strconv.FormatInt(i, 10) != s {
			d.reject(key, s, "a whole number; write it with the digits 0 to 9 only, not beginning with 0")
			return
		}
		v.SetInt(i)
	}
}

// parseDuration parses what [time.ParseDuration] does, and whole days.
func parseDuration(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 0 || n > int64(math.MaxInt64/day) {
			return 0, errors.New("not a number of days")
		}
		return time.Duration(n) * day, nil
	}
	return time.ParseDuration(s)
}

// parseRate parses N/s, N/m and N/h, and 0 or nothing for no limit.
func parseRate(s string) (Rate, error) {
	if s == "" || s == "0" {
		return 0, nil
	}
	number, unit, _ := strings.Cut(s, "/")
	seconds, ok := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	if !ok || strings.Trim(number, "0123456789.") != "" {
		return 0, errors.New("not a rate")
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n <= 0 {
		return 0, errors.New("not a number over 0")
	}
	return Rate(n / seconds), nil
}

// structure fills a struct by its yaml tags. A field of type Secret or
// []Secret has a second key, with _file behind it.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, key string) {
	fields := map[string]int{}
	var known []string
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == "-" {
			continue
		}
		fields[name] = i
		known = append(known, name)
		switch v.Field(i).Interface().(type) {
		case Secret, []Secret:
			known = append(known, name+"_file")
		}
	}
	d.pairs(n, key, known, func(name, sub string, n *yaml.Node, seen map[string]int) {
		base := strings.TrimSuffix(name, "_file")
		for _, other := range []string{base, base + "_file"} {
			if _, both := seen[other]; both {
				d.fault(n.Line, sub, "stands beside %s; keep one of the two", other)
				return
			}
		}
		i, ok := fields[name]
		if !ok {
			d.secretFiles(n, v.Field(fields[base]), join(key, base), sub)
			return
		}
		d.value(n, v.Field(i), sub)
	})
}

// pairs goes through a mapping and hands over each key once, with the lines of
// the keys before it. If known is not empty, no other key is taken.
func (d *decoder) pairs(n *yaml.Node, key string, known []string, take func(name, sub string, n *yaml.Node, seen map[string]int)) {
	if n.Kind != yaml.MappingNode {
		d.fault(n.Line, key, "%s, where keys with values should be", kind(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			d.fault(k.Line, key, "%s, where the name of a key should be", kind(k))
			continue
		}
		sub := join(key, label(k.Value))
		line, again := seen[k.Value]
		switch {
		case again:
			d.fault(k.Line, sub, "stands in line %d already; remove one of the two", line)
			continue
		case len(known) > 0 && !slices.Contains(known, k.Value):
			hint := "the keys here are " + strings.Join(known, ", ")
			if near := nearest(k.Value, known); near != "" {
				hint = fmt.Sprintf("did you mean `%s`?", near)
			}
			d.fault(k.Line, sub, "unknown key; %s", hint)
		default:
			take(k.Value, sub, val, seen)
		}
		seen[k.Value] = k.Line
	}
}

// join appends a name to a key.
func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// label returns the name of a key for messages. What does not look like a name
// may be a value in the wrong place, even a secret one.
func label(name string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if name == "" || len(name) > 40 || strings.Trim(name, letters) != "" {
		return "…"
	}
	return name
}

// dictionary fills a map. One that has entries by default takes no other keys.
func (d *decoder) dictionary(n *yaml.Node, v reflect.Value, key string) {
	var known []string
	for _, k := range v.MapKeys() {
		known = append(known, k.String())
	}
	slices.Sort(known)
	d.pairs(n, key, known, func(name, sub string, n *yaml.Node, _ map[string]int) {
		e := reflect.New(v.Type().Elem()).Elem()
		if s, ok := e.Addr().Interface().(*Secret); ok && n.Kind == yaml.MappingNode {
			if len(n.Content) == 0 {
				d.fault(n.Line, sub, "names no file; write {file: PATH}")
			}
			d.pairs(n, sub, []string{"file"}, func(_, file string, n *yaml.Node, _ map[string]int) {
				*s = d.secretFile(n, sub, file)
			})
		} else {
			d.value(n, e, sub)
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(name), e)
	})
}

// list fills a slice. A single value stands for a list of one, but not where
// the items are mappings.
func (d *decoder) list(n *yaml.Node, v reflect.Value, key string) {
	t := v.Type().Elem()
	items, keyOf := n.Content, func(i int) string { return fmt.Sprintf("%s[%d]", key, i) }
	switch {
	case n.Kind == yaml.ScalarNode && t.Kind() != reflect.Struct:
		items, keyOf = []*yaml.Node{n}, func(int) string { return key }
	case n.Kind != yaml.SequenceNode:
		d.fault(n.Line, key, "%s, where a list should be", kind(n))
		return
	}
	v.SetZero()
	for i, item := range items {
		e := reflect.New(t).Elem()
		if s, ok := e.Addr().Interface().(*Sink); ok {
			*s = DefaultSink()
		}
		d.value(item, e, keyOf(i))
		v.Set(reflect.Append(v, e))
	}
}

// expand returns the text of a scalar with every ${NAME} replaced by the
// environment variable of that name. It happens after parsing: no variable can
// add YAML.
func (d *decoder) expand(n *yaml.Node, key string) (string, bool) {
	var b strings.Builder
	rest := n.Value
	for {
		before, after, found := strings.Cut(rest, "${")
		name, behind, closed := strings.Cut(after, "}")
		if !found || !closed {
			b.WriteString(rest)
			break
		}
		if !isVariable(name) {
			d.fault(n.Line, key, "${…} does not hold the name of an environment variable; write ${NAME}, with letters, digits and _")
			return "", false
		}
		value, ok := d.env.lookupEnv(name)
		if !ok {
			d.fault(n.Line, key, "the environment variable %s is not set; set it, or write the value here", name)
			return "", false
		}
		o := d.origins[key]
		o.opaque = true
		d.origins[key] = o
		b.WriteString(before + value)
		rest = behind
	}
	s := b.String()
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		d.fault(n.Line, key, "the value is not text in UTF-8; write it without NUL and broken characters")
		return "", false
	}
	return s, true
}

// isVariable reports whether s is a name by POSIX, Base Definitions, 3.216:
// letters, digits and _, not beginning with a digit.
func isVariable(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// secretFiles fills v, a Secret or []Secret with the given key, from the file
// or files that n names. In the file, that key is called fileKey.
func (d *decoder) secretFiles(n *yaml.Node, v reflect.Value, key, fileKey string) {
	d.origins[key] = origin{line: n.Line, key: fileKey, opaque: true}
	if s, ok := v.Addr().Interface().(*Secret); ok {
		*s = d.secretFile(n, key, fileKey)
		return
	}
	if n.Kind != yaml.SequenceNode {
		v.Set(reflect.ValueOf([]Secret{d.secretFile(n, key, fileKey)}))
		return
	}
	for i, item := range n.Content {
		index := fmt.Sprintf("[%d]", i)
		v.Set(reflect.Append(v, reflect.ValueOf(d.secretFile(item, key+index, fileKey+index))))
	}
}

// secretFile returns what the file named by n holds, without the line ends
// behind it.
func (d *decoder) secretFile(n *yaml.Node, key, fileKey string) Secret {
	d.origins[key] = origin{line: n.Line, key: fileKey, opaque: true}
	var path string
	d.value(n, reflect.ValueOf(&path).Elem(), fileKey)
	if path == "" {
		d.faulty[key] = true
		d.fault(n.Line, fileKey, "names no file; write its path")
		return ""
	}
	file := "the file"
	if !d.origin(fileKey).opaque {
		file += " " + strconv.Quote(path)
	}
	data, err := d.readSecret(path)
	value := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // without the path, which may be out of the environment
		}
		d.wrong(key, "%s cannot be read: %v; the folder of this configuration was looked in, and $CREDENTIALS_DIRECTORY, which systemd fills when it starts the service", file, err)
	case len(data) > maxSize:
		d.wrong(key, "%s has more than %d bytes; is it the right one?", file, maxSize)
	case value == "":
		d.wrong(key, "%s is empty; write the secret into it", file)
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		d.wrong(key, "%s is not text in UTF-8; is it the right one?", file)
	default:
		return Secret(value)
	}
	return ""
}

// readSecret reads a file with a secret. A relative one is first looked for in the
// folder of systemd's credentials, which is flat (systemd.exec(5), LoadCredential=): as
// systemd calls a file of a folder, dir_name for dir/name, and by its name alone. Then
// it is looked for beside the configuration.
func (d *decoder) readSecret(path string) ([]byte, error) {
	if dir, ok := d.env.lookupEnv("CREDENTIALS_DIRECTORY"); ok && dir != "" && !filepath.IsAbs(path) {
		path := filepath.ToSlash(filepath.Clean(path))
		for _, name := range []string{strings.ReplaceAll(path, "/", "_"), filepath.Base(path)} {
			data, err := d.env.readFile(filepath.Join(dir, name))
			if !errors.Is(err, fs.ErrNotExist) {
				return data, err
			}
		}
	}
	return d.env.readFile(beside(d.path, path))
}

// nearest returns the known name that s is most likely a slip of the pen for,
// or nothing.
func nearest(s string, known []string) string {
	best, least := "", 1+min(2, len(s)/2)
	for _, k := range known {
		if n := distance(s, k); n < least {
			best, least = k, n
		}
	}
	return best
}

// distance returns the number of letters to add, remove or replace to make b
// out of a (Levenshtein).
func distance(a, b string) int {
	if len(a) > 40 {
		return len(a) // no name is as long
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
