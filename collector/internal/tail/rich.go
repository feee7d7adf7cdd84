package tail

import (
	"bufio"
	"bytes"
	"io"
)

const (
	// maxTimed is how many bytes are searched for lines of two seconds. A busy second has many.
	maxTimed = 1 << 20
	// maxVaried is how many bytes are searched for lines that come once.
	maxVaried = 64 << 10
	// fewestRich is how many bytes may differ from those of other files.
	fewestRich = 64
	// fewestVaried is how many lines that come once show that a file differs from others, if they have no time.
	fewestVaried = 8
)

// isRich reports whether the first n bytes of a file differ from what any other file of this log, or of another log of
// the same format, would begin with.
func isRich(file io.ReaderAt, n int64) bool {
	return varietyOf(io.NewSectionReader(file, 0, n)).isRich()
}

// A variety says how lines differ. If they are of two different times, no other file has the same: a log is written in
// the order of time, so that none begins in the second in which this one began, and holds a later one too. One time is
// not enough. Logs may be rotated within a second, and all lines of that be those of a health check; they must differ.
type variety struct {
	size     int
	lines    map[uint64]int // how often each line has come
	timed    int            // lines with a time or an id
	time     []byte         // the first
	hasTimes bool           // there is a different one
}

func varietyOf(from io.Reader) (v variety) {
	v.lines = map[uint64]int{}
	lines := bufio.NewReaderSize(io.LimitReader(from, maxTimed), smallBlock)
	for !v.hasTimes {
		line, err := lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			line, err = bytes.Clone(line), skipLine(lines)
		}
		if err != nil {
			break
		}
		v.add(line)
	}
	return v
}

// skipLine skips the rest of a line.
func skipLine(lines *bufio.Reader) (err error) {
	for err = bufio.ErrBufferFull; err == bufio.ErrBufferFull; {
		_, err = lines.ReadSlice('\n')
	}
	return err
}

func (v *variety) add(line []byte) {
	if at := timeOfDay.Find(line); v.time == nil {
		v.time = bytes.Clone(at)
	} else if at != nil && !bytes.Equal(at, v.time) {
		v.hasTimes = true
	}
	if v.size < maxVaried {
		v.lines[sum(line)]++
		if timeOrID.Match(line) {
			v.timed++
		}
	}
	v.size += len(line)
}

// isRich reports whether the lines differ from those of any other file.
func (v variety) isRich() bool {
	once := v.once()
	return v.isTimed() || v.size >= fewestRich && once >= fewestVaried && once > len(v.lines)/2
}

// isTimed reports whether times or ids show that. Lines without may come again: a monitor requests the same pages.
func (v variety) isTimed() bool { return v.size >= fewestRich && v.hasDifferentTimes() }

func (v variety) hasDifferentTimes() bool {
	once := v.once()
	return v.hasTimes || once == len(v.lines) && once == v.timed && once > 1
}

// once returns how many lines have come only once.
func (v variety) once() (n int) {
	for _, times := range v.lines {
		if times == 1 {
			n++
		}
	}
	return n
}
