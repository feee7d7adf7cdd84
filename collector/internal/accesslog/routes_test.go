package accesslog

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestRoutesByPrefix: routes that are prefixes are found without cutting the query off the path. They are those that
// expressions find that no prefix can replace.
func TestRoutesByPrefix(t *testing.T) {
	var lines strings.Builder
	for _, target := range []string{
		"/v1", "/v1/", "/v1/x", "/v1?a=b", "/v1/x?y", "/v1/x/y HTTP", "/?/v1/x", "/v", "/v2/z", "/v2/z?",
		"*", "?/v1", "", " /v1/x", "/v1/x%20?"} {
		fmt.Fprintf(&lines, "\"GET %s HTTP/1.1\" 502\n", target)
		fmt.Fprintf(&lines, "\"PATCHY %s\" 502\n", target)
	}
	count := func(suffix string) (routes map[string]uint64, paths []string) {
		c := counterOf(t, `"$request" $status`, "default", func(cfg *Config) {
			for _, prefix := range []string{"/v1/x", "/v1", "/v2/z"} {
				match := regexp.MustCompile("^" + prefix + suffix)
				cfg.Routes = append(cfg.Routes, source.Route{Name: prefix, Match: match})
			}
		})
		c.Lines([]byte(lines.String()))
		routes = map[string]uint64{}
		for _, series := range c.ledger.Counters(int(metric.AccessOutcomes)) {
			routes[series.Labels[0]] += series.Value
		}
		for _, f := range c.Hour(time.Now().UnixMilli()).Failures {
			paths = append(paths, f.Path)
		}
		return routes, paths
	}
	routes, paths := count("")
	wantRoutes, wantPaths := count("(|.*)")
	if diff := cmp.Diff(wantRoutes, routes); diff != "" || routes["/v1/x"] == 0 || routes["other"] == 0 {
		t.Errorf("%v\n%s", routes, diff)
	}
	if diff := cmp.Diff(wantPaths, paths); diff != "" || len(paths) == 0 {
		t.Errorf("%q\n%s", paths, diff)
	}
}
