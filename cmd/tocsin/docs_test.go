package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"tocsin/config"
)

// The configuration that docs/replicas.md gives for several machines is a valid one.
func TestReplicasDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/replicas.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)<!-- config -->\n```yaml\n(.*?)```\n").FindSubmatch(doc)
	if found == nil {
		t.Fatal("no configuration in it")
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	files := map[string]string{
		path: string(found[1]),
		filepath.Join(filepath.Dir(path), "secrets/newsroom-url"): "https://chat.example.org/hook",
		filepath.Join(filepath.Dir(path), "secrets/store"):        "postgres://tocsin:PASSWORD@127.0.0.10/tocsin",
	}
	c, err := config.Load(path, config.Env{
		LookupEnv: func(name string) (string, bool) { return "127.0.0.11", name == "ADDRESS" },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Web.Admin != "127.0.0.11:8081" || c.Store.Reveal() != files[filepath.Join(filepath.Dir(path), "secrets/store")] {
		t.Errorf("admin %s, store %s", c.Web.Admin, c.Store.Reveal())
	}
}
