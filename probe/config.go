package probe

import (
	"fmt"
	"net/textproto"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/common/config"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
)

// Config is the sections modules:, probes: and on_demand: of the config file.
type Config struct {
	Modules  map[string]Module `yaml:"modules"`
	Probes   []Schedule        `yaml:"probes"` // nil if the section is absent
	OnDemand OnDemand          `yaml:"on_demand"`
}

// A Module says how to probe, in the schema of blackbox_exporter v0.28.
type Module struct {
	Prober  string        `yaml:"prober,omitempty"`
	Timeout time.Duration `yaml:"timeout,omitempty"` // 0: as long as the scraper or the schedule allows
	HTTP    HTTPProbe     `yaml:"http,omitempty"`
	TCP     TCPProbe      `yaml:"tcp,omitempty"`
	ICMP    ICMPProbe     `yaml:"icmp,omitempty"`
	DNS     DNSProbe      `yaml:"dns,omitempty"`
	GRPC    GRPCProbe     `yaml:"grpc,omitempty"`
	Unix    UnixProbe     `yaml:"unix,omitempty"`

	Websocket WebsocketProbe `yaml:"websocket,omitempty"`
}

// HTTPProbe is the section http: of a module.
type HTTPProbe struct {
	ValidStatusCodes          []int    `yaml:"valid_status_codes,omitempty"` // empty: 2xx
	ValidHTTPVersions         []string `yaml:"valid_http_versions,omitempty"`
	IPProtocol                string   `yaml:"preferred_ip_protocol,omitempty"` // empty: ip6
	IPProtocolFallback        bool     `yaml:"ip_protocol_fallback"`
	SourceIPAddress           string   `yaml:"source_ip_address,omitempty"` // not in blackbox_exporter
	SkipResolvePhaseWithProxy bool     `yaml:"skip_resolve_phase_with_proxy,omitempty"`
	// the old name of follow_redirects: false
	NoFollowRedirects          *bool             `yaml:"no_follow_redirects,omitempty"`
	FailIfSSL                  bool              `yaml:"fail_if_ssl,omitempty"`
	FailIfNotSSL               bool              `yaml:"fail_if_not_ssl,omitempty"`
	Method                     string            `yaml:"method,omitempty"`
	Headers                    map[string]string `yaml:"headers,omitempty"`
	FailIfBodyMatchesRegexp    []Regexp          `yaml:"fail_if_body_matches_regexp,omitempty"`
	FailIfBodyNotMatchesRegexp []Regexp          `yaml:"fail_if_body_not_matches_regexp,omitempty"`
	FailIfBodyMatchesCEL       *CEL              `yaml:"fail_if_body_json_matches_cel,omitempty"`
	FailIfBodyNotMatchesCEL    *CEL              `yaml:"fail_if_body_json_not_matches_cel,omitempty"`
	FailIfHeaderMatches        []HeaderMatch     `yaml:"fail_if_header_matches,omitempty"`
	FailIfHeaderNotMatches     []HeaderMatch     `yaml:"fail_if_header_not_matches,omitempty"`
	Body                       string            `yaml:"body,omitempty"`
	BodyFile                   string            `yaml:"body_file,omitempty"`
	Compression                string            `yaml:"compression,omitempty"`
	BodySizeLimit              Bytes             `yaml:"body_size_limit,omitempty"` // decompressed; 0: no limit
	EnableHTTP3                bool              `yaml:"enable_http3,omitempty"`
	Metrics                    []BodyMetric      `yaml:"metrics,omitempty"` // not in blackbox_exporter

	// A named field: embedded, its UnmarshalYAML would become that of HTTPProbe.
	Client config.HTTPClientConfig `yaml:",inline"`
}

// TCPProbe is the section tcp: of a module.
type TCPProbe struct {
	IPProtocol         string           `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool             `yaml:"ip_protocol_fallback"`
	SourceIPAddress    string           `yaml:"source_ip_address,omitempty"`
	QueryResponse      []QueryResponse  `yaml:"query_response,omitempty"`
	TLS                bool             `yaml:"tls,omitempty"`
	TLSConfig          config.TLSConfig `yaml:"tls_config,omitempty"`
}

// UnixProbe is the section unix: of a module: tcp's conversation over a stream socket of the host.
type UnixProbe struct {
	QueryResponse []QueryResponse  `yaml:"query_response,omitempty"`
	TLS           bool             `yaml:"tls,omitempty"`
	TLSConfig     config.TLSConfig `yaml:"tls_config,omitempty"`
}

// WebsocketProbe is the section websocket: of a module, as blackbox_exporter's master has it.
type WebsocketProbe struct {
	Client             config.HTTPClientConfig `yaml:"http_config,omitempty"`
	Headers            config.Headers          `yaml:"headers,omitempty"`
	QueryResponse      []QueryResponse         `yaml:"query_response,omitempty"` // a message for each line of tcp's
	IPProtocol         string                  `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool                    `yaml:"ip_protocol_fallback"`
}

// QueryResponse is one step of a conversation.
type QueryResponse struct {
	Expect      Regexp `yaml:"expect,omitempty"`
	ExpectBytes string `yaml:"expect_bytes,omitempty"`
	// of probe_expect_info; ${1} in a value is a submatch of the expression
	Labels   []ExpectLabel `yaml:"labels,omitempty"`
	Send     string        `yaml:"send,omitempty"`
	StartTLS bool          `yaml:"starttls,omitempty"`
}

// ExpectLabel is a label of probe_expect_info.
type ExpectLabel struct {
	Name  string `yaml:"name,omitempty"`
	Value string `yaml:"value,omitempty"`
}

// ICMPProbe is the section icmp: of a module.
type ICMPProbe struct {
	IPProtocol         string `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool   `yaml:"ip_protocol_fallback"`
	SourceIPAddress    string `yaml:"source_ip_address,omitempty"`
	PayloadSize        int    `yaml:"payload_size,omitempty"`
	DontFragment       bool   `yaml:"dont_fragment,omitempty"` // needs a raw socket
	TTL                int    `yaml:"ttl,omitempty"`
}

// DNSProbe is the section dns: of a module.
type DNSProbe struct {
	IPProtocol         string           `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool             `yaml:"ip_protocol_fallback"`
	DNSOverTLS         bool             `yaml:"dns_over_tls,omitempty"`
	TLSConfig          config.TLSConfig `yaml:"tls_config,omitempty"`
	SourceIPAddress    string           `yaml:"source_ip_address,omitempty"`
	TransportProtocol  string           `yaml:"transport_protocol,omitempty"` // udp (default) or tcp
	QueryClass         string           `yaml:"query_class,omitempty"`        // default IN
	QueryName          string           `yaml:"query_name,omitempty"`
	QueryType          string           `yaml:"query_type,omitempty"` // default ANY
	Recursion          bool             `yaml:"recursion_desired"`
	ValidRcodes        []string         `yaml:"valid_rcodes,omitempty"` // default NOERROR
	ValidateAnswer     RRValidator      `yaml:"validate_answer_rrs,omitempty"`
	ValidateAuthority  RRValidator      `yaml:"validate_authority_rrs,omitempty"`
	ValidateAdditional RRValidator      `yaml:"validate_additional_rrs,omitempty"`
}

// RRValidator says what the records of one section of an answer must and must not match.
type RRValidator struct {
	FailIfMatches     []Regexp `yaml:"fail_if_matches_regexp,omitempty"`
	FailIfAllMatch    []Regexp `yaml:"fail_if_all_match_regexp,omitempty"`
	FailIfNotMatches  []Regexp `yaml:"fail_if_not_matches_regexp,omitempty"`
	FailIfNoneMatches []Regexp `yaml:"fail_if_none_matches_regexp,omitempty"`
}

// GRPCProbe is the section grpc: of a module.
type GRPCProbe struct {
	Service            string              `yaml:"service,omitempty"`
	TLS                bool                `yaml:"tls,omitempty"`
	TLSConfig          config.TLSConfig    `yaml:"tls_config,omitempty"`
	IPProtocol         string              `yaml:"preferred_ip_protocol,omitempty"`
	IPProtocolFallback bool                `yaml:"ip_protocol_fallback"`
	SourceIPAddress    string              `yaml:"source_ip_address,omitempty"` // not in blackbox_exporter
	Metadata           map[string][]string `yaml:"metadata,omitempty"`
}

// HeaderMatch is an expression on a header.
type HeaderMatch struct {
	Header       string `yaml:"header,omitempty"`
	Regexp       Regexp `yaml:"regexp,omitempty"`
	AllowMissing bool   `yaml:"allow_missing,omitempty"`
}

// BodyMetric turns a number of a JSON body into a metric.
type BodyMetric struct {
	Name   string            `yaml:"name"`
	Path   string            `yaml:"path"` // as gjson reads it
	Labels map[string]string `yaml:"labels,omitempty"`
	Help   string            `yaml:"help,omitempty"`
}

// A Schedule probes targets on a clock.
type Schedule struct {
	Name     string        `yaml:"name"`
	Module   string        `yaml:"module"`
	Interval time.Duration `yaml:"interval"` // 100 ms or more
	Targets  []string      `yaml:"targets"`

	// globs of files with more targets, in Prometheus' file_sd format
	Files    []string          `yaml:"files,omitempty"`
	Labels   map[string]string `yaml:"labels,omitempty"`   // on every metric of the probe
	Hostname string            `yaml:"hostname,omitempty"` // Host header, and the name for certificates
}

// SetDirectory makes the names of files of targets relative to a folder, as Prometheus does.
func (c *Config) SetDirectory(dir string) {
	for i := range c.Probes {
		for j, glob := range c.Probes[i].Files {
			if !filepath.IsAbs(glob) {
				c.Probes[i].Files[j] = filepath.Join(dir, glob)
			}
		}
	}
}

// OnDemand says which targets /probe may probe.
type OnDemand struct {
	Allow Allow `yaml:"allow"`
}

func faultf(field, format string, args ...any) error {
	return strictyaml.Errorf(field, format, args...)
}

// defaultTTL of ICMP requests, as in blackbox_exporter.
const defaultTTL = 64

// SetDefaults sets blackbox_exporter's defaults.
func (m *Module) SetDefaults() {
	m.HTTP.SetDefaults()
	m.TCP.SetDefaults()
	m.ICMP.SetDefaults()
	m.DNS.SetDefaults()
	m.GRPC.SetDefaults()
	m.Websocket.SetDefaults()
}

func (p *HTTPProbe) SetDefaults() {
	p.IPProtocolFallback = true
	p.Client = config.DefaultHTTPClientConfig
}

func (p *TCPProbe) SetDefaults()  { p.IPProtocolFallback = true }
func (p *ICMPProbe) SetDefaults() { p.IPProtocolFallback, p.TTL = true, defaultTTL }
func (p *DNSProbe) SetDefaults()  { p.IPProtocolFallback, p.Recursion = true, true }
func (p *GRPCProbe) SetDefaults() { p.IPProtocolFallback = true }

func (p *WebsocketProbe) SetDefaults() {
	p.IPProtocolFallback = true
	p.Client = config.DefaultHTTPClientConfig
}

// Validate checks a module.
func (m *Module) Validate() error {
	if _, ok := probers[m.Prober]; !ok {
		return faultf("prober", "%q is not a known prober; the probers are %s", m.Prober,
			strings.Join(proberNames(), ", "))
	}
	if m.Timeout < 0 {
		return faultf("timeout", "%s is negative; write a time above zero such as 5s", m.Timeout)
	}
	if m.Prober == "dns" && m.DNS.QueryName == "" {
		return faultf("dns.query_name", "a dns module needs the name to query")
	}
	return nil
}

// Validate checks an http probe.
func (p *HTTPProbe) Validate() error {
	switch {
	case p.EnableHTTP3 && p.Client.EnableHTTP2:
		return faultf("enable_http3", "HTTP/2 is enabled as well; write enable_http2: false, since a module "+
			"uses one of the two")
	case p.EnableHTTP3 && slices.ContainsFunc(p.ValidHTTPVersions, func(v string) bool { return v != "HTTP/3.0" }):
		return faultf("valid_http_versions", "with enable_http3, only HTTP/3.0 is possible")
	case !p.EnableHTTP3 && slices.Contains(p.ValidHTTPVersions, "HTTP/3.0"):
		return faultf("valid_http_versions", "HTTP/3.0 needs enable_http3: true")
	case p.Body != "" && p.BodyFile != "":
		return faultf("body_file", "body is given as well; keep one of the two")
	case !slices.Contains([]string{"", "gzip", "br", "deflate", "identity"}, strings.ToLower(p.Compression)):
		return faultf("compression", "%q is not a known compression; write gzip, br, deflate or identity",
			p.Compression)
	}
	for name, value := range p.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == "Accept-Encoding" && !accepts(value, p.Compression) {
			return faultf("compression", "the header Accept-Encoding: %s does not ask for %s; make the two agree",
				value,
				p.Compression)
		}
	}
	for i, metric := range p.Metrics {
		if err := metric.check(fmt.Sprintf("metrics[%d]", i)); err != nil {
			return err
		}
	}
	if err := validateSource(p.SourceIPAddress); err != nil {
		return err
	}
	if p.NoFollowRedirects != nil {
		p.Client.FollowRedirects = !*p.NoFollowRedirects
	}
	return validateIPProtocol(p.IPProtocol)
}

// Validate checks a header match.
func (h *HeaderMatch) Validate() error {
	switch {
	case h.Header == "":
		return faultf("header", "the header to match is missing; name one")
	case h.Regexp.Regexp == nil || h.Regexp.String() == "":
		return faultf("regexp", "the expression is missing; write one, such as \".+\"")
	}
	return nil
}

// Validate checks a tcp probe.
func (p *TCPProbe) Validate() error {
	if err := validateSource(p.SourceIPAddress); err != nil {
		return err
	}
	return validateIPProtocol(p.IPProtocol)
}

// Validate checks a step of a conversation.
func (q *QueryResponse) Validate() error {
	if q.Expect.Regexp != nil && q.ExpectBytes != "" {
		return faultf("expect_bytes", "expect is given as well; keep one of the two")
	}
	seen := map[string]bool{}
	for i, label := range q.Labels {
		if field := fmt.Sprintf("labels[%d].name", i); !isLabelName(label.Name) {
			return faultf(field, "%q is not a valid label name", label.Name)
		} else if seen[label.Name] {
			return faultf(field, "the label %q is given twice; keep one", label.Name)
		}
		seen[label.Name] = true
	}
	return nil
}

// Validate checks an icmp probe.
func (p *ICMPProbe) Validate() error {
	switch {
	case p.TTL < 0 || p.TTL > 255:
		return faultf("ttl", "%d is not a valid TTL; write 1 to 255", p.TTL)
	case p.PayloadSize < 0 || p.PayloadSize > 65507:
		return faultf("payload_size", "%d bytes do not fit a packet; write 0 to 65507", p.PayloadSize)
	}
	if err := validateSource(p.SourceIPAddress); err != nil {
		return err
	}
	return validateIPProtocol(p.IPProtocol)
}

// Validate checks a dns probe.
func (p *DNSProbe) Validate() error {
	if _, ok := dns.StringToClass[p.QueryClass]; p.QueryClass != "" && !ok {
		return faultf("query_class", "%q is not a DNS class; write for example IN", p.QueryClass)
	}
	if _, ok := dns.StringToType[p.QueryType]; p.QueryType != "" && !ok {
		return faultf("query_type", "%q is not a DNS record type; write for example A", p.QueryType)
	}
	for i, rcode := range p.ValidRcodes {
		if _, ok := dns.StringToRcode[rcode]; !ok {
			return faultf(fmt.Sprintf("valid_rcodes[%d]", i),
				"%q is not a DNS response code; write for example NOERROR",
				rcode)
		}
	}
	switch {
	case !slices.Contains([]string{"", "udp", "tcp"}, p.TransportProtocol):
		return faultf("transport_protocol", "%q is not a DNS transport; write udp or tcp", p.TransportProtocol)
	case p.DNSOverTLS && p.TransportProtocol != "tcp":
		return faultf("dns_over_tls", "DNS over TLS takes transport_protocol: tcp")
	}
	if err := validateSource(p.SourceIPAddress); err != nil {
		return err
	}
	return validateIPProtocol(p.IPProtocol)
}

// Validate checks a grpc probe.
func (p *GRPCProbe) Validate() error {
	if err := validateSource(p.SourceIPAddress); err != nil {
		return err
	}
	return validateIPProtocol(p.IPProtocol)
}

// Validate checks a websocket probe.
func (p *WebsocketProbe) Validate() error {
	for i, step := range p.QueryResponse {
		switch field := fmt.Sprintf("query_response[%d]", i); {
		case step.ExpectBytes != "":
			return faultf(field+".expect_bytes", "messages of a WebSocket are matched by expect")
		case step.StartTLS:
			return faultf(field+".starttls", "a WebSocket has TLS from its beginning or not at all; take a "+
				"wss:// target")
		case len(step.Labels) > 0:
			return faultf(field+".labels", "a websocket module has no labels from its messages")
		}
	}
	return validateIPProtocol(p.IPProtocol)
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// withScheme returns a target as an http probe requests it: like blackbox_exporter, it adds http if there is no
// scheme.
func withScheme(target string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			return scheme + target[len(scheme):]
		}
	}
	return "http://" + target
}

// DefaultModule considers a server up if it answers with any status below 500. A redirect is an answer.
func DefaultModule() Module {
	m := Module{Prober: "http", Timeout: 5 * time.Second}
	m.SetDefaults()
	m.HTTP.IPProtocol = "ip4"
	m.HTTP.Client.FollowRedirects = false
	for code := 100; code < 500; code++ {
		m.HTTP.ValidStatusCodes = append(m.HTTP.ValidStatusCodes, code)
	}
	return m
}
