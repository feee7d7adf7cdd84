package collector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/follow"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// settingsOf follows files, each named as it is.
func settingsOf(paths ...string) *source.Settings {
	s := &source.Settings{LatencyBuckets: source.DefaultLatencyBuckets(), MaxSeries: 1000}
	for _, path := range paths {
		s.AccessLogs = append(s.AccessLogs, source.LogSource{
			Name: strings.TrimSuffix(filepath.Base(path), ".log"), Path: path, FromStart: true, From: "test",
			Formats: []source.Format{{Text: "$status"}},
		})
	}
	return s
}

func logFile(t *testing.T, name string, lines int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.Repeat("200\n", lines)), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func newCollector(t *testing.T, o Options) *Collector {
	t.Helper()
	o.Mask, o.Logger = same, log.NewNopLogger()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// running runs a collector until the test, or end, ends it.
func running(t *testing.T, c *Collector) (end func() error) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return sync.OnceValue(func() error { stop(); return <-ended })
}

// scraped is every sample of a scrape by its name and labels' values.
func scraped(t *testing.T, c *Collector) map[string]float64 {
	t.Helper()
	families, err := c.Gatherer(t.Context(), false).Gather()
	if err != nil {
		t.Error(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetValue()
			}
			all[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

// TestReloadBeforeRun: what it changes to is what Run follows.
func TestReloadBeforeRun(t *testing.T) {
	first, second := logFile(t, "first.log", 1), logFile(t, "second.log", 2)
	c := newCollector(t, Options{Settings: settingsOf(first), StoragePath: t.TempDir()})
	if err := c.Reload(context.Background(), settingsOf(first, second)); err != nil {
		t.Fatal(err)
	}
	end := running(t, c)
	got := scraped(t, c)
	if got["fremisn_exporter_log_lines_total first parsed"] != 1 ||
		got["fremisn_exporter_log_lines_total second parsed"] != 2 {
		t.Errorf("%v", got)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if err := c.Reload(context.Background(), settingsOf(first)); !errors.Is(err, errEnded) {
		t.Errorf("a reload after the end: %v", err)
	}
}

// TestReloadWhileEverybodyLooks: pages and scrapes see what was or what is, under the race detector, and no line is
// lost.
func TestReloadWhileEverybodyLooks(t *testing.T) {
	stays, comes := logFile(t, "stays.log", 10), logFile(t, "comes.log", 20)
	c := newCollector(t, Options{Settings: settingsOf(stays), StoragePath: t.TempDir()})
	end := running(t, c)
	// A reload that comes before Run replaces what nobody has followed yet, and who scrapes that sees no log. So both
	// begin when the log is followed.
	for scraped(t, c)["fremisn_exporter_log_lines_total stays parsed"] != 10 {
		runtime.Gosched()
	}
	over := make(chan struct{})
	var looking sync.WaitGroup
	for range 3 {
		looking.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				for _, l := range c.Logs() {
					_ = fmt.Sprint(l)
				}
				if n := scraped(t, c)["fremisn_exporter_log_lines_total stays parsed"]; n != 10 {
					t.Errorf("%v lines are shown of 10", n)
				}
				c.ConfigError(nil)
			}
		})
	}
	for i := range 20 {
		s := settingsOf(stays)
		if i%2 == 0 {
			s = settingsOf(stays, comes)
		}
		s.AccessLogs[0].From = fmt.Sprint("reading ", i)
		if err := c.Reload(context.Background(), s); err != nil {
			t.Error(err)
		}
	}
	close(over)
	looking.Wait()
	if n := scraped(t, c)["fremisn_exporter_log_lines_total stays parsed"]; n != 10 {
		t.Errorf("%v lines of 10", n)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// A hungCounter is a log whose disk does not answer: reading never comes to an end.
type hungCounter struct {
	follow.Counter
	hang chan struct{}
}

func (c hungCounter) Lines([]byte) { <-c.hang }

// withHungLog is a collector that runs on two logs, of which one hangs.
func withHungLog(t *testing.T, hang chan struct{}) (c *Collector, s *source.Settings) {
	s = settingsOf(logFile(t, "hangs.log", 1), logFile(t, "well.log", 3))
	c = newCollector(t, Options{Settings: s})
	makers, err := c.makers(s)
	if err != nil {
		t.Fatal(err)
	}
	hung := func() (follow.Counter, error) {
		counter, err := makers[0]()
		return hungCounter{counter, hang}, err
	}
	c.current.logs[0] = c.follow(s.AccessLogs[0], hung, c.newPeers(s.Logs()), former{})
	return c, s
}

// TestHungLogDisk: it costs a scrape at most three seconds, once, and no other log its numbers; pages, reloads and
// the end do not wait for it either.
func TestHungLogDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		c, s := withHungLog(t, hang)
		end := running(t, c)
		within := func(what string, limit time.Duration, do func()) {
			t.Helper()
			begin := time.Now()
			do()
			if took := time.Since(begin); took > limit {
				t.Errorf("%s takes %s", what, took)
			}
		}
		for i, limit := range []time.Duration{3 * time.Second, 300 * time.Millisecond, 300 * time.Millisecond} {
			within(fmt.Sprintf("scrape %d", i), limit, func() {
				got := scraped(t, c)
				if got["fremisn_exporter_log_lines_total well parsed"] != 3 ||
					got["fremisn_exporter_collector_success access_log"] != 0 {
					t.Errorf("scrape %d: %v", i, got)
				}
			})
		}
		within("a page", 0, func() { c.Logs() })
		within("a reload", reloadWait, func() {
			if err := c.Reload(context.Background(), s); err != nil {
				t.Error(err)
			}
		})
		within("a reload without the log", reloadWait, func() {
			if err := c.Reload(context.Background(), settingsOf(s.AccessLogs[1].Path)); err != nil {
				t.Error(err)
			}
		})
		within("the end", endWait, func() {
			if err := end(); err == nil || !strings.Contains(err.Error(), "hangs.log does not answer") {
				t.Errorf("the end says %v", err)
			}
		})
		close(hang)
		synctest.Wait()
	})
}

// TestEndDuringAReload: a reload that waits for a log that hangs does not keep Run from ending.
func TestEndDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		c, s := withHungLog(t, hang)
		end := running(t, c)
		scraped(t, c)
		reloaded := make(chan error, 1)
		go func() { reloaded <- c.Reload(context.Background(), s) }()
		synctest.Wait()
		begin := time.Now()
		if err := end(); err == nil || time.Since(begin) > endWait {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		<-reloaded
		close(hang)
		synctest.Wait()
	})
}
