package collector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
	"github.com/fremisn/fremisn-exporter/collector/internal/stubstatus"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A statusPages asks every stub_status page at a scrape.
type statusPages struct {
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
func newStatusPages(pages []source.StatusPage, mask func(string) string) (*statusPages, error) {
	s := &statusPages{}
	for _, config := range pages {
		page, err := config.NewPage()
		if err != nil {
			return nil, err
		}
		p := &statusPage{name: mask(config.URL), page: page, timeout: config.Timeout}
		if len(pages) > 1 {
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
func (s *statusPages) collect(ctx context.Context, openMetrics bool, e emitter) error {
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
		e.gauge(metric.Up, up, p.labels...)
		if up == 1 {
			emitStatus(answers[i].stats, p.labels, openMetrics, e)
		}
	}
	return errors.Join(errs...)
}

func emitStatus(stats stubstatus.Stats, labels []string, openMetrics bool, e emitter) {
	e.gauge(metric.ConnectionsActive, float64(stats.Active), labels...)
	e.gauge(metric.ConnectionsReading, float64(stats.Reading), labels...)
	e.gauge(metric.ConnectionsWriting, float64(stats.Writing), labels...)
	e.gauge(metric.ConnectionsWaiting, float64(stats.Waiting), labels...)
	// OpenMetrics wants counters to end in _total, and the encoder would rename these two.
	count := e.counter
	if openMetrics {
		count = e.untyped
	}
	count(metric.ConnectionsAccepted, float64(stats.Accepted), labels...)
	count(metric.ConnectionsHandled, float64(stats.Handled), labels...)
	e.counter(metric.HTTPRequests, float64(stats.Requests), labels...)
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
