package probe_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// talk greets, and then echoes what it receives.
func talk(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/no":
		w.WriteHeader(http.StatusForbidden)
		return
	case "/to":
		http.Redirect(w, r, "/", http.StatusFound)
		return
	case "/auth":
		if r.Header.Get("Authorization") != "Bearer hunter2" || r.Header.Get("X-Own") != "mine" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	case "/closes":
		panic(http.ErrAbortHandler)
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx := r.Context()
	conn.Write(ctx, websocket.MessageText, []byte("hello master"))
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil {
			return
		}
		conn.Write(ctx, kind, message)
	}
}

func TestWebsocket(t *testing.T) {
	plain, secure := httptest.NewServer(http.HandlerFunc(talk)), httptest.NewTLSServer(http.HandlerFunc(talk))
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	cert, _ := certificate(t, secure)
	ws, wss := strings.Replace(plain.URL, "http", "ws", 1), strings.Replace(secure.URL, "http", "ws", 1)
	p := newProber(t, strings.ReplaceAll(`
modules:
  websocket: {prober: websocket}
  up: {prober: websocket, timeout: 20s}
  tls: {prober: websocket, timeout: 20s, websocket: {preferred_ip_protocol: ip4,
	http_config: {tls_config: {ca_file: CA}}}}
  auth: {prober: websocket, timeout: 20s, websocket: {headers: {X-Own: {values: [mine]}},
	http_config: {authorization: {credentials: hunter2}}}}
  talk: {prober: websocket, timeout: 20s, websocket: {query_response: [{expect: "^hello (.*)",
	send: "I am ${1} hunter2-word"}, {expect: "^I am master"}]}}
  wrong: {prober: websocket, timeout: 20s, websocket: {query_response: [{expect: "^goodbye"}]}}
  waits: {prober: websocket, timeout: 1s, websocket: {query_response: [{expect: "hello"}, {expect: "more"}]}}
on_demand: {allow: ["ws://127\\.0\\.0\\.1:.*"]}
`, "CA", cert))
	for _, c := range []struct{ module, target, reason, text string }{
		{"up", ws, "", "probe_websocket_connection_upgraded 1"},
		{"up", ws, "", "probe_websocket_status_code 101"},
		{"up", ws, "", `probe_websocket_duration_seconds{phase="resolve"}`},
		{"up", ws, "", `probe_websocket_duration_seconds{phase="connect"}`},
		{"up", ws, "", `probe_websocket_duration_seconds{phase="processing"}`},
		{"tls", wss, "", "probe_ip_protocol 4"},
		{"up", wss, "tls", "unknown authority"},
		{"auth", ws + "/auth", "", "probe_success 1"},
		{"up", ws + "/auth", "status", "answered 401, not 101"},
		{"up", ws + "/no", "status", "probe_websocket_status_code 403"},
		{"up", ws + "/to", "status", "answered 302, not 101"},
		{"up", ws + "/closes", "connect", "closed without an answer"},
		{"up", "ws://127.0.0.1:1", "connect", "refused"},
		{"talk", ws, "", `probe_websocket_duration_seconds{phase="transfer"}`},
		{"wrong", ws, "body", "probe_websocket_failed_due_to_regex 1"},
		{"waits", ws, "timeout", "in the conversation"},
	} {
		t.Run(c.module+" "+c.target+" "+c.text, func(t *testing.T) {
			r, err := p.Once(context.Background(), c.module, c.target)
			text := r.Sentence
			for _, s := range r.Samples {
				text += "\n" + s.String()
			}
			if err != nil || r.Reason != c.reason || !strings.Contains(text, c.text) {
				t.Errorf("%v, reason %q: %s\n%s", err, r.Reason, text, r.Log)
			}
			if strings.Contains(text+r.Log, "hunter2") {
				t.Errorf("a secret is shown:\n%s", r.Log)
			}
		})
	}
	if code, text := p.ask(t, "module", "up", "target", ws+"/x"); code != 200 || !strings.Contains(text,
		"probe_success 1") {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := p.ask(t, "module", "up", "target", strings.Replace(ws, "127.0.0.1", "localhost", 1)); code != 403 {
		t.Errorf("%d", code)
	}
}
