package web

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
)

// connections limits the number of open connections: beyond the limit, it closes the one that has been without a
// request for the longest. A client that is still sending a request has none yet.
type connections struct {
	max int

	mu     sync.Mutex
	open   map[net.Conn]*connection
	silent *list.List // of net.Conn: those without a request, the longest-idle first
}

type connection struct {
	requests int
	element  *list.Element // in silent; nil while it has requests
}

func newConnections(max int) *connections {
	return &connections{max: max, open: map[net.Conn]*connection{}, silent: list.New()}
}

// change is for http.Server.ConnState.
func (c *connections) change(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		setBuffers(conn)
		if len(c.open) >= c.max && !c.closeSilent() {
			conn.Close()
			return
		}
		c.open[conn] = &connection{element: c.silent.PushBack(conn)}
	case http.StateClosed, http.StateHijacked:
		c.removeSilent(conn)
		delete(c.open, conn)
	}
}

// What the kernel may hold of a connection, bytes; it takes twice as much. It would take megabytes for each client that
// does not read, which count as the program's own where its memory is limited.
const (
	writeBuffer = 32 << 10
	readBuffer  = 16 << 10
)

func setBuffers(conn net.Conn) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok { // one that is gone already needs none
		tcp.SetWriteBuffer(writeBuffer)
		tcp.SetReadBuffer(readBuffer)
	}
}

// removeSilent removes a connection from those without a request. c.mu is held.
func (c *connections) removeSilent(conn net.Conn) {
	if tracked := c.open[conn]; tracked != nil && tracked.element != nil {
		c.silent.Remove(tracked.element)
		tracked.element = nil
	}
}

// closeSilent closes a connection without a request, if there is one. c.mu is held.
func (c *connections) closeSilent() bool {
	front := c.silent.Front()
	if front == nil {
		return false
	}
	conn := front.Value.(net.Conn)
	c.silent.Remove(front)
	delete(c.open, conn)
	conn.Close()
	return true
}

// begin and end report that a request of a connection is in progress.
func (c *connections) begin(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeSilent(conn)
	if tracked := c.open[conn]; tracked != nil {
		tracked.requests++
	}
}

func (c *connections) end(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	tracked := c.open[conn]
	if tracked == nil {
		return
	}
	if tracked.requests--; tracked.requests == 0 {
		tracked.element = c.silent.PushBack(conn)
	}
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// tracked makes a handler report which connections have requests.
func (c *connections) tracked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			c.begin(conn)
			defer c.end(conn)
		}
		next.ServeHTTP(w, r)
	})
}

// NewServer returns the server of a handler of [New], which limits time and memory whatever clients do.
func NewServer(handler http.Handler) *http.Server {
	c := newConnections(maxConnections)
	return &http.Server{
		Handler: c.tracked(handler), ConnState: c.change,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, conn)
		},
		ReadHeaderTimeout: readLimit, ReadTimeout: readLimit, IdleTimeout: idleLimit, MaxHeaderBytes: 64 << 10,
	}
}
