package dashboards

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestMetricsExist holds every metric that a query, a variable or an annotation names against what there is: the
// exporter's descriptors, in its source; the recording rules; the licence metrics that the shipped config makes; and
// what Prometheus itself and client_golang give. Matchers must be on labels that the metric has.
func TestMetricsExist(t *testing.T) {
	described := descriptors(t)
	for name, labels := range recorded(t) {
		described[name] = labels
	}
	for name, labels := range configured(t) {
		described[name] = labels
	}
	for _, name := range strings.Fields(`up scrape_duration_seconds scrape_samples_scraped scrape_series_added
		process_cpu_seconds_total process_resident_memory_bytes process_open_fds process_start_time_seconds
		go_goroutines go_memstats_heap_inuse_bytes`) {
		described[name] = []string{}
	}
	described["fremisn_exporter_build_info"] = []string{"version", "revision"}
	described["ALERTS"] = nil
	used := map[string]bool{}
	check := func(where, expr string) {
		for _, s := range selectors(expr) {
			used[s.metric] = true
			name := s.metric
			if _, is := described[name]; !is {
				name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			}
			labels, is := described[name]
			if !is {
				t.Errorf("%s: %s does not exist", where, s.metric)
				continue
			}
			for _, label := range s.labels() {
				if labels != nil && label != "cluster" && label != "job" && label != "instance" &&
					!slices.Contains(labels, label) {
					t.Errorf("%s: %s has no label %s, but %q", where, s.metric, label, labels)
				}
			}
		}
	}
	for _, b := range shipped(t) {
		for _, p := range b.drawn() {
			for _, q := range p.Targets {
				check(b.file+" "+p.Title, q.Expr)
				bareNames(t, b.file+" "+p.Title, q.Expr)
			}
		}
		for _, a := range b.Annotations.List {
			check(b.file+" "+a.Name, a.Expr)
		}
		for _, v := range b.Templating.List {
			if inner, is := strings.CutPrefix(v.Definition, "label_values("); is && !strings.HasPrefix(inner, "{") {
				name, _, _ := strings.Cut(inner, ",")
				check(b.file+" $"+v.Name, strings.TrimSuffix(strings.SplitN(name, "{", 2)[0], " ")+"{}")
			}
		}
	}
	// What issue and contract want to be seen is seen.
	for _, name := range strings.Fields(`nginx_up nginx_connections_accepted nginx_connections_handled
		nginx_connections_waiting
		nginx_access_requests_total nginx_access_outcomes_total nginx_access_request_duration_seconds_bucket
		nginx_access_limit_req_total nginx_upstream_no_live_total nginx_upstream_attempts_total
		nginx_upstream_response_duration_seconds_bucket nginx_upstream_header_duration_seconds_bucket
		nginx_upstream_connect_duration_seconds_bucket nginx_upstream_retries_total nginx_error_log_events_total
		nginx_limit_req_rate nginx_limit_req_burst nginx_upstream_server_max_conns
		probe_success probe_http_duration_seconds probe_latency_seconds_bucket probe_failures_total
		probe_ssl_earliest_cert_expiry fremisn_exporter_log_lines_total fremisn_exporter_log_lag_bytes
		fremisn_exporter_log_gaps_total fremisn_exporter_log_rotations_total fremisn_exporter_log_series_dropped_total
		fremisn_exporter_state_commits_total fremisn_license_used fremisn_license_limit
		fremisn:license_used:predict14d fremisn:node_up:min fremisn:node_share:ratio5m ALERTS`) {
		if !used[name] {
			t.Errorf("no panel asks for %s", name)
		}
	}
}

// bareNames: a metric without a selector would escape every other check.
func bareNames(t *testing.T, where, expr string) {
	expr = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expr, `""`)
	for _, found := range regexp.MustCompile(`\b(nginx|probe|fremisn|process|go|scrape)[_:][A-Za-z0-9_:]*\b.?`).
		FindAllString(expr, -1) {
		if strings.HasSuffix(found, "{") || strings.HasSuffix(found, ":objective)") ||
			strings.HasSuffix(found, ":objective") {
			continue
		}
		t.Errorf("%s: %s has no selector", where, found)
	}
}

var metricName = regexp.MustCompile(`^"(probe|fremisn_exporter|fremisn_objective)_[a-z_]+"$`)

// descriptors are the metrics in the exporter's source, with their labels.
func descriptors(t *testing.T) map[string][]string {
	t.Helper()
	all := listed(t)
	for _, dir := range []string{"../probe", "../cmd/fremisn-exporter"} {
		err := filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				describe(n, all, dir == "../probe")
				// Named anywhere else: with whatever labels.
				if literal, is := n.(*ast.BasicLit); is && metricName.MatchString(literal.Value) {
					if name := text(literal); all[name] == nil {
						all[name] = nil
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 60 {
		t.Fatalf("only %d descriptors found: %v", len(all), all)
	}
	return all
}

// listed are the metrics that the program lists, with their labels.
func listed(t *testing.T) map[string][]string {
	t.Helper()
	output, err := exec.Command("go", "run", "../cmd/fremisn-exporter", "metrics").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(output)) {
		fields := strings.Split(line, "\t")
		all[fields[0]] = strings.FieldsFunc(fields[2], func(c rune) bool { return c == ',' })
	}
	return all
}

// describe notes the metric that a node of the source describes: desc(NAME, HELP, LABEL...), prometheus.NewDesc(NAME,
// HELP, LABELS, …), gauge(NAME, HELP, VALUE, Label{…}...), Sample{NAME, …}.
func describe(n ast.Node, all map[string][]string, isProbe bool) {
	var args []ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		called := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			called = f.Name
		case *ast.SelectorExpr:
			called = f.Sel.Name
		}
		if !slices.Contains([]string{"desc", "NewDesc", "gauge", "count"}, called) {
			return
		}
		args = n.Args
	case *ast.CompositeLit:
		if kind, is := n.Type.(*ast.Ident); !is || kind.Name != "Sample" {
			return
		}
		args = n.Elts
	default:
		return
	}
	if len(args) < 2 {
		return
	}
	name := text(args[0])
	if name == "" {
		return
	}
	labels := []string{"addr"} // of a status page, where there are several
	if isProbe {
		labels = []string{"probe", "target", "node"}
	}
	for _, arg := range args[2:] {
		ast.Inspect(arg, func(n ast.Node) bool {
			if literal, is := n.(ast.Expr); is && text(literal) != "" {
				labels = append(labels, text(literal))
			}
			return true
		})
	}
	all[name] = labels
}

func text(e ast.Expr) string {
	literal, is := e.(*ast.BasicLit)
	if !is || literal.Kind != token.STRING {
		return ""
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return value
}

// recorded are the recording rules, with the labels that their outermost aggregation keeps.
func recorded(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, file := range []string{"../alerts/recording.rules.yml", "../alerts/days.rules.yml"} {
		var rules struct {
			Groups []struct {
				Rules []struct{ Record, Expr string }
			}
		}
		read(t, file, &rules)
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				all[rule.Record] = nil
				// A rule made of others keeps their labels: nil is any.
				if by := byInText.FindStringSubmatch(rule.Expr); by != nil && !strings.Contains(rule.Expr, "fremisn:") {
					all[rule.Record] = strings.Split(by[1], ", ")
				}
			}
		}
	}
	return all
}

// configured are the metrics that the shipped config takes out of FREMIS-N's answers.
func configured(t *testing.T) map[string][]string {
	t.Helper()
	var config struct {
		Modules map[string]struct {
			HTTP struct {
				Metrics []struct {
					Name   string
					Labels map[string]string
				}
			}
		}
	}
	read(t, "../compose/probes.yml", &config)
	all := map[string][]string{}
	for _, module := range config.Modules {
		for _, metric := range module.HTTP.Metrics {
			labels := []string{"probe", "target", "node"}
			for label := range metric.Labels {
				labels = append(labels, label)
			}
			all[metric.Name] = labels
		}
	}
	return all
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
