package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestSoak is `make soak` for a third of a minute: everything that happens in an hour happens, and nothing is found
// fault with.
func TestSoak(t *testing.T) {
	dir := t.TempDir()
	exporter, err := testenv.BuildExporter(dir)
	if err != nil {
		t.Fatal(err)
	}
	bench := filepath.Join(dir, "fremisn-bench")
	if output, err := exec.Command("go", "build", "-buildvcs=false", "-o", bench, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	command := exec.Command(bench, "soak", "--exporter", exporter, "--rules", "../../alerts/*.rules.yml",
		"--minutes", "0.35", "--rate", "4000", "--burst", "40000", "--burst-for", "1s")
	command.Env = append(os.Environ(), "TMPDIR="+dir)
	var said, report bytes.Buffer
	command.Stdout, command.Stderr = &report, &said
	if err := command.Run(); err != nil {
		t.Errorf("%v\n%s\n%s", err, &said, &report)
	}
	for _, happened := range []string{"kill -9 and start", "SIGTERM and start", "a node refuses",
		"a burst of 40000 lines a second", "64 scrapers", "all is written"} {
		if !strings.Contains(said.String(), happened) {
			t.Errorf("%q did not happen:\n%s", happened, &said)
		}
	}
	if !strings.Contains(report.String(), "resident, MiB") {
		t.Errorf("no figures:\n%s", &report)
	}
}

// The harness itself finds fault with what must not be.
func TestSoakFindsFault(t *testing.T) {
	before := readText("# TYPE nginx_access_requests_total counter\nnginx_access_requests_total{log=\"a\"} 5\n" +
		"# TYPE go_goroutines gauge\ngo_goroutines 9\n# TYPE other_total counter\nother_total 3\n")
	for text, want := range map[string]struct {
		pid  int
		said string
	}{
		"nginx_access_requests_total{log=\"a\"} 4\nother_total 3\n": {1, "went down from 5 to 4"},
		"nginx_access_requests_total{log=\"a\"} 5\nother_total 2\n": {1, "went down from 3 to 2"},
		"nginx_access_requests_total{log=\"a\"} 5\nother_total 1\n": {2, ""}, // another process
		"nginx_access_requests_total{log=\"a\"} 3\nother_total 1\n": {2, "went down from 5 to 3"},
		"other_total 3\n": {1, "is gone"},
	} {
		w := counterWatch{}
		w.check(before, 1)
		got := strings.Join(w.check(readText(text), want.pid), "; ")
		if want.said == "" && got != "" || !strings.Contains(got, want.said) {
			t.Errorf("after %q it says %q, want %q", text, got, want.said)
		}
	}
	lines, sum := measure([]byte("a rl=12 b\nc rt=0.1 rl=30 d\nhalf rl=7 "))
	if lines != 2 || sum != 42 {
		t.Errorf("%d lines with a sum of %d", lines, sum)
	}
}
