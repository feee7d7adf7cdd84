package logformat

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// withoutFast is the same program with no fast path.
func withoutFast(p *Program) *Program {
	slow := *p
	slow.combined = false
	slow.steps = append([]step(nil), p.steps...)
	for i := range slow.steps {
		slow.steps[i].fast = fastNone
	}
	return &slow
}

// contents is all that a record holds.
func contents(p *Program, r *Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d %d %d %q %d+%d %s %s %s %s", r.Code, r.Millis, r.Sent, r.Received, r.URI, r.IDAt, r.IDLen,
		r.Method, r.LimitReq, r.LimitConn, r.Cache)
	if r.Upstreams != nil {
		for _, e := range r.Upstreams.Elements {
			fmt.Fprintf(&b, " %d %q %v", e.Kind, e.Name, e.Retry)
		}
	}
	for i := range r.Elements {
		fmt.Fprintf(&b, " %c", r.Separator(i))
		for f := firstNumberList; f < noField; f++ {
			if p.Has(f) {
				fmt.Fprintf(&b, " %d", r.At(f, i))
			}
		}
	}
	return b.String()
}

// twoWays are a parser and one that has no fast path.
type twoWays struct{ fast, slow *Parser }

func bothWays(p *Program) twoWays { return twoWays{NewParser(p), NewParser(withoutFast(p))} }

// agree fails the test unless a line reads the same in both ways, the second time, too, when its addresses are known.
func (b twoWays) agree(t *testing.T, line []byte) {
	t.Helper()
	p, q := b.fast.Program, b.fast
	r, s := NewRecord(), NewRecord()
	want := b.slow.ParseLine(line, s)
	for range 2 {
		got := q.ParseLine(line, r)
		if (got == nil) != (want == nil) {
			t.Fatalf("%q: fast %v, slow %v", line, got, want)
		}
		if got == nil && contents(p, r) != contents(p, s) {
			t.Fatalf("%q:\nfast %s\nslow %s", line, contents(p, r), contents(p, s))
		}
		if got != nil && got.Error() != want.Error() {
			t.Fatalf("%q: fast says %v, slow %v", line, got, want)
		}
	}
}

// TestFastIsSlow reads lines that the fast path reads, and the same with a byte changed or cut anywhere, in both ways.
func TestFastIsSlow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct{ format, escape, line string }{
		{`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
			`"$http_user_agent" rt=$request_time rl=$request_length id=$request_id lr="$limit_req_status" ` +
			`ua="$upstream_addr" us="$upstream_status" urt="$upstream_response_time"`, "default",
			`1.2.3.4 - - [24/Nov/2026:12:27:30 +0000] "POST /v1/face/recognition?a=b HTTP/1.1" 200 1234567 "-" ` +
				`"okhttp/4" rt=1.125 rl=5 id=0123456789abcdef0123456789abcdef lr="PASSED" ua="192.168.100.231:4005" ` +
				`us="200" urt="0.125"`},
		{`$remote_addr "$request" $status $request_length [$proxy_upstream_name] $upstream_addr ` +
			`$upstream_response_length $upstream_response_time $upstream_status $req_id`, "default",
			`1.2.3.4 "GET / HTTP/1.1" 404 12 [default-backend-80] 127.0.0.18:4008 5 0.001 404 ` +
				`0123456789abcdef0123456789abcdef`},
		{`{"request":"$request","status":$status,"sent":$bytes_sent,"upstream_addr":"$upstream_addr",` +
			`"upstream_response_time":"$upstream_response_time","agent":"$http_user_agent","id":"$request_id"}`, "json",
			`{"request":"DELETE /a HTTP/1.1","status":200,"sent":99,"upstream_addr":"10.0.0.1:8080",` +
				`"upstream_response_time":"0.001","agent":"a\"b","id":"0123456789abcdef0123456789abcdef"}`},
		{`$status$request_time "$request" $upstream_addr,$upstream_cache_status`, "none",
			`2000.125 "GET "x HTTP/1.0" 127.0.0.1:80,HIT`},
	} {
		p, err := Compile(test.format, test.escape, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := NewParser(p).ParseLine([]byte(test.line), NewRecord()); err != nil {
			t.Fatal(err)
		}
		both := bothWays(p)
		both.agree(t, []byte(test.line))
		for i := range len(test.line) {
			for _, c := range []byte{' ', '"', '\\', ',', ':', '-', '0', '9', 'x', 0, 0xff, byte(1 + random.IntN(9)),
				byte(128 + random.IntN(100))} {
				changed := []byte(test.line)
				changed[i] = c
				both.agree(t, changed)
				both.agree(t, append(append([]byte(test.line[:i]), c), test.line[i:]...))
			}
			if i > 0 {
				both.agree(t, []byte(test.line[:i]))
			}
			both.agree(t, append([]byte(test.line[:i]), test.line[i+1:]...))
		}
	}
}

// TestNothingIsReadOfTheNextLine: a line that lacks what its next line has is malformed, and no step begins in that
// one.
func TestNothingIsReadOfTheNextLine(t *testing.T) {
	p, err := Compile(`$a"$b"$request_time"$upstream_addr"$c"$status`, "default", Options{})
	if err != nil {
		t.Fatal(err)
	}
	q, r := NewParser(p), NewRecord()
	line := `x"y"0.001"127.0.0.1:80"z"200`
	if err := q.ParseLine([]byte(line), r); err != nil {
		t.Fatal(err)
	}
	for cut := range len(line) {
		// What is cut off begins the next line.
		block := []byte(line[:cut] + "\n" + line[cut:] + "\n" + strings.Repeat(line+"\n", 8))
		for range 2 {
			last := len(block) - Pad - 1
			if end, ok := q.Next(block, 0, bytes.LastIndexByte(block[:last], '\n'), r); ok || end != cut {
				t.Errorf("%q: %v, and it ends at %d", block[:cut], ok, end)
			}
		}
		for i := range p.steps {
			s := &p.steps[i]
			if at, pos := fastSteps(s, text{unsafe.Pointer(unsafe.SliceData(block))}, 0, q, r); pos > cut+1 ||
				pos == cut+1 && at.kind != kindEnd {
				t.Errorf("%q: from step %d on it comes to byte %d", block[:cut], i, pos)
			}
		}
	}
}

// FuzzCompile compiles anything, and reads a line with what compiles.
func FuzzCompile(f *testing.F) {
	for _, format := range []string{"$status", "${a}$b", `{"a":"$request","b":$upstream_addr}`,
		"$upstream_addr, $status", "$", "${"} {
		f.Add(format, "default", `{"a":"GET / HTTP/1.1","b":1.2.3.4:5, 6.7.8.9:0}`)
		f.Add(format, "json", "200")
	}
	f.Fuzz(func(t *testing.T, format, escape, line string) {
		p, err := Compile(format, escape, Options{})
		if err != nil {
			return
		}
		_ = p.HasUpstream()
		if line != "" && !strings.Contains(line, "\n") {
			bothWays(p).agree(t, []byte(line))
		}
	})
}

// FuzzParse reads any line with each kind of format: alone, and in a block between others, where the answer must be the
// same and nothing behind the line's end may matter.
func FuzzParse(f *testing.F) {
	formats := []struct{ text, escape string }{
		{`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_user_agent" ` +
			`rt=$request_time id=$request_id lr="$limit_req_status" ua="$upstream_addr" us="$upstream_status" ` +
			`urt="$upstream_response_time"`, "default"},
		{`$remote_addr "$request" $status $request_length $upstream_addr $upstream_response_length ` +
			`$upstream_response_time $upstream_status $req_id`, "default"},
		{`{"r":"$request","s":$status,"b":$bytes_sent,"ua":"$upstream_addr","urt":$upstream_response_time, ` +
			`"id":"$request_id"}`, "json"},
		{`"$request" $status "$upstream_addr" $upstream_cache_status`, "none"},
	}
	f.Add([]byte(`127.0.0.1 - - [24/Nov/2026:12:27:30 +0000] "GET /v1/face?x HTTP/1.1" 200 12 "curl" rt=0.125 id=x ` +
		`lr="PASSED" ua="1.2.3.4:5, 6.7.8.9:10" us="502, 200" urt="0.000, 10.125"`))
	f.Add([]byte(`1.2.3.4 "GET / HTTP/1.1" 200 12 1.2.3.4:5 :  12 :  0.001 :  200 :  x`))
	f.Add([]byte(`{"r":"G\"ET","s":200,"b":,"ua":"a:1","urt":0.001, "id":"\\"}`))
	f.Add([]byte(`"" 400 "unix:/a b" HIT`))
	f.Add([]byte(`1.2.3.4 - - [24/Nov/2026:12:27:30 +0000] "POST /v1/face/recognition HTTP/1.1" 200 12345678 "-" ` +
		`rt=1.125 id=0123456789abcdef0123456789abcdef lr="PASSED" ua="192.168.100.231:4005" us="200" urt="0.125"`))
	var ways []twoWays
	for _, format := range formats {
		p, err := Compile(format.text, format.escape, Options{})
		if err != nil {
			f.Fatal(err)
		}
		ways = append(ways, bothWays(p))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		for _, both := range ways {
			if len(line) > 0 {
				both.agree(t, line)
			}
			q, r := both.fast, NewRecord()
			alone := q.ParseLine(line, r) == nil
			elements := r.Elements
			block := append([]byte("before\n"), line...)
			end := len(block)
			block = append(block, '\n')
			for len(block) < end+Pad+1 {
				block = append(block, `0" : 0.001, 200 `...)
			}
			if between := q.Parse(block, len("before\n"), end, r); between != alone && len(line) > 0 {
				t.Fatalf("%q alone: %v, in a block: %v", line, alone, between)
			}
			last := len(block)
			block = append(block, "\"\n"+strings.Repeat("0", Pad)...)
			at, among := q.Next(block, len("before\n"), last+1, r)
			if at != end || among != alone && len(line) > 0 {
				t.Fatalf("%q alone: %v, among others: %v, ends at %d of %d", line, alone, among, at, end)
			}
			if !alone {
				continue
			}
			if r.Elements != elements || elements < 0 {
				t.Fatalf("%q: %d elements alone, %d in a block", line, elements, r.Elements)
			}
			for i := range elements {
				for _, list := range []Field{UpstreamStatus, UpstreamResponseTime, UpstreamResponseLength} {
					if n := r.At(list, i); n < Absent {
						t.Fatalf("%q: element %d is %d", line, i, n)
					}
				}
			}
		}
	})
}
