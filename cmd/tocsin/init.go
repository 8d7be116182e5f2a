package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/config"
	"tocsin/survey"
)

// markdown are the endings of files that initialize looks at.
var markdown = []string{".md", ".markdown", ".mdown", ".mkd", ".mdx"}

// initialize looks at a folder and writes a configuration for it.
func initialize(ctx context.Context, t *terminal, args []string) error {
	f := bareFlags(t, "init", "[-o FILE] DIR",
		"Looks at a folder of Markdown, finds out how its files spell events, and writes a\nconfiguration that says so, with what it found in comments. It overwrites nothing.")
	out := f.String("o", "config.yaml", "write into `FILE`; -: to standard output")
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return &usageError{msg: "which folder? tocsin init [-o FILE] DIR"}
	}
	dir := rest[0]
	if _, err := os.Lstat(*out); *out != "-" && err == nil {
		return fmt.Errorf("%s is there already; remove it, or name another file with -o FILE", *out)
	}
	files, err := markdownFiles(ctx, t, dir)
	if err != nil {
		return err
	}
	p := survey.Survey(files, t.now())
	if p.Events == 0 {
		return nothingFound(dir, p)
	}
	at, err := placeOf(dir, *out)
	if err != nil {
		return err
	}
	text := p.Config(at)
	if *out == "-" {
		_, err := fmt.Fprint(t.out, text)
		return err
	}
	// What does not pass here would not pass in serve.
	env := t.env
	env.CheckFields = checkFields
	if _, err := config.Parse(*out, []byte(text), env); err != nil {
		return err
	}
	file, err := os.OpenFile(*out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "%s: of the files in %s, %s.\n", *out, dir, p.Headline())
	if n := len(p.Lost); n > 0 {
		fmt.Fprintf(t.out, "%d cannot be read: tocsin check -config %s says why.\n", n, *out)
	}
	fmt.Fprintf(t.out, "Read it, and then: tocsin serve -config %s\n", *out)
	return nil
}

// nothingFound is the error of a folder without events.
func nothingFound(dir string, p *survey.Proposal) error {
	if p.Files == 0 {
		return fmt.Errorf("no Markdown in %s (%s)", dir, strings.Join(markdown, ", "))
	}
	msg := fmt.Sprintf("none of the %d files in %s looks like an event: nothing has both a title and a date", p.Files, dir)
	for _, err := range p.Lost[:min(3, len(p.Lost))] {
		msg += "\n" + located(dir, err)
	}
	return errors.New(msg)
}

// markdownFiles reads all files that a timeline of the folder could have.
func markdownFiles(ctx context.Context, t *terminal, dir string) ([]survey.File, error) {
	if fi, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !fi.IsDir() {
		return nil, &usageError{msg: dir + " is not a folder"}
	}
	var paths []string
	err := filepath.WalkDir(dir+string(filepath.Separator), func(name string, d fs.DirEntry, err error) error {
		rel, rerr := filepath.Rel(dir, name)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		case rerr != nil:
			return rerr
		case rel != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && slices.Contains(markdown, path.Ext(rel)):
			paths = append(paths, rel)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	bar := t.progress("reading files")
	defer bar.end()
	var files []survey.File
	for i, p := range paths {
		bar.at(i, len(paths))
		name := filepath.Join(dir, p)
		fi, err := os.Stat(name) // follows links, as a timeline does
		if err != nil || !fi.Mode().IsRegular() || fi.Size() > config.Default().Events.MaxBytes {
			continue // check says why
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, survey.File{Path: filepath.ToSlash(p), Data: data})
	}
	return files, nil
}

// placeOf says how the configuration in the file out names a folder: from its own
// folder, unless the user names it from the root.
func placeOf(dir, out string) (survey.Place, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return survey.Place{}, err
	}
	at := survey.Place{Dir: full, Name: dir, Title: strings.TrimSpace(strings.NewReplacer("-", " ", "_", " ").Replace(strings.TrimLeft(filepath.Base(full), "._-")))}
	if strings.Contains(full, "${") || strings.ContainsAny(full, "\n\r") {
		return at, fmt.Errorf("the path %q cannot stand in a configuration; give the folder another name", full)
	}
	if at.Title == "" || at.Title == string(filepath.Separator) {
		at.Title = config.Default().Site.Title
	}
	first, n := utf8.DecodeRuneInString(at.Title)
	at.Title = string(unicode.ToUpper(first)) + at.Title[n:]
	if filepath.IsAbs(dir) {
		return at, nil
	}
	if out == "-" {
		out = "config.yaml"
	}
	from, err := filepath.Abs(filepath.Dir(out))
	if err != nil {
		return at, err
	}
	at.Dir, err = filepath.Rel(from, full)
	return at, err
}

// now is the time by the clock of events.
func (t *terminal) now() time.Time {
	if t.dates != nil {
		return t.dates()
	}
	return time.Now()
}
