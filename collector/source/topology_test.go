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
		t.Error("isGroup does not tell groups from servers")
	}
}
