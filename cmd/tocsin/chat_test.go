package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A message in a chat leads to the feed of its event's first tag, or of everything;
// and an update does what the sink's `updates` says.
func TestChatMessages(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var all []string
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		mu.Lock()
		all = append(all, q.Method+" "+q.URL.String()+" "+string(body))
		mu.Unlock()
		_, _ = io.WriteString(w, `{"id":"1150","ok":true,"result":{"message_id":42}}`)
	}))
	t.Cleanup(chat.Close)
	message := func(parts ...string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range all {
				missing := false
				for _, p := range parts {
					missing = missing || !strings.Contains(m, p)
				}
				if !missing {
					return true
				}
			}
			return false
		}
	}
	r := newRig(t, "      on: [new]", "")
	r.addSinks(fmt.Sprintf(`
    - {name: desk, type: discord, url: "%[1]s/api/webhooks/1/token", rate: 0}
    - {name: board, type: discord, url: "%[1]s/api/webhooks/2/token", rate: 0, updates: edit}
    - {name: group, type: telegram, url: "%[1]s/bot1:token?chat_id=1", rate: 0, updates: thread}`, chat.URL))
	r.event("a", "A", "x", "Text.")
	r.start()
	r.event("b", "Of a tag", "Some Tag, x", "Text.")
	r.until("the feed of a tag", message("/api/webhooks/1/token?wait=true ", "New: Of a tag", "/feeds/tags/some-tag.atom"))
	r.write(r.path("c"), "---\ntitle: Of none\ndate: 2020-01-01\n---\n")
	r.until("the feed of all", message("New: Of none", "/feeds/all.atom"))
	r.event("b", "Of a tag, corrected", "Some Tag, x", "Text.")
	r.until("the update", message("POST /api/webhooks/1/token?wait=true ", "Updated: Of a tag, corrected", "title Of a tag → Of a tag, corrected"))
	r.until("the changed message", message("PATCH /api/webhooks/2/token/messages/1150?wait=true ", "Updated: Of a tag, corrected"))
	r.until("the answer", message("POST /bot1:token/sendMessage ", `"reply_parameters":{"message_id":42}`, "Updated: Of a tag, corrected"))
}
