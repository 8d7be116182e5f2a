package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var soakFor = flag.Duration("soak", 0, "soak: how long the daemon is used")

// soaked is what the daemon holds at a moment.
type soaked struct{ memory, goroutines, files float64 }

var (
	residentSize = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB`)
	goroutines   = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)
)

func (r *rig) soaked() soaked {
	r.t.Helper()
	number := func(re *regexp.Regexp, text string) float64 {
		m := re.FindStringSubmatch(text)
		if m == nil {
			r.t.Fatalf("no %s", re)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			r.t.Fatal(err)
		}
		return n
	}
	proc := fmt.Sprintf("/proc/%d/", r.cmd.Process.Pid)
	_, metrics := r.fetch("http://" + r.admin + "/metrics")
	files, err := os.ReadDir(proc + "fd")
	if err != nil {
		r.t.Fatal(err)
	}
	return soaked{number(residentSize, r.read(proc+"status")) / 1024, number(goroutines, string(metrics)), float64(len(files))}
}

// growth is how much the values grow from the first to the last by the line that fits
// them best, and their mean.
func growth(values []float64) (grown, mean float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	var above, below float64
	for i, v := range values {
		x := float64(i) - (n-1)/2
		above, below = above+x*(v-mean), below+x*x
	}
	return above / below * (n - 1), mean
}

// A daemon that is used all the time, and reloaded with other sinks again and again,
// holds no more at the end than in the middle, and has nothing to complain about.
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("make soak runs it")
	}
	unraced(t)
	const events = 300
	r := newRig(t, "      match: {min_importance: 1}", "feeds: {dir: public}")
	write := func(n, edit int) {
		r.replace(filepath.Join(r.events, fmt.Sprintf("e%03d.md", n)), fmt.Sprintf(
			"---\ntitle: Event %d\ndate: 2025-01-%02d\nimportance: %d\ntags: [tag-%d, tag-%d]\nactors: [Actor %d]\n---\n\n%s\n",
			n, 1+n%28, 1+edit%10, n%20, n%7, n%30, strings.Repeat(fmt.Sprintf("Edit %d. ", edit), 50)))
	}
	for n := range events {
		write(n, 0)
	}
	r.sentinel(-1)
	plain := r.read(r.config)
	r.start()
	stop := r.load(50 * time.Millisecond)

	edits, seconds := time.NewTicker(200*time.Millisecond), time.NewTicker(time.Second)
	defer edits.Stop()
	defer seconds.Stop()
	over := time.After(*soakFor)
	var all []soaked
	reloads := 0
	for edit, second := 0, 0; over != nil; {
		select {
		case <-edits.C:
			edit++
			write(edit*7%events, edit)
		case <-seconds.C:
			second++
			all = append(all, r.soaked())
			r.receiver.take()
			r.unworried()
			if second%5 != 0 {
				continue
			}
			reloads++
			r.replace(r.config, plain)
			for n := range reloads % 4 {
				r.addSinks(fmt.Sprintf("\n    - {name: sink-%d, type: webhook, url: %q, rate: 0, match: {tags: [tag-%d]}}", n, r.receiver.server.URL+"/more", n))
			}
			if reloads%2 == 0 {
				r.reloaded()
			} else if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		case <-over:
			over = nil
		}
	}
	stop()

	half := all[len(all)/2:]
	for _, c := range []struct {
		what  string
		of    func(soaked) float64
		grows float64 // how much it may, by chance
	}{
		{"resident memory, MiB", func(s soaked) float64 { return s.memory }, 15},
		{"goroutines", func(s soaked) float64 { return s.goroutines }, 10},
		{"open files", func(s soaked) float64 { return s.files }, 10},
	} {
		var values []float64
		for _, s := range half {
			values = append(values, c.of(s))
		}
		grown, mean := growth(values)
		t.Logf("%s: %.1f, grown by %.1f over the second half", c.what, mean, grown)
		if grown > c.grows {
			t.Errorf("%s: grown by %.1f over the second half", c.what, grown)
		}
	}

	// All that was written is told, also to sinks that were away for a while.
	r.replace(r.config, plain)
	for n := range 3 {
		r.addSinks(fmt.Sprintf("\n    - {name: sink-%d, type: webhook, url: %q, rate: 0, match: {tags: [tag-%d]}}", n, r.receiver.server.URL+"/more", n))
	}
	r.reloaded()
	r.settled(r.sentinel(0))
	if n := len(r.deliveries("failed", 0)); n > 0 {
		t.Errorf("%d deliveries failed", n)
	}
	t.Logf("%v: %d reloads", *soakFor, reloads)
}
