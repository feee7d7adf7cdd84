package mask

import "testing"

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"http://user:pw@host/x":                      "http://<secret>@host/x",
		"see https://token@host and http://b:c@d":    "see https://<secret>@host and http://<secret>@d",
		"user:pw@host:80/path":                       "<secret>@host:80/path",
		`probing "user:pw@host:80"`:                  `probing "<secret>@host:80"`,
		"mail ops@example.com":                       "mail ops@example.com",
		"http://host/path@2x.png":                    "http://host/path@2x.png",
		"Authorization: Bearer abc":                  "Authorization: <secret>",
		"cookie: a=b; c=d\nAccept: text":             "cookie: <secret>\nAccept: text",
		"X-Api-Key: k, X-Request-Id: 1":              "X-Api-Key: <secret>",
		"http://host/?a=1&token=abc&b=2":             "http://host/?a=1&token=<secret>&b=2",
		"GET http://host/?Access_Token=abc#x":        "GET http://host/?Access_Token=<secret>#x",
		"host:80/?api-key=k&client_secret=s;sig=1":   "host:80/?api-key=<secret>&client_secret=<secret>;sig=1",
		"http://host/?key=5&tokens=3&broken_token=":  "http://host/?key=5&tokens=3&broken_token=",
		"127.0.0.1:4005":                             "127.0.0.1:4005",
		"http://[::1]:4005/":                         "http://[::1]:4005/",
		"http://a:b%40c@host/?next=http://u:p@other": "http://<secret>@host/?next=http://<secret>@other",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	for name, want := range map[string]bool{"Authorization": true, "proxy-authorization": true, "Cookie": true, "x-api-key": true, "X-Auth-Token": true, "Accept": false, "X-Request-Id": false, "Host": false} {
		if IsSecretHeader(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
