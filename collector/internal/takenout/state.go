package takenout

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/internal/codec"
)

// saved is a Tracker in its saved form, as the first version wrote it. The servers are identified by group and address.
type saved struct {
	Servers []savedServer `json:"servers,omitempty"`
	Outages []Outage      `json:"outages,omitempty"`
	Causes  []Failure     `json:"causes,omitempty"`
}

type savedServer struct {
	Upstream string            `json:"upstream"`
	Address  string            `json:"address"`
	Workers  []*worker         `json:"workers,omitempty"`
	Open     time.Time         `json:"open,omitzero"`
	Shown    time.Time         `json:"shown,omitzero"`
	Seconds  float64           `json:"seconds"`
	Taken    [evidences]uint64 `json:"taken"`
}

// The state of a tracker is in the encoding of codec:
//
//	version, servers, outages, causes
//	servers: count, then for each: group, address, open, shown, seconds, taken of each evidence, workers
//	workers: count, then for each: process, fails, checked, out
//	outages: count, then for each: group, server, from, until, ended, takes, evidence, cause
//	causes:  count, then for each: time, process, connection, server, event, request
//
// The first version wrote JSON, which begins with a brace.
const stateVersion = 1

// AppendState appends the tracker to dst in the form that Restore reads.
func (t *Tracker) AppendState(dst []byte) []byte {
	dst = codec.AppendUint(dst, stateVersion)
	dst = codec.AppendUint(dst, uint64(len(t.servers)))
	for _, s := range t.servers {
		dst = s.appendTo(dst)
	}
	dst = codec.AppendUint(dst, uint64(len(t.outages)))
	for i := range t.outages {
		dst = t.outages[i].appendTo(dst)
	}
	dst = codec.AppendUint(dst, uint64(len(t.causes)))
	for i := range t.causes {
		dst = t.causes[i].appendTo(dst)
	}
	return dst
}

func (s *server) appendTo(dst []byte) []byte {
	dst = codec.AppendString(codec.AppendString(dst, s.Upstream), s.Address)
	dst = codec.AppendTime(codec.AppendTime(dst, s.open), s.shown)
	dst = codec.AppendUint(dst, math.Float64bits(s.seconds))
	for _, n := range s.taken {
		dst = codec.AppendUint(dst, n)
	}
	dst = codec.AppendUint(dst, uint64(len(s.workers)))
	for _, w := range s.workers {
		dst = appendCount(appendCount(dst, w.PID), w.Fails)
		dst = codec.AppendTime(dst, w.Checked)
		out := uint64(0)
		if w.Out {
			out = 1
		}
		dst = codec.AppendUint(dst, out)
	}
	return dst
}

func (o *Outage) appendTo(dst []byte) []byte {
	dst = codec.AppendString(codec.AppendString(dst, o.Upstream), o.Server)
	dst = codec.AppendTime(codec.AppendTime(codec.AppendTime(dst, o.From), o.Until), o.Ended)
	dst = codec.AppendUint(appendCount(dst, o.Takes), uint64(o.Evidence))
	return o.Cause.appendTo(dst)
}

func (f *Failure) appendTo(dst []byte) []byte {
	dst = codec.AppendTime(dst, f.At)
	dst = codec.AppendUint(appendCount(dst, f.PID), uint64(max(f.Connection, 0)))
	dst = codec.AppendString(codec.AppendString(dst, f.Server), f.Event)
	return codec.AppendString(dst, f.Request)
}

// maxCount bounds numbers that an error log may make as large as it likes.
const maxCount = 1<<31 - 1

func appendCount(dst []byte, n int) []byte {
	return codec.AppendUint(dst, uint64(min(max(n, 0), maxCount)))
}

// read reads what AppendState appended.
func (s *saved) read(r *codec.Reader) {
	if version := r.Uint(); version != stateVersion {
		r.Fail("another version")
	}
	for range r.Count(1) {
		s.Servers = append(s.Servers, readServer(r))
	}
	for range r.CountUpTo(keepOutages, 1) {
		o := Outage{Upstream: r.String(), Server: r.String(), From: r.Time(), Until: r.Time(), Ended: r.Time()}
		o.Takes, o.Evidence = int(r.UpTo(maxCount)), Evidence(r.UpTo(uint64(evidences-1)))
		o.Cause = readFailure(r)
		s.Outages = append(s.Outages, o)
	}
	for range r.Count(1) {
		s.Causes = append(s.Causes, readFailure(r))
	}
	r.End()
}

func readServer(r *codec.Reader) savedServer {
	s := savedServer{Upstream: r.String(), Address: r.String(), Open: r.Time(), Shown: r.Time()}
	s.Seconds = math.Float64frombits(r.Uint())
	for i := range s.Taken {
		s.Taken[i] = r.Uint()
	}
	for range r.CountUpTo(keepWorkers, 1) {
		w := worker{PID: int(r.UpTo(maxCount)), Fails: int(r.UpTo(maxCount)), Checked: r.Time()}
		w.Out = r.UpTo(1) == 1
		s.Workers = append(s.Workers, &w)
	}
	return s
}

func readFailure(r *codec.Reader) Failure {
	f := Failure{At: r.Time(), PID: int(r.UpTo(maxCount)), Connection: int64(r.UpTo(1<<63 - 1))}
	f.Server, f.Event, f.Request = r.String(), r.String(), r.String()
	return f
}

// Restore restores a state. Servers that it does not have have seen no failure.
func (t *Tracker) Restore(state []byte) error {
	var from saved
	err := from.decode(state)
	if err != nil {
		return fmt.Errorf("restoring which servers are taken out: %w", err)
	}
	for _, before := range from.Servers {
		if len(before.Workers) > keepWorkers || before.Seconds < 0 || math.IsNaN(before.Seconds) {
			return fmt.Errorf("restoring which servers are taken out: %s is impossible", before.Address)
		}
		for _, w := range before.Workers {
			if w == nil {
				return fmt.Errorf("restoring which servers are taken out: %s has an empty worker", before.Address)
			}
		}
		for _, s := range t.servers {
			if s.Upstream == before.Upstream && s.Address == before.Address {
				s.workers, s.open, s.shown = before.Workers, before.Open, before.Shown
				s.seconds, s.taken = before.Seconds, before.Taken
			}
		}
	}
	t.outages, t.causes = from.Outages, from.Causes
	return nil
}

func (s *saved) decode(state []byte) error {
	if len(state) > 0 && state[0] == '{' {
		return json.Unmarshal(state, s)
	}
	r := codec.NewReader(state)
	s.read(r)
	return r.Err()
}
