package past

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// Explain reads logs twice and reports what went wrong in them: first it counts what there was in each second on each
// server, then it reads the lines around those times in which something changed. errorLogs are files of NGINX's error
// log; without any, and without o.Files, they are those of the settings. Problems are files that could not be read, and
// malformed lines.
func Explain(ctx context.Context, o Options, errorLogs []string) (e *Explanation, problems []error, err error) {
	r, err := newReading(o)
	if err != nil {
		return nil, nil, err
	}
	defer r.close()
	if err := r.keep(ctx); err != nil {
		return nil, nil, err
	}
	first, problems, err := r.survey(ctx)
	if err != nil {
		return nil, problems, err
	}
	d := &detector{facts: r.facts, log: first.slots, late: first.late, namesServers: first.namesServers}
	d.slow = d.slowNodes()
	if r.between != nil {
		r.between()
	}
	if err = r.look(ctx, d); err != nil {
		return nil, problems, err
	}
	var evidence *errorEvidence
	if errorLogs = r.errorLogs(errorLogs); len(errorLogs) > 0 {
		var more []error
		if evidence, more, err = readErrorLogs(ctx, errorLogs, r.Stdin); err != nil {
			return nil, problems, err
		}
		problems = append(problems, more...)
		if len(more) == len(errorLogs) {
			evidence = nil // none can be read, so nothing is known of what they lack
		} else {
			evidence.align(d.failureTimes(), time.Local)
		}
	}
	e = newExplanation(d, evidence)
	if first.lines.allOutside() {
		e.empty = r.asked()
	}
	if first.to != 0 {
		from, to := time.UnixMilli(first.from).UTC(), time.UnixMilli(first.to).UTC()
		e.From, e.To = &from, &to
	}
	return e, problems, nil
}

// A survey is what the first reading of a log gives.
type survey struct {
	span2
	slots        *slots
	lines        LineCounts
	late         int64
	namesServers bool
}

// survey reads everything and counts.
func (r *reading) survey(ctx context.Context) (*survey, []error, error) {
	kept := r.slotBudget()
	explorers := newByWorker(r.workers, func(f *formats) *explorer { return newExplorer(r, f, newSlots(kept)) })
	r.done = func(v visitor, j *job) { j.times = v.(*explorer).nextTimes() }
	problems, err := r.run(ctx, func(worker int, f *formats) visitor { return explorers.of(worker, f) })
	if err != nil {
		return nil, nil, err
	}
	s := &survey{slots: newSlots(kept)}
	timeless := false
	var misfit *misfit
	for _, x := range explorers.all() {
		s.slots.merge(x.slots)
		s.lines.add(x.lines)
		s.add(x.from, x.to)
		s.late = max(s.late, x.late)
		timeless = timeless || x.timeless
		s.namesServers = s.namesServers || x.parser.HasUpstream() && x.lines.Parsed > 0
		if misfit == nil {
			misfit = x.misfit
		}
	}
	if s.lines.Parsed+s.lines.WithoutTime+s.lines.outside == 0 && (!r.bounded() || misfit != nil) {
		return nil, problems, r.nothing(problems, misfit, s.lines)
	}
	if timeless && s.to == 0 {
		return nil, problems, errors.New("the log has no answer: its log_format has no time; add $msec or $time_local")
	}
	return s, append(problems, r.malformed(s.lines, misfit)...), nil
}

// span2 returns the times of the first and the last line; 0 for none.
type span2 struct{ from, to int64 }

func (s *span2) add(from, to int64) {
	if to == 0 {
		return
	}
	if s.to == 0 || from < s.from {
		s.from = from
	}
	s.to = max(s.to, to)
}

// failureTimes returns when attempts failed.
func (d *detector) failureTimes() []int64 {
	var list []int64
	for _, e := range d.events.list {
		for i := range e.attempts {
			if e.attempts[i].failed() {
				list = append(list, e.attempts[i].at)
			}
		}
		if e.outcome == "no_live" || e.outcome == "limited" {
			list = append(list, e.at)
		}
	}
	return list
}

// An explorer makes slots of the records of one worker, and of those in some windows events, too.
type explorer struct {
	*reader
	slots    *slots
	names    map[string]string // texts of events and names of paths, each once
	key      []byte
	timeless bool
	late     int64 // milliseconds: the longest from a failed attempt to the end of its request
	job      span2 // the times of the lines of one job

	// Of the second reading.
	windows *windows
	events  *events
	slow    []slowLook
}

func newExplorer(r *reading, f *formats, s *slots) *explorer {
	x := &explorer{slots: s, names: map[string]string{}}
	x.reader = r.newReader(f, x.record)
	return x
}

// nextTimes returns the times of the lines since the last call.
func (x *explorer) nextTimes() span2 {
	times := x.job
	x.job = span2{}
	return times
}

func (x *explorer) record(r *logformat.Record, block []byte) {
	if r.Time == 0 {
		x.timeless = true
		return
	}
	x.job.add(r.Time, r.Time)
	if x.windows != nil && !x.windows.have(r.Time) {
		return
	}
	outcome := x.outcome(r)
	isRequest := !(x.formats.subrequests && x.rules.IsSubrequest(r)) && x.rules.IsRequest(r)
	if isRequest {
		one := x.slots.at(r.Time)
		one.requests++
		one.outcomes[slices.Index(outcomes(), outcome)]++
	}
	failed, everywhere := x.attempts(r, block)
	if !isRequest {
		return
	}
	if r.Elements > 0 {
		one := x.slots.at(r.Time)
		one.asked++
		x.countPath(one, r, everywhere)
		if everywhere && onSeveral(r) {
			one.spread++
		}
	}
	if x.events != nil && (outcome != "ok" && outcome != "client_error" || failed) && x.events.wanted() {
		x.events.add(x.event(r, outcome, string(idOf(r, block))))
	}
}

// attempts counts the attempts of a request, and reports whether any failed, and whether all of them did.
func (x *explorer) attempts(r *logformat.Record, block []byte) (failed, everywhere bool) {
	everywhere = true
	at := r.Time
	for i := r.Elements - 1; i >= 0; i-- {
		server, isAttempt := x.element(r, i)
		if !isAttempt {
			continue
		}
		_, o := x.attempt(r, i)
		bad := o == "error" || o == "timeout"
		failed, everywhere = failed || bad, everywhere && bad
		if bad {
			x.late = max(x.late, r.Time-at)
		}
		ms := r.At(logformat.UpstreamResponseTime, i)
		took := ms
		if r.Code == 101 {
			took = -1
		}
		for k := range x.slow {
			if !bad {
				x.slow[k].add(server, at, took, r, block)
			}
		}
		if x.windows != nil {
			took = -1 // slow nodes are known already
		}
		x.slots.observe(x.slots.at(at), x.slots.number(server), took, bad)
		at -= max(0, ms)
	}
	return failed, everywhere && failed
}

// onSeveral reports whether a request came to several servers.
func onSeveral(r *logformat.Record) bool {
	if r.Upstreams == nil {
		return false
	}
	first := ""
	for i := range r.Upstreams.Elements {
		e := &r.Upstreams.Elements[i]
		switch {
		case e.Kind != logformat.Attempt:
		case first == "":
			first = e.Name
		case first != e.Name:
			return true
		}
	}
	return false
}

// idOf is the id of a request, a part of block.
func idOf(r *logformat.Record, block []byte) []byte { return block[r.IDAt : r.IDAt+r.IDLen] }

// element returns the server of an element, and whether it is an attempt.
func (x *explorer) element(r *logformat.Record, i int) (server string, isAttempt bool) {
	if r.Upstreams == nil {
		return accesslog.UnknownServer, true
	}
	e := &r.Upstreams.Elements[i]
	return e.Name, e.Kind == logformat.Attempt
}

// countPath counts a request by its method and path, and by the pattern of that.
func (x *explorer) countPath(one *slot, r *logformat.Record, failed bool) {
	path := r.Path()
	x.key = append(append(append(x.key[:0], r.Method.String()...), ' '), path...)
	x.slots.count(one, x.slots.path(x.name(x.key)), failed)
	x.key = append(append(x.key[:0], r.Method.String()...), ' ')
	var replaced bool
	if x.key, replaced = appendPattern(x.key, path); replaced {
		x.slots.count(one, x.slots.pattern(x.name(x.key)), failed)
	}
}

// pattern returns that of a path.
func (x *explorer) pattern(path []byte) string {
	x.key, _ = appendPattern(x.key[:0], path)
	return x.name(x.key)
}

// maxNames limits the texts that are kept once, maxText each of them.
const (
	maxNames = 10_000
	maxText  = 512
)

func (x *explorer) name(text []byte) string {
	if known, ok := x.names[string(text)]; ok {
		return known
	}
	name := strings.ToValidUTF8(string(text[:min(len(text), maxText)]), "\uFFFD")
	if len(x.names) < maxNames {
		x.names[name] = name
	}
	return name
}

func (x *explorer) event(r *logformat.Record, outcome, id string) *event {
	path := r.Path()
	e := &event{
		at: r.Time, millis: r.Millis, outcome: outcome, code: x.code(r), method: r.Method.String(),
		path: x.name(path), pattern: x.pattern(path), id: id,
	}
	e.route = x.route(path, e.path)
	at := r.Time
	for i := r.Elements - 1; i >= 0; i-- {
		server, isAttempt := x.element(r, i)
		if !isAttempt {
			if server != "" && outcome == "no_live" {
				e.group = x.facts.topology.GroupName(server)
			}
			continue
		}
		code, o := x.attempt(r, i)
		ms := r.At(logformat.UpstreamResponseTime, i)
		e.attempts = append(e.attempts, eventAttempt{server: server, code: accesslog.CodeName(code), outcome: o, at: at,
			millis: ms})
		at -= max(0, ms)
	}
	slices.Reverse(e.attempts)
	return e
}

// route returns that of the config; without one, the path.
func (x *explorer) route(raw []byte, path string) string {
	for _, r := range x.Settings.Routes {
		if r.Match.Match(raw) {
			return r.Name
		}
	}
	return path
}
