package collector

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A task is something that may be slow, such as reading a log, asking a status page or looking up names. Whoever asks
// waits for its answer no longer than their own context and the task's patience; the work itself goes on, in a
// goroutine of its own, and is never done twice at a time. Who comes while it is under way shares it.
//
// A task that was late costs each scrape its patience once: until it is on time again, it is waited for a tenth of
// that.
type task[T any] struct {
	work     func(ctx context.Context) (T, error)
	patience time.Duration // how long callers wait for it
	limit    time.Duration // how long the work may take, 0 for only its own limits
	isFresh  bool          // an answer must come from work that began after the question

	mu      sync.Mutex // guards the fields below
	running *call[T]   // nil while no work is in progress
	next    *call[T]   // begins when running ends; nil if nobody waits for it
	late    bool       // the last work was late
	valid   T          // the last answer without an error
}

// A call is one execution of the work. It is immutable once done is closed.
type call[T any] struct {
	done   chan struct{}
	answer T
	err    error
}

// grace is how long before the end of its time a task may have answered and still count as late: it has given up.
const grace = 100 * time.Millisecond

// errLate reports that a task has not answered in time.
var errLate = errors.New("no answer in time")

// ask returns the task's answer. If that does not come in time, it returns the last valid one, with errLate.
func (t *task[T]) ask(ctx context.Context) (T, error) {
	c, patience := t.join()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
	case <-timer.C:
		t.setLate()
	}
	return t.lastValid(), errLate
}

func (t *task[T]) lastValid() T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.valid
}

func (t *task[T]) setLate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.late = true
}

// join joins a call, and returns how long to wait for it.
func (t *task[T]) join() (*call[T], time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	patience := t.patience
	if t.late {
		patience /= 10
	}
	switch {
	case t.running == nil:
		t.running = &call[T]{done: make(chan struct{})}
		go t.run(t.running)
	case t.isFresh:
		if t.next == nil {
			t.next = &call[T]{done: make(chan struct{})}
		}
		return t.next, patience
	}
	return t.running, patience
}

// run does the work, and again for those who have come meanwhile.
func (t *task[T]) run(c *call[T]) {
	for c != nil {
		begin := time.Now()
		ctx, cancel := t.limited()
		c.answer, c.err = t.work(ctx)
		cancel()
		close(c.done)
		c = t.ended(c, time.Since(begin) >= t.patience-grace)
	}
}

func (t *task[T]) limited() (context.Context, context.CancelFunc) {
	if t.limit == 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), t.limit)
}

// ended stores the result of a call, and returns the next one, or nil if nobody waits.
func (t *task[T]) ended(c *call[T], late bool) *call[T] {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.late = late
	if c.err == nil {
		t.valid = c.answer
	}
	t.running, t.next = t.next, nil
	return t.running
}
