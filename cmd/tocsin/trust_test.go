package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// A sink's server is trusted where the system, the environment or the sink's ca_file
// says so, and reached through the proxy of the environment. The program is run anew
// each time, as Go reads its environment once.
func TestTrustAndProxy(t *testing.T) {
	var asked atomic.Value
	answer := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		asked.Store(q.RequestURI)
	})
	server := httptest.NewUnstartedServer(answer)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	proxy := httptest.NewServer(answer)
	t.Cleanup(proxy.Close)

	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	certificates := write("ca.pem", authority)
	if err := os.Mkdir(filepath.Join(dir, "certs"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("certs/ca.pem", authority)
	write("none.pem", "")
	config := write("config.yaml", fmt.Sprintf(`
events: {dir: .}
notify:
  sinks:
    - {name: plain, type: webhook, url: "%[1]s/hook"}
    - {name: own, type: webhook, url: "%[1]s/hook", ca_file: ca.pem}
    - {name: far, type: webhook, url: "http://chat.example/far"}
`, server.URL))
	const unknown = "the certificate is signed by an unknown authority"
	for _, tt := range []struct {
		sink, env, says, asks string
	}{
		{"plain", "", unknown, ""},
		{"own", "", "own: taken", "/hook"},
		{"plain", "SSL_CERT_FILE=" + certificates, "plain: taken", "/hook"},
		{"plain", "SSL_CERT_DIR=" + filepath.Join(dir, "certs"), "plain: taken", "/hook"},
		// What a sink trusts is beside what the environment says, and is its own.
		{"own", "SSL_CERT_FILE=" + filepath.Join(dir, "none.pem"), "own: taken", "/hook"},
		{"plain", "SSL_CERT_FILE=" + filepath.Join(dir, "none.pem"), unknown, ""},
		{"far", "HTTP_PROXY=" + proxy.URL, "far: taken", "http://chat.example/far"},
	} {
		asked.Store("")
		cmd := exec.Command(os.Args[0], "send", "-config", config, tt.sink)
		for _, v := range os.Environ() {
			if name, _, _ := strings.Cut(strings.ToUpper(v), "="); !strings.HasSuffix(name, "_PROXY") && !strings.HasPrefix(name, "SSL_CERT") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, asTocsin+"=1", tt.env)
		out, err := cmd.CombinedOutput()
		if !strings.Contains(string(out), tt.says) || asked.Load() != tt.asks {
			t.Errorf("%s with %q: %v, %s; it was asked for %q", tt.sink, tt.env, err, out, asked.Load())
		}
	}
}
