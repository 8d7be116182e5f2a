package sink

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	"tocsin/event"
	"tocsin/notify"
)

// maxWebhook bounds a body: Standard Webhooks asks senders to stay under 20 kB
// (spec, "Payload size"). maxBatchItem is what an item of a batch may take where
// not all of them have room: a batch of cut events tells more than a batch that
// counts most of them.
const (
	maxWebhook   = 20_000
	maxBatchItem = 1_500
)

// webhook posts the body that tocsin documents, signed by Standard Webhooks
// (https://www.standardwebhooks.com): for programs, not people.
type webhook struct {
	*poster
	keys [][]byte
}

func newWebhook(c Config, p *poster) (notify.Sender, error) {
	w := &webhook{poster: p}
	for i, s := range c.Secrets {
		encoded, ok := strings.CutPrefix(s, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) == 0 {
			return nil, fmt.Errorf("secret %d: not whsec_ and base64", i+1)
		}
		w.keys = append(w.keys, key)
	}
	return w, nil
}

// Send implements notify.Sender.
func (w *webhook) Send(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
	if len(d.Message.Items) == 0 {
		return notify.Answer{}, errEmpty()
	}
	body := renderWebhook(w.name, d.Message)
	stamp := strconv.FormatInt(w.now().Unix(), 10)
	header := http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {d.ID},
		"Webhook-Timestamp": {stamp},
	}
	if len(w.keys) > 0 {
		header.Set("Webhook-Signature", w.sign(d.ID, stamp, body))
	}
	return w.post(ctx, body, header)
}

// sign returns the signatures of an attempt, one for each secret: a receiver
// takes it where it knows any of them.
func (w *webhook) sign(id, stamp string, body []byte) string {
	var signatures []string
	for _, key := range w.keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.", id, stamp)
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}

// The body. notify.Message is the form in which deliveries are stored; this one
// is what receivers were promised, where lists are never null and empty ones
// are there.
type (
	webhookBody struct {
		Type      notify.Type `json:"type"`
		Timestamp string      `json:"timestamp"`
		Data      webhookData `json:"data"`
	}
	webhookData struct {
		Sink         string        `json:"sink"`
		*webhookItem               // nil in a batch
		Events       []webhookItem `json:"events,omitempty"`
		More         int           `json:"more,omitempty"`
	}
	webhookItem struct {
		Change webhookChange `json:"change"`
		Event  webhookEvent  `json:"event"`
	}
	webhookChange struct {
		Kind   notify.Kind    `json:"kind"`
		Fields []event.Field  `json:"fields"`
		Before map[string]any `json:"before"`
	}
	webhookEvent struct {
		ID         string          `json:"id"`
		Title      string          `json:"title"`
		Date       string          `json:"date"`
		Importance int             `json:"importance"`
		Status     string          `json:"status"`
		Location   string          `json:"location"`
		Tags       []string        `json:"tags"`
		Actors     []string        `json:"actors"`
		Summary    string          `json:"summary"`
		Sources    []notify.Source `json:"sources"`
		URL        string          `json:"url"`
		FeedID     string          `json:"feed_id"`
		Revision   string          `json:"revision"`
		Published  string          `json:"published,omitempty"`
		Updated    string          `json:"updated,omitempty"`
	}
)

// renderWebhook returns the body for m, under maxWebhook bytes. The same message
// gives the same bytes, so that every attempt signs what the one before did.
func renderWebhook(sink string, m notify.Message) []byte {
	body := webhookBody{Type: m.Type, Timestamp: rfc3339(m.Time), Data: webhookData{Sink: sink}}
	if m.Type != notify.TypeBatch {
		item := newWebhookItem(m.Items[0])
		body.Data.webhookItem = &item
		if b := encode(body); len(b) < maxWebhook {
			return b
		}
		body.Data.webhookItem = &webhookItem{}
		*body.Data.webhookItem = item.fit(maxWebhook-1-len(encode(body))+len(encode(webhookItem{})), true)
		return encode(body)
	}

	items := make([]webhookItem, len(m.Items))
	for i, it := range m.Items {
		items[i] = newWebhookItem(it)
	}
	body.Data.Events = items
	if b := encode(body); len(b) < maxWebhook {
		return b
	}
	body.Data.Events, body.Data.More = nil, len(items)
	room := maxWebhook - 1 - len(encode(body)) - len(`"events":[],`)
	share := max(maxBatchItem, room/len(items)-1)
	for i, it := range items {
		it = it.fit(share, false)
		if i == 0 { // a batch without any event would say nothing
			it = it.fit(room, true)
		}
		room -= len(encode(it)) + 1
		if room < 0 {
			break
		}
		body.Data.Events = append(body.Data.Events, it)
		body.Data.More = len(items) - i - 1
	}
	return encode(body)
}

func newWebhookItem(it notify.Item) webhookItem {
	before := map[string]any{}
	for name, v := range it.Change.Before {
		switch {
		case name == string(event.Body):
			continue // it may be as long as the file
		case emptyList(v):
			v = []string{}
		}
		before[name] = v
	}
	e := it.Event
	return webhookItem{
		webhookChange{it.Change.Kind, orEmpty(it.Change.Fields), before},
		webhookEvent{
			ID: e.ID, Title: e.Title, Date: e.Date, Importance: e.Importance, Status: e.Status, Location: e.Location,
			Tags: orEmpty(e.Tags), Actors: orEmpty(e.Actors), Summary: e.Summary, Sources: orEmpty(e.Sources),
			URL: e.URL, FeedID: e.FeedID, Revision: e.Revision, Published: rfc3339(e.Published), Updated: rfc3339(e.Updated),
		},
	}
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// emptyList says that v would be null in JSON: a list that is nil, also one that
// came back from JSON.
func emptyList(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []string:
		return v == nil
	case []notify.Source:
		return v == nil
	}
	return false
}

// fit returns the item with as much of it as fits into limit bytes of JSON. It
// takes from the summary first, then from the ends of the lists of sources, tags
// and actors, then from the title, location and status: each only when all
// before it are gone, from the event and from its values before alike. Only with
// hard, and as the last, it takes what tells events apart: url, feed_id, the
// rest.
func (it webhookItem) fit(limit int, hard bool) webhookItem {
	size := func(i webhookItem) int { return len(encode(i)) }
	if size(it) <= limit {
		return it
	}
	steps := []func(i *webhookItem, n int){
		func(i *webhookItem, n int) { i.Event.Summary = cut(i.Event.Summary, n, jsonSize) },
		func(i *webhookItem, n int) { i.Event.Sources = first(i.Event.Sources, n); i.before(event.Sources, n) },
		func(i *webhookItem, n int) { i.Event.Tags = first(i.Event.Tags, n); i.before(event.Tags, n) },
		func(i *webhookItem, n int) { i.Event.Actors = first(i.Event.Actors, n); i.before(event.Actors, n) },
		func(i *webhookItem, n int) { i.Event.Title = cut(i.Event.Title, n, jsonSize); i.before(event.Title, n) },
		func(i *webhookItem, n int) {
			i.Event.Location = cut(i.Event.Location, n, jsonSize)
			i.before(event.Location, n)
		},
		func(i *webhookItem, n int) {
			i.Event.Status = cut(i.Event.Status, n, jsonSize)
			i.before(event.Status, n)
		},
	}
	if hard {
		steps = append(steps,
			func(i *webhookItem, n int) { i.Event.URL = whole(i.Event.URL, n) },
			func(i *webhookItem, n int) { i.Event.FeedID = whole(i.Event.FeedID, n) },
			func(i *webhookItem, n int) { i.Change.Before = map[string]any{} },
			func(i *webhookItem, n int) { i.Change.Fields = first(i.Change.Fields, n) },
			func(i *webhookItem, n int) { i.Event.Revision = cut(i.Event.Revision, n, jsonSize) },
			func(i *webhookItem, n int) { i.Event.Date = cut(i.Event.Date, n, jsonSize) },
			func(i *webhookItem, n int) { i.Event.ID = cut(i.Event.ID, n, jsonSize) },
		)
	}
	for _, step := range steps {
		with := func(n int) webhookItem {
			c := it
			c.Change.Before = maps.Clone(it.Change.Before)
			step(&c, n)
			return c
		}
		if least := with(0); size(least) > limit {
			it = least
			continue
		}
		over := sort.Search(limit+1, func(n int) bool { return n > 0 && size(with(n)) > limit })
		return with(over - 1)
	}
	return it
}

// before takes from the value before as the same step does from the event.
func (it *webhookItem) before(f event.Field, n int) {
	switch v := it.Change.Before[string(f)].(type) {
	case string:
		it.Change.Before[string(f)] = cut(v, n, jsonSize)
	case []string:
		it.Change.Before[string(f)] = first(v, n)
	case []any:
		it.Change.Before[string(f)] = first(v, n)
	case []notify.Source:
		it.Change.Before[string(f)] = first(v, n)
	}
}

func first[T any](list []T, n int) []T { return list[:min(n, len(list))] }

// whole returns s or nothing: half an address leads nowhere.
func whole(s string, n int) string {
	if jsonSize(s) > n {
		return ""
	}
	return s
}

func jsonSize(s string) int { return len(encode(s)) - len(`""`) }

func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// encode returns v as JSON on one line with &, < and > as they are. What sinks
// send are strings, numbers and lists, of which nothing fails to encode; a value
// before that does is a fault in the program.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("sink: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
