package probe

import (
	"context"
	"net"
	"sync"
)

// connections are those that an http probe has opened. net/http goes on with a dial or a handshake after the request
// for which it began has timed out; a probe that has ended may leave nothing open, or a node that hangs would collect
// one connection an interval.
type connections struct {
	ctx  context.Context // of the probe
	stop context.CancelFunc

	mu    sync.Mutex
	ended bool
	open  []net.Conn
}

type connectionsKey struct{}

// withConnections gives the context that dial knows the probe by.
func withConnections(ctx context.Context) (context.Context, *connections) {
	c := &connections{}
	c.ctx, c.stop = context.WithCancel(ctx)
	return context.WithValue(ctx, connectionsKey{}, c), c
}

// dial is for transports that several probes share.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	c, is := ctx.Value(connectionsKey{}).(*connections)
	if !is {
		return dialer.DialContext(ctx, network, address)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	conn, err := dialer.DialContext(ctx, network, address)
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
