package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSecretsStay has the word hush in all that is secret of a sink of every type,
// whose server repeats what it is sent, and looks for it in all that comes out of the
// program: log, commands, admin pages, public pages and the state on the disk.
func TestSecretsStay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		user, password, _ := q.BasicAuth()
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "%s %s %s %s %v %s", user, password, q.Host, q.URL, q.Header, body)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	signing := "whsec_" + base64.StdEncoding.EncodeToString([]byte("what signs the messages, by hushing"))
	secrets := []string{"hush", host, strings.TrimPrefix(signing, "whsec_"), "what signs"}

	r := newRig(t, "", "")
	r.args = []string{"-v"}
	r.write(filepath.Join(r.dir, "key.txt"), "hush-in-a-file\n")
	var sinks strings.Builder
	urls := sinkURLs(host)
	for i, typ := range slices.Sorted(maps.Keys(urls)) {
		address := strings.NewReplacer("https:", "http:", "token=t", "token=hush-token", "=k&", "=hush-key&", ":key@", ":hush-password@",
			"bot1:token", "bot1:hush-token", "1/token", "1/hush-token", "T/B/x", "T/B/hush", "abc", "hush-abc", "/hook", "/hush-hook",
			"workflows/1", "workflows/1?sig=hush-sig", "/alerts", "/hush-alerts").Replace(urls[typ])
		if !strings.Contains(address, "hush") {
			t.Fatalf("%s has nothing secret in %s", typ, address)
		}
		fmt.Fprintf(&sinks, "\n    - name: %s-1\n      type: %s\n      rate: 0\n      headers: {X-Key: {file: key.txt}, X-Other: hush-header}\n", typ, typ)
		switch i % 3 {
		case 0:
			name := "URL_OF_" + strings.ToUpper(typ)
			t.Setenv(name, address)
			fmt.Fprintf(&sinks, "      url: ${%s}\n", name)
		case 1:
			r.write(filepath.Join(r.dir, typ+".url"), address+"\n")
			fmt.Fprintf(&sinks, "      url_file: %s.url\n", typ)
		default:
			fmt.Fprintf(&sinks, "      url: %q\n", address)
		}
		if typ == "webhook" {
			fmt.Fprintf(&sinks, "      secret: %s\n", signing)
		} else {
			sinks.WriteString("      template: {title: '{{index .Event.Tags 7}}', body: '{{index .Event.Actors 9}}'}\n")
		}
	}
	r.addSinks(sinks.String())

	r.event("a", "A", "x", "Text.")
	r.start()
	r.event("b", "B", "x", "Text.")
	waits := func() []string {
		var ids []string
		for _, d := range r.deliveries("waiting", 0) {
			if d.Tries > 0 {
				ids = append(ids, d.ID)
			}
		}
		return ids
	}
	r.until("an attempt at every sink", func() bool { return len(waits()) == len(urls) })

	looked := 0
	harmless := func(what, text string) {
		t.Helper()
		if looked += len(text); text == "" {
			t.Errorf("%s: nothing came out", what)
		}
		for _, s := range secrets {
			if i := strings.Index(strings.ToLower(text), strings.ToLower(s)); i >= 0 {
				t.Errorf("%s holds %q: …%s…", what, s, text[max(0, i-150):min(len(text), i+60)])
			}
		}
	}
	command := func(args ...string) {
		t.Helper()
		out, errout, _ := r.command(args...)
		harmless(strings.Join(args, " "), out+errout)
	}
	command("deliveries", "list")
	command("deliveries", "list", "-json")
	for i, id := range waits() {
		command(append([]string{"deliveries", "show", id}, []string{"-json"}[:i%2]...)...)
	}
	for typ := range urls {
		command("send", typ+"-1")
	}
	command("send", "-json", "webhook-1")
	command("send", "-event", "b", "-explain")
	command("check", "-json")

	pages := []string{"/", "/readyz", "/metrics", "/queue/", "/queue/api/queues", "/queue/api/states", "/queue/api/features"}
	for _, state := range []string{"available", "scheduled", "running", "completed"} {
		pages = append(pages, "/queue/api/jobs?limit=1000&state="+state)
	}
	for job := range len(urls) + 1 { // one of each sink, and of the rig's own
		pages = append(pages, fmt.Sprintf("/queue/api/jobs/%d", job+1))
	}
	for _, path := range pages {
		r.until(path, func() bool { // the queue's have no time to wait for the state, which is busy
			res, body := r.fetch("http://" + r.admin + path)
			harmless(path, string(body))
			return res.StatusCode == http.StatusOK
		})
	}
	command("reload")
	for _, path := range []string{"/", "/events/b/", "/feeds/all.atom", "/feeds/all.json", "/feeds.opml"} {
		_, body := r.get(path)
		harmless(path, string(body))
	}
	r.stop()
	harmless("the log", r.log.tail(5000))
	if !r.log.has("template") {
		t.Error("no template failed")
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "state", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err != nil {
			t.Error(err)
		} else if len(b) > 0 {
			harmless(name, string(b))
		}
	}
	t.Logf("%d bytes hold no secret", looked)

	// Nor do faults of the configuration.
	good := r.read(r.config)
	for _, change := range [][2]string{
		{"hush-token", "hush-%zz token"}, {"http://" + host, "hush://" + host}, {"hush-header", `"hush\u0007header"`},
		{signing, "whsec_hush"}, {"rate: 0\n      headers", "rate: hush\n      headers"}, {"X-Key: {file: key.txt}", "'hush key': hush"},
	} {
		bad := strings.ReplaceAll(good, change[0], change[1])
		if bad == good {
			t.Errorf("the configuration holds no %s", change[0])
		}
		r.write(r.config, bad)
		for _, args := range [][]string{{"check"}, {"serve"}, {"send", "webhook-1"}, {"deliveries", "list"}} {
			out, errout, code := r.command(args...)
			// What is no secret may be repeated: that is what a fault is about.
			text := strings.NewReplacer(`"hush" is not a rate`, "", "rate: hush", "", `"hush key"`, "", `hush key`, "").Replace(out + errout)
			if harmless(fmt.Sprint(args, " with ", change[1]), text); code != exitConfig && code != exitFaults {
				t.Errorf("%v with %s: %d %s", args, change[1], code, out+errout)
			}
		}
	}
}
