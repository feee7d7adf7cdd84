// Package stubstatus asks NGINX's stub_status page and reads its answer. It knows nothing of Prometheus.
package stubstatus

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds what is read of an answer, bytes. A stub_status page has about a hundred.
const maxBody = 64 << 10

// Stats is what a stub_status page says, see
// https://nginx.org/en/docs/http/ngx_http_stub_status_module.html.
type Stats struct {
	Active, Reading, Writing, Waiting uint64
	Accepted, Handled, Requests       uint64
}

// A Page is one stub_status page. It has a transport of its own: pages behind different unix sockets share nothing.
type Page struct {
	url    string
	host   string
	client *http.Client
}

// New makes a Page of an http or https URL or of unix:/path/to.sock:/uri. host is the Host to ask for, and the name that
// a certificate must have, where those of the URL would reach another server; else "". It connects nowhere.
func New(rawURL, host string, timeout time.Duration) (*Page, error) {
	target, socket, err := split(rawURL)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true, Proxy: nil}
	if socket != "" {
		var dialer net.Dialer
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	if host != "" {
		name, _, _ := strings.Cut(host, ":")
		transport.TLSClientConfig = &tls.Config{ServerName: name}
	}
	return &Page{url: target, host: host, client: &http.Client{
		Transport: transport,
		Timeout:   timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}, nil
}

// split gives the URL to ask and, for unix:, the socket to ask it through.
func split(rawURL string) (target, socket string, err error) {
	if rest, ok := strings.CutPrefix(rawURL, "unix:"); ok {
		socket, uri, found := strings.Cut(rest, ":")
		if socket == "" || !found || !strings.HasPrefix(uri, "/") {
			return "", "", fmt.Errorf("%q is no socket with a page; write unix:/run/nginx.sock:/nginx_status", rawURL)
		}
		return "http://localhost" + uri, socket, nil
	}
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return "", "", fmt.Errorf("%q is not a URL: %w", rawURL, errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return "", "", fmt.Errorf("%q has the scheme %q; write http://…, https://… or unix:/run/nginx.sock:/nginx_status", rawURL, u.Scheme)
	case u.Hostname() == "":
		return "", "", fmt.Errorf("%q names no host; write http://127.0.0.1:8080/nginx_status", rawURL)
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", "", fmt.Errorf("%q has the port %s; a port is 1 to 65535", rawURL, port)
		}
	}
	return rawURL, "", nil
}

// Fetch asks the page once.
func (p *Page) Fetch(ctx context.Context) (Stats, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return Stats{}, err
	}
	request.Header.Set("User-Agent", "fremisn-exporter")
	request.Host = p.host
	response, err := p.client.Do(request)
	if err != nil {
		return Stats{}, withoutURL(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return Stats{}, fmt.Errorf("reading the answer: %w", withoutURL(err))
	case response.StatusCode != http.StatusOK:
		return Stats{}, fmt.Errorf("answered %s; is it the location with stub_status, and does its allow let this host in?", response.Status)
	case len(body) > maxBody:
		return Stats{}, fmt.Errorf("answered more than %d bytes; this is not a stub_status page", maxBody)
	}
	return Parse(body)
}

// Close drops the idle connection.
func (p *Page) Close() { p.client.CloseIdleConnections() }

// withoutURL is the cause of err: the URL may hold a password.
func withoutURL(err error) error {
	var about *url.Error
	if errors.As(err, &about) {
		if about.Timeout() {
			return errors.New("no answer in time")
		}
		return about.Err
	}
	return err
}

var errNotStubStatus = errors.New("the answer is not a stub_status page; its first line should be \"Active connections: N\"")

// Parse reads a stub_status page:
//
//	Active connections: 291
//	server accepts handled requests
//	 16630948 16630948 31070465
//	Reading: 6 Writing: 179 Waiting: 106
//
// Newer versions and forks may add to a line; what is expected must stand first.
func Parse(body []byte) (Stats, error) {
	var s Stats
	lines := bytes.SplitN(body, []byte("\n"), 5)
	if len(lines) < 4 {
		return Stats{}, errNotStubStatus
	}
	active, ok := bytes.CutPrefix(lines[0], []byte("Active connections: "))
	if !ok || !bytes.HasPrefix(lines[1], []byte("server accepts handled requests")) {
		return Stats{}, errNotStubStatus
	}
	totals := bytes.Fields(lines[2])
	states := bytes.Fields(lines[3])
	if len(totals) < 3 || len(states) < 6 ||
		string(states[0]) != "Reading:" || string(states[2]) != "Writing:" || string(states[4]) != "Waiting:" {
		return Stats{}, errNotStubStatus
	}
	for _, field := range []struct {
		text []byte
		into *uint64
	}{
		{bytes.TrimSpace(active), &s.Active},
		{totals[0], &s.Accepted}, {totals[1], &s.Handled}, {totals[2], &s.Requests},
		{states[1], &s.Reading}, {states[3], &s.Writing}, {states[5], &s.Waiting},
	} {
		n, err := strconv.ParseUint(string(field.text), 10, 64)
		if err != nil {
			return Stats{}, fmt.Errorf("the stub_status page holds %q where a number should stand", field.text)
		}
		*field.into = n
	}
	return s, nil
}
