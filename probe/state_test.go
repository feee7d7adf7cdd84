package probe

import (
	"testing"
	"time"
)

func TestHourOfProbes(t *testing.T) {
	start := time.Unix(1764079200, 0) // a full minute
	var h hour
	for second := 0; second < 2*3600; second += 15 {
		at := start.Add(time.Duration(second) * time.Second)
		h.add(at, second%60 != 0)
	}
	minutes := h.until(start.Add(2*time.Hour - time.Second))
	for i, m := range minutes {
		if m != (Minute{Succeeded: 3, Failed: 1}) {
			t.Errorf("minute %d: %+v, want 3 that succeeded and 1 that failed", i, m)
		}
	}
	minutes = h.until(start.Add(2*time.Hour + 30*time.Minute))
	if minutes[59] != (Minute{}) || minutes[0] == (Minute{}) || minutes[28] == (Minute{}) || minutes[29] != (Minute{}) {
		t.Errorf("half an hour later: %+v", minutes)
	}
	if minutes = h.until(start.Add(-time.Hour)); minutes != ([60]Minute{}) {
		t.Errorf("a clock that was set back: %+v", minutes)
	}
}
