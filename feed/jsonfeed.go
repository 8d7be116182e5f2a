package feed

import (
	"bytes"
	"encoding/json"

	"github.com/gorilla/feeds"

	"tocsin/timeline"
)

// jsonFeed is the library's JSON Feed 1.1 with a place for items that were encoded
// before; the version requires items also where there are none.
type jsonFeed struct {
	*feeds.JSONFeed
	Items []int `json:"items"`
}

type jsonItem struct {
	*feeds.JSONItem
	PublishedDate string          `json:"date_published"`
	ModifiedDate  string          `json:"date_modified"`
	Language      string          `json:"language,omitempty"`
	Event         *jsonEvent      `json:"_event,omitempty"`
	Correction    *jsonCorrection `json:"_correction,omitempty"`
}

// jsonEvent is the extension _event: what the other formats say by categories,
// links and ev:startdate.
type jsonEvent struct {
	Date       string       `json:"date"`
	Importance int          `json:"importance,omitempty"`
	Status     string       `json:"status,omitempty"`
	Location   string       `json:"location,omitempty"`
	Tags       []string     `json:"tags,omitempty"`
	Actors     []string     `json:"actors,omitempty"`
	Sources    []jsonSource `json:"sources,omitempty"`
	Revision   string       `json:"revision,omitempty"`
}

type jsonSource struct {
	Title string `json:"title,omitempty"`
	URL   string `json:"url,omitempty"`
}

// jsonCorrection is the extension _correction, of entries that tell of a change:
// what happened to the event, or to how many.
type jsonCorrection struct {
	Kind  timeline.Kind   `json:"kind,omitempty"`
	Edits []timeline.Edit `json:"edits,omitempty"`
	Of    int             `json:"of,omitempty"`
}

func (n *Entry) json() ([]byte, error) {
	item, sources, err := n.item()
	if err != nil {
		return nil, err
	}
	converted := (&feeds.JSON{Feed: &feeds.Feed{Items: []*feeds.Item{item}}}).JSONFeed().Items[0]
	if n.style.Content == Summary {
		converted.ContentText = item.Description
	}
	for _, t := range n.Topics {
		converted.Tags = append(converted.Tags, t.Name)
	}
	x := jsonItem{
		JSONItem:      converted,
		PublishedDate: stamp(n.Published),
		ModifiedDate:  stamp(n.Updated),
		Language:      n.style.Language,
	}
	if e := n.Event; e != nil {
		x.Event = &jsonEvent{
			Date: e.Date.String(), Importance: e.Importance, Status: e.Status, Location: e.Location,
			Tags: e.Tags, Actors: e.Actors, Revision: e.Revision,
		}
		if n.Correction != nil {
			x.Event.Revision = "" // of an event that was never as it stands here
		}
		for _, s := range sources {
			if s.URL != "" && converted.ExternalUrl == "" {
				converted.ExternalUrl = s.URL
			}
			x.Event.Sources = append(x.Event.Sources, jsonSource{Title: s.Title, URL: s.URL})
		}
	}
	if c := n.Correction; c != nil {
		x.Correction = &jsonCorrection{Kind: c.Kind, Edits: c.Edits, Of: len(c.Of)}
		if c.Of != nil {
			x.Correction.Kind = ""
		}
	}
	b, err := plainJSON(x)
	return bytes.TrimSuffix(b, []byte("\n")), err // of which items have none between them
}

func (f *Feed) json() ([]byte, error) {
	converted := (&feeds.JSON{Feed: f.library()}).JSONFeed()
	converted.FeedUrl = f.URL(JSON)
	if name := f.previous(); name != "" {
		converted.NextUrl = f.url(name, JSON)
	}
	converted.Language = f.style.Language
	// The deprecated author says no more than authors does.
	converted.Author = nil
	converted.Authors = []*feeds.JSONAuthor{{Name: f.style.Author.Name, Url: f.style.Author.URL}}
	if hub := f.Hub(); hub != "" {
		converted.Hubs = []*feeds.JSONHub{{Type: "WebSub", Url: hub}}
	}
	rest, err := plainJSON(jsonFeed{JSONFeed: converted, Items: []int{0}})
	if err != nil {
		return nil, err
	}
	const items = `"items":[` // no text has quotes that are not escaped
	at := bytes.Index(rest, []byte(items+"0")) + len(items)
	return f.around(JSON, rest[:at], "", ",", rest[at+1:])
}

// plainJSON encodes without escaping HTML, which JSON has no need of.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}
