package accesslog

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
	"github.com/fremisn/fremisn-exporter/collector/internal/recent"
)

// Hour returns the last hour at a time, Unix milliseconds.
func (c *Counter) Hour(millis int64) *recent.Snapshot { return c.hour.Snapshot(millis) }

// LineCounts returns the number of lines by result.
func (c *Counter) LineCounts() ledger.Lines { return c.lines }

// HasServers reports whether the log says which server answered.
func (c *Counter) HasServers() bool { return c.parser.Has(logformat.UpstreamAddr) }

// HasLimits reports whether the log says which requests limit_req or limit_conn rejected.
func (c *Counter) HasLimits() bool {
	return c.parser.Has(logformat.LimitReqStatus) || c.parser.Has(logformat.LimitConnStatus)
}

// latency returns a duration for the last hour: that of an upgraded connection is unknown.
func latency(millis, code int64) int64 {
	if code == switchingProtocols {
		return -1
	}
	return millis
}

// isAnswer reports whether NGINX considers an attempt successful, as far as the log shows: NGINX itself writes 502 and
// 504 if a server has failed.
func isAnswer(code int64, result Outcome) bool {
	return result == OK || result == Failed && code != 502 && code > 0
}

// markAnswer records that the server answered in the second of the line.
func (c *Counter) markAnswer(s *serverSeries) {
	if second := c.hour.Second(); second != s.answered {
		s.answered = second
		c.answers.Mark(s.name, second)
	}
}

// keepFailure keeps a request that a person may want to examine: one that failed, or that failed on one server and was
// answered by another.
func (c *Counter) keepFailure(r *logformat.Record, result Outcome) {
	switch {
	case result == Failed || result == Timeout || result == NoLive:
		if c.hour.WouldFail(r.Millis) {
			c.hour.Fail(c.failure(r, result))
		}
	case r.Elements > 1 && c.hour.WouldRescue(r.Millis):
		c.hour.Rescue(c.failure(r, result))
	}
}

// maxAttempts limits the kept attempts of a failure. NGINX makes as many as there are servers.
const maxAttempts = 16

func (c *Counter) failure(r *logformat.Record, result Outcome) recent.Failure {
	f := recent.Failure{
		Millis: c.hour.Second() * 1000, Outcome: int(result),
		Method: r.Method.String(), Path: ledger.LabelText(r.Path()), Duration: r.Millis,
		RequestID: ledger.LabelText(c.block[r.IDAt : r.IDAt+r.IDLen]),
	}
	f.Code = int(max(c.rules.Code(r), 0))
	if r.Upstreams == nil {
		return f
	}
	for i, e := range r.Upstreams.Elements {
		if e.Kind != logformat.Attempt || len(f.Attempts) == maxAttempts {
			continue
		}
		a := recent.Attempt{Server: e.Name, Duration: r.At(logformat.UpstreamResponseTime, i)}
		if c.rules.formats[r.Format].upstreamStatus {
			a.Code = int(max(r.At(logformat.UpstreamStatus, i), 0))
		}
		f.Attempts = append(f.Attempts, a)
	}
	return f
}
