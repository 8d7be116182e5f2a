package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tocsin/bench/generate"
)

// peers are programs that make feeds of the same events; HUGO in the environment
// names another Hugo to measure beside the installed one.
func (b *bench) buildByPeers(ctx context.Context) ([]result, error) {
	var all []result
	for _, p := range []struct {
		program, binary string
		prepare         func(dir string) ([]string, error)
		most            int // events; beyond it takes too long for a table
	}{
		{"hugo", "hugo", b.hugo, mostBuilt},
		{"hugo ($HUGO)", os.Getenv("HUGO"), b.hugo, mostBuilt},
		{"pelican", "pelican", b.pelican, 20_000},
	} {
		binary, err := exec.LookPath(p.binary)
		if err != nil || b.events > p.most {
			continue
		}
		dir := filepath.Join(b.dir, "peer")
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		args, err := p.prepare(dir)
		if err != nil {
			return nil, err
		}
		s, err := finish(ctx, dir, binary, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, s.results(coldAtom, p.program)...)
	}
	return all, os.RemoveAll(filepath.Join(b.dir, "peer"))
}

// hugo makes a site of nothing but Atom feeds of the newest 50 events in full: of
// all, of each tag and of each actor.
func (b *bench) hugo(dir string) ([]string, error) {
	const feed = `<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>{{ html .Title }}</title><id>{{ .Permalink }}</id>
<updated>{{ now.Format "2006-01-02T15:04:05Z07:00" }}</updated>
{{ $pages := .Pages }}{{ if .IsHome }}{{ $pages = .Site.RegularPages }}{{ end }}
{{ range first 50 $pages.ByDate.Reverse }}<entry><title>{{ html .Title }}</title><id>{{ .Permalink }}</id><link href="{{ .Permalink }}"/>
<updated>{{ .Date.Format "2006-01-02T15:04:05Z07:00" }}</updated>
<content type="html">{{ html .Content }}</content></entry>
{{ end }}</feed>
`
	files := map[string]string{
		"layouts/_default/list.atom.xml": feed,
		"layouts/index.atom.xml":         feed,
		"hugo.toml": `baseURL = "http://localhost/"
title = "Record"
disableKinds = ["sitemap", "robotsTXT", "404"]
[taxonomies]
tag = "tags"
actor = "actors"
[outputs]
home = ["atom"]
term = ["atom"]
page = []
section = []
taxonomy = []
[mediaTypes."application/atom+xml"]
suffixes = ["xml"]
[outputFormats.atom]
mediaType = "application/atom+xml"
baseName = "index.atom"
isPlainText = true
`,
	}
	if err := writeAll(dir, files); err != nil {
		return nil, err
	}
	return []string{"--config", "hugo.toml", "--contentDir", b.folder, "--destination", "out", "--quiet"}, nil
}

// pelican makes Atom feeds of each tag and, as it has no other list of names, of
// each first actor as the author.
func (b *bench) pelican(dir string) ([]string, error) {
	for i := range b.events {
		e := generate.New(i)
		var s bytes.Buffer
		fmt.Fprintf(&s, "Title: %s\nDate: %s\nTags: %s\nAuthor: %s\nSlug: e%d\n\n%s",
			e.Title, e.Date.Format(time.DateOnly), strings.Join(e.Tags, ", "), e.Actors[0], i, e.Body)
		if err := writeAll(dir, map[string]string{"content/" + e.Path: s.String()}); err != nil {
			return nil, err
		}
	}
	return []string{"content", "-o", "out", "-s", "conf.py", "-q"}, writeAll(dir, map[string]string{"conf.py": `SITEURL = "http://localhost"
SITENAME = "Record"
TIMEZONE = "UTC"
FEED_DOMAIN = SITEURL
FEED_MAX_ITEMS = 50
FEED_ALL_ATOM = "all.atom"
TAG_FEED_ATOM = "tags/{slug}.atom"
AUTHOR_FEED_ATOM = "actors/{slug}.atom"
CATEGORY_FEED_ATOM = None
TRANSLATION_FEED_ATOM = None
DIRECT_TEMPLATES = []
ARTICLE_SAVE_AS = TAG_SAVE_AS = AUTHOR_SAVE_AS = CATEGORY_SAVE_AS = ""
`})
}

func writeAll(dir string, files map[string]string) error {
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
