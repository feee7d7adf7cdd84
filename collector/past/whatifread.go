package past

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/past/internal/model"
)

// AskWhatIf reads logs and runs the model over their requests, once for each try. Problems are files that could not be
// read, and malformed lines.
func AskWhatIf(ctx context.Context, o Options, tries []Try) (answer *WhatIf, problems []error, err error) {
	r, err := newReading(o, variablesOf(o)...)
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	if slices.ContainsFunc(r.inputs, func(in input) bool { return !in.formats.programs[0].Has(logformat.Msec) }) {
		r.sortByTime()
		r.workers = 1 // the order of the lines orders times of the same second
	}
	var taken atomic.Int64
	samplers := newByWorker(r.workers, func(f *formats) *sampler { return newSampler(r, f, &taken) })
	if problems, err = r.run(ctx, func(worker int, f *formats) visitor { return samplers.of(worker, f) }); err != nil {
		return nil, nil, err
	}
	g := &gathered{reading: r}
	for _, s := range samplers.all() {
		g.add(s)
	}
	switch {
	case taken.Load() > maxSamples:
		return nil, problems, errTooManySamples
	case len(g.samples) == 0 && len(g.unusable) > 0:
		return nil, problems,
			fmt.Errorf("the log has no answer: its log_format lacks %s; add it, and try again once such "+
				"lines exist", strings.Join(g.unusable, ", "))
	case g.lines.Parsed == 0:
		return nil, problems, r.nothing(problems, g.misfit, g.lines)
	}
	w, s, err := g.workload()
	if err != nil {
		return nil, problems, err
	}
	answer = whatIf(w, s, tries)
	answer.Upstream = g.group
	answer.Assumptions = append(g.assumptions(w, s), answer.Assumptions...)
	if !answer.Trusted && g.coarse {
		answer.Reason += "; the log's times are in whole seconds: $msec in the log_format would be more precise"
	}
	return answer, append(problems, r.malformed(g.lines, g.misfit)...), nil
}

// variablesOf returns what to capture: the limit's key, and the worker's process.
func variablesOf(o Options) []string {
	client := "remote_addr"
	if o.Settings != nil && o.Settings.Conf != nil {
		for _, z := range o.Settings.Conf.LimitZones {
			if name := strings.Trim(strings.TrimPrefix(z.Key, "$"), "{}"); name != "binary_remote_addr" &&
				isVariable(z.Key) {
				client = name
			}
		}
	}
	return []string{client, "pid"}
}

func isVariable(key string) bool {
	return strings.HasPrefix(key, "$") && strings.Count(key, "$") == 1 && !strings.ContainsAny(key, " /:.-")
}

// gathered are the samples of all workers.
type gathered struct {
	*reading
	samples  []sample
	attempts []observed
	group    string // the one in question
	groupOf  []string
	servers  []string
	lines    LineCounts
	misfit   *misfit
	unusable []string
	coarse   bool
	pids     bool
	clients  bool
	strange  []string // servers of the group that nginx.conf does not have
}

func (g *gathered) add(s *sampler) {
	offset := int32(len(g.attempts))
	renumber := make([]int16, len(s.servers))
	for i, name := range s.servers {
		n := slices.Index(g.servers, name)
		if n < 0 {
			n = len(g.servers)
			g.servers = append(g.servers, name)
		}
		renumber[i] = int16(n)
	}
	for _, a := range s.attempts {
		if int(a.server) < len(renumber) {
			a.server = renumber[a.server]
		}
		g.attempts = append(g.attempts, a)
	}
	for i, one := range s.samples {
		one.from, one.to = one.from+offset, one.to+offset
		g.samples = append(g.samples, one)
		name := ""
		if n := s.group[i]; n >= 0 && int(n) < len(s.groups) {
			name = "=" + s.groups[n]
		}
		g.groupOf = append(g.groupOf, name)
	}
	g.lines.add(s.lines)
	g.coarse = g.coarse || s.coarse
	if s.unusable != nil {
		g.unusable = s.unusable
	}
	if g.misfit == nil {
		g.misfit = s.misfit
	}
	program := s.formats.programs[0]
	g.clients, g.pids = g.clients || program.Captures(capturedClient), g.pids || program.Captures(capturedProcess)
	s.samples, s.attempts = nil, nil
}

// workload chooses the group with the most requests.
func (g *gathered) workload() (*workload, settings, error) {
	counts := map[string]int{}
	for _, name := range g.groupOf {
		if name != "" {
			counts[name]++
		}
	}
	best := ""
	for _, name := range sortedKeys(counts) {
		if best == "" || counts[name] > counts[best] {
			best = name
		}
	}
	if best == "" {
		return nil, settings{}, fmt.Errorf("the log has no answer: none of its %s requests went to an upstream server",
			grouped(uint64(len(g.samples))))
	}
	g.group = strings.TrimPrefix(best, "=")
	s := g.asTheyAre()
	w := &workload{samples: g.samples, attempts: g.attempts}
	for _, server := range s.group.Servers {
		w.names = append(w.names, server.Name)
	}
	number := make([]int16, len(g.servers))
	for i, name := range g.servers {
		number[i] = int16(slices.Index(w.names, name))
	}
	for i := range w.attempts {
		w.attempts[i].server = number[w.attempts[i].server]
	}
	for i := range w.samples {
		one := &w.samples[i]
		one.upstream = g.groupOf[i] == best || one.outcome == "limited"
		if g.groupOf[i] != best {
			one.from, one.to = 0, 0
		}
		one.limited = one.limited && s.group.Limit != nil
	}
	if g.coarse {
		spread(w.samples)
	}
	return w, s, nil
}

// spread spreads requests that ended in the same second evenly over it, in the order of the log.
func spread(samples []sample) {
	for i := 0; i < len(samples); {
		j := i
		for j < len(samples) && samples[j].end == samples[i].end {
			j++
		}
		if samples[i].end%1000 == 0 {
			for k := i; k < j; k++ {
				samples[k].end += int64(1000 * (2*(k-i) + 1) / (2 * (j - i)))
			}
		}
		i = j
	}
}

// asTheyAre returns the settings of nginx.conf for the group; without it, NGINX's defaults for the servers of the log.
func (g *gathered) asTheyAre() settings {
	s := settings{load: 1, skew: 1}
	s.group = model.Group{Workers: 1, Next: model.Next{On: map[model.Failure]bool{model.ConnectError: true,
		model.TimedOut: true}}}
	u, ok := g.facts.groups[g.group]
	for _, server := range u.Servers {
		for _, address := range g.addresses(server) {
			s.group.Servers = append(s.group.Servers, model.Server{
				Name: address, Weight: max(1, server.Weight), MaxConns: server.MaxConns, MaxFails: server.MaxFails,
				FailTimeout: int64(server.FailTimeout / time.Second), Backup: server.Backup, Down: server.Down ||
					server.Drain,
			})
		}
	}
	for _, name := range g.servers {
		if g.facts.upstream(name) != g.group || slices.ContainsFunc(s.group.Servers,
			func(m model.Server) bool { return m.Name == name }) {
			continue
		}
		if ok {
			g.strange = append(g.strange, name)
			continue
		}
		s.group.Servers = append(s.group.Servers, model.Server{Name: name, Weight: 1, MaxFails: 1,
			FailTimeout: int64(defaultFailTimeout / time.Second)})
	}
	s.group.LeastConn, s.group.Shared = u.Method == "least_conn", u.Zone != ""
	g.workers(&s)
	g.proxied(&s)
	return s
}

// addresses returns those in the log of a server that nginx.conf gives by name; otherwise the one in nginx.conf.
func (g *gathered) addresses(server nginxconf.Server) []string {
	var list []string
	for _, address := range g.Settings.Resolved[server.Address] {
		if slices.Contains(g.servers, address) {
			list = append(list, address)
		}
	}
	if len(list) == 0 {
		list = []string{server.Address}
	}
	return list
}

func (g *gathered) workers(s *settings) {
	if conf := g.Settings.Conf; conf != nil {
		if n, err := strconv.Atoi(conf.Workers); err == nil {
			s.group.Workers = min(max(1, n), maxWorkers)
		} else {
			s.group.Workers = runtime.NumCPU()
		}
	}
	if g.pids {
		processes := map[uint32]bool{}
		for i := range g.samples {
			processes[g.samples[i].worker] = true
		}
		if len(processes) <= maxWorkers {
			s.group.Workers, s.logged = max(1, len(processes)), true
		}
	}
}

// proxied applies the settings where requests are passed to the group.
func (g *gathered) proxied(s *settings) {
	p, found := g.facts.proxy(g.group)
	if !found {
		return
	}
	next := &s.group.Next
	next.On = map[model.Failure]bool{}
	for _, condition := range []string{"error", "timeout", "invalid_header", "http_500", "http_502", "http_503",
		"http_504", "http_403", "http_404", "http_429"} {
		next.On[model.Failure(condition)] = p.RetriesOn(condition)
	}
	next.NonIdempotent, next.Tries, next.Timeout = p.RetriesOn("non_idempotent"), p.NextTries,
		p.NextTimeout.Milliseconds()
	for _, l := range p.LimitReqs {
		if !l.DryRun {
			s.group.Limit = &model.Limit{Rate: l.Rate, Burst: l.Burst, Delay: max(0, l.Delay), NoDelay: l.Delay < 0}
			break
		}
	}
}

// assumptions lists what the answer assumes.
func (g *gathered) assumptions(w *workload, s settings) []string {
	list := []string{
		"requests arrive when they did, whatever happened to earlier ones: clients neither wait for each other " +
			"nor retry",
		"requests that found no server or were rejected take as long as others of the same path and method; a " +
			"server that failed, fails at the same times",
		"a node serves two at once as fast as one: here " + w.together(),
	}
	if g.Settings.Conf == nil {
		list = append(list,
			"no nginx.conf is read: one worker, round robin, NGINX's defaults for the servers of the log, no "+
				"max_conns, no limit_req")
	}
	if u, ok := g.facts.groups[g.group]; ok && u.Method != "least_conn" && u.Method != "round_robin" &&
		u.Method != "" {
		list = append(list, plain(g.group)+" is balanced by "+u.Method+", which is modelled as round robin")
	}
	if g.coarse {
		list = append(list,
			"the log's times are in whole seconds: requests of a second are spread evenly over it; $msec in the "+
				"log_format shows it")
	}
	if s.group.Limit != nil && !g.clients {
		list = append(list, "the log does not have the key of limit_req: all requests count as one client's")
	}
	if conf := g.Settings.Conf; conf != nil && conf.Workers == "auto" && !s.logged {
		list = append(list, fmt.Sprintf("worker_processes is auto: NGINX runs on %d cores, as this host does",
			s.group.Workers))
	}
	if s.group.Workers > 1 && !s.group.Shared && s.logged {
		list = append(list, "$pid shows which worker had a request; other numbers of workers are assumed to share "+
			"connections evenly")
	}
	if len(g.strange) > 0 {
		list = append(list, "the log has servers that nginx.conf does not: "+strings.Join(g.strange, ", "))
	}
	return list
}

// together returns how much longer attempts took that began while the server had another.
func (w *workload) together() string {
	var alone, beside []int64
	for _, list := range w.byServer {
		until := int64(0)
		for _, o := range list {
			switch {
			case o.failed() || o.Code == 499:
			case o.at < until:
				beside = append(beside, int64(o.millis))
			default:
				alone = append(alone, int64(o.millis))
			}
			until = max(until, o.at+int64(o.millis))
		}
	}
	var f, b Figures
	f.quantiles(alone)
	b.quantiles(beside)
	switch {
	case len(beside) < 20:
		return "the log never shows it with two"
	case len(alone) < 20:
		return "the log never shows it alone"
	}
	return fmt.Sprintf("the log shows a median of %s alone and %s beside another", inSeconds(f.P50), inSeconds(b.P50))
}
