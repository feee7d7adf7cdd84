package nginxconf

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// unitsOfTime are NGINX's, from the longest: a time has each at most once, and in this order. A number without a unit
// is seconds. See https://nginx.org/en/docs/syntax.html.
const (
	unitsOfTime = "yMwdhms"
	aDay        = 24 * time.Hour
)

func unitLength(unit byte) time.Duration {
	switch unit {
	case 'y':
		return 365 * aDay
	case 'M':
		return 30 * aDay
	case 'w':
		return 7 * aDay
	case 'd':
		return aDay
	case 'h':
		return time.Hour
	case 'm':
		return time.Minute
	}
	return time.Second
}

// parseTime parses a time as NGINX does in whole seconds: 1y1M, 1d12h, 1m30, "1m 30s". ok is false for what NGINX
// rejects, including milliseconds.
func parseTime(text string) (d time.Duration, ok bool) { return readTime(text, 0, false) }

// parseMillis parses a time as NGINX does in milliseconds, without years and months.
func parseMillis(text string) (d time.Duration, ok bool) { return readTime(text, 2, true) }

// readTime parses a time whose longest unit is the one of that number. It returns the maximum if the time does not fit
// time.Duration.
func readTime(text string, unit int, millis bool) (d time.Duration, ok bool) {
	const behindSeconds, behindMillis = len(unitsOfTime), len(unitsOfTime) + 1
	for rest := text; rest != ""; rest = strings.TrimLeft(rest, " ") {
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		n, err := strconv.ParseInt("0"+digits, 10, 64)
		if err != nil {
			return 0, false
		}
		ok = ok || digits != ""
		rest = rest[len(digits):]
		length := time.Second
		switch {
		case rest == "":
		case strings.HasPrefix(rest, "ms"):
			if !millis || unit >= behindMillis {
				return 0, false
			}
			rest, unit, length = rest[2:], behindMillis, time.Millisecond
		case rest[0] == ' ' && unit < behindSeconds:
			unit = behindMillis + 1
		default:
			i := strings.IndexByte(unitsOfTime, rest[0])
			if i < unit {
				return 0, false
			}
			length, unit, rest = unitLength(rest[0]), i+1, rest[1:]
		}
		if n > int64((math.MaxInt64-d)/length) {
			n, d, length = 0, math.MaxInt64, 0
		}
		d += time.Duration(n) * length
	}
	return d, ok
}
