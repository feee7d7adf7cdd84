package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A demo is the running parts.
type demo struct {
	dir        string
	out        io.Writer
	nodes      []*sim.Node
	nginx      *testenv.Nginx
	exporter   *testenv.Exporter
	prometheus *testenv.Prometheus
	balancer   string // address
	status     string
}

// The addresses of the topology, on loopback.
var places = []struct{ name, ip, port string }{
	{"master", "127.0.0.231", "4005"},
	{"slave-1", "127.0.0.18", "4008"},
	{"slave-2", "127.0.0.17", "4009"},
}

func (d *demo) start(ctx context.Context, exporter, rules string) error {
	for _, place := range places {
		address, err := d.address(place.ip, place.port, "node "+place.name)
		if err != nil {
			return err
		}
		node, err := sim.Start(place.name, address, sim.Latency{Base: 40 * time.Millisecond,
			Spread: 400 * time.Millisecond})
		if err != nil {
			return err
		}
		d.nodes = append(d.nodes, node)
	}
	d.progress("nodes", "%d simulated", len(d.nodes))
	if err := d.startNginx(ctx); err != nil {
		return err
	}
	if err := d.startExporter(ctx, exporter); err != nil {
		return err
	}
	return d.startPrometheus(ctx, rules)
}

// address returns the usual port on ip, or a free one if that is in use.
func (d *demo) address(ip, port, what string) (string, error) {
	usual := net.JoinHostPort(ip, port)
	listener, err := net.Listen("tcp", usual)
	if err == nil {
		listener.Close()
		return usual, nil
	}
	free, freeErr := testenv.FreeAddress(ip)
	if freeErr != nil {
		return "", fmt.Errorf("%s cannot listen on %s (%w); the demo needs Linux, where all of 127.0.0.0/8 is "+
			"this host", what, ip, freeErr)
	}
	fmt.Fprintf(d.out, "  %-12s %s is in use (%s), so %s uses %s\n", "", usual, reason(err), what, free)
	return free, nil
}

func reason(err error) string {
	text := err.Error()
	return text[strings.LastIndex(text, ": ")+2:]
}

func (d *demo) progress(part, format string, args ...any) {
	fmt.Fprintf(d.out, "  %-12s %s\n", part, fmt.Sprintf(format, args...))
}

func (d *demo) startNginx(ctx context.Context) error {
	var err error
	if d.balancer, err = d.address("127.0.0.1", "8081", "the load balancer"); err != nil {
		return err
	}
	if d.status, err = d.address("127.0.0.1", "8080", "the status page"); err != nil {
		return err
	}
	if err := testenv.WritePages(d.dir); err != nil {
		return err
	}
	topology := testenv.Topology{Listen: d.balancer, Status: d.status,
		Formats: []testenv.Format{{Name: "access", Format: testenv.FullFormat}}}
	for _, node := range d.nodes {
		topology.Nodes = append(topology.Nodes, node.Address)
	}
	if d.nginx, err = testenv.StartNginx(ctx, d.dir, topology.Conf(), d.balancer, d.status); err != nil {
		return err
	}
	d.progress("NGINX", "round robin, max_conns=1, 10 requests a second with a burst of 20")
	return nil
}

func (d *demo) startExporter(ctx context.Context, binary string) error {
	address, err := d.address("127.0.0.1", "9113", "the exporter")
	if err != nil {
		return err
	}
	if d.exporter, err = testenv.StartExporter(ctx, absolute(binary), d.dir, d.config(), address); err != nil {
		return err
	}
	d.progress("exporter", "reads nginx.conf, the logs and the status page; probes every node each second")
	return nil
}

func (d *demo) config() string {
	return fmt.Sprintf(`nginx:
  config: %s
  routes:
    - {name: enrollment, match: "^/v1/face/enrollment"}
    - {name: recognition, match: "^/v1/face/recognition"}
    - {name: health, match: "^/v1/healthcheck"}
`, d.nginx.Conf) + sim.ProbesConfig(d.nodes, 2*time.Second, time.Second, 5*time.Second)
}

func (d *demo) startPrometheus(ctx context.Context, rules string) error {
	address, err := d.address("127.0.0.1", "9090", "Prometheus")
	if err != nil {
		return err
	}
	ruleFiles := ""
	if found, _ := filepath.Glob(filepath.Join(rules, "*.rules.yml")); len(found) > 0 {
		ruleFiles = fmt.Sprintf("rule_files: [%q]\n", filepath.Join(absolute(rules), "*.rules.yml"))
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 5s}\n%sscrape_configs:\n  - job_name: "+
		"fremisn-exporter\n    static_configs: [{targets: [%q]}]\n", ruleFiles, d.exporter.Address)
	if d.prometheus, err = testenv.StartPrometheus(ctx, d.dir, config, address); err != nil {
		return err
	}
	d.progress("Prometheus", "scrapes the exporter each second")
	return nil
}

func (d *demo) printAddresses(seconds string) {
	end := "Ctrl-C ends all of it."
	if seconds != "" {
		end = "It ends by itself after " + seconds + " s."
	}
	fmt.Fprintln(d.out, "\nOpen")
	w := tabwriter.NewWriter(d.out, 0, 8, 2, ' ', 0)
	for _, line := range []struct{ url, what string }{
		{d.exporter.URL, "the exporter: is it fine, and which node is not?"},
		{d.exporter.URL + "/metrics", "its metrics"},
		{d.prometheus.URL, "Prometheus; try the expression below"},
		{"http://" + d.balancer + "/v1/healthcheck", "the load balancer"},
	} {
		fmt.Fprintf(w, "  %s\t%s\n", line.url, line.what)
	}
	w.Flush()
	fmt.Fprintf(d.out, "\n  histogram_quantile(0.95, sum by (le, node)\n    "+
		"(rate(nginx_upstream_response_duration_seconds_bucket[1m])))\n\n%s\n\n", end)
}

// stop ends all processes in reverse order of their start.
func (d *demo) stop() {
	if d.prometheus != nil {
		d.prometheus.Stop()
	}
	if d.exporter != nil {
		d.exporter.Stop()
	}
	if d.nginx != nil {
		d.nginx.Stop()
	}
	for _, node := range d.nodes {
		node.Close()
	}
}
