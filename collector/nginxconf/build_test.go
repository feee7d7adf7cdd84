package nginxconf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadBuild(t *testing.T) {
	for name, test := range map[string]struct {
		said string
		want Build
	}{
		"Alpine": {`nginx version: nginx/1.26.3
built with OpenSSL 3.3.2
configure arguments: --prefix=/var/lib/nginx --sbin-path=/usr/sbin/nginx --conf-path=/etc/nginx/nginx.conf ` +
			`--error-log-path=/var/log/nginx/error.log --http-log-path=/var/log/nginx/access.log ` +
			`--with-ld-opt='-Wl,--as-needed --prefix=/no'`,
			Build{Version: [3]int{1, 26, 3}, Prefix: "/var/lib/nginx", conf: "/etc/nginx/nginx.conf",
				accessLog: "/var/log/nginx/access.log", errorLog: "/var/log/nginx/error.log"}},
		"one's own": {"nginx version: nginx/1.31.0\nconfigure arguments:\n",
			Build{Version: [3]int{1, 31, 0}, Prefix: "/usr/local/nginx", conf: "conf/nginx.conf",
				accessLog: "logs/access.log", errorLog: "logs/error.log"}},
		"OpenResty": {"nginx version: openresty/1.27.1.2\nconfigure arguments: " +
			"--prefix=/usr/local/openresty/nginx --with-x",
			Build{Version: [3]int{1, 27, 1}, Prefix: "/usr/local/openresty/nginx", conf: "conf/nginx.conf",
				accessLog: "logs/access.log", errorLog: "logs/error.log"}},
		"Angie": {"Angie version: Angie/1.31.1\nnginx version: none\nconfigure arguments: --prefix=/etc/angie",
			Build{Prefix: "/etc/angie", conf: "conf/nginx.conf", accessLog: "logs/access.log",
				errorLog: "logs/error.log"}},
		"something else": {"usage: nginx", Build{}},
	} {
		if diff := cmp.Diff(test.want, readBuild(test.said), cmp.AllowUnexported(Build{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Relative paths of logs lead where the build says; where it is unknown, the possible places are named.
func TestRelativePaths(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	text := "error_log logs/error.log; events {} http { access_log site.log; server { listen 1; } }"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Build{Prefix: "/opt/lb"}.Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	if a, e := c.AccessLogs[0], c.ErrorLogs[0]; a.Path != "/opt/lb/site.log" || e.Path != "/opt/lb/logs/error.log" ||
		a.Elsewhere != nil {
		t.Errorf("%+v %+v", a, e)
	}
	// NGINX may have been started with -p: what is where the configuration's folder suggests it, and not below the
	// build's prefix, is it, unless the configuration is the build's own, or that of an NGINX that runs.
	beside := filepath.Join(filepath.Dir(conf), "site.log")
	if err := os.WriteFile(beside, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for want, build := range map[string]Build{
		beside:              {Prefix: "/opt/lb"},
		"/opt/lb/site.log":  {Prefix: "/opt/lb", certain: true},
		"/opt/own/site.log": {Prefix: "/opt/own", conf: conf},
	} {
		if c, err = build.Load(conf); err != nil {
			t.Fatal(err)
		}
		if a, e := c.AccessLogs[0].Path, c.ErrorLogs[0].Path; a != want || e != build.Prefix+"/logs/error.log" {
			t.Errorf("%+v: %s and %s", build, a, e)
		}
	}
	if c, err = Load(conf); err != nil {
		t.Fatal(err)
	}
	places := strings.Join(append(c.AccessLogs[0].Elsewhere, c.ErrorLogs[0].Elsewhere...), " ")
	for _, want := range []string{"/usr/share/nginx/site.log", "/etc/nginx/site.log",
		"/usr/share/nginx/logs/error.log"} {
		if !strings.Contains(places, want) {
			t.Errorf("%s is not named among %s", want, places)
		}
	}
}

// keepalive is on by default since 1.29.7, but not for an address without a group.
func TestKeepaliveByDefault(t *testing.T) {
	const text = `events {} http { upstream a { server 10.0.0.1; } upstream b { server 10.0.0.2; keepalive 0; }
		server { location / { proxy_pass http://a; } location /c { proxy_pass http://10.0.0.3; } } }
		stream { upstream s { server 10.0.0.4:1; } }`
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[[3]int]int{{}: 0, {1, 29, 6}: 0, {1, 29, 7}: 32, {1, 30, 0}: 32, {2, 0, 0}: 32} {
		c, err := Build{Version: version}.Load(conf)
		if err != nil {
			t.Fatal(err)
		}
		u := c.Upstreams
		if u[0].Keepalive != want || u[1].Keepalive != 0 || u[2].Keepalive != 0 ||
			c.Stream.Upstreams[0].Keepalive != 0 || c.Proxies[0].Closes == (want == 32) {
			t.Errorf("%v: %+v closes %t", version, u, c.Proxies[0].Closes)
		}
	}
}

// Connections count as closed only where they certainly are.
func TestCloses(t *testing.T) {
	const upgrade = "map $http_upgrade $connection_upgrade { default upgrade; '' %s; } "
	for settings, want := range map[string]bool{
		"":                        true,
		"proxy_http_version 1.1;": true,
		"proxy_http_version 1.1; proxy_set_header Connection '';":                  false,
		"proxy_set_header Connection '';":                                          true,
		"proxy_http_version 1.1; proxy_set_header Connection close;":               true,
		"proxy_http_version 1.1; proxy_set_header Connection keep-alive;":          false,
		"proxy_http_version 1.1; proxy_set_header Connection upgrade;":             false,
		"proxy_http_version 1.1; proxy_set_header Connection $http_connection;":    false,
		"proxy_http_version 1.1; proxy_set_header Connection $connection_upgrade;": true,
		"proxy_http_version 1.1; proxy_set_header Connection $kept;":               false,
		"proxy_http_version 2;": false,
	} {
		c, err := load(t, "events {} http { upstream a { server 127.0.0.1:1; keepalive 2; } "+
			strings.Replace(upgrade, "%s", "close", 1)+strings.Replace(strings.Replace(upgrade, "%s", "''", 1),
			"$connection_upgrade", "$kept", 1)+
			settings+" server { listen 1; location / { proxy_pass http://a; } } }")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Proxies[0].Closes; got != want {
			t.Errorf("%s: closes %t, want %t", settings, got, want)
		}
	}
}
