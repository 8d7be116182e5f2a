package main

import "github.com/KimMachineGun/automemlimit/memlimit"

// limitMemory has the garbage collector work harder when most of the memory is taken that
// the process may have, or the machine has, instead of growing until the system kills it. It
// is a goal and no bound, and GOMEMLIMIT overrides it (package runtime). Where nothing says
// how much memory there is, it does nothing.
func limitMemory() {
	available := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)
	_, _ = memlimit.Set(memlimit.WithProvider(available), memlimit.WithRatio(0.9)) // an error is that there is none
}
