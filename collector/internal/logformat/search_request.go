package logformat

import "bytes"

// bareRequest reports whether the step reads an unquoted $request, which its spaces may end.
func (s *step) bareRequest() bool { return s.kind == kindRequest && s.first == ' ' }

// skipRequest is skip for an unquoted request.
func (s *step) skipRequest(t text, pos, end int) int {
	f := frame{start: pos, next: pos, limit: end + 1, failed: end + 2, upTo: -1, space: -1, second: -1}
	x := search{t: t, start: pos, end: end}
	if !x.advanceRequest(&f, s) {
		return -1
	}
	return f.value + int(s.length)
}

// advanceRequest tries "", "-", METHOD URI as in HTTP/0.9, and METHOD URI PROTOCOL, from short to long.
func (x *search) advanceRequest(f *frame, s *step) bool {
	for at := f.next; at < f.limit; at++ {
		n := bytes.IndexByte(x.t.slice(at, min(f.limit, x.end+1)), ' ')
		if n < 0 {
			break
		}
		at += n
		x.work += n/8 + 1
		switch {
		case f.space < 0:
			f.space = at
		case f.second < 0:
			f.second = at
		case f.start == f.space || f.start >= f.failed && f.start <= f.upTo:
			f.next = f.limit // METHOD URI PROTOCOL is impossible, or was tried from an earlier start
			return false
		}
		if s.at(x.t, at, x.end) && x.isRequest(f, at) {
			f.value, f.next = at, at+1
			return true
		}
	}
	f.next = f.limit
	return false
}

// isRequest reports whether a request may end at a space.
func (x *search) isRequest(f *frame, end int) bool {
	line := x.t.slice(f.start, end)
	if end == f.space {
		return isNothing(line)
	}
	method := f.space - f.start
	if method == 0 {
		return false
	}
	uri := line[method+1:]
	if n := protocol(uri); n > 1 && uri[n-1] == ' ' {
		return true
	}
	if end != f.second || len(uri) == 0 || uri[0] != '/' {
		return false
	}
	return string(x.t.slice(end, min(end+len(" HTTP/"), x.end))) != " HTTP/" // otherwise the protocol follows
}

// protocol returns where the HTTP/1.1 or HTTP/2 that ends a request line begins, 0 if there is none.
func protocol(line []byte) int {
	for _, width := range []int{len("HTTP/1.1"), len("HTTP/2")} {
		n := len(line) - width
		if n <= 0 || string(line[n:n+5]) != "HTTP/" || line[n+5]-'0' > 9 {
			continue
		}
		if width == len("HTTP/2") || line[n+6] == '.' && line[n+7]-'0' < 10 {
			return n
		}
	}
	return 0
}
