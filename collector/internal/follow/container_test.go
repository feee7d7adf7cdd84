package follow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/errorlog"
	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A dockerHost is Docker's folder with one container, and the state of who follows its log.
type dockerHost struct {
	t          *testing.T
	root, data string
	id         int
	now        time.Time
	said       bytes.Buffer
}

// remake re-creates the container: another id, another folder; the old one is removed.
func (h *dockerHost) remake() {
	h.t.Helper()
	if err := os.RemoveAll(h.folder()); err != nil {
		h.t.Fatal(err)
	}
	h.id++
	if err := os.MkdirAll(h.folder(), 0o755); err != nil {
		h.t.Fatal(err)
	}
	config := fmt.Sprintf(`{"Name":"/lb","LogPath":"/var/lib/docker/%s","State":{"Running":true}}`,
		filepath.Base(h.log()))
	if err := os.WriteFile(filepath.Join(h.folder(), "config.v2.json"), []byte(config), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

func (h *dockerHost) folder() string {
	return filepath.Join(h.root, "containers", fmt.Sprintf("%064d", h.id))
}
func (h *dockerHost) log() string {
	return filepath.Join(h.folder(), fmt.Sprintf("%064d-json.log", h.id))
}

// write has the container write to a stream; a text without its line break is a part of a line.
func (h *dockerHost) write(stream string, texts ...string) {
	h.t.Helper()
	file, err := os.OpenFile(h.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	for _, text := range texts {
		line, err := json.Marshal(map[string]string{"log": text, "stream": stream,
			"time": "2026-11-25T10:00:00.123456789Z"})
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := file.Write(append(line, '\n')); err != nil {
			h.t.Fatal(err)
		}
	}
}

// reading is a pipeline on the container's log; end leaves it as a crash does.
func (h *dockerHost) reading(kind source.Kind, c Counter) (p *Pipeline, end func()) {
	h.t.Helper()
	dir, err := statefile.Open(h.data)
	if err != nil {
		h.t.Fatal(err)
	}
	s := source.LogSource{Kind: kind, Name: "lb", Docker: "lb", DockerRoot: h.root, FromStart: true}
	p = New(Config{Source: s, Counter: c, State: dir, Logger: log.NewLogfmtLogger(&h.said)})
	p.now = func() time.Time { return h.now }
	p.restore(h.t.Context())
	p.publish(p.snapshot())
	return p, func() {
		p.reader.Close()
		p.commits.stop()
		if err := dir.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

func newDockerHost(t *testing.T) *dockerHost {
	h := &dockerHost{t: t, root: t.TempDir(), data: t.TempDir(), now: time.Unix(1700000000, 0)}
	h.remake()
	return h
}

func (h *dockerHost) want(p *Pipeline, lines uint64) {
	h.t.Helper()
	if n, err := scrapeOf(p); n != lines || err != nil {
		h.t.Errorf("%d lines, %v; want %d; log:\n%s", n, err, lines, &h.said)
	}
	if n := p.Last().Lines.Malformed; n > 0 {
		h.t.Errorf("%d malformed", n)
	}
}

// TestContainer follows a container's output: parted lines, lines of the other stream, restarts of the exporter
// within a line, and a container that is removed and made again, with every line once.
func TestContainer(t *testing.T) {
	h := newDockerHost(t)
	h.write("stdout", "200 0.010\n", "200 ", "0.020\n")
	h.write("stderr", "2026/11/24 10:00:00 [error] 1#1: x\n")
	h.write("stdout", "200 0.")
	p, end := h.reading(source.Access, counterOf(t, "$status $request_time"))
	h.want(p, 2)
	end()
	h.write("stdout", "030\n")
	p, end = h.reading(source.Access, counterOf(t, "$status $request_time"))
	h.want(p, 3)

	h.write("stdout", "200 0.040\n")
	h.remake()
	h.write("stdout", "200 0.050\n")
	h.now = h.now.Add(findInterval)
	h.want(p, 5)
	end()
	h.write("stdout", "200 0.060\n")
	p, end = h.reading(source.Access, counterOf(t, "$status $request_time"))
	h.want(p, 6)
	end()
	for reason, n := range p.Last().Totals.Gaps {
		if n > 0 {
			t.Errorf("%d gaps: %s", n, reason)
		}
	}
}

// TestContainerIsWaitedFor: a missing one is a problem with a remedy; one that is being made again is not.
func TestContainerIsWaitedFor(t *testing.T) {
	h := newDockerHost(t)
	if err := os.RemoveAll(h.folder()); err != nil {
		t.Fatal(err)
	}
	p, end := h.reading(source.Access, counterOf(t, "$status $request_time"))
	defer end()
	if _, err := scrapeOf(p); err == nil || !strings.Contains(err.Error(), "no such container: lb under "+h.root) {
		t.Errorf("%v", err)
	}
	h.remake()
	h.write("stdout", "200 0.010\n")
	h.now = h.now.Add(findInterval)
	h.want(p, 1)
	if err := os.RemoveAll(h.folder()); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(findInterval)
	h.want(p, 1)
}

// TestErrorLogOfAContainer takes the other stream.
func TestErrorLogOfAContainer(t *testing.T) {
	h := newDockerHost(t)
	h.write("stdout", "200 0.010\n")
	h.write("stderr", "2026/11/24 10:00:00 [error] 1#1: ", "x\n", "2026/11/24 10:00:00 [error] 1#1: y\n")
	p, end := h.reading(source.Error, errorlog.New(errorlog.Config{MaxSeries: 100}))
	defer end()
	h.want(p, 2)
}

// TestKubeletsLog: a file in the format of CRI, recognized only by its lines.
func TestKubeletsLog(t *testing.T) {
	h := newLogHost(t)
	const stamp = "2026-11-25T10:00:00.123456789Z "
	text := stamp + "stdout P 200 \n" + stamp + "stderr F x\n" + stamp + "stdout F 0.010\n" + stamp +
		"stdout F 200 0.020\n"
	if err := os.WriteFile(h.path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, end := h.reading(nil)
	defer end()
	if n, err := scrapeOf(p); n != 2 || err != nil || p.Last().Lines.Malformed > 0 {
		t.Errorf("%d lines, %v", n, err)
	}
}

// TestContainerMadeAgainUnseen: what the old one's log had more is lost, and said to be; the new one's is read whole.
func TestContainerMadeAgainUnseen(t *testing.T) {
	h := newDockerHost(t)
	h.write("stdout", "200 0.010\n")
	p, end := h.reading(source.Access, counterOf(t, "$status $request_time"))
	h.want(p, 1)
	end()
	h.write("stdout", "200 0.020\n")
	h.remake()
	h.write("stdout", "200 0.030\n", "200 0.040\n")
	p, end = h.reading(source.Access, counterOf(t, "$status $request_time"))
	defer end()
	h.want(p, 3)
	gaps := uint64(0)
	for _, n := range p.Last().Totals.Gaps {
		gaps += n
	}
	if gaps != 1 {
		t.Errorf("%d gaps; log:\n%s", gaps, &h.said)
	}
}
