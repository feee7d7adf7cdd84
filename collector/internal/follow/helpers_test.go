package follow

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/exposetest"
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

func counterOf(t testing.TB, format string) *accesslog.Counter {
	t.Helper()
	c, err := accesslog.New(accesslog.Config{
		Source:  source.LogSource{Name: "access", Formats: []source.Format{{Text: format}}},
		Buckets: []float64{0.1, 1}, MaxSeries: 10000,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Snapshot makes a Snapshot what exposetest writes.
func (s *Snapshot) Snapshot() (ledger.Lines, *ledger.Snapshot) { return s.Lines, s.Series }

func exposed(s *Snapshot) []string { return exposetest.Lines("access", s, &source.Topology{}) }

// shownOf returns what a scrape shows of a log: nothing before the first commit.
func shownOf(p *Pipeline) *Snapshot {
	if s := p.Last(); s != nil {
		return s
	}
	return &Snapshot{}
}

// writeDifferent appends lines that show what the file is, as alike ones do not.
func (h *logHost) writeDifferent(lines int) {
	h.t.Helper()
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "200 0.%03d\n", i)
	}
	h.text(text.String())
}

// tick waits until a file that is made has a later time than now: the kernel's clock of files is behind.
func (s *shelf) tick() {
	s.t.Helper()
	name, now := filepath.Join(s.data, "now"), time.Now().UnixNano()
	for born := int64(1); 0 < born && born <= now; {
		s.must(os.WriteFile(name, nil, 0o644))
		born = tail.TagOf(name).Born
		s.must(os.Remove(name))
	}
}

// pack compresses a file, and removes it.
func pack(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(text)
	if err := errors.Join(z.Close(), os.WriteFile(to, packed.Bytes(), 0o644), os.Remove(from)); err != nil {
		t.Fatal(err)
	}
}
