package web

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// MetricsOptions configure /metrics.
type MetricsOptions struct {
	Registry *prometheus.Registry // the exporter's own metrics; those about serving are added to it
	Gatherer func(ctx context.Context, openMetrics bool) prometheus.Gatherer
	// Probes returns further families, sorted and checked, each valid until the next; nil without.
	Probes       func() iter.Seq[*dto.MetricFamily]
	Limit        func() time.Duration // how long an answer may take
	Offset       time.Duration        // taken off the time that Prometheus gives
	CreatedLines bool                 // _created lines in OpenMetrics text
}

const (
	// defaultScrapeTimeout is Prometheus' own default, for scrapers that send none.
	defaultScrapeTimeout = 10 * time.Second
	// maxScrapes limits the scrapes that wait for their answer. Identical ones together cost as much as one.
	maxScrapes = 1024
	// writeLimit is how long a reader may take for an answer.
	writeLimit = 8 * time.Second
	// lateLimit is how long a scraper that is so patient waits for an answer whose gathering has begun.
	lateLimit = AnswerLimit + writeLimit/2
	// timeoutStep is what time limits are rounded to, so that scrapes with nearly the same limit share a gathering.
	timeoutStep = 100 * time.Millisecond
)

// Scrapes serves /metrics as promhttp's handler does, with its metrics. It implements http.Handler.
type Scrapes struct {
	options   MetricsOptions
	failures  *prometheus.CounterVec
	snapshots *snapshots
	slots     chan struct{}
	handler   http.Handler
}

// NewScrapes returns the handler of /metrics.
func NewScrapes(o MetricsOptions) *Scrapes {
	s := &Scrapes{options: o, slots: make(chan struct{}, maxScrapes),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "promhttp_metric_handler_errors_total",
			Help: "Total number of internal errors encountered by the promhttp metric handler.",
		}, []string{"cause"})}
	s.failures.WithLabelValues("gathering")
	s.failures.WithLabelValues("encoding")
	o.Registry.MustRegister(s.failures)
	s.snapshots = newSnapshots(s.gather, o.CreatedLines, func(err error) { s.count("encoding", err) })
	s.handler = promhttp.InstrumentMetricHandler(o.Registry, http.HandlerFunc(s.answer))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Scrapes) answer(w http.ResponseWriter, r *http.Request) {
	select {
	case s.slots <- struct{}{}:
	default:
		refuse(w, errBusy)
		return
	}
	names := r.URL.Query()["name[]"]
	as := answerKey{format: expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...),
		gzip: acceptsGzip(r), names: strings.Join(names, "\n")}
	a, err := s.snapshot(r, as, names)
	<-s.slots // a slow reader keeps none from others
	defer s.snapshots.release(a)
	switch {
	case errors.Is(err, errBusy):
		refuse(w, err)
	case err != nil:
		message := "An error has occurred while serving metrics:\n\n" + err.Error()
		http.Error(w, message, http.StatusInternalServerError)
	default:
		control := http.NewResponseController(w)
		defer s.snapshots.reading(a, func() { control.SetWriteDeadline(time.Now()) })()
		send(w, as, a)
	}
}

// snapshot returns the answer to a request, which the caller must release.
func (s *Scrapes) snapshot(r *http.Request, as answerKey, names []string) (*answer, error) {
	limit := min(scrapeTimeout(r, s.options.Offset), s.options.Limit())
	// What is gathered in time may be encoded late, on a busy machine with a thousand logs: a scraper that still waits
	// gets it.
	ctx, cancel := context.WithTimeout(r.Context(), lateLimit)
	defer cancel()
	of := snapshotKey{as.format.FormatType() == expfmt.TypeOpenMetrics, gatherTimeout(limit)}
	return s.snapshots.get(ctx, of, as, names)
}

func send(w http.ResponseWriter, as answerKey, a *answer) {
	header := w.Header()
	header.Set("Content-Type", string(as.format))
	header.Set("Content-Length", strconv.Itoa(a.body.size))
	header.Set("Vary", "Accept, Accept-Encoding")
	if as.gzip {
		header.Set("Content-Encoding", "gzip")
	}
	a.body.sendTo(w) // a scraper that has gone is its own loss
}

// refuse rejects a request when there is no room for it.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}

// gather merges the families of the exporter's own metrics, of NGINX and of the probes, each of which are checked.
// They have no series in common, so nothing is checked again.
func (s *Scrapes) gather(ctx context.Context, openMetrics bool) (iter.Seq[*dto.MetricFamily], error) {
	families, err := s.options.Registry.Gather()
	more, moreErr := s.options.Gatherer(ctx, openMetrics).Gather()
	families = append(families, more...)
	slices.SortStableFunc(families, func(a, b *dto.MetricFamily) int {
		return strings.Compare(a.GetName(), b.GetName())
	})
	err = errors.Join(err, moreErr)
	s.count("gathering", err)
	switch {
	case s.options.Probes != nil:
		return merged(families, s.options.Probes()), err
	case len(families) == 0 && err != nil:
		return nil, err
	}
	return slices.Values(families), err
}

func (s *Scrapes) count(cause string, err error) {
	if err != nil {
		s.failures.WithLabelValues(cause).Inc()
	}
}

// acceptsGzip reports whether a client takes gzip.
func acceptsGzip(r *http.Request) bool {
	for _, accepted := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, parameters, _ := strings.Cut(accepted, ";")
		quality, has := strings.CutPrefix(strings.TrimSpace(parameters), "q=")
		if strings.TrimSpace(name) == "gzip" {
			q, err := strconv.ParseFloat(quality, 64)
			return !has || err == nil && q > 0
		}
	}
	return false
}

// scrapeTimeout returns Prometheus' timeout less the offset, and at least half of it.
func scrapeTimeout(r *http.Request, offset time.Duration) time.Duration {
	timeout := defaultScrapeTimeout
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err == nil && seconds > 0 && seconds < 3600 {
		timeout = time.Duration(seconds * float64(time.Second))
	}
	return max(timeout-offset, timeout/2)
}

// gatherTimeout returns the part of an answer's time that is left for gathering: it may wait for its turn, and is
// encoded and sent.
func gatherTimeout(limit time.Duration) time.Duration {
	return max((limit - 500*time.Millisecond).Round(timeoutStep), limit/2)
}
