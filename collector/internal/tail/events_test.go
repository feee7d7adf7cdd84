package tail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func (h *history) line() string {
	h.serial++
	if h.isOrdered {
		h.kind++
		return h.time + fmt.Sprintf("GET %d\n", 200+h.kind%h.kinds)
	}
	if h.kinds > 0 {
		return h.time + fmt.Sprintf("GET %d\n", 200+h.random.Intn(h.kinds))
	}
	return fmt.Sprintf("10.0.0.%d - [25/Nov/2026:19:00:00 +0000] line number %d of them all\n", h.serial%7, h.serial)
}

func (h *history) append(name string) {
	var text strings.Builder
	h.kind = 0
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
	if n := h.handedOut(); h.kinds > 0 && n > h.serial {
		h.t.Fatalf("%d lines of %d are handed out; gaps %v\n%v", n, h.serial, h.got.told, h.steps)
	}
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
	if h.kinds > 0 {
		h.tick() // or the folder's time would not show that it has changed
	}
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
	if h.kinds > 0 { // nothing shows it if as many like lines come
		h.look()
	}
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
	if _, err := os.Stat(h.at(to)); err == nil && h.kinds > 0 {
		return // a late worker may have written it
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
	if len(h.got.gaps) == before && h.kinds == 0 {
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
