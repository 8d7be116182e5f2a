// Package feed makes Atom, RSS and JSON feeds of events and of the dates that
// the ledger keeps for them.
//
// It is pure: the same entries give the same bytes, whatever the machine, the
// time or the order of maps. An Entry is one revision of one event and is
// encoded once for each format; a Catalog sorts the entries into the feeds that
// they stand in and knows which feeds a change touches; a Feed is one feed at
// one moment, whose bytes are made when they are asked for.
//
// What stands in a document is put together by gorilla/feeds. Where its structs are
// too narrow (one link, one category, no published) they are embedded in wider ones
// that shadow their fields; xml.go writes these.
package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"time"

	"tocsin/timeline"
)

// Format is a feed format; its value is the ending of the feed's address.
type Format string

// The formats.
const (
	Atom Format = "atom" // RFC 4287
	RSS  Format = "rss"  // RSS 2.0
	JSON Format = "json" // JSON Feed 1.1
)

// Formats returns all formats.
func Formats() []Format { return []Format{Atom, RSS, JSON} }

// MediaType returns the Content-Type of a format.
func (f Format) MediaType() string {
	switch f {
	case Atom:
		return "application/atom+xml; charset=utf-8"
	case RSS:
		return "application/rss+xml; charset=utf-8"
	case JSON:
		return "application/feed+json"
	}
	panic("feed: no format " + string(f))
}

// Name returns a format's name as people know it.
func (f Format) Name() string {
	switch f {
	case Atom:
		return "Atom"
	case RSS:
		return "RSS"
	case JSON:
		return "JSON Feed"
	}
	panic("feed: no format " + string(f))
}

// Bounds on a feed's size. Readers give up on large ones; what stays in beyond
// Style.MaxEntries likely keeps under the first bound (with what an estimate
// errs by, under 512 KB), and no two entries pass the second.
const (
	softBytes = 380_000
	hardBytes = 4_500_000
)

// earliest is when a feed that never had an entry was updated: the first time
// that validators believe, and the same on every machine.
var earliest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// Feed is one feed at one moment. It is not changed once it is made; Updated
// and Modified are the ledger's. It is safe for concurrent use.
type Feed struct {
	// Path is the address below /feeds/ without an ending: all, tags/SLUG,
	// actors/SLUG, custom/NAME.
	Path string
	// Name is what the feed is about: the tag, the actor; empty for all events.
	Name string
	// Title and Description are those of the feed.
	Title, Description string
	// Page is the address of the page for people.
	Page string
	// Total is the number of events; Entries holds the newest of them, and of the
	// corrections that tell of them.
	Total   int
	Entries []*Entry
	// Updated is the last significant change of the feed.
	Updated time.Time
	// Modified is when the feed's bytes last changed.
	Modified time.Time
	// Digest stands for all that the bytes are made from.
	Digest string
	// Emptied is when the feed of a topic lost its last event; zero while it has any.
	Emptied time.Time

	style    *Style
	query    string   // of the address; empty but for a feed that was asked for
	all      []*Entry // all entries in their order, corrections one by one
	told     []*Entry // the same as they are told, those of a crowd as one
	archives []string // names, the oldest first; nil where Entries is everything
	archive  string   // the name of this one; empty for the current document
}

// Document names one document: the current one of a feed or an archive of it.
type Document struct{ Path, Query, Archive string }

// Document names what the feed is a document of.
func (f *Feed) Document() Document { return Document{f.Path, f.query, f.archive} }

// ID is the feed's own tag: URI. All documents of one feed have it.
func (f *Feed) ID() string {
	id := "tag:" + f.style.Authority + ":feeds/" + escapePath(f.Path)
	if f.query != "" {
		id += "?" + f.query
	}
	return id
}

// Hub is the address of the WebSub hub that is told when the feed changes; empty
// where none is: it is not told of archives, which do not, nor of queries, of which
// there are too many.
func (f *Feed) Hub() string {
	if f.archive != "" || f.query != "" {
		return ""
	}
	return f.style.Hub
}

// URL is the feed's address in a format.
func (f *Feed) URL(format Format) string { return f.url(f.archive, format) }

// FeedURL is the address of the feed with a path in a format.
func (s *Style) FeedURL(path string, format Format) string {
	return (&Feed{Path: path, style: s}).URL(format)
}

// url is the address of the current document or, with a name, of an archive.
func (f *Feed) url(archive string, format Format) string {
	path, query := f.Path, f.query
	switch {
	case archive == "":
	case query != "":
		query += "&" + ArchiveParam + "=" + archive
	default:
		path += archiveFolder + archive
	}
	if query != "" {
		query = "?" + query
	}
	return f.style.URL + "/feeds/" + escapePath(path) + "." + string(format) + query
}

// Render makes the feed's bytes.
func (f *Feed) Render(format Format) ([]byte, error) {
	var b []byte
	var err error
	switch format {
	case Atom:
		b, err = f.atom()
	case RSS:
		b, err = f.rss()
	case JSON:
		b, err = f.json()
	default:
		err = fmt.Errorf("no format %q", format)
	}
	if err != nil {
		return nil, fmt.Errorf("feed %s.%s: %w", f.Path, format, err)
	}
	return b, nil
}

// around puts the entries, which may have been encoded for other feeds, between what an
// encoder made of the rest of the feed: to hand them through the encoder would take
// most of the time of a feed. Each has before in front, and comma is between two.
func (f *Feed) around(format Format, head []byte, before, comma string, tail []byte) ([]byte, error) {
	entries := make([]piece, len(f.Entries))
	size := len(head) + len(tail)
	for i, n := range f.Entries {
		p, err := n.encoded(format)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Event.ID, err)
		}
		entries[i] = p
		size += len(before) + p.len() + len(comma)
	}
	all := append(make([]byte, 0, size), head...)
	for i, p := range entries {
		if i > 0 {
			all = append(all, comma...)
		}
		var err error
		if all, err = p.append(append(all, before...)); err != nil {
			return nil, err
		}
	}
	return append(all, tail...), nil
}

// Empty says that the feed is of a tag or actor that no public event has.
func (f *Feed) Empty() bool {
	kind, _, topic := strings.Cut(f.Path, "/")
	return topic && f.Total == 0 && timeline.TopicKind(kind).Known()
}

// newFeed makes the feed of a list as it stands.
func (s *Style) newFeed(l *list) *Feed {
	f := &Feed{Path: l.path, Name: l.name(), Total: l.events, style: s}
	switch {
	case l.custom != nil:
		f.Title, f.Page = l.custom.Title, s.URL+"/"
		f.Description = "Events of " + s.Title + ": " + l.custom.Title
	case l.path == CorrectionsPath:
		f.Title, f.Page = "Corrections – "+s.Title, s.URL+"/"
		f.Description = "Corrections and withdrawals of events of " + s.Title
	case l.topic.Kind == "":
		f.Title, f.Page = s.Title, s.URL+"/"
		f.Description = "All events of " + s.Title
	default:
		kind, slug, _ := strings.Cut(l.path, "/")
		f.Title, f.Page = f.Name+" – "+s.Title, s.TopicPage(timeline.TopicKind(kind), slug)
		f.Description = "Events of " + s.Title + " with the " + strings.TrimSuffix(kind, "s") + " " + f.Name
	}
	f.fill(l.all.share(), l.shown().share(), l.ends)
	return f
}

// fill puts all entries of a feed into it, one by one and as it tells them, both in
// their order; the slices are the feed's from then on. ends returns the bounds of what
// it tells.
func (f *Feed) fill(all, told []*Entry, ends func() *bounds) {
	f.all, f.told = all, told
	f.Entries = f.style.window(told)
	f.Updated = earliest
	if len(f.Entries) > 0 {
		f.Updated = f.Entries[0].Updated
	}
	if len(f.Entries) < len(told) && !f.style.NoArchives {
		f.archives = ends().names()
	}
	f.Digest = f.digest()
}

// window selects the entries that a feed shows: the newest MaxEntries, and all
// that changed within Window before the newest one did, so that a bulk import
// does not push everything else out. The clock has no say in it.
func (s *Style) window(all []*Entry) []*Entry {
	likely, most, exactly := 0, 0, false
	for i, n := range all {
		likely += int(n.likely)
		if i >= s.MaxEntries && (all[0].Updated.Sub(n.Updated) > s.Window || likely > softBytes) {
			return all[:i:i]
		}
		most += n.size(exactly)
		if most > hardBytes && !exactly {
			most, exactly = 0, true
			for _, n := range all[:i+1] {
				most += n.size(exactly)
			}
		}
		if most > hardBytes && i > 0 {
			return all[:i:i]
		}
	}
	return all[:len(all):len(all)]
}

// digest hashes all that the feed's bytes are made from, but for its dates,
// which follow from the digest.
func (f *Feed) digest() string {
	s := f.style
	h := sha256.New()
	write(h, s.Title, s.URL, s.Authority, s.Language, s.Author.Name, s.Author.Email, s.Author.URL,
		s.EventURL, string(s.Content), f.Hub(), s.Version, f.Path, f.Title, f.Description, f.Page, f.query, f.archive, f.previous())
	for _, n := range f.Entries {
		h.Write(n.mark[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// digest hashes what the entry's bytes are made from beside the Style.
func (n *Entry) digest() mark {
	var room [512]byte // for most, so that it is made at once and of nothing else
	b := appendTexts(room[:0], n.ID, n.Event.ID, n.Event.Revision)
	for _, t := range []time.Time{n.Published, n.Updated} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
	}
	for _, t := range n.Topics {
		b = appendTexts(b, t.Slug)
	}
	sum := sha256.Sum256(b)
	return mark(sum[:])
}

// write writes texts so that no two lists of them give the same bytes.
func write(h hash.Hash, texts ...string) { h.Write(appendTexts(nil, texts...)) }

// appendTexts appends what write writes.
func appendTexts(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = append(strconv.AppendInt(b, int64(len(t)), 10), ':')
		b = append(b, t...)
	}
	return b
}

// ParsePath cuts the address of a feed below /feeds/ into path and format.
func ParsePath(p string) (path string, format Format, ok bool) {
	i := strings.LastIndexByte(p, '.')
	if i <= 0 {
		return "", "", false
	}
	switch format := Format(p[i+1:]); format {
	case Atom, RSS, JSON:
		return p[:i], format, true
	}
	return "", "", false
}

// File is the path of the file of a feed, or of one of its archives, below a static
// folder, with slashes.
func File(path string, format Format) string { return "feeds/" + path + "." + string(format) }
