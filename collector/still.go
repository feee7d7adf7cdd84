package collector

import (
	"context"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/errorlog"
	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
)

// stillPatience is how long is waited for all logs to be looked at. A disk that hangs costs that, and then the logs are
// asked one by one.
const stillPatience = 200 * time.Millisecond

// stillLogs are logs to which nothing has been written that is not shown.
type stillLogs map[*follow.Pipeline]bool

// findStill finds them: of many logs most are such, and need not be woken.
func (c *Collector) findStill(context.Context) (stillLogs, error) {
	still := stillLogs{}
	for _, f := range c.observed().logs {
		if f.pipeline.IsStill() {
			still[f.pipeline] = true
		}
	}
	return still, nil
}

// askStill returns those that are found in time, after the question: of another moment they would be wrong.
func (c *Collector) askStill(ctx context.Context) stillLogs {
	still, err := c.still.ask(ctx)
	if err != nil {
		return nil
	}
	return still
}

// renew returns what makes a counter again that nobody needs for now, nil while somebody does.
func renew(c follow.Counter) func() (follow.Counter, error) {
	switch c := c.(type) {
	case *accesslog.Counter:
		if again := c.Renew(time.Now().UnixMilli()); again != nil {
			return func() (follow.Counter, error) { return again() }
		}
	case *errorlog.Counter:
		if again := c.Renew(time.Now()); again != nil {
			return func() (follow.Counter, error) { return again(), nil }
		}
	}
	return nil
}
