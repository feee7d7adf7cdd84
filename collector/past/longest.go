package past

import (
	"github.com/fremisn/fremisn-exporter/collector/internal/accesslog"
	"github.com/fremisn/fremisn-exporter/collector/internal/logformat"
)

// longest are the longest times of a server, in milliseconds; -1 if unknown.
type longest struct{ response, header, connect int64 }

// longestTimes are the longest times of the servers of one worker.
type longestTimes struct {
	byServer map[string]*longest
	found    [64]foundServer // the last of each remainder of a number
}

// A foundServer is the server of a value of $upstream_addr that is one address.
type foundServer struct {
	value   *logformat.Upstreams
	longest *longest
}

func newLongestTimes() longestTimes { return longestTimes{byServer: map[string]*longest{}} }

// maxLongest limits the servers whose longest times are kept.
const maxLongest = 100_000

// add adds the attempts of a request.
func (l *longestTimes) add(r *logformat.Record) {
	u := r.Upstreams
	switch {
	case r.Elements == 0:
	case u == nil:
		for i := range r.Elements {
			l.of(accesslog.UnknownServer).add(r, i)
		}
	case len(u.Elements) == 1 && u.ID >= 0 && u.Elements[0].Kind == logformat.Attempt:
		f := &l.found[u.ID%len(l.found)]
		if f.value != u {
			*f = foundServer{u, l.of(u.Elements[0].Name)}
		}
		f.longest.add(r, 0)
	default:
		for i := range u.Elements {
			if e := &u.Elements[i]; e.Kind == logformat.Attempt {
				l.of(e.Name).add(r, i)
			}
		}
	}
}

// of returns the longest times of a server.
func (l *longestTimes) of(server string) *longest {
	one := l.byServer[server]
	if one == nil {
		one = &longest{-1, -1, -1}
		if len(l.byServer) < maxLongest {
			l.byServer[server] = one
		}
	}
	return one
}

// add adds an attempt.
func (l *longest) add(r *logformat.Record, i int) {
	if r.Code != 101 { // its times are the life of a connection
		l.response = max(l.response, r.At(logformat.UpstreamResponseTime, i))
	}
	l.header = max(l.header, r.At(logformat.UpstreamHeaderTime, i))
	l.connect = max(l.connect, r.At(logformat.UpstreamConnectTime, i))
}
