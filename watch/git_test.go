package watch

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestGitLock(t *testing.T) {
	for name, git := range map[string]func(r *rig) string{
		"in the root": func(r *rig) string { return r.path(".git") },
		"above":       func(r *rig) string { return filepath.Join(filepath.Dir(r.dir), ".git") },
		"a worktree": func(r *rig) string {
			git := filepath.Join(filepath.Dir(r.dir), "elsewhere", "worktrees", "1")
			r.must(os.WriteFile(r.path(".git"), []byte("gitdir: ../elsewhere/worktrees/1\n"), 0o644))
			return git
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "root")
			set := &rig{T: t, dir: dir}
			set.must(os.Mkdir(dir, 0o755))
			at := filepath.Join(git(set), "index.lock")
			set.must(os.MkdirAll(filepath.Dir(at), 0o755))

			seen := make(chan struct{}, 1000)
			r := start(t, Options{Dir: dir}, func(w *Watcher) {
				w.gitLock = func(root string) (lock, bool) {
					l, ok := findGitLock(root)
					if ok {
						select {
						case seen <- struct{}{}:
						default:
						}
					}
					return l, ok
				}
			})
			r.must(os.WriteFile(at, nil, 0o644))
			r.write("a.md", "1")
			for range 3 {
				select {
				case <-seen:
				case h := <-r.w.Hints():
					t.Fatalf("hint under the lock: %s", show(h))
				case <-time.After(patience):
					t.Fatal("lock not seen")
				}
			}
			r.must(os.Remove(at))
			r.told("a.md")
		})
	}
}

// A reader is told that git was at work while it looked.
func TestGitRests(t *testing.T) {
	root := t.TempDir()
	r := &rig{T: t, dir: root}
	lock := r.path(".git/index.lock")
	hold := func() { r.must(os.WriteFile(lock, nil, 0o644)) }
	release := func() { r.must(os.Remove(lock)) }
	r.must(os.Mkdir(r.path(".git"), 0o755))
	g := NewGit(filepath.Join(root, "events"))
	for _, c := range []struct {
		name          string
		before, while func()
		looked, rests bool
		fails         error
	}{
		{name: "nothing", looked: true, rests: true},
		{name: "a lock taken", while: hold, looked: true},
		{name: "a lock held"},
		{name: "a lock given back before", before: release, looked: true, rests: true},
		{name: "a lock taken and given back", while: func() { hold(); release() }, looked: true},
		{name: "a look that fails", while: hold, looked: true, rests: true, fails: errors.New("disk")},
	} {
		if c.before != nil {
			c.before()
		}
		// A file system's clock may be as coarse as this test is long.
		r.must(os.Chtimes(r.path(".git"), time.Time{}, time.Now().Add(-time.Hour)))
		looked := false
		rests, err := g.Rests(func() error {
			if looked = true; c.while != nil {
				c.while()
			}
			return c.fails
		})
		if looked != c.looked || rests != c.rests || !errors.Is(err, c.fails) {
			t.Errorf("%s: looked %v, rests %v, %v", c.name, looked, rests, err)
		}
	}
}

// Git that is at work again and again does not hold a reader up for ever.
func TestGitRestsAfterAll(t *testing.T) {
	root := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		g := NewGit(root)
		began, looks := time.Now(), 0
		for {
			rests, err := g.Rests(func() error {
				looks++
				git := filepath.Join(root, ".git")
				at := time.Unix(int64(looks), 0) // a clock may be as coarse as this test is long
				return errors.Join(os.MkdirAll(git, 0o755), os.Chtimes(git, at, at))
			})
			if err != nil {
				t.Fatal(err)
			}
			if rests {
				break
			}
			time.Sleep(10 * time.Second)
		}
		if took := time.Since(began); took != maxLock || looks != 7 {
			t.Errorf("%d looks in %v", looks, took)
		}
	})
}
