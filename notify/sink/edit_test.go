package sink

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"tocsin/notify"
)

// later is how a delivery is sent on top of an earlier message.
type later func(context.Context, notify.Delivery, string) (notify.Answer, error)

func editOf(s notify.Sender) (later, bool) {
	e, ok := s.(notify.Editor)
	if !ok {
		return nil, false
	}
	return e.Edit, true
}

func replyOf(s notify.Sender) (later, bool) {
	r, ok := s.(notify.Threader)
	if !ok {
		return nil, false
	}
	return r.Reply, true
}

// laterRequest is what goes out on top of an earlier message.
type laterRequest struct {
	typ, url, id string
	request      string
	holds        []string
	lacks        string // "": nothing
}

// holdRequests holds senders to what they are to send, and to sending it for no other
// types.
func holdRequests(t *testing.T, of func(notify.Sender) (later, bool), requests []laterRequest) {
	t.Helper()
	able := make(map[string]bool)
	for _, tt := range requests {
		able[tt.typ] = true
		tr := &transport{}
		send, _ := of(newSink(t, Config{Type: tt.typ, URL: tt.url, Client: &http.Client{Transport: tr}}))
		d := notify.Delivery{ID: "msg_1", Message: messages()["raised"]}
		answer, err := send(t.Context(), d, tt.id)
		if err != nil || answer.RemoteID != tt.id {
			t.Errorf("%s: %+v, %v", tt.typ, answer, err)
		}
		if got := tr.last.Method + " " + tr.last.URL.String(); got != tt.request {
			t.Errorf("%s: got  %s\nwant %s", tt.typ, got, tt.request)
		}
		for _, s := range tt.holds {
			if !strings.Contains(string(tr.body), s) {
				t.Errorf("%s: no %s in %s", tt.typ, s, tr.body)
			}
		}
		if tt.lacks != "" && strings.Contains(string(tr.body), tt.lacks) {
			t.Errorf("%s: %s in %s", tt.typ, tt.lacks, tr.body)
		}
		if !json.Valid(tr.body) {
			t.Errorf("%s: %s", tt.typ, tr.body)
		}

		// What is no name of a message reaches nobody.
		wrong := []string{"", "..", "1/2", "1?x", "1#x", "%2e", "1 2", "\n"}
		if tt.typ == "telegram" {
			wrong = append(wrong, "abc", "-1", `1,"x":1`)
		}
		for _, id := range wrong {
			tr.last = nil
			var fail *notify.SendError
			if _, err := send(t.Context(), d, id); !errors.As(err, &fail) || !fail.Permanent || fail.Gone || tr.last != nil {
				t.Errorf("%s, %q: %v", tt.typ, id, err)
			}
		}
		if _, err := send(t.Context(), notify.Delivery{}, tt.id); err == nil {
			t.Errorf("%s: an empty message was sent", tt.typ)
		}
		all := worstMessages()
		for _, name := range []string{"quotes", "cjk_batch"} {
			d.Message = all[name]
			if _, err := send(t.Context(), d, tt.id); err != nil || len(tr.body) > 60_000 {
				t.Errorf("%s, %s: %d bytes, %v", tt.typ, name, len(tr.body), err)
			}
		}
	}
	for _, typ := range Types() {
		if _, ok := of(newSink(t, Config{Type: typ, URL: address(typ, "https://example.org")})); ok != able[typ] {
			t.Errorf("%s says that it can: %v", typ, ok)
		}
	}
}

// laterAnswer is what becomes of an answer to what is sent on top of an earlier
// message.
type laterAnswer struct {
	typ             string
	status          int
	body            string
	ok, gone, again bool
}

func holdAnswers(t *testing.T, c Config, of func(notify.Sender) (later, bool), all []laterAnswer) {
	t.Helper()
	for _, tt := range all {
		c.Type, c.URL, c.Client = tt.typ, address(tt.typ, "https://chat.example"), &http.Client{Transport: answers{tt.status, tt.body}}
		send, _ := of(newSink(t, c))
		answer, err := send(t.Context(), sample(), "77")
		fail := &notify.SendError{}
		_ = errors.As(err, &fail)
		if (err == nil) != tt.ok || fail.Gone != tt.gone || err != nil && fail.Permanent == tt.again || err == nil && answer.RemoteID != "77" {
			t.Errorf("%s %d %s: %+v, %v", tt.typ, tt.status, tt.body, answer, err)
		}
	}
}

// TestEdit holds what goes out to change a message.
func TestEdit(t *testing.T) {
	holdRequests(t, editOf, []laterRequest{
		{"discord", "https://discord.com/api/webhooks/1/tok?thread_id=7", "1150", "PATCH https://discord.com/api/webhooks/1/tok/messages/1150?thread_id=7&wait=true",
			[]string{`"content":"**Raised: Court`, `"allowed_mentions":{"parse":[]}`}, ""},
		{"telegram", "https://api.telegram.org/bot1:tok?chat_id=-100&message_thread_id=5", "42", "POST https://api.telegram.org/bot1:tok/editMessageText",
			[]string{`"chat_id":"-100"`, `"message_id":42`, `"parse_mode":"HTML"`, "<b>Raised: Court"}, "message_thread_id"},
		{"matrix", "https://m.example/_matrix/client/v3/rooms/!a:b?access_token=t", "$abc", "PUT https://m.example/_matrix/client/v3/rooms/%21a:b/send/m.room.message/msg_1-edit",
			[]string{`"m.new_content":{"msgtype":"m.notice","body":"Raised: Court`, `"m.relates_to":{"rel_type":"m.replace","event_id":"$abc"}`, `"body":"* Raised: Court`}, ""},
		{"ntfy", "https://ntfy.sh/alerts", "hwQ2YpKdmg", "POST https://ntfy.sh/", []string{`"topic":"alerts"`, `"sequence_id":"hwQ2YpKdmg"`, `"title":"Raised: Court`}, ""},
	})
}

// TestReply holds what goes out into the thread of a message.
func TestReply(t *testing.T) {
	holdRequests(t, replyOf, []laterRequest{
		{"discord", "https://discord.com/api/webhooks/1/tok", "1150", "POST https://discord.com/api/webhooks/1/tok?thread_id=1150&wait=true",
			[]string{`"content":"**Raised: Court`, `"allowed_mentions":{"parse":[]}`}, "thread_name"},
		{"telegram", "https://api.telegram.org/bot1:tok?chat_id=-100&message_thread_id=5&disable_notification=true", "42", "POST https://api.telegram.org/bot1:tok/sendMessage",
			[]string{`"chat_id":"-100"`, `"reply_parameters":{"message_id":42}`, `"message_thread_id":5`, `"disable_notification":true`, "<b>Raised: Court"}, `"message_id":42,`},
		{"matrix", "https://m.example/_matrix/client/v3/rooms/!a:b?access_token=t", "$abc", "PUT https://m.example/_matrix/client/v3/rooms/%21a:b/send/m.room.message/msg_1-reply",
			[]string{`"body":"Raised: Court`, `"m.mentions":{}`, `"m.relates_to":{"rel_type":"m.thread","event_id":"$abc","is_falling_back":true,"m.in_reply_to":{"event_id":"$abc"}}`}, "m.new_content"},
	})
}

// TestReplyAnswers holds what becomes of the answers to what goes into a thread: one
// that is gone is not the end of the sink.
func TestReplyAnswers(t *testing.T) {
	holdAnswers(t, Config{Thread: true}, replyOf, []laterAnswer{
		{"discord", 200, `{"id":"1151","channel_id":"77"}`, true, false, false},
		{"discord", 404, `{"message":"Unknown Channel","code":10003}`, false, false, false},
		{"discord", 400, `{"message":"Thread is locked","code":160005}`, false, false, false},
		{"discord", 404, `{"message":"Unknown Webhook","code":10015}`, false, true, false},
		{"discord", 429, `{"retry_after":0.5}`, false, false, true},
		{"telegram", 200, `{"ok":true,"result":{"message_id":78}}`, true, false, false},
		{"telegram", 400, `{"ok":false,"error_code":400,"description":"Bad Request: message to be replied not found"}`, false, false, false},
		{"telegram", 429, `{"ok":false,"error_code":429,"parameters":{"retry_after":3}}`, false, false, true},
		{"matrix", 200, `{"event_id":"$other"}`, true, false, false},
		{"matrix", 400, `{"errcode":"M_UNKNOWN","error":"Cannot start threads from an event with a relation"}`, false, false, false},
	})
}

// TestThreadsByName holds where the messages of tools go that make a thread by its
// name.
func TestThreadsByName(t *testing.T) {
	all := messages()
	long := all["new"]
	long.Items[0].Event.Title = strings.Repeat("𝔘<@1> ", 100)
	for _, tt := range []struct {
		typ, field string
		thread     bool
		message    notify.Message
		want       any
	}{
		{"googlechat", "thread", false, all["raised"], nil},
		{"googlechat", "thread", true, all["raised"], map[string]any{"threadKey": "tag:timeline.example,2025:inspectors"}},
		{"googlechat", "thread", true, all["batch"], nil},
		{"zulip", "topic", false, all["raised"], "Public record"},
		{"zulip", "topic", true, all["raised"], "inspectors"},
		{"zulip", "topic", true, all["batch"], "Public record"},
		{"zulip", "topic", true, all["test"], "Public record"},
		{"zulip", "topic", false, all["bare"], "Changes"},
		{"discord", "thread_name", false, all["new"], nil},
		{"discord", "thread_name", true, all["raised"], "Court orders records on the inspectors’ dismissal released"},
		{"discord", "thread_name", true, all["batch"], "2 changes in Public record"},
		{"discord", "thread_name", true, long, strings.TrimSpace(strings.Repeat("𝔘<"+gap+"@"+gap+"1> ", 11)) + "…"},
	} {
		var got map[string]any
		if err := json.Unmarshal(payload(t, Config{Type: tt.typ, Thread: tt.thread}, tt.message), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got[tt.field], tt.want) {
			t.Errorf("%s, %v, %s: %q, want %q", tt.typ, tt.thread, tt.message.Type, got[tt.field], tt.want)
		}
	}
	c := Config{Type: "discord", Thread: true, URL: address("discord", "https://chat.example"), Client: &http.Client{Transport: answers{200, `{"id":"8","channel_id":"9"}`}}}
	if answer, err := newSink(t, c).Send(t.Context(), sample()); err != nil || answer.RemoteID != "9" {
		t.Errorf("the thread that Discord began is %q, %v", answer.RemoteID, err)
	}
}

// TestEditAnswers holds what becomes of the answers to an edit.
func TestEditAnswers(t *testing.T) {
	holdAnswers(t, Config{}, editOf, []laterAnswer{
		{"discord", 200, `{"id":"1150"}`, true, false, false},
		{"discord", 404, `{"message":"Unknown Message","code":10008}`, false, false, false},
		{"discord", 404, `{"message":"Unknown Webhook","code":10015}`, false, true, false},
		{"discord", 429, `{"retry_after":0.5}`, false, false, true},
		{"telegram", 200, `{"ok":true,"result":{"message_id":7}}`, true, false, false},
		{"telegram", 400, `{"ok":false,"error_code":400,"description":"Bad Request: message is not modified: specified new message content and reply markup are exactly the same"}`, true, false, false},
		{"telegram", 400, `{"ok":false,"error_code":400,"description":"Bad Request: message to edit not found"}`, false, false, false},
		{"telegram", 429, `{"ok":false,"error_code":429,"parameters":{"retry_after":3}}`, false, false, true},
		{"matrix", 200, `{"event_id":"$other"}`, true, false, false},
		{"matrix", 403, `{"errcode":"M_FORBIDDEN"}`, false, false, false},
		{"ntfy", 200, `{"id":"other"}`, true, false, false},
		{"ntfy", 500, ``, false, false, true},
	})
}
