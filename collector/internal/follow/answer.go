package follow

import (
	"context"
	"time"
)

// maxAnswer is how long a disk may take to answer before logs on other disks go on without it.
const maxAnswer = time.Second

// An answer is what a disk will say. It may hang.
type answer[T any] struct {
	come  chan struct{} // closed when there is a value
	value T
}

// ask calls do, which asks a disk, in a goroutine of its own.
func ask[T any](do func() T) *answer[T] {
	a := &answer[T]{come: make(chan struct{})}
	go func() {
		a.value = do()
		close(a.come)
	}()
	return a
}

// comesWithin reports whether there is an answer before ctx ends.
func (a *answer[T]) comesWithin(ctx context.Context) bool {
	select {
	case <-a.come:
		return true
	case <-ctx.Done():
	}
	select {
	case <-a.come:
		return true
	default:
		return false
	}
}
