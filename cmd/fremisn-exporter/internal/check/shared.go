package check

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/internal/settings"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// checkShared finds files that two logs have: a path and a link to it, or a path and a glob that matches it.
func (r *Report) checkShared(s *settings.Settings) {
	for _, logs := range [][]source.LogSource{slices.Concat(s.Observed.AccessLogs, s.Observed.StreamLogs),
		s.Observed.ErrorLogs} {
		for i, log := range logs {
			for _, other := range logs[:i] {
				if name := shared(other, log); name != "" {
					r.add(finding{Section: sectionLogs, Status: statusWarn, Subject: log.Name, From: log.From,
						Text:   fmt.Sprintf("%s is read as %s, too: its lines count in both", name, other.Name),
						Remedy: "remove one of the two, or narrow the glob"})
				}
			}
		}
	}
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
