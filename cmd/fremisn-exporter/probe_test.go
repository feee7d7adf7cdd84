package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fremisn/fremisn-exporter/probe"
)

func TestPrintProbe(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name   string
		colour bool
		result probe.Result
		want   string
	}{
		{"success", false, probe.Result{
			Target: "http://127.0.0.231:4005", Module: "fremisn_check", Success: true, Duration: 100 * ms,
			Phases: []probe.Phase{{Name: "resolve", Duration: 0}, {Name: "connect", Duration: 25 * ms},
				{Name: "processing", Duration: 75 * ms}},
			Samples: []probe.Sample{{Name: "probe_success", Value: 1}},
		}, `http://127.0.0.231:4005 with module fremisn_check

  resolve                                                            0.00 ms
  connect      ████████████                                         25.00 ms
  processing               ████████████████████████████████████     75.00 ms
  total                                                            100.00 ms

success

Metrics:
  probe_success 1
`},
		{"failure", true, probe.Result{
			Target: "127.0.0.17:4009", Module: "tcp", Duration: 1000 * ms, Reason: "timeout",
			Sentence: "time ran out while connecting",
			Phases: []probe.Phase{
				{Name: "resolve", Duration: time.Microsecond},
				{Name: "connect", Duration: 999 * ms},
			},
		}, "127.0.0.17:4009 with module tcp\n\n" +
			"  resolve      \x1b[36m▏\x1b[0m                                                     0.00 ms\n" +
			"  connect      \x1b[31m███████████████████████████████████████████████▉\x1b[0m    999.00 ms\n" +
			"  total                                                           1000.00 ms\n\n" +
			"\x1b[31;1mfailed (timeout)\x1b[0m: time ran out while connecting\n\nMetrics:\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			printProbe(&out, c.result, c.colour)
			if out.String() != c.want {
				t.Errorf("got\n%s\nwant\n%s", out.String(), c.want)
			}
			for line := range strings.Lines(out.String()) {
				if !c.colour && utf8.RuneCountInString(line) > 80 {
					t.Errorf("wider than 80: %s", line)
				}
			}
		})
	}
}

func TestProbeCommand(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(node.Close)
	config := filepath.Join(t.TempDir(), "probes.yml")
	if err := os.WriteFile(config, []byte("modules: {alive: {prober: http, timeout: 30s}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		module, target string
		code           int
		said           []string
	}{
		{"alive", node.URL, exitOK, []string{"connect ", "processing ", "success", "probe_success 1",
			"probe_http_status_code 200"}},
		{"alive", node.URL + "/bad", exitFailed, []string{"failed (status): answered 503, not 2xx", "probe_success 0"}},
		{"alive", "http://user:hunter2@" + strings.TrimPrefix(node.URL, "http://"), exitOK,
			[]string{"http://<secret>@127.0.0.1"}},
		{"dead", node.URL, exitUsage, []string{`unknown module "dead"; the modules are alive`}},
	} {
		t.Run(c.module+" "+fmt.Sprint(c.code), func(t *testing.T) {
			var out bytes.Buffer
			if code := run(context.Background(), []string{"--config", config, "probe", c.module, c.target}, &out,
				&out); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, text := range c.said {
				if !strings.Contains(out.String(), text) {
					t.Errorf("no %q in\n%s", text, out.String())
				}
			}
			if strings.Contains(out.String(), "hunter2") {
				t.Errorf("a secret is shown:\n%s", out.String())
			}
		})
	}
}
