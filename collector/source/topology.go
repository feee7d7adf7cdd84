package source

import (
	"maps"
	"net"
	"slices"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// A Node is a name that operators give to an upstream server.
type Node struct {
	Name    string `yaml:"name"`
	Address string `yaml:"address"` // host:port, or unix:/path
}

// A Topology says what nginx.conf and the nodes section know of a server's address. It is immutable, so every
// log's goroutine and every scrape may read it; a reload makes a new one. The zero Topology knows nothing.
type Topology struct {
	groupOf map[string]string // server address → first upstream that holds it
	groups  map[string]bool   // names of upstreams
	hosts   map[string]string // host of a group that has no upstream block → its name
	nodeOf  map[string]string // server address → node name
}

// Topology returns what nginx.conf and the nodes say, names of servers resolved as far as they are.
func (s *Settings) Topology() *Topology {
	t := NewTopology(s.upstreams(), s.Nodes, s.Resolved)
	t.addNamed(s.upstreams(), s.Nodes, s.Former) // an address that a name has goes before one that another had
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

// NewTopology puts together what the groups and the nodes say; resolved are the addresses of those given by name.
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
	// What is written as an address goes before what a name leads to.
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
	// A node may be given by one address where nginx.conf has a name: its name goes to the server and all its
	// addresses.
	for _, server := range slices.Sorted(maps.Keys(resolved)) {
		name, known := t.nodeOf[server]
		for _, address := range resolved[server] {
			if !known {
				name, known = t.nodeOf[address]
			}
		}
		if !known {
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

// Upstream returns the group that holds the server, "" where none does.
func (t *Topology) Upstream(server string) string {
	return t.groupOf[nginxconf.WithPort(server, ":80")]
}

// Node returns the server's name, "" where it has none.
func (t *Topology) Node(server string) string { return t.nodeOf[nginxconf.WithPort(server, ":80")] }

// IsGroup reports whether nginx.conf has an upstream of this name.
func (t *Topology) IsGroup(name string) bool { return t.groups[name] }

// GroupName returns the name of the group that NGINX logs where a group has no live server. Of an address that a *_pass
// names without an upstream block that is its host alone.
func (t *Topology) GroupName(logged string) string {
	if name, isHost := t.hosts[logged]; isHost && !t.groups[logged] {
		return name
	}
	return logged
}

// Groups are the names of the upstreams, sorted.
func (t *Topology) Groups() []string { return slices.Sorted(maps.Keys(t.groups)) }

// Servers are the addresses of all servers and nodes that NGINX may log, sorted. A name that has not been found is
// none.
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
