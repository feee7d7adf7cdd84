package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// healthcheck runs the command and returns its exit code and what it prints.
func healthcheck(ctx context.Context, url string) (int, string) {
	var out testenv.Output
	code := run(ctx, []string{"healthcheck", url}, &out, &out)
	return code, out.String()
}

// TestHealthcheck: whatever the verdict is, an exporter that gives one works, and what it is gets printed.
func TestHealthcheck(t *testing.T) {
	p := startProgram(t, "nodes: []\n")
	if code, said := healthcheck(t.Context(), p.url+"/-/healthy"); code != exitOK ||
		!strings.HasPrefix(said, "healthy; unknown since 20") {
		t.Errorf("an exporter that watches nothing: exit code %d, %s", code, said)
	}
	dead := startProgram(t, "nginx: {status: [{url: \"http://"+freeAddress(t)+"/nginx_status\"}]}\n",
		"--web.route-prefix", "/lb")
	until(t, "the verdict is down", func() bool {
		code, said := healthcheck(t.Context(), dead.url+"/lb/-/healthy")
		return code == exitOK && strings.HasPrefix(said, "healthy; down since 20")
	})
	if code, said := healthcheck(t.Context(), dead.url+"/-/healthy"); code != exitOK || said != "healthy\n" {
		t.Errorf("asked without its prefix: exit code %d, %s", code, said)
	}
	if code, said := healthcheck(t.Context(), "http://"+freeAddress(t)+"/-/healthy"); code != exitFailed ||
		!strings.Contains(said, "not healthy: ") {
		t.Errorf("no exporter: exit code %d, %s", code, said)
	}
}

// TestHealthcheckWantsAVerdict: an exporter that answers and has no opinion does not work.
func TestHealthcheckWantsAVerdict(t *testing.T) {
	for name, test := range map[string]struct {
		status func(w http.ResponseWriter)
		code   int
		want   string
	}{
		"a verdict": {func(w http.ResponseWriter) {
			io.WriteString(w, `{"verdict": "degraded", "since": "2026-11-26T03:00:00Z",
				"sentence": "slave-2 is down"}`)
		}, exitOK, "healthy; degraded since 2026-11-26T03:00:00Z: slave-2 is down\n"},
		"too many ask": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, exitOK,
			"healthy\n"},
		"it failed": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, exitFailed,
			"no verdict: answered 502 Bad Gateway\n"},
		"no JSON": {func(w http.ResponseWriter) { io.WriteString(w, "<html>") }, exitFailed,
			"no verdict: invalid "},
		"no verdict": {func(w http.ResponseWriter) { io.WriteString(w, "{}") }, exitFailed,
			"no verdict in the answer\n"},
	} {
		t.Run(name, func(t *testing.T) {
			server := verdictServer(t, func(w http.ResponseWriter, _ *http.Request) { test.status(w) })
			if code, said := healthcheck(t.Context(), server+"/-/healthy"); code != test.code ||
				!strings.Contains(said, test.want) {
				t.Errorf("exit code %d, %s, want %d, %s", code, said, test.code, test.want)
			}
		})
	}
	ctx, timeOver := context.WithCancel(t.Context())
	server := verdictServer(t, func(_ http.ResponseWriter, r *http.Request) {
		timeOver()
		<-r.Context().Done()
	})
	code, said := healthcheck(ctx, server+"/-/healthy")
	if code != exitFailed || !strings.Contains(said, "/api/v1/status") {
		t.Errorf("a verdict that never comes: exit code %d, %s", code, said)
	}
}

// verdictServer is healthy, and answers the request for the verdict with the given text.
func verdictServer(t *testing.T, status http.HandlerFunc) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "healthy\n") })
	mux.HandleFunc("GET /api/v1/status", status)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
