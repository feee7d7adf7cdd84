package probe_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBodyIsShown: the beginning of an answer's body is in debug=true, and of a failure in the history, without
// secrets and without end.
func TestBodyIsShown(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w,
			`{"state": "analytic is <down>", "session_token": "given-by-the-server", "key was": `+
				`"`+r.Header.Get("X-Own")+`"}`+
				"\x00\n"+strings.Repeat("long ", 1<<20)+"end")
	}))
	t.Cleanup(web.Close)
	p := newProber(t, `
modules: {m: {prober: http, timeout: 30s, http: {headers: {X-Own: hunter2-value}}}}
probes: [{name: p, module: m, interval: 1h, targets: ["`+web.URL+`/", "`+web.URL+`/bad"]}]
`)
	p.run(t)
	within(t, 30*time.Second, func() bool { return strings.Count(p.metrics(), "\nprobe_success{") == 2 })
	shown := map[string]string{}
	for _, h := range p.History() {
		shown[h.Target] = h.Results[0].WithLog().Log
	}
	for _, path := range []string{"/", "/bad"} {
		_, text := p.ask(t, "module", "m", "target", web.URL+path, "debug", "true")
		if path == "/bad" {
			text += shown[web.URL+path]
		}
		contains(t, text, "analytic is <down>", `"session_token": "<secret>"`, "long …")
		if strings.Contains(text, "hunter2") || strings.Contains(text, "given-by") || strings.Contains(text, "\x00") ||
			len(text) > 30_000 {
			t.Errorf("%d bytes\n%.2000s", len(text), text)
		}
	}
	if text := shown[web.URL+"/"]; strings.Contains(text, "analytic") {
		t.Errorf("the body of a success is kept:\n%.500s", text)
	}
}

// TestCertificateTimes gives when a certificate became valid.
func TestCertificateTimes(t *testing.T) {
	web := httptest.NewTLSServer(nil)
	t.Cleanup(web.Close)
	p := newProber(t,
		"modules: {m: {prober: tcp, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}}\non_demand: {allow: "+
			"any}")
	_, text := p.ask(t, "module", "m", "target", web.Listener.Addr().String())
	contains(t, text, "probe_ssl_latest_cert_not_before_timestamp_seconds", "probe_timeout_seconds 120")
	if !strings.Contains(text, "probe_ssl_latest_cert_not_before_timestamp_seconds 0") { // of httptest: 1970
		t.Error(text)
	}
}
