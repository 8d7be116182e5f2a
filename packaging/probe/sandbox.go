package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sandbox tries what the service needs, and what it must not be able to do; it runs
// in the place of tocsin in its unit.
func sandbox() error {
	faults := 0
	try := func(what string, allowed bool, err error) {
		verdict := "ok"
		if (err == nil) != allowed {
			verdict = "FAULT"
			faults++
		}
		fmt.Printf("%-5s %s: %v\n", verdict, what, err)
	}
	for _, dir := range []string{os.Getenv("STATE_DIRECTORY"), os.Getenv("CACHE_DIRECTORY"), os.Getenv("RUNTIME_DIRECTORY"), "/tmp"} {
		try("write below "+dir, true, touch(dir))
	}
	for _, dir := range []string{
		"/", "/etc", "/etc/tocsin", "/etc/tocsin/secrets", "/home", "/root", "/srv", "/srv/events", "/usr/bin",
		"/var/lib", "/var/log", "/run", "/dev", "/sys/fs/cgroup",
	} {
		try("write below "+dir, false, touch(dir))
	}
	for path, allowed := range map[string]bool{
		"/etc/tocsin/config.yaml": true, "/srv/events/readable": true,
		"/home/anna/readable": false, "/root/readable": false, "/etc/tocsin/secrets/newsroom-key": false, "/etc/shadow": false,
		"/proc/1/cmdline": false, "/proc/sys/kernel/hostname": false,
	} {
		_, err := os.ReadFile(path)
		try("read "+path, allowed, err)
	}
	_, err := os.ReadFile(filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "secrets_newsroom-key"))
	try("read the credential secrets_newsroom-key", true, err)

	try("run /bin/sh", false, exec.Command("/bin/sh", "-c", "true").Run())
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	for _, dir := range []string{os.Getenv("STATE_DIRECTORY"), "/tmp"} {
		own := filepath.Join(dir, "own")
		if err := os.WriteFile(own, program, 0o700); err != nil {
			return err
		}
		try("run a file of its own below "+dir, false, exec.Command(own).Run())
		try("set the user of a file below "+dir, false, unix.Chmod(own, 0o4700))
		if err := os.Remove(own); err != nil {
			return err
		}
	}
	fd, err := unix.MemfdCreate("own", 0)
	if err == nil {
		unix.Close(fd)
	}
	try("make a file in memory, to run it", false, err)
	_, err = unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
	try("map memory to write and to execute", false, err)
	for name, family := range map[string]int{"netlink": unix.AF_NETLINK, "packet": unix.AF_PACKET} {
		_, err = unix.Socket(family, unix.SOCK_RAW, 0)
		try("open a socket of the family "+name, false, err)
	}
	try("make a namespace", false, unix.Unshare(unix.CLONE_NEWUSER))
	try("mount", false, unix.Mount("none", "/tmp", "tmpfs", 0, ""))
	if faults > 0 {
		return errors.New("the sandbox has holes, or is too tight")
	}
	return nil
}

// touch makes a file in a folder and takes it away.
func touch(dir string) error {
	f, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
