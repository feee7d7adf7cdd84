package settings

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"

	"github.com/fremisn/fremisn-exporter/probe"
)

func loadText(t *testing.T, config, nginxConf string) *Settings {
	t.Helper()
	dir := t.TempDir()
	from := Source{NginxConf: filepath.Join(dir, "nginx.conf")}
	if err := os.WriteFile(from.NginxConf, []byte(nginxConf), 0o644); err != nil {
		t.Fatal(err)
	}
	if config != "" {
		from.ConfigFile = filepath.Join(dir, "probes.yml")
		if err := os.WriteFile(from.ConfigFile, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Load(context.Background(), from)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const twoGroups = `events {}
http {
  access_log off;
  upstream a { server 127.0.0.231:4005; server 127.0.0.18 backup; server 127.0.0.17:4009 down;
    server unix:/run/node.sock; }
  upstream b { server 127.0.0.231:4005 weight=2; server [::1]:4010; }
}
`

// Without a probes section every upstream server is probed, once, at / each 15 seconds: backups, too, and what is down
// not.
func TestProbesThatAreFound(t *testing.T) {
	want := []probe.Schedule{{Name: "upstream", Module: "alive", Interval: 15 * time.Second,
		Targets: []string{"http://127.0.0.231:4005/", "http://127.0.0.18:80/", "http://[::1]:4010/"},
	}, {Name: "upstream", Module: "alive_socket", Interval: 15 * time.Second, Targets: []string{"unix:/run/node.sock"}}}
	const withConf = "nginx: {config: nginx.conf}\n"
	for name, config := range map[string]string{"no config file": "", "a config file without probes": withConf +
		"nodes: [{name: a, address: \"127.0.0.231:4005\"}]\n"} {
		l := loadText(t, config, twoGroups)
		if diff := cmp.Diff(want, l.Probe.Probes); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if !reflect.DeepEqual(l.Probe.Modules["alive"], probe.DefaultModule()) {
			t.Errorf("%s: the module is another: %+v", name, l.Probe.Modules["alive"])
		}
		if got := l.Found["http://[::1]:4010/"]; got.Line != 6 {
			t.Errorf("%s: found at %s", name, got)
		}
	}
	for name, config := range map[string]string{
		"an empty list":        withConf + "probes: []\n",
		"no nginx.conf":        "nodes: [{name: a, address: \"127.0.0.231:4005\"}]\n",
		"a group of no server": "",
	} {
		conf := twoGroups
		if config == "" {
			conf = "events {}\nhttp { access_log off; upstream a { server 127.0.0.1:1 down; } }\n"
		}
		if l := loadText(t, config, conf); len(l.Probe.Probes) > 0 {
			t.Errorf("%s: probed is %+v", name, l.Probe.Probes)
		}
	}
	// The module can be replaced under its name.
	own := loadText(t, withConf+"modules: {alive: {prober: http, timeout: 1s}}\n", twoGroups)
	if got := own.Probe.Modules["alive"].Timeout; got != time.Second || len(own.Probe.Probes) != 2 {
		t.Errorf("a module of the same name: timeout %s, %d probes", got, len(own.Probe.Probes))
	}
}

// How a server is asked follows from the *_pass that leads to it, and each kind of server answers to that.
func TestServersAreAskedAsNGINXDoes(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	socket := filepath.Join(t.TempDir(), "app.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	tls, http := secure.Listener.Addr().String(), plain.Listener.Addr().String()
	other := strings.Replace(http, "127.0.0.1", "127.0.0.2", 1) // nobody listens there
	s := loadText(t, "", `events {}
http {
  access_log off;
  upstream tls { server `+tls+`; }
  upstream socket { server unix:`+socket+`; }
  upstream relative { server unix:app.sock; }
  upstream lua { server 0.0.0.1:1; balancer_by_lua_file balance.lua; }
  server {
    listen 8080;
    location /tls { proxy_pass https://tls; }
    location /socket { fastcgi_pass socket; }
    location /php { fastcgi_pass `+http+`; }
    location /again { uwsgi_pass `+http+`; }
    location /rpc { grpc_pass grpcs://`+tls+`; }
    location /own { proxy_pass http://`+http+`/x; }
    location /lua { proxy_pass http://lua; }
    location /where { proxy_pass http://$host; }
    location /dead { memcached_pass `+other+`; }
  }
}
`)
	want := map[string]bool{ // whether it answers
		"https://" + tls + "/": true, tls: true, "unix:" + socket: true, http: true, other: false,
	}
	// One address is one group, which the first *_pass that names it says how to ask.
	service, err := probe.New(probe.Options{Config: s.Probe, Logger: log.NewNopLogger()})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, schedule := range s.Probe.Probes {
		for _, target := range schedule.Targets {
			result, err := service.Once(t.Context(), schedule.Module, target)
			if err != nil {
				t.Fatal(err)
			}
			got[target] = result.Success
			if result.Success != want[target] {
				t.Errorf("%s by %s: %s", target, schedule.Module, result.Sentence)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var unprobed []string
	for _, u := range s.Unprobed {
		unprobed = append(unprobed, u.Server+" "+u.Why)
	}
	wantUnprobed := []string{
		"unix:app.sock is a socket without a folder: it is in the folder in which NGINX was started",
		"0.0.0.1:1 is a placeholder: Lua chooses the servers of lua",
	}
	if diff := cmp.Diff(wantUnprobed, unprobed); diff != "" {
		t.Error(diff)
	}
}
