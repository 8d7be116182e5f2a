package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"tocsin/feed"
)

// Handler serves the site. It answers GET and HEAD below the path of the
// configured address and, for proxies that take that path off, at the root.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /feeds/{path...}", s.serveFeed)
	mux.HandleFunc("GET /feeds.opml", s.serveOPML)
	mux.HandleFunc("GET /style.css", s.serveStyle)
	mux.HandleFunc("GET /", s.servePage)
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

// policy allows a page what it is made of, and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src 'self' https:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

func (s *Site) servePage(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	status, body, err := s.page(path)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	switch {
	case status == http.StatusMovedPermanently:
		http.Redirect(w, r, string(body), status)
		return
	case status == http.StatusOK && path != "" && !strings.HasSuffix(path, "/"):
		// One page has one address, the one with the slash.
		http.Redirect(w, r, s.prefix+r.URL.EscapedPath()+"/", http.StatusMovedPermanently)
		return
	}
	h := w.Header()
	pageHeaders(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=60")
	if status != http.StatusOK {
		w.WriteHeader(status)
	}
	_, _ = w.Write(body) // the client is gone
}

func (s *Site) notFound(w http.ResponseWriter, r *http.Request) { s.refused(w, r, http.StatusNotFound) }

// refused answers with a page where there is nothing else, or nothing any more.
func (s *Site) refused(w http.ResponseWriter, r *http.Request, status int) {
	_, body, err := s.missing(status)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	pageHeaders(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.o.Logger.Error("a page could not be made", "path", r.URL.Path, "err", err)
	http.Error(w, "tocsin could not make this page; its log says why", http.StatusInternalServerError)
}

func (s *Site) serveStyle(w http.ResponseWriter, _ *http.Request) {
	css, err := files.ReadFile("page/style.css")
	if err != nil {
		panic(err) // it is embedded
	}
	h := w.Header()
	pageHeaders(h)
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(css)
}

func (s *Site) serveOPML(w http.ResponseWriter, r *http.Request) {
	body, err := s.opml()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/x-opml; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", feedCache)
	v, err := newVariant(body)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	// No feed's time is the list's: a tag may get its feed from an event that is
	// too old for all others. The entity tag says it all.
	v.serve(w, r, time.Time{})
}

func (s *Site) opml() ([]byte, error) {
	return feed.OPML(s.o.Style, s.indexed().all, s.o.Formats[0])
}
