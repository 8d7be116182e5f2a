package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// at returns the moment ms milliseconds after an arbitrary one.
func at(ms int) time.Time {
	return time.Date(2025, 1, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
}

func newSettler() *settler {
	return &settler{settle: 500 * time.Millisecond, maxDelay: 10 * time.Second}
}

func TestSettlerDue(t *testing.T) {
	type step func(s *settler)
	event := func(ms int) step { return func(s *settler) { s.events(at(ms), "notified", "a") } }
	demand := func(s *settler) { s.demand("rescan") }
	taken := func(ms int) step { return func(s *settler) { s.taken(s.hint(at(ms)), at(ms)) } }
	hold := func(ms int) step { return func(s *settler) { s.hold(at(ms)) } }
	never := step(func(*settler) {})
	restless := func(s *settler) {
		for ms := 0; ms <= 20_000; ms += 100 {
			event(ms)(s)
		}
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  time.Time // zero: at once
		none  bool
	}{
		{name: "nothing", steps: []step{never}, none: true},
		{name: "one event", steps: []step{event(0)}, want: at(500)},
		{name: "quiet counts from the last", steps: []step{event(0), event(400), event(800)}, want: at(1300)},
		{name: "restless", steps: []step{restless}, want: at(10_000)},
		{name: "demanded", steps: []step{demand}},
		{name: "demanded in a burst", steps: []step{event(0), demand}, want: at(500)},
		{name: "event after a demand", steps: []step{demand, event(100)}, want: at(600)},
		{name: "taken", steps: []step{event(0), taken(500)}, none: true},
		{name: "time between two", steps: []step{event(0), taken(500), demand}, want: at(1000)},
		{name: "a new burst after one taken", steps: []step{event(0), taken(500), event(700)}, want: at(1200)},
		{name: "held", steps: []step{event(0), hold(500)}, want: at(1000)},
		{name: "held at the end of patience", steps: []step{restless, hold(20_000)}, want: at(20_500)},
		{name: "cleared", steps: []step{event(0), func(s *settler) { s.clear() }}, none: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSettler()
			for _, step := range tt.steps {
				step(s)
			}
			got, ok := s.due()
			if ok == tt.none || !got.Equal(tt.want) {
				t.Errorf("due = %v, %v; want %v, %v", got, ok, tt.want, !tt.none)
			}
		})
	}
}

// many returns n names in a folder, or in the root for "".
func many(dir string, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%03d.md", dir, i))
	}
	return names
}

func TestSettlerMerge(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps func(s *settler)
		want  string
	}{
		{"sorted, once", func(s *settler) {
			s.events(at(0), "notified", "b/x.md", "a.md")
			s.events(at(1), "notified", "a.md", "a-b.md")
		}, "a-b.md a.md b/x.md (notified)"},
		{"a folder swallows what is below it", func(s *settler) {
			s.events(at(0), "notified", "a/b/x.md", "a-b/y.md", "a/b/c/z.md", "a/b", "a/b/late.md")
		}, "a-b/y.md a/b (notified)"},
		{"128 names stay names", func(s *settler) {
			s.events(at(0), "notified", many("a/", 128)...)
		}, strings.Join(many("a/", 128), " ") + " (notified)"},
		{"129 names become the folder", func(s *settler) {
			s.events(at(0), "notified", many("a/", 129)...)
			s.events(at(0), "notified", "a/again.md", "b.md")
		}, "a b.md (notified)"},
		{"129 folders become theirs", func(s *settler) {
			for _, dir := range many("a/", 129) {
				s.events(at(0), "notified", many(dir+"/", 129)...)
			}
		}, "a (notified)"},
		{"129 names in the root are everything", func(s *settler) {
			s.events(at(0), "notified", many("", 129)...)
		}, "FULL (notified)"},
		{"full wins", func(s *settler) {
			s.events(at(0), "notified", "a.md")
			s.upheaval(at(1), "overflow")
			s.events(at(2), "notified", "b.md")
			s.demand("rescan")
		}, "FULL (overflow)"},
		{"cleared", func(s *settler) {
			s.upheaval(at(1), "overflow")
			s.clear()
			s.events(at(2), "notified", "b.md")
		}, "b.md (notified)"},
		{"taken", func(s *settler) {
			s.demand("start")
			s.taken(s.hint(at(1)), at(1))
			s.events(at(2), "notified", "b.md")
		}, "b.md (notified)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSettler()
			tt.steps(s)
			if got := show(s.hint(at(1000))); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := show(s.hint(at(1000))); got != tt.want {
				t.Errorf("asked again: %s", got)
			}
		})
	}
}

// show writes a hint in one line.
func show(h Hint) string {
	paths := slices.Clone(h.Paths)
	if h.Full {
		paths = append(paths, "FULL")
	}
	return strings.Join(paths, " ") + " (" + h.Why + ")"
}

func BenchmarkSettler(b *testing.B) {
	names := many("a/", 100)
	for b.Loop() {
		s := newSettler()
		s.events(at(0), "notified", names...)
		_ = s.hint(at(1))
	}
}
