package takenout

import (
	"encoding/json"
	"fmt"
	"time"
)

// saved is a Tracker in its saved form. The servers are identified by group and address.
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

// State returns the tracker in the form that Restore reads.
func (t *Tracker) State() ([]byte, error) {
	state := saved{Outages: t.outages, Causes: t.causes}
	for _, s := range t.servers {
		state.Servers = append(state.Servers, savedServer{
			s.Upstream, s.Address, s.workers, s.open, s.shown, s.seconds, s.taken,
		})
	}
	return json.Marshal(state)
}

// Restore restores a state. Servers that it does not have have seen no failure.
func (t *Tracker) Restore(state []byte) error {
	var from saved
	if err := json.Unmarshal(state, &from); err != nil {
		return fmt.Errorf("restoring which servers are taken out: %w", err)
	}
	for _, before := range from.Servers {
		if len(before.Workers) > keepWorkers || before.Seconds < 0 {
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
