package event

import (
	"strings"
	"testing"
)

// Scores, as FIRST's calculators give them, stand beside.
func TestCVSS(t *testing.T) {
	for vector, want := range map[string]int{
		"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H":                    9,  // 9.8
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H":                    10, // 10.0
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H":                    7,  // 7.5
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N":                    6,  // 6.1
		"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:L/I:N/A:N":                    3,  // 3.3
		"CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N":                    1,  // 1.6
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N":                    1,  // 0.0
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:U":      9,  // the base score
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H": 10, // 10.0
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N": 9,  // 9.3
		"CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N": 7,  // 7.3
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N": 1,  // 0.0
		" CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H ":                  9,
	} {
		if e := mustRead(t, front("importance: \""+vector+"\"")); e.Importance != want {
			t.Errorf("%s is %d, want %d", vector, e.Importance, want)
		}
	}
	// Of several the highest, through the list of a key.
	e := mustReadIn(t, fields("importance", "severity.score"), "a.md", front(`severity:
- {type: CVSS_V3, score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}
- {type: CVSS_V4, score: "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}`))
	if e.Importance != 9 {
		t.Errorf("importance %d", e.Importance)
	}
	for vector, why := range map[string]string{
		"CVSS:2.0/AV:N/AC:L/Au:N/C:P/I:P/A:P":            "it begins with none of CVSS:3.0/, CVSS:3.1/ and CVSS:4.0/",
		"cvss:3.1/AV:N":                                  "it begins with none of CVSS:3.0/, CVSS:3.1/ and CVSS:4.0/",
		"CVSS:3.1/":                                      "",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H":       "",
		"CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H":   "",
		"CVSS:4.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H":   "",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/Z": "",
	} {
		_, err := NewReader(Dialect{}).Read("a.md", []byte(front("x: y\nimportance: \""+vector+"\"")))
		want := "a.md:5: importance is " + clip(vector) + ", which is no CVSS vector of version 3.0, 3.1 or 4.0: " + why
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", vector, err, want)
		}
	}
}

func TestStatusWords(t *testing.T) {
	for _, test := range []struct{ words, value, want string }{
		{"", "true", "resolved"}, {"", "false", "open"}, {"", "True", "resolved"}, {"", "'true'", "true"}, {"", "yes", "yes"}, {"", "", ""},
		{"", "[a, b]", "a, b"}, {"", "confirmed", "confirmed"},
		{"true=done", "true", "done"}, {"true=done", "'true'", "done"}, {"true=done", "false", "open"},
		{"mitigated=resolved", "Mitigated", "resolved"}, {"MITIGATED=  resolved ", "mitigated", "resolved"}, {"mitigated=resolved", "open", "open"},
		{"in arbeit=open", "In  Arbeit", "open"}, {"0=open", "0", "open"},
	} {
		d := Dialect{}
		if from, to, ok := strings.Cut(test.words, "="); ok {
			d.StatusWords = map[string]string{from: to}
		}
		if e := mustReadIn(t, d, "a.md", front("status: "+test.value)); e.Status != test.want {
			t.Errorf("%s with %q is %q, want %q", test.value, test.words, e.Status, test.want)
		}
	}
	d := fields("status", "resolved", "status")
	for text, want := range map[string]string{
		"+++\ntitle = 'a'\ndate = 2025-01-28\nresolved = true\n+++\n": "resolved", `{"title": "a", "date": "2025-01-28", "resolved": false}`: "open",
	} {
		if e := mustReadIn(t, d, "a.md", text); e.Status != want {
			t.Errorf("%s: status %q", text, e.Status)
		}
	}
}
