package past

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/fremisn/fremisn-exporter/collector/internal/container"
)

const (
	// maxLine is the longest line, as in serve.
	maxLine = 1 << 20
	// readSize is the size of a read: small enough to be in the core's cache when it is parsed.
	readSize = 128 << 10
	// partSize is the part of a file for one worker: small enough to keep all busy until the end.
	partSize = 2 << 20
)

// A visitor receives the lines of one worker. One goroutine uses it.
type visitor interface {
	// Lines receives whole lines, each ended by a line break. It must not keep block.
	Lines(block []byte)
	// TooLong receives a line of more than maxLine bytes.
	TooLong()
}

// A job is a part of a plain file, or a whole stream.
type job struct {
	file     int
	from, to int64 // lines that begin there; to is -1 for a stream
	size     int64 // bytes, 0 if unknown
	times    span2 // of its lines, where somebody has asked for them
}

// A scan reads files on all cores, parts of plain files in parallel.
type scan struct {
	files    []File
	stdin    io.Reader
	stream   string // of a container: whose lines are taken; "" is stdout
	workers  int
	part     int64 // bytes that a worker takes at a time, partSize where 0
	progress *progress
	visitor  func(worker, file int) visitor
	done     func(v visitor, j *job) // is called after each job; may be nil

	jobs     []*job       // made by createJobs where there are none
	next     atomic.Int64 // of jobs
	mu       sync.Mutex
	problems []error // a file each
}

// run reads everything, and returns what could not be read, by file. It ends early when ctx does.
func (s *scan) run(ctx context.Context) ([]error, error) {
	if s.jobs == nil {
		var err error
		if s.jobs, err = s.createJobs(ctx); err != nil {
			return nil, err
		}
	}
	for _, j := range s.jobs {
		s.progress.expect(j.size)
	}
	workers := min(s.workers, max(1, len(s.jobs)))
	s.progress.start()
	defer s.progress.stop()
	var running sync.WaitGroup
	for i := range workers {
		running.Go(func() {
			w := worker{scan: s, number: i, buffer: make([]byte, maxLine+1)}
			for {
				n := int(s.next.Add(1)) - 1
				if n >= len(s.jobs) || ctx.Err() != nil {
					return
				}
				if err := w.do(ctx, s.jobs[n]); err != nil {
					s.problem(err)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		running.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-ctx.Done(): // a read of a pipe may never end
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.problems, nil
}

func (s *scan) problem(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, err)
}

// createJobs splits the files into jobs. A file that cannot be opened is a problem of its own, not the end.
func (s *scan) createJobs(ctx context.Context) ([]*job, error) {
	part := s.part
	if part == 0 {
		part = partSize
	}
	var jobs []*job
	for i := range s.files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f := &s.files[i]
		if f.Path == Stdin && f.kept == nil {
			jobs = append(jobs, &job{file: i, to: -1})
			continue
		}
		size, stream, err := f.inspect(i >= len(s.files)-maxHeld)
		if err != nil {
			s.problem(err)
			continue
		}
		if stream {
			jobs = append(jobs, &job{file: i, to: -1, size: size})
			continue
		}
		for from := int64(0); from < size; from += part {
			to := min(from+part, size)
			jobs = append(jobs, &job{file: i, from: from, to: to, size: to - from})
		}
	}
	return jobs, nil
}

// allCores returns the number of workers.
func allCores() int { return max(1, runtime.NumCPU()) }

// A worker does jobs one after the other.
type worker struct {
	*scan
	number int
	buffer []byte
}

func (w *worker) do(ctx context.Context, j *job) error {
	file := &w.files[j.file]
	f := file.kept
	if f == nil && file.Path != Stdin {
		var err error
		if f, err = file.open(); err != nil {
			return err
		}
		defer file.done(f)
	}
	v := w.visitor(w.number, j.file)
	err := w.read(ctx, f, j, v)
	if w.done != nil {
		w.done(v, j)
	}
	return named(file.name(), err)
}

// read gives the lines of a job to v. Without f they are those of standard input.
func (w *worker) read(ctx context.Context, f *os.File, j *job, v visitor) error {
	switch {
	case f == nil:
		return w.feedStream(ctx, w.stdin, w.unwrapping(v))
	case j.to < 0 && (f == w.files[j.file].kept || f == w.files[j.file].held):
		return w.feedStream(ctx, io.NewSectionReader(f, 0, 1<<62), w.unwrapping(v))
	case j.to < 0:
		return w.feedStream(ctx, f, w.unwrapping(v))
	}
	// A part begins after the first line break at or after the byte before it: the line before belongs to the previous
	// part.
	begin := max(0, j.from-1)
	section := counted{io.NewSectionReader(f, begin, 1<<62), w.progress}
	return w.feed(ctx, section, v, j.from > 0, j.to-begin)
}

func (w *worker) feedStream(ctx context.Context, r io.Reader, v visitor) error {
	stream, err := decompressed(r, w.progress)
	if err != nil {
		return err
	}
	return w.feed(ctx, stream, v, false, -1)
}

// An unwrapper strips what a container runtime has written around the lines of a stream.
type unwrapper struct {
	*container.Unwrapper
	visitor visitor
	kept    []byte // of an unfinished line
}

func (w *worker) unwrapping(v visitor) visitor {
	stream := w.stream
	if stream == "" {
		stream = container.Stdout
	}
	return &unwrapper{Unwrapper: container.New(container.Auto, stream), visitor: v}
}

// maxParts limits the parts of an unfinished line, with the text around and between them, bytes.
const maxParts = 8 * maxLine

// Lines implements visitor.
func (u *unwrapper) Lines(block []byte) {
	if len(u.kept) > 0 {
		block = append(u.kept, block...)
	}
	whole := u.Complete(block)
	lines, tooLong := u.Unwrapper.Lines(block[:whole])
	u.kept = append([]byte(nil), block[whole:]...)
	if len(u.kept) > maxParts {
		u.kept = nil
		tooLong++
	}
	for range tooLong {
		u.visitor.TooLong()
	}
	if len(lines) > 0 {
		u.visitor.Lines(lines)
	}
}

// TooLong implements visitor.
func (u *unwrapper) TooLong() { u.visitor.TooLong() }

func named(path string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: the compressed file ends in its middle: it was cut, or is still being written; what "+
			"precedes is counted", path)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// feed passes all lines of r that begin before stop to v; -1 means no limit. It skips the first line if that is
// incomplete.
func (w *worker) feed(ctx context.Context, r io.Reader, v visitor, cut bool, stop int64) error {
	b := lineBuffer{bytes: w.buffer, skip: cut, stop: stop}
	for !b.done {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(b.room())
		b.add(n, v)
		switch {
		case err == io.EOF:
			b.end(v)
			return nil
		case err != nil:
			b.end(v)
			return err
		}
	}
	return nil
}

// A lineBuffer turns reads into blocks of whole lines.
type lineBuffer struct {
	bytes   []byte
	kept    int   // bytes of an unfinished line
	at      int64 // the offset of bytes in the input
	stop    int64 // lines that begin there or later are not read; -1: all are
	skip    bool  // the rest of a skipped line follows
	tooLong bool  // and it must be reported at its end
	done    bool
}

// room returns where to read to next. It reads little beyond the end of the part: only to the end of its last line.
func (b *lineBuffer) room() []byte {
	room := b.bytes[b.kept:min(len(b.bytes), b.kept+readSize)]
	if b.stop >= 0 {
		const beyond = 4096
		left := max(0, b.stop-b.at-int64(b.kept)) + beyond
		room = room[:min(int64(len(room)), left)]
	}
	return room
}

// add adds n more bytes.
func (b *lineBuffer) add(n int, v visitor) {
	data := b.bytes[:b.kept+n]
	if b.skip {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			b.at += int64(len(data))
			b.kept = 0
			if b.stop >= 0 && b.at >= b.stop { // the next line belongs to a later part
				b.end(v)
				b.done = true
			}
			return
		}
		if b.tooLong {
			v.TooLong()
		}
		b.skip, b.tooLong = false, false
		b.at += int64(end) + 1
		data = data[end+1:]
	}
	if b.stop >= 0 && b.at+int64(len(data)) >= b.stop {
		from := int(max(0, b.stop-1-b.at))
		if b.at >= b.stop {
			b.done, b.kept = true, 0
			return
		}
		if end := bytes.IndexByte(data[from:], '\n'); end >= 0 {
			v.Lines(data[:from+end+1])
			b.done, b.kept = true, 0
			return
		}
	}
	last := bytes.LastIndexByte(data, '\n') + 1
	if last > 0 {
		v.Lines(data[:last])
	}
	b.at += int64(last)
	b.kept = copy(b.bytes, data[last:])
	if b.kept == len(b.bytes) {
		b.skip, b.tooLong = true, true
		b.at += int64(b.kept)
		b.kept = 0
	}
}

// end passes on a last line without a line break.
func (b *lineBuffer) end(v visitor) {
	switch {
	case b.tooLong:
		v.TooLong()
	case b.kept > 0 && !b.skip:
		v.Lines(append(bytes.Clone(b.bytes[:b.kept]), '\n'))
	}
	b.kept, b.tooLong = 0, false
}
