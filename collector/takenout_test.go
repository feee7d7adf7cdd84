package collector

import (
	"strings"
	"testing"
	"time"

	"github.com/fremisn/fremisn-exporter/collector/nginxconf"
)

// TestServersThatNGINXMayPassOver: the only server of a group never is, nor one with max_fails=0 or down. A backup
// makes a group of two. The method decides nothing: all of NGINX's own share the counting of failures.
func TestServersThatNGINXMayPassOver(t *testing.T) {
	usual := nginxconf.Server{MaxFails: 1, FailTimeout: 10 * time.Second}
	server := func(address string, change func(*nginxconf.Server)) nginxconf.Server {
		s := usual
		s.Address = address
		if change != nil {
			change(&s)
		}
		return s
	}
	backup := func(s *nginxconf.Server) { s.Backup = true }
	down := func(s *nginxconf.Server) { s.Down = true }
	never := func(s *nginxconf.Server) { s.MaxFails = 0 }
	drain := func(s *nginxconf.Server) { s.Drain = true }
	two := []nginxconf.Server{server("a:80", nil), server("b:80", nil)}
	for name, c := range map[string]struct {
		group    nginxconf.Upstream
		resolved map[string][]string
		want     string
	}{
		"two servers":     {nginxconf.Upstream{Servers: two}, nil, "a:80 b:80"},
		"least_conn":      {nginxconf.Upstream{Servers: two, Method: "least_conn"}, nil, "a:80 b:80"},
		"hash":            {nginxconf.Upstream{Servers: two, Method: "hash"}, nil, "a:80 b:80"},
		"balanced by Lua": {nginxconf.Upstream{Servers: two, Method: "lua"}, nil, ""},
		"one server":      {nginxconf.Upstream{Servers: two[:1]}, nil, ""},
		"one server, two addresses": {nginxconf.Upstream{Servers: two[:1]},
			map[string][]string{"a:80": {"10.0.0.1:80", "10.0.0.2:80"}}, "10.0.0.1:80 10.0.0.2:80"},
		"a backup": {nginxconf.Upstream{Servers: []nginxconf.Server{two[0], server("b:80", backup)}}, nil, "a:80 b:80"},
		"down":     {nginxconf.Upstream{Servers: []nginxconf.Server{two[0], server("b:80", down)}}, nil, "a:80"},
		"drain":    {nginxconf.Upstream{Servers: []nginxconf.Server{two[0], server("b:80", drain)}}, nil, "a:80 b:80"},
		"never":    {nginxconf.Upstream{Servers: []nginxconf.Server{two[0], server("b:80", never)}}, nil, "a:80"},
	} {
		var got []string
		for _, s := range passableServers(c.group, c.resolved) {
			got = append(got, s.Address)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}
