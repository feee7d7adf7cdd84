package logtest

import (
	"bytes"
	"strings"
	"testing"
)

func TestSameSeedSameLines(t *testing.T) {
	for _, f := range Formats() {
		var first, second, other bytes.Buffer
		for out, seed := range map[*bytes.Buffer]uint64{&first: 1, &second: 1, &other: 2} {
			if err := NewWriter(f, seed).Write(out, 500); err != nil {
				t.Fatal(err)
			}
		}
		if first.String() != second.String() || first.String() == other.String() {
			t.Errorf("%s: the lines do not follow from the seed", f.Name)
		}
		if n := strings.Count(first.String(), "\n"); n != 500 {
			t.Errorf("%s: %d lines", f.Name, n)
		}
	}
}

func TestShareOfRetries(t *testing.T) {
	w := NewWriter(Format{Text: "$upstream_addr", Escape: "default"}, 1)
	w.Odd = 0
	retried, lines := 0, 20_000
	for range lines {
		if bytes.Contains(w.Append(nil), []byte(", ")) {
			retried++
		}
	}
	if share := float64(retried) / float64(lines); share < 0.045 || share > 0.055 {
		t.Errorf("%v of the lines are retries, want 0.05", share)
	}
}

// TestMixed counts what mixed traffic is made of: its kinds, and the shares that benchmarks are read by.
func TestMixed(t *testing.T) {
	const lines = 20_000
	w := NewMixed(Format{Text: `$request_method|$request|$status|$upstream_addr|$limit_req_status|$http_user_agent`,
		Escape: "default"}, 1)
	agents, requests := map[string]bool{}, map[string]bool{}
	statuses := map[string]int{}
	var several, none, garbage int
	for range lines {
		parts := strings.Split(strings.TrimSuffix(string(w.Append(nil)), "\n"), "|")
		request, address := parts[1], parts[3]
		statuses[parts[2]]++
		agents[parts[5]] = true
		switch words := strings.Fields(request); {
		case len(words) == 3 && !strings.Contains(request, `\x`):
			requests[words[0]] = true
			requests[words[1]] = true
		default:
			garbage++
		}
		switch {
		case strings.Contains(address, ", "):
			several++
		case address == "-" || address == Group:
			none++
		}
	}
	for what, share := range map[string][2]float64{
		"of several attempts": {float64(several) / lines, 0.05}, "without a server": {float64(none) / lines,
			0.11}, "of garbage": {float64(garbage) / lines, 0.01},
	} {
		if share[0] < share[1]*0.8 || share[0] > share[1]*1.2 {
			t.Errorf("a share of %.4f is %s, want about %.2f", share[0], what, share[1])
		}
	}
	if len(agents) != 12 || len(requests) != 15+9 {
		t.Errorf("%d agents, %d methods and paths", len(agents), len(requests))
	}
	for _, status := range []string{"200", "404", "499", "500", "502", "503", "504"} {
		if statuses[status] == 0 {
			t.Errorf("no request has the status %s", status)
		}
	}
}
