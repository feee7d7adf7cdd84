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

// maxGrows bounds what $GOGC may say, percent.
const maxGrows = 1000

// boundMemory has the garbage collector work harder under a flood of requests than it does at rest. At rest it lets
// the heap grow to twice of what lives, and what lives only for the time of a flood would count twice, too. A limit of
// the user's, $GOMEMLIMIT, takes precedence.
func boundMemory(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	lately := make([]usage, 0, calmTime/memoryInterval)
	for {
		if len(lately) == cap(lately) {
			copy(lately, lately[1:])
			lately = lately[:len(lately)-1]
		}
		lately = append(lately, currentUsage())
		debug.SetMemoryLimit(memoryLimit(lately))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// A usage is what the runtime needs at one moment, in bytes.
type usage struct {
	live  int64 // of the heap, as the last garbage collection has found it
	fixed int64 // stacks, and what the runtime itself takes: a limit counts them, and no collection frees them
	grows int64 // how much more the heap may take before the next collection, percent of what lives: $GOGC
}

// memoryLimit returns the limit, in bytes, for what was used lately, the latest last. It leaves half beyond what
// lives now, so that the collector is never at it all the time.
func memoryLimit(lately []usage) int64 {
	atRest := func(u usage) int64 { return u.live + u.live*u.grows/100 + u.fixed }
	rest := atRest(lately[0])
	for _, u := range lately {
		rest = min(rest, atRest(u))
	}
	now := lately[len(lately)-1]
	return max(rest+floodRoom, now.live+now.live/2+now.fixed)
}

func currentUsage() usage {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	u := usage{live: int64(samples[0].Value.Uint64()), fixed: int64(samples[2].Value.Uint64())}
	for _, s := range samples[3:] {
		u.fixed -= int64(s.Value.Uint64())
	}
	u.grows = int64(min(samples[1].Value.Uint64(), maxGrows)) // "off" is a very large number
	return u
}
