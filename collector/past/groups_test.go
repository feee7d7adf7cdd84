package past

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A group without an upstream block is logged by its host alone where it has no live server. analyze, explain and
// whatif give it the name that serve gives it.
func TestGroupsAreNamedAsByServe(t *testing.T) {
	const group, server = "two.test:24556", "127.0.0.1:24556"
	implicit := nginxconf.Upstream{Name: group, Implicit: true, Servers: []nginxconf.Server{{Address: group,
		MaxFails: 1}}}
	settings := &source.Settings{Conf: &nginxconf.Config{Upstreams: []nginxconf.Upstream{implicit}},
		Resolved: map[string][]string{group: {server}}}
	var text strings.Builder
	for i := range 40 {
		addr, status := server, 200
		if i%4 == 3 {
			addr, status = "two.test", 502
		}
		fmt.Fprintf(&text, "17641152%02d.500 \"GET /x HTTP/1.1\" %[2]d 0.010 \"%[3]s\" \"%[2]d\" \"0.010\"\n", i,
			status, addr)
	}
	log := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(log, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	o := Options{Settings: settings, Files: []string{log}, Formats: []source.Format{{Text: `$msec "$request" $status ` +
		`$request_time "$upstream_addr" "$upstream_status" "$upstream_response_time"`}}}
	report, _, err := Analyze(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if u := report.Upstreams; len(u) != 1 || u[0].Upstream != group || u[0].NoLive != 10 {
		t.Errorf("upstreams %+v", u)
	}
	explanation, _, err := Explain(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i := explanation.Incidents; len(i) == 0 || i[0].Upstream != group {
		t.Errorf("incidents %+v", i)
	}
	r, err := newReading(o)
	if err != nil {
		t.Fatal(err)
	}
	s := newSampler(r, r.inputs[0].formats, new(atomic.Int64))
	s.Lines([]byte(text.String()))
	if len(s.groups) != 1 || s.groups[0] != group {
		t.Errorf("whatif has the groups %q", s.groups)
	}
}

// whatif and explain do not count lines of subrequests as requests, but their slots are taken.
func TestSubrequestsAreNoRequests(t *testing.T) {
	group := nginxconf.Upstream{Name: "nodes", Method: "round_robin", Servers: []nginxconf.Server{
		{Address: "127.0.0.1:1", MaxFails: 1, MaxConns: 1, Weight: 1},
		{Address: "127.0.0.1:2", MaxFails: 1, MaxConns: 1, Weight: 1}}}
	log := filepath.Join(t.TempDir(), "access.log")
	var text strings.Builder
	for i := range 40 { // an answer of auth_request, and the answer after that
		fmt.Fprintf(&text, "17641152%02d.400 \"GET /x HTTP/1.1\" 401 0 0.300 \"127.0.0.1:1\" \"401\" \"0.300\"\n", i)
		fmt.Fprintf(&text, "17641152%02d.500 \"GET /x HTTP/1.1\" 200 80 0.100 \"127.0.0.1:2\" \"200\" \"0.100\"\n", i)
	}
	if err := os.WriteFile(log, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	formats := []source.Format{{Text: `$msec "$request" $status $request_length $request_time "$upstream_addr" ` +
		`"$upstream_status" "$upstream_response_time"`}}
	o := Options{Files: []string{log}, Settings: &source.Settings{Conf: &nginxconf.Config{
		Upstreams: []nginxconf.Upstream{group}}, AccessLogs: []source.LogSource{{Name: "access", Path: log,
		Formats: formats, Subrequests: true}}}}
	answer, _, err := AskWhatIf(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for of, f := range map[string]Figures{"the log": answer.Observed, "the model": answer.Model} {
		if f.Requests != 40 || f.OK != 40 || f.P50 == nil || *f.P50 != 0.1 {
			t.Errorf("%s has %+v", of, f)
		}
	}
	e, _, err := Explain(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.Requests != 40 || e.Failed != 0 {
		t.Errorf("explain has %d requests, %d failed", e.Requests, e.Failed)
	}
}
