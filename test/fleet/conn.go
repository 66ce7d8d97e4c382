package fleet

import (
	"context"
	"net"
	"sync"
)

// dial makes a connection that counts, when there may be one more.
func (f *Fleet) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if f.open != nil {
		select {
		case f.open <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		f.closed()
		return nil, err
	}
	f.dialled.Add(1)
	return &conn{Conn: c, fleet: f, closed: sync.OnceFunc(f.closed)}, nil
}

// closed makes room for another connection.
func (f *Fleet) closed() {
	if f.open != nil {
		<-f.open
	}
}

// conn counts what the API server sends and gets.
type conn struct {
	net.Conn
	fleet  *Fleet
	closed func()
}

func (c *conn) Close() error {
	defer c.closed() // not before: it counts until then
	return c.Conn.Close()
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.fleet.received.Add(int64(n))
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.fleet.sent.Add(int64(n))
	return n, err
}
