package source

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// resolvePatience bounds the looking up of all names; names that are not found in it are looked up again later.
const resolvePatience = 2 * time.Second

// A lookup gives the addresses of a host.
type lookup func(ctx context.Context, host string) ([]string, error)

// Resolve looks up the servers and nodes that are given by name, for NGINX logs the addresses that it has found when it
// started. It tells whether it has found any that were not known before.
func (s *Settings) Resolve(ctx context.Context) bool {
	return s.resolve(ctx, net.DefaultResolver.LookupHost)
}

func (s *Settings) resolve(ctx context.Context, look lookup) (found bool) {
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	resolved := map[string][]string{}
	var mu sync.Mutex
	var looking sync.WaitGroup
	for _, address := range s.named() {
		if known := s.Resolved[address]; known != nil {
			resolved[address] = known
			continue
		}
		looking.Go(func() {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return
			}
			hosts, err := look(ctx, host)
			if err != nil {
				return // said by NGINX, which does not start, and by the probe of the server
			}
			var addresses []string
			for _, h := range hosts {
				addresses = append(addresses, net.JoinHostPort(h, port))
			}
			slices.Sort(addresses)
			mu.Lock()
			defer mu.Unlock()
			resolved[address], found = addresses, true
		})
	}
	looking.Wait()
	s.Resolved = resolved
	return found
}

// named are the addresses of servers and nodes that have a name for their host.
func (s *Settings) named() []string {
	var all []string
	add := func(address string) {
		if isName(address) && !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	for _, u := range s.upstreams() {
		for _, server := range u.Servers {
			add(server.Address)
		}
	}
	for _, n := range s.Nodes {
		add(n.Address)
	}
	return all
}

// Unresolved tells whether a name has not been found yet.
func (s *Settings) Unresolved() bool { return len(s.Resolved) < len(s.named()) }

// isName reports whether a server's address has a name for its host.
func isName(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && !strings.HasPrefix(address, "unix:") && net.ParseIP(host) == nil
}
