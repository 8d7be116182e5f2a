package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

func TestParseCommand(t *testing.T) {
	c, err := parseCommand(`Usage: tocsin send [-config FILE] SINK | -event ID -explain

Sends a test message to one sink: now. And
more of it.

  -config FILE
    	configuration FILE (default here,
    	or there)
  -n	only show it
`)
	if err != nil {
		t.Fatal(err)
	}
	want := command{
		name: "send", synopsis: "[-config FILE] SINK | -event ID -explain",
		about: "Sends a test message to one sink: now. And\nmore of it.",
		flags: []option{{"config", "FILE", "configuration FILE (default here, or there)"}, {"n", "", "only show it"}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c, want)
	}
	if got := c.Summary(); got != "Sends a test message to one sink" {
		t.Errorf("summary %q", got)
	}
	for _, bad := range []string{"", "Usage: tocsin x\n\nabout\n\nno flag\n"} {
		if _, err := parseCommand(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestWhatCommandsTake(t *testing.T) {
	for _, test := range []struct {
		synopsis, takes string
		verbs           []string
	}{
		{"[-config FILE]", "", nil},
		{"[-config FILE] [-out DIR]", "", nil},
		{"[-config FILE] [PATH...]", "PATH", nil},
		{"[-config FILE] SINK | -event ID -explain", "SINK", nil},
		{"[-config FILE] list | show ID | retry ID | cancel ID", "ID", []string{"list", "show", "retry", "cancel"}},
		{"[-config FILE] FILE", "FILE", nil},
		{"[-o FILE] DIR", "DIR", nil},
	} {
		c := command{synopsis: test.synopsis}
		if got := c.Takes(); got != test.takes {
			t.Errorf("%s: takes %q, want %q", test.synopsis, got, test.takes)
		}
		if got := c.Verbs(); !reflect.DeepEqual(got, test.verbs) {
			t.Errorf("%s: verbs %q, want %q", test.synopsis, got, test.verbs)
		}
	}
}

func TestParseReference(t *testing.T) {
	r, err := parseReference(`# About all.
#   - more

# About the site, which follows.
site:
  title: "a # b"                   # the name
                                   # of it
  hold:                            # more than this

    events: 100
  sinks: []                        # an example with every key:
  #sinks:
  #  - name: newsroom              # required
  #    url: ${URL}                 # a secret:
  #                                # where to
  #    match: {}
  #    quiet:                      # hold
  #      to: ""                    # HH:MM

store: x`)
	if err != nil {
		t.Fatal(err)
	}
	want := []entry{
		{"site", "", []string{"About the site, which follows."}},
		{"site.title", `"a # b"`, []string{"the name", "of it"}},
		{"site.hold", "", []string{"more than this"}},
		{"site.hold.events", "100", nil},
		{"site.sinks", "[]", []string{"an example with every key:"}},
		{"site.sinks[].name", "newsroom", []string{"required"}},
		{"site.sinks[].url", "${URL}", []string{"a secret:", "where to"}},
		{"site.sinks[].match", "{}", nil},
		{"site.sinks[].quiet", "", []string{"hold"}},
		{"site.sinks[].quiet.to", `""`, []string{"HH:MM"}},
		{"store", "x", nil},
	}
	if !reflect.DeepEqual(r.entries, want) {
		t.Errorf("got  %q\nwant %q", r.entries, want)
	}
	if r.about != "About all.\n  - more\n" {
		t.Errorf("about %q", r.about)
	}
	if _, err := parseReference("# About\n\nsite:\n  - what\n"); err == nil || !strings.Contains(err.Error(), "config.yaml:4: ") {
		t.Errorf("a line that is neither: %v", err)
	}
}

// Every key that config.yaml has, also in its examples, is in tocsin.yaml(5).
func TestReferenceIsWhole(t *testing.T) {
	data, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r, err := parseReference(string(data))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.SplitSeq(string(data), "\n") {
		if m := example.FindStringSubmatch(line); m != nil {
			line = m[1] + m[2]
		}
		if !strings.Contains(line, ": []   ") || !strings.Contains(line, "example") {
			lines = append(lines, line)
		}
	}
	var tree yaml.Node
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &tree); err != nil {
		t.Fatal(err)
	}
	var paths []string
	var walk func(prefix string, n *yaml.Node)
	walk = func(prefix string, n *yaml.Node) {
		switch n.Kind {
		case yaml.SequenceNode:
			for _, item := range n.Content {
				walk(prefix+"[]", item)
			}
		case yaml.MappingNode:
			if n.Style == yaml.FlowStyle {
				return // a value
			}
			for i := 0; i < len(n.Content); i += 2 {
				path := strings.TrimPrefix(prefix+"."+n.Content[i].Value, ".")
				paths = append(paths, path)
				walk(path, n.Content[i+1])
			}
		}
	}
	walk("", tree.Content[0])
	var got []string
	for _, e := range r.entries {
		got = append(got, e.path)
	}
	if len(got) < 80 || !reflect.DeepEqual(got, paths) {
		t.Errorf("tocsin.yaml(5) has %q\nconfig.yaml has %q", got, paths)
	}
}

func TestRoff(t *testing.T) {
	p := newPage("x", "1", "about", "1", time.Unix(0, 0).UTC())
	p.text(".dot 'quote' `back` a-b \\ ^ ~\n  - shown\n      as it is\nand " + strings.Repeat("filled ", 20) + "\n\nnext")
	want := `.\" Made from the program's usage and config.yaml.
.TH X 1 1970-01-01 "tocsin 1"
.SH NAME
x \- about
\&.dot \(aqquote\(aq \(gaback\(ga a\-b \e \(ha \(ti
.RS 2
.nf
\- shown
    as it is
.fi
.RE
and filled filled filled filled filled filled filled filled filled
filled filled filled filled filled filled filled filled filled filled
filled
.PP
next
`
	if got := p.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestLicences(t *testing.T) {
	top := t.TempDir()
	mit, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"LICENSE": string(mit), "sub/COPYING.txt": string(mit) + "\n", "sub/deep/NOTICE": "Thanks.", "other/LICENSE": "not linked",
	} {
		if err := os.MkdirAll(filepath.Join(top, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := module{}
	if err := m.readLicences(top, []string{top, filepath.Join(top, "sub", "deep")}); err != nil {
		t.Fatal(err)
	}
	want := module{ids: []string{"MIT"}, texts: []string{strings.TrimSpace(string(mit)), "Thanks."}}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, want %+v", m, want)
	}
	if err := (&module{}).readLicences(filepath.Join(top, "sub", "deep"), []string{filepath.Join(top, "sub", "deep")}); err == nil {
		t.Error("a module without a licence that is known is no error")
	}
}
