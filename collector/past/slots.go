package past

import "slices"

// slots are how much there was of what in each slot of time, for each server. Where they would take too much memory,
// slots become twice as long.
type slots struct {
	width   int64 // milliseconds
	level   int64 // of the budget
	budget  *budget
	slots   map[int64]*slot
	servers []string
	numbers map[string]int
	paths   []string // methods and paths, and patterns of these
	pathIDs map[string]int
	ofPaths int // how many of paths are not patterns
}

const (
	slotWidth = 1000
	// maxSlotBytes bounds what slots take, about.
	maxSlotBytes = 64 << 20
	// maxExplained limits the servers that explain counts separately.
	maxExplained = 1000
	// maxPaths limits the paths that it counts separately, and the patterns of paths.
	maxPaths = 100

	// What things take, bytes.
	slotBytes       = 128
	serverSlotBytes = 40
	pathSlotBytes   = 8
	fewTimesBytes   = 6
)

// A slot is a piece of time.
type slot struct {
	requests uint32
	asked    uint32    // those that came to a server
	outcomes [7]uint32 // in the order of outcomes()
	spread   uint32    // requests that failed on several servers, and nowhere did not
	servers  []serverSlot
	paths    []pathSlot
}

// A pathSlot is the requests of one method and path in a slot.
type pathSlot struct{ requests, failed uint32 }

// A serverSlot is the counts of one server in a slot.
type serverSlot struct {
	attempts, failed uint32
	timed            uint32 // of times
	times            []fewTimes
}

// slotBudget is for the slots of one reading.
func (o *Options) slotBudget() *budget {
	if o.slotBytes > 0 {
		return newBudget(o.slotBytes)
	}
	return newBudget(maxSlotBytes)
}

func newSlots(b *budget) *slots {
	return &slots{width: slotWidth, budget: b, slots: map[int64]*slot{}, numbers: map[string]int{},
		pathIDs: map[string]int{}}
}

// at returns the slot of a time.
func (s *slots) at(ms int64) *slot {
	if one := s.slots[floorDiv(ms, s.width)]; one != nil {
		return one
	}
	s.shrink()
	return s.insert(floorDiv(ms, s.width))
}

// insert is the slot of a number, which is made if need be.
func (s *slots) insert(number int64) *slot {
	one := s.slots[number]
	if one == nil {
		one = &slot{}
		s.slots[number] = one
		s.budget.use(slotBytes)
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

// shrink makes slots longer where they take too much memory.
func (s *slots) shrink() {
	for level := s.budget.raise(s.level); s.level < level; s.level++ {
		s.double()
	}
}

func (s *slots) double() {
	old := s.slots
	s.width, s.slots = 2*s.width, map[int64]*slot{}
	for number, one := range old {
		into := s.slots[floorDiv(number, 2)]
		if into == nil {
			s.slots[floorDiv(number, 2)] = one
			continue
		}
		before := one.bytes() + into.bytes()
		into.add(one, nil, nil)
		s.budget.use(into.bytes() - before)
	}
}

// bytes is about what a slot takes.
func (one *slot) bytes() int64 {
	n := slotBytes + serverSlotBytes*len(one.servers) + pathSlotBytes*len(one.paths)
	for i := range one.servers {
		n += fewTimesBytes * len(one.servers[i].times)
	}
	return int64(n)
}

// number returns a server's number; those beyond the limit share one.
func (s *slots) number(name string) int {
	if n, ok := s.numbers[name]; ok {
		return n
	}
	if len(s.servers) >= maxExplained {
		name = "other"
		if n, ok := s.numbers[name]; ok {
			return n
		}
	}
	s.servers = append(s.servers, name)
	s.numbers[name] = len(s.servers) - 1
	return len(s.servers) - 1
}

// path returns the number of a method and path; those beyond the limit share one.
func (s *slots) path(name string) int {
	if n, ok := s.pathIDs[name]; ok {
		return n
	}
	if s.ofPaths >= maxPaths {
		name = ""
		if n, ok := s.pathIDs[name]; ok {
			return n
		}
	}
	s.ofPaths++
	return s.newPath(name)
}

// pattern returns the number of a method and the pattern of a path, -1 beyond the limit: each of these requests counts
// by its path as well.
func (s *slots) pattern(name string) int {
	if n, ok := s.pathIDs[name]; ok {
		return n
	}
	if len(s.paths)-s.ofPaths >= maxPaths {
		return -1
	}
	return s.newPath(name)
}

func (s *slots) newPath(name string) int {
	s.paths = append(s.paths, name)
	s.pathIDs[name] = len(s.paths) - 1
	return len(s.paths) - 1
}

// count adds a request that came to a server to those of a path or pattern.
func (s *slots) count(one *slot, path int, failed bool) {
	if path < 0 {
		return
	}
	for len(one.paths) <= path {
		one.paths = append(one.paths, pathSlot{})
		s.budget.use(pathSlotBytes)
	}
	one.paths[path].requests++
	if failed {
		one.paths[path].failed++
	}
}

// server returns the part of a slot that belongs to a server.
func (s *slots) server(one *slot, number int) *serverSlot {
	for len(one.servers) <= number {
		one.servers = append(one.servers, serverSlot{})
		s.budget.use(serverSlotBytes)
	}
	return &one.servers[number]
}

// observe adds an attempt; ms is -1 where nobody knows how long it took, or it does not matter.
func (s *slots) observe(one *slot, number int, ms int64, failed bool) {
	c := s.server(one, number)
	c.attempts++
	if failed {
		c.failed++
		return
	}
	if ms >= 0 {
		s.budget.use(c.addTimes(timeBucket(ms), 1))
	}
}

// add adds another slot; servers and paths map its numbers to those used here; nil if they are the same.
func (one *slot) add(other *slot, servers, paths []int) {
	one.requests += other.requests
	one.asked += other.asked
	one.spread += other.spread
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
		if n < 0 {
			continue
		}
		for len(one.paths) <= n {
			one.paths = append(one.paths, pathSlot{})
		}
		one.paths[n].requests += p.requests
		one.paths[n].failed += p.failed
	}
}

func (s *serverSlot) add(other *serverSlot) {
	s.attempts += other.attempts
	s.failed += other.failed
	for _, few := range other.times {
		s.addTimes(few.bucket(), few.count())
	}
}

// merge adds the slots of another worker, which is not used after that.
func (s *slots) merge(other *slots) {
	for s.width < other.width {
		s.double()
		s.level++
	}
	for other.width < s.width {
		other.double()
	}
	servers, paths := make([]int, len(other.servers)), make([]int, len(other.paths))
	for i, name := range other.servers {
		servers[i] = s.number(name)
	}
	for i, name := range other.paths {
		if isPattern(name) {
			paths[i] = s.pattern(name)
		} else {
			paths[i] = s.path(name)
		}
	}
	for number, one := range other.slots {
		before := one.bytes()
		into := s.insert(number)
		before += into.bytes()
		into.add(one, servers, paths)
		s.budget.use(into.bytes() - before)
		delete(other.slots, number)
	}
	s.shrink()
}

// sorted returns the numbers of the slots in order.
func (s *slots) sorted() []int64 {
	numbers := make([]int64, 0, len(s.slots))
	for n := range s.slots {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}
