package alerts

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

// The scenario test runs the rules that are shipped with every time in them divided by a factor: `for`,
// `keep_firing_for`, ranges, offsets, how far predict_linear looks, and the seconds that time() and the interval of a
// probe are compared with. Not scaled are numbers of requests, rates a second, and latencies: those are the real ones.

var (
	promDuration = regexp.MustCompile(`\b\d+(?:ms|s|m|h|d)\b`)
	inSeconds    = regexp.MustCompile(
		`((?:time\(\) - [a-z_]+|probe_interval_seconds(?:\{[^}]*\})?) (?:<=|>=|<|>) )(\d+)\b`,
	)
	// A sum of points a minute apart, times 60 seconds.
	aMinute = regexp.MustCompile(`(:1m\]\) \* )(60)\b`)
	aDay    = regexp.MustCompile(`\b86400\b`)
)

func scaled(rules string, factor int) string {
	rules = aMinute.ReplaceAllStringFunc(rules, func(text string) string {
		m := aMinute.FindStringSubmatch(text)
		return m[1] + strconv.FormatFloat(60/float64(factor), 'f', -1, 64)
	})
	rules = promDuration.ReplaceAllStringFunc(rules, func(text string) string {
		d, err := model.ParseDuration(text)
		if err != nil {
			panic(err) // the expression finds nothing else
		}
		return fmt.Sprintf("%dms", time.Duration(d).Milliseconds()/int64(factor))
	})
	seconds := func(text string) string {
		n, err := strconv.Atoi(text)
		if err != nil {
			panic(err)
		}
		return strconv.FormatFloat(float64(n)/float64(factor), 'f', -1, 64)
	}
	rules = aDay.ReplaceAllStringFunc(rules, seconds)
	return inSeconds.ReplaceAllStringFunc(rules, func(text string) string {
		m := inSeconds.FindStringSubmatch(text)
		return m[1] + seconds(m[2])
	})
}

func TestScaled(t *testing.T) {
	for text, want := range map[string]string{
		"for: 30s":                                  "for: 500ms",
		"keep_firing_for: 5m":                       "keep_firing_for: 5000ms",
		"rate(x[1h]) offset 10m":                    "rate(x[60000ms]) offset 10000ms",
		"fremisn:request_errors:ratio_rate30d":      "fremisn:request_errors:ratio_rate30d",
		"fremisn:node_response_seconds:p95_5m":      "fremisn:node_response_seconds:p95_5m",
		"predict_linear(x[1d], 14 * 86400)":         "predict_linear(x[1440000ms], 14 * 1440)",
		"time() - process_start_time_seconds > 900": "time() - process_start_time_seconds > 15",
		"sum_over_time(x[1h:1m]) * 60":              "sum_over_time(x[60000ms:1000ms]) * 1",
		"probe_interval_seconds > 200":              "probe_interval_seconds > 3.3333333333333335",
		"increase(x[5m]) > 20":                      "increase(x[5000ms]) > 20",
		`le="2.5"`:                                  `le="2.5"`,
		"{{ $value }} in 5 minutes":                 "{{ $value }} in 5 minutes",
	} {
		if got := scaled(text, 60); got != want {
			t.Errorf("%s becomes %s, not %s", text, got, want)
		}
	}
	// What else may be seconds must be known here, so that no rule is left as it was by mistake.
	for _, r := range rules(t) {
		rest := inSeconds.ReplaceAllString(aDay.ReplaceAllString(r.Expr, ""), "")
		if strings.Contains(rest, "time()") && !strings.Contains(rest, "time() < 14 * ") &&
			!strings.HasSuffix(rest, "time() < 0\n") {
			t.Errorf("%s%s compares with a time that is not scaled: %s", r.Alert, r.Record, r.Expr)
		}
	}
}
