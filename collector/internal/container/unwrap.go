// Package container knows what a container runtime writes around the lines of a log, and where it writes them.
//
// Docker's driver json-file writes {"log":"LINE\n","stream":"stdout","time":"…"}; the kubelet writes, after the CRI,
// TIME stdout F LINE. Both part long lines (Docker at 16 KiB): all parts but the last have no \n, or the tag P. A file
// holds the lines of both streams.
package container

import (
	"bytes"
	"encoding/json"
)

// A Wrapping is what stands around a line.
type Wrapping uint8

const (
	Auto Wrapping = iota // what the first line has
	None
	Docker
	CRI
)

// ParseWrapping returns the wrapping of that name in the config file; ok is false for another word.
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

// An Unwrapper takes the lines of one stream out of what a container runtime writes. It belongs to one goroutine.
type Unwrapper struct {
	wrapping Wrapping
	stream   string
	maxLine  int

	out      []byte
	part     []byte // of a line whose end has not come
	overlong bool   // the line is too long: its parts are passed over up to its end
}

// New returns an Unwrapper. A line of more than maxLine bytes is given up.
func New(w Wrapping, stream string, maxLine int) *Unwrapper {
	return &Unwrapper{wrapping: w, stream: stream, maxLine: maxLine}
}

// An Unfinished is the beginning of a line whose end has not come. It must be kept with the position that goes with it.
type Unfinished struct {
	Text    []byte `json:"text,omitempty"`
	TooLong bool   `json:"too_long,omitempty"` // the line is too long: its parts are passed over up to its end
}

// Unfinished returns what has come of a line that has not ended.
func (u *Unwrapper) Unfinished() Unfinished { return Unfinished{bytes.Clone(u.part), u.overlong} }

// Resume takes up an Unfinished.
func (u *Unwrapper) Resume(before Unfinished) {
	u.part, u.overlong = append(u.part[:0], before.Text...), before.TooLong
}

// Lines returns the lines of the stream that end in block, which is whole lines, and how many were too long. What is no
// wrapped line where there should be one is returned as it is. The result is good until the next call.
func (u *Unwrapper) Lines(block []byte) (lines []byte, tooLong int) {
	if u.wrapping == Auto {
		u.wrapping = detect(firstLine(block))
	}
	if u.wrapping == None {
		return block, 0
	}
	u.out = u.out[:0]
	for len(block) > 0 {
		line, rest, _ := bytes.Cut(block, []byte{'\n'})
		if !u.line(line) {
			tooLong++
		}
		block = rest
	}
	return u.out, tooLong
}

// line adds what a wrapped line holds. It returns false at the end of a line that is too long.
func (u *Unwrapper) line(line []byte) bool {
	e, ok := u.parse(line)
	switch {
	case !ok:
		u.out = append(append(u.out, line...), '\n')
		return true
	case e.stream != u.stream:
		return true
	case len(u.part)+len(e.text) > u.maxLine:
		u.part, u.overlong = u.part[:0], true
	case !u.overlong:
		u.part = append(u.part, e.text...)
	}
	if e.isPart {
		return true
	}
	fits := !u.overlong
	if fits {
		u.out = append(append(u.out, u.part...), '\n')
	}
	u.part, u.overlong = u.part[:0], false
	return fits
}

// An entry is a wrapped line, or a part of one.
type entry struct {
	text   []byte
	stream string
	isPart bool // the line goes on
}

func (u *Unwrapper) parse(line []byte) (entry, bool) {
	if u.wrapping == CRI {
		return parseCRI(line)
	}
	return parseDocker(line)
}

func firstLine(block []byte) []byte {
	line, _, _ := bytes.Cut(block, []byte{'\n'})
	return line
}

// detect returns the wrapping that a line has.
func detect(line []byte) Wrapping {
	if _, ok := parseDocker(line); ok {
		return Docker
	}
	if _, ok := parseCRI(line); ok {
		return CRI
	}
	return None
}

// parseCRI reads "2026-11-25T10:00:00.123456789Z stdout F LINE".
func parseCRI(line []byte) (entry, bool) {
	stamp, rest, ok := bytes.Cut(line, []byte{' '})
	if !ok || !isStamp(stamp) {
		return entry{}, false
	}
	name, rest, _ := bytes.Cut(rest, []byte{' '})
	tags, text, _ := bytes.Cut(rest, []byte{' '})
	stream, ok := streamOf(name)
	if tag, _, _ := bytes.Cut(tags, []byte{':'}); ok && len(tag) == 1 && (tag[0] == 'F' || tag[0] == 'P') {
		return entry{text: text, stream: stream, isPart: tag[0] == 'P'}, true
	}
	return entry{}, false
}

// isStamp reports whether a word looks like a time of RFC 3339.
func isStamp(word []byte) bool {
	const shape = "0000-00-00T00:00:00"
	if len(word) <= len(shape) {
		return false
	}
	for i := range len(shape) {
		if c := word[i]; shape[i] == '0' && (c < '0' || c > '9') || shape[i] != '0' && c != shape[i] {
			return false
		}
	}
	return true
}

func streamOf(name []byte) (string, bool) {
	switch string(name) {
	case Stdout:
		return Stdout, true
	case Stderr:
		return Stderr, true
	}
	return "", false
}

// parseDocker reads {"log":"LINE\n","stream":"stdout","time":"…"}, perhaps with attrs.
func parseDocker(line []byte) (entry, bool) {
	if len(line) == 0 || line[0] != '{' {
		return entry{}, false
	}
	var record struct {
		Log    *string `json:"log"`
		Stream string  `json:"stream"`
		Time   string  `json:"time"`
	}
	if json.Unmarshal(line, &record) != nil || record.Log == nil || !isStamp([]byte(record.Time)) {
		return entry{}, false
	}
	stream, ok := streamOf([]byte(record.Stream))
	text, isWhole := bytes.CutSuffix([]byte(*record.Log), []byte{'\n'})
	return entry{text: text, stream: stream, isPart: !isWhole}, ok
}

// IsWrapped reports whether a container runtime has written something around a line.
func IsWrapped(line []byte) bool { return detect(line) != None }
