package probe

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// Validate checks a schedule on its own.
func (s *Schedule) Validate() error {
	switch {
	case s.Name == "":
		return faultf("name", "a probe needs a name, the label probe=")
	case s.Module == "":
		return faultf("module", "a probe needs a module; name one of those in modules:")
	case s.Interval <= 0:
		return faultf("interval", "a probe needs an interval above zero; write for example 5s")
	case s.Interval < 100*time.Millisecond:
		return faultf("interval", "%s is too short; the shortest is 100ms", s.Interval)
	case len(s.Targets) == 0 && len(s.Files) == 0:
		return faultf("targets", "the list of targets is empty; name at least one target")
	case strings.ContainsFunc(s.Hostname, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return faultf("hostname", "%q is not a valid host name", s.Hostname)
	}
	for i, glob := range s.Files {
		if _, err := filepath.Match(glob, ""); err != nil {
			return faultf(fmt.Sprintf("files[%d]", i), "%q is not a valid file pattern: a bracket is not closed", glob)
		}
	}
	for _, name := range sortedKeys(s.Labels) {
		if !isLabelName(name) {
			return faultf("labels."+name, "%q is not a valid label name", name)
		} else if slices.Contains(ownLabels, name) || slices.Contains(reservedLabels, name) {
			return faultf("labels."+name, "the label %q is set by the exporter; choose another name", name)
		}
	}
	return s.checkTargets()
}

// reservedLabels are labels of our own metrics beside probe, target and node.
var reservedLabels = []string{"le", "metric", "phase", "quantile", "reason"}

// checkTargets reports a target that is given twice.
func (s *Schedule) checkTargets() error {
	seen := map[string]int{}
	for i, target := range s.Targets {
		// The label target= has no userinfo: two targets that differ only in it would be one series.
		if first, twice := seen[mask.Target(target)]; twice {
			return faultf(fmt.Sprintf("targets[%d]", i),
				"%s is targets[%d] already; remove one, or give it to a probe of another name", mask.Target(target),
				first)
		}
		seen[mask.Target(target)] = i
	}
	return nil
}

// Validate checks the sections against each other.
func (c *Config) Validate() error {
	names := map[string]bool{}
	var faults []error
	fault := func(field, format string, args ...any) { faults = append(faults, faultf(field, format, args...)) }
	for i, s := range c.Probes {
		if names[s.Name] {
			fault(fmt.Sprintf("probes[%d].name", i), "two probes have the name %q; give each its own", s.Name)
		}
		names[s.Name] = true
		m, ok := c.Modules[s.Module]
		if !ok {
			fault(fmt.Sprintf("probes[%d].module", i), "unknown module %q; %s", s.Module, knownModules(c.Modules))
			continue
		}
		if err := m.checkHostname(s.Hostname); err != nil {
			fault(fmt.Sprintf("probes[%d].hostname", i), "%s", err)
		}
		for j, target := range s.Targets {
			if err := checkTarget(m.Prober, target); err != nil {
				fault(fmt.Sprintf("probes[%d].targets[%d]", i, j), "%s", err)
			}
		}
	}
	if err := c.checkMetrics(); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// knownModules suggests names for an unknown module.
func knownModules[M any](modules map[string]M) string {
	if len(modules) == 0 {
		return "define it under modules:"
	}
	return "the modules are " + strings.Join(sortedKeys(modules), ", ")
}

// checkTarget reports a target that the prober can never probe.
func checkTarget(prober, target string) error {
	switch prober {
	case "http", "grpc":
		if scheme, _, has := strings.Cut(target, "://"); has && !strings.EqualFold(scheme, "http") &&
			!strings.EqualFold(scheme, "https") {
			return fmt.Errorf("%q has the scheme %q; write http://… or https://…", mask.Target(target), scheme)
		}
		u, err := url.Parse(withScheme(target))
		if err != nil || u.Hostname() == "" || strings.Contains(u.Host, ":") && u.Port() != "" && !isPort(u.Port()) {
			return fmt.Errorf("%q is not a URL; write http://HOST:PORT/", mask.Target(target))
		}
	case "websocket":
		if scheme, _, has := strings.Cut(target, "://"); !has ||
			!slices.Contains([]string{"ws", "wss", "http", "https"},
				strings.ToLower(scheme)) {
			return fmt.Errorf("%q is not a WebSocket URL; write ws://HOST:PORT/ or wss://HOST:PORT/",
				mask.Target(target))
		}
		return checkTarget("http", withWebScheme(target))
	case "tcp":
		host, port, err := net.SplitHostPort(target)
		if number := strings.Trim(port, "0123456789") == ""; err != nil || host == "" || number && !isPort(port) {
			return fmt.Errorf("%q is not HOST:PORT", mask.Target(target))
		}
	default:
		if target == "" {
			return fmt.Errorf("an empty target cannot be probed")
		}
	}
	return nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// checkMetrics keeps the families of body metrics consistent: one name has one help and one set of label names, and no
// two metrics of a module have the same series.
func (c *Config) checkMetrics() error {
	type family struct{ module, help, labels string }
	families := map[string]family{}
	for _, name := range sortedKeys(c.Modules) {
		series := map[string]bool{}
		for i, metric := range c.Modules[name].HTTP.Metrics {
			field := fmt.Sprintf("modules.%s.http.metrics[%d]", name, i)
			own := family{name, metric.help(), strings.Join(sortedKeys(metric.Labels), ", ")}
			if other, ok := families[metric.Name]; !ok {
				families[metric.Name] = own
			} else if other.labels != own.labels {
				return faultf(field+".labels", "the metric %s has the labels %q here and %q in module %s; make "+
					"them agree",
					metric.Name, own.labels, other.labels, other.module)
			} else if other.help != own.help {
				return faultf(field+".help",
					"the metric %s has another help in module %s; make them agree", metric.Name,
					other.module)
			}
			if key := metric.Name + fmt.Sprint(metric.Labels); series[key] {
				return faultf(field, "the metric %s is given twice with the same labels; give one another label",
					metric.Name)
			} else {
				series[key] = true
			}
		}
	}
	return nil
}

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

func isLabelName(name string) bool {
	return labelName.MatchString(name) && !strings.HasPrefix(name, "__")
}

// reservedPrefixes begin the exporter's own metric names.
var reservedPrefixes = []string{"probe_", "nginx_", "fremisn_exporter_", "fremisn_objective_", "go_", "process_",
	"promhttp_", "scrape_"}

func (b *BodyMetric) check(field string) error {
	switch {
	case b.Name == "":
		return faultf(field+".name", "a metric needs a name")
	case b.Path == "":
		return faultf(field+".path", "a metric needs the path of its number in the answer")
	case !metricName.MatchString(b.Name):
		return faultf(field+".name", "%q is not a valid metric name; use letters, digits and _", b.Name)
	case slices.ContainsFunc(reservedPrefixes, func(prefix string) bool { return strings.HasPrefix(b.Name, prefix) }),
		b.Name == "up":
		return faultf(field+".name",
			"%q clashes with the exporter's own metrics; take a name that does not begin with %s", b.Name,
			strings.Join(reservedPrefixes, ", "))
	}
	for _, name := range sortedKeys(b.Labels) {
		if !isLabelName(name) {
			return faultf(field+".labels", "%q is not a valid label name", name)
		}
		if slices.Contains(ownLabels, name) {
			return faultf(field+".labels", "the label %q is set by the exporter; choose another name", name)
		}
	}
	return nil
}

func (b *BodyMetric) help() string {
	if b.Help != "" {
		return b.Help
	}
	return "A number of the answer, found at the path that the module names."
}

// validateIPProtocol also accepts the spellings of ip4 that users of blackbox_exporter have.
func validateIPProtocol(protocol string) error {
	switch protocol {
	case "", "ip4", "ip6", "ipv4":
		return nil
	}
	return faultf("preferred_ip_protocol", "%q is not an IP protocol; write ip4 or ip6", protocol)
}

func validateSource(address string) error {
	if address != "" && net.ParseIP(address) == nil {
		return faultf("source_ip_address", "%q is not an IP address", address)
	}
	return nil
}

// accepts reports whether an Accept-Encoding header accepts a compression, by name or by "*", with any preference.
func accepts(header, compression string) bool {
	if compression == "" || header == "" {
		return true
	}
	for part := range strings.SplitSeq(header, ",") {
		encoding, quality := part, 1.0
		if at := strings.LastIndexByte(part, ';'); at >= 0 {
			encoding = part[:at]
			// 0 if it has none
			quality, _ = strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(part[at+1:]), "q="), 64)
		}
		if encoding = strings.TrimSpace(encoding); quality > 0 && (encoding == compression || encoding == "*") {
			return true
		}
	}
	return false
}
