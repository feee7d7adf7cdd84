package past

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("WIB", 7*3600)
	now := time.Date(2026, 11, 25, 15, 30, 0, 0, zone)
	for text, want := range map[string]string{
		"2026-11-23T14:00:00Z":      "2026-11-23T21:00:00+07:00",
		"2026-11-23T14:00:00+01:00": "2026-11-23T20:00:00+07:00",
		"2026-11-23 14:00":          "2026-11-23T14:00:00+07:00",
		"2026-11-23 14:00:07":       "2026-11-23T14:00:07+07:00",
		"2026-11-23":                "2026-11-23T00:00:00+07:00",
		"14:00":                     "2026-11-25T14:00:00+07:00",
		"22:00":                     "2026-11-24T22:00:00+07:00", // it was yesterday
		"2h":                        "2026-11-25T13:30:00+07:00",
		"1h30m":                     "2026-11-25T14:00:00+07:00",
		"1d":                        "2026-11-24T15:30:00+07:00",
		"2w":                        "2026-11-11T15:30:00+07:00",
	} {
		got, err := ParseTime(text, now)
		if err != nil || got.In(zone).Format(time.RFC3339) != want {
			t.Errorf("%q: %s %v, want %s", text, got.In(zone).Format(time.RFC3339), err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-2h", "25:00", "2026-13-01", "5", "d", "NaNd", "1e300d"} {
		if got, err := ParseTime(text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}
