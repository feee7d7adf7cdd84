package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/prometheus/common/version"
)

// maxRedirects limits the redirects that are followed.
const maxRedirects = 10

// errStop ends the chain of redirects: the redirect itself is the last answer.
var errStop = errors.New("the redirect is not followed")

// An httpRun is an http probe in progress.
type httpRun struct {
	m     *prepared
	t     *trace
	times httpTimes

	ctx       context.Context // of the connections
	closers   []func()        // of connections, the last first
	jar       originJar
	home      *url.URL // of the target, by name: credentials go only to its origin
	location  *url.URL // where the chain of redirects is, by name: the requests of its first host go by address
	first     string   // host:port of the first request, by address
	sni       string   // name for the first host's certificate
	redirects int
	stopped   bool     // a redirect was not followed
	refused   *failure // why, if the guard forbids it

	status, contentLength, bodyLength, version float64
	isTLS                                      bool
	regexFailed, celFailed                     float64
}

// probeHTTP sends one request, follows redirects as the module says, and judges the answer.
func probeHTTP(ctx context.Context, target string, m *prepared, t *trace) *failure {
	h := &httpRun{m: m, t: t}
	defer h.metrics()
	ctx, opened := withConnections(ctx, m.HTTP.SourceIPAddress)
	defer opened.close()
	defer h.close()
	h.ctx = ctx
	request, failed := h.prepare(ctx, target)
	if failed != nil {
		return failed
	}
	response, err := h.client().Do(request)
	if response == nil || err != nil && !h.stopped {
		return h.fail(ctx, err)
	}
	defer response.Body.Close()
	return h.judge(ctx, response)
}

// prepare resolves the target and creates the request, which goes by address.
func (h *httpRun) prepare(ctx context.Context, target string) (*http.Request, *failure) {
	u, err := url.Parse(withScheme(target))
	if err != nil {
		return nil, failf("other", "the target is not a URL")
	}
	if h.m.HTTP.EnableHTTP3 && u.Scheme == "http" {
		u.Scheme = "https"
		h.t.logf("HTTP/3 needs https, the target has http")
	}
	byName := *u
	h.location, h.home = &byName, &byName
	if h.m.resolves() {
		found, failed := lookup(ctx, u.Hostname(), h.m.HTTP.IPProtocol, h.m.HTTP.IPProtocolFallback, h.t)
		h.times.resolved(found.took)
		switch {
		case u.Hostname() == "":
			return nil, failf("other", "the target names no host")
		case failed != nil:
			return nil, failed
		}
		u.Host = hostPort(found.chosen.String(), u.Port())
	}
	h.first = u.Host
	h.sni = byName.Hostname()
	body, failed := h.requestBody()
	if failed != nil {
		return nil, failed
	}
	method := h.m.HTTP.Method
	if method == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(h.times.trace(ctx, h.t), method, u.String(), body)
	if err != nil {
		return nil, failf("other", "creating the request failed: %s", err)
	}
	request.Host = byName.Host
	h.setHeaders(request)
	if _, err := h.m.transports.get(h.sni, false); err != nil {
		return nil, settingsFailure(err)
	}
	h.times.begun = true
	return request, nil
}

func hostPort(ip, port string) string {
	switch {
	case port != "":
		return net.JoinHostPort(ip, port)
	case strings.Contains(ip, ":"):
		return "[" + ip + "]"
	}
	return ip
}

func (h *httpRun) requestBody() (io.Reader, *failure) {
	switch {
	case h.m.HTTP.Body != "":
		return strings.NewReader(h.m.HTTP.Body), nil
	case h.m.HTTP.BodyFile != "":
		file, err := openRegular(h.m.HTTP.BodyFile) // the request closes it
		if err != nil {
			return nil, failf("other", "reading the body of the request failed: %s", err)
		}
		return file, nil
	}
	return nil, nil
}

func (h *httpRun) setHeaders(request *http.Request) {
	for name, value := range h.m.HTTP.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == "Host" {
			request.Host, h.sni = value, value
			continue
		}
		request.Header.Set(name, value)
	}
	if h.m.hostname != "" {
		request.Host, h.sni = h.m.hostname, h.m.hostname
	}
	if _, set := request.Header["User-Agent"]; !set {
		request.Header.Set("User-Agent", "fremisn-exporter/"+version.Version)
	}
}

// client returns a client for this probe alone, with its cookies and redirects; the transports under it belong to the
// module, and keep no connections.
func (h *httpRun) client() *http.Client {
	return &http.Client{Transport: h, Jar: &h.jar, CheckRedirect: h.redirect}
}

// close closes the connections cleanly, if their protocol supports that.
func (h *httpRun) close() {
	for i := len(h.closers) - 1; i >= 0; i-- {
		h.closers[i]()
	}
}

// RoundTrip performs one request of the chain, on a connection of its own. The name for certificates applies only to
// the first host.
func (h *httpRun) RoundTrip(request *http.Request) (*http.Response, error) {
	sni, foreign := "", h.isForeign()
	if request.URL.Host == h.first {
		sni = h.sni
	}
	request = request.Clone(request.Context())
	if foreign {
		stripCredentials(request, &h.jar)
	} else if err := h.m.auth.set(h.ctx, request.Header); err != nil {
		return nil, err
	} else if h.m.auth.tokens != nil {
		h.t.hide(afterSpace(request.Header.Get("Authorization")))
	}
	h.times.next(request.URL.Scheme == "https")
	h.t.logf("%s %s", request.Method, withoutFragment(h.location.String()))
	if h.m.HTTP.EnableHTTP3 {
		return h.roundTripHTTP3(request, sni, foreign)
	}
	transport, err := h.m.transports.get(sni, foreign)
	if err != nil {
		return nil, settingsFailure(err)
	}
	conn, err := connect(request.Context(), transport, request)
	if err != nil {
		return nil, err
	}
	h.closers = append(h.closers, func() { conn.Close() })
	h.times.connected(h.t)
	return conn.RoundTrip(request)
}

// isForeign reports whether a redirect has led to another scheme, host or port.
func (h *httpRun) isForeign() bool {
	return h.location != h.home && origin(h.location) != origin(h.home)
}

func (h *httpRun) redirect(request *http.Request, via []*http.Request) error {
	text := request.Response.Header.Get("Location")
	h.t.logf("answered %s, Location: %s", request.Response.Status, withoutFragment(text))
	h.redirects = len(via)
	if h.redirects > maxRedirects || !h.m.HTTP.Client.FollowRedirects || h.m.stay {
		h.stopped = true
		return errStop
	}
	next, err := h.location.Parse(text)
	if err != nil {
		return err
	}
	h.location = next
	return h.mayFollow(request, next)
}

// withoutFragment removes what a server meant only for browsers, such as a token.
func withoutFragment(location string) string {
	before, _, _ := strings.Cut(location, "#")
	return before
}

// mayFollow returns why a redirect is not followed.
func (h *httpRun) mayFollow(request *http.Request, next *url.URL) error {
	switch {
	case next.Scheme != "http" && next.Scheme != "https":
		h.refused = failf("other", "the redirect to %s is not followed: it is not http",
			withoutFragment(next.Redacted()))
	case h.m.mayFollow != nil && !h.m.mayFollow(next):
		h.refused = failf("other", "the redirect to %s is not followed: on_demand.allow does not allow it",
			withoutFragment(next.Redacted()))
	case request.Body != nil && h.isForeign():
		h.refused = failf("other", "the redirect to %s is not followed: the body of the request is only for %s",
			withoutFragment(next.Redacted()), origin(h.home))
	default:
		return nil
	}
	return h.refused
}

func (h *httpRun) fail(ctx context.Context, err error) *failure {
	if h.refused != nil {
		return h.refused
	}
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err
	}
	return classify(ctx, err, h.t.phase())
}
