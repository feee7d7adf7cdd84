package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// gcPercent is how much the heap may grow beyond what lives before it is collected. What lives is little, and
	// reading lines makes no garbage: memory is worth more here than the collector's time.
	gcPercent = 50
	// trimInterval is how often memory is given back that a start or a scrape of many logs has left behind.
	trimInterval = 30 * time.Second
	// worthTrimming is how much that must be, bytes: it costs a collection.
	worthTrimming = 16 << 20
)

// trimMemory keeps the program small. $GOGC of the user's stands.
func trimMemory(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
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
