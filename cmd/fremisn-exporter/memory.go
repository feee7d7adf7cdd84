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
	// startInterval is how often it is set while logs begin.
	startInterval = 100 * time.Millisecond
	// calmTime is how long ago the program may have been at rest: a flood is shorter, and legitimate growth is
	// followed.
	calmTime = 2 * time.Minute
	// floodRoom is what a flood of requests may use, garbage included. It is far below the promised limit: the rest is
	// for what the runtime does not count, and for what happens between two checks.
	floodRoom = 24 << 20
	// startRoom is what each log may use while logs begin, which makes garbage.
	startRoom = 128 << 10
)

// maxGrows bounds what $GOGC may say, percent.
const maxGrows = 1000

// How much the heap may grow beyond what lives before it is collected, percent: $GOGC.
const (
	usualPercent = 100
	// frugalPercent is for manyLogs: what their idle counters take is most of the heap, and reading lines makes no
	// garbage. Memory is worth more then than the collector's time, at a start as well: what it needs in between stays
	// as gaps between objects.
	frugalPercent = 20
	manyLogs      = 100
	// busyPercent is for manyProbes a second: what lives is little, and each makes garbage. The collector's time is
	// worth more then than memory.
	busyPercent = 200
	manyProbes  = 500
	// busyRoom is what so many probes may use beyond what the program needs at the start, when it has no results yet.
	busyRoom = 48 << 20
)

// gcPercent returns how much the heap may grow with so many logs and probes a second.
func gcPercent(logs int, probes float64) int {
	switch {
	case probes >= manyProbes:
		return busyPercent
	case logs >= manyLogs:
		return frugalPercent
	}
	return usualPercent
}

func (e *exporter) gcPercent() int { return gcPercent(e.collector.CountLogs(), e.probes.Rate()) }

// isStarting reports whether some logs have not begun yet. With many, a limit that follows what the program needed
// before would be more than half of a start.
func (e *exporter) isStarting(since time.Time) bool {
	return !e.collector.HasBegun() && time.Since(since) < startPatience
}

// boundMemory has the garbage collector work as hard as the program's work is worth, and harder under a flood of
// requests than at rest: at rest it lets the heap grow to a multiple of what lives, and what lives only for the time
// of a flood would count several times, too. The user's $GOGC and $GOMEMLIMIT take precedence.
func (e *exporter) boundMemory(ctx context.Context) {
	isUsers, hasLimit := os.Getenv("GOGC") != "", os.Getenv("GOMEMLIMIT") != ""
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	started := time.Now()
	lately := make([]usage, 0, calmTime/memoryInterval)
	for percent := 0; ; {
		isStarting := e.isStarting(started)
		wanted := e.gcPercent()
		if wanted != percent && !isUsers {
			debug.SetGCPercent(wanted)
		}
		percent = wanted
		if len(lately) == cap(lately) {
			copy(lately, lately[1:])
			lately = lately[:len(lately)-1]
		}
		lately = append(lately, currentUsage())
		limit, interval := memoryLimit(lately, wanted == busyPercent), memoryInterval
		if isStarting {
			limit, interval = limit+int64(e.collector.CountLogs())*startRoom, startInterval
		}
		if !hasLimit {
			debug.SetMemoryLimit(limit)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

// A usage is what the runtime needs at one moment, in bytes.
type usage struct {
	live  int64 // of the heap, as the last garbage collection has found it
	fixed int64 // what no collection frees and a limit counts: stacks, gaps between objects, the runtime's own
	grows int64 // how much more the heap may take before the next collection, percent of what lives: $GOGC
}

// memoryLimit returns the limit, in bytes, for what was used lately, the latest last. It leaves half beyond what
// lives now, so that the collector is never at it all the time.
func memoryLimit(lately []usage, busy bool) int64 {
	atRest := func(u usage) int64 { return u.live + u.live*u.grows/100 + u.fixed }
	rest := atRest(lately[0])
	for _, u := range lately {
		rest = min(rest, atRest(u))
	}
	if busy {
		rest += busyRoom
	}
	now := lately[len(lately)-1]
	return max(rest+floodRoom, now.live+now.live/2+now.fixed)
}

func currentUsage() usage {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/gogc:percent"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	u := usage{live: int64(samples[0].Value.Uint64()), fixed: int64(samples[2].Value.Uint64())}
	for _, s := range samples[3:] {
		u.fixed -= int64(s.Value.Uint64())
	}
	u.grows = int64(min(samples[1].Value.Uint64(), maxGrows)) // "off" is a very large number
	return u
}
