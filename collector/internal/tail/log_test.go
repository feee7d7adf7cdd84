package tail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A record is a Sink that keeps what it is given.
type record struct {
	lines   bytes.Buffer
	tooLong int
	rotated map[string]int
	gaps    []string
	told    []string // gaps with file and offset
	causes  []string
	onLines func() // what happens while lines are taken
	dirty   bool   // there is something to commit, as follow.Pipeline sees it
}

func newRecord() *record { return &record{rotated: map[string]int{}} }

func (r *record) Lines(block []byte) {
	if len(block) == 0 || block[len(block)-1] != '\n' {
		panic(fmt.Sprintf("a block of no whole lines: %q", block))
	}
	r.lines.Write(block)
	r.dirty = true
	if r.onLines != nil {
		r.onLines()
	}
}
func (r *record) TooLong()            { r.tooLong++; r.dirty = true }
func (r *record) Checkpoint()         {}
func (r *record) Moved()              { r.dirty = true }
func (r *record) Rotated(kind string) { r.rotated[kind]++; r.dirty = true }
func (r *record) Gap(reason, file string, from, _ int64, cause string) {
	r.dirty = true
	r.causes = append(r.causes, cause)
	r.gaps = append(r.gaps, reason)
	r.told = append(r.told, fmt.Sprintf("%s %s %d", reason, filepath.Base(file), from))
}

// A log is a folder with a log in it, a clock, and who follows.
type log struct {
	t    *testing.T
	path string
	now  time.Time
	got  *record
	f    *Follower
}

func newLog(t *testing.T) *log {
	return &log{t: t, path: filepath.Join(t.TempDir(), "access.log"), now: time.Now(), got: newRecord()}
}

func (l *log) follow(fromStart bool) {
	l.f = New(l.path, fromStart, l.got, func() time.Time { return l.now })
	l.t.Cleanup(func() { l.f.Close() })
}

// restart starts again from the position, as after a crash right after a commit.
func (l *log) restart() { l.whileDown(func() {}) }

// whileFollowedOr does something while the log is followed, or while the exporter is down.
func (l *log) whileFollowedOr(down bool, do func()) {
	l.t.Helper()
	if down {
		l.whileDown(do)
	} else {
		do()
	}
}

// whileDown does something between a crash right after a commit and the next start.
func (l *log) whileDown(do func()) {
	l.t.Helper()
	position, seen := l.f.Position(), l.f.Seen()
	l.f.Close()
	do()
	l.follow(false)
	l.f.Resume(position, seen)
}

// copyFolder replaces the log's folder by a copy: all files have other inodes and times.
func (l *log) copyFolder() {
	l.t.Helper()
	dir := filepath.Dir(l.path)
	l.must(os.CopyFS(dir+".new", os.DirFS(dir)))
	l.must(os.RemoveAll(dir))
	l.must(os.Rename(dir+".new", dir))
}

// renewFolder removes the log's folder with all that is in it, and makes an empty one.
func (l *log) renewFolder() {
	l.t.Helper()
	dir := filepath.Dir(l.path)
	l.must(os.Mkdir(dir+".new", 0o755)) // beside it, for another inode
	l.must(os.RemoveAll(dir))
	l.must(os.Rename(dir+".new", dir))
}

// tick waits until a file that is created has a later time than now: the kernel's clock of files is behind.
func (l *log) tick() {
	l.t.Helper()
	name, now := filepath.Join(l.t.TempDir(), "now"), time.Now().UnixNano()
	for born := int64(1); 0 < born && born <= now; {
		l.must(os.WriteFile(name, nil, 0o644))
		born = tagOf(name).Born
		l.must(os.Remove(name))
	}
}

func (l *log) read() {
	l.t.Helper()
	if err := l.f.Read(); err != nil {
		l.t.Fatal(err)
	}
}

// open is how many files are open.
func (l *log) open() (n int) {
	for _, g := range l.f.generations {
		if g.file != nil {
			n++
		}
	}
	return n
}

func (l *log) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// write appends to a file beside the log, "" for the log itself.
func (l *log) write(name, text string) {
	l.t.Helper()
	file, err := os.OpenFile(l.at(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	l.must(err)
	_, err = file.WriteString(text)
	l.must(err)
	l.must(file.Close())
}

func (l *log) at(name string) string {
	if name == "" {
		return l.path
	}
	return filepath.Join(filepath.Dir(l.path), name)
}

func (l *log) rename(from, to string) { l.t.Helper(); l.must(os.Rename(l.at(from), l.at(to))) }

func (l *log) gzip(name string) {
	l.t.Helper()
	text, err := os.ReadFile(l.at(name))
	l.must(err)
	info, err := os.Stat(l.at(name))
	l.must(err)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(text)
	l.must(z.Close())
	l.must(os.WriteFile(l.at(name+".gz"), b.Bytes(), 0o644))
	l.must(os.Chtimes(l.at(name+".gz"), info.ModTime(), info.ModTime())) // as gzip does
	l.must(os.Remove(l.at(name)))
}

// readsPatiently is reads, until it is given up to wait for files that cannot be read yet.
func (l *log) readsPatiently() {
	l.t.Helper()
	l.reads()
	l.now = l.now.Add(patience)
	l.reads()
}

func (l *log) want(text string) {
	l.t.Helper()
	if got := l.got.lines.String(); got != text {
		l.t.Fatalf("got  %q\nwant %q", got, text)
	}
}

// wantAll is want in any order of lines.
func (l *log) wantAll(text string) {
	l.t.Helper()
	got, want := strings.SplitAfter(l.got.lines.String(), "\n"), strings.SplitAfter(text, "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		l.t.Fatalf("got  %q\nwant %q", got, want)
	}
}

func (l *log) wantGaps(reasons ...string) {
	l.t.Helper()
	if fmt.Sprint(l.got.gaps) != fmt.Sprint(reasons) {
		l.t.Errorf("gaps %v, want %v", l.got.gaps, reasons)
	}
}

// holding names the files that hold a line.
func (l *log) holding(line string) (names []string) {
	for _, p := range listOnce(l.path, isAny).files {
		content, err := openContent(p.path)
		l.must(err)
		text, err := content.start(10 << 20)
		l.must(err)
		content.close()
		if bytes.Contains(text, []byte(line)) {
			names = append(names, filepath.Base(p.path))
		}
	}
	return names
}
