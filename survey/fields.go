package survey

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// names are what people call each field, the most telling first, in plain form.
var names = map[string][]string{
	"title": {
		"title", "headline", "titel", "titre", "titulo", "título", "titolo", "subject", "betreff", "heading", "überschrift", "ueberschrift",
		"name", "event", "incident", "what", "label", "shortdescription",
	},
	"date": {
		"date", "eventdate", "dateofevent", "incidentdate", "occurred", "occurredat", "occurredon", "occurrencedate", "happened",
		"happenedat", "happenedon", "when", "datum", "fecha", "dato", "data", "wann", "quand", "cuando", "day", "tag", "jour",
		"start", "startdate", "startedat", "starttime", "started", "startsat", "begin", "begins", "began", "beginn", "debut", "inicio",
		"announced", "announcedat", "announcedon", "announcementdate", "disclosed", "disclosedat", "disclosedon", "disclosuredate",
		"reported", "reportedat", "reportedon", "reportdate", "detected", "detectedat", "discovered", "discoveredat",
		"released", "releasedat", "releasedate", "release", "issued", "issuedat", "issuedate", "effective", "effectivedate",
		"published", "publishedat", "publishedon", "publishdate", "pubdate", "publicationdate", "datepublished",
		"veröffentlicht", "veroeffentlicht", "posted", "postedat", "postedon", "postdate", "created", "createdat", "createdon",
		"creationdate", "datecreated", "datetime", "timestamp", "time", "year", "jahr",
	},
	"last_updated": {
		"lastupdated", "lastupdatedat", "updated", "updatedat", "updatedon", "lastmod", "lastmodified", "lastmodifiedat", "modified",
		"modifiedat", "modifieddate", "datemodified", "moddate", "lastchange", "revised", "revisedat", "lastrevised", "lastupdate", "aktualisiert", "geändert",
		"geaendert", "misajour", "actualizado",
	},
	"published": {
		"publishdate", "published", "publishedat", "publishedon", "publicationdate", "pubdate", "datepublished", "posted", "postedat",
		"veröffentlicht", "veroeffentlicht",
	},
	"expires": {"expirydate", "expires", "expiresat", "expireson", "expirationdate", "expiry", "unpublishdate", "withdrawn", "withdrawnat"},
	"draft":   {"draft", "isdraft", "unpublished", "entwurf", "brouillon", "borrador"},
	"id": {
		"id", "eventid", "incidentid", "advisoryid", "uid", "uuid", "guid", "identifier", "ghsaid", "cveid", "cve", "kennung",
	},
	"importance": {
		"importance", "severity", "wichtigkeit", "schweregrad", "gravité", "gravite", "sévérité", "severite", "gravedad", "severidad",
		"importancia", "importanz", "criticality", "priority", "priorität", "prioritaet", "prioridad", "priorité", "urgency", "impact",
		"significance", "cvss", "cvssvector", "vector", "cvssscore", "basescore", "sev", "prio", "level", "risk", "score", "rating",
		"magnitude", "stufe",
	},
	"status": {
		"status", "verificationstatus", "eventstatus", "incidentstatus", "currentstatus", "state", "estado", "statut", "etat", "stato",
		"zustand", "phase", "stage", "resolved", "isresolved", "fixed", "isfixed", "solved", "gelöst", "geloest", "behoben", "résolu",
		"resuelto", "closed", "verified", "confirmed", "patched",
	},
	"tags": {
		"tags", "tag", "keywords", "keyword", "labels", "topics", "topic", "schlagworte", "schlagwörter", "schlagwoerter", "stichworte",
		"stichwörter", "themen", "thema", "etiquetas", "étiquettes", "etiquettes", "motsclés", "motscles", "mots-clés", "sujets", "categories", "category",
		"kategorien", "kategorie", "categorias", "categorías", "affected", "affectedsystems", "affectedservices", "affectedcomponents",
		"components", "component", "services", "service", "systems", "system", "betroffen", "ecosystems", "ecosystem", "subjects",
		"themes", "theme", "areas", "area", "sectors", "sector", "kinds", "kind", "types", "type",
		"informational",
	},
	"actors": {
		"actors", "actor", "people", "persons", "person", "who", "wer", "organizations", "organisations", "organization",
		"organisation", "orgs", "org", "entities", "entity", "participants", "attendees", "speakers", "figures", "parties", "involved", "companies", "company", "vendors",
		"vendor", "teams", "team", "agencies", "agency", "departments", "department", "akteure", "akteur", "beteiligte", "personen",
		"acteurs", "personnes", "actores", "personas", "firmen", "firma", "packages", "package", "products", "product", "projects",
		"project", "software", "modules", "module", "crate", "owners", "owner", "authors", "author",
		"credits", "credit",
	},
	"location": {
		"location", "locations", "place", "places", "city", "ort", "stadt", "lieu", "lugar", "ciudad", "ville", "where", "wo", "venue",
		"region", "country", "land", "pays", "país", "pais", "site", "datacenter",
	},
	"summary": {
		"summary", "zusammenfassung", "description", "beschreibung", "abstract", "excerpt", "lead", "lede", "teaser", "resumen",
		"résumé", "resume", "descripción", "descripcion", "details", "text", "subtitle", "untertitel",
	},
	"sources": {
		"sources", "source", "references", "reference", "refs", "ref", "links", "link", "urls", "url", "quellen", "quelle", "fuentes",
		"citations", "citation", "externalurl", "sourceurl", "sourcelink", "advisoryurl",
	},
}

// otherDates are the names of dates at which an event did not happen.
var otherDates = regexp.MustCompile(`updat|modif|lastmod|revis|expir|^end|ended|until|resolv|withdraw|patch|fixed|closed|due|deadline|birth|review|archiv|aktualis|änder|aender`)

// order is that in which fields take their keys: what fits several goes to the
// first.
var order = []string{
	"date", "title", "last_updated", "published", "expires", "draft", "importance", "id", "tags", "actors", "status", "location",
	"sources", "summary",
}

// choose proposes candidates for all fields.
func (s *surveyor) choose() {
	s.language()
	for _, field := range order {
		var chosen []string
		for _, u := range s.candidates(field) {
			if s.adds(field, chosen, u) {
				chosen = append(chosen, u.key)
				s.taken[u.key] = true
			}
		}
		switch field {
		case "date":
			s.layouts(chosen)
			chosen = s.datePaths(chosen, pathDates)
			chosen = s.dateTexts(chosen)
			exact := len(chosen)
			if !slices.ContainsFunc(chosen, isPath) {
				chosen = s.datePaths(chosen, coarseDates)
			}
			if len(chosen) > exact {
				s.p.Notes["date"] = append(s.p.Notes["date"], "a path that says no day is taken for the first one")
			}
			if slices.ContainsFunc(chosen, func(c string) bool { return strings.Contains(c, "January|") }) {
				s.p.Dialect.DateLayouts = append(s.p.Dialect.DateLayouts, monthFolder)
			}
		case "title":
			chosen = s.titlePlaces(chosen)
		case "id":
			chosen = s.idPaths(chosen)
		case "importance":
			chosen = s.importanceWords(chosen)
		case "published":
			// Who has Hugo hide what is not due yet expects that of dates, too.
			if u := s.key("publishDate"); len(chosen) == 1 && u != nil && chosen[0] == u.key && s.key("date") != nil && u.share(s.isRecent) == 1 {
				chosen = append(chosen, "date")
			}
			// The day of the event is that of its publication too where nothing else
			// is said.
			for _, c := range s.p.Dialect.Fields["date"] {
				if u := s.key(c); len(chosen) == 0 && u != nil && slices.Contains(names["published"], u.name) {
					chosen = []string{c}
				}
			}
		}
		if len(chosen) == 0 && s.key(field) == nil && field != "expires" {
			chosen = []string{field} // where new events may have it
		}
		s.p.Dialect.Fields[field] = chosen
	}
	s.split()
	s.statusWords()
}

func isPath(c string) bool { return strings.HasPrefix(c, "path:") }

// isRecent says that a value is a date at which there were web pages.
func (s *surveyor) isRecent(n *yaml.Node) bool {
	return s.isDate(n) && strings.TrimSpace(n.Value) > "1990"
}

// idPaths adds the folder of which a file is the page.
func (s *surveyor) idPaths(chosen []string) []string {
	pages := make(map[string]bool)
	for _, d := range s.docs {
		base := path.Base(d.path)
		if noEvent.MatchString(base) && base != d.path {
			pages[base] = true
		}
	}
	for _, base := range slices.Sorted(maps.Keys(pages)) {
		chosen = append(chosen, "path:^(.*)/"+regexp.QuoteMeta(base)+"$")
	}
	return chosen
}

// key returns the use of a key; nil where there is none.
func (s *surveyor) key(key string) *use {
	for _, u := range s.uses {
		if u.key == key {
			return u
		}
	}
	return nil
}

// adds says that files have u and none of the candidates before it: any file where
// an event needs the field, else so many that it is no whim.
func (s *surveyor) adds(field string, chosen []string, u *use) bool {
	n := 0
	for _, d := range u.docs {
		if !slices.ContainsFunc(chosen, d.has) {
			n++
		}
	}
	if field == "title" || field == "date" || u.key == field {
		return n > 0
	}
	return n > 0 && 50*n >= len(s.docs)
}

// candidates returns the keys that may hold a field, the best first: by their names,
// then those that are less deep, then those in more files.
func (s *surveyor) candidates(field string) []*use {
	type ranked struct {
		*use
		rank int
	}
	var all []ranked
	for _, u := range s.uses {
		rank := s.rank(field, u)
		if rank >= 0 && !s.taken[u.key] && s.fits(field, u) {
			all = append(all, ranked{u, rank})
		}
	}
	if field == "date" && len(all) == 0 {
		for _, u := range s.uses {
			if !u.listed && !otherDates.MatchString(u.name) && u.share(s.isDate) >= 0.8 && u.share(isYear) < 0.2 {
				all = append(all, ranked{u, len(s.docs) - len(u.docs)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.depth, b.depth), cmp.Compare(len(b.docs), len(a.docs)))
	})
	var uses []*use
	for _, c := range all {
		uses = append(uses, c.use)
	}
	return uses
}

// generic are names that say nothing without what is around them.
var generic = []string{"name", "fullname", "displayname", "title", "label", "value", "text", "id", "slug"}

// rank is how telling a key's name is for a field, from 0; -1 where it is not. Of
// the items of a list the list's name counts.
func (s *surveyor) rank(field string, u *use) int {
	name := u.name
	if u.depth > 1 && slices.Contains(generic, name) && (u.listed || field != "title" && field != "id" && field != "summary") {
		name = u.parent()
	}
	if i := slices.Index(names[field], name); i >= 0 || u.last == name {
		return i
	}
	// The last word says what it is: advisory_title, incidentSeverity.
	if u.listed || slices.Contains(vague, u.last) || notItself.MatchString(name) || field == "date" && otherDates.MatchString(name) {
		return -1
	}
	if i := slices.Index(names[field], u.last); i >= 0 {
		return len(names[field]) + i
	}
	return -1
}

// vague are names that say nothing as the last word of another.
var vague = []string{
	"name", "label", "event", "incident", "what", "text", "data", "day", "time", "year", "who", "id", "type", "kind", "score", "level", "land", "tag",
	"site", "where", "wo", "wer", "start", "begin", "lead", "link", "url",
}

// notItself matches names of what is about an image, a search engine and the like.
var notItself = regexp.MustCompile(`image|img|photo|cover|banner|thumb|logo|icon|avatar|seo|og|twitter|meta|page|site|canonical|reading`)

// fits says that the values of a key can be a field's.
func (s *surveyor) fits(field string, u *use) bool {
	scalar := !u.listed && u.share(isScalar) >= 0.9
	switch field {
	case "title":
		return scalar && length(u) <= 200 && u.share(isFlag) == 0 && u.share(isNumber) < 0.5 && u.share(s.isDate) < 0.5 &&
			(u.name != "event" && u.name != "incident" && u.name != "name" && u.name != "label" || 2*u.distinct() > len(u.docs))
	case "date":
		return !u.listed && u.share(s.isDate) >= 0.5 && (u.share(isYear) < 0.5 || u.name == "year" || u.name == "jahr")
	case "last_updated":
		return !u.listed && u.share(s.isDate) >= 0.5
	case "published":
		return !u.listed && u.share(func(n *yaml.Node) bool { return isBool(n) || s.isDate(n) }) >= 0.95
	case "expires":
		return !u.listed && u.share(s.isDate) >= 0.95
	case "draft":
		return !u.listed && u.share(isFlag) >= 0.95
	case "importance":
		return !u.branch && u.share(s.isDate) < 0.5
	case "id":
		return scalar && length(u) <= 100 && u.distinct() == len(u.docs)
	case "tags", "actors":
		return !s.glued(u) && length(u) <= 60 && u.share(isFlag) == 0 && u.share(s.isDate) < 0.5 && u.share(isLink) < 0.5 &&
			(u.name != "type" && u.name != "kind" || u.distinct() > 1)
	case "status":
		return scalar && length(u) <= 40 && u.share(s.isDate) < 0.5 && u.share(isNumber) < 0.5 && (u.distinct() <= 12 || 3*u.distinct() <= len(u.docs)) &&
			(!strings.HasSuffix(u.name, "ed") || u.share(isFlag) > 0.5)
	case "location":
		return !s.glued(u) && length(u) <= 100 && u.share(isNumber) < 0.5 && u.share(isLink) < 0.5
	case "sources":
		return u.share(isLink) >= 0.5 || !u.listed && (u.name == "sources" || u.name == "references" || u.name == "quellen") && u.share(isFlag) == 0
	case "summary":
		return scalar && u.share(isLink) < 0.5 && u.share(isNumber) < 0.5
	}
	return false
}

// glued says that a key holds mappings without names, all of whose values would be
// taken for names.
func (s *surveyor) glued(u *use) bool {
	return u.share(func(n *yaml.Node) bool {
		items := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			items = n.Content
		}
		return slices.ContainsFunc(items, func(item *yaml.Node) bool {
			if item.Kind != yaml.MappingNode {
				return false
			}
			for i := 0; i+1 < len(item.Content); i += 2 {
				if k := item.Content[i].Value; k == "name" || k == "title" {
					return false
				}
			}
			return true
		})
	}) > 0.2
}

// length is the mean length of the single texts of a key, in characters.
func length(u *use) int {
	texts := u.texts()
	n := 0
	for _, s := range texts {
		n += utf8.RuneCountInString(s)
	}
	return n / max(1, len(texts))
}

var (
	number = regexp.MustCompile(`^-?\d+(\.\d+)?$`)
	year   = regexp.MustCompile(`^\d{4}$`)
	link   = regexp.MustCompile(`^<?https?://\S+$`)
)

func isNumber(n *yaml.Node) bool {
	return isScalar(n) && number.MatchString(strings.TrimSpace(n.Value))
}
func isYear(n *yaml.Node) bool { return isScalar(n) && year.MatchString(strings.TrimSpace(n.Value)) }

// isLink says that an address stands in a value, as itself or in a mapping.
func isLink(n *yaml.Node) bool {
	if n.Kind == yaml.ScalarNode {
		return link.MatchString(strings.TrimSpace(n.Value)) || strings.Contains(n.Value, "](http")
	}
	return slices.ContainsFunc(n.Content, isLink)
}

// titlePlaces adds where titles are in files that have no key for one: a heading,
// else the file's own name.
func (s *surveyor) titlePlaces(chosen []string) []string {
	missing := func(d *doc) bool {
		return d.err == nil && !slices.ContainsFunc(chosen, d.has)
	}
	add := func(c string) bool {
		found := slices.ContainsFunc(s.docs, func(d *doc) bool { return missing(d) && d.has(c) })
		if found {
			chosen = append(chosen, c)
		}
		return found
	}
	add("heading:1")
	// The first heading of a section is no title where another one has it.
	if len(chosen) == 0 {
		add("heading:2")
	}
	// A summary of one line is what such files are called by, else their names are.
	for _, u := range s.uses {
		if s.rank("summary", u) >= 0 && u.depth == 1 && s.fits("summary", u) && length(u) <= 100 && 2*len(u.docs) > len(s.docs) && add(u.key) {
			s.taken[u.key] = true
		}
	}
	add(`path:\d{4}-\d{1,2}-\d{1,2}[-_]+([^/]*\pL[^/]*)\.[^./]+$`)
	for _, c := range []string{
		`path:([^/]+)/[iI][nN][dD][eE][xX]\.[^./]+$`, // the folder that a page is of
		`path:(?:^|/)(?:\d{4}-?\d{2}-?\d{2}[-_]*)?([^/]*\pL[^/]*)\.[^./]+$`,
		`path:([^/]+)\.[^./]+$`,
	} {
		lacking := 0
		for _, d := range s.docs {
			if missing(d) && s.hasDate(d) {
				lacking++
			}
		}
		// A few files without a title are no events; a folder of them names its files.
		if 2*lacking > len(s.docs) {
			add(c)
		}
	}
	return chosen
}

func (s *surveyor) hasDate(d *doc) bool { return s.has(d, "date") }
