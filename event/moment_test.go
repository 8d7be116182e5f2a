package event

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	east := time.FixedZone("", 9*3600)
	for _, want := range []time.Time{
		{}, time.Unix(0, 0).UTC(), time.Unix(-1, 0).UTC(), time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		m := At(want.In(east).Add(999 * time.Millisecond))
		if got := m.Time(); got != want || m.IsZero() != want.IsZero() || AfterSeconds(m.Seconds()) != m {
			t.Errorf("%v becomes %v, and none: %v", want, got, m.IsZero())
		}
	}
	if got := (Moment{}).Time(); !got.IsZero() || got != (time.Time{}) {
		t.Errorf("none is %v", got)
	}
}
