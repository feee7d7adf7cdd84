package past_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
	"github.com/fremisn/fremisn-exporter/collector/past"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestBackfill turns an hour of a log into blocks with promtool, and queries Debian's Prometheus: every counter stands
// where a scrape would have seen it, and rates are those of the log.
func TestBackfill(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Hour) // within the retention
	var old, live strings.Builder
	failed := 0
	for i := range 7200 { // two a second, one in twenty fails
		code, out := 200, &old
		if i >= 3600 {
			out = &live
		}
		if i%20 == 7 {
			code = 502
			failed++
		}
		server := logtest.Servers()[i%3]
		fmt.Fprintf(out,
			`%.3f 10.0.0.1 1 "GET /v1/face/match HTTP/1.1" %d rt=0.100 lr=PASSED id=x ua="%s" us="%d" uct="0.000" `+
				`uht="0.100" urt="0.100"`+"\n",
			float64(begin.UnixMilli()+int64(i)*500+1)/1000, code, server, code)
	}
	// the newer first, as a shell has them
	files := []string{filepath.Join(dir, "access.log"), filepath.Join(dir, "access.log.1")}
	for i, text := range []string{live.String(), old.String()} {
		if err := os.WriteFile(files[i], []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := past.Options{Files: files, Formats: []source.Format{{Name: "timed", Text: timed}}}
	done, problems, err := past.Backfill(t.Context(), o, past.BackfillOptions{
		Dir: filepath.Join(dir, "out"), Step: 15 * time.Second, Labels: []string{"job=fremisn-exporter",
			`instance=lb "1"`},
	})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if last := begin.Add(time.Hour); !done.To.Equal(last) || !done.From.Equal(begin) {
		t.Errorf("samples from %s to %s, want %s to %s", done.From, done.To, begin, last)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range done.Files {
		if output, err := exec.Command(promtool, "tsdb", "create-blocks-from", "openmetrics", file, filepath.Join(dir,
			"tsdb")).CombinedOutput(); err != nil {
			t.Fatalf("%s: %s\n%s", file, err, output)
		}
	}
	prometheus, err := testenv.StartPrometheus(t.Context(), dir, "global: {scrape_interval: 1m}\n", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prometheus.Stop() })
	at := func(after time.Duration) string { return fmt.Sprintf(" @ %d", begin.Add(after).Unix()) }
	for query, want := range map[string]float64{
		`sum(nginx_access_requests_total{job="fremisn-exporter", instance="lb \"1\"", log="access"}` +
			at(15*time.Second) + `)`: 30,
		`sum(nginx_access_requests_total` + at(30*time.Minute) +
			`)`: 3600,
		`sum(nginx_access_requests_total` + at(time.Hour) +
			`)`: 7200,
		`sum(nginx_access_requests_total{outcome="error"}` + at(time.Hour) +
			`)`: float64(failed),
		`sum(rate(nginx_access_requests_total[5m]` + at(40*time.Minute) +
			`))`: 2,
		`sum(rate(nginx_access_outcomes_total{outcome="error"}[10m]` + at(40*time.Minute) +
			`))`: 0.1,
		`histogram_quantile(1, sum by (le) (rate(nginx_upstream_response_duration_seconds_bucket[5m]` +
			at(40*time.Minute) + `)))`: 0.1,
		`sum(rate(nginx_upstream_response_duration_seconds_sum[5m]` + at(40*time.Minute) +
			`))`: 0.2,
		`count(count by (server) (nginx_upstream_attempts_total` + at(30*time.Minute) +
			`))`: 3,
		`sum(fremisn_exporter_log_lines_total{result="parsed"}` + at(time.Hour) +
			`)`: 7200,
	} {
		samples, err := prometheus.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		if len(samples) != 1 || math.Abs(samples[0].Value-want) > 0.005*want {
			t.Errorf("%s is %v, want %g", query, samples, want)
		}
	}
}

// TestBackfillLabels refuses labels that would break the metrics.
func TestBackfillLabels(t *testing.T) {
	for _, labels := range [][]string{{"job"}, {"1x=a"}, {"__name__=x"}, {"server=x"}, {"le=1"}, {"job=a", "job=b"}} {
		if err := past.CheckLabels(labels); err == nil {
			t.Errorf("%q are taken", labels)
		}
	}
	if err := past.CheckLabels([]string{"job=a", "instance="}); err != nil {
		t.Error(err)
	}
}
