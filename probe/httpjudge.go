package probe

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

const (
	// maxBody limits what is kept of a body for expressions and metrics, bytes; body_size_limit may raise it.
	// blackbox_exporter has no limit.
	maxBody = 10 << 20
	// maxLicenceBody is how much of a body is searched for a licence text.
	maxLicenceBody = 64 << 10
)

// licenceTexts are FREMIS-N's messages for licence faults: plain text, with various statuses.
var licenceTexts = []string{"License has not been initialized", "is not available in deployment key",
	"Inactive analytic"}

// judge reads the body and compares the answer with the module, in blackbox_exporter's order. The first mismatch is
// the reason, but a licence text in the body takes precedence.
func (h *httpRun) judge(ctx context.Context, response *http.Response) *failure {
	p := &h.m.HTTP
	h.status, h.contentLength = float64(response.StatusCode), float64(response.ContentLength)
	h.isTLS = response.TLS != nil
	h.version, _ = strconv.ParseFloat(strings.TrimPrefix(response.Proto, "HTTP/"), 64)
	h.t.logf("answered %s %s", response.Proto, response.Status)
	failed := h.judgeStatus(response)
	if failed == nil {
		failed = h.judgeHeaders(response.Header)
	}
	body, bodyFailed := h.readBody(ctx, response, failed == nil)
	if failed == nil {
		failed = bodyFailed
	}
	h.times.end()
	h.t.keepBody(body)
	h.answerMetrics(response)
	switch {
	case failed != nil:
	case len(p.ValidHTTPVersions) > 0 && !slices.Contains(p.ValidHTTPVersions, response.Proto):
		failed = failf("other", "answered with %s, which is not among valid_http_versions", response.Proto)
	case p.FailIfSSL && h.isTLS:
		failed = failf("tls", "the last answer came over TLS, and fail_if_ssl is set")
	case p.FailIfNotSSL && !h.isTLS:
		failed = failf("tls", "the last answer did not come over TLS, and fail_if_not_ssl is set")
	default:
		h.bodyMetrics(body)
		return nil
	}
	for _, text := range licenceTexts {
		if bytes.Contains(body, []byte(text)) {
			return failf("license", "FREMIS-N reports a licence fault: %q, with status %d", text,
				response.StatusCode)
		}
	}
	return failed
}

func (h *httpRun) answerMetrics(response *http.Response) {
	if text := response.Header.Get("Last-Modified"); text != "" {
		if modified, err := http.ParseTime(text); err == nil {
			h.t.gauge("probe_http_last_modified_timestamp_seconds",
				"Returns the Last-Modified HTTP response header in unixtime", float64(modified.Unix()))
		}
	}
	if response.TLS != nil {
		h.t.chainMetrics(response.TLS)
		h.t.gauge("probe_tls_cipher_info", helpTLSCipher, 1, Label{"cipher", tlsCipher(response.TLS)})
	}
}

func (h *httpRun) judgeStatus(response *http.Response) *failure {
	code, valid := response.StatusCode, h.m.HTTP.ValidStatusCodes
	switch {
	case len(valid) == 0 && code >= 200 && code < 300, slices.Contains(valid, code):
		return nil
	case h.redirects > maxRedirects:
		return failf("status", "answered %d: there were more than %d redirects", code, maxRedirects)
	case len(valid) == 0:
		return failf("status", "answered %d, not 2xx", code)
	}
	return failf("status", "answered %d, which is not among valid_status_codes", code)
}

func (h *httpRun) judgeHeaders(header http.Header) *failure {
	p := &h.m.HTTP
	for i, match := range slices.Concat(p.FailIfHeaderMatches, p.FailIfHeaderNotMatches) {
		values := header.Values(match.Header)
		unwanted := i < len(p.FailIfHeaderMatches)
		matches := slices.ContainsFunc(values, match.Regexp.MatchString)
		switch {
		case len(values) == 0 && match.AllowMissing:
		case len(values) == 0:
			h.regexFailed = 1
			return failf("header", "the header %s is missing", match.Header)
		case matches && unwanted:
			h.regexFailed = 1
			return failf("header", "the header %s matches %s", match.Header, match.shown())
		case !matches && !unwanted:
			h.regexFailed = 1
			return failf("header", "the header %s does not match %s", match.Header, match.shown())
		}
	}
	return nil
}

// shown returns the expression as it can be shown.
func (m *HeaderMatch) shown() string {
	if mask.IsSecretName(m.Header) {
		return mask.Placeholder
	}
	return strconv.Quote(m.Regexp.String())
}

// A countingReader counts what is read of the decompressed body.
type countingReader struct {
	from io.Reader
	n    int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

// readBody reads the whole body, keeps what is needed, and judges that if good says that everything matched so far.
func (h *httpRun) readBody(ctx context.Context, response *http.Response, good bool) ([]byte, *failure) {
	h.t.enter("transfer")
	p := &h.m.HTTP
	content, err := unpack(p.Compression, response.Body)
	if err != nil {
		content = response.Body
	}
	if p.BodySizeLimit > 0 {
		content = http.MaxBytesReader(nil, io.NopCloser(content), int64(p.BodySizeLimit))
	}
	counted := &countingReader{from: content}
	keep := int64(maxLicenceBody)
	if good && p.needsBody() {
		keep = max(maxBody, int64(p.BodySizeLimit))
	}
	body, readErr := io.ReadAll(io.LimitReader(counted, keep))
	var failed *failure
	if good && err == nil {
		failed = h.judgeBody(ctx, body, readErr)
	}
	if readErr == nil {
		_, readErr = io.Copy(io.Discard, counted)
	}
	// net/http has closed the body of an answer whose redirect is not followed.
	if !h.stopped {
		h.bodyLength = float64(counted.n)
	}
	switch {
	case failed != nil:
		return body, failed
	case err != nil:
		return body, failf("body", "the body is not compressed with %s: %s", p.Compression, err)
	case readErr != nil && !h.stopped:
		return body, bodyFailure(ctx, readErr)
	case good && p.judgesBody() && counted.n > int64(len(body)):
		return body, failf("body", "the body is larger than %d bytes; raise body_size_limit to keep more",
			keep)
	}
	return body, nil
}

// judgesBody reports whether an expression needs the whole body.
func (p *HTTPProbe) judgesBody() bool {
	return len(p.FailIfBodyMatchesRegexp)+len(p.FailIfBodyNotMatchesRegexp) > 0 || p.usesCEL()
}

func (p *HTTPProbe) needsBody() bool { return p.judgesBody() || len(p.Metrics) > 0 }

func (p *HTTPProbe) usesCEL() bool {
	return p.FailIfBodyMatchesCEL != nil || p.FailIfBodyNotMatchesCEL != nil
}

func bodyFailure(ctx context.Context, err error) *failure {
	var tooLarge *http.MaxBytesError
	switch failed := classify(ctx, err, "transfer"); {
	case errors.As(err, &tooLarge):
		return failf("body", "the body is larger than body_size_limit, %d bytes", tooLarge.Limit)
	case failed.reason == "other":
		return failf("body", "the connection broke while the body was read: %s", err)
	default:
		return failed
	}
}

// judgeBody matches the body against the expressions. An unreadable body does not match, as in blackbox_exporter.
func (h *httpRun) judgeBody(ctx context.Context, body []byte, readErr error) *failure {
	p := &h.m.HTTP
	if len(p.FailIfBodyMatchesRegexp)+len(p.FailIfBodyNotMatchesRegexp) > 0 {
		failed := matchBody(p, body)
		if readErr != nil {
			failed = bodyFailure(ctx, readErr)
		}
		if failed != nil {
			h.regexFailed = 1
			return failed
		}
	}
	if p.usesCEL() {
		failed := evaluateBody(ctx, p, body)
		if readErr != nil {
			failed = bodyFailure(ctx, readErr)
		}
		if failed != nil {
			h.celFailed = 1
			return failed
		}
	}
	return nil
}

func matchBody(p *HTTPProbe, body []byte) *failure {
	for _, expression := range p.FailIfBodyMatchesRegexp {
		if expression.Match(body) {
			return failf("body", "the body matches %q", expression)
		}
	}
	for _, expression := range p.FailIfBodyNotMatchesRegexp {
		if !expression.Match(body) {
			return failf("body", "the body does not match %q", expression)
		}
	}
	return nil
}

func evaluateBody(ctx context.Context, p *HTTPProbe, body []byte) *failure {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return failf("body", "the body is not JSON: %s", err)
	}
	if c := p.FailIfBodyMatchesCEL; c != nil {
		if holds, err := c.evaluate(ctx, value); err != nil {
			return failf("body", "%s", err)
		} else if holds {
			return failf("body", "the body matches %q", c.text)
		}
	}
	if c := p.FailIfBodyNotMatchesCEL; c != nil {
		if holds, err := c.evaluate(ctx, value); err != nil {
			return failf("body", "%s", err)
		} else if !holds {
			return failf("body", "the body does not match %q", c.text)
		}
	}
	return nil
}

func (c *CEL) evaluate(ctx context.Context, body any) (bool, error) {
	result, _, err := c.program.ContextEval(ctx, map[string]any{"body": body})
	if err != nil {
		return false, fmt.Errorf("%q cannot be evaluated on the body: %w", c.text, err)
	}
	holds, is := result.Value().(bool)
	if !is {
		return false, fmt.Errorf("%q evaluates to neither true nor false", c.text)
	}
	return holds, nil
}

func unpack(compression string, packed io.Reader) (io.Reader, error) {
	switch strings.ToLower(compression) {
	case "br":
		return brotli.NewReader(packed), nil
	case "deflate":
		return flate.NewReader(packed), nil
	case "gzip":
		z, err := gzip.NewReader(packed)
		if err != nil {
			return nil, err
		}
		return z, nil
	}
	return packed, nil
}

// metrics adds what is known at the end of a probe, whatever its result.
func (h *httpRun) metrics() {
	for _, p := range h.times.phases() {
		h.t.gauge("probe_http_duration_seconds", "Duration of http request by phase, summed over all redirects",
			p.Duration.Seconds(), Label{"phase", p.Name})
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
	if h.m.HTTP.usesCEL() {
		h.t.gauge("probe_failed_due_to_cel", "Indicates if probe failed due to CEL expression not matching",
			h.celFailed)
	}
}
