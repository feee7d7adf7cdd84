package probe

import (
	"context"
	"net"
	"sync"
	"time"
)

// connections are those that an http probe has opened. net/http continues a dial or a handshake after the request that
// started it has timed out. A finished probe must not leave anything open, or a hanging node would collect one
// connection per interval.
type connections struct {
	source net.IP // their local address; nil: the system's choice

	// addresses to try in order until one answers, instead of the one passed to dial; nil for none
	addresses []net.IPAddr

	mu    sync.Mutex
	ended bool
	open  []net.Conn
}

type connectionsKey struct{}

// withConnections returns a context by which dial recognizes the probe. The connections use the local address source,
// "" for the system's choice.
func withConnections(ctx context.Context, source string) (context.Context, *connections) {
	c := &connections{source: net.ParseIP(source)}
	return context.WithValue(ctx, connectionsKey{}, c), c
}

// dial is for transports that several probes share.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1} // no connection lives longer than a probe
	c, is := ctx.Value(connectionsKey{}).(*connections)
	if !is {
		return dialer.DialContext(ctx, network, address)
	}
	if c.source != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: c.source}
	}
	conn, err := c.dialFirst(ctx, &dialer, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		conn.Close()
		return nil, context.Canceled
	}
	c.open = append(c.open, conn)
	return conn, nil
}

// dialFirst gives each address an even share of the remaining time.
func (c *connections) dialFirst(ctx context.Context, dialer *net.Dialer, network, address string) (net.Conn, error) {
	if len(c.addresses) == 0 {
		return dialer.DialContext(ctx, network, address)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var first error
	for i, ip := range c.addresses {
		own, cancel := ctx, func() {}
		if deadline, ok := ctx.Deadline(); ok && i < len(c.addresses)-1 {
			own, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(c.addresses)-i))
		}
		conn, err := dialer.DialContext(own, network, net.JoinHostPort(ip.String(), port))
		cancel()
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// close closes what is still open or in progress.
func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, conn := range c.open {
		conn.Close()
	}
}
