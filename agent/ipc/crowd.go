package ipc

import (
	"context"
	"net"
	"sync"
	"time"
)

// crowd is the clients that are connected, up to as many as there are slots.
type crowd struct {
	slots    chan struct{}
	patience time.Duration

	mu      sync.Mutex
	members map[*member]bool
	leaving bool
	all     sync.WaitGroup
}

// member is one of them.
type member struct {
	conn  *net.UnixConn
	state memberState
	since time.Time // of the last sign of life
}

// memberState is what the daemon does with a client.
type memberState uint8

const (
	awaited memberState = iota // the daemon waits for a request
	handled                    // the request is with the handler
	written                    // the daemon writes a reply
)

func newCrowd(size int, patience time.Duration) *crowd {
	return &crowd{slots: make(chan struct{}, size), patience: patience, members: make(map[*member]bool)}
}

// slot waits for a place for one more. If there is none, the client that has
// kept the daemon waiting longest loses its own, once it has been quiet for
// longer than the crowd's patience: the silent cannot keep out the rest.
func (c *crowd) slot(ctx context.Context) error {
	for {
		select {
		case c.slots <- struct{}{}:
			return nil
		default:
		}
		timer := time.NewTimer(c.dropQuiet())
		select {
		case c.slots <- struct{}{}:
			timer.Stop()
			return nil
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// dropQuiet closes the connection of the quietest client if its time is up. It
// returns how long to wait for a place before another call.
func (c *crowd) dropQuiet() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	var quietest *member
	for m := range c.members {
		if m.state != handled && (quietest == nil || m.since.Before(quietest.since)) {
			quietest = m
		}
	}
	if quietest == nil {
		return c.patience
	}
	if left := c.patience - time.Since(quietest.since); left > 0 {
		return left
	}
	delete(c.members, quietest)
	quietest.conn.Close()
	return c.patience
}

func (c *crowd) free() { <-c.slots }

// join adds a client that has a slot.
func (c *crowd) join(conn *net.UnixConn) *member {
	m := &member{conn: conn, since: time.Now()}
	c.mu.Lock()
	c.members[m] = true
	c.mu.Unlock()
	c.all.Add(1)
	return m
}

// leave closes a client's connection and frees its slot.
func (c *crowd) leave(m *member) {
	c.mu.Lock()
	delete(c.members, m)
	c.mu.Unlock()
	m.conn.Close()
	c.free()
	c.all.Done()
}

// note records a sign of life. It reports whether the client may go on: once
// all are to leave, dismiss has no eye for one that comes to be awaited.
func (c *crowd) note(m *member, s memberState) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	m.state = s
	m.since = time.Now()
	return !c.leaving || s != awaited
}

// dismiss sends all home: those without a request at once, the others when
// they have their reply, or after grace.
func (c *crowd) dismiss(grace time.Duration) {
	c.mu.Lock()
	c.leaving = true
	for m := range c.members {
		if m.state == awaited {
			m.conn.Close()
		}
	}
	c.mu.Unlock()

	late := time.AfterFunc(grace, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for m := range c.members {
			m.conn.Close()
		}
	})
	c.all.Wait()
	late.Stop()
}
