package timeline

import (
	"time"

	"tocsin/event"
)

// Record is what the world knows of one event. It is not changed once it is made: a
// change makes another.
type Record struct {
	// ID is the tag: URI (RFC 4151) that names the event in every feed and message,
	// minted once and kept.
	ID string
	// Event is the event as last told; of a withdrawn one, its last public version.
	Event *event.Event
	// Published is when the timeline first had the event public, Updated when it last
	// changed significantly (RFC 4287, sections 4.2.9 and 4.2.15).
	Published, Updated time.Time
	// Withdrawn is when the event was withdrawn; zero while it is public.
	Withdrawn time.Time
	// History is what happened to the event since, the oldest first; of a long one the
	// newest part.
	History []Past
}
