package main

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"tocsin/feed"
)

// This file is the operations, of which property_test.go makes sequences.

// operation is one thing to do. rapid writes it by GoString.
type operation struct {
	what string
	do   func()
}

func (o operation) GoString() string { return o.what }

// do draws one of kinds and does it.
func (p *play) do(t *rapid.T, kinds ...func(*rapid.T) operation) {
	o := rapid.Custom(func(t *rapid.T) operation {
		return kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")](t)
	}).Draw(t, "do")
	p.log = append(p.log, o.what)
	o.do()
}

// The values that events have. There are few, so that they meet.
var (
	titles      = []string{"One", "Two", "Three"}
	days        = []string{"2025-01-01", "1766-02-03"}
	importances = []int{0, 4, 5, 8}
	statuses    = []string{"", "confirmed"}
	tagLists    = []string{"", "courts", "press", "courts, press", "Courts"}
	bodies      = []string{"", "Text.", "More text."}
	places      = []string{"a.md", "b.md", "c.md", "sub/a.md", "sub/b.md", "sub/deep/a.md", "other/b.md", "sub.md"}
	folders     = []string{"sub", "other", "sub/deep", "Sub", "third"}
)

// most is how many files there are at most.
const most = 6

func pick[T any](t *rapid.T, of []T) T { return of[rapid.IntRange(0, len(of)-1).Draw(t, "")] }

// any picks a file that is there.
func (p *play) any(t *rapid.T) (string, paper) {
	name := pick(t, slices.Sorted(maps.Keys(p.oracle.disk)))
	return name, p.oracle.disk[name]
}

// two picks two files, if there are two.
func (p *play) two(t *rapid.T) (a, b string, ok bool) {
	names := slices.Sorted(maps.Keys(p.oracle.disk))
	if len(names) < 2 {
		return "", "", false
	}
	a = pick(t, names)
	return a, pick(t, slices.DeleteFunc(names, func(q string) bool { return q == a })), true
}

// free picks a place where no file is.
func (p *play) free(t *rapid.T) string {
	return pick(t, slices.DeleteFunc(slices.Clone(places), func(q string) bool { _, ok := p.oracle.disk[q]; return ok }))
}

func (p *play) at(name string) string {
	return filepath.Join(p.config.Events.Dir, filepath.FromSlash(name))
}

// place notes that a file is there now.
func (p *play) place(name string, f paper) {
	p.stamp++
	f.stamp = p.stamp
	p.oracle.disk[name] = f
	p.hint = append(p.hint, name)
}

// mv moves a file.
func (p *play) mv(from, to string) {
	f := p.oracle.disk[from]
	p.shift(from, to)
	delete(p.oracle.disk, from)
	p.place(to, f)
	p.hint = append(p.hint, from)
}

// shift renames a file or a folder.
func (p *play) shift(from, to string) {
	p.try(os.MkdirAll(filepath.Dir(p.at(to)), 0o755))
	p.try(os.Rename(p.at(from), p.at(to)))
}

// rm removes a file.
func (p *play) rm(name string) {
	p.try(os.Remove(p.at(name)))
	p.trash[name] = p.oracle.disk[name]
	delete(p.oracle.disk, name)
	p.hint = append(p.hint, name)
}

// again makes the wheel anew.
func (p *play) again() {
	if !p.fresh {
		p.pages()
	}
	p.oracle.forget()
	p.start()
}

// end ends a sequence: another start changes no byte. One case is left out: a file
// that was no public event, and is broken now, had the id of another that was kept
// back by it. Nobody knows what it was any more, and the other is new.
func (p *play) end() {
	p.turn(look{})
	before, stood := p.bytes(), p.stood["all"]
	p.log = append(p.log, "restart")
	p.again()
	p.turn(look{})
	if after := p.bytes(); after != before && p.stood["all"] == stood {
		p.fail("a restart changes a feed:\n%s\nbefore:\n%s", after, before)
	}
}

// bytes returns the feed of all events.
func (p *play) bytes() string {
	b, err := p.wheel.site.Feed("all").Render(feed.Atom)
	p.try(err)
	return string(b)
}

// put writes a file. It gets a time of its own: the clock of a file system may
// not tell two writings apart that follow at once.
func (p *play) put(name string, f paper) {
	p.place(name, f)
	p.try(os.MkdirAll(filepath.Dir(p.at(name)), 0o755))
	p.try(os.WriteFile(p.at(name), []byte(f.text()), 0o644))
	at := time.Date(2025, 1, 1, 0, 0, p.stamp, 0, time.UTC)
	p.try(os.Chtimes(p.at(name), at, at))
}

func (p *play) write(t *rapid.T) operation {
	if len(p.oracle.disk) >= most {
		return p.edit(t)
	}
	name := p.free(t)
	f := paper{
		says:  says{pick(t, titles), pick(t, days), pick(t, importances), pick(t, statuses), pick(t, tagLists), pick(t, bodies)},
		draft: rapid.IntRange(0, 7).Draw(t, "") == 7,
	}
	if rapid.IntRange(0, 3).Draw(t, "") == 3 {
		f.id = pick(t, []string{"a", "sub/a", "x", "y"})
	}
	return operation{"write " + name + ": " + f.String(), func() { p.put(name, f) }}
}

func (f paper) String() string {
	s := fmt.Sprintf("%s, %s", f.says.title, f.says.date)
	for _, part := range f.says.parts()[2:] {
		if part[1] != "" && part[1] != "0" {
			s += fmt.Sprintf(", %s %q", part[0], part[1])
		}
	}
	if f.id != "" {
		s += ", id " + f.id
	}
	if f.draft {
		s += ", draft"
	}
	return s
}

// rewrite is an operation that changes one file that is there; f changes it and
// says how.
func (p *play) rewrite(t *rapid.T, change func(f *paper) string) operation {
	if len(p.oracle.disk) == 0 {
		return p.write(t)
	}
	name, f := p.any(t)
	what := change(&f)
	return operation{what + " " + name, func() { p.put(name, f) }}
}

func (p *play) edit(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken = 0
		switch s := &f.says; rapid.IntRange(0, 5).Draw(t, "") {
		case 0:
			s.importance = pick(t, importances)
			return fmt.Sprintf("set importance %d in", s.importance)
		case 1:
			s.title = pick(t, titles)
			return fmt.Sprintf("set title %s in", s.title)
		case 2:
			s.date = pick(t, days)
			return fmt.Sprintf("set date %s in", s.date)
		case 3:
			s.status = pick(t, statuses)
			return fmt.Sprintf("set status %q in", s.status)
		case 4:
			s.tags = pick(t, tagLists)
			return fmt.Sprintf("set tags [%s] in", s.tags)
		default:
			s.body = pick(t, bodies)
			return fmt.Sprintf("set body %q in", s.body)
		}
	})
}

func (p *play) reform(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken, f.form = 0, rapid.IntRange(0, forms-1).Draw(t, "")
		return fmt.Sprintf("write in form %d", f.form)
	})
}

func (p *play) touch(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string { return "touch" })
}

func (p *play) draft(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken, f.draft = 0, !f.draft
		return fmt.Sprintf("set draft %v in", f.draft)
	})
}

func (p *play) breakIt(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken = rapid.IntRange(1, len(unparsable)-1).Draw(t, "")
		return fmt.Sprintf("break (%q)", unparsable[f.broken])
	})
}

func (p *play) mend(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		f.broken = 0
		return "mend"
	})
}

// claim gives a file the id of another, or takes its own away.
func (p *play) claim(t *rapid.T) operation {
	return p.rewrite(t, func(f *paper) string {
		name, other := p.any(t)
		f.broken = 0
		if id := other.edition(name).id; f.id != id {
			f.id = id
			return "set id " + id + " in"
		}
		f.id = ""
		return "take the id out of"
	})
}

// swapIDs swaps the ids of two files.
func (p *play) swapIDs(t *rapid.T) operation {
	a, b, ok := p.two(t)
	if !ok {
		return p.write(t)
	}
	return operation{"swap the ids of " + a + " and " + b, func() {
		fa, fb := p.oracle.disk[a], p.oracle.disk[b]
		fa.id, fb.id = fb.edition(b).id, fa.edition(a).id
		fa.broken, fb.broken = 0, 0
		p.put(a, fa)
		p.put(b, fb)
	}}
}

// swap swaps two files.
func (p *play) swap(t *rapid.T) operation {
	a, b, ok := p.two(t)
	if !ok {
		return p.write(t)
	}
	return operation{"swap " + a + " and " + b, func() {
		fa, fb := p.oracle.disk[a], p.oracle.disk[b]
		p.shift(a, ".swap")
		p.shift(b, a)
		p.shift(".swap", b)
		p.place(a, fb)
		p.place(b, fa)
	}}
}

// rename moves a file: to a free place, to a name that differs in case only, or
// over another file.
func (p *play) rename(t *rapid.T) operation {
	if len(p.oracle.disk) == 0 {
		return p.write(t)
	}
	from, _ := p.any(t)
	to := p.free(t)
	switch rapid.IntRange(0, 5).Draw(t, "") {
	case 4:
		base := path.Base(from)
		first := strings.ToUpper(base[:1])
		if first == base[:1] {
			first = strings.ToLower(first)
		}
		to = path.Join(path.Dir(from), first+base[1:])
	case 5:
		if a, b, ok := p.two(t); ok {
			from, to = a, b
		}
	}
	return operation{"rename " + from + " to " + to, func() { p.mv(from, to) }}
}

// renameFolder moves a folder with all that is in it, to where none is.
func (p *play) renameFolder(t *rapid.T) operation {
	var there, not []string
	for _, dir := range folders {
		if len(p.below(dir)) > 0 {
			there = append(there, dir)
		} else {
			not = append(not, dir)
		}
	}
	if len(there) == 0 || len(not) == 0 {
		return p.rename(t)
	}
	from, to := pick(t, there), pick(t, not)
	if strings.HasPrefix(to, from+"/") {
		return p.rename(t)
	}
	return operation{"rename " + from + "/ to " + to + "/", func() {
		p.try(os.RemoveAll(p.at(to)))
		p.shift(from, to)
		for _, q := range p.below(from) {
			p.oracle.disk[to+strings.TrimPrefix(q, from)] = p.oracle.disk[q]
			delete(p.oracle.disk, q)
		}
		p.hint = append(p.hint, from, to)
	}}
}

// below returns the files below a folder.
func (p *play) below(dir string) []string {
	var all []string
	for q := range p.oracle.disk {
		if strings.HasPrefix(q, dir+"/") {
			all = append(all, q)
		}
	}
	return all
}

func (p *play) remove(t *rapid.T) operation {
	if len(p.oracle.disk) == 0 {
		return p.write(t)
	}
	name, _ := p.any(t)
	if dir := path.Dir(name); dir != "." && rapid.Bool().Draw(t, "") {
		return operation{"remove " + dir + "/", func() {
			p.try(os.RemoveAll(p.at(dir)))
			for _, q := range p.below(dir) {
				p.trash[q] = p.oracle.disk[q]
				delete(p.oracle.disk, q)
			}
			p.hint = append(p.hint, dir)
		}}
	}
	return operation{"remove " + name, func() { p.rm(name) }}
}

func (p *play) putBack(t *rapid.T) operation {
	var gone []string
	for q := range p.trash {
		if _, ok := p.oracle.disk[q]; !ok {
			gone = append(gone, q)
		}
	}
	if len(gone) == 0 || len(p.oracle.disk) >= most {
		return p.remove(t)
	}
	slices.Sort(gone)
	name := pick(t, gone)
	return operation{"put back " + name, func() { p.put(name, p.trash[name]) }}
}

func (p *play) copy(t *rapid.T) operation {
	if n := len(p.oracle.disk); n == 0 || n >= most {
		return p.remove(t)
	}
	from, f := p.any(t)
	to := p.free(t)
	return operation{"copy " + from + " to " + to, func() { p.put(to, f) }}
}

func (p *play) restart(t *rapid.T) operation {
	rapid.Bool().Draw(t, "") // rapid wants a draw
	return operation{"restart", p.again}
}

func (p *play) refuse(t *rapid.T) operation {
	rapid.Bool().Draw(t, "") // rapid wants a draw
	return operation{"let the store refuse the next turn", func() { p.refused = true }}
}
