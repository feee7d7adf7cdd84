package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// What only the start needed of the program's own file is given back.
func TestReleaseProgram(t *testing.T) {
	resident := func() int {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), "\nRssFile:")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			t.Fatalf("no RssFile in\n%s", status)
		}
		kib, err := strconv.Atoi(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		return kib
	}
	before := resident()
	releaseProgram()
	if after := resident(); after > before/2 {
		t.Errorf("%d KiB of files are resident, before it %d", after, before)
	}
}
