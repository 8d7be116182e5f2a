package feed

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// A feed shows its newest entries. Where that is not all of them, the rest can be
// had from archive documents (RFC 5005, section 4), each linked from the one
// before it. Archives hold every entry, in the order in which the timeline first
// had them, so that a new event goes to the end of the last one and an edit changes
// none but its own. Where one ends depends on its own entries alone: a withdrawal,
// or an event that comes between, moves no other's bounds.

// archiveFolder stands between a feed's path and the name of an archive.
const archiveFolder = "/archive/"

// ArchiveParam is the parameter of a query that names an archive.
const ArchiveParam = "archive"

// DocumentPath is the path of a document below /feeds/ without an ending: the
// feed's, or the archive's.
func (f *Feed) DocumentPath() string {
	if f.archive == "" {
		return f.Path
	}
	return f.Path + archiveFolder + f.archive
}

// ArchiveDir is the folder of a feed's archives below a static one.
func ArchiveDir(path string) string { return "feeds/" + path + strings.TrimSuffix(archiveFolder, "/") }

// CutArchive cuts the path of an archive into the feed's and its name.
func CutArchive(path string) (feed, name string, ok bool) { return strings.Cut(path, archiveFolder) }

// firstArchive is the name of the oldest archive. Another is named by the entry
// that ends the one before it.
const firstArchive = "first"

// archiveBytes is how long an archive is on average, about.
const archiveBytes = 128 << 10

// ends says that an archive ends behind an entry: by chance, of its id, the more
// likely the longer it is (in powers of two, so that few edits move a bound).
func (n *Entry) ends() bool {
	odds := 1 << bits.Len32(uint32(n.likely))
	chance := n.chance()
	return int(binary.BigEndian.Uint32(chance[:]))%archiveBytes < odds
}

// chance is of the id alone.
func (n *Entry) chance() [sha256.Size]byte { return sha256.Sum256([]byte(n.ID)) }

// name is that of the archive that begins behind an entry.
func (n *Entry) name() string {
	chance := n.chance()
	return hex.EncodeToString(chance[4:12])
}

// since is the order of archives.
func since(a, b *Entry) int {
	return cmp.Or(a.Published.Compare(b.Published), cmp.Compare(a.ID, b.ID))
}

// bounds is where the archives of a list of entries end. Its zero value is that of
// no entries.
type bounds struct {
	ends   []*Entry // those that end one, in the order of archives
	newest *Entry   // the last of all, behind which there is nothing yet
}

// newBounds returns the bounds of entries.
func newBounds(entries []*Entry) bounds {
	var b bounds
	for _, n := range entries {
		if n.closes {
			b.ends = append(b.ends, n)
		}
		b.last(n)
	}
	slices.SortFunc(b.ends, since)
	return b
}

// last makes n the newest if it is.
func (b *bounds) last(n *Entry) {
	if b.newest == nil || since(n, b.newest) > 0 {
		b.newest = n
	}
}

// insert enters one more entry.
func (b *bounds) insert(n *Entry) {
	if n.closes {
		i, _ := slices.BinarySearchFunc(b.ends, n, since)
		b.ends = slices.Insert(b.ends, i, n)
	}
	b.last(n)
}

// remove takes one out; left are the others.
func (b *bounds) remove(n *Entry, left []*Entry) {
	if i, ok := slices.BinarySearchFunc(b.ends, n, since); ok {
		b.ends = slices.Delete(b.ends, i, i+1)
	}
	if b.newest == n {
		b.newest = nil
		for _, n := range left {
			b.last(n)
		}
	}
}

// names returns the names of the archives, the oldest first.
func (b *bounds) names() []string {
	names := make([]string, 1, len(b.ends)+1)
	names[0] = firstArchive
	for _, n := range b.ends {
		if n != b.newest {
			names = append(names, n.name())
		}
	}
	return names
}

// previous is the name of the archive that a document links to; empty for none.
func (f *Feed) previous() string {
	if f.archive == "" {
		if len(f.archives) == 0 {
			return ""
		}
		return f.archives[len(f.archives)-1]
	}
	if i := slices.Index(f.archives, f.archive); i > 0 {
		return f.archives[i-1]
	}
	return ""
}

// cut sorts all that a feed has to show into its archives, the oldest first.
func (f *Feed) cut() [][]*Entry {
	entries := slices.Clone(f.told)
	slices.SortFunc(entries, since)
	cut := make([][]*Entry, 0, len(f.archives))
	begin := 0
	for i, n := range entries {
		if n.closes || i == len(entries)-1 {
			cut = append(cut, entries[begin:i+1])
			begin = i + 1
		}
	}
	return cut
}

// Archives returns the archive documents of the feed, the oldest first; none where
// the feed shows all of its entries.
func (f *Feed) Archives() []*Feed {
	if len(f.archives) == 0 {
		return nil
	}
	var all []*Feed
	for i, entries := range f.cut() {
		all = append(all, f.document(f.archives[i], entries))
	}
	return all
}

// Archive returns one archive document; nil where there is none of that name.
func (f *Feed) Archive(name string) *Feed {
	i := slices.Index(f.archives, name)
	if i < 0 {
		return nil
	}
	return f.document(name, f.cut()[i])
}

// document makes an archive. When its bytes last changed is not known.
func (f *Feed) document(name string, entries []*Entry) *Feed {
	a := *f
	a.archive, a.Modified = name, time.Time{}
	a.Entries = slices.SortedFunc(slices.Values(entries), order)
	a.Updated = a.Entries[0].Updated
	a.Digest = a.digest()
	return &a
}

// nsHistory is the namespace of RFC 5005.
const nsHistory = "http://purl.org/syndication/history/1.0"

// links are those that a document of a feed has in Atom and, as atom:link, in RSS:
// itself, its place among the archives (RFC 5005, section 4), and its hub.
func (f *Feed) links(format Format) []atomLink {
	media := mediaType(format)
	links := []atomLink{{Rel: "self", Type: media, Href: f.URL(format)}}
	if f.archive != "" {
		links = append(links, atomLink{Rel: "current", Type: media, Href: f.url("", format)})
	}
	if name := f.previous(); name != "" {
		links = append(links, atomLink{Rel: "prev-archive", Type: media, Href: f.url(name, format)})
	}
	if hub := f.Hub(); hub != "" {
		links = append(links, atomLink{Rel: "hub", Href: hub}) // WebSub, section 4
	}
	return links
}

func mediaType(format Format) string {
	before, _, _ := bytes.Cut([]byte(format.MediaType()), []byte(";"))
	return string(before)
}

// archived is fh:archive, an empty element, in archive documents.
func (f *Feed) archived() *struct{} {
	if f.archive == "" {
		return nil
	}
	return &struct{}{}
}
