package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// linked is what a program is made of.
type linked struct {
	version  string // of the program
	sha256   string // of its file
	platform string // such as linux/amd64
	license  string // the project's own, its text
	modules  []module
}

// module is a linked module, or Go's standard library.
type module struct {
	path, version string
	// texts are its licences and notices, in the order of their paths, and ids what
	// they are called (SPDX). Files of one text count once.
	texts []string
	ids   []string
}

// licenceFile is how files with licences are called.
var licenceFile = regexp.MustCompile(`(?i)^(licen[sc]es?|copying|copyright|notice|unlicense)([-._].*)?$`)

// readLinked reads what a program of a version says of itself, and the licences beside the
// sources of every package in it.
func readLinked(program, version, root string) (*linked, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	own, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	env := os.Environ()
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
		if strings.HasPrefix(s.Key, "GO") || s.Key == "CGO_ENABLED" {
			env = append(env, s.Key+"="+s.Value)
		}
	}
	l := &linked{
		version: version, sha256: hex.EncodeToString(sum[:]), license: string(own),
		platform: settings["GOOS"] + "/" + settings["GOARCH"],
	}

	// Where the packages are, as they are built for that system.
	list := exec.Command("go", "list", "-deps", "-f",
		"{{if .Module}}{{.Module.Path}}{{end}}\t{{if .Module}}{{.Module.Dir}}{{end}}\t{{.Dir}}", info.Path)
	list.Dir, list.Env, list.Stderr = root, env, os.Stderr
	packages, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	tops := make(map[string]string)
	dirs := make(map[string][]string)
	for line := range strings.Lines(string(packages)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		tops[f[0]] = f[1]
		dirs[f[0]] = append(dirs[f[0]], f[2])
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	std := strings.TrimSpace(string(goroot))
	tops["std"], dirs["std"] = std, []string{std}

	modules := []module{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		modules = append(modules, module{path: d.Path, version: d.Version})
	}
	for _, m := range modules {
		if err := m.readLicences(tops[m.path], dirs[m.path]); err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.path, m.version, err)
		}
		l.modules = append(l.modules, m)
	}
	return l, nil
}

// readLicences reads the licences in the folders of packages and in those above
// them, up to the module's top.
func (m *module) readLicences(top string, packages []string) error {
	looked := make(map[string]bool)
	for _, dir := range packages {
		for !looked[dir] {
			looked[dir] = true
			if dir == top {
				break
			}
			dir = filepath.Dir(dir)
		}
	}
	var files []string
	for dir := range looked {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if licenceFile.MatchString(e.Name()) && !e.IsDir() && filepath.Ext(e.Name()) != ".go" {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	slices.Sort(files)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n"))
		if text == "" || slices.Contains(m.texts, text) {
			continue
		}
		m.texts = append(m.texts, text)
		for _, match := range licensecheck.Scan(data).Match {
			if !match.IsURL && !slices.Contains(m.ids, match.ID) {
				m.ids = append(m.ids, match.ID)
			}
		}
	}
	if len(m.ids) == 0 {
		return fmt.Errorf("no licence that is known below %s; look for it, and whether it may be shipped", top)
	}
	slices.Sort(m.ids)
	return nil
}
