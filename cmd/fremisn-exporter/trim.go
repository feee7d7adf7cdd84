package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// manyLogs are so many that what their idle counters take is most of the heap: memory is worth more then than the
	// collector's time, for what lives is little, and reading lines makes no garbage.
	manyLogs = 100
	// gcPercent is how much the heap may grow then beyond what lives before it is collected.
	gcPercent = 25
	// trimInterval is how often memory is given back that a start or a scrape of many logs has left behind.
	trimInterval = 30 * time.Second
	// worthTrimming is how much that must be, bytes: it costs a collection.
	worthTrimming = 4 << 20
)

// isTrimmed reports whether the program follows many logs. $GOGC of the user's stands.
func isTrimmed(logs int) bool { return os.Getenv("GOGC") == "" && logs >= manyLogs }

// trimMemory keeps the program small that follows many logs.
func (e *exporter) trimMemory(ctx context.Context) {
	if !isTrimmed(len(e.collector.Logs())) {
		return
	}
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if unusedMemory() > worthTrimming {
			debug.FreeOSMemory()
		}
	}
}

// unusedMemory returns the bytes of the heap that no object takes, and that the system does not have back.
func unusedMemory() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	garbage := uint64(0)
	if objects, live := samples[1].Value.Uint64(), samples[2].Value.Uint64(); objects > live {
		garbage = objects - live
	}
	return samples[0].Value.Uint64() + garbage
}
