package watch

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxLock is how long a git lock is waited for. A longer one was most likely
// left behind.
const maxLock = time.Minute

// id is what makes a folder itself and no other of the same name.
type id struct{ dev, ino uint64 }

func idOf(fi os.FileInfo) id {
	st := fi.Sys().(*syscall.Stat_t)
	return id{uint64(st.Dev), st.Ino}
}

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
	for dir := root; ; dir = filepath.Dir(dir) {
		git := filepath.Join(dir, ".git")
		if fi, err := os.Stat(git); err == nil {
			if !fi.IsDir() {
				git = gitDir(git)
			}
			fi, err := os.Lstat(filepath.Join(git, "index.lock"))
			if err != nil {
				return lock{}, false
			}
			return lock{idOf(fi), fi.ModTime()}, true
		}
		if dir == filepath.Dir(dir) {
			return lock{}, false
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

// NetworkFS names the file system of path if inotify is silent on it about
// what others change, and returns "" otherwise.
func NetworkFS(path string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return ""
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC:
		return "smb"
	case unix.V9FS_MAGIC:
		return "9p"
	case unix.CEPH_SUPER_MAGIC:
		return "ceph"
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "afs"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	}
	return ""
}
