package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// accepts are what scrapers ask for.
var accepts = map[string]string{
	"text":        "text/plain;version=0.0.4",
	"openmetrics": "application/openmetrics-text;version=1.0.0",
	"protobuf":    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
}

// TestRealPrometheus has a real Prometheus scrape the exporter in each format, and wants the same numbers from all
// three, native histograms and exemplars where there are any, and no word of complaint.
func TestRealPrometheus(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	full := logtest.Formats()[0]
	var text bytes.Buffer
	if err := logtest.NewWriter(full, 1).Write(&text, 2000); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	status := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "Active connections: 3 \nserver accepts handled requests\n 11 10 20 \nReading: 0 Writing: 1 "+
			"Waiting: 2 \n")
	}))
	defer status.Close()
	p := startProgram(t, fmt.Sprintf("nginx:\n  status: [{url: %q}]\n  access_logs: [{path: %q, name: access, "+
		"start: beginning, format: '%s'}]\nprobes: []\n", status.URL, path, full.Text))

	target, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	config := "global: {scrape_interval: 3s, scrape_timeout: 3s}\nscrape_configs:\n"
	for name, accept := range accepts {
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set("Accept", accept)
		}}
		server := httptest.NewServer(proxy)
		defer server.Close()
		config += fmt.Sprintf("  - {job_name: %s, static_configs: [{targets: [%s]}]}\n", name,
			strings.TrimPrefix(server.URL, "http://"))
	}
	prometheus, err := testenv.StartPrometheus(context.Background(), dir, config, "", "native-histograms")
	if err != nil {
		t.Fatal(err)
	}
	defer prometheus.Stop()
	value := func(query string) float64 {
		t.Helper()
		samples, err := prometheus.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		if len(samples) != 1 {
			return -1
		}
		return samples[0].Value
	}
	until(t, "three scrapes of each", func() bool {
		return value(`min(count_over_time(up[1m]))`) >= 3
	})
	if up := value(`sum(min_over_time(up[1m]))`); up != 3 {
		t.Errorf("%v of the three jobs were always up", up)
	}
	for _, query := range []string{
		`sum(nginx_access_requests_total{job=%q})`, `sum(nginx_upstream_attempts_total{job=%q})`,
		`count(nginx_access_requests_total{job=%q})`,
		`nginx_connections_accepted{job=%q}`, `nginx_connections_handled{job=%q}`, `nginx_http_requests_total{job=%q}`,
		`nginx_up{job=%q}`,
		`sum(nginx_access_sent_bytes_total{job=%q})`, `fremisn_exporter_log_lines_total{job=%q,result="parsed"}`,
	} {
		want := value(fmt.Sprintf(query, "text"))
		if want <= 0 {
			t.Errorf("%s is %v", fmt.Sprintf(query, "text"), want)
		}
		for name := range accepts {
			if got := value(fmt.Sprintf(query, name)); got != want {
				t.Errorf("%s is %v, as text it is %v", fmt.Sprintf(query, name), got, want)
			}
		}
	}
	// The same observations as classic buckets, and as native ones.
	for _, of := range []string{"count", "sum"} {
		of, native := `sum(nginx_upstream_response_duration_seconds_`+of+`{job="text"})`,
			`histogram_`+of+`(sum(nginx_upstream_response_duration_seconds{job="protobuf"}))`
		if got, want := value(native), value(of); got < want*(1-1e-9) || got > want*(1+1e-9) || want <= 0 {
			t.Errorf("%s is %v, classic it is %v", native, got, want)
		}
	}
	median := `histogram_quantile(0.5, sum(nginx_access_request_duration_seconds{job="protobuf",outcome="ok"}))`
	low, high := value(`histogram_quantile(0.5, sum by (le) `+
		`(nginx_access_request_duration_seconds_bucket{job="text",outcome="ok"}))/2.5`),
		2.5*value(`histogram_quantile(0.5, sum by (le) `+
			`(nginx_access_request_duration_seconds_bucket{job="text",outcome="ok"}))`)
	if got := value(median); got < low || got > high {
		t.Errorf("the native median is %v, want between %v and %v", got, low, high)
	}
	if n := value(`count({__name__=~".+_created"})`); n > 0 {
		t.Errorf("%v series are times of creation", n)
	}
	var exemplars struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	if err := prometheus.Get("/api/v1/query_exemplars?start=0&end=4000000000&query="+
		url.QueryEscape(`nginx_access_request_duration_seconds_bucket{job="openmetrics"}`), &exemplars); err != nil {
		t.Fatal(err)
	}
	if len(exemplars.Data) == 0 || len(exemplars.Data[0].Exemplars[0].Labels["request_id"]) != 32 {
		t.Errorf("exemplars: %+v", exemplars)
	}
	if said := prometheus.Output(); strings.Contains(said, "level=warn") || strings.Contains(said, "level=error") {
		t.Errorf("Prometheus complains:\n%s", said)
	}
	if code := prometheus.Stop(); code != 0 {
		t.Errorf("Prometheus ends with %d:\n%s", code, prometheus.Output())
	}
}
