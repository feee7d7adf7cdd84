package nginxconf

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Build is the output of nginx -V. The zero Build is unknown.
type Build struct {
	Version [3]int // of NGINX or OpenResty; zero for another program
	Prefix  string // where relative paths of logs begin

	conf, accessLog, errorLog string // their paths if nginx.conf names none
	certain                   bool   // the NGINX that runs with the configuration reported it
}

// binaries are the usual paths of the program, of which the first that exists is run.
func binaries() []string {
	return []string{
		"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/nginx/sbin/nginx", "/opt/nginx/sbin/nginx",
		"openresty", "/usr/local/openresty/nginx/sbin/nginx", "angie", "/usr/sbin/angie",
	}
}

// patienceForBuild limits the run of a program that answers at once.
const patienceForBuild = 2 * time.Second

// Installed asks the NGINX that is installed on this host for its build.
func Installed(ctx context.Context) Build {
	ctx, cancel := context.WithTimeout(ctx, patienceForBuild)
	defer cancel()
	for _, name := range binaries() {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, path, "-V")
		cmd.WaitDelay = patienceForBuild
		if said, err := cmd.CombinedOutput(); err == nil {
			return readBuild(string(said))
		}
	}
	return Build{}
}

var (
	versionLine = regexp.MustCompile(`(?m)^nginx version: (?:nginx|openresty)/(\d{1,6})\.(\d{1,6})\.(\d{1,6})`)
	buildOption = regexp.MustCompile(`--([\w-]+)=((?:'[^']*'|[^\s'])*)`)
)

// readBuild parses the output of nginx -V.
func readBuild(said string) Build {
	_, arguments, ok := strings.Cut(said, "configure arguments:")
	if !ok {
		return Build{}
	}
	b := Build{Prefix: "/usr/local/nginx", conf: "conf/nginx.conf", accessLog: "logs/access.log",
		errorLog: "logs/error.log"}
	if match := versionLine.FindStringSubmatch(said); match != nil {
		for i := range b.Version {
			b.Version[i], _ = strconv.Atoi(match[i+1])
		}
	}
	for _, match := range buildOption.FindAllStringSubmatch(arguments, -1) {
		value := strings.ReplaceAll(match[2], "'", "")
		switch match[1] {
		case "prefix":
			b.Prefix = value
		case "conf-path":
			b.conf = value
		case "http-log-path":
			b.accessLog = value
		case "error-log-path":
			b.errorLog = value
		}
	}
	return b
}

// isFound reports whether the binary was found.
func (b Build) isFound() bool { return b.Prefix != "" }

// atLeast reports whether the version is known, and is that one or a later one.
func (b Build) atLeast(major, minor, patch int) bool {
	v := b.Version
	return v[0] > major || v[0] == major && (v[1] > minor || v[1] == minor && v[2] >= patch)
}

// paths returns where this build puts what a configuration does not name. A configuration other than the build's own
// may be that of an NGINX that is started with -p: a log that is not below the build's prefix, but exists where the
// configuration's folder suggests it, is that one.
func (b Build) paths(conf string) paths {
	absolute := func(path string) string {
		if filepath.IsAbs(path) || path == "stderr" {
			return path
		}
		return filepath.Join(b.Prefix, path)
	}
	p := paths{prefix: b.Prefix, accessLog: absolute(b.accessLog), errorLog: absolute(b.errorLog)}
	if !b.certain && conf != b.confPath() {
		p.besides = pathsFor(conf).prefix
	}
	return p
}

// confPath returns the default configuration of the build.
func (b Build) confPath() string {
	if !b.isFound() || filepath.IsAbs(b.conf) {
		return b.conf
	}
	return filepath.Join(b.Prefix, b.conf)
}

// keepaliveByDefault returns the number of idle connections that a group without keepalive keeps.
func (b Build) keepaliveByDefault() int {
	if b.atLeast(1, 29, 7) {
		return 32
	}
	return 0
}
