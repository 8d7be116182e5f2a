package main

import "testing"

func TestTable(t *testing.T) {
	var all table
	all.column()
	for _, v := range []float64{12.34, 1.234, 567.8} {
		all.add([]result{{"cold build", "tocsin", v, "s"}, {"cold build", "peer", 2 * v, "s"}})
	}
	all.column()
	all.add([]result{{"cold build", "tocsin", 7, "s"}, {"resident", "tocsin", 40, "MiB"}})
	const want = `| | program | 10 events | 20 events | |
|---|---|---|---|---|
| cold build | tocsin | 12.3 (1.23–568) | 7.00 | s |
| cold build | peer | 24.7 (2.47–1136) | – | s |
| resident | tocsin | – | 40.0 | MiB |
`
	if got := all.String([]string{"10", "20"}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPercentile(t *testing.T) {
	var v []int
	for i := range 100 {
		v = append(v, i+1)
	}
	for p, want := range map[int]int{0: 1, 1: 1, 50: 50, 99: 99, 100: 100} {
		if got := percentile(v, p); got != want {
			t.Errorf("percentile %d of 1 to 100 is %d, want %d", p, got, want)
		}
	}
	if got := percentile([]int{7}, 99); got != 7 {
		t.Errorf("of one value: %d", got)
	}
}
