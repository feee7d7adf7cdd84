package stubstatus

import (
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

// Config says how to fetch a page.
type Config struct {
	URL string // http, https, or unix:/path/to.sock:/uri
	// the Host header, and the name in the certificate, if those of the URL would reach another server
	Host          string
	Timeout       time.Duration
	TLS           *tls.Config // nil for the usual verification
	ProxyProtocol bool        // send a PROXY protocol header, version 1, first
}

// A Page is one stub_status page. It has its own transport: pages behind different unix sockets share nothing.
type Page struct {
	url    *url.URL
	host   string
	client *http.Client
}

// maxRedirects limits the redirects of a page.
const maxRedirects = 5

// New returns a Page. It does not connect.
func New(c Config) (*Page, error) {
	target, socket, err := split(c.URL)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true, Proxy: nil,
		TLSClientConfig: c.TLS.Clone()}
	transport.DialContext = dial(socket, c.ProxyProtocol)
	if c.Host != "" {
		if transport.TLSClientConfig == nil {
			transport.TLSClientConfig = &tls.Config{}
		}
		if transport.TLSClientConfig.ServerName == "" {
			transport.TLSClientConfig.ServerName, _, _ = strings.Cut(c.Host, ":")
		}
	}
	p := &Page{url: target, host: c.Host}
	p.client = &http.Client{Transport: transport, Timeout: c.Timeout, CheckRedirect: p.redirect}
	return p, nil
}

// dial returns a dial function, through socket if it is not "".
func dial(socket string, proxyProtocol bool) func(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if socket != "" {
			network, address = "unix", socket
		}
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil || !proxyProtocol {
			return conn, err
		}
		if deadline, limited := ctx.Deadline(); limited {
			conn.SetWriteDeadline(deadline)
		}
		if _, err := io.WriteString(conn, proxyHeader(conn.LocalAddr(), conn.RemoteAddr())); err != nil {
			conn.Close()
			return nil, err
		}
		conn.SetWriteDeadline(time.Time{})
		return conn, nil
	}
}

// proxyHeader returns the header of the PROXY protocol, version 1; see
// https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt.
func proxyHeader(local, remote net.Addr) string {
	from, isTCP := local.(*net.TCPAddr)
	to, isTCPToo := remote.(*net.TCPAddr)
	if !isTCP || !isTCPToo {
		return "PROXY UNKNOWN\r\n"
	}
	family := "TCP6"
	if from.IP.To4() != nil && to.IP.To4() != nil {
		family = "TCP4"
	}
	return fmt.Sprintf("PROXY %s %s %s %d %d\r\n", family, from.IP, to.IP, from.Port, to.Port)
}

var (
	// errElsewhere ends a request whose page is on another host.
	errElsewhere        = errors.New("a redirect to another host")
	errTooManyRedirects = fmt.Errorf("more than %d redirects", maxRedirects)
)

// redirect follows redirects within the host, without credentials. The requested host name counts as the requested
// address.
func (p *Page) redirect(next *http.Request, before []*http.Request) error {
	asked, _, _ := strings.Cut(p.host, ":")
	switch host := next.URL.Hostname(); {
	case len(before) > maxRedirects:
		return errTooManyRedirects
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return errElsewhere
	case host == p.url.Hostname():
		next.Host = p.host
	case asked != "" && host == asked:
		next.Host = next.URL.Host
		next.URL.Host = p.url.Hostname()
		if strings.Contains(next.URL.Host, ":") {
			next.URL.Host = "[" + next.URL.Host + "]"
		}
		if _, port, err := net.SplitHostPort(next.Host); err == nil {
			next.URL.Host += ":" + port
		}
	default:
		return errElsewhere
	}
	next.URL.User = nil
	next.Header.Del("Authorization")
	next.Header.Del("Referer")
	return nil
}

// split returns the URL to fetch and, for unix:, the socket to use.
func split(rawURL string) (target *url.URL, socket string, err error) {
	if rest, ok := strings.CutPrefix(rawURL, "unix:"); ok {
		socket, uri, found := strings.Cut(rest, ":")
		if socket == "" || !found || !strings.HasPrefix(uri, "/") {
			return nil, "", fmt.Errorf("%q is not a socket with a page; write unix:/run/nginx.sock:/nginx_status",
				rawURL)
		}
		u, err := url.Parse("http://localhost" + uri)
		if err != nil {
			return nil, "", fmt.Errorf("%q has no valid page: %w", rawURL, errors.Unwrap(err))
		}
		return u, socket, nil
	}
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("%q is not a URL: %w", rawURL, errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "", fmt.Errorf("%q has the scheme %q; write http://…, https://… or "+
			"unix:/run/nginx.sock:/nginx_status", rawURL, u.Scheme)
	case u.Hostname() == "":
		return nil, "", fmt.Errorf("%q names no host; write http://127.0.0.1:8080/nginx_status", rawURL)
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, "", fmt.Errorf("%q has the port %s; a port is 1 to 65535", rawURL, port)
		}
	}
	return u, "", nil
}

// Fetch fetches the page once.
func (p *Page) Fetch(ctx context.Context) (Stats, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url.String(), nil)
	if err != nil {
		return Stats{}, err
	}
	request.Header.Set("User-Agent", "fremisn-exporter")
	request.Host = p.host
	response, err := p.client.Do(request)
	if response != nil && errors.Is(err, errElsewhere) {
		return Stats{}, fmt.Errorf("answered %s to %s, another host; use that URL", response.Status,
			location(response))
	}
	if err != nil {
		return Stats{}, p.failed(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return Stats{}, fmt.Errorf("reading the answer: %w", withoutURL(err))
	case response.StatusCode != http.StatusOK:
		return Stats{}, fmt.Errorf("%sanswered %s; is it the location with stub_status, and does it allow "+
			"this host?", p.redirected(response.Request.URL), response.Status)
	case len(body) > maxBody:
		return Stats{}, fmt.Errorf("answered more than %d bytes; this is not a stub_status page", maxBody)
	}
	return Parse(body)
}

// location returns the target of a redirect, without possible secrets.
func location(response *http.Response) string {
	to, err := response.Location()
	if err != nil {
		return "nowhere"
	}
	return public(to)
}

// public returns a URL without possible secrets.
func public(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// failed returns why no answer came. After a redirect to another URL the error names that URL, for it failed, not the
// page: nobody is to look for the cause there.
func (p *Page) failed(err error) error {
	cause := withoutURL(err)
	if errors.Is(cause, io.EOF) {
		cause = errors.New("the connection was closed without an answer")
	}
	var about *url.Error
	if !errors.As(err, &about) || errors.Is(err, errTooManyRedirects) {
		return cause
	}
	asked, parseErr := url.Parse(about.URL)
	if parseErr != nil || p.redirected(asked) == "" {
		return cause
	}
	return errors.New(p.redirected(asked) + cause.Error())
}

// redirected returns the beginning of a message on a URL that is not the page's own but where it has redirected to.
func (p *Page) redirected(asked *url.URL) string {
	if public(asked) == public(p.url) {
		return ""
	}
	return "redirected to " + public(asked) + ": "
}

// Close drops the idle connection.
func (p *Page) Close() { p.client.CloseIdleConnections() }

// withoutURL returns the cause of err: the URL may hold a password.
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
