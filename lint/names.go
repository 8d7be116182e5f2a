package lint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"tocsin/event"
)

// usage is how often which names are used, and in which spelling.
type usage struct {
	events    map[string]int            // by Key: the events that have the name
	spellings map[string]map[string]int // by Key: how often it is spelled how
	aliases   map[string]string         // by Key: the name to use for another spelling
	aimed     map[string]bool           // by Key: the names that aliases lead to
}

func newUsage(aliases map[string]string) usage {
	u := usage{
		events: make(map[string]int), spellings: make(map[string]map[string]int),
		aliases: make(map[string]string, len(aliases)), aimed: make(map[string]bool, len(aliases)),
	}
	for from, to := range aliases {
		u.aliases[event.Key(from)] = to
		u.aimed[event.Key(to)] = true
	}
	return u
}

func (u usage) add(names []string, spelled []event.Spelling) {
	for _, n := range names {
		u.events[event.Key(n)]++
	}
	for _, s := range spelled {
		k := event.Key(s.Name)
		if u.spellings[k] == nil {
			u.spellings[k] = make(map[string]int)
		}
		u.spellings[k][s.Name]++
	}
}

// usual returns the spelling of a key that stands more often than any other, and how
// often; empty where there is none.
func (u usage) usual(key string) (name string, n int) {
	for s, times := range u.spellings[key] {
		switch {
		case times > n:
			name, n = s, times
		case times == n:
			name = ""
		}
	}
	return name, n
}

// known says that a name is in use: that some events have it, or an alias leads to
// it.
func (u usage) known(key string) bool { return u.events[key] >= rare || u.aimed[key] }

// display returns how a known name is written.
func (u usage) display(key string) string {
	if s, _ := u.usual(key); s != "" {
		return s
	}
	for _, to := range u.aliases {
		if event.Key(to) == key {
			return to
		}
	}
	return slices.Min(slices.Collect(maps.Keys(u.spellings[key])))
}

// spelling finds names that are spelled as their key is less often than not: feeds
// take them for one, and people who read the file may not.
func spelling(f *folder) {
	for _, file := range f.files {
		for _, s := range file.Places.Tags {
			f.noteSpelling(file, f.tags, "tag", s)
		}
		for _, s := range file.Places.Actors {
			f.noteSpelling(file, f.actors, "actor", s)
		}
	}
}

func (f *folder) noteSpelling(file File, u usage, what string, s event.Spelling) {
	k := event.Key(s.Name)
	if _, ok := u.aliases[k]; ok {
		return // is meant to be written so
	}
	if usual, n := u.usual(k); n >= rare && usual != "" && usual != s.Name {
		f.note(file, s.Line, fmt.Sprintf("the %s %q is spelled %q elsewhere (%d times); write it so", what, s.Name, usual, n))
	}
}

func similarTag(f *folder) {
	forms := func(key string) []string {
		return []string{"plural:" + singular(key), "joined:" + strings.ReplaceAll(key, "-", "")}
	}
	like := f.tags.similar(forms)
	for _, file := range f.files {
		f.noteSimilar(file, f.tags, "tag", file.Places.Tags, like)
	}
}

func similarActor(f *folder) {
	forms := func(key string) []string {
		return []string{"bare:" + bare(strings.Split(key, "-")), "joined:" + strings.ReplaceAll(key, "-", "")}
	}
	like := f.actors.similar(forms)
	for _, file := range f.files {
		f.noteSimilar(file, f.actors, "actor", file.Places.Actors, like)
	}
}

func (f *folder) noteSimilar(file File, u usage, what string, spelled []event.Spelling, like map[string]string) {
	for _, s := range spelled {
		k := event.Key(s.Name)
		if _, ok := u.aliases[k]; ok {
			continue
		}
		other, ok := like[k]
		if !ok {
			continue
		}
		const ask = "the %s %q (events with it: %d) looks like %q (%d); did you mean that one?"
		f.note(file, s.Line, fmt.Sprintf(ask, what, s.Name, u.events[k], u.display(other), u.events[other]))
	}
}

// similar returns for each name the known one that it is probably meant to be: one
// that more events have, and that shares one of its forms or is a slip of the pen
// away. Where there are several it is none of them.
func (u usage) similar(forms func(key string) []string) map[string]string {
	byForm := make(map[string][]string)
	for k := range u.events {
		if !u.known(k) {
			continue
		}
		for _, form := range append(forms(k), slips(k)...) {
			byForm[form] = append(byForm[form], k)
		}
	}
	like := make(map[string]string)
	for k, n := range u.events {
		if u.aimed[k] {
			continue
		}
		candidates := make(map[string]bool)
		for _, form := range forms(k) {
			for _, other := range byForm[form] {
				if other != k && (u.events[other] > n || u.aimed[other]) {
					candidates[other] = true
				}
			}
		}
		if n < rare && len(candidates) == 0 {
			for _, form := range slips(k) {
				for _, other := range byForm[form] {
					if other != k && u.events[other] >= often*n && oneEdit(k, other) {
						candidates[other] = true
					}
				}
			}
		}
		if len(candidates) == 1 {
			for other := range candidates {
				like[k] = other
			}
		}
	}
	return like
}

// often is how many times as often as a name one must be used that it is a slip of
// the pen for.
const often = 5

// singular takes a plural's ending off a key's last word. Both forms of a word give
// the same, which need not be a word.
func singular(key string) string {
	at := strings.LastIndexByte(key, '-') + 1
	head, word := key[:at], key[at:]
	switch {
	case len(word) < 4 || strings.HasSuffix(word, "ss") || strings.HasSuffix(word, "us") || strings.HasSuffix(word, "is"):
		return key
	case strings.HasSuffix(word, "ies"):
		return head + word[:len(word)-3] + "y"
	case strings.HasSuffix(word, "sses"), strings.HasSuffix(word, "shes"), strings.HasSuffix(word, "ches"), strings.HasSuffix(word, "xes"):
		return head + word[:len(word)-2]
	case strings.HasSuffix(word, "s"):
		return head + word[:len(word)-1]
	}
	return key
}

// titles are words before a person's name that are no part of it.
var titles = map[string]bool{
	"dr": true, "mr": true, "mrs": true, "ms": true, "prof": true, "professor": true, "sir": true,
	"sen": true, "senator": true, "rep": true, "representative": true, "congressman": true, "congresswoman": true,
	"gov": true, "governor": true, "president": true, "judge": true, "justice": true, "gen": true, "general": true,
	"the": true,
}

// bare takes titles before a name and initials within it off, and leaves two words
// at least.
func bare(words []string) string {
	from := 0
	for from < len(words)-2 && titles[words[from]] {
		from++
	}
	rest := words[from:]
	if len(rest) < 3 {
		return strings.Join(rest, "-")
	}
	kept := rest[:1:1]
	for _, w := range rest[1 : len(rest)-1] {
		if utf8.RuneCountInString(w) > 1 {
			kept = append(kept, w)
		}
	}
	return strings.Join(append(kept, rest[len(rest)-1]), "-")
}

// slipFrom is the number of characters from which a key can be taken for a slip of
// the pen; shorter words are near to each other by nature.
const slipFrom = 8

// slips returns the key and all that are one letter shorter: two keys with one edit
// between them share one of these.
func slips(key string) []string {
	runes := []rune(key)
	if len(runes) < slipFrom {
		return nil
	}
	all := []string{key}
	for i := range runes {
		all = append(all, string(runes[:i])+string(runes[i+1:]))
	}
	return all
}

// oneEdit says that a becomes b by one letter added, removed or replaced, or by two
// neighbours that change places. A digit is no slip: 2024 and 2025 are two things.
func oneEdit(a, b string) bool {
	x, y := []rune(a), []rune(b)
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	digit := func(r rune) bool { return '0' <= r && r <= '9' }
	if slices.ContainsFunc(x, digit) || slices.ContainsFunc(y, digit) {
		return false
	}
	swapped := len(x) == 2 && len(y) == 2 && x[0] == y[1] && x[1] == y[0]
	return len(x) <= 1 && len(y) <= 1 && len(x)+len(y) > 0 || swapped
}
