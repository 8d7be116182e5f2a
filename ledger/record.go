package ledger

import (
	"encoding/json"
	"time"

	"tocsin/event"
)

// record is the disk format of an event. A key is never renamed; a missing one
// reads as zero.
type record struct {
	ID         string         `json:"id"`
	Path       string         `json:"path"`
	Title      string         `json:"title"`
	Date       string         `json:"date"`
	Importance int            `json:"importance,omitempty"`
	Status     string         `json:"status,omitempty"`
	Location   string         `json:"location,omitempty"`
	Tags       []string       `json:"tags,omitempty"`
	Actors     []string       `json:"actors,omitempty"`
	Sources    []recordSource `json:"sources,omitempty"`
	Body       string         `json:"body,omitempty"`

	Published   time.Time `json:"published,omitzero"`
	Expires     time.Time `json:"expires,omitzero"`
	LastUpdated time.Time `json:"last_updated,omitzero"`
}

type recordSource struct {
	Title string `json:"title,omitempty"`
	URL   string `json:"url,omitempty"`
	Note  string `json:"note,omitempty"`
}

func encode(e *event.Event) ([]byte, error) {
	e, err := e.Full()
	if err != nil {
		return nil, err
	}
	r := record{
		ID: e.ID, Path: e.Path, Title: e.Title, Date: e.Date.String(), Importance: e.Importance,
		Status: e.Status, Location: e.Location, Tags: e.Tags, Actors: e.Actors, Body: e.Body,
		Published: e.Published.Time(), Expires: e.Expires.Time(), LastUpdated: e.LastUpdated.Time(),
	}
	for _, s := range e.Sources {
		r.Sources = append(r.Sources, recordSource(s))
	}
	return json.Marshal(r)
}

// decode reads an event back. Its revision is computed anew, so that another
// way to compute it makes no event look updated.
func decode(data []byte) (*event.Event, error) {
	e, err := decodeUnsealed(data)
	if err != nil {
		return nil, err
	}
	e.Seal()
	return e, nil
}

// decodeUnsealed is decode without the revision.
func decodeUnsealed(data []byte) (*event.Event, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	date, err := event.ParseDate(r.Date)
	if err != nil {
		return nil, err
	}
	e := &event.Event{
		ID: r.ID, Path: r.Path, Title: r.Title, Date: date, Importance: r.Importance,
		Status: r.Status, Location: r.Location, Tags: r.Tags, Actors: r.Actors, Body: r.Body,
		Published: event.At(r.Published), Expires: event.At(r.Expires), LastUpdated: event.At(r.LastUpdated),
	}
	for _, s := range r.Sources {
		e.Sources = append(e.Sources, event.Source(s))
	}
	return e, nil
}
