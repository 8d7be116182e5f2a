package event

import "time"

// Moment is a point in time in whole seconds, in a third of the memory that a time.Time
// takes; zero is none.
type Moment struct{ seconds int64 } // since the beginning of the year 1 in UTC

// yearOne is that beginning in seconds since 1970.
const yearOne = -62135596800

// At returns the moment of a time, without its fraction of a second; of the zero time
// none.
func At(t time.Time) Moment { return Moment{t.Unix() - yearOne} }

// Time returns the moment as a time in UTC; that of none is zero.
func (m Moment) Time() time.Time { return time.Unix(m.seconds+yearOne, 0).UTC() }

// IsZero says that the moment is none.
func (m Moment) IsZero() bool { return m == Moment{} }

// Seconds is how many there were since the beginning of the year 1; 0 of none.
func (m Moment) Seconds() int64 { return m.seconds }

// AfterSeconds returns the moment after so many Seconds.
func AfterSeconds(n int64) Moment { return Moment{n} }
