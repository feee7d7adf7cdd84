package probe

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Debian's blackbox_exporter is older than v0.28. What came between is held here against what v0.28 does.

// wantsMetadata is a health server for those who send a header.
func wantsMetadata(t testing.TB) string {
	return healthServer(t, listen(t), grpc.UnaryInterceptor(func(ctx context.Context, request any,
		_ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if md, _ := metadata.FromIncomingContext(ctx); strings.Join(md.Get("x-fremis"), "+") != "a+b" {
			return nil, status.Error(codes.PermissionDenied, "no x-fremis")
		}
		return handler(ctx, request)
	}))
}

// unixSocket serves a conversation at a path.
func unixSocket(t testing.TB, path string, wrap func(net.Listener) net.Listener, serve func(net.Conn)) string {
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveConns(t, wrap(listener), serve)
	return path
}

const laterModules = `
modules:
  cel: {prober: http, timeout: 30s, http: {fail_if_body_json_not_matches_cel: 'body.state == "green"',
	fail_if_body_json_matches_cel: 'body.list.size() > 5'}}
  cel_matches: {prober: http, timeout: 30s, http: {fail_if_body_json_matches_cel: 'body.state.startsWith("g") &&
	body.list[1] == 2.0'}}
  cel_not_matches: {prober: http, timeout: 30s, http: {fail_if_body_json_not_matches_cel: 'has(body.gone)'}}
  cel_no_bool: {prober: http, timeout: 30s, http: {fail_if_body_json_matches_cel: 'body.state'}}
  cel_no_field: {prober: http, timeout: 30s, http: {fail_if_body_json_matches_cel: 'body.gone == 1'}}
  cel_and_regexp: {prober: http, timeout: 30s, http: {fail_if_body_matches_regexp: [red],
	fail_if_body_json_not_matches_cel: 'body.used == "7"'}}
  body_file: {prober: http, timeout: 30s, http: {method: POST, body_file: DIR/body,
	fail_if_body_not_matches_regexp: ["^POST  from a file$"]}}
  body_file_gone: {prober: http, timeout: 30s, http: {method: POST, body_file: DIR/gone}}
  headers_file: {prober: http, timeout: 30s, http: {http_headers: {X-Asked: {files: [DIR/asked]}},
	fail_if_header_not_matches: [{header: X-Host, regexp: "/yes$"}]}}
  headers_secret: {prober: http, timeout: 30s, http: {http_headers: {X-Asked: {secrets: ["yes"]}},
	fail_if_header_not_matches: [{header: X-Host, regexp: "/yes$"}]}}
  headers_value: {prober: http, timeout: 30s, http: {http_headers: {X-Asked: {values: ["yes"]}},
	fail_if_header_not_matches: [{header: X-Host, regexp: "/yes$"}]}}
  headers_gone: {prober: http, timeout: 30s, http: {http_headers: {X-Asked: {files: [DIR/gone]}}}}
  proxy_env: {prober: http, timeout: 30s, http: {proxy_from_environment: true, skip_resolve_phase_with_proxy: true,
	fail_if_header_not_matches: [{header: X-Proxy, regexp: here}]}}
  proxy_none: {prober: http, timeout: 30s, http: {proxy_url: PROXY, no_proxy: "node.example, 127.0.0.0/8",
	fail_if_header_matches: [{header: X-Proxy, regexp: here, allow_missing: true}]}}
  proxy_header: {prober: http, timeout: 30s, http: {proxy_url: PROXY, proxy_connect_header: {X-Via: [fremis]},
	tls_config: {ca_file: CA}, preferred_ip_protocol: ip4}}
  proxy_no_header: {prober: http, timeout: 30s, http: {proxy_url: PROXY, tls_config: {ca_file: CA},
	preferred_ip_protocol: ip4}}
  inline_ca: {prober: http, timeout: 30s, http: {tls_config: {ca: "PEM"}}}
  unix: {prober: unix, timeout: 30s, unix: {query_response: [{expect: "^220 (.*)", labels: [{name: greeting,
	value: "${1}"}, {name: target, value: x}]}]}}
  unix_bytes: {prober: unix, timeout: 30s, unix: {query_response: [{expect_bytes: "220 hellO"}]}}
  unix_tls: {prober: unix, timeout: 30s, unix: {tls: true, tls_config: {ca_file: CA, server_name: node.example},
	query_response: [{expect: "^220"}]}}
  unix_starttls: {prober: unix, timeout: 30s, unix: {tls_config: {ca_file: CA, server_name: node.example},
	query_response: [{expect: "^220"}, {send: STARTTLS}, {expect: "^220 go"}, {starttls: true}, {send: EHLO z},
		{expect: "^250 z"}]}}
  bytes: {prober: tcp, timeout: 30s, tcp: {query_response: [{expect_bytes: "220 hello"}]}}
  bytes_wrong: {prober: tcp, timeout: 30s, tcp: {query_response: [{expect_bytes: "220 hellO"}]}}
  labels: {prober: tcp, timeout: 30s, tcp: {query_response: [{expect: "^220 ([^ ]+)(?: (.*))?$",
	labels: [{name: first, value: "${1}"}, {name: rest, value: "<${2}>"}]}]}}
  tcp_tls: {prober: tcp, timeout: 30s, tcp: {tls: true, tls_config: {ca_file: CA}}}
  tls: {prober: http, timeout: 30s, http: {tls_config: {ca_file: CA}}}
  metadata: {prober: grpc, timeout: 30s, grpc: {metadata: {x-fremis: [a, b]}}}
  no_metadata: {prober: grpc, timeout: 30s}
  grpc_tls: {prober: grpc, timeout: 30s, grpc: {tls: true, tls_config: {ca_file: CA, server_name: node.example}}}
  grpc_short: {prober: grpc, timeout: 1s}
on_demand: {allow: any}
`

func TestWhatCameAfterDebians(t *testing.T) {
	a := newAuthority(t)
	w := world(t, a)
	dir := t.TempDir()
	for name, text := range map[string]string{"body": "from a file", "asked": "yes\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect && r.Header.Get("X-Via") == "fremis":
			tunnel(w, r)
		case r.Method == http.MethodConnect:
			w.WriteHeader(http.StatusProxyAuthRequired)
		default:
			w.Header().Set("X-Proxy", "here")
		}
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTP_PROXY", proxy.URL)
	good := a.certificate(t, "unix", time.Hour, "node.example")
	plain := func(l net.Listener) net.Listener { return l }
	w["unix"] = unixSocket(t, filepath.Join(dir, "plain"), plain, hangs("220 hello there\n"))
	w["unix_tls"] = unixSocket(t, filepath.Join(dir, "tls"), secured(good), hangs("220 hello there\n"))
	w["unix_greeter"] = unixSocket(t, filepath.Join(dir, "greeter"), plain, greet(good))
	w["wants_metadata"] = wantsMetadata(t)
	w["grpc_named"] = healthServer(t, listen(t), grpc.Creds(credentials.NewServerTLSFromCert(&good)))
	ca, err := os.ReadFile(a.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t, strings.NewReplacer("DIR", dir, "CA", a.path("ca.pem"), "PROXY", proxy.URL, "PEM",
		strings.ReplaceAll(string(ca), "\n", "\\n")).Replace(laterModules))
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for _, c := range []struct{ module, target, hostname, samples string }{
		{"cel", "{web}/json", "", "probe_success 1;probe_failed_due_to_cel 0"},
		{"cel_matches", "{web}/json", "", "probe_success 0;probe_failed_due_to_cel 1;probe_failed_due_to_regex 0"},
		{"cel_not_matches", "{web}/json", "", "probe_success 0;probe_failed_due_to_cel 1"},
		{"cel_no_bool", "{web}/json", "", "probe_success 0;probe_failed_due_to_cel 1"},
		{"cel_no_field", "{web}/json", "", "probe_success 0;probe_failed_due_to_cel 1"},
		{"cel", "{web}", "", "probe_success 0;probe_failed_due_to_cel 1"},
		{"cel", "{web}/status/500?page={}", "", "probe_success 0;probe_failed_due_to_cel 0"},
		{"cel_and_regexp", "{web}/json", "", "probe_success 1"},
		{"body_file", "{web}/request", "", "probe_success 1"},
		{"body_file_gone", "{web}/request", "", "probe_success 0;probe_http_status_code 0"},
		{"headers_file", "{web}/request", "", "probe_success 1"},
		{"headers_secret", "{web}/request", "", "probe_success 1"},
		{"headers_value", "{web}/request", "", "probe_success 1"},
		{"headers_gone", "{web}/request", "", "probe_success 0;probe_http_status_code 0"},
		{"proxy_env", "http://node.example/", "", "probe_success 1;probe_http_status_code 200"},
		{"proxy_none", "{web}", "", "probe_success 1"},
		{"proxy_header", "{tls}", "", "probe_success 1;probe_http_ssl 1"},
		{"proxy_no_header", "{tls}", "", "probe_success 0;probe_http_status_code 0"},
		{"inline_ca", "{tls}", "", "probe_success 1"},
		{"unix", "{unix}", "",
			`probe_success 1;probe_expect_info{greeting="hello there",target="x"} 1;probe_failed_due_to_regex ` +
				`0;probe_failed_due_to_bytes 0`},
		{"unix_bytes", "{unix}", "", "probe_success 0;probe_failed_due_to_bytes 1;probe_failed_due_to_regex 0"},
		{"unix_tls", "{unix_tls}", "", `probe_success 1;probe_tls_version_info{version="TLS 1.3"} 1`},
		{"unix_starttls", "{unix_greeter}", "", `probe_success 1;probe_tls_version_info{version="TLS 1.3"} 1`},
		{"bytes", "{greeter}", "", "probe_success 1;probe_failed_due_to_bytes 0"},
		{"bytes_wrong", "{greeter}", "", "probe_success 0;probe_failed_due_to_bytes 1"},
		{"labels", "{greeter}", "", `probe_success 1;probe_expect_info{first="hello",rest="<there>"} 1`},
		{"tcp_tls", "{tls_named_tcp}", "", "probe_success 0"},
		{"tcp_tls", "{tls_named_tcp}", "node.example", "probe_success 1"}, // the parameter is since v0.24
		{"tls", "{tls}", "", `probe_tls_cipher_info{cipher="TLS_AES_128_GCM_SHA256"} 1;serialnumber="0a0b0c"`},
		{"metadata", "{wants_metadata}", "", "probe_success 1"},
		{"no_metadata", "{wants_metadata}", "", "probe_success 0;probe_grpc_status_code 7"},
		{"grpc_tls", "{grpc_named}", "", `probe_success 1;probe_grpc_ssl 1;serialnumber="0a0b0c"`},
		// Here v0.28 errs: it takes no IPv6 address, and waits for ever.
		{"no_metadata", "{grpc6}", "", "probe_success 1;probe_grpc_status_code 0;probe_ip_protocol 6"},
		{"grpc_short", "{hangs}", "", "probe_success 0;probe_grpc_status_code 4"},
	} {
		t.Run(c.module+" "+c.target+" "+c.hostname, func(t *testing.T) {
			query := "/probe?module=" + c.module + "&target=" + url.QueryEscape(fill(c.target, w)) + "&hostname=" +
				c.hostname
			text := get(t, server.URL+query)
			for sample := range strings.SplitSeq(c.samples, ";") {
				if !strings.Contains(text, sample) {
					t.Errorf("no %s in\n%s", sample, get(t, server.URL+query+"&debug=true"))
				}
			}
		})
	}
}

// TestEveryOptionIsTried sees to it that no option of a module is without a probe that uses it.
func TestEveryOptionIsTried(t *testing.T) {
	parity, err := os.ReadFile("testdata/parity.yml")
	if err != nil {
		t.Fatal(err)
	}
	tried := string(parity) + laterModules + reasonModules
	elsewhere := map[string]bool{
		"metrics": true, "name": true, "path": true, "help": true, // licence quotas, config_test.go
		"enable_http3": true, "websocket": true, "http_config": true, // http3_test.go, websocket_test.go
	}
	var walk func(reflect.Type)
	seen := map[reflect.Type]bool{}
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || seen[of] || !strings.HasSuffix(of.PkgPath(), "/probe") {
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			field := of.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if name != "" && !elsewhere[name] && !strings.Contains(tried, name+":") {
				t.Errorf("nothing tries %s", name)
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[Module]())
	// Those of the HTTP client and of TLS, which have a type of their own in prometheus/common.
	for _, name := range []string{
		"basic_auth", "password", "password_file", "authorization", "credentials", "credentials_file", "bearer_token",
		"bearer_token_file", "oauth2",
		"client_secret", "client_secret_file", "scopes", "token_url", "endpoint_params", "tls_config", "ca", "ca_file",
		"cert_file", "key_file",
		"server_name", "insecure_skip_verify", "min_version", "max_version", "follow_redirects", "enable_http2",
		"proxy_url", "no_proxy",
		"proxy_from_environment", "proxy_connect_header", "http_headers", "values", "secrets", "files",
	} {
		if !strings.Contains(tried, name+":") {
			t.Errorf("nothing tries %s", name)
		}
	}
}
