package probe

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
)

// TestBadModules has one config for each rule, with the message that a user must get.
func TestBadModules(t *testing.T) {
	for _, test := range []struct{ config, want string }{
		{"modules: {m: {prober: smoke}}",
			`x.yml:1: modules.m.prober: "smoke" is not a known prober; the probers are dns, grpc, http, icmp, tcp, ` +
				`unix`},
		{"modules: {m: {prober: http, http: {enable_http3: true}}}",
			`x.yml:1: modules.m.http.enable_http3: HTTP/2 is enabled as well; write enable_http2: false, since a ` +
				`module uses one of the two`},
		{"modules: {m: {prober: http, http: {valid_http_versions: [HTTP/3.0]}}}",
			`x.yml:1: modules.m.http.valid_http_versions: HTTP/3.0 needs enable_http3: true`},
		{"modules: {m: {prober: http, http: {body: a, body_file: b}}}",
			`x.yml:1: modules.m.http.body_file: body is given as well; keep one of the two`},
		{"modules: {m: {prober: http, http: {compression: zip}}}",
			`x.yml:1: modules.m.http.compression: "zip" is not a known compression; write gzip, br, deflate or ` +
				`identity`},
		{"modules: {m: {prober: http, http: {compression: br, headers: {accept-encoding: gzip}}}}",
			`x.yml:1: modules.m.http.compression: the header Accept-Encoding: gzip does not ask for br; make the ` +
				`two agree`},
		{"modules: {m: {prober: http, http: {body_size_limit: much}}}",
			`x.yml:1: modules.m.http.body_size_limit: "much" is not a valid size; write for example 512KB or 10MB`},
		{"modules: {m: {prober: http, http: {preferred_ip_protocol: ip5}}}",
			`x.yml:1: modules.m.http.preferred_ip_protocol: "ip5" is not an IP protocol; write ip4 or ip6`},
		{"modules: {m: {prober: http, http: {fail_if_body_json_matches_cel: 'body.'}}}",
			`modules.m.http.fail_if_body_json_matches_cel: "body." is not a valid CEL expression`},
		{"modules: {m: {prober: http, http: {fail_if_header_matches: [{regexp: a}]}}}",
			`x.yml:1: modules.m.http.fail_if_header_matches[0].header: the header to match is missing; name one`},
		{"modules: {m: {prober: http, http: {basic_auth: {username: a, password: b, password_file: c}}}}",
			`at most one of basic_auth password`},
		{"modules: {m: {prober: http, http: {metrics: [{name: probe_x, path: a}]}}}",
			`x.yml:1: modules.m.http.metrics[0].name: "probe_x" clashes with the exporter's own metrics`},
		{"modules: {m: {prober: http, http: {metrics: [{name: a-b, path: a}]}}}",
			`"a-b" is not a valid metric name`},
		{"modules: {m: {prober: http, http: {metrics: [{name: a}]}}}",
			`modules.m.http.metrics[0].path: a metric needs the path of its number in the answer`},
		{"modules: {m: {prober: http, http: {metrics: [{name: a, path: a, labels: {node: x}}]}}}",
			`the label "node" is set by the exporter`},
		{"modules: {m: {prober: http, http: {metrics: [{name: a, path: a}, {name: a, path: b}]}}}",
			`modules.m.http.metrics[1]: the metric a is given twice with the same labels`},
		{"modules: {a: {prober: http, http: {metrics: [{name: x, path: a}]}}, b: {prober: http, http: {metrics: " +
			"[{name: x, path: a, labels: {l: v}}]}}}",
			`modules.b.http.metrics[0].labels: the metric x has the labels "l" here and "" in module a; make them ` +
				`agree`},
		{"modules: {a: {prober: http, http: {metrics: [{name: x, path: a}]}}, b: {prober: http, http: {metrics: " +
			"[{name: x, path: a, help: h}]}}}",
			`modules.b.http.metrics[0].help: the metric x has another help in module a; make them agree`},
		{"modules: {m: {prober: tcp, tcp: {query_response: [{expect: a, expect_bytes: b}]}}}",
			`expect is given as well`},
		{"modules: {m: {prober: tcp, tcp: {source_ip_address: here}}}",
			`x.yml:1: modules.m.tcp.source_ip_address: "here" is not an IP address`},
		{"modules: {m: {prober: icmp, icmp: {ttl: 256}}}",
			`x.yml:1: modules.m.icmp.ttl: 256 is not a valid TTL; write 1 to 255`},
		{"modules: {m: {prober: dns}}",
			`modules.m.dns.query_name: a dns module needs the name to query`},
		{"modules: {m: {prober: dns, dns: {query_name: a, query_type: NOT}}}",
			`"NOT" is not a DNS record type`},
		{"modules: {m: {prober: dns, dns: {query_name: a, query_class: NOT}}}",
			`"NOT" is not a DNS class`},
		{"modules: {m: {prober: dns, dns: {query_name: a, valid_rcodes: [NO]}}}",
			`modules.m.dns.valid_rcodes[0]: "NO" is not a DNS response code`},
		{"modules: {m: {prober: dns, dns: {query_name: a, dns_over_tls: true}}}",
			`DNS over TLS takes transport_protocol: tcp`},
		{"modules: {m: {prober: http, timeout: 5}}",
			`x.yml:1: modules.m.timeout: "5" has no unit; write 5s`},
		{"modules: {m: {prober: http, http: {valid_status_code: [200]}}}",
			`did you mean valid_status_codes?`},
		{"modules: {m: {prober: http}}\nprobes: [{name: p, module: m, interval: 50ms, targets: [a]}]",
			`x.yml:2: probes[0].interval: 50ms is too short; the shortest is 100ms`},
		{"probes: [{name: p, module: n, interval: 1s, targets: [a]}]",
			`x.yml:1: probes[0].module: unknown module "n"; define it under modules:`},
		{"modules: {m: {prober: http}}\nprobes: [{name: p, module: n, interval: 1s, targets: [a]}]",
			`x.yml:2: probes[0].module: unknown module "n"; the modules are m`},
		{"modules: {m: {prober: http}}\nprobes: [{name: p, module: m, interval: 1s, targets: [a, a]}]",
			`x.yml:2: probes[0].targets[1]: a is targets[0] already`},
		{"modules: {m: {prober: http}}\nprobes: [{name: p, module: m, interval: 1s, targets: ['http://a:x/']}]",
			`x.yml:2: probes[0].targets[0]: "http://a:x/" is not a URL; write http://HOST:PORT/`},
		{"modules: {m: {prober: tcp}}\nprobes: [{name: p, module: m, interval: 1s, targets: [a]}]",
			`x.yml:2: probes[0].targets[0]: "a" is not HOST:PORT`},
		{"on_demand: {allow: ['(']}",
			"on_demand.allow: missing closing )"},
		{"on_demand: {allow: nobody}",
			`"nobody" is neither configured nor any`},
	} {
		t.Run(test.config, func(t *testing.T) {
			var c Config
			if _, err := strictyaml.Decode("x.yml", []byte(test.config), &c); err == nil ||
				!strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// everyOption is a module section with all that blackbox_exporter v0.28 knows, as a blackbox.yml may hold it.
const everyOption = `
modules:
  http:
    prober: http
    timeout: 5s
    http:
      valid_status_codes: [200, 404]
      valid_http_versions: ["HTTP/1.1", "HTTP/2.0"]
      preferred_ip_protocol: ip4
      ip_protocol_fallback: false
      skip_resolve_phase_with_proxy: true
      no_follow_redirects: false
      fail_if_ssl: false
      fail_if_not_ssl: false
      enable_http3: false
      enable_http2: false
      method: POST
      headers: {Host: node.example, Accept-Language: en-US}
      body_size_limit: 1.5MB
      compression: gzip
      follow_redirects: false
      fail_if_body_matches_regexp: ["Could not connect"]
      fail_if_body_not_matches_regexp: ["Download"]
      fail_if_body_json_matches_cel: "body.a == 1"
      fail_if_body_json_not_matches_cel: "body.b == 2"
      fail_if_header_matches: [{header: Access-Control-Allow-Origin, allow_missing: false, regexp: '(\*|example\.com)'}]
      fail_if_header_not_matches: [{header: Set-Cookie, allow_missing: true, regexp: a}]
      body: "{}"
      proxy_url: http://127.0.0.1:3128
      no_proxy: example.com
      proxy_connect_header: {X-A: [b]}
      basic_auth: {username: u, password: p}
      tls_config:
        {insecure_skip_verify: true, server_name: x, ca_file: c, cert_file: d, key_file: e, min_version: TLS12}
      http_headers: {X-Token: {secrets: [s], files: [f], values: [v]}}
  oauth2:
    prober: http
    http:
      oauth2:
        client_id: i
        client_secret: s
        scopes: [a]
        token_url: "http://t"
        endpoint_params: {a: b}
        tls_config: {}
        proxy_from_environment: true
  tcp:
    prober: tcp
    tcp:
      preferred_ip_protocol: ip4
      ip_protocol_fallback: true
      source_ip_address: 127.0.0.1
      query_response:
        - {expect: "^SSH-2.0-([^ -]+)", labels: [{name: v, value: "${1}"}], send: a, starttls: true}
        - {expect_bytes: x}
      tls: true
      tls_config: {ca_file: c}
  unix: {prober: unix, unix: {query_response: [{expect: a}], tls: false, tls_config: {server_name: x}}}
  icmp:
    prober: icmp
    icmp:
      preferred_ip_protocol: ip4
      ip_protocol_fallback: true
      source_ip_address: 127.0.0.1
      dont_fragment: true
      payload_size: 100
      ttl: 5
  dns:
    prober: dns
    dns:
      preferred_ip_protocol: ip4
      ip_protocol_fallback: true
      source_ip_address: 127.0.0.1
      transport_protocol: tcp
      dns_over_tls: true
      tls_config: {ca_file: c}
      query_name: node.example
      query_type: SOA
      query_class: CH
      recursion_desired: false
      valid_rcodes: [NOERROR, NXDOMAIN]
      validate_answer_rrs:
        fail_if_matches_regexp: [a]
        fail_if_all_match_regexp: [b]
        fail_if_not_matches_regexp: [c]
        fail_if_none_matches_regexp: [d]
      validate_authority_rrs: {fail_if_matches_regexp: [a]}
      validate_additional_rrs: {fail_if_matches_regexp: [a]}
  grpc:
    prober: grpc
    grpc:
      service: s
      preferred_ip_protocol: ip4
      ip_protocol_fallback: true
      tls: true
      tls_config: {ca_file: c}
      metadata: {a: [b]}
`

func TestEveryOptionIsTaken(t *testing.T) {
	c := parse(t, everyOption)
	m := c.Modules["http"]
	if !m.HTTP.Client.FollowRedirects || m.HTTP.Client.EnableHTTP2 || m.HTTP.IPProtocolFallback ||
		m.HTTP.BodySizeLimit != 3<<19 ||
		m.HTTP.Client.BasicAuth == nil || m.HTTP.Client.TLSConfig.ServerName != "x" ||
		len(m.HTTP.ValidStatusCodes) != 2 || m.HTTP.FailIfBodyMatchesCEL == nil {
		t.Errorf("%+v", m.HTTP)
	}
	if _, err := New(Options{Config: c}); err != nil {
		t.Error(err)
	}
	shown := m.maskedYAML()
	for _, want := range []string{"body_size_limit: 1572864", "fail_if_body_json_matches_cel: body.a == 1",
		"password: <secret>", "- Could not connect"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
}

func TestLicenceQuotas(t *testing.T) {
	answer := `{"current_enrollment": 500, "maximum_enrollment": "1000", "current_keyspace": "many",
		"maximum_keyspace": true, "maximum_anonymous_enrollment": null}`
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, answer)
	}))
	t.Cleanup(node.Close)
	var log strings.Builder
	o := Options{Config: parse(t, `
modules:
  licence:
    prober: http
    timeout: 30s
    http:
      metrics:
        - {name: fremisn_license_used, path: current_enrollment, labels: {quota: enrollment}, help: Used.}
        - {name: fremisn_license_limit, path: maximum_enrollment, labels: {quota: enrollment}, help: Limit.}
        - {name: fremisn_license_used, path: current_keyspace, labels: {quota: keyspace}, help: Used.}
        - {name: fremisn_license_limit, path: maximum_keyspace, labels: {quota: keyspace}, help: Limit.}
        - {name: fremisn_license_used, path: current_anonymous_enrollment, labels: {quota: anonymous}, help: Used.}
        - {name: fremisn_license_limit, path: maximum_anonymous_enrollment, labels: {quota: anonymous}, help: Limit.}
probes: [{name: licence, module: licence, interval: 1h, targets: ["`+node.URL+`"]}]
`), Logger: logfmt(&log)}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	check := func(probes int, present map[string]float64) {
		t.Helper()
		for range probes {
			s.targets[0].probeOnce(context.Background())
		}
		found := map[string]float64{}
		for key, m := range samples(t, s) {
			if strings.HasPrefix(key, "fremisn_license_") {
				found[key[:strings.Index(key, " target=")]] = m.Gauge.GetValue()
			}
		}
		if len(found) != len(present) {
			t.Errorf("%v, want %v", found, present)
		}
		for key, value := range present {
			if found[key] != value {
				t.Errorf("%s is %v, want %v", key, found[key], value)
			}
		}
	}
	check(3, map[string]float64{"fremisn_license_used node= probe=licence quota=enrollment": 500,
		"fremisn_license_limit node= probe=licence quota=enrollment": 1000})
	all := samples(t, s)
	if n := all["probe_metric_errors_total metric=fremisn_license_used node= probe=licence target="+
		node.URL].Counter.GetValue(); n != 6 {
		t.Errorf("%v errors of used, want two in each of three probes", n)
	}
	if all["probe_success node= probe=licence target="+node.URL].Gauge.GetValue() != 1 {
		t.Error("a missing number failed the probe")
	}
	if n := strings.Count(log.String(), "a metric is missing"); n != 2 {
		t.Errorf("%d lines, want one for each metric:\n%s", n, log.String())
	}
	answer = `no JSON`
	check(1, nil)
	answer = `{"current_enrollment": 1e400, "maximum_enrollment": " 7 "}`
	check(1, map[string]float64{"fremisn_license_limit node= probe=licence quota=enrollment": 7})

	ask := httptest.NewServer(s)
	defer ask.Close()
	if text := get(t, ask.URL+"/probe?module=licence&target="+node.URL); !strings.Contains(text,
		`fremisn_license_limit{quota="enrollment"} 7`) {
		t.Errorf("/probe does not give it:\n%s", text)
	}
}

func TestProbeParameters(t *testing.T) {
	w := world(t, newAuthority(t))
	s := newService(t, reasonModules+"  http_host: {prober: http, timeout: 30s, http: {headers: {host: "+
		"set.example}}}\n  http_2xx: {prober: http, timeout: 30s}\n  http_zero: {prober: http, timeout: 0s}\n  "+
		"http_none: {prober: http}\non_demand: {allow: any}\n")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	for _, c := range []struct {
		query, timeout string
		code           int
		body           string
	}{
		{"target={web}", "", 200, "probe_success 1"},
		{"module=http&target={web}", "10", 200, "# HELP probe_success Displays whether or not the probe was a " +
			"success\n# TYPE probe_success gauge"},
		{"module=http", "", 400, "Target parameter is missing"},
		{"module=nothing&target={web}", "", 400, `Unknown module "nothing"`},
		{"module=http&target={web}", "soon", 400, "X-Prometheus-Scrape-Timeout-Seconds is not a valid number"},
		{"module=http&target={web}", "NaN", 400, "X-Prometheus-Scrape-Timeout-Seconds is not a valid number"},
		{"module=http&target=http://{hangs}&debug=true", "0.8", 200, "in 300ms at most"}, // less the offset
		{"module=http_short&target={web}&debug=true", "10", 200, "in 3s at most"},        // the module's is shorter
		{"module=http_zero&target={web}&debug=true", "0.8", 200, "in 300ms at most"},
		{"module=http_none&target={web}&debug=true", "10", 200, "in 9.5s at most"},
		{"module=http_none&target={web}&debug=true", "0", 200, "in 1m59.5s at most"}, // the default
		{"module=http_none&target={web}&debug=true", "", 200, "in 1m59.5s at most"},
		{"module=http_none&target={web}&debug=true", "1e9", 200, "in 59m59.5s at most"},
		{"module=http&target={web}&debug=true", "10", 200, "in 9.5s at most"}, // the module's is longer
		// the offset would leave nothing
		{"module=http_none&target=http://{hangs}&debug=true", "0.3", 200, "in 300ms at most"},
		{"module=http&target={web}", "-1", 400, "is not a valid number of seconds"},
		{"module=http_host&target={web}&hostname=other.example", "", 400, "host header defined both"},
		{"module=http_host&target={web}&hostname=set.example", "", 200, "probe_success 1"},
		{"module=header&target={web}/request&hostname=other.example&debug=true", "", 200,
			"Module configuration:\nprober: http"},
	} {
		t.Run(c.query+c.timeout, func(t *testing.T) {
			request, err := http.NewRequest("GET", server.URL+"/probe?"+fill(c.query, w), nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.timeout != "" {
				request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", c.timeout)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != c.code || !strings.Contains(string(body), c.body) {
				t.Errorf("%d\n%s", response.StatusCode, body)
			}
		})
	}
}

func TestDefaultModule(t *testing.T) {
	w := world(t, newAuthority(t))
	s, err := New(Options{Config: Config{Modules: map[string]Module{"d": DefaultModule()}}})
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]bool{"{web}": true, "{web}/status/404": true, "{web}/status/499": true,
		"{web}/status/500": false, "{web}/redirect?to=http://{refused}": true, "http://{refused}": false} {
		if r, err := s.Once(context.Background(), "d", fill(target, w)); err != nil || r.Success != want {
			t.Errorf("%s: %v %v %s", target, err, r.Success, r.Sentence)
		}
	}
}

func TestAcceptEncodingFitsCompression(t *testing.T) {
	for _, c := range []struct {
		compression, header string
		want                bool
	}{
		{"", "gzip", true}, {"gzip", "", true}, {"gzip", "gzip", true}, {"gzip", "gzip;q=1.0", true}, {"gzip",
			"compress, gzip", true},
		{"br", "gzip, compress", false}, {"br", "gzip, compress, *", true}, {"br", "gzip, *;q=0.1", true}, {"br",
			"gzip, br;q=0.0", false},
		{"br", "gzip, *;q=0.0", false}, {"br", "gzip;q=1.0, br;q=0.1, *;q=0.0", true}, {"br",
			" gzip;q=1.0, br; q=0.1, *; q=0.0 ", true},
		{"br", "br;q=0, *;q=1", true}, {"br", "br;q=much", false}, {"br", "brr", false},
	} {
		if got := accepts(c.header, c.compression); got != c.want {
			t.Errorf("Accept-Encoding: %s asks for %s: %v, want %v", c.header, c.compression, got, c.want)
		}
	}
}

func TestAnyIsWarnedOf(t *testing.T) {
	for allow, want := range map[string]bool{"any": true, "configured": false, "['.*']": false} {
		var log strings.Builder
		if _, err := New(Options{Config: parse(t, "on_demand: {allow: "+allow+"}"), Logger: logfmt(&log)}); err != nil {
			t.Fatal(err)
		}
		if warned := strings.Contains(log.String(), "level=warn") && strings.Contains(log.String(),
			"on_demand.allow is any"); warned != want {
			t.Errorf("%s: %s", allow, log.String())
		}
	}
}
