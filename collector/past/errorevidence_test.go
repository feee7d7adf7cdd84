package past

import (
	"testing"
	"time"
)

// TestErrorLogClock sets the entries of an error log, whose clock has no zone, to the time of the failures: of this
// host's zone, also where its clocks change within the log, and of another host's.
func TestErrorLogClock(t *testing.T) {
	for name, c := range map[string]struct {
		wrote, local string // the zones of the log, and of this host
		from         string // of the failures
		apart        time.Duration
	}{
		"the same":                 {"Asia/Jakarta", "Asia/Jakarta", "2026-11-25T20:00:00Z", 7 * time.Minute},
		"clocks go back":           {"Europe/Berlin", "Europe/Berlin", "2026-10-24T22:30:00Z", 7 * time.Minute},
		"clocks go forward":        {"Europe/Berlin", "Europe/Berlin", "2026-03-28T22:30:00Z", 7 * time.Minute},
		"clocks go back there":     {"America/New_York", "America/New_York", "2026-11-01T04:10:00Z", 7 * time.Minute},
		"another host":             {"Asia/Jakarta", "UTC", "2026-11-25T20:00:00Z", 7 * time.Minute},
		"another goes back":        {"Europe/Berlin", "Asia/Jakarta", "2026-10-24T22:30:00Z", 7 * time.Minute},
		"another goes forward":     {"America/New_York", "UTC", "2026-03-08T04:00:00Z", 7 * time.Minute},
		"a quarter":                {"Asia/Kathmandu", "UTC", "2026-11-25T20:00:00Z", 7 * time.Minute},
		"the second of two hours":  {"Europe/Berlin", "Europe/Berlin", "2026-10-25T01:01:00Z", 11 * time.Second},
		"the first of two hours":   {"Europe/Berlin", "Europe/Berlin", "2026-10-25T00:01:00Z", 11 * time.Second},
		"from the first on":        {"Europe/Berlin", "Europe/Berlin", "2026-10-25T00:59:01Z", 11 * time.Second},
		"from the first on, there": {"America/New_York", "America/New_York", "2026-11-01T05:59:01Z", 11 * time.Second},
	} {
		wrote, local := zoneOf(t, c.wrote), zoneOf(t, c.local)
		first, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		e := &errorEvidence{}
		var failures []int64
		for n := range 50 {
			at := first.Add(time.Duration(n*n%7)*time.Second + time.Duration(n)*c.apart)
			failures = append(failures, at.UnixMilli()+250)
			clock := at.In(wrote).Format("2006/01/02 15:04:05")
			shown, err := time.Parse("2006/01/02 15:04:05", clock)
			if err != nil {
				t.Fatal(err)
			}
			e.entries = append(e.entries, errorEntry{at: shown.UnixMilli(), event: "connect_refused"})
		}
		e.align(failures, local)
		for n, entry := range e.entries {
			if off := failures[n] - 250 - entry.at; off != 0 {
				t.Errorf("%s: entry %d is off by %s", name, n, time.Duration(off)*time.Millisecond)
				break
			}
		}
	}
}

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
