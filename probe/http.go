package probe

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/tidwall/gjson"
)

const (
	// maxBody bounds what is read of an answer, bytes. blackbox_exporter reads all there is.
	maxBody      = 10 << 20
	maxRedirects = 10
)

// licenceTexts are how FREMIS-N says that its licence is the fault; it says so as plain text, with its own status.
var licenceTexts = []string{
	"is not available in deployment key", "License has not been initialized", "Inactive analytic",
}

// An exchange is one request of an http probe: redirects make several.
type exchange struct {
	start, connected, tlsStart, tlsDone, sent, firstByte, end time.Time
	tls                                                       bool
}

// probeHTTP asks once, follows redirects as the module says, and judges the answer.
func probeHTTP(ctx context.Context, target string, m *prepared, t *trace) *failure {
	h := newHTTPRun(ctx, m, t)
	defer h.metrics()
	u, err := url.Parse(withScheme(target))
	if err != nil || u.Hostname() == "" {
		return failf("other", "%q is no URL", target)
	}
	h.host = u.Hostname()
	if h.ip, h.failed = lookup(ctx, u.Hostname(), m.HTTP.IPProtocol, m.HTTP.IPProtocolFallback, t); h.failed != nil {
		return h.failed
	}
	request, failed := h.request(ctx, u)
	if failed != nil {
		return failed
	}
	response, err := h.client().Do(request)
	if err != nil {
		return h.fail(ctx, err)
	}
	defer response.Body.Close()
	t.phase = "transfer"
	return h.judge(ctx, response)
}

// An httpRun is one http probe while it runs.
type httpRun struct {
	m         *prepared
	t         *trace
	host      string
	ip        *net.IPAddr
	failed    *failure
	exchanges []*exchange
	redirects int
	refused   *failure // why a redirect was not followed

	status        float64
	contentLength float64
	bodyLength    float64
	isTLS         bool
	version       float64
	regexFailed   float64
}

func newHTTPRun(_ context.Context, m *prepared, t *trace) *httpRun { return &httpRun{m: m, t: t} }

func (h *httpRun) request(ctx context.Context, u *url.URL) (*http.Request, *failure) {
	var body io.Reader
	if h.m.HTTP.Body != "" {
		body = strings.NewReader(h.m.HTTP.Body)
	}
	method := h.m.HTTP.Method
	if method == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, h.clientTrace()), method, u.String(), body)
	if err != nil {
		return nil, failf("other", "no request can be made: %s", err)
	}
	for name, value := range h.m.HTTP.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == "Host" {
			request.Host = value
			continue
		}
		request.Header.Set(name, value)
	}
	if _, set := request.Header["User-Agent"]; !set {
		request.Header.Set("User-Agent", "fremisn-exporter")
	}
	if hostname := hostnameOf(ctx); hostname != "" && request.Host == u.Host {
		request.Host = hostname
	}
	return request, nil
}

// client is one for this probe alone: its connections are not kept, and its redirects are its own.
func (h *httpRun) client() *http.Client {
	transport := &http.Transport{
		DialContext:         h.dial,
		TLSClientConfig:     h.m.tls,
		DisableKeepAlives:   true,
		DisableCompression:  true,
		ForceAttemptHTTP2:   h.m.HTTP.EnableHTTP2,
		TLSHandshakeTimeout: 0,
	}
	if proxy := h.m.HTTP.Proxy(); proxy != nil {
		transport.Proxy = proxy
	}
	if !h.m.HTTP.EnableHTTP2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	jar, _ := cookiejar.New(nil)
	return &http.Client{Transport: h.m.authorize(transport), Jar: jar, CheckRedirect: h.redirect}
}

// dial connects to the address that was looked up, for the target's own host; a redirect elsewhere is looked up anew.
func (h *httpRun) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host == h.host {
		address = net.JoinHostPort(h.ip.String(), port)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}

func (h *httpRun) redirect(request *http.Request, via []*http.Request) error {
	h.t.logf("redirected to %s", request.URL)
	if !h.m.HTTP.FollowRedirects {
		return http.ErrUseLastResponse
	}
	if len(via) >= maxRedirects {
		h.refused = failf("other", "there were more than %d redirects", maxRedirects)
		return h.refused
	}
	if h.m.mayFollow != nil && !h.m.mayFollow(request.URL) {
		h.refused = failf("other", "a redirect to %s is not followed: on_demand.allow does not let it", request.URL.Redacted())
		return h.refused
	}
	h.redirects++
	return nil
}

func (h *httpRun) clientTrace() *httptrace.ClientTrace {
	current := func() *exchange { return h.exchanges[len(h.exchanges)-1] }
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			h.exchanges = append(h.exchanges, &exchange{start: time.Now()})
			h.t.phase = "connect"
		},
		GotConn: func(httptrace.GotConnInfo) {
			current().connected = time.Now()
			h.t.phase = "processing"
		},
		TLSHandshakeStart: func() {
			current().tlsStart, current().tls = time.Now(), true
			h.t.phase = "tls"
		},
		TLSHandshakeDone:     func(tls.ConnectionState, error) { current().tlsDone = time.Now() },
		WroteRequest:         func(httptrace.WroteRequestInfo) { current().sent = time.Now() },
		GotFirstResponseByte: func() { current().firstByte = time.Now() },
	}
}

func (h *httpRun) fail(ctx context.Context, err error) *failure {
	if h.refused != nil {
		return h.refused
	}
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err
	}
	return classify(ctx, err, h.t.phase)
}

// judge reads the body and holds the answer against what the module wants. The first that does not fit is the
// reason, but a licence text in the body explains all.
func (h *httpRun) judge(ctx context.Context, response *http.Response) *failure {
	h.status = float64(response.StatusCode)
	h.contentLength = float64(response.ContentLength)
	h.isTLS = response.TLS != nil
	h.version, _ = strconv.ParseFloat(strings.TrimPrefix(response.Proto, "HTTP/"), 64)
	h.t.logf("answered %s %s", response.Proto, response.Status)
	body, bodyErr := h.readBody(response)
	if last := h.exchanges[len(h.exchanges)-1]; last.end.IsZero() {
		last.end = time.Now()
	}
	h.bodyLength = float64(len(body))
	if modified, err := http.ParseTime(response.Header.Get("Last-Modified")); err == nil {
		h.t.gauge("probe_http_last_modified_timestamp_seconds", "Returns the Last-Modified HTTP response header in unixtime", float64(modified.Unix()))
	}
	if response.TLS != nil {
		h.t.tlsMetrics(response.TLS)
	}
	failed := h.check(ctx, response, body, bodyErr)
	if failed == nil {
		h.bodyMetrics(body)
		return nil
	}
	for _, text := range licenceTexts {
		if bytes.Contains(body, []byte(text)) {
			return failf("license", "the licence is at fault: %s", firstLine(body))
		}
	}
	return failed
}

func firstLine(body []byte) string {
	line, _, _ := bytes.Cut(body[:min(len(body), 200)], []byte("\n"))
	return strings.ToValidUTF8(string(line), "\uFFFD")
}

func (h *httpRun) check(ctx context.Context, response *http.Response, body []byte, bodyErr error) *failure {
	p := &h.m.HTTP
	switch {
	case !h.validStatus(response.StatusCode):
		return failf("status", "answered %d, which valid_status_codes does not hold", response.StatusCode)
	case bodyErr != nil:
		return classify(ctx, bodyErr, "transfer")
	}
	if failed := h.checkHeaders(response.Header); failed != nil {
		return failed
	}
	if failed := h.checkBody(body); failed != nil {
		return failed
	}
	switch {
	case len(p.ValidHTTPVersions) > 0 && !slices.Contains(p.ValidHTTPVersions, response.Proto):
		return failf("other", "answered with %s, which valid_http_versions does not hold", response.Proto)
	case p.FailIfSSL && h.isTLS:
		return failf("tls", "the final answer came over TLS, and fail_if_ssl is set")
	case p.FailIfNotSSL && !h.isTLS:
		return failf("tls", "the final answer did not come over TLS, and fail_if_not_ssl is set")
	}
	return nil
}

func (h *httpRun) validStatus(code int) bool {
	if len(h.m.HTTP.ValidStatusCodes) == 0 {
		return code >= 200 && code < 300
	}
	return slices.Contains(h.m.HTTP.ValidStatusCodes, code)
}

func (h *httpRun) checkHeaders(header http.Header) *failure {
	for _, match := range h.m.HTTP.FailIfHeaderMatchesRegexp {
		for _, value := range header.Values(match.Header) {
			if match.Regexp.MatchString(value) {
				h.regexFailed = 1
				return failf("header", "the header %s matches %q", match.Header, match.Regexp)
			}
		}
	}
	for _, match := range h.m.HTTP.FailIfHeaderNotMatchesRegexp {
		values := header.Values(match.Header)
		if len(values) == 0 && match.AllowMissing {
			continue
		}
		if !slices.ContainsFunc(values, match.Regexp.MatchString) {
			h.regexFailed = 1
			return failf("header", "the header %s does not match %q", match.Header, match.Regexp)
		}
	}
	return nil
}

func (h *httpRun) checkBody(body []byte) *failure {
	for _, expression := range h.m.HTTP.FailIfBodyMatchesRegexp {
		if expression.Match(body) {
			h.regexFailed = 1
			return failf("body", "the body matches %q", expression)
		}
	}
	for _, expression := range h.m.HTTP.FailIfBodyNotMatchesRegexp {
		if !expression.Match(body) {
			h.regexFailed = 1
			return failf("body", "the body does not match %q", expression)
		}
	}
	return nil
}

func (h *httpRun) readBody(response *http.Response) ([]byte, error) {
	var content io.Reader = response.Body
	if response.Header.Get("Content-Encoding") == "gzip" && h.m.HTTP.Headers["Accept-Encoding"] != "" {
		z, err := gzip.NewReader(content)
		if err != nil {
			return nil, err
		}
		content = z
	}
	body, err := io.ReadAll(io.LimitReader(content, maxBody+1))
	if err == nil && len(body) > maxBody {
		return body[:maxBody], failf("body", "the body has more than %d bytes", maxBody)
	}
	return body, err
}

// bodyMetrics turns numbers of a JSON body into metrics. What is missing or no number is absent.
func (h *httpRun) bodyMetrics(body []byte) {
	for _, metric := range h.m.HTTP.Metrics {
		value, err := number(gjson.GetBytes(body, metric.Path))
		if err != nil {
			h.t.logf("metric %s: %s: %s", metric.Name, metric.Path, err)
			h.m.metricError(metric.Name)
			continue
		}
		var labels []Label
		for name, value := range metric.Labels {
			labels = append(labels, Label{name, value})
		}
		slices.SortFunc(labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
		help := metric.Help
		if help == "" {
			help = metric.Path + " of the answer."
		}
		h.t.gauge(metric.Name, help, value, labels...)
	}
}

func number(r gjson.Result) (float64, error) {
	switch r.Type {
	case gjson.Number:
		return r.Num, nil
	case gjson.String:
		n, err := strconv.ParseFloat(strings.TrimSpace(r.Str), 64)
		if err != nil {
			return 0, errors.New("the text is no number")
		}
		return n, nil
	case gjson.Null:
		return 0, errors.New("it is missing")
	}
	return 0, errors.New("it is no number")
}

// metrics gives what is known at the end, however that came.
func (h *httpRun) metrics() {
	durations := map[string]time.Duration{}
	for _, e := range h.exchanges {
		e.addTo(durations)
	}
	for _, phase := range []string{"connect", "tls", "processing", "transfer"} {
		if d := durations[phase]; d > 0 {
			h.t.took(phase, d)
		}
	}
	for _, p := range h.t.phases {
		durations[p.Name] = p.Duration
	}
	for _, phase := range []string{"connect", "processing", "resolve", "tls", "transfer"} {
		h.t.gauge("probe_http_duration_seconds", "Duration of http request by phase, summed over all redirects", durations[phase].Seconds(), Label{"phase", phase})
	}
	isTLS := 0.0
	if h.isTLS {
		isTLS = 1
	}
	h.t.gauge("probe_http_content_length", "Length of http content response", h.contentLength)
	h.t.gauge("probe_http_uncompressed_body_length", "Length of uncompressed response body", h.bodyLength)
	h.t.gauge("probe_http_redirects", "The number of redirects", float64(h.redirects))
	h.t.gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect", isTLS)
	h.t.gauge("probe_http_status_code", "Response HTTP status code", h.status)
	h.t.gauge("probe_http_version", "Returns the version of HTTP of the probe response", h.version)
	h.t.gauge("probe_failed_due_to_regex", "Indicates if probe failed due to regex", h.regexFailed)
}

// addTo adds the phases that were reached. The TLS handshake is not part of connecting.
func (e *exchange) addTo(durations map[string]time.Duration) {
	if e.connected.IsZero() {
		return
	}
	connected := e.connected
	if e.tls && !e.tlsDone.IsZero() {
		durations["tls"] += e.tlsDone.Sub(e.tlsStart)
		connected = e.tlsStart
	}
	durations["connect"] += connected.Sub(e.start)
	if e.firstByte.IsZero() {
		return
	}
	durations["processing"] += e.firstByte.Sub(e.connected)
	if !e.end.IsZero() {
		durations["transfer"] += e.end.Sub(e.firstByte)
	}
}

// Proxy is the proxy function of the module, nil without one.
func (p *HTTPProbe) Proxy() func(*http.Request) (*url.URL, error) {
	if p.ProxyURL.URL == nil && !p.ProxyFromEnvironment {
		return nil
	}
	return p.ProxyConfig.Proxy()
}

// credentials lays the module's authorization over a transport.
func credentials(p *HTTPProbe, next http.RoundTripper) http.RoundTripper {
	if p.Authorization != nil {
		kind := p.Authorization.Type
		if kind == "" {
			kind = "Bearer"
		}
		secret := config.SecretReader(config.NewInlineSecret(string(p.Authorization.Credentials)))
		if p.Authorization.CredentialsFile != "" {
			secret = config.NewFileSecret(p.Authorization.CredentialsFile)
		}
		next = config.NewAuthorizationCredentialsRoundTripper(kind, secret, next)
	}
	if p.BasicAuth != nil {
		user := config.SecretReader(config.NewInlineSecret(p.BasicAuth.Username))
		if p.BasicAuth.UsernameFile != "" {
			user = config.NewFileSecret(p.BasicAuth.UsernameFile)
		}
		password := config.SecretReader(config.NewInlineSecret(string(p.BasicAuth.Password)))
		if p.BasicAuth.PasswordFile != "" {
			password = config.NewFileSecret(p.BasicAuth.PasswordFile)
		}
		next = config.NewBasicAuthRoundTripper(user, password, next)
	}
	return next
}
