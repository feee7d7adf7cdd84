package logformat

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/logtest"
)

// fieldFormats are the kinds of log_format that are found in the field: what is next to what, in which quotes, in
// which order.
func fieldFormats() []struct{ format, escape string } {
	const combined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
		`"$http_user_agent"`
	plain := []string{
		combined,
		combined + ` "$http_x_forwarded_for"`,
		combined + ` $request_time`,
		combined + ` $request_time $upstream_response_time`,
		combined + ` $request_time $upstream_response_time $pipe`,
		combined + ` "$request_time" "$upstream_connect_time" "$upstream_header_time" "$upstream_response_time"`,
		combined + ` rt=$request_time uct="$upstream_connect_time" uht="$upstream_header_time" ` +
			`urt="$upstream_response_time"`,
		combined + ` "$http_x_forwarded_for" upstream_addr=$upstream_addr ` +
			`upstream_response_time=$upstream_response_time request_time=$request_time`,
		combined + ` $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
			`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`,
		combined + ` $host $upstream_addr $upstream_status`,
		combined + ` $upstream_cache_status`,
		combined + ` "$upstream_cache_status" $request_id`,
		combined + ` $ssl_protocol $ssl_cipher`,
		combined + ` $connection $connection_requests`,
		combined + ` $server_name $server_port`,
		combined + ` [$upstream_addr] [$upstream_status] [$upstream_response_time]`,
		combined + ` <$upstream_addr> <$upstream_response_time>`,
		combined + ` "$upstream_addr" - "$upstream_status" - $request_id`,
		combined + ` lr=$limit_req_status lc=$limit_conn_status`,
		combined + ` $msec $gzip_ratio`,
		combined + ` $geoip_country_code`,
		combined + ` $sent_http_content_type $upstream_http_x_cache`,
		combined + ` up=$upstream_addr,$upstream_status,$upstream_response_time`,
		combined + ` ($upstream_addr) ($upstream_bytes_sent) ($upstream_bytes_received)`,
		combined + ` $scheme://$host`,
		`$remote_addr - [$time_local] "$request" $status`,
		`$remote_addr [$time_local] "$request" $status $request_time $upstream_addr`,
		`$remote_addr - $remote_user [$time_local]  $status "$request" $body_bytes_sent "$http_referer" ` +
			`"$http_user_agent" "$http_x_forwarded_for"`,
		`$http_x_forwarded_for - $remote_user [$time_local] "$request" $status $body_bytes_sent`,
		`$http_x_real_ip $remote_addr $remote_user [$time_local] "$request" $status`,
		`[$time_local] $remote_addr - $remote_user - $server_name to: $upstream_addr: $request ` +
			`upstream_response_time $upstream_response_time msec $msec request_time $request_time`,
		`[$time_local] $remote_addr - $server_name to: $upstream_addr: $request $status urt $upstream_response_time ` +
			`rt $request_time`,
		`$request $status`,
		`$remote_addr $request $status $body_bytes_sent`,
		`$remote_addr $host $request $status $request_time $http_user_agent`,
		`$remote_addr|$time_local|$request|$status|$body_bytes_sent|$http_referer|$http_user_agent`,
		`$remote_addr|$remote_user|$request_uri|$status|$upstream_addr|$upstream_status|$upstream_response_time|` +
			`$request_time`,
		`$msec|$remote_addr|$http_user_agent|$status|$bytes_sent`,
		`$time_iso8601|$host|$request_method|$uri|$status|$request_time`,
		`$time_iso8601;$remote_addr;$request_method;$uri;$args;$status;$bytes_sent`,
		`$remote_addr;$http_user_agent;$status;$upstream_response_time`,
		`$remote_addr,$time_iso8601,$request_method,$uri,$status,$request_time,$upstream_response_time`,
		`$remote_addr,$http_user_agent,$status`,
		`$upstream_addr,$status,$request_time`,
		`"$remote_addr","$time_local","$request","$status","$upstream_addr","$upstream_response_time"`,
		`'$remote_addr' '$http_user_agent' '$status' '$request_time'`,
		`$remote_addr '$request' $status '$http_user_agent'`,
		"$remote_addr\t$time_iso8601\t$request\t$status\t$http_user_agent\t$upstream_addr\t$upstream_response_time",
		"time:$time_iso8601\thost:$remote_addr\treq:$request\tstatus:$status\tsize:$body_bytes_sent\t" +
			"ua:$http_user_agent\treqtime:$request_time\tapptime:$upstream_response_time",
		"time:$time_local\tmethod:$request_method\turi:$request_uri\tstatus:$status\tua:$http_user_agent",
		`time=$time_iso8601 method=$request_method uri=$uri status=$status ua="$http_user_agent" rt=$request_time`,
		`ts=$msec remote=$remote_addr user=$remote_user host=$host status=$status bytes=$bytes_sent ` +
			`upstream=$upstream_addr`,
		`ts=$msec user=$remote_user agent=$http_user_agent status=$status rt=$request_time`,
		`level=info method=$request_method path=$uri args=$args status=$status dur=$request_time up=$upstream_addr ` +
			`ust=$upstream_status urt=$upstream_response_time`,
		`$host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent`,
		`$server_name:$server_port $remote_addr - $remote_user [$time_local] "$request" $status`,
		`$remote_addr:$remote_port $status`,
		`$remote_addr $http_x [$status]`,
		`$status $upstream_addr $upstream_response_time $upstream_status $request_id`,
		`$status $upstream_addr`,
		`$status $upstream_response_time`,
		`$upstream_addr $upstream_status $upstream_response_time $status $uri`,
		`$upstream_addr $http_x_forwarded_for $status "$upstream_status"`,
		`$status "$upstream_addr" "$upstream_status" "$upstream_response_time"`,
		`$http_user_agent $upstream_addr $upstream_response_time $status`,
		`$http_user_agent "$upstream_addr" "$upstream_response_time" $status`,
		`$uri $args $status $request_time`,
		`$uri$is_args$args $status`,
		`$request_method $host$uri $status`,
		`$request_method $request_uri $server_protocol $status $body_bytes_sent`,
		`"$request_method $request_uri $server_protocol" $status`,
		`$body_bytes_sent`,
		`$remote_addr $body_bytes_sent`,
		`$status`,
		`$http_user_agent`,
		`$status$request_time "$http_user_agent"`,
		`${remote_addr}_${status}_${request_time}`,
		`$remote_user: $status`,
		`$remote_user $status $remote_user`,
		`$remote_addr - $remote_user "$request" $status - $http_referer - $http_user_agent - $request_time`,
		`[$time_iso8601] [$remote_addr] [$remote_user] [$request] [$status] [$http_user_agent] [$upstream_addr] ` +
			`[$upstream_status]`,
		`[$remote_addr] [$http_user_agent] [$request_time]`,
		`{$remote_user} {$status} {$upstream_addr}`,
		`<$remote_user> <$request> <$status> <$upstream_response_time>`,
		`#$connection $remote_addr "$request" $status`,
		`$remote_addr -- $remote_user -- $status -- $request_time -- $upstream_addr`,
		`$remote_addr^A$remote_user^A$status^A$upstream_addr`,
		`$remote_addr||$http_user_agent||$status||$upstream_response_time||$upstream_addr`,
		`client=$remote_addr method=$request_method request="$request" request_length=$request_length ` +
			`status=$status bytes_sent=$bytes_sent body_bytes_sent=$body_bytes_sent referer=$http_referer ` +
			`user_agent="$http_user_agent" upstream_addr=$upstream_addr upstream_status=$upstream_status ` +
			`request_time=$request_time upstream_response_time=$upstream_response_time ` +
			`upstream_connect_time=$upstream_connect_time upstream_header_time=$upstream_header_time`,
		`$realip_remote_addr $remote_addr "$request" $status`,
		`$proxy_protocol_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
			`"$http_user_agent"`,
		`$remote_addr $status $upstream_bytes_sent $upstream_bytes_received $upstream_connect_time`,
		`$remote_addr $limit_req_status $http_cookie $status`,
		`$remote_addr $ssl_client_s_dn $status $request_time`,
		`$http_referer -> $uri ($status) $http_user_agent`,
		`$remote_addr "$http_user_agent" "$http_referer" "$request" $status "$upstream_http_server" $upstream_addr`,
	}
	json := []string{
		`{"time":"$time_iso8601","remote_addr":"$remote_addr","request":"$request","status":$status,` +
			`"request_time":$request_time,"upstream_addr":"$upstream_addr","upstream_status":"$upstream_status",` +
			`"user_agent":"$http_user_agent"}`,
		`{"status":"$status","agent":"$http_user_agent","urt":"$upstream_response_time"}`,
		`{"agent":"$http_user_agent","status":$status,"bytes":$body_bytes_sent}`,
		`{ "time_local": "$time_local", "remote_user": "$remote_user", "request": "$request", "status": "$status", ` +
			`"http_referrer": "$http_referer" }`,
		`{"urt":$upstream_response_time,"status":$status,"uri":"$uri"}`,
		`{"a":"$http_a", "b":"$http_b", "s":$status, "t": [$upstream_response_time]}`,
		`{"m":"$request_method","u":"$request_uri","s":"$status","ms":"$msec"}`,
		`$remote_addr "$http_user_agent" $status`,
		`$remote_user [$time_local] $status`,
	}
	none := []string{
		`"$http_user_agent" $status`,
		`$remote_addr "$request" $status "$http_user_agent" "$upstream_addr" "$upstream_status"`,
		`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
			`"$http_user_agent"`,
		`{"a":"$http_a","s":$status,"r":"$request","u":"$upstream_addr"}`,
		`$http_user_agent "$upstream_addr" "$upstream_status" "$upstream_response_time"`,
		`$remote_user|$request|$status|$upstream_addr`,
		`$uri "$args" $status`,
	}
	var all []struct{ format, escape string }
	for escape, formats := range map[string][]string{"default": plain, "json": json, "none": none} {
		for _, f := range formats {
			all = append(all, struct{ format, escape string }{f, escape})
		}
	}
	slices.SortFunc(all, func(a, b struct{ format, escape string }) int {
		return strings.Compare(a.escape+a.format, b.escape+b.format)
	})
	return all
}

// A client makes lines of a format as NGINX would for clients who know it and put pieces of it into all that they send.
type client struct {
	*rand.Rand
	r      *logtest.Reference
	pieces []string
}

func newClient(r *logtest.Reference, seed uint64) *client {
	c := &client{rand.New(rand.NewPCG(seed, 7)), r, nil}
	c.pieces = []string{
		" ", "-", "x", `"`, `\`, ", ", " : ", "200", "0.001", "[1:y", "a:1", "10.0.0.1:80, 10.0.0.2:80", "404 17",
		"HTTP/1.1", "GET /x HTTP/1.1",
		"24/Nov/2026:12:27:30 +0000", "2026-11-24T12:27:30+00:00", "502, 200", "0.001, 0.002", "", "é",
		"1764073650.125",
	}
	for _, p := range r.Parts {
		c.pieces = append(c.pieces, p.Literal, p.Literal)
	}
	return c
}

func (c *client) choose(from ...string) string { return from[c.IntN(len(from))] }

func (c *client) hostile() string {
	var b strings.Builder
	for range c.IntN(5) {
		b.WriteString(c.choose(c.pieces...))
	}
	return b.String()
}

// value is what a variable may hold, before it is escaped. Lists have n elements.
func (c *client) value(p logtest.Part, n int) string {
	if logtest.IsList(p.Name) {
		return c.list(p, n)
	}
	switch p.Name {
	case "status":
		return c.choose("200", "404", "502", "000", "101")
	case "request_time":
		return c.choose("0.000", "0.125", "123.456")
	case "msec":
		return "1764073650.125"
	case "bytes_sent", "body_bytes_sent", "request_length", "remote_port", "server_port",
		"connection", "connection_requests":
		return c.choose("0", "17", "1234567", "123456789")
	case "time_local":
		return "24/Nov/2026:12:27:30 +0000"
	case "time_iso8601":
		return "2026-11-24T12:27:30+00:00"
	case "pipe":
		return c.choose("p", ".")
	case "remote_addr", "realip_remote_addr", "proxy_protocol_addr", "server_addr":
		return c.choose("10.20.30.40", "::1", "2001:db8::7", "unix:")
	case "scheme":
		return c.choose("http", "https")
	case "limit_req_status", "limit_conn_status", "upstream_cache_status":
		return c.choose("PASSED", "HIT", "REJECTED")
	case "request_method":
		return c.choose("GET", "POST", "X_Y")
	case "request":
		bare := strings.HasPrefix(p.Literal, " ")
		if uri := strings.ReplaceAll(c.hostile(), " ", "%20"); bare || c.IntN(2) == 0 {
			return c.choose("GET /"+uri+" HTTP/1.1", "POST /"+uri+"?a HTTP/2.0", "OPTIONS * HTTP/1.0")
		}
	}
	return c.hostile()
}

func (c *client) list(p logtest.Part, n int) string {
	if n == 0 {
		return "-"
	}
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString([]string{", ", " : "}[(i+n)%2])
		}
		switch p.Name {
		case "upstream_addr":
			b.WriteString(c.choose("10.0.0.1:80", "[::1]:8080", "backend", "unix:/run/a.sock"))
		case "upstream_status":
			b.WriteString(c.choose("200", "502", "-"))
		case "upstream_response_time", "upstream_header_time", "upstream_connect_time":
			b.WriteString(c.choose("0.000", "12.345", "-"))
		default:
			b.WriteString(c.choose("0", "123", "-"))
		}
	}
	if n == 1 && b.String() == "-" {
		return map[bool]string{true: "200", false: "0.001"}[p.Name == "upstream_status" ||
			strings.Contains(p.Name, "bytes") || strings.Contains(p.Name, "length")]
	}
	return b.String()
}

// escape writes a value as NGINX does.
func escapeAs(escape, value string) string {
	var b strings.Builder
	for i := range len(value) {
		switch ch := value[i]; {
		case escape == "none":
			b.WriteByte(ch)
		case escape == "json" && (ch == '"' || ch == '\\'):
			b.WriteString(`\` + string(ch))
		case escape == "default" && (ch == '"' || ch == '\\' || ch < 32 || ch > 126):
			fmt.Fprintf(&b, `\x%02X`, ch)
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()
}

func (c *client) line() string {
	n := []int{0, 1, 1, 2, 3}[c.IntN(5)]
	var b strings.Builder
	b.WriteString(c.r.Before)
	for _, p := range c.r.Parts {
		b.WriteString(escapeAs(c.r.Escape, c.value(p, n)) + p.Literal)
	}
	return strings.ReplaceAll(b.String(), "\n", "")
}

// damaged is a line with a few bytes changed: it may fit or not.
func (c *client) damaged() string {
	// the reference knows no sockets whose paths have spaces
	line := strings.ReplaceAll(c.line(), "unix:/", "10.0.0.9:")
	for range 1 + c.IntN(3) {
		i := c.IntN(len(line) + 1)
		switch j := min(len(line), i+c.IntN(6)); c.IntN(3) {
		case 0:
			line = line[:i] + line[j:]
		case 1:
			line = line[:i] + c.choose(c.pieces...) + line[i:]
		default:
			line = line[:i] + c.choose(c.pieces...) + line[j:]
		}
	}
	return strings.ReplaceAll(line, "\n", "")
}

// A pair is a format in both readings.
type pair struct {
	r       *logtest.Reference
	p       *Parser
	compare []int // which variables are compared, as the parser captures them
}

func newPair(t testing.TB, format, escape string) *pair {
	t.Helper()
	q := &pair{r: logtest.NewReference(format, escape)}
	var o Options
	for i, p := range q.r.Parts {
		alone := p.Literal != "" || p.Name == "status"
		if i > 0 && q.r.Parts[i-1].Literal == "" && q.r.Parts[i-1].Name != "status" {
			alone = false
		}
		last := !slices.ContainsFunc(q.r.Parts[i+1:], func(later logtest.Part) bool { return later.Name == p.Name })
		if last && (alone || i == len(q.r.Parts)-1) {
			q.compare = append(q.compare, i)
			o.Capture = append(o.Capture, p.Name)
		}
	}
	program, err := Compile(format, escape, o)
	if err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	q.p = NewParser(program)
	return q
}

// agree fails the test unless both readings say the same of a line, and reports whether it fits.
func (q *pair) agree(t *testing.T, line string) bool {
	t.Helper()
	record := NewRecord()
	want, got := q.r.Read(line), q.p.ParseLine([]byte(line), record)
	if line == "" {
		want = nil
	}
	if (want != nil) != (got == nil) {
		t.Fatalf("%s\n%q:\nthe reference reads %q, the parser says %v", q.p.options.Capture, line, want, got)
	}
	if got != nil {
		return false
	}
	for k, i := range q.compare {
		if string(record.Captured[k]) != want[i] {
			t.Fatalf("%q:\n$%s is %q in the reference, %q in the parser", line, q.r.Parts[i].Name, want[i],
				record.Captured[k])
		}
	}
	return true
}

// TestReference reads lines of each kind of format, as clients make them who know it, and damaged ones, in both
// readings. Whatever clients send, the line of their request fits.
func TestReference(t *testing.T) {
	formats := fieldFormats()
	if len(formats) < 100 {
		t.Fatalf("%d formats", len(formats))
	}
	for i, f := range formats {
		t.Run(f.escape+" "+f.format, func(t *testing.T) {
			t.Parallel()
			q := newPair(t, f.format, f.escape)
			c := newClient(q.r, uint64(i))
			for range 40 {
				if line := c.line(); line != "" && !q.agree(t, line) {
					t.Errorf("%q is hidden", line)
				}
				q.agree(t, c.damaged())
			}
		})
	}
}

// FuzzReference holds the second reading against the reference, for lines that no generator would think of.
func FuzzReference(f *testing.F) {
	formats := fieldFormats()
	for i, format := range formats {
		c := newClient(logtest.NewReference(format.format, format.escape), 5)
		f.Add(uint(i), c.line())
	}
	socket := regexp.MustCompile(`unix:`)
	f.Fuzz(func(t *testing.T, i uint, line string) {
		// The reference knows neither sockets whose paths have spaces, nor numbers of more than 18 digits, nor long
		// names.
		if strings.Contains(line, "\n") || len(line) > 300 || socket.MatchString(line) ||
			regexp.MustCompile(`\d{19}`).MatchString(line) ||
			strings.Count(line, ", ")+strings.Count(line, " : ") > 6 {
			return
		}
		format := formats[i%uint(len(formats))]
		newPair(t, format.format, format.escape).agree(t, line)
	})
}
