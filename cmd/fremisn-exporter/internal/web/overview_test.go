package web

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/verdict"
)

func pointer[T any](v T) *T { return &v }

// grayNode is a scene: master fails real requests, NGINX has had slave-1 out, and slave-2's log has no times.
func grayNode(now time.Time) Overview {
	requests := func(n, failed uint64) *verdict.RequestWindow {
		return &verdict.RequestWindow{
			Requests: n, Rate: float64(n) / 60, P50: pointer(0.18), P95: pointer(1.42), Outcomes: map[string]uint64{
				"ok": n - failed, "client_error": 0, "error": failed, "timeout": 0, "no_live": 0, "limited": 3,
				"aborted": 1,
			},
		}
	}
	attempts := func(n, failed uint64) *verdict.NodeWindow {
		return &verdict.NodeWindow{
			Attempts: n, P50: pointer(0.17), P95: pointer(1.4), Share: pointer(0.34), Busy: pointer(0.61),
			Outcomes: map[string]uint64{"ok": n - failed, "error": failed, "timeout": 0, "aborted": 0},
		}
	}
	var history, quiet []verdict.Minute
	for i := range 60 {
		n, errors := uint64(20+(i*37)%25), uint64(0)
		if i > 50 {
			errors = n / 3
		}
		history = append(history, verdict.Minute{At: now, Attempts: n, Errors: errors})
		quiet = append(quiet, verdict.Minute{At: now, Attempts: n})
	}
	var green, mixed []ProbeMinute
	for i := range 60 {
		green = append(green, ProbeMinute{Succeeded: 12})
		mixed = append(mixed, ProbeMinute{Succeeded: uint16(12 * (i % 2)), Failed: uint16(i % 3)})
	}
	probe := func(hour []ProbeMinute) []ProbeState {
		return []ProbeState{{Name: "health", Link: "probes?probe=health", Done: true, Success: true,
			Duration: 3 * time.Millisecond, When: now.Add(-4 * time.Second), Hour: hour}}
	}
	reason := verdict.Reason{
		Kind: "node_failing", Severity: "warning", Upstream: "fremisn_backend", Server: "127.0.0.231:4005",
		Node: "master", Since: now.Add(-9 * time.Minute),
		Sentence: "master fails real requests: 41 of 123 attempts in the last 5 minutes were errors or timeouts.",
	}
	limited := verdict.Reason{Kind: "limited", Severity: "warning", Since: now.Add(-time.Minute),
		Sentence: "NGINX's limits rejected 12 of 100 requests in the last minute (limit_req or limit_conn)."}
	failure := verdict.FailedRequest{
		Time: now.Add(-20 * time.Second), Outcome: "timeout", RequestID: "9f3c2a6b8d1e4f70a5b6c7d8e9f00112",
		Method: "POST", Path: "/v1/face/<enrollment>", Code: 504, Duration: pointer(10.02),
		Attempts: []verdict.AttemptStatus{
			{Server: "127.0.0.231:4005", Node: "master", Code: pointer(504), Duration: pointer(5.0)},
			{Server: "127.0.0.18:4008", Node: "slave-1", Code: pointer(504), Duration: pointer(5.02)},
		},
	}
	node := func(name, server, state string) verdict.Node {
		return verdict.Node{
			Name: name, Server: server, Upstream: "fremisn_backend", State: state, Sentence: "It answers its probes. " +
				"None of 118 attempts in the last 5 minutes failed.",
			Since: now.Add(-3 * time.Hour), MaxConns: pointer(1), History: quiet,
			Windows: map[string]*verdict.NodeWindow{"1m": attempts(24, 0), "5m": attempts(118, 0),
				"1h": attempts(1500, 0)},
		}
	}
	master, one, two := node("master", "127.0.0.231:4005", "failing"), node("slave-1", "127.0.0.18:4008",
		"up"), node("slave-2", "127.0.0.17:4009", "up")
	master.Since, master.Sentence, master.History = now.Add(-9*time.Minute), "41 of 123 attempts in the last 5 "+
		"minutes were errors or timeouts; its probes succeed.", history
	master.Windows["5m"] = attempts(123, 41)
	one.LastOut = &verdict.OutStatus{
		From: now.Add(-12 * time.Minute), To: pointer(now.Add(-11 * time.Minute)),
		Sentence: "It was taken out at 14:02:11 UTC after a timeout on POST /v1/face/enrollment " +
			"(request 9f3c2a6b), until 14:02:21 UTC.",
	}
	unknown := verdict.NodeWindow{Attempts: 5, Outcomes: map[string]uint64{"ok": 5}}
	two.Windows["5m"] = &unknown
	return Overview{
		ConnectionLimit: 1024,
		Probes: map[string][]ProbeState{"127.0.0.231:4005": probe(green), "127.0.0.18:4008": probe(green),
			"127.0.0.17:4009": probe(mixed)},
		MoreProbes: map[string]int{"127.0.0.18:4008": 7},
		Quotas:     map[string][]QuotaStatus{"127.0.0.231:4005": {{"enrollment", 500, 1000}}},
		Status: verdict.Status{
			Verdict: "degraded", Since: now.Add(-9 * time.Minute), Sentence: reason.Sentence +
				" And 1 more reason.", Reasons: []verdict.Reason{reason, limited},
			NGINX: verdict.NGINX{Up: pointer(true), Connections: &verdict.Connections{Active: 12},
				RequestsPerSecond: pointer(6.1)},
			Windows: map[string]*verdict.RequestWindow{"1m": requests(72, 9), "5m": requests(362, 41),
				"1h": requests(4301, 44)},
			Nodes: []verdict.Node{master, one, two},
			Routes: []verdict.RouteStatus{
				{Route: "enrollment", Windows: map[string]*verdict.RequestWindow{"5m": requests(200, 40)}},
				{Route: "other", Windows: map[string]*verdict.RequestWindow{"5m": requests(162, 1)}},
			},
			Failures: []verdict.FailedRequest{failure, {Time: now.Add(-time.Minute), Outcome: "no_live", Method: "GET",
				Path: "/v1/face/match", Code: 502, Duration: pointer(0.0)}},
			Logs: []verdict.LogStatus{{Name: "access", Path: "/var/log/nginx/access.log", Lines: 104301},
				{Name: "error", Path: "/var/log/nginx/error.log", Problem: "permission denied"}},
		},
	}
}

func incidentsOf(now time.Time) []verdict.Incident {
	o := grayNode(now)
	return []verdict.Incident{
		{From: now.Add(-9 * time.Minute), Verdict: "degraded", Sentence: o.Status.Sentence, Reasons: o.Status.Reasons,
			Failed: map[string]uint64{"error": 41, "timeout": 3, "no_live": 0}, Requests: o.Status.Failures},
		{From: now.Add(-26 * time.Hour), To: pointer(now.Add(-25 * time.Hour)), Verdict: "down",
			Sentence: "NGINX does not answer.", Reasons: o.Status.Reasons[:1], Failed: map[string]uint64{}},
	}
}

func statusSite(t *testing.T, overview Overview, incidents []verdict.Incident) string {
	t.Helper()
	nothing := http.NotFoundHandler()
	handler, err := New(Options{
		MetricsPath: "/metrics", Metrics: nothing, Probe: nothing, Logger: log.NewNopLogger(),
		Overview:  func(context.Context) Overview { return overview },
		Incidents: func() []verdict.Incident { return incidents },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestLandingPage(t *testing.T) {
	now := time.Now()
	site := statusSite(t, grayNode(now), incidentsOf(now))
	page := pageText(t, site+"/")
	plain := strings.Join(strings.Fields(tags.ReplaceAllString(page, " ")), " ")
	for _, want := range []string{
		"Degraded since", "(9 min)", "master fails real requests: 41 of 123 attempts",
		"1.20 requests a second, last minute",
		"11.3 % failed, last 5 min", "1.42 s p95 response, last 5 min", "12 of 1024 NGINX connections now",
		"master failing", "34 % share", "41 33.3 %",
		"0.61 of 1", "p50 · p95, 5 min not logged · not logged", "Busy slots, 5 min not logged",
		"Licence, enrollment 500 of 1 000", "It was taken out at 14:02:11",
		"POST /v1/face/&lt;enrollment&gt;", "master 504 5.00 s → slave-1 504 5.02 s", "502 no live", "no server",
		"permission denied", "104 301",
		"failing for 9 min", "up for 3 h", "and 7 more",
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, want := range []string{
		`aria-label="The last hour by minutes: `, `aria-label="Probes of the last hour: 720 succeeded, 0 failed"`,
		`<meta http-equiv="refresh"`, `href="probes?probe=health"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if regexp.MustCompile(`(?:href|src)="(?:/|https?:)`).MatchString(page) || strings.Contains(page, "<script") {
		t.Error("the page has a link that is not relative, or a script")
	}
}

func TestLandingPageOfNothing(t *testing.T) {
	page := pageText(t, statusSite(t, Overview{Status: verdict.New().Judge(verdict.Input{Now: time.Now()})}, nil)+"/")
	for _, want := range []string{"Unknown", "Nothing has been read or probed yet.", "No nodes yet",
		"No log is followed", "not logged", "not known"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
}

// TestLandingPageOfCombined: what a log_format does not have is not a 0.
func TestLandingPageOfCombined(t *testing.T) {
	now := time.Now()
	overview := grayNode(now)
	for _, window := range overview.Status.Windows {
		delete(window.Outcomes, "limited")
		delete(window.Outcomes, "no_live")
	}
	page := pageText(t, statusSite(t, overview, nil)+"/")
	plain := strings.Join(strings.Fields(tags.ReplaceAllString(page, " ")), " ")
	for _, want := range []string{"not logged limited, last minute", "no live limited aborted p50",
		"Last minute 72 1.20 63 0 9 0 not logged not logged 1 "} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page does not say %q:\n%s", want, plain)
		}
	}
}

func TestIncidentsPage(t *testing.T) {
	now := time.Now()
	site := statusSite(t, grayNode(now), incidentsOf(now))
	page := pageText(t, site+"/incidents")
	plain := strings.Join(strings.Fields(tags.ReplaceAllString(page, " ")), " ")
	for _, want := range []string{"degraded for 9 min, not over yet", "Failed requests: 41 error, 3 timeout",
		"Failed requests: none", "down for 60 min",
		"The 2 worst of them", "9f3c2a6b8d1e4f70a5b6c7d8e9f00112"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page does not say %q:\n%s", want, plain)
		}
	}
	if page := pageText(t, statusSite(t, grayNode(now), nil)+"/incidents"); !strings.Contains(page,
		"everything has been fine") {
		t.Error(page)
	}
}

func TestStatusAPI(t *testing.T) {
	now := time.Now()
	site := statusSite(t, grayNode(now), incidentsOf(now))
	var status verdict.Status
	if err := json.Unmarshal([]byte(pageText(t, site+"/api/v1/status")), &status); err != nil ||
		status.Verdict != "degraded" || len(status.Nodes) != 3 {
		t.Errorf("%v %+v", err, status)
	}
	var incidents []verdict.Incident
	if err := json.Unmarshal([]byte(pageText(t, site+"/api/v1/incidents")), &incidents); err != nil ||
		len(incidents) != 2 {
		t.Errorf("%v %+v", err, incidents)
	}
}

// TestContrast measures the contrast of texts against their backgrounds, in both themes: WCAG requires 4.5 to 1.
func TestContrast(t *testing.T) {
	css, err := os.ReadFile(filepath.Join("pages", "base.html"))
	if err != nil {
		t.Fatal(err)
	}
	themes := regexp.MustCompile(`:root \{[^}]*\}`).FindAllString(string(css), -1)
	if len(themes) != 2 {
		t.Fatalf("%d themes, want light and dark", len(themes))
	}
	for i, theme := range themes {
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z]+): (#[0-9a-f]+)`).FindAllStringSubmatch(theme, -1) {
			colours[m[1]] = m[2]
		}
		for _, text := range []string{"ink", "soft", "good", "bad", "wait", "accent"} {
			for _, ground := range []string{"bg", "card"} {
				if c := contrast(colours[text], colours[ground]); c < 4.5 {
					t.Errorf("theme %d: %s on %s is %.2f to 1", i, text, ground, c)
				}
			}
		}
	}
	for _, m := range regexp.MustCompile(`\.verdict\.\w+ \{ background: (#[0-9a-f]+)`).
		FindAllStringSubmatch(string(css), -1) {
		if c := contrast("#ffffff", m[1]); c < 4.5 {
			t.Errorf("white on %s is %.2f to 1", m[1], c)
		}
	}
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(colour string) float64 {
	hex := strings.TrimPrefix(colour, "#")
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		return math.NaN()
	}
	channel := func(shift uint) float64 {
		c := float64(n>>shift&255) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}
