package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/event"
)

// TestCorpora runs the daemon on folders of real events.
func TestCorpora(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"flat": "2025-01-28--milley-security-detail-revoked-retaliation",
		"hugo": sample,
	} {
		t.Run(name, func(t *testing.T) {
			corpus := "../../../shared/corpus/" + name
			if _, err := os.Stat(corpus); err != nil {
				t.Skip("the corpus is not beside the project: ", err)
			}
			r := newRig(t, "", "")
			if err := os.CopyFS(r.events, os.DirFS(corpus)); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(filepath.Join(r.events, "README.md")) // says where they come from

			// The slugs, counted by themselves.
			slugs := make(map[string]bool)
			reader := event.NewReader(event.Dialect{})
			var milley *event.Event
			err := fs.WalkDir(os.DirFS(r.events), ".", func(p string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				e, err := reader.Read(p, []byte(r.read(filepath.Join(r.events, p))))
				if err != nil {
					return err
				}
				for _, n := range e.Tags {
					slugs["tags/"+event.Slug(event.Key(n))] = true
				}
				for _, n := range e.Actors {
					slugs["actors/"+event.Slug(event.Key(n))] = true
				}
				if e.ID == id {
					milley = e
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if milley == nil || len(milley.Tags) != 7 || len(milley.Actors) != 5 {
				t.Fatalf("the sample event is not what it was: %+v", milley)
			}

			r.start()
			_, list := r.get("/feeds.opml")
			if n := len(feedAddress.FindAllSubmatch(list, -1)); n != len(slugs)+2 {
				t.Errorf("%d feeds beside those of all and of corrections, for %d slugs", n-2, len(slugs))
			}
			var paths []string
			for _, n := range milley.Tags {
				paths = append(paths, "/feeds/tags/"+event.Slug(event.Key(n))+".atom")
			}
			for _, n := range milley.Actors {
				paths = append(paths, "/feeds/actors/"+event.Slug(event.Key(n))+".atom")
			}
			for _, p := range paths {
				_, body := r.get(p)
				d := xml.NewDecoder(bytes.NewReader(body))
				for {
					_, err := d.Token()
					if err == io.EOF {
						break
					}
					if err != nil {
						t.Fatalf("%s: %v", p, err)
					}
				}
			}
			if _, body := r.get(paths[0]); !strings.Contains(string(body), milley.ID) {
				t.Errorf("%s does not hold the sample event", paths[0])
			}
			if all := r.deliveries("", 0); len(all) > 0 || len(r.receiver.take()) > 0 {
				t.Error("the first look was told")
			}
		})
	}
}

// BenchmarkEdit measures the time from the rename of an edited file to the
// webhook and to the new bytes at the feed's address, beyond the settle time
// (100 ms).
func BenchmarkEdit(b *testing.B) {
	const settle = 100 * time.Millisecond
	r := newRig(b, "", "").seeded()
	r.start()
	arrived := make(chan time.Time, 1)
	r.receiver.arrived = arrived
	text := r.read(r.path(sample))
	var hooks, feeds []time.Duration
	for i := 0; b.Loop(); i++ {
		tmp := filepath.Join(r.dir, "next.md")
		importance := []string{"importance: 10\n", "importance: 9\n"}[i%2]
		r.write(tmp, strings.Replace(text, "importance: 9\n", importance, 1))
		began := time.Now()
		if err := os.Rename(tmp, r.path(sample)); err != nil {
			b.Fatal(err)
		}
		want := strings.Replace(strings.TrimSpace(importance), ": ", `":`, 1)
		for {
			if _, body := r.get("/feeds/tags/milley.json"); bytes.Contains(body, []byte(want+",")) {
				break
			}
		}
		feeds = append(feeds, time.Since(began)-settle)
		hooks = append(hooks, (<-arrived).Sub(began)-settle)
	}
	for what, all := range map[string][]time.Duration{"hook": hooks, "feed": feeds} {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, what+"-p50-ms")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, what+"-p99-ms")
	}
}

// BenchmarkBuild builds the real events, or the sample events where those are
// not beside the project, into a new folder from a new state.
func BenchmarkBuild(b *testing.B) {
	source := "../../../shared/corpus/hugo"
	if _, err := os.Stat(source); err != nil {
		source = "../../seeds"
	}
	r := newRig(b, "", "")
	if err := os.CopyFS(r.events, os.DirFS(source)); err != nil {
		b.Fatal(err)
	}
	for _, args := range [][]string{{"build"}, {"build", "-feeds"}} {
		b.Run(strings.Join(args, ""), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, dir := range []string{"state", "out"} {
					if err := os.RemoveAll(filepath.Join(r.dir, dir)); err != nil {
						b.Fatal(err)
					}
				}
				if out, errout, code := r.command(slices.Concat(args, []string{"-out", filepath.Join(r.dir, "out")})...); code != exitDone {
					b.Fatalf("build: %d\n%s%s", code, out, errout)
				}
			}
		})
	}
}
