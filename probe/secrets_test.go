package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	gokit "github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// TestNoSecretIsTold plants secrets in every place that may hold one, has a server repeat what it is sent, and looks
// for them in everything that the service says.
func TestNoSecretIsTold(t *testing.T) {
	const planted = "hunter2-planted"
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			http.Redirect(w, r, "http://user:"+planted+"@"+r.Host+"/", http.StatusFound)
			return
		}
		w.Header().Set("X-Repeated", fmt.Sprint(r.Header))
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "%v License has not been initialized %v", r.Header, r.Header)
	}))
	t.Cleanup(echo.Close)
	repeat := serveConns(t, listen(t), says("220 "+planted+" Authorization: "+planted+"\n"))
	withUser := strings.Replace(echo.URL, "://", "://user:"+planted+"@", 1)
	proxied := strings.Replace(echo.URL, "://", "://proxy:"+planted+"@", 1)
	config := strings.NewReplacer("PLANTED", planted, "PROXY", proxied).Replace(`
modules:
  basic: {prober: http, timeout: 30s, http: {basic_auth: {username: operator, password: PLANTED}}}
  bearer: {prober: http, timeout: 30s, http: {authorization: {credentials: PLANTED}}}
  old: {prober: http, timeout: 30s, http: {bearer_token: PLANTED}}
  headers: {prober: http, timeout: 30s, http: {headers: {Authorization: Bearer PLANTED, Cookie: "a=PLANTED", X-Api-Key: PLANTED, Proxy-Authorization: PLANTED}}}
  more: {prober: http, timeout: 30s, http: {http_headers: {X-Auth-Token: {values: [PLANTED]}, X-Other: {secrets: [PLANTED]}}}}
  oauth2: {prober: http, timeout: 30s, http: {oauth2: {client_id: a, client_secret: PLANTED, token_url: "PROXY/token"}}}
  proxy: {prober: http, timeout: 30s, http: {proxy_url: PROXY}}
  tcp: {prober: tcp, timeout: 30s, tcp: {query_response: [{send: "PASS PLANTED"}, {expect: nothing}]}}
  grpc: {prober: grpc, timeout: 30s, grpc: {metadata: {authorization: [PLANTED]}}}
on_demand: {allow: any}
`)
	var log bytes.Buffer
	options := Options{Config: parse(t, config), Logger: gokit.NewLogfmtLogger(gokit.NewSyncWriter(&log))}
	for module, m := range options.Modules {
		targets := []string{withUser, withUser + "/to", strings.TrimPrefix(withUser, "http://"), "http://user:" + planted + "@" + refused(t) + "/"}
		if m.Prober == "tcp" {
			targets = []string{repeat}
		}
		options.Probes = append(options.Probes, Schedule{Name: module, Module: module, Interval: 100 * time.Millisecond, Targets: targets})
	}
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	ask := httptest.NewServer(s)
	defer ask.Close()
	for _, schedule := range options.Probes {
		for _, target := range schedule.Targets {
			for _, debug := range []string{"", "&debug=true"} {
				told.WriteString(get(t, ask.URL+"/probe?module="+schedule.Module+"&target="+url.QueryEscape(target)+debug))
			}
			r, err := s.Once(context.Background(), schedule.Module, target)
			fmt.Fprint(&told, err, r.Target, r.Sentence, r.Log, r.Samples)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	waitFor(t, func() bool {
		for _, h := range s.History() {
			if len(h.Results) == 0 {
				return false
			}
		}
		return true
	})
	stop()
	running.Wait()
	for _, h := range s.History() {
		fmt.Fprint(&told, h.Target)
		for _, r := range h.Results {
			fmt.Fprint(&told, r.Target, r.Sentence, r.Log)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectorFunc(func(ch chan<- prometheus.Metric) {
		s.CollectTo(context.Background(), func(m prometheus.Metric) { ch <- m })
	}))
	page := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	io.Copy(&told, page.Body)
	told.WriteString(log.String())
	if n := strings.Count(told.String(), "probe_success"); n < 30 {
		t.Errorf("only %d probes told of themselves", n)
	}
	for _, l := range strings.Split(told.String(), "\n") {
		if strings.Contains(l, planted) {
			t.Errorf("a secret is told: %s", l)
		}
	}
}

func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"http://user:pw@host/x":                      "http://<secret>@host/x",
		"see https://token@host and http://b:c@d":    "see https://<secret>@host and http://<secret>@d",
		"user:pw@host:80/path":                       "<secret>@host:80/path",
		`probing "user:pw@host:80"`:                  `probing "<secret>@host:80"`,
		"mail ops@example.com":                       "mail ops@example.com",
		"http://host/path@2x.png":                    "http://host/path@2x.png",
		"Authorization: Bearer abc":                  "Authorization: <secret>",
		"cookie: a=b; c=d\nAccept: text":             "cookie: <secret>\nAccept: text",
		"X-Api-Key: k, X-Request-Id: 1":              "X-Api-Key: <secret>",
		"127.0.0.1:4005":                             "127.0.0.1:4005",
		"http://[::1]:4005/":                         "http://[::1]:4005/",
		"http://a:b%40c@host/?next=http://u:p@other": "http://<secret>@host/?next=http://<secret>@other",
	} {
		if got := Mask(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for name, want := range map[string]bool{"Authorization": true, "proxy-authorization": true, "Cookie": true, "x-api-key": true, "X-Auth-Token": true, "Accept": false, "X-Request-Id": false, "Host": false} {
		if IsSecretHeader(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func logfmt(w io.Writer) gokit.Logger { return gokit.NewLogfmtLogger(gokit.NewSyncWriter(w)) }
