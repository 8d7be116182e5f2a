// Texts writes the texts that are shipped beside the program, out of what there is
// already, so that none of them can be forgotten:
//
//   - usage.go asks the program for the usage of its commands; manual.go makes
//     tocsin(1) of that, and complete.go the completions for bash, zsh and fish.
//   - reference.go reads config.yaml with its comments and makes tocsin.yaml(5).
//   - linked.go finds out what is linked into the program, and under which licences;
//     copyright.go writes them down for people, bill.go for programs (CycloneDX).
//
// The same input gives the same bytes: times are SOURCE_DATE_EPOCH.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "texts:", err)
		os.Exit(1)
	}
}

func run() error {
	version := flag.String("version", "", "the program's `VERSION`")
	program := flag.String("tocsin", "", "the program's `FILE`")
	root := flag.String("root", ".", "the project's `DIR`")
	out := flag.String("out", "", "write manual pages and completions into `DIR`")
	bill := flag.String("bill", "", "write the bill of materials into `FILE`")
	copyright := flag.String("copyright", "", "write the licences into `FILE`")
	flag.Parse()
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil || *program == "" || *version == "" || flag.NArg() > 0 {
		return errors.New("give -tocsin FILE, -version VERSION, and SOURCE_DATE_EPOCH in the environment")
	}
	when := time.Unix(seconds, 0).UTC()
	if *out != "" {
		if err := writePages(*out, *program, *version, *root, when); err != nil {
			return err
		}
	}
	if *bill == "" && *copyright == "" {
		return nil
	}
	l, err := readLinked(*program, *version, *root)
	if err != nil {
		return err
	}
	if *bill != "" {
		if err := write(*bill, func() ([]byte, error) { return l.bill(when) }); err != nil {
			return err
		}
	}
	if *copyright != "" {
		return write(*copyright, l.copyright)
	}
	return nil
}

// writePages writes the manual pages and completions into a folder.
func writePages(dir, program, version, root string, when time.Time) error {
	u, err := askUsage(program)
	if err != nil {
		return err
	}
	reference, err := os.ReadFile(filepath.Join(root, "config.yaml"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]func() ([]byte, error){
		"tocsin.1":      func() ([]byte, error) { return manual(u, version, when) },
		"tocsin.yaml.5": func() ([]byte, error) { return referenceManual(reference, version, when) },
		"tocsin.bash":   func() ([]byte, error) { return completion("bash", u) },
		"_tocsin":       func() ([]byte, error) { return completion("zsh", u) },
		"tocsin.fish":   func() ([]byte, error) { return completion("fish", u) },
	} {
		if err := write(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, text func() ([]byte, error)) error {
	b, err := text()
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, b, 0o644)
}
