package web

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// One client cannot hold /probe: where there is no room, the oldest probe of the client that has the most is given up,
// which gets 503 and does not count as a failure of its target.
func TestOneClientCannotHoldProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFairProbes(4, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Duration(len(r.URL.Query().Get("target"))) * time.Second):
			}
			io.WriteString(w, "probe_success 1\n")
		}))
		var mu sync.Mutex
		answers := map[string]string{}
		var asking sync.WaitGroup
		ask := func(client, target string) {
			asking.Go(func() {
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/probe?target="+target, nil)
				r.RemoteAddr = client
				f.ServeHTTP(w, r)
				mu.Lock()
				defer mu.Unlock()
				answers[client] = fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
			})
			time.Sleep(time.Millisecond)
		}
		hangs := strings.Repeat("x", 600)
		ask("10.0.0.2:1", hangs)
		for i := range 3 {
			ask(fmt.Sprintf("10.0.0.1:%d", i), hangs)
		}
		ask("10.0.0.3:1", "x")
		ask("10.0.0.1:3", "x")
		time.Sleep(2 * time.Second)
		mu.Lock()
		for client, want := range map[string]string{
			"10.0.0.1:0": "503 " + errBusy.Error(), "10.0.0.1:1": "503 " + errBusy.Error(),
			"10.0.0.3:1": "200 probe_success 1", "10.0.0.1:3": "200 probe_success 1", "10.0.0.2:1": "",
			"10.0.0.1:2": "",
		} {
			if answers[client] != want {
				t.Errorf("%s is answered %q, want %q", client, answers[client], want)
			}
		}
		mu.Unlock()
		asking.Wait()
		if f.total != 0 || len(f.byClient) != 0 {
			t.Errorf("%d probes of %d clients are left", f.total, len(f.byClient))
		}
	})
}

// Of more connections than are allowed the one is closed that has had no request for the longest, and none that has
// one.
func TestConnectionsAreBounded(t *testing.T) {
	c := newConnections(3)
	var conns []net.Conn
	open := func() net.Conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		conns = append(conns, theirs)
		c.change(ours, http.StateNew)
		c.change(ours, http.StateActive) // it may be sending a request, for ever
		return ours
	}
	isClosed := func(i int) bool {
		conns[i].SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := conns[i].Read(make([]byte, 1))
		return err == io.EOF
	}
	first, second, third := open(), open(), open()
	c.begin(first)
	c.begin(second)
	c.end(second) // silent since after the third
	fourth := open()
	for i, want := range []bool{false, false, true, false} {
		if isClosed(i) != want {
			t.Errorf("connection %d: closed %v", i, !want)
		}
	}
	c.change(third, http.StateClosed)
	c.begin(second)
	c.begin(fourth)
	open()
	if !isClosed(4) || len(c.open) != 3 {
		t.Errorf("where every connection has a request, the new one is closed: %v; %d are open", isClosed(4),
			len(c.open))
	}
	for _, conn := range []net.Conn{first, second, fourth} {
		c.end(conn)
		c.change(conn, http.StateClosed)
	}
	if len(c.open) != 0 || c.silent.Len() != 0 {
		t.Errorf("%d connections are left, %d of them silent", len(c.open), c.silent.Len())
	}
}

// The kernel holds little of what a client does not read, with TLS and without.
func TestKernelHoldsLittleForAClient(t *testing.T) {
	taken := make(chan int)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
		all := 0
		for err := error(nil); err == nil; {
			var n int
			n, err = w.Write(make([]byte, 4096))
			all += n
		}
		taken <- all
	})
	for _, secure := range []bool{false, true} {
		own := httptest.NewUnstartedServer(nil)
		own.Config = NewServer(handler)
		dial := net.Dial
		if secure {
			own.StartTLS()
			dial = func(network, address string) (net.Conn, error) {
				return tls.Dial(network, address, &tls.Config{InsecureSkipVerify: true})
			}
		} else {
			own.Start()
		}
		conn, err := dial("tcp", own.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if n := <-taken; n > 512<<10 {
			t.Errorf("TLS %v: %d KiB were taken for a client that reads nothing", secure, n>>10)
		}
		conn.Close()
		own.Close()
	}
}
