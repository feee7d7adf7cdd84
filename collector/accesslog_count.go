package collector

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// Outcomes of requests and attempts: values of the label outcome.
type outcome uint8

const (
	outcomeOK outcome = iota
	outcomeClientError
	outcomeError
	outcomeTimeout
	outcomeAborted
	outcomeNoLive
	outcomeLimited
	outcomeCount
)

func (o outcome) String() string {
	return [outcomeCount]string{"ok", "client_error", "error", "timeout", "aborted", "no_live", "limited"}[o]
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

// count counts a line that is valid as a whole.
func (b *accessBook) count(r *logformat.Record) {
	ref := ledger.RefTo(r.IDAt, r.IDLen)
	noLive := b.countAttempts(r, ref)
	code := r.Code
	if !b.shape.status {
		code = codeUnknown
	}
	cell := b.requests.get(b, routeID(b, r), r.Method, code, b.outcomeOf(r, noLive))
	cell.requests.Value++
	if r.Millis >= 0 {
		if cell.duration == nil {
			cell.duration = b.ledger.Histogram(familyRequestDuration, cell.route, cell.outcome.String())
		}
		if r.Millis < ledger.Quick {
			cell.duration.Note(r.Millis, ref)
		} else {
			cell.duration.Observe(r.Millis, ref)
		}
	}
	if sent := r.Sent; sent >= 0 {
		if cell.sent == nil {
			cell.sent = b.ledger.Counter(familySentBytes, cell.route)
		}
		cell.sent.Add(uint64(sent))
	}
	if r.Received >= 0 {
		if cell.received == nil {
			cell.received = b.ledger.Counter(familyReceivedBytes, cell.route)
		}
		cell.received.Add(uint64(r.Received))
	}
	if r.LimitReq != logformat.NoWord {
		b.word(familyLimitReq, r.LimitReq)
	}
	if r.LimitConn != logformat.NoWord {
		b.word(familyLimitConn, r.LimitConn)
	}
	if r.Cache != logformat.NoWord {
		b.word(familyCache, r.Cache)
	}
}

func routeID(b *accessBook, r *logformat.Record) int {
	if !b.shape.path {
		return b.routes.without
	}
	return b.routes.find(r.Path)
}

// outcomeOf is the outcome of a request: the first that fits.
func (b *accessBook) outcomeOf(r *logformat.Record, noLive bool) outcome {
	code := r.Code
	switch {
	case r.LimitReq == logformat.Rejected || r.LimitConn == logformat.Rejected:
		return outcomeLimited
	case !b.shape.limits && b.shape.upstream && r.Elements == 0 && (code == b.limited[0] || code == b.limited[1]):
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

// attemptOutcome is the outcome of an attempt by its status.
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

// word counts what a limit or the cache said.
func (b *accessBook) word(family int, word logformat.Word) {
	counter := &b.words[family-familyLimitReq][word]
	if *counter == nil {
		*counter = b.ledger.Counter(family, word.String())
	}
	(*counter).Value++
}

// wordCounters are the counters of one family of words, found once.
type wordCounters [logformat.WordCount]*ledger.Counter

// countAttempts counts what happened upstream, and tells whether the last element is the name of a group that had no
// server to give.
func (b *accessBook) countAttempts(r *logformat.Record, ref ledger.Ref) (noLive bool) {
	if r.Elements == 0 {
		return false
	}
	if !b.shape.addresses {
		b.countUnknown(r, ref)
		return false
	}
	if b.parser.Generation() != b.servers.generation {
		b.forget()
	}
	u := r.Upstreams
	if len(u.Elements) == 1 && u.Elements[0].Kind == logformat.Attempt {
		server := b.servers.first(u)
		b.attempt(r, server, 0, true, ref)
		return false
	}
	last := len(u.Elements) - 1
	for last >= 0 && u.Elements[last].Kind != logformat.Attempt {
		last--
	}
	for i := range u.Elements {
		e := &u.Elements[i]
		switch e.Kind {
		case logformat.Group:
			b.ledger.Counter(familyNoLive, e.Name).Value++
		case logformat.Attempt:
			server := b.servers.at(u, i)
			b.attempt(r, server, i, i == last, ref)
			if e.Retry {
				b.retry(server)
			}
		}
	}
	return u.Elements[len(u.Elements)-1].Kind == logformat.Group
}

// countUnknown counts attempts of a format that has no address.
func (b *accessBook) countUnknown(r *logformat.Record, ref ledger.Ref) {
	server := b.servers.named(unknownServer)
	for i := range r.Elements {
		b.attempt(r, server, i, i == r.Elements-1, ref)
		if r.Separator(i) == ',' {
			b.retry(server)
		}
	}
}

// attempt counts element i on its server.
func (b *accessBook) attempt(r *logformat.Record, server *serverCell, i int, last bool, ref ledger.Ref) {
	var code int64
	var result outcome
	switch {
	case b.shape.upstreamStatus:
		code = r.At(logformat.UpstreamStatus, i)
		result = attemptOutcome(code)
	case last && b.shape.status:
		code = r.Code
		result = attemptOutcome(code)
	case last:
		code, result = codeUnknown, outcomeOK
	default:
		code, result = codeUnknown, outcomeError
	}
	cell := server.attempts(b, code, result)
	cell.attempts.Value++
	times := cell.times
	if ms := r.At(logformat.UpstreamResponseTime, i); ms >= 0 {
		if times.response == nil {
			times.response = b.ledger.Histogram(familyResponse, server.name, result.String())
		}
		if ms < ledger.Quick {
			times.response.Note(ms, ref)
		} else {
			times.response.Observe(ms, ref)
		}
	}
	if ms := r.At(logformat.UpstreamHeaderTime, i); ms >= 0 {
		if times.header == nil {
			times.header = b.ledger.Histogram(familyHeader, server.name, result.String())
		}
		if ms < ledger.Quick {
			times.header.Note(ms, ref)
		} else {
			times.header.Observe(ms, ref)
		}
	}
	if ms := r.At(logformat.UpstreamConnectTime, i); ms >= 0 {
		if times.connect == nil {
			times.connect = b.ledger.Histogram(familyConnect, server.name, result.String())
		}
		if ms < ledger.Quick {
			times.connect.Note(ms, ref)
		} else {
			times.connect.Observe(ms, ref)
		}
	}
	if n := r.At(logformat.UpstreamBytesSent, i); n >= 0 {
		if server.sent == nil {
			server.sent = b.ledger.Counter(familyUpstreamSent, server.name)
		}
		server.sent.Add(uint64(n))
	}
	if b.shape.hasReceived {
		if n := r.At(b.shape.received, i); n >= 0 {
			if server.received == nil {
				server.received = b.ledger.Counter(familyUpstreamReceived, server.name)
			}
			server.received.Add(uint64(n))
		}
	}
}

func (b *accessBook) retry(server *serverCell) {
	if server.retries == nil {
		server.retries = b.ledger.Counter(familyRetries, server.name)
	}
	server.retries.Value++
}
