package follow

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
)

// TestClosedFilesMove: of many files some are closed, and all go to another folder. The log does not find the closed
// ones, with a gap for each. A minute later another log goes on with them, where the first one was; or that one itself,
// if they come back.
func TestClosedFilesMove(t *testing.T) {
	for folder, isAnothers := range map[string]bool{"sub": true, "away": false} {
		t.Run(folder, func(t *testing.T) {
			m := &movingFiles{shelf: newShelf(t), clock: time.Now(), n: 260, closed: 4}
			m.must(os.Mkdir(m.at("sub"), 0o755))
			m.must(os.Mkdir(m.at("away"), 0o755))
			m.run()
			m.read()
			m.write("%d.log")
			m.read()
			m.rename("%d.log", folder+"/%d.log")
			m.write("%d.log")
			for range 4 {
				m.read()
				m.write(folder + "/%d.log")
			}
			m.read()
			files, closed, last := m.n, m.closed, "sub/%d.log"
			if isAnothers {
				m.want("moved", 2*files+4*(files-closed), 4*closed)
			} else {
				m.want("moved", 2*files+4*(files-closed), 0)
				last = "back%d.log"
				m.rename("away/%d.log", last)
				m.write(last)
				m.read()
				m.read()
				m.want("back", 7*files, 0)
			}
			if n := m.logs.logs[0].totals.Gaps[tail.GapDeleted]; n != uint64(closed) {
				t.Errorf("%d gaps, want %d: the first log does not know where these files are", n, closed)
			}
			before := m.counted()
			for i := range 2 {
				m.logs.kill()
				m.write(last)
				m.run()
				m.read()
				if n := m.counted(); n != before+(i+1)*files {
					t.Errorf("%d lines are counted after restart %d, want %d", n, i+1, before+(i+1)*files)
				}
			}
			m.logs.kill()
		})
	}
}

// movingFiles are n files of two globs, of which the first one's log keeps all but a few open.
type movingFiles struct {
	*shelf
	logs      *running
	clock     time.Time
	n, closed int
}

func (m *movingFiles) run() {
	m.logs = m.shelf.run([2]string{"1", "*.log"}, [2]string{"2", "sub/*.log"})
	for _, p := range m.logs.logs {
		p.now = func() time.Time { return m.clock }
	}
}

// read reads both logs, a minute later than before.
func (m *movingFiles) read() {
	m.t.Helper()
	m.logs.read()
	m.clock = m.clock.Add(time.Minute)
}

// write appends a line to each file.
func (m *movingFiles) write(name string) {
	m.t.Helper()
	for i := range m.n {
		m.shelf.write(fmt.Sprintf(name, i), 1)
	}
}

func (m *movingFiles) rename(from, to string) {
	m.t.Helper()
	for i := range m.n {
		m.must(os.Rename(m.at(fmt.Sprintf(from, i)), m.at(fmt.Sprintf(to, i))))
	}
}

// counted returns the number of lines that both logs have counted.
func (m *movingFiles) counted() (total int) {
	for _, p := range m.logs.logs {
		n, _ := p.awake().Snapshot()
		total += int(n.Parsed)
	}
	return total
}

func (m *movingFiles) want(when string, want ...int) {
	m.t.Helper()
	for i, p := range m.logs.logs {
		if n, _ := p.awake().Snapshot(); int(n.Parsed) != want[i] {
			m.t.Errorf("%s: %d lines of log %d are counted, want %d", when, n.Parsed, i+1, want[i])
		}
	}
}
