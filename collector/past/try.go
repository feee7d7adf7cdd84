package past

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/past/internal/model"
)

// A Try is a set of changes to try, in the given order.
type Try []Change

// A Change sets a key to another value.
type Change struct{ Key, Value string }

// String returns the changes in the syntax of --try.
func (t Try) String() string {
	var parts []string
	for _, c := range t {
		parts = append(parts, c.Key+"="+c.Value)
	}
	return strings.Join(parts, ",")
}

// MarshalJSON writes an object, with numbers as numbers.
func (t Try) MarshalJSON() ([]byte, error) {
	set := map[string]any{}
	for _, c := range t {
		if n, err := strconv.ParseFloat(c.Value, 64); err == nil {
			set[c.Key] = n
		} else {
			set[c.Key] = c.Value
		}
	}
	return json.Marshal(set)
}

// A key is something that --try can change.
type key struct {
	name, want string // what a value is, in words
	set        func(s *settings, value string) bool
}

func keys() []key {
	return []key{
		{"max_conns", "a number, 0 for no limit", func(s *settings, v string) bool {
			n, ok := parseInt(v, 0)
			for i := range s.group.Servers {
				s.group.Servers[i].MaxConns = n
			}
			return ok
		}},
		{"servers", "how many servers, such as 4", func(s *settings, v string) bool {
			n, ok := parseInt(v, 1)
			s.setServers(min(n, maxServers))
			return ok && n <= maxServers
		}},
		{"balance", "round_robin or least_conn", func(s *settings, v string) bool {
			s.group.LeastConn = v == "least_conn"
			return v == "least_conn" || v == "round_robin"
		}},
		{"workers", "how many workers, such as 1", func(s *settings, v string) bool {
			n, ok := parseInt(v, 1)
			s.group.Workers, s.logged = n, false
			return ok && n <= maxWorkers
		}},
		{"zone", "on or off", func(s *settings, v string) bool { return onOff(v, &s.group.Shared) }},
		{"limit_req.rate", "requests a second, such as 10 or 0.5", func(s *settings, v string) bool {
			rate, err := strconv.ParseFloat(v, 64)
			s.limit().Rate = rate
			return err == nil && rate >= 0.001 && rate <= 1e9
		}},
		{"limit_req.burst", "a number of requests, such as 20", func(s *settings, v string) bool {
			n, ok := parseInt(v, 0)
			s.limit().Burst = n
			return ok
		}},
		{"limit_req.nodelay", "on or off", func(s *settings, v string) bool {
			l := s.limit()
			l.Delay = 0
			return onOff(v, &l.NoDelay)
		}},
		{"load", "a factor, such as 1.5", func(s *settings, v string) bool {
			load, err := strconv.ParseFloat(v, 64)
			s.load = load
			return err == nil && load >= 0.001 && load <= 1000
		}},
	}
}

const (
	maxServers = 1000
	maxWorkers = 1024
)

func parseInt(text string, least int) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least && n <= 1<<30
}

func onOff(text string, into *bool) bool {
	*into = text == "on"
	return text == "on" || text == "off"
}

// ParseTry reads KEY=VALUE[,KEY=VALUE…].
func ParseTry(text string) (Try, error) {
	var t Try
	var known []string
	for _, k := range keys() {
		known = append(known, k.name)
	}
	for _, part := range strings.Split(text, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		i := slices.Index(known, name)
		switch {
		case i < 0:
			return nil, fmt.Errorf("--try %q: unknown key %q; the keys are %s", text, name, strings.Join(known, ", "))
		case slices.ContainsFunc(t, func(c Change) bool { return c.Key == name }):
			return nil, fmt.Errorf("--try %q: %s is given twice", text, name)
		}
		scratch := &settings{group: model.Group{Servers: []model.Server{{}}}}
		if k := keys()[i]; !found || !k.set(scratch, value) {
			return nil, fmt.Errorf("--try %q: %s takes %s, not %q", text, name, k.want, value)
		}
		t = append(t, Change{name, value})
	}
	return t, nil
}

// settings are the input of a run of the model.
type settings struct {
	group   model.Group
	load    float64
	logged  bool // the workers are the log's
	skew    float64
	limited bool // a limit that the log's NGINX does not have applies to all requests of the group
}

// with returns the settings with changes.
func (s settings) with(t Try) settings {
	s.group.Servers = slices.Clone(s.group.Servers)
	if s.group.Limit != nil {
		l := *s.group.Limit
		s.group.Limit = &l
	}
	for _, c := range t {
		for _, k := range keys() {
			if k.name == c.Key {
				k.set(&s, c.Value)
			}
		}
	}
	if l := s.group.Limit; l != nil && l.Rate == 0 {
		s.group.Limit = nil // a burst without a rate limits nothing
	}
	return s
}

// limits reports whether a change is one of limit_req.
func (t Try) limits() bool {
	return slices.ContainsFunc(t, func(c Change) bool { return strings.HasPrefix(c.Key, "limit_req.") })
}

func (s *settings) limit() *model.Limit {
	if s.group.Limit == nil {
		s.group.Limit, s.limited = &model.Limit{}, true
	}
	return s.group.Limit
}

// setServers keeps the first n servers that are not backups, or adds copies of the last of them.
func (s *settings) setServers(n int) {
	var primary, backup []model.Server
	for _, server := range s.group.Servers {
		if server.Backup {
			backup = append(backup, server)
		} else {
			primary = append(primary, server)
		}
	}
	if len(primary) == 0 {
		return
	}
	last := primary[len(primary)-1]
	for i := len(primary); i < n; i++ {
		last.Name = fmt.Sprintf("server %d", i+1)
		primary = append(primary, last)
	}
	s.group.Servers = append(primary[:min(n, len(primary)):min(n, len(primary))], backup...)
}

// TryKeys returns the keys that a Try may have.
func TryKeys() []string {
	var names []string
	for _, k := range keys() {
		names = append(names, k.name)
	}
	return names
}
