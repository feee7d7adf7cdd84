package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-sim/testenv"
)

// A box is where commands run that would change this machine: a mount namespace with an /etc of its own, in which there
// is a user of the name fremisn.
type box struct {
	t   *testing.T
	etc string
}

func newBox(t *testing.T) *box {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test is root's: it makes users and mounts in a namespace of its own")
	}
	b := &box{t, filepath.Join(t.TempDir(), "etc")}
	if out, err := exec.Command("cp", "-a", "/etc", b.etc).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := b.run("useradd --system --no-create-home --user-group fremisn"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return b
}

// run runs a script as root. sudo is there.
func (b *box) run(script string) (string, error) {
	text := "set -e\nmount --bind " + b.etc + " /etc\nsudo() { \"$@\"; }\n" + script
	var stdout, stderr bytes.Buffer
	command := exec.Command("unshare", "--mount", "sh", "-c", text)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if err != nil && stdout.Len() == 0 {
		return stderr.String(), err
	}
	return stdout.String(), nil
}

// report is what check says to the user fremisn, after a script has been run as root.
func (b *box) report(script, binary string, args ...string) (r reported) {
	b.t.Helper()
	const user = "exec setpriv --reuid=fremisn --regid=fremisn --init-groups "
	line := user + binary + " " + strings.Join(args, " ") + " check --output json"
	out, err := b.run(script + "\n" + line)
	if jsonErr := json.Unmarshal([]byte(out), &r); jsonErr != nil {
		b.t.Fatalf("%v, %v: %s", err, jsonErr, out)
	}
	return r
}

// commands are those of a remedy: what begins with sudo, up to a word for people.
func commands(remedy string) string {
	command, _, _ := strings.Cut(remedy, ", then")
	command, _, _ = strings.Cut(command, ";")
	return command
}

// openFor lets others reach the folders of a test, which Go closes to them.
func openFor(t *testing.T, dir string) {
	t.Helper()
	for ; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// A user who cannot read logs, nginx.conf or the socket of a server, or not write the state folder, pastes the
// commands that check prints, one after another, until it prints none.
func TestRemediesOfPermissions(t *testing.T) {
	b := newBox(t)
	binary := buildExporter(t)
	openFor(t, filepath.Dir(binary))
	for name, test := range map[string]struct{ spoil, says string }{
		"as Debian has them": {"chgrp -R adm logs; chmod 750 logs; chmod 640 logs/access.log",
			"usermod -aG adm fremisn"},
		"a group that may not read": {"chgrp -R adm logs; chmod 600 logs/access.log", "chmod g+r "},
		"a group that may not enter": {"chgrp -R adm logs; chmod 700 logs",
			"chmod g+x "},
		"root's alone":         {"chmod 700 logs; chmod 600 logs/access.log", "chmod o+x "},
		"root's file":          {"chmod 600 logs/access.log", "chmod o+r "},
		"nginx.conf":           {"chmod 600 nginx.conf", "chmod o+r "},
		"the config file":      {"chmod 600 probes.yml", "run this by sudo, or as a user that may read the file"},
		"a socket of a server": {"chgrp adm a.sock; chmod 660 a.sock", "add the exporter's user to the group of "},
		"the state folder":     {"rm -r data; chmod 555 .", "install -d -o fremisn -m 750 "},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, "", "")
			openFor(t, p.dir)
			p.write("nginx.conf", "events {}\nerror_log DIR/logs/error.log;\nhttp {\naccess_log DIR/logs/access.log;\n"+
				"upstream app { server unix:DIR/a.sock; }\nserver { listen ADDRESS; location / { proxy_pass "+
				"http://app; } }\n}\n")
			server := &http.Server{Handler: http.NotFoundHandler()}
			socket, err := net.Listen("unix", filepath.Join(p.dir, "a.sock"))
			if err != nil {
				t.Fatal(err)
			}
			go server.Serve(socket)
			t.Cleanup(func() { server.Close() })
			script := "usermod -G fremisn fremisn; cd " + p.dir + "; chmod 666 a.sock; mkdir logs data; touch " +
				"logs/access.log logs/error.log; " +
				"chown fremisn data; " + test.spoil
			if out, err := b.run(script); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			args := []string{"--nginx.config", p.dir + "/nginx.conf", "--storage.path", p.dir + "/data",
				"--web.listen-address", freeAddress(t)}
			if name == "the config file" {
				p.write("probes.yml", onlyNginx)
				args[0], args[1] = "--config", p.dir+"/probes.yml"
			}
			seen, pasted := false, []string{}
			for range 8 {
				r := b.report("", binary, args...)
				next := ""
				for _, l := range r.Lines {
					if l.Remedy == "" || l.Verdict != "wrong" && l.Subject != "not probed" {
						continue
					}
					seen = seen || strings.Contains(l.Remedy, test.says)
					switch {
					case strings.HasPrefix(l.Remedy, "sudo "):
						next = commands(l.Remedy)
					case strings.Contains(l.Remedy, "add the exporter's user"):
						next = "usermod -aG $(stat -c %G " + after(t, l.Remedy, "to the group of ") + ") fremisn"
					case strings.Contains(l.Remedy, "or as a user that may read the file"):
						file := p.dir + "/probes.yml"
						next = "chgrp adm " + file + "; chmod g+r " + file + "; usermod -aG adm fremisn"
					default:
						t.Fatalf("nothing to paste: %s\n%s", l.Remedy, r)
					}
				}
				if next == "" {
					if !seen || !r.OK {
						t.Errorf("%q was seen: %t; pasted %q\n%s", test.says, seen, pasted, r)
					}
					return
				}
				pasted = append(pasted, next)
				if out, err := b.run(next); err != nil {
					t.Fatalf("%s: %v: %s", next, err, out)
				}
			}
			t.Errorf("no end: %q", pasted)
		})
	}
}

// volumes are those of a remedy, as Compose reads them.
func volumes(t *testing.T, remedy string) []types.ServiceVolumeConfig {
	t.Helper()
	list := regexp.MustCompile(`volumes: \[[^\]]+\]`).FindString(remedy)
	text := "services: {exporter: {image: x, " + list + "}}\nvolumes: {nginx-logs: {}}\n"
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{WorkingDir: "/",
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yml", Content: []byte(text)}}},
		func(o *loader.Options) { o.SetProjectName("test", true) })
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return project.Services["exporter"].Volumes
}

// What check says to mount is mounted, read-only, as a container runtime would: the logs of NGINX, and the folder of an
// include, which are elsewhere here.
func TestRemediesOfMounts(t *testing.T) {
	b := newBox(t)
	binary := buildExporter(t)
	openFor(t, filepath.Dir(binary))
	for name, test := range map[string]struct {
		nginx, says string
		there       map[string]string // what the mounted folder has
	}{
		"the folder of the logs": {"events {}\nerror_log DIR/logs/error.log;\nhttp { access_log " +
			"DIR/logs/access.log; }\n",
			"mount the folder that NGINX writes to", map[string]string{"access.log": "", "error.log": ""}},
		"an include": {"events {}\nerror_log DIR/error.log;\nhttp { include DIR/conf.d/site.conf; access_log " +
			"DIR/own.log; }\n",
			"mount all that nginx.conf includes", map[string]string{"site.conf": ""}},
		"logs that are linked to stdout": {
			"events {}\nerror_log DIR/error.log;\nhttp { access_log DIR/linked/access.log; }\n",
			"mount a volume on ", map[string]string{"access.log": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, test.nginx, "")
			openFor(t, p.dir)
			p.write("own.log", "")
			for _, dir := range []string{"linked", "volume"} {
				if err := os.Mkdir(filepath.Join(p.dir, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink("/dev/stdout", filepath.Join(p.dir, "linked", "access.log")); err != nil {
				t.Fatal(err)
			}
			for file, text := range test.there {
				p.write("volume/"+file, text)
			}
			args := []string{"--nginx.config", p.dir + "/nginx.conf", "--storage.path", "''", "--web.listen-address",
				freeAddress(t)}
			before := b.report("", binary, args...)
			remedy := before.remedy(test.says)
			if remedy == "" || before.OK {
				t.Fatalf("nothing has the remedy %q\n%s", test.says, before)
			}
			target := ""
			if strings.Contains(remedy, "volumes: ") {
				v := volumes(t, remedy)
				if len(v) != 1 || !v[0].ReadOnly {
					t.Fatalf("%q has the volumes %+v", remedy, v)
				}
				target = v[0].Target
			} else {
				target = strings.Fields(after(t, remedy, "mount a volume on "))[0]
			}
			mount := fmt.Sprintf("mkdir -p %[1]s; mount --bind %[2]s/volume %[1]s; mount -o remount,ro,bind "+
				"%[1]s", target, p.dir)
			if r := b.report(mount, binary, args...); !r.OK || r.remedy(test.says) != "" {
				t.Errorf("with %q\n%s", mount, r)
			}
		})
	}
}

// A log that is named relative to the prefix of an NGINX that is not here is written with its whole path, where check
// says that it is.
func TestRemedyOfRelativePath(t *testing.T) {
	b := newBox(t)
	binary := buildExporter(t)
	openFor(t, filepath.Dir(binary))
	p := newPlace(t, "events {}\nerror_log DIR/error.log;\nhttp { access_log logs/access.log; }\n", "")
	openFor(t, p.dir)
	args := []string{"--nginx.config", p.dir + "/nginx.conf", "--storage.path", "''", "--web.listen-address",
		freeAddress(t)}
	hidden := ""
	for _, name := range []string{"/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/nginx/sbin/nginx"} {
		hidden += "[ ! -e " + name + " ] || mount --bind /dev/null " + name + "\n"
	}
	r := b.report(hidden, binary, args...)
	remedy := r.remedy("prints --prefix; write the full path")
	places := strings.Split(after(t, remedy, "It may be "), ", ")
	if len(places) < 2 || !strings.HasPrefix(places[0], "/") {
		t.Fatalf("places %q in %q", places, remedy)
	}
	there := filepath.Join(p.dir, "logs")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	p.write("logs/access.log", "")
	if r = b.report(hidden, binary, args...); r.remedy("write the full path") == "" {
		if !strings.Contains(r.String(), there+"/access.log is empty") {
			t.Fatalf("the log beside nginx.conf is not found\n%s", r)
		}
	}
	p.replace("nginx.conf", "logs/access.log", there+"/access.log")
	if r = b.report(hidden, binary, args...); r.remedy("write the full path") != "" || !r.OK {
		t.Errorf("with the whole path\n%s", r)
	}
}

// NGINX in the official image writes to stdout: the container that the config file names has both logs.
func TestRemedyOfStdout(t *testing.T) {
	const config = "nginx: {config: nginx.conf, access_logs: [DOCKER], error_logs: [DOCKER]}\nprobes: []\n"
	p := newPlace(t, "events {}\nerror_log /dev/stderr warn;\nhttp { log_format full '$status $request_time'; "+
		"access_log /dev/stdout full; server { listen ADDRESS; } }\n", onlyNginx)
	remedy := p.report().remedy("name NGINX's container in the config file: ")
	entry, _, _ := strings.Cut(after(t, remedy, "in the config file: "), ",")
	id := strings.Repeat("ab", 32)
	folder := filepath.Join(p.dir, "docker", "containers", id)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(folder, id+"-json.log")
	writeFile(t, filepath.Join(folder, "config.v2.json"), fmt.Sprintf(`{"ID":%q,"Name":"/web","LogPath":%q}`, id, log))
	writeFile(t, log, `{"log":"200 0.010\n","stream":"stdout","time":"2026-11-25T10:00:00.1Z"}`+"\n"+
		`{"log":"2026/11/24 01:01:01 [error] 12#12: *1 x\n","stream":"stderr","time":"2026-11-25T10:00:00.1Z"}`+"\n")
	p.write("probes.yml", strings.ReplaceAll(config, "DOCKER", "{"+strings.Replace(entry, "NAME", "web", 1)+
		", docker_root: DIR/docker}"))
	r := p.report()
	if r.remedy("name NGINX's container") != "" || !r.OK || strings.Count(r.String(), "container web: the only "+
		"line") != 2 {
		t.Errorf("with %q\n%s", entry, r)
	}
	// The page for others of the network is taken by NGINX and by the config.
	server, status, _ := strings.Cut(after(t, r.remedy("add to http { }: "), "add to http { }: "), " and write "+
		"nginx.status: ")
	p.replace("nginx.conf", "server { listen "+p.addr+"; }", strings.Replace(server, "listen 8080", "listen "+p.addr,
		1))
	p.isTakenByNGINX()
	p.write("probes.yml", "nginx: {config: nginx.conf, status: "+strings.Replace(status, "CONTAINER", "localhost", 1)+
		"}\nprobes: []\n")
	if r := p.report(); !strings.Contains(r.String(), "stub_status: http://localhost:8080/nginx_status: ") {
		t.Errorf("with %q\n%s", status, r)
	}
}

// What NGINX sends to syslog is received with what check says to write, for the access log and the error log.
func TestRemediesOfSyslog(t *testing.T) {
	port := strings.TrimPrefix(freeAddress(t), "127.0.0.1:")
	for server, want := range map[string]string{"127.0.0.1:" + port: "udp", "unix:DIR/nginx.sock": "unix"} {
		p := newPlace(t, "", "")
		to := "syslog:server=" + p.fill(server) + ",tag=web"
		p.write("nginx.conf", testenv.Preamble()+"http {"+testenv.TempPaths+"log_format full '$status $request_time';"+
			"server { listen ADDRESS; access_log "+to+" full; error_log "+to+" warn; location / { return 200; } "+
			"location /x { proxy_pass http://127.0.0.1:1; } } }\n")
		p.write("probes.yml", onlyNginx)
		r := p.report()
		var sections []string
		for _, section := range []string{"access_logs", "error_logs"} {
			if remedy := r.remedy("nginx." + section + ": {syslog: "); remedy != "" {
				entry := after(t, remedy, "nginx."+section+": ")
				sections = append(sections, section+": ["+strings.Replace(entry, "{", "{name: "+section+", ", 1)+"]")
			}
		}
		if len(sections) != 2 {
			t.Fatalf("%s: %q\n%s", want, sections, r)
		}
		for _, section := range sections { // a socket gives one log: one after the other
			config := "nginx: {config: nginx.conf, " + section + "}\nprobes: []\n"
			if strings.HasPrefix(section, "error") {
				config = "nginx: {config: nginx.conf, access_logs: [], " + section + "}\nprobes: []\n"
			}
			p.write("probes.yml", config)
			binary := buildExporter(t)
			exporter, err := testenv.StartExporter(context.Background(), binary, p.dir, config, freeAddress(t))
			if err != nil {
				t.Fatal(err)
			}
			nginx, err := testenv.StartNginx(context.Background(), p.dir, p.read("nginx.conf"), p.addr)
			if err != nil {
				t.Fatal(err)
			}
			metric := "nginx_access_requests_total"
			if strings.HasPrefix(section, "error") {
				metric = "nginx_error_log_events_total"
			}
			until(t, want+": "+metric, func() bool {
				for _, path := range []string{"/", "/x"} {
					if response, err := http.Get("http://" + p.addr + path); err == nil {
						io.Copy(io.Discard, response.Body)
						response.Body.Close()
					}
				}
				return len(scrapeFamilies(t, exporter)[metric].GetMetric()) > 0
			})
			nginx.Stop()
			exporter.Stop()
		}
	}
}
