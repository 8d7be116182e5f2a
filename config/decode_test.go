package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// wantError parses text and compares the whole of the error. Every part of it
// must be an *Error.
func wantError(t *testing.T, text, want string) {
	t.Helper()
	wantErrorIn(t, text, Env{}, want)
}

func wantErrorIn(t *testing.T, text string, e Env, want string) {
	t.Helper()
	c, err := Parse("config.yaml", []byte(text), e)
	if err == nil {
		t.Errorf("no error from:\n%s\nwant %s", text, want)
		return
	}
	if c != nil {
		t.Error("a configuration beside an error")
	}
	if err.Error() != want {
		t.Errorf("from:\n%s\n got %v\nwant %s", text, err, want)
	}
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		if fault := new(Error); !errors.As(e, &fault) {
			t.Errorf("%T is not an *Error", e)
		}
	}
}

func TestSyntax(t *testing.T) {
	const mapping = ", where keys with values should be"
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "is empty; write {} if all defaults are meant"},
		{"comments", "# a\n# b\n", "is empty; write {} if all defaults are meant"},
		{"null", "---\n~\n", "is empty; write {} if all defaults are meant"},
		{"list", "- a", "1: a list, where the keys should be: site, events and so on"},
		{"scalar", "\nhello", "2: a single value, where the keys should be: site, events and so on"},
		{"two documents", "{}\n---\n{}\n", "2: a second document begins; remove it, with the --- before it"},
		{"unclosed", "a: [b\nc: d", "2: not YAML: did not find expected ',' or ']'; look at this line and the one before, and quote values with : # * & ! { [ in them"},
		{"broken behind", "{}\n---\n\"", "3: not YAML: found unexpected end of stream; look at this line and the one before, and quote values with : # * & ! { [ in them"},
		{"tab", "site:\n\ttitle: a", "2: not YAML: found character that cannot start any token; look at this line and the one before, and quote values with : # * & ! { [ in them"},
		{"alias of nothing", "site:\n  title: *c4n4ry", "2: not YAML: an alias without its anchor; look at this line and the one before, and quote values with : # * & ! { [ in them"},
		{"anchor", "site: &a\n  title: x", "1: an anchor (&name) is not taken here; remove it, or quote the value"},
		{"alias", "site:\n  title: &a x\n  url: *a", "2: an anchor (&name) is not taken here; remove it, or quote the value"},
		{"merge", "x: {}\n<<: {}", "1: x: unknown key; the keys here are site, events, check, watch, feeds, web, notify, store, store_file\nconfig.yaml:2: …: unknown key; the keys here are site, events, check, watch, feeds, web, notify, store, store_file"},
		{"tag", "store: !!str 5", "1: a tag (!name) is not taken here; remove it, or quote the value"},
		{"key is a list", "[a]: b", "1: a list, where the name of a key should be"},
		{"section is a list", "site: [a]", "1: site: a list" + mapping},
		{"section is a value", "web: 127.0.0.1:80", "1: web: a single value" + mapping},
		{"section without value", "web:\n", "1: web: has no value; remove the key for its default, or write {} for an empty one"},
		{"list without value", "notify:\n  sinks:\n", "2: notify.sinks: has no value; remove the key for its default, or write [] for an empty one"},
		{"text without value", "feeds: {hub: null}", `1: feeds.hub: has no value; remove the key for its default, or write "" for an empty one`},
		{"number without value", "feeds: {entries: }", "1: feeds.entries: has no value; remove the key for its default, or write a number"},
		{"unknown", "watch:\n  setle: 1s", "2: watch.setle: unknown key; did you mean `settle`?"},
		{"unknown, not near", "web:\n  tls: on", "2: web.tls: unknown key; the keys here are listen, admin"},
		{"unknown, a value for a key", "{\"https://example.org/c4n4ry\"}", "1: …: unknown key; the keys here are site, events, check, watch, feeds, web, notify, store, store_file"},
		{"unknown field", "events: {fields: {titel: a}}", "1: events.fields.titel: unknown key; did you mean `title`?"},
		{"twice", "site:\n  title: a\n  title: b", "3: site.title: stands in line 2 already; remove one of the two"},
		{"twice in a map", "events:\n  aliases:\n    tags:\n      a: b\n      a: c\n", "5: events.aliases.tags.a: stands in line 4 already; remove one of the two"},
		{"number", "feeds: {entries: many}", `1: feeds.entries: "many" is not a whole number; write it with the digits 0 to 9 only, not beginning with 0`},
		{"octal", "feeds: {entries: 010}", `1: feeds.entries: "010" is not a whole number; write it with the digits 0 to 9 only, not beginning with 0`},
		{"float", "feeds: {entries: 1.5}", `1: feeds.entries: "1.5" is not a whole number; write it with the digits 0 to 9 only, not beginning with 0`},
		{"list for a number", "feeds:\n  entries: [1]", "2: feeds.entries: a list, where a single value should be"},
		{"map for a text", "site: {title: {a: b}}", "1: site.title: a mapping, where a single value should be"},
		{"map for a list", "events: {include: {a: b}}", "1: events.include: a mapping, where a list should be"},
		{"list in a list", "events: {include: [[a]]}", "1: events.include[0]: a list, where a single value should be"},
		{"value for sinks", "notify: {sinks: slack}", "1: notify.sinks: a single value, where a list should be"},
		{"sink is a value", "notify: {sinks: [slack]}", "1: notify.sinks[0]: a single value" + mapping},
		{"duration", "watch: {settle: 5}", `1: watch.settle: "5" is not a duration; write a number and a unit, such as 500ms, 10s, 15m, 336h or 14d`},
		{"days", "feeds: {window: 1.5d}", `1: feeds.window: "1.5d" is not a duration; write a number and a unit, such as 500ms, 10s, 15m, 336h or 14d`},
		{"days for ever", "feeds: {window: 106752d}", `1: feeds.window: "106752d" is not a duration; write a number and a unit, such as 500ms, 10s, 15m, 336h or 14d`},
		{"NUL", `store: "a\0b"`, "1: store: the value is not text in UTF-8; write it without NUL and broken characters"},
		{"all at once, in order", "watch: {poll: x}\nsite:\n  url: x\n  titel: y\nfeeds: {content: all}",
			"1: watch.poll: \"x\" is not a duration; write a number and a unit, such as 500ms, 10s, 15m, 336h or 14d\n" +
				"config.yaml:3: site.url: \"x\" is not an absolute http or https URL without user, query and fragment; write it like https://example.org\n" +
				"config.yaml:4: site.titel: unknown key; did you mean `title`?\n" +
				"config.yaml:5: feeds.content: \"all\" is not one of full, summary"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := "config.yaml:" + test.want
			if test.want[0] < '0' || test.want[0] > '9' {
				want = "config.yaml: " + test.want
			}
			wantError(t, test.text, want)
		})
	}
}

func TestManyFaults(t *testing.T) {
	_, err := Parse("c", []byte("feeds:\n  formats:\n"+strings.Repeat("    - pdf\n", 1000)), Env{})
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxFaults+1 || lines[maxFaults] != "c: and 950 more; mend these first" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestForms(t *testing.T) {
	for _, test := range []struct {
		text string
		get  func(c *Config) any
		want any
	}{
		{"events: {include: '*.md'}", func(c *Config) any { return c.Events.Include }, []string{"*.md"}},
		{"events: {exclude: [a, b]}", func(c *Config) any { return c.Events.Exclude }, []string{"a", "b"}},
		{"feeds: {significant: []}", func(c *Config) any { return c.Feeds.Significant }, []string(nil)},
		{"events: {fields: {title: name, date: [meta.date, when]}}", func(c *Config) any {
			return []any{len(c.Events.Fields), c.Events.Fields["title"], c.Events.Fields["date"], c.Events.Fields["status"]}
		}, []any{14, []string{"name"}, []string{"meta.date", "when"}, []string{"status", "verification_status"}}},
		{"events: {importance_words: {Critical: 9, HIGH: 7}}", func(c *Config) any { return c.Events.ImportanceWords }, map[string]int{"critical": 9, "high": 7}},
		{"events: {aliases: {tags: {a b: c}}}", func(c *Config) any { return c.Events.Aliases.Tags }, map[string]string{"a b": "c"}},
		{"events: {max_bytes: 5000000000}", func(c *Config) any { return c.Events.MaxBytes }, int64(5000000000)},
		{"events: {importance_default: '7'}", func(c *Config) any { return c.Events.ImportanceDefault }, 7},
		{"feeds: {window: 14d}", func(c *Config) any { return c.Feeds.Window }, 336 * time.Hour},
		{"feeds: {window: 1h30m}", func(c *Config) any { return c.Feeds.Window }, 90 * time.Minute},
		{"watch: {poll: 0}", func(c *Config) any { return c.Watch.Poll }, time.Duration(0)},
		{"site: {title: 2025-01-28}", func(c *Config) any { return c.Site.Title }, "2025-01-28"},
		{"site: {title: on}", func(c *Config) any { return c.Site.Title }, "on"},
		{"\ufeffsite: {title: bom}", func(c *Config) any { return c.Site.Title }, "bom"},
		{"feeds: {custom: [{name: a, match: {tags: x, from: 2025-01-28, min_importance: 8}}]}", func(c *Config) any { return c.Feeds.Custom },
			[]Custom{{Name: "a", Title: "a", Match: Match{Tags: []string{"x"}, From: "2025-01-28", MinImportance: 8}}}},
	} {
		if got := test.get(mustParse(t, test.text, Env{})); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s:\n got %#v\nwant %#v", test.text, got, test.want)
		}
	}
}

func TestRate(t *testing.T) {
	for _, test := range []struct {
		text string
		want Rate
		ok   bool
	}{
		{"", 0, true},
		{"0", 0, true},
		{"1/s", 1, true},
		{"20/m", 20.0 / 60, true},
		{"100/h", 100.0 / 3600, true},
		{"0.5/s", 0.5, true},
		{"0/s", 0, false},
		{"1", 0, false},
		{"/s", 0, false},
		{"./s", 0, false},
		{"1/d", 0, false},
		{"1/s/s", 0, false},
		{"-1/s", 0, false},
		{"1e3/s", 0, false},
		{"Inf/s", 0, false},
		{"1 /s", 0, false},
		{strings.Repeat("9", 400) + "/s", 0, false},
	} {
		got, err := parseRate(test.text)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("%q: got %v, %v", test.text, got, err)
		}
	}
}

func TestVariables(t *testing.T) {
	e := env(map[string]string{"A": "x", "_b2": "y", "EMPTY": "", "YAML": "z\nweb: {listen: evil}", "N": "7", "TAGS": "[a, b]", "DOLLAR": "${A}"}, nil)
	for _, test := range []struct{ text, want string }{
		{"${A}", "x"},
		{"a${A}b${_b2}c", "axbyc"},
		{"${A}${A}", "xx"},
		{"-${EMPTY}-", "--"},
		{"$A $$ $ ${A $", "$A $$ $ ${A $"},
		{"$${A}", "$x"},
		{"${DOLLAR}", "${A}"}, // once, and not again
		{"${TAGS}", "[a, b]"},
	} {
		c := mustParse(t, fmt.Sprintf("site: {title: '%s'}", test.text), e)
		if c.Site.Title != test.want {
			t.Errorf("%s: got %q, want %q", test.text, c.Site.Title, test.want)
		}
	}
	if c := mustParse(t, "events: {importance_default: '${N}', exclude: ['${TAGS}'], aliases: {tags: {a: '${A}'}}}", e); c.Events.ImportanceDefault != 7 ||
		!reflect.DeepEqual(c.Events.Exclude, []string{"[a, b]"}) || c.Events.Aliases.Tags["a"] != "x" {
		t.Errorf("in other places: %+v", c.Events)
	}
	if c := mustParse(t, "notify: {sinks: [{name: a, type: slack, url: 'http://${A}/', template: {body: '${YAML}'}}]}", e); c.Web.Listen != "127.0.0.1:8080" {
		t.Error("a variable has added YAML")
	}

	wantErrorIn(t, "site:\n  title: a\n  url: https://${HOST}/${A}", e,
		"config.yaml:3: site.url: the environment variable HOST is not set; set it, or write the value here")
	for _, name := range []string{"", " A", "A-B", "2A", "Ä", "A:-x"} {
		wantErrorIn(t, fmt.Sprintf("store: '${%s}'", name), e,
			"config.yaml:1: store: ${…} does not hold the name of an environment variable; write ${NAME}, with letters, digits and _")
	}
	wantErrorIn(t, "notify: {sinks: [{name: a, type: webhook, url: https://a.example/, secret: '${EMPTY}'}]}", e,
		`config.yaml:1: notify.sinks[0].secret: the environment variable is empty; set it, or write "" for none`)
	wantErrorIn(t, "feeds: {content: '${SUMMARY}'}", env(map[string]string{"SUMMARY": "summar"}, nil),
		"config.yaml:1: feeds.content: the value is not one of full, summary") // and no word of what is near
	wantErrorIn(t, "feeds: {formats: '${NONE}'}", Env{},
		"config.yaml:1: feeds.formats: the environment variable NONE is not set; set it, or write the value here")
}

// Keys and examples of Standard Webhooks: 24, 32 and 64 bytes.
const (
	secret24 = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	secret32 = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	secret64 = "whsec_AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=="
)

func TestSecretFiles(t *testing.T) {
	e := env(map[string]string{"CREDENTIALS_DIRECTORY": "/run/credentials", "DIR": "/secret/dir"}, map[string]string{
		"/run/credentials/hook":     "https://example.org/credential\n",
		"/etc/tocsin/hook":          "https://example.org/beside",
		"/etc/tocsin/sub/other":     "https://example.org/other\r\n\r\n",
		"/srv/hook":                 "https://example.org/absolute",
		"/run/credentials/sub_flat": "https://example.org/flat",
		"/run/credentials/flat":     "https://example.org/another",
		"/run/credentials/key1":     secret24 + "\n",
		"/etc/tocsin/key2":          secret64,
		"/etc/tocsin/token":         "Bearer ${c4n4ry}\n",
	})
	get := func(sink string) Sink {
		t.Helper()
		return mustParse(t, "notify: {sinks: [{name: a, type: webhook, "+sink+"}]}", e).Notify.Sinks[0]
	}
	for _, test := range []struct{ path, want string }{
		{"hook", "https://example.org/credential"},
		{"sub/hook", "https://example.org/credential"},
		{"sub/flat", "https://example.org/flat"},
		{"./sub/flat", "https://example.org/flat"},
		{"sub/other", "https://example.org/other"},
		{"/srv/hook", "https://example.org/absolute"},
	} {
		if got := get("url_file: " + test.path).URL.Reveal(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.path, got, test.want)
		}
	}
	s := get("url_file: hook, secret_file: [key1, key2], headers: {authorization: {file: token}, x-y: z}")
	if want := []Secret{secret24, secret64}; !reflect.DeepEqual(s.Secrets, want) {
		t.Error("secret_file: not the two secrets")
	}
	if want := map[string]Secret{"Authorization": "Bearer ${c4n4ry}", "X-Y": "z"}; !reflect.DeepEqual(s.Headers, want) {
		t.Error("headers: not the two headers")
	}
	if s := get("url_file: hook, secret_file: key1"); !reflect.DeepEqual(s.Secrets, []Secret{secret24}) {
		t.Error("secret_file: not the one secret")
	}
}

func TestSecretFileFaults(t *testing.T) {
	e := env(map[string]string{"CREDENTIALS_DIRECTORY": "/run/credentials", "DIR": "/c4n4ry"}, map[string]string{
		"hook":                  "https://example.org/",
		"empty":                 "\n",
		"large":                 strings.Repeat("x", maxSize+1),
		"binary":                "\xff",
		"/run/credentials/text": "c4n4ry",
	})
	for _, test := range []struct{ sink, want string }{
		{"url: https://a.example/\n  url_file: hook", "4: notify.sinks[0].url_file: stands beside url; keep one of the two"},
		{"url_file: hook\n  url: https://a.example/", "4: notify.sinks[0].url: stands beside url_file; keep one of the two"},
		{"url_file: none", `3: notify.sinks[0].url_file: the file "none" cannot be read: file does not exist; the folder of this configuration was looked in, and $CREDENTIALS_DIRECTORY, which systemd fills when it starts the service`},
		{"url_file: '${DIR}/none'", `3: notify.sinks[0].url_file: the file cannot be read: file does not exist; the folder of this configuration was looked in, and $CREDENTIALS_DIRECTORY, which systemd fills when it starts the service`},
		{"url_file: empty", `3: notify.sinks[0].url_file: the file "empty" is empty; write the secret into it`},
		{"url_file: large", `3: notify.sinks[0].url_file: the file "large" has more than 1048576 bytes; is it the right one?`},
		{"url_file: binary", `3: notify.sinks[0].url_file: the file "binary" is not text in UTF-8; is it the right one?`},
		{"url_file: ''", `3: notify.sinks[0].url_file: names no file; write its path`},
		{"url_file: [hook]", `3: notify.sinks[0].url_file: a list, where a single value should be`},
		{"url_file: text", `3: notify.sinks[0].url_file: the value is not an absolute http or https URL; write it like https://hooks.example.org/path`},
		{"url_file: hook\n  secret_file: [text]", `4: notify.sinks[0].secret_file[0]: the value is not whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)`},
		{"url_file: hook\n  secret_file: none", `4: notify.sinks[0].secret_file: the file "none" cannot be read: file does not exist; the folder of this configuration was looked in, and $CREDENTIALS_DIRECTORY, which systemd fills when it starts the service`},
		{"url_file: hook\n  headers: {X: {file: none}}", `4: notify.sinks[0].headers.X.file: the file "none" cannot be read: file does not exist; the folder of this configuration was looked in, and $CREDENTIALS_DIRECTORY, which systemd fills when it starts the service`},
		{"url_file: hook\n  headers: {X: {path: none}}", "4: notify.sinks[0].headers.X.path: unknown key; the keys here are file"},
		{"url_file: hook\n  headers: {X: {}}", "4: notify.sinks[0].headers.X: names no file; write {file: PATH}"},
	} {
		t.Run(test.sink, func(t *testing.T) {
			wantErrorIn(t, "notify: {sinks: [\n{name: a, type: webhook,\n  "+strings.ReplaceAll(test.sink, "\n", ",\n")+"}]}", e, "config.yaml:"+test.want)
		})
	}
}

// What a variable or a file holds is in no error, whichever key it stands for.
func TestValuesStayOutOfErrors(t *testing.T) {
	var doc yaml.Node
	text := strings.NewReplacer("match: {}", "match: {tags: [a], from: 2025-01-01, to: 2025-01-02}", `""`, "x", "[]", "[x]", "{}", "{x: y}").Replace(example(t))
	if err := yaml.Load([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	var scalars []*yaml.Node
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				continue
			}
			if c.Kind == yaml.ScalarNode {
				scalars = append(scalars, c)
			}
			walk(c)
		}
	}
	walk(&doc)
	if len(scalars) < 80 {
		t.Fatalf("only %d values", len(scalars))
	}
	// One value that is wrong in every way that the rules tell apart.
	for _, value := range []string{
		"c4n4ry", "-7654321", "7654321", "-7654h", "c4n4ry/s", "c4n4ry\nx", "\x00c4n4ry", "http://c4n4ry:99999/", "https://c4n4ry/?c4n4ry", "postgres://c4n4ry",
		"s3://c4n4ry", "{{c4n4ry}}", "[c4n4ry", "=c4n4ry", "c4n4ry..", "TZ=c4n4ry", "@every c4n4ry", "0 0 30 c4n4ry *", "0 0 30 2 *", "unix:c4n4ry", "whsec_c4n4ry",
		"c4n4ry@", "titleX", "",
	} {
		const stride = 4 // so many keys apart, fewer faults than are reported
		for first := range stride {
			was := make([]yaml.Node, len(scalars))
			for i, n := range scalars {
				if was[i] = *n; i%stride == first {
					n.Value, n.Style = "${CANARY}", yaml.SingleQuotedStyle
				}
			}
			data, err := yaml.Dump(&doc)
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range scalars {
				*n = was[i]
			}
			vars := map[string]string{"NEWSROOM_URL": value, "CANARY": value}
			_, err = Parse("config.yaml", data, env(vars, nil))
			if err == nil || value == "" {
				continue
			}
			for _, part := range []string{"c4n4ry", "7654", "titleX", "30 2"} {
				if strings.Contains(strings.ReplaceAll(err.Error(), "CANARY", ""), part) {
					t.Fatalf("value %q: %v", value, err)
				}
			}
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"settle", "max_delay", "rescan", "poll", "on", "to"}
	for _, test := range []struct{ text, want string }{
		{"setle", "settle"},
		{"settles", "settle"},
		{"max-delay", "max_delay"},
		{"Poll", "poll"},
		{"xx", ""},
		{"o", ""},
		{"", ""},
		{"interval", ""},
		{strings.Repeat("settle", 100000), ""},
	} {
		if got := nearest(test.text, known); got != test.want {
			t.Errorf("%.20q: got %q, want %q", test.text, got, test.want)
		}
	}
}

// What cuts one text into a list of names may be said of tags, of actors or of both.
func TestSplit(t *testing.T) {
	for text, want := range map[string]Split{
		`{split: ","}`:                          {Tags: ",", Actors: ","},
		`{split: ""}`:                           {},
		`{split: {tags: " "}}`:                  {Tags: " "},
		`{split: {tags: ";", actors: ", and"}}`: {Tags: ";", Actors: ", and"},
	} {
		c, err := Parse("config.yaml", []byte("events: "+text), Env{})
		if err != nil || c.Events.Split != want {
			t.Errorf("%s: %+v, %v; want %+v", text, c, err, want)
		}
	}
	wantErrorIn(t, "events:\n  split: [\",\"]", Env{}, "config.yaml:2: events.split: a list, where keys with values should be")
}
