package stubstatus

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const page = "Active connections: 291 \nserver accepts handled requests\n 16630948 16630947 31070465 \nReading: 6 " +
	"Writing: 179 Waiting: 106 \n"

var stats = Stats{Active: 291, Accepted: 16630948, Handled: 16630947, Requests: 31070465, Reading: 6, Writing: 179,
	Waiting: 106}

func TestParse(t *testing.T) {
	got, err := Parse([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stats, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, body := range []string{
		"", "\n\n\n\n", "<html>\n<head>\n<title>\n404\n", strings.Replace(page, "291", "many", 1), strings.Replace(page,
			"106", "-1", 1),
		strings.Replace(page, "16630947 ", "", 1), strings.Replace(page, "Waiting", "Idle", 1), page[:60],
		strings.Replace(page, "6 Writing", "99999999999999999999 Writing", 1),
	} {
		if got, err := Parse([]byte(body)); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", body, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(page))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, err := Parse(body); err != nil && got != (Stats{}) {
			t.Errorf("both numbers and an error: %+v, %v", got, err)
		}
	})
}

// serve answers on listener until the test ends.
func serve(t *testing.T, listener net.Listener, answer http.HandlerFunc) {
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: answer}}
	server.Start()
	t.Cleanup(server.Close)
}

func TestSocketsDoNotShareATransport(t *testing.T) {
	var pages []*Page
	for _, active := range []string{"1", "2"} {
		socket := filepath.Join(t.TempDir(), "s")
		listener, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		serve(t, listener, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/nginx_status" {
				t.Errorf("asked for %s", r.URL.Path)
			}
			w.Write([]byte(strings.Replace(page, "291", active, 1)))
		})
		p, err := New(Config{URL: "unix:" + socket + ":/nginx_status", Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		pages = append(pages, p)
	}
	for i, p := range pages {
		got, err := p.Fetch(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got.Active != uint64(i+1) {
			t.Errorf("page %d is that of the other socket", i)
		}
	}
}

// Where several servers share a listener, the Host chooses, and it is the name that a certificate is made out to.
func TestHostChoosesTheServer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "example.com" || r.TLS.ServerName != "example.com" {
			t.Errorf("asked for %s, by TLS for %s", r.Host, r.TLS.ServerName)
		}
		w.Write([]byte(page))
	}))
	defer server.Close()
	p, err := New(Config{URL: server.URL + "/nginx_status", Host: "example.com", Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	transport := p.client.Transport.(*http.Transport)
	transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if got, err := p.Fetch(context.Background()); err != nil || got != stats {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFetchRefuses(t *testing.T) {
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
			"answered 403 Forbidden; is it the location with stub_status, and does it allow this host?"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/else", http.StatusFound) },
			"more than 5 redirects"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, "answered more than 65536 bytes; this is not a stub_status page"},
		"silent": {func(http.ResponseWriter, *http.Request) { <-released }, "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			serve(t, listener, c.answer)
			timeout := time.Minute
			if name == "silent" {
				timeout = 50 * time.Millisecond
				t.Cleanup(func() { listener.Close() })
			}
			p, err := New(Config{URL: "http://" + listener.Addr().String() + "/nginx_status", Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err := p.Fetch(context.Background()); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if name == "silent" {
				released <- struct{}{}
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for rawURL, want := range map[string]string{
		"ftp://h/":             "has the scheme",
		"127.0.0.1:8080":       "is not a URL",
		"http:///nginx_status": "names no host",
		"http://h:99999/":      "a port is 1 to 65535",
		"unix:/run/nginx.sock": "is not a socket with a page",
		"unix::/status":        "is not a socket with a page",
		"":                     "has the scheme",
	} {
		if _, err := New(Config{URL: rawURL, Timeout: time.Second}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("New(%q): %v, want %s", rawURL, err, want)
		}
	}
}
