package probe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gokit "github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// TestNoSecretIsShown plants secrets in every place that may hold one, has a server repeat what it is sent, and looks
// for them in everything that the service says.
func TestNoSecretIsShown(t *testing.T) {
	const planted = "hunter2-planted"
	encoded := base64.StdEncoding.EncodeToString([]byte("operator:" + planted))
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/to" {
			http.Redirect(w, r, "http://user:"+planted+"@"+r.Host+"/", http.StatusFound)
			return
		}
		if r.URL.Path == "/fragment" {
			http.Redirect(w, r, "http://"+r.Host+"/#access_token="+planted, http.StatusFound)
			return
		}
		if r.URL.Path == "/token" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"access_token": %q, "token_type": "bearer"}`, "given-"+planted)
			return
		}
		w.Header().Set("X-Repeated", fmt.Sprint(r.Header))
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "%v License has not been initialized %v", r.Header, r.Header)
	}))
	t.Cleanup(echo.Close)
	parrot := serveConns(t, listen(t), func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(request.Body)
		text := fmt.Sprint(request.Header, request.URL.Query(), string(body))
		if strings.Contains(request.URL.Path, "map") { // has been here
			fmt.Fprintf(conn, "HTTP/1.1 500 %s\r\nContent-Length: 0\r\n\r\n", text)
			return
		}
		fmt.Fprintf(conn, "HTTP/1.1 302 %s\r\nLocation: /%s\r\nContent-Length: 0\r\n\r\n", text, url.PathEscape(text))
	})
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(planted+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	repeat := serveConns(t, listen(t), says("220 "+planted+" Authorization: "+planted+"\n"+strings.Repeat("x",
		maxQuote-4)+planted+"\n"))
	withUser := strings.Replace(echo.URL, "://", "://user:"+planted+"@", 1)
	proxied := strings.Replace(echo.URL, "://", "://proxy:"+planted+"@", 1)
	config := strings.NewReplacer("PLANTED", planted, "FILE", secretFile, "PROXY", proxied, "PARROT", "http://"+parrot,
		"ECHO", echo.URL).Replace(`
modules:
  basic: {prober: http, timeout: 30s, http: {basic_auth: {username: operator, password: PLANTED}}}
  bearer: {prober: http, timeout: 30s, http: {authorization: {credentials: PLANTED}}}
  old: {prober: http, timeout: 30s, http: {bearer_token: PLANTED}}
  headers: {prober: http, timeout: 30s, http: {headers: {Authorization: Bearer PLANTED, Cookie: "a=PLANTED",
	X-Api-Key: PLANTED, Proxy-Authorization: PLANTED}}}
  unheard: {prober: http, timeout: 30s, http: {headers: {Private-Token: PLANTED, Ocp-Apim-Subscription-Key: PLANTED,
	apikey: PLANTED, Session: PLANTED, X-JWT-Assertion: PLANTED, X-What: PLANTED}}}
  form: {prober: http, timeout: 30s, http: {method: POST, body: "grant_type=x&pin=PLANTED"}}
  json: {prober: http, timeout: 30s, http: {method: POST, body: '{"deep": [{"pin": "PLANTED"}]}'}}
  text: {prober: http, timeout: 30s, http: {method: POST, body: "PLANTED"}}
  given: {prober: http, timeout: 30s, http: {oauth2: {client_id: a, client_secret: PLANTED, token_url: "ECHO/token",
	endpoint_params: {otp: PLANTED, assertion: PLANTED}}}}
  more: {prober: http, timeout: 30s, http: {http_headers: {X-Auth-Token: {values: [PLANTED]},
	X-Other: {secrets: [PLANTED]}}}}
  oauth2: {prober: http, timeout: 30s, http: {oauth2: {client_id: a, client_secret: PLANTED, token_url: "PROXY/token"}}}
  proxy: {prober: http, timeout: 30s, http: {proxy_url: PROXY}}
  tcp: {prober: tcp, timeout: 30s, tcp: {query_response: [{send: "PASS PLANTED"}, {expect: "^(220 .*)",
	labels: [{name: said, value: "${1}"}]}, {expect: nothing}]}}
  imap: {prober: tcp, timeout: 30s, tcp: {query_response: [{send: "a1 LOGIN operator PLANTED\r"},
	{send: "HELO PLANTED"}, {expect_bytes: "nothing nothing nothing nothing"}]}}
  basic_file: {prober: http, timeout: 30s, http: {basic_auth: {username: operator, password_file: FILE}}}
  bearer_file: {prober: http, timeout: 30s, http: {bearer_token_file: FILE}}
  credentials_file: {prober: http, timeout: 30s, http: {authorization: {type: Token, credentials_file: FILE}}}
  headers_file: {prober: http, timeout: 30s, http: {http_headers: {X-Fremis: {files: [FILE]}}}}
  oauth2_more: {prober: http, timeout: 30s, http: {oauth2: {client_id: a, client_secret_file: FILE,
	token_url: "PARROT/token", endpoint_params: {password: PLANTED}}}}
  connect: {prober: http, timeout: 30s, http: {proxy_url: PARROT, proxy_connect_header: {X-Via: [PLANTED]},
	tls_config: {insecure_skip_verify: true}}}
  grpc: {prober: grpc, timeout: 30s, grpc: {metadata: {authorization: [PLANTED]}}}
on_demand: {allow: any}
`)
	var log bytes.Buffer
	options := Options{Config: parse(t, config), Logger: gokit.NewLogfmtLogger(gokit.NewSyncWriter(&log))}
	for module, m := range options.Modules {
		targets := []string{withUser, withUser + "/to", echo.URL + "/fragment", "http://" + planted + "@" + parrot +
			"/",
			echo.URL + "/?sig=" + planted + "&X-Amz-Signature=" + planted + "&pwd=" + planted + "&code=" + planted,
			strings.TrimPrefix(withUser, "http://"), "http://user:" + planted + "@" + refused(t) + "/",
			"http://" + parrot + "/?access_token=" + planted,
			"http://user:" + planted + "@" + parrot + "/?a=b&token=" + planted + "#x",
			"https://" + refused(t) + "/?api_key=" + planted}
		if m.Prober == "tcp" {
			targets = []string{repeat}
		}
		options.Probes = append(options.Probes, Schedule{Name: module, Module: module, Interval: time.Second,
			Targets: targets})
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
				told.WriteString(get(t, ask.URL+"/probe?module="+schedule.Module+"&target="+url.QueryEscape(target)+
					debug))
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
			fmt.Fprint(&told, r.Target, r.Sentence, r.WithLog().Log)
		}
	}
	page := httptest.NewRecorder()
	promhttp.HandlerFor(gatherer(s), promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics",
		nil))
	io.Copy(&told, page.Body)
	told.WriteString(log.String())
	if n := strings.Count(told.String(), "probe_success"); n < 30 {
		t.Errorf("only %d probes logged themselves", n)
	}
	for _, l := range strings.Split(told.String(), "\n") {
		if l = strings.ReplaceAll(l, "%2d", "-"); strings.Contains(l, planted) || strings.Contains(l, encoded) ||
			strings.Contains(l, url.PathEscape(encoded)) {
			t.Errorf("a secret is shown: %s", l)
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

func logfmt(w io.Writer) gokit.Logger { return gokit.NewLogfmtLogger(gokit.NewSyncWriter(w)) }
