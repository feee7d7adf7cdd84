package collector

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// TestLogIsGivenBackInMemory: without a storage path, an entry that a reload removes and a later one gives back goes on
// where it was, although its file was rotated meanwhile. If another log may have counted that, there is a gap.
func TestLogIsGivenBackInMemory(t *testing.T) {
	for name, test := range map[string]struct {
		others  []string
		rotates bool
		lost    float64
		gaps    float64
	}{
		"still":           {rotates: false},
		"rotated":         {rotates: true},
		"beside a glob":   {others: []string{"*.log"}},
		"of a glob, then": {others: []string{"*.log"}, rotates: true, lost: 3, gaps: 1},
	} {
		t.Run(name, func(t *testing.T) {
			path := logFile(t, "a.log", 2)
			var others []string
			for _, other := range append(test.others, "other") {
				others = append(others, filepath.Join(t.TempDir(), other))
			}
			with := settingsOf(append([]string{path}, others...)...)
			c := newCollector(t, Options{Settings: with})
			defer running(t, c)()
			scraped(t, c)
			reload(t, c, settingsOf(others...))
			appendLines(t, path, 3)
			if test.rotates {
				if err := os.Rename(path, path+".1"); err != nil {
					t.Fatal(err)
				}
			}
			appendLines(t, path, 4)
			reload(t, c, with)
			appendLines(t, path, 5)
			samples := scraped(t, c)
			if got := samples["fremisn_exporter_log_lines_total a parsed"]; got != 14-test.lost {
				t.Errorf("%v lines of 14 are counted", got)
			}
			if got := samples["fremisn_exporter_log_gaps_total a uncertain"]; got != test.gaps {
				t.Errorf("%v gaps, want %v", got, test.gaps)
			}
		})
	}
}

func reload(t *testing.T, c *Collector, s *source.Settings) {
	t.Helper()
	if err := c.Reload(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// appendLines writes lines to a log.
func appendLines(t *testing.T, path string, n int) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(strings.Repeat("200\n", n)); err != nil {
		t.Fatal(err)
	}
}
