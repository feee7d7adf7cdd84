package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeMetrics: README.md and compose/README.md name every metric that the program lists, in full or as one of
// NAME_{A,B}.
func TestReadmeMetrics(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), []string{"metrics"}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	more, err := os.ReadFile("../../compose/README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := readme(t) + string(more)
	for _, several := range regexp.MustCompile(`(\w+)\{([a-z_,]+)\}(\w*)`).FindAllStringSubmatch(text, -1) {
		for _, each := range strings.Split(several[2], ",") {
			text += " " + several[1] + each + several[3] + " "
		}
	}
	listed := 0
	for line := range strings.Lines(stdout.String()) {
		name, _, _ := strings.Cut(line, "\t")
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
			t.Errorf("no README names %s", name)
		}
		listed++
	}
	if listed < 40 {
		t.Errorf("only %d metrics are listed", listed)
	}
}
