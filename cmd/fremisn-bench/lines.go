package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// A traffic is a log to read: a log_format, and its lines.
type traffic struct {
	logtest.Format
	what   string // of requests
	writer func(logtest.Format, uint64) *logtest.Writer
	routes bool // requests have different routes, too
}

// mixed is traffic of many kinds, each line drawn independently.
func mixed(format string) traffic {
	return traffic{logtest.Format{Name: "full", Escape: "default", Text: format}, "mixed", logtest.NewMixed, false}
}

// plain is traffic of four kinds of requests.
func plain(f logtest.Format, seed uint64) *logtest.Writer {
	w := logtest.NewWriter(f, seed)
	w.Odd = 0
	return w
}

// traffics are the logs that the engine is measured with, the usual one first.
func traffics() []traffic {
	var all []traffic
	for _, f := range logtest.Formats()[:5] {
		all = append(all, traffic{f, "mixed", logtest.NewMixed, false})
	}
	full := logtest.Formats()[0]
	return append(all, traffic{full, "mixed, two routes", logtest.NewMixed, true}, traffic{full, "plain", plain, false})
}

// writeLog writes a log whose lines are of the last hour.
func writeLog(path string, of traffic, lines int) (size int64, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	w := of.writer(of.Format, 1)
	w.Start(time.Now().Add(-50 * time.Minute))
	if err := w.Write(file, lines); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// splitLines is the bare loop: blocks of 256 KiB, one goroutine, each line found and dropped.
func splitLines(path string) int {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	block := make([]byte, 256<<10)
	lines, kept := 0, 0
	for {
		n, err := file.Read(block[kept:])
		rest := block[:kept+n]
		for {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			lines++
			rest = rest[end+1:]
		}
		kept = copy(block, rest)
		if err == io.EOF {
			return lines
		}
	}
}

// series writes a log that creates about a hundred series for each server.
func series(path string, servers int) error {
	var b strings.Builder
	for server := range servers {
		for _, status := range []string{"200", "504"} {
			fmt.Fprintf(&b, "10.20.30.40 - - [24/Nov/2026:10:00:00 +0700] \"GET / HTTP/1.1\" %s 100 \"-\" \"-\" "+
				"rt=0.100 rl=100 bs=300 lr=\"PASSED\""+
				" id=%032x ua=\"127.0.1.%d:80\" us=\"%s\" uct=\"0.000\" uht=\"0.100\" urt=\"0.100\"\n",
				status, server, server, status)
		}
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
