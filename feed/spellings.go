package feed

import (
	"cmp"
	"slices"
)

// Spellings counts how often each spelling of a name is used. There are few of one
// name, mostly one. Its zero value is that of none.
type Spellings []spelt

type spelt struct {
	name  string
	times int
}

// Count adds to, or with a negative number takes from, how often a spelling is used.
func (s *Spellings) Count(name string, times int) {
	i := slices.IndexFunc(*s, func(n spelt) bool { return n.name == name })
	if i < 0 {
		i = len(*s)
		*s = append(*s, spelt{name: name})
	}
	if (*s)[i].times += times; (*s)[i].times == 0 {
		*s = slices.Delete(*s, i, i+1)
	}
}

// Most returns the spelling that is used most often, the first in byte order of
// several; without any, the given one.
func (s Spellings) Most(without string) string {
	if len(s) == 0 {
		return without
	}
	return slices.MinFunc(s, func(a, b spelt) int { return cmp.Or(cmp.Compare(b.times, a.times), cmp.Compare(a.name, b.name)) }).name
}
