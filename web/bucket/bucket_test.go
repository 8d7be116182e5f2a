package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"tocsin/event"
	"tocsin/feed"
	"tocsin/timeline"
	"tocsin/web"
)

// store is an object store that notes what it is asked.
type store struct {
	*httptest.Server
	t       *testing.T
	backend *s3mem.Backend

	mu       sync.Mutex
	requests []*http.Request
	answer   func(r *http.Request) int // 0: as it is; else a status, negative once it is done; under mu
	tags     func(tag string) string   // what listings say; nil: as it is
	after    func(method, key string)  // once a request is done; under mu
}

const (
	keyID     = "AKIDc4n4ry"
	secretKey = "s3cr3tc4n4ry"
)

func newStore(t *testing.T) *store {
	s := &store{t: t, backend: s3mem.New()}
	if err := s.backend.CreateBucket("public"); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(tagging{s.backend, s}).Server()
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, r)
		if s.answer != nil {
			if status := s.answer(r); status != 0 {
				if status < 0 {
					status = -status
					fake.ServeHTTP(httptest.NewRecorder(), r)
				}
				w.WriteHeader(status)
				// It answers with all that it was sent.
				fmt.Fprintf(w, "<Error><Code>Oops</Code><Message>%s with %s %s</Message></Error>", r.Header.Get("Authorization"), keyID, secretKey)
				return
			}
		}
		fake.ServeHTTP(w, r)
		if s.after != nil {
			s.after(r.Method, strings.TrimPrefix(r.URL.Path, "/public/"))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// tagging is a backend whose listings have other entity tags.
type tagging struct {
	gofakes3.Backend
	s *store
}

func (b tagging) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	l, err := b.Backend.ListBucket(name, prefix, page)
	if err == nil && b.s.tags != nil {
		for _, c := range l.Contents {
			c.ETag = b.s.tags(c.ETag)
		}
	}
	return l, err
}

// bucket returns what a new process has of the store.
func (s *store) bucket(prefix string) *Bucket {
	s.t.Helper()
	b, err := New(Options{Name: "public", Prefix: prefix, Endpoint: s.URL, Region: "us-east-1", AccessKeyID: keyID, SecretAccessKey: secretKey})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// took returns how many requests of each method there were since the last call; a
// listing is LIST.
func (s *store) took() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := make(map[string]int)
	for _, r := range s.requests {
		if r.URL.Query().Has("list-type") {
			n["LIST"]++
		} else {
			n[r.Method]++
		}
	}
	s.requests = nil
	return n
}

// files are all objects by key. It takes no request.
func (s *store) files() map[string]string {
	s.t.Helper()
	l, err := s.backend.ListBucket("public", &gofakes3.Prefix{}, gofakes3.ListBucketPage{})
	if err != nil {
		s.t.Fatal(err)
	}
	all := make(map[string]string)
	for _, c := range l.Contents {
		o, err := s.backend.GetObject("public", c.Key, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(o.Contents)
		if err != nil {
			s.t.Fatal(err)
		}
		all[c.Key] = string(body)
	}
	return all
}

func (s *store) put(key, text string) {
	s.t.Helper()
	if _, err := s.backend.DeleteObject("public", key); err != nil { // or its metadata would stay
		s.t.Fatal(err)
	}
	if _, err := s.backend.PutObject("public", key, map[string]string{}, strings.NewReader(text), int64(len(text)), nil); err != nil {
		s.t.Fatal(err)
	}
}

var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// record is a site whose events the tests set and withdraw.
type record struct {
	*web.Site
	t       *testing.T
	style   *feed.Style
	catalog *feed.Catalog
	entries map[string]*feed.Entry
	turn    int
}

func newRecord(t *testing.T) *record {
	style := &feed.Style{
		Title: "Record", URL: "https://example.org", Authority: "example.org,2025", Language: "en",
		Author: feed.Author{Name: "Record"}, Content: feed.Full, MaxEntries: 3, Version: "test",
	}
	return &record{
		t: t, style: style, entries: make(map[string]*feed.Entry),
		Site:    web.New(web.Options{Style: style, Formats: feed.Formats(), Logger: slog.New(slog.DiscardHandler)}),
		catalog: feed.NewCatalog(style, 1, nil),
	}
}

// set publishes an event of a tag; without a title it withdraws it.
func (r *record) set(id, title, tag string) *web.Edition {
	r.t.Helper()
	var u web.Update
	var old, new []*feed.Entry
	if n := r.entries[id]; n != nil {
		old = append(old, n)
	}
	r.turn++
	when := at.Add(time.Duration(r.turn) * time.Hour)
	if title == "" {
		u.Withdrawn = []string{id}
		delete(r.entries, id)
	} else {
		text := fmt.Sprintf("---\nid: %q\ntitle: %q\ndate: 2025-01-28\ntags: [%q]\n---\n\nText of %s.\n", id, title, tag, title)
		e, err := event.NewReader(event.Dialect{}).Read("file.md", []byte(text))
		if err != nil {
			r.t.Fatal(err)
		}
		n := r.style.NewEntry(&timeline.Record{ID: "tag:example.org,2025:" + id, Event: e, Published: when, Updated: when},
			func(t timeline.Topic) string { return event.Slug(t.Key) })
		r.entries[id] = n
		new = append(new, n)
		u.Events = new
	}
	r.catalog.Replace(old, new)
	for _, f := range r.catalog.Touched(func(path string) bool { return r.Feed(path) != nil }) {
		f.Modified, f.Updated = when, when
		u.Feeds = append(u.Feeds, f)
	}
	r.Update(u)
	return r.Edition(u, false)
}

func (r *record) everything() *web.Edition { return r.Edition(web.Update{}, true) }

// folder returns the files that a static folder has of it.
func (r *record) folder() map[string]string {
	r.t.Helper()
	dir := r.t.TempDir()
	p := &web.Publisher{Site: r.Site, Place: &web.Folder{Dir: dir}}
	if err := p.Write(r.t.Context(), r.everything()); err != nil {
		r.t.Fatal(err)
	}
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(name)] = string(body)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

func (r *record) write(p *web.Publisher, e *web.Edition) {
	r.t.Helper()
	if err := p.Write(r.t.Context(), e); err != nil {
		r.t.Fatal(err)
	}
}

// same fails unless the store has these files below a prefix.
func (s *store) same(prefix string, want map[string]string) {
	s.t.Helper()
	got := s.files()
	below := make(map[string]string)
	for key, body := range got {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			below[name] = body
		}
	}
	if a, b := slices.Sorted(maps.Keys(below)), slices.Sorted(maps.Keys(want)); !slices.Equal(a, b) {
		s.t.Fatalf("the store has\n%q\nwant\n%q", a, b)
	}
	for name := range want {
		if below[name] != want[name] {
			s.t.Errorf("%s is another", name)
		}
	}
}

func TestBucketIsTheFolder(t *testing.T) {
	s, r := newStore(t), newRecord(t)
	for i := range 12 {
		r.set(fmt.Sprintf("2025/event-%d", i), fmt.Sprintf("Title %d", i), fmt.Sprintf("Täg %d", i%3))
	}
	s.put("other/site", "x")
	s.put("a/bc/feeds/all.atom", "x")
	p := &web.Publisher{Site: r.Site, Place: s.bucket("a/b")}
	r.write(p, r.everything())
	s.same("a/b/", r.folder())
	if f := s.files(); f["other/site"] != "x" || f["a/bc/feeds/all.atom"] != "x" {
		t.Error("what is another's was touched")
	}

	// Each object says of itself what its address says.
	s.mu.Lock()
	requests := s.requests
	s.mu.Unlock()
	for _, q := range requests {
		name, ok := strings.CutPrefix(q.URL.Path, "/public/a/b/")
		if q.Method != http.MethodPut || !ok {
			continue
		}
		served := httptest.NewRecorder()
		r.Handler().ServeHTTP(served, httptest.NewRequest("GET", (&url.URL{Path: "/" + strings.TrimSuffix(name, "index.html")}).String(), nil))
		for _, header := range []string{"Content-Type", "Cache-Control"} {
			if got, want := q.Header.Get(header), served.Header().Get(header); got != want || want == "" {
				t.Errorf("%s: %s: %q, want %q", name, header, got, want)
			}
		}
		if q.Header.Get("X-Amz-Meta-Sha256") == "" || q.Header.Get("Content-Md5") == "" {
			t.Errorf("%s has no hash: %v", name, q.Header)
		}
	}
	if n := s.took(); n["LIST"] != 1 || n["PUT"] != len(r.folder()) {
		t.Errorf("it took %v for %d files", n, len(r.folder()))
	}

	// A change puts what differs, and asks nothing.
	r.write(p, r.set("2025/event-1", "Another", "Täg 1"))
	s.same("a/b/", r.folder())
	if n := s.took(); n["LIST"] != 0 || n["HEAD"] != 0 || n["GET"] != 0 || n["PUT"] == 0 || n["PUT"] > len(r.folder())/2 {
		t.Errorf("a change took %v", n)
	}
	r.write(p, r.set("2025/event-1", "", ""))
	s.same("a/b/", r.folder())
	if n := s.took(); n["LIST"] != 0 || n["HEAD"] != 0 || n["DELETE"] < 2 {
		t.Errorf("a withdrawal took %v", n)
	}

	// A new process finds that all is there.
	r.write(&web.Publisher{Site: r.Site, Place: s.bucket("a/b")}, r.everything())
	if n := s.took(); n["LIST"] != 1 || len(n) != 1 {
		t.Errorf("a restart took %v", n)
	}
}

// What others did to the bucket is found by a listing, and put right by it.
func TestComparison(t *testing.T) {
	s, r := newStore(t), newRecord(t)
	r.set("a", "A", "x")
	b := s.bucket("")
	p := &web.Publisher{Site: r.Site, Place: b}
	r.write(p, r.everything())
	same := func() bool {
		t.Helper()
		same, err := b.Same(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return same
	}
	s.took()
	if !same() {
		t.Error("not the same at once")
	}
	if n := s.took(); n["LIST"] != 1 || len(n) != 1 {
		t.Errorf("it took %v", n)
	}
	for what, do := range map[string]func(){
		"changed": func() { s.put("feeds/all.atom", "x") },
		"changed in place": func() {
			text := s.files()["feeds/all.atom"]
			s.put("feeds/all.atom", strings.Repeat("x", len(text)))
		},
		"gone": func() {
			if _, err := s.backend.DeleteObject("public", "index.html"); err != nil {
				t.Fatal(err)
			}
		},
		"another archive": func() { s.put("feeds/tags/x/archive/0.atom", "x") },
	} {
		do()
		if same() {
			t.Errorf("%s: the same", what)
		}
		r.write(p, r.everything())
		s.same("", r.folder())
		if !same() {
			t.Errorf("%s: not the same once it is put right", what)
		}
	}
	s.put("notes/a", "x")
	if !same() {
		t.Error("not the same with another's object")
	}
}

// A store whose tags are no MD5 is asked for the hashes, and sent nothing again.
func TestOtherTags(t *testing.T) {
	s, r := newStore(t), newRecord(t)
	s.tags = func(tag string) string { return `"` + strings.Repeat("0", 30) + strings.Trim(tag, `"`)[:2] + `"` }
	r.set("a", "A", "x")
	r.write(&web.Publisher{Site: r.Site, Place: s.bucket("")}, r.everything())
	s.took()
	b := s.bucket("")
	p := &web.Publisher{Site: r.Site, Place: b}
	r.write(p, r.everything())
	if n := s.took(); n["PUT"] != 0 || n["HEAD"] != len(r.folder()) {
		t.Errorf("a restart took %v for %d files", n, len(r.folder()))
	}
	if same, err := b.Same(t.Context()); err != nil || !same {
		t.Errorf("not the same: %v", err)
	}
	s.took()
	r.write(p, r.everything())
	if n := s.took(); n["LIST"] != 1 || len(n) != 1 {
		t.Errorf("another comparison took %v", n)
	}
}

var href = regexp.MustCompile(` href="https://example\.org/(events/[^"]*/)"`)

// However often publishing is interrupted, by the store or by a restart, it goes on
// where it was, and no reader meets a feed that names a page which is not there.
func TestInterrupted(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s, r := newStore(t), newRecord(t)
	left := 0
	s.answer = func(q *http.Request) int {
		left--
		switch {
		case left >= 0:
			return 0
		case random.IntN(2) == 0:
			return -http.StatusForbidden // which is not tried again
		}
		return http.StatusForbidden
	}
	s.after = func(method, key string) {
		if method != http.MethodDelete && !strings.HasSuffix(key, ".atom") {
			return
		}
		files := s.files()
		for name, body := range files {
			if !strings.HasSuffix(name, ".atom") {
				continue
			}
			for _, found := range href.FindAllStringSubmatch(body, -1) {
				if _, ok := files[found[1]+"index.html"]; !ok {
					t.Errorf("%s %s: %s names %s, which is not there", method, key, name, found[1])
				}
			}
		}
	}
	p := &web.Publisher{Site: r.Site, Place: s.bucket("")}
	owed := r.everything()
	failed := 0
	for turn := range 40 {
		id, title := fmt.Sprintf("event-%d", random.IntN(8)), fmt.Sprintf("Title %d", turn)
		if random.IntN(3) == 0 && r.entries[id] != nil {
			title = ""
		}
		owed.Merge(r.set(id, title, fmt.Sprintf("tag-%d", random.IntN(3))))
		if random.IntN(10) == 0 { // a restart
			p, owed = &web.Publisher{Site: r.Site, Place: s.bucket("")}, r.everything()
		}
		left = random.IntN(80)
		if err := p.Write(t.Context(), owed); err == nil {
			owed = r.Edition(web.Update{}, false)
		} else if failed++; !strings.Contains(err.Error(), "Oops") {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("in turn %d", turn)
		}
	}
	if failed < 2 || failed > 39 {
		t.Errorf("%d of 40 turns failed", failed)
	}
	left = 1 << 30
	r.write(p, owed)
	s.same("", r.folder())
}

// What a failed request did all the same is not taken for undone.
func TestDoneAllTheSame(t *testing.T) {
	s, r := newStore(t), newRecord(t)
	r.set("a", "A", "x")
	r.set("b", "B", "x")
	p := &web.Publisher{Site: r.Site, Place: s.bucket("")}
	r.write(p, r.everything())
	s.answer = func(q *http.Request) int {
		if q.Method == http.MethodDelete {
			return -http.StatusForbidden
		}
		return 0
	}
	e := r.set("a", "", "")
	if err := p.Write(t.Context(), e); err == nil {
		t.Fatal("no error")
	}
	s.answer = nil
	e.Merge(r.set("a", "A", "x"))
	r.write(p, e)
	s.same("", r.folder())
}

// A process that is killed has put half of it; the next one puts the other half.
func TestResume(t *testing.T) {
	s, r := newStore(t), newRecord(t)
	for i := range 40 {
		r.set(fmt.Sprintf("event-%d", i), fmt.Sprintf("Title %d", i), "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	puts := 0
	s.after = func(method, _ string) {
		if method == http.MethodPut {
			if puts++; puts == 50 {
				cancel()
			}
		}
	}
	if err := (&web.Publisher{Site: r.Site, Place: s.bucket("")}).Write(ctx, r.everything()); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	s.mu.Lock()
	s.after = nil
	there := len(s.files())
	s.mu.Unlock()
	s.took()
	r.write(&web.Publisher{Site: r.Site, Place: s.bucket("")}, r.everything())
	s.same("", r.folder())
	if n := s.took(); n["PUT"] > len(r.folder())-there+parallel || n["LIST"] != 1 {
		t.Errorf("with %d of %d there it took %v", there, len(r.folder()), n)
	}
}

// What an error says helps, and holds nothing secret, whatever the store answers.
func TestErrors(t *testing.T) {
	s, r := newStore(t), newRecord(t)
	away := httptest.NewServer(nil)
	away.Close()
	write := func(o Options) error {
		t.Helper()
		b, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		return (&web.Publisher{Site: r.Site, Place: b}).Write(t.Context(), r.everything())
	}
	full := Options{Name: "public", Endpoint: s.URL, Region: "us-east-1", AccessKeyID: keyID, SecretAccessKey: secretKey}
	for _, test := range []struct {
		name   string
		change func(o *Options)
		status int
		want   string
	}{
		{"echo", func(*Options) {}, 403, "s3://public: list: Oops: "},
		{"no bucket", func(o *Options) { o.Name = "another" }, 0, "s3://another: list: NoSuchBucket: The specified bucket does not exist; make the bucket"},
		{"away", func(o *Options) { o.Endpoint = away.URL }, 0, "s3://public: list: dial tcp "},
		{"no credentials", func(o *Options) { o.AccessKeyID = "" }, 0, "s3://public: list: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write feeds.s3 into the configuration"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_PROFILE"} {
				t.Setenv(name, "")
			}
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
			s.answer = func(*http.Request) int { return test.status }
			o := full
			test.change(&o)
			err := write(o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %s", err, test.want)
			}
			if strings.Contains(err.Error(), "c4n4ry") {
				t.Errorf("it is not secret: %v", err)
			}
		})
	}
}

// Credentials come from where those of S3 do.
func TestCredentials(t *testing.T) {
	s, r := newStore(t), newRecord(t)
	shared := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(shared, []byte("[default]\naws_access_key_id = shared-id\naws_secret_access_key = x\n[other]\naws_access_key_id = other-id\naws_secret_access_key = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		env  map[string]string
		o    Options
		want string
	}{
		{nil, Options{AccessKeyID: "own-id", SecretAccessKey: "x"}, "own-id"},
		{map[string]string{"AWS_ACCESS_KEY_ID": "env-id", "AWS_SECRET_ACCESS_KEY": "x"}, Options{}, "env-id"},
		{map[string]string{"AWS_ACCESS_KEY_ID": "env-id", "AWS_SECRET_ACCESS_KEY": "x"}, Options{AccessKeyID: "own-id", SecretAccessKey: "x"}, "own-id"},
		{nil, Options{}, "shared-id"},
		{map[string]string{"AWS_PROFILE": "other"}, Options{}, "other-id"},
	} {
		t.Run(test.want, func(t *testing.T) {
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_PROFILE"} {
				t.Setenv(name, test.env[name])
			}
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", shared)
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
			test.o.Name, test.o.Endpoint, test.o.Region = "public", s.URL, "us-east-1"
			b, err := New(test.o)
			if err != nil {
				t.Fatal(err)
			}
			s.took()
			r.write(&web.Publisher{Site: r.Site, Place: b}, r.set("a", "A"+test.want, "x"))
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.requests) == 0 || !strings.Contains(s.requests[0].Header.Get("Authorization"), "Credential="+test.want+"/") {
				t.Errorf("%d requests, by others", len(s.requests))
			}
		})
	}
}

// What is put is counted as it is done.
func TestDid(t *testing.T) {
	s, r := newStore(t), newRecord(t)
	var mu sync.Mutex
	did := make(map[Op]int)
	b, err := New(Options{Name: "public", Endpoint: s.URL, Region: "us-east-1", AccessKeyID: keyID, SecretAccessKey: secretKey,
		Did: func(op Op, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			did[op]++
		}})
	if err != nil {
		t.Fatal(err)
	}
	p := &web.Publisher{Site: r.Site, Place: b}
	e := r.everything()
	e.Merge(r.set("a", "A", "x"))
	r.write(p, e)
	r.write(p, r.set("a", "", ""))
	if did[List] != 1 || did[Put] < 20 || did[Remove] < 2 || did[Head] != 0 {
		t.Errorf("it did %v", did)
	}
}
