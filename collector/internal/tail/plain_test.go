package tail

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"
	"time"
)

// TestPlainHistories: whatever the format of its lines, a log that is only rotated and compressed, at any speed and
// with a look or a crash between two steps, is counted without a gap. Lines without times identify a part only if there
// are some of them, or if its place is certain. So it is where a rotation is looked at between two of its renames, if
// there is another look before the next of this kind. Where there is none, or where a log is both renamed and copied,
// there may be gaps, but nothing is counted twice or lost in silence.
func TestPlainHistories(t *testing.T) {
	found := map[string][]int64{ // these found something
		"combined": {115, 195, 611},
		"msec":     {35, 36, 45, 90, 93, 113, 147, 411, 475},
		"json":     {36, 45, 56, 90, 105, 179, 315},
		"untimed":  {28, 29, 36, 45, 90, 97, 147, 179, 403, 611},
	}
	for _, format := range []string{"combined", "msec", "json", "untimed"} {
		for _, seed := range append(found[format], 0, 1, 2, 3, 4, 5, 6, 7) {
			t.Run(fmt.Sprint(format, seed), func(t *testing.T) { plainHistory(t, format, seed) })
		}
	}
}

// A plainLog is only rotated and compressed. A crash comes at any time after a commit.
type plainLog struct {
	*log
	random *rand.Rand
	format string
	scheme string
	clock  float64 // of its lines
	serial int
	turn   int
	newest string // the newest part
	late   string // the same, while a worker may write it
	down   bool
	copies int  // of ten rotations, how many copy the log and empty it
	delays bool // parts are compressed when the next one comes
	stops  bool // a look or a crash may come between two renames of a rotation
	often  bool // many may, without one at another time
	looks  int
	isHalf bool // the last look came between two renames

	saved     Position        // at the last commit
	seen      time.Time       // the same
	committed int             // bytes handed out then
	wants     map[string]bool // lines that must be handed out
	steps     []string
}

func plainHistory(t *testing.T, format string, seed int64) {
	random := rand.New(rand.NewSource(seed))
	p := &plainLog{log: newLog(t), random: random, format: format, clock: 1764150000}
	p.scheme = []string{"number", "date", "hour"}[random.Intn(3)]
	p.copies, p.delays = []int{0, 0, 10, 2}[random.Intn(4)], random.Intn(3) == 0
	p.stops, p.often = seed%4 == 3, seed%8 == 7
	for range 3 {
		p.write("", p.lines(50))
		p.turnParts()
		if p.turn < 3 {
			p.gzip(p.newest)
		}
	}
	p.late, p.wants = "", map[string]bool{}
	p.write("", p.lines(30))
	p.follow(true)
	p.look()
	p.commit()
	steps := 60
	if p.isDoubtful() { // another gap would hide what is lost without one
		steps = 20
	}
	for range steps {
		p.step()
		p.now = p.now.Add(time.Duration(random.Intn(1200)) * time.Millisecond)
	}
	p.look()
	p.now = p.now.Add(lateInterval)
	p.look()
	p.crash()
	p.look()
	p.check()
}

// isDoubtful reports whether there may be gaps.
func (p *plainLog) isDoubtful() bool { return p.often || p.copies == 2 }

// check wants all lines once. If any is missing, a gap must say so.
func (p *plainLog) check() {
	p.t.Helper()
	got := map[string]bool{}
	for line := range strings.Lines(p.got.lines.String()) {
		if got[line] || !p.wants[line] {
			p.t.Fatalf("%q came twice, or before\n%v", line, p.steps)
		}
		got[line] = true
	}
	if len(got) != len(p.wants) && len(p.got.gaps) == 0 {
		for line := range p.wants {
			if !got[line] {
				p.t.Errorf("%q is in %s", line, p.holding(line))
			}
		}
		p.t.Fatalf("%d lines of %d, and no gap\n%v", len(got), len(p.wants), p.steps)
	}
}

func (p *plainLog) did(format string, args ...any) {
	p.steps = append(p.steps, fmt.Sprintf(format, args...))
}

// lines are the next of the log. Many are of one second.
func (p *plainLog) lines(n int) string {
	var b strings.Builder
	for range n {
		p.serial++
		p.clock += []float64{0, 0, 0, .001, .2, 1}[p.random.Intn(6)]
		line := p.line(time.Unix(int64(p.clock), 0).UTC())
		if p.wants != nil {
			p.wants[line] = true
		}
		b.WriteString(line)
	}
	return b.String()
}

func (p *plainLog) line(at time.Time) string {
	switch p.format {
	case "combined":
		return fmt.Sprintf("10.0.0.%d - [%s] \"GET /v1/%08d HTTP/1.1\" 200 %d\n", 1+p.serial%7,
			at.Format("02/Jan/2006:15:04:05 -0700"), p.serial, p.serial)
	case "msec":
		return fmt.Sprintf("%.3f %d %d\n", p.clock, 100+p.serial%500, p.serial)
	case "json":
		return fmt.Sprintf("{\"t\":\"%s\",\"u\":\"/x/%08d\"}\n", at.Format(time.RFC3339), p.serial)
	}
	return fmt.Sprintf("10.0.0.%d \"GET /v1/%08d HTTP/1.1\" 200 %d\n", 1+p.serial%7, p.serial, p.serial)
}

func (p *plainLog) batch() string {
	return p.lines([]int{1, 1, 2, 3, 5, 20, 60, 200}[p.random.Intn(8)])
}

func (p *plainLog) append(name, lines string) {
	p.did("write %d to %q", strings.Count(lines, "\n"), name)
	p.write(name, lines)
}

func (p *plainLog) look() {
	p.t.Helper()
	if p.down {
		p.follow(false)
		p.f.Resume(p.saved, p.seen)
		p.down, p.got.dirty = false, true
	}
	p.did("look")
	p.looks++
	p.isHalf = false
	p.read()
	if len(p.got.gaps) > 0 && !p.isDoubtful() {
		p.t.Fatalf("%v %v\n%v", p.got.told, p.got.causes, p.steps)
	}
	if p.got.dirty && p.random.Intn(4) > 0 {
		p.commit()
	}
}

// commit saves what has been handed out, and from where.
func (p *plainLog) commit() {
	p.did("commit")
	p.saved, p.seen = p.f.Position(), p.f.Seen()
	p.committed, p.got.dirty = p.got.lines.Len(), false
}

func (p *plainLog) crash() {
	if p.down || p.isHalf && !p.often {
		return
	}
	p.did("crash")
	if p.random.Intn(3) == 0 {
		p.commit()
	}
	p.down = true
	p.got.lines.Truncate(p.committed)
	p.f.Close()
}

// maybe looks, or crashes, between two steps.
func (p *plainLog) maybe() {
	switch n := p.random.Intn(10); {
	case n < 3:
		p.look()
	case n < 4:
		p.crash()
	}
}

func (p *plainLog) step() {
	switch n := p.random.Intn(20); {
	case n < 5:
		p.append("", p.batch())
	case n < 6:
		p.bits()
	case n < 8:
		if p.late != "" {
			p.append(p.late, p.batch())
		}
	case n < 11:
		p.rotate()
	case n < 12:
		p.burst()
	case n < 13:
		if parts := p.parts(); len(parts) > 0 {
			p.pack(parts[p.random.Intn(len(parts))])
		}
	case n < 17:
		p.look()
	default:
		p.crash()
	}
}

// burst is some rotations, one after the other.
func (p *plainLog) burst() {
	for range []int{2, 3, 10}[p.random.Intn(3)] {
		p.append("", p.lines([]int{1, 2, 20}[p.random.Intn(3)]))
		p.rotate()
	}
}

// bits are lines that are not written whole.
func (p *plainLog) bits() {
	for s := p.batch(); len(s) > 0; {
		n := min(len(s), 1+p.random.Intn(len(s)))
		p.did("bit %d", n)
		p.write("", s[:n])
		s = s[n:]
		p.maybe()
	}
}

// parts are those that are not compressed.
func (p *plainLog) parts() (names []string) {
	entries, err := os.ReadDir(p.at("."))
	p.must(err)
	for _, e := range entries {
		if _, _, ok := placeOf("access.log", e.Name()); ok && !isGzip(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names
}

// turnParts makes the log the newest part.
func (p *plainLog) turnParts() {
	p.turn++
	name := "access.log.1"
	switch p.scheme {
	case "date":
		name = fmt.Sprintf("access.log-2026%02d%02d", 1+p.turn/28, 1+p.turn%28)
	case "hour":
		name = fmt.Sprintf("access.log-2026%02d%02d%02d", 1+p.turn/600, 1+p.turn/24%25, p.turn%24)
	default:
		p.makeAnyRoom()
	}
	p.newest = name
	if p.random.Intn(10) < p.copies {
		p.did("copy")
		p.late = ""
		p.must(os.WriteFile(p.at(name), []byte(p.text("")), 0o644))
		p.must(os.Truncate(p.path, 0))
		return
	}
	p.late = name
	p.rename("", name)
}

func (p *plainLog) makeAnyRoom() {
	stop := 0
	if p.stops && p.wants != nil && (p.often || !p.isHalf) {
		stop = 1 + p.random.Intn(8)
	}
	for n := 199; n > 0; n-- {
		if n == stop {
			looks := p.looks
			p.maybe()
			p.isHalf = p.looks > looks
		}
		to := fmt.Sprint("access.log.", n+1)
		if p.shift(n) && p.late == fmt.Sprint("access.log.", n) {
			p.late = to
		}
	}
}

func (p *plainLog) pack(name string) {
	p.did("pack %s", name)
	if name == p.late {
		p.late = ""
	}
	p.gzip(name)
}

// rotate renames the log, which a worker may go on writing for a while, and may compress parts.
func (p *plainLog) rotate() {
	p.did("rotate")
	p.turnParts()
	if p.late != "" && p.random.Intn(4) == 0 {
		p.append(p.late, p.batch())
	}
	if p.random.Intn(5) == 0 {
		p.maybe()
	}
	p.did("create")
	p.write("", "")
	name := p.newest
	switch n := p.random.Intn(20); {
	case p.delays || n < 5:
		for _, part := range p.parts() {
			if part != name {
				p.pack(part)
			}
		}
	case n < 8:
		p.pack(name)
	case n < 10:
		p.maybe()
		p.pack(name)
	}
}
