package outbox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"tocsin/notify"
)

// River's pages show the queue on the state's own database, and change nothing.
func TestUI(t *testing.T) {
	if _, err := New(Options{}).UI("/queue"); err == nil {
		t.Error("there are pages before there is a queue")
	}
	bad := newSender(says(&notify.SendError{RetryAfter: time.Hour, Err: errServer}))
	r := open(t, statePath(t), sinkOf("good", newSender(takes)), sinkOf("bad", bad))
	h, err := r.UI("/queue")
	must(t, err)
	r.start()
	ask := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	sent := r.plan("good", about("e1"))[0]
	r.becomes(sent, Delivered)
	late := r.plan("bad", about("e1"))[0]
	r.log.until(t, "delivery attempt failed")

	if status, page := ask("GET", "/queue/", ""); status != 200 || !strings.Contains(page, `"apiUrl":"/queue/api"`) {
		t.Errorf("the page: %d %s", status, page)
	}
	var script string
	_, page := ask("GET", "/queue/jobs", "")
	if _, after, ok := strings.Cut(page, `src="/queue/assets/`); ok {
		script, _, _ = strings.Cut(after, `"`)
	}
	if status, _ := ask("GET", "/queue/assets/"+script, ""); script == "" || status != 200 {
		t.Errorf("its script %s: %d", script, status)
	}
	type jobs struct {
		Data []struct {
			ID    int64  `json:"id"`
			Args  string `json:"args"`
			Queue string `json:"queue"`
		} `json:"data"`
	}
	list := func(state string) (j jobs) {
		status, text := ask("GET", "/queue/api/jobs?state="+state, "")
		if err := json.Unmarshal([]byte(text), &j); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, text, err)
		}
		return j
	}
	if j := list("completed"); len(j.Data) != 1 || !strings.Contains(j.Data[0].Args, sent) || j.Data[0].Queue != "good" {
		t.Errorf("completed: %+v", j)
	}
	var waiting jobs
	for deadline := time.After(patience); len(waiting.Data) == 0; waiting = list("scheduled") {
		select {
		case <-deadline:
			t.Fatal("what is to be tried again is not shown")
		case <-time.After(5 * time.Millisecond):
		}
	}
	if j := waiting; len(j.Data) != 1 || !strings.Contains(j.Data[0].Args, late) || j.Data[0].Queue != "bad" {
		t.Fatalf("scheduled: %+v", j)
	}
	_, text := ask("GET", "/queue/api/jobs/"+strings.TrimSpace(jsonOf(waiting.Data[0].ID)), "")
	var told struct {
		Metadata struct {
			Output outcome `json:"output"`
		} `json:"metadata"`
	}
	must(t, json.Unmarshal([]byte(text), &told))
	if want := (outcome{State: Waiting, Status: 429, Error: "asked to wait 1h0m0s: server error"}); told.Metadata.Output != want {
		t.Errorf("the job does not say what came of the attempt: %s", text)
	}
	if _, text := ask("GET", "/queue/api/states", ""); !strings.Contains(text, `"completed":{"accuracy":"exact","count":1`) {
		t.Errorf("states: %s", text)
	}
	if _, text := ask("GET", "/queue/api/queues", ""); !strings.Contains(text, `"name":"good"`) {
		t.Errorf("queues: %s", text)
	}

	for path, method := range map[string]string{
		"/queue/api/jobs/cancel": "POST", "/queue/api/jobs/delete": "POST", "/queue/api/jobs/retry": "POST",
		"/queue/api/queues/bad/pause": "PUT", "/queue/api/queues/bad": "PATCH",
	} {
		status, text := ask(method, path, `{"ids":["`+jsonOf(waiting.Data[0].ID)+`"]}`)
		if status != http.StatusMethodNotAllowed || !strings.Contains(text, "tocsin deliveries retry|cancel ID") {
			t.Errorf("%s %s: %d %s", method, path, status, text)
		}
	}
	if rec := r.show(late); rec.State != Waiting || len(list("scheduled").Data) != 1 {
		t.Errorf("it was changed: %+v", rec)
	}

	// Nothing of it outlives Run for long.
	r.halt()
	stacks := make([]byte, 1<<20)
	for deadline := time.After(patience); strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "riverui"); {
		select {
		case <-deadline:
			t.Fatal("the pages go on")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
