package probe

import "time"

// A State describes a target at one moment.
type State struct {
	Probe, Target, Node, Module string
	Address                     string // the target's host:port
	Done                        bool   // a probe has ended
	Success                     bool   // of the last one
	Failures                    int    // in a row
	Since                       time.Time
	Last                        Result     // without its phases, samples and log
	Numbers                     []Sample   // of the last one: those that the module takes from bodies
	Hour                        [60]Minute // the last hour, the oldest minute first
}

// A Minute counts the probes that began in one minute.
type Minute struct{ Succeeded, Failed uint16 }

// States returns the state of every target. Since is when it began to succeed, or to fail.
func (s *Service) States() []State {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	now := time.Now()
	states := make([]State, 0, len(targets))
	for _, t := range targets {
		states = append(states, t.state(now))
	}
	return states
}

func (t *target) state(now time.Time) State {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := State{
		Probe: t.probe, Target: t.masked, Node: t.node, Module: t.module.name, Address: t.at,
		Failures: int(t.counts.consecutive), Since: t.since, Hour: t.hour.until(now),
	}
	if t.last != nil {
		s.Done, s.Success, s.Last = true, t.last.success(), t.last.brief()
		s.Numbers = t.measured.only(t.module.numbers)
	}
	return s
}

// An hour is a ring of minutes.
type hour [60]struct {
	number            int32 // Unix time / minute
	succeeded, failed uint16
}

func (h *hour) add(when time.Time, success bool) {
	number := int32(when.Unix() / 60)
	m := &h[number%60]
	if m.number != number {
		m.number, m.succeeded, m.failed = number, 0, 0
	}
	if success {
		m.succeeded++
	} else {
		m.failed++
	}
}

// until returns the hour that ends with the minute of a time.
func (h *hour) until(now time.Time) (minutes [60]Minute) {
	newest := int32(now.Unix() / 60)
	for _, m := range h {
		if age := newest - m.number; age >= 0 && age < 60 {
			minutes[59-age] = Minute{m.succeeded, m.failed}
		}
	}
	return minutes
}
