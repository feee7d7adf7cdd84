package past

import (
	"math/bits"
	"slices"
)

// slots are what explain keeps of a log besides the requests that went wrong: how much there was of what in each slot
// of time, for each server. Where there would be too many, slots become twice as long.
type slots struct {
	width   int64 // milliseconds
	slots   map[int64]*slot
	cells   int
	servers []string
	numbers map[string]int
	paths   []string
	pathIDs map[string]int
}

const (
	slotWidth = 1000
	maxCells  = 200_000
	// maxExplained is how many servers explain tells apart.
	maxExplained = 1000
	// maxPaths is how many paths it tells apart.
	maxPaths = 100
)

// A slot is a piece of time.
type slot struct {
	requests uint32
	outcomes [7]uint32 // in the order of outcomes()
	servers  []serverSlot
	paths    []pathSlot
}

// A pathSlot is the requests of one method and path in a slot.
type pathSlot struct{ requests, failed uint32 }

// A serverSlot is what one server did in a slot.
type serverSlot struct {
	attempts, failed uint32
	times            *times
}

// times is a histogram of milliseconds with four buckets for each doubling.
type times struct {
	counts  [timeBuckets]uint32
	sum     uint32 // of counts
	slowest int64
	id      string // of the slowest
}

const timeBuckets = 80

func newSlots() *slots {
	return &slots{width: slotWidth, slots: map[int64]*slot{}, numbers: map[string]int{}, pathIDs: map[string]int{}}
}

func timeBucket(ms int64) int {
	if ms < 4 {
		return int(max(0, ms))
	}
	top := bits.Len64(uint64(ms)) - 3
	return min(timeBuckets-1, 4*top+int(ms>>top)&3+4)
}

// bucketStart is the least milliseconds of a bucket.
func bucketStart(i int) int64 {
	if i < 4 {
		return int64(i)
	}
	return int64(4+i%4) << (i/4 - 1)
}

// at is the slot of a time.
func (s *slots) at(ms int64) *slot {
	number := floorDiv(ms, s.width)
	one := s.slots[number]
	if one == nil {
		s.grow()
		number = floorDiv(ms, s.width)
		if one = s.slots[number]; one == nil {
			one = &slot{}
			s.slots[number] = one
		}
	}
	return one
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// grow makes slots longer where there are too many.
func (s *slots) grow() {
	s.cells++
	for s.cells > maxCells {
		s.double()
	}
}

func (s *slots) double() {
	old := s.slots
	s.width, s.slots, s.cells = 2*s.width, map[int64]*slot{}, 0
	for number, one := range old {
		into := s.slots[floorDiv(number, 2)]
		if into == nil {
			s.slots[floorDiv(number, 2)] = one
			s.cells += 1 + len(one.servers)
			continue
		}
		before := len(into.servers)
		into.add(one, nil, nil)
		s.cells += len(into.servers) - before
	}
}

// number is a server's; those that are too many share one.
func (s *slots) number(name string) int {
	if n, known := s.numbers[name]; known {
		return n
	}
	if len(s.servers) >= maxExplained {
		name = "other"
		if n, known := s.numbers[name]; known {
			return n
		}
	}
	s.servers = append(s.servers, name)
	s.numbers[name] = len(s.servers) - 1
	return len(s.servers) - 1
}

// path is the number of a method and path; those that are too many share one.
func (s *slots) path(name string) int {
	if n, known := s.pathIDs[name]; known {
		return n
	}
	if len(s.paths) >= maxPaths {
		name = ""
		if n, known := s.pathIDs[name]; known {
			return n
		}
	}
	s.paths = append(s.paths, name)
	s.pathIDs[name] = len(s.paths) - 1
	return len(s.paths) - 1
}

// count adds a request that came to a server.
func (s *slots) count(one *slot, path int, failed bool) {
	for len(one.paths) <= path {
		one.paths = append(one.paths, pathSlot{})
	}
	one.paths[path].requests++
	if failed {
		one.paths[path].failed++
	}
}

// server is the part of a slot that belongs to a server.
func (s *slots) server(one *slot, number int) *serverSlot {
	for len(one.servers) <= number {
		one.servers = append(one.servers, serverSlot{})
		s.cells++
	}
	return &one.servers[number]
}

// observe adds an attempt.
func (c *serverSlot) observe(ms int64, failed bool, id []byte) {
	c.attempts++
	if failed {
		c.failed++
	}
	if ms < 0 || failed {
		return
	}
	if c.times == nil {
		c.times = &times{}
	}
	c.times.counts[timeBucket(ms)]++
	c.times.sum++
	if ms > c.times.slowest {
		c.times.slowest, c.times.id = ms, string(id)
	}
}

// add adds another slot; servers and paths give the numbers here of those that it has; nil where they are the same.
func (one *slot) add(other *slot, servers, paths []int) {
	one.requests += other.requests
	for i := range one.outcomes {
		one.outcomes[i] += other.outcomes[i]
	}
	for i := range other.servers {
		n := i
		if servers != nil {
			n = servers[i]
		}
		for len(one.servers) <= n {
			one.servers = append(one.servers, serverSlot{})
		}
		one.servers[n].add(&other.servers[i])
	}
	for i, p := range other.paths {
		n := i
		if paths != nil {
			n = paths[i]
		}
		for len(one.paths) <= n {
			one.paths = append(one.paths, pathSlot{})
		}
		one.paths[n].requests += p.requests
		one.paths[n].failed += p.failed
	}
}

func (c *serverSlot) add(other *serverSlot) {
	c.attempts += other.attempts
	c.failed += other.failed
	if other.times == nil {
		return
	}
	if c.times == nil {
		c.times = &times{}
	}
	c.times.add(other.times)
}

func (t *times) add(other *times) {
	if other == nil {
		return
	}
	for i, n := range other.counts {
		t.counts[i] += n
	}
	t.sum += other.sum
	if other.slowest > t.slowest {
		t.slowest, t.id = other.slowest, other.id
	}
}

func (t *times) total() int { return int(t.sum) }

// quantile is in milliseconds.
func (t *times) quantile(q float64) int64 {
	rank := int(q*float64(t.total())+0.999999) - 1
	for i, n := range t.counts {
		if rank -= int(n); rank < 0 {
			return (bucketStart(i) + bucketStart(i+1) - 1) / 2
		}
	}
	return 0
}

// above is how many took longer than those of the bucket of ms.
func (t *times) above(ms int64) int {
	n := 0
	for i := timeBucket(ms) + 1; i < timeBuckets; i++ {
		n += int(t.counts[i])
	}
	return n
}

// merge adds the slots of another worker.
func (s *slots) merge(other *slots) {
	for s.width < other.width {
		s.double()
	}
	for other.width < s.width {
		other.double()
	}
	servers, paths := make([]int, len(other.servers)), make([]int, len(other.paths))
	for i, name := range other.servers {
		servers[i] = s.number(name)
	}
	for i, name := range other.paths {
		paths[i] = s.path(name)
	}
	for number, one := range other.slots {
		if s.slots[number] == nil {
			s.slots[number] = &slot{}
			s.cells++
		}
		into := s.slots[number]
		before := len(into.servers)
		into.add(one, servers, paths)
		s.cells += len(into.servers) - before
	}
	for s.cells > maxCells {
		s.double()
	}
}

// sorted are the numbers of the slots in order.
func (s *slots) sorted() []int64 {
	numbers := make([]int64, 0, len(s.slots))
	for n := range s.slots {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}
