package watch

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// id is what makes a folder itself and no other of the same name.
type id struct{ dev, ino uint64 }

func idOf(fi os.FileInfo) id {
	st := fi.Sys().(*syscall.Stat_t)
	return id{uint64(st.Dev), st.Ino}
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
