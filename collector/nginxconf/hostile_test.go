package nginxconf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

// What no NGINX would take, or what would cost more than a configuration may, ends with a word on it.
func TestBounds(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"includes itself": {"include nginx.conf;", "nests too deep"},
		"all of itself":   {"include *.conf;", "nests too deep"},
		"blocks":          {strings.Repeat("a {", maxDepth+10), "nest more than"},
		"large":           {strings.Repeat("# comment\n", maxFile/10+1), "has more than"},
		"BOM":             {"\xef\xbb\xbfevents {}", "begins with a byte order mark"},
		"UTF-16":          {"\xff\xfee\x00v\x00 \x00{\x00}\x00", "unknown directive"},
		"NUL":             {"http { access_log\x00 off", "unexpected end of file"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := filepath.Join(t.TempDir(), "nginx.conf")
			if err := os.WriteFile(conf, []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Load(conf)
			var fault *Error
			if !errors.As(err, &fault) || !strings.Contains(fault.Msg, test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "nginx.conf")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
	var fault *Error
	if _, err := Load(t.TempDir()); !errors.As(err, &fault) || fault.Msg != "is a directory" {
		t.Errorf("a folder: %v", err)
	}
}

// What an include may name and no configuration is: none of it is waited for, and the fault is at the include.
func TestHostileIncludes(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(syscall.Mkfifo(path("fifo"), 0o644), os.Symlink("loop", path("loop")),
		os.Mkdir(path("folder"), 0o755)); err != nil {
		t.Fatal(err)
	}
	write("large", strings.Repeat("# comment\n", maxFile/10+1))
	write("many", strings.Repeat("a;", maxDirectives+1))
	for i := range 20 { // 2^20 readings
		write(fmt.Sprintf("twice%d", i), fmt.Sprintf("include twice%d;\ninclude twice%d;\n", i+1, i+1))
	}
	write("twice20", "")
	for include, want := range map[string]string{
		"fifo":        `nginx.conf:2: include "DIR/fifo" is not a regular file`,
		"/dev/zero":   `nginx.conf:2: include "/dev/zero" is not a regular file`,
		"/dev/random": `nginx.conf:2: include "/dev/random" is not a regular file`,
		"folder":      `nginx.conf:2: include "DIR/folder" is a directory`,
		"loop":        `nginx.conf:2: open() "DIR/loop" failed (40: Too many levels of symbolic links)`,
		"large":       `nginx.conf:2: include "DIR/large" has more than 4194304 bytes`,
		"many":        `many:1: more than 500000 directives`,
		"twice0":      ` is one of more than 20000 files`,
	} {
		write("nginx.conf", "events {}\ninclude "+include+";\n")
		_, err := Load(path("nginx.conf"))
		var fault *Error
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), strings.ReplaceAll(want, "DIR", dir)) {
			t.Errorf("include %s: %v", include, err)
		}
		if unreadable := include == "loop"; fault != nil && (fault.Unreadable == path("loop")) != unreadable {
			t.Errorf("include %s: unreadable is %q", include, fault.Unreadable)
		}
	}
}

// What the kernel makes up has no size, and some of it no end.
func TestIncludeOfTheKernel(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	if err := os.WriteFile(conf, []byte("include /proc/self/status;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(conf); err != nil {
		t.Error(err)
	}
}

func TestLuaBlocks(t *testing.T) {
	c, _ := loadTree(t, "other/lua")
	if len(c.StatusPages) != 1 || c.StatusPages[0].Line != 12 || len(c.Upstreams) != 1 {
		t.Errorf("behind the blocks of Lua there are %+v and %+v", c.StatusPages, c.Upstreams)
	}
	for _, text := range []string{"", "}", "{ }", `"}`, "'}", "--}", "[[}", "--[[ }", `"\`, "[=", "[==[ ]] }"} {
		if end := luaEnd([]byte(text)); end >= 0 != (text == "}") {
			t.Errorf("%q ends at %d", text, end)
		}
	}
}

// Directives of modules that are not NGINX's own are passed over, whatever is in their blocks.
func TestForeignModules(t *testing.T) {
	c, _ := loadTree(t, "other/modules")
	if len(c.StatusPages) != 1 || c.StatusPages[0].URL != "http://127.0.0.1:8080/status" || len(c.Upstreams) != 1 ||
		c.Upstreams[0].Method != "sticky" || len(c.Notes) != 2 {
		t.Errorf("%+v %+v", c.StatusPages, c.Upstreams)
	}
}

// NGINX takes any bytes for a name; a label's value must be UTF-8.
func TestNamesAreUTF8(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "nginx.conf")
	text := "http { upstream a\xff { zone z\xff 64k; server b\xff; } limit_req_zone $uri zone=c\xff:1m rate=1r/s; " +
		"limit_req zone=c\xff;" +
		" limit_conn d\xff 1; server { location / { proxy_pass http://A\xff/; } } }"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(conf)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(labels(c), " "); got != "a\uFFFD z\uFFFD b\uFFFD:80 c\uFFFD d\uFFFD a\uFFFD" {
		t.Errorf("names %q", got)
	}
}

// labels is all of a reading that becomes a label's value.
func labels(c *Config) []string {
	var all []string
	for _, u := range c.Upstreams {
		all = append(all, u.Name, u.Zone)
		for _, s := range u.Servers {
			all = append(all, s.Address)
		}
	}
	for _, l := range c.LimitReqs {
		all = append(all, l.Zone)
	}
	for _, l := range c.LimitConns {
		all = append(all, l.Zone)
	}
	for _, p := range c.Proxies {
		all = append(all, p.Upstream)
	}
	return all
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*/nginx.conf")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "include") {
			return // other files of the machine are not part of the test
		}
		const conf = "/etc/nginx/nginx.conf"
		lines := strings.Count(string(text), "\n") + 1
		p := newParser(conf)
		directives, err := p.parse(conf, text, inMain)
		var c *Config
		if err == nil {
			c, err = p.interpret(directives, Build{}, conf, conf)
		}
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) || fault.File != conf || fault.Line < 1 || fault.Line > lines {
				t.Fatalf("a fault without its place among %d lines: %v", lines, err)
			}
			return
		}
		for _, name := range labels(c) {
			if !utf8.ValidString(name) {
				t.Fatalf("%q cannot be a label's value", name)
			}
		}
		for _, u := range c.Upstreams {
			if u.Line < 1 || u.Line > lines {
				t.Fatalf("upstream %+v", u)
			}
		}
		for _, log := range c.AccessLogs {
			if _, ok := c.LogFormats[log.Format]; !ok {
				t.Fatalf("log %+v", log)
			}
		}
	})
}
