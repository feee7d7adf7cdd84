package probe

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	gokit "github.com/go-kit/log"
)

// upstreamOptions are the options of blackbox_exporter's modules by section, as its config.go has them: those of v0.28,
// and behind a + what its master has beyond (seen at commit e39d7d4). Whoever takes a new version of it compares its
// options with this table, and the test says what is missing here.
var upstreamOptions = map[string]string{
	"": "prober timeout http tcp icmp dns grpc unix +websocket",
	"http": `valid_status_codes valid_http_versions preferred_ip_protocol ` +
		`ip_protocol_fallback skip_resolve_phase_with_proxy no_follow_redirects fail_if_ssl fail_if_not_ssl method ` +
		`headers fail_if_body_matches_regexp fail_if_body_not_matches_regexp fail_if_body_json_matches_cel ` +
		`fail_if_body_json_not_matches_cel fail_if_header_matches fail_if_header_not_matches body body_file ` +
		`compression body_size_limit enable_http3 basic_auth authorization oauth2 bearer_token bearer_token_file ` +
		`tls_config follow_redirects enable_http2 proxy_url no_proxy proxy_from_environment proxy_connect_header ` +
		`http_headers`,
	"http.fail_if_header_matches": "header regexp allow_missing",
	"tcp": `preferred_ip_protocol ip_protocol_fallback source_ip_address query_response tls ` +
		`tls_config`,
	"tcp.query_response":        "expect expect_bytes labels send starttls",
	"tcp.query_response.labels": "name value",
	"unix":                      "query_response tls tls_config",
	"icmp": `preferred_ip_protocol ip_protocol_fallback source_ip_address payload_size ` +
		`dont_fragment ttl`,
	"dns": `preferred_ip_protocol ip_protocol_fallback dns_over_tls tls_config ` +
		`source_ip_address transport_protocol query_class query_name query_type recursion_desired valid_rcodes ` +
		`validate_answer_rrs validate_authority_rrs validate_additional_rrs`,
	"dns.validate_answer_rrs": `fail_if_matches_regexp fail_if_all_match_regexp fail_if_not_matches_regexp ` +
		`fail_if_none_matches_regexp`,
	"grpc":      "service tls tls_config ip_protocol_fallback preferred_ip_protocol metadata",
	"websocket": "+http_config +headers +query_response +preferred_ip_protocol +ip_protocol_fallback",
}

// oursAlone are the options that blackbox_exporter has not.
var oursAlone = map[string]string{"http": "source_ip_address metrics", "grpc": "source_ip_address"}

// upstreamMetrics are the names of blackbox_exporter's metrics of probes, in the same way.
const upstreamMetrics = `probe_dns_additional_rrs probe_dns_answer_rrs probe_dns_authority_rrs
probe_dns_duration_seconds probe_dns_lookup_time_seconds probe_dns_query_succeeded probe_dns_serial
probe_duration_seconds probe_expect_info
probe_failed_due_to_bytes probe_failed_due_to_cel probe_failed_due_to_regex probe_grpc_duration_seconds
probe_grpc_healthcheck_response probe_grpc_ssl probe_grpc_status_code probe_http_content_length
probe_http_duration_seconds
probe_http_last_modified_timestamp_seconds probe_http_redirects probe_http_ssl probe_http_status_code
probe_http_uncompressed_body_length probe_http_version probe_icmp_duration_seconds probe_icmp_reply_hop_limit
probe_ip_addr_hash probe_ip_protocol probe_ssl_earliest_cert_expiry probe_ssl_last_chain_expiry_timestamp_seconds
probe_ssl_last_chain_info probe_success probe_tls_cipher_info probe_tls_version_info
+probe_timeout_seconds +probe_websocket_connection_upgraded +probe_websocket_duration_seconds
+probe_websocket_failed_due_to_regex +probe_websocket_status_code`

// schema returns the options of a struct, its inlined ones included.
func schema(of reflect.Type) map[string]reflect.Type {
	options := map[string]reflect.Type{}
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	for field := range of.Fields() {
		name, flags, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(flags, "inline") && field.Type.Kind() == reflect.Struct:
			for inner, its := range schema(field.Type) {
				options[inner] = its
			}
		case name != "" && field.IsExported():
			options[name] = field.Type
		}
	}
	return options
}

func TestOptionsOfBlackboxExporter(t *testing.T) {
	for section, upstream := range upstreamOptions {
		of := reflect.TypeFor[Module]()
		for name := range strings.SplitSeq(section, ".") {
			if name != "" {
				of = schema(of)[name]
			}
		}
		ours := schema(of)
		theirs := strings.Fields(strings.ReplaceAll(upstream, "+", ""))
		for _, name := range theirs {
			if ours[name] == nil {
				t.Errorf("%s: %s is missing here", section, name)
			}
		}
		names := append(theirs, strings.Fields(oursAlone[section])...)
		for name := range ours {
			if !slices.Contains(names, name) {
				t.Errorf("%s: %s is neither blackbox_exporter's nor among oursAlone", section, name)
			}
		}
	}
}

// TestMetricsOfBlackboxExporter looks for the names in what the probers give.
func TestMetricsOfBlackboxExporter(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for _, name := range strings.Fields(strings.ReplaceAll(upstreamMetrics, "+", "")) {
		if !strings.Contains(source.String(), `"`+name+`"`) {
			t.Errorf("no prober gives %s", name)
		}
	}
}

// shippedModules are those of the blackbox.yml that comes with v0.28, and with its master, in one line each.
const shippedModules = `
modules:
  http_2xx: {prober: http, http: {preferred_ip_protocol: "ip4"}}
  http_post_2xx: {prober: http, http: {method: POST}}
  tcp_connect: {prober: tcp}
  pop3s_banner: {prober: tcp, tcp: {query_response: [{expect: "^+OK"}], tls: true,
	tls_config: {insecure_skip_verify: false}}}
  grpc: {prober: grpc, grpc: {tls: true, preferred_ip_protocol: "ip4"}}
  grpc_plain: {prober: grpc, grpc: {tls: false, service: "service1"}}
  ssh_banner: {prober: tcp, tcp: {query_response: [{expect: "^SSH-2.0-"}, {send: "SSH-2.0-blackbox-ssh-check"}]}}
  ssh_banner_extract: {prober: tcp, timeout: 5s, tcp: {query_response: [{expect: "^SSH-2.0-([^ -]+)(?: (.*))?$",
	labels: [{name: ssh_version, value: "${1}"}, {name: ssh_comments, value: "${2}"}]}]}}
  irc_banner: {prober: tcp, tcp: {query_response: [{send: "NICK prober"},
	{send: "USER prober prober prober :prober"}, {expect: "PING :([^ ]+)", send: "PONG ${1}"},
	{expect: "^:[^ ]+ 001"}]}}
  icmp: {prober: icmp}
  icmp_ttl5: {prober: icmp, timeout: 5s, icmp: {ttl: 5}}
  websocket: {prober: websocket}
  http_3xx: {prober: http, http: {preferred_ip_protocol: "ip4", enable_http3: true, enable_http2: false,
	valid_http_versions: ["HTTP/3.0"]}}
  postgresql: {prober: tcp, tcp: {query_response: [{send: !!binary AAAACATSFi8=}, {expect_bytes: S}, {starttls: true}]}}
  spelt_otherwise: {prober: http, http: {preferred_ip_protocol: ipv4}}
`

// TestShippedModules: the modules that come with blackbox_exporter are taken as they are, and can all work.
func TestShippedModules(t *testing.T) {
	s, err := New(Options{Config: parse(t, shippedModules), Logger: gokit.NewNopLogger()})
	if err != nil {
		t.Fatal(err)
	}
	if faults := s.Faults(); len(faults) > 0 {
		t.Error(faults)
	}
}
