package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

// MetricsOptions say how /metrics answers.
type MetricsOptions struct {
	Registry     *prometheus.Registry // the exporter's own metrics; those about serving are added to it
	Gatherer     func(ctx context.Context, openMetrics bool) prometheus.Gatherer
	Offset       time.Duration // taken off the time that Prometheus gives
	CreatedLines bool          // _created lines in OpenMetrics text
}

// defaultScrapeTimeout is Prometheus' own default, for scrapers that do not tell theirs.
const defaultScrapeTimeout = 10 * time.Second

// Metrics is the handler of /metrics.
func Metrics(o MetricsOptions) http.Handler {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout(r, o.Offset))
		defer cancel()
		openMetrics := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...).FormatType() == expfmt.TypeOpenMetrics
		promhttp.HandlerFor(
			prometheus.Gatherers{o.Registry, o.Gatherer(ctx, openMetrics)},
			promhttp.HandlerOpts{
				ErrorHandling:                       promhttp.ContinueOnError,
				Registry:                            o.Registry,
				EnableOpenMetrics:                   true,
				EnableOpenMetricsTextCreatedSamples: o.CreatedLines,
			},
		).ServeHTTP(w, r)
	})
	return promhttp.InstrumentMetricHandler(o.Registry, handler)
}

// scrapeTimeout is what Prometheus says it will wait, less the offset, and never less than half of it.
func scrapeTimeout(r *http.Request, offset time.Duration) time.Duration {
	timeout := defaultScrapeTimeout
	if seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64); err == nil && seconds > 0 && seconds < 3600 {
		timeout = time.Duration(seconds * float64(time.Second))
	}
	return max(timeout-offset, timeout/2)
}
