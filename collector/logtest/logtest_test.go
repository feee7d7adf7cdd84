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
