package follow

import (
	"fmt"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// TestStartLooksAtEachRecordOnce: many logs of the same content begin. Each record is read once, and no log's content
// is compared with what other logs' records say, whether it has been rotated meanwhile or not.
func TestStartLooksAtEachRecordOnce(t *testing.T) {
	const logs = 100
	s := newShelf(t)
	s.together = true
	paths := map[string]string{}
	for i := range logs {
		path := fmt.Sprintf("%d.log", i)
		paths[path] = path
		s.serial = 0
		s.write(path, 20)
	}
	m := &moves{shelf: s, rotations: map[string]int{}}
	for _, when := range []string{"first", "again", "rotated"} {
		s.follow(paths)
		if when == "again" {
			for path := range paths {
				m.rotate(path)
				s.serial = 0
				s.write(path, 5)
			}
		}
		if looked := s.looks(paths); looked != (looks{records: logs}) {
			t.Errorf("%s: %+v of %d logs", when, looked, logs)
		}
	}
}

// looks returns what is looked at when logs begin.
func (s *shelf) looks(paths map[string]string) looks {
	s.t.Helper()
	dir, err := statefile.Open(s.data)
	s.must(err)
	defer dir.Close()
	var logs []source.LogSource
	for name, path := range paths {
		logs = append(logs, source.LogSource{Name: name, Path: s.at(path)})
	}
	records := NewRecords(dir, logs)
	records.of(s.t.Context(), logs[0].Name, nil, func() {})
	return records.looks
}
