// Package sim is a simulated FREMIS-N node: the API that its load balancer and its probes use, with latencies like
// those of face recognition, and faults on demand. It counts what it serves: tests compare metrics with these counts.
package sim

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Fault is a way in which a node misbehaves. The zero Fault means a healthy node.
type Fault struct {
	Kind  string        // "", slow, fail, reset, hang, license
	Delay time.Duration // of slow
	Code  int           // of fail; 500 where 0
	Count int           // how many requests it affects; 0: all, until it is cleared
	Path  string        // the prefix of affected paths; "" for all
}

// Latency is the time of a node's work on requests: Base, plus up to Spread, usually little.
type Latency struct{ Base, Spread time.Duration }

// A Node serves one address.
type Node struct {
	Name    string
	Address string

	server   *http.Server
	listener net.Listener

	mu      sync.Mutex
	latency Latency
	fault   Fault
	usage   Usage
	served  map[string]int // "POST /v1/face/enrollment 200" → count
	release chan struct{}  // closed to release hanging requests
	waiting int            // requests that a fault holds
}

// Usage is what get-limit-usage answers; see FREMIS-N's public documentation.
type Usage struct {
	CurrentEnrollment          int `json:"current_enrollment"`
	MaximumEnrollment          int `json:"maximum_enrollment"`
	CurrentKeyspace            int `json:"current_keyspace"`
	MaximumKeyspace            int `json:"maximum_keyspace"`
	CurrentAnonymousEnrollment int `json:"current_anonymous_enrollment"`
	MaximumAnonymousEnrollment int `json:"maximum_anonymous_enrollment"`
}

// Start listens on address and serves until Close.
func Start(name, address string, latency Latency) (*Node, error) {
	n := &Node{
		Name: name, latency: latency, served: map[string]int{}, release: make(chan struct{}),
		usage: Usage{500, 1000, 5, 10, 50, 100},
	}
	if err := n.listen(address); err != nil {
		return nil, err
	}
	return n, nil
}

func (n *Node) listen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	n.Address = listener.Addr().String()
	n.listener = listener
	n.server = &http.Server{Handler: n, ReadHeaderTimeout: 10 * time.Second}
	go n.server.Serve(listener)
	return nil
}

// Close ends the node at once, including hanging requests.
func (n *Node) Close() {
	n.Clear()
	n.server.Close()
}

// Refuse stops listening, so that connections are refused; Listen undoes it.
func (n *Node) Refuse() { n.server.Close() }

// Listen listens again on the same address.
func (n *Node) Listen() error { return n.listen(n.Address) }

// Set makes the node faulty.
func (n *Node) Set(f Fault) {
	n.Clear()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = f
}

// Clear removes the fault, and releases hanging requests.
func (n *Node) Clear() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = Fault{}
	close(n.release)
	n.release = make(chan struct{})
}

// SetUsage changes the answer of get-limit-usage.
func (n *Node) SetUsage(u Usage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.usage = u
}

// Served returns the count of each "METHOD /path CODE"; dropped connections have the code 000.
func (n *Node) Served() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	copied := map[string]int{}
	for key, count := range n.served {
		copied[key] = count
	}
	return copied
}

func (n *Node) hold(change int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting += change
}

// Waiting returns how many requests a fault holds now.
func (n *Node) Waiting() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.waiting
}

// nextFault returns the fault that affects this request.
func (n *Node) nextFault(path string) (Fault, chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.fault
	if f.Kind == "" || !strings.HasPrefix(path, f.Path) {
		return Fault{}, n.release
	}
	if f.Count == 1 {
		n.fault = Fault{}
	} else if f.Count > 1 {
		n.fault.Count--
	}
	return f, n.release
}

func (n *Node) count(r *http.Request, code int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.served[fmt.Sprintf("%s %s %03d", r.Method, r.URL.Path, code)]++
}

// ServeHTTP serves the API.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	fault, release := n.nextFault(r.URL.Path)
	if fault.Kind == "slow" || fault.Kind == "hang" {
		n.hold(1)
		defer n.hold(-1)
	}
	switch fault.Kind {
	case "slow":
		wait(r, release, fault.Delay)
		if r.Context().Err() != nil {
			n.count(r, 0) // the client has gone
			return
		}
	case "hang":
		select {
		case <-release:
		case <-r.Context().Done():
		}
		n.count(r, 0)
		drop(w)
		return
	case "reset":
		n.count(r, 0)
		drop(w)
		return
	case "fail":
		n.answer(w, r, fault.code(), `{"code":"500","message":"internal error"}`)
		return
	case "license":
		n.answer(w, r, http.StatusForbidden, "License has not been initialized")
		return
	}
	n.serve(w, r, release)
}

func (f Fault) code() int {
	if f.Code == 0 {
		return http.StatusInternalServerError
	}
	return f.Code
}

func (n *Node) serve(w http.ResponseWriter, r *http.Request, release chan struct{}) {
	switch {
	case r.URL.Path == "/v1/healthcheck" || r.URL.Path == "/health":
		n.answer(w, r, http.StatusOK, "{}")
	case r.URL.Path == "/v1/get-limit-usage":
		n.mu.Lock()
		body, err := json.Marshal(n.usage)
		n.mu.Unlock()
		if err != nil {
			n.answer(w, r, http.StatusInternalServerError, err.Error())
			return
		}
		n.answer(w, r, http.StatusOK, string(body))
	case strings.HasPrefix(r.URL.Path, "/v1/face/"):
		n.face(w, r, release)
	default:
		n.answer(w, r, http.StatusNotFound, `{"code":"404","message":"not found"}`)
	}
}

func (n *Node) face(w http.ResponseWriter, r *http.Request, release chan struct{}) {
	switch strings.TrimPrefix(r.URL.Path, "/v1/face/") {
	case "enrollment", "recognition", "match", "keyspace", "delete-enrollment":
	default:
		n.answer(w, r, http.StatusNotFound, `{"code":"404","message":"not found"}`)
		return
	}
	if r.Method != http.MethodPost {
		n.answer(w, r, http.StatusMethodNotAllowed, `{"code":"405","message":"method not allowed"}`)
		return
	}
	n.mu.Lock()
	l := n.latency
	n.mu.Unlock()
	// Most are fast, a few take the whole spread.
	share := rand.ExpFloat64() / 4
	wait(r, release, l.Base+time.Duration(min(share, 1)*float64(l.Spread)))
	n.answer(w, r, http.StatusOK, `{"ok":true,"message":"done"}`)
}

func wait(r *http.Request, release chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-release:
	case <-r.Context().Done():
	}
}

func (n *Node) answer(w http.ResponseWriter, r *http.Request, code int, body string) {
	n.count(r, code)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	io.WriteString(w, body)
}

// drop closes the connection without an answer, with a reset, so that it does not look like the end of one.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// Control returns a handler that sets faults over HTTP: POST /fault?kind=slow&delay=2s, POST /clear, GET /served.
func (n *Node) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		f, err := parseFault(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n.Set(f)
	})
	mux.HandleFunc("POST /clear", func(http.ResponseWriter, *http.Request) { n.Clear() })
	mux.HandleFunc("GET /served", func(w http.ResponseWriter,
		_ *http.Request) {
		json.NewEncoder(w).Encode(n.Served())
	})
	return mux
}

func parseFault(r *http.Request) (Fault, error) {
	f := Fault{Kind: r.FormValue("kind"), Path: r.FormValue("path")}
	switch f.Kind {
	case "slow", "fail", "reset", "hang", "license":
	default:
		return f, fmt.Errorf("kind is %q; it may be slow, fail, reset, hang or license", f.Kind)
	}
	var err error
	if text := r.FormValue("delay"); text != "" {
		if f.Delay, err = time.ParseDuration(text); err != nil {
			return f, err
		}
	}
	for name, into := range map[string]*int{"code": &f.Code, "count": &f.Count} {
		if text := r.FormValue(name); text != "" {
			if _, err := fmt.Sscan(text, into); err != nil {
				return f, fmt.Errorf("%s is %q, not a number", name, text)
			}
		}
	}
	return f, nil
}
