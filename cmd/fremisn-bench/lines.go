package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"strings"
)

// A format is a log_format with the way to write a line of it.
type format struct {
	name, format, escape string
	line                 func(w *bufio.Writer, r request)
	routes               bool // requests are told apart by route, too
}

// A request is what a line tells: one attempt or, every twentieth time, two or three.
type request struct {
	id                        uint64
	path                      string
	method, status            string
	addresses, statuses       string
	connect, header, response string
	upstreamRead              string
	time                      float64
	length, sent              int
}

var formats = []format{
	{"full", `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" id="$request_id" rt=$request_time rl=$request_length bs=$bytes_sent lr=$limit_req_status ua="$upstream_addr" us="$upstream_status" uct="$upstream_connect_time" uht="$upstream_header_time" urt="$upstream_response_time"`, "default",
		func(w *bufio.Writer, r request) {
			fmt.Fprintf(w, "10.20.30.40 - - [24/Nov/2026:10:00:00 +0700] \"%s %s HTTP/1.1\" %s %d \"-\" \"okhttp/4.12.0\" id=\"%032x\" rt=%.3f rl=%d bs=%d lr=PASSED ua=\"%s\" us=\"%s\" uct=\"%s\" uht=\"%s\" urt=\"%s\"\n",
				r.method, r.path, r.status, r.sent, r.id, r.time, r.length, r.sent+200, r.addresses, r.statuses, r.connect, r.header, r.response)
		}, false},
	{"incumbent", `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for" upstream_addr=$upstream_addr upstream_response_time=$upstream_response_time request_time=$request_time`, "default",
		func(w *bufio.Writer, r request) {
			fmt.Fprintf(w, "10.20.30.40 - - [24/Nov/2026:10:00:00 +0700] \"%s %s HTTP/1.1\" %s %d \"-\" \"okhttp/4.12.0\" \"-\" upstream_addr=%s upstream_response_time=%s request_time=%.3f\n",
				r.method, r.path, r.status, r.sent, r.addresses, r.response, r.time)
		}, false},
	{"ingress", `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`, "default",
		func(w *bufio.Writer, r request) {
			fmt.Fprintf(w, "10.20.30.40 - - [24/Nov/2026:10:00:00 +0000] \"%s %s HTTP/1.1\" %s %d \"-\" \"okhttp/4.12.0\" %d %.3f [default-fremisn-80] [] %s %s %s %s %032x\n",
				r.method, r.path, r.status, r.sent, r.length, r.time, r.addresses, r.upstreamRead, r.response, r.statuses, r.id)
		}, false},
	{"json", `{"time":"$time_iso8601","request":"$request","status":$status,"id":"$request_id","rt":$request_time,"bytes":$bytes_sent,"ua":"$upstream_addr","us":"$upstream_status","uct":"$upstream_connect_time","uht":"$upstream_header_time","urt":"$upstream_response_time"}`, "json",
		func(w *bufio.Writer, r request) {
			fmt.Fprintf(w, "{\"time\":\"2026-11-24T10:00:00+07:00\",\"request\":\"%s %s HTTP/1.1\",\"status\":%s,\"id\":\"%032x\",\"rt\":%.3f,\"bytes\":%d,\"ua\":\"%s\",\"us\":\"%s\",\"uct\":\"%s\",\"uht\":\"%s\",\"urt\":\"%s\"}\n",
				r.method, r.path, r.status, r.id, r.time, r.sent, r.addresses, r.statuses, r.connect, r.header, r.response)
		}, false},
}

var nodes = []string{"127.0.0.231:4005", "127.0.0.18:4008", "127.0.0.17:4009"}

// next makes a request; the same seed makes the same log.
func next(random *rand.Rand) request {
	took := 0.02 + random.ExpFloat64()*0.15
	r := request{
		id: random.Uint64(), method: "POST", status: "200", time: took, length: 40000 + random.Intn(60000), sent: 300 + random.Intn(400),
		path: [...]string{"/v1/face/enrollment", "/v1/face/recognition", "/v1/face/match?threshold=0.8", "/v1/healthcheck"}[random.Intn(4)],
	}
	if r.path == "/v1/healthcheck" {
		r.method = "GET"
	}
	first := random.Intn(len(nodes))
	one := fmt.Sprintf("%.3f", took)
	r.addresses, r.statuses, r.connect, r.header, r.response = nodes[first], "200", "0.000", one, one
	r.upstreamRead = fmt.Sprint(r.sent)
	if random.Intn(20) == 0 { // retried once, or of five such twice
		r.connect = "0.001"
		for i := range 1 + random.Intn(5)/4 {
			r.addresses = nodes[(first+1+i)%len(nodes)] + ", " + r.addresses
			r.statuses, r.connect, r.header = "502, "+r.statuses, "-, "+r.connect, "-, "+r.header
			r.response, r.upstreamRead = "0.003, "+r.response, "0, "+r.upstreamRead
		}
	}
	return r
}

func writeLog(path string, f format, lines int) (int, int64, error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	w := bufio.NewWriterSize(file, 1<<20)
	random := rand.New(rand.NewSource(1))
	for range lines {
		f.line(w, next(random))
	}
	if err := w.Flush(); err != nil {
		return 0, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, 0, err
	}
	return lines, info.Size(), nil
}

// splitLines is the bare loop: blocks of 256 KiB, one goroutine, a line found and let go.
func splitLines(path string) int {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	block := make([]byte, 256<<10)
	lines, kept := 0, 0
	for {
		n, err := file.Read(block[kept:])
		rest := block[:kept+n]
		for {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			lines++
			rest = rest[end+1:]
		}
		kept = copy(block, rest)
		if err == io.EOF {
			return lines
		}
	}
}

// series is a log that makes about a thousand series: so many servers with each outcome.
func series(path string) error {
	var b strings.Builder
	for server := range 9 {
		for _, status := range []string{"200", "504"} {
			fmt.Fprintf(&b, "10.20.30.40 - - [24/Nov/2026:10:00:00 +0700] \"GET / HTTP/1.1\" %s 100 \"-\" \"-\" id=\"%032x\" rt=0.100 rl=100 bs=300 lr=PASSED ua=\"127.0.1.%d:80\" us=\"%s\" uct=\"0.000\" uht=\"0.100\" urt=\"0.100\"\n",
				status, server, server, status)
		}
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
