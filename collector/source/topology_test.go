package source

import (
	"testing"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

func TestTopology(t *testing.T) {
	topo := NewTopology([]nginxconf.Upstream{
		{Name: "a", Servers: []nginxconf.Server{{Address: "10.0.0.1:80"}, {Address: "[::1]:80"}}},
		{Name: "b", Servers: []nginxconf.Server{{Address: "10.0.0.1:80"}, {Address: "unix:/run/app.sock"}}},
	}, []Node{{Name: "master", Address: "10.0.0.1:80"}}, nil)

	for server, want := range map[string]string{
		"10.0.0.1:80":        "a",
		"10.0.0.1":           "a",
		"[::1]":              "a",
		"unix:/run/app.sock": "b",
		"10.0.0.2:80":        "",
	} {
		if got := topo.Upstream(server); got != want {
			t.Errorf("upstream(%q) = %q, want %q", server, got, want)
		}
	}
	if got := topo.Node("10.0.0.1"); got != "master" {
		t.Errorf("node = %q, want master", got)
	}
	if !topo.IsGroup("b") || topo.IsGroup("10.0.0.1:80") {
		t.Error("isGroup does not distinguish groups from servers")
	}
}

// A group without an upstream block is logged by its host alone where it has no live server.
func TestGroupName(t *testing.T) {
	topo := NewTopology([]nginxconf.Upstream{
		{Name: "two.test:24556", Implicit: true}, {Name: "two.test:80", Implicit: true}, {Name: "app"},
		{Name: "app:3000", Implicit: true}, {Name: "[::1]:81", Implicit: true},
	}, nil, nil)
	for logged, want := range map[string]string{
		"two.test": "two.test:24556", "app": "app", "::1": "[::1]:81", "other": "other", "two.test:80": "two.test:80",
	} {
		if got := topo.GroupName(logged); got != want {
			t.Errorf("%s is %s, want %s", logged, got, want)
		}
	}
}
