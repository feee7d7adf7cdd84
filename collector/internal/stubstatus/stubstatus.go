// Package stubstatus fetches NGINX's stub_status page and parses it. It knows nothing of Prometheus.
package stubstatus

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// maxBody limits the bytes read of an answer. A stub_status page has about a hundred.
const maxBody = 64 << 10

// Stats is the content of a stub_status page, see https://nginx.org/en/docs/http/ngx_http_stub_status_module.html.
type Stats struct {
	Active, Reading, Writing, Waiting uint64
	Accepted, Handled, Requests       uint64
}

var errNotStubStatus = errors.New("the answer is not a stub_status page; its first line should be \"Active " +
	"connections: N\"")

// Parse reads a stub_status page:
//
//	Active connections: 291
//	server accepts handled requests
//	 16630948 16630948 31070465
//	Reading: 6 Writing: 179 Waiting: 106
//
// Newer versions and forks may add to a line; the expected text must come first.
func Parse(body []byte) (Stats, error) {
	var s Stats
	lines := bytes.SplitN(body, []byte("\n"), 5)
	if len(lines) < 4 {
		return Stats{}, errNotStubStatus
	}
	active, ok := bytes.CutPrefix(lines[0], []byte("Active connections: "))
	if !ok || !bytes.HasPrefix(lines[1], []byte("server accepts handled requests")) {
		return Stats{}, errNotStubStatus
	}
	totals := bytes.Fields(lines[2])
	states := bytes.Fields(lines[3])
	if len(totals) < 3 || len(states) < 6 ||
		string(states[0]) != "Reading:" || string(states[2]) != "Writing:" || string(states[4]) != "Waiting:" {
		return Stats{}, errNotStubStatus
	}
	for _, field := range []struct {
		text []byte
		into *uint64
	}{
		{bytes.TrimSpace(active), &s.Active},
		{totals[0], &s.Accepted}, {totals[1], &s.Handled}, {totals[2], &s.Requests},
		{states[1], &s.Reading}, {states[3], &s.Writing}, {states[5], &s.Waiting},
	} {
		n, err := strconv.ParseUint(string(field.text), 10, 64)
		if err != nil {
			return Stats{}, fmt.Errorf("the stub_status page has %q instead of a number", field.text)
		}
		*field.into = n
	}
	return s, nil
}
