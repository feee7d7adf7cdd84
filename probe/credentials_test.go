package probe_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// every kind of credentials that an http module can have; TOKEN is where OAuth2 gets its own.
var credentialKinds = map[string]string{
	"basic":      "basic_auth: {username: op, password: hunter2-password}",
	"bearer":     "authorization: {credentials: hunter2-bearer}",
	"bearer_old": "bearer_token: hunter2-bearer",
	"oauth2":     "oauth2: {client_id: op, client_secret: hunter2-secret, token_url: 'TOKEN'}",
	"headers": "headers: {X-Api-Key: hunter2-key, Cookie: 'session=hunter2-cookie', Private-Token: " +
		"hunter2-token, Accept: text/html}",
	"http_headers": "http_headers: {X-Sig: {values: [hunter2-sig]}, X-Other: {secrets: [hunter2-other]}}",
	"client_cert":  "tls_config: {ca_file: CERT, cert_file: CERT, key_file: KEY}",
}

// A tokenServer gives OAuth2 tokens.
func tokenServer(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token": "hunter2-given", "token_type": "bearer"}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// certificate leaves that of a test server, which is for 127.0.0.1, with its key in files.
func certificate(t *testing.T, server *httptest.Server) (cert, key string) {
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	own := server.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err == nil {
		err = os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}), 0o600)
	}
	if err == nil {
		err = os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// shown is what of a request only the owner of the credentials should get.
func shown(r *http.Request) string {
	var all []string
	for name, values := range r.Header {
		for _, value := range values {
			if strings.Contains(value, "hunter2") || name == "Authorization" || name == "Cookie" || name == "Referer" {
				all = append(all, name+": "+value)
			}
		}
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		all = append(all, "client certificate")
	}
	body, _ := io.ReadAll(r.Body)
	return strings.Join(append(all, string(body)), " ")
}

func asksForCertificates(h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	return server
}

// TestCredentialsStayAtHome has a target redirect every kind of credentials elsewhere: to itself they go again, to
// another port, scheme or name they do not.
func TestCredentialsStayAtHome(t *testing.T) {
	home, plain := newWitness(t, asksForCertificates), newWitness(t, httptest.NewServer)
	elsewhere := newWitness(t, asksForCertificates)
	cert, key := certificate(t, home.Server)
	replace := strings.NewReplacer("TOKEN", tokenServer(t), "CERT", cert, "KEY", key)
	for kind, settings := range credentialKinds {
		settings = replace.Replace(settings)
		if !strings.Contains(settings, "tls_config") {
			settings += ", tls_config: {ca_file: " + cert + "}"
		}
		p := newProber(t, "modules: {m: {prober: http, timeout: 30s, http: {"+settings+"}}}\n")
		for _, c := range []struct {
			to    string
			lands *witness
			goes  bool
		}{
			{"/landed", home, true},
			{home.URL + "/landed", home, true},
			{elsewhere.URL + "/landed", elsewhere, false},
			{plain.URL + "/landed", plain, false},
			{strings.Replace(plain.URL, "127.0.0.1", "localhost", 1) + "/landed", plain, false},
		} {
			t.Run(kind+" "+c.to, func(t *testing.T) {
				home.drain()
				c.lands.drain()
				r, err := p.Once(context.Background(), "m", home.URL+"/to?"+c.to)
				if err != nil || !r.Success {
					t.Fatalf("%v %s\n%s", err, r.Sentence, r.Log)
				}
				seen := c.lands.drain()
				last := seen[len(seen)-1]
				credentials := strings.TrimSpace(shown(last))
				if c.goes && !strings.Contains(credentials, "hunter2") && kind != "basic" && kind != "client_cert" ||
					c.goes &&
						credentials == "" {
					t.Errorf("they do not go along: %q", credentials)
				}
				if !c.goes && credentials != "" {
					t.Errorf("%s is shown", credentials)
				}
				if kind == "headers" && last.Header.Get("Accept") != "text/html" {
					t.Error("a harmless header does not go along")
				}
			})
		}
	}
}

// TestUserOfATargetStaysAtHome: the user that a target names is one of its origin alone, and comes back to it.
func TestUserOfATargetStaysAtHome(t *testing.T) {
	home, elsewhere := newWitness(t, httptest.NewServer), newWitness(t, httptest.NewServer)
	p := newProber(t, "modules: {m: {prober: http, timeout: 30s}}\n")
	target := strings.Replace(home.URL, "://", "://op:hunter2@", 1)
	for to, lands := range map[string]*witness{"/landed": home, elsewhere.URL + "/landed": elsewhere,
		strings.Replace(home.URL, "127.0.0.1", "localhost", 1) + "/landed": home} {
		home.drain()
		elsewhere.drain()
		r, err := p.Once(context.Background(), "m", target+"/to?"+to)
		if err != nil || !r.Success {
			t.Fatalf("%v %s\n%s", err, r.Sentence, r.Log)
		}
		seen := home.drain()
		if seen[0].Header.Get("Authorization") == "" {
			t.Errorf("%s: the target does not get its user", to)
		}
		last := append(seen, lands.drain()...)[len(seen):]
		if len(last) == 0 { // it has landed at home
			last = seen[1:]
		}
		if credentials := shown(last[0]); to != "/landed" && strings.TrimSpace(credentials) != "" {
			t.Errorf("%s is shown %q", to, credentials)
		}
		if strings.Contains(r.Log, "hunter2") {
			t.Errorf("the log shows it:\n%s", r.Log)
		}
	}
}

// TestBodiesStayAtHome: a redirect that keeps the method would carry the body of a login elsewhere.
func TestBodiesStayAtHome(t *testing.T) {
	home, elsewhere := newWitness(t, httptest.NewServer), newWitness(t, httptest.NewServer)
	p := newProber(t, `modules: {m: {prober: http, timeout: 30s, http: {method: POST, body: "password=hunter2"}}}`)
	r, err := p.Once(context.Background(), "m", home.URL+"/keep?"+elsewhere.URL+"/")
	if err != nil || r.Success || r.Reason != "other" || !strings.Contains(r.Sentence, "is not followed") ||
		len(elsewhere.drain()) > 0 {
		t.Errorf("%v %q: %s", err, r.Reason, r.Sentence)
	}
	if r, err := p.Once(context.Background(), "m", home.URL+"/keep?/landed"); err != nil || !r.Success {
		t.Errorf("%v %s", err, r.Sentence)
	}
}

// TestTokensAreAskedForAtHome: where a token_url redirects to, the secret does not go.
func TestTokensAreAskedForAtHome(t *testing.T) {
	target, elsewhere := newWitness(t, httptest.NewServer), newWitness(t, httptest.NewServer)
	p := newProber(t,
		"modules: {m: {prober: http, timeout: 30s, http: {oauth2: {client_id: a, client_secret: hunter2, token_url: '"+
			target.URL+"/keep?"+elsewhere.URL+"'}}}}\n")
	r, err := p.Once(context.Background(), "m", target.URL)
	if err != nil || r.Reason != "other" || !strings.Contains(r.Sentence, "fetching an OAuth2 token failed") ||
		len(elsewhere.drain()) > 0 {
		t.Errorf("%v %q: %s", err, r.Reason, r.Sentence)
	}
}

// TestCredentialsAreForTheTargetsOfTheirEntries asks /probe for pairs of module and target that no entry of probes:
// has.
func TestCredentialsAreForTheTargetsOfTheirEntries(t *testing.T) {
	owner, other := newWitness(t, httptest.NewServer), newWitness(t, httptest.NewServer)
	replace := strings.NewReplacer("TOKEN", tokenServer(t), "CERT", "/no/such/file", "KEY", "/no/such/file")
	for _, allow := range []string{"configured", "any", `["http://127\\.0\\.0\\.1:.*"]`} {
		for kind, settings := range credentialKinds {
			settings = replace.Replace(settings)
			p := newProber(t, fmt.Sprintf(`
modules:
  used: {prober: http, timeout: 30s, http: {%s}}
  unused: {prober: http, timeout: 30s, http: {%s}}
  plain: {prober: http, timeout: 30s}
probes:
  - {name: a, module: used, interval: 1h, targets: ["%s/"]}
  - {name: b, module: plain, interval: 1h, targets: ["%s/"]}
on_demand: {allow: %s}
`, settings, settings, owner.URL, other.URL, allow))
			for _, c := range []struct {
				module, target, hostname string
				code                     int
			}{
				{"used", owner.URL, "", 200}, {"used", other.URL, "", 403}, {"used", owner.URL + "/other", "", 403},
				{"used", owner.URL, "other.example", 403}, {"plain", owner.URL, "", 200}, {"unused", other.URL, "",
					200},
			} {
				t.Run(fmt.Sprint(allow, kind, c), func(t *testing.T) {
					other.drain()
					code, text := p.ask(t, "module", c.module, "target", c.target, "hostname", c.hostname)
					if code != c.code {
						t.Errorf("%d: %s", code, text)
					}
					if seen := other.drain(); c.code == 403 && len(seen) > 0 {
						t.Errorf("it was asked: %v", seen[0].Header)
					}
				})
			}
		}
	}
}

// TestRefusalsAreSeen counts what /probe refuses, and wants one line of the log for all of it.
func TestRefusalsAreSeen(t *testing.T) {
	p := newProber(t, `
modules: {m: {prober: http}, secret: {prober: http, http: {bearer_token: hunter2}}}
probes: [{name: a, module: secret, interval: 1h, targets: ["http://127.0.0.1:1/", "http://127.0.0.1:2/"]}]
`)
	contains(t, p.metrics(), `fremisn_exporter_probes_refused_total{reason="target"} 0`,
		`fremisn_exporter_probes_refused_total{reason="credentials"} 0`)
	for range 20 {
		p.ask(t, "module", "m", "target", "http://stranger.example/?key=hunter2")
	}
	if code, text := p.ask(t, "module", "secret", "target", "http://stranger.example/"); code != 403 ||
		!strings.Contains(text, "on_demand.allow") {
		t.Errorf("%d %s", code, text)
	}
	contains(t, p.metrics(), `fremisn_exporter_probes_refused_total{reason="target"} 21`)
	log := p.log.String()
	if n := strings.Count(log, "refused"); strings.Count(log, "\n") != 1 || n == 0 || strings.Contains(log, "hunter2") {
		t.Errorf("the log:\n%s", log)
	}
	contains(t, log, "http://stranger.example/", "on_demand.allow")
}

// TestExpressionOfASecretHeader: what the value of a header that holds a secret should be is not told.
func TestExpressionOfASecretHeader(t *testing.T) {
	site := newWitness(t, httptest.NewServer)
	p := newProber(t, "modules: {m: {prober: http, timeout: 30s, http: {follow_redirects: false, "+
		"valid_status_codes: [302], fail_if_header_not_matches: [{header: Set-Cookie, regexp: hunter2}]}}}\n")
	r, err := p.Once(context.Background(), "m", site.URL+"/to?/")
	if err != nil || r.Sentence != "the header Set-Cookie does not match <secret>" ||
		strings.Contains(r.Log, "hunter2") {
		t.Errorf("%v %s\n%s", err, r.Sentence, r.Log)
	}
}
