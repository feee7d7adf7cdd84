package source

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// Servers and nodes that are given by name are known by the addresses that NGINX logs; those that had none at first are
// looked up again, and those that had one are not.
func TestServersByName(t *testing.T) {
	settings := &Settings{
		Conf: &nginxconf.Config{Upstreams: []nginxconf.Upstream{
			{Name: "first", Servers: []nginxconf.Server{{Address: "master:4005"}, {Address: "late:4008"},
				{Address: "unix:/run/node.sock"}}},
			{Name: "second", Servers: []nginxconf.Server{{Address: "10.0.0.1:4005"}, {Address: "master:4005"}}},
		}},
		Nodes: []Node{{Name: "m", Address: "[fd00::1]:4005"}, {Name: "l", Address: "late:4008"}},
	}
	asked := map[string]int{}
	hosts := map[string][]string{"master": {"fd00::1", "10.0.0.1"}}
	look := func(_ context.Context, host string) ([]string, error) {
		asked[host]++
		if hosts[host] == nil {
			return nil, errors.New("no such host")
		}
		return hosts[host], nil
	}
	// One name at a time: look is not made for several.
	one := make(chan struct{}, 1)
	serial := func(ctx context.Context, host string) ([]string, error) {
		one <- struct{}{}
		defer func() { <-one }()
		return look(ctx, host)
	}
	if !settings.resolve(context.Background(), serial) || !settings.Unresolved() {
		t.Errorf("resolved %v, want one of two names", settings.Resolved)
	}
	if settings.resolve(context.Background(), serial) {
		t.Error("nothing has changed, and something was found")
	}
	hosts["late"] = []string{"10.0.0.2"}
	if !settings.resolve(context.Background(), serial) || settings.Unresolved() {
		t.Errorf("resolved %v, want both names", settings.Resolved)
	}
	if diff := cmp.Diff(map[string]int{"master": 3, "late": 3}, asked); diff != "" {
		t.Error(diff)
	}
	expectServers(t, settings.Topology(), map[string][2]string{
		"[fd00::1]:4005": {"first", "m"},
		"10.0.0.1:4005":  {"second", "m"}, // written so in the second group; of the node's server as well
		"10.0.0.2:4008":  {"first", "l"},
		"master:4005":    {"first", "m"},
		"10.0.0.2:4005":  {"", ""},
	})

	// The container comes back with another address: its former one keeps its group and node, since the log has it.
	hosts["late"] = []string{"10.0.0.3"}
	if !settings.resolve(context.Background(), serial) {
		t.Error("another address is not noticed")
	}
	delete(hosts, "master") // the name server is silent: known addresses stay
	if settings.resolve(context.Background(), serial) {
		t.Error("a name that is not found changes something")
	}
	expectServers(t, settings.Topology(), map[string][2]string{
		"10.0.0.3:4008": {"first", "l"}, "10.0.0.2:4008": {"first", "l"}, "[fd00::1]:4005": {"first", "m"},
	})

	// Read again, as by a reload, the settings keep the addresses of names.
	reread := &Settings{Conf: settings.Conf, Nodes: settings.Nodes}
	hosts["late"] = []string{"10.0.0.4"}
	reread.resolve(context.Background(), serial)
	expectServers(t, reread.After(settings).Topology(), map[string][2]string{
		"10.0.0.2:4008": {"first", "l"}, "10.0.0.3:4008": {"first", "l"}, "10.0.0.4:4008": {"first",
			"l"}, "[fd00::1]:4005": {"first", "m"},
	})
	for i := range 1000 { // however often the name moves
		hosts["late"] = []string{fmt.Sprintf("10.1.%d.%d", i/250, i%250)}
		settings.resolve(context.Background(), serial)
	}
	if n := len(settings.Former["late:4008"]); n != maxFormer {
		t.Errorf("%d former addresses are kept", n)
	}
}

func expectServers(t *testing.T, topo *Topology, want map[string][2]string) {
	t.Helper()
	for server, want := range want {
		if got := [2]string{topo.Upstream(server), topo.Node(server)}; got != want {
			t.Errorf("%s is of group and node %q, want %q", server, got, want)
		}
	}
}

func TestResolveOfThisHost(t *testing.T) {
	settings := &Settings{Nodes: []Node{{Name: "here", Address: "localhost:4005"}}}
	if !settings.Resolve(context.Background()) || NewTopology(nil, settings.Nodes,
		settings.Resolved).Node("127.0.0.1:4005") != "here" {
		t.Errorf("resolved %v", settings.Resolved)
	}
}
