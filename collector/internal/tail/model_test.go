package tail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
			anyOrder(t, steps)
		})
	}
}

// FuzzHistory does the same with steps that the fuzzer chooses.
func FuzzHistory(f *testing.F) {
	f.Add([]byte{0, 0, 9, 3, 0, 10, 4, 0, 9, 11, 0, 9})
	f.Add([]byte{1, 0, 9, 5, 0, 11, 0, 9, 12, 9, 13, 0, 9})
	f.Add([]byte{2, 0, 9, 14, 0, 9, 15, 9, 16, 9, 17, 18, 0, 9})
	f.Fuzz(func(t *testing.T, steps []byte) { anyOrder(t, steps[:min(len(steps), 120)]) })
}

// A history is a folder with a log in which anything may happen, and what must have been handed out in the end.
type history struct {
	*log
	random *rand.Rand
	dated  bool
	serial int
	turn   int
	late   string // the name of the old file that a worker still writes

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

var loseUnread = event{"lose an unread file", func(h *history) { h.loseUnread() }}

// anyOrder takes two bytes for each step: which event, and what decides within it.
func anyOrder(t *testing.T, steps []byte) {
	h := &history{log: newLog(t), want: map[string]bool{}, maybe: map[string]bool{}}
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
		h.random = rand.New(rand.NewSource(int64(steps[1])))
		h.steps = append(h.steps, fmt.Sprintf("%s@%d", e.name, h.serial))
		e.do(h)
		h.now = h.now.Add(time.Second)
	}
	h.look()
	h.now = h.now.Add(lateInterval)
	h.look()
	h.check()
}

func (h *history) line() string {
	h.serial++
	return fmt.Sprintf("10.0.0.%d - [25/Nov/2026:19:00:00 +0000] line number %d of them all\n", h.serial%7, h.serial)
}

func (h *history) append(name string) {
	var text strings.Builder
	for range 1 + h.random.Intn(60) {
		line := h.line()
		if h.doubt {
			h.maybe[line] = true
		} else {
			h.want[line] = true
		}
		text.WriteString(line)
	}
	h.write(name, text.String())
}

func (h *history) half() {
	if h.doubt { // a file that was cut and ends in half a line may have been cut within that
		h.append("")
		return
	}
	line := h.line()
	at := 1 + h.random.Intn(len(line)-2)
	h.write("", line[:at])
	if h.random.Intn(2) == 0 {
		h.look()
	}
	h.write("", line[at:])
	h.want[line] = true
}

func (h *history) appendLate() {
	info, err := os.Stat(h.at(h.late))
	if h.late == "" || err != nil || h.doubt {
		return
	}
	if info.Size() < fewestCopied { // on another disk it would not be certain that it is the same file
		h.doubt, h.doubts = true, h.doubts+2
	}
	h.append(h.late)
	h.doubt = false
}

func (h *history) look() {
	h.read()
	h.doubt = false
	if !h.got.dirty { // nothing is committed then
		return
	}
	h.got.dirty = false
	h.position = h.f.Position()
	h.committed.Reset()
	h.committed.Write(h.got.lines.Bytes())
	h.gaps = len(h.got.gaps)
	info, err := os.Stat(h.path)
	h.must(err)
	h.unrotated = info.Size() == 0 && len(h.old()) == 0
}

func (h *history) crash() {
	if h.unrotated && len(h.old()) > 0 {
		h.doubts++ // without an older part it is not certain how many came before these
	}
	h.f.Close()
	h.got.lines.Reset()
	h.got.lines.Write(h.committed.Bytes())
	h.got.gaps, h.got.told, h.got.causes = h.got.gaps[:h.gaps], h.got.told[:h.gaps], h.got.causes[:h.gaps]
	h.follow(true)
	h.f.Resume(h.position, time.Time{})
	h.got.dirty = true // the first commit is always made
}

// room is the name of the next rotated part; numbered ones make room for it.
func (h *history) room() string {
	h.turn++
	if h.dated {
		return fmt.Sprintf("access.log-202601%02d%02d", 1+h.turn/24, h.turn%24)
	}
	for i := 99; i >= 1; i-- {
		for _, suffix := range []string{"", ".gz"} {
			from := "access.log." + strconv.Itoa(i) + suffix
			if _, err := os.Stat(h.at(from)); err != nil {
				continue
			}
			to := "access.log." + strconv.Itoa(i+1)
			h.rename(from, to+suffix)
			if from == h.late {
				h.late = to
			}
		}
	}
	return "access.log.1"
}

func (h *history) rotate() string {
	name := h.room()
	h.rename("", name)
	h.write("", "")
	return name
}

func (h *history) copyTruncate() {
	name := h.room()
	text, err := os.ReadFile(h.path)
	h.must(err)
	h.must(os.WriteFile(h.at(name), text, 0o644))
	h.must(os.Truncate(h.path, 0))
}

// old are the rotated parts, by name.
func (h *history) old() []string {
	entries, err := os.ReadDir(filepath.Dir(h.path))
	h.must(err)
	var names []string
	for _, entry := range entries {
		if _, _, is := placeOf("access.log", entry.Name()); is {
			names = append(names, entry.Name())
		}
	}
	return names
}

func (h *history) anyOld() string {
	old := h.old()
	if len(old) == 0 {
		return ""
	}
	return old[h.random.Intn(len(old))]
}

func (h *history) compressOld() {
	if name := h.anyOld(); name != "" && !isGzip(name) && name != h.late {
		h.gzip(name)
	}
}

func (h *history) neighbour() {
	for _, name := range []string{"access_2.log", "access.2.log", "access.8080.log", "access-202611.log", "access-v2",
		"access_log_443", "error_1.log", "access.log.json", "access-20261125.log"} {
		line := fmt.Sprintf("10.0.0.1 - [25/Nov/2026:19:00:00 +0000] of another log %d\n", h.serial)
		h.write(name, strings.Repeat(line, 20))
	}
}

// cut takes the end of the log away, as a power failure does, after all of it has been counted.
func (h *history) cut() {
	h.look()
	text, err := os.ReadFile(h.path)
	h.must(err)
	if len(text) == 0 {
		return
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	keep := 1 + h.random.Intn(len(lines)-1)
	h.must(os.Truncate(h.path, int64(len(bytes.Join(lines[:keep], nil)))))
	h.doubt, h.lostAny = true, true
}

func (h *history) replaceByCopy() {
	h.look() // what is appended to the removed file and not to the copy would be the writer's loss
	text, err := os.ReadFile(h.path)
	h.must(err)
	if len(text) == 0 { // of an empty file nothing but its inode is known
		return
	}
	h.must(os.WriteFile(h.path+"~", text, 0o644))
	h.rename("access.log~", "")
}

// rewriteOld replaces the addresses in a part that has been read.
func (h *history) rewriteOld() {
	name := h.anyOld()
	if name == "" || isGzip(name) || name == h.late {
		return
	}
	h.look()
	text, err := os.ReadFile(h.at(name))
	h.must(err)
	// Of so few lines it is not certain, after a crash, that it is the file that was read.
	info, err := os.Stat(h.path)
	h.must(err)
	if info.Size() == 0 { // nor whether it is the newest that was seen
		return
	}
	h.lostAny = h.lostAny || bytes.Count(text, []byte("\n")) < 6
	h.must(os.WriteFile(h.at("new"), bytes.ReplaceAll(text, []byte("10.0.0."), []byte("0.0.0.")), 0o644))
	h.rename("new", name)
}

// restoreOld puts a copy of a part that has been read beside it, as one that is older than all.
func (h *history) restoreOld() {
	name := h.anyOld()
	if name == "" {
		return
	}
	h.look()
	text, err := os.ReadFile(h.at(name))
	h.must(err)
	to := "access.log.200"
	if h.dated {
		to = []string{"access.log-20251201", "access.log-2025120113"}[h.random.Intn(2)]
	}
	if isGzip(name) {
		to += ".gz"
	}
	h.must(os.WriteFile(h.at(to), text, 0o644))
}

func (h *history) packAgain() {
	for _, name := range h.old() {
		if !isGzip(name) {
			continue
		}
		packed, err := os.ReadFile(h.at(name))
		h.must(err)
		z, err := gzip.NewReader(bytes.NewReader(packed))
		h.must(err)
		var text, again bytes.Buffer
		_, err = text.ReadFrom(z)
		h.must(err)
		if text.Len() == 0 { // of an empty file nothing but its inode is known
			continue
		}
		best, err := gzip.NewWriterLevel(&again, gzip.BestSpeed)
		h.must(err)
		best.Write(text.Bytes())
		h.must(best.Close())
		h.must(os.WriteFile(h.at("new"), again.Bytes(), 0o644))
		h.rename("new", name)
	}
}

// anotherDisk copies all files, which get other inodes and times, while the exporter is stopped.
func (h *history) anotherDisk() {
	h.look()
	h.f.Close()
	h.copyFolder()
	h.late = "" // it has the file of the other disk
	if h.unrotated && len(h.old()) == 0 {
		h.doubts++ // nothing shows that the folder was copied, and not made anew
	}
	h.crash()
}

// loseUnread writes to a log that was empty at the last commit, and takes the file away, while the exporter is stopped.
func (h *history) loseUnread() {
	h.look()
	if info, err := os.Stat(h.path); err != nil || info.Size() > 0 {
		h.late = h.rotate()
		h.look()
	}
	h.f.Close()
	h.doubt = true
	h.append("")
	if h.random.Intn(2) == 0 {
		h.must(os.Remove(h.path))
	} else {
		h.must(os.Rename(h.path, filepath.Join(h.t.TempDir(), "access.log.1")))
	}
	h.doubt = false
	h.append("")
	before := h.gaps
	h.crash()
	h.look()
	h.doubts++
	if len(h.got.gaps) == before {
		h.t.Fatalf("a file was lost, and no gap is reported\n%v", h.steps)
	}
}

func (h *history) deleteOldest() {
	h.look()
	old := h.old()
	for _, name := range old {
		number := strings.TrimSuffix(strings.TrimPrefix(name, "access.log."), ".gz")
		if n, err := strconv.Atoi(number); err == nil && n > 5 && name != h.late {
			h.must(os.Remove(h.at(name)))
		}
	}
	if h.dated && len(old) > 5 && old[0] != h.late {
		h.must(os.Remove(h.at(old[0])))
	}
	h.look() // in the last minute a late worker may have written it: while down, that would be a gap
}

func (h *history) check() {
	h.t.Helper()
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
