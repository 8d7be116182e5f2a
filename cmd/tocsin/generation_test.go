package main

import "testing"

func TestCounted(t *testing.T) {
	for n, want := range map[int]string{0: "0 events", 1: "1 event", 999: "999 events", 1919: "1,919 events", 1_000_000: "1,000,000 events"} {
		if got := counted(n, "event", "events"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
