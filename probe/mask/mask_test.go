package mask_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"http://user:pw@host/x":                   "http://<secret>@host/x",
		"see https://token@host and http://b:c@d": "see https://<secret>@host and http://<secret>@d",
		"user:pw@host:80/path":                    "<secret>@host:80/path",
		`probing "user:pw@host:80"`:               `probing "<secret>@host:80"`,
		"mail ops@example.com":                    "mail ops@example.com",
		"http://host/path@2x.png":                 "http://host/path@2x.png",
		"Authorization: Bearer abc":               "Authorization: <secret>",
		"cookie: a=b; c=d\nAccept: text":          "cookie: <secret>\nAccept: text",
		"X-Api-Key: k, X-Request-Id: 1":           "X-Api-Key: <secret>",
		"http://host/?a=1&token=abc&page=2":       "http://host/?a=<secret>&token=<secret>&page=2",
		"http://host/?X-Amz-Signature=1&sig=2&Code=3#x=y": "http://host/?X-Amz-Signature=<secret>&sig=<secret>&" +
			"Code=<secret>#x=<secret>",
		"/next#access_token=abc&x=1":                      "/next#access_token=<secret>&x=<secret>",
		"http://host/a#abc":                               "http://host/a#<secret>",
		"host:80/?api-key=k;sig=1":                        "host:80/?api-key=<secret>;sig=<secret>",
		"http://host/?empty=":                             "http://host/?empty=",
		"/probe?module=m&target=http%3A%2F%2Fu:p%40h":     "/probe?module=m&target=<secret>",
		"/probe?module=m&target=http%3A%2F%2Fh%3A80%2F":   "/probe?module=m&target=http%3A%2F%2Fh%3A80%2F",
		"127.0.0.1:4005":                                  "127.0.0.1:4005",
		"http://[::1]:4005/":                              "http://[::1]:4005/",
		"text/html;charset=utf-8 is a = b":                "text/html;charset=utf-8 is a = b",
		"http://a:b%40c@host/?next=http://u:p@other":      "http://<secret>@host/?next=<secret>",
		`{"access_token": "ab\"c", "state":"up","PIN":1}`: `{"access_token": "<secret>", "state":"up","PIN":1}`,
	} {
		if got := mask.Text(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestTarget(t *testing.T) {
	for text, want := range map[string]string{
		"token@host:80/path":    "<secret>@host:80/path",
		"u:p@host/a@b":          "<secret>@host/a@b",
		"host/a@b":              "host/a@b",
		"http://token@host?q=1": "http://<secret>@host?q=<secret>",
		"127.0.0.1:22":          "127.0.0.1:22",
	} {
		if got := mask.Target(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// TestBadURL: the password of what is no URL may hold any character, and the message about it quotes it.
func TestBadURL(t *testing.T) {
	for _, password := range []string{
		"pw", "p w", "p{w", "p/w", "p?w", "p#w", "p'w", `p"w`, "p<w>", "p@w", "p:w", "p%w", "p\\w", "p&w=p",
	} {
		for _, text := range []string{"http://u:" + password + "@127.0.0.1:80/", "u:" + password + "@127.0.0.1:80"} {
			_, err := url.Parse(text)
			if err == nil {
				continue // by a mistake of the user, the password is a host or a path
			}
			for _, shown := range []string{mask.Text(err.Error()), mask.Target(text),
				mask.ConfigError("nginx.status[0].url", fmt.Sprintf("%q is not a URL: %v", text, errors.Unwrap(err)))} {
				if strings.Contains(strings.ReplaceAll(shown, "parse", ""), "p") && strings.Contains(shown, "w@") ||
					strings.Contains(shown, `":p"`) {
					t.Errorf("%q is shown as %s", text, shown)
				}
			}
		}
	}
}

func TestStars(t *testing.T) {
	for text, want := range map[string]string{
		`"GET /a?token=abc&page=2 HTTP/1.1" 200`: `"GET /a?token=***&page=2 HTTP/1.1" 200`,
		`"http://u:pw@h/?q=1#frag" x`:            `"http://****@h/?q=*#****" x`,
		"é?q=é 200":                              "é?q=** 200",
		"nothing":                                "nothing",
	} {
		if got := mask.Stars(text); got != want || len(got) != len(text) {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestBody(t *testing.T) {
	for text, want := range map[string]string{
		`{"user":"a","password":"b","limit":5,"deep":[{"pin":1234,"ok":true}]}`: `{"deep":[{"ok":true,` +
			`"pin":"<secret>"}],"limit":5,"password":"<secret>","user":"<secret>"}`,
		"grant_type=x&client_secret=b&page=2": "grant_type=<secret>&" +
			"client_secret=<secret>&page=2",
		"<login>pw</login>": "<secret>",
		`"pw"`:              `"<secret>"`,
		"":                  "",
	} {
		if got := mask.Body(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestHarmlessHeaders(t *testing.T) {
	for name, want := range map[string]bool{"accept": true, "Host": true, "user-agent": true, "X-Request-Id": false,
		"Private-Token": false, "Cookie": false} {
		if mask.IsHarmlessHeader(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// TestInValue: what a server repeats is hidden, but not every text in which a short word of a header stands.
func TestInValue(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        string
	}{
		{"X-Forwarded-Proto", "https", ""}, {"X-Forwarded-For", "127.0.0.1", ""}, {"Origin", "http://127.0.0.1:4005",
			""},
		{"Accept", "application/json", ""}, {"Circle-Token", "abcd", "abcd"}, {"X-Whatever", "abcdefgh", "abcdefgh"},
		{"Authorization", "Bearer abcd", "Bearer abcd abcd"},
	} {
		if got := strings.TrimSpace(strings.Join(mask.InValue(c.name, c.value), " ")); got != c.want {
			t.Errorf("%s: %s: %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

func TestYAML(t *testing.T) {
	const text = `
http:
  headers: {Accept: text/html, Private-Token: abc}
  http_headers: {X-Sig: {values: [abc], secrets: [abc], files: [/shown]}, Accept: {values: [text/plain]}}
  body: '{"pin": "abc"}'
  oauth2: {client_id: id-abc, scopes: [s-abc], claims: {a: [{b: abc}]}, endpoint_params: {otp: abc},
    token_url: 'http://h/?t=abc', client_secret_file: /also/shown, grant_type: client_credentials}
  fail_if_header_not_matches: [{header: Set-Cookie, regexp: abc}, {header: Via, regexp: via-shown}]
  fail_if_body_not_matches_regexp: ['"key": "id-abc"', ready]
  basic_auth: {username: shown, password: abc}
tcp: {query_response: [{expect: '^220', send: 'HELO abc'}]}
grpc: {metadata: {x-own: [abc]}}
labels: [{name: host, values: [shown.example]}]
targets: ['abc@host:80', 'http://h/?q=abc']
`
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	mask.YAML(&node)
	shown, err := yaml.Marshal(&node)
	if err != nil || strings.Contains(string(shown), "abc") {
		t.Errorf("%v\n%s", err, shown)
	}
	for _, kept := range []string{"text/html", "text/plain", "/shown", "username: shown", "^220", "shown.example",
		"@host:80", "/also/shown", "client_credentials", "ready", "via-shown"} {
		if !strings.Contains(string(shown), kept) {
			t.Errorf("%s is hidden\n%s", kept, shown)
		}
	}
}

func TestConfigError(t *testing.T) {
	for _, c := range [][3]string{
		{"", "not YAML: unknown anchor 'abc' referenced", "not YAML: unknown anchor <secret> referenced"},
		{"modules.m.http.headers", `got "X-Foo: a\nabc", want a mapping`, "got <secret>, want a mapping"},
		{"modules.m.websocket.http_config", "cannot decode !!str `abc` as a !!int",
			"cannot decode !!str <secret> as a !!int"},
		{"nginx.status[0].url", `"ftp://u:abc@h/?s=abc" has the scheme "ftp"`,
			`"ftp://<secret>@h/?s=<secret>" has the scheme "ftp"`},
	} {
		if got := mask.ConfigError(c[0], c[1]); got != c[2] {
			t.Errorf("%s: %q, want %q", c[0], got, c[2])
		}
	}
}
