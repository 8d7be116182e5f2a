package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// env returns an environment of these variables and files.
func env(vars, files map[string]string) Env {
	return Env{
		LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
}

// The address of a bucket is taken apart, and no path.
func TestBucket(t *testing.T) {
	for text, want := range map[string]Bucket{
		"s3://bucket": {Name: "bucket"},
		"s3://bucket/a/b/?region=eu-1&endpoint=http://[::1]:9000/": {Name: "bucket", Prefix: "a/b", Endpoint: "http://[::1]:9000", Region: "eu-1"},
		"s3://bucket?endpoint=https%3A%2F%2Fs3.example.org":        {Name: "bucket", Endpoint: "https://s3.example.org"},
	} {
		c := mustParse(t, "feeds: {dir: '"+text+"'}", Env{})
		if b := c.Feeds.Bucket; b == nil || *b != want || c.Feeds.Dir != text {
			t.Errorf("%s: %+v, %s", text, b, c.Feeds.Dir)
		}
	}
	if b := (&Bucket{Name: "a", Prefix: "b/c", Endpoint: "x"}).String(); b != "s3://a/b/c" {
		t.Error(b)
	}
	if b := mustParse(t, "feeds: {dir: out}", Env{}).Feeds.Bucket; b != nil {
		t.Errorf("a folder is a bucket: %v", b)
	}
	// As other secrets, in systemd's credentials.
	c := mustParse(t, "feeds: {dir: 's3://bucket', s3: {access_key_id_file: s3-key, secret_access_key_file: secrets/s3}}", env(
		map[string]string{"CREDENTIALS_DIRECTORY": "/creds"}, map[string]string{"/creds/s3-key": "id\n", "/creds/secrets_s3": "key\n"}))
	if s := c.Feeds.S3; s.AccessKeyID.Reveal() != "id" || s.SecretAccessKey.Reveal() != "key" {
		t.Errorf("%q %q", s.AccessKeyID.Reveal(), s.SecretAccessKey.Reveal())
	}
}

// mustParse parses a configuration without faults, at /etc/tocsin/config.yaml.
func mustParse(t *testing.T, text string, e Env) *Config {
	t.Helper()
	c, err := Parse(systemPath, []byte(text), e)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const reference = "../config.yaml"

// example returns the reference with both of its examples in force.
func example(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^  (custom|sinks): \[\]`).ReplaceAllString(string(data), "")
	return regexp.MustCompile(`(?m)^  #(custom:|sinks:|  )`).ReplaceAllString(text, "  $1")
}

func TestReferenceHasTheDefaults(t *testing.T) {
	got, err := Load(reference, Env{ReadFile: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path = reference
	want.Events.Dir = "../seeds"
	want.Store = "../state/tocsin.db"
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("config.yaml differs from Default():\n got %+v\nwant %+v", *got, want)
	}
}

// The configuration that the package installs, as it is and with its example in force.
func TestPackagedConfiguration(t *testing.T) {
	data, err := os.ReadFile("../packaging/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, string(data), Env{})
	if c.Events.Dir != "/srv/events" || c.Store != "/var/lib/tocsin/tocsin.db" || len(c.Notify.Sinks) > 0 {
		t.Errorf("got %+v", *c)
	}
	text := strings.Replace(string(data), "  sinks: []\n", "", 1)
	text = regexp.MustCompile(`(?m)^  #(sinks:|  )`).ReplaceAllString(text, "  $1")
	c = mustParse(t, text, env(nil, map[string]string{"/etc/tocsin/secrets/newsroom-url": "https://example.org/hook\n"}))
	if len(c.Notify.Sinks) != 1 || c.Notify.Sinks[0].URL.Reveal() != "https://example.org/hook" {
		t.Errorf("the example: got %+v", c.Notify.Sinks)
	}
}

func TestReferenceExamplesHaveTheDefaults(t *testing.T) {
	c, err := Parse(reference, []byte(example(t)), env(map[string]string{"NEWSROOM_URL": "https://example.org/hook"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	sink := DefaultSink()
	sink.Name, sink.Type, sink.URL = "newsroom", "webhook", "https://example.org/hook"
	if want := []Sink{sink}; !reflect.DeepEqual(c.Notify.Sinks, want) {
		t.Errorf("the example of a sink differs from DefaultSink():\n got %+v\nwant %+v", c.Notify.Sinks, want)
	}
	if want := []Custom{{Name: "courts", Title: "courts"}}; !reflect.DeepEqual(c.Feeds.Custom, want) {
		t.Errorf("the example of a custom feed differs from its defaults:\n got %+v\nwant %+v", c.Feeds.Custom, want)
	}
}

// The keys of the reference are those of the types, all of them and in order.
func TestReferenceHasEveryKey(t *testing.T) {
	var doc yaml.Node
	if err := yaml.Load([]byte(example(t)), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	treeKeys(&doc, "", &got)
	var want []string
	typeKeys(reflect.TypeFor[Config](), "", &want)
	// The keys of a match stand in the custom feed's, and the sink's says so.
	want = slices.DeleteFunc(want, func(k string) bool { return strings.HasPrefix(k, "notify.sinks[].match.") })
	// The keys of the maps that have entries by default.
	got = slices.DeleteFunc(got, func(k string) bool {
		return strings.HasPrefix(k, "events.fields.") || strings.HasPrefix(k, "check.")
	})
	if !slices.Equal(got, want) {
		t.Errorf("keys of config.yaml, and of the types:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func treeKeys(n *yaml.Node, key string, keys *[]string) {
	switch n.Kind {
	case yaml.DocumentNode:
		treeKeys(n.Content[0], key, keys)
	case yaml.SequenceNode:
		for _, c := range n.Content {
			treeKeys(c, key+"[]", keys)
		}
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			sub := join(key, n.Content[i].Value)
			*keys = append(*keys, sub)
			treeKeys(n.Content[i+1], sub, keys)
		}
	}
}

func typeKeys(t reflect.Type, key string, keys *[]string) {
	switch t.Kind() {
	case reflect.Slice:
		typeKeys(t.Elem(), key+"[]", keys)
	case reflect.Struct:
		for i := range t.NumField() {
			if name := t.Field(i).Tag.Get("yaml"); name != "-" {
				sub := join(key, name)
				*keys = append(*keys, sub)
				typeKeys(t.Field(i).Type, sub, keys)
			}
		}
	}
}

// Who knows the tools is asked of sinks that are right as far as this package
// knows, and his fault has the place of the key that he names.
func TestCheckSink(t *testing.T) {
	text := "notify:\n  sinks:\n    - name: a\n      type: discord\n      url: https://example.org/x\n" +
		"    - {name: b, type: slack, url: nonsense}\n"
	var asked []string
	e := Env{CheckSink: func(s Sink) (string, string) {
		asked = append(asked, s.Name)
		return "url", "has no chat"
	}}
	_, err := Parse("config.yaml", []byte(text), e)
	if err == nil || !strings.HasPrefix(err.Error(), "config.yaml:5: notify.sinks[0].url: has no chat\nconfig.yaml:6: notify.sinks[1].url: ") {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(asked, []string{"a"}) {
		t.Errorf("asked of %q", asked)
	}
}

// Who knows candidates is asked with the whole configuration, and his faults have
// the places of the candidates; but not where the time zone is none.
func TestCheckFields(t *testing.T) {
	e := Env{
		CheckFields: func(c *Config, fault func(string, int, string)) {
			for i, s := range c.Events.Fields["title"] {
				fault("title", i, s+" is bad in "+c.Site.Timezone)
			}
		},
		LookupEnv: func(string) (string, bool) { return "c4n4ry", true },
	}
	_, err := Parse("config.yaml", []byte("site: {timezone: Asia/Tokyo}\nevents:\n  fields:\n    title:\n    - a\n    - ${X}\n    - [b]\n"), e)
	const want = "config.yaml:5: events.fields.title[0]: a is bad in Asia/Tokyo\n" +
		"config.yaml:6: events.fields.title[1]: not the name of a place where a field is found; write the path of a key\n" +
		"config.yaml:7: events.fields.title[2]: a list, where a single value should be"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	_, err = Parse("config.yaml", []byte("site: {timezone: none}\nevents: {fields: {title: a}}\n"), e)
	if err == nil || strings.Contains(err.Error(), "bad") {
		t.Errorf("without a time zone: %v", err)
	}
}

func TestHubAndDigest(t *testing.T) {
	const text = `
feeds:
  corrections: [title, withdrawn]
  hub: https://hub.example.org/
notify:
  sinks:
    - {name: a, type: slack, url: "https://example.org/", digest: {schedule: "0 7 * * *"}, quiet: {from: 22:00, to: 06:30}}
`
	if _, err := Parse("c", []byte(text), Env{}); err != nil {
		t.Errorf("valid values: %v", err)
	}
	_, err := Parse("c", []byte(`
feeds:
  corrections: [url]
  hub: hub.example.org
notify:
  sinks:
    - {name: a, type: slack, url: "https://example.org/", digest: {schedule: "0 7 * *"}}
`), Env{})
	const want = "c:3: feeds.corrections[0]: \"url\" is not one of title, date, importance, status, location, tags, actors, sources, body, withdrawn\n" +
		"c:4: feeds.hub: \"hub.example.org\" is not an absolute http or https URL; write it like https://hub.example.org/, or \"\" for none\n" +
		"c:7: notify.sinks[0].digest.schedule: \"0 7 * *\" is not a schedule (expected exactly 5 fields, found 4: [0 7 * *]); write five fields such as `0 7 * * *`, or @hourly, @daily, @every 15m"
	if err == nil || err.Error() != want {
		t.Errorf("invalid values:\n got %v\nwant %s", err, want)
	}
}

func TestEmptyMappingIsDefault(t *testing.T) {
	got, err := Parse("config.yaml", []byte("{}"), Env{})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path = "config.yaml"
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
}

// No two configurations share what can be changed.
func TestDefaultIsFresh(t *testing.T) {
	c := Default()
	c.Events.Fields["title"][0] = "changed"
	c.Feeds.Formats[0] = "changed"
	if d := Default(); d.Events.Fields["title"][0] != "title" || d.Feeds.Formats[0] != "atom" {
		t.Error("a change of one Default() shows in the next")
	}
}

func TestPaths(t *testing.T) {
	for _, test := range []struct {
		config, text       string
		events, dir, store string
	}{
		{"config.yaml", "{}", "seeds", "", "state/tocsin.db"},
		{"a/config.yaml", "{}", "a/seeds", "", "a/state/tocsin.db"},
		{"/etc/tocsin/config.yaml", "{events: {dir: ../e}, feeds: {dir: out/}, store: db}", "/etc/e", "/etc/tocsin/out", "/etc/tocsin/db"},
		{"/etc/tocsin/config.yaml", "{events: {dir: /srv/e/}, feeds: {dir: /srv/f}, store: /var/db}", "/srv/e", "/srv/f", "/var/db"},
	} {
		c, err := Parse(test.config, []byte(test.text), Env{})
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if c.Path != test.config || c.Events.Dir != test.events || c.Feeds.Dir != test.dir || c.Store.Reveal() != test.store {
			t.Errorf("%s in %s: got %q, %q, %q", test.text, test.config, c.Events.Dir, c.Feeds.Dir, c.Store)
		}
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	_, err := Load(path, OSEnv())
	if want := path + ": cannot be read: no such file or directory; name another file with -config FILE"; err == nil || err.Error() != want {
		t.Errorf("no file:\n got %v\nwant %s", err, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("no file: not fs.ErrNotExist")
	}
	var fault *Error
	if !errors.As(err, &fault) || fault.Path != path || fault.Line != 0 {
		t.Errorf("no file: %#v", fault)
	}

	if _, err := Load(path, Env{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a ReadFile: %v", err)
	}

	if err := os.WriteFile(path, []byte("site:\n  title: ${TITLE}"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TITLE", "From outside")
	c, err := Load(path, OSEnv())
	if err != nil {
		t.Fatal(err)
	}
	if c.Site.Title != "From outside" || c.Store.Reveal() != filepath.Join(filepath.Dir(path), "state/tocsin.db") {
		t.Errorf("title %q, store %q", c.Site.Title, c.Store)
	}

	if err := os.WriteFile(path, []byte(strings.Repeat("#\n", maxSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(path, OSEnv())
	if want := path + ": has more than 1048576 bytes; is it the right file?"; err == nil || err.Error() != want {
		t.Errorf("large file:\n got %v\nwant %s", err, want)
	}
}

func TestFind(t *testing.T) {
	for _, test := range []struct {
		flag   string
		exists []string
		want   string
		err    string
	}{
		{flag: "x.yaml", exists: []string{localPath}, want: "x.yaml"},
		{exists: []string{localPath, systemPath}, want: "config.yaml"},
		{exists: []string{systemPath}, want: "/etc/tocsin/config.yaml"},
		{err: "no config.yaml in this folder and no /etc/tocsin/config.yaml; name the file with -config FILE"},
	} {
		got, err := find(test.flag, func(path string) bool { return slices.Contains(test.exists, path) })
		if got != test.want || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("-config %q with %v: got %q, %v", test.flag, test.exists, got, err)
		}
		if fault := new(Error); err != nil && !errors.As(err, &fault) {
			t.Errorf("%T is not an *Error", err)
		}
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("config.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Find(""); got != "config.yaml" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
