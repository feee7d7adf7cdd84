package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A scene is real NGINX before three simulated nodes, with the shipped program beside it.
type scene struct {
	t        *testing.T
	dir      string
	binary   string
	nodes    []*sim.Node
	nginx    *testenv.Nginx
	exporter *testenv.Exporter
	balancer string
}

// A setup is how a scene differs from the usual.
type setup struct {
	topology testenv.Topology
	replace  [2]string // in nginx.conf
	log      string    // the content of the access log before anything starts
	access   string    // the YAML of the access log; "" for that of NGINX in its format
}

var sceneNodes = []string{"master", "slave-1", "slave-2"}

func startScene(t *testing.T, s setup) *scene {
	t.Helper()
	return startSceneWith(t, s, func(conf string) string {
		return strings.Replace(conf, s.replace[0], s.replace[1],
			1)
	})
}

// startSceneWith is startScene with another way to change nginx.conf.
func startSceneWith(t *testing.T, s setup, change func(conf string) string) *scene {
	t.Helper()
	c := &scene{t: t, dir: t.TempDir(), binary: buildExporter(t)}
	addresses := []string{freeAddress(t), freeAddress(t)}
	c.balancer = "http://" + addresses[0]
	m := s.topology
	m.Listen, m.Status = addresses[0], addresses[1]
	m.Formats = []testenv.Format{{Name: "full", Format: testenv.FullFormat}}
	if m.Rate == "" {
		m.Rate, m.Burst = "1000r/s", 1000
	}
	var config strings.Builder
	for i, ip := range []string{"127.0.0.231", "127.0.0.18", "127.0.0.17"} {
		node, err := sim.Start(sceneNodes[i], freeAddressOn(t, ip), sim.Latency{Base: 2 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(node.Close)
		c.nodes = append(c.nodes, node)
		m.Nodes = append(m.Nodes, node.Address)
	}
	if s.log != "" {
		c.write("full.log", s.log)
	}
	if err := testenv.WritePages(c.dir); err != nil {
		t.Fatal(err)
	}
	conf := change(m.Conf())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var err error
	if c.nginx, err = testenv.StartNginx(ctx, c.dir, conf, addresses...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.nginx.Stop() })
	access := s.access
	if access == "" {
		access = fmt.Sprintf("{path: %s/full.log, format: full, start: beginning}", c.dir)
	}
	fmt.Fprintf(&config, "nginx:\n  config: %s\n  access_logs: [%s]\nnodes:\n", c.nginx.Conf,
		strings.ReplaceAll(access, "DIR", c.dir))
	for i, node := range c.nodes {
		fmt.Fprintf(&config, "  - {name: %s, address: %q}\n", sceneNodes[i], node.Address)
	}
	config.WriteString("modules: {health: {prober: http, timeout: 2s}}\nprobes:\n  - name: health\n    module: " +
		"health\n    interval: 500ms\n    targets:\n")
	for _, node := range c.nodes {
		fmt.Fprintf(&config, "      - http://%s/v1/healthcheck\n", node.Address)
	}
	if c.exporter, err = testenv.StartExporter(ctx, c.binary, c.dir, config.String(), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.exporter.Stop() })
	return c
}

func (c *scene) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// ask sends a request through NGINX and returns the status.
func (c *scene) ask(path string) int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.balancer+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func (c *scene) get(path string, into any) {
	c.t.Helper()
	response, err := http.Get(c.exporter.URL + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		c.t.Fatal(err)
	}
}

func (c *scene) status() verdict.Status {
	c.t.Helper()
	var s verdict.Status
	c.get("/api/v1/status", &s)
	return s
}

// until polls the verdict until it is as wanted.
func (c *scene) until(what string, wanted func(verdict.Status) bool) verdict.Status {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last verdict.Status
	for {
		if last = c.status(); wanted(last) {
			return last
		}
		select {
		case <-ctx.Done():
			for i := range last.Nodes {
				last.Nodes[i].History = nil
			}
			text, _ := json.Marshal(last)
			c.t.Fatalf("%s does not come; the last status is\n%.6000s", what, text)
		case <-tick.C:
		}
	}
}

func allProbed(s verdict.Status) bool {
	return len(s.Nodes) == 3 && !slices.ContainsFunc(s.Nodes, func(n verdict.Node) bool {
		return n.Probe == nil ||
			n.Probe.Success == nil
	})
}

func hasReason(kind, node string) func(verdict.Status) bool {
	return func(s verdict.Status) bool {
		return slices.ContainsFunc(s.Reasons, func(r verdict.Reason) bool { return r.Kind == kind && r.Node == node })
	}
}

func node(s verdict.Status, name string) verdict.Node {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n
		}
	}
	return verdict.Node{}
}
