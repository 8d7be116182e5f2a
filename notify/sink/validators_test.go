package sink

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tocsin/notify"
)

// TestValidators has the payloads judged by the packages of the tools' own
// ecosystems, in a folder shared/validators beside the repository. It needs node
// and npm's registry, and runs where TOCSIN_VALIDATORS=1 asks for it.
func TestValidators(t *testing.T) {
	shared := filepath.Join("..", "..", "..", "shared", "validators")
	if _, err := os.Stat(shared); err != nil {
		t.Skipf("no validators: %s is not there", shared)
	}
	if os.Getenv("TOCSIN_VALIDATORS") != "1" {
		t.Skip("not asked for; TOCSIN_VALIDATORS=1 runs the validators (needs node, npm and its registry)")
	}
	dir := t.TempDir() // the folder itself is read-only
	for _, name := range []string{"check.mjs", "package.json", "package-lock.json"} {
		data, err := os.ReadFile(filepath.Join(shared, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s %q: %v\n%s", name, args, err, out)
		}
	}
	run("npm", "ci", "--silent")
	if t.Failed() {
		return
	}

	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a secret of 24 bytes, so"))
	all := worstMessages()
	for name, m := range messages() {
		all["sample_"+name] = m
	}
	digest := message(notify.TypeBatch)
	digest.Items = notify.Together(append(all["sample_batch"].Items, all["sample_updated"].Items...))
	all["digest"] = digest
	title, body := templated()
	for _, typ := range Types() {
		switch typ {
		case "websub", "zulip": // of which it knows nothing
			continue
		}
		as, files := typ, []string{}
		if as == "rocketchat" { // which takes the same
			as = "mattermost"
		}
		for name, m := range all {
			base, got := receiver(t)
			c := Config{Type: typ, URL: address(typ, base), Secrets: []string{secret}, Now: time.Now}
			if name == "sample_test" || name == "mentions_batch" {
				c.Title, c.Body = title, body
			}
			s := newSink(t, c)
			if _, err := s.Send(t.Context(), notify.Delivery{ID: "msg_" + name, Message: m}); err != nil {
				t.Fatal(err)
			}
			payload := (*got)[0].body
			d := notify.Delivery{ID: "msg_" + name, Message: m}
			if e, ok := s.(notify.Editor); ok && typ != "matrix" { // whose edits hold a message, and are judged as one
				if _, err := e.Edit(t.Context(), d, "42"); err != nil {
					t.Fatal(err)
				}
			}
			if th, ok := s.(notify.Threader); ok {
				if _, err := th.Reply(t.Context(), d, "42"); err != nil {
					t.Fatal(err)
				}
			}
			if slices.Contains(threads(), typ) {
				c.Thread = true
				if _, err := newSink(t, c).Send(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			for i, r := range (*got)[1:] {
				file := fmt.Sprintf("%s_%s_%d.json", typ, name, i)
				if err := os.WriteFile(filepath.Join(dir, file), r.body, 0o644); err != nil {
					t.Fatal(err)
				}
				files = append(files, file)
			}
			if typ == "webhook" { // which is judged with its headers
				var err error
				payload, err = json.Marshal(struct {
					Headers http.Header `json:"headers"`
					Body    string      `json:"body"`
					Secret  string      `json:"secret"`
				}{(*got)[0].header, string(payload), secret})
				if err != nil {
					t.Fatal(err)
				}
			}
			file := typ + "_" + name + ".json"
			if err := os.WriteFile(filepath.Join(dir, file), payload, 0o644); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		run("node", append([]string{"check.mjs", as}, files...)...)
	}
}
