package accesslog

import "github.com/fremisn/fremisn-exporter/collector/internal/logformat"

// An outcome is what came of a request or an attempt: a value of the label outcome.
type outcome uint8

const (
	// Outcomes of attempts and requests.
	outcomeOK outcome = iota
	outcomeError
	outcomeTimeout
	outcomeAborted
	// Outcomes of requests alone.
	outcomeClientError
	outcomeNoLive
	outcomeLimited
	outcomeCount

	attemptOutcomeCount = outcomeClientError
)

func (o outcome) String() string {
	return [outcomeCount]string{"ok", "error", "timeout", "aborted", "client_error", "no_live", "limited"}[o]
}

// unknownServer stands for a server where the format has times but no address.
const unknownServer = "unknown"

// codeUnknown is a status that the format does not tell, as logformat.Absent is one that the line does not have.
const codeUnknown int64 = -2

// codeName is the label code.
func codeName(code int64) string {
	switch code {
	case logformat.Absent:
		return "none"
	case codeUnknown:
		return "unknown"
	}
	return string([]byte{byte('0' + code/100), byte('0' + code/10%10), byte('0' + code%10)})
}

// outcomeOf returns the outcome of a request: the first that fits.
func (c *Counter) outcomeOf(r *logformat.Record, noLive bool) outcome {
	code := r.Code
	switch {
	case r.LimitReq == logformat.Rejected || r.LimitConn == logformat.Rejected:
		return outcomeLimited
	case !c.format.limits && c.format.upstream && r.Elements == 0 && (code == c.limited[0] || code == c.limited[1]):
		return outcomeLimited
	case noLive:
		return outcomeNoLive
	case code < 400 && code > 0:
		return outcomeOK
	case code == 499 || code == 0:
		return outcomeAborted
	case code == 504:
		return outcomeTimeout
	case code >= 500 && code < 600:
		return outcomeError
	case code >= 400 && code < 500:
		return outcomeClientError
	}
	return outcomeOK
}

// attemptOutcome returns the outcome of an attempt by its status.
func attemptOutcome(code int64) outcome {
	switch {
	case code == 504:
		return outcomeTimeout
	case code == logformat.Absent || code == 499:
		return outcomeAborted
	case code >= 500 && code < 600:
		return outcomeError
	}
	return outcomeOK
}

// attemptResult returns the status and the outcome of element i.
func (c *Counter) attemptResult(r *logformat.Record, i int, last bool) (code int64, result outcome) {
	switch {
	case c.format.upstreamStatus:
		code = r.At(logformat.UpstreamStatus, i)
		return code, attemptOutcome(code)
	case last && c.format.status:
		return r.Code, attemptOutcome(r.Code)
	case last:
		return codeUnknown, outcomeOK
	}
	return codeUnknown, outcomeError
}
