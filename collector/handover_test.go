package collector

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestFileIsHandedOver: a file goes from a glob to an entry of its own and back, by reloads, while it is written. Each
// line is counted once, and no counter goes down, with and without a storage path.
func TestFileIsHandedOver(t *testing.T) {
	for name, storage := range map[string]string{"on disk": t.TempDir(), "in memory": ""} {
		t.Run(name, func(t *testing.T) { handOver(t, storage) })
	}
}

func handOver(t *testing.T, storage string) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	written := 0
	write := func() {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for range 7 {
			written++
			if _, err := fmt.Fprintf(file, "200 %d.010\n", 1_000_000+written); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	settings := func(paths ...string) *source.Settings {
		s := settingsOf(paths...)
		for i := range s.AccessLogs {
			s.AccessLogs[i].Formats[0].Text = "$status $request_time"
		}
		return s
	}
	glob := filepath.Join(dir, "*.log")
	c := newCollector(t, Options{Settings: settings(glob), StoragePath: storage})
	end := running(t, c)
	defer end()
	shown, total := map[string]float64{}, 0.0
	for i, paths := range [][]string{{glob, path}, {glob}, {path, glob}, {path}, {path, glob},
		{glob}, {glob, path}} {
		write()
		if err := c.Reload(t.Context(), settings(paths...)); err != nil {
			t.Fatal(err)
		}
		write()
		samples := scraped(t, c)
		for _, l := range c.observed().settings.AccessLogs {
			now := samples["fremisn_exporter_log_lines_total "+l.Name+" parsed"]
			total += now - shown[l.Name]
			shown[l.Name] = now
		}
		if len(paths) == 2 && total != float64(written) { // otherwise one is not shown
			t.Fatalf("reload %d, %s: %v lines are counted of %d: %v", i, paths, total, written, shown)
		}
	}
}
