package timeline

import (
	"testing"
	"time"

	"tocsin/event"
)

// An event is public from its publication until it expires, by the moment of the
// look and no other clock.
func TestMoments(t *testing.T) {
	f := newFolder(t, func(o *Options) {
		o.Reader = event.NewReader(event.Dialect{Fields: map[string][]string{"expires": {"expires"}}})
	})
	day := func(d int) time.Time { return time.Date(2025, 3, d, 0, 0, 0, 0, time.UTC) }
	at := func(moment time.Time) Found {
		t.Helper()
		return f.look(Where{All: true, Sure: true, At: moment})
	}
	due := func(moment time.Time) {
		t.Helper()
		if f.tl.Due(moment.Add(-time.Second)) || !f.tl.Due(moment) {
			t.Errorf("not due at %v", moment)
		}
	}
	f.write("always.md", "Always")
	f.write("later.md", "Later", "published: 2025-03-10")
	f.write("short.md", "Short", "published: 2025-03-05T12:00:00Z", "expires: 2025-03-12")
	f.write("draft.md", "Draft", "published: 2025-03-05", "draft: true")
	f.write("past.md", "Past", "expires: 2025-02-01")

	ids(t, at(day(1)), "always", "draft", "later", "past", "short")
	f.has("always=Always")
	due(day(5).Add(12 * time.Hour))
	ids(t, at(day(2)))

	// Nothing but time has changed.
	ids(t, f.look(Where{At: day(5).Add(12 * time.Hour)}), "short")
	f.has("always=Always", "short=Short")
	due(day(10))
	ids(t, f.look(Where{At: day(10)}), "later")
	f.has("always=Always", "later=Later", "short=Short")
	due(day(12))
	ids(t, f.look(Where{At: day(12)}), "short")
	f.has("always=Always", "later=Later")
	if f.tl.Due(day(30)) {
		t.Error("due, though nothing is to come")
	}

	// A clock that goes back takes nothing back, and neither does a look without one.
	ids(t, at(day(3)))
	ids(t, f.all())
	f.has("always=Always", "later=Later")

	// Another date in the file counts at once.
	f.write("later.md", "Later", "published: 2025-03-20")
	ids(t, at(day(13)), "later")
	f.has("always=Always")
	due(day(20))
	f.remove("later.md")
	ids(t, at(day(14)), "later")
	if f.tl.Due(day(30)) {
		t.Error("due for what is gone")
	}
	f.write("past.md", "Past")
	ids(t, at(day(14)), "past")
	f.has("always=Always", "past=Past")

	// Without a moment all of them are public.
	f.again(nil)
	f.write("later.md", "Later", "published: 9999-03-20")
	f.all()
	f.has("always=Always", "later=Later", "past=Past", "short=Short")
	if f.tl.Due(day(30)) {
		t.Error("due without a moment")
	}
}
