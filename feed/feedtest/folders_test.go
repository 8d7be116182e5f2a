package feedtest

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"
)

// TestFolders holds every feed below the folders of TOCSIN_FEEDS to the rules, and
// reads it as gofeed does. scripts/check-feeds gives it what `tocsin build` wrote.
func TestFolders(t *testing.T) {
	folders := filepath.SplitList(os.Getenv("TOCSIN_FEEDS"))
	if len(folders) == 0 {
		t.Skip("TOCSIN_FEEDS names no folders; scripts/check-feeds does")
	}
	judge, parser := &Judge{Now: time.Now()}, gofeed.NewParser()
	feeds, entries, faults := 0, 0, 0
	fault := func(path, format string, args ...any) {
		if faults++; faults <= 50 {
			t.Errorf(path+": "+format, args...)
		}
	}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(folder, "feeds"), func(path string, d fs.DirEntry, err error) error {
			switch filepath.Ext(path) {
			case ".atom", ".rss", ".json":
			default:
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			feeds++
			if self := selfOf(b); self != "" {
				for _, f := range judge.Judge(self, b) {
					fault(path, "%v", f)
				}
			} else {
				fault(path, "it does not name itself")
			}
			read, err := parser.ParseString(string(b))
			if err != nil {
				fault(path, "gofeed: %v", err)
				return nil
			}
			for _, i := range read.Items {
				entries++
				if i.GUID == "" || i.Title == "" || i.Link == "" || i.PublishedParsed == nil || i.Content+i.Description == "" {
					fault(path, "gofeed reads an entry as %+v", i)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if feeds == 0 || entries == 0 {
		t.Errorf("%d feeds, %d entries in %v", feeds, entries, folders)
	}
	t.Logf("%d feeds, %d entries, %d faults", feeds, entries, faults)
}

// selfOf is the address that a feed gives itself.
func selfOf(b []byte) string {
	text := string(b[:min(len(b), 8000)])
	for _, mark := range []string{`rel="self"`, `"feed_url":"`} {
		_, after, ok := strings.Cut(text, mark)
		if !ok {
			continue
		}
		if mark == `rel="self"` {
			if _, after, ok = strings.Cut(after, `href="`); !ok {
				continue
			}
		}
		address, _, _ := strings.Cut(after, `"`)
		if u, err := url.Parse(strings.ReplaceAll(address, "&amp;", "&")); err == nil && u.IsAbs() {
			return u.String()
		}
	}
	return ""
}
