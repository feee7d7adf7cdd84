package logtest

import (
	"fmt"
	"strconv"
	"time"
)

// NewMixed returns a writer of mixed traffic, each line of which is drawn anew: 15 paths, 9 methods, 12 agents, one
// request in twenty with two or three attempts, one in ten without an upstream, every outcome, one in a hundred
// garbage. It represents a site with many kinds of clients, while NewWriter's requests are all alike.
func NewMixed(f Format, seed uint64) *Writer {
	w := NewWriter(f, seed)
	w.draw = w.mixed
	return w
}

// Start sets the time of the first line.
func (w *Writer) Start(at time.Time) { w.at = at.UTC() }

var (
	mixedPaths = []string{
		"/", "/v1/face/recognition", "/v1/face/enrollment", "/v1/face/match?threshold=0.8", "/v1/face/keyspace",
		"/v1/face/delete-enrollment", "/v1/healthcheck", "/v1/get-limit-usage", "/favicon.ico", "/assets/app.3f2a9c.js",
		"/assets/style.css?v=12", "/login",
		"/api/v2/people/1842/photos?page=3&limit=50", "/robots.txt", "/metrics",
	}
	mixedMethods = []string{"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"}
	mixedAgents  = []string{
		"-", "curl/7.88.1", "okhttp/4.12.0", "Go-http-client/1.1", "python-requests/2.32.3", "kube-probe/1.30",
		"Prometheus/2.53.0",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 " +
			"Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5" +
			" Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
		`scanner "x" \ 1.0`,
	}
	mixedReferers = []string{"", "", "", "https://faces.example.org/", "https://faces.example.org/people?page=2"}
	mixedGarbage  = []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GARBAGE", "", `GET /"\ HTTP/1.1`}
)

// mixed draws a request.
func (w *Writer) mixed() map[string]string {
	r := w.random
	w.at = w.at.Add(time.Duration(r.IntN(2_000_000)))
	body := 50 + int(r.ExpFloat64()*3000)
	request := map[string]string{
		"remote_addr":         fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)),
		"time_local":          w.at.Format("02/Jan/2006:15:04:05 -0700"),
		"time_iso8601":        w.at.Format("2006-01-02T15:04:05-07:00"),
		"msec":                millis(int(w.at.UnixMilli())),
		"http_user_agent":     choose(r, mixedAgents...),
		"request_id":          hexadecimal(r.Uint64()) + hexadecimal(r.Uint64()),
		"req_id":              hexadecimal(r.Uint64()) + hexadecimal(r.Uint64()),
		"proxy_upstream_name": "default-" + Group + "-80",
		"request_length":      strconv.Itoa(200 + int(r.ExpFloat64()*20000)),
		"limit_req_status":    "PASSED",
		"body_bytes_sent":     strconv.Itoa(body),
		"bytes_sent":          strconv.Itoa(body + 180),
	}
	request["request"] = choose(r, mixedMethods...) + " " + choose(r, mixedPaths...) +
		" HTTP/" + choose(r, "1.1", "1.1", "2.0", "1.0")
	if referer := choose(r, mixedReferers...); referer != "" {
		request["http_referer"] = referer
	}
	switch share := r.IntN(100); {
	case share < 1:
		request["status"], request["request"], request["request_time"] = "400", choose(r, mixedGarbage...), "0.000"
	case share < 11:
		w.unproxied(request)
	case share < 16:
		w.attempts(request, 2+r.IntN(2), choose(r, "200", "200", "502", "504"))
	default:
		w.attempted(request)
	}
	return request
}

// unproxied invents a request without an upstream.
func (w *Writer) unproxied(request map[string]string) {
	request["request_time"] = millis(w.random.IntN(5))
	switch w.random.IntN(5) {
	case 0:
		request["status"], request["limit_req_status"] = "503", "REJECTED"
	case 1:
		w.add(request, ", ", Group, "502", "-", "-", "0.000")
		request["status"] = "502"
	default:
		request["status"] = choose(w.random, "200", "304", "404", "301", "403")
	}
}

// attempted invents a request with one attempt.
func (w *Writer) attempted(request map[string]string) {
	r := w.random
	switch share := r.IntN(100); {
	case share < 90:
		w.attempts(request, 1, choose(r, "200", "200", "200", "200", "201", "204", "304"))
	case share < 95:
		w.attempts(request, 1, choose(r, "400", "401", "403", "404", "429"))
	case share < 98:
		w.attempts(request, 1, choose(r, "500", "502", "503"))
	case share < 99:
		w.add(request, ", ", Servers()[r.IntN(3)], "504", "0.000", "-", "60.00"+strconv.Itoa(r.IntN(10)))
		request["status"], request["request_time"] = "504", "60.010"
	default:
		w.attempts(request, 1, "200")
		request["status"], request["upstream_status"], request["upstream_header_time"] = "499", "-", "-"
	}
}

func hexadecimal(n uint64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[i] = digits[n>>(4*i)&15]
	}
	return string(b[:])
}
