package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
)

var updateGolden = flag.Bool("update", false, "write testdata/golden/metrics.txt anew")

// ofTheMoment are the samples whose values are of the moment; their names and labels are not.
var ofTheMoment = regexp.MustCompile(`(?m)^((?:probe_(?:duration|http_duration|dns_lookup_time|` +
	`latency)_seconds(?:_bucket|_sum)?|probe_icmp_duration_seconds|` +
	`\w+_timestamp_seconds|fremisn_exporter_collector_duration_seconds|` +
	`fremisn_exporter_state_commits_total)(?:\{[^}]*\})?) .*$`)

// ofTheProcess are families that are not ours.
var ofTheProcess = regexp.MustCompile(`(?m)^(# \w+ )?(go_|process_|promhttp_).*\n`)

// TestGoldenMetrics is the whole of /metrics for a host with all that can be observed: every name, help, type and
// label, and every number that does not depend on the clock. promtool finds nothing to say of it but what the old
// exporters' names, which are promises, make it say.
func TestGoldenMetrics(t *testing.T) {
	node, err := sim.Start("probed", "127.0.0.1:0", sim.Latency{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	golden, dir := filepath.Join("testdata", "golden"), t.TempDir()
	status := statusServer(t)
	put := strings.NewReplacer("DIR", dir, "STATUS", status, "PROBED", node.Address)
	for _, name := range []string{"nginx.conf", "access.log", "error.log", "probes.yml"} {
		text, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(put.Replace(string(text))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := startProgramOn(t, filepath.Join(dir, "probes.yml"))
	var body string
	until(t, "every target has been probed", func() bool {
		_, body, _ = p.get(t, "/metrics", "Accept: text/plain")
		return strings.Count(body, "\nprobe_success{") == 4
	})
	checkWithPromtool(t, body)
	got := ofTheProcess.ReplaceAllString(body, "")
	got = ofTheMoment.ReplaceAllString(got, "$1 …")
	got = regexp.MustCompile(`(?m)^(fremisn_exporter_build_info)\{.*$`).ReplaceAllString(got, "$1{…} 1")
	got = strings.NewReplacer(dir, "DIR", status, "STATUS", node.Address, "PROBED").Replace(got)
	path := filepath.Join(golden, "metrics.txt")
	if *updateGolden {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("/metrics (golden -, now +); if that is meant: go test ./cmd/fremisn-exporter -run Golden -update\n%s",
			diff)
	}
}

// promised are names that the old exporters have given to their metrics, and that promtool finds ill-made.
var promised = []string{
	`nginx_connections_accepted counter metrics should have "_total" suffix`,
	`nginx_connections_handled counter metrics should have "_total" suffix`,
}

func checkWithPromtool(t *testing.T, body string) {
	t.Helper()
	command := exec.Command("promtool", "check", "metrics")
	command.Stdin = strings.NewReader(body)
	output, _ := command.CombinedOutput() // its exit code reflects findings, which are read
	for line := range strings.Lines(string(output)) {
		ok := false
		for _, p := range promised {
			ok = ok || strings.TrimSpace(line) == p
		}
		if !ok {
			t.Errorf("promtool: %s", line)
		}
	}
	if len(output) == 0 {
		t.Error("promtool has found nothing: has it read anything?")
	}
}
