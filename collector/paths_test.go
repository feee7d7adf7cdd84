package collector_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestPathsThatCannotBeFollowed: the collector says what to do about them, and gives the other logs.
func TestPathsThatCannotBeFollowed(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "access.log")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "access.log")
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		fifo: "is a pipe (FIFO), which has no position to return to; let NGINX send syslog instead",
		link: "is a character device, not a file; a container image that links its log to stdout is the usual " +
			"cause: give NGINX a volume",
	} {
		good := filepath.Join(t.TempDir(), "good.log")
		if err := os.WriteFile(good, []byte("200\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		formats := []source.Format{{Text: "$status"}}
		settings := &source.Settings{LatencyBuckets: source.DefaultLatencyBuckets(), MaxSeries: 1000,
			AccessLogs: []source.LogSource{
				{Name: "bad", Path: path, Formats: formats, FromStart: true}, {Name: "good", Path: good,
					Formats:   formats,
					FromStart: true},
			}}
		c, err := collector.New(collector.Options{Settings: settings, Mask: func(s string) string { return s },
			Logger: log.NewNopLogger()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); c.Run(ctx) }()
		families, err := c.Gatherer(context.Background(), false).Gather()
		if err != nil {
			t.Fatal(err)
		}
		counted, success := 0.0, -1.0
		for _, f := range families {
			for _, m := range f.GetMetric() {
				switch f.GetName() {
				case "nginx_access_requests_total":
					counted += m.GetCounter().GetValue()
				case "fremisn_exporter_collector_success":
					success = m.GetGauge().GetValue()
				}
			}
		}
		if counted != 1 || success != 0 {
			t.Errorf("%s: the other log counts %v, success is %v", path, counted, success)
		}
		if told := c.Logs()[0].Problem; !strings.Contains(told, want) {
			t.Errorf("%s: reported %q, want %q", path, told, want)
		}
		stop()
		<-done
	}
}
