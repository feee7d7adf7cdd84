package follow

import (
	"context"
	"sync"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// Records share out the records of a folder among logs that begin at the same time. They are read once, for all.
type Records struct {
	dir  *statefile.Dir
	logs []source.LogSource
	once sync.Once
	slow sync.Once // says that the folder's disk does not answer

	begins chan struct{} // a token for each log that begins

	shared *answer[shared]
	again  *Records // shares out once more, for those that were late
	looks  looks
}

// shared is what logs get, by their names.
type shared struct {
	claims map[string]claim
	late   map[string]<-chan struct{} // of those whose disks did not answer: closed when they do
}

// looks count what is looked at to share out records.
type looks struct{ records, contents int }

const (
	// maxBegin is how many logs begin at one time. All of a thousand at once would leave scrapes waiting for their turn
	// of the processor.
	maxBegin = 8
	// maxBeginTime is how long one may hold up others: it waits for a disk, or has much to read.
	maxBeginTime = 100 * time.Millisecond
)

// NewRecords returns the records of a folder, which are read when they are first asked for. logs are all that are
// followed, those that begin and those that have begun.
func NewRecords(dir *statefile.Dir, logs []source.LogSource) *Records {
	return &Records{dir: dir, logs: logs, begins: make(chan struct{}, maxBegin)}
}

// begin waits until a log may begin, or ctx ends. done reports that it has.
func (r *Records) begin(ctx context.Context) (done func()) {
	if r == nil {
		return func() {}
	}
	select {
	case r.begins <- struct{}{}:
	case <-ctx.Done():
		return func() {}
	}
	done = sync.OnceFunc(func() { <-r.begins })
	time.AfterFunc(maxBeginTime, done)
	return done
}

// of returns the claim of a log. It waits until the log's disk answers; ok is false if ctx ends first.
func (r *Records) of(ctx context.Context, log string, owners *tail.Owners, isLate func()) (found claim, ok bool) {
	r.once.Do(func() {
		r.again = NewRecords(r.dir, r.logs)
		r.shared = ask(func() shared { return r.share(owners) })
	})
	if !r.shared.comesWithin(ctx) {
		return claim{}, false
	}
	late := r.shared.value.late[log]
	if late == nil {
		return r.shared.value.claims[log], true
	}
	isLate()
	select {
	case <-late:
		return r.again.of(ctx, log, owners, isLate)
	case <-ctx.Done():
		return claim{}, false
	}
}
