package probe

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type hostnameKey struct{}

func hostnameOf(ctx context.Context) string {
	hostname, _ := ctx.Value(hostnameKey{}).(string)
	return hostname
}

// defaultScrapeTimeout is for askers that do not tell theirs, as in blackbox_exporter.
const defaultScrapeTimeout = 120 * time.Second

// ServeHTTP is /probe?module=&target=&hostname=&debug=true, as blackbox_exporter answers it.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	name, target := query.Get("module"), query.Get("target")
	if name == "" {
		name = "http_2xx"
	}
	s.mu.Lock()
	m, demand := s.modules[name], s.demand
	s.mu.Unlock()
	if m == nil {
		http.Error(w, fmt.Sprintf("Unknown module %q", name), http.StatusBadRequest)
		return
	}
	if target == "" {
		http.Error(w, "Target parameter is missing", http.StatusBadRequest)
		return
	}
	allowed, mayFollow := demand.check(m.Prober, target)
	if !allowed {
		http.Error(w, "on_demand.allow does not let this target be probed; name it under probes:, or widen allow", http.StatusForbidden)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.demandTimeout(r))
	defer cancel()
	if hostname := query.Get("hostname"); hostname != "" {
		ctx = context.WithValue(ctx, hostnameKey{}, hostname)
	}
	own := *m
	own.mayFollow = mayFollow
	result := once(ctx, &own, target)
	if query.Get("debug") == "true" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "Logs for the probe:\n%s\n\nMetrics that would have been returned:\n", result.Log)
		for _, sample := range result.Samples {
			fmt.Fprintf(w, "%s\n", sample)
		}
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(result)
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

// demandTimeout is what the scraper gives, less the offset.
func (s *Service) demandTimeout(r *http.Request) time.Duration {
	timeout := defaultScrapeTimeout
	if seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64); err == nil && seconds > 0 {
		timeout = time.Duration(seconds * float64(time.Second))
	}
	if timeout > s.offset {
		timeout -= s.offset
	}
	return timeout
}

// Describe tells nothing: what a probe gives depends on how it goes.
func (r Result) Describe(chan<- *prometheus.Desc) {}

// Collect gives the result as blackbox_exporter does, without labels of ours.
func (r Result) Collect(metrics chan<- prometheus.Metric) {
	for _, s := range r.Samples {
		var names, values []string
		for _, l := range s.Labels {
			names, values = append(names, l.Name), append(values, l.Value)
		}
		metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(s.Name, s.Help, names, nil), prometheus.GaugeValue, s.Value, values...)
	}
}

func (s Sample) String() string {
	text := s.Name
	for i, l := range s.Labels {
		open := ","
		if i == 0 {
			open = "{"
		}
		text += open + l.Name + "=" + strconv.Quote(l.Value)
	}
	if len(s.Labels) > 0 {
		text += "}"
	}
	return text + " " + strconv.FormatFloat(s.Value, 'g', -1, 64)
}
