package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"tocsin/event"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		spec, zone, from string
		want             []string // local times
	}{
		{"0 7 * * *", "Europe/Berlin", "2026-03-28T00:00:00+01:00", []string{"2026-03-28T07:00:00+01:00", "2026-03-29T07:00:00+02:00", "2026-03-30T07:00:00+02:00"}},
		// The hour from 2 to 3 is skipped, and what is due in it is not.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00+01:00", []string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"}},
		// The hour from 2 to 3 comes twice, and what is due in it does not.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00+02:00", []string{"2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T02:45:00+02:00", []string{"2026-10-26T02:30:00+01:00"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T02:15:00+01:00", []string{"2026-10-26T02:30:00+01:00"}},
		{"0 2,3 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", []string{"2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"}},
		// Every hour is every hour that passes.
		{"0 * * * *", "Europe/Berlin", "2026-10-25T01:30:00+02:00", []string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}},
		{"0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00+01:00", []string{"2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"}},
		{"@daily", "America/New_York", "2026-11-01T12:00:00-05:00", []string{"2026-11-02T00:00:00-05:00"}},
		{"@every 15m", "UTC", "2026-01-01T00:14:59Z", []string{"2026-01-01T00:15:00Z", "2026-01-01T00:30:00Z"}},
		{"0 0 31 2 *", "UTC", "2026-01-01T00:00:00Z", []string{"0001-01-01T00:00:00Z"}},
		{"30 0 * * *", "America/Havana", "2026-03-07T12:00:00-05:00", []string{"2026-03-08T01:30:00-04:00", "2026-03-09T00:30:00-04:00"}},
	} {
		z := zone(t, tt.zone)
		s, err := NewSchedule(tt.spec, z)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, tt.from)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			at = s.Next(at)
			if got := at.In(z).Format(time.RFC3339); got != want && !at.IsZero() || at.IsZero() && want[:4] != "0001" {
				t.Errorf("%s in %s after %s: %s, want %s", tt.spec, tt.zone, tt.from, got, want)
			}
		}
	}
	if _, err := NewSchedule("0 7 * *", time.UTC); err == nil {
		t.Error("a schedule of four fields")
	}
}

func TestHold(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	night := &Quiet{From: 22 * time.Hour, To: 6*time.Hour + 30*time.Minute, Zone: berlin, Except: 10}
	noon := &Quiet{From: 12 * time.Hour, To: 13 * time.Hour, Zone: time.UTC}
	digest, err := NewSchedule("0 5,18 * * *", berlin)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name       string
		hold       Hold
		now        string
		importance int
		until      string // empty: at once
		together   bool
	}{
		{"nothing", Hold{}, "2026-01-01T12:00:00Z", 5, "", false},
		{"in the evening", Hold{Quiet: night}, "2026-01-01T21:00:00Z", 9, "2026-01-02T05:30:00Z", false},
		{"just before", Hold{Quiet: night}, "2026-01-01T20:59:59Z", 9, "", false},
		{"in the morning", Hold{Quiet: night}, "2026-01-02T05:29:59Z", 9, "2026-01-02T05:30:00Z", false},
		{"just behind", Hold{Quiet: night}, "2026-01-02T05:30:00Z", 9, "", false},
		{"the most important", Hold{Quiet: night}, "2026-01-01T23:00:00Z", 10, "", false},
		{"at noon", Hold{Quiet: noon}, "2026-01-01T12:00:00Z", 10, "2026-01-01T13:00:00Z", false},
		{"over the change of clocks", Hold{Quiet: night}, "2026-03-28T22:00:00Z", 1, "2026-03-29T04:30:00Z", false},
		{"a digest", Hold{Digest: digest}, "2026-01-01T12:00:00Z", 10, "2026-01-01T17:00:00Z", true},
		{"a digest in quiet hours", Hold{Digest: digest, Quiet: night}, "2026-01-01T20:00:00Z", 10, "2026-01-02T05:30:00Z", true},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		until, together := tt.hold.Until(now, tt.importance)
		got := ""
		if !until.IsZero() {
			got = until.UTC().Format(time.RFC3339)
		}
		if got != tt.until || together != tt.together {
			t.Errorf("%s: until %q, together %v; want %q, %v", tt.name, got, together, tt.until, tt.together)
		}
	}
}

func TestTogether(t *testing.T) {
	item := func(kind Kind, id string, importance int, before map[string]any) Item {
		i := Item{Change: Change{Kind: kind, Before: before}, Event: Event{ID: id, FeedID: "tag:" + id, Importance: importance, Status: "s", Tags: []string{"x"}}}
		for _, f := range event.Fields() {
			if _, ok := before[string(f)]; ok {
				i.Change.Fields = append(i.Change.Fields, f)
			}
		}
		return i
	}
	was := func(importance int) map[string]any { return map[string]any{"importance": importance} }
	for _, tt := range []struct {
		name  string
		items []Item
		want  string
	}{
		{"nothing", nil, ""},
		{"several", []Item{item(New, "a", 3, nil), item(New, "b", 7, nil), item(New, "c", 3, nil)}, "new b 7; new a 3; new c 3"},
		{"new and updated", []Item{item(New, "a", 3, nil), item(Updated, "a", 4, was(3))}, "new a 4"},
		{"new and raised", []Item{item(New, "a", 3, nil), item(Raised, "a", 9, was(3))}, "new a 9"},
		{"new and withdrawn", []Item{item(New, "a", 3, nil), item(Withdrawn, "a", 3, nil)}, ""},
		{"new, withdrawn and new", []Item{item(New, "a", 3, nil), item(Withdrawn, "a", 3, nil), item(New, "a", 5, nil)}, "new a 5"},
		{"updated twice", []Item{item(Updated, "a", 4, was(3)), item(Updated, "a", 5, was(4))}, "updated a 5 importance 3"},
		{"raised and updated", []Item{item(Raised, "a", 9, was(3)), item(Updated, "a", 9, map[string]any{"status": "t"})}, "raised a 9 importance 3 status t"},
		{"there and back", []Item{item(Updated, "a", 4, was(3)), item(Updated, "a", 3, was(4))}, ""},
		{"there and back, and the text", []Item{item(Updated, "a", 4, was(3)), func() Item {
			i := item(Updated, "a", 3, was(4))
			i.Change.Fields = append(i.Change.Fields, event.Body)
			return i
		}()}, "updated a 3 body"},
		{"tags there and back", []Item{item(Updated, "a", 4, map[string]any{"tags": []string{"x"}}), item(Updated, "a", 4, map[string]any{"tags": []string{"y"}})}, ""},
		{"updated and withdrawn", []Item{item(Updated, "a", 4, was(3)), item(Withdrawn, "a", 4, nil)}, "withdrawn a 4"},
		{"withdrawn and new", []Item{item(Withdrawn, "a", 4, nil), item(New, "a", 4, nil)}, "new a 4"},
	} {
		for _, stored := range []bool{false, true} {
			items := tt.items
			if stored { // as the queue keeps them
				b, err := json.Marshal(items)
				if err != nil {
					t.Fatal(err)
				}
				items = nil
				if err := json.Unmarshal(b, &items); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, i := range Together(items) {
				line := fmt.Sprint(i.Change.Kind, " ", i.Event.ID, " ", i.Event.Importance)
				for _, f := range i.Change.Fields {
					line += " " + string(f)
					if b, ok := i.Change.Before[string(f)]; ok {
						line += " " + fmt.Sprint(b)
					}
				}
				got = append(got, line)
			}
			if strings.Join(got, "; ") != tt.want {
				t.Errorf("%s, stored %v: %q, want %q", tt.name, stored, strings.Join(got, "; "), tt.want)
			}
		}
	}
}
