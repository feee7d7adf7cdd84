package collector

import (
	"context"
	"time"
)

// An Other is a part of another package that a scrape reports on as it does on the collectors: whether it works.
type Other struct {
	Name  string
	Check func(ctx context.Context) error
}

// otherPatience is how long a scrape waits for another package.
const otherPatience = 2500 * time.Millisecond

// An other runs the check of another package.
type other struct {
	name string
	task task[struct{}]
}

func newOther(o Other) *other {
	own := &other{name: o.Name}
	own.task.patience, own.task.isFresh = otherPatience, true
	own.task.work = func(ctx context.Context) (struct{}, error) { return struct{}{}, o.Check(ctx) }
	return own
}

func (o *other) collect(ctx context.Context) (emission, error) {
	_, err := o.task.ask(ctx)
	return nil, err
}
