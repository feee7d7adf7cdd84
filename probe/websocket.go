package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/common/version"
)

// maxMessage limits a server's message, bytes.
const maxMessage = 1 << 20

// A websocketRun is one websocket probe while it runs.
type websocketRun struct {
	m   *prepared
	t   *trace
	ctx context.Context // of the connection

	status, upgraded, regexFailed float64
	phases                        []Phase
	sent                          bool
}

// probeWebsocket upgrades a connection, and runs the module's conversation. Redirects are answers, as in
// blackbox_exporter.
func probeWebsocket(ctx context.Context, target string, m *prepared, t *trace) *failure {
	w := &websocketRun{m: m, t: t}
	defer w.metrics()
	u, err := url.Parse(withWebScheme(target))
	if err != nil || u.Hostname() == "" {
		return failf("other", "the target is not a URL such as ws://HOST:PORT/")
	}
	found, failed := lookup(ctx, u.Hostname(), m.Websocket.IPProtocol, m.Websocket.IPProtocolFallback, t)
	if failed != nil {
		return failed
	}
	w.phases = append(w.phases, Phase{"resolve", found.took})
	ctx, opened := withConnections(ctx, "")
	defer opened.close()
	if m.Websocket.Client.ProxyURL.URL == nil && !m.Websocket.Client.ProxyFromEnvironment {
		opened.addresses = found.all()[:1]
	}
	w.ctx = ctx
	conn, failed := w.dial(u)
	if failed != nil {
		return failed
	}
	defer conn.CloseNow()
	w.upgraded = 1
	return w.converse(conn)
}

// dial connects and requests the upgrade.
func (w *websocketRun) dial(u *url.URL) (*websocket.Conn, *failure) {
	header := http.Header{"User-Agent": {"fremisn-exporter/" + version.Version}}
	for name, values := range w.m.Websocket.Headers.Headers {
		header.Del(name)
		if err := addHeader(header, name, values); err != nil {
			return nil, classify(w.ctx, err, "")
		}
	}
	if err := w.m.auth.set(w.ctx, header); err != nil {
		return nil, classify(w.ctx, err, "")
	}
	w.t.hide(afterSpace(header.Get("Authorization")))
	options := &websocket.DialOptions{HTTPHeader: header, Host: w.m.hostname, HTTPClient: &http.Client{
		Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	begin := time.Now()
	conn, response, err := websocket.Dial(w.ctx, u.String(), options)
	w.phases = append(w.phases, Phase{"processing", max(0, time.Since(begin)-w.took("connect"))})
	if response != nil {
		w.status = float64(response.StatusCode)
		w.t.logf("answered %s", response.Status)
	}
	switch {
	case err == nil:
		conn.SetReadLimit(maxMessage)
		return conn, nil
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return nil, failf("status", "answered %d, not 101", response.StatusCode)
	case response != nil:
		return nil, failf("header", "the upgrade is not one to WebSocket: %s", err)
	}
	return nil, classify(w.ctx, err, w.t.phase())
}

// RoundTrip performs the one request.
func (w *websocketRun) RoundTrip(request *http.Request) (*http.Response, error) {
	name := request.URL.Hostname()
	if w.m.hostname != "" {
		name = w.m.hostname
	}
	w.t.logf("%s %s", request.Method, withoutFragment(request.URL.String()))
	transport, err := w.m.transports.get(name, false)
	if err != nil {
		return nil, settingsFailure(err)
	}
	w.t.enter("connect")
	begin := time.Now()
	conn, err := connect(request.Context(), transport, request)
	if err != nil {
		return nil, err
	}
	w.phases = append(w.phases, Phase{"connect", time.Since(begin)})
	w.t.enter("processing")
	return conn.RoundTrip(request)
}

func (w *websocketRun) took(phase string) time.Duration {
	if at := slices.IndexFunc(w.phases, func(p Phase) bool { return p.Name == phase }); at >= 0 {
		return w.phases[at].Duration
	}
	return 0
}

// converse runs the steps: each reads one message if it expects something.
func (w *websocketRun) converse(conn *websocket.Conn) *failure {
	if len(w.m.Websocket.QueryResponse) == 0 {
		return nil
	}
	w.t.enter("conversation")
	begin := time.Now()
	defer func() { w.phases = append(w.phases, Phase{"transfer", time.Since(begin)}) }()
	for i := range w.m.Websocket.QueryResponse {
		if failed := w.step(conn, i); failed != nil {
			w.regexFailed = 1
			return failed
		}
	}
	return nil
}

func (w *websocketRun) step(conn *websocket.Conn, i int) *failure {
	step := &w.m.Websocket.QueryResponse[i]
	send := []byte(step.Send)
	if step.Expect.Regexp != nil {
		_, message, err := conn.Read(w.ctx)
		if err != nil {
			return classify(w.ctx, err, "conversation")
		}
		// The answer may repeat what was sent, which may be a password.
		shown := fmt.Sprintf("%d bytes", len(message))
		if !w.sent {
			shown = w.t.quote(message)
		}
		w.t.logf("read %s", shown)
		match := step.Expect.FindSubmatchIndex(message)
		if match == nil {
			return failf("body", "the message does not match %q", step.Expect)
		}
		send = step.Expect.Expand(nil, send, message, match)
	}
	if len(send) == 0 {
		return nil
	}
	w.sent = true
	w.t.logf("step %d sends %d bytes", i+1, len(send))
	if err := conn.Write(w.ctx, websocket.MessageText, send); err != nil {
		return classify(w.ctx, err, "conversation")
	}
	return nil
}

func (w *websocketRun) metrics() {
	for _, p := range w.phases {
		w.t.gauge("probe_websocket_duration_seconds", "Duration of websocket request by phase", p.Duration.Seconds(),
			Label{"phase", p.Name})
	}
	w.t.gauge("probe_websocket_connection_upgraded", "Indicates if the websocket connection was successfully upgraded",
		w.upgraded)
	w.t.gauge("probe_websocket_status_code", "Response HTTP status code", w.status)
	w.t.gauge("probe_websocket_failed_due_to_regex", "Indicates if probe failed due to regex", w.regexFailed)
}

// withWebScheme returns the HTTP form of a websocket module's target: ws is http, and wss is https.
func withWebScheme(target string) string {
	for scheme, web := range map[string]string{"ws://": "http://", "wss://": "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			return web + target[len(scheme):]
		}
	}
	return withScheme(target)
}
