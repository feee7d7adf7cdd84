package past

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Edge is which end of an interval a time is. Where clocks go back, a local time comes twice: an interval from it
// begins at the first, one until it ends at the second. Where they go forward, one that never comes is their change.
type Edge int

// The edges of --since and --until.
const (
	Since Edge = iota
	Until
)

// ParseTime parses the times of --since and --until: RFC 3339, 2026-11-23 14:00 or 14:00 in the zone of now, or an age
// such as 2h.
func ParseTime(text string, now time.Time, edge Edge) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04",
		"2006-01-02T15:04", "2006-01-02"} {
		if wall, err := time.Parse(layout, text); err == nil {
			return edge.of(instants(wall, now.Location())), nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if clock, err := time.Parse(layout, text); err == nil {
			return edge.of(lastAt(clock, now)), nil
		}
	}
	if age, ok := parseAge(text); ok {
		return now.Add(-age), nil
	}
	return time.Time{}, fmt.Errorf(`%q is not a time; write one such as 2026-11-23T14:00:00Z, "2026-11-23 14:00", `+
		`14:00, or an age such as 2h`, text)
}

// of returns the first or the last of some times in order.
func (e Edge) of(times []time.Time) time.Time {
	if e == Until {
		return times[len(times)-1]
	}
	return times[0]
}

// instants returns when a zone's clocks show what wall shows in UTC: once, twice where they go back, and where they
// skip it the moment of that.
func instants(wall time.Time, zone *time.Location) []time.Time {
	var list []time.Time
	y, m, d := wall.Date()
	noon := time.Date(y, m, d, 12, 0, 0, 0, zone)
	for _, day := range []time.Time{noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 1)} { // before and after a change
		_, east := day.Zone()
		t := wall.Add(-time.Duration(east) * time.Second).In(zone)
		if shown := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0,
			time.UTC); shown.Equal(wall) && (len(list) == 0 || t.After(list[0])) {
			list = append(list, t)
		}
	}
	if len(list) > 0 {
		return list
	}
	_, east := noon.AddDate(0, 0, -1).Zone()
	change, _ := wall.Add(-time.Duration(east) * time.Second).In(zone).ZoneBounds()
	return []time.Time{change}
}

// lastAt returns when a clock last showed a time: today, or yesterday if that is still to come.
func lastAt(clock, now time.Time) []time.Time {
	y, m, d := now.Date()
	today := time.Date(y, m, d, clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC)
	shown := slices.DeleteFunc(instants(today, now.Location()), func(t time.Time) bool { return t.After(now) })
	if len(shown) == 0 {
		return instants(today.AddDate(0, 0, -1), now.Location())
	}
	return shown
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
