package accesslog

import (
	"slices"
	"strconv"
	"strings"
)

func slowAttemptOutcome(code string) string {
	switch {
	case code == "504":
		return "timeout"
	case absent(code) || code == "499":
		return "aborted"
	case code[0] == '5':
		return "error"
	}
	return "ok"
}

func (s *slowReader) count(v map[string]string) bool {
	if v == nil {
		return false
	}
	lists, ends, n, ok := s.check(v)
	if !ok {
		return false
	}
	addresses := lists["upstream_addr"]
	_, hasAddresses := v["upstream_addr"]
	isAttempt := func(i int) bool { return i < n && (!hasAddresses || slowAddress.MatchString(addresses[i])) }
	last := n - 1
	for last >= 0 && !isAttempt(last) {
		last--
	}
	number := func(name string, i int) string {
		if i < len(lists[name]) {
			return lists[name][i]
		}
		return ""
	}
	_, hasStatuses := v["upstream_status"]
	for i := range n {
		if !isAttempt(i) {
			if !absent(addresses[i]) {
				s.add(1, "nginx_upstream_no_live_total", "upstream", strings.ToValidUTF8(addresses[i], "\uFFFD"))
			}
			continue
		}
		address := "unknown"
		if hasAddresses {
			address = strings.ToValidUTF8(addresses[i], "\uFFFD")
		}
		labels := s.server(address)
		code, outcome := number("upstream_status", i), ""
		switch {
		case hasStatuses:
			outcome = slowAttemptOutcome(code)
			if absent(code) {
				code = "none"
			}
		case i == last:
			code = v["status"]
			outcome = slowAttemptOutcome(code)
		default:
			code, outcome = "unknown", "error"
		}
		s.add(1, "nginx_upstream_attempts_total", append([]string{"code", code, "outcome", outcome}, labels...)...)
		s.add(1, "nginx_upstream_outcomes_total", append([]string{"outcome", outcome}, labels...)...)
		timed := append([]string{"outcome", outcome}, labels...)
		s.observe(number("upstream_response_time", i), "nginx_upstream_response_duration_seconds", timed...)
		s.observe(number("upstream_header_time", i), "nginx_upstream_header_duration_seconds", timed...)
		s.observe(number("upstream_connect_time", i), "nginx_upstream_connect_duration_seconds", timed...)
		s.bytes(number("upstream_bytes_sent", i), "nginx_upstream_sent_bytes_total", labels...)
		received := "upstream_response_length"
		if _, has := v["upstream_bytes_received"]; has {
			received = "upstream_bytes_received"
		}
		s.bytes(number(received, i), "nginx_upstream_received_bytes_total", labels...)
		if !ends[i] && isAttempt(i+1) {
			s.add(1, "nginx_upstream_retries_total", labels...)
		}
	}
	s.request(v, n, hasAddresses && n > 0 && !isAttempt(n-1) && !absent(addresses[n-1]))
	return true
}

func (s *slowReader) bytes(value, name string, labels ...string) {
	if !absent(value) {
		n, _ := strconv.ParseFloat(value, 64)
		s.add(n, name, labels...)
	}
}

func (s *slowReader) request(v map[string]string, attempts int, noLive bool) {
	status := v["status"]
	_, hasReq := v["limit_req_status"]
	_, hasConn := v["limit_conn_status"]
	hasUpstream := strings.Contains(s.format, "$upstream_")
	outcome := "ok"
	switch {
	case v["limit_req_status"] == "REJECTED" || v["limit_conn_status"] == "REJECTED",
		!hasReq && !hasConn && hasUpstream && attempts == 0 && status == "503":
		outcome = "limited"
	case noLive:
		outcome = "no_live"
	case status == "499" || status == "000":
		outcome = "aborted"
	case status == "504":
		outcome = "timeout"
	case status[0] == '5':
		outcome = "error"
	case status[0] == '4':
		outcome = "client_error"
	}
	words := strings.Split(v["request"], " ")
	method := "OTHER"
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"},
		words[0]) {
		method = words[0]
	}
	route := s.route(words)
	s.add(1, "nginx_access_requests_total", "route", route, "method", method, "code", status, "outcome", outcome)
	s.add(1, "nginx_access_outcomes_total", "route", route, "outcome", outcome)
	s.observe(v["request_time"], "nginx_access_request_duration_seconds", "route", route, "outcome", outcome)
	sent := "body_bytes_sent"
	if _, has := v["bytes_sent"]; has {
		sent = "bytes_sent"
	}
	s.bytes(v[sent], "nginx_access_sent_bytes_total", "route", route)
	s.bytes(v["request_length"], "nginx_access_received_bytes_total", "route", route)
	for name, metric := range map[string]string{
		"limit_req_status": "nginx_access_limit_req_total", "limit_conn_status": "nginx_access_limit_conn_total",
		"upstream_cache_status": "nginx_access_cache_total",
	} {
		if value := v[name]; !absent(value) {
			s.add(1, metric, "status", slowWord(value))
		}
	}
}

func slowWord(value string) string {
	if slices.Contains(strings.Fields("PASSED DELAYED REJECTED DELAYED_DRY_RUN REJECTED_DRY_RUN MISS BYPASS EXPIRED "+
		"STALE UPDATING REVALIDATED HIT SCARCE"), value) {
		return strings.ToLower(value)
	}
	return "other"
}

func (s *slowReader) route(words []string) string {
	if len(s.routes) == 0 {
		return ""
	}
	path := ""
	if len(words) > 1 {
		path, _, _ = strings.Cut(words[1], "?")
	}
	for _, r := range s.routes {
		if r.Match.MatchString(path) {
			return r.Name
		}
	}
	return "other"
}
