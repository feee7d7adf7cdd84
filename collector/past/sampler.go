package past

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/past/internal/model"
)

// maxSamples limits the requests of a whatif, since all of them are kept: about a hundred bytes each.
const maxSamples = 4_000_000

var errTooManySamples = fmt.Errorf("there are more than %s requests; narrow the time with --since and --until",
	grouped(maxSamples))

// Variables that whatif has captured, by their index.
const (
	capturedClient = iota
	capturedProcess
)

// A sampler turns the records of one worker into samples.
type sampler struct {
	*reader
	samples  []sample
	attempts []observed
	servers  []string // by the number in observed.server
	groups   []string // of the samples, by the number of group
	group    []int16  // of each sample, -1 for none
	numbers  map[string]int16
	taken    *atomic.Int64
	lacking  [][]string // of each format
	unusable []string   // what the format of an unusable line lacks
	coarse   bool       // a line's time is in whole seconds
}

func newSampler(r *reading, f *formats, taken *atomic.Int64) *sampler {
	s := &sampler{numbers: map[string]int16{}, taken: taken}
	for _, p := range f.programs {
		s.lacking = append(s.lacking, lacking(p))
	}
	s.reader = r.newReader(f, s.record)
	return s
}

func (s *sampler) record(r *logformat.Record, _ []byte) {
	if s.lacking[r.Format] != nil {
		s.unusable = s.lacking[r.Format]
		return
	}
	if r.Time == 0 || r.Millis < 0 || s.taken.Add(1) > maxSamples {
		return
	}
	program := s.parser.Formats()[r.Format]
	limits := program.Has(logformat.LimitReqStatus) || program.Has(logformat.LimitConnStatus)
	outcome := s.outcome(r)
	s.coarse = s.coarse || !program.Has(logformat.Msec)
	one := sample{
		end: r.Time, millis: int32(min(r.Millis, 1<<31-1)), code: int16(max(0, r.Code)), outcome: outcome,
		post:  r.Method == logformat.MethodPost || r.Method == logformat.MethodPatch,
		alike: hashOf(r.Method.String(), r.Path()), from: int32(len(s.attempts)),
		delayed: r.LimitReq == logformat.Delayed, sub: s.formats.subrequests && s.rules.IsSubrequest(r),
		limited: limits && r.LimitReq != logformat.NoWord || !limits && (r.Elements > 0 || outcome == "limited"),
	}
	one.limited = one.limited && !one.sub
	if len(r.Captured) > capturedProcess {
		one.client, one.worker = hashOf("", r.Captured[capturedClient]), hashOf("", r.Captured[capturedProcess])
	}
	group := int16(-1)
	if r.Upstreams != nil {
		group = s.elements(r)
	}
	one.to = int32(len(s.attempts))
	s.samples, s.group = append(s.samples, one), append(s.group, group)
}

// elements adds the attempts of a request in its first group, and returns that group.
func (s *sampler) elements(r *logformat.Record) int16 {
	group := int16(-1)
	for i := range r.Upstreams.Elements {
		e := &r.Upstreams.Elements[i]
		name := s.facts.topology.GroupName(e.Name)
		if e.Kind == logformat.Attempt {
			name = s.facts.upstream(e.Name)
		}
		if e.Kind == logformat.Nothing {
			continue
		}
		if s.facts.conf == nil {
			name = "" // a group's servers are unknown
		}
		n := s.number("group "+name, name, &s.groups)
		if group < 0 {
			group = n
		}
		if e.Kind == logformat.Attempt && n == group {
			s.attempts = append(s.attempts, s.observe(r, i, e.Name))
		}
	}
	return group
}

// number numbers names of one kind.
func (s *sampler) number(key, name string, list *[]string) int16 {
	n, ok := s.numbers[key]
	if !ok {
		n = int16(min(len(*list), maxServers))
		if len(*list) <= maxServers {
			*list = append(*list, name)
		}
		s.numbers[key] = n
	}
	return n
}

func (s *sampler) observe(r *logformat.Record, i int, server string) observed {
	code, outcome := s.attempt(r, i)
	ms := max(0, r.At(logformat.UpstreamResponseTime, i))
	o := observed{millis: int32(min(ms, 1<<31-1)), server: s.number("server "+server, server, &s.servers)}
	o.Attempt = model.Attempt{Millis: ms, Code: int(max(0, code))}
	hasHeader := s.parser.Formats()[r.Format].Has(logformat.UpstreamHeaderTime)
	answered := hasHeader && r.At(logformat.UpstreamHeaderTime, i) >= 0
	switch {
	case code == 499 || code == logformat.Absent:
		o.Code = 499
	case outcome == "timeout" && !answered:
		o.Failure = model.TimedOut
	case code == 502 && !answered, code < 0 && outcome == "error":
		o.Code, o.Failure = 502, model.ConnectError
	case code == 403 || code == 404 || code == 429 || code >= 500:
		o.Failure = model.Failure("http_" + accesslog.CodeName(code))
	}
	hasConnect := s.parser.Formats()[r.Format].Has(logformat.UpstreamConnectTime)
	o.Unsent = hasConnect && o.Failure == model.ConnectError && r.At(logformat.UpstreamConnectTime, i) < 0
	return o
}

// hashOf is FNV-1a.
func hashOf(word string, rest []byte) uint32 {
	h := uint32(2166136261)
	for i := range len(word) {
		h = (h ^ uint32(word[i])) * 16777619
	}
	for _, c := range rest {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// lacking returns the variables that whatif needs and a format does not have.
func lacking(p *logformat.Program) []string {
	var lacks []string
	for _, need := range []struct {
		variable string
		fields   []logformat.Field
	}{
		{"$upstream_addr", []logformat.Field{logformat.UpstreamAddr}},
		{"$upstream_response_time", []logformat.Field{logformat.UpstreamResponseTime}},
		{"$request_time", []logformat.Field{logformat.RequestTime}},
		{"$msec", []logformat.Field{logformat.Msec, logformat.TimeISO8601, logformat.TimeLocal}},
	} {
		if !slices.ContainsFunc(need.fields, p.Has) {
			lacks = append(lacks, need.variable)
		}
	}
	return lacks
}
