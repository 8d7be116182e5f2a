package event

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each value has its line; a table of several that of its header.
func TestTOMLLines(t *testing.T) {
	for _, test := range []struct {
		field, candidate, front string
		line                    int
	}{
		{"date", "date", "x = \"\"\"\n[date]\n\"\"\"\ndate = 'soon'", 5},
		{"date", "advisory.date", "[advisory]\nid = 1\n\ndate = 'soon'", 5},
		{"date", "advisory.when.date", "advisory.when.date = 'soon'", 2},
		{"date", "advisory.when.date", "x = 1\n[advisory]\nwhen = {x = 1, date = 'soon'}", 4},
		{"date", "a.b.date", "x = 1\n\n[a.b]\ndate = 'soon'", 5},
		{"date", "date", "date = [\n 1,\n 2]", 2},
		{"date", "date", "[x]\n[date]\nx = 1", 3},
		{"importance", "parts.score", "[[parts]]\nscore = 5\n\n[[ parts ]] # more\nx = {y = 1}\nscore = 50\n[[parts]]\n", 5},
		{"importance", "a.parts.score", "[[a.parts]]\nscore = 50\n[[a.parts]]\nscore = 5", 2},
		{"importance", "parts.score", "x = '''\n[[parts]]\n'''\nparts = [{score = 50}]", 5},
	} {
		d := Dialect{Fields: map[string][]string{"title": {"=a"}, "date": {"=2025-01-28"}}}
		d.Fields[test.field] = []string{test.candidate}
		_, err := NewReader(d).Read("a.md", []byte("+++\n"+test.front+"\n+++\n"))
		if want := fmt.Sprintf("a.md:%d: %s is ", test.line, test.field); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s…", test.front, err, want)
		}
	}
	mustRead(t, "+++\ntitle = 'a'\ndate = 2025-01-28\n[['a.(b']]\n[[\"\"]]\n[['a.(b']]\n+++\n") // tables of any name
	// Of many keys the lines are not looked for, which would take long.
	many := []byte("+++\ntitle = 'a'\ndate = 2025-01-28\n")
	for i := range 30_000 {
		many = fmt.Appendf(many, "key%d = 'v'\n", i)
	}
	start := time.Now()
	mustRead(t, string(many)+"+++\n")
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("took %v", d)
	}
}
