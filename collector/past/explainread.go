package past

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// Explain reads logs and tells what went wrong in them. errorLogs are files of NGINX's error log; there may be none.
// Problems are files that could not be read.
func Explain(ctx context.Context, o Options, errorLogs []string) (e *Explanation, problems []error, err error) {
	r, err := newReading(o)
	if err != nil {
		return nil, nil, err
	}
	explorers := newByWorker(r.workers, func(f *formats) *explorer { return newExplorer(r, f) })
	if problems, err = r.run(ctx, func(worker int, f *formats) visitor { return explorers.of(worker, f) }); err != nil {
		return nil, nil, err
	}
	all := explorers.all()
	d := &detector{slots: newSlots(), events: &events{}, facts: r.facts}
	lines, times := LineCounts{}, span2{}
	var misfit *misfit
	timeless := false
	for _, x := range all {
		d.slots.merge(x.slots)
		d.events.merge(&x.events)
		lines.add(x.lines)
		times.add(x.from, x.to)
		timeless = timeless || x.timeless
		d.tellsServers = d.tellsServers || x.parser.HasUpstream() && x.lines.Parsed > 0
		if misfit == nil {
			misfit = x.misfit
		}
	}
	if lines.Parsed+lines.WithoutTime == 0 && (!o.bounded() || misfit != nil && times.to == 0) {
		return nil, problems, r.nothing(problems, misfit)
	}
	if timeless && times.to == 0 {
		return nil, problems, fmt.Errorf("the log has no answer: its log_format has no time; add $msec or $time_local")
	}
	d.events.sort()
	var evidence *errorEvidence
	if len(errorLogs) > 0 {
		var more []error
		if evidence, more, err = readErrorLogs(ctx, errorLogs, r.Stdin); err != nil {
			return nil, problems, err
		}
		problems = append(problems, more...)
		evidence.align(d.failureTimes(), time.Local)
	}
	e = newExplanation(d, evidence)
	if times.to != 0 {
		from, to := time.UnixMilli(times.from).UTC(), time.UnixMilli(times.to).UTC()
		e.From, e.To = &from, &to
	}
	return e, problems, nil
}

// span2 is the times of the first and the last line; 0 where there is none.
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

// failureTimes are when attempts failed.
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

// An explorer makes slots and events of the records of one worker.
type explorer struct {
	*reader
	slots    *slots
	events   events
	names    map[string]string // texts of events, each once
	key      []byte
	timeless bool
}

func newExplorer(r *reading, f *formats) *explorer {
	x := &explorer{slots: newSlots(), names: map[string]string{}}
	x.reader = r.newReader(f, x.record)
	return x
}

func (x *explorer) record(r *logformat.Record, block []byte) {
	if r.Time == 0 {
		x.timeless = true
		return
	}
	outcome := x.outcome(r)
	isRequest := !(x.formats.subrequests && r.Received == 0) && x.rules.IsRequest(r)
	if isRequest {
		one := x.slots.at(r.Time)
		one.requests++
		one.outcomes[slices.Index(outcomes(), outcome)]++
	}
	var id []byte
	if r.IDLen > 0 {
		id = block[r.IDAt : r.IDAt+r.IDLen]
	}
	failed, everywhere := false, r.Elements > 0
	at := r.Time
	for i := r.Elements - 1; i >= 0; i-- {
		server, isAttempt := x.element(r, i)
		if !isAttempt {
			continue
		}
		_, o := x.attempt(r, i)
		bad := o == "error" || o == "timeout"
		failed, everywhere = failed || bad, everywhere && bad
		ms := r.At(logformat.UpstreamResponseTime, i)
		if r.Code == 101 {
			ms = -1
		}
		x.slots.server(x.slots.at(at), x.slots.number(server)).observe(ms, bad, id)
		at -= max(0, ms)
	}
	if !isRequest {
		return
	}
	if r.Elements > 0 {
		x.slots.count(x.slots.at(r.Time), x.slots.path(x.name(append(append(x.key[:0], r.Method.String()+" "...),
			r.Path...))), everywhere && failed)
	}
	if (outcome != "ok" && outcome != "client_error" || failed) && x.events.wanted() {
		x.events.add(x.event(r, outcome, string(id)))
	}
}

// element is the server of an element, and whether it is an attempt.
func (x *explorer) element(r *logformat.Record, i int) (server string, isAttempt bool) {
	if r.Upstreams == nil {
		return accesslog.UnknownServer, true
	}
	e := &r.Upstreams.Elements[i]
	return e.Name, e.Kind == logformat.Attempt
}

// maxNames bounds the texts that are kept once, maxText each of them.
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
	e := &event{
		at: r.Time, millis: r.Millis, outcome: outcome, code: x.code(r), method: r.Method.String(),
		path: x.name(r.Path), id: id,
	}
	e.route = x.route(r.Path, e.path)
	at := r.Time
	for i := r.Elements - 1; i >= 0; i-- {
		server, isAttempt := x.element(r, i)
		if !isAttempt {
			if server != "" && outcome == "no_live" {
				e.group = server
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

// route is that of the config; without one, the path.
func (x *explorer) route(raw []byte, path string) string {
	for _, r := range x.Settings.Routes {
		if r.Match.Match(raw) {
			return r.Name
		}
	}
	return path
}
