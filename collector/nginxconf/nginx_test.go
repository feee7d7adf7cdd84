package nginxconf

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// portOfRoot is a listen that NGINX, which binds even for -t, may use only as root.
var portOfRoot = regexp.MustCompile(`(listen\s+(?:\[::\]:)?)80\b`)

// copyTree copies a fixture to where NGINX, which opens the logs even to test, may write them.
func copyTree(t *testing.T, tree string) (conf string) {
	t.Helper()
	dir := t.TempDir()
	logs := filepath.Join(dir, "logs")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(tree, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(tree, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, relative)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		changed := strings.ReplaceAll(string(text), "/var/log/nginx", logs)
		return os.WriteFile(to, []byte(portOfRoot.ReplaceAllString(changed, "${1}8090")), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "nginx.conf")
}

// nginxBinary is the path of NGINX, which Debian keeps where only root looks.
func nginxBinary() string {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path
	}
	return "/usr/sbin/nginx"
}

// askNGINX runs real NGINX on a configuration; it reads and serves nothing.
func askNGINX(t *testing.T, conf, option string) (stdout, stderr string, err error) {
	t.Helper()
	dir := filepath.Dir(conf)
	cmd := exec.Command(nginxBinary(), option, "-p", dir, "-c", conf, "-g", "pid "+filepath.Join(dir, "pid")+";")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), err
}

func trees(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no fixtures %s: %v", pattern, err)
	}
	return found
}

var emergency = regexp.MustCompile(`(?m)\[emerg\] \d+#\d+: (.*) in ([^ ]+):(\d+)$`)

// What NGINX rejects is rejected at the same place and, with a few exceptions, in the same words.
func TestFaultsAreThoseOfNGINX(t *testing.T) {
	for _, tree := range trees(t, "testdata/bad/*") {
		t.Run(filepath.Base(tree), func(t *testing.T) {
			t.Parallel()
			conf := copyTree(t, tree)
			_, stderr, err := askNGINX(t, conf, "-t")
			match := emergency.FindStringSubmatch(stderr)
			if err == nil || match == nil {
				t.Fatalf("NGINX does not refuse it at a place: %v\n%s", err, stderr)
			}
			_, err = Load(conf)
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("Load: %v, NGINX: %s", err, match[0])
			}
			if got := fault.Error(); got != match[2]+":"+match[3]+": "+match[1] {
				t.Errorf("\n got %s\nwant %s:%s: %s", got, match[2], match[3], match[1])
			}
		})
	}
}

// A dump is what nginx -T prints, read without any of the code under test: words of one file after the other, which is
// enough to count and to find directives.
var (
	dumpedFile = regexp.MustCompile(`(?m)^# configuration file (.*):$`)
	wholeLine  = regexp.MustCompile(`(?m)^\s*#.*$|[ \t]#[^'"\n]*$`)
)

// What NGINX takes is taken, from the same files.
func TestFilesAreThoseOfNGINX(t *testing.T) {
	for _, tree := range trees(t, "testdata/good/*") {
		t.Run(filepath.Base(tree), func(t *testing.T) {
			t.Parallel()
			conf := copyTree(t, tree)
			dump, stderr, err := askNGINX(t, conf, "-T")
			if err != nil {
				t.Fatalf("NGINX refuses it: %s", stderr)
			}
			c, err := Load(conf)
			if err != nil {
				t.Fatal(err)
			}
			var files []string
			for _, match := range dumpedFile.FindAllStringSubmatch(dump, -1) {
				files = append(files, match[1])
			}
			if got := strings.Join(c.Files, "\n"); got != strings.Join(files, "\n") {
				t.Errorf("files\n%s\nNGINX read\n%s", got, strings.Join(files, "\n"))
			}
			text := wholeLine.ReplaceAllString(dump, "")
			for name, n := range map[string]int{
				"log_format":  len(c.LogFormats) - 1,
				"stub_status": len(c.StatusPages),
				"proxy_pass":  passes(c),
				"limit_req":   len(c.LimitReqs),
				"limit_conn":  len(c.LimitConns),
				"keepalive":   keepalives(c),
				"server":      servers(c),
			} {
				pattern := regexp.MustCompile(`(?m)(?:^|[;{}])\s*` + name + `(?:\s[^{};]|;)`)
				if want := len(pattern.FindAllString(text, -1)); n != want {
					t.Errorf("%d of %s, NGINX has %d", n, name, want)
				}
			}
		})
	}
}

func keepalives(c *Config) int {
	n := 0
	for _, u := range c.Upstreams {
		if u.Keepalive > 0 {
			n++
		}
	}
	return n
}

func passes(c *Config) int {
	n := 0
	for _, p := range c.Proxies {
		if p.Directive == "proxy_pass" {
			n++
		}
	}
	return n
}

func servers(c *Config) int {
	n := 0
	for _, u := range c.Upstreams {
		if !u.Implicit {
			n += len(u.Servers)
		}
	}
	return n
}

// The directives that name a file: NGINX opens each log while it tests, so these are the files that it created.
func TestLogsAreThoseThatNGINXOpens(t *testing.T) {
	for _, tree := range trees(t, "testdata/good/*") {
		t.Run(filepath.Base(tree), func(t *testing.T) {
			t.Parallel()
			conf := copyTree(t, tree)
			if _, stderr, err := askNGINX(t, conf, "-t"); err != nil {
				t.Fatalf("NGINX refuses it: %s", stderr)
			}
			c, err := Load(conf)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]bool{}
			opened, err := os.ReadDir(filepath.Join(filepath.Dir(conf), "logs"))
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range opened {
				want[filepath.Join(filepath.Dir(conf), "logs", entry.Name())] = true
			}
			got := map[string]bool{}
			for _, log := range c.AccessLogs {
				got[log.Path] = log.Line > 0 && log.Path != "" && !strings.Contains(log.Path, "$")
			}
			for _, log := range c.ErrorLogs {
				got[log.Path] = log.Line > 0 && filepath.IsAbs(log.Path)
			}
			for path, follows := range got {
				if follows && !want[path] {
					t.Errorf("%s is read from it, and NGINX does not open it", strconv.Quote(path))
				}
			}
			for path := range want {
				if !got[path] {
					t.Errorf("NGINX opens %s, which was not read from it", strconv.Quote(path))
				}
			}
		})
	}
}

// Where Debian's build puts what its configuration does not name, by what the build says of itself.
func TestPathsAreThoseOfTheBuild(t *testing.T) {
	said, err := exec.Command(nginxBinary(), "-V").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	option := func(name string) string {
		match := regexp.MustCompile(`--` + name + `=(\S+)`).FindStringSubmatch(string(said))
		if match == nil {
			t.Fatalf("the build has no %s:\n%s", name, said)
		}
		return match[1]
	}
	// The error log is stderr or a file by the version of the package; its nginx.conf always names the file.
	want := [3]string{option("prefix"), option("http-log-path"), "/var/log/nginx/error.log"}
	if got := pathsFor(option("conf-path")); got.three() != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	build := Installed(t.Context())
	if got := build.paths(option("conf-path")); got.prefix != want[0] || got.accessLog != want[1] ||
		build.confPath() != option("conf-path") || !build.isFound() {
		t.Errorf("the build is read as %+v", build)
	}
	if v := build.Version; v[0] < 1 || !strings.Contains(string(said), fmt.Sprintf("nginx/%d.%d.%d", v[0], v[1],
		v[2])) {
		t.Errorf("version %v of\n%s", v, said)
	}
	for conf, want := range map[string][3]string{
		"/usr/local/nginx/conf/nginx.conf": {"/usr/local/nginx", "/usr/local/nginx/logs/access.log",
			"/usr/local/nginx/logs/error.log"},
		"/srv/lb/nginx.conf": {"/srv/lb", "/srv/lb/logs/access.log", "/srv/lb/logs/error.log"},
	} {
		if got := pathsFor(conf); got.three() != want {
			t.Errorf("%s: %+v, want %+v", conf, got, want)
		}
	}
}

func (p paths) three() [3]string { return [3]string{p.prefix, p.accessLog, p.errorLog} }
