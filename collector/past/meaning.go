package past

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// foundNone reports whether the last element of $upstream_addr is the name of a group without a usable server.
func foundNone(r *logformat.Record) bool {
	return r.Upstreams != nil && r.Elements > 0 &&
		r.Upstreams.Elements[len(r.Upstreams.Elements)-1].Kind == logformat.Group
}

// lastAttempt returns the index of the last attempt, or -1.
func lastAttempt(r *logformat.Record) int {
	i := r.Elements - 1
	for i >= 0 && r.Upstreams != nil && r.Upstreams.Elements[i].Kind != logformat.Attempt {
		i--
	}
	return i
}

// outcome returns that of a request.
func (r *reader) outcome(record *logformat.Record) string {
	return r.rules.Request(record, foundNone(record)).String()
}

// attempt returns the status and the outcome of an attempt.
func (r *reader) attempt(record *logformat.Record, i int) (code int64, outcome string) {
	code, result := r.rules.Attempt(record, i, i == lastAttempt(record))
	return code, result.String()
}

// code returns the status of a request as a label.
func (r *reader) code(record *logformat.Record) string {
	return accesslog.CodeName(r.rules.Code(record))
}
