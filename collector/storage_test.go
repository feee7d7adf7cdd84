package collector

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
)

// TestStoragePathThatHangs: a storage path that hangs before anything is served is named in the log, and the start goes
// on if it answers in time. Otherwise it fails, and says what to do.
func TestStoragePathThatHangs(t *testing.T) {
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var said bytes.Buffer
			c := &Collector{logger: log.NewLogfmtLogger(&said)}
			answer := make(chan struct{})
			defer func() {
				if !answers {
					close(answer)
				}
			}()
			if answers {
				time.AfterFunc(storagePatience+time.Second, func() { close(answer) })
			}
			state := &statefile.Dir{}
			found, err := c.awaitStorage("/data", func() (storage, error) {
				<-answer
				return storage{state: state}, nil
			})
			synctest.Wait()
			if !strings.Contains(said.String(), "still opening the storage path") ||
				!strings.Contains(said.String(), "path=/data") {
				t.Errorf("it is not named: %s", &said)
			}
			if answers && (err != nil || found.state != state) {
				t.Errorf("it did not go on: %v", err)
			}
			const want = "storage path /data: the disk does not answer; repair it, or choose another folder with " +
				"--storage.path"
			if !answers && (err == nil || err.Error() != want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestHasBegun: a start is over when each log shows its counts, or why it cannot.
func TestHasBegun(t *testing.T) {
	folder := t.TempDir()
	c := newCollector(t, Options{Settings: settingsOf(logFile(t, "good.log", 1), folder), StoragePath: t.TempDir()})
	if c.HasBegun() {
		t.Error("nothing is followed yet")
	}
	end := running(t, c)
	for !c.HasBegun() {
		scraped(t, c)
	}
	if n := scraped(t, c)["fremisn_exporter_log_lines_total good parsed"]; n != 1 {
		t.Errorf("%v lines", n)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
