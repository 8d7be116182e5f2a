// Measure times whole processes: tocsin on generated folders, from a build to
// thousands of requests, and beside it in the same run the programs that people use
// for the same, where they are installed. bench/run builds tocsin and starts it.
//
// Every figure is the median of the runs. A folder is generated once and lies, with
// all that is made of it, on a RAM disk if there is one, so that the figures are of
// programs and not of disks.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tocsin/bench/generate"
)

// bench is one run of the program.
type bench struct {
	tocsin  string // the binary
	dir     string // for everything
	folder  string // of the events
	events  int
	entries int // of a feed
	edits   int
	seconds int // of load
}

// result is one figure: what was measured, of which program, how much, of what.
type result struct {
	what, program string
	value         float64
	unit          string
}

// stages are what can be measured, in their order.
var stages = []struct {
	name string
	run  func(context.Context, *bench) ([]result, error)
}{
	{"cold", cold},
	{"warm", warm},
	{"edit", edit},
	{"burst", burst},
	{"memory", memory},
	{"serve", serve},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var names []string
	for _, s := range stages {
		names = append(names, s.name)
	}
	b := &bench{entries: 50}
	flag.StringVar(&b.tocsin, "tocsin", "bin/tocsin", "the binary to measure")
	sizes := flag.String("events", "2000", "numbers of events, with commas")
	only := flag.String("only", strings.Join(names, ","), "what to measure")
	runs := flag.Int("runs", 3, "how often; medians are printed")
	parent := flag.String("dir", ramDisk(), "where the folders are made")
	flag.IntVar(&b.edits, "edits", 50, "edits for the stage edit")
	flag.IntVar(&b.seconds, "seconds", 3, "seconds of each load of the stage serve")
	flag.Parse()
	for _, name := range strings.Split(*only, ",") {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-only: there is no %q, only %s", name, strings.Join(names, ", "))
		}
	}
	var err error
	if b.tocsin, err = filepath.Abs(b.tocsin); err != nil {
		return err
	}
	var t table
	for _, size := range strings.Split(*sizes, ",") {
		if b.events, err = strconv.Atoi(size); err != nil || b.events < 1 {
			return fmt.Errorf("-events: %q is not a number of events", size)
		}
		t.column()
		if err = b.measure(ctx, *parent, strings.Split(*only, ","), *runs, &t); err != nil {
			break // what there is, is worth to be seen
		}
	}
	fmt.Printf("Medians of %d, with the least and the most.\n\n%s", *runs, t.String(strings.Split(*sizes, ",")))
	return err
}

// measure fills the last column of the table: that of one size.
func (b *bench) measure(ctx context.Context, parent string, only []string, runs int, t *table) error {
	if err := b.fits(parent); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(parent, "tocsin-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir, b.folder = dir, filepath.Join(dir, "events")
	fmt.Fprintf(os.Stderr, "generating %d events\n", b.events)
	if err := generate.Write(b.folder, b.events); err != nil {
		return err
	}
	for i := range runs {
		for _, s := range stages {
			if !slices.Contains(only, s.name) {
				continue
			}
			fmt.Fprintf(os.Stderr, "%d events, run %d of %d: %s\n", b.events, i+1, runs, s.name)
			results, err := s.run(ctx, b)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			t.add(results)
		}
	}
	return nil
}

// What an event takes of the disk, about: with its part of the state and of feeds, and
// with its pages and lists. Those, and peers, are not tried beyond mostBuilt events.
const (
	mostBuilt  = 200_000
	eventBytes = 16 << 10
	builtBytes = 64 << 10
)

// fits says that a folder of this size has no place in parent.
func (b *bench) fits(parent string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(parent, &fs); err != nil {
		return err
	}
	needs := uint64(b.events) * eventBytes
	if b.events <= mostBuilt {
		needs += uint64(b.events) * builtBytes
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < needs {
		return fmt.Errorf("%d events need %d MiB, and %s has %d: choose another folder with -dir", b.events, needs>>20, parent, free>>20)
	}
	return nil
}

// ramDisk is a folder in memory, or else one for temporary files.
func ramDisk() string {
	if fi, err := os.Stat("/dev/shm"); err == nil && fi.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// table collects the results of several runs, with a column for each size.
type table struct {
	keys    []result // with a zero value, in the order in which they came
	columns []map[result][]float64
}

// column begins the next one.
func (t *table) column() { t.columns = append(t.columns, make(map[result][]float64)) }

// add enters results into the last column.
func (t *table) add(results []result) {
	for _, r := range results {
		key := result{what: r.what, program: r.program, unit: r.unit}
		if !slices.Contains(t.keys, key) {
			t.keys = append(t.keys, key)
		}
		last := t.columns[len(t.columns)-1]
		last[key] = append(last[key], r.value)
	}
}

// String is the table in Markdown: a row for each figure, under the names of the
// columns.
func (t *table) String(names []string) string {
	var s strings.Builder
	s.WriteString("| | program |")
	for i := range t.columns {
		s.WriteString(" " + names[i] + " events |")
	}
	s.WriteString(" |\n|---|---|" + strings.Repeat("---|", len(t.columns)) + "---|\n")
	for _, k := range t.keys {
		fmt.Fprintf(&s, "| %s | %s |", k.what, k.program)
		for _, c := range t.columns {
			v := slices.Sorted(slices.Values(c[k]))
			switch len(v) {
			case 0:
				s.WriteString(" – |")
			case 1:
				fmt.Fprintf(&s, " %s |", number(v[0]))
			default:
				fmt.Fprintf(&s, " %s (%s–%s) |", number(percentile(v, 50)), number(v[0]), number(v[len(v)-1]))
			}
		}
		fmt.Fprintf(&s, " %s |\n", k.unit)
	}
	return s.String()
}

// number writes three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// percentile returns the smallest value that p per cent of sorted values do not
// pass.
func percentile[T cmp.Ordered](sorted []T, p int) T {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
