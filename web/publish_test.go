package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// shelf is a Place in memory that a reader looks at after every change.
type shelf struct {
	mu     sync.Mutex
	files  map[string]File
	puts   int
	fails  func() bool // says that a call fails
	before func(name string)
	reader func(name string, f *File) // f is nil where the file was removed
}

// href finds the links of an Atom feed.
var href = regexp.MustCompile(` href="([^"]*)"`)

var errShelf = errors.New("the shelf fails")

func (s *shelf) Look(context.Context) error { return nil }
func (s *shelf) Parallel() int              { return 4 }

func (s *shelf) Has(name string, modified time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[name]
	return ok && (modified.IsZero() || f.Modified.Equal(modified))
}

func (s *shelf) Names(folder string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.files {
		if path.Dir(name) == path.Clean(folder) {
			names = append(names, path.Base(name))
		}
	}
	return names
}

func (s *shelf) Put(_ context.Context, f File) error {
	if s.before != nil {
		s.before(f.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.fails != nil && s.fails() {
		if err = errShelf; len(f.Body)%2 == 0 {
			return err
		} // else it fails once it is done, as over a network
	}
	if old, ok := s.files[f.Name]; ok && string(old.Body) == string(f.Body) {
		return err
	}
	s.puts++
	s.files[f.Name] = f
	if s.reader != nil {
		s.reader(f.Name, &f)
	}
	return err
}

func (s *shelf) Remove(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil && s.fails() {
		return errShelf
	}
	if _, ok := s.files[name]; ok {
		delete(s.files, name)
		if s.reader != nil {
			s.reader(name, nil)
		}
	}
	return nil
}

// leads fails unless all pages that the feeds on the shelf name are there.
func (s *shelf) leads(t *testing.T, home string) {
	t.Helper()
	for name, f := range s.files {
		if !strings.HasSuffix(name, ".atom") {
			continue
		}
		for _, found := range href.FindAllStringSubmatch(string(f.Body), -1) {
			link := found[1]
			below, ok := strings.CutPrefix(link, home)
			if !ok {
				continue
			}
			if below == "" || strings.HasSuffix(below, "/") {
				below += "index.html"
			}
			if _, there := s.files[below]; !there && !strings.HasPrefix(below, "feeds/") {
				t.Errorf("%s names %s, which is not there", name, link)
			}
		}
	}
}

// Whatever fails and whenever, no reader meets a feed that names a page which is not
// there, and trying again leads to what an undisturbed folder has.
func TestPublisherOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const home = "https://example.org/"
	s := newTestSite(t, "https://example.org")
	s.style.MaxEntries = 4
	there := &shelf{files: make(map[string]File)}
	budget := 0
	there.fails = func() bool { budget--; return budget < 0 }
	there.reader = func(name string, f *File) {
		if f == nil || strings.HasSuffix(name, ".atom") {
			there.leads(t, home)
		}
	}
	p := &Publisher{Site: s.Site, Place: there}
	owed := s.Edition(Update{}, true)
	failed := 0
	for turn := range 80 {
		id := fmt.Sprintf("event-%d", random.IntN(8))
		when := at.Add(time.Duration(turn) * time.Hour)
		var u Update
		if s.entries[id] != nil && random.IntN(3) == 0 {
			u = s.withdraw(id, when)
		} else {
			u = s.set(id, fmt.Sprintf("Title %d", turn), fmt.Sprintf("tags: [tag-%d, tag-%d]", random.IntN(4), random.IntN(4)), "Text", when)
		}
		s.Update(u)
		owed.Merge(s.Edition(u, false))
		budget = random.IntN(200)
		switch err := p.Write(t.Context(), owed); {
		case err == nil:
			owed = s.Edition(Update{}, false)
		case errors.Is(err, errShelf):
			failed++
		default:
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("in turn %d", turn)
		}
	}
	if failed < 10 || failed > 75 {
		t.Errorf("%d of 80 turns failed", failed)
	}
	budget = 1 << 30
	if err := p.Write(t.Context(), owed); err != nil {
		t.Fatal(err)
	}
	d := s.folder(t.TempDir())
	s.write(d, Update{}, true)
	want := tree(t, d.Dir)
	if got, want := slices.Sorted(maps.Keys(there.files)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
		t.Fatalf("there are\n%q\nwant\n%q", got, want)
	}
	for name := range want {
		if body, err := os.ReadFile(filepath.Join(d.Dir, name)); err != nil || string(body) != string(there.files[name].Body) {
			t.Errorf("%s is another (%v)", name, err)
		}
	}
	before := there.puts
	if err := p.Write(t.Context(), s.Edition(Update{}, true)); err != nil || there.puts != before {
		t.Errorf("%d files were put again (%v)", there.puts-before, err)
	}
}

// What is withdrawn while its page is about to be put overtakes the edition: its
// feeds, which name that page, are not put.
func TestPublisherOvertaken(t *testing.T) {
	s := newTestSite(t, "https://example.org")
	there := &shelf{files: make(map[string]File)}
	there.reader = func(string, *File) { there.leads(t, "https://example.org/") }
	p := &Publisher{Site: s.Site, Place: there}
	s.Update(s.set("a", "A", "", "A", at))
	e := s.Edition(Update{}, true)
	u := s.withdraw("a", at.Add(time.Hour))
	s.Update(u)
	if err := p.Write(t.Context(), e); !errors.Is(err, ErrOvertaken) {
		t.Errorf("error %v", err)
	}
	if _, ok := there.files["feeds/all.atom"]; ok {
		t.Error("a feed is there")
	}
	e.Merge(s.Edition(u, false))
	if err := p.Write(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, ok := there.files["feeds/all.atom"]; !ok {
		t.Error("no feed is there")
	}
}

// What came while feeds were being put is of the next edition alone.
func TestPublisherOfOneMoment(t *testing.T) {
	s := newTestSite(t, "https://example.org")
	there := &shelf{files: make(map[string]File)}
	there.reader = func(string, *File) { there.leads(t, "https://example.org/") }
	p := &Publisher{Site: s.Site, Place: there}
	s.Update(s.set("a", "A", "", "A", at))
	e := s.Edition(Update{}, true)
	var later *Edition
	var once sync.Once
	there.before = func(name string) {
		if strings.HasPrefix(name, "feeds/") {
			once.Do(func() {
				u := s.set("b", "B", "", "B", at.Add(time.Hour))
				s.Update(u)
				later = s.Edition(u, false)
			})
		}
	}
	for _, e := range []func() *Edition{func() *Edition { return e }, func() *Edition { return later }} {
		if err := p.Write(t.Context(), e()); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(string(there.files["feeds/all.atom"].Body), "/events/b/") {
		t.Error("the feed does not name b")
	}
}

// A tag that was given another name long ago keeps the new one's feed at its address.
func TestPublisherKeepsFormerAddress(t *testing.T) {
	now := at
	s := queried(t)
	s.o.Now = func() time.Time { return now }
	there := &shelf{files: make(map[string]File)}
	p := &Publisher{Site: s.Site, Place: there}
	s.Update(s.set("x", "x", "tags: [tribunals]", "Text.", at))
	if err := p.Write(t.Context(), s.Edition(Update{}, true)); err != nil {
		t.Fatal(err)
	}
	u := s.set("x", "x", "", "Text.", at)
	for _, f := range u.Feeds {
		if f.Path == "tags/tribunals" {
			f.Emptied = at
		}
	}
	s.Update(u)
	now = at.Add(2 * grace)
	if err := p.Write(t.Context(), s.Edition(Update{}, true)); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{".atom", ".rss", ".json"} {
		if string(there.files["feeds/tags/tribunals"+format].Body) != string(there.files["feeds/tags/courts"+format].Body) || there.files["feeds/tags/courts"+format].Body == nil {
			t.Errorf("feeds/tags/tribunals%s is not that of courts", format)
		}
	}
}
