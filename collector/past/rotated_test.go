package past_test

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/past"
)

// TestExplainWhileLogsAreRotated has logrotate come between the two readings: what was renamed, compressed and removed
// meanwhile is read to its end, and nothing of the new file is. What was cut is gone, and that is an error.
func TestExplainWhileLogsAreRotated(t *testing.T) {
	d := newDay(6)
	d.steadily(2000, 0.05)
	for range 30 {
		d.noLive(0.1)
	}
	d.steadily(2000, 0.05)
	lines := d.lines.String()
	want := explainText(t, lines)
	if len(want.Incidents) != 1 {
		t.Fatal(text(t, want))
	}
	for name, test := range map[string]struct {
		rotate  func(t *testing.T, log string)
		problem string
	}{
		"renamed":    {func(t *testing.T, log string) { rename(t, log, lines) }, ""},
		"compressed": {func(t *testing.T, log string) { rename(t, log, lines); compress(t, log+".1") }, ""},
		"removed": {func(t *testing.T, log string) {
			if err := os.Remove(log); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"cut": {func(t *testing.T, log string) {
			if err := os.Truncate(log, 0); err != nil {
				t.Fatal(err)
			}
		}, "access.log: it was rotated or cut while it was read; ask again"},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "access.log")
			if err := os.WriteFile(log, []byte(lines), 0o644); err != nil {
				t.Fatal(err)
			}
			o := timedOptions(t, "")
			o.Files = []string{log}
			e, problems, err := past.Explain(t.Context(), past.WithBetween(o, func() { test.rotate(t, log) }), nil)
			if test.problem != "" {
				if err == nil || !strings.HasSuffix(err.Error(), test.problem) {
					t.Errorf("%v, want an error with %s", err, test.problem)
				}
				return
			}
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			for i := range e.Incidents { // line numbers are the same, folders are not
				e.Incidents[i].Remedy, want.Incidents[i].Remedy = "", ""
			}
			if diff := cmp.Diff(text(t, want), text(t, e)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestManyFilesWhileLogsAreRotated: of more files than stay open, one that is gone at the second reading is an error.
func TestManyFilesWhileLogsAreRotated(t *testing.T) {
	dir := t.TempDir()
	o := timedOptions(t, "")
	o.Files = nil
	for n := range 258 {
		d := newDay(uint64(n))
		d.steadily(10, 0.05)
		for range 6 {
			d.noLive(0.1)
		}
		path := filepath.Join(dir, fmt.Sprintf("access.log.%03d", n))
		if err := os.WriteFile(path, []byte(d.lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		o.Files = append(o.Files, path)
	}
	remove := func() {
		if err := os.Remove(o.Files[0]); err != nil {
			t.Error(err)
		}
	}
	_, _, err := past.Explain(t.Context(), past.WithBetween(o, remove), nil)
	const problem = "access.log.000: it was rotated or cut while it was read; ask again"
	if err == nil || !strings.HasSuffix(err.Error(), problem) {
		t.Error(err)
	}
}

// rename is what logrotate does first; NGINX then writes a new file, in which something else has gone wrong.
func rename(t *testing.T, log, lines string) {
	t.Helper()
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, []byte(strings.ReplaceAll(lines, "\" 200 ", "\" 502 ")), 0o644); err != nil {
		t.Fatal(err)
	}
}

func compress(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := gzip.NewWriter(file)
	w.Write(text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
