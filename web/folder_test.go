package web

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/feed"
)

// tree returns the files below dir by their path.
func tree(t testing.TB, dir string) map[string]fs.FileInfo {
	t.Helper()
	all := make(map[string]fs.FileInfo)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		all[filepath.ToSlash(rel)], err = d.Info()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// testFolder is a folder that a Publisher of its own writes.
type testFolder struct {
	Folder
	p *Publisher
}

// folder returns one of the site.
func (s *testSite) folder(dir string) *testFolder {
	d := &testFolder{Folder: Folder{Dir: dir}}
	d.p = &Publisher{Site: s.Site, Place: &d.Folder}
	return d
}

func (s *testSite) write(d *testFolder, u Update, all bool) {
	s.t.Helper()
	if err := d.p.Write(s.t.Context(), s.Edition(u, all)); err != nil {
		s.t.Fatal(err)
	}
}

// put publishes u and writes it.
func (s *testSite) put(d *testFolder, u Update) {
	s.t.Helper()
	s.Update(u)
	s.write(d, u, false)
}

// asServed fails unless each file is what its address gives.
func (s *testSite) asServed(dir string) {
	s.t.Helper()
	for name := range tree(s.t, dir) {
		address := (&url.URL{Path: "/" + strings.TrimSuffix(name, "index.html")}).EscapedPath()
		r := s.get("GET", address)
		file, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			s.t.Fatal(err)
		}
		if r.StatusCode == 301 && strings.Contains(string(file), `url=`+r.Header.Get("Location")+`"`) {
			continue
		}
		if body := text(s.t, r); r.StatusCode != 200 || body != string(file) {
			s.t.Errorf("%s: status %d, and the file is another", address, r.StatusCode)
		}
	}
}

func TestFolderIsWhatIsServed(t *testing.T) {
	s := filled(t, "https://example.org/timeline")
	outside := t.TempDir()
	d := s.folder(filepath.Join(outside, "a", "b", "public"))
	for _, id := range hostile {
		s.Update(s.set(id, evil+id, "actors: ['../../x', '.', '/']", "x", at))
	}
	s.write(d, Update{}, true)
	s.asServed(d.Dir)
	for name := range tree(t, outside) {
		if !strings.HasPrefix(name, "a/b/public/") {
			t.Errorf("%s is outside the folder", name)
		}
		if strings.Contains(name, ".tocsin-") {
			t.Errorf("%s was left", name)
		}
	}
	files := tree(t, d.Dir)
	for _, name := range []string{"index.html", "style.css", "feeds.opml", "tags/index.html", "actors/index.html", "events/2025/raid/index.html",
		"tags/supreme-court/index.html", "feeds/all.atom", "feeds/all.rss", "feeds/all.json", "feeds/custom/courts.atom", "feeds/actors/åse-ö.atom"} {
		if files[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	for name, fi := range files {
		if strings.HasPrefix(name, "feeds/") && !fi.ModTime().Equal(at) {
			t.Errorf("%s is of %v", name, fi.ModTime())
		}
		if fi.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v", name, fi.Mode())
		}
	}
}

// Without pages a folder has the feeds and the list of them, and what else is in it
// stays as it is.
func TestFolderOfFeedsAlone(t *testing.T) {
	s := filled(t, "https://example.org")
	d := s.folder(t.TempDir())
	d.p.FeedsAlone = true
	for _, name := range []string{"index.html", "sitemap-7.xml"} {
		if err := os.WriteFile(filepath.Join(d.Dir, name), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.write(d, Update{}, true)
	s.put(d, s.set("other", "Other", "tags: [Other]", "Other", at.Add(time.Hour)))
	files := tree(t, d.Dir)
	for _, name := range []string{"feeds.opml", "feeds/all.atom", "feeds/tags/other.json", "feeds/tags/supreme-court.rss"} {
		if files[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	for name := range files {
		if name != "index.html" && name != "sitemap-7.xml" && name != "feeds.opml" && !strings.HasPrefix(name, "feeds/") {
			t.Errorf("%s was written", name)
		}
	}
	for _, name := range []string{"index.html", "sitemap-7.xml"} {
		if page, err := os.ReadFile(filepath.Join(d.Dir, name)); err != nil || string(page) != "mine" {
			t.Errorf("%s is %q now, %v", name, page, err)
		}
		delete(files, name)
	}
	if list, err := os.ReadFile(filepath.Join(d.Dir, "feeds.opml")); err != nil || !strings.Contains(string(list), "/feeds/tags/other.atom") {
		t.Errorf("the list is %s, %v", list, err)
	}
	// They are the same bytes as beside pages.
	e := s.folder(t.TempDir())
	s.write(e, Update{}, true)
	for name := range files {
		a, err := os.ReadFile(filepath.Join(d.Dir, name))
		b, berr := os.ReadFile(filepath.Join(e.Dir, name))
		if err != nil || berr != nil || string(a) != string(b) {
			t.Errorf("%s is another file without pages; %v, %v", name, err, berr)
		}
	}
}

// A file that is right already is not touched: it stays the same file.
func TestFolderWritesWhatDiffers(t *testing.T) {
	s := filled(t, "https://example.org")
	d := s.folder(t.TempDir())
	s.write(d, Update{}, true)
	before := tree(t, d.Dir)
	s.write(d, Update{}, true)
	for name, fi := range tree(t, d.Dir) {
		if !os.SameFile(fi, before[name]) {
			t.Errorf("%s was written again", name)
		}
	}
	u := s.set("other", "Other", "tags: [Other]", "Other", at.Add(time.Hour))
	s.put(d, u)
	after := tree(t, d.Dir)
	s.write(d, u, false)
	for name, fi := range tree(t, d.Dir) {
		if !os.SameFile(fi, after[name]) {
			t.Errorf("%s was written again with the same update", name)
		}
	}
	for name, changed := range map[string]bool{
		"feeds/all.atom": true, "index.html": true, "feeds/tags/supreme-court.atom": false, "tags/supreme-court/index.html": false,
		"events/2025/raid/index.html": false, "style.css": false,
	} {
		if os.SameFile(before[name], after[name]) == changed {
			t.Errorf("%s: written is not %v", name, changed)
		}
	}
	if !after["feeds/all.atom"].ModTime().Equal(at.Add(time.Hour)) {
		t.Errorf("feeds/all.atom is of %v", after["feeds/all.atom"].ModTime())
	}
	// What somebody else changed is put right, all or nothing asked for.
	if err := os.WriteFile(filepath.Join(d.Dir, "feeds", "all.atom"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(d.Dir, "tags", "other", "index.html")); err != nil {
		t.Fatal(err)
	}
	s.write(d, Update{}, true)
	s.asServed(d.Dir)
	if tree(t, d.Dir)["tags/other/index.html"] == nil {
		t.Error("a page that was taken away is not back")
	}
}

func TestFolderForgets(t *testing.T) {
	s := filled(t, "https://example.org")
	d := s.folder(t.TempDir())
	s.put(d, s.set("gone", "Gone", "", "Gone", at))
	s.write(d, Update{}, true)
	gone, old := filepath.Join(d.Dir, "events", "gone", "index.html"), filepath.Join(d.Dir, "events", "old", "index.html")
	if _, err := os.Stat(gone); err != nil {
		t.Fatal(err)
	}
	u := s.withdraw("gone", at.Add(time.Hour))
	u.Moved = map[string]string{"old": "2025/raid"}
	s.Update(u)
	// A turn that could not write is made good by one that writes all.
	for _, way := range []struct {
		u   Update
		all bool
	}{{u, false}, {Update{}, true}} {
		s.write(d, way.u, way.all)
		if _, err := os.Stat(gone); err == nil {
			t.Error("the page of a withdrawn event is there")
		}
		page, err := os.ReadFile(old)
		if err != nil || !strings.Contains(string(page), `content="0; url=https://example.org/events/2025/raid/"`) {
			t.Errorf("the page that moved: %v\n%s", err, page)
		}
		s.asServed(d.Dir)
		if err := os.WriteFile(gone, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(old); err != nil {
			t.Fatal(err)
		}
	}
}

// A format that is no longer configured leaves neither files nor links to them.
func TestFolderOfFewerFormats(t *testing.T) {
	s := filled(t, "https://example.org")
	dir := t.TempDir()
	s.write(s.folder(dir), Update{}, true)
	s.o.Formats = []feed.Format{feed.JSON}
	s.write(s.folder(dir), Update{}, true)
	s.asServed(dir)
	for name := range tree(t, dir) {
		if strings.HasSuffix(name, ".atom") || strings.HasSuffix(name, ".rss") {
			t.Errorf("%s is left", name)
		}
	}
}

// What a killed process was writing is taken away once it is old, and nothing else.
func TestFolderSweeps(t *testing.T) {
	s := filled(t, "https://example.org")
	d := s.folder(t.TempDir())
	s.write(d, Update{}, true)
	const young, foreign = "feeds/.tocsin-1", "other/.tocsin-2"
	for _, name := range []string{young, foreign, ".hidden"} {
		full := filepath.Join(d.Dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.now = func() time.Time { return time.Now().Add(50 * time.Second) }
	s.write(d, Update{}, true)
	if tree(t, d.Dir)[young] == nil {
		t.Error("a young file is gone")
	}
	d.now = func() time.Time { return time.Now().Add(70 * time.Second) }
	s.put(d, s.set("a", "A", "", "A", at))
	if tree(t, d.Dir)[young] == nil {
		t.Error("a turn that does not write all swept")
	}
	for _, name := range []string{".tocsin-3", "events/2025/raid/.tocsin-4"} {
		if err := os.WriteFile(filepath.Join(d.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.write(d, Update{}, true)
	for name := range tree(t, d.Dir) {
		if strings.Contains(name, ".tocsin-") != (name == foreign) {
			t.Errorf("%s is there", name)
		}
	}
	if tree(t, d.Dir)[".hidden"] == nil {
		t.Error("another's file is gone")
	}
}

// A folder that cannot be written to is an error, not a panic.
func TestFolderFault(t *testing.T) {
	s := filled(t, "https://example.org")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.folder(filepath.Join(file, "x")).p.Write(t.Context(), s.Edition(Update{}, true)); err == nil || !strings.HasPrefix(err.Error(), "static folder: ") {
		t.Errorf("error %v", err)
	}
}
