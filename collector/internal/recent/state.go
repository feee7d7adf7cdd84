package recent

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	e := encoder{dst}
	e.uint(stateVersion)
	w.servers.encode(&e)
	w.routes.encode(&e)
	w.failures.encode(&e)
	w.rescued.encode(&e)
	return e.b
}

var errState = errors.New("the state of the last hour is corrupt")

// Restore replaces the content of the window with a state. After an error the window is unchanged.
func (w *Window) Restore(state []byte) error {
	d := decoder{b: state}
	if version := d.uint(); d.err == nil && version != stateVersion {
		return fmt.Errorf("the state of the last hour has version %d, which this program does not know", version)
	}
	fresh := New()
	fresh.servers.decode(&d)
	fresh.routes.decode(&d)
	fresh.failures.decode(&d)
	fresh.rescued.decode(&d)
	if d.err == nil && len(d.b) > 0 {
		d.fail()
	}
	if d.err != nil {
		return d.err
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

func (t *table) encode(e *encoder) {
	e.uint(uint64(len(t.series)))
	for _, s := range t.series {
		e.string(s.name)
		filled := 0
		for _, slot := range s.ring {
			if slot != nil {
				filled++
			}
		}
		e.uint(uint64(filled))
		for _, slot := range s.ring {
			if slot != nil {
				slot.encode(e)
			}
		}
	}
}

func (t *table) decode(d *decoder) {
	for range d.count(maxSeries + 1) {
		s := t.get(d.string())
		for range d.count(uint64(Slots)) {
			slot := &slot{}
			slot.decode(d)
			if d.err != nil {
				return
			}
			s.ring[slot.number%int64(Slots)] = slot
		}
	}
}

func (s *slot) encode(e *encoder) {
	e.uint(uint64(s.number))
	e.uint(uint64(s.answered))
	e.uint(s.sumMillis)
	mask := uint64(0)
	for i, n := range s.counts {
		if n > 0 {
			mask |= 1 << i
		}
	}
	e.uint(mask)
	for _, n := range s.counts {
		if n > 0 {
			e.uint(uint64(n))
		}
	}
	s.times.encode(e)
}

func (h *histogram) encode(e *encoder) {
	filled := 0
	for _, n := range h {
		if n > 0 {
			filled++
		}
	}
	e.uint(uint64(filled))
	last := 0
	for i, n := range h {
		if n > 0 {
			e.uint(uint64(i - last))
			e.uint(uint64(n))
			last = i
		}
	}
}

func (s *slot) decode(d *decoder) {
	s.number = int64(d.upTo(1 << 40))
	s.answered = uint16(d.upTo(1<<10 - 1))
	s.sumMillis = d.uint()
	mask := d.upTo(1<<Outcomes - 1)
	for i := range s.counts {
		if mask&(1<<i) != 0 {
			s.counts[i] = uint32(d.upTo(1<<32 - 1))
		}
	}
	last := 0
	for range d.count(buckets) {
		last += int(d.upTo(buckets - 1))
		if last >= buckets {
			d.fail()
			return
		}
		s.times[last] = uint32(d.upTo(1<<32 - 1))
	}
}

func (s failures) encode(e *encoder) {
	e.uint(uint64(len(s)))
	for _, slot := range s {
		e.uint(uint64(slot.number))
		e.uint(uint64(len(slot.worst)))
		for _, f := range slot.worst {
			f.encode(e)
		}
	}
}

func (s *failures) decode(d *decoder) {
	for range d.count(failureSlots) {
		number := int64(d.upTo(1 << 40))
		for range d.count(worstPerSlot) {
			var f Failure
			if f.decode(d); d.err != nil {
				return
			}
			s.insert(number, f)
		}
	}
}

func (f *Failure) encode(e *encoder) {
	e.uint(uint64(f.Millis))
	e.uint(uint64(f.Outcome))
	e.string(f.RequestID)
	e.string(f.Method)
	e.string(f.Path)
	e.uint(uint64(f.Code))
	e.uint(uint64(f.Duration + 1))
	e.uint(uint64(len(f.Attempts)))
	for _, a := range f.Attempts {
		e.string(a.Server)
		e.uint(uint64(a.Code))
		e.uint(uint64(a.Duration + 1))
	}
}

const maxNumber = 1 << 50

func (f *Failure) decode(d *decoder) {
	f.Millis = int64(d.upTo(maxNumber))
	f.Outcome = int(d.upTo(Outcomes - 1))
	f.RequestID, f.Method, f.Path = d.string(), d.string(), d.string()
	f.Code = int(d.upTo(999))
	f.Duration = int64(d.upTo(maxNumber)) - 1
	for range d.count(maxNumber) {
		a := Attempt{Server: d.string(), Code: int(d.upTo(999)), Duration: int64(d.upTo(maxNumber)) - 1}
		if d.err != nil {
			return
		}
		f.Attempts = append(f.Attempts, a)
	}
}

type encoder struct{ b []byte }

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

// A decoder reads what an encoder wrote. After its first error it returns zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() { d.b, d.err = nil, errState }

func (d *decoder) uint() uint64 {
	n, length := binary.Uvarint(d.b)
	if length <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[length:]
	return n
}

func (d *decoder) upTo(most uint64) uint64 {
	n := d.uint()
	if n > most {
		d.fail()
		return 0
	}
	return n
}

// count reads a number of items, each of at least a byte.
func (d *decoder) count(most uint64) int {
	n := d.upTo(most)
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
