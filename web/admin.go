package web

import (
	"fmt"
	"html/template"
	"net/http"
)

// Admin is what the operator sees: /healthz says that the process lives, /readyz
// whether it does its work, and / what there is.
type Admin struct {
	// Ready returns why the process does not do its work, or nil.
	Ready func() error
	// Pages are what there is beside that, in the order in which / lists them.
	Pages []AdminPage
}

// AdminPage is something for the operator.
type AdminPage struct {
	// Path is where it is, such as /metrics; with a slash at its end, such as
	// /queue/, it is all below.
	Path string
	// About says in a line what it is.
	About string
	// Handler is given the whole path.
	Handler http.Handler
}

// Handler returns what serves all of it.
func (a Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := a.Ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	for _, p := range a.Pages {
		mux.Handle(p.Path, p.Handler)
	}
	list := append([]AdminPage{
		{Path: "/healthz", About: "whether the process lives"},
		{Path: "/readyz", About: "whether it does its work, or why not"},
	}, a.Pages...)
	index := template.Must(template.New("").Parse(adminIndex))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_ = index.Execute(w, list) // what fails is the connection
	})
	return mux
}

const adminIndex = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>tocsin</title>
<h1>tocsin</h1>
<ul>
{{- range .}}
<li><a href="{{.Path}}">{{.Path}}</a> {{.About}}</li>
{{- end}}
</ul>
</html>
`

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}
