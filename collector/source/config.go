package source

import (
	"github.com/prometheus/common/config"

	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/collector/internal/container"
	"github.com/fremisn/fremisn-exporter/collector/internal/stubstatus"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// Config is the section nginx: of the config file. A nil list is absent: nginx.conf decides.
type Config struct {
	NginxConf      string            `yaml:"config"`
	Status         []StatusConfig    `yaml:"status"`
	AccessLogs     []AccessLogConfig `yaml:"access_logs"`
	StreamLogs     []AccessLogConfig `yaml:"stream_logs"` // logs of stream{}
	ErrorLogs      []ErrorLogConfig  `yaml:"error_logs"`
	Routes         []RouteConfig     `yaml:"routes"`
	LatencyBuckets []float64         `yaml:"latency_buckets"` // upper bounds, seconds
	MaxSeries      int               `yaml:"max_series"`      // for each log
}

// StatusConfig is one stub_status page.
type StatusConfig struct {
	URL           string            `yaml:"url"`
	Host          string            `yaml:"host"` // the Host header, if the one of the URL reaches another server
	Timeout       time.Duration     `yaml:"timeout"`
	TLS           *config.TLSConfig `yaml:"tls_config"`
	ProxyProtocol bool              `yaml:"proxy_protocol"` // send a PROXY protocol header, version 1, first
}

// AccessLogConfig is one access log: a file (or a glob), a container's output, or a datagram socket that NGINX sends
// to.
type AccessLogConfig struct {
	Path       string        `yaml:"path"`
	Docker     string        `yaml:"docker"`      // a container, by name or id
	DockerRoot string        `yaml:"docker_root"` // Docker's folder
	Syslog     string        `yaml:"syslog"`
	Name       string        `yaml:"name"`
	Format     FormatNames   `yaml:"format"`   // a line is read in the first that it fits
	Escape     string        `yaml:"escape"`   // default, json or none, for a literal
	Start      string        `yaml:"start"`    // end or beginning
	Wrapping   string        `yaml:"wrapping"` // auto, none, docker or cri: the wrapping of a container runtime
	Labels     []LabelConfig `yaml:"labels"`
}

// ErrorLogConfig is one error log.
type ErrorLogConfig struct {
	Path       string `yaml:"path"`
	Docker     string `yaml:"docker"`
	DockerRoot string `yaml:"docker_root"`
	Syslog     string `yaml:"syslog"`
	Name       string `yaml:"name"`
	Start      string `yaml:"start"`
	Wrapping   string `yaml:"wrapping"`
}

// A place is the origin of a log.
type place struct{ path, docker, dockerRoot, syslog, start, wrapping string }

// RouteConfig names the requests whose path matches.
type RouteConfig struct {
	Name   string `yaml:"name"`
	Match  string `yaml:"match"`
	Ignore bool   `yaml:"ignore"` // do not count its requests
}

// DefaultLatencyBuckets are upper bounds in seconds, up to FREMIS-N's read timeout.
func DefaultLatencyBuckets() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
}

const (
	defaultMaxSeries     = 10000
	defaultStatusTimeout = 2 * time.Second
)

func faultf(field, format string, args ...any) error {
	return strictyaml.Errorf(field, format, args...)
}

// SetDefaults sets the defaults of the section.
func (c *Config) SetDefaults() {
	c.LatencyBuckets = DefaultLatencyBuckets()
	c.MaxSeries = defaultMaxSeries
}

// Validate checks everything that does not depend on the system.
func (c *Config) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) { faults = append(faults, faultf(field, format, args...)) }
	if c.MaxSeries <= 0 {
		fault("max_series", "%d series hold nothing; write a number above zero such as %d", c.MaxSeries,
			defaultMaxSeries)
	}
	if len(c.LatencyBuckets) == 0 {
		fault("latency_buckets", "the list is empty; remove the key to use the default")
	}
	for i, bound := range c.LatencyBuckets {
		switch {
		case math.IsNaN(bound) || math.IsInf(bound, 0) || bound <= 0:
			fault(fmt.Sprintf("latency_buckets[%d]", i), "%g is not a valid bound; write seconds above zero", bound)
		case i > 0 && bound <= c.LatencyBuckets[i-1]:
			fault(fmt.Sprintf("latency_buckets[%d]", i), "%g does not rise above %g before it; sort the bounds",
				bound, c.LatencyBuckets[i-1])
		}
	}
	c.validateNames(fault)
	return errors.Join(faults...)
}

func (c *Config) validateNames(fault func(field, format string, args ...any)) {
	seen, sockets := map[string]string{}, map[string]string{}
	claim := func(field, name, socket string) {
		if first, taken := sockets[socket]; taken && socket != "" {
			fault(field+".syslog", "%s is what nginx.%s receives already; one socket is one log; let NGINX send the "+
				"other log to an address of its own", socket, first)
			return
		}
		sockets[socket] = field
		if first, taken := seen[name]; taken {
			fault(field, "nginx.%[2]s already uses the log name %[1]q; give one of the two another name: (the label "+
				"log)", name, first)
			return
		}
		seen[name] = field
	}
	for i, log := range c.AccessLogs {
		claim(fmt.Sprintf("access_logs[%d]", i), log.Name, log.Syslog)
	}
	for i, log := range c.StreamLogs {
		claim(fmt.Sprintf("stream_logs[%d]", i), log.Name, log.Syslog)
		if len(log.Labels) > 0 {
			fault(fmt.Sprintf("stream_logs[%d].labels", i),
				"logs of stream{} take no labels; remove the key")
		}
	}
	for i, log := range c.ErrorLogs {
		claim(fmt.Sprintf("error_logs[%d]", i), log.Name, log.Syslog)
	}
	urls := map[string]bool{}
	for i, page := range c.Status {
		if urls[page.URL] {
			fault(fmt.Sprintf("status[%d].url", i), "%q is given twice; keep one", page.URL)
		}
		urls[page.URL] = true
	}
}

// SetDefaults gives a page two seconds.
func (c *StatusConfig) SetDefaults() { c.Timeout = defaultStatusTimeout }

// Validate checks the URL and the time.
func (c *StatusConfig) Validate() error {
	if c.Timeout <= 0 {
		return faultf("timeout", "a page needs time to answer; write for example %s", defaultStatusTimeout)
	}
	if err := c.validateTLS(); err != nil {
		return err
	}
	if _, err := stubstatus.New(stubstatus.Config{URL: c.URL, Host: c.Host, Timeout: c.Timeout}); err != nil {
		return faultf("url", "%s", err)
	}
	if strings.ContainsAny(c.Host, "/ \t\r\n@") {
		return faultf("host", "%q is not a host; write a server_name such as status.example.com", c.Host)
	}
	return nil
}

// validateTLS reads the files that tls_config names: a missing file, or one without a certificate, is reported at
// once.
func (c *StatusConfig) validateTLS() error {
	if c.TLS == nil {
		return nil
	}
	if err := c.TLS.Validate(); err != nil {
		return strictyaml.Errorf("tls_config", "%s", err)
	}
	for _, file := range []string{c.TLS.CAFile, c.TLS.CertFile, c.TLS.KeyFile} {
		if info, err := os.Stat(file); file != "" && err == nil && !info.Mode().IsRegular() { // it may have no end
			return strictyaml.Errorf("tls_config", "%s: this is not a regular file", file)
		}
	}
	if _, err := config.NewTLSConfig(c.TLS); err != nil {
		return strictyaml.Errorf("tls_config", "%s", err)
	}
	return nil
}

// NewPage returns the page, ready to be fetched. It does not connect.
func (c *StatusConfig) NewPage() (*stubstatus.Page, error) {
	page := stubstatus.Config{URL: c.URL, Host: c.Host, Timeout: c.Timeout, ProxyProtocol: c.ProxyProtocol}
	if c.TLS != nil {
		var err error
		if page.TLS, err = config.NewTLSConfig(c.TLS); err != nil {
			return nil, fmt.Errorf("nginx.status: tls_config: %w", err)
		}
	}
	return stubstatus.New(page)
}

// Validate checks the source and the words, and gives the log its name.
func (c *AccessLogConfig) Validate() error {
	if err := c.place().validate(); err != nil {
		return err
	}
	switch c.Escape {
	case "", "default", "json", "none":
	default:
		return faultf("escape", "%q is not a valid escape; write default, json or none", c.Escape)
	}
	if c.Name == "" {
		c.Name = c.place().name("")
	}
	return validateLabels(c.Labels)
}

func (c *AccessLogConfig) place() place {
	return place{c.Path, c.Docker, c.DockerRoot, c.Syslog, c.Start, c.Wrapping}
}

// Validate checks the source and the words, and gives the log its name.
func (c *ErrorLogConfig) Validate() error {
	if err := c.place().validate(); err != nil {
		return err
	}
	if c.Name == "" {
		c.Name = c.place().name("-error")
	}
	return nil
}

func (c *ErrorLogConfig) place() place {
	return place{c.Path, c.Docker, c.DockerRoot, c.Syslog, c.Start, c.Wrapping}
}

// name returns the name of a log without one: a container has two logs, of which one gets a suffix.
func (p place) name(suffix string) string {
	if p.docker != "" {
		return strings.ToValidUTF8(strings.TrimPrefix(p.docker, "/"), "\uFFFD") + suffix
	}
	return logName(p.path)
}

func (p place) validate() error {
	if err := p.validateKind(); err != nil {
		return err
	}
	if p.syslog != "" {
		if err := validateSyslog(p.syslog); err != nil {
			return err
		}
	}
	if _, err := filepath.Match(filepath.Base(p.path), ""); err != nil {
		return faultf("path", `%q is not a glob that can be read: a [ without a ]; write \[ for a bracket in a name`,
			p.path)
	}
	if _, ok := container.ParseWrapping(p.wrapping); !ok {
		return faultf("wrapping", "%q is not a valid wrapping; write auto, none, docker or cri", p.wrapping)
	}
	return validateStart(p.start)
}

// validateKind checks that a log has a single origin.
func (p place) validateKind() error {
	switch {
	case p.path == "" && p.syslog == "" && p.docker == "":
		return faultf("", "a log needs path: FILE, docker: CONTAINER or syslog: udp://ADDRESS:PORT")
	case p.path != "" && p.syslog != "":
		return faultf("syslog", "a log has path or syslog, not both; write two logs")
	case p.docker != "" && p.path+p.syslog != "":
		return faultf("docker", "a log has one of docker, path and syslog; write separate logs")
	case p.docker != "" && (p.wrapping == "none" || p.wrapping == "cri"):
		return faultf("wrapping", "Docker's wrapping is known; remove the key")
	case p.docker == "" && p.dockerRoot != "":
		return faultf("docker_root", "this is Docker's folder, for a log with docker: NAME; remove it, or name the "+
			"container")
	case p.syslog != "" && p.wrapping != "":
		return faultf("wrapping", "lines sent to syslog have no wrapping; remove the key")
	}
	return nil
}

func validateStart(start string) error {
	switch start {
	case "", "end", "beginning":
		return nil
	}
	return faultf("start", "%q is not a valid start; write end or beginning", start)
}

func validateSyslog(target string) error {
	if path, ok := strings.CutPrefix(target, "unix:"); ok {
		if path == "" {
			return faultf("syslog", "unix: needs the path of a socket, such as unix:/run/fremisn/access.sock")
		}
		return nil
	}
	address, ok := strings.CutPrefix(target, "udp://")
	if !ok {
		return faultf("syslog", "%q is neither udp://ADDRESS:PORT nor unix:/path", target)
	}
	if !strings.Contains(address, ":") {
		return faultf("syslog", "%q has no port; write %s:514, or the port that NGINX sends to", target, target)
	}
	if err := validateAddress(address); err != nil {
		return faultf("syslog", "%s", err)
	}
	return nil
}

// wildcards match what a glob has in place of what differs between the files.
var wildcards = regexp.MustCompile(`(?:\[[^\]]*\]|[*?])+`)

// logName returns the base name without its suffix; for a glob, without what matches a date or a host, or, if
// nothing is left, the name of its folder.
func logName(path string) string {
	if path == "" {
		return "syslog"
	}
	split := func(base string) []string { return wildcards.Split(base, -1) }
	if plain, ok := tail.Plain(path); ok {
		path, split = plain, func(base string) []string { return []string{base} }
	}
	for dir := path; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		base := strings.ToValidUTF8(filepath.Base(dir), "\uFFFD") // a label's value
		if dir == path {
			base = strings.TrimSuffix(base, filepath.Ext(base))
		}
		var parts []string
		for _, part := range split(base) {
			if part = strings.Trim(part, "-_."); part != "" {
				parts = append(parts, part)
			}
		}
		if len(parts) > 0 {
			return strings.Join(parts, "-")
		}
	}
	return "log"
}

// Validate checks name and expression.
func (c *RouteConfig) Validate() error {
	if c.Name == "" {
		return faultf("name", "a route needs a name")
	}
	if c.Match == "" {
		return faultf("match", "a route needs an expression, such as ^/v1/face/")
	}
	if _, err := regexp.Compile(c.Match); err != nil {
		return faultf("match", "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return nil
}

// Validate checks that a node is distinct from others.
func (n *Node) Validate() error {
	if n.Name == "" {
		return faultf("name", "a node needs a name")
	}
	if strings.HasPrefix(n.Address, "unix:") {
		return nil
	}
	if err := validateAddress(n.Address); err != nil {
		return faultf("address", "%s", err)
	}
	n.Address = nginxconf.Canonical(n.Address) // as it is logged, and as nginx.conf's servers are given
	return nil
}

func validateAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case address == "":
		return fmt.Errorf("the address is missing; write HOST:PORT")
	case err != nil && !strings.Contains(address, ":"):
		return fmt.Errorf("%q has no port; write %s:80, or the port it listens on", address, address)
	case strings.Contains(address, "://"):
		return fmt.Errorf("%q is a URL; write HOST:PORT", address)
	case err != nil && net.ParseIP(strings.Trim(address, "[]")) != nil:
		return fmt.Errorf("%q has no port; write [%s]:80, or the port it listens on", address,
			strings.Trim(address, "[]"))
	case err != nil || host == "":
		return fmt.Errorf("%q is not HOST:PORT", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q has the port %q; a port is 1 to 65535", address, port)
	}
	return nil
}

// ValidateNodes checks that no two nodes share a name or an address.
func ValidateNodes(nodes []Node) error {
	names, addresses := map[string]bool{}, map[string]string{}
	var faults []error
	for i, n := range nodes {
		if names[n.Name] {
			faults = append(faults, faultf(fmt.Sprintf("nodes[%d].name", i),
				"two nodes have the name %q; give each its own", n.Name))
		}
		names[n.Name] = true
		if first, taken := addresses[n.Address]; taken {
			faults = append(faults, faultf(fmt.Sprintf("nodes[%d].address", i),
				"%q is the address of node %q already", n.Address, first))
		}
		addresses[n.Address] = n.Name
	}
	return errors.Join(faults...)
}
