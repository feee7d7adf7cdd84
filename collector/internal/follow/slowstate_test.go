package follow

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A slow disk at a start with a thousand logs is one line in the log, and the reason why each of them shows nothing.
func TestSlowStateIsLoggedOnce(t *testing.T) {
	dir, err := statefile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var logged strings.Builder
	records := NewRecords(dir, nil)
	for _, name := range []string{"one", "two"} {
		p := New(Config{Source: source.LogSource{Name: name, Path: "/nowhere/" + name}, State: dir, Records: records,
			Logger: log.NewLogfmtLogger(&logged)})
		p.reportSlowState(records)
		if problem := p.Stats().Problem; !strings.Contains(problem, dir.Path()) {
			t.Errorf("the problem of %s is %q", name, problem)
		}
	}
	if n := strings.Count(logged.String(), "path="+dir.Path()); n != 1 {
		t.Errorf("logged %d times:\n%s", n, logged.String())
	}
}

// Of a thousand logs that start together only a few begin at a time, and one that a disk holds up lets others go on.
func TestFewLogsBeginAtOneTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := NewRecords(nil, nil)
		started := time.Now()
		hanging := make(chan struct{})
		var logs sync.WaitGroup
		for range maxBegin {
			logs.Go(func() {
				done := records.begin(t.Context())
				<-hanging
				done()
			})
		}
		synctest.Wait()
		for range 10 * maxBegin {
			logs.Go(func() {
				defer records.begin(t.Context())()
				if len(records.begins) > maxBegin || time.Since(started) != maxBeginTime {
					t.Errorf("one of %d begins after %s", len(records.begins), time.Since(started))
				}
			})
		}
		synctest.Wait()
		time.Sleep(maxBeginTime)
		synctest.Wait()
		close(hanging)
		logs.Wait()
		if len(records.begins) != 0 {
			t.Errorf("%d have not begun", len(records.begins))
		}
	})
}
