package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// shortTorture is how often the exporter is killed where TORTURE_KILLS does not say; `make torture` says 1000.
const shortTorture = 30

// A torturer writes a log, as workers of NGINX do, and rotates it in every way. Each line has its own number, so that
// the sum reveals a lost line together with one that is counted twice.
type torturer struct {
	t      *testing.T
	dir    string
	random *rand.Rand

	mu     sync.Mutex // held while a rotation needs the writers to be still
	file   *os.File
	late   []lateWriter
	serial int
	turns  int
	dated  bool // how rotated parts are named

	lines, sum atomic.Int64
	emptied    atomic.Int64 // lines when the log was last empty
	scraped    atomic.Int64 // lines before the last scrape
	replaced   atomic.Int64 // times that the log was replaced before it was read: each may be a gap
	doubtful   doubt
	happened   []string // rotations and careful events, each with the number of the last line before it
	careful    int
}

// A doubt is what was written between a loss and the next look: it may be missing if a gap is reported.
type doubt struct {
	lines, sum float64
	gaps       float64 // that may be reported, for all losses
}

// A lateWriter is a worker that has not yet reopened the log, and writes an old file until a turn to come.
type lateWriter struct {
	file  *os.File
	until int
}

func (w *torturer) path(name string) string { return filepath.Join(w.dir, name) }

func (w *torturer) must(err error) {
	if err != nil {
		w.t.Error(err)
	}
}

func (w *torturer) open() *os.File {
	file, err := os.OpenFile(w.path("access.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	w.must(err)
	info, err := file.Stat()
	w.must(err)
	if info.Size() == 0 {
		w.emptied.Store(w.lines.Load())
	}
	return file
}

// write appends lines at about 20,000 a second until done; each third thousand slowly, so that some parts are small.
func (w *torturer) write(done <-chan struct{}) {
	const pause = 12
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if isSlow := w.lines.Load()/1000%3 == 2; isSlow && n%pause > 0 {
			continue
		}
		w.mu.Lock()
		for i := range 100 {
			to := w.file
			if late := i % 4; late < len(w.late) {
				to = w.late[late].file
			}
			w.line(to)
		}
		w.mu.Unlock()
	}
}

func (w *torturer) line(to *os.File) {
	w.serial++
	if _, err := io.WriteString(to, w.text()); err != nil {
		w.t.Error(err)
		return
	}
	w.wrote()
}

// text is the line of this number; wrote counts it.
func (w *torturer) text() string {
	return fmt.Sprintf("10.0.0.%d %d 200\n", w.serial%7, w.serial)
}

func (w *torturer) wrote() {
	w.lines.Add(1)
	w.sum.Add(int64(w.serial))
}

// rotate turns the log over in one of the ways that logs are turned over.
func (w *torturer) rotate() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turns++
	w.leave()
	kind := w.random.Intn(8)
	w.happened = append(w.happened, fmt.Sprint("rotation ", kind, "@", w.serial))
	switch kind {
	case 0: // renamed; a worker still writes the old file for one to three turns, beside others that do
		w.shift()
		w.late = append(w.late, lateWriter{w.file, w.turns + 1 + w.random.Intn(3)})
		w.file = w.open()
	case 1: // renamed
		w.shift()
		w.must(w.file.Close())
		w.file = w.open()
	case 2: // renamed and compressed at once
		name := w.shift()
		w.must(w.file.Close())
		w.file = w.open()
		w.compress(name)
	case 3: // copied and truncated, with the writers still
		w.copyTo(w.room())
		w.must(os.Truncate(w.path("access.log"), 0))
		w.emptied.Store(w.lines.Load())
	case 4: // replaced by a copy of itself, and reopened
		const late = 10 // lines of the first ones, to other files
		if w.scraped.Load() < w.emptied.Load()+late {
			w.replaced.Add(1) // an exporter that comes back may know nothing of the file
		}
		w.copyTo("access.log~")
		w.must(os.Rename(w.path("access.log~"), w.path("access.log")))
		w.must(w.file.Close())
		w.file = w.open()
	case 5: // another log is written beside it
		for _, name := range []string{"access_2.log", "access.8080.log", "access-202611.log", "access.log.json"} {
			w.must(os.WriteFile(w.path(name), []byte(strings.Repeat("10.0.0.1 1 200\n", w.turns)), 0o644))
		}
	case 6: // an old part is restored
		if old, err := filepath.Glob(w.path("access.log*.gz")); err == nil && len(old) > 0 {
			text, err := os.ReadFile(old[w.random.Intn(len(old))])
			w.must(err)
			w.must(os.WriteFile(w.path("access.log-2025010100.gz"), text, 0o644))
			w.must(os.WriteFile(w.path("access.log.9999.gz"), text, 0o644))
		}
	case 7: // an archive is compressed again
		if old, err := filepath.Glob(w.path("access.log*.gz")); err == nil && len(old) > 0 {
			w.packAgain(old[w.random.Intn(len(old))])
		}
	}
}

func (w *torturer) copyTo(name string) {
	text, err := os.ReadFile(w.path("access.log"))
	w.must(err)
	w.must(os.WriteFile(w.path(name), text, 0o644))
}

// leave ends the late writers whose turn has come, and the first of three.
func (w *torturer) leave() {
	w.late = slices.DeleteFunc(w.late, func(l lateWriter) bool {
		over := l.until <= w.turns || len(w.late) > 2 && l == w.late[0]
		if over {
			w.must(l.file.Close())
		}
		return over
	})
}

// shift renames the log, and returns its new name.
func (w *torturer) shift() string {
	name := w.room()
	w.must(os.Rename(w.path("access.log"), w.path(name)))
	return name
}

// room is the name of the next rotated part.
func (w *torturer) room() string {
	if w.dated {
		return fmt.Sprintf("access.log-2026%02d%02d%02d", 1+w.turns/(24*28), 1+w.turns/24%28, w.turns%24)
	}
	w.shiftOld()
	return "access.log.1"
}

// shiftOld makes room for access.log.1.
func (w *torturer) shiftOld() {
	const keep = 100 // longer than a generation is followed
	for i := keep; i >= 1; i-- {
		for _, suffix := range []string{"", ".gz"} {
			from := w.path("access.log." + strconv.Itoa(i) + suffix)
			if _, err := os.Stat(from); err == nil {
				w.must(os.Rename(from, w.path("access.log."+strconv.Itoa(i+1)+suffix)))
			}
		}
	}
}

func (w *torturer) compress(name string) {
	info, err := os.Stat(w.path(name))
	w.must(err)
	from, err := os.Open(w.path(name))
	w.must(err)
	to, err := os.Create(w.path(name + ".gz"))
	w.must(err)
	z := gzip.NewWriter(to)
	_, err = io.Copy(z, from)
	w.must(err)
	w.must(z.Close())
	w.must(to.Close())
	w.must(from.Close())
	w.must(os.Chtimes(w.path(name+".gz"), info.ModTime(), info.ModTime()))
	w.must(os.Remove(w.path(name)))
}

// TestTorture kills the exporter at random moments while the log is written and rotated, and all that is done to logs
// is done to it, and scrapes it all the time. No counter may ever go down, nothing is counted twice, and at the end
// every line has been counted once; only lines that came between a loss and the next look may be missing, if a gap
// says so. TORTURE_SEED draws the same events again.
func TestTorture(t *testing.T) {
	kills, seed := numberOf(t, "TORTURE_KILLS", shortTorture), numberOf(t, "TORTURE_SEED", int(time.Now().UnixNano()))
	t.Logf("TORTURE_SEED=%d", seed)
	random := rand.New(rand.NewSource(int64(seed)))
	w := &torturer{t: t, dir: filepath.Join(t.TempDir(), "log"), random: rand.New(rand.NewSource(int64(seed + 1))),
		dated: seed%2 == 0}
	w.must(os.Mkdir(w.dir, 0o755))
	w.file = w.open()
	x := &victim{t: t, log: w, random: random, binary: buildExporter(t), home: t.TempDir(), last: map[string]float64{},
		config: fmt.Sprintf("nginx:\n  access_logs: [{path: %s, format: '$remote_addr $request_length $status', "+
			"start: beginning}]\n", w.path("access.log"))}
	w.line(w.file) // if that were empty, and lost before anything was read, there would be a gap
	// What was rotated before the exporter ever ran is not its own.
	x.start()
	x.watch()
	x.kill()

	done := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() { w.write(done) })
	writing.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Duration(100+w.random.Intn(400)) * time.Millisecond):
				w.rotate()
			}
		}
	})
	begin := time.Now()
	for i := range kills {
		x.live(w)
		if i%100 == 99 {
			t.Logf("%d kills in %s, %d lines", i+1, time.Since(begin).Round(time.Second), w.lines.Load())
		}
		if t.Failed() {
			break
		}
	}
	if x.held {
		x.start()
		x.look()
		x.kill()
		w.mu.Unlock()
	}
	close(done)
	writing.Wait()
	x.start()
	defer x.e.Stop()
	x.look()
	x.check(w)
	if t.Failed() {
		t.Logf("what was done last: %v", w.happened[max(0, len(w.happened)-60):])
	}
	t.Logf("%d kills, %d rotations, %d careful events, %d lines, %.0f of them in doubt, %.0f gaps", kills, w.turns,
		w.careful, w.lines.Load(), w.doubtful.lines, x.last["gaps"])
}

// numberOf is an environment variable's number.
func numberOf(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A victim is the exporter, which is started, watched and killed again and again.
type victim struct {
	t                    *testing.T
	random               *rand.Rand
	log                  *torturer
	binary, home, config string
	e                    *testenv.Exporter
	last                 map[string]float64 // what the last scrape showed
	held                 bool               // the writers are still until the next look
	missing              float64            // lines at the last check
}

func (x *victim) start() {
	x.t.Helper()
	var err error
	x.e, err = testenv.StartExporter(context.Background(), x.binary, x.home, x.config, "", "--log.level", "warn")
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *victim) kill() { x.e.Kill() }

func (x *victim) watch() {
	x.t.Helper()
	before := x.log.lines.Load()
	watch(x.t, x.e, x.last)
	if x.last["complete"] == 1 {
		x.log.scraped.Store(before)
	}
}

// look scrapes until a scrape shows all: after a start among a hundred parts of the last minute one may run into its
// time limit.
func (x *victim) look() {
	x.t.Helper()
	for x.watch(); x.last["complete"] == 0 && !x.t.Failed(); {
		x.watch()
	}
}

// live starts the exporter, scrapes it for a while, and kills it. In every other life something is done to the log
// that needs care: all that was written has been counted before.
func (x *victim) live(w *torturer) {
	x.t.Helper()
	x.start()
	if x.held {
		x.look()
		x.check(w)
		x.held = false
		w.mu.Unlock()
	}
	end := time.After(time.Duration(20+x.random.Intn(400)) * time.Millisecond)
	for alive := true; alive; {
		select {
		case <-end:
			alive = false
		default:
			x.watch()
		}
	}
	if x.random.Intn(2) == 0 {
		x.carefully(w)
	}
	x.kill()
	if may := w.doubtful.gaps + float64(w.replaced.Load()); x.last["gaps"] > may {
		x.t.Errorf("%.0f gaps were reported, %.0f may be:\n%s", x.last["gaps"], may, x.e.Output())
	}
}

// check holds what was shown last against what was written. The writers are still.
func (x *victim) check(w *torturer) {
	x.t.Helper()
	if missing := float64(w.lines.Load()) - x.last["nginx_access_requests_total"]; missing != x.missing {
		x.missing = missing
		w.happened = append(w.happened, fmt.Sprintf("(%.0f lines, %.0f bytes and %.0f gaps missing)", missing,
			float64(w.sum.Load())-x.last["nginx_access_received_bytes_total"], x.last["gaps"]))
	}
	for name, v := range map[string]struct{ want, doubt float64 }{
		"nginx_access_requests_total":       {float64(w.lines.Load()), w.doubtful.lines},
		"nginx_access_received_bytes_total": {float64(w.sum.Load()), w.doubtful.sum},
	} {
		got := x.last[name]
		if got > v.want || got < v.want-v.doubt || got < v.want && x.last["gaps"] == 0 {
			x.t.Errorf("%s is %.0f of %.0f (%+.0f), %.0f are in doubt; %.0f gaps\n%s", name, got, v.want, got-v.want,
				v.doubt, x.last["gaps"], x.e.Output())
		}
	}
}

// watch scrapes once and holds every counter against the last scrape.
func watch(t *testing.T, e *testenv.Exporter, last map[string]float64) {
	t.Helper()
	families := scrapeFamilies(t, e)
	now := map[string]float64{}
	for _, name := range []string{"nginx_access_requests_total", "nginx_access_received_bytes_total",
		"fremisn_exporter_log_read_bytes_total"} {
		for _, m := range families[name].GetMetric() {
			now[name] += m.GetCounter().GetValue()
		}
	}
	for _, m := range families["fremisn_exporter_log_gaps_total"].GetMetric() {
		now["gaps"] += m.GetCounter().GetValue()
	}
	for _, m := range families["fremisn_exporter_collector_success"].GetMetric() {
		if m.GetLabel()[0].GetValue() == "access_log" {
			last["complete"], now["complete"] = 0, m.GetGauge().GetValue()
		}
	}
	for name, before := range last {
		if now[name] < before {
			t.Errorf("%s went down from %.0f to %.0f", name, before, now[name])
		}
	}
	for name, v := range now {
		last[name] = v
	}
}
