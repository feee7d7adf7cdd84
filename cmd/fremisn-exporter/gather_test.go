package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/web"
	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/probe"
)

// TestOutcomesAreTheSame: gather hands over counts by position.
func TestOutcomesAreTheSame(t *testing.T) {
	if diff := cmp.Diff(collector.Outcomes(), verdict.OutcomeNames()); diff != "" {
		t.Error(diff)
	}
}

// TestCardShowsSomeProbes: a server that is probed in many ways has them all judged, and some of them shown.
func TestCardShowsSomeProbes(t *testing.T) {
	g := &gathering{overview: web.Overview{Probes: map[string][]web.ProbeState{}, MoreProbes: map[string]int{}}}
	s := &verdict.Server{Address: "127.0.0.1:80"}
	for range 3 * maxShownProbes {
		g.addProbe(s, &probe.State{Probe: "p", Done: true})
	}
	shown, more := g.overview.Probes[s.Address], g.overview.MoreProbes[s.Address]
	if len(s.Probes) != 3*maxShownProbes ||
		len(shown) != maxShownProbes || more != 2*maxShownProbes {
		t.Errorf("%d probes, %d shown and %d more", len(s.Probes), len(shown), more)
	}
}

// TestOutcomesThatAreNotLogged: combined says neither what a limit rejected nor that no server could be picked.
func TestOutcomesThatAreNotLogged(t *testing.T) {
	const line = `127.0.0.1 - - [26/Nov/2026:04:32:18 +0000] "GET / HTTP/1.1" 200 4 "-" "curl/7.88.1"`
	for format, want := range map[string][2]string{
		"combined": {`"limited": null`, `"no_live": null`},
		nginxconf.CombinedFormat + ` lr=$limit_req_status ua="$upstream_addr"`: {`"limited": 0`, `"no_live": 0`},
	} {
		log := filepath.Join(t.TempDir(), "access.log")
		text := line + "\n"
		if format != "combined" {
			text = line + ` lr=PASSED ua="127.0.0.1:3000"` + "\n"
		}
		if err := os.WriteFile(log, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p := startProgram(t, fmt.Sprintf("nginx: {access_logs: [{path: %s, start: beginning, format: %q}]}\n"+
			"probes: []\n", log, format))
		until(t, "the log is read", func() bool {
			_, body, _ := p.get(t, "/api/v1/status")
			return strings.Contains(body, `"lines": 1,`) && strings.Contains(body, want[0]) &&
				strings.Contains(body, want[1])
		})
	}
}
