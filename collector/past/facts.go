package past

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
	"github.com/fremisn/fremisn-exporter/collector/source"
)

// facts are what nginx.conf and the nodes define for servers, by their addresses in the log.
type facts struct {
	topology *source.Topology
	conf     *nginxconf.Config // nil without an nginx.conf
	servers  map[string]nginxconf.Server
	groups   map[string]nginxconf.Upstream
}

func newFacts(s *source.Settings) *facts {
	f := &facts{topology: s.Topology(), conf: s.Conf, servers: map[string]nginxconf.Server{},
		groups: map[string]nginxconf.Upstream{}}
	if s.Conf == nil {
		return f
	}
	for _, u := range s.Conf.Upstreams {
		f.groups[u.Name] = u
		for _, server := range u.Servers {
			for _, address := range append([]string{server.Address}, s.Resolved[server.Address]...) {
				if _, taken := f.servers[address]; !taken {
					f.servers[address] = server
				}
			}
		}
	}
	return f
}

func (f *facts) upstream(server string) string { return f.topology.Upstream(server) }

// name returns the name of a server for people.
func (f *facts) name(server string) string {
	if node := f.topology.Node(server); node != "" {
		return node + " (" + server + ")"
	}
	return server
}

// server returns a server's definition in nginx.conf, with NGINX's defaults.
func (f *facts) server(address string) nginxconf.Server {
	if s, ok := f.servers[address]; ok {
		return s
	}
	return nginxconf.Server{Address: address, Weight: 1, MaxFails: 1, FailTimeout: defaultFailTimeout}
}

const defaultFailTimeout = 10 * time.Second

// size returns how many servers a group has, 0 if nginx.conf does not say.
func (f *facts) size(group string) int { return len(f.groups[group].Servers) }

// timeout returns a server's fail_timeout in milliseconds.
func (f *facts) timeout(server string) int64 { return f.server(server).FailTimeout.Milliseconds() }

// longestTimeout returns the longest fail_timeout, in milliseconds.
func (f *facts) longestTimeout() int64 {
	longest := defaultFailTimeout
	for _, s := range f.servers {
		longest = max(longest, s.FailTimeout)
	}
	return longest.Milliseconds()
}

// An interval is a stretch of time in Unix milliseconds.
type interval struct{ from, to int64 }

// outs returns the times in which NGINX passes servers over, as far as failures show: max_fails of them within
// fail_timeout take a server out for fail_timeout, compared in whole seconds. The only server of a group is never out.
func (f *facts) outs(failures map[string][]int64) []interval {
	var outs []interval
	for _, server := range slices.Sorted(maps.Keys(failures)) {
		s := f.server(server)
		if s.MaxFails <= 0 || f.size(f.upstream(server)) == 1 {
			continue
		}
		seconds := int64(s.FailTimeout / time.Second)
		times := failures[server]
		for i := s.MaxFails - 1; i < len(times); i++ {
			if times[i]-times[i-s.MaxFails+1] <= (seconds+1)*1000 {
				outs = append(outs, interval{times[i], (floorDiv(times[i], 1000) + seconds + 1) * 1000})
			}
		}
	}
	return outs
}

// merged returns intervals in the order of time, with adjacent ones joined.
func merged(list []interval) []interval {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	var joined []interval
	for _, i := range list {
		if last := len(joined) - 1; last >= 0 && i.from <= joined[last].to {
			joined[last].to = max(joined[last].to, i.to)
			continue
		}
		joined = append(joined, i)
	}
	return joined
}

// covered reports whether a time is in one of the intervals.
func covered(list []interval, at int64) bool {
	return slices.ContainsFunc(list, func(i interval) bool { return i.from <= at && at <= i.to })
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// proxy returns the first proxy_pass, or another *_pass, to a group.
func (f *facts) proxy(group string) (nginxconf.Proxy, bool) {
	if f.conf == nil {
		return nginxconf.Proxy{}, false
	}
	i := slices.IndexFunc(f.conf.Proxies, func(p nginxconf.Proxy) bool { return p.Upstream == group })
	if i < 0 {
		return nginxconf.Proxy{}, false
	}
	return f.conf.Proxies[i], true
}
