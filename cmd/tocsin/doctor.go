package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tocsin/config"
	"tocsin/ledger"
	"tocsin/watch"
)

// complaint is something about the surroundings that will make trouble.
type complaint struct {
	// key is that of the configuration which it is about; or else path is the file.
	key, path string
	what      string
}

// doctor judges what the configuration leads to on this machine. The operating
// system is behind its funcs, for tests to stand in for.
type doctor struct {
	c *config.Config
	// secrets are the files that secrets were read from.
	secrets []string

	now     func() time.Time
	uid     int
	sysctl  func(name string) (int, error)
	inotify func() error // whether a watcher can be had
	network func(path string) string
	access  func(path string, mode uint32) error
	facts   func(ctx context.Context) (ledger.Facts, error)
	get     func(ctx context.Context, url string) (status int, err error)
	bucket  func(ctx context.Context) error // whether that of feeds.dir answers
}

// newDoctor returns one for this machine.
func newDoctor(c *config.Config, secrets []string) *doctor {
	return &doctor{
		c: c, secrets: secrets, now: time.Now, uid: os.Getuid(),
		sysctl: readSysctl, inotify: tryInotify, network: watch.NetworkFS, access: unix.Access,
		facts: func(ctx context.Context) (ledger.Facts, error) {
			s, err := ledger.OpenShared(ctx, c.Store.Reveal())
			if err != nil {
				return ledger.Facts{}, err
			}
			defer s.Close()
			return s.Facts(ctx)
		},
		get: get,
		bucket: func(ctx context.Context) error {
			b, err := newBucket(c, nil)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %v", answerLimit))
			defer cancel()
			if err := b.Answers(ctx); err == nil || ctx.Err() == nil {
				return err
			}
			return context.Cause(ctx)
		},
	}
}

// examine returns what it has to complain of.
func (d *doctor) examine(ctx context.Context) []complaint {
	var all []complaint
	complain := func(key, what string, args ...any) {
		all = append(all, complaint{key: key, what: fmt.Sprintf(what, args...)})
	}
	d.events(ctx, complain)
	d.folders(complain)
	d.state(ctx, complain)
	d.site(ctx, complain)
	for _, path := range d.secrets {
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o004 != 0 {
			all = append(all, complaint{path: path, what: "this secret can be read by everybody on this machine; chmod o-r it"})
		}
	}
	return all
}

// surroundings returns what makes trouble on this machine for the configuration at a
// path, which is valid.
func (t *terminal) surroundings(ctx context.Context, path string, weighs severity) []finding {
	if weighs == off {
		return nil
	}
	var secrets []string
	noted := *t
	noted.env.ReadFile = func(name string) ([]byte, error) {
		if name != path {
			secrets = append(secrets, name)
		}
		return t.env.ReadFile(name)
	}
	c, err := noted.load(path, nil)
	if err != nil {
		return nil // it has been replaced just now
	}
	var all []finding
	for _, x := range newDoctor(c, secrets).examine(ctx) {
		f := finding{Path: x.path, Severity: weighs, Rule: surroundingsRule, What: x.what}
		if x.key != "" {
			f.Path, f.Line = path, t.lineOf(path, x.key)
			f.What = x.key + ": " + x.what
		}
		all = append(all, f)
	}
	return all
}

// lineOf returns the line of a key in a configuration, or of what is around it; 0 where
// it says nothing of them.
func (t *terminal) lineOf(path, key string) int {
	_, err := t.load(path, func(_ *config.Config, wrong func(key, fault string)) { wrong(key, "here") })
	var here *config.Error
	if !errors.As(err, &here) {
		return 0
	}
	return here.Line
}

// events asks whether the events folder can be watched, with all below it.
func (d *doctor) events(ctx context.Context, complain func(key, what string, args ...any)) {
	folders := 0
	// As package watch does: without what begins with a dot, and behind no symlink but
	// the folder's own.
	root, err := filepath.EvalSymlinks(d.c.Events.Dir)
	if err != nil {
		return // check says so
	}
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrPermission) && e != nil && e.IsDir():
			complain("events.dir", "the folder %s cannot be read by this user (%d), so that its events are not seen; chmod o+rx, or chgrp it to the user's group", path, d.uid)
			return fs.SkipDir
		case err != nil:
			return nil // it is going just now
		case !e.IsDir():
			return nil
		case path != root && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		}
		folders++
		return nil
	})
	if d.c.Watch.Poll > 0 {
		return
	}
	if name := d.network(root); name != "" {
		complain("watch.poll", "%s is on a network file system (%s), which does not report what others change: all of it is looked at every 2s; say how often in watch.poll", root, name)
		return
	}
	if err := d.inotify(); err != nil {
		complain("events.dir", "no more watchers can be had (%v), so that the folder is polled; raise fs.inotify.max_user_instances with sysctl -w, and in /etc/sysctl.d for good", err)
	}
	const limit = "fs.inotify.max_user_watches"
	if most, err := d.sysctl(limit); err == nil && folders > most/2 {
		complain("events.dir", "%d folders need as many watches, and all programs of a user have %d (%s), so that the folder may have to be polled; sysctl -w %s=%d, and in /etc/sysctl.d for good",
			folders, most, limit, limit, max(4*folders, 65536))
	}
}

// folders asks whether what is written can be written.
func (d *doctor) folders(complain func(key, what string, args ...any)) {
	to := []complaint{{key: "feeds.dir", path: d.c.Feeds.Dir}}
	if store := d.c.Store.Reveal(); !ledger.IsURL(store) {
		if fi, err := os.Stat(store); err == nil && !ownedBy(fi, d.uid) {
			return // the daemon is another user
		}
		to = append(to, complaint{key: "store", path: filepath.Dir(store)})
	}
	for _, to := range to {
		if to.path == "" || to.key == "feeds.dir" && d.c.Feeds.Bucket != nil {
			continue
		}
		dir := standing(to.path)
		if err := d.access(dir, unix.W_OK|unix.X_OK); err != nil {
			complain(to.key, "the folder %s cannot be written by this user (%d): %v; chown it, or name another", dir, d.uid, err)
		}
	}
}

// standing returns a folder, or where it is not there, that in which it has to be made.
func standing(dir string) string {
	for {
		_, err := os.Stat(dir)
		if up := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && up != dir {
			dir = up
			continue
		}
		return dir
	}
}

// state asks whether the state is where it is safe, and whether ids and times will stay
// what it says they are.
func (d *doctor) state(ctx context.Context, complain func(key, what string, args ...any)) {
	f, err := d.facts(ctx)
	if store := d.c.Store.Reveal(); !ledger.IsURL(store) {
		dir := standing(filepath.Dir(store))
		if name := d.network(dir); name != "" && name != "fuse" { // which is also what some local file systems are
			complain("store", "%s is on a network file system (%s), where SQLite's locks and shared memory do not hold; put the state on a local disk", dir, name)
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		complain("store", "from this machine the state cannot be used: %v", err)
	}
	if err != nil { // there is none yet, or it is another user's
		f = ledger.Facts{}
	}
	if ahead := f.Newest.Sub(d.now()); ahead > time.Hour {
		complain("store", "the machine's clock is wrong, or was: it says %s, and feeds changed at %s; put it right (timedatectl)",
			d.now().UTC().Format(time.RFC3339), f.Newest.Format(time.RFC3339))
	}
	is := d.c.Site.Authority
	switch sample := config.Default().Site.Authority; {
	case f.Authority != "" && f.Authority != is:
		complain("site.authority", "%q is not that with which ids were minted until now, which is %q: readers would take all feeds for others; put it back", is, f.Authority)
	case is == sample && !local(d.c.Site.URL):
		complain("site.authority", "%q is the sample's, so that other timelines have the same ids; write a domain of yours and a date on which it was, such as %s,%d, before readers know the feeds",
			is, hostOf(d.c.Site.URL), d.now().Year())
	}
}

// site asks whether readers come through, and whether what is for them can be put into
// the bucket. Where tocsin has never run nothing is
// expected to answer: on the machine of an author, or in a check of every change.
func (d *doctor) site(ctx context.Context, complain func(key, what string, args ...any)) {
	if !d.hasRun(ctx) {
		return
	}
	if d.c.Feeds.Bucket != nil {
		if err := d.bucket(ctx); err != nil && ctx.Err() == nil {
			complain("feeds.dir", "%v", err)
		}
	}
	if local(d.c.Site.URL) {
		return
	}
	switch status, err := d.get(ctx, d.c.Site.URL+"/"); {
	case ctx.Err() != nil:
	case err != nil:
		complain("site.url", "%s does not answer (%v), and every link in feeds and messages leads there; is the daemon up, and does the proxy in front pass it on?", d.c.Site.URL, err)
	case status >= 400 && status != http.StatusUnauthorized && status != http.StatusForbidden:
		complain("site.url", "%s answers with status %d, and every link in feeds and messages leads there; does the proxy in front pass it on to %s?", d.c.Site.URL, status, d.c.Web.Listen)
	}
}

// hasRun says that there is a state.
func (d *doctor) hasRun(ctx context.Context) bool {
	store := d.c.Store.Reveal()
	if ledger.IsURL(store) {
		_, err := d.facts(ctx)
		return err == nil
	}
	_, err := os.Stat(store)
	return err == nil
}

// local says that an address means this machine alone, or is an example's (RFC 2606,
// RFC 6761): nobody else is to come there.
func local(address string) bool {
	host := hostOf(address)
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsUnspecified()
	}
	for _, name := range []string{"localhost", "test", "invalid", "example", "example.com", "example.net", "example.org"} {
		if host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// answerLimit bounds how long the site has to answer.
const answerLimit = 3 * time.Second

// get fetches an address, and none that it leads to.
func get(ctx context.Context, address string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "tocsin/"+version)
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(req)
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // the address stands beside it
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not within %v", answerLimit)
	}
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, nil
}

// readSysctl reads a number of the kernel's.
func readSysctl(name string) (int, error) {
	text, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// tryInotify makes a watcher and gives it back.
func tryInotify() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// ownedBy says whose a file is.
func ownedBy(fi fs.FileInfo, uid int) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return !ok || int(st.Uid) == uid
}
