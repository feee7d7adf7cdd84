package accesslog

import "github.com/fremisn/fremisn-exporter/collector/internal/logformat"

// An Outcome is the result of a request or an attempt: a value of the label outcome.
type Outcome uint8

// The first four are outcomes of attempts and requests, the others only of requests.
const (
	OK Outcome = iota
	Failed
	Timeout
	Aborted
	ClientError
	NoLive
	Limited
	outcomeCount

	attemptOutcomes = ClientError
)

func (o Outcome) String() string {
	return [outcomeCount]string{"ok", "error", "timeout", "aborted", "client_error", "no_live", "limited"}[o]
}

// UnknownServer is the label server if the format has times but no address.
const UnknownServer = "unknown"

// UnknownCode is a status that the format does not have, as logformat.Absent is one that the line does not have.
const UnknownCode int64 = -2

// CodeName returns the label code.
func CodeName(code int64) string {
	switch code {
	case logformat.Absent:
		return "none"
	case UnknownCode:
		return "unknown"
	}
	return string([]byte{byte('0' + code/100), byte('0' + code/10%10), byte('0' + code%10)})
}

// Rules decide what a line means. They are immutable.
type Rules struct {
	formats []formatFields // by Record.Format
	limited [2]int64       // statuses that mean limited if the format has no $limit_…_status
	byCode  [codes]Outcome // the outcome by a request's status alone
}

// codes are the statuses of three digits.
const codes = 1000

// formatFields is what a format has.
type formatFields struct {
	path, status, length, limits, upstream, addresses, upstreamStatus bool

	received    logformat.Field // of an upstream, if either of the two variables is present
	hasReceived bool
}

// isTraffic reports whether the format has only bytes: a second log, for accounting, whose requests another log
// counts.
func (f *formatFields) isTraffic() bool { return !f.status && !f.upstream }

const defaultLimitStatus = 503

// NewRules returns the rules for lines in the parser's formats. The statuses are those that NGINX answers when
// limit_req and limit_conn reject, 0 for its default.
func NewRules(p *logformat.Parser, limitReqStatus, limitConnStatus int) *Rules {
	r := &Rules{limited: [2]int64{int64(limitReqStatus), int64(limitConnStatus)}}
	for i, status := range r.limited {
		if status == 0 {
			r.limited[i] = defaultLimitStatus
		}
	}
	for code := range r.byCode {
		r.byCode[code] = outcomeOf(int64(code))
	}
	for _, f := range p.Formats() {
		r.formats = append(r.formats, fieldsOf(f))
	}
	return r
}

func fieldsOf(p *logformat.Program) formatFields {
	f := formatFields{
		path:           p.Has(logformat.Request) || p.Has(logformat.RequestURI),
		status:         p.Has(logformat.Status),
		length:         p.Has(logformat.RequestLength),
		limits:         p.Has(logformat.LimitReqStatus) || p.Has(logformat.LimitConnStatus),
		upstream:       p.HasUpstream(),
		addresses:      p.Has(logformat.UpstreamAddr),
		upstreamStatus: p.Has(logformat.UpstreamStatus),
	}
	for _, field := range []logformat.Field{logformat.UpstreamResponseLength, logformat.UpstreamBytesReceived} {
		if p.Has(field) {
			f.received, f.hasReceived = field, true
		}
	}
	return f
}

// IsRequest reports whether a line represents a request, not only its bytes.
func (rules *Rules) IsRequest(r *logformat.Record) bool { return !rules.formats[r.Format].isTraffic() }

// IsSubrequest reports whether a line represents a subrequest, where log_subrequest is on. Its $request_length is 0. A
// request that NGINX refused, or waited for in vain, before it had a whole request line has 0 as well, and has come to
// no upstream; a client could hide it otherwise.
func (rules *Rules) IsSubrequest(r *logformat.Record) bool {
	if r.Received != 0 {
		return false
	}
	f := &rules.formats[r.Format]
	return !f.status || !f.upstream || r.Elements > 0 || !refusedUnread(r.Code)
}

// refusedUnread reports whether NGINX answers a request by a code before it has a whole request line: bad request,
// timeout, line too long, unknown version.
func refusedUnread(code int64) bool { return code == 400 || code == 408 || code == 414 || code == 505 }

// Code returns the status of a request.
func (rules *Rules) Code(r *logformat.Record) int64 {
	if !rules.formats[r.Format].status {
		return UnknownCode
	}
	return r.Code
}

// Request returns the outcome of a request: the first that fits. noLive says that the last element of $upstream_addr
// is the name of a group.
func (rules *Rules) Request(r *logformat.Record, noLive bool) Outcome {
	f, code := &rules.formats[r.Format], r.Code
	switch {
	case r.LimitReq == logformat.Rejected || r.LimitConn == logformat.Rejected:
		return Limited
	case !f.limits && f.upstream && r.Elements == 0 && (code == rules.limited[0] || code == rules.limited[1]):
		return Limited
	case noLive:
		return NoLive
	case uint64(code) < codes:
		return rules.byCode[code]
	}
	return OK
}

// outcomeOf returns the outcome of a request that reached a server, by its status.
func outcomeOf(code int64) Outcome {
	switch {
	case code == 499 || code == 0:
		return Aborted
	case code == 504:
		return Timeout
	case code >= 500 && code < 600:
		return Failed
	case code >= 400 && code < 500:
		return ClientError
	}
	return OK
}

// attemptOutcome returns the outcome of an attempt by its status.
func attemptOutcome(code int64) Outcome {
	switch {
	case code == 504:
		return Timeout
	case code == logformat.Absent || code == 499:
		return Aborted
	case code >= 500 && code < 600:
		return Failed
	}
	return OK
}

// Attempt returns the status and the outcome of attempt i. last says that no other attempt follows.
func (rules *Rules) Attempt(r *logformat.Record, i int, last bool) (code int64, result Outcome) {
	f := &rules.formats[r.Format]
	switch {
	case f.upstreamStatus:
		code = r.At(logformat.UpstreamStatus, i)
		return code, attemptOutcome(code)
	case last && f.status:
		return r.Code, attemptOutcome(r.Code)
	case last:
		return UnknownCode, OK
	}
	return UnknownCode, Failed
}
