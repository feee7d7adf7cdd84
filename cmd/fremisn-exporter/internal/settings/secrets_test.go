package settings

import (
	"context"
	"os"
	"strings"
	"testing"
)

// TestErrorsShowNoSecret puts secrets where they do not belong.
func TestErrorsShowNoSecret(t *testing.T) {
	for section, want := range map[string]string{
		`authorization: "Bearer hunter2"`: "authorization: got <secret>, want a mapping",
		`basic_auth: "op:hunter2"`:        "basic_auth: cannot unmarshal !!str <secret>",
		`oauth2: hunter2`:                 "oauth2: cannot unmarshal !!str <secret>",
		`http_headers: {X-Api-Key: {secrets: hunter2}}`: "secrets: got <secret>, want a list; " +
			"write <secret>",
		`http_headers: {X-Api-Key: hunter2}`: "X-Api-Key: got <secret>, want",
		`proxy_connect_header: {A: hunter2}`: "proxy_connect_header.A: got <secret>, want",
		`headers: "Authorization: hunter2"`:  "headers: got <secret>, want a mapping",
		`proxy_url: "http://u:hunter2@%zz"`: `proxy_url: parse "http://<secret>@%zz": invalid ` +
			`URL escape`,
		`proxy_url: "http://u:hunter2@[::"`:                       `proxy_url: parse "http://<secret>@[::"`,
		`basic_auth: {username: a, password: {hunter2: hunter2}}`: "basic_auth",
		`basic_auth: {username: a, passwort: hunter2}`:            "did you mean password?",
		`bearer_token: [hunter2]`:                                 "bearer_token: cannot unmarshal",
		`basic_auth: {username: a, password: *hunter2}`:           "an alias (*…) without its anchor",
		`headers: "X-Foo: a\nhunter2"`:                            "headers: got <secret>, want",
		`tls_config: {key: [hunter2]}`:                            "tls_config",
	} {
		t.Run(section, func(t *testing.T) {
			_, err := interpret(context.Background(), Source{ConfigFile: "probes.yml"},
				[]byte("modules:\n  m:\n    prober: http\n    http: {"+section+"}\n"))
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestMaskText(t *testing.T) {
	text, err := os.ReadFile("testdata/secrets.yml")
	if err != nil {
		t.Fatal(err)
	}
	shown := maskText(text)
	if strings.Contains(shown, "hunter2") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	for _, kept := range []string{"username: operator", "password_file: /etc/fremisn/password",
		"Accept: application/json", "http://127.0.0.231:4005"} {
		if !strings.Contains(shown, kept) {
			t.Errorf("%q is not shown:\n%s", kept, shown)
		}
	}
}
