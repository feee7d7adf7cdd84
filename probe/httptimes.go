package probe

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"
)

// httpTimes are the times of an http probe's requests; redirects make several. Callbacks of an abandoned connection
// may come late, hence the lock.
type httpTimes struct {
	mu        sync.Mutex
	lookups   []time.Duration // empty: no lookup was needed
	exchanges []*exchange
	begun     bool // a request was sent
}

// An exchange is one request with its answer.
type exchange struct {
	tls                                                            bool
	start, connectDone, connected, tlsStart, tlsDone, answer, done time.Time
}

func (x *httpTimes) resolved(took time.Duration) { x.lookups = append(x.lookups, took) }

// next begins another exchange.
func (x *httpTimes) next(secure bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.exchanges = append(x.exchanges, &exchange{tls: secure})
}

// connected records that the request can be sent.
func (x *httpTimes) connected(t *trace) {
	t.enter("processing")
	x.mark(func(e *exchange, now time.Time) { e.connected = now })
}

// end records the end of the last answer's body.
func (x *httpTimes) end() { x.mark(func(e *exchange, now time.Time) { e.done = now }) }

func (x *httpTimes) mark(set func(e *exchange, now time.Time)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.exchanges); n > 0 {
		set(x.exchanges[n-1], time.Now())
	}
}

// trace adds the times of a request's connection.
func (x *httpTimes) trace(ctx context.Context, t *trace) context.Context {
	var lookup time.Time
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { // of a redirect, or of a proxy
			t.enter("resolve")
			x.mark(func(_ *exchange, now time.Time) { lookup = now })
		},
		DNSDone: func(httptrace.DNSDoneInfo) {
			x.mark(func(e *exchange, now time.Time) {
				e.start = now
				if len(x.exchanges) > 1 {
					x.lookups = append(x.lookups, now.Sub(lookup))
				}
			})
		},
		ConnectStart: func(_, _ string) {
			t.enter("connect")
			x.mark(func(e *exchange, now time.Time) {
				if e.start.IsZero() {
					e.start = now
				}
			})
		},
		ConnectDone: func(_, _ string, _ error) {
			x.mark(func(e *exchange,
				now time.Time) {
				e.connectDone = now
			})
		},
		TLSHandshakeStart: func() { t.enter("tls"); x.mark(func(e *exchange, now time.Time) { e.tlsStart = now }) },
		TLSHandshakeDone: func(tls.ConnectionState, error) {
			x.mark(func(e *exchange, now time.Time) { e.tlsDone = now })
		},
		GotFirstResponseByte: func() { x.mark(func(e *exchange, now time.Time) { e.answer = now }) },
	})
}

// phases are blackbox_exporter's, summed over redirects: all that are possible, zero for those that did not occur.
func (x *httpTimes) phases() []Phase {
	x.mu.Lock()
	defer x.mu.Unlock()
	var resolve, connect, handshake, processing, transfer time.Duration
	for _, took := range x.lookups {
		resolve += took
	}
	for _, e := range x.exchanges {
		if e.connected.IsZero() {
			continue
		}
		if e.tls {
			connect += e.connectDone.Sub(e.start)
			handshake += e.tlsDone.Sub(e.tlsStart)
		} else {
			connect += e.connected.Sub(e.start)
		}
		if e.answer.IsZero() {
			continue
		}
		processing += e.answer.Sub(e.connected)
		if !e.done.IsZero() {
			transfer += e.done.Sub(e.answer)
		}
	}
	var phases []Phase
	if len(x.lookups) > 0 || len(x.exchanges) > 1 {
		phases = append(phases, Phase{"resolve", resolve})
	}
	if x.begun {
		phases = append(phases, Phase{"connect", connect}, Phase{"tls", handshake}, Phase{"processing", processing},
			Phase{"transfer", transfer})
	}
	return phases
}
