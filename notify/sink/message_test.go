package sink

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/template"
	"unicode/utf8"

	"tocsin/event"
	"tocsin/notify"
)

func TestSummaryLine(t *testing.T) {
	all := messages()
	for _, tt := range []struct{ name, want string }{
		{"new", "New: Court orders records on the inspectors’ dismissal released (importance 9)"},
		{"raised", "Raised: Court orders records on the inspectors’ dismissal released (importance 6 → 9)"},
		{"withdrawn", "Withdrawn: Court orders records on the inspectors’ dismissal released (importance 9)"},
		{"test", "Test: Court orders records on the inspectors’ dismissal released (importance 9)"},
		{"bare", "New: A"},
		{"batch_long", "60 changes, most important: Event number 0 of a long night (importance 9)"},
	} {
		if got := summaryLine(all[tt.name], 200); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestChanges(t *testing.T) {
	it := notify.Item{
		Event: notify.Event{Title: "B", Date: "2025-01-02", Importance: 9, Status: "confirmed", Tags: []string{"law", "courts"}, Actors: []string{"x"}},
		Change: notify.Change{Kind: notify.Updated, Fields: event.Fields(), Before: map[string]any{
			"title": "A", "date": "2025-01-01", "importance": 6, "status": "pending", "location": "Bonn",
			"tags": []string{"law", "war"}, "actors": []string{"a", "b", "c", "d", "e", "f", "g"}, "body": "secret of the past",
		}},
	}
	want := []string{
		"title A → B", "date 2025-01-01 → 2025-01-02", "importance 6 → 9", "status pending → confirmed", "location Bonn → none",
		"tags + courts − war", "actors + x − a, b, c, d, e and 2 more", "sources", "text",
	}
	if got := changes(it); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	// As the outbox has it.
	stored, err := json.Marshal(it)
	if err != nil {
		t.Fatal(err)
	}
	var read notify.Item
	if err := json.Unmarshal(stored, &read); err != nil {
		t.Fatal(err)
	}
	if got := changes(read); !slices.Equal(got, want) {
		t.Errorf("stored: got\n%q\nwant\n%q", got, want)
	}
	// Without the values before, and with names in another order.
	it.Change.Before = map[string]any{"tags": []string{"courts", "law"}}
	it.Change.Fields = []event.Field{event.Importance, event.Status, event.Tags}
	if got, want := changes(it), []string{"importance", "status", "tags"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text  string
		limit int
		want  string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"a sentence, of some words that are long", 30, "a sentence, of some words…"},
		{"words, and", 7, "words…"},
		{"abc", 1, "…"},
		{"abc", 0, ""},
		{"", 0, ""},
		{"abe\u0301fg", 4, "ab…"},      // not between a letter and its mark
		{"ab👩‍👧cdef", 5, "ab…"},        // nor within a family
		{"ab👍🏽cdef", 4, "ab…"},         // nor before a skin tone
		{"ab🇸🇪cdef", 4, "ab…"},         // nor within a flag
		{"abcd🇸🇪efghi", 8, "abcd🇸🇪e…"}, // which stays where it fits
	} {
		got := cut(tt.text, tt.limit, utf8.RuneCountInString)
		if got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.text, tt.limit, got, tt.want)
		}
	}
}

func FuzzCut(f *testing.F) {
	f.Add("a few words & <marks> e\u0301", 10)
	f.Add("👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇸🇪", 7)
	f.Add("\xff@here\u2028", 3)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = min(max(limit, 0), 5000)
		for name, size := range map[string]func(string) int{"runes": utf8.RuneCountInString, "units": units, "json": jsonSize} {
			got := cut(text, limit, size)
			if size(got) > limit && got != text || size(text) <= limit && got != text {
				t.Errorf("%s: cut(%q, %d) = %q of size %d", name, text, limit, got, size(got))
			}
		}
	})
}

func TestTemplates(t *testing.T) {
	parse := func(s string) *template.Template {
		return template.Must(template.New("configured").Parse(s))
	}
	for _, tt := range []struct {
		name, title, body, message string
		holds, lacks               []string
		logged                     string
	}{
		{name: "both", title: "{{.Kind}}! {{.Event.Title}} in {{.Timeline}}", body: "*{{.Event.Importance}}* {{.Event.Date}} {{.Home}} {{range .Event.Tags}}#{{.}} {{end}}", message: "new",
			holds: []string{`"text":"new! Court orders`, `in Public record"`, `*9* 2025-01-28 https://timeline.example/ #courts #oversight"`},
			lacks: []string{"*Date*", "*Sources*"}},
		{name: "before", body: `{{with index .Before "importance"}}was {{.}}{{end}} {{.Fields}}`, message: "raised", holds: []string{"was 6 [importance status sources]"}},
		{name: "batch", title: "{{len .Items}} things", body: "{{if .Batch}}{{range .Items}}- {{.Event.Title}}\n{{end}}{{end}}", message: "batch",
			holds: []string{`"text":"2 things"`, `- Court orders`, `\n- Second`}},
		{name: "test", title: "{{.Event.Title}}", message: "test", holds: []string{`"text":"Test: Court`, "This is a test message"}},
		{name: "markup", body: "<!channel> <https://example.org|x> @here", message: "new", holds: []string{"&lt;!channel&gt; &lt;https://example.org|x&gt; @\u200bhere"}},
		{name: "no body", body: " ", message: "new", lacks: []string{"*Date*", "A federal judge"}, holds: []string{"New: Court orders"}},
		{name: "no title", title: " \n ", message: "new", holds: []string{"New: Court orders"}},
		{name: "failing title", title: "{{index .Event.Tags 99}}", message: "new", holds: []string{"New: Court orders"},
			logged: `level=WARN msg="a template failed; sending the built-in form" sink=newsroom template=title event=2025/01-28--inspectors at=configured:1:2` + "\n"},
		{name: "failing body", body: `begun {{.Event.Missing}}`, message: "new", holds: []string{"A federal judge", "*Date*"}, lacks: []string{"begun"},
			logged: `level=WARN msg="a template failed; sending the built-in form" sink=newsroom template=body event=2025/01-28--inspectors at=configured:1:14` + "\n"},
		{name: "failing call", body: `{{slice .Event.Title 9999}}`, message: "new", holds: []string{"A federal judge"},
			logged: `level=WARN msg="a template failed; sending the built-in form" sink=newsroom template=body event=2025/01-28--inspectors at=configured:1:2` + "\n"},
		{name: "too much", body: `{{range .Items}}{{printf "%1000000d" 1}}{{end}}x`, message: "new", lacks: []string{"A federal judge"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var logged bytes.Buffer
			noTime := func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}
			c := Config{Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{ReplaceAttr: noTime}))}
			if tt.title != "" {
				c.Title = parse(tt.title)
			}
			if tt.body != "" {
				c.Body = parse(tt.body)
			}
			payload := newTestSlack(t, c).render(messages()[tt.message])
			for _, s := range tt.holds {
				if !strings.Contains(string(payload), s) {
					t.Errorf("no %q in %s", s, payload)
				}
			}
			for _, s := range tt.lacks {
				if strings.Contains(string(payload), s) {
					t.Errorf("%q in %s", s, payload)
				}
			}
			if logged.String() != tt.logged {
				t.Errorf("logged %q\nwant   %q", logged.String(), tt.logged)
			}
			for _, f := range slackFaults(payload) {
				t.Error(f)
			}
		})
	}
}

func TestCheckTemplate(t *testing.T) {
	for text, want := range map[string]string{
		`{{.Kind}} {{index .Event.Tags 7}} {{index .Before "importance"}} {{(index .Event.Sources 2).URL}}`:        "",
		`{{range .Items}}{{.Change.Kind}} {{.Event.Published.Year}}{{end}} {{if .Batch}}{{slice .Items 3}}{{end}}`: "",
		`{{.Title}}`:         "fails at <.Title>: can't evaluate field Title in type sink.TemplateData",
		`{{.Event.Missing}}`: "fails at <.Event.Missing>: can't evaluate field Missing in type notify.Event",
		`{{if .Batch}}{{range .Items}}{{.Title}}{{end}}{{end}}`: "fails at <.Title>: can't evaluate field Title in type notify.Item",
		`{{call .Kind}}`: "fails at <call .Kind>: error calling call: non-function .Kind of type notify.Kind",
	} {
		got := ""
		if err := CheckTemplate(template.Must(template.New("newsroom").Parse(text))); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// The README names all that templates can print.
func TestTemplateFieldsAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []any{TemplateData{}, notify.Event{}, notify.Source{}, notify.Item{}, notify.Change{}} {
		typ := reflect.TypeOf(of)
		for i := range typ.NumField() {
			if name := "`." + typ.Field(i).Name + "`"; !strings.Contains(string(readme), name) {
				t.Errorf("the README does not name %s of %s", name, typ)
			}
		}
	}
}
