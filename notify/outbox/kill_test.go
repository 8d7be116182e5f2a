package outbox

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/notify"
)

// A process that is killed in mid-Send loses nothing: the next one sends the same
// under the same id, at once.
func TestKilled(t *testing.T) {
	path := statePath(t)
	ids := make(map[string]bool)
	killAfter(t, path, "hang", 2, func(id string) { ids[id] = true })

	s := newSender(takes)
	start := time.Now()
	r := open(t, path, sinkOf("a", s)).start()
	if n := r.waiting(); n > 3 {
		t.Errorf("%d waiting, want at most 3", n)
	}
	for range 3 {
		d := await(t, s.calls, "a call")
		took := time.Since(start)
		if d.Message.Items[0].Event.ID == "third" {
			continue
		}
		if !ids[d.ID] {
			t.Errorf("sent as %s, want one of %v", d.ID, ids)
		}
		t.Logf("sent again after %v", took)
		if took > 10*time.Second {
			t.Errorf("sent again after %v", took)
		}
		delete(ids, d.ID)
	}
	if len(ids) != 0 {
		t.Errorf("not sent again: %v", ids)
	}
	list, err := List(t.Context(), r.store, Filter{})
	must(t, err)
	for _, rec := range list {
		r.becomes(rec.ID, Delivered)
	}
	if len(list) != 3 || len(s.calls) != 0 {
		t.Errorf("%d deliveries and %d more calls, want 3 and 0", len(list), len(s.calls))
	}
}

// Killed anywhere, again and again: all that was planned is sent in the end, and
// each event's deliveries for the first time in their order.
func TestKilledAnywhere(t *testing.T) {
	path := statePath(t)
	var sent []string
	note := func(id string) {
		if !slices.Contains(sent, id) {
			sent = append(sent, id)
		}
	}
	for range 4 {
		killAfter(t, path, "work", 10+rand.IntN(40), note)
	}
	s := newSender(takes)
	r := open(t, path, sinkOf("a", s)).start()
	list, err := List(t.Context(), r.store, Filter{})
	must(t, err)
	for _, rec := range list {
		r.becomes(rec.ID, Delivered)
	}
	for len(s.calls) > 0 {
		note((<-s.calls).ID)
	}
	if len(sent) != len(list) {
		t.Errorf("%d deliveries were sent of %d", len(sent), len(list))
	}
	last := make(map[string]int64)
	for _, id := range sent {
		rec := r.show(id)
		event := rec.Message.Items[0].Event.ID
		if rec.Seq < last[event] {
			t.Errorf("event %s: delivery %d after %d", event, rec.Seq, last[event])
		}
		last[event] = rec.Seq
	}
}

// killAfter runs TestKilledChild on the state at path and kills it in the middle
// of a Send, the nth or a little later. It tells the id of every Send.
func killAfter(t *testing.T, path, mode string, n int, tell func(id string)) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$", "-test.timeout=120s")
	child.Env = append(os.Environ(), "TOCSIN_OUTBOX_STATE="+path, "TOCSIN_OUTBOX_MODE="+mode)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	sent := make(chan string, 10000)
	go func() {
		defer close(sent)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "sending "); ok {
				sent <- id
			}
		}
	}()
	for range n {
		tell(await(t, sent, "the child's call"))
	}
	must(t, child.Process.Kill())
	for id := range sent { // those that it made until it was dead
		tell(id)
	}
	_ = child.Wait()
}

// TestKilledChild is the process that the tests above kill. In the mode hang it
// plans three deliveries, of which the third has to wait for the first, and hangs
// on sending; in the mode work it plans and sends for ever, a few at a time.
func TestKilledChild(t *testing.T) {
	path := os.Getenv("TOCSIN_OUTBOX_STATE")
	if path == "" {
		t.Skip("a part of other tests")
	}
	hang := os.Getenv("TOCSIN_OUTBOX_MODE") == "hang"
	s := newSender(func(ctx context.Context, d notify.Delivery) (notify.Answer, error) {
		fmt.Println("sending", d.ID)
		if hang {
			select {}
		}
		return takes(ctx, d)
	})
	r := open(t, path, sinkOf("a", s))
	if hang {
		third := about("first")
		third.Items[0].Event.ID = "third"
		r.plan("a", about("first"), about("second"), third)
	}
	r.start()
	for !hang {
		r.plan("a", about("e1"), about("e2"), about("e3"), about("e4"), about("e2"))
		for range 4 {
			<-s.calls
		}
	}
	select {}
}
