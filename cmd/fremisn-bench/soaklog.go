package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

const (
	fastest    = 100_000 // lines a second; above, drawn lines are written several times
	blockLines = 100     // drawn independently, and written at once, as by a worker of NGINX with a buffer
	keptBytes  = 1 << 30 // of the rotated parts of one log; the oldest are deleted
	nobodys    = 10      // the niceness of writers, so that they take nothing from what they measure
)

// A soakLog is a log that is written as NGINX's workers do, rotated as logrotate does, and knows what was written.
type soakLog struct {
	path     string
	truncate bool // copied and truncated, not renamed
	draw     func(dst []byte) []byte

	rate  atomic.Int64 // lines a second
	full  atomic.Bool  // the disk may be
	fault func(format string, args ...any)

	mu    sync.Mutex // held while a rotation needs the writers to be still
	file  *os.File
	late  *os.File // the old file, which a worker still writes
	turns int
	cut   int // short writes

	begun, written count // before and after each write
}

// A count is a number of lines, and the sum of their $request_length.
type count struct{ lines, sum atomic.Int64 }

func (c *count) add(lines, sum int64) {
	c.lines.Add(lines)
	c.sum.Add(sum)
}

// openLogs creates empty logs: content from before the exporter's start is not tested.
func (s *soak) openLogs() error {
	s.access = &soakLog{path: s.path("log/access.log"), draw: mixedLines(1)}
	s.side = &soakLog{path: s.path("side/side.log"), draw: mixedLines(2), truncate: true}
	s.mistakes = &soakLog{path: s.path("log/error.log"), draw: errorLines()}
	s.access.rate.Store(int64(s.rate))
	s.side.rate.Store(int64(max(500, s.rate/40)))
	s.mistakes.rate.Store(int64(max(1, s.rate/1000)))
	for _, log := range []*soakLog{s.access, s.side, s.mistakes} {
		log.fault = s.fault
		if err := os.MkdirAll(filepath.Dir(log.path), 0o755); err != nil {
			return err
		}
		if err := log.open(); err != nil {
			return err
		}
	}
	return nil
}

// mixedLines draws mixed traffic of now.
func mixedLines(seed uint64) func([]byte) []byte {
	writer := logtest.NewMixed(logtest.Format{Name: "full", Escape: "default", Text: logtest.Full}, seed)
	return func(dst []byte) []byte {
		writer.Start(time.Now().Add(-blockLines * time.Millisecond)) // a line takes 1 ms on average
		for range blockLines {
			dst = writer.Append(dst)
		}
		return dst
	}
}

// errorLines draws what NGINX complains of, one entry at a time.
func errorLines() func([]byte) []byte {
	serial := 0
	return func(dst []byte) []byte {
		serial++
		complaint := "connect() failed (111: Connection refused) while connecting to upstream"
		if serial%3 == 0 {
			complaint = "upstream timed out (110: Connection timed out) while reading response header from upstream"
		}
		return fmt.Appendf(dst, "%s [error] 7#7: *%d %s, client: 10.0.0.1, server: faces, "+
			"request: \"GET / HTTP/1.1\", "+
			"upstream: \"http://%s/\", host: \"faces\"\n", time.Now().Format("2006/01/02 15:04:05"), serial, complaint,
			logtest.Servers()[serial%3])
	}
}

func (l *soakLog) open() (err error) {
	l.file, err = os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	return err
}

// write appends lines at the rate until the end, on a thread that steps back for others.
func (l *soakLog) write(ctx context.Context) {
	stepBack()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	due, last := 0.0, time.Now()
	var block []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		rate := float64(l.rate.Load())
		due += rate * time.Since(last).Seconds()
		last = time.Now()
		for first := true; due >= 1; first = false {
			if first || rate < fastest {
				block = l.draw(block[:0])
			}
			due -= float64(l.append(block))
		}
	}
}

// append writes a block in one call, and returns how many lines it has.
func (l *soakLog) append(block []byte) int {
	lines, sum := measure(block)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun.add(lines, sum)
	to := l.file
	if l.late != nil && l.begun.lines.Load()/blockLines%2 == 0 {
		to = l.late
	}
	n, err := to.Write(block)
	if err != nil {
		if !l.full.Load() {
			l.fault("writing %s: %v", l.path, err)
		}
		l.cut++
		got, gotSum := measure(block[:n])
		l.begun.add(got-lines, gotSum-sum)
		l.written.add(got, gotSum)
		return int(lines)
	}
	l.written.add(lines, sum)
	return int(lines)
}

// measure counts the whole lines of a block, and adds up their $request_length.
func measure(block []byte) (lines, sum int64) {
	for {
		end := bytes.IndexByte(block, '\n')
		if end < 0 {
			return lines, sum
		}
		lines++
		if at := bytes.Index(block[:end], []byte(" rl=")); at >= 0 {
			digits := block[at+4 : at+4+bytes.IndexByte(block[at+4:end], ' ')]
			n, _ := strconv.ParseInt(string(digits), 10, 64)
			sum += n
		}
		block = block[end+1:]
	}
}

// stepBack makes the thread of this goroutine a nice one, and ends it with the goroutine.
func stepBack() {
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, nobodys)
}

// rotate turns a log over again and again. Now and then a part is compressed.
func (s *soak) rotate(ctx context.Context, l *soakLog) {
	stepBack()
	for {
		wait := s.share(1.0/400, time.Second, 10*time.Second)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)):
		}
		if l.full.Load() { // logrotate gives up there, too
			continue
		}
		if err := l.turn(); err != nil {
			s.fault("rotating %s: %v", l.path, err)
		}
		s.rotated.Add(1)
	}
}

// turn rotates the log: numbered parts make room, the oldest are deleted, every sixth time the third is compressed.
func (l *soakLog) turn() error {
	l.turns++
	if err := l.shift(); err != nil {
		return err
	}
	rotate := l.rename
	if l.truncate {
		rotate = l.copyAndTruncate
	}
	if err := rotate(); err != nil {
		return err
	}
	if l.turns%6 == 0 {
		return compress(l.path + ".3")
	}
	return nil
}

// shift makes room for part 1 and deletes the oldest of what is too much.
func (l *soakLog) shift() error {
	parts := []string{}
	for i := 1; ; i++ {
		name := fmt.Sprint(l.path, ".", i)
		if _, err := os.Stat(name); err != nil {
			if _, err = os.Stat(name + ".gz"); err != nil {
				break
			}
			name += ".gz"
		}
		parts = append(parts, name)
	}
	for i := len(parts) - 1; i >= 0; i-- {
		suffix := ""
		if filepath.Ext(parts[i]) == ".gz" {
			suffix = ".gz"
		}
		if err := os.Rename(parts[i], fmt.Sprint(l.path, ".", i+2, suffix)); err != nil {
			return err
		}
	}
	return l.deleteOldest()
}

func (l *soakLog) deleteOldest() error {
	kept, most := int64(0), int64(keptBytes)
	if l.truncate { // on a small disk
		most = smallDisk / 4
	}
	for i := 2; ; i++ {
		name := fmt.Sprint(l.path, ".", i)
		info, err := os.Stat(name)
		if err != nil {
			name += ".gz"
			if info, err = os.Stat(name); err != nil {
				return nil
			}
		}
		if kept += info.Size(); kept < most && i < 50 {
			continue
		}
		if err := os.Remove(name); err != nil {
			return err
		}
	}
}

// rename renames the log and opens another; one worker still writes the old file until the next turn.
func (l *soakLog) rename() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return err
	}
	if l.late != nil {
		if err := l.late.Close(); err != nil {
			return err
		}
	}
	l.late = l.file
	return l.open()
}

func (l *soakLog) copyAndTruncate() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := os.ReadFile(l.path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.path+".1", text, 0o644); err != nil {
		return err
	}
	return os.Truncate(l.path, 0)
}

// compress makes name.gz of a part, where there is one.
func compress(name string) error {
	from, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(name + ".gz")
	if err != nil {
		return err
	}
	defer to.Close()
	z, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, from); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.Remove(name)
}
