package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tocsin/feed"
)

// variantKey names the bytes of one feed in one format at one moment.
type variantKey struct {
	url, digest string
	updated     int64 // a feed that is as it was once has a later time than then
	format      feed.Format
}

// variant is a feed's bytes, plain and compressed, with their validator.
type variant struct {
	plain, gzip []byte
	hash        string
}

// variant returns the bytes of a feed. However many ask at once, they are made
// once.
func (s *Site) variant(f *feed.Feed, format feed.Format) (*variant, error) {
	key := variantKey{f.URL(format), f.Digest, f.Updated.UnixNano(), format}
	if v, ok := s.variants.Get(key); ok {
		s.o.Kept()
		return v, nil
	}
	v, err, _ := s.making.Do(fmt.Sprintf("%q %s %d %s", key.url, key.digest, key.updated, key.format), func() (any, error) {
		if v, ok := s.variants.Get(key); ok {
			return v, nil // made between the look above and now
		}
		plain, err := f.Render(format)
		if err != nil {
			return nil, err
		}
		v, err := newVariant(plain)
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

func newVariant(plain []byte) (*variant, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(plain)
	return &variant{plain: plain, gzip: b.Bytes(), hash: hex.EncodeToString(sum[:16])}, nil
}

// serve answers a request with the variant that the client takes best. The
// validators are strong (RFC 9110, section 8.8): the entity tag is the content's
// hash, with a suffix where the content is compressed.
func (v *variant) serve(w http.ResponseWriter, r *http.Request, modified time.Time) {
	body, tag := v.plain, `"`+v.hash+`"`
	h := w.Header()
	r = r.Clone(r.Context())
	if unit, _, _ := strings.Cut(r.Header.Get("Range"), "="); !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		// What asks for another unit is answered with everything (RFC 9110, section
		// 14.2); http.ServeContent would refuse it.
		r.Header.Del("Range")
	}
	h.Add("Vary", "Accept-Encoding")
	// A part of compressed content is of no use to anybody, so a request for a
	// part is one for plain content; so is one that may be answered with 412,
	// which has no content of the length said here.
	if acceptsGzip(r.Header.Values("Accept-Encoding")) && r.Header.Get("Range") == "" &&
		r.Header.Get("If-Match") == "" && r.Header.Get("If-Unmodified-Since") == "" {
		body, tag = v.gzip, `"`+v.hash+`-gzip"`
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	h.Set("ETag", tag)
	// The list may be in several lines, of which http.ServeContent reads the first.
	if inm := strings.Join(r.Header.Values("If-None-Match"), ", "); strings.Contains(inm, v.hash) {
		// The client has these bytes, whatever encoding it or a proxy between
		// wrote behind the hash.
		r.Header.Set("If-None-Match", tag)
	} else if inm != "" {
		r.Header.Set("If-None-Match", inm)
	}
	http.ServeContent(w, r, "", modified, bytes.NewReader(body))
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
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "ETag, Last-Modified, Link, Content-Range")
}

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
	path, format, ok := feed.ParsePath(r.PathValue("path"))
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
	h := w.Header()
	h.Set("Content-Type", format.MediaType())
	h.Set("Cache-Control", feedCache)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Link", fmt.Sprintf(`<%s>; rel="self", <%s>; rel="alternate"; type="text/html"`, f.URL(format), f.Page))
	if hub := f.Hub(); hub != "" {
		h.Add("Link", fmt.Sprintf(`<%s>; rel="hub"`, hub)) // WebSub, section 4
	}
	v.serve(w, r, f.Modified)
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
