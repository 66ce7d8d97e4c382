package main

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/smcroute/kube-smcroute/agent/keep/shelf"
	"github.com/smcroute/kube-smcroute/agent/keep/wire"
)

// most is how many connections the active keeper has at a time.
const most = 64

// active is a keeper that programs and mirrors connect to.
type active struct {
	*keeper
	door      door
	since     time.Time
	inherited bool          // another one was active before, and had things to hold
	changed   chan struct{} // something of what end looks at has
	stopping  chan struct{} // closed when an operator asked to stop
	stopOnce  sync.Once
	stopped   chan struct{} // closed when it was told

	mu        sync.Mutex
	links     map[*shelf.Link]*peer
	operators int // who wait for an answer
	new       int // connections of which nobody knows yet what for they are
}

// peer is who is at the other end of a connection.
type peer struct {
	role     wire.Role
	declined bool // it was asked to succeed, and does not
}

// serve is the life of the active keeper.
func (k *keeper) serve(ctx context.Context) error {
	a := &active{
		keeper: k, door: door{path: k.socket},
		since:     time.Now(),
		inherited: k.shelf.Len() > 0,
		changed:   make(chan struct{}, 1),
		stopping:  make(chan struct{}),
		stopped:   make(chan struct{}),
		links:     map[*shelf.Link]*peer{},
	}
	if err := a.door.open(); err != nil {
		return err
	}
	defer a.door.close()
	go a.accept()
	go a.look()
	k.report(true, "is the active keeper")
	k.log.Info("active", "held", k.shelf.Len())
	k.ready()
	select {
	case <-a.stopping:
	case <-ctx.Done():
		a.end()
	}
	select {
	case <-a.stopping:
		a.stop()
	default:
	}
	return nil
}

// accept returns when the door is shut.
func (a *active) accept() {
	for {
		c, err := a.door.accept()
		switch {
		case err != nil: // too many descriptors, which passes
			a.log.Warn("a connection was not accepted", "err", err)
			time.Sleep(lastPause)
			continue
		case c == nil:
			return
		}
		a.mu.Lock()
		full := len(a.links)+a.new >= most
		if !full {
			a.new++
		}
		a.mu.Unlock()
		if full {
			_ = c.Close()
			continue
		}
		go a.meet(wire.NewConn(c))
	}
}

// look has the socket made again when it is gone, as long as this process lives.
func (a *active) look() {
	told := ""
	for range time.Tick(lookTime) {
		gone, err := a.door.look(a.lock.renew)
		switch {
		case err != nil && err.Error() != told:
			told = err.Error()
			a.log.Warn("the socket is gone, and cannot be made again", "err", err)
		case err == nil && gone:
			told = ""
			a.log.Warn("the socket was gone, and is made again")
		}
	}
}

// meet serves a connection.
func (a *active) meet(c *wire.Conn) {
	role, err := c.Welcome()
	if err != nil && !errors.Is(err, io.EOF) { // who ends it at once only looks whether anybody answers
		a.log.Warn("a connection was refused", "err", err)
	}
	var link *shelf.Link
	if err == nil && role != wire.Operator {
		link = a.shelf.Give(c, nil)
	}
	a.mu.Lock()
	a.new--
	if link != nil {
		a.links[link] = &peer{role: role}
	}
	a.mu.Unlock()
	switch {
	case link != nil:
		a.run(link, role)
	case err == nil:
		a.obey(c)
	}
	a.signal()
	_ = c.Close()
}

// run keeps a program or mirror up to date until it has gone.
func (a *active) run(link *shelf.Link, role wire.Role) {
	go func() {
		select {
		case <-link.Ready():
			a.signal()
		case <-link.Done():
		}
	}()
	if role == wire.Program {
		a.log.Info("a program has connected", "held", a.shelf.Len())
	}
	err := link.Run()
	if role == wire.Program {
		a.log.Info("a program has gone", "held", a.shelf.Len(), "reason", err)
	}
	a.mu.Lock()
	delete(a.links, link)
	a.mu.Unlock()
}

// signal has end look.
func (a *active) signal() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// peers are those of a role, and how many there may be beyond them.
func (a *active) peers(role wire.Role) (links []*shelf.Link, more int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for link, p := range a.links {
		if p.role == role {
			links = append(links, link)
		}
	}
	return links, a.new
}
