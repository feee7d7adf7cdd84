// Package container knows what a container runtime writes around the lines of a log, and where it writes them.
//
// Docker's driver json-file writes {"log":"LINE\n","stream":"stdout","time":"…"}; the kubelet writes, after the CRI,
// TIME stdout F LINE. Both part long lines (Docker at 16 KiB): all parts but the last have no \n, or the tag P. A file
// holds the lines of both streams. An Unwrapper gives the lines of one stream, their parts joined.
package container

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// A Wrapping is the format around a line.
type Wrapping uint8

const (
	Auto Wrapping = iota // the same as the first line's
	None
	Docker
	CRI
)

// ParseWrapping returns the wrapping of that name in the config file; ok is false for an unknown name.
func ParseWrapping(name string) (w Wrapping, ok bool) {
	switch name {
	case "", "auto":
		return Auto, true
	case "none":
		return None, true
	case "docker":
		return Docker, true
	case "cri":
		return CRI, true
	}
	return None, false
}

// Streams that a container writes to.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// MaxLine is the longest line that is unwrapped, in bytes.
const MaxLine = 1 << 20

// An Unwrapper extracts the lines of one stream from blocks of whole wrapped lines. It keeps nothing of one block for
// the next: the parts of an unfinished line are passed again, with what has come since. It belongs to one goroutine.
type Unwrapper struct {
	wrapping Wrapping
	stream   string

	isPlain bool   // the last block was not wrapped, and no line of it can be too long
	lines   []byte // those of the last block that have ended
	tooLong int    // how many of the last block were longer than MaxLine
}

// New returns an Unwrapper of one stream: stdout or stderr.
func New(w Wrapping, stream string) *Unwrapper {
	return &Unwrapper{wrapping: w, stream: stream}
}

// Complete returns how many of block's first bytes are wrapped lines that leave no line of the stream unfinished. Lines
// returns their content next.
func (u *Unwrapper) Complete(block []byte) int {
	u.lines, u.tooLong = u.lines[:0], 0
	block = block[:bytes.LastIndexByte(block, '\n')+1]
	wrapping := u.of(block)
	if u.isPlain = wrapping == None && len(block) <= MaxLine; u.isPlain {
		return len(block)
	}
	if wrapping == None {
		u.plain(block)
		return len(block)
	}
	whole, end, line := 0, 0, 0 // line is where the unfinished line begins in u.lines
	for wrapped := range bytes.Lines(block) {
		end += len(wrapped)
		from := len(u.lines)
		isOurs, isPart := u.unwrap(wrapping, wrapped[:len(wrapped)-1])
		switch {
		case !isOurs:
			u.lines = u.lines[:from]
		case isPart:
			continue
		default:
			line = u.end(line)
		}
		if len(u.lines) == line {
			whole = end
		}
	}
	u.lines = u.lines[:line]
	return whole
}

// plain copies the lines of a block that is not wrapped, without those that are too long.
func (u *Unwrapper) plain(block []byte) {
	for line := range bytes.Lines(block) {
		if len(line)-1 > MaxLine {
			u.tooLong++
			continue
		}
		u.lines = append(u.lines, line...)
	}
}

// end ends the line that begins in u.lines at an offset, and returns where the next one begins.
func (u *Unwrapper) end(line int) int {
	if n := len(u.lines); n > line && u.lines[n-1] == '\r' { // of a terminal
		u.lines = u.lines[:n-1]
	}
	if len(u.lines)-line > MaxLine {
		u.lines = u.lines[:line]
		u.tooLong++
		return line
	}
	u.lines = append(u.lines, '\n')
	return len(u.lines)
}

// Lines returns the lines of a block whose length Whole has returned, each ended by "\n", and how many lines beside
// them were too long. They are valid until the next call of Whole.
func (u *Unwrapper) Lines(block []byte) (lines []byte, tooLong int) {
	if u.isPlain {
		return block, 0
	}
	lines, tooLong = u.lines, u.tooLong
	if cap(u.lines) > 4*MaxLine {
		u.lines = nil // a long line is over; free its memory too
	}
	return lines, tooLong
}

// Skip returns how many bytes of block belong to a line that began before it, and whether that line ends there.
func (u *Unwrapper) Skip(block []byte) (n int, ended bool) {
	block = block[:bytes.LastIndexByte(block, '\n')+1]
	wrapping := u.of(block)
	for wrapped := range bytes.Lines(block) {
		n += len(wrapped)
		from := len(u.lines)
		isOurs, isPart := u.unwrap(wrapping, wrapped[:len(wrapped)-1])
		u.lines = u.lines[:from]
		if wrapping == None || isOurs && !isPart {
			return n, true
		}
	}
	return n, false
}

// of returns how a block is wrapped.
func (u *Unwrapper) of(block []byte) Wrapping {
	if u.wrapping != Auto {
		return u.wrapping
	}
	line, _, _ := bytes.Cut(block, []byte("\n"))
	return detect(line)
}

// detect returns the wrapping that a line has.
func detect(line []byte) Wrapping {
	if _, _, ok := cutDocker(line); ok {
		return Docker
	}
	if _, _, _, ok := cutCRI(line); ok {
		return CRI
	}
	return None
}

// unwrap appends a wrapped line's content to u.lines, if it is of the stream. It keeps a line without the wrapping as
// it is: the log's format will reject it.
func (u *Unwrapper) unwrap(wrapping Wrapping, wrapped []byte) (isOurs, isPart bool) {
	switch wrapping {
	case Docker:
		return u.unwrapDocker(wrapped)
	case CRI:
		stream, tag, content, ok := cutCRI(wrapped)
		if !ok {
			break
		}
		u.lines = append(u.lines, content...)
		return string(stream) == u.stream, len(tag) > 0 && tag[0] == 'P'
	}
	u.lines = append(u.lines, wrapped...)
	return true, false
}

func (u *Unwrapper) unwrapDocker(wrapped []byte) (isOurs, isPart bool) {
	content, stream, ok := cutDocker(wrapped)
	if ok && string(stream) != u.stream {
		return false, false
	}
	from := len(u.lines)
	if ok {
		u.lines, ok = appendUnquoted(u.lines, content)
	}
	if !ok { // not written by Docker
		u.lines = u.lines[:from]
		var entry struct {
			Log    *string `json:"log"`
			Stream string  `json:"stream"`
		}
		if json.Unmarshal(wrapped, &entry) != nil || entry.Log == nil {
			u.lines = append(u.lines, wrapped...)
			return true, false
		}
		if entry.Stream != u.stream {
			return false, false
		}
		u.lines = append(u.lines, *entry.Log...)
	}
	if n := len(u.lines); n > from && u.lines[n-1] == '\n' {
		u.lines = u.lines[:n-1]
		return true, false
	}
	return true, true
}

// cutDocker cuts a line of Docker's json-file: {"log":"CONTENT","stream":"STREAM",…"time":"…"}. The content is quoted.
func cutDocker(line []byte) (content, stream []byte, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"log":"`))
	if !ok {
		return nil, nil, false
	}
	end := 0
	for {
		i := bytes.IndexAny(rest[end:], `"\`)
		if i < 0 {
			return nil, nil, false
		}
		end += i
		if rest[end] == '"' {
			break
		}
		if end += 2; end > len(rest) {
			return nil, nil, false
		}
	}
	content = rest[:end]
	rest, ok = bytes.CutPrefix(rest[end+1:], []byte(`,"stream":"`))
	if !ok {
		return nil, nil, false
	}
	stream, rest, ok = bytes.Cut(rest, []byte(`"`))
	return content, stream, ok && bytes.Contains(rest, []byte(`"time":"`)) && bytes.HasSuffix(rest, []byte(`"}`))
}

// escapes are JSON's but \u.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// appendUnquoted appends the content of a JSON string. It rejects invalid content, and surrogate pairs, which Docker
// does not write.
func appendUnquoted(dst, content []byte) ([]byte, bool) {
	for {
		i := bytes.IndexByte(content, '\\')
		if i < 0 {
			return append(dst, content...), true
		}
		dst = append(dst, content[:i]...)
		content = content[i+1:]
		if len(content) == 0 {
			return dst, false
		}
		if c := escapes[content[0]]; c != 0 {
			dst, content = append(dst, c), content[1:]
			continue
		}
		r, ok := hex4(content)
		if !ok {
			return dst, false
		}
		dst, content = utf8.AppendRune(dst, r), content[5:]
	}
}

// hex4 reads uXXXX.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	for _, c := range b[1:5] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, r < 0xd800 || r > 0xdfff
}

// cutCRI cuts a line of the CRI: TIME STREAM TAG CONTENT, where the tag is P for a part, F for the last or only one.
func cutCRI(line []byte) (stream, tag, content []byte, ok bool) {
	const shortest = len("2026-11-25T10:00:00Z ")
	if len(line) < shortest || line[4] != '-' || line[10] != 'T' {
		return nil, nil, nil, false
	}
	_, rest, _ := bytes.Cut(line, []byte(" "))
	stream, rest, ok = bytes.Cut(rest, []byte(" "))
	if !ok || string(stream) != "stdout" && string(stream) != "stderr" {
		return nil, nil, nil, false
	}
	tag, content, ok = bytes.Cut(rest, []byte(" "))
	if !ok && (string(tag) == "F" || string(tag) == "P") {
		return stream, tag, nil, true // an empty line
	}
	return stream, tag, content, ok && len(tag) > 0 && (tag[0] == 'P' || tag[0] == 'F')
}

// IsWrapped reports whether a container runtime has wrapped a line.
func IsWrapped(line []byte) bool { return detect(line) != None }
