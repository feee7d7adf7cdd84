package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

const nginxDocs = "https://nginx.org/en/docs/http/"

// A rule looks for one thing that, by experience, matters for a load balancer in front of few, slow nodes. Each
// finding is a fact with its source; the operator decides whether to change it.
type rule func(*nginxconf.Config) []finding

// findings are all rules, in the order of the report.
func nginxFindings(conf *nginxconf.Config) []finding {
	var found []finding
	for _, apply := range []rule{
		maxConnsWithoutZone, fewServersFailTogether, burstAboveSlots, limitStatusOfOutage, errorLogAboveWarn,
		errorLogTwice, postsNotRetried, accessLogInPart, accessLogOff, keepaliveUnused, logIsStdout, passedOver,
		neverTakenOut,
	} {
		found = append(found, apply(conf)...)
	}
	return found
}

func fact(subject string, at nginxconf.Pos, source, remedy, format string, args ...any) finding {
	return finding{Section: sectionNginx, Status: statusWarn, Subject: subject, From: at.String(), Source: source,
		Remedy: remedy, Text: fmt.Sprintf(format, args...)}
}

func maxConnsWithoutZone(conf *nginxconf.Config) []finding {
	var found []finding
	for _, u := range conf.Upstreams {
		if i := slices.IndexFunc(u.Servers, func(s nginxconf.Server) bool { return s.MaxConns > 0 }); i >= 0 &&
			u.Zone == "" && conf.Workers != "1" {
			found = append(found, fact("max_conns", u.Servers[i].Pos,
				nginxDocs+"ngx_http_upstream_module.html#max_conns",
				fmt.Sprintf("zone %s 64k; in the group makes the workers count together", u.Name),
				"each worker counts max_conns on its own: no zone"))
		}
	}
	return found
}

// fewServers is how many servers one request can disable within its tries without being noticed.
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
		// A group's only server is never disabled, and a request that is not tried again disables no other.
		if len(live) < 2 || len(live) > fewServers || !allDefault || !canFailOn(conf, u.Name, len(live)) {
			continue
		}
		found = append(found, fact("max_fails", u.Pos, nginxDocs+"ngx_http_upstream_module.html#max_fails",
			fmt.Sprintf("max_fails=3 on each server, or proxy_next_upstream_tries %d;", len(live)-1),
			"one bad request can take out %s for %s", all(len(live)), live[0].FailTimeout))
	}
	return found
}

func all(n int) string {
	if n == 2 {
		return "both"
	}
	return fmt.Sprintf("all %d", n)
}

// canFailOn reports whether one request may be tried on that many servers of the group.
func canFailOn(conf *nginxconf.Config, group string, servers int) bool {
	return slices.ContainsFunc(conf.Proxies, func(p nginxconf.Proxy) bool {
		return p.Upstream == group && !p.RetriesOn("off") && (p.NextTries == 0 || p.NextTries >= servers)
	})
}

// liveServers returns how many servers of a group may get a request.
func liveServers(conf *nginxconf.Config, group string) int {
	n := 0
	for _, u := range conf.Upstreams {
		for _, s := range u.Servers {
			if u.Name == group && !s.Down {
				n++
			}
		}
	}
	return n
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
			if slots > 0 && !l.DryRun && min(atOnce, l.Burst) > slots {
				found = append(found, fact("limit burst", l.Pos, nginxDocs+"ngx_http_limit_req_module.html#limit_req",
					fmt.Sprintf("write burst=%d, or delay=%d in place of nodelay: that many fit at once", slots, slots),
					"a burst of %d on %d slots (max_conns) gives 502s", l.Burst, slots))
			}
		}
	}
	return found
}

// slotsOf returns the sum of max_conns of a group's servers; 0 if any has no limit.
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
	const remedy = " 429; in http asks clients to slow down"
	const text = "a limit's 503 looks like an outage to clients"
	var found []finding
	for _, l := range conf.LimitReqs {
		if l.Status == 503 && !l.DryRun {
			found = append(found, fact("status 503", l.Pos, nginxDocs+"ngx_http_limit_req_module.html#limit_req_status",
				"limit_req_status"+remedy,
				text))
		}
	}
	for _, l := range conf.LimitConns {
		if l.Status == 503 && !l.DryRun {
			found = append(found, fact("status 503", l.Pos,
				nginxDocs+"ngx_http_limit_conn_module.html#limit_conn_status", "limit_conn_status"+remedy,
				text))
		}
	}
	return found
}

func errorLogAboveWarn(conf *nginxconf.Config) []finding {
	var found []finding
	for _, log := range conf.ErrorLogs {
		hidden := hiddenBy(conf, log)
		if hidden != "" {
			found = append(found, fact("error_log", log.Pos, errorLogDocs, "error_log "+targetOf(log)+" warn;",
				"level %s hides %s", log.Level, hidden))
		}
	}
	return found
}

// hiddenBy returns what an error log does not have because of its level, "" for nothing that matters.
func hiddenBy(conf *nginxconf.Config, log nginxconf.ErrorLog) string {
	switch level := nginxconf.LevelOf(log.Level); {
	case !followsRequests(conf, log, 1):
		return ""
	case level == nginxconf.LevelCrit:
		return "failures of servers"
	case level == nginxconf.LevelError && followsRequests(conf, log, 2):
		return "when a server is taken out"
	}
	return ""
}

const errorLogDocs = "https://nginx.org/en/docs/ngx_core_module.html#error_log"

// targetOf returns an error log as a directive names it.
func targetOf(log nginxconf.ErrorLog) string {
	if log.Path == "" {
		return "syslog:" + log.Syslog
	}
	return nginxWord(log.Path)
}

// followsRequests reports whether the log has the fate of requests that are passed to a group of so many servers.
func followsRequests(conf *nginxconf.Config, log nginxconf.ErrorLog, servers int) bool {
	return slices.ContainsFunc(conf.Proxies, func(p nginxconf.Proxy) bool {
		return (servers < 2 || liveServers(conf, p.Upstream) >= servers) && slices.ContainsFunc(p.ErrorLogs,
			func(l nginxconf.ErrorLog) bool { return l.Pos == log.Pos })
	})
}

func errorLogTwice(conf *nginxconf.Config) []finding {
	var found []finding
	for _, log := range conf.ErrorLogs {
		if log.Twice.Line > 0 {
			found = append(found, fact("error_log", log.Twice, errorLogDocs,
				"remove one of the two, the one with the higher level",
				"%s is named in line %d, too: NGINX writes entries twice, and they count twice", log.Path, log.Line))
		}
	}
	return found
}

// passedOver finds what nginx.conf has that only another build of NGINX knows.
func passedOver(conf *nginxconf.Config) []finding {
	var found []finding
	for _, note := range conf.Notes {
		found = append(found, fact("nginx.conf", note.Pos, "", "nothing to do if your NGINX knows it", "%s", note.Text))
	}
	return found
}

func postsNotRetried(conf *nginxconf.Config) []finding {
	return once(conf, func(p nginxconf.Proxy) (finding, bool) {
		if p.RetriesOn("non_idempotent") || p.RetriesOn("off") || p.NextTries == 1 ||
			liveServers(conf, p.Upstream) < 2 {
			return finding{}, false
		}
		module, _, _ := strings.Cut(p.Directive, "_")
		return fact("retries", p.Pos, nginxDocs+"ngx_http_proxy_module.html#proxy_next_upstream",
			fmt.Sprintf("where a POST may be done twice: %s_next_upstream error timeout non_idempotent;", module),
			"a failed POST is tried on no other server"), true
	})
}

// once reports a finding about proxies only for the first of each group.
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

// boundedWait is how late lines may come without anybody minding: a scrape is seldom more frequent.
const boundedWait = 5 * time.Second

// accessLogInPart finds logs that lack lines, temporarily or permanently.
func accessLogInPart(conf *nginxconf.Config) []finding {
	var found []finding
	for _, log := range conf.AccessLogs {
		if log.Buffered && (log.Flush == 0 || log.Flush > boundedWait) {
			found = append(found, fact("access_log", log.Pos, nginxDocs+"ngx_http_log_module.html#access_log",
				"write flush=1s to bound the wait, or leave buffer= and gzip out",
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

// keepaliveUnused finds groups with keepalive whose requests close each connection.
func keepaliveUnused(conf *nginxconf.Config) []finding {
	told := map[string]bool{}
	for _, u := range conf.Upstreams {
		told[u.Name] = u.Keepalive > 0 && u.KeepaliveAt.Line > 0
	}
	return once(conf, func(p nginxconf.Proxy) (finding, bool) {
		if !told[p.Upstream] || !p.Closes {
			return finding{}, false
		}
		until := ""
		if conf.Build.Version == [3]int{} {
			until = " (before NGINX 1.29.7)"
		}
		return fact("keepalive", p.Pos, nginxDocs+"ngx_http_upstream_module.html#keepalive", keepaliveRemedy(p),
			"unused: each connection is closed%s", until), true
	})
}

func keepaliveRemedy(p nginxconf.Proxy) string {
	switch p.Directive {
	case "proxy_pass":
		remedy := `proxy_http_version 1.1; proxy_set_header Connection "";`
		if p.HeadersAt.Line > 0 { // in a block without any it would end those of the outer ones
			remedy += fmt.Sprintf(" beside the proxy_set_header in line %d of %s", p.HeadersAt.Line,
				filepath.Base(p.HeadersAt.File))
		}
		return remedy
	case "fastcgi_pass":
		return "fastcgi_keep_conn on;"
	}
	return "remove keepalive: the protocol keeps no connections"
}

const subjectStdout = "to stdout"

// readsContainer reports whether the config file names a container's log, or a file that a container runtime writes.
func readsContainer(observed *source.Settings) bool {
	return slices.ContainsFunc(observed.Logs(), func(l source.LogSource) bool {
		return l.Docker != "" || l.Wrapping == "docker" || l.Wrapping == "cri"
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
			found = append(found, fact(subjectStdout, at,
				"https://github.com/nginx/docker-nginx/blob/master/mainline/debian/Dockerfile",
				"name NGINX's container in the config file: docker: NAME, or mount a volume on /var/log/nginx",
				"%s is %s, as in the official image: it is not a file", path, target))
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

// neverTakenOut reports groups without nginx_upstream_server_unavailable, as NGINX passes over none of their servers.
// It is a fact, and no fault.
func neverTakenOut(conf *nginxconf.Config) []finding {
	var single, zero []string
	for _, u := range conf.Upstreams {
		canBe := func(s nginxconf.Server) bool { return s.MaxFails > 0 && !s.Down }
		switch {
		case u.Method == "lua":
		case len(u.Servers) == 1:
			single = append(single, u.Name)
		case len(u.Servers) > 1 && !slices.ContainsFunc(u.Servers, canBe):
			zero = append(zero, u.Name)
		}
	}
	var found []finding
	say := func(what string, groups []string, why string) {
		if len(groups) > 0 {
			found = append(found, finding{Section: sectionNginx, Status: statusOK, Subject: "taken out",
				Text: fmt.Sprintf("NGINX never takes out %s of %s%s", what, listed(groups), why)})
		}
	}
	say("the only server", single, "")
	say("a server", zero, ": max_fails=0")
	return found
}

// mostListed is how many names a sentence has.
const mostListed = 3

func listed(names []string) string {
	if len(names) > mostListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostListed], ", "), len(names)-mostListed)
	}
	return strings.Join(names, ", ")
}
