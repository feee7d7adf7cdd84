package check

import (
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// patience is for what must happen and has no signal to wait for; CI machines are slow.
const patience = 30 * time.Second

func freeAddress(t *testing.T) string { t.Helper(); return testenv.LoopbackAddress(t) }

// until polls a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %s: %s", patience, what)
		}
	}
}

func asNobody(t *testing.T, f func()) {
	t.Helper()
	if err := testenv.AsNobody(f); err != nil {
		t.Fatal(err)
	}
}
