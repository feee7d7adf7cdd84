package collector

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// An Other is a collector of another package.
type Other struct {
	Name    string
	Collect func(ctx context.Context, emit func(prometheus.Metric)) error
}

// otherPatience is how long a scrape waits for a collector of another package.
const otherPatience = 2500 * time.Millisecond

// An other runs a collector of another package.
type other struct {
	name string
	task task[[]prometheus.Metric]
}

func newOther(o Other) *other {
	own := &other{name: o.Name}
	own.task.patience, own.task.isFresh = otherPatience, true
	own.task.work = func(ctx context.Context) ([]prometheus.Metric, error) {
		var metrics []prometheus.Metric
		err := o.Collect(ctx, func(m prometheus.Metric) { metrics = append(metrics, m) })
		return metrics, err
	}
	return own
}

func (o *other) collect(ctx context.Context) (emission, error) {
	metrics, err := o.task.ask(ctx)
	if err == errLate {
		metrics = nil // of an earlier time
	}
	return func(e emitter, _ bool) {
		for _, m := range metrics {
			e.emit(m)
		}
	}, err
}
