package check

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// checkShared finds files that two logs have: a path and a link to it, which both count, or a path and a glob that
// matches it, which leaves it out.
func (r *Report) checkShared(s *settings.Settings) {
	for _, logs := range [][]source.LogSource{slices.Concat(s.Observed.AccessLogs, s.Observed.StreamLogs),
		s.Observed.ErrorLogs} {
		for i, log := range logs {
			for _, other := range logs[:i] {
				if name := shared(other, log); name != "" {
					r.add(sharedFinding(name, other, log))
				}
			}
		}
	}
}

func sharedFinding(name string, first, second source.LogSource) finding {
	found := finding{Section: sectionLogs, Status: statusOK, Subject: second.Name, From: second.From}
	isOne := first.Kind == second.Kind
	switch {
	case isOne && second.IsGlob():
		found.Text = fmt.Sprintf("leaves out %s, which counts as %s", name, first.Name)
	case isOne && first.IsGlob():
		found.Text = fmt.Sprintf("counts %s, which %s leaves out", name, first.Name)
	default:
		found.Status, found.Remedy = statusWarn, "remove one of the two"
		found.Text = fmt.Sprintf("%s is read as %s, too: its lines count in both", name, first.Name)
	}
	return found
}

// shared returns the name of a file that both logs have, "" if there is none.
func shared(a, b source.LogSource) string {
	files := filesOf(b)
	for _, info := range filesOf(a) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if os.SameFile(info, files[name]) {
				return name
			}
		}
	}
	return ""
}

func filesOf(log source.LogSource) map[string]os.FileInfo {
	files := map[string]os.FileInfo{}
	names, _ := log.Files() // its faults are found elsewhere
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			files[name] = info
		}
	}
	return files
}
