package generate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// The figures of two machines, or of two releases, are only comparable where the
// folders are the same.
func TestSameBytes(t *testing.T) {
	h := sha256.New()
	for i := range 1000 {
		h.Write(New(i).Markdown())
	}
	const want = "0a2a58dfe6c614e7"
	if got := hex.EncodeToString(h.Sum(nil)[:8]); got != want {
		t.Errorf("1000 events have the sum %s, want %s", got, want)
	}
}

// What makes a timeline expensive is there: many names with one event, few with very
// many, bodies of some two kilobytes.
func TestShape(t *testing.T) {
	const n = 5000
	events := make(map[string]int)
	size := 0
	for i := range n {
		e := New(i)
		size += len(e.Body)
		for _, name := range e.Tags {
			events[name]++
		}
	}
	once, most := 0, 0
	for _, k := range events {
		if k == 1 {
			once++
		}
		most = max(most, k)
	}
	t.Logf("%d tags, %d of them with one event, one with %d; bodies of %d bytes", len(events), once, most, size/n)
	if len(events) < 2000 || len(events) > Names || once < len(events)/5 || most < n/50 || size/n < 1200 || size/n > 3000 {
		t.Error("that is not what a timeline is like")
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, 3); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		e := New(i)
		b, err := os.ReadFile(filepath.Join(dir, e.Path))
		if err != nil || !bytes.Equal(b, e.Markdown()) {
			t.Errorf("%s: %v, %q", e.Path, err, b)
		}
	}
}
