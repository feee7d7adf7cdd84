package probe

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	gokit "github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fremisn/fremisn-exporter/cmd/fremisn-exporter/strictyaml"
	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// FuzzConfig: whatever is taken for a config can be run, shown and guarded.
func FuzzConfig(f *testing.F) {
	f.Add(everyOption)
	f.Add(laterModules)
	f.Add(reasonModules)
	if parity, err := os.ReadFile("testdata/parity.yml"); err == nil {
		f.Add(string(parity))
	}
	f.Add("modules: {m: {prober: http, http: {metrics: [{name: a, path: b, labels: {c: d}}]}}}\nprobes: [{name: p, " +
		"module: m, interval: 1s, targets: ['http://a:1']}]\non_demand: {allow: ['a.*']}")
	f.Fuzz(func(t *testing.T, text string) {
		var c Config
		if _, err := strictyaml.Decode("x.yml", []byte(text), &c); err != nil {
			if !strings.HasPrefix(err.Error(), "x.yml:") {
				t.Errorf("the error names no place: %s", err)
			}
			return
		}
		for i := range c.Probes {
			c.Probes[i].Files = nil // the test reads no files of this host
		}
		s, err := New(Options{Config: c, Logger: gokit.NewNopLogger()})
		if err != nil {
			t.Fatalf("taken, and then refused: %s", err)
		}
		for name := range s.modules {
			s.modules[name].maskedYAML()
		}
		s.guard.check("", "http", "http://a:1", "")
		if err := s.CheckClock(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A said is a connection over which the other side has said all it will.
type said struct {
	net.Conn
	io.Reader
	sent bytes.Buffer
}

func (s *said) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s *said) Write(p []byte) (int, error) { return s.sent.Write(p) }

// FuzzConversation: what an expression captures of any line replaces ${1}, and gives a valid metric.
func FuzzConversation(f *testing.F) {
	f.Add("^220 ([^ ]+)(?: (.*))?$", "EHLO ${1}", "<${2}> $name", "220 hello there\n")
	f.Add("(?P<name>.)", "$name$$", "${name", "\xff\xfe\n")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, expression, send, value, heard string) {
		compiled, err := regexp.Compile(expression)
		if err != nil {
			return
		}
		m := &prepared{}
		trace := newTrace(mask.Secrets{})
		conn := &said{Reader: strings.NewReader(heard)}
		c := conversation{conn: conn, m: m, t: trace, steps: []QueryResponse{
			{Expect: Regexp{compiled}, Send: send, Labels: []ExpectLabel{{Name: "value", Value: value}}},
		}}
		failed := c.run(context.Background())
		if failed != nil {
			if conn.sent.Len() > 0 {
				t.Errorf("failed (%s), and yet sent %q", failed.sentence, conn.sent.String())
			}
			return
		}
		line, _, _ := strings.Cut(heard, "\n")
		for rest := heard; !compiled.MatchString(strings.TrimSuffix(line, "\r")); line, _, _ = strings.Cut(rest, "\n") {
			_, rest, _ = strings.Cut(rest, "\n")
		}
		line = strings.TrimSuffix(line, "\r")
		want := compiled.ExpandString(nil, send, line, compiled.FindStringSubmatchIndex(line))
		if len(want) > 0 {
			want = append(want, '\n')
		}
		if !bytes.Equal(conn.sent.Bytes(), want) {
			t.Errorf("sent %q, want %q", conn.sent.String(), want)
		}
		registry := prometheus.NewRegistry()
		registry.MustRegister(trace.finish(Result{}, nil))
		if _, err := registry.Gather(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzNumberAt(f *testing.F) {
	f.Add([]byte(`{"a": "1"}`), "a")
	f.Add([]byte(`[1, {"b": 1e999}]`), "1.b")
	f.Add([]byte(`{"a": {"b": [{"c": " 7 "}]}}`), "a.b.#.c")
	f.Fuzz(func(t *testing.T, body []byte, path string) {
		if n, err := numberAt(body, path); err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) {
			t.Errorf("%v", n)
		}
	})
}

// FuzzMask: a password in a URL, and a token in a query, are never told, whatever stands around them.
func FuzzMask(f *testing.F) {
	f.Add("GET ", "hunter2", "/a?b=c")
	f.Add("x=\"", "p%40w", "?token=1")
	plain := regexp.MustCompile(`^[a-zA-Z0-9]{6,}$`)
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		if !plain.MatchString(secret) || strings.Contains(before, secret) || strings.Contains(after, secret) ||
			strings.Contains(mask.Placeholder, secret) {
			mask.Text(before + secret + after)
			return
		}
		if shown := mask.URL(before + " http://user:" + secret + "@host/" + after); strings.Contains(shown, secret) {
			t.Errorf("userinfo: %q", shown)
		}
		if shown := mask.URL(before + " http://host/?access_token=" + secret + "&" + after); strings.Contains(shown,
			secret) {
			t.Errorf("token: %q", shown)
		}
	})
}

// FuzzNormal: the normal form of a target is its own, and names the host that the target names.
func FuzzNormal(f *testing.F) {
	f.Add("http", "http://Node.example:80")
	f.Add("http", "//[::ffff:1.2.3.4%25x]:080/?#")
	f.Add("http", "http://user:pw@127.0.0.1:1@evil.example/")
	f.Add("tcp", "[::1]:22")
	f.Add("dns", "node.example")
	f.Fuzz(func(t *testing.T, prober, target string) {
		key, ok := normal(prober, target)
		if !ok || prober != "http" {
			return
		}
		again, ok := normal(prober, key)
		if !ok || again != key {
			t.Errorf("%q becomes %q, and that %q", target, key, again)
		}
		asked, err := url.Parse(withScheme(target))
		if err != nil {
			t.Fatalf("%q is normal and no URL: %s", target, err)
		}
		shown, err := url.Parse(key)
		if err != nil {
			t.Fatalf("%q becomes %q: %s", target, key, err)
		}
		if host, _ := normalHost(asked.Hostname()); host != shown.Hostname() {
			t.Errorf("%q goes to %q, and its normal form to %q", target, host, shown.Hostname())
		}
	})
}
