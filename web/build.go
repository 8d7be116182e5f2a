package web

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tocsin/feed"
)

// buildForm is the form that makes a query feed's address, as it was filled in.
type buildForm struct {
	// Names are the fields that take tags and actors, those of the plain wish
	// first; More are the others.
	Names, More []buildField
	// MoreOpen says that one of More is filled in.
	MoreOpen bool
	Values   url.Values
	Statuses []string

	// Error says what is wrong with the wish.
	Error string
	// Feed is the answer; nil before the question.
	Feed *feed.Feed
}

// buildField is a group of inputs of one parameter, with an empty one at the end.
type buildField struct {
	Param, Legend, Label, Kind string
	Values                     []string
}

// Number is what the input at an index is called by.
func (buildField) Number(i int) int { return i + 1 }

// Get returns the first value of a parameter.
func (f *buildForm) Get(param string) string { return f.Values.Get(param) }

// Importances are the choices of importance.
func (*buildForm) Importances() []string {
	return []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}
}

// buildParams are the parameters that the form has.
var buildParams = []string{"tag", "actor", "any_tag", "any_actor", "not_tag", "not_actor",
	"status", "location", "min_importance", "max_importance", "from", "to"}

// Bounds of the form.
const (
	maxRepeated  = 20 // values of one parameter
	maxStatuses  = 30
	buildEntries = 5
)

// given returns the parameters of the form that are not blank.
func given(v url.Values) url.Values {
	kept := make(url.Values)
	for _, param := range buildParams {
		for _, value := range v[param] {
			if value = strings.TrimSpace(value); value != "" && len(kept[param]) < maxRepeated {
				kept.Add(param, value)
			}
		}
	}
	return kept
}

// buildPage is the form, and where something is asked for the answer.
func (s *Site) buildPage(v url.Values) (*document, error) {
	v = given(v)
	form := &buildForm{Values: v, Statuses: s.statuses()}
	for _, f := range []buildField{
		{Param: "tag", Legend: "With all of these tags", Label: "Tag", Kind: "tags"},
		{Param: "actor", Legend: "With all of these actors", Label: "Actor", Kind: "actors"},
		{Param: "any_tag", Legend: "With any of these tags", Label: "Tag", Kind: "tags"},
		{Param: "any_actor", Legend: "With any of these actors", Label: "Actor", Kind: "actors"},
		{Param: "not_tag", Legend: "Without these tags", Label: "Tag", Kind: "tags"},
		{Param: "not_actor", Legend: "Without these actors", Label: "Actor", Kind: "actors"},
	} {
		f.Values = append(slices.Clone(v[f.Param]), "")
		if f.Param == "tag" || f.Param == "actor" {
			form.Names = append(form.Names, f)
		} else {
			form.More = append(form.More, f)
			form.MoreOpen = form.MoreOpen || len(f.Values) > 1
		}
	}
	d := s.data("build/", "Build your feed", nil)
	d.Script, d.NoIndex, d.Build = true, len(v) > 0, form
	if len(v) > 0 {
		f, err := s.query(v)
		if err != nil {
			form.Error = err.Error()
		} else {
			form.Feed = f
			d.Follow = s.links(f)
			d.Alternates = append(d.Follow[:len(d.Follow):len(d.Follow)], d.Alternates...)
			d.Entries, d.Total = f.Entries[:min(buildEntries, len(f.Entries))], f.Total
		}
	}
	return s.render(http.StatusOK, "build", d)
}

// statuses returns the statuses that events have, the frequent ones first.
func (s *Site) statuses() []string {
	counts := make(map[string]int)
	for _, n := range s.allEvents() {
		if n.Event.Status != "" {
			counts[n.Event.Status]++
		}
	}
	all := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	return all[:min(maxStatuses, len(all))]
}
