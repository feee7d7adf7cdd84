package settings

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

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
  upstream a { server 127.0.0.231:4005; server 127.0.0.18 backup; server 127.0.0.17:4009 down; server unix:/run/node.sock; }
  upstream b { server 127.0.0.231:4005 weight=2; server [::1]:4010; }
}
`

// Without a probes section every upstream server is probed, once, at / each 15 seconds: backups, too, and what is down not.
func TestProbesThatAreFound(t *testing.T) {
	want := []probe.Schedule{{Name: "upstream", Module: "alive", Interval: 15 * time.Second,
		Targets: []string{"http://127.0.0.231:4005/", "http://127.0.0.18:80/", "http://[::1]:4010/"}}}
	const withConf = "nginx: {config: nginx.conf}\n"
	for name, config := range map[string]string{"no config file": "", "a config file without probes": withConf + "nodes: [{name: a, address: \"127.0.0.231:4005\"}]\n"} {
		l := loadText(t, config, twoGroups)
		if diff := cmp.Diff(want, l.Probe.Probes); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if !reflect.DeepEqual(l.Probe.Modules["alive"], probe.DefaultModule()) {
			t.Errorf("%s: the module is another: %+v", name, l.Probe.Modules["alive"])
		}
		if got := l.Found["http://[::1]:4010/"]; got.Line != 5 {
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
	if got := own.Probe.Modules["alive"].Timeout; got != time.Second || len(own.Probe.Probes) != 1 {
		t.Errorf("a module of the same name: timeout %s, %d probes", got, len(own.Probe.Probes))
	}
}
