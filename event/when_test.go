package event

import (
	"strings"
	"testing"
	"time"
)

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// Times without a zone are read in the dialect's; those with one keep theirs.
func TestZone(t *testing.T) {
	d := Dialect{Zone: mustZone(t, "Europe/Berlin"), DateLayouts: []string{
		"January 2, 2006", "Jan 2, 2006 3:04 PM", "Mon, 02 Jan 2006 15:04:05 -0700", "2 January 2006 15:04 MST",
	}}
	for value, want := range map[string]string{
		"2025-01-28":                      "2025-01-28",
		"2025-01-28T09:30:00":             "2025-01-28T09:30:00+01:00",
		"2025-07-28 09:30":                "2025-07-28T09:30:00+02:00",
		"2025-07-28T09:30":                "2025-07-28T09:30:00+02:00",
		"2025-07-28T09:30Z":               "2025-07-28T09:30:00Z",
		"2025-01-28T09:30:00Z":            "2025-01-28T09:30:00Z",
		"2025-01-28T09:30:00+01:00":       "2025-01-28T09:30:00+01:00",
		"2025-01-28T09:30:00+0530":        "2025-01-28T09:30:00+05:30",
		"2025-01-28 09:30:00 +0530":       "2025-01-28T09:30:00+05:30",
		"2025-01-28 09:30:00 -08:00":      "2025-01-28T09:30:00-08:00",
		"2025-01-28 09:30:00.25+00:00":    "2025-01-28T09:30:00Z",
		"2025-01-28 23:30:00-05:00":       "2025-01-28T23:30:00-05:00",
		"2025-01-28 09:30:00 UTC":         "2025-01-28T09:30:00Z",
		"2025-01-28 09:30:00 CET":         "2025-01-28T09:30:00+01:00",
		"December 10, 2013":               "2013-12-10",
		"december 10, 2013":               "2013-12-10",
		"Dec 10, 2013 3:30 PM":            "2013-12-10T15:30:00+01:00",
		"Dec 10, 2013 12:00 AM":           "2013-12-10",
		"Tue, 10 Dec 2013 15:30:00 -0200": "2013-12-10T15:30:00-02:00",
		"10 December 2013 15:30 CET":      "2013-12-10T15:30:00+01:00",
		"10 July 2013 15:30 CEST":         "2013-07-10T15:30:00+02:00",
		"10 July 2013 15:30 GMT":          "2013-07-10T15:30:00Z",
		// Local mean time was 53 minutes and 28 seconds.
		"1850-06-01T12:00:00": "1850-06-01T12:00:00+00:53",
	} {
		text := strings.Replace(front(""), "1932-03-19", "'"+value+"'", 1)
		e := mustReadIn(t, d, "a.md", text)
		if e.Date.String() != want || e.Date.Clock != strings.Contains(want, "T") {
			t.Errorf("%s is %s, want %s", value, e.Date, want)
		}
		if again, err := ParseDate(e.Date.String()); err != nil || !again.Equal(e.Date.Time) {
			t.Errorf("%s is %v, and read again %v", value, e.Date.Time, again.Time)
		}
		if want := strings.Split(want, "T")[0]; e.Date.Day().Format(time.DateOnly) != want {
			t.Errorf("the day of %s is %s", value, e.Date.Day())
		}
	}
	// Another zone's name says nothing.
	for _, value := range []string{"2025-01-28 09:30:00 EST", "10 December 2013 15:30 PST"} {
		wantFault(t, d, "a.md", strings.Replace(front(""), "1932-03-19", value, 1), `a.md:3: date is "`+value+
			`"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z, or be written like January 2, 2006 or Jan 2, 2006 3:04 PM or Mon, 02 Jan 2006 15:04:05 -0700 or 2 January 2006 15:04 MST`)
	}
	// Midnight does not exist on this day in Santiago; a day is a day there too.
	santiago := Dialect{Zone: mustZone(t, "America/Santiago"), DateLayouts: []string{"02.01.2006", "02.01.2006 15:04"}}
	for _, value := range []string{"2024-09-08", "08.09.2024"} {
		e := mustReadIn(t, santiago, "a.md", strings.Replace(front(""), "1932-03-19", value, 1))
		if e.Date.String() != "2024-09-08" || e.Date.Location() != time.UTC {
			t.Errorf("%s is %v", value, e.Date.Time)
		}
	}
}

// The machine's zone changes nothing.
func TestLocalZone(t *testing.T) {
	const text = "2025-01-28 09:30:00 EST"
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = mustZone(t, "America/New_York")
	if _, err := NewReader(Dialect{}).Read("a.md", []byte(strings.Replace(front(""), "1932-03-19", text, 1))); err == nil {
		t.Error("a name of the machine's own zone is taken")
	}
}

func TestYears(t *testing.T) {
	for _, value := range []string{
		"-0044-03-15", "-44-03-15", "10000-01-01", "+12025-01-28", "12025-01-28T09:30:00Z", "44 BC", "15 March 44 BCE", "0000-12-31", "0000-12-31T23:00:00Z",
		"0001-01-01T00:30:00+01:00", "9999-12-31T23:30:00-01:00",
	} {
		wantFault(t, Dialect{}, "a.md", strings.Replace(front(""), "1932-03-19", "'"+value+"'", 1), `a.md:3: date is "`+value+`"; years go from 1 to 9999`)
	}
	for _, value := range []string{"0001-01-01T00:30:00Z", "0001-01-02", "9999-12-31T23:30:00Z"} {
		mustRead(t, strings.Replace(front(""), "1932-03-19", value, 1))
	}
}

// When an event is public: a day begins in the dialect's zone.
func TestMoments(t *testing.T) {
	d := Dialect{Zone: mustZone(t, "Asia/Tokyo"), Fields: map[string][]string{"expires": {"expiryDate"}}}
	e := mustReadIn(t, d, "a.md", front("published: 2025-02-01\nexpiryDate: 2025-03-01 12:00\nlast_updated: 2025-02-02"))
	for what, times := range map[string][2]time.Time{
		"published": {e.Published.Time(), time.Date(2025, 1, 31, 15, 0, 0, 0, time.UTC)},
		"expires":   {e.Expires.Time(), time.Date(2025, 3, 1, 3, 0, 0, 0, time.UTC)},
		"updated":   {e.LastUpdated.Time(), time.Date(2025, 2, 1, 15, 0, 0, 0, time.UTC)},
	} {
		if times[0] != times[1] {
			t.Errorf("%s is %v, want %v", what, times[0], times[1])
		}
	}
	if e := mustReadIn(t, Dialect{}, "a.md", front("expires: 2025-03-01")); !e.Expires.IsZero() {
		t.Error("expires has a key by default")
	}
	wantFault(t, d, "a.md", front("expiryDate: never"), `a.md:4: expires is "never"; it must be a date such as 2025-01-28 or 2025-01-28T09:30:00Z`)
	// Jekyll's way to say draft.
	for value, hidden := range map[string]bool{"false": true, "true": false, "2025-01-28": false} {
		if e := mustRead(t, front("published: "+value)); e.Draft != hidden || e.Published.IsZero() != (value != "2025-01-28") {
			t.Errorf("published: %s: draft %v, published %v", value, e.Draft, e.Published)
		}
	}
	if e := mustRead(t, front("published: true\ndraft: true")); !e.Draft {
		t.Error("no draft")
	}
}

// Months have the names of the content's language, beside English ones.
func TestMonths(t *testing.T) {
	for _, c := range []struct{ language, layout, date, want string }{
		{"de", "2. January 2006", "10. Dezember 2013", "2013-12-10"},
		{"de-AT", "2. January 2006", "3. März 2013", "2013-03-03"},
		{"de", "2. January 2006", "3. March 2013", "2013-03-03"},
		{"de", "2. Jan 2006", "3. Dez 2013", "2013-12-03"},
		{"fr", "2 January 2006", "1 février 2020", "2020-02-01"},
		{"es", "2 de January de 2006", "3 de marzo de 2013", "2013-03-03"},
		{"pl", "2 January 2006", "11 listopada 2011", "2011-11-11"},
		{"pt-BR", "2 January 2006 15:04", "5 maio 2019 10:00", "2019-05-05T10:00:00Z"},
		{"en", "2. January 2006", "10. Dezember 2013", ""},
		{"tlh", "2. January 2006", "10. Dezember 2013", ""},
		{"de", "2. January 2006", "10. Brumaire 2013", ""},
	} {
		r := NewReader(Dialect{Language: c.language, DateLayouts: []string{c.layout}})
		got, ok := r.ReadDate(c.date)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s: %q is %s, %v; want %q", c.language, c.date, got, ok, c.want)
		}
	}
}
