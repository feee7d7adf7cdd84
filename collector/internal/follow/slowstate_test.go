package follow

import (
	"strings"
	"testing"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A slow disk at a start with a thousand logs is one line in the log, and the reason why each of them shows nothing.
func TestSlowStateIsLoggedOnce(t *testing.T) {
	dir, err := statefile.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var logged strings.Builder
	records := NewRecords(dir)
	for _, name := range []string{"one", "two"} {
		p := New(Config{Source: source.LogSource{Name: name, Path: "/nowhere/" + name}, State: dir, Records: records,
			Logger: log.NewLogfmtLogger(&logged)})
		p.reportSlowState(records)
		if problem := p.Stats().Problem; !strings.Contains(problem, dir.Path()) {
			t.Errorf("the problem of %s is %q", name, problem)
		}
	}
	if n := strings.Count(logged.String(), "path="+dir.Path()); n != 1 {
		t.Errorf("logged %d times:\n%s", n, logged.String())
	}
}
