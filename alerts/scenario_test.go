package alerts

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

const (
	// factor is how much faster than in the shipped rules everything goes; see scaled.
	factor     = 30
	scaledHour = time.Hour / factor
	// Prometheus scrapes and evaluates each minute, as it does by default: no alert fires at the first evaluation, so
	// that one scrape which a busy machine answers too late is not enough.
	scrapeInterval     = time.Minute / factor
	evaluationInterval = time.Minute / factor
	// patience is for slow machines; nothing waits for it in vain.
	patience = 150 * time.Second
)

// A scenario happens to a load balancer of its own. All of them are scraped by one Prometheus with the rules that are
// shipped: what happens to one must not be seen in another.
type scenario struct {
	name     string
	topology func(*testenv.Topology)
	before   func(t *testing.T, b *balancer) // NGINX runs, the exporter does not yet
	happens  func(t *testing.T, b *balancer)
	clients  int      // at once; 1 where 0
	fires    []string // all of these
	may      []string // true consequences, which appear if the test lasts long enough
	says     string   // in the description of the first
}

var scenarios = []scenario{
	{name: "healthy"},
	{
		name: "node-down", happens: func(_ *testing.T, b *balancer) { b.nodes[2].Refuse() },
		fires: []string{"NodeDown", "CapacityDegraded"}, may: []string{"ServerTakenOut"}, says: "by: connect (",
	},
	{
		name: "all-down", happens: func(_ *testing.T, b *balancer) {
			for _, n := range b.nodes {
				n.Refuse()
			}
		},
		fires: []string{
			"AllNodesDown",
			"NodeDown",
			"AvailabilityBudgetBurn",
		}, may: []string{"NoLiveUpstreams", "ServerTakenOut"},
	},
	{
		name: "gray-failure", happens: func(_ *testing.T,
			b *balancer) {
			b.nodes[1].Set(sim.Fault{Kind: "fail", Path: "/v1/face"})
		},
		fires: []string{"NodeGrayFailing", "AvailabilityBudgetBurn"}, says: "slave-1",
	},
	{
		name: "saturation", clients: 8, happens: func(_ *testing.T, b *balancer) {
			for _, n := range b.nodes {
				n.Set(sim.Fault{Kind: "slow", Delay: 300 * time.Millisecond, Path: "/v1/face"})
			}
		},
		fires: []string{
			"NoLiveUpstreams",
			"SlotsSaturated",
			"AvailabilityBudgetBurn",
		}, says: "saturated, all slots are busy (max_conns). No probe of a node fails.",
	},
	{
		name: "poison-request", happens: func(t *testing.T, b *balancer) {
			for _, n := range b.nodes {
				n.Set(sim.Fault{Kind: "reset", Path: "/v1/face/poison"})
			}
			if code := b.ask(t.Context(), http.MethodGet, "/v1/face/poison"); code != http.StatusBadGateway {
				t.Errorf("the poison request got %d", code)
			}
		},
		fires: []string{
			"NoLiveUpstreams",
			"AvailabilityBudgetBurn",
			"ServerTakenOut",
		}, says: "NGINX has disabled 3 server(s) after failed requests (max_fails, fail_timeout); any others were " +
			"full. No probe of a node fails.",
	},
	{
		name: "rate-limiting", topology: func(m *testenv.Topology) { m.Rate, m.Burst = "3r/s", 1 },
		fires: []string{"RateLimitingHigh"},
	},
	{
		name: "licence-at-97-percent", happens: func(_ *testing.T, b *balancer) {
			b.nodes[0].SetUsage(sim.Usage{CurrentEnrollment: 970, MaximumEnrollment: 1000})
		},
		fires: []string{"LicenceQuotaHigh"}, says: "97% of the quota enrollment",
	},
	{
		name: "log-unreadable", before: func(t *testing.T, b *balancer) {
			if err := os.Chmod(filepath.Join(b.dir, "access.log"), 0); err != nil {
				t.Fatal(err)
			}
		},
		fires: []string{"LogPipelineStalled", "CollectorFailing"},
	},
	{
		name: "nginx-down", happens: func(_ *testing.T, b *balancer) { b.nginx.Stop() },
		fires: []string{"LoadBalancerDown"},
	},
	{
		name: "exporter-killed", happens: func(_ *testing.T, b *balancer) { b.exporter.Kill() },
		fires: []string{"ExporterDown"},
	},
}

// A balancer is NGINX with three nodes, clients and an exporter.
type balancer struct {
	dir      string
	listen   string
	nodes    []*sim.Node
	nginx    *testenv.Nginx
	exporter *testenv.Exporter
	client   *http.Client
}

func TestScenarios(t *testing.T) {
	t.Parallel() // it waits most of the time
	shared := t.TempDir()
	if err := os.Chmod(filepath.Dir(shared), 0o755); err != nil { // one exporter runs as nobody
		t.Fatal(err)
	}
	binary, err := testenv.BuildExporter(shared)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer stop()
	balancers := map[string]*balancer{}
	for _, s := range scenarios {
		b := newBalancer(t, s, binary)
		balancers[s.name] = b
		for range max(s.clients, 1) {
			clients.Go(func() { b.traffic(ctx) })
		}
	}
	prometheus := startPrometheus(t, balancers)
	const beforehand = 4 // scrapes
	for _, s := range scenarios {
		balancers[s.name].awaitScrapes(t, prometheus, beforehand)
	}
	begin := time.Now()
	firedSince := func(instance string) map[string]bool {
		return alertsOf(
			t,
			prometheus,
			fmt.Sprintf(
				`count_over_time(ALERTS{alertstate="firing",instance=%q}[%dms])`,
				instance,
				time.Since(begin).Milliseconds(),
			),
		)
	}
	for _, s := range scenarios {
		if s.happens != nil {
			s.happens(t, balancers[s.name])
		}
	}
	said := map[string]map[string]string{} // by instance and alert, the descriptions
	await(t, func() (bool, string) {
		listen(t, prometheus, said)
		for _, s := range scenarios {
			if why := s.lacks(said[balancers[s.name].exporter.Address]); why != "" {
				return false, s.name + ": " + why
			}
		}
		return true, ""
	})
	// An hour, in which all is well with one and nothing else happens to any.
	balancers["healthy"].awaitScrapes(t, prometheus, beforehand+int(scaledHour/scrapeInterval))
	for _, s := range scenarios {
		for name := range firedSince(balancers[s.name].exporter.Address) {
			if short := strings.TrimPrefix(name, "Fremisn"); !slices.Contains(s.fires, short) &&
				!slices.Contains(s.may, short) {
				t.Errorf("%s: %s fired, too", s.name, name)
			}
		}
	}
	if others := firedSince(""); !maps.Equal(others, map[string]bool{"FremisnWatchdog": true}) {
		t.Errorf("of no load balancer: %v", others)
	}
	if t.Failed() {
		for name, b := range balancers {
			t.Logf("%s: %s\n%s", name, b.exporter.Address, b.exporter.Output())
		}
	}
}

func freeAddress(t *testing.T) string { t.Helper(); return testenv.LoopbackAddress(t) }

func newBalancer(t *testing.T, s scenario, binary string) *balancer {
	t.Helper()
	b := &balancer{
		dir:    filepath.Join(t.TempDir(), s.name),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}, Timeout: 10 * time.Second},
	}
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	topology := testenv.Topology{
		Rate:    "1000r/s",
		Burst:   1000,
		Formats: []testenv.Format{{Name: "access", Format: testenv.FullFormat}},
	}
	for _, name := range []string{"master", "slave-1", "slave-2"} {
		node, err := sim.Start(
			name,
			freeAddress(t),
			sim.Latency{Base: 5 * time.Millisecond, Spread: 20 * time.Millisecond},
		)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(node.Close)
		b.nodes, topology.Nodes = append(b.nodes, node), append(topology.Nodes, node.Address)
	}
	topology.Listen, topology.Status = freeAddress(t), freeAddress(t)
	b.listen = topology.Listen
	if s.topology != nil {
		s.topology(&topology)
	}
	if err := testenv.WritePages(b.dir); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.nginx, err = testenv.StartNginx(t.Context(), b.dir, topology.Conf(), topology.Listen,
		topology.Status); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.nginx.Stop() })
	start := func() (*testenv.Exporter, error) {
		return testenv.StartExporter(t.Context(), binary, b.dir, b.config(), "")
	}
	if s.before != nil {
		s.before(t, b)
		start = func() (*testenv.Exporter, error) {
			return testenv.StartExporterAsNobody(t.Context(), binary, b.dir, b.config())
		}
	}
	if b.exporter, err = start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.exporter.Stop() })
	return b
}

func (b *balancer) config() string {
	return fmt.Sprintf("nginx: {config: %s}\n", b.nginx.Conf) +
		sim.ProbesConfig(b.nodes, 5*time.Second, 500*time.Millisecond, 2*time.Second)
}

// traffic is one client that waits for an answer, and a little, before its next request.
func (b *balancer) traffic(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.ask(ctx, http.MethodPost, "/v1/face/recognition")
		}
	}
}

// ask gives the status, 0 without.
func (b *balancer) ask(ctx context.Context, method, path string) int {
	request, err := http.NewRequestWithContext(
		ctx,
		method,
		"http://"+b.listen+path,
		strings.NewReader(`{"image":"AAAA"}`),
	)
	if err != nil {
		return 0
	}
	response, err := b.client.Do(request)
	if err != nil {
		return 0 // NGINX is down, or the test is over
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// A node of a machine that is short of time is slow indeed, and that is not what the scenarios are about.
const (
	halfASecond = `label_replace(fremisn:node_response_seconds:p95_5m, "address", "$1", "server", "(.+)") > 0.5`
	halfAMinute = `label_replace(fremisn:node_response_seconds:p95_5m, "address", "$1", "server", "(.+)") > 30`
)

func startPrometheus(t *testing.T, balancers map[string]*balancer) *testenv.Prometheus {
	t.Helper()
	dir := t.TempDir()
	lenient := false
	for _, file := range ruleFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lenient = lenient || strings.Contains(string(text), halfASecond)
		rules := strings.Replace(scaled(string(text), factor), halfASecond, halfAMinute, 1)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(rules), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !lenient {
		t.Errorf("no rule has %s", halfASecond)
	}
	var targets []string
	for _, b := range balancers {
		targets = append(targets, b.exporter.Address)
	}
	config := fmt.Sprintf(`global: {scrape_interval: %[1]dms, scrape_timeout: %[1]dms, evaluation_interval: %[2]dms}
rule_files: ["%[3]s"]
scrape_configs:
  - job_name: fremisn-exporter
    static_configs: [{targets: ["%[4]s"]}]
`, scrapeInterval.Milliseconds(), evaluationInterval.Milliseconds(), filepath.Join(dir, "*.rules.yml"),
		strings.Join(targets, `", "`))
	prometheus, err := testenv.StartPrometheus(t.Context(), dir, config, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prometheus.Stop() })
	return prometheus
}

// awaitScrapes waits until the load balancer has been scraped n times.
func (b *balancer) awaitScrapes(t *testing.T, prometheus *testenv.Prometheus, n int) {
	t.Helper()
	await(t, func() (bool, string) {
		samples, err := prometheus.Query(fmt.Sprintf(`count_over_time(up{instance=%q}[1h])`, b.exporter.Address))
		if err != nil {
			return false, err.Error()
		}
		return len(samples) == 1 &&
				samples[0].Value >= float64(n), fmt.Sprintf(
				"%d scrapes are too few: %v",
				n,
				samples,
			)
	})
}

func await(t *testing.T, is func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, why := is()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(why)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

func alertsOf(t *testing.T, prometheus *testenv.Prometheus, query string) map[string]bool {
	t.Helper()
	samples, err := prometheus.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, s := range samples {
		names[s.Labels["alertname"]] = true
	}
	return names
}

// lacks returns what has not been received yet, or "".
func (s scenario) lacks(said map[string]string) string {
	for i, name := range s.fires {
		text, fires := said["Fremisn"+name]
		if !fires {
			return fmt.Sprintf("Fremisn%s does not fire, only %v", name, slices.Sorted(maps.Keys(said)))
		}
		if i == 0 && !strings.Contains(text, s.says) {
			return fmt.Sprintf("Fremisn%s never says %q but\n%s", name, s.says, text)
		}
	}
	return ""
}
