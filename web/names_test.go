package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tocsin/feed"
	"tocsin/timeline"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"Zoë Ångström": "zoe angstrom", "ZOE\u0308  A\u030angstro\u0308m": "zoe angstrom", "supply-chain": "supply chain", "Straße": "strasse",
		"C++": "c++", "C#": "c#", "ΣΊΣΥΦΟΣ": "σισυφοσ", "Ёлка": "елка", "": "", " – ": "", "日本": "日本", "İstanbul": "istanbul", "a\u202eb": "a b",
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) = %q, want %q", text, got, want)
		}
	}
}

// listed makes names of tags with falling numbers of events.
func listed(names ...string) []name {
	var all []name
	for i, n := range names {
		all = append(all, name{&feed.Feed{Path: "tags/" + n, Name: n, Total: len(names) - i}, timeline.Tag, n, plain(n)})
	}
	return all
}

func spelt(names []name) string {
	var all []string
	for _, n := range names {
		all = append(all, n.Name)
	}
	return strings.Join(all, ", ")
}

func TestFind(t *testing.T) {
	names := listed("The Court of Appeal", "Courtney Love", "Supreme Court", "escourt", "Zoë Ångström", "Appeal to the Court")
	for q, want := range map[string]string{
		"court": "Courtney Love, The Court of Appeal, Supreme Court, Appeal to the Court, escourt",
		"COÜRT": "Courtney Love, The Court of Appeal, Supreme Court, Appeal to the Court, escourt", "zoe": "Zoë Ångström", "ångst": "Zoë Ångström",
		"appeal court": "The Court of Appeal, Appeal to the Court", "": "", "...": "", "none": "", strings.Repeat("ö", 5000): "",
	} {
		if got := spelt(find(names, q, 100)); got != want {
			t.Errorf("find %.20q: %s, want %s", q, got, want)
		}
	}
	if got := spelt(find(names, "court", 1)); got != "Courtney Love" {
		t.Errorf("the first: %s", got)
	}
}

func TestClosest(t *testing.T) {
	names := listed("spaceflight", "Zoë Ångström", "law", "lawn")
	for path, want := range map[string]string{
		"tags/spacefligth/": "spaceflight", "feeds/tags/spaceflite.atom": "spaceflight", "actors/zoe-angstrom": "Zoë Ångström",
		"tags/lamn": "lawn", "tags/xy": "", "": "", "/": "", "tags/something-else-entirely": "", "a/space/": "spaceflight",
	} {
		if got := spelt(closest(names, path, 8)); got != want {
			t.Errorf("closest to %q: %q, want %q", path, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "bc", 1}, {"ab", "ba", 2}, {"kitten", "sitting", 3}} {
		if got := edits([]rune(test.a), []rune(test.b), 3); got != test.want {
			t.Errorf("%s, %s: %d, want %d", test.a, test.b, got, test.want)
		}
	}
	if got := edits([]rune("kitten"), []rune("sitting"), 2); got <= 2 {
		t.Errorf("more than 2 is %d", got)
	}
}

func TestGroups(t *testing.T) {
	var got []string
	for _, g := range groups(listed("éclair", "Zoo", "apple", "Ångström", "1984", "Eclipse", "漢字", "日本", "#", "C++", "Ёж", "Əli")) {
		got = append(got, g.Initial+": "+spelt(g.Names))
	}
	want := []string{"#: #", "0–9: 1984", "A: Ångström, apple", "C: C++", "E: éclair, Eclipse", "Z: Zoo", "Ə: Əli", "Е: Ёж", "漢: 日本, 漢字"}
	if !slices.Equal(got, want) {
		t.Errorf("groups\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNamesJSON(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	r := s.get("GET", "/timeline/names.json")
	var got map[string][][]any
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if want := "map[actors:[[åse-ö Åse Ö 1]] tags:[[supreme-court Supreme Court 1]]]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if body := text(t, newTestSite(t, "https://example.org").get("GET", "/names.json")); body != `{"actors":[],"tags":[]}`+"\n" {
		t.Errorf("of nothing: %s", body)
	}
}

// A list of 5,000 names is a page that loads on a phone.
func TestManyNames(t *testing.T) {
	s := newTestSite(t, "https://example.org")
	var u Update
	for i := range 5000 {
		n := fmt.Sprintf("%c%c Name of the Actor %d", 'A'+i%26, 'a'+i%17, i)
		slug := strings.ToLower(strings.ReplaceAll(n, " ", "-"))
		u.Feeds = append(u.Feeds, &feed.Feed{Path: "actors/" + slug, Name: n, Page: "https://example.org/actors/" + slug + "/", Total: i % 50, Modified: at})
	}
	s.Update(u)
	for path, most := range map[string][2]int{"/actors/": {550_000, 100_000}, "/names.json": {400_000, 90_000}, "/": {20_000, 6_000}} {
		plain := len(text(t, s.get("GET", path)))
		gzip := len(text(t, s.get("GET", path, "Accept-Encoding", "gzip")))
		t.Logf("%s: %d bytes, %d compressed", path, plain, gzip)
		if plain > most[0] || gzip > most[1] {
			t.Errorf("%s: %d bytes, %d compressed; at most %v", path, plain, gzip, most)
		}
	}
	body := text(t, s.get("GET", "/actors/"))
	if got := strings.Count(body, "<li><a href=") - strings.Count(body, `<li><a href="/`) - strings.Count(body, `<li><a href="#`); got != 4900 {
		t.Errorf("%d names, want those 4900 that have events", got)
	}
	if got := strings.Count(body, `<section class="letter"`); got != 26 {
		t.Errorf("%d initials", got)
	}
}
