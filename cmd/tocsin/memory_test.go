package main

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestLimitMemory(t *testing.T) {
	total, err := memlimit.FromSystem()
	if err != nil {
		t.Skip("the machine does not say how much memory it has:", err)
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	limitMemory()
	if limit := debug.SetMemoryLimit(-1); limit <= 0 || uint64(limit) > total/10*9+total%10 {
		t.Errorf("the limit is %d of %d bytes", limit, total)
	}

	t.Setenv("GOMEMLIMIT", "1GiB")
	debug.SetMemoryLimit(1 << 30) // as the runtime does at the start
	limitMemory()
	if limit := debug.SetMemoryLimit(-1); limit != 1<<30 {
		t.Errorf("GOMEMLIMIT is 1 GiB, the limit is %d bytes", limit)
	}
}
