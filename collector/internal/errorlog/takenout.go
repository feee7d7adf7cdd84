package errorlog

import (
	"bytes"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/ledger"
	"github.com/fremisn/fremisn-exporter/collector/internal/takenout"
)

// serverFailures are the events that NGINX counts as a failure of the server (max_fails), in these actions: it does
// not count later ones, while the answer is passed on.
var (
	serverFailures = map[string]bool{
		"connect_refused": true, "connect_timeout": true, "connect_error": true,
		"read_timeout": true, "send_timeout": true,
		"connection_reset": true, "premature_close": true, "invalid_header": true, "ssl": true,
	}
	failureActions = map[string]bool{
		"connecting to upstream": true, "sending request to upstream": true, "SSL handshaking to upstream": true,
		"reading response header from upstream": true,
	}
)

// failsServer reports whether NGINX counts an entry as a failure of the server that it names, or reports that it takes
// it out. An answer without a status line is logged as an error, but treated as HTTP/0.9.
func failsServer(said []byte, event string) bool {
	switch {
	case event == takenout.Disabled:
		return true
	case bytes.HasPrefix(said, []byte("upstream sent no valid HTTP/1.0 header")), bytes.HasSuffix(said,
		[]byte(", ignored")):
		return false
	}
	return serverFailures[event] && failureActions[string(actionOf(said))]
}

// track has the tracker replay an entry.
func (c *Counter) track(e *Entry) {
	if !e.Fails || len(e.Upstream) == 0 {
		return
	}
	c.tracker.Failed(takenout.Failure{
		At: e.Time, PID: e.PID, Connection: e.Connection,
		Server: ledger.LabelText(e.Upstream), Event: e.Event, Request: requestText(e.Request),
	}, c.clock())
}

// requestText returns the method and the path of a request line, without the query.
func requestText(line []byte) string {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	uri, _, _ := bytes.Cut(rest, []byte(" "))
	path, _, _ := bytes.Cut(uri, []byte("?"))
	if len(path) == 0 {
		return ledger.LabelText(method)
	}
	return ledger.LabelText(method) + " " + ledger.LabelText(path)
}

// TakenOut returns which servers NGINX passes over at a time, as far as this log shows.
func (c *Counter) TakenOut(now time.Time) []takenout.State {
	c.finish()
	return c.tracker.States(now)
}

// ShownTakenOut returns what TakenOut returned last, which may have been before a restart.
func (c *Counter) ShownTakenOut() []takenout.State { return c.tracker.Shown() }

// Outages returns the latest times in which NGINX passed servers over, the latest last.
func (c *Counter) Outages() []takenout.Outage { return c.tracker.Outages() }
