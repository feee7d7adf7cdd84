package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/collector/internal/stubstatus"
)

// A statusPages asks every stub_status page at a scrape.
type statusPages struct {
	descs statusDescs
	pages []*statusPage
}

type statusPage struct {
	name   string // the URL without its password
	labels []string
	page   *stubstatus.Page

	mu       sync.Mutex
	inFlight chan struct{} // closed when the fetch under way ends; nil without one
	last     statusAnswer
	slow     bool // the last fetch had no answer in time
	timeout  time.Duration
}

type statusAnswer struct {
	stats stubstatus.Stats
	err   error
}

// newStatusPages gives each page the label addr where there are several.
func newStatusPages(plans []StatusPlan, mask func(string) string) (*statusPages, error) {
	s := &statusPages{}
	var labelNames []string
	if len(plans) > 1 {
		labelNames = []string{"addr"}
	}
	s.descs = newStatusDescs(labelNames...)
	for _, plan := range plans {
		page, err := stubstatus.New(plan.URL, plan.Host, plan.Timeout)
		if err != nil {
			return nil, err
		}
		p := &statusPage{name: mask(plan.URL), page: page, timeout: plan.Timeout}
		if len(plans) > 1 {
			p.labels = []string{p.name}
		}
		s.pages = append(s.pages, p)
	}
	return s, nil
}

func (s *statusPages) close() {
	for _, p := range s.pages {
		p.page.Close()
	}
}

// collect emits the numbers of the pages that answer, and nginx_up of all.
func (s *statusPages) collect(ctx context.Context, openMetrics bool, emit func(prometheus.Metric)) error {
	answers := make([]statusAnswer, len(s.pages))
	var wg sync.WaitGroup
	for i, p := range s.pages {
		wg.Go(func() { answers[i] = p.ask(ctx) })
	}
	wg.Wait()
	var errs []error
	for i, p := range s.pages {
		up := 1.0
		if err := answers[i].err; err != nil {
			up = 0
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
		}
		emit(prometheus.MustNewConstMetric(s.descs.up, prometheus.GaugeValue, up, p.labels...))
		if up == 1 {
			s.emit(answers[i].stats, p.labels, openMetrics, emit)
		}
	}
	return errors.Join(errs...)
}

func (s *statusPages) emit(stats stubstatus.Stats, labels []string, openMetrics bool, emit func(prometheus.Metric)) {
	gauge := func(d *prometheus.Desc, v uint64) {
		emit(prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...))
	}
	gauge(s.descs.active, stats.Active)
	gauge(s.descs.reading, stats.Reading)
	gauge(s.descs.writing, stats.Writing)
	gauge(s.descs.waiting, stats.Waiting)
	// OpenMetrics wants counters to end in _total, and the encoder would rename these two.
	kind := prometheus.CounterValue
	if openMetrics {
		kind = prometheus.UntypedValue
	}
	emit(prometheus.MustNewConstMetric(s.descs.accepted, kind, float64(stats.Accepted), labels...))
	emit(prometheus.MustNewConstMetric(s.descs.handled, kind, float64(stats.Handled), labels...))
	emit(prometheus.MustNewConstMetric(s.descs.requests, prometheus.CounterValue, float64(stats.Requests), labels...))
}

// ask fetches the page. A page that did not answer in time once is given a tenth of its time at the next scrapes,
// until it answers again: a hanging NGINX must not delay the metrics of everything else. The fetch itself goes on
// to its own time limit, so a page that is merely slow comes back.
func (p *statusPage) ask(ctx context.Context) statusAnswer {
	p.mu.Lock()
	done, slow := p.inFlight, p.slow
	if done == nil {
		done = make(chan struct{})
		p.inFlight = done
		go p.fetch(done)
	}
	p.mu.Unlock()
	wait := p.timeout + grace
	if slow {
		wait = p.timeout / 10
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-done:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.last
	case <-ctx.Done():
	case <-timer.C:
	}
	return statusAnswer{err: errors.New("no answer in time")}
}

// fetch outlives the scrape that began it; the page's own time limit ends it.
func (p *statusPage) fetch(done chan struct{}) {
	begin := time.Now()
	stats, err := p.page.Fetch(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = statusAnswer{stats, err}
	p.slow = err != nil && time.Since(begin) >= p.timeout
	p.inFlight = nil
	close(done)
}
