package follow

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/fremisn/fremisn-exporter/collector/internal/statefile"
	"github.com/fremisn/fremisn-exporter/collector/internal/tail"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// A runtime writes the output of a container as Docker or the kubelet does, and rotates it.
type runtime struct {
	*shelf
	dir    string // of the log
	isCRI  bool
	turn   int
	wrote  int // lines of stdout
	random *rand.Rand
	unread bool // nothing had been read at the last commit, and nothing was rotated
	doubts int  // gaps that may be reported
}

func (r *runtime) file() string {
	if r.isCRI {
		return filepath.Join(r.dir, "0.log")
	}
	return filepath.Join(r.dir, filepath.Base(r.dir)+"-json.log")
}

func (r *runtime) entry(stream, text string) string {
	if r.isCRI {
		tag := "P"
		if strings.HasSuffix(text, "\n") {
			tag = "F"
		}
		stamp := time.Now().UTC().Format(time.RFC3339Nano)
		return fmt.Sprintf("%s %s %s %s\n", stamp, stream, tag, strings.TrimSuffix(text, "\n"))
	}
	quoted, err := json.Marshal(text)
	r.must(err)
	return fmt.Sprintf(`{"log":%s,"stream":%q,"time":%q}`+"\n", quoted, stream, time.Now().UTC().
		Format(time.RFC3339Nano))
}

// line writes a line of stdout, now and then in parts, with lines of stderr before, between and behind. between is
// called between two parts.
func (r *runtime) line(between func()) {
	r.wrote++
	r.serial++
	parts := []string{"200 ", fmt.Sprintf("%d.010\n", 1_000_000+r.serial)}
	if r.random.Intn(3) > 0 {
		parts = []string{strings.Join(parts, "")}
	}
	for i, part := range parts {
		r.append(r.entry("stderr", "2026/11/25 10:00:00 [error] 7#7: no\n") + r.entry("stdout", part))
		if i == 0 && len(parts) > 1 && between != nil {
			between()
		}
	}
}

func (r *runtime) append(text string) {
	r.t.Helper()
	file, err := os.OpenFile(r.file(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	r.must(err)
	_, err = file.WriteString(text)
	r.must(err)
	r.must(file.Close())
}

func (r *runtime) rotate() {
	r.turn++
	if r.isCRI { // the kubelet compresses all but the newest of the rotated
		old, err := filepath.Glob(r.file() + ".*[0-9]")
		r.must(err)
		for _, name := range old {
			pack(r.t, name, name+".gz")
		}
		r.must(os.Rename(r.file(), fmt.Sprintf("%s.20261125-%06d", r.file(), 100000+r.turn)))
	} else { // Docker with max-file and compress
		for i := 4; i >= 1; i-- {
			_ = os.Rename(fmt.Sprintf("%s.%d.gz", r.file(), i), fmt.Sprintf("%s.%d.gz", r.file(), i+1))
		}
		pack(r.t, r.file(), r.file()+".1.gz")
	}
	r.append("")
}

// follow returns a pipeline of the container's stdout; end leaves it as a crash does.
func (r *runtime) follow(l source.LogSource) (p *Pipeline, end func()) {
	r.t.Helper()
	if r.unread && r.turn > 0 {
		r.doubts = 1 // without an older part it is not certain that the oldest was the first
	}
	dir, err := statefile.Open(r.data)
	r.must(err)
	p = New(Config{
		Source: l, State: dir, Logger: log.NewLogfmtLogger(&r.said), Counter: counterOf(r.t, "$status $request_time"),
	})
	p.restore(r.t.Context())
	return p, func() {
		p.reader.Close()
		p.commits.stop()
		r.must(dir.Close())
	}
}

func (r *runtime) read(p *Pipeline) {
	r.t.Helper()
	p.read()
	r.must(p.readErr)
	if err := p.commit(r.t.Context()); err != nil { // the disk is busy
		p.commits.await(r.t.Context())
	}
	r.unread = r.turn == 0 && p.totals.ReadBytes == 0
}

func (r *runtime) check(p *Pipeline) {
	r.t.Helper()
	lines, _ := p.counter.Snapshot()
	if lines.Parsed != uint64(r.wrote) || lines.Malformed != 0 ||
		p.totals.Gaps[tail.GapDeleted] > uint64(r.doubts) || len(p.totals.Gaps) > r.doubts {
		r.t.Fatalf("%d lines are counted of %d, %d are malformed, gaps %v\n%s",
			lines.Parsed, r.wrote, lines.Malformed, p.totals.Gaps, &r.said)
	}
}

// anyTurns writes, rotates, reads and crashes in random order.
func (r *runtime) anyTurns(l source.LogSource) {
	r.append("")
	p, end := r.follow(l)
	r.read(p)
	for range 60 {
		switch r.random.Intn(6) {
		case 0:
			r.rotate()
		case 1:
			r.read(p)
		case 2:
			end()
			p, end = r.follow(l)
		default:
			r.line(func() {
				if r.random.Intn(2) == 0 {
					r.read(p)
				}
				if r.random.Intn(4) == 0 { // in the middle of a line
					end()
					p, end = r.follow(l)
				}
			})
		}
	}
	r.read(p)
	r.read(p)
	r.check(p)
	end()
}

func newRuntime(t *testing.T, seed int64) *runtime {
	return &runtime{shelf: newShelf(t), random: rand.New(rand.NewSource(seed))}
}

func TestDockerInAnyOrder(t *testing.T) {
	for seed := range int64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRuntime(t, seed)
			r.dir = r.at("containers/" + strings.Repeat("c", 64))
			r.must(os.MkdirAll(r.dir, 0o755))
			r.configure("lb")
			r.anyTurns(source.LogSource{Name: "lb", Docker: "lb", DockerRoot: r.shelf.dir, FromStart: true})
		})
	}
}

// configure writes what Docker knows of the container.
func (r *runtime) configure(name string) {
	id := filepath.Base(r.dir)
	text := fmt.Sprintf(`{"ID":%q,"Name":"/%s","LogPath":%q}`, id, name, r.file())
	r.must(os.WriteFile(filepath.Join(r.dir, "config.v2.json"), []byte(text), 0o600))
}

// TestKubeletInAnyOrder follows the link in /var/log/containers.
func TestKubeletInAnyOrder(t *testing.T) {
	for seed := range int64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRuntime(t, seed)
			r.isCRI, r.dir = true, r.at("pods/web_lb_0/nginx")
			r.must(os.MkdirAll(r.dir, 0o755))
			r.must(os.Mkdir(r.at("containers"), 0o755))
			link := r.at("containers/lb_web_nginx-0.log")
			r.must(os.Symlink(r.file(), link))
			r.anyTurns(source.LogSource{Name: "lb", Path: link, FromStart: true})
		})
	}
}

// TestContainerMadeAgain: another container has the name, while it is followed and while it is not.
func TestContainerIsMadeAgain(t *testing.T) {
	r := newRuntime(t, 1)
	now := time.Now()
	l := source.LogSource{Name: "lb", Docker: "lb", DockerRoot: r.shelf.dir}
	for i, id := range []string{"a", "b", "c"} {
		if r.dir != "" {
			r.must(os.RemoveAll(r.dir))
		}
		r.dir = r.at("containers/" + strings.Repeat(id, 64))
		r.must(os.MkdirAll(r.dir, 0o755))
		r.configure("lb")
		r.append("")
		p, end := r.follow(l)
		p.now = func() time.Time { return now }
		r.read(p)
		for range 10 {
			r.line(nil)
		}
		r.read(p)
		if i == 0 { // made again while it is followed
			r.must(os.RemoveAll(r.dir))
			r.dir = r.at("containers/" + strings.Repeat("d", 64))
			r.must(os.MkdirAll(r.dir, 0o755))
			r.configure("lb")
			for range 5 {
				r.line(nil)
			}
			now = now.Add(20 * time.Second)
			r.read(p)
		}
		now = now.Add(2 * time.Minute)
		r.read(p)
		r.read(p)
		lines, _ := p.counter.Snapshot()
		if lines.Parsed != uint64(r.wrote) || lines.Malformed != 0 {
			t.Fatalf("container %s: %d lines are counted of %d, %d are malformed\n%s",
				id, lines.Parsed, r.wrote, lines.Malformed, &r.said)
		}
		end()
	}
}
