package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// memoryInterval is how often the limit follows what the program needs.
	memoryInterval = 2 * time.Second
	// calmTime is how long ago the program may have been at rest: a flood is shorter, and legitimate growth is
	// followed.
	calmTime = 2 * time.Minute
	// floodRoom is what a flood of requests may use, garbage included. It is far below the promised limit: the rest is
	// for what the runtime does not count, and for what happens between two checks.
	floodRoom = 24 << 20
)

// boundMemory makes the garbage collector work harder under a flood of requests than at rest. At rest the heap may
// grow to twice the live bytes, and the short-lived bytes of a flood would count twice, too. A limit of the user's,
// $GOMEMLIMIT, takes precedence.
func boundMemory(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	lately := make([]int64, 0, calmTime/memoryInterval)
	for {
		if len(lately) == cap(lately) {
			copy(lately, lately[1:])
			lately = lately[:len(lately)-1]
		}
		lately = append(lately, liveHeap())
		debug.SetMemoryLimit(memoryLimit(lately))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// memoryLimit returns the limit, in bytes, for the recent sizes of the live heap, the latest last. It leaves a quarter
// beyond the present size, so that the collector does not run all the time.
func memoryLimit(lately []int64) int64 {
	rest := lately[0]
	for _, live := range lately {
		rest = min(rest, live)
	}
	now := lately[len(lately)-1]
	return max(2*rest+floodRoom, now+now/4)
}

// liveHeap returns the bytes that the last garbage collection found in use.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(sample[0].Value.Uint64())
}
