package collector

import (
	"strings"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// A Node is a name that operators give to an upstream server.
type Node struct {
	Name    string `yaml:"name"`
	Address string `yaml:"address"` // host:port, or unix:/path
}

// A topology says what nginx.conf and the nodes section know of a server's address. It is immutable, so every
// log's goroutine and every scrape may read it; a reload makes a new one. The zero topology knows nothing.
type topology struct {
	groupOf map[string]string // server address → first upstream that holds it
	groups  map[string]bool   // names of upstreams
	nodeOf  map[string]string // server address → node name
}

// newTopology puts together what the groups and the nodes say; resolved are the addresses of those given by name.
func newTopology(upstreams []nginxconf.Upstream, nodes []Node, resolved map[string][]string) *topology {
	t := &topology{groupOf: map[string]string{}, groups: map[string]bool{}, nodeOf: map[string]string{}}
	for _, u := range upstreams {
		t.groups[u.Name] = true
		for _, s := range u.Servers {
			setFirst(t.groupOf, s.Address, u.Name)
		}
	}
	for _, n := range nodes {
		t.nodeOf[n.Address] = n.Name
	}
	// What is written as an address goes before what a name leads to.
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
	for server, addresses := range resolved { // a node may be given by its address where nginx.conf has a name
		for _, address := range addresses {
			if name, known := t.nodeOf[address]; known {
				setFirst(t.nodeOf, server, name)
			}
		}
	}
	return t
}

func setFirst(m map[string]string, key, value string) {
	if _, taken := m[key]; !taken {
		m[key] = value
	}
}

// upstream returns the group that holds the server, "" where none does.
func (t *topology) upstream(server string) string { return t.groupOf[withPort(server)] }

// node returns the server's name, "" where it has none.
func (t *topology) node(server string) string { return t.nodeOf[withPort(server)] }

// isGroup tells whether nginx.conf has an upstream of this name.
func (t *topology) isGroup(name string) bool { return t.groups[name] }

// withPort gives a server the port that NGINX takes where none is written.
func withPort(server string) string {
	if server == "" || strings.HasPrefix(server, "unix:") {
		return server
	}
	if i := strings.LastIndexByte(server, ':'); i < 0 || strings.HasSuffix(server, "]") {
		return server + ":80"
	}
	return server
}
