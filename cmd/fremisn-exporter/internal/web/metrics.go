package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
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

// Metrics is the handler of /metrics. It answers as promhttp's does, with its metrics, but does not compress: the scraper is
// near, and compressing costs more than all the rest.
func Metrics(o MetricsOptions) http.Handler {
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "promhttp_metric_handler_errors_total",
		Help: "Total number of internal errors encountered by the promhttp metric handler.",
	}, []string{"cause"})
	failures.WithLabelValues("gathering")
	failures.WithLabelValues("encoding")
	o.Registry.MustRegister(failures)
	bodies := sync.Pool{New: func() any { return new(exposition) }}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout(r, o.Offset))
		defer cancel()
		format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
		families, err := gather(o.Registry, o.Gatherer(ctx, format.FormatType() == expfmt.TypeOpenMetrics))
		if err != nil {
			failures.WithLabelValues("gathering").Inc()
			if len(families) == 0 {
				http.Error(w, "An error has occurred while serving metrics:\n\n"+err.Error(), http.StatusInternalServerError)
				return
			}
		}
		if names := r.URL.Query()["name[]"]; len(names) > 0 {
			families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return !slices.Contains(names, f.GetName()) })
		}
		e := bodies.Get().(*exposition)
		defer bodies.Put(e)
		e.reset(format, o.CreatedLines)
		if err := e.write(families); err != nil {
			failures.WithLabelValues("encoding").Inc()
		}
		w.Header().Set("Content-Type", string(format))
		w.Header().Set("Content-Length", strconv.Itoa(e.body.Len()))
		w.Header().Add("Vary", "Accept")
		w.Write(e.body.Bytes()) // a scraper that has gone is its own loss
	})
	return promhttp.InstrumentMetricHandler(o.Registry, handler)
}

// gather merges the families of two gatherers, each of which gives its own sorted by name and checked. They share none, and
// so nothing is checked again.
func gather(one, other prometheus.Gatherer) ([]*dto.MetricFamily, error) {
	families, err := one.Gather()
	more, moreErr := other.Gather()
	families = append(families, more...)
	slices.SortStableFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return families, errors.Join(err, moreErr)
}

// scrapeTimeout is what Prometheus says it will wait, less the offset, and never less than half of it.
func scrapeTimeout(r *http.Request, offset time.Duration) time.Duration {
	timeout := defaultScrapeTimeout
	if seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64); err == nil && seconds > 0 && seconds < 3600 {
		timeout = time.Duration(seconds * float64(time.Second))
	}
	return max(timeout-offset, timeout/2)
}
