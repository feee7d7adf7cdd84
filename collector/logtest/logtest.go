// Package logtest writes access logs as NGINX would, for tests and benchmarks: the same lines for the same seed. It
// renders any log_format from synthetic requests, and shares no code with what reads them.
package logtest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A Format is a log_format to write in.
type Format struct {
	Name, Escape, Text string
}

// Formats are the common kinds of log_format.
func Formats() []Format {
	return []Format{
		{"full", "default", Full},
		{"incumbent", "default", Incumbent},
		{"ingress", "default", Ingress},
		{"json", "json", JSON},
		{"combined", "default", Combined},
		{"quoted-times", "default", QuotedTimes},
	}
}

// The log_formats of Formats. Full has every upstream variable.
const (
	Combined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent` +
		` "$http_referer" "$http_user_agent"`
	Full = Combined + ` rt=$request_time rl=$request_length bs=$bytes_sent lr="$limit_req_status" id=$request_id` +
		` ua="$upstream_addr" us="$upstream_status" uct="$upstream_connect_time" uht="$upstream_header_time"` +
		` urt="$upstream_response_time"`
	Incumbent = Combined + ` "$http_x_forwarded_for" upstream_addr=$upstream_addr` +
		` upstream_response_time=$upstream_response_time request_time=$request_time`
	Ingress = Combined + ` $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name]` +
		` $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`
	JSON = `{"time":"$time_iso8601","remote_addr":"$remote_addr","request":"$request","status":$status,` +
		`"bytes_sent":$bytes_sent,"request_length":$request_length,"request_time":$request_time,` +
		`"user_agent":"$http_user_agent","upstream_addr":"$upstream_addr","upstream_status":"$upstream_status",` +
		`"upstream_connect_time":"$upstream_connect_time","upstream_header_time":"$upstream_header_time",` +
		`"upstream_response_time":"$upstream_response_time","request_id":"$request_id"}`

	QuotedTimes = Combined + ` "$request_time" "$upstream_connect_time" "$upstream_header_time"` +
		` "$upstream_response_time"`
)

// A Writer writes lines.
type Writer struct {
	random  *rand.Rand
	parts   []string // literals and variables in turn, a literal first
	escape  string
	at      time.Time
	request map[string]string
	draw    func() map[string]string

	// Retries is the share of requests with more than one attempt, Odd that of garbage, rejections, aborts and
	// requests without a usable server.
	Retries, Odd float64
}

// NewWriter returns a writer for a format. The same seed yields the same lines.
func NewWriter(f Format, seed uint64) *Writer {
	w := &Writer{
		random: rand.New(rand.NewPCG(seed, 1)), escape: f.Escape,
		at:      time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		Retries: 0.05, Odd: 0.02,
	}
	w.draw = w.next
	for rest := f.Text; ; {
		literal, after, found := strings.Cut(rest, "$")
		w.parts = append(w.parts, literal)
		if !found {
			return w
		}
		n := strings.IndexFunc(after, func(r rune) bool {
			return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
		})
		if n < 0 {
			n = len(after)
		}
		w.parts = append(w.parts, after[:n])
		rest = after[n:]
	}
}

// Write writes n lines to out.
func (w *Writer) Write(out io.Writer, n int) error {
	buffered := bufio.NewWriterSize(out, 256<<10)
	var line []byte
	for range n {
		line = w.Append(line[:0])
		if _, err := buffered.Write(line); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// Append appends one line with its newline.
func (w *Writer) Append(dst []byte) []byte {
	w.request = w.draw()
	for i, part := range w.parts {
		if i%2 == 0 {
			dst = append(dst, part...)
			continue
		}
		dst = w.value(dst, part)
	}
	return append(dst, '\n')
}

func (w *Writer) value(dst []byte, name string) []byte {
	value, found := w.request[name]
	if !found {
		if w.escape == "json" {
			return dst
		}
		return append(dst, '-')
	}
	for i := range len(value) {
		c := value[i]
		switch {
		case w.escape == "json" && (c == '"' || c == '\\'):
			dst = append(dst, '\\', c)
		case w.escape == "json" && c < 32:
			dst = fmt.Appendf(dst, "\\u%04X", c)
		case w.escape == "default" && (c == '"' || c == '\\' || c < 32 || c > 126):
			dst = fmt.Appendf(dst, "\\x%02X", c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// Group is the name of the upstream of all lines, Servers are its servers.
const Group = "fremisn_backend"

// Servers are the addresses of the upstream's servers.
func Servers() []string { return []string{"127.0.0.231:4005", "127.0.0.18:4008", "127.0.0.17:4009"} }

var (
	plainAgents = []string{
		"python-requests/2.32.3", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "okhttp/4.12.0", `curl "8" \ é`,
	}
	plainPaths = []string{
		"/v1/face/recognition", "/v1/face/enrollment", "/v1/face/match?k=1", "/v1/healthcheck", "/",
		"/v1/get-limit-usage",
	}
)

// next invents a request.
func (w *Writer) next() map[string]string {
	r := w.random
	w.at = w.at.Add(time.Duration(r.IntN(20)) * time.Millisecond)
	request := map[string]string{
		"remote_addr":         fmt.Sprintf("10.%d.%d.%d", r.IntN(3), r.IntN(256), r.IntN(256)),
		"time_local":          w.at.Format("02/Jan/2006:15:04:05 -0700"),
		"time_iso8601":        w.at.Format("2006-01-02T15:04:05-07:00"),
		"http_user_agent":     choose(r, plainAgents...),
		"request_id":          fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()),
		"req_id":              fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()),
		"proxy_upstream_name": "default-" + Group + "-80",
		"request_length":      strconv.Itoa(200 + r.IntN(200000)),
		"limit_req_status":    "PASSED",
	}
	request["request"] = choose(r, "POST", "POST", "POST", "POST", "POST", "POST", "GET", "GET", "PUT", "HEAD") + " " +
		choose(r, plainPaths...) + " HTTP/1.1"
	body := 50 + r.IntN(5000)
	request["body_bytes_sent"], request["bytes_sent"] = strconv.Itoa(body), strconv.Itoa(body+180)
	switch odd := r.Float64(); {
	case odd < w.Odd:
		w.odd(request)
	case odd < w.Odd+w.Retries:
		w.attempts(request, 2+r.IntN(2), choose(r, "200", "200", "502"))
	default:
		status := "200"
		if r.IntN(25) == 0 {
			status = choose(r, "404", "400", "500")
		}
		w.attempts(request, 1, status)
	}
	return request
}

// attempts adds n attempts, the last with the client's status.
func (w *Writer) attempts(request map[string]string, n int, status string) {
	request["status"] = status
	first := w.random.IntN(3)
	total := 0
	for i := range n {
		code, took := choose(w.random, "502", "504"), w.random.IntN(3)
		connect, header := "-", "-"
		if i == n-1 {
			code = status
			took = int(5 + w.random.ExpFloat64()*80)
			connect, header = millis(w.random.IntN(2)), millis(took*9/10)
		}
		total += took
		w.add(request, ", ", Servers()[(first+i)%3], code, connect, header, millis(took))
	}
	request["request_time"] = millis(total + w.random.IntN(3))
}

// add adds an element to all lists.
func (w *Writer) add(request map[string]string, separator, address, status, connect, header, response string) {
	for name, value := range map[string]string{
		"upstream_addr": address, "upstream_status": status, "upstream_connect_time": connect,
		"upstream_header_time": header, "upstream_response_time": response,
		"upstream_response_length": request["body_bytes_sent"], "upstream_bytes_received": request["bytes_sent"],
		"upstream_bytes_sent": request["request_length"],
	} {
		if before, more := request[name]; more {
			value = before + separator + value
		}
		request[name] = value
	}
}

// odd invents an unusual request.
func (w *Writer) odd(request map[string]string) {
	request["request_time"] = millis(w.random.IntN(5))
	switch w.random.IntN(9) {
	case 0:
		request["status"], request["request"] = "400", choose(w.random, "GARBAGE", "\x16\x03\x01\x02", "",
			`GET /"\ HTTP/1.1`)
	case 1:
		request["status"], request["limit_req_status"] = "503", "REJECTED"
	case 2:
		w.add(request, ", ", Group, "502", "-", "-", "0.000")
		request["status"] = "502"
	case 3:
		w.attempts(request, 3, "502")
		w.add(request, ", ", Group, "502", "-", "-", "0.000")
	case 4:
		w.attempts(request, 1, "200")
		request["status"], request["upstream_status"], request["upstream_response_time"] = "499", "-", "0.000"
	case 5:
		w.attempts(request, 1, "404")
		w.add(request, " : ", "127.0.0.1:8081", "200", "0.000", "0.001", "0.002")
		request["status"] = "200"
	case 6:
		w.attempts(request, 1, "502")
		for _, name := range []string{
			"addr", "status", "connect_time", "header_time", "response_time", "response_length", "bytes_received",
			"bytes_sent",
		} {
			request["upstream_"+name] += " : "
		}
	case 7:
		w.attempts(request, 3, "504")
		request["request_time"], request["upstream_response_time"] = "180.012", "60.003, 60.004, 60.005"
	case 8:
		w.attempts(request, 1, "200")
		request["status"], request["request_time"] = "000", "1234.567"
	}
}

func millis(ms int) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }

func choose(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }
