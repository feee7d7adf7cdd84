package nginxconf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// CombinedFormat is NGINX's default log_format; see https://nginx.org/en/docs/http/ngx_http_log_module.html.
const CombinedFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent ` +
	`"$http_referer" "$http_user_agent"`

// Load reads the file at path with everything that it includes, or the output of nginx -T. It returns an *Error if the
// configuration is invalid or cannot be read. The folder of the file determines where logs with relative or default
// paths are.
func Load(path string) (*Config, error) { return Build{}.Load(path) }

// Load is like the function Load, for an NGINX of this build.
func (b Build) Load(path string) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	p := newParser(absolute)
	directives, err := p.parseMain(absolute)
	if err != nil {
		return nil, mainError(err, absolute, path)
	}
	c, err := p.interpret(directives, b, absolute, path)
	if err != nil {
		return nil, mainError(err, absolute, path)
	}
	return c, nil
}

func newParser(absolute string) *parser {
	return &parser{main: absolute, prefix: filepath.Dir(absolute), isRead: map[string]bool{}}
}

// parseMain reads the main file, which may be a dump of it and of everything that it includes.
func (p *parser) parseMain(path string) ([]*directive, error) {
	text, err := p.read(path)
	if err != nil {
		return nil, err
	}
	if p.dump = readDump(text); p.dump != nil {
		path, text = p.dump.main, p.dump.files[p.dump.main]
		p.main, p.prefix = path, filepath.Dir(path)
	}
	return p.parse(path, text, inMain)
}

// interpret makes a Config of the parsed directives.
func (p *parser) interpret(directives []*directive, b Build, absolute, path string) (*Config, error) {
	r := &reading{build: b, config: &Config{
		Path: path, Build: b, Files: p.files, Workers: "1", WorkerConnections: 512,
		LogFormats:     map[string]LogFormat{"combined": {Name: "combined", Format: CombinedFormat, Escape: "default"}},
		LimitReqStatus: defaultLimitStatus, LimitConnStatus: defaultLimitStatus,
	}, paths: pathsFor(p.main)}
	if b.isFound() {
		r.paths = b.paths(p.main)
	}
	if err := r.main(directives); err != nil {
		return nil, err
	}
	r.config.globs = p.globs
	r.config.stamp = strings.Join(p.stamps, "") + strings.Join(p.matches, "")
	return r.config, nil
}

// mainError names the main file in an error as the user did.
func mainError(err error, absolute, path string) error {
	var own *Error
	if errors.As(err, &own) {
		if own.File == absolute {
			own.File = path
		}
		return err
	}
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return &Error{Pos: Pos{File: path}, Msg: pathError.Err.Error(), Unreadable: absolute, cause: pathError.Err}
	}
	return &Error{Pos: Pos{File: path}, Msg: err.Error()}
}

// paths says where a build of NGINX puts what its configuration does not name. A configuration does not say which
// build reads it, but its folder shows it.
type paths struct {
	prefix, accessLog, errorLog string
	others                      []string // possible prefixes if the prefix is unknown
	besides                     string   // a prefix for what exists there and not below the other one; "" for none
}

// pathsFor knows the packages of Debian and nginx.org, and the official image, which have their configuration in
// /etc/nginx and their logs in /var/log/nginx; any other is assumed to be a build with the prefix above conf/.
func pathsFor(conf string) paths {
	dir := filepath.Dir(conf)
	if dir == "/etc/nginx" {
		p := paths{
			prefix: "/etc/nginx", accessLog: "/var/log/nginx/access.log", errorLog: "/var/log/nginx/error.log",
			others: prefixes(),
		}
		// Debian's prefix is not the folder of its configuration
		if _, err := os.Stat(filepath.Join(dir, "sites-enabled")); err == nil {
			p.prefix = "/usr/share/nginx"
		}
		return p
	}
	prefix := dir
	if filepath.Base(dir) == "conf" {
		prefix = filepath.Dir(dir)
	}
	return paths{
		prefix: prefix, accessLog: filepath.Join(prefix, "logs/access.log"),
		errorLog: filepath.Join(prefix, "logs/error.log"),
		others:   prefixes(),
	}
}

// prefixes are those of the packages of nginx.org, Debian and Red Hat, Alpine, FreeBSD and a local build.
func prefixes() []string {
	return []string{"/etc/nginx", "/usr/share/nginx", "/var/lib/nginx", "/usr/local/nginx", "/usr/local/etc/nginx"}
}

func (p paths) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	absolute := filepath.Join(p.prefix, path)
	if p.besides == "" {
		return absolute
	}
	if besides := filepath.Join(p.besides, path); !isThere(absolute) && isThere(besides) {
		return besides
	}
	return absolute
}

var variableInPath = regexp.MustCompile(`\$(?:\w+|\{\w+\})`)

// isThere reports whether a file with that path exists, or, for a path with variables, one that it may be.
func isThere(path string) bool {
	if strings.Contains(path, "$") {
		return len(glob(variableInPath.ReplaceAllString(path, "*"))) > 0
	}
	_, err := os.Stat(path)
	return err == nil
}

// elsewhere returns where else a relative path may lead, none if the prefix is known.
func (p paths) elsewhere(path string) []string {
	if filepath.IsAbs(path) {
		return nil
	}
	var all []string
	for _, prefix := range p.others {
		if prefix != p.prefix {
			all = append(all, filepath.Join(prefix, path))
		}
	}
	return all
}

// Changed reports whether any file that was read, or the set of files that a pattern matches, has changed.
func (c *Config) Changed() bool { return c.stampNow() != c.stamp }

// stampNow returns the stamp that a reading would have now.
func (c *Config) stampNow() string {
	var b strings.Builder
	for _, file := range c.Files {
		info, err := os.Stat(file)
		if err != nil {
			fmt.Fprintf(&b, "%s gone\n", file)
			continue
		}
		b.WriteString(stamp(file, info))
	}
	for _, pattern := range c.globs {
		b.WriteString(matched(pattern, glob(pattern)))
	}
	return b.String()
}

func stamp(file string, info fs.FileInfo) string {
	return fmt.Sprintf("%s %d %s\n", file, info.Size(), info.ModTime().Format(time.RFC3339Nano))
}

// matched is a pattern of an include with the files that it matches.
func matched(pattern string, matches []string) string {
	return fmt.Sprintf("%s %q\n", pattern, matches)
}

// IsMissing reports whether an error of Load says that its file does not exist. An included file is another matter.
func IsMissing(err error) bool {
	var fault *Error
	return errors.As(err, &fault) && fault.Line == 0 && errors.Is(err, fs.ErrNotExist)
}
