package sink

import (
	"encoding/json"
	"strings"
	"testing"

	"tocsin/notify"
)

// A preview is the request that would be sent, but for what is secret in it.
func TestPreview(t *testing.T) {
	for _, typ := range Types() {
		c := secretive(typ, "https://hush.example")
		c.Secrets = nil
		if typ == "webhook" {
			c.Secrets = []string{"whsec_aHVzaA=="}
		}
		r, err := Preview(t.Context(), c, sample())
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		text, err := json.Marshal(r)
		if err != nil || strings.Contains(strings.ToLower(string(text)), "hush") {
			t.Errorf("%s: %s, %v", typ, text, err)
		}
		want := "Court orders"
		if typ == "websub" {
			want = "feeds%2Fall.atom"
		}
		if !strings.Contains(strings.ReplaceAll(r.Body, "+", " "), want) || r.Method == "" || r.Header["Content-Type"] == "" || r.Header["X-Token"] != redacted {
			t.Errorf("%s: it does not say what is sent: %s", typ, text)
		}
		if typ == "webhook" && r.Header["Webhook-Id"] != "msg_1" {
			t.Errorf("no id: %v", r.Header)
		}
	}
	if _, err := Preview(t.Context(), Config{Name: "a", Type: "webhook", URL: "https://a.example"}, notify.Delivery{}); err == nil {
		t.Error("a message without events has a preview")
	}
	if _, err := Preview(t.Context(), Config{Name: "a", Type: "webhook", URL: "hush"}, sample()); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("a bad address: %v", err)
	}
}
