package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startPatience is after how long what only the start needed is given back.
	startPatience = 10 * time.Second
	// trimInterval is how often memory is given back that a start or a scrape of many logs has left behind.
	trimInterval = 30 * time.Second
	// worthTrimming is how much that must be, bytes: it costs a collection.
	worthTrimming = 2 << 20
)

// trimMemory gives memory back that the start needed, and keeps the program small that follows many logs.
func (e *exporter) trimMemory(ctx context.Context) {
	started := time.NewTimer(startPatience)
	defer started.Stop()
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-started.C:
			releaseProgram()
		case <-tick.C:
			if e.gcPercent() == frugalPercent && os.Getenv("GOGC") == "" && unusedMemory() > worthTrimming {
				debug.FreeOSMemory()
				releaseProgram()
			}
		}
	}
}

// releaseProgram gives back the pages of the program's own file. A start touches most of them, a scrape some, and the
// kernel maps those that are used again from its cache: about half. Where the system cannot do that, they stay.
func releaseProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		addresses, rest, _ := strings.Cut(line, " ")
		permissions, _, _ := strings.Cut(rest, " ")
		if strings.Contains(permissions, "w") || !strings.HasSuffix(line, " "+program+"\n") {
			continue
		}
		from, to, _ := strings.Cut(addresses, "-")
		start, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return
		}
		end, err := strconv.ParseUint(to, 16, 64)
		if err != nil {
			return
		}
		syscall.Syscall(syscall.SYS_MADVISE, uintptr(start), uintptr(end-start), syscall.MADV_DONTNEED)
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
