package recent

import (
	"fmt"

	"github.com/fremisn/fremisn-exporter/collector/internal/codec"
)

// The state is a row of unsigned varints, and strings with their length before them:
//
//	version, servers, routes, failures, rescued
//	servers, routes: count, then for each: name, count of slots, then for each slot:
//	    number, answered, sum of milliseconds, counts (the mask of those that are not 0, then these),
//	    times (count of buckets that are not 0, then for each: buckets since the last one, count)
//	failures, rescued: count of slots, then for each: number, count of failures, then for each:
//	    milliseconds, outcome, id, method, path, code, duration + 1, count of attempts, then for each:
//	    server, code, duration + 1
//
// An hour of three servers and two routes under steady load takes about 70 KB.
const stateVersion = 1

// AppendState appends the window to dst in the form that Restore reads.
func (w *Window) AppendState(dst []byte) []byte {
	dst = codec.AppendUint(dst, stateVersion)
	dst = w.servers.appendTo(dst)
	dst = w.routes.appendTo(dst)
	dst = w.failures.appendTo(dst)
	return w.rescued.appendTo(dst)
}

// Restore replaces the content of the window with a state. After an error the window is unchanged.
func (w *Window) Restore(state []byte) error {
	r := codec.NewReader(state)
	if version := r.Uint(); r.Err() == nil && version != stateVersion {
		return fmt.Errorf("the state of the last hour has version %d, which this program does not know", version)
	}
	fresh := New()
	fresh.servers.read(r)
	fresh.routes.read(r)
	fresh.failures.read(r)
	fresh.rescued.read(r)
	if r.End(); r.Err() != nil {
		return fmt.Errorf("restoring the last hour: %w", r.Err())
	}
	w.servers.adopt(&fresh.servers)
	w.routes.adopt(&fresh.routes)
	w.failures, w.rescued = fresh.failures, fresh.rescued
	return nil
}

// adopt takes over the slots of another table. A Series that a caller has kept remains in use.
func (t *table) adopt(other *table) {
	for _, s := range t.series {
		s.ring, s.last = [Slots]*slot{}, nil
	}
	for _, s := range other.series {
		restored := t.get(s.name)
		restored.ring, restored.last = s.ring, nil
	}
}

func (t *table) appendTo(dst []byte) []byte {
	dst = codec.AppendUint(dst, uint64(len(t.series)))
	for _, s := range t.series {
		dst = codec.AppendString(dst, s.name)
		filled := 0
		for _, slot := range s.ring {
			if slot != nil {
				filled++
			}
		}
		dst = codec.AppendUint(dst, uint64(filled))
		for _, slot := range s.ring {
			if slot != nil {
				dst = slot.appendTo(dst)
			}
		}
	}
	return dst
}

func (t *table) read(r *codec.Reader) {
	for range r.CountUpTo(maxSeries+1, 1) {
		s := t.get(r.String())
		for range r.CountUpTo(Slots, 1) {
			slot := &slot{}
			slot.read(r)
			if r.Err() != nil {
				return
			}
			s.ring[slot.number%int64(Slots)] = slot
		}
	}
}

func (s *slot) appendTo(dst []byte) []byte {
	dst = codec.AppendUint(dst, uint64(s.number))
	dst = codec.AppendUint(dst, uint64(s.answered))
	dst = codec.AppendUint(dst, s.sumMillis)
	mask := uint64(0)
	for i, n := range s.counts {
		if n > 0 {
			mask |= 1 << i
		}
	}
	dst = codec.AppendUint(dst, mask)
	for _, n := range s.counts {
		if n > 0 {
			dst = codec.AppendUint(dst, uint64(n))
		}
	}
	return s.times.appendTo(dst)
}

func (h *histogram) appendTo(dst []byte) []byte {
	filled := 0
	for _, n := range h {
		if n > 0 {
			filled++
		}
	}
	dst = codec.AppendUint(dst, uint64(filled))
	last := 0
	for i, n := range h {
		if n > 0 {
			dst = codec.AppendUint(dst, uint64(i-last))
			dst = codec.AppendUint(dst, uint64(n))
			last = i
		}
	}
	return dst
}

func (s *slot) read(r *codec.Reader) {
	s.number = int64(r.UpTo(1 << 40))
	s.answered = uint16(r.UpTo(1<<10 - 1))
	s.sumMillis = r.Uint()
	mask := r.UpTo(1<<Outcomes - 1)
	for i := range s.counts {
		if mask&(1<<i) != 0 {
			s.counts[i] = uint32(r.UpTo(1<<32 - 1))
		}
	}
	last := 0
	for range r.CountUpTo(buckets, 1) {
		last += int(r.UpTo(buckets - 1))
		if last >= buckets {
			r.Fail("a bucket that is not there")
			return
		}
		s.times[last] = uint32(r.UpTo(1<<32 - 1))
	}
}

func (s failures) appendTo(dst []byte) []byte {
	dst = codec.AppendUint(dst, uint64(len(s)))
	for _, slot := range s {
		dst = codec.AppendUint(dst, uint64(slot.number))
		dst = codec.AppendUint(dst, uint64(len(slot.worst)))
		for _, f := range slot.worst {
			dst = f.appendTo(dst)
		}
	}
	return dst
}

func (s *failures) read(r *codec.Reader) {
	for range r.CountUpTo(failureSlots, 1) {
		number := int64(r.UpTo(1 << 40))
		for range r.CountUpTo(worstPerSlot, 1) {
			var f Failure
			if f.read(r); r.Err() != nil {
				return
			}
			s.insert(number, f)
		}
	}
}

func (f *Failure) appendTo(dst []byte) []byte {
	dst = codec.AppendUint(dst, uint64(f.Millis))
	dst = codec.AppendUint(dst, uint64(f.Outcome))
	dst = codec.AppendString(dst, f.RequestID)
	dst = codec.AppendString(dst, f.Method)
	dst = codec.AppendString(dst, f.Path)
	dst = codec.AppendUint(dst, uint64(f.Code))
	dst = codec.AppendUint(dst, uint64(f.Duration+1))
	dst = codec.AppendUint(dst, uint64(len(f.Attempts)))
	for _, a := range f.Attempts {
		dst = codec.AppendString(dst, a.Server)
		dst = codec.AppendUint(dst, uint64(a.Code))
		dst = codec.AppendUint(dst, uint64(a.Duration+1))
	}
	return dst
}

const maxNumber = 1 << 50

func (f *Failure) read(r *codec.Reader) {
	f.Millis = int64(r.UpTo(maxNumber))
	f.Outcome = int(r.UpTo(Outcomes - 1))
	f.RequestID, f.Method, f.Path = r.String(), r.String(), r.String()
	f.Code = int(r.UpTo(999))
	f.Duration = int64(r.UpTo(maxNumber)) - 1
	for range r.Count(1) {
		a := Attempt{Server: r.String(), Code: int(r.UpTo(999)), Duration: int64(r.UpTo(maxNumber)) - 1}
		if r.Err() != nil {
			return
		}
		f.Attempts = append(f.Attempts, a)
	}
}
