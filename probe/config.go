package probe

import (
	"fmt"
	"net/url"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"
)

// Config is the sections modules:, probes: and on_demand: of the config file.
type Config struct {
	Modules  map[string]Module `yaml:"modules"`
	Probes   []Schedule        `yaml:"probes"` // nil where the section does not stand
	OnDemand OnDemand          `yaml:"on_demand"`
}

// A Module says how to probe, in blackbox_exporter's schema.
type Module struct {
	Prober  string        `yaml:"prober"`
	Timeout time.Duration `yaml:"timeout"` // 0: as long as the scraper, or the schedule, gives
	HTTP    HTTPProbe     `yaml:"http"`
	TCP     TCPProbe      `yaml:"tcp"`
}

// HTTPProbe is the section http: of a module.
type HTTPProbe struct {
	ValidStatusCodes             []int             `yaml:"valid_status_codes"` // empty: 2xx
	ValidHTTPVersions            []string          `yaml:"valid_http_versions"`
	IPProtocol                   string            `yaml:"preferred_ip_protocol"`
	IPProtocolFallback           bool              `yaml:"ip_protocol_fallback"`
	NoFollowRedirects            *bool             `yaml:"no_follow_redirects"`
	FailIfSSL                    bool              `yaml:"fail_if_ssl"`
	FailIfNotSSL                 bool              `yaml:"fail_if_not_ssl"`
	Method                       string            `yaml:"method"`
	Headers                      map[string]string `yaml:"headers"`
	FailIfBodyMatchesRegexp      []Regexp          `yaml:"fail_if_body_matches_regexp"`
	FailIfBodyNotMatchesRegexp   []Regexp          `yaml:"fail_if_body_not_matches_regexp"`
	FailIfHeaderMatchesRegexp    []HeaderMatch     `yaml:"fail_if_header_matches"`
	FailIfHeaderNotMatchesRegexp []HeaderMatch     `yaml:"fail_if_header_not_matches"`
	Body                         string            `yaml:"body"`
	Metrics                      []BodyMetric      `yaml:"metrics"`

	config.HTTPClientConfig `yaml:",inline"`
}

// TCPProbe is the section tcp: of a module.
type TCPProbe struct {
	IPProtocol         string           `yaml:"preferred_ip_protocol"`
	IPProtocolFallback bool             `yaml:"ip_protocol_fallback"`
	SourceIPAddress    string           `yaml:"source_ip_address"`
	QueryResponse      []QueryResponse  `yaml:"query_response"`
	TLS                bool             `yaml:"tls"`
	TLSConfig          config.TLSConfig `yaml:"tls_config"`
}

// QueryResponse is one step of a conversation.
type QueryResponse struct {
	Expect   Regexp `yaml:"expect"`
	Send     string `yaml:"send"`
	StartTLS bool   `yaml:"starttls"`
}

// HeaderMatch is an expression on a header.
type HeaderMatch struct {
	Header       string `yaml:"header"`
	Regexp       Regexp `yaml:"regexp"`
	AllowMissing bool   `yaml:"allow_missing"`
}

// BodyMetric turns a number of a JSON body into a metric.
type BodyMetric struct {
	Name   string            `yaml:"name"`
	Path   string            `yaml:"path"` // as gjson reads it
	Labels map[string]string `yaml:"labels"`
	Help   string            `yaml:"help"`
}

// A Schedule probes targets on a clock.
type Schedule struct {
	Name     string        `yaml:"name"`
	Module   string        `yaml:"module"`
	Interval time.Duration `yaml:"interval"`
	Targets  []string      `yaml:"targets"`
}

// OnDemand says who may be asked for through /probe.
type OnDemand struct {
	Allow Allow `yaml:"allow"`
}

// Allow is configured, any, or a list of expressions.
type Allow struct {
	Any      bool
	Patterns []Regexp
}

// A Regexp is an expression that reads itself from YAML.
type Regexp struct{ *regexp.Regexp }

// UnmarshalYAML compiles the expression.
func (r *Regexp) UnmarshalYAML(node *yaml.Node) error {
	var text string
	if err := node.Decode(&text); err != nil {
		return err
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	r.Regexp = compiled
	return nil
}

// UnmarshalYAML takes a word or a list.
func (a *Allow) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		var texts []string
		if err := node.Decode(&texts); err != nil {
			return err
		}
		for _, text := range texts {
			compiled, err := regexp.Compile("^(?:" + text + ")$")
			if err != nil {
				return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			}
			a.Patterns = append(a.Patterns, Regexp{compiled})
		}
		return nil
	}
	switch node.Value {
	case "configured":
	case "any":
		a.Any = true
	default:
		return fmt.Errorf("%q is neither configured nor any; write one of these, or a list of expressions such as [\"http://10\\\\.0\\\\.0\\\\..*\"]", node.Value)
	}
	return nil
}

type fieldError struct{ field, msg string }

func (e *fieldError) Error() string     { return e.msg }
func (e *fieldError) YAMLField() string { return e.field }

func faultf(field, format string, args ...any) error {
	return &fieldError{field, fmt.Sprintf(format, args...)}
}

// SetDefaults sets what blackbox_exporter has for defaults.
func (m *Module) SetDefaults() {
	m.HTTP.SetDefaults()
	m.TCP.SetDefaults()
}

func (p *HTTPProbe) SetDefaults() {
	p.IPProtocolFallback = true
	p.HTTPClientConfig = config.DefaultHTTPClientConfig
}

func (p *TCPProbe) SetDefaults() { p.IPProtocolFallback = true }

// Validate checks a module.
func (m *Module) Validate() error {
	if _, known := probers[m.Prober]; !known {
		return faultf("prober", "%q is no prober; known are %s", m.Prober, strings.Join(proberNames(), ", "))
	}
	return nil
}

// Validate checks an http probe.
func (p *HTTPProbe) Validate() error {
	if err := validateIPProtocol(p.IPProtocol); err != nil {
		return err
	}
	for i, metric := range p.Metrics {
		if metric.Name == "" || metric.Path == "" {
			return faultf(fmt.Sprintf("metrics[%d]", i), "a metric needs name: and path:")
		}
	}
	if p.NoFollowRedirects != nil {
		p.HTTPClientConfig.FollowRedirects = !*p.NoFollowRedirects
	}
	return p.HTTPClientConfig.Validate()
}

// Validate checks a tcp probe.
func (p *TCPProbe) Validate() error { return validateIPProtocol(p.IPProtocol) }

func validateIPProtocol(protocol string) error {
	switch protocol {
	case "", "ip4", "ip6":
		return nil
	}
	return faultf("preferred_ip_protocol", "%q is no IP protocol; write ip4 or ip6", protocol)
}

// Validate checks a schedule on its own.
func (s *Schedule) Validate() error {
	switch {
	case s.Name == "":
		return faultf("name", "a probe needs a name, the label probe=")
	case s.Interval <= 0:
		return faultf("interval", "a probe needs an interval above zero; write for example 5s")
	case s.Interval < 100*time.Millisecond:
		return faultf("interval", "%s is too short; the shortest is 100ms", s.Interval)
	case len(s.Targets) == 0:
		return faultf("targets", "there is nothing to probe; name at least one target")
	}
	return nil
}

// Validate checks the sections against each other.
func (c *Config) Validate() error {
	names := map[string]bool{}
	for i, s := range c.Probes {
		if names[s.Name] {
			return faultf(fmt.Sprintf("probes[%d].name", i), "two probes have the name %q; give each its own", s.Name)
		}
		names[s.Name] = true
		if _, known := c.Modules[s.Module]; !known {
			return faultf(fmt.Sprintf("probes[%d].module", i), "there is no module %q; known are %s", s.Module, strings.Join(sortedModules(c.Modules), ", "))
		}
		if c.Modules[s.Module].Prober != "http" {
			continue
		}
		for j, target := range s.Targets {
			if u, err := url.Parse(withScheme(target)); err != nil || u.Hostname() == "" {
				return faultf(fmt.Sprintf("probes[%d].targets[%d]", i, j), "%q is no URL; write http://HOST:PORT/", target)
			}
		}
	}
	return nil
}

func sortedModules(modules map[string]Module) []string {
	names := make([]string, 0, len(modules))
	for name := range modules {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// withScheme is a target as an http probe asks it: blackbox_exporter takes http where none stands.
func withScheme(target string) string {
	if !strings.HasPrefix(target, "http://") && !strings.HasPrefix(target, "https://") {
		return "http://" + target
	}
	return target
}

// DefaultModule finds a server alive that answers anything below 500.
func DefaultModule() Module {
	m := Module{Prober: "http", Timeout: 5 * time.Second}
	m.SetDefaults()
	m.HTTP.FollowRedirects = false
	for code := 100; code < 500; code++ {
		m.HTTP.ValidStatusCodes = append(m.HTTP.ValidStatusCodes, code)
	}
	return m
}
