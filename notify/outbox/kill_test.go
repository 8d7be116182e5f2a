package outbox

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tocsin/notify"
)

// A process that is killed in mid-Send loses nothing: the next one sends the same
// under the same id, at once.
func TestKilled(t *testing.T) {
	path := statePath(t)
	child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$", "-test.timeout=60s")
	child.Env = append(os.Environ(), "TOCSIN_OUTBOX_STATE="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	sent := make(chan string, 10)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "sending "); ok {
				sent <- id
			}
		}
	}()
	ids := map[string]bool{await(t, sent, "the child's call"): true, await(t, sent, "the child's call"): true}
	must(t, child.Process.Kill())
	_ = child.Wait()

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

// TestKilledChild is the process that TestKilled kills: it plans three
// deliveries, of which the third has to wait for the first, and hangs on sending.
func TestKilledChild(t *testing.T) {
	path := os.Getenv("TOCSIN_OUTBOX_STATE")
	if path == "" {
		t.Skip("a part of TestKilled")
	}
	s := newSender(func(_ context.Context, d notify.Delivery) (notify.Answer, error) {
		fmt.Println("sending", d.ID)
		select {}
	})
	r := open(t, path, sinkOf("a", s))
	third := about("first")
	third.Items[0].Event.ID = "third"
	r.plan("a", about("first"), about("second"), third)
	r.start()
	select {}
}
