package main

import (
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"
)

// checkFormats are the forms in which check prints what it found.
var checkFormats = map[string]func(w io.Writer, found []finding) error{
	"text": writeText, "json": writeJSON, "github": writeGitHub, "sarif": writeSARIF,
}

// writeText writes path:line: what, as compilers do, so that editors find the place.
func writeText(w io.Writer, found []finding) error {
	for _, x := range found {
		at := x.Path
		if x.Line > 0 {
			at = fmt.Sprintf("%s:%d", x.Path, x.Line)
		}
		what := x.What
		if x.Severity == warning {
			what = fmt.Sprintf("warning: %s (%s)", x.What, x.Rule)
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", at, what); err != nil {
			return err
		}
	}
	return nil
}

// sumUp says on a terminal how much of what was found.
func (t *terminal) sumUp(found []finding) {
	if f, ok := t.err.(*os.File); ok && isatty.IsTerminal(f.Fd()) && len(found) > 0 {
		fmt.Fprint(t.err, summary(found))
	}
}

// summary counts findings by their rules, in the order of their names.
func summary(found []finding) string {
	n := make(map[string]int)
	files := make(map[string]bool)
	for _, x := range found {
		n[fmt.Sprintf("%s (%s)", x.Rule, x.Severity)]++
		files[x.Path] = true
	}
	var b strings.Builder
	for _, of := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&b, "%6d %s\n", n[of], of)
	}
	fmt.Fprintf(&b, "files: %d\n", len(files))
	return b.String()
}

func writeJSON(w io.Writer, found []finding) error { return indented(w).Encode(found) }

// Escapes of GitHub's workflow commands: actions/toolkit, packages/core/src/command.ts.
var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// writeGitHub writes what a workflow of GitHub shows beside the lines of a change.
func writeGitHub(w io.Writer, found []finding) error {
	for _, x := range found {
		at := "file=" + githubProperty.Replace(fromHere(x.Path))
		if x.Line > 0 {
			at += fmt.Sprintf(",line=%d", x.Line)
		}
		if _, err := fmt.Fprintf(w, "::%s %s,title=%s::%s\n", x.Severity, at, githubProperty.Replace(x.Rule), githubData.Replace(x.What)); err != nil {
			return err
		}
	}
	return nil
}

// fromHere returns a path as seen from this folder, with slashes, where it is below
// it: what programs of a repository take, however the configuration was named.
func fromHere(path string) string {
	here, err := os.Getwd()
	if err == nil && filepath.IsAbs(path) {
		if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
			path = rel
		}
	}
	return filepath.ToSlash(filepath.Clean(path))
}

// The parts of SARIF 2.1.0 that a list of findings has; the sections are those of
// the specification.
type (
	sarifLog struct { // 3.13
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct { // 3.14
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct { // 3.19
		Name    string      `json:"name"`
		Version string      `json:"semanticVersion"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct { // 3.49
		ID            string    `json:"id"`
		Short         sarifText `json:"shortDescription"`
		Configuration struct {
			Level severity `json:"level"`
		} `json:"defaultConfiguration"`
	}
	sarifText struct { // 3.11
		Text string `json:"text"`
	}
	sarifResult struct { // 3.27
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     severity        `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct { // 3.28
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region *sarifRegion `json:"region,omitempty"`
		} `json:"physicalLocation"`
	}
	sarifRegion struct { // 3.30
		StartLine int `json:"startLine"`
	}
)

// writeSARIF writes what code scanners exchange (OASIS SARIF 2.1.0).
func writeSARIF(w io.Writer, found []finding) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "tocsin", Version: version}
	index := make(map[string]int)
	for i, r := range checkRules() {
		rule := sarifRule{ID: r.Name, Short: sarifText{r.About}}
		rule.Configuration.Level = defaultSeverity(r.Name)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
		index[r.Name] = i
	}
	for _, x := range found {
		var at sarifLocation
		at.Physical.Artifact.URI = uriOf(x.Path)
		if x.Line > 0 {
			at.Physical.Region = &sarifRegion{x.Line}
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: x.Rule, RuleIndex: index[x.Rule], Level: x.Severity, Message: sarifText{x.What}, Locations: []sarifLocation{at},
		})
	}
	return indented(w).Encode(sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}

// uriOf returns a path as a URI reference, relative where the path is.
func uriOf(path string) string {
	path = fromHere(path)
	if filepath.IsAbs(path) {
		return (&url.URL{Scheme: "file", Path: path}).String()
	}
	return (&url.URL{Path: path}).String()
}
