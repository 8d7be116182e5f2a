package survey

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkSurvey looks at a folder of 1,196 real files, or at the sample events.
func BenchmarkSurvey(b *testing.B) {
	dir := "../../shared/corpus/flat"
	if _, err := os.Stat(dir); err != nil {
		dir = "../seeds"
	}
	var files []File
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".md" {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		files = append(files, File{filepath.ToSlash(rel), data})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Survey(files, time.Now())
	}
}
