package source

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// resolvePatience limits the lookup of all names; unresolved names keep their addresses.
const resolvePatience = 2 * time.Second

// maxFormer is how many former addresses of a name are kept.
const maxFormer = 32

// A lookup returns the addresses of a host.
type lookup func(ctx context.Context, host string) ([]string, error)

// Resolve looks up the servers and nodes that are given by name, since NGINX logs the addresses that it found when it
// started. An unresolved name keeps its addresses, and replaced ones are kept as former addresses. Resolve reports
// whether anything has changed. It must not be called once the settings are in use.
func (s *Settings) Resolve(ctx context.Context) bool {
	return s.resolve(ctx, net.DefaultResolver.LookupHost)
}

func (s *Settings) resolve(ctx context.Context, look lookup) (changed bool) {
	found := lookUp(ctx, s.named(), look)
	resolved := map[string][]string{}
	former := map[string][]string{}
	for _, name := range s.named() {
		now, before := found[name], s.Resolved[name]
		if now == nil {
			now = before
		}
		if now != nil {
			resolved[name] = now
		}
		if addresses := formerOf(now, before, s.Former[name]); addresses != nil {
			former[name] = addresses
		}
		changed = changed || !slices.Equal(now, before)
	}
	s.Resolved, s.Former = resolved, former
	return changed
}

// formerOf returns the addresses that a name has had and no longer has, the last first.
func formerOf(now []string, before ...[]string) []string {
	var former []string
	for _, addresses := range before {
		for _, address := range addresses {
			if len(former) < maxFormer && !slices.Contains(now, address) && !slices.Contains(former, address) {
				former = append(former, address)
			}
		}
	}
	return former
}

// lookUp returns the addresses of the names that are resolved in time, sorted.
func lookUp(ctx context.Context, names []string, look lookup) map[string][]string {
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	found := map[string][]string{}
	var mu sync.Mutex
	var looking sync.WaitGroup
	for _, name := range names {
		looking.Go(func() {
			host, port, err := net.SplitHostPort(name)
			if err != nil {
				return
			}
			hosts, err := look(ctx, host)
			if err != nil {
				return // NGINX reports it by not starting, and so does the server's probe
			}
			var addresses []string
			for _, h := range hosts {
				addresses = append(addresses, net.JoinHostPort(h, port))
			}
			slices.Sort(addresses)
			mu.Lock()
			defer mu.Unlock()
			found[name] = slices.Compact(addresses)
		})
	}
	looking.Wait()
	return found
}

// keepNames keeps the addresses that names had before, until they are looked up.
func (s *Settings) keepNames(before *Settings) {
	s.Resolved, s.Former = orEmpty(s.Resolved), orEmpty(s.Former)
	for _, name := range s.named() {
		if s.Resolved[name] == nil && before.Resolved[name] != nil {
			s.Resolved[name] = before.Resolved[name]
		}
		if former := formerOf(s.Resolved[name], s.Former[name], before.Resolved[name],
			before.Former[name]); former != nil {
			s.Former[name] = former
		}
	}
}

func orEmpty(m map[string][]string) map[string][]string {
	if m == nil {
		return map[string][]string{}
	}
	return maps.Clone(m)
}

// named returns the addresses of servers and nodes whose host is a name.
func (s *Settings) named() []string {
	var all []string
	add := func(address string) {
		if isName(address) && !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	for _, u := range slices.Concat(s.upstreams(), s.streamUpstreams()) {
		for _, server := range u.Servers {
			add(server.Address)
		}
	}
	for _, n := range s.Nodes {
		add(n.Address)
	}
	return all
}

// Unresolved reports whether a name has not been resolved yet.
func (s *Settings) Unresolved() bool { return len(s.Resolved) < len(s.named()) }

// isName reports whether the host of a server's address is a name.
func isName(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && !strings.HasPrefix(address, "unix:") && net.ParseIP(host) == nil
}
