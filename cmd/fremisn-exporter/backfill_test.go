package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// A tally is what a log holds, counted while it is written: by nobody's rules but the test's own.
type tally struct {
	outcomes, codes, routes map[string]float64 // requests
	attempts, failed        map[string]float64 // by server
	retries, seconds        map[string]float64
}

const (
	backfillStep  = 15            // seconds
	backfillHours = 4             // of the log
	perStep       = 30            // requests
	backfillAhead = 5 * time.Hour // from its beginning to now, at least
)

// writeStep writes the requests of 15 seconds and returns what they are. In a bad time some fail, in a good one none.
func writeStep(log *bytes.Buffer, at int64, bad bool) tally {
	t := tally{map[string]float64{}, map[string]float64{}, map[string]float64{}, map[string]float64{},
		map[string]float64{}, map[string]float64{}, map[string]float64{}}
	servers := logtest.Servers()
	for k := range perStep {
		server, took := servers[k%3], 0.02*float64(k+1)
		outcome, code, limit, addresses, statuses, times := "ok", "200", "PASSED", server, "200",
			fmt.Sprintf("%.3f", took)
		route, path := "face", "/v1/face/match"
		if k%2 == 1 {
			route, path = "other", "/v1/healthcheck"
		}
		counts, fails := true, false
		switch {
		case k == 21:
			outcome, code, statuses = "client_error", "404", "404"
		case k == 19:
			outcome, code, statuses = "aborted", "499", "-"
		case !bad:
		case k == 3 || k == 13:
			outcome, code, statuses, fails = "error", "502", "502", true
		case k == 25:
			outcome, code, statuses, fails = "timeout", "504", "504", true
		case k == 11:
			outcome, code, addresses, statuses, times, counts = "no_live", "502", logtest.Group, "502", "0.000", false
		case k == 17:
			outcome, code, limit, counts = "limited", "503", "REJECTED", false
			addresses, statuses, times = "-", "-", "-"
		case k == 7: // failed on the second server, helped by the first
			addresses, statuses, times = servers[1]+", "+servers[0], "502, 200", "0.010, "+times
			t.attempts[servers[0]]++
			t.seconds[servers[0]] += took
			t.failed[servers[1]]++
			t.retries[servers[1]]++
			t.attempts[servers[1]]++
			t.seconds[servers[1]] += 0.010
			counts = false
		}
		if counts {
			t.attempts[server]++
			t.seconds[server] += took
		}
		if fails {
			t.failed[server]++
		}
		t.outcomes[outcome]++
		t.codes[code]++
		t.routes[route]++
		fmt.Fprintf(log, `%d.%03d "POST %s HTTP/1.1" %s %.3f %s "%s" "%s" "%s"`+"\n", at+int64(k)/2, k%2*500+250, path,
			code, took, limit, addresses, statuses, times)
	}
	return t
}

const backfillFormat = `$msec "$request" $status $request_time $limit_req_status "$upstream_addr" "$upstream_status" ` +
	`"$upstream_response_time"`

// TestBackfilledOverview has a log of some hours, the last of them bad, made into blocks with the commands that README
// names, recording rules among them, and asks Debian's Prometheus every question of the dashboard Overview: the answers
// are those that were counted while the log was written.
func TestBackfilledOverview(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now().UTC().Add(-backfillAhead).Truncate(time.Hour).Unix()
	var log bytes.Buffer
	var good, bad tally
	for at := begin; at < begin+backfillHours*3600; at += backfillStep {
		if at < begin+(backfillHours-1)*3600 {
			good = writeStep(&log, at, false)
		} else {
			bad = writeStep(&log, at, true)
		}
	}
	config := writeBackfillConfig(t, dir, log.Bytes())
	past := filepath.Join(dir, "past")
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"backfill", "--config", config, "-o", past, "--label", "job=fremisn-exporter",
		"--label", "instance=lb:9113"}, &stdout, &stderr); code != exitOK {
		t.Fatal(stderr.String())
	}
	end := begin + backfillHours*3600
	p := backfilledPrometheus(t, dir, past, stdout.String())
	asked := 0
	for _, q := range overviewQueries(t) {
		t.Run(q.key, func(t *testing.T) {
			want, ok := overviewTruth(good, bad, float64(end))[q.key]
			if !ok {
				t.Fatalf("nobody says what %s is to answer", q.expr)
			}
			got := askAt(t, p, q.expr, end)
			for key, value := range want.values {
				low, high := value-want.within*math.Abs(value)-1e-9, value+want.within*math.Abs(value)+1e-9
				if want.above != nil {
					low, high = want.above[key], value
				}
				if v, there := got[key]; !there || v < low || v > high {
					t.Errorf("%q is %v, want %g to %g\n%s", key, got, low, high, q.expr)
				}
			}
			if len(got) != len(want.values) {
				t.Errorf("%v, want %v\n%s", got, want.values, q.expr)
			}
		})
		asked++
	}
	if asked < 30 {
		t.Errorf("the dashboard asks %d questions", asked)
	}
}

func writeBackfillConfig(t *testing.T, dir string, log []byte) string {
	t.Helper()
	servers := logtest.Servers()
	files := map[string]string{
		"access.log": string(log),
		"nginx.conf": fmt.Sprintf("worker_processes 1;\nevents {}\nhttp {\n    upstream %s {\n        zone z 1m;\n"+
			"     server %s max_conns=2;\n     server %s max_conns=2;\n        server %s max_conns=2;\n    }\n}\n",
			logtest.Group, servers[0], servers[1], servers[2]),
		"probes.yml": fmt.Sprintf(`nginx:
  config: %s
  access_logs:
    - {path: %s, name: access, format: '%s'}
  routes:
    - {name: face, match: "^/v1/face/"}
nodes:
  - {name: master, address: '%s'}
  - {name: slave-1, address: '%s'}
  - {name: slave-2, address: '%s'}
`, filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "access.log"), backfillFormat, servers[0], servers[1],
			servers[2]),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "probes.yml")
}

// backfilledPrometheus does what backfill has printed to do, as often as it says, and starts Prometheus on it.
func backfilledPrometheus(t *testing.T, dir, past, printed string) *testenv.Prometheus {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal(err)
	}
	tsdb := filepath.Join(dir, "tsdb")
	files, err := filepath.Glob(filepath.Join(past, "*.om"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	promtoolRun := func(args ...string) {
		if output, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Fatalf("promtool %s: %s\n%s", args, err, output)
		}
	}
	for _, file := range files {
		promtoolRun("tsdb", "create-blocks-from", "openmetrics", file, tsdb)
	}
	command := regexp.MustCompile(`for pass in ([\d ]+); do\n *promtool (tsdb create-blocks-from rules --start \S+ ` +
		`--end \S+) --url (?:\S+ )?\\\n *--output-dir`).FindStringSubmatch(printed)
	if command == nil {
		t.Fatalf("backfill does not say how the rules are added:\n%s", printed)
	}
	rules, err := filepath.Glob("../../alerts/*.rules.yml")
	if err != nil || len(rules) == 0 {
		t.Fatal(err, rules)
	}
	for range strings.Fields(command[1]) {
		p := startPrometheus(t, dir)
		promtoolRun(append(append(strings.Fields(command[2]), "--url", p.URL, "--output-dir", tsdb), rules...)...)
		p.Stop() // a running one takes new blocks up by itself, within a minute or two
	}
	p := startPrometheus(t, dir)
	t.Cleanup(func() { p.Stop() })
	return p
}

func startPrometheus(t *testing.T, dir string) *testenv.Prometheus {
	t.Helper()
	p, err := testenv.StartPrometheus(t.Context(), dir, "global: {scrape_interval: 1m}\n", "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type dashboardQuery struct{ key, expr string }

// overviewQueries are the questions of the dashboard Overview, asked as Grafana asks them for an hour.
func overviewQueries(t *testing.T) []dashboardQuery {
	t.Helper()
	content, err := os.ReadFile("../../dashboards/overview.json")
	if err != nil {
		t.Fatal(err)
	}
	type panel struct {
		ID      int
		Targets []struct{ Expr, RefID string }
		Panels  []panel
	}
	var dashboard panel
	if err := json.Unmarshal(content, &dashboard); err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "1m", "$__interval", "1m", "$__range", "1h", "$cluster", ".*",
		"$job", "fremisn-exporter", "$instance", ".+", "$upstream", ".*", "$node", ".*")
	var list []dashboardQuery
	var add func(p panel)
	add = func(p panel) {
		for _, target := range p.Targets {
			list = append(list, dashboardQuery{fmt.Sprint(p.ID, " ", target.RefID), variables.Replace(target.Expr)})
		}
		for _, child := range p.Panels {
			add(child)
		}
	}
	add(dashboard)
	return list
}

// askAt returns the values of an expression at a time, by what their labels say besides where they come from.
func askAt(t *testing.T, p *testenv.Prometheus, expr string, at int64) map[string]float64 {
	t.Helper()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := p.Get("/api/v1/query?time="+strconv.FormatInt(at, 10)+"&query="+url.QueryEscape(expr),
		&answer); err != nil || answer.Error != "" {
		t.Fatal(err, answer.Error)
	}
	values := map[string]float64{}
	for _, row := range answer.Data.Result {
		var labels []string
		for _, name := range []string{"node", "outcome", "route", "code"} {
			if row.Metric[name] != "" {
				labels = append(labels, row.Metric[name])
			}
		}
		value, err := strconv.ParseFloat(row.Value[1].(string), 64)
		if err != nil {
			t.Fatal(err)
		}
		key := strings.Join(labels, " ")
		if _, twice := values[key]; twice {
			t.Fatalf("two series %q of %s", key, expr)
		}
		values[key] = value
	}
	return values
}

// A truth is what a question is to be answered with, each value within a share of it, or above another one: that is
// for quantiles, which the buckets cannot resolve further.
type truth struct {
	values map[string]float64
	above  map[string]float64
	within float64
}

// overviewTruth is what each question of the dashboard is to be answered with at the end of the log.
func overviewTruth(good, bad tally, end float64) map[string]truth {
	nodes := map[string]string{"master": logtest.Servers()[0], "slave-1": logtest.Servers()[1],
		"slave-2": logtest.Servers()[2]}
	ofNodes := func(value func(server string) float64) truth {
		values := map[string]float64{}
		for node, server := range nodes {
			values[node] = value(server)
		}
		return truth{values: values, within: 0.001}
	}
	all := func(value float64) truth { return truth{values: map[string]float64{"": value}, within: 0.001} }
	roughly := func(value, within float64) truth { return truth{values: map[string]float64{"": value}, within: within} }
	perSecond := func(counts map[string]float64) truth {
		rates := map[string]float64{}
		for key, n := range counts {
			rates[key] = n / backfillStep
		}
		return truth{values: rates, within: 0.001}
	}
	between := func(low, high float64) truth {
		return truth{values: map[string]float64{"": high}, above: map[string]float64{"": low}}
	}
	valid := func(t tally) float64 { return perStep - t.outcomes["limited"] - t.outcomes["aborted"] }
	failed := func(t tally) float64 { return t.outcomes["error"] + t.outcomes["timeout"] + t.outcomes["no_live"] }
	ratio := failed(bad) / valid(bad)
	// Three hours were good, one was bad.
	inAll := failed(bad) / (3*valid(good) + valid(bad))
	none := truth{}
	minute := func(outcome string) truth { return all(bad.outcomes[outcome] * 60 / backfillStep) }
	truths := map[string]truth{
		"1 A": all(2), // no status page, but an exporter
		"2 A": none,   // no log has probes
		"3 A": all(0), "5 A": all(1 - ratio), "6 A": between(0.5, 1),
		"10 A": perSecond(bad.outcomes), "11 A": minute("error"), "11 B": minute("timeout"), "11 C": minute("no_live"),
		"11 D": minute("limited"), "11 E": minute("aborted"), "11 F": minute("client_error"),
		"12 A": between(0.25, 0.5), "12 B": between(0.5, 1), "12 C": between(0.5, 1), "12 D": all(2.5),
		"13 A": perSecond(bad.routes), "15 A": perSecond(bad.codes),
		"14 A": {values: map[string]float64{"face": 1, "other": 1},
			above: map[string]float64{"face": 0.5, "other": 0.5}},
		"14 B": all(2.5),
		"20 A": {values: map[string]float64{"master": 2, "slave-1": 2, "slave-2": 4}},
		"20 B": ofNodes(func(s string) float64 { return bad.attempts[s] / sumOf(bad.attempts) }),
		"20 C": {values: map[string]float64{"master": 1, "slave-1": 1, "slave-2": 1},
			above: map[string]float64{"master": 0.5, "slave-1": 0.5, "slave-2": 0.5}},
		"20 D": ofNodes(func(s string) float64 { return bad.failed[s] / bad.attempts[s] }),
		"20 E": ofNodes(func(s string) float64 { return bad.retries[s] / backfillStep }),
		"20 F": ofNodes(func(s string) float64 { return bad.seconds[s] / backfillStep / 2 }),
		"20 G": {values: map[string]float64{"master": end * 1000, "slave-1": end * 1000}, within: 120 / end},
		"23 B": all(2.5), "24 A": perSecond(map[string]float64{}),
		"30 A": roughly(math.Max(1-inAll/0.01, -1), 0.03), "30 B": roughly(1, 0.001),
		// Long windows add up rates of five minutes, which lag behind.
		"31 A": all(ratio / 0.01), "31 B": roughly(ratio/0.01, 0.06), "31 C": roughly(inAll/0.01, 0.06),
		"31 D": roughly(inAll/0.01, 0.08),
		"32 A": all(0), "32 B": all(0), "32 C": all(0), "32 D": all(0.05),
		"33 A": all(0.99), "33 B": roughly(1-ratio, 0.03), "33 C": roughly(1-inAll/0.01, 0.12), "33 D": all(0.95),
		"33 E": all(2.5), "33 F": all(1), "33 G": roughly(1, 0.001),
	}
	truths["4 A"], truths["21 A"] = truths["30 A"], truths["20 A"]
	truths["22 A"], truths["23 A"] = truths["20 D"], truths["20 C"]
	truths["24 A"] = ofNodes(func(s string) float64 { return bad.attempts[s] / backfillStep })
	return truths
}

func sumOf(counts map[string]float64) float64 {
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// TestRulePasses: what backfill prints adds the recording rules as often as they rest on one another.
func TestRulePasses(t *testing.T) {
	rules := map[string]string{}
	files, err := filepath.Glob("../../alerts/*.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range regexp.MustCompile(`(?m)^ +- (record|alert): `).Split(string(content), -1)[1:] {
			name, body, _ := strings.Cut(part, "\n")
			if strings.HasPrefix(name, "fremisn:") {
				rules[name] += body
			}
		}
	}
	reference := regexp.MustCompile(`fremisn:[a-z0-9_:]+`)
	var depth func(name string) int
	depth = func(name string) int {
		deepest := 0
		for _, other := range reference.FindAllString(rules[name], -1) {
			if _, ok := rules[other]; ok && other != name {
				deepest = max(deepest, depth(other))
			}
		}
		return deepest + 1
	}
	deepest := 0
	for name := range rules {
		deepest = max(deepest, depth(name))
	}
	h := newPastHost(t)
	code, stdout, stderr := h.run(t, "backfill", "-o", filepath.Join(h.dir, "out"))
	if code != exitOK {
		t.Fatal(stderr)
	}
	passes := regexp.MustCompile(`for pass in ([\d ]+);`).FindStringSubmatch(stdout)
	if passes == nil || len(strings.Fields(passes[1])) != deepest {
		t.Errorf("rules rest on one another %d deep, and backfill says\n%s", deepest, stdout)
	}
	content, err := os.ReadFile("../../compose/README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(content)), " ")
	if !strings.Contains(text, "$ for pass in "+passes[1]+"; do promtool tsdb create-blocks-from") {
		t.Errorf("compose/README.md does not show the %d passes", deepest)
	}
}
