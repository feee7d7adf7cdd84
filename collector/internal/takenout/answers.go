package takenout

import (
	"sync"
	"time"
)

// answersKept is how long the answers of servers are remembered.
const answersKept = time.Hour

const (
	seconds   = int64(answersKept / time.Second)
	wordBits  = 64
	words     = (seconds + wordBits - 1) / wordBits
	maxServer = 1024
)

// Answers remembers the seconds of the last hour in which servers answered. Any goroutine may use it. A nil Answers is
// empty.
type Answers struct {
	mu      sync.Mutex
	servers map[string]*answered
}

// answered is a ring of a bit for each second, and the latest second that it holds.
type answered struct {
	latest int64
	ring   [words]uint64
}

// NewAnswers returns empty Answers.
func NewAnswers() *Answers { return &Answers{servers: map[string]*answered{}} }

// Mark records that a server answered in a second, Unix time.
func (a *Answers) Mark(server string, second int64) {
	if a == nil || second <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.servers[server]
	if s == nil {
		if len(a.servers) == maxServer {
			return
		}
		s = &answered{latest: second}
		a.servers[server] = s
	}
	s.mark(second)
}

func (s *answered) mark(second int64) {
	if second <= s.latest-seconds {
		return
	}
	if second-s.latest >= seconds {
		s.ring = [words]uint64{}
	} else {
		for passed := s.latest + 1; passed <= second; passed++ {
			word, bit := position(passed)
			s.ring[word] &^= bit
		}
	}
	s.latest = max(s.latest, second)
	word, bit := position(second)
	s.ring[word] |= bit
}

func position(second int64) (word int64, bit uint64) {
	at := second % seconds
	return at / wordBits, 1 << (at % wordBits)
}

// After returns the first second after a time in which a server answered, and whether there is one.
func (a *Answers) After(server string, moment time.Time) (time.Time, bool) {
	if a == nil {
		return time.Time{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.servers[server]
	if s == nil {
		return time.Time{}, false
	}
	for second := max(moment.Unix()+1, s.latest-seconds+1); second <= s.latest; second++ {
		if word, bit := position(second); s.ring[word]&bit != 0 {
			return time.Unix(second, 0).UTC(), true
		}
	}
	return time.Time{}, false
}
