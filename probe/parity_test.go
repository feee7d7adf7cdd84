package probe

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	gokit "github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
)

var quiet = log.New(io.Discard, "", 0)

// parse reads a config as the program does.
func parse(t testing.TB, text string) Config {
	t.Helper()
	var c Config
	if _, err := strictyaml.Decode("test.yml", []byte(text), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func newService(t testing.TB, text string) *Service {
	t.Helper()
	s, err := New(Options{Config: parse(t, text), Logger: gokit.NewNopLogger(), TimeoutOffset: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// blackboxExporter starts Debian's on a free port.
func blackboxExporter(t testing.TB, config string) string {
	t.Helper()
	url, _ := blackboxProcess(t, config)
	return url
}

func blackboxProcess(t testing.TB, config string) (url string, pid int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "blackbox.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	address := refused(t)
	var output bytes.Buffer
	command := exec.Command("prometheus-blackbox-exporter", "--config.file="+file, "--web.listen-address="+address)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatalf("%s; Debian's package prometheus-blackbox-exporter has it", err)
	}
	ended := make(chan struct{})
	go func() { command.Wait(); close(ended) }()
	t.Cleanup(func() { command.Process.Kill(); <-ended })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if response, err := http.Get("http://" + address + "/-/healthy"); err == nil {
			response.Body.Close()
			return "http://" + address, command.Process.Pid
		}
		select {
		case <-ended:
			t.Fatalf("blackbox_exporter ended: %s", output.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("blackbox_exporter does not answer")
		}
	}
}

// A parityCase is module and target; {name} is a server of the world.
type parityCase struct {
	module, target string
	hostname       string // the parameter
	timeout        string // X-Prometheus-Scrape-Timeout-Seconds
}

func cases(pairs ...string) (all []parityCase) {
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, parityCase{module: pairs[i], target: pairs[i+1]})
	}
	return all
}

// parityCases are every option of a module, and every way in which a server can misbehave.
var parityCases = slices.Concat(cases(
	"plain", "{web}", "plain", "{address}/", "plain", "{named}/", "ip4", "{named}/", "ip6_only", "{web}",
	"ip4_only", "{named}",
	"plain", "http://no-such-host.invalid/", "plain", "http://[::1", "plain", "http://%zz/",
	"plain", "{web}/modified", "plain", "{web}/chunked", "plain", "{web}/status/503", "plain", "{web}/status/204",
	"status", "{web}/status/404", "status", "{web}/status/201",
	"plain", "{web}/redirect?to=/modified", "plain", "{web}/redirect?to={escaped}/down",
	"plain", "{named}/redirect?to={escaped}",
	"plain", "{web}/redirect?to=http://{refused}/", "plain", "{web}/redirect?to=http://no-such-host.invalid/",
	"plain", "{web}/redirects/9", "plain", "{web}/redirects/30", "plain", "{web}/cookie", "found", "{web}/redirects/30",
	"found", "{web}/redirect?to=/", "old_no_follow", "{web}/redirect?to=/", "found", "{web}/",
	"no_follow_body", "{web}/redirect?to=/",
	"http10", "{web}", "http10", "http://{old}", "http11", "{web}",
	"post", "{web}/request", "headers", "{web}/request",
	"body_matches", "{web}", "body_matches", "{web}/down", "body_not_matches", "{web}",
	"body_not_matches", "{web}/down",
	"body_matches", "{web}/status/500", "body_matches", "http://{truncated}",
	"header_matches", "{web}", "header_matches", "{web}/bad", "header_matches_strict", "{web}",
	"header_not_matches", "{web}/good",
	"header_not_matches", "{web}/bad", "header_not_matches", "{web}", "header_not_matches_missing", "{web}",
	"gzip", "{web}/packed/gzip", "gzip", "{web}", "gzip_plain", "http://{bad_gzip}", "br", "{web}/packed/br",
	"br", "{web}", "deflate", "{web}/packed/deflate",
	"limit", "{web}/large", "limit", "{web}", "limit_regexp", "{web}/large", "limit_large", "{web}/large",
	"plain", "{web}/large",
	"basic", "{web}/auth", "basic_file", "{web}/auth", "bearer", "{web}/auth", "bearer_file", "{web}/auth",
	"bearer_file_missing", "{web}/auth",
	"bearer_old", "{web}/auth", "oauth2", "{web}/auth", "plain", "{web}/auth",
	"proxy", "{web}/down", "proxy_skip", "{web}/down", "proxy", "http://{refused}/", "proxy_tls", "{tls}",
	"tls", "{tls}/modified", "tls", "{tls_old}", "tls", "{tls_expired}", "tls", "{tls_wrong}", "tls", "{tls_client}",
	"plain", "{tls}",
	"tls", "https://{address}/", "tls", "{tls}/redirect?to={escaped}/", "tls", "{web}/redirect?to={tls}/modified",
	"tls_name", "{tls_named}", "tls_host", "{tls_named}", "tls_skip", "{tls_expired}", "tls_max", "{tls}",
	"tls_client", "{tls_client}", "tls_no_ca", "{tls}",
	"http1_tls", "{tls}", "fail_if_ssl", "{tls}", "fail_if_ssl", "{web}", "fail_if_not_ssl", "{web}",
	"fail_if_not_ssl", "{tls}", "tls_short", "https://{tls_hangs}",
	"plain", "http://{refused}", "plain", "http://{resets}", "plain", "http://{resets_late}",
	"plain", "http://{closes}", "plain", "http://{truncated}",
	"plain", "http://{garbage}", "short", "http://{hangs}", "short", "http://{hangs_header}",
	"short", "http://{hangs_body}",
	"tcp", "{greeter}", "tcp", "{refused}", "tcp", "no-port", "tcp_source", "{greeter}", "tcp_banner", "{greeter}",
	"tcp_no_match", "{says_bye}", "tcp_hang", "{greeter}",
	"tcp_tls", "{tls_greeter}", "tcp_tls", "{greeter}", "tcp_tls_name", "{tls_named_tcp}", "tcp_tls", "{tls_named_tcp}",
	"tcp_starttls", "{greeter}",
	"dns", "{dns}", "dns_any", "{dns}", "dns_tcp", "{dns}", "dns_tls", "{dns_tls}", "dns_tls", "{dns}",
	"dns_soa", "{dns}", "dns_nxdomain", "{dns}",
	"dns_nxdomain_valid", "{dns}", "dns_short", "{dns}", "dns_matches", "{dns}", "dns_not_matches", "{dns}",
	"dns_all_match", "{dns}",
	"dns_none_match", "{dns}", "dns_authority", "{dns}", "dns_additional", "{dns}", "dns", "{refused}",
	"dns", "no-such-host.invalid",
	"icmp", "127.0.0.1", "icmp_size", "127.0.0.18", "icmp_raw", "127.0.0.1", "icmp", "no-such-host.invalid",
	"icmp_short", "240.0.0.1",
	"grpc", "{grpc}", "grpc_service", "{grpc}", "grpc_unknown", "{grpc}", "grpc_tls", "{grpc_tls}", "grpc", "{refused}",
	"grpc_tls", "{grpc}",
	"head", "{web}/modified", "head", "{web}/status/500", "put", "{web}/request",
	"put", "{web}/redirect/307?to=/request", "put", "{web}/redirect/308?to=/request",
	"put", "{web}/redirect/303?to=/request", "put", "{web}/redirect/301?to=/request", "get_body", "{web}/request",
	"plain", "{web}/redirect/302", "plain", "{web}/redirect?to=%25zz",
	"plain", "{web}/redirect?to=ftp://127.0.0.1/", "plain", "{web}/status/304", "plain", "{web}/status/101",
	"plain", "http:///",
	"body_all", "{web}", "body_all", "{web}/down", "gzip_any", "{web}/packed/gzip", "identity", "{web}",
	"limit_gzip", "{web}/packed/gzip", "limit_gzip", "{web}",
	"h2", "{tls}", "h2", "{web}", "tls_min", "{tls}", "tls_min", "{tls_old}", "tls_ip4", "{tls_localhost}",
	"tls_bad_key", "{tls_client}", "tls", "{web}/redirect?to={tls_wrong}/",
	"basic_file_missing", "{web}/auth", "bearer_old_file", "{web}/auth", "oauth2_file", "{web}/auth",
	"oauth2_wrong", "{web}/auth",
	"plain", "{web6}", "ip4", "{web6}", "ip4_only", "{web6}", "ip6_only", "{web6}",
	"plain", "{web}/redirect?to={web6}/modified", "tls", "{tls6}", "tcp", "{greeter6}", "tcp_ip6", "{greeter6}",
	"tcp_ip6", "{greeter}", "tcp_source_wrong", "{greeter}", "tcp_send_only", "{greeter}", "tcp_binary", "{greeter}",
	"tcp_tls_skip", "{tls_greeter}", "tcp_tls", "{tls_hangs_up}", "tcp_starttls_wrong", "{greeter}",
	"tcp_banner", "{resets_raw}", "tcp_banner", "{says_bye}", "tcp", "no-such-host.invalid:80", "tcp", "[::1]:x",
	"dns_source", "{dns}", "dns_tcp_source", "{dns}", "dns_chaos", "{dns}", "dns_ip6_only", "{dns}",
	"dns_no_rcode", "{dns}", "dns_fqdn", "{dns}", "dns_none_empty", "{dns}", "dns_all_empty", "{dns}",
	"dns_tls_skip", "{dns_tls}", "dns_tcp", "{refused}", "dns_tcp", "{says_bye}", "dns_tcp", "{tls_hangs_up}",
	"dns_tls", "{refused}",
	"icmp_ip6", "::1", "icmp", "::1", "icmp_ip6", "127.0.0.1", "icmp_source6", "::1", "icmp_large", "127.0.0.1",
	"icmp_raw_size", "127.0.0.18", "icmp", "localhost",
	"grpc", "http://{grpc}", "grpc_ip6_only", "{grpc}", "grpc_tls_skip", "{grpc_tls}", "grpc_tls_name", "{grpc_tls}",
	"grpc", "no-such-host.invalid:1",
), []parityCase{
	{module: "tls", target: "{tls_named}", hostname: "node.example"},
	{module: "tls", target: "{tls_named}", hostname: "other.example"},
	{module: "tls_name", target: "{tls_named}", hostname: "other.example"},
	{module: "headers", target: "{web}/request", hostname: "other.example"},
	{module: "icmp", target: "127.0.0.1", hostname: "other.example"},
	{module: "no_timeout", target: "http://{hangs}", timeout: "1.5"},
	{module: "no_timeout", target: "http://{hangs_body}", timeout: "6"},
	{module: "no_timeout_tcp", target: "{greeter}", timeout: "1.7"},
	{module: "no_timeout_dns", target: "{dns}", timeout: "1.5"},
	{module: "plain", target: "http://{hangs}", timeout: "3"},
	{module: "short", target: "http://{hangs}", timeout: "0"},
	{module: "short", target: "{web}", timeout: "120"},
	{module: "short", target: "http://{hangs}", timeout: "0.2"},
})

// TestParity holds every metric that /probe gives against those of the real blackbox_exporter.
func TestParity(t *testing.T) {
	a := newAuthority(t)
	w := world(t, a)
	config, err := os.ReadFile("testdata/parity.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.path("password"), []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("DIR", a.dir, "CA", a.path("ca.pem"), "CERT", a.path("good.pem"), "KEY",
		a.path("good.key"),
		"PROXY", forwarder(t), "TOKEN", tokens(t)).Replace(strings.SplitN(string(config), "modules:", 2)[1])
	theirs := blackboxExporter(t, "modules:"+text)
	ours := httptest.NewServer(newService(t, "on_demand: {allow: any}\nmodules:"+text))
	t.Cleanup(ours.Close)
	queries, answers := make([]string, len(parityCases)), make([][2]string, len(parityCases))
	var asking sync.WaitGroup
	places := make(chan struct{}, 40) // the servers' queues of connections have an end
	for i, c := range parityCases {
		queries[i] = "/probe?module=" + c.module + "&target=" + url.QueryEscape(fill(c.target, w)) + "&hostname=" +
			c.hostname
		places <- struct{}{}
		asking.Go(func() {
			answers[i] = [2]string{scrape(t, theirs+queries[i], c.timeout), scrape(t, ours.URL+queries[i], c.timeout)}
			<-places
		})
	}
	asking.Wait()
	for i, c := range parityCases {
		t.Run(strings.TrimSpace(c.module+" "+c.target+" "+c.hostname+" "+c.timeout), func(t *testing.T) {
			want, got := families(t, answers[i][0]), families(t, answers[i][1])
			concede(want, got)
			if d := cmp.Diff(lines(want), lines(got)); d != "" {
				t.Errorf("- blackbox_exporter's, + ours:\n%s\n%s", d, scrape(t, ours.URL+queries[i]+"&debug=true",
					c.timeout))
			}
		})
	}
}

// concede is all in which v0.28, whose metrics we give, differs from Debian's v0.23.
func concede(old, ours map[string]*dto.MetricFamily) {
	delete(ours, "probe_timeout_seconds")                              // in master, after v0.28
	delete(ours, "probe_ssl_latest_cert_not_before_timestamp_seconds") // only here
	delete(ours, "probe_tls_cipher_info")                              // since v0.25
	delete(ours, "probe_failed_due_to_bytes")                          // since v0.28
	if old["probe_http_status_code"] == nil && ours["probe_failed_due_to_regex"] == nil {
		delete(old, "probe_failed_due_to_regex") // until v0.27 of tcp probes without a connection too
	}
	if chain := ours["probe_ssl_last_chain_info"]; chain != nil {
		for _, m := range chain.Metric { // since v0.25
			for i, l := range m.Label {
				if l.GetName() == "serialnumber" {
					m.Label = append(m.Label[:i:i], m.Label[i+1:]...)
					break
				}
			}
		}
	}
	if old["probe_grpc_ssl"] != nil && ours["probe_ssl_earliest_cert_expiry"] == nil {
		delete(old, "probe_ssl_earliest_cert_expiry") // until v0.26 of grpc probes without TLS too
	}
}

func get(t testing.TB, url string) string {
	t.Helper()
	return scrape(t, url, "")
}

// scrape asks as a Prometheus with this timeout does.
func scrape(t testing.TB, url, timeout string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	if timeout != "" {
		request.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", timeout)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

func families(t testing.TB, text string) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil || len(families) == 0 {
		t.Fatalf("%v in %s", err, text)
	}
	return families
}

// lines are help, type, labels and values; the values of durations are left out.
func lines(families map[string]*dto.MetricFamily) []string {
	var all []string
	for name, family := range families {
		all = append(all, fmt.Sprintf("%s %s %s", name, family.GetType(), family.GetHelp()))
		for _, m := range family.Metric {
			value := fmt.Sprint(m.GetGauge().GetValue())
			if strings.HasSuffix(name, "_duration_seconds") || name == "probe_dns_lookup_time_seconds" {
				value = "(time)"
			}
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			sort.Strings(labels)
			all = append(all, fmt.Sprintf("%s{%s} %s", name, strings.Join(labels, ","), value))
		}
	}
	sort.Strings(all)
	return all
}
