package web

import (
	"fmt"
	"testing"

	"tocsin/feed"
)

// BenchmarkFolderTurn writes what one event changes of 2,000 with 4,000 tags.
func BenchmarkFolderTurn(b *testing.B) {
	s := newTestSite(b, "https://example.org")
	s.style.MaxEntries = 50
	event := func(i, turn int) Update {
		return s.setOnly(fmt.Sprintf("event-%d", i), fmt.Sprintf("Title %d", turn), fmt.Sprintf("tags: [tag-%d, tag-%d, tag-%d]", i%50, i, 2000+i), "Text.", at)
	}
	var events []*feed.Entry
	for i := range 2000 {
		events = append(events, event(i, 0).Events...)
	}
	u := Update{Events: events, Feeds: s.touched(at)}
	s.Update(u)
	d := s.folder(b.TempDir())
	if err := d.p.Write(b.Context(), s.Edition(u, true)); err != nil {
		b.Fatal(err)
	}
	turn := 0
	for b.Loop() {
		turn++
		u := event(7, turn)
		u.Feeds = s.touched(at)
		s.Update(u)
		if err := d.p.Write(b.Context(), s.Edition(u, false)); err != nil {
			b.Fatal(err)
		}
	}
}
