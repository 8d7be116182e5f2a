package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/bench/generate"
)

// What cold measures. Each program writes Atom of the newest 50 events in full, for all of
// them, each tag and each actor; tocsin enters all into its state, too, which makes it
// longer. That it writes two more formats by default has a line of its own.
const (
	coldAtom  = "cold build of feeds, Atom alone"
	coldAll   = "cold build of feeds, all formats"
	coldPages = "cold build of feeds (Atom) and pages"
)

// cold builds the folder's feeds from nothing, as every generator of sites does.
func cold(ctx context.Context, b *bench) ([]result, error) {
	all, err := b.buildCold(ctx, coldAtom, "[atom]", "-feeds")
	if err != nil || b.events > mostBuilt {
		return all, err
	}
	peers, err := b.buildByPeers(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, peers...)
	formats, err := b.buildCold(ctx, coldAll, "[atom, rss, json]", "-feeds")
	if err != nil {
		return nil, err
	}
	pages, err := b.buildCold(ctx, coldPages, "[atom]")
	return slices.Concat(all, formats, pages), err
}

// buildCold is one build of nothing. What comes of it is taken away, as it may lie in
// memory, which others need.
func (b *bench) buildCold(ctx context.Context, what, formats string, args ...string) ([]result, error) {
	config, err := b.configureFormats("cold", formats, "")
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(config)
	args = append([]string{"build", "-config", config, "-out", filepath.Join(dir, "out")}, args...)
	s, err := finish(ctx, b.dir, b.tocsin, args...)
	if err != nil {
		return nil, err
	}
	return s.results(what, "tocsin"), os.RemoveAll(dir)
}

// warm builds again what is built, and starts the daemon on what is known.
func warm(ctx context.Context, b *bench) (all []result, err error) {
	if b.events <= mostBuilt {
		if all, err = again(ctx, b); err != nil {
			return nil, err
		}
	}
	d, err := b.start(ctx, "served")
	if err != nil {
		return nil, err
	}
	all = append(all, result{"first start of the daemon, until ready", "tocsin", d.ready.Seconds(), "s"})
	d.stop()
	if d, err = b.start(ctx, "served"); err != nil {
		return nil, err
	}
	defer d.stop()
	return append(all,
			result{"later start of the daemon, until it serves", "tocsin", d.serves.Seconds(), "s"},
			result{"later start of the daemon, until ready", "tocsin", d.ready.Seconds(), "s"}),
		os.RemoveAll(filepath.Join(b.dir, "served"))
}

// again builds what is built already. The stages behind it change events, so that it
// has to be built anew for each run.
func again(ctx context.Context, b *bench) ([]result, error) {
	config, err := b.configure("built", "")
	if err != nil {
		return nil, err
	}
	out := filepath.Join(b.dir, "built", "out")
	if _, err := finish(ctx, b.dir, b.tocsin, "build", "-config", config, "-out", out); err != nil {
		return nil, err
	}
	s, err := finish(ctx, b.dir, b.tocsin, "build", "-config", config, "-out", out)
	if err != nil {
		return nil, err
	}
	return s.results("build without a change", "tocsin"), nil
}

// edit changes one event at a time and waits for the new bytes at the address of
// the feed of its first tag. The settle time is taken off.
func edit(ctx context.Context, b *bench) ([]result, error) {
	d, err := b.start(ctx, "edited")
	if err != nil {
		return nil, err
	}
	defer d.stop()
	var took []float64
	for i := range b.edits {
		e := generate.New(i * 7919 % b.events)
		path := "/feeds/tags/" + strings.ReplaceAll(e.Tags[0], " ", "-") + ".atom"
		tag, _, err := d.get(path, "")
		if err != nil {
			return nil, err
		}
		e.Title = fmt.Sprintf("Edit %d at %d", i, time.Now().UnixNano())
		began, err := b.replace(e)
		if err != nil {
			return nil, err
		}
		if _, err := d.until(path, tag); err != nil {
			return nil, err
		}
		took = append(took, millis(time.Since(began)-settle))
	}
	slices.Sort(took)
	return []result{
		{"one edit until it is in its feed, beyond the settle time, p50", "tocsin", percentile(took, 50), "ms"},
		{"one edit until it is in its feed, beyond the settle time, p99", "tocsin", percentile(took, 99), "ms"},
	}, nil
}

// replace puts another version of an event in its file's place, as editors and
// rsync do, and returns when.
func (b *bench) replace(e generate.Event) (time.Time, error) {
	name := filepath.Join(b.folder, filepath.FromSlash(e.Path))
	next := filepath.Join(filepath.Dir(name), ".next")
	if err := os.WriteFile(next, e.Markdown(), 0o644); err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	return now, os.Rename(next, name)
}

// burst rewrites two thousand files at once, and asks for a feed all the while.
func burst(ctx context.Context, b *bench) ([]result, error) {
	d, err := b.start(ctx, "burst")
	if err != nil {
		return nil, err
	}
	defer d.stop()
	tag, _, err := d.get("/feeds/all.atom", "")
	if err != nil {
		return nil, err
	}
	before, err := d.turns()
	if err != nil {
		return nil, err
	}
	longest := time.Duration(0)
	ended := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			began := time.Now()
			if _, _, err := d.get("/", ""); err == nil {
				longest = max(longest, time.Since(began))
			}
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	var last time.Time
	for i := range min(2000, b.events) {
		e := generate.New(i)
		e.Title = fmt.Sprintf("Rewritten %d at %d", i, time.Now().UnixNano())
		if last, err = b.replace(e); err != nil {
			break
		}
	}
	if err == nil {
		_, err = d.until("/feeds/all.atom", tag)
	}
	took := time.Since(last)
	close(ended)
	asking.Wait()
	if err != nil {
		return nil, err
	}
	after, err := d.turns()
	if err != nil {
		return nil, err
	}
	return []result{
		{"2,000 rewritten files, from the last one until they are in the feed", "tocsin", took.Seconds(), "s"},
		{"2,000 rewritten files, turns of the wheel", "tocsin", float64(after - before), ""},
		{"2,000 rewritten files, longest answer meanwhile", "tocsin", millis(longest), "ms"},
	}, nil
}

// memory is what the daemon holds when it rests.
func memory(ctx context.Context, b *bench) ([]result, error) {
	var all []result
	for _, when := range []string{"first", "later"} {
		d, err := b.start(ctx, "rests")
		if err != nil {
			return nil, err
		}
		rest(ctx, settled)
		rss, err := d.resident()
		d.stop()
		if err != nil {
			return nil, err
		}
		all = append(all, result{"resident after a " + when + " start", "tocsin", rss, "MiB"})
	}
	return all, os.RemoveAll(filepath.Join(b.dir, "rests"))
}
