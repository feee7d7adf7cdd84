package check

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

const nginxDocs = "https://nginx.org/en/docs/http/"

// A rule looks for one thing that experience with a load balancer in front of few, slow nodes suggests to look for.
// Each is a fact with its source; whether to change it is for the operator.
type rule func(*nginxconf.Config) []finding

// findings are all of them, in the order of the report.
func nginxFindings(conf *nginxconf.Config) []finding {
	var found []finding
	for _, apply := range []rule{
		maxConnsWithoutZone, fewServersFailTogether, burstAboveSlots, limitStatusOfOutage, errorLogAboveWarn,
		postsNotRetried, accessLogInPart, accessLogOff, keepaliveUnused, logIsStdout,
	} {
		found = append(found, apply(conf)...)
	}
	return found
}

func fact(subject string, at nginxconf.Pos, source, remedy, format string, args ...any) finding {
	return finding{Section: sectionNginx, Status: statusWarn, Subject: subject, From: at.String(), Source: source, Remedy: remedy, Text: fmt.Sprintf(format, args...)}
}

func maxConnsWithoutZone(conf *nginxconf.Config) []finding {
	var found []finding
	for _, u := range conf.Upstreams {
		if i := slices.IndexFunc(u.Servers, func(s nginxconf.Server) bool { return s.MaxConns > 0 }); i >= 0 && u.Zone == "" {
			found = append(found, fact("max_conns", u.Servers[i].Pos, nginxDocs+"ngx_http_upstream_module.html#max_conns",
				fmt.Sprintf("zone %s 64k; in the group makes them count together", u.Name),
				"%s has no zone: each worker counts max_conns for itself (worker_processes %s)", u.Name, conf.Workers))
		}
	}
	return found
}

// fewServers is how many servers one request can disable within its tries without anybody noticing.
const fewServers = 3

func fewServersFailTogether(conf *nginxconf.Config) []finding {
	var found []finding
	for _, u := range conf.Upstreams {
		var live []nginxconf.Server
		for _, s := range u.Servers {
			if !s.Down {
				live = append(live, s)
			}
		}
		allDefault := !slices.ContainsFunc(live, func(s nginxconf.Server) bool { return s.MaxFails != 1 })
		// A group's only server is never disabled.
		if len(live) < 2 || len(live) > fewServers || !allDefault {
			continue
		}
		found = append(found, fact("max_fails", u.Pos, nginxDocs+"ngx_http_upstream_module.html#max_fails",
			"raise max_fails, or bound tries by proxy_next_upstream_tries",
			"a request that fails on all %[3]d servers of %[1]s disables them for %[2]s (max_fails=1)", u.Name, live[0].FailTimeout, len(live)))
	}
	return found
}

func burstAboveSlots(conf *nginxconf.Config) []finding {
	var found []finding
	for _, p := range conf.Proxies {
		slots := slotsOf(conf, p.Upstream)
		for _, l := range p.LimitReqs {
			// Only nodelay, or a delay above the slots, lets the burst through at once.
			atOnce := l.Delay
			if l.Delay == -1 {
				atOnce = l.Burst
			}
			if slots > 0 && min(atOnce, l.Burst) > slots {
				found = append(found, fact("limit burst", l.Pos, nginxDocs+"ngx_http_limit_req_module.html#limit_req",
					fmt.Sprintf("burst=%d, or delay=%d in place of nodelay, is what fits at once", slots, slots),
					"a burst of %d reaches %s at once, whose max_conns add up to %d: the rest gets 502", l.Burst, p.Upstream, slots))
			}
		}
	}
	return found
}

// slotsOf is the sum of max_conns of a group's servers; 0 where any has no limit.
func slotsOf(conf *nginxconf.Config, group string) int {
	for _, u := range conf.Upstreams {
		if u.Name != group || group == "" {
			continue
		}
		sum := 0
		for _, s := range u.Servers {
			switch {
			case s.Down || s.Backup:
			case s.MaxConns == 0:
				return 0
			default:
				sum += s.MaxConns
			}
		}
		return sum
	}
	return 0
}

func limitStatusOfOutage(conf *nginxconf.Config) []finding {
	const remedy = " 429; tells clients to slow down"
	var found []finding
	for _, l := range conf.LimitReqs {
		if l.Status == 503 {
			found = append(found, fact("status 503", l.Pos, nginxDocs+"ngx_http_limit_req_module.html#limit_req_status", "limit_req_status"+remedy,
				"zone %s rejects with 503: clients cannot tell it from an outage", l.Zone))
		}
	}
	for _, l := range conf.LimitConns {
		if l.Status == 503 {
			found = append(found, fact("status 503", l.Pos, nginxDocs+"ngx_http_limit_conn_module.html#limit_conn_status", "limit_conn_status"+remedy,
				"zone %s rejects with 503: clients cannot tell it from an outage", l.Zone))
		}
	}
	return found
}

func errorLogAboveWarn(conf *nginxconf.Config) []finding {
	var found []finding
	for _, log := range conf.ErrorLogs {
		if slices.Contains([]string{"error", "crit", "alert", "emerg"}, log.Level) && len(conf.Upstreams) > 0 {
			found = append(found, fact("error_log", log.Pos, "https://nginx.org/en/docs/ngx_core_module.html#error_log",
				strings.TrimSpace("error_log "+log.Path)+" warn;",
				"level %s does not tell when a server is disabled, which is a warning", log.Level))
		}
	}
	return found
}

func postsNotRetried(conf *nginxconf.Config) []finding {
	return once(conf, func(p nginxconf.Proxy) (finding, bool) {
		if slices.Contains(p.NextUpstream, "non_idempotent") || slices.Contains(p.NextUpstream, "off") {
			return finding{}, false
		}
		return fact("retries", p.Pos, nginxDocs+"ngx_http_proxy_module.html#proxy_next_upstream",
			"good to know: with non_idempotent it is, and may be done twice",
			"a POST that a server of %s fails after it was sent is not tried on another", p.Upstream), true
	})
}

// once is a finding about proxies, said for the first of each group alone.
func once(conf *nginxconf.Config, judge func(nginxconf.Proxy) (finding, bool)) []finding {
	var found []finding
	said := map[string]bool{"": true}
	for _, p := range conf.Proxies {
		if said[p.Upstream] {
			continue
		}
		if l, ok := judge(p); ok {
			said[p.Upstream] = true
			found = append(found, l)
		}
	}
	return found
}

// accessLogInPart finds logs that lack lines, for a while or for ever.
func accessLogInPart(conf *nginxconf.Config) []finding {
	var found []finding
	for _, log := range conf.AccessLogs {
		if log.Buffered {
			found = append(found, fact("access_log", log.Pos, nginxDocs+"ngx_http_log_module.html#access_log",
				"flush=1s bounds the wait; without buffer= and gzip there is none",
				"%s is buffered: lines come late and in bursts", log.Path))
		}
		if log.Condition != "" {
			found = append(found, fact("access_log", log.Pos, nginxDocs+"ngx_http_log_module.html#access_log",
				"remove if= where every request is to be counted",
				"%s has only requests for which %s is neither empty nor 0", log.Path, log.Condition))
		}
	}
	return found
}

func accessLogOff(conf *nginxconf.Config) []finding {
	return once(conf, func(p nginxconf.Proxy) (finding, bool) {
		return fact("access_log", p.LogOff, nginxDocs+"ngx_http_log_module.html#access_log",
			"remove access_log off where requests are proxied",
			"it is off where requests go to %s (line %d): no metric counts them", p.Upstream, p.Line), p.LogOff.Line > 0
	})
}

func keepaliveUnused(conf *nginxconf.Config) []finding {
	keepalive := map[string]nginxconf.Pos{}
	for _, u := range conf.Upstreams {
		if u.Keepalive > 0 {
			keepalive[u.Name] = u.Pos
		}
	}
	return once(conf, func(p nginxconf.Proxy) (finding, bool) {
		if _, set := keepalive[p.Upstream]; !set || p.Directive != "proxy_pass" || p.HTTPVersion == "1.1" && p.Connection == "" || p.HTTPVersion == "2" {
			return finding{}, false
		}
		return fact("keepalive", p.Pos, nginxDocs+"ngx_http_upstream_module.html#keepalive",
			`proxy_http_version 1.1; proxy_set_header Connection "";`,
			"%s has keepalive, and this proxy_pass closes each connection (before 1.29.7)", p.Upstream), true
	})
}

func logIsStdout(conf *nginxconf.Config) []finding {
	var found []finding
	say := func(path string, at nginxconf.Pos) {
		target, err := os.Readlink(path)
		if err != nil {
			target = path
		}
		if strings.HasPrefix(target, "/dev/std") || strings.HasPrefix(target, "/proc/self/fd/") {
			found = append(found, fact("to stdout", at, "https://github.com/nginx/docker-nginx/blob/master/mainline/debian/Dockerfile",
				"a volume on /var/log/nginx makes it a file", "%s is %s, as in the official image: it cannot be followed", path, target))
		}
	}
	for _, log := range conf.AccessLogs {
		say(log.Path, log.Pos)
	}
	for _, log := range conf.ErrorLogs {
		say(log.Path, log.Pos)
	}
	return found
}
