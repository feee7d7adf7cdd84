package probe

import (
	"context"
	"net"
	"sync"
	"time"
)

// connections are those that an http probe has opened. net/http goes on with a dial or a handshake after the request
// for which it began has timed out; a probe that has ended may leave nothing open, or a node that hangs would collect
// one connection an interval.
type connections struct {
	ctx    context.Context // of the probe
	stop   context.CancelFunc
	source net.IP // that they come from, nil: as the system chooses

	// addresses are tried in their order until one answers, instead of the one that dial is given; nil without.
	addresses []net.IPAddr

	mu    sync.Mutex
	ended bool
	open  []net.Conn
}

type connectionsKey struct{}

// withConnections returns the context that dial knows the probe by. The connections come from the address source, ""
// for the one that the system chooses.
func withConnections(ctx context.Context, source string) (context.Context, *connections) {
	c := &connections{source: net.ParseIP(source)}
	c.ctx, c.stop = context.WithCancel(ctx)
	return context.WithValue(c.ctx, connectionsKey{}, c), c
}

// dial is for transports that several probes share.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1} // no connection lives for longer than a probe
	c, is := ctx.Value(connectionsKey{}).(*connections)
	if !is {
		return dialer.DialContext(ctx, network, address)
	}
	if c.source != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: c.source}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
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

// dialFirst gives each address an even share of the time that is left.
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

// close ends whatever is still open or under way.
func (c *connections) close() {
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, conn := range c.open {
		conn.Close()
	}
}
