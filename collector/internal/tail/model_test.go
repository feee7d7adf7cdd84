package tail

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"
)

// TestAnyOrder does what is done to logs in random order: lines are written, by a late worker too, the log is
// renamed, dated, compressed, copied and truncated, cut and replaced by copies; parts are rewritten, restored, packed
// again, copied to another disk; other logs are written beside it; it is read and committed; the exporter crashes back
// to its last commit and starts again. In the end every line has been handed out once; lines that were appended
// between a loss and the next look may be missing, if a gap says so.
func TestAnyOrder(t *testing.T) {
	seeds := []int64{936, 948, 1112} // these found something
	for seed := range int64(150) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewSource(seed))
			steps := make([]byte, 120)
			random.Read(steps)
			anyOrder(t, steps, 0)
		})
	}
}

// TestAnyOrderOfAlikeLines is the same for a log with only one, or a few, kinds of lines: then content shows nothing,
// and little is certain. No line is handed out twice, and if any is missing, a gap says so. The histories are short:
// another loss would hide one that is not reported.
func TestAnyOrderOfAlikeLines(t *testing.T) {
	// These found something.
	seeds := []int64{999, 1792, 2399, 3074, 3199, 3243, 4269, 6308, 7041, 12071, 17359, 19279, 23255, 23303, 32132,
		32164, 37302, 38354, 40308}
	shortHistories(t, seeds, 200, 0)
}

// shortHistories draws histories of 1, 3 or 12 kinds of lines, by the seeds and n others. more is added to the
// number of kinds.
func shortHistories(t *testing.T, seeds []int64, n int64, more int) {
	t.Helper()
	for seed := range n {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { shortHistory(t, seed, more+[]int{1, 1, 3, 12}[seed%4]) })
	}
}

func shortHistory(t *testing.T, seed int64, kinds int) {
	random := rand.New(rand.NewSource(seed))
	steps := make([]byte, 2*(6+random.Intn(25)))
	random.Read(steps)
	anyOrder(t, steps, kinds)
}

// TestAnyOrderOfOneSecond is the same for a log whose lines are all of one second, as those of a health check under
// load, which is written, rotated and compressed.
func TestAnyOrderOfOneSecond(t *testing.T) {
	// These found something.
	seeds := []int64{1079, 1199, 1754, 1895, 2036, 2154, 2171, 2399, 2746, 3046, 3092, 3437, 5100, 5720, 6900}
	shortHistories(t, seeds, 120, ofOneSecond)
}

// ofOneSecond is added to the number of kinds if lines have a time, which is the same.
const ofOneSecond = 100

// TestAnyOrderOfOneOrder is the same for lines of more kinds, which come in one order, as those of a monitor that
// requests the same pages again and again.
func TestAnyOrderOfOneOrder(t *testing.T) {
	for seed := range int64(120) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			shortHistory(t, seed, ofOneOrder+ofOneSecond+[]int{8, 13, 40, 300}[seed%4])
		})
	}
}

// ofOneOrder is added to the number of kinds if they come one after the other.
const ofOneOrder = 1000

// FuzzHistory does the same with steps that the fuzzer chooses.
func FuzzHistory(f *testing.F) {
	for _, kinds := range []byte{0, 1, 3} {
		f.Add([]byte{0, 0, 9, 3, 0, 10, 4, 0, 9, 11, 0, 9}, kinds)
		f.Add([]byte{1, 0, 9, 5, 0, 11, 0, 9, 12, 9, 13, 0, 9}, kinds)
		f.Add([]byte{2, 0, 9, 14, 0, 9, 15, 9, 16, 9, 17, 18, 0, 9}, kinds)
	}
	f.Fuzz(func(t *testing.T, steps []byte, kinds byte) {
		anyOrder(t, steps[:min(len(steps), 120)], int(kinds%16))
	})
}

// A history is a folder with a log in which anything may happen, and what must have been handed out in the end.
type history struct {
	*log
	random *rand.Rand
	dated  bool
	kinds  int    // of lines; 0: each is different
	time   string // of all lines of a few kinds
	kind   int    // of the line that was written last
	serial int
	turn   int
	late   string // the name of the old file that a worker still writes

	isOrdered bool // the kinds of lines come one after the other, each time that something is written

	want    map[string]bool // lines that must be handed out once
	maybe   map[string]bool // lines that may be missing if a gap is reported
	doubt   bool            // since a loss that has not been looked at
	steps   []string
	lostAny bool
	doubts  int // gaps that may be reported, or must be, even if lostAny is false

	position  Position
	committed bytes.Buffer
	gaps      int  // of committed
	unrotated bool // the log was empty then, and nothing was beside it
}

type event struct {
	name string
	do   func(*history)
}

// The events of a history, by likelihood.
var events = []event{
	{"write", func(h *history) { h.append("") }},
	{"write", func(h *history) { h.append("") }},
	{"write", func(h *history) { h.append("") }},
	{"write late", func(h *history) { h.appendLate() }},
	{"rename", func(h *history) { h.late = h.rotate() }},
	{"rename and compress", func(h *history) { h.gzip(h.rotate()) }},
	{"copy and truncate", func(h *history) { h.copyTruncate() }},
	{"read", func(h *history) { h.look() }},
	{"read", func(h *history) { h.look() }},
	{"read", func(h *history) { h.look() }},
	{"crash", func(h *history) { h.crash() }},
	{"crash", func(h *history) { h.crash() }},
	{"compress an old one", func(h *history) { h.compressOld() }},
	{"write a neighbour", func(h *history) { h.neighbour() }},
	{"cut", func(h *history) { h.cut() }},
	{"replace by a copy", func(h *history) { h.replaceByCopy() }},
	{"rewrite a rotated part", func(h *history) { h.rewriteOld() }},
	{"restore a part", func(h *history) { h.restoreOld() }},
	{"pack again", func(h *history) { h.packAgain() }},
	{"another disk", func(h *history) { h.anotherDisk() }},
	{"delete the oldest", func(h *history) { h.deleteOldest() }},
	{"clock", func(h *history) { h.now = h.now.Add(time.Duration(h.random.Intn(200)) * time.Second) }},
	{"write half a line", func(h *history) { h.half() }},
}

// losses are the events that take a part of a file away, or replace it.
var losses = []string{"cut", "replace by a copy", "rewrite a rotated part", "restore a part", "pack again",
	"another disk", "lose an unread file"}

var loseUnread = event{"lose an unread file", func(h *history) { h.loseUnread() }}

// anyOrder takes two bytes for each step: which event, and what decides within it.
func anyOrder(t *testing.T, steps []byte, kinds int) {
	h := &history{log: newLog(t), kinds: kinds, want: map[string]bool{}, maybe: map[string]bool{}}
	if h.isOrdered = kinds > ofOneOrder; h.isOrdered {
		kinds -= ofOneOrder
	}
	if h.kinds = kinds; kinds > ofOneSecond {
		h.kinds, h.time = kinds-ofOneSecond, "127.0.0.1 - - [25/Nov/2026:19:00:00 +0000] "
	}
	h.dated = len(steps) > 1 && steps[1]%2 == 0
	h.write("", "")
	h.follow(true)
	h.got.dirty = true
	h.look()
	for ; len(steps) > 1; steps = steps[2:] {
		e := events[int(steps[0])%len(events)]
		if steps[0] >= 253 { // the last numbers, which would be the first events once more
			e = loseUnread
		}
		if h.time != "" && slices.Contains(losses, e.name) {
			e = events[0]
		}
		h.random = rand.New(rand.NewSource(int64(steps[1])))
		h.steps = append(h.steps, fmt.Sprintf("%s@%d", e.name, h.serial))
		e.do(h)
		h.now = h.now.Add(time.Second)
	}
	h.look()
	h.now = h.now.Add(lateInterval)
	h.look()
	if kinds > 0 {
		h.now = h.now.Add(patience)
		h.look()
	}
	h.check()
}

func (h *history) handedOut() int { return bytes.Count(h.got.lines.Bytes(), []byte("\n")) }

func (h *history) check() {
	h.t.Helper()
	if h.kinds > 0 {
		if n := h.handedOut(); n < h.serial && len(h.got.gaps) == 0 {
			h.t.Fatalf("%d lines of %d are handed out, and no gap is reported\n%v", n, h.serial, h.steps)
		}
		return
	}
	got := map[string]int{}
	for _, line := range bytes.SplitAfter(h.got.lines.Bytes(), []byte("\n")) {
		if len(line) > 0 {
			got[string(line)]++
		}
	}
	for line, n := range got {
		if n > 1 || !h.want[line] && !h.maybe[line] {
			h.t.Fatalf("%q was handed out %d times; gaps %v\n%v", line, n, h.got.told, h.steps)
		}
	}
	for line := range h.want {
		if got[line] != 1 {
			h.t.Fatalf("%q was not handed out; it is in %s; gaps %v\n%v", line, h.holding(line), h.got.told, h.steps)
		}
	}
	for line := range h.maybe {
		if got[line] != 1 && len(h.got.gaps) == 0 {
			h.t.Fatalf("%q was not handed out, and no gap is reported\n%v", line, h.steps)
		}
	}
	if len(h.got.gaps) > h.doubts && !h.lostAny {
		h.t.Fatalf("gaps %v %v\n%v", h.got.told, h.got.causes, h.steps)
	}
}
