package follow

import (
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

	claims map[string]claim // by the log's name
	late   map[string]<-chan struct{}
	again  *Records // shares out once more, for those that were late
	looks  looks
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

// begin waits until a log may begin. done reports that it has.
func (r *Records) begin() (done func()) {
	if r == nil {
		return func() {}
	}
	r.begins <- struct{}{}
	done = sync.OnceFunc(func() { <-r.begins })
	time.AfterFunc(maxBeginTime, done)
	return done
}

// of returns the claim of a log. If the log's disk does not answer, it returns a channel that is closed when it does;
// then the claim is to be had of again.
func (r *Records) of(log string, owners *tail.Owners) (found claim, late <-chan struct{}) {
	r.once.Do(func() {
		r.claims, r.late = r.share(owners)
		r.again = NewRecords(r.dir, r.logs)
	})
	return r.claims[log], r.late[log]
}
