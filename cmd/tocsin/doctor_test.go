package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tocsin/config"
	"tocsin/ledger"
)

// healthy is a machine of which there is nothing to complain, with a state.
func healthy(t *testing.T) *doctor {
	t.Helper()
	dir := t.TempDir()
	c := config.Default()
	c.Events.Dir, c.Feeds.Dir = filepath.Join(dir, "events"), filepath.Join(dir, "public")
	c.Store = config.Secret(filepath.Join(dir, "state", "tocsin.db"))
	c.Site.URL, c.Site.Authority = "https://record.gov", "record.gov,2025"
	for _, path := range []string{"events/a/b", "events/.git/objects", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(c.Store.Reveal(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return &doctor{
		c: &c, now: func() time.Time { return now }, uid: os.Getuid(),
		sysctl:  func(name string) (int, error) { return 8192, nil },
		inotify: func() error { return nil },
		network: func(string) string { return "" },
		access:  func(string, uint32) error { return nil },
		facts: func(context.Context) (ledger.Facts, error) {
			return ledger.Facts{Newest: now.Add(-time.Hour), Authority: "record.gov,2025"}, nil
		},
		get: func(context.Context, string) (int, error) { return http.StatusOK, nil },
	}
}

func TestDoctor(t *testing.T) {
	asked := false
	for _, c := range []struct {
		name string
		ill  func(d *doctor)
		want string // a pattern of key: what, with * for anything; empty: nothing
	}{
		{"healthy", func(d *doctor) {}, ""},
		{"as many watches as there are folders", func(d *doctor) { d.sysctl = only3(6) }, ""},
		{"few watches", func(d *doctor) { d.sysctl = only3(5) },
			"events.dir: 3 folders need as many watches, and all programs of a user have 5 (fs.inotify.max_user_watches)*sysctl -w fs.inotify.max_user_watches=65536*"},
		{"few watches, polling", func(d *doctor) { d.sysctl = only3(5); d.c.Watch.Poll = time.Second }, ""},
		{"no sysctls here", func(d *doctor) { d.sysctl = func(string) (int, error) { return 0, os.ErrNotExist } }, ""},
		{"no watcher", func(d *doctor) { d.inotify = func() error { return unix.EMFILE } }, "events.dir: no more watchers can be had (too many open files)*fs.inotify.max_user_instances*"},
		{"no watcher, polling", func(d *doctor) { d.inotify = func() error { return unix.EMFILE }; d.c.Watch.Poll = time.Second }, ""},
		{"events on a network file system", func(d *doctor) { d.network = where("events", "nfs") }, "watch.poll: * is on a network file system (nfs)*"},
		{"events on one, polling", func(d *doctor) { d.network = where("events", "nfs"); d.c.Watch.Poll = time.Second }, ""},
		{"no events", func(d *doctor) { d.c.Events.Dir += "/none" }, ""},
		{"state on a network file system", func(d *doctor) { d.network = where("state", "smb") }, "store: * is on a network file system (smb), where SQLite's*"},
		{"a state to be made on one", func(d *doctor) {
			d.network = where("state", "smb")
			d.c.Store = config.Secret(filepath.Join(filepath.Dir(d.c.Store.Reveal()), "deep", "tocsin.db"))
		}, "store: * is on a network file system (smb)*"},
		{"state on fuse", func(d *doctor) { d.network = where("state", "fuse") }, ""},
		{"state not writable", func(d *doctor) { d.access = denied("state") }, "store: the folder *state cannot be written by this user (*): permission denied*"},
		{"another user's state", func(d *doctor) { d.access = denied("state"); d.uid = d.uid + 1 }, ""},
		{"static folder not writable", func(d *doctor) { d.access = denied("") }, "feeds.dir: the folder * cannot be written*"},
		{"no static folder", func(d *doctor) { d.access = denied(""); d.c.Feeds.Dir = "" }, ""},
		{"clock behind", func(d *doctor) { d.facts = facts(d.now().Add(61*time.Minute), "record.gov,2025") },
			"store: the machine's clock is wrong, or was: it says 2026-03-04T05:06:07Z, and feeds changed at 2026-03-04T06:07:07Z*"},
		{"clock a little behind", func(d *doctor) { d.facts = facts(d.now().Add(59*time.Minute), "record.gov,2025") }, ""},
		{"another authority", func(d *doctor) { d.facts = facts(d.now(), "record.gov,2024") },
			`site.authority: "record.gov,2025" is not that with which ids were minted until now, which is "record.gov,2024"*put it back`},
		{"nothing minted", func(d *doctor) { d.facts = facts(time.Time{}, "") }, ""},
		{"no facts", func(d *doctor) {
			d.facts = func(context.Context) (ledger.Facts, error) {
				return ledger.Facts{Newest: d.now().Add(time.Hour * 9)}, os.ErrPermission
			}
		}, ""},
		{"the sample's authority", func(d *doctor) { d.c.Site.Authority = "localhost,2025"; d.facts = facts(time.Time{}, "") },
			`site.authority: "localhost,2025" is the sample's*such as record.gov,2026, before*`},
		{"the sample's authority, as sample", func(d *doctor) {
			d.c.Site.Authority, d.c.Site.URL = "localhost,2025", "http://localhost:8080"
			d.facts = facts(d.now(), "localhost,2025")
		}, ""},
		{"a site that does not answer", func(d *doctor) { d.get = answers(0, errors.New("connection refused")) },
			"site.url: https://record.gov does not answer (connection refused)*"},
		{"a site with another program", func(d *doctor) { d.get = answers(502, nil) }, "site.url: https://record.gov answers with status 502*127.0.0.1:8080?"},
		{"a site behind a password", func(d *doctor) { d.get = answers(401, nil) }, ""},
		{"a site of this machine", func(d *doctor) { d.c.Site.URL = "http://127.0.0.1:1"; d.get = answers(0, errors.New("refused")) }, ""},
		{"a site where tocsin never ran", func(d *doctor) {
			d.c.Store += "x"
			d.get = func(context.Context, string) (int, error) { asked = true; return 0, errors.New("refused") }
		}, ""},
	} {
		d := healthy(t)
		c.ill(d)
		var got []string
		for _, x := range d.examine(t.Context()) {
			got = append(got, x.key+": "+x.what)
		}
		switch {
		case c.want == "" && len(got) > 0, c.want != "" && (len(got) != 1 || !matches(c.want, got[0])):
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if asked {
		t.Error("a site is asked for where there is no state")
	}
}

func matches(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) || !strings.HasSuffix(s, parts[len(parts)-1]) {
		return false
	}
	for _, p := range parts {
		_, rest, ok := strings.Cut(s, p)
		if !ok {
			return false
		}
		s = rest
	}
	return true
}

// only3 is a limit of watches.
func only3(most int) func(string) (int, error) {
	return func(name string) (int, error) {
		if name != "fs.inotify.max_user_watches" {
			return 0, os.ErrNotExist
		}
		return most, nil
	}
}

func where(folder, name string) func(string) string {
	return func(path string) string {
		if filepath.Base(path) == folder {
			return name
		}
		return ""
	}
}

// denied denies writing into a folder of that name, or into that which holds all.
func denied(folder string) func(string, uint32) error {
	return func(path string, mode uint32) error {
		if mode != unix.W_OK|unix.X_OK {
			return fmt.Errorf("mode %d", mode)
		}
		if filepath.Base(path) == folder || folder == "" && filepath.Base(path) != "state" {
			return unix.EACCES
		}
		return nil
	}
}

func facts(newest time.Time, authority string) func(context.Context) (ledger.Facts, error) {
	return func(context.Context) (ledger.Facts, error) {
		return ledger.Facts{Newest: newest, Authority: authority}, nil
	}
}

func answers(status int, err error) func(context.Context, string) (int, error) {
	return func(_ context.Context, url string) (int, error) {
		if !strings.HasSuffix(url, "/") {
			return 0, fmt.Errorf("asked for %s", url)
		}
		return status, err
	}
}

// TestDoctorHere asks this machine.
func TestDoctorHere(t *testing.T) {
	t.Parallel()
	if n, err := readSysctl("fs.inotify.max_user_watches"); err != nil || n < 1 {
		t.Errorf("max_user_watches: %d, %v", n, err)
	}
	if err := tryInotify(); err != nil {
		t.Error(err)
	}
	fi, err := os.Stat(t.TempDir())
	if err != nil || !ownedBy(fi, os.Getuid()) || ownedBy(fi, os.Getuid()+1) {
		t.Errorf("whose %v is: %v", fi, err)
	}
	r := newRig(t, "", "").seeded()
	r.start()
	r.stop()
	c, err := config.Load(r.config, config.OSEnv())
	if err != nil {
		t.Fatal(err)
	}
	d := newDoctor(c, nil)
	f, err := d.facts(t.Context())
	if err != nil || f.Authority != "example.org,2025" || time.Since(f.Newest).Abs() > time.Hour {
		t.Errorf("facts: %+v, %v", f, err)
	}
	if found := d.examine(t.Context()); len(found) > 0 {
		t.Errorf("here: %v", found)
	}
}

func TestGet(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/there/":
		case "/elsewhere/":
			http.Redirect(w, r, "/none/", http.StatusFound)
		case "/hangs/":
			select {
			case <-stop:
			case <-r.Context().Done():
			}
		default:
			http.NotFound(w, r)
		}
	}))
	defer s.Close()
	for path, want := range map[string]int{"/there/": 200, "/elsewhere/": 302, "/none/": 404} {
		if got, err := get(t.Context(), s.URL+path); got != want || err != nil {
			t.Errorf("%s: %d, %v", path, got, err)
		}
	}
	began := time.Now()
	if _, err := get(t.Context(), s.URL+"/hangs/"); err == nil || !strings.Contains(err.Error(), "not within 3s") {
		t.Errorf("one that hangs: %v", err)
	}
	if took := time.Since(began); took < answerLimit {
		t.Errorf("it was given %v", took)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := get(t.Context(), "http://"+l.Addr().String()+"/"); err == nil || strings.Contains(err.Error(), "http://") {
		t.Errorf("nobody: %v", err)
	}
}

func TestLocal(t *testing.T) {
	for address, want := range map[string]bool{
		"http://localhost:8080": true, "http://127.0.0.1": true, "http://[::1]:80/x": true, "http://0.0.0.0": true, "https://a.localhost": true,
		"https://example.org": true, "https://www.Example.org/x": true, "https://a.test": true,
		"https://record.gov": false, "https://myexample.org": false, "http://10.0.0.1": false, "https://localhost.de": false,
	} {
		if local(address) != want {
			t.Errorf("local(%s) is %t", address, !want)
		}
	}
}
