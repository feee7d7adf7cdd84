package probe

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"

	"golang.org/x/net/publicsuffix"

	"github.com/fremisn/fremisn-exporter/probe/mask"
)

// origin returns scheme, host and port of a URL, "" if it has none that can be compared.
func origin(u *url.URL) string {
	key, ok := normalURL(u.String())
	if !ok {
		return ""
	}
	return hostOf(key)
}

// stripCredentials removes credentials from a redirected request: it keeps the user in the URL only if the redirect
// names it, and only the cookies that its own origin has set.
func stripCredentials(request *http.Request, jar http.CookieJar) {
	for name := range request.Header {
		if !mask.IsHarmlessHeader(name) {
			delete(request.Header, name)
		}
	}
	for _, cookie := range jar.Cookies(request.URL) {
		request.AddCookie(cookie)
	}
	if user := request.URL.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
}

// An originJar separates the cookies of origins: a cookie that a login on one port has set is a credential of that
// port.
type originJar struct {
	mu   sync.Mutex
	jars map[string]*cookiejar.Jar
}

func (j *originJar) at(u *url.URL) *cookiejar.Jar {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := origin(u)
	if j.jars[key] == nil {
		jar, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // never returns an error
		if j.jars == nil {
			j.jars = map[string]*cookiejar.Jar{}
		}
		j.jars[key] = jar
	}
	return j.jars[key]
}

// SetCookies implements http.CookieJar.
func (j *originJar) SetCookies(u *url.URL, cookies []*http.Cookie) { j.at(u).SetCookies(u, cookies) }

// Cookies implements http.CookieJar.
func (j *originJar) Cookies(u *url.URL) []*http.Cookie {
	j.mu.Lock()
	none := len(j.jars) == 0 || j.jars[origin(u)] == nil
	j.mu.Unlock()
	if none {
		return nil
	}
	return j.at(u).Cookies(u)
}
