package past

import (
	"bytes"
	"context"
	"io"
	"slices"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/container"
	"github.com/fremisn/fremisn-exporter/collector/internal/errorlog"
)

// errorLogs returns the named error logs, or where no log is named at all those of the settings with their rotated
// parts, the oldest first. Those that do not exist are left out.
func (r *reading) errorLogs(named []string) []string {
	if len(named) > 0 || len(r.Files) > 0 {
		return named
	}
	var all []string
	for i := range r.Settings.ErrorLogs {
		for _, path := range withRotated(&r.Settings.ErrorLogs[i]) {
			if !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	return all
}

// readErrorLogs reads the entries of error logs that concern servers, limits and clients.
func readErrorLogs(ctx context.Context, paths []string, stdin io.Reader) (*errorEvidence, []error, error) {
	e := &errorEvidence{}
	files := make([]File, len(paths))
	for i, path := range paths {
		files[i] = File{Path: path}
	}
	s := &scan{stream: container.Stderr, files: files, stdin: stdin, workers: 1, progress: &progress{},
		visitor: func(int,
			int) visitor {
			return errorVisitor{e}
		}}
	problems, err := s.run(ctx)
	return e, problems, err
}

// errorVisitor receives the lines of an error log.
type errorVisitor struct{ *errorEvidence }

func (v errorVisitor) Lines(block []byte) {
	for line := range bytes.Lines(block) {
		if entry, ok := errorlog.Parse(bytes.TrimSuffix(line, []byte("\n"))); ok && entry.Event != "other" &&
			len(v.entries) < maxErrorEntries {
			at, err := time.Parse("2006/01/02 15:04:05", string(line[:19]))
			if err == nil {
				v.entries = append(v.entries, errorEntry{at: at.UnixMilli(), event: entry.Event,
					server: string(entry.Upstream)})
			}
		}
	}
}

func (errorVisitor) TooLong() {}
