package watch

import (
	"bytes"
	"os"
	"path/filepath"
	"time"
)

// maxLock is how long a git lock is waited for. A longer one was most likely
// left behind.
const maxLock = time.Minute

// lock is a git lock file: another one has another inode or time.
type lock struct {
	id
	made time.Time
}

// gitHold remembers since when which lock has been there.
type gitHold struct {
	lock
	since time.Time
}

// waits reports whether the lock is worth waiting for.
func (g *gitHold) waits(now time.Time, l lock) bool {
	if g.id != l.id || !g.made.Equal(l.made) {
		// The file's own time counts as well, unless it lies in the future:
		// a lock that was left behind yesterday holds nothing up.
		*g = gitHold{lock: l, since: earlier(now, l.made)}
	}
	return now.Sub(g.since) < maxLock
}

// findGitLock looks for the lock that git holds while it changes the working
// tree that root is in.
func findGitLock(root string) (lock, bool) {
	fi, err := os.Lstat(filepath.Join(findGit(root), "index.lock"))
	if err != nil {
		return lock{}, false
	}
	return lock{idOf(fi), fi.ModTime()}, true
}

// findGit returns git's own folder of the working tree that root is in, where it
// takes its lock; without one, a path where nothing is.
func findGit(root string) string {
	for dir := root; ; dir = filepath.Dir(dir) {
		git := filepath.Join(dir, ".git")
		if fi, err := os.Stat(git); err == nil {
			if !fi.IsDir() {
				git = gitDir(git)
			}
			return git
		}
		if dir == filepath.Dir(dir) {
			return git
		}
	}
}

// gitDir reads a .git file, as worktrees and submodules have.
func gitDir(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return file
	}
	rest, ok := bytes.CutPrefix(b, []byte("gitdir: "))
	if !ok {
		return file
	}
	dir := string(bytes.TrimRight(rest, "\r\n"))
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(file), dir)
	}
	return dir
}

// Git lets a reader of a folder find out whether git was changing it meanwhile. The
// zero value is no Git; make one by [NewGit].
type Git struct {
	root  string
	held  gitHold
	since time.Time // when a look was first in vain; zero: the last was not
}

// NewGit returns the Git of the working tree that root is in, if it is in one.
func NewGit(root string) *Git { return &Git{root: root} }

// Rests calls look, and reports whether git left the working tree alone meanwhile.
// If not, half of a checkout may have been seen, and it is to be looked at again in
// a while; look is not even called where git is at work already. A lock that is
// older than a minute was left behind and counts for nothing, and after a minute of
// looks in vain one is good enough.
func (g *Git) Rests(look func() error) (bool, error) {
	began := time.Now()
	if !g.since.IsZero() && began.Sub(g.since) >= maxLock {
		g.since = time.Time{}
		return true, look()
	}
	rests := !g.locked(began)
	if rests {
		before := g.changed()
		if err := look(); err != nil {
			return true, err
		}
		// A lock that came and went has left its mark on the folder that it is in.
		rests = !g.locked(time.Now()) && g.changed().Equal(before)
	}
	switch {
	case rests:
		g.since = time.Time{}
	case g.since.IsZero():
		g.since = began
	}
	return rests, nil
}

func (g *Git) locked(now time.Time) bool {
	l, ok := findGitLock(g.root)
	return ok && g.held.waits(now, l)
}

// changed returns when a file in git's own folder was last made, renamed or removed.
func (g *Git) changed() time.Time {
	fi, err := os.Stat(findGit(g.root))
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}
