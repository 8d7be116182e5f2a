package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Folder is a Place that any web server can serve. A file is written only where it
// differs, under a temporary name first, so that no reader ever sees half of one. A
// feed's file has the time at which its bytes changed, so what is up to date can be
// told without reading it.
type Folder struct {
	Dir string

	listed map[string][]string // by folder the names that Look found, but not of pages
	now    func() time.Time    // nil: time.Now; replaced by tests
}

// Look implements Place. It takes away the temporary files that a killed process has
// left, as far as it can. Another process may be about to rename a young one.
func (d *Folder) Look(context.Context) error {
	now := time.Now()
	if d.now != nil {
		now = d.now()
	}
	d.listed = make(map[string][]string)
	sweep := func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		if !strings.HasPrefix(e.Name(), temporary) {
			if folder, err := filepath.Rel(d.Dir, filepath.Dir(p)); err == nil {
				folder = filepath.ToSlash(folder)
				switch {
				case folder == ".":
					d.listed[""] = append(d.listed[""], e.Name())
				case folder == "feeds" || strings.HasPrefix(folder, "feeds/"):
					d.listed[folder] = append(d.listed[folder], e.Name())
				}
			}
			return nil
		}
		// Its modification time may be a feed's already.
		if fi, err := e.Info(); err == nil && now.Sub(time.Unix(fi.Sys().(*syscall.Stat_t).Ctim.Unix())) > time.Minute {
			_ = os.Remove(p)
		}
		return nil
	}
	for _, below := range []string{"feeds", "tags", "actors", "events", "find", "build"} {
		_ = filepath.WalkDir(filepath.Join(d.Dir, below), sweep)
	}
	top, _ := os.ReadDir(d.Dir)
	for _, e := range top {
		_ = sweep(filepath.Join(d.Dir, e.Name()), e, nil)
	}
	return nil
}

// Has implements Place.
func (d *Folder) Has(name string, modified time.Time) bool {
	fi, err := os.Stat(d.full(name))
	if modified.IsZero() {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return err == nil && fi.ModTime().Equal(modified) && fi.Size() > 0
}

// Names implements Place.
func (d *Folder) Names(folder string) []string { return d.listed[folder] }

// Parallel implements Place.
func (d *Folder) Parallel() int { return runtime.GOMAXPROCS(0) }

// full is where a file of the folder is.
func (d *Folder) full(name string) string { return filepath.Join(d.Dir, filepath.FromSlash(name)) }

// Remove implements Place.
func (d *Folder) Remove(_ context.Context, name string) error {
	if err := os.Remove(d.full(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("static folder: %w", err)
	}
	return nil
}

// Put implements Place. What has no time leaves the file its own.
func (d *Folder) Put(_ context.Context, f File) error {
	full := d.full(f.Name)
	if !f.New {
		if old, err := os.ReadFile(full); err == nil && bytes.Equal(old, f.Body) {
			if !f.Modified.IsZero() {
				if err := os.Chtimes(full, f.Modified, f.Modified); err != nil {
					return fmt.Errorf("static folder: %w", err)
				}
			}
			return nil
		}
	}
	if err := writeFile(full, f.Body, f.Modified); err != nil {
		return fmt.Errorf("static folder: %w", err)
	}
	return nil
}

// temporary begins the names of files that are being written.
const temporary = ".tocsin-"

func writeFile(full string, body []byte, modified time.Time) error {
	dir := filepath.Dir(full)
	f, err := os.CreateTemp(dir, temporary+"*")
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		f, err = os.CreateTemp(dir, temporary+"*")
	}
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil && !modified.IsZero() {
		err = os.Chtimes(f.Name(), modified, modified)
	}
	if err == nil {
		err = os.Rename(f.Name(), full)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
