package main

import (
	"bytes"
	"embed"
	"regexp"
	"strings"
	"text/template"
)

//go:embed completion.bash completion.zsh completion.fish
var completions embed.FS

// completion fills the template of a shell with the commands and their flags.
func completion(shell string, u *usage) ([]byte, error) {
	name := "completion." + shell
	t, err := template.New(name).Funcs(template.FuncMap{
		"join":  func(all []string) string { return strings.Join(all, " ") },
		"quote": func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" },
		// What _arguments of zsh shows in brackets.
		"bracket": func(s string) string { return strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(s) },
	}).ParseFS(completions, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, u.commands)
	return b.Bytes(), err
}

// Summary is what a command does, in its first sentence.
func (c command) Summary() string {
	s, _, _ := strings.Cut(oneLine(c.about), ". ")
	if s, _, ok := strings.Cut(s, ": "); ok {
		return s
	}
	return strings.TrimSuffix(s, ".")
}

var (
	optional = regexp.MustCompile(`\[-[^]]*\]|(?:^|\| )-[a-z]+ [A-Z]+( -[a-z]+)*`)
	verb     = regexp.MustCompile(`\b([a-z]+)( ID)?\b`)
)

// Verbs are the words that a command takes as its first argument.
func (c command) Verbs() []string {
	var all []string
	for _, m := range verb.FindAllStringSubmatch(optional.ReplaceAllString(c.synopsis, ""), -1) {
		all = append(all, m[1])
	}
	return all
}

// Takes is what a command's arguments are: SINK, PATH, FILE, DIR, ID, or nothing.
func (c command) Takes() string {
	rest := optional.ReplaceAllString(c.synopsis, "")
	for _, kind := range []string{"SINK", "PATH", "FILE", "DIR", "ID"} {
		if strings.Contains(rest, kind) {
			return kind
		}
	}
	return ""
}

// Name, Flags, Arg and Text are for the templates.
func (c command) Name() string    { return c.name }
func (c command) Flags() []option { return c.flags }
func (o option) Name() string     { return o.name }
func (o option) Arg() string      { return o.arg }
func (o option) Text() string     { return oneLine(o.text) }

// Values are the words that a flag takes, where its value is named by them.
func (o option) Values() []string {
	if !strings.Contains(o.arg, "|") {
		return nil
	}
	return strings.Split(o.arg, "|")
}
