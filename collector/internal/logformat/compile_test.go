package logformat

import (
	"strings"
	"testing"
	"unsafe"
)

func TestCompileErrors(t *testing.T) {
	tests := []struct{ name, format, escape, want string }{
		{"empty", "", "default", "the log_format is empty"},
		{"blank", "  ", "default", "the log_format is empty"},
		{"no variable", "hello", "default", `"hello" has no variable`},
		{"unclosed brace", "$status ${request_time", "default",
			`at byte 8 of the log_format: the variable "${request_time" is not closed; write ${request_time}`},
		{"brace closed too late", "${request time}", "default", `"${request" is not closed`},
		{"lonely dollar", "$status $ x", "default", "at byte 8 of the log_format: a $ without a variable's name"},
		{"empty braces", "${}", "default", "a $ without a variable's name"},
		{"side by side", "$request_time$upstream_addr", "default",
			"$request_time and $upstream_addr are adjacent"},
		{"text beside a value", "$host$request_time", "default", "$host and $request_time are adjacent"},
		{"a list's separator after a list", "$upstream_addr, $status", "default", `", " after $upstream_addr`},
		{"the other separator", "$upstream_addr : $status", "default", `" : " after $upstream_addr`},
		{"NUL", "$status\x00$host", "default", "has a NUL at byte 7"},
		{"line breaks alone", "\n\n", "default", "the log_format is empty"},
		{"escape", "$status", "xml", `"xml" is not a valid escape`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Compile(test.format, test.escape, Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// parse compiles and reads one line.
func parse(t *testing.T, format, escape, line string) (*Record, error) {
	t.Helper()
	p, err := Compile(format, escape, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecord()
	return r, NewParser(p).ParseLine([]byte(line), r)
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, format, escape, line string
		want                       func(*Record) bool
	}{
		{"status beside a variable", "$status$request_time", "", "2000.125",
			func(r *Record) bool { return r.Code == 200 && r.Millis == 125 }},
		{"braces", "a${status}b", "", "a404b", func(r *Record) bool { return r.Code == 404 }},
		{"words beside each other", "$host$scheme $status", "", "a.bhttp 200",
			func(r *Record) bool { return r.Code == 200 }},
		{"long times", "$request_time $status", "", "123456789.001 200",
			func(r *Record) bool { return r.Millis == 123456789001 }},
		{"nothing", "$request_time $bytes_sent", "", "- -", func(r *Record) bool {
			return r.Millis == Absent &&
				r.Sent == Absent
		}},
		{"nothing in JSON", `{"t":"$request_time","b":$bytes_sent}`, "json", `{"t":"","b":}`,
			func(r *Record) bool { return r.Millis == Absent && r.Sent == Absent }},
		{"greatest size", "$bytes_sent", "", "9223372036854775807", func(r *Record) bool { return r.Sent == 1<<63-1 }},
		{"size of seven digits", "$bytes_sent", "", "1234567", func(r *Record) bool { return r.Sent == 1234567 }},
		{"size of eight digits", "$bytes_sent", "", "12345678", func(r *Record) bool { return r.Sent == 12345678 }},
		{"escaped quote", `"$http_user_agent" $status`, "", `"a\x22 b" 200`,
			func(r *Record) bool { return r.Code == 200 }},
		{"quote in JSON", `{"ua":"$http_user_agent","s":"$status"}`, "json", `{"ua":"a\",\"s\":\"\\","s":"201"}`,
			func(r *Record) bool { return r.Code == 201 }},
		{"quote with escape=none", `"$http_user_agent" $status`, "none", `"a"b" 202`,
			func(r *Record) bool { return r.Code == 202 }},
		{"empty request", `"$request" $status`, "", `"" 400`, func(r *Record) bool {
			return r.Method == MethodOther &&
				len(r.Path()) == 0
		}},
		{"a method alone", `"$request" $status`, "", `"GET" 400`, func(r *Record) bool {
			return r.Method == MethodGet &&
				len(r.Path()) == 0
		}},
		{"lower case is another method", `"$request" $status`, "", `"get / HTTP/1.1" 400`,
			func(r *Record) bool { return r.Method == MethodOther && string(r.Path()) == "/" }},
		{"a NUL after the method", `"$request" $status`, "none", "\"GET\x00 / HTTP/1.1\" 400",
			func(r *Record) bool { return r.Method == MethodOther }},
		{"path without its query", `"$request" $status`, "", `"DELETE /a/b?c=/d HTTP/1.1" 200`,
			func(r *Record) bool { return r.Method == MethodDelete && string(r.Path()) == "/a/b" }},
		{"unquoted list, last", "$status $upstream_addr", "", "200 1.2.3.4:5, [::1]:80 : unix:/run/x",
			func(r *Record) bool {
				e := r.Upstreams.Elements
				return r.Elements == 3 && e[0].Retry && !e[1].Retry && e[1].Name == "[::1]:80" &&
					e[2].Name == "unix:/run/x" && e[2].Kind == Attempt
			}},
		{"unquoted list, trailing separator", "$upstream_addr $upstream_status $status", "", "1.2.3.4:5 :  200 :  302",
			func(r *Record) bool {
				return r.Elements == 1 && r.Code == 302 && r.At(UpstreamStatus, 0) == 200
			}},
		{"unquoted list, empty element", "$upstream_addr $upstream_status $status", "",
			"1.2.3.4:5 :  : b:1 200 : - : 201 302", func(r *Record) bool {
				return r.Elements == 3 && r.Upstreams.Elements[1].Kind == Nothing &&
					r.At(UpstreamStatus, 1) == Absent &&
					r.At(UpstreamStatus, 2) == 201
			}},
		{"list in bare JSON", `{"a":$upstream_response_time,"s":$status}`, "json", `{"a":0.001, 0.002,"s":200}`,
			func(r *Record) bool {
				return r.Elements == 2 && r.At(UpstreamResponseTime, 1) == 2 && r.Separator(0) == ',' &&
					r.Separator(1) == 0
			}},
		{"list before a comma and more", `"a": $upstream_response_time, "s": $status`, "json",
			`"a": 0.001 : 0.002, "s": 200`, func(r *Record) bool {
				return r.Elements == 2 && r.Separator(0) == ':' && r.Code == 200
			}},
		{"IPv6 after a list", "$upstream_addr $remote_addr", "", "1.2.3.4:5 ::1",
			func(r *Record) bool { return r.Elements == 1 }},
		{"a dash against one attempt", "$upstream_addr $upstream_header_time", "", "1.2.3.4:5 -",
			func(r *Record) bool { return r.Elements == 1 && r.At(UpstreamHeaderTime, 0) == Absent }},
		{"no upstream", "$upstream_addr $upstream_header_time", "", "- -",
			func(r *Record) bool { return r.Elements == 0 && r.Upstreams == nil }},
		{"invalid UTF-8 in an address", "$upstream_addr", "none", "a\xffb:80",
			func(r *Record) bool { return r.Upstreams.Elements[0].Name == "a\uFFFDb:80" }},
		{"all verdicts", "$limit_req_status $limit_conn_status $upstream_cache_status", "",
			"DELAYED_DRY_RUN PASSED STALE", func(r *Record) bool {
				return r.LimitReq == DelayedDryRun && r.LimitConn == Passed && r.Cache == Stale
			}},
		{"a verdict of the future", "$limit_req_status $status", "", "PONDERED 200",
			func(r *Record) bool { return r.LimitReq == OtherWord }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := parse(t, test.format, test.escape, test.line)
			if err != nil {
				t.Fatal(err)
			}
			if !test.want(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestLineErrors(t *testing.T) {
	format := `$remote_addr "$request" $status rt=$request_time "$upstream_addr" "$upstream_status"`
	tests := []struct{ line, want string }{
		{`1.2.3.4 "GET / HTTP/1.1" 2x0 rt=0.001 "-" "-"`,
			`at byte 25: expected three digits for $status and then " rt="`},
		{`1.2.3.4 "GET / HTTP/1.1" 200 rt=0,001 "-" "-"`,
			`at byte 32: expected seconds such as 0.125 for $request_time and then " \""`},
		{`1.2.3.4 "GET / HTTP/1.1" 200 rt=0.001 "a:1, b:2" "200"`, "with as many elements as each other"},
		{`1.2.3.4 "GET / HTTP/1.1" 200 rt=0.001 "-" "-" more`, `expected the list of $upstream_status and then "\""`},
		{`1.2.3.4`, `at byte 0: expected no space and no quote in $remote_addr and then " \""`},
		{``, "a line that is not empty"},
		{"a\nb", "at byte 1: expected one line"},
	}
	for _, test := range tests {
		_, err := parse(t, format, "default", test.line)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.line, err, test.want)
		}
	}
}

// TestStartsCombined: fastCombined reads the formats that begin as NGINX's own, unless a quote may be in a value, or a
// value that it skips is wanted.
func TestStartsCombined(t *testing.T) {
	const agent = combinedStart + `$http_user_agent" $request_time`
	for _, test := range []struct {
		format, escape, capture string
		want                    bool
	}{
		{agent, "default", "host", true},
		{agent + ` $host`, "default", "host", true},
		{agent, "default", "remote_user", false},
		{agent, "default", "http_referer", false},
		{agent, "json", "host", false},
		{agent, "none", "host", false},
		{"[" + agent, "default", "host", false},
		{strings.Replace(agent, "] ", "]  ", 1), "default", "host", false},
	} {
		p, err := Compile(test.format, test.escape, Options{Capture: []string{test.capture}})
		if err != nil {
			t.Fatal(err)
		}
		if p.combined != test.want {
			t.Errorf("%s, escape=%s, of which %s is captured: %v", test.format, test.escape, test.capture, p.combined)
		}
	}
}

// TestFastCombinedReads: fastCombined itself reads the lines that it is for.
func TestFastCombinedReads(t *testing.T) {
	p, err := Compile(combinedStart+`$http_user_agent"`, "default", Options{})
	if err != nil {
		t.Fatal(err)
	}
	parser := NewParser(p)
	const before, after = `10.1.2.3 - - [24/Nov/2026:12:27:30 +0000] "GET /a HTTP/1.1" 200 15 "`, `" "curl/7.88.1"`
	for _, referer := range []string{"-", "https://faces.example.org/people?page=2"} {
		line := before + referer + after
		if err := parser.ParseLine([]byte(line), NewRecord()); err != nil { // which remembers the time
			t.Fatal(err)
		}
		b := parser.Padded([]byte(line))
		r := NewRecord()
		at := p.fastCombined(text{unsafe.Pointer(unsafe.SliceData(b))}, 0, parser, r)
		if want := strings.Index(line, "curl"); at != want || r.Code != 200 || r.Sent != 15 ||
			string(r.Path()) != "/a" {
			t.Errorf("%s: at %d instead of %d, code %d, %d bytes, %s", line, at, want, r.Code, r.Sent, r.Path())
		}
	}
}
