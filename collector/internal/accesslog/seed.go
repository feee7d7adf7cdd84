package accesslog

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/metric"
)

// seed creates the series that start at 0, so that the first failure is an increase.
func (c *Counter) seed() {
	c.ledger.Now = c.clock().UnixMilli()
	if !c.isStream {
		c.seedRequests()
	}
	if c.parser.HasUpstream() {
		c.seedServers()
	}
	if c.parser.Has(logformat.UpstreamAddr) {
		for _, group := range c.cfg.Groups {
			c.ledger.Seed(int(metric.NoLive), group)
		}
	}
}

func (c *Counter) seedRequests() {
	for i, route := range c.routes.names {
		if c.routes.ignored(i) {
			continue
		}
		for o := range outcomeCount {
			c.seedOwn(metric.AccessOutcomes, route, o.String())
		}
	}
	for _, id := range []metric.ID{metric.LimitReq, metric.LimitConn} {
		if metric.Get(id).GivenBy(c.parser) {
			c.seedOwn(id, logformat.Rejected.String())
		}
	}
}

// seedOwn creates a series at 0 without values of the user's own labels.
func (c *Counter) seedOwn(id metric.ID, labels ...string) {
	c.ledger.Seed(int(id), append(labels, c.own.values[0]...)...)
}

func (c *Counter) seedServers() {
	servers := c.cfg.Servers
	if !c.parser.Has(logformat.UpstreamAddr) {
		servers = []string{UnknownServer}
	}
	for _, server := range servers {
		for o := range attemptOutcomes {
			c.ledger.Seed(int(metric.UpstreamOutcomes), server, o.String())
		}
		c.ledger.Seed(int(metric.Retries), server)
	}
}
