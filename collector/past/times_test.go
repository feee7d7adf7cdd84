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
		got, err := ParseTime(text, now, Since)
		if err != nil || got.In(zone).Format(time.RFC3339) != want {
			t.Errorf("%q: %s %v, want %s", text, got.In(zone).Format(time.RFC3339), err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-2h", "25:00", "2026-13-01", "5", "d", "NaNd", "1e300d"} {
		if got, err := ParseTime(text, now, Since); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// Where clocks change, an hour comes twice or never: --since takes in the first, --until the second.
func TestParseTimeWhereClocksChange(t *testing.T) {
	for _, c := range []struct{ zone, now, text, since, until string }{
		{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-10-25 02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-10-25 02:00", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
		{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-10-25 01:59", "2026-10-24T23:59:00Z", "2026-10-24T23:59:00Z"},
		{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-10-25 03:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z"},
		{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-24T22:00:00Z"},
		{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-03-29 02:30", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-03-29 03:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-03-29 01:59", "2026-03-29T00:59:00Z", "2026-03-29T00:59:00Z"},
		{"America/New_York", "2026-11-02T12:00:00Z", "2026-11-01 01:30",
			"2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"},
		{"America/New_York", "2026-11-02T12:00:00Z", "2026-03-08 02:30",
			"2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"},
		// What is still to come is not what a clock last showed.
		{"Europe/Berlin", "2026-10-25T00:45:00Z", "02:30", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z"},
		{"Europe/Berlin", "2026-10-25T00:15:00Z", "02:30", "2026-10-24T00:30:00Z", "2026-10-24T00:30:00Z"},
		{"Europe/Berlin", "2026-10-25T01:45:00Z", "02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"Europe/Berlin", "2026-10-25T02:45:00Z", "02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"Europe/Berlin", "2026-10-25T12:00:00Z", "2h", "2026-10-25T10:00:00Z", "2026-10-25T10:00:00Z"},
		{"Asia/Jakarta", "2026-10-25T01:00:00Z", "08:00", "2026-10-25T01:00:00Z", "2026-10-25T01:00:00Z"},
		{"UTC", "2026-10-25T01:00:00Z", "2026-10-25 00:00", "2026-10-25T00:00:00Z", "2026-10-25T00:00:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		for edge, want := range map[Edge]string{Since: c.since, Until: c.until} {
			got, err := ParseTime(c.text, now.In(zone), edge)
			if err != nil || got.UTC().Format(time.RFC3339) != want {
				t.Errorf("%s, %s, %s, edge %d: %s %v, want %s", c.zone, c.now, c.text, edge,
					got.UTC().Format(time.RFC3339), err, want)
			}
		}
	}
}

// Whatever is written, an interval from a time until the same is none that ends before it begins.
func FuzzParseTime(f *testing.F) {
	for _, text := range []string{"2026-10-25 02:30", "02:30", "2026-03-29T02:30:00", "2h", "1w", "9999-12-31 23:59"} {
		f.Add(text, int64(1792890000))
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, now int64) {
		at := time.Unix(now%(1<<33), 0).In(zone)
		since, errSince := ParseTime(text, at, Since)
		until, errUntil := ParseTime(text, at, Until)
		if (errSince == nil) != (errUntil == nil) || errSince == nil && until.Before(since) {
			t.Errorf("%q at %s: %s %v, %s %v", text, at, since, errSince, until, errUntil)
		}
	})
}
