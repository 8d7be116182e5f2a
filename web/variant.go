package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"tocsin/feed"
)

// variantKey names the bytes of one document of a feed in one format at one moment.
type variantKey struct {
	document feed.Document
	digest   string
	updated  int64 // a feed that is as it was once has a later time than then
	format   feed.Format
}

// variant is the bytes of a feed or a page, plain and compressed, with all of their
// answers' fields that depend on nothing else. It is not changed once it is made, and
// its fields are shared by all answers.
type variant struct {
	plain, gzip encoding
	hash        string
}

// encoding is a variant's bytes in one encoding.
type encoding struct {
	body []byte
	tag  string
	// What a 200 says of them, and a 304.
	found, unmodified []field
}

// field is one field of an answer's header, under its canonical name.
type field struct {
	name   string
	values []string
}

// set enters fields into a header.
func set(h http.Header, fields []field) {
	for _, f := range fields {
		h[f.name] = f.values
	}
}

// variant returns the bytes of a feed. However many ask at once, they are made
// once.
func (s *Site) variant(f *feed.Feed, format feed.Format) (*variant, error) {
	key := variantKey{f.Document(), f.Digest, f.Updated.UnixNano(), format}
	if v, ok := s.variants.Get(key); ok {
		s.o.Kept()
		return v, nil
	}
	v, err, _ := s.making.Do(fmt.Sprintf("%q %s %d %s", key.document, key.digest, key.updated, key.format), func() (any, error) {
		if v, ok := s.variants.Get(key); ok {
			return v, nil // made between the look above and now
		}
		plain, err := f.Render(format)
		if err != nil {
			return nil, err
		}
		v, err := s.newVariant(plain, feedHeaders(f, format))
		if err == nil {
			s.o.Rendered(format, len(plain))
			s.variants.Add(key, v)
		}
		return v, err
	})
	if err != nil {
		return nil, err
	}
	return v.(*variant), nil
}

// compressionLevel is that of answers: it takes a quarter of the time of the standard
// library's usual one, for a twentieth more bytes.
const compressionLevel = 5

func (s *Site) newVariant(plain []byte, header http.Header) (*variant, error) {
	zipped, err := s.compress(plain)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(plain)
	hash := hex.EncodeToString(sum[:16])
	header.Add("Vary", "Accept-Encoding")
	header.Set("Accept-Ranges", "bytes")
	return &variant{
		plain: newEncoding(plain, `"`+hash+`"`, header),
		// Compressed, the bytes are others, so is their tag.
		gzip: newEncoding(zipped, `"`+hash+`-gzip"`, header, field{"Content-Encoding", []string{"gzip"}}),
		hash: hash,
	}, nil
}

// newEncoding works the fields of all answers out of those that every encoding has, and
// of what is this one's own.
func newEncoding(body []byte, tag string, header http.Header, more ...field) encoding {
	e := encoding{body: body, tag: tag}
	for name, values := range header {
		f := field{name, values}
		e.found = append(e.found, f)
		switch name {
		case "Content-Type", "Accept-Ranges", "Link", "X-Content-Type-Options":
			// They describe content, which the client has with them (RFC 9110, section 15.4.5).
		default:
			e.unmodified = append(e.unmodified, f)
		}
	}
	validator := field{"Etag", []string{tag}}
	e.unmodified = append(e.unmodified, validator)
	e.found = append(append(e.found, validator, field{"Content-Length", []string{strconv.Itoa(len(body))}}), more...)
	return e
}

// compressor writes gzip. It takes a megabyte, and more time to make than a small
// document takes to compress, so that Site.compressors keeps some.
type compressor struct {
	out    bytes.Buffer
	writer *gzip.Writer
}

// compress returns the bytes as gzip writes them.
func (s *Site) compress(plain []byte) ([]byte, error) {
	c, _ := s.compressors.Get().(*compressor)
	if c == nil {
		z, err := gzip.NewWriterLevel(nil, compressionLevel)
		if err != nil {
			return nil, err
		}
		c = &compressor{writer: z}
	}
	defer s.compressors.Put(c)
	c.out.Reset()
	c.writer.Reset(&c.out)
	if _, err := c.writer.Write(plain); err != nil {
		return nil, err
	}
	if err := c.writer.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(c.out.Bytes()), nil
}

// serve answers a request with the variant that the client takes best. The
// validators are strong (RFC 9110, section 8.8): the entity tag is the content's
// hash, with a suffix where the content is compressed.
func (v *variant) serve(w http.ResponseWriter, r *http.Request, modified time.Time) {
	if ofBytes(r.Header["Range"]) || len(r.Header["If-Match"]) > 0 || len(r.Header["If-Unmodified-Since"]) > 0 {
		v.servePart(w, r, modified)
		return
	}
	e := &v.plain
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		e = &v.gzip
	}
	h := w.Header()
	if v.has(r, modified) {
		set(h, e.unmodified)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	set(h, e.found)
	if !modified.IsZero() {
		h["Last-Modified"] = []string{modified.UTC().Format(http.TimeFormat)}
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(e.body) // the client is gone
	}
}

// ofBytes says that a Range header asks for a range of bytes. What asks for another
// unit is answered with everything (RFC 9110, section 14.2).
func ofBytes(values []string) bool {
	if len(values) == 0 {
		return false
	}
	unit, _, _ := strings.Cut(values[0], "=")
	return strings.EqualFold(strings.TrimSpace(unit), "bytes")
}

// has says that the client has these bytes already (RFC 9110, sections 13.1.2 and
// 13.1.3), whatever encoding it or a proxy between wrote behind the hash.
func (v *variant) has(r *http.Request, modified time.Time) bool {
	if tags := r.Header["If-None-Match"]; len(tags) > 0 {
		return slices.ContainsFunc(tags, func(t string) bool { return strings.Contains(t, v.hash) || strings.TrimSpace(t) == "*" })
	}
	since := r.Header.Get("If-Modified-Since")
	if since == "" || modified.IsZero() {
		return false
	}
	t, err := http.ParseTime(since)
	return err == nil && !modified.Truncate(time.Second).After(t)
}

// servePart answers requests for a part, and such as may be answered with 412. Both
// are for plain content: a part of compressed content is of no use to anybody.
func (v *variant) servePart(w http.ResponseWriter, r *http.Request, modified time.Time) {
	r = r.Clone(r.Context())
	if !ofBytes(r.Header["Range"]) {
		r.Header.Del("Range") // http.ServeContent would refuse it
	}
	set(w.Header(), v.plain.found)
	w.Header().Del("Content-Length") // which is that of the part
	// The list may be in several lines, of which http.ServeContent reads the first.
	if tags := strings.Join(r.Header.Values("If-None-Match"), ", "); strings.Contains(tags, v.hash) {
		r.Header.Set("If-None-Match", v.plain.tag)
	} else if tags != "" {
		r.Header.Set("If-None-Match", tags)
	}
	http.ServeContent(w, r, "", modified, bytes.NewReader(v.plain.body))
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(values []string) bool {
	star := false
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
			accepted := true
			if q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q="); ok {
				f, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
				accepted = err == nil && f > 0
			}
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				return accepted
			case "*":
				star = accepted
			}
		}
	}
	return star
}

// feedCache lets clients and proxies keep a feed for five minutes, and show an
// old one while they fetch or the server is away (RFC 5861).
const feedCache = "public, max-age=300, stale-while-revalidate=3600, stale-if-error=86400"

// allowOthers lets programs in pages of other sites read feeds, with what they need
// to ask again only for what has changed (Fetch Standard, section 3.2). A redirect
// without this would end their way.
func allowOthers(h http.Header) {
	h["Access-Control-Allow-Origin"], h["Access-Control-Expose-Headers"] = anyOrigin, exposed
}

// Shared by all answers.
var (
	anyOrigin = []string{"*"}
	exposed   = []string{"ETag, Last-Modified, Link, Content-Range"}
)

// preflight answers the question of a browser whether such a program may send
// these headers, which are not among those that everybody may.
func preflight(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	allowOthers(h)
	h.Set("Allow", "GET, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD")
	h.Set("Access-Control-Allow-Headers", "If-None-Match, If-Modified-Since, Range, If-Range, Cache-Control")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

func (s *Site) serveFeed(w http.ResponseWriter, r *http.Request) {
	allowOthers(w.Header())
	path, format, ok := feed.ParsePath(strings.TrimPrefix(r.URL.Path, feedsPath))
	if !ok || !s.serves(format) {
		s.notFound(w, r)
		return
	}
	path, archive, archived := feed.CutArchive(path)
	f := s.Feed(path)
	if path == feed.QueryPath && !archived {
		params := r.URL.Query()
		archived, archive = params.Has(feed.ArchiveParam), params.Get(feed.ArchiveParam)
		params.Del(feed.ArchiveParam)
		var err error
		if f, err = s.query(params); err != nil {
			refuse(w, err)
			return
		}
	}
	if f == nil || f.Empty() {
		if to, ok := s.successor(path); ok {
			http.Redirect(w, r, s.Feed(to).URL(format), http.StatusMovedPermanently)
			return
		}
	}
	if f != nil && s.gone(f) {
		s.refused(w, r, http.StatusGone)
		return
	}
	if f != nil && archived {
		f = f.Archive(archive)
	}
	if f == nil {
		s.notFound(w, r)
		return
	}
	v, err := s.variant(f, format)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v.serve(w, r, f.Modified)
}

// feedHeaders are those of a feed that is found.
func feedHeaders(f *feed.Feed, format feed.Format) http.Header {
	h := make(http.Header)
	allowOthers(h)
	h.Set("Content-Type", format.MediaType())
	h.Set("Cache-Control", feedCache)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Link", fmt.Sprintf(`<%s>; rel="self", <%s>; rel="alternate"; type="text/html"`, f.URL(format), f.Page))
	if hub := f.Hub(); hub != "" {
		h.Add("Link", fmt.Sprintf(`<%s>; rel="hub"`, hub)) // WebSub, section 4
	}
	return h
}

// refuse answers a query that names nothing valid with the reason.
func refuse(w http.ResponseWriter, err error) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=60")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintln(w, err)
}

func (s *Site) serves(format feed.Format) bool {
	for _, f := range s.o.Formats {
		if f == format {
			return true
		}
	}
	return false
}
