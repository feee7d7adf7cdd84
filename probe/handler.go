package probe

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

const (
	// defaultScrapeTimeout is for clients that send none, as in blackbox_exporter.
	defaultScrapeTimeout = 120 * time.Second
	// maxScrapeTimeout limits what clients may send.
	maxScrapeTimeout = time.Hour
)

// ServeHTTP serves /probe?module=&target=&hostname=&debug=true as blackbox_exporter does.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	m, target, code, problem := s.demanded(query)
	timeout, err := s.demandTimeout(r)
	if problem == "" && err != nil {
		code, problem = http.StatusBadRequest, fmt.Sprintf("X-Prometheus-Scrape-Timeout-Seconds is not a valid "+
			"number of seconds: %s", err)
	}
	if problem != "" {
		http.Error(w, problem, code)
		return
	}
	select {
	case s.demand <- struct{}{}:
		defer func() { <-s.demand }()
	default:
		s.refused.add(refusedBusy, target)
		http.Error(w, refusals[refusedBusy], http.StatusServiceUnavailable)
		return
	}
	result := once(r.Context(), m, m.ask(target), timeout)
	if s.onDemand != nil {
		s.onDemand.Log("msg", "probe of /probe", "module", m.name, "target", result.Target, "success", result.Success,
			"duration_seconds", result.Duration.Seconds(), "why", result.Sentence)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(result)
	if query.Get("debug") == "true" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		result.WithLog().debug(w, registry, m)
		return
	}
	options := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}
	promhttp.HandlerFor(registry, options).ServeHTTP(w, r)
}

// demanded returns the module, for this probe only, and the target of a query, or the code and text of the answer to
// an invalid query.
func (s *Service) demanded(query url.Values) (m *prepared, target string, code int, problem string) {
	name, target, hostname := query.Get("module"), query.Get("target"), query.Get("hostname")
	if name == "" {
		name = "http_2xx"
	}
	s.mu.Lock()
	shared, guard := s.modules[name], s.guard
	s.mu.Unlock()
	switch {
	case shared == nil:
		return nil, "", http.StatusBadRequest, fmt.Sprintf("Unknown module %q", name)
	case target == "":
		return nil, "", http.StatusBadRequest, "Target parameter is missing"
	}
	allowed, refused := guard.check(name, shared.Prober, target, hostname)
	if refused != "" {
		s.refused.add(refused, target)
		return nil, "", http.StatusForbidden, refusals[refused]
	}
	own := *shared
	own.permit = allowed
	if err := own.setHostname(hostname); err != nil {
		return nil, "", http.StatusBadRequest, err.Error()
	}
	return &own, target, 0, ""
}

// setHostname applies the parameter hostname.
func (m *prepared) setHostname(hostname string) error {
	if err := m.checkHostname(hostname); err != nil {
		return err
	}
	m.hostname = hostname
	return nil
}

// checkHostname reports a Host header of an http module that differs from hostname.
func (m *Module) checkHostname(hostname string) error {
	if hostname == "" || m.Prober != "http" {
		return nil
	}
	for name, value := range m.HTTP.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == "Host" && value != hostname {
			return fmt.Errorf("host header defined both in module configuration (%s) and with URL-parameter "+
				"'hostname' (%s)",
				value, hostname)
		}
	}
	return nil
}

// demandTimeout returns the scraper's timeout less the offset.
func (s *Service) demandTimeout(r *http.Request) (time.Duration, error) {
	timeout := defaultScrapeTimeout
	if text := r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(seconds) || seconds < 0 {
			return 0, fmt.Errorf("%q", text)
		}
		if seconds > 0 {
			timeout = time.Duration(min(seconds, maxScrapeTimeout.Seconds()) * float64(time.Second))
		}
	}
	if timeout > s.offset {
		timeout -= s.offset
	}
	return timeout, nil
}

// debug writes everything about a probe, without secrets.
func (r Result) debug(w io.Writer, registry *prometheus.Registry, m *prepared) {
	fmt.Fprintf(w, "Logs for the probe:\n%s\n\n\nMetrics that would have been returned:\n", r.Log)
	families, err := registry.Gather()
	if err != nil {
		fmt.Fprintf(w, "not all metrics can be shown: %s\n", m.secrets.Mask(err.Error()))
	}
	var text bytes.Buffer
	for _, family := range families {
		expfmt.MetricFamilyToText(&text, family) // writing to a buffer does not fail
	}
	fmt.Fprintf(w, "%s\n\n\nModule configuration:\n%s", m.secrets.Mask(text.String()), m.maskedYAML())
}

// Describe sends nothing: the metrics of a probe depend on its result.
func (r Result) Describe(chan<- *prometheus.Desc) {}

// Collect sends the result as blackbox_exporter does, without labels of this exporter.
func (r Result) Collect(metrics chan<- prometheus.Metric) {
	for _, s := range r.Samples {
		var names, values []string
		for _, l := range s.Labels {
			names, values = append(names, l.Name), append(values, l.Value)
		}
		desc := prometheus.NewDesc(s.Name, s.Help, names, nil)
		metric, err := prometheus.NewConstMetric(desc, prometheus.GaugeValue, s.Value, values...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(desc, err)
		}
		metrics <- metric
	}
}
