package past

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTime parses the times of --since and --until: RFC 3339, 2026-11-23 14:00 or 14:00 in the zone of now, or an age
// such as 2h.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04",
		"2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return lastAt(t, now), nil
		}
	}
	if age, ok := parseAge(text); ok {
		return now.Add(-age), nil
	}
	return time.Time{}, fmt.Errorf(`%q is not a time; write one such as 2026-11-23T14:00:00Z, "2026-11-23 14:00", `+
		`14:00, or an age such as 2h`, text)
}

// lastAt returns when a clock last showed a time: today, or yesterday if that is still to come.
func lastAt(clock, now time.Time) time.Time {
	y, m, d := now.Date()
	today := time.Date(y, m, d, clock.Hour(), clock.Minute(), clock.Second(), 0, now.Location())
	if today.After(now) {
		return today.AddDate(0, 0, -1)
	}
	return today
}

// parseAge parses 2h, 1h30m, 90s, 3d and 1w.
func parseAge(text string) (time.Duration, bool) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if digits, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseFloat(digits, 64)
			ok = err == nil && n >= 0 && n < 36500
			return time.Duration(n * float64(length)), ok
		}
	}
	age, err := time.ParseDuration(text)
	return age, err == nil && age >= 0
}
