package dashboards

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A scene is everything, with simulated nodes: NGINX, the exporter, and a Prometheus with the recording rules that
// scrapes the exporter under two names, as two load balancers.
type scene struct {
	dir        string
	nodes      []*sim.Node
	balancer   string
	exporter   *testenv.Exporter
	prometheus *testenv.Prometheus
	native     *testenv.Prometheus // the same, with native histograms in place of classic ones
	client     *http.Client
}

// all is the choice that a dashboard opens with: Grafana lists all jobs and instances that the variables' queries find.
func (s *scene) all() choice {
	c := everything()
	c["job"], c["instance"] = chosen("fremisn-exporter"), chosen(s.exporter.Address, second)
	c["__rate_interval"] = "30s" // a machine that has much to do misses scrapes of a second
	return c
}

// second is the name of the second load balancer.
const second = "lb-2:9113"

// nodeNames are the nodes' names; the last is empty, as for a server that the config does not name.
var nodeNames = []string{"master", "slave-1", "slave-2", ""}

// newScene begins one. Prometheus runs with the scrapes' config as changed by change, if any.
func newScene(t *testing.T, change func(config string) string) *scene {
	t.Helper()
	s := &scene{dir: t.TempDir(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(s.client.CloseIdleConnections)
	binary, err := testenv.BuildExporter(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, ip := range []string{"127.0.0.231", "127.0.0.18", "127.0.0.17", "127.0.0.16"} {
		address, err := testenv.FreeAddress(ip)
		if err != nil {
			t.Fatal(err)
		}
		node, err := sim.Start(
			nodeNames[i],
			address,
			sim.Latency{Base: 10 * time.Millisecond, Spread: 40 * time.Millisecond},
		)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(node.Close)
		s.nodes = append(s.nodes, node)
	}
	s.balancer = free(t)
	status := free(t)
	if err := testenv.WritePages(s.dir); err != nil {
		t.Fatal(err)
	}
	topology := testenv.Topology{
		Listen:  s.balancer,
		Status:  status,
		Formats: []testenv.Format{{Name: "access", Format: testenv.FullFormat}},
		Rate:    "50r/s",
		Read:    time.Second,
		Server:  "max_conns=1 fail_timeout=1s",
	}
	for _, node := range s.nodes {
		topology.Nodes = append(topology.Nodes, node.Address)
	}
	nginx, err := testenv.StartNginx(t.Context(), s.dir, topology.Conf(), s.balancer, status)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nginx.Stop() })
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.TLS = &tls.Config{}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	if s.exporter, err = testenv.StartExporter(t.Context(), binary, s.dir, s.config(nginx.Conf, secure.URL),
		""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.exporter.Stop() })
	config := s.scrapes(t)
	if change != nil {
		config = change(config)
	}
	if s.prometheus, err = testenv.StartPrometheus(t.Context(), s.dir, config, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.prometheus.Stop() })
	return s
}

// withNative scrapes the exporter into another Prometheus, which keeps native histograms and drops the classic ones.
func (s *scene) withNative(t *testing.T) {
	t.Helper()
	var err error
	if s.native, err = testenv.StartPrometheus(t.Context(), t.TempDir(), s.scrapes(t), "",
		"native-histograms"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.native.Stop() })
}

func free(t *testing.T) string {
	t.Helper()
	address, err := testenv.FreeAddress("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// config is the exporter's, with everything that panels can show.
func (s *scene) config(nginxConf, secure string) string {
	var names, health, quota []string
	for _, node := range s.nodes {
		if node.Name != "" {
			names = append(names, fmt.Sprintf("  - {name: %s, address: %q}", node.Name, node.Address))
			quota = append(quota, strconv.Quote("http://"+node.Address+"/v1/get-limit-usage"))
		}
		health = append(health, strconv.Quote("http://"+node.Address+"/v1/healthcheck"))
	}
	return fmt.Sprintf(`nginx: {config: %s}
nodes:
%s
modules:
  healthcheck: {prober: http, timeout: 1s, http: {preferred_ip_protocol: ip4}}
  secure: {prober: http, timeout: 1s, http: {valid_status_codes: [404], tls_config: {insecure_skip_verify: true}}}
  licence:
    prober: http
    timeout: 1s
    http:
      metrics:
        - {name: fremisn_license_used, path: current_enrollment, labels: {quota: enrollment}, help: Used.}
        - {name: fremisn_license_limit, path: maximum_enrollment, labels: {quota: enrollment}, help: Allowed.}
probes:
  - {name: health, module: healthcheck, interval: 500ms, targets: [%s]}
  - {name: licence, module: licence, interval: 500ms, targets: [%s]}
  - {name: secure, module: secure, interval: 500ms, targets: [%q]}
`, nginxConf, strings.Join(names, "\n"), strings.Join(health, ", "), strings.Join(quota, ", "), secure)
}

// scrapes is Prometheus' configuration. The job "another" represents the exporters that this one replaces: nginx_* and
// probe_* have the same names there.
func (s *scene) scrapes(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf(`global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - job_name: fremisn-exporter
    static_configs:
      - targets: [%q]
  - job_name: fremisn-exporter-2
    static_configs:
      - targets: [%q]
        labels: {job: fremisn-exporter, instance: %q}
  - job_name: another
    static_configs: [{targets: [%q]}]
    metric_relabel_configs: [{source_labels: [__name__], regex: fremisn_.*, action: drop}]
`, strings.Join(soonRules(t), ", "), s.exporter.Address, s.exporter.Address, second, s.exporter.Address)
}

// recordingRules are those of Prometheus that dashboards read.
func recordingRules(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, file := range []string{"recording.rules.yml", "days.rules.yml"} {
		path, err := filepath.Abs("../alerts/" + file)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// soonRules are the recording rules with those over days brought down to minutes: a point a second, and no wait of
// hours.
func soonRules(t *testing.T) []string {
	t.Helper()
	dir, paths := t.TempDir(), []string{}
	for _, path := range recordingRules(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		soon := regexp.MustCompile(`\[\d+d:5m\]`).
			ReplaceAllString(strings.ReplaceAll(string(text), "interval: 5m", "interval: 1s"), "[5m:1s]")
		paths = append(paths, filepath.Join(dir, filepath.Base(path)))
		if err := os.WriteFile(paths[len(paths)-1], []byte(soon), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// ask sends n requests at once to the load balancer and waits for the answers.
func (s *scene) ask(ctx context.Context, n int) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			request, err := http.NewRequestWithContext(
				ctx,
				http.MethodPost,
				"http://"+s.balancer+"/v1/face/recognition",
				strings.NewReader(`{"image":"AAAA"}`),
			)
			if err != nil {
				return
			}
			response, err := s.client.Do(request)
			if err != nil {
				return // a client that gave up, or the end of the test
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		})
	}
	all.Wait()
}

// trouble is a round of all that panels show: load, a burst beyond slots and limiter, a node that refuses, one that
// fails, one that hangs, a client that leaves, a licence fault, a licence that fills.
func (s *scene) trouble(t *testing.T, round int) {
	t.Helper()
	s.ask(t.Context(), 2)
	switch round % 4 {
	case 0:
		s.ask(t.Context(), 80)
	case 1:
		s.nodes[2].Refuse()
		s.ask(t.Context(), 3)
		if err := s.nodes[2].Listen(); err != nil {
			t.Fatal(err)
		}
	case 2:
		s.nodes[0].Set(sim.Fault{Kind: "fail", Path: "/v1/face"})
		s.nodes[1].Set(sim.Fault{Kind: "license", Path: "/v1/healthcheck"})
		s.ask(t.Context(), 4)
		s.nodes[0].Clear()
	case 3:
		s.nodes[1].Set(sim.Fault{Kind: "hang", Path: "/v1/face", Count: 1})
		s.ask(t.Context(), 4)
		s.nodes[1].Clear()
		leaving, leave := context.WithTimeout(t.Context(), 5*time.Millisecond)
		s.ask(leaving, 1)
		leave()
	}
	for _, node := range s.nodes {
		node.SetUsage(sim.Usage{CurrentEnrollment: 500 + round, MaximumEnrollment: 1000})
	}
}

// A series is one line of an answer: its labels and values, the last of them last.
type series struct {
	labels map[string]string
	values []float64
}

// run asks a target as Grafana would: over the last minute, or now.
func run(t *testing.T, p *testenv.Prometheus, q target, c choice) []series {
	t.Helper()
	path := "/api/v1/query?query=" + url.QueryEscape(c.in(t, q.Expr))
	if q.Range {
		now := time.Now().Unix()
		path = fmt.Sprintf(
			"/api/v1/query_range?start=%d&end=%d&step=1&query=%s",
			now-60,
			now,
			url.QueryEscape(c.in(t, q.Expr)),
		)
	}
	return query(t, p, path)
}

func query(t *testing.T, p *testenv.Prometheus, path string) []series {
	t.Helper()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric             map[string]string
				Value, Histogram   []any // one point in time: a number, or a native histogram
				Values, Histograms [][]any
			}
		}
	}
	if err := p.Get(path, &answer); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if answer.Status != "success" {
		t.Fatalf("%s: %s", path, answer.Error)
	}
	var all []series
	for _, result := range answer.Data.Result {
		one := series{labels: result.Metric}
		if result.Value != nil {
			result.Values = [][]any{result.Value}
		}
		if result.Histogram != nil {
			result.Histograms = [][]any{result.Histogram}
		}
		for _, pair := range result.Histograms { // its count represents it
			count, _ := pair[1].(map[string]any)["count"].(string)
			result.Values = append(result.Values, []any{pair[0], count})
		}
		for _, pair := range result.Values {
			text, _ := pair[1].(string)
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			one.values = append(one.values, value)
		}
		all = append(all, one)
	}
	return all
}
