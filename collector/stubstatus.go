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

// A statusPages fetches every stub_status page at a scrape.
type statusPages struct {
	pages []*statusPage
}

type statusPage struct {
	name   string // the URL without its password
	labels []string
	page   *stubstatus.Page
	stats  task[stubstatus.Stats]
}

// newStatusPages gives each page the label addr if there are several.
func newStatusPages(pages []source.StatusPage, mask func(string) string) (*statusPages, error) {
	s := &statusPages{}
	for _, config := range pages {
		page, err := config.NewPage()
		if err != nil {
			return nil, err
		}
		p := newStatusPage(mask(config.URL), page, config.Timeout)
		if len(pages) > 1 {
			p.labels = []string{p.name}
		}
		s.pages = append(s.pages, p)
	}
	return s, nil
}

// newStatusPage returns a page whose fetching ends at its own time limit.
func newStatusPage(name string, page *stubstatus.Page, timeout time.Duration) *statusPage {
	p := &statusPage{name: name, page: page}
	p.stats.work, p.stats.patience = page.Fetch, timeout+grace
	return p
}

func (s *statusPages) close() {
	for _, p := range s.pages {
		p.page.Close()
	}
}

// collect fetches all pages. It emits the numbers of those that answer, and nginx_up of all.
func (s *statusPages) collect(ctx context.Context) (emission, error) {
	stats := make([]stubstatus.Stats, len(s.pages))
	errs := make([]error, len(s.pages))
	var asking sync.WaitGroup
	for i, p := range s.pages {
		asking.Go(func() { stats[i], errs[i] = p.stats.ask(ctx) })
	}
	asking.Wait()
	var problems []error
	for i, p := range s.pages {
		if errs[i] != nil {
			problems = append(problems, fmt.Errorf("%s: %w", p.name, errs[i]))
		}
	}
	return func(e emitter, openMetrics bool) {
		for i, p := range s.pages {
			if errs[i] != nil {
				e.gauge(metric.Up, 0, p.labels...)
				continue
			}
			e.gauge(metric.Up, 1, p.labels...)
			emitStatus(stats[i], p.labels, openMetrics, e)
		}
	}, errors.Join(problems...)
}

func emitStatus(stats stubstatus.Stats, labels []string, openMetrics bool, e emitter) {
	e.gauge(metric.ConnectionsActive, float64(stats.Active), labels...)
	e.gauge(metric.ConnectionsReading, float64(stats.Reading), labels...)
	e.gauge(metric.ConnectionsWriting, float64(stats.Writing), labels...)
	e.gauge(metric.ConnectionsWaiting, float64(stats.Waiting), labels...)
	// OpenMetrics requires counters to end in _total, and the encoder would rename these two.
	count := e.counter
	if openMetrics {
		count = e.untyped
	}
	count(metric.ConnectionsAccepted, float64(stats.Accepted), labels...)
	count(metric.ConnectionsHandled, float64(stats.Handled), labels...)
	e.counter(metric.HTTPRequests, float64(stats.Requests), labels...)
}
