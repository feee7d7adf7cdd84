package source

import (
	"maps"
	"net"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// A Node is the operators' name for an upstream server.
type Node struct {
	Name    string `yaml:"name"`
	Address string `yaml:"address"` // host:port, or unix:/path
}

// A Topology maps a server's address to the groups of nginx.conf and to the nodes section. It is immutable, so every
// log's goroutine and every scrape may read it; a reload creates a new one. The zero Topology is empty.
type Topology struct {
	groupOf map[string]string // server address → first upstream that holds it
	groups  map[string]bool   // names of upstreams
	hosts   map[string]string // host of a group that has no upstream block → its name
	nodeOf  map[string]string // server address → node name
}

// Topology returns the Topology of nginx.conf and the nodes, with the names of servers resolved as far as possible.
func (s *Settings) Topology() *Topology {
	t := NewTopology(s.upstreams(), s.Nodes, s.Resolved)
	t.addNamed(s.upstreams(), s.Nodes, s.Former) // a present address of a name precedes a former one
	return t
}

// StreamTopology is Topology for the groups of stream{}.
func (s *Settings) StreamTopology() *Topology {
	t := NewTopology(s.streamUpstreams(), s.Nodes, s.Resolved)
	t.addNamed(s.streamUpstreams(), s.Nodes, s.Former)
	return t
}

func (s *Settings) streamUpstreams() []nginxconf.Upstream {
	if s.Conf == nil {
		return nil
	}
	return s.Conf.Stream.Upstreams
}

func (s *Settings) upstreams() []nginxconf.Upstream {
	if s.Conf == nil {
		return nil
	}
	return s.Conf.Upstreams
}

// NewTopology combines the groups and the nodes; resolved maps names to addresses.
func NewTopology(upstreams []nginxconf.Upstream, nodes []Node, resolved map[string][]string) *Topology {
	t := &Topology{
		groupOf: map[string]string{}, groups: map[string]bool{}, hosts: map[string]string{},
		nodeOf: map[string]string{},
	}
	for _, u := range upstreams {
		t.groups[u.Name] = true
		if host, _, err := net.SplitHostPort(u.Name); err == nil && u.Implicit {
			setFirst(t.hosts, host, u.Name)
		}
		for _, s := range u.Servers {
			setFirst(t.groupOf, s.Address, u.Name)
		}
	}
	for _, n := range nodes {
		t.nodeOf[n.Address] = n.Name
	}
	// A literal address precedes the address of a name.
	t.addNamed(upstreams, nodes, resolved)
	return t
}

// addNamed adds the addresses of servers and nodes that are given by name.
func (t *Topology) addNamed(upstreams []nginxconf.Upstream, nodes []Node, resolved map[string][]string) {
	for _, u := range upstreams {
		for _, s := range u.Servers {
			for _, address := range resolved[s.Address] {
				setFirst(t.groupOf, address, u.Name)
			}
		}
	}
	for _, n := range nodes {
		for _, address := range resolved[n.Address] {
			setFirst(t.nodeOf, address, n.Name)
		}
	}
	// A node may be given by one address where nginx.conf has a name: the node's name applies to the server and all
	// its addresses.
	for _, server := range slices.Sorted(maps.Keys(resolved)) {
		name, ok := t.nodeOf[server]
		for _, address := range resolved[server] {
			if !ok {
				name, ok = t.nodeOf[address]
			}
		}
		if !ok {
			continue
		}
		setFirst(t.nodeOf, server, name)
		for _, address := range resolved[server] {
			setFirst(t.nodeOf, address, name)
		}
	}
}

func setFirst(m map[string]string, key, value string) {
	if _, taken := m[key]; !taken {
		m[key] = value
	}
}

// Upstream returns the group that holds the server, or "".
func (t *Topology) Upstream(server string) string {
	return t.groupOf[nginxconf.WithPort(server, ":80")]
}

// Node returns the server's name, or "".
func (t *Topology) Node(server string) string { return t.nodeOf[nginxconf.WithPort(server, ":80")] }

// IsGroup reports whether nginx.conf has an upstream of this name.
func (t *Topology) IsGroup(name string) bool { return t.groups[name] }

// GroupName returns the name of the group that NGINX logs if a group has no live server. For an address that a *_pass
// names without an upstream block, NGINX logs only its host.
func (t *Topology) GroupName(logged string) string {
	if name, isHost := t.hosts[logged]; isHost && !t.groups[logged] {
		return name
	}
	return logged
}

// Groups returns the names of the upstreams, sorted.
func (t *Topology) Groups() []string { return slices.Sorted(maps.Keys(t.groups)) }

// Servers returns the addresses of all servers and nodes that NGINX may log, sorted, without unresolved names.
func (t *Topology) Servers() []string {
	servers := maps.Clone(t.groupOf)
	maps.Copy(servers, t.nodeOf)
	for address := range servers {
		if isName(address) {
			delete(servers, address)
		}
	}
	return slices.Sorted(maps.Keys(servers))
}
