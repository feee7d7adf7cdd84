package past

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBar(t *testing.T) {
	for _, test := range []struct {
		done, expected int64
		took           time.Duration
		want           string
	}{
		{25e8, 100e8, 10 * time.Second, "██████░░░░░░░░░░░░░░░░░░  25 %  2.5 GB of 10 GB  250 MB/s  30s left"},
		{0, 1000, 0, "░░░░░░░░░░░░░░░░░░░░░░░░   0 %  0 B of 1.0 kB  0 B/s  16m40s left"},
		{2000, 1000, time.Second, "████████████████████████ 100 %  1.0 kB of 1.0 kB  2.0 kB/s  0s left"},
		{5e6, 0, time.Second, "5.0 MB read  5.0 MB/s"}, // a pipe
	} {
		if got := bar(test.done, test.expected, test.took); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// TestProgress draws while a slow input is read, and leaves the line empty; what is over at once draws nothing.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out locked
		r, w := io.Pipe()
		s := &scan{workers: 1, stdin: r, files: []File{{Path: Stdin}}, progress: &progress{out: &out},
			visitor: func(int, int) visitor { return &collected{} }}
		go func() {
			io.WriteString(w, "one\n")
			time.Sleep(time.Second)
			w.Close()
		}()
		if _, err := s.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if said := out.String(); strings.Count(said, "4 B read") < 4 || !strings.HasSuffix(said, "\r\x1b[K") {
			t.Errorf("drew %q", said)
		}
	})
}

// locked is a buffer for several goroutines.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
