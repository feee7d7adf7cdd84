package main

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/sim"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// TestTakenOutAsNGINXDoesIt has a node close connections for some seconds under steady traffic, and compares the time
// in which the program says that NGINX passes it over with the time in which NGINX's own log shows no attempt on it.
func TestTakenOutAsNGINXDoesIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		workers  int
		zone     bool
		maxFails int
		timeout  int // seconds
		level    string
	}{
		{1, false, 1, 2, "error"},
		{1, false, 1, 3, "warn"},
		{1, false, 3, 2, "error"},
		{1, true, 2, 2, "error"},
		{2, true, 1, 2, "error"},
		{2, false, 1, 3, "error"},
	} {
		t.Run(fmt.Sprintf("workers=%d zone=%v max_fails=%d fail_timeout=%ds %s", c.workers, c.zone, c.maxFails,
			c.timeout, c.level), func(t *testing.T) {
			t.Parallel()
			zone := ""
			if c.zone {
				zone = "zone fremisn 64k; "
			}
			s := startSceneWith(t, setup{
				topology: testenv.Topology{Server: fmt.Sprintf("max_fails=%d fail_timeout=%ds", c.maxFails, c.timeout)},
			}, func(conf string) string {
				conf = strings.Replace(conf, "worker_processes 1;", fmt.Sprintf("worker_processes %d;", c.workers), 1)
				conf = strings.Replace(conf, "error.log warn;", "error.log "+c.level+";", 1)
				return strings.Replace(conf, "upstream fremisn_backend {", "upstream fremisn_backend { "+zone, 1)
			})
			s.until("a good start", func(s verdict.Status) bool { return allProbed(s) })
			s.nodes[1].Set(sim.Fault{Kind: "reset", Path: "/v1/face/"})
			s.drive(3*time.Second + time.Duration(c.timeout)*time.Second)
			s.nodes[1].Clear()
			s.drive(time.Duration(c.timeout+3) * time.Second)
			s.compareOutage(c.workers, c.zone)
		})
	}
}

// drive sends a request every 20 ms, each on a connection of its own, so that every worker has its share.
func (c *scene) drive(length time.Duration) {
	c.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); <-tick.C {
		response, err := client.Get(c.balancer + "/v1/face/match")
		if err != nil {
			c.t.Fatal(err)
		}
		response.Body.Close()
	}
}

var attempted = regexp.MustCompile(`\[([^\]]+)\].* ua="([^"]+)"`)

// passedOver counts, in NGINX's own access log, the seconds without an attempt on a server, and those between without
// any request: a busy machine may have sent none.
func (c *scene) passedOver(server string) (without, silent int) {
	c.t.Helper()
	file, err := os.Open(filepath.Join(c.dir, "full.log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer file.Close()
	used := map[int64]bool{} // by the second: whether the server was tried
	for lines := bufio.NewScanner(file); lines.Scan(); {
		m := attempted.FindStringSubmatch(lines.Text())
		if m == nil {
			c.t.Fatalf("a line without attempts: %s", lines.Text())
		}
		at, err := time.Parse("02/Jan/2006:15:04:05 -0700", m[1])
		if err != nil {
			c.t.Fatal(err)
		}
		used[at.Unix()] = used[at.Unix()] || strings.Contains(m[2], server)
	}
	seconds := slices.Sorted(maps.Keys(used))
	for i, second := range seconds {
		if !used[second] {
			without++
		}
		if i > 0 {
			silent += int(second - seconds[i-1] - 1)
		}
	}
	return without, silent
}

func (c *scene) compareOutage(workers int, zone bool) {
	c.t.Helper()
	server := c.nodes[1].Address
	s := c.until("the node back", func(s verdict.Status) bool { return s.Nodes[1].State != verdict.StateTakenOut })
	text, err := c.exporter.Metrics()
	if err != nil {
		c.t.Fatal(err)
	}
	seconds := c.metric(text, `nginx_upstream_server_unavailable_seconds_total{node="slave-1",server="`+server+
		`",upstream="fremisn_backend"} `)
	taken := 0.0
	for _, evidence := range []string{"logged", "replayed"} {
		taken += c.metric(text, `nginx_upstream_server_unavailable_total{evidence="`+evidence+
			`",node="slave-1",server="`+server+`",upstream="fremisn_backend"} `)
	}
	// A log line has the second in which a request ended, and NGINX compares whole seconds: each time that a server is
	// taken out or tried is off by up to one.
	without, silent := c.passedOver(server)
	truth := float64(without)
	if taken < 1 || s.Nodes[1].LastOut == nil {
		c.t.Fatalf("taken out %g times: %+v\n%s", taken, s.Nodes[1].LastOut, text)
	}
	if workers == 1 || zone {
		if slack := 1 + 2*taken + float64(silent); seconds < truth || seconds > truth+slack {
			c.t.Errorf("out for %g s in %g takes, but NGINX's log has %g s without an attempt", seconds, taken, truth)
		}
		return
	}
	// Workers of their own: a second without any attempt is one in which all of them pass it over.
	if seconds < truth {
		c.t.Errorf("out for %g s, but NGINX's log has %g s without an attempt", seconds, truth)
	}
}

func (c *scene) metric(text, series string) float64 {
	c.t.Helper()
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), series); found {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				c.t.Fatal(err)
			}
			return n
		}
	}
	c.t.Fatalf("no %s in\n%s", series, text)
	return 0
}
