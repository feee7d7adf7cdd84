package probe

import (
	"context"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

const reasonModules = `
modules:
  http: {prober: http, timeout: 30s, http: {preferred_ip_protocol: ip4}}
  http_short: {prober: http, timeout: 3s}
  http_file: {prober: http, timeout: 30s, http: {authorization: {credentials_file: /no/such/file}}}
  http_ca: {prober: http, timeout: 30s, http: {tls_config: {ca_file: /no/such/file}}}
  http_oauth2: {prober: http, timeout: 30s, http: {oauth2: {client_id: a, client_secret: b,
	token_url: "http://127.0.0.1:1/"}}}
  https_short: {prober: http, timeout: 3s, http: {tls_config: {insecure_skip_verify: true}}}
  body: {prober: http, timeout: 30s, http: {fail_if_body_matches_regexp: [DOWN]}}
  header: {prober: http, timeout: 30s, http: {fail_if_header_matches: [{header: X-State, regexp: bad}]}}
  version: {prober: http, timeout: 30s, http: {valid_http_versions: [HTTP/2.0]}}
  not_ssl: {prober: http, timeout: 30s, http: {fail_if_not_ssl: true}}
  limit: {prober: http, timeout: 30s, http: {body_size_limit: 1KiB}}
  keep: {prober: http, timeout: 30s, http: {fail_if_body_matches_regexp: [zzz]}}
  cel: {prober: http, timeout: 30s, http: {fail_if_body_json_not_matches_cel: 'body.state == "red"'}}
  tcp: {prober: tcp, timeout: 30s}
  tcp_short: {prober: tcp, timeout: 3s, tcp: {query_response: [{expect: never}]}}
  tcp_tls: {prober: tcp, timeout: 30s, tcp: {tls: true}}
  tcp_tls_short: {prober: tcp, timeout: 3s, tcp: {tls: true}}
  tcp_line: {prober: tcp, timeout: 30s, tcp: {query_response: [{expect: "^220"}]}}
  tcp_line_short: {prober: tcp, timeout: 3s, tcp: {query_response: [{expect: "^220"}]}}
  tcp_bytes: {prober: tcp, timeout: 30s, tcp: {query_response: [{expect_bytes: "220 hellO"}]}}
  dns: {prober: dns, timeout: 30s, dns: {query_name: gone.example, query_type: A}}
  dns_short: {prober: dns, timeout: 3s, dns: {query_name: silent.example, query_type: A}}
  dns_rr: {prober: dns, timeout: 30s, dns: {query_name: node.example, query_type: A,
	validate_answer_rrs: {fail_if_matches_regexp: ["231"]}}}
  icmp_short: {prober: icmp, timeout: 3s, icmp: {preferred_ip_protocol: ip4}}
  grpc: {prober: grpc, timeout: 30s, grpc: {service: down}}
  grpc_unknown: {prober: grpc, timeout: 30s, grpc: {service: unknown}}
  grpc_tls: {prober: grpc, timeout: 30s, grpc: {tls: true}}
  grpc_short: {prober: grpc, timeout: 3s}
  unix: {prober: unix, timeout: 30s}
`

// TestReasons has a real server misbehave in every way that has a reason of its own.
func TestReasons(t *testing.T) {
	w := world(t, newAuthority(t))
	w["black_hole"] = testenv.FullAddress(t)
	s := newService(t, reasonModules)
	for _, c := range []struct{ module, target, reason, sentence string }{
		{"http", "http://no-such-host.invalid/", "dns", "no-such-host.invalid"},
		{"http", "http://[::1]:1/", "connect", "refused"},
		{"http", "http://{refused}/", "connect", "the connection was refused"},
		{"http", "{web}/redirect?to=http://{refused}/", "connect", "refused"},
		{"http_short", "http://{black_hole}/", "timeout", "time ran out while connecting"},
		{"http", "{tls}", "tls", "certificate signed by unknown authority"},
		{"http", "https://{address}", "tls", "the server does not speak TLS"},
		{"https_short", "https://{tls_hangs}", "timeout", "in the TLS handshake"},
		{"http_short", "http://{hangs}", "timeout", "while waiting for the answer"},
		{"http_short", "http://{hangs_body}", "timeout", "while the body was read"},
		{"http", "{web}/status/503", "status", "answered 503, not 2xx"},
		{"http", "{web}/redirects/30", "status", "more than 10 redirects"},
		{"http", "{web}/status/403?page=License+has+not+been+initialized", "license",
			"License has not been initialized"},
		{"http", "{web}/status/500?page=Analytic+NFFS-FR+is+not+available+in+deployment+key", "license",
			"with status 500"},
		{"body", "{web}/status/200?page=DOWN+License+has+not+been+initialized", "license", "License"},
		{"http", "{web}/status/429?page=Too+many+requests", "status", "429"},
		{"body", "{web}/down", "body", `the body matches "DOWN"`},
		{"header", "{web}/bad", "header", "the header X-State matches"},
		{"header", "{web}/", "header", "the header X-State is missing"},
		{"version", "{web}", "other", "HTTP/1.1"},
		{"not_ssl", "{web}", "tls", "fail_if_not_ssl"},
		{"limit", "{web}/large", "body", "body_size_limit"},
		{"cel", "{web}/json", "body", "does not match"},
		{"cel", "{web}", "body", "is not JSON"},
		{"http", "http://{truncated}", "body", "the connection broke"},
		{"http", "http://{resets}", "connect", "reset while waiting for the answer"},
		{"http", "http://{garbage}", "other", "malformed"},
		{"http", "http://%zz/", "other", "is not a URL"},
		{"http", "http:///x", "other", "names no host"},
		{"http", "{web}/redirect?to=ftp://127.0.0.1/", "other", "it is not http"},
		{"http_file", "{web}", "other", "the request could not be sent: reading a secret failed"},
		{"http_ca", "{tls}", "tls", "the TLS settings are not usable"},
		{"http_oauth2", "{web}", "other", "fetching an OAuth2 token failed"},
		{"http", "http://{closes}", "connect", "the connection was closed without an answer"},
		{"https_short", "https://{tls_hangs_up}", "connect", "the connection was reset in the TLS handshake"},
		{"https_short", "https://{tls_says_nothing}", "connect", "the connection was closed in the TLS handshake"},
		{"http", "http://{half_head}", "connect", "the connection was closed without an answer"},
		{"http", "http://{resets_late}", "connect", "the connection was reset while the body was read"},
		{"tcp_line", "{closes_raw}", "connect", "the connection was closed without an answer"},
		{"tcp_bytes", "{closes_raw}", "connect", "the connection was closed without an answer"},
		{"tcp_line_short", "{half_line}", "timeout", "in the conversation"},
		{"tcp_line_short", "{half_line_closes}", "", ""},
		{"http", "{tls_wrong}", "tls", "the TLS handshake failed"},
		{"http_short", "http://{hangs_header}", "timeout", "while waiting for the answer"},
		{"tcp", "{refused}", "connect", "refused"},
		{"tcp", "no-such-host.invalid:80", "dns", "no-such-host.invalid"},
		{"tcp", "nonsense", "other", "HOST:PORT"},
		{"tcp_short", "{greeter}", "timeout", "in the conversation"},
		{"tcp_tls", "{greeter}", "tls", "the server does not speak TLS"},
		{"tcp_tls_short", "{tls_hangs}", "timeout", "in the TLS handshake"},
		{"tcp_line", "{says_bye}", "body", "before a line matched"},
		{"tcp_bytes", "{greeter}", "body", "received bytes differ"},
		{"tcp_bytes", "{says_bye}", "body", "received 8 bytes, expected 9"},
		{"dns", "{dns}", "status", "NXDOMAIN"},
		{"dns", "{refused}", "connect", "refused"},
		{"dns_short", "{dns}", "timeout", "while waiting for the answer"},
		{"dns_rr", "{dns}", "body", "a record of the answer section matches"},
		{"icmp_short", "240.0.0.1", "", ""},
		{"grpc", "{grpc}", "status", "NOT_SERVING"},
		{"grpc_unknown", "{grpc}", "status", "NotFound"},
		{"grpc", "{refused}", "connect", "refused"},
		{"grpc_tls", "{grpc_tls}", "tls", "unknown authority"},
		{"grpc_short", "{hangs}", "timeout", "time ran out"},
		{"unix", "/no/such/socket", "connect", "no such file"},
	} {
		t.Run(c.module+" "+c.target, func(t *testing.T) {
			t.Parallel()
			r, err := s.Once(context.Background(), c.module, fill(c.target, w))
			if err != nil {
				t.Fatal(err)
			}
			// as in blackbox_exporter: the end of the data ends the line
			if c.module == "tcp_line_short" && c.reason == "" {
				if !r.Success {
					t.Error(r.Sentence)
				}
				return
			}
			if c.reason == "" {
				if r.Success || r.Reason != "timeout" && r.Reason != "connect" {
					t.Errorf("%v %q: %s", r.Success, r.Reason, r.Sentence)
				}
				return
			}
			if r.Success || r.Reason != c.reason || !strings.Contains(r.Sentence, c.sentence) {
				t.Errorf("reason %q, sentence %q\nwant   %q,          %q\n%s", r.Reason, r.Sentence, c.reason,
					c.sentence, r.Log)
			}
		})
	}
}

// TestReasonsOfLookups has the system's name server be silent, refuse and fail.
func TestReasonsOfLookups(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		answer := new(dns.Msg)
		switch name := query.Question[0].Name; {
		case strings.HasPrefix(name, "silent"):
		case strings.HasPrefix(name, "broken"):
			w.WriteMsg(answer.SetRcode(query, dns.RcodeServerFailure))
		case strings.HasPrefix(name, "loopback") && query.Question[0].Qtype == dns.TypeA:
			answer.SetReply(query)
			answer.Answer = records(name + " 60 IN A 127.0.0.1")
			w.WriteMsg(answer)
		case strings.HasPrefix(name, "both"):
			kind := dns.TypeToString[query.Question[0].Qtype]
			answer.SetReply(query)
			answer.Answer = records(name + " 60 IN " + kind + " " + map[string]string{"A": "127.0.0.1",
				"AAAA": "::1"}[kind])
			w.WriteMsg(answer)
		default:
			w.WriteMsg(answer.SetRcode(query, dns.RcodeNameError))
		}
	})}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	t.Cleanup(testenv.LookUpAt(packets.LocalAddr().String()))
	w := world(t, newAuthority(t))
	_, port, _ := net.SplitHostPort(w["address"])
	_, grpcPort, _ := net.SplitHostPort(w["grpc"])
	s := newService(t, reasonModules+"probes: [{name: p, module: http, interval: 1h, targets: ['"+w["web"]+"']}]\n")
	for _, c := range []struct{ module, target, reason, sentence string }{
		{"http_short", "http://silent.example./", "timeout", "time ran out while silent.example. was looked up"},
		{"http", "http://broken.example./", "dns", "looking up broken.example. failed"},
		{"http", "http://gone.example./", "dns", "host gone.example. does not exist"},
		{"tcp", "gone.example.:80", "dns", "host gone.example. does not exist"},
		{"grpc", "gone.example.:80", "dns", "host gone.example. does not exist"},
		{"grpc", "both.example.:" + grpcPort, "status", "NOT_SERVING"}, // only at one of the addresses
		{"icmp_short", "gone.example.", "dns", "host gone.example. does not exist"},
		{"dns", "gone.example.", "dns", "host gone.example. does not exist"},
		{"http", "http://loopback.example.:" + port + "/redirect?to=http://gone.example./", "dns", "gone.example."},
		{"http", "http://loopback.example.:" + port + "/", "", ""},
	} {
		t.Run(c.module+" "+c.target, func(t *testing.T) {
			r, err := s.Once(context.Background(), c.module, c.target)
			if err != nil || r.Reason != c.reason || !strings.Contains(r.Sentence, c.sentence) {
				t.Errorf("%v, reason %q, sentence %q\n%s", err, r.Reason, r.Sentence, r.Log)
			}
		})
	}
	// The guard goes by names: one that leads to a configured address is another target all the same.
	ask := httptest.NewServer(s)
	defer ask.Close()
	if text := get(t, ask.URL+"/probe?module=http&target=http://loopback.example.:"+port); !strings.Contains(text,
		"on_demand.allow does not allow") {
		t.Error(text)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

// TestNothingIsLeftBehind sees to it that probes which break off leave no goroutine and no connection: the servers'
// ends of those would still wait.
func TestNothingIsLeftBehind(t *testing.T) {
	w := world(t, newAuthority(t))
	s := newService(t, reasonModules)
	var probing sync.WaitGroup
	before, files := goleak.IgnoreCurrent(), openFiles(t)
	for _, c := range []struct{ module, target string }{
		{"http_short", "http://{hangs}"}, {"http_short", "http://{hangs_header}"}, {"http_short",
			"http://{hangs_body}"},
		{"https_short", "https://{tls_hangs}"},
		{"tcp_short", "{greeter}"}, {"tcp_tls_short", "{tls_hangs}"}, {"dns_short", "{dns}"}, {"grpc_short", "{hangs}"},
		{"grpc_tls", "{grpc}"},
		{"http", "{tls}"}, {"https_short", "{tls}"}, {"http", "{web}/redirects/3"}, {"grpc", "{grpc}"}, {"icmp_short",
			"127.0.0.1"},
	} {
		probing.Go(func() {
			if _, err := s.Once(context.Background(), c.module, fill(c.target, w)); err != nil {
				t.Error(err)
			}
		})
	}
	probing.Wait()
	leavesNothing(t, before)
	waitFor(t, func() bool { return openFiles(t) <= files })
}
