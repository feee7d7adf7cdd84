package accesslog

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/source"
)

// shorter leaves out what is the same in every series.
var shorter = strings.NewReplacer(`log="access",`, "", `log="access"`, "", `"`, "", "127.0.0.", "",
	"fremisn_backend", "b")

// seriesOf returns all that a counter says of NGINX, without buckets, as shorter writes it.
func seriesOf(t *testing.T, b *Counter) []string {
	t.Helper()
	var found []string
	for _, line := range exposed(t, b) {
		if strings.HasPrefix(line, "nginx_") && !strings.Contains(line, "_bucket{") &&
			!strings.Contains(line, "_outcomes_total{") {
			found = append(found, shorter.Replace(strings.TrimPrefix(line, "nginx_")))
		}
	}
	slices.Sort(found)
	return found
}

// TestSemantics has a line for each thing that NGINX may write and that is easy to get wrong, and every series that
// comes of it.
func TestSemantics(t *testing.T) {
	const (
		lists = `$status "$upstream_addr" "$upstream_status" "$upstream_response_time"`
		bare  = `$status $upstream_addr $upstream_response_time $upstream_status $request_id`
		json  = `{"s":"$status","a":"$upstream_addr","u":"$upstream_status","t":"$upstream_response_time",` +
			`"c":"$upstream_connect_time"}`
	)
	limit := func(req, conn int) func(*Config) {
		return func(c *Config) { c.LimitReqStatus, c.LimitConnStatus = req, conn }
	}
	routed := func(c *Config) {
		c.Routes = []source.Route{{Name: "face", Match: regexp.MustCompile("^/v1/face/")},
			{Name: "root", Match: regexp.MustCompile("^/$")}, {Name: "none", Match: regexp.MustCompile("^$")}}
	}
	for _, c := range []struct {
		name, format, escape, line string
		change                     func(*Config)
		want                       []string // nil: malformed
	}{
		{"trailing separator, quoted", lists, "", `502 "127.0.0.231:4005 : " "502 : " "0.004 : "`, nil, []string{
			`access_requests_total{code=502,method=OTHER,outcome=error,route=} 1`,
			`upstream_attempts_total{code=502,node=master,outcome=error,server=231:4005,upstream=b} 1`,
			`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.004`,
			`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
		}},
		{"trailing separator, bare", bare, "", `502 127.0.0.231:4005 :  0.004 :  502 :  x`, nil, []string{
			`access_requests_total{code=502,method=OTHER,outcome=error,route=} 1`,
			`upstream_attempts_total{code=502,node=master,outcome=error,server=231:4005,upstream=b} 1`,
			`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.004`,
			`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
		}},
		{"trailing separator after a group's name", lists, "", `502 "fremisn_backend : " "502 : " "0.000 : "`, nil,
			[]string{
				`access_requests_total{code=502,method=OTHER,outcome=no_live,route=} 1`,
				`upstream_no_live_total{upstream=b} 1`,
			}},
		{"group's name first", lists, "", `200 "fremisn_backend, 127.0.0.231:4005" "502, 200" "0.000, 0.002"`, nil,
			[]string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=master,outcome=ok,server=231:4005,upstream=b} 1`,
				`upstream_no_live_total{upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=master,outcome=ok,server=231:4005,upstream=b} 0.002`,
				`upstream_response_duration_seconds_count{node=master,outcome=ok,server=231:4005,upstream=b} 1`,
			}},
		{"group's name in the middle", lists, "",
			`200 "127.0.0.231:4005, fremisn_backend : 127.0.0.18:4008" "502, 502 : 200" "0.001, 0.000 : 0.002"`, nil,
			[]string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=502,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_no_live_total{upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=ok,server=18:4008,upstream=b} 0.002`,
				`upstream_response_duration_seconds_count{node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.001`,
				`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
			}},
		{"group's name last", lists, "",
			`502 "127.0.0.231:4005, 127.0.0.18:4008, fremisn_backend" "504, 502, 502" "2.000, 0.001, 0.000"`, nil,
			[]string{
				`access_requests_total{code=502,method=OTHER,outcome=no_live,route=} 1`,
				`upstream_attempts_total{code=502,node=,outcome=error,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=504,node=master,outcome=timeout,server=231:4005,upstream=b} 1`,
				`upstream_no_live_total{upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=error,server=18:4008,upstream=b} 0.001`,
				`upstream_response_duration_seconds_count{node=,outcome=error,server=18:4008,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=master,outcome=timeout,server=231:4005,upstream=b} 2`,
				`upstream_response_duration_seconds_count{node=master,outcome=timeout,server=231:4005,upstream=b} 1`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"group's name alone", lists, "", `502 "fremisn_backend" "502" "0.000"`, nil, []string{
			`access_requests_total{code=502,method=OTHER,outcome=no_live,route=} 1`,
			`upstream_no_live_total{upstream=b} 1`,
		}},
		{"group's name with dots and dashes", lists, "", `502 "face.v1-backend" "502" "0.000"`, nil, []string{
			`access_requests_total{code=502,method=OTHER,outcome=no_live,route=} 1`,
			`upstream_no_live_total{upstream=face.v1-backend} 1`,
		}},
		{"unix sockets", lists, "", `200 "unix:/run/a b.sock, unix:/run/c:d.sock" "502, 200" "0.000, 0.001"`, nil,
			[]string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=,outcome=ok,server=unix:/run/c:d.sock,upstream=} 1`,
				`upstream_attempts_total{code=502,node=,outcome=error,server=unix:/run/a b.sock,upstream=} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=error,server=unix:/run/a b.sock,upstream=} 0`,
				`upstream_response_duration_seconds_count{node=,outcome=error,server=unix:/run/a b.sock,upstream=} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=ok,server=unix:/run/c:d.sock,upstream=} 0.001`,
				`upstream_response_duration_seconds_count{node=,outcome=ok,server=unix:/run/c:d.sock,upstream=} 1`,
				`upstream_retries_total{node=,server=unix:/run/a b.sock,upstream=} 1`,
			}},
		{"unix socket, bare", bare, "", `200 unix:/run/a.sock 0.001 200 x`, nil, []string{
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
			`upstream_attempts_total{code=200,node=,outcome=ok,server=unix:/run/a.sock,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=ok,server=unix:/run/a.sock,upstream=} 0.001`,
			`upstream_response_duration_seconds_count{node=,outcome=ok,server=unix:/run/a.sock,upstream=} 1`,
		}},
		{"IPv6", lists, "", `200 "[::1]:80, [2001:db8::7]:8080" "502, 200" "0.000, 0.001"`, nil, []string{
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
			`upstream_attempts_total{code=200,node=,outcome=ok,server=[2001:db8::7]:8080,upstream=} 1`,
			`upstream_attempts_total{code=502,node=,outcome=error,server=[::1]:80,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=error,server=[::1]:80,upstream=} 0`,
			`upstream_response_duration_seconds_count{node=,outcome=error,server=[::1]:80,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=ok,server=[2001:db8::7]:8080,upstream=} 0.001`,
			`upstream_response_duration_seconds_count{node=,outcome=ok,server=[2001:db8::7]:8080,upstream=} 1`,
			`upstream_retries_total{node=,server=[::1]:80,upstream=} 1`,
		}},
		{"IPv6, bare", bare, "", `200 [::1]:80 : [::1]:81 0.001 : 0.002 404 : 200 x`, nil, []string{
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
			`upstream_attempts_total{code=200,node=,outcome=ok,server=[::1]:81,upstream=} 1`,
			`upstream_attempts_total{code=404,node=,outcome=ok,server=[::1]:80,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=ok,server=[::1]:80,upstream=} 0.001`,
			`upstream_response_duration_seconds_count{node=,outcome=ok,server=[::1]:80,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=ok,server=[::1]:81,upstream=} 0.002`,
			`upstream_response_duration_seconds_count{node=,outcome=ok,server=[::1]:81,upstream=} 1`,
		}},
		{"a host's name with its port", lists, "", `200 "node-1.example.org:4005" "200" "0.001"`, nil, []string{
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
			`upstream_attempts_total{code=200,node=,outcome=ok,server=node-1.example.org:4005,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=ok,server=node-1.example.org:4005,upstream=} 0.001`,
			`upstream_response_duration_seconds_count{node=,outcome=ok,server=node-1.example.org:4005,upstream=} 1`,
		}},
		{"dashes among numbers", lists, "", `200 "127.0.0.231:4005, 127.0.0.18:4008" "-, 200" "-, 0.001"`, nil,
			[]string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=none,node=master,outcome=aborted,server=231:4005,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=ok,server=18:4008,upstream=b} 0.001`,
				`upstream_response_duration_seconds_count{node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"only dashes for an attempt", lists, "", `499 "127.0.0.231:4005" "-" "-"`, nil, []string{
			`access_requests_total{code=499,method=OTHER,outcome=aborted,route=} 1`,
			`upstream_attempts_total{code=none,node=master,outcome=aborted,server=231:4005,upstream=b} 1`,
		}},
		{"no upstream", lists, "", `304 "-" "-" "-"`, nil,
			[]string{`access_requests_total{code=304,method=OTHER,outcome=ok,route=} 1`}},
		{"statuses fewer than addresses", lists, "", `200 "127.0.0.231:4005, 127.0.0.18:4008" "200" "0.001, 0.002"`,
			nil, nil},
		{"times fewer than addresses", lists, "", `200 "127.0.0.231:4005, 127.0.0.18:4008" "502, 200" "0.001"`, nil,
			nil},
		{"a dash for two", lists, "", `200 "127.0.0.231:4005, 127.0.0.18:4008" "502, 200" "-"`, nil, nil},
		{"statuses without addresses", lists, "", `200 "-" "200" "-"`, nil, nil},
		{"a separator of the wrong kind is one", lists, "",
			`200 "127.0.0.231:4005, 127.0.0.18:4008" "502 : 200" "0.001, 0.002"`, nil, []string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=502,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=ok,server=18:4008,upstream=b} 0.002`,
				`upstream_response_duration_seconds_count{node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.001`,
				`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"addresses alone", `$status $upstream_addr`, "", `200 127.0.0.231:4005, 127.0.0.18:4008 : 10.0.0.1:80`, nil,
			[]string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=,outcome=ok,server=10.0.0.1:80,upstream=} 1`,
				`upstream_attempts_total{code=unknown,node=,outcome=error,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=unknown,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"addresses alone, aborted", `$status $upstream_addr`, "", `499 127.0.0.231:4005`, nil, []string{
			`access_requests_total{code=499,method=OTHER,outcome=aborted,route=} 1`,
			`upstream_attempts_total{code=499,node=master,outcome=aborted,server=231:4005,upstream=b} 1`,
		}},
		{"addresses alone, group's name last", `$status $upstream_addr`, "",
			`502 127.0.0.231:4005, 127.0.0.18:4008, fremisn_backend`, nil, []string{
				`access_requests_total{code=502,method=OTHER,outcome=no_live,route=} 1`,
				`upstream_attempts_total{code=502,node=,outcome=error,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=unknown,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_no_live_total{upstream=b} 1`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"addresses and nothing else", `$upstream_addr`, "", `127.0.0.231:4005, 127.0.0.18:4008`, nil, []string{
			`access_requests_total{code=unknown,method=OTHER,outcome=ok,route=} 1`,
			`upstream_attempts_total{code=unknown,node=,outcome=ok,server=18:4008,upstream=b} 1`,
			`upstream_attempts_total{code=unknown,node=master,outcome=error,server=231:4005,upstream=b} 1`,
			`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
		}},
		{"times alone", `$status $upstream_response_time`, "", `504 60.001, 60.002`, nil, []string{
			`access_requests_total{code=504,method=OTHER,outcome=timeout,route=} 1`,
			`upstream_attempts_total{code=504,node=,outcome=timeout,server=unknown,upstream=} 1`,
			`upstream_attempts_total{code=unknown,node=,outcome=error,server=unknown,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=error,server=unknown,upstream=} 60.001`,
			`upstream_response_duration_seconds_count{node=,outcome=error,server=unknown,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=timeout,server=unknown,upstream=} 60.002`,
			`upstream_response_duration_seconds_count{node=,outcome=timeout,server=unknown,upstream=} 1`,
			`upstream_retries_total{node=,server=unknown,upstream=} 1`,
		}},
		{"times alone, two groups", `$status $upstream_response_time`, "", `200 0.001 : 0.002`, nil, []string{
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
			`upstream_attempts_total{code=200,node=,outcome=ok,server=unknown,upstream=} 1`,
			`upstream_attempts_total{code=unknown,node=,outcome=error,server=unknown,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=error,server=unknown,upstream=} 0.001`,
			`upstream_response_duration_seconds_count{node=,outcome=error,server=unknown,upstream=} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=ok,server=unknown,upstream=} 0.002`,
			`upstream_response_duration_seconds_count{node=,outcome=ok,server=unknown,upstream=} 1`,
		}},
		{"statuses alone", `$status $upstream_status`, "", `200 502, 200`, nil, []string{
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
			`upstream_attempts_total{code=200,node=,outcome=ok,server=unknown,upstream=} 1`,
			`upstream_attempts_total{code=502,node=,outcome=error,server=unknown,upstream=} 1`,
			`upstream_retries_total{node=,server=unknown,upstream=} 1`,
		}},
		{"bare lists with spaces behind", bare, "",
			`200 127.0.0.231:4005, 127.0.0.18:4008 0.001, 0.002 502, 200 0123456789abcdef0123456789abcdef`, nil,
			[]string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=502,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=ok,server=18:4008,upstream=b} 0.002`,
				`upstream_response_duration_seconds_count{node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.001`,
				`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"bare lists without upstream", bare, "", `404 - - - x`, nil,
			[]string{`access_requests_total{code=404,method=OTHER,outcome=client_error,route=} 1`}},
		{"JSON, all empty", json, "json", `{"s":"404","a":"","u":"","t":"","c":""}`, nil,
			[]string{`access_requests_total{code=404,method=OTHER,outcome=client_error,route=} 1`}},
		{"JSON, connect failed", json, "json", `{"s":"502","a":"127.0.0.231:4005","u":"502","t":"0.001","c":"-"}`, nil,
			[]string{
				`access_requests_total{code=502,method=OTHER,outcome=error,route=} 1`,
				`upstream_attempts_total{code=502,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.001`,
				`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
			}},
		{"JSON, some empty", json, "json", `{"s":"200","a":"127.0.0.231:4005","u":"200","t":"","c":""}`, nil, nil},
		{"JSON, retried", json, "json", `{"s":"200","a":"127.0.0.231:4005, 127.0.0.18:4008","u":"502, ` +
			`200","t":"0.001, 0.002","c":"-, 0.000"}`, nil, []string{
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
			`upstream_attempts_total{code=200,node=,outcome=ok,server=18:4008,upstream=b} 1`,
			`upstream_attempts_total{code=502,node=master,outcome=error,server=231:4005,upstream=b} 1`,
			`upstream_connect_duration_seconds_sum{node=,outcome=ok,server=18:4008,upstream=b} 0`,
			`upstream_connect_duration_seconds_count{node=,outcome=ok,server=18:4008,upstream=b} 1`,
			`upstream_response_duration_seconds_sum{node=,outcome=ok,server=18:4008,upstream=b} 0.002`,
			`upstream_response_duration_seconds_count{node=,outcome=ok,server=18:4008,upstream=b} 1`,
			`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.001`,
			`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
			`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
		}},
		{"escape=none, a quote in the agent", `"$http_user_agent" $status`, "none", `"Mozilla (X"Y)" 200`, nil,
			[]string{`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`}},
		{"escape=none, the literal in the agent", `"$http_user_agent" $status`, "none", `"a" 404" 200`, nil,
			[]string{`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`}},
		{"escaped quotes and backslashes", `"$request" "$http_referer" $status`, "default",
			`"GET /\x22\x5C HTTP/1.1" "\x22\x22 500" 200`, nil,
			[]string{`access_requests_total{code=200,method=GET,outcome=ok,route=} 1`}},
		{"spaces in values", `$remote_addr $http_x [$status]`, "default", `1.2.3.4 a b c[ ] [200]`, nil,
			[]string{`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`}},
		{"a value runs to the first literal that lets the rest fit", `$remote_addr $http_x [$status]`, "default",
			`1.2.3.4 a b [c [200]`, nil, []string{`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`}},
		{"status 000", `"$request" $status`, "", `"GET / HTTP/1.1" 000`, nil,
			[]string{`access_requests_total{code=000,method=GET,outcome=aborted,route=} 1`}},
		{"status 000 with an attempt", lists, "", `000 "127.0.0.231:4005" "200" "0.001"`, nil, []string{
			`access_requests_total{code=000,method=OTHER,outcome=aborted,route=} 1`,
			`upstream_attempts_total{code=200,node=master,outcome=ok,server=231:4005,upstream=b} 1`,
			`upstream_response_duration_seconds_sum{node=master,outcome=ok,server=231:4005,upstream=b} 0.001`,
			`upstream_response_duration_seconds_count{node=master,outcome=ok,server=231:4005,upstream=b} 1`,
		}},
		{"499 after a retry", lists, "", `499 "127.0.0.231:4005, 127.0.0.18:4008" "502, -" "0.001, 0.100"`, nil,
			[]string{
				`access_requests_total{code=499,method=OTHER,outcome=aborted,route=} 1`,
				`upstream_attempts_total{code=502,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_attempts_total{code=none,node=,outcome=aborted,server=18:4008,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=aborted,server=18:4008,upstream=b} 0.1`,
				`upstream_response_duration_seconds_count{node=,outcome=aborted,server=18:4008,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.001`,
				`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"499 without statuses", `$status $upstream_addr $upstream_response_time`, "",
			`499 127.0.0.231:4005, 127.0.0.18:4008 0.001, 0.100`, nil, []string{
				`access_requests_total{code=499,method=OTHER,outcome=aborted,route=} 1`,
				`upstream_attempts_total{code=499,node=,outcome=aborted,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=unknown,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=,outcome=aborted,server=18:4008,upstream=b} 0.1`,
				`upstream_response_duration_seconds_count{node=,outcome=aborted,server=18:4008,upstream=b} 1`,
				`upstream_response_duration_seconds_sum{node=master,outcome=error,server=231:4005,upstream=b} 0.001`,
				`upstream_response_duration_seconds_count{node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"status 999", `"$request" $status`, "", `"GET / HTTP/1.1" 999`, nil,
			[]string{`access_requests_total{code=999,method=GET,outcome=ok,route=} 1`}},
		{"status of four digits", `"$request" $status`, "", `"GET / HTTP/1.1" 2000`, nil, nil},
		{"status without digits", `"$request" $status`, "", `"GET / HTTP/1.1" -`, nil, nil},
		{"limited by nginx.conf's 429", lists, "", `429 "-" "-" "-"`, limit(429, 0),
			[]string{`access_requests_total{code=429,method=OTHER,outcome=limited,route=} 1`}},
		{"503 is limit_conn's where only limit_req's is set", lists, "", `503 "-" "-" "-"`, limit(429, 0),
			[]string{`access_requests_total{code=503,method=OTHER,outcome=limited,route=} 1`}},
		{"503 is not where both are set", lists, "", `503 "-" "-" "-"`, limit(429, 444),
			[]string{`access_requests_total{code=503,method=OTHER,outcome=error,route=} 1`}},
		{"limit_conn's 444", lists, "", `444 "-" "-" "-"`, limit(429, 444),
			[]string{`access_requests_total{code=444,method=OTHER,outcome=limited,route=} 1`}},
		{"429 of an upstream", lists, "", `429 "127.0.0.231:4005" "429" "0.001"`, limit(429, 0), []string{
			`access_requests_total{code=429,method=OTHER,outcome=client_error,route=} 1`,
			`upstream_attempts_total{code=429,node=master,outcome=ok,server=231:4005,upstream=b} 1`,
			`upstream_response_duration_seconds_sum{node=master,outcome=ok,server=231:4005,upstream=b} 0.001`,
			`upstream_response_duration_seconds_count{node=master,outcome=ok,server=231:4005,upstream=b} 1`,
		}},
		{"429 without upstream variables", `"$request" $status`, "", `"GET / HTTP/1.1" 429`, limit(429, 0),
			[]string{`access_requests_total{code=429,method=GET,outcome=client_error,route=} 1`}},
		{"rejected, whatever the status", `$status $limit_req_status $limit_conn_status`, "", `200 REJECTED PASSED`,
			nil, []string{
				`access_limit_conn_total{status=passed} 1`,
				`access_limit_req_total{status=rejected} 1`,
				`access_requests_total{code=200,method=OTHER,outcome=limited,route=} 1`,
			}},
		{"rejected by limit_conn", `$status $limit_req_status $limit_conn_status`, "", `503 - REJECTED`, nil, []string{
			`access_limit_conn_total{status=rejected} 1`,
			`access_requests_total{code=503,method=OTHER,outcome=limited,route=} 1`,
		}},
		{"503 that no limit rejected", `$status "$upstream_addr" $limit_req_status`, "", `503 "-" PASSED`, nil,
			[]string{
				`access_limit_req_total{status=passed} 1`,
				`access_requests_total{code=503,method=OTHER,outcome=error,route=} 1`,
			}},
		{"delayed", `$status $limit_req_status`, "", `200 DELAYED`, nil, []string{
			`access_limit_req_total{status=delayed} 1`,
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
		}},
		{"rejected before no server", `$status "$upstream_addr" $limit_req_status`, "",
			`502 "fremisn_backend" REJECTED`, nil, []string{
				`access_limit_req_total{status=rejected} 1`,
				`access_requests_total{code=502,method=OTHER,outcome=limited,route=} 1`,
				`upstream_no_live_total{upstream=b} 1`,
			}},
		{"lower-case method", `"$request" $status`, "", `"get / HTTP/1.1" 405`, routed,
			[]string{`access_requests_total{code=405,method=OTHER,outcome=client_error,route=root} 1`}},
		{"unknown method", `"$request" $status`, "", `"PROPFIND /v1/face/x HTTP/1.1" 405`, routed,
			[]string{`access_requests_total{code=405,method=OTHER,outcome=client_error,route=face} 1`}},
		{"HTTP/0.9", `"$request" $status`, "", `"GET /v1/face/match?a=/" 200`, routed,
			[]string{`access_requests_total{code=200,method=GET,outcome=ok,route=face} 1`}},
		{"empty request", `"$request" $status`, "", `"" 400`, routed,
			[]string{`access_requests_total{code=400,method=OTHER,outcome=client_error,route=none} 1`}},
		{"a method alone", `"$request" $status`, "", `"POST" 400`, routed,
			[]string{`access_requests_total{code=400,method=POST,outcome=client_error,route=none} 1`}},
		{"a method and a space", `"$request" $status`, "", `"POST " 400`, routed,
			[]string{`access_requests_total{code=400,method=POST,outcome=client_error,route=none} 1`}},
		{"the whole URI", `"$request" $status`, "", `"GET http://h/v1/face/ HTTP/1.1" 200`, routed,
			[]string{`access_requests_total{code=200,method=GET,outcome=ok,route=other} 1`}},
		{"query only", `"$request" $status`, "", `"GET /?/v1/face/ HTTP/1.1" 200`, routed,
			[]string{`access_requests_total{code=200,method=GET,outcome=ok,route=root} 1`}},
		{"garbage", `"$request" $status`, "", `"\x16\x03\x01\x02" 400`, routed,
			[]string{`access_requests_total{code=400,method=OTHER,outcome=client_error,route=none} 1`}},
		{"body bytes where nothing else tells", `$status $body_bytes_sent`, "", `200 12`, nil, []string{
			`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
			`access_sent_bytes_total{route=} 12`,
		}},
		{"all bytes sent before body bytes", `$status $body_bytes_sent $bytes_sent $request_length`, "",
			`200 12 300 80`, nil, []string{
				`access_received_bytes_total{route=} 80`,
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`access_sent_bytes_total{route=} 300`,
			}},
		{"bytes of dashes", `$status $bytes_sent $request_length`, "", `200 - -`, nil,
			[]string{`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`}},
		{"received by upstream_bytes_received first",
			`$status $upstream_addr $upstream_response_length $upstream_bytes_received $upstream_bytes_sent`, "",
			`200 127.0.0.231:4005, 127.0.0.18:4008 0, 12 0, 200 80, 81`, nil, []string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=unknown,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_received_bytes_total{node=,server=18:4008,upstream=b} 200`,
				`upstream_received_bytes_total{node=master,server=231:4005,upstream=b} 0`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
				`upstream_sent_bytes_total{node=,server=18:4008,upstream=b} 81`,
				`upstream_sent_bytes_total{node=master,server=231:4005,upstream=b} 80`,
			}},
		{"received by response length", `$status $upstream_addr $upstream_response_length`, "",
			`200 127.0.0.231:4005, 127.0.0.18:4008 -, 12`, nil, []string{
				`access_requests_total{code=200,method=OTHER,outcome=ok,route=} 1`,
				`upstream_attempts_total{code=200,node=,outcome=ok,server=18:4008,upstream=b} 1`,
				`upstream_attempts_total{code=unknown,node=master,outcome=error,server=231:4005,upstream=b} 1`,
				`upstream_received_bytes_total{node=,server=18:4008,upstream=b} 12`,
				`upstream_retries_total{node=master,server=231:4005,upstream=b} 1`,
			}},
		{"neither status nor upstreams: bytes alone", `"$request" $request_time $bytes_sent`, "",
			`"GET / HTTP/1.1" 0.010 300`, nil, []string{
				`access_sent_bytes_total{route=} 300`,
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := counterOf(t, c.format, c.escape, c.change)
			b.Lines([]byte(c.line + "\n"))
			got := seriesOf(t, b)
			if b.lines.Malformed > 0 != (c.want == nil) {
				t.Fatalf("malformed: %v", b.lines.Malformed > 0)
			}
			slices.Sort(c.want)
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s\n(want -, got +)\n%s", c.line, diff)
			}
		})
	}
}
