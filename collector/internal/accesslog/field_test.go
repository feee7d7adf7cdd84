package accesslog

import (
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// TestLinesOfTheField has lines that earlier versions hid, or took for what they are not, as NGINX wrote them.
func TestLinesOfTheField(t *testing.T) {
	const combined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
		`"$http_user_agent"`
	for _, c := range []struct {
		name, format, lines string
		parsed, malformed   uint64
		want                []string
	}{
		{"a user's name with the bracket of the time", combined,
			`127.0.0.1 - x [1 [25/Nov/2026:19:44:19 +0000] "GET /hidden HTTP/1.1" 502 0 "-" "curl/7.88.1"
127.0.0.1 - - [25/Nov/2026:19:44:20 +0000] "GET /seen HTTP/1.1" 200 0 "-" "curl/7.88.1"
`, 2, 0, []string{`nginx_access_requests_total{code="502",log="access",method="GET",outcome="error",route=""} 1`}},
		{"a user's name that looks like the rest of the line", combined,
			`127.0.0.1 - a [25/Nov/2026:19:44:19 +0000] b [25/Nov/2026:19:44:19 +0000] "GET / HTTP/1.1" 504 0 "-" "x"
`, 1, 0, []string{`nginx_access_requests_total{code="504",log="access",method="GET",outcome="timeout",route=""} 1`}},
		{"a request without quotes", `[$time_local] $remote_addr - $server_name to: $upstream_addr: $request ` +
			`$status urt $upstream_response_time rt $request_time`,
			`[25/Nov/2026:19:30:00 +0000] 10.0.0.1 - site.test to: 127.0.0.1:80: GET /a HTTP/1.1 200 urt 0.010 rt 0.011
[25/Nov/2026:19:30:01 +0000] 10.0.0.1 - site.test to: 127.0.0.1:81, 127.0.0.1:80: POST /b HTTP/2.0 502 ` +
				`urt 0.001, 0.010 rt 0.011
[25/Nov/2026:19:30:02 +0000] 10.0.0.1 - site.test to: -:  400 urt - rt 0.000
[25/Nov/2026:19:30:03 +0000] 10.0.0.1 - site.test to: 127.0.0.1:81 : 127.0.0.1:80: PUT /b c HTTP/1.1 200 ` +
				`urt 0.001 : 0.010 rt 0.011
[25/Nov/2026:19:30:04 +0000] 10.0.0.1 - site.test to: 127.0.0.1:80: GET /old 200 urt 0.010 rt 0.011
`, 5, 0, []string{
				`nginx_access_requests_total{code="200",log="access",method="GET",outcome="ok",route=""} 2`,
				`nginx_access_requests_total{code="502",log="access",method="POST",outcome="error",route=""} 1`,
				`nginx_access_requests_total{code="400",log="access",method="OTHER",outcome="client_error",route=""} 1`,
				`nginx_access_requests_total{code="200",log="access",method="PUT",outcome="ok",route=""} 1`,
			}},
		{"a log_format that ends in a line break", "[BEGIN] $remote_addr \"$request\" $status $request_time [END]\n",
			"[BEGIN] 10.0.0.1 \"GET / HTTP/1.1\" 200 0.001 [END]\n\n[BEGIN] 10.0.0.1 \"GET /x HTTP/1.1\" 502 0.101 " +
				"[END]\n\n", 2, 0, nil},
		{"an empty line that the format does not write", combined, "\n\n", 0, 2, nil},
		{"a format that is not the log's", `$remote_addr [$time_local] "$request" $status $request_time $upstream_addr`,
			"127.0.0.1 - - [25/Nov/2026:19:44:20 +0000] \"GET /seen HTTP/1.1\" 200 0 \"-\" \"curl/7.88.1\"\n", 0, 1,
			nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := testCounter(t, logtest.Format{Text: c.format})
			b.Lines([]byte(c.lines))
			if b.lines.Parsed != c.parsed || b.lines.Malformed != c.malformed {
				t.Errorf("%d lines parsed, %d malformed; want %d, %d", b.lines.Parsed, b.lines.Malformed, c.parsed,
					c.malformed)
			}
			has(t, b, c.want...)
		})
	}
}
