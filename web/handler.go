package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Handler serves the site. It answers GET and HEAD below the path of the
// configured address and, for proxies that take that path off, at the root.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+feedsPath, s.serveFeed)
	mux.HandleFunc("OPTIONS "+feedsPath, preflight)
	mux.HandleFunc("GET /", s.serveDocument)
	if s.prefix == "" {
		return mux
	}
	// The outer one tidies paths while they are whole, so that its redirects do
	// not lead out of the site.
	outer := http.NewServeMux()
	outer.Handle((&url.URL{Path: s.prefix + "/"}).EscapedPath(), http.StripPrefix(s.prefix, mux))
	outer.Handle("/", mux)
	return outer
}

// feedsPath is what the paths of all feeds begin with.
const feedsPath = "/feeds/"

// policy allows a page what it is made of, and nothing else.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' https:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// pageHeaders are those of everything that is not a feed. There are no others to
// harden it: the pages know nobody and keep nothing, embed nothing and are
// embedded nowhere.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// How long caches keep what is not a feed.
const (
	pageCache  = "public, max-age=60, stale-while-revalidate=600, stale-if-error=86400"
	fixedCache = "public, max-age=600, stale-while-revalidate=86400, stale-if-error=86400"
)

// serveDocument answers with what stands at an address that is no feed's.
func (s *Site) serveDocument(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if path != "" && !strings.HasSuffix(path, "/") && s.isPage(path+"/") {
		// One page has one address, the one with the slash.
		to := s.prefix + r.URL.EscapedPath() + "/"
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, to, http.StatusMovedPermanently)
		return
	}
	var doc *document
	var m *variant
	var err error
	switch {
	case path == "find/" && r.URL.RawQuery != "":
		doc, m, err = s.ready(s.findPage(r.URL.Query().Get("q")))
	case path == "build/" && r.URL.RawQuery != "":
		doc, m, err = s.ready(s.buildPage(r.URL.Query()))
	default:
		doc, m, err = s.kept(path)
	}
	switch {
	case err != nil:
		s.fail(w, r, err)
	case m != nil:
		s.send(w, r, m)
	case doc.status == http.StatusMovedPermanently:
		http.Redirect(w, r, doc.to, doc.status)
	default:
		s.sendMissing(w, doc)
	}
}

// kept returns what stands at a path, ready to be served where there is something.
// However many ask at once, it is made once, and kept until the next Update.
func (s *Site) kept(path string) (*document, *variant, error) {
	x := s.indexed() // before anything is read: what is made of later events is not kept as its own
	if m := x.pages.get(path); m != nil {
		return nil, m, nil
	}
	type answer struct {
		doc *document
		m   *variant
	}
	v, err, _ := s.making.Do(fmt.Sprintf("document %p %q", x, path), func() (any, error) {
		doc, m, err := s.ready(s.document(path))
		if m != nil && !doc.fleeting {
			x.pages.keep(path, m)
		}
		return answer{doc, m}, err
	})
	if err != nil {
		return nil, nil, err
	}
	return v.(answer).doc, v.(answer).m, nil
}

// ready compresses a document that is one.
func (s *Site) ready(doc *document, err error) (*document, *variant, error) {
	if err != nil || doc.status != http.StatusOK {
		return doc, nil, err
	}
	v, err := s.newVariant(doc.body, documentHeaders(doc))
	return doc, v, err
}

// documentHeaders are those of a document that is found.
func documentHeaders(doc *document) http.Header {
	h := make(http.Header)
	pageHeaders(h)
	h.Set("Content-Type", doc.mime)
	h.Set("Cache-Control", documentCache(doc.mime))
	return h
}

// documentCache is how long caches keep a document of a media type.
func documentCache(mime string) string {
	switch mime {
	case opmlType:
		return feedCache
	case htmlType:
		return pageCache
	}
	return fixedCache
}

func (s *Site) send(w http.ResponseWriter, r *http.Request, m *variant) {
	// No feed's time is a page's: it may change with an event that is too old for
	// all feeds. The entity tag says it all.
	m.serve(w, r, time.Time{})
}

func (s *Site) sendMissing(w http.ResponseWriter, doc *document) {
	h := w.Header()
	pageHeaders(h)
	h.Set("Content-Type", doc.mime)
	h.Set("Content-Length", strconv.Itoa(len(doc.body)))
	h.Set("Cache-Control", pageCache)
	w.WriteHeader(doc.status)
	_, _ = w.Write(doc.body) // the client is gone
}

func (s *Site) notFound(w http.ResponseWriter, r *http.Request) { s.refused(w, r, http.StatusNotFound) }

// refused answers with a page where there is no feed, or none any more.
func (s *Site) refused(w http.ResponseWriter, r *http.Request, status int) {
	doc, err := s.missing(status, strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.sendMissing(w, doc)
}

func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.o.Logger.Error("a page could not be made", "path", r.URL.Path, "err", err)
	http.Error(w, "tocsin could not make this page; its log says why", http.StatusInternalServerError)
}
