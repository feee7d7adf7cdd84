package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestDemo runs the whole demonstration for a few seconds, as a user would.
func TestDemo(t *testing.T) {
	binary, err := testenv.BuildExporter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), binary, "../../alerts", "12", &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	for _, node := range []string{"master", "slave-1", "slave-2"} {
		// node, address, requests, p50, p95, errors, retries, probe
		line := regexp.MustCompile(`(?m)^ +` + node +
			` +127\.0\.0\.\d+:\d+ +[1-9]\d* +\d+ ms +\d+ ms +\d+ +\d+ +(up|down) *$`)
		if !line.MatchString(stdout.String()) {
			t.Errorf("no line for %s in\n%s", node, stdout.String())
		}
	}
	if !regexp.MustCompile(`(?m)slave-2 refuses connections`).MatchString(stdout.String()) {
		t.Errorf("nothing has happened:\n%s", stdout.String())
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "fremisn-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestDemoSecondsMustBeANumber(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), "none", "none", "soon", &stdout, &stderr); code != 2 {
		t.Errorf("exit code %d", code)
	}
}
